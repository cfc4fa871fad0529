//! One candidate's card.

use egui::{
    Align2, Color32, EventFilter, FontId, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{ICON_ADD, ICON_BROKEN_IMAGE, ICON_CHECK, ICON_CLOSE};

use super::lines::{Fit, MAT};
use super::{distance, measure_name, verdict};
use crate::app::shell::{Cx, Wish};
use crate::app::state::{Action, Refinement, ViewState, file_name};
use crate::app::theme::{SMALL, icon_font, palette, semibold_font, tint};
use crate::app::thumbs::Picture;
use crate::app::widgets::draw_mat;
use crate::app::{text, verdicts};
use crate::data::clock;
use crate::data::dataset::UNKNOWN;
use crate::engine::event::{Candidate, GalleryEntry, SearchResult};

/// A card in view.
pub struct Card<'a> {
    /// Its place in the ranking, from 0.
    place: usize,
    candidate: &'a Candidate,
    /// Its gallery image.
    pub entry: &'a GalleryEntry,
    result: &'a SearchResult,
    rect: Rect,
    /// Where its picture lies.
    pub picture: Rect,
    roomy: bool,
    chosen: bool,
    confirmed: bool,
    same: Option<bool>,
}

impl<'a> Card<'a> {
    /// The card at `position` of the listing.
    pub fn new(cx: &Cx<'a>, result: &'a SearchResult, position: usize, rect: Rect, fit: Fit) -> Option<Self> {
        let place = *cx.state.listing.order.get(position)?;
        let candidate = result.candidates.get(place)?;
        let entry = cx.state.gallery.as_ref()?.entries.get(candidate.entry)?;
        Some(Self {
            place,
            candidate,
            entry,
            result,
            rect,
            picture: Rect::from_min_size(rect.min + vec2(MAT, MAT), fit.image),
            roomy: fit.roomy(),
            chosen: cx.state.candidate == place,
            confirmed: cx.state.query().is_some_and(|q| q.confirmed.contains(&candidate.entry)),
            same: candidate.same.filter(|_| cx.state.settings.ground_truth),
        })
    }

    /// What a screen reader says.
    fn spoken(&self, state: &ViewState) -> String {
        let truth = state.settings.ground_truth;
        let (rank, measure) = (self.candidate.rank, measure_name(self.result.measure));
        let mut text = format!("Rank {rank}, {measure} {}", distance(self.candidate.distance));
        if self.confirmed {
            text.push_str(", searched with too");
        }
        if truth {
            text.push_str(", ");
            text.push_str(verdict(self.same));
        }
        text + &verdicts::spoken(state, self.result.query, &self.entry.path)
    }
}

/// Takes clicks and the keyboard's focus.
pub fn interact(ui: &mut Ui, cx: &mut Cx<'_>, card: &Card<'_>) -> Response {
    let response = ui.interact(card.rect, ui.scope_id().with(("card", card.candidate.entry)), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, card.chosen, card.spoken(cx.state)));
    if response.has_focus() {
        // The arrows move the selection, not the keyboard focus; the focus follows the selection.
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
        cx.view.arrows_at = Some(response.id);
        (cx.view.grid_focus, cx.view.queries_focus) = (true, false);
    }
    if card.chosen && cx.reveal && cx.view.grid_focus && !response.has_focus() {
        response.request_focus();
        cx.view.arrows_at = Some(response.id);
    }
    if response.clicked() || response.secondary_clicked() {
        cx.wishes.push(Action::SelectCandidate(card.place).into());
    }
    if response.double_clicked() {
        cx.wishes.push(Wish::Enlarge);
    }
    response
}

/// The ground under the picture.
pub fn ground(ui: &Ui, card: &Card<'_>, response: &Response) {
    let p = palette(ui.visuals());
    ui.painter().rect_filled(card.rect, 8.0, if response.hovered() { p.hover } else { p.raised });
    draw_mat(ui, card.picture, 4.0);
}

/// What stands in place of a picture that cannot be read.
pub fn broken(ui: &Ui, card: &Card<'_>) {
    let p = palette(ui.visuals());
    let (at, font) = (card.picture.center(), icon_font(22.0));
    ui.painter().text(at, Align2::CENTER_CENTER, ICON_BROKEN_IMAGE.codepoint, font, p.weak);
}

/// Border, badges and text.
pub fn overlay(ui: &Ui, state: &ViewState, card: &Card<'_>, response: &Response) {
    let p = palette(ui.visuals());
    let (painter, picture, rect) = (ui.painter(), card.picture, card.rect);
    let colour = match card.same {
        Some(true) => p.same,
        Some(false) => p.other,
        None => tint(p.pane, p.weak, 0.4),
    };
    painter.rect_stroke(picture, 4.0, Stroke::new(2.0, colour), StrokeKind::Outside);
    if card.chosen {
        painter.rect_stroke(rect.expand(1.5), 9.0, Stroke::new(2.0, p.accent), StrokeKind::Middle);
    } else if response.has_focus() {
        painter.rect_stroke(rect, 8.0, Stroke::new(1.5, p.accent), StrokeKind::Middle);
    }

    let rank = painter.layout_no_wrap(card.candidate.rank.to_string(), semibold_font(SMALL), Color32::WHITE);
    let badge = Rect::from_min_size(picture.min + vec2(3.0, 3.0), vec2(rank.size().x + 10.0, 18.0));
    painter.rect_filled(badge, 4.0, Color32::from_black_alpha(185));
    painter.galley(badge.center() - rank.size() / 2.0, rank, Color32::WHITE);
    let glyph = |corner: egui::Pos2, sign: &str, fill: Color32, text: Color32| {
        let badge = Rect::from_min_size(corner, vec2(18.0, 18.0));
        painter.rect_filled(badge, 4.0, fill);
        painter.text(badge.center(), Align2::CENTER_CENTER, sign, icon_font(14.0), text);
    };
    if let Some(same) = card.same {
        let sign = if same { ICON_CHECK } else { ICON_CLOSE };
        glyph(pos2(picture.right() - 21.0, picture.top() + 3.0), sign.codepoint, colour, p.pane);
    }
    if card.confirmed {
        glyph(pos2(picture.left() + 3.0, picture.top() + 24.0), ICON_ADD.codepoint, p.accent, p.on_accent);
    }
    verdicts::mark(ui, state, card.result.query, &card.entry.path, picture);
    let y = picture.bottom() + 15.0;
    let text = distance(card.candidate.distance);
    painter.text(pos2(picture.left(), y), Align2::LEFT_CENTER, text, semibold_font(13.0), p.strong);
    if card.entry.camera != UNKNOWN {
        let camera = format!("C{}", card.entry.camera);
        painter.text(pos2(picture.right(), y), Align2::RIGHT_CENTER, camera, FontId::proportional(SMALL), p.weak);
    }
    if card.roomy {
        let second = match card.entry.taken.time {
            Some(time) => clock::show(time),
            None => text::short(&file_name(&card.entry.path)),
        };
        let job = text::one_line(second, FontId::proportional(SMALL), p.weak, picture.width());
        let galley = painter.layout_job(job);
        painter.galley(pos2(picture.left(), y + 9.0), galley, p.weak);
    }
}

/// The tooltip and the menu.
pub fn after(ui: &mut Ui, cx: &mut Cx<'_>, card: &Card<'_>, response: Response) {
    if card.chosen || response.secondary_clicked() {
        response.context_menu(|ui| menu(ui, cx, card));
    }
    if !response.hovered() {
        return;
    }
    let truth = cx.state.settings.ground_truth;
    let query = cx.state.query().map(|q| q.info.identity);
    let p = palette(ui.visuals());
    response.on_hover_ui(|ui| {
        ui.set_max_width(360.0);
        ui.add(egui::Label::new(text::short(&file_name(&card.entry.path))).wrap());
        let (rank, measure) = (card.candidate.rank, measure_name(card.result.measure));
        ui.label(format!("Rank {rank} by {measure} {:.4}", card.candidate.distance));
        if let Some(again) = card.result.reranked.get(card.place) {
            ui.label(format!("Re-ranked: {again:.4} (k-reciprocal)"));
        }
        if card.entry.camera != UNKNOWN {
            ui.label(format!("Camera {}", card.entry.camera));
        }
        if let Some(time) = card.entry.taken.time {
            ui.label(clock::show(time));
        }
        if let Some([width, height]) = card.entry.size {
            ui.label(format!("{width}×{height} px"));
        }
        if truth && card.entry.identity != UNKNOWN && query.is_some_and(|q| q != UNKNOWN) {
            let sign = if card.same == Some(true) { "✓" } else { "✗" };
            ui.label(format!("{sign} Identity {}, {}", card.entry.identity, verdict(card.same)));
        }
        if let Picture::Broken(reason) = cx.thumbs.file(&card.entry.path) {
            ui.colored_label(p.other, reason);
        }
    });
}

fn menu(ui: &mut Ui, cx: &mut Cx<'_>, card: &Card<'_>) {
    let (text, on) =
        if card.confirmed { ("Search without this match", false) } else { ("Search with this match too", true) };
    if ui.button(text).clicked() {
        cx.wishes.push(Action::Refine(Refinement::Confirm { entry: card.candidate.entry, on }).into());
        ui.close();
    }
    if ui.button("Enlarge the comparison").clicked() {
        cx.wishes.push(Wish::Enlarge);
        ui.close();
    }
    if ui.button("Copy the file's path").clicked() {
        ui.ctx().copy_text(card.entry.path.display().to_string());
        ui.close();
    }
}
