//! The list of queries.

use egui::{
    Align2, EventFilter, FontId, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{
    ICON_ADD, ICON_CHECK, ICON_CHECKLIST, ICON_CLOSE, ICON_CONTENT_PASTE, ICON_CROP, ICON_DELETE, ICON_IMAGE_SEARCH,
    ICON_LIST,
};

use super::investigate::Intent;
use super::keys::{self, Command};
use super::shell::{Cx, Sheet, Wish};
use super::state::{Action, Query};
use super::target::Target;
use super::text;
use super::theme::{BODY, SMALL, icon_font, medium_font, palette, semibold_font, tint};
use super::widgets::{draw, empty, header, icon_button};
use crate::case::readable_time;
use crate::engine::event::Source;

/// Height of a row in points.
const ROW: f32 = 66.0;

/// Draws the list.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let count = cx.state.queries.len();
    // In a narrow pane the count goes, not the end of the word.
    let counted = count > 0 && ui.available_width() > 160.0;
    let title = if counted { format!("Queries ({count})") } else { "Queries".to_owned() };
    header(ui, ICON_LIST, &title, |ui| {
        if icon_button(ui, ICON_ADD, "Add queries…").clicked() {
            cx.wishes.push(Wish::Ask(Target::Queries));
        }
    });
    ways_in(ui, cx);
    ui.add_space(4.0);
    if count == 0 {
        empty(ui, ICON_IMAGE_SEARCH, "No queries yet", "Drop blurred crops here, or press Ctrl+O");
        return;
    }
    ui.spacing_mut().item_spacing.y = 4.0;
    let selected = cx.state.queries.iter().position(|q| Some(q.info.id) == cx.state.selected);
    let mut area = ScrollArea::vertical().auto_shrink(false);
    // A selection moved by key is brought into view; a scroll by hand is left alone.
    // A list that has just grown scrolls no further than it was long: what is at its new end is brought into view a frame later.
    let grown = std::mem::replace(&mut cx.view.queries_seen, count) < count;
    let reveal = cx.reveal || std::mem::take(&mut cx.view.queries_reveal);
    if reveal && grown {
        cx.view.queries_reveal = true;
        ui.ctx().request_repaint();
    } else if reveal && let Some(at) = selected {
        let top = at as f32 * (ROW + 4.0);
        let seen = cx.view.queries_scroll;
        let height = ui.available_height();
        if top < seen {
            area = area.vertical_scroll_offset(top);
        } else if top + ROW > seen + height {
            area = area.vertical_scroll_offset(top + ROW - height);
        }
    }
    let output = area.show_rows(ui, ROW, count, |ui, rows| {
        for i in rows {
            row(ui, cx, &cx.state.queries[i]);
        }
    });
    cx.view.queries_scroll = output.state.clamped_offset().y;
}

/// The other ways to a query, the list of what all of them found, and the way out.
fn ways_in(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        if icon_button(ui, ICON_CROP, &keys::tooltip(Command::OpenFrame)).clicked() {
            cx.wishes.push(Wish::Ask(Target::Frame));
        }
        if icon_button(ui, ICON_CONTENT_PASTE, &keys::tooltip(Command::Paste)).clicked() {
            cx.wishes.push(Wish::Paste);
        }
        if icon_button(ui, ICON_CHECKLIST, &keys::tooltip(Command::Overview)).clicked() {
            cx.wishes.push(Wish::Toggle(Sheet::Overview));
        }
        if let Some(query) = cx.state.query() {
            let name = format!("Remove query {} ({})", query.name(), keys::of(Command::RemoveQuery).keys);
            let name = text::middle(&name, |name| name.chars().count() <= 80);
            if icon_button(ui, ICON_DELETE, &name).clicked() {
                cx.wishes.push(Action::RemoveQuery(query.info.id).into());
            }
        }
    });
}

fn row(ui: &mut Ui, cx: &mut Cx<'_>, query: &Query) {
    let p = palette(ui.visuals());
    let id = query.info.id;
    let selected = cx.state.selected == Some(id);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let rank1 = query.rank1().filter(|_| cx.state.settings.ground_truth);
    let name = query.name();
    let verdict = match rank1 {
        Some(true) => ", rank 1 is the same person",
        Some(false) => ", rank 1 is a different person",
        None => "",
    };
    let (width, height) = query.info.image.dimensions();
    let spoken = format!("Query {}, {}{verdict}", text::short(&name), sizes(query).swap_remove(0));
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, selected, &spoken));
    if response.has_focus() {
        // The arrows move the selection, not the keyboard focus; the focus follows the selection.
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
        cx.view.arrows_at = Some(response.id);
        (cx.view.queries_focus, cx.view.grid_focus) = (true, false);
    }
    if selected && cx.reveal && cx.view.queries_focus && !response.has_focus() {
        response.request_focus();
        cx.view.arrows_at = Some(response.id);
    }
    if response.clicked() {
        cx.wishes.push(Action::SelectQuery(id).into());
    }
    if !ui.is_rect_visible(rect) {
        return;
    }

    let fill = match (selected, response.hovered()) {
        (true, _) => tint(p.pane, p.accent, 0.16),
        (false, true) => p.raised,
        (false, false) => p.pane,
    };
    ui.painter().rect_filled(rect, 6.0, fill);
    if selected || response.has_focus() {
        let strength = if response.has_focus() { 1.0 } else { 0.55 };
        let stroke = Stroke::new(1.0 + strength * 0.5, tint(p.pane, p.accent, strength));
        ui.painter().rect_stroke(rect, 6.0, stroke, StrokeKind::Inside);
    }
    let thumb = Rect::from_min_size(rect.min + vec2(6.0, 5.0), vec2(30.0, ROW - 10.0));
    let picture = cx.thumbs.memory(ui.ctx(), &query.info.image, true);
    draw(ui, thumb, &picture, 3.0);

    let left = thumb.right() + 10.0;
    let right = rect.right() - if rank1.is_some() { 32.0 } else { 8.0 };
    let line = |y: f32, text: String, font: FontId, colour| {
        let clip = Rect::from_min_max(pos2(left, rect.top()), pos2(right, rect.bottom()));
        let galley = ui.painter().layout_no_wrap(text, font, colour);
        let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
        painter.galley(pos2(left, y - galley.size().y / 2.0), galley, colour);
    };
    let shown = text::line(ui.painter(), &name, semibold_font(BODY), right - left);
    line(rect.top() + 15.0, shown, semibold_font(BODY), p.strong);
    let font = FontId::proportional(SMALL);
    let mut second = match (query.info.source, query.info.camera, query.info.identity) {
        (Source::Memory, ..) => "From the clipboard".to_owned(),
        (_, -1, -1) => "Camera unknown".to_owned(),
        (_, -1, identity) => format!("Identity {identity}"),
        (_, camera, _) => format!("Camera {camera}"),
    };
    let sizes = sizes(query);
    let fits = |text: &String| ui.painter().layout_no_wrap(text.clone(), font.clone(), p.text).size().x <= right - left;
    let third = if sizes.iter().take(1).any(fits) || sizes.len() == 1 {
        text::line(ui.painter(), &sizes[0], font.clone(), right - left)
    } else {
        // Two lines for two sizes: what it has, and what it looks like. The camera is there where it has room too.
        let size = format!("{width}×{height} px");
        second = text::first_that_fits(ui.painter(), &[format!("{second}, {size}"), size], font.clone(), right - left);
        text::first_that_fits(ui.painter(), &sizes[1..], font.clone(), right - left)
    };
    line(rect.top() + 33.0, second, font.clone(), p.text);
    line(rect.top() + 50.0, third, font, p.weak);

    if let Some(same) = rank1 {
        let (sign, colour) = if same { (ICON_CHECK, p.same) } else { (ICON_CLOSE, p.other) };
        let centre = pos2(rect.right() - 19.0, rect.top() + 18.0);
        ui.painter().circle_filled(centre, 10.0, tint(p.pane, colour, 0.18));
        ui.painter().text(centre, Align2::CENTER_CENTER, sign.codepoint, icon_font(14.0), colour);
    }
    if selected || response.secondary_clicked() {
        response.context_menu(|ui| menu(ui, cx, query));
    }
    if response.secondary_clicked() {
        cx.wishes.push(Action::SelectQuery(id).into());
    }
    response.on_hover_ui(|ui| {
        ui.set_max_width(360.0);
        ui.add(egui::Label::new(text::short(&query.info.path.display().to_string())).wrap());
        if query.info.source == Source::Memory {
            ui.label("An image from the clipboard: it is in no file");
        }
        if let Some(entry) = cx.state.case.since(id) {
            ui.label(format!("In the case since {}, by {}", readable_time(&entry.at), entry.who));
        }
        if let Source::Crop([x, y, w, h]) = query.info.source {
            ui.label(format!("Cut out at {x}, {y}: {w}×{h} px"));
        }
        if let Some([w, h]) = query.info.effective {
            let text = format!(
                "{width}×{height} px, and as much to see as in a sharp image of about {w}×{h}: an estimate from its spectrum"
            );
            ui.add(egui::Label::new(text).wrap());
        }
        if let Some(same) = rank1 {
            let text = if same { "✓ Rank 1 is the same person" } else { "✗ Rank 1 is a different person" };
            ui.label(egui::RichText::new(text).font(medium_font(SMALL)));
        }
    });
}

/// Its size in words, and after them shorter ways to say alone what it looks like, where that is less.
fn sizes(query: &Query) -> Vec<String> {
    let (width, height) = query.info.image.dimensions();
    match query.info.looks_like() {
        None => vec![format!("{width}×{height} px")],
        Some([w, h]) => vec![
            format!("{width}×{height} px, looks like {w}×{h}"),
            format!("looks like {w}×{h} px"),
            format!("looks like {w}×{h}"),
            format!("like {w}×{h}"),
        ],
    }
}

fn menu(ui: &mut Ui, cx: &mut Cx<'_>, query: &Query) {
    if query.info.source != Source::Memory && ui.button("Cut people out of this image").clicked() {
        cx.wishes.push(Wish::Investigate(Intent::CropQuery));
        ui.close();
    }
    if ui.button("Copy the file's path").clicked() {
        ui.ctx().copy_text(query.info.path.display().to_string());
        ui.close();
    }
    if ui.button("Remove the query").clicked() {
        cx.wishes.push(Action::RemoveQuery(query.info.id).into());
        ui.close();
    }
}
