//! The scrolling grid: only the cards in view exist.
//!
//! They are painted in layers (grounds, pictures, what lies over them), so that all pictures of one page of the atlas are one
//! mesh.

use std::collections::BTreeMap;

use egui::epaint::Mesh;
use egui::{Color32, Pos2, Rect, Role, ScrollArea, Sense, Shape, TextureId, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::card::{self, Card};
use super::lines::{Content, Fit, GAP, Lines};
use super::{distance, measure_name};
use crate::app::shell::Cx;
use crate::app::state::Group;
use crate::app::theme::{SMALL, medium, palette, small};
use crate::app::thumbs::Picture;
use crate::data::dataset::UNKNOWN;
use crate::engine::command::QueryId;
use crate::engine::event::SearchResult;

/// What the window remembers of the grid.
#[derive(Debug, Default)]
pub struct GridView {
    lines: Lines,
    scroll: f32,
    height: f32,
    /// Cards in view: the length of a step by Page Up and Page Down.
    pub page: usize,
    query: Option<QueryId>,
}

/// Draws the cards.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>, result: &SearchResult) {
    let pane = vec2(ui.available_width() - 14.0, ui.available_height());
    let fit = Fit::new(pane, cx.state.settings.card);
    let mut grid = std::mem::take(&mut cx.view.grid);
    grid.lines.update(&cx.state.listing, fit);
    let mut area = ScrollArea::vertical().auto_shrink(false).id_salt("cards").content_margin(3.0);
    if grid.query.replace(result.query) != Some(result.query) {
        area = area.vertical_scroll_offset(0.0);
    } else if cx.reveal
        && let Some((top, from)) = grid.lines.top_of(cx.state.listing.position(cx.state.candidate))
    {
        // A selection moved by key is brought into view; a scroll by hand is left alone.
        let (from, bottom) = (from as f32, top as f32 + fit.card.y + GAP);
        if from < grid.scroll {
            area = area.vertical_scroll_offset(from);
        } else if bottom > grid.scroll + grid.height {
            area = area.vertical_scroll_offset((bottom - grid.height).max(0.0));
        }
    }
    let output = area.show_viewport(ui, |ui, view| {
        ui.set_height(grid.lines.height() as f32);
        ui.set_width(ui.available_width());
        // Places are taken from the view's corner, not from the content's far away one, which has no room for fractions.
        let corner = (ui.max_rect().min + view.min.to_vec2()).round();
        let place = |top: f64| (top - f64::from(view.min.y)) as f32;
        let lines = grid.lines.visible(f64::from(view.min.y), f64::from(view.max.y));
        let mut cards = Vec::new();
        for line in lines {
            let left = pos2(corner.x, corner.y + place(line.top));
            match &line.content {
                Content::Heading(number) => heading(ui, result, left, cx.state.listing.groups[*number]),
                Content::Cards(range) => {
                    for (column, position) in range.clone().enumerate() {
                        let at = left + vec2(column as f32 * (fit.card.x + GAP), 0.0);
                        let rect = Rect::from_min_size(at, fit.card).round_to_pixels(ui);
                        cards.extend(Card::new(cx, result, position, rect, fit));
                    }
                }
            }
        }
        paint(ui, cx, &cards);
        cards.len()
    });
    let columns = fit.columns.max(1);
    let whole = ((output.inner_rect.height() + GAP) / (fit.card.y + GAP)).floor().max(1.0) as usize;
    grid.page = (whole * columns).min(output.inner.max(1));
    (grid.scroll, grid.height) = (output.state.clamped_offset().y, output.inner_rect.height());
    cx.view.grid = grid;
}

fn paint(ui: &mut Ui, cx: &mut Cx<'_>, cards: &[Card<'_>]) {
    let responses: Vec<_> = cards.iter().map(|card| card::interact(ui, cx, card)).collect();
    for (card, response) in cards.iter().zip(&responses) {
        card::ground(ui, card, response);
    }
    let mut pages: BTreeMap<TextureId, Mesh> = BTreeMap::new();
    let scale = ui.pixels_per_point();
    for card in cards {
        match cx.thumbs.at_width(&card.entry.path, card.picture.width() * scale) {
            Picture::Ready { texture, size, uv } => {
                let factor = (card.picture.width() / size.x).min(card.picture.height() / size.y);
                let inner = Rect::from_center_size(card.picture.center(), size * factor);
                let page = pages.entry(texture).or_insert_with(|| Mesh::with_texture(texture));
                page.add_rect_with_uv(inner, uv, Color32::WHITE);
            }
            Picture::Waiting => {}
            Picture::Broken(_) => card::broken(ui, card),
        }
    }
    for mesh in pages.into_values() {
        ui.painter().add(Shape::mesh(mesh));
    }
    for (card, response) in cards.iter().zip(&responses) {
        card::overlay(ui, cx.state, card, response);
    }
    for (card, response) in cards.iter().zip(responses) {
        card::after(ui, cx, card, response);
    }
}

fn heading(ui: &mut Ui, result: &SearchResult, at: Pos2, group: Group) {
    let p = palette(ui.visuals());
    let who =
        if group.identity == UNKNOWN { "Identity unknown".to_owned() } else { format!("Identity {}", group.identity) };
    let images = if group.images == 1 { "1 image".to_owned() } else { format!("{} images", group.images) };
    let measure = measure_name(result.measure);
    let scores =
        format!("best {measure} {}  ·  mean {}  ·  {images} listed", distance(group.best), distance(group.mean));
    let rect = Rect::from_min_size(at, vec2(ui.available_width(), 20.0));
    let mut line =
        ui.new_child(UiBuilder::new().max_rect(rect).layout(egui::Layout::left_to_right(egui::Align::Center)));
    let id = ui.scope_id().with(("heading", group.first));
    let response = ui.interact(rect, id, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{who}, {scores}")));
    line.add(egui::Label::new(medium(who, 13.0).color(p.strong)).selectable(false));
    line.add(egui::Label::new(small(scores).size(SMALL).color(p.weak)).selectable(false).truncate());
}

/// Rounding, so that borders are sharp.
trait RoundToPixels {
    fn round_to_pixels(self, ui: &Ui) -> Self;
}

impl RoundToPixels for Rect {
    fn round_to_pixels(self, ui: &Ui) -> Self {
        let scale = ui.pixels_per_point();
        let round = |p: Pos2| pos2((p.x * scale).round() / scale, (p.y * scale).round() / scale);
        Rect::from_min_size(round(self.min), self.size())
    }
}
