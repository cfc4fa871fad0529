//! Beside the map: how good it is, the image that is looked at with its nearest, and what is selected.

use egui::{Grid, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_GRID_VIEW, ICON_INSIGHTS};

use super::{caption, rank_of, select};
use crate::app::matches::thousands;
use crate::app::shell::{Cx, Page, Wish};
use crate::app::state::file_name;
use crate::app::theme::{BODY, SMALL, medium, palette, semibold, small};
use crate::app::widgets::{draw, header, plain_button, text_button};
use crate::data::dataset::UNKNOWN;
use crate::projection::map::Map;

/// Height of a small picture.
const HEIGHT: f32 = 76.0;
/// Pictures of a selection, at most; the table has them all.
const MOST: usize = 240;

/// Draws the pane.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    header(ui, ICON_INSIGHTS, "Reading the map", |_| {});
    ScrollArea::vertical().auto_shrink(false).id_salt("map side").show(ui, |ui| {
        let state = cx.state;
        match &state.map.map {
            Some(map) => figures(ui, map),
            None => unfinished(ui, cx),
        }
        if let Some(at) = cx.view.map.at {
            ui.separator();
            image(ui, cx, at);
        }
        if cx.view.map.marked.contains(&true) {
            ui.separator();
            selection(ui, cx);
        } else if cx.view.map.at.is_none() && state.map.exists() {
            let p = palette(ui.visuals());
            ui.separator();
            ui.label(
                small("Click a point to see its image and the nearest ones; draw a lasso or a box to select many")
                    .color(p.weak),
            );
        }
    });
}

fn unfinished(ui: &mut Ui, cx: &Cx<'_>) {
    let p = palette(ui.visuals());
    let words = match cx.state.map.divergence.last() {
        Some((iteration, divergence)) => format!(
            "Kullback-Leibler divergence {divergence:.3} after {iteration} iterations. It falls while the map takes shape"
        ),
        None => "Figures appear when the map is complete".into(),
    };
    ui.label(small(words).color(p.weak));
}

const PURITY: &str = "Of an image's nearest by features, the share of its own group. A small group counts as many of the \
                      nearest as it has other images, so that 100 % can be reached";
const CHANCE: &str = "What the purity would be if groups lay anywhere";
const SILHOUETTE: &str = "Among the features: near 1 where groups lie apart, near 0 where they are mixed";
const QUALITY: &str = "Divergence: how much of the neighbourhoods was lost, 0 is none. Trustworthiness: whether near points \
                       are near by features too, 1 is always";

fn figures(ui: &mut Ui, map: &Map) {
    let p = palette(ui.visuals());
    let made = &map.made;
    if made.figures.separation.is_empty() {
        let words = "Nothing is known about who is where, so there is nothing to measure";
        ui.label(small(words).color(p.weak));
    } else {
        Grid::new("map figures").num_columns(4).spacing(vec2(10.0, 4.0)).show(ui, |ui| {
            ui.label("");
            for (head, help) in [("Purity", PURITY), ("By chance", CHANCE), ("Silhouette", SILHOUETTE)] {
                ui.label(medium(head, SMALL).color(p.weak)).on_hover_text(help);
            }
            ui.end_row();
            for s in &made.figures.separation {
                ui.label(medium(s.label.name(), BODY).color(p.text));
                let (purity, silhouette) = (100.0 * s.purity_map, s.silhouette_map);
                let on_map = format!("On the map itself: purity {purity:.0} %, silhouette {silhouette:.2}");
                let percent = |share: f64| format!("{:.0} %", 100.0 * share);
                for text in [percent(s.purity), percent(s.chance), format!("{:.2}", s.silhouette)] {
                    ui.label(semibold(text, BODY).color(p.strong)).on_hover_text(&on_map);
                }
                ui.end_row();
            }
        });
        for s in &made.figures.separation {
            ui.label(small(s.words()).color(p.text));
        }
    }
    let trust = made.figures.trustworthiness.map(|t| format!(", trustworthiness {t:.2}")).unwrap_or_default();
    let about = format!(
        "Kullback-Leibler divergence {:.3}{trust}; perplexity {:.0}, {} iterations, seed {}",
        made.divergence, made.perplexity, made.iterations, made.settings.seed
    );
    ui.label(small(about).color(p.weak)).on_hover_text(QUALITY);
}

fn image(ui: &mut Ui, cx: &mut Cx<'_>, at: usize) {
    let p = palette(ui.visuals());
    let Some(spot) = cx.state.map.spots.get(at).cloned() else { return };
    let picture = cx.view.map.far.picture(cx.thumbs, &spot);
    ui.horizontal_top(|ui| {
        let (rect, response) = ui.allocate_exact_size(vec2(72.0, 144.0), Sense::hover());
        draw(ui, rect, &picture, 5.0);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Image, {}", caption(&spot))));
        ui.vertical(|ui| {
            ui.add(egui::Label::new(medium(file_name(&spot.path), BODY).color(p.strong)).truncate())
                .on_hover_text(spot.path.display().to_string());
            ui.label(small(caption(&spot)).color(p.weak));
            let rank = rank_of(cx.state, &spot.path);
            match (rank, cx.state.query()) {
                (Some(rank), Some(query)) => {
                    let text = format!("Rank {} for {}", rank + 1, query.name());
                    ui.label(small(text).color(p.text));
                }
                (None, Some(query)) if query.info.path != spot.path => {
                    let text = format!("Not among the top {} for {}", cx.state.settings.top, query.name());
                    ui.label(small(text).color(p.weak));
                }
                _ => {}
            }
            let is_query = cx.state.queries.iter().any(|query| query.info.path == spot.path);
            if (rank.is_some() || is_query) && plain_button(ui, ICON_GRID_VIEW, "Show in matches").clicked() {
                select(cx, at);
                cx.wishes.push(Wish::Show(Page::Investigate));
            }
        });
    });
    let Some(map) = &cx.state.map.map else { return };
    let near: Vec<usize> = map.neighbours(at).iter().map(|&i| i as usize).collect();
    if near.is_empty() {
        return;
    }
    let same = near.iter().filter(|&&i| map.spots[i].identity == spot.identity && spot.identity != UNKNOWN).count();
    ui.add_space(4.0);
    let known =
        if spot.identity == UNKNOWN { String::new() } else { format!(": {same} of {} the same person", near.len()) };
    ui.label(medium(format!("Nearest by features{known}"), SMALL).color(p.weak));
    pictures(ui, cx, &near, "Neighbour", Some(spot.identity));
}

fn selection(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let selection = cx.view.map.selection(&cx.state.map.spots);
    let (chosen, people) = (&selection.images, &selection.people);
    ui.horizontal(|ui| {
        let images = if chosen.len() == 1 { "image" } else { "images" };
        ui.label(semibold(format!("{} {images} selected", thousands(chosen.len() as u64)), BODY).color(p.strong));
        if text_button(ui, "Clear").on_hover_text("Esc").clicked() {
            cx.view.map.clear_marks();
        }
    });
    if !people.is_empty() {
        let named: Vec<String> = people.iter().take(4).map(|(n, id)| format!("person {id} ({n})")).collect();
        let rest = if people.len() > 4 { format!(" and {} more", people.len() - 4) } else { String::new() };
        ui.label(small(format!("{} people: {}{rest}", people.len(), named.join(", "))).color(p.weak));
    }
    pictures(ui, cx, &chosen[..chosen.len().min(MOST)], "Selected", None);
    if chosen.len() > MOST {
        ui.label(small(format!("The first {MOST} are shown; a saved table has them all")).color(p.weak));
    }
}

/// A grid of small pictures; a click looks at one. With `identity` each says by a sign whether it is the same person.
fn pictures(ui: &mut Ui, cx: &mut Cx<'_>, which: &[usize], what: &str, identity: Option<i64>) {
    let p = palette(ui.visuals());
    let size = vec2(HEIGHT / 2.0, HEIGHT);
    let state = cx.state;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        for (number, &i) in which.iter().enumerate() {
            let Some(spot) = state.map.spots.get(i) else { continue };
            let (rect, response) = ui.allocate_exact_size(size, Sense::click());
            let same = identity.filter(|&id| id != UNKNOWN && spot.identity != UNKNOWN).map(|id| id == spot.identity);
            let sign = match same {
                Some(true) => ", same person",
                Some(false) => ", different person",
                None => "",
            };
            let words = format!("{what} {}, {}{sign}", number + 1, caption(spot));
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &words));
            if response.clicked() {
                cx.view.map.look_at(i);
            }
            if ui.is_rect_visible(rect) {
                let picture = cx.view.map.far.picture(cx.thumbs, spot);
                draw(ui, rect, &picture, 3.0);
                let (glyph, colour) = match same {
                    Some(true) => ("✓", p.same),
                    Some(false) => ("✗", p.other),
                    None => ("", p.line),
                };
                let colour = if response.hovered() || response.has_focus() { p.accent } else { colour };
                ui.painter().rect_stroke(rect, 3.0, Stroke::new(1.5, colour), StrokeKind::Inside);
                if !glyph.is_empty() {
                    let badge = Rect::from_min_size(rect.min, vec2(15.0, 16.0));
                    ui.painter().rect_filled(badge, 3.0, colour);
                    let font = crate::app::theme::semibold_font(SMALL);
                    ui.painter().text(badge.center(), egui::Align2::CENTER_CENTER, glyph, font, p.pane);
                }
            }
            response.on_hover_text(format!("{}\n{}", file_name(&spot.path), caption(spot)));
        }
    });
}
