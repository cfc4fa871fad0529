//! The ranked candidates of the selected query, as cards.

use egui::{
    Align2, Color32, ComboBox, EventFilter, FontId, Rect, Role, ScrollArea, Sense, Slider, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{
    ICON_CHECK, ICON_CLOSE, ICON_GRID_VIEW, ICON_IMAGE_SEARCH, ICON_PHOTO_LIBRARY, ICON_PHOTO_SIZE_SELECT_LARGE,
};

use super::certainty;
use super::shell::{Cx, Wish};
use super::state::{Action, Query, TOPS, file_name};
use super::target::Target;
use super::theme::{SMALL, icon, icon_font, palette, semibold_font, small, tint};
use super::widgets::{draw, empty, header, main_button, pill};
use super::{gallery_page, recorded, verdicts};
use crate::data::dataset::UNKNOWN;
use crate::engine::command::Measure;
use crate::engine::event::{Candidate, GalleryEntry, JobKind, SearchResult};

/// Gap between cards.
const GAP: f32 = 10.0;
/// Height below a card's image.
const FOOT: f32 = 30.0;
/// Margin around a card's image.
const MAT: f32 = 6.0;

/// "cosine distance".
pub fn measure_name(measure: Measure) -> &'static str {
    match measure {
        Measure::Cosine => "cosine distance",
        Measure::Euclidean => "Euclidean distance",
    }
}

/// A distance as text.
pub fn distance(value: f32) -> String {
    if value >= 10.0 { format!("{value:.1}") } else { format!("{value:.3}") }
}

/// "same person", "different person", "identity unknown".
pub fn verdict(same: Option<bool>) -> &'static str {
    match same {
        Some(true) => "same person",
        Some(false) => "different person",
        None => "identity unknown",
    }
}

/// Draws the pane.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let title = cx.state.query().map_or_else(|| "Matches".to_owned(), |q| format!("Matches for {}", q.name()));
    header(ui, ICON_GRID_VIEW, &title, |ui| {
        if cx.state.ranking() {
            ui.add(egui::Spinner::new().size(14.0))
                .widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, "Ranking the gallery"));
        }
    });
    if recorded::wanted(cx.state) {
        return recorded::ui(ui, cx);
    }
    if !ready(ui, cx) {
        return;
    }
    controls(ui, cx);
    let Some(result) = cx.state.query().and_then(|q| q.result.as_ref()) else {
        return;
    };
    summary(ui, cx, result);
    ui.add_space(4.0);
    cards(ui, cx, result);
}

/// Whether there is something to rank; else says what to do about it.
fn ready(ui: &mut Ui, cx: &mut Cx<'_>) -> bool {
    let state = cx.state;
    let embedding = state.running(JobKind::Gallery);
    let (title, help, ask) = if state.model.is_none() {
        (
            "No model yet",
            "A model tells how alike two images are. Train one below, or open one (Ctrl+M)",
            Some((Target::Model, "Open model…")),
        )
    } else if state.gallery.is_none() && embedding {
        ("Reading the gallery", "Its images are being embedded; the Jobs tab shows how far", None)
    } else if state.gallery.is_none() {
        (
            "No gallery yet",
            "Open the folder of sharp images to search in, or drop it here (Ctrl+G)",
            Some((Target::Gallery, "Open gallery…")),
        )
    } else if state.queries.is_empty() {
        (
            "No query yet",
            "Drop blurred crops on this window, or open them (Ctrl+O)",
            Some((Target::Queries, "Open queries…")),
        )
    } else {
        return true;
    };
    let sign = if state.gallery.is_none() { ICON_PHOTO_LIBRARY } else { ICON_IMAGE_SEARCH };
    ScrollArea::vertical().auto_shrink(false).id_salt("empty matches").show(ui, |ui| {
        empty(ui, sign, title, help);
        ui.add_space(6.0);
        if let Some((target, text)) = ask {
            let pressed = ui.vertical_centered(|ui| main_button(ui, None, text).clicked()).inner;
            if pressed {
                cx.wishes.push(Wish::Ask(target));
            }
        } else {
            ui.vertical_centered(|ui| ui.add(egui::Spinner::new()));
        }
    });
    false
}

fn controls(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let settings = &cx.state.settings;
    ui.horizontal_wrapped(|ui| {
        let combo = ComboBox::from_id_salt("top").selected_text(format!("Top {}", settings.top)).width(76.0);
        let top = combo.show_ui(ui, |ui| {
            for top in TOPS {
                if ui.selectable_label(settings.top == top, format!("Top {top}")).clicked() {
                    cx.wishes.push(Action::SetTop(top).into());
                }
            }
        });
        top.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Number of candidates"));
        let name = |m| {
            if m == Measure::Cosine { "Cosine" } else { "Euclidean" }
        };
        let combo = ComboBox::from_id_salt("measure").selected_text(name(settings.measure)).width(96.0);
        let measure = combo.show_ui(ui, |ui| {
            for m in [Measure::Cosine, Measure::Euclidean] {
                if ui.selectable_label(settings.measure == m, name(m)).clicked() {
                    cx.wishes.push(Action::SetMeasure(m).into());
                }
            }
        });
        measure.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Distance measure"));
        let mut shown = settings.ground_truth;
        if ui
            .checkbox(&mut shown, "Show ground truth")
            .on_hover_text("Marks candidates by the identities in the file names")
            .changed()
        {
            cx.wishes.push(Action::SetGroundTruth(shown).into());
        }
        // A slider does not wrap by itself.
        if ui.available_size_before_wrap().x < 130.0 {
            ui.end_row();
        }
        ui.label(icon(ICON_PHOTO_SIZE_SELECT_LARGE, 16.0).color(p.weak)).on_hover_text("Card size");
        let mut card = settings.card;
        let slider = ui.add(Slider::new(&mut card, 72.0..=200.0).show_value(false));
        slider.widget_info(|| WidgetInfo::slider(true, f64::from(card), "Card size"));
        if slider.changed() {
            cx.wishes.push(Action::SetCard(card).into());
        }
    });
}

fn summary(ui: &mut Ui, cx: &Cx<'_>, result: &SearchResult) {
    let p = palette(ui.visuals());
    let shown = cx.state.candidates();
    ui.horizontal_wrapped(|ui| {
        certainty::warning(ui, cx.state);
        let known = shown.iter().filter_map(|c| c.same).count();
        if cx.state.settings.ground_truth && known > 0 {
            let same = shown.iter().filter(|c| c.same == Some(true)).count();
            pill(ui, ICON_CHECK, &format!("{same} same"), p.same);
            pill(ui, ICON_CLOSE, &format!("{} different", known - same), p.other);
        }
        gallery_page::approximate_note(ui, cx.state);
        let first = match result.first_same {
            _ if !cx.state.settings.ground_truth => String::new(),
            Some(rank) => format!("First same person at rank {rank}  ·  "),
            None => String::new(),
        };
        let text = format!(
            "{first}{} gallery images  ·  {}",
            thousands(result.gallery_size as u64),
            measure_name(result.measure)
        );
        ui.label(small(text).color(p.weak));
    });
}

fn cards(ui: &mut Ui, cx: &mut Cx<'_>, result: &SearchResult) {
    let candidates = cx.state.candidates();
    if candidates.is_empty() {
        empty(ui, ICON_IMAGE_SEARCH, "No candidates", "The gallery holds no usable image");
        return;
    }
    // The slider sets the wanted width; cards then stretch so that a row fills the pane.
    let width = ui.available_width() - 14.0;
    // In a low pane cards shrink until a whole one is seen.
    let whole = (ui.available_height() - 2.0 * GAP - MAT - FOOT) / 2.0 + 2.0 * MAT;
    let wanted = cx.state.settings.card.min(whole.max(72.0));
    let columns = (((width + GAP) / (wanted + GAP)).floor() as usize).max(1);
    let card = (((width + GAP) / columns as f32) - GAP).floor().max(48.0);
    // Nor do few columns make cards so large that one fills the pane.
    let card = card.min(wanted * 1.6).min(whole.max(wanted));
    let image = vec2(card - 2.0 * MAT, (card - 2.0 * MAT) * 2.0);
    let size = vec2(card, image.y + MAT + FOOT);
    let rows = candidates.len().div_ceil(columns);
    ui.spacing_mut().item_spacing = vec2(GAP, GAP);
    let query = cx.state.query();
    ScrollArea::vertical().auto_shrink(false).id_salt("cards").content_margin(3.0).show_rows(
        ui,
        size.y,
        rows,
        |ui, range| {
            for row in range {
                ui.horizontal(|ui| {
                    for (i, c) in candidates.iter().enumerate().skip(row * columns).take(columns) {
                        if let (Some(entry), Some(query)) = (cx.state.entry(c), query) {
                            self::card(ui, cx, result, query, i, c, entry, size, image);
                        }
                    }
                });
            }
        },
    );
}

#[expect(clippy::too_many_arguments, reason = "one call, all of it what a card shows")]
fn card(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    result: &SearchResult,
    query: &Query,
    index: usize,
    candidate: &Candidate,
    entry: &GalleryEntry,
    size: egui::Vec2,
    image: egui::Vec2,
) {
    let p = palette(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let truth = cx.state.settings.ground_truth;
    let same = candidate.same.filter(|_| truth);
    let name = {
        let (rank, measure, d) = (candidate.rank, measure_name(result.measure), distance(candidate.distance));
        if truth {
            format!("Rank {rank}, {measure} {d}, {}", verdict(same))
        } else {
            format!("Rank {rank}, {measure} {d}")
        }
    };
    let name = name + &verdicts::spoken(cx.state, query.info.id, &entry.path);
    let chosen = cx.state.candidate == index;
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, chosen, &name));
    if response.has_focus() {
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
        cx.view.arrows_at = Some(response.id);
    }
    if response.clicked() {
        cx.wishes.push(Action::SelectCandidate(index).into());
    }
    if response.double_clicked() {
        cx.wishes.push(Wish::Enlarge);
    }
    if chosen && cx.reveal {
        ui.scroll_to_rect(rect.expand(4.0), None);
    }
    if !ui.is_rect_visible(rect) {
        return;
    }

    let colour = match same {
        Some(true) => p.same,
        Some(false) => p.other,
        None => tint(p.pane, p.weak, 0.4),
    };
    ui.painter().rect_filled(rect, 8.0, if response.hovered() { p.hover } else { p.raised });
    let picture = Rect::from_min_size(rect.min + vec2(MAT, MAT), image);
    draw(ui, picture, &cx.thumbs.file(&entry.path), 5.0);
    ui.painter().rect_stroke(picture, 5.0, Stroke::new(2.0, colour), StrokeKind::Outside);
    if chosen {
        ui.painter().rect_stroke(rect.expand(1.5), 9.0, Stroke::new(2.0, p.accent), StrokeKind::Middle);
    } else if response.has_focus() {
        ui.painter().rect_stroke(rect, 8.0, Stroke::new(1.5, p.accent), StrokeKind::Middle);
    }

    let painter = ui.painter();
    let rank = painter.layout_no_wrap(candidate.rank.to_string(), semibold_font(SMALL), Color32::WHITE);
    let badge = Rect::from_min_size(picture.min + vec2(3.0, 3.0), vec2(rank.size().x + 10.0, 18.0));
    painter.rect_filled(badge, 4.0, Color32::from_black_alpha(185));
    painter.galley(badge.center() - rank.size() / 2.0, rank, Color32::WHITE);
    if let Some(same) = same {
        let sign = if same { ICON_CHECK } else { ICON_CLOSE };
        let badge = Rect::from_min_size(pos2(picture.right() - 21.0, picture.top() + 3.0), vec2(18.0, 18.0));
        painter.rect_filled(badge, 4.0, colour);
        painter.text(badge.center(), Align2::CENTER_CENTER, sign.codepoint, icon_font(14.0), p.pane);
    }
    verdicts::mark(ui, cx.state, query.info.id, &entry.path, picture);
    let y = picture.bottom() + FOOT / 2.0;
    let text = distance(candidate.distance);
    painter.text(pos2(picture.left(), y), Align2::LEFT_CENTER, text, semibold_font(13.0), p.strong);
    if entry.camera != UNKNOWN {
        let camera = format!("C{}", entry.camera);
        painter.text(pos2(picture.right(), y), Align2::RIGHT_CENTER, camera, FontId::proportional(SMALL), p.weak);
    }
    response.on_hover_ui(|ui| {
        ui.label(file_name(&entry.path));
        ui.label(format!("Rank {} by {} {:.4}", candidate.rank, measure_name(result.measure), candidate.distance));
        if entry.camera != UNKNOWN {
            ui.label(format!("Camera {}", entry.camera));
        }
        if truth && entry.identity != UNKNOWN && query.info.identity != UNKNOWN {
            let sign = if same == Some(true) { "✓" } else { "✗" };
            ui.label(format!("{sign} Identity {}, {}", entry.identity, verdict(same)));
        }
    });
}

/// 15913 as "15,913".
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(
            (thousands(7), thousands(15_913), thousands(1_000_000)),
            ("7".into(), "15,913".into(), "1,000,000".into())
        );
        assert_eq!((distance(0.1714), distance(27.31)), ("0.171".into(), "27.3".into()));
    }
}
