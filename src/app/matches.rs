//! The ranked candidates of the selected query, as cards.

mod card;
mod chips;
mod controls;
mod grid;
mod lines;
mod said;

use egui::{Role, ScrollArea, Ui, WidgetInfo};
use egui_material_icons::icons::{
    ICON_CHECK, ICON_CLOSE, ICON_GRID_VIEW, ICON_IMAGE_SEARCH, ICON_PHOTO_LIBRARY, ICON_PLAYLIST_ADD,
    ICON_PLAYLIST_REMOVE,
};

use super::certainty;
use super::shell::{Cx, Wish};
use super::state::{Action, Refinement};
use super::target::Target;
use super::theme::{palette, small};
use super::widgets::{empty, header, icon_button, main_button, pill};
use super::{gallery_page, keys, recorded, text};
use crate::engine::command::Measure;
use crate::engine::event::{JobKind, SearchResult};
use crate::engine::search::RERANKED;

pub use chips::FilterForm;
pub use grid::GridView;

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
    header(ui, ICON_GRID_VIEW, &title(cx), |ui| {
        if cx.state.ranking() {
            ui.add(egui::Spinner::new().size(14.0))
                .widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, "Ranking the gallery"));
        }
        confirm_button(ui, cx);
    });
    if recorded::wanted(cx.state) {
        return recorded::ui(ui, cx);
    }
    if !ready(ui, cx) {
        return;
    }
    controls::ui(ui, cx);
    chips::ui(ui, cx);
    let Some(query) = cx.state.query() else { return };
    let Some(result) = query.result.as_ref() else { return };
    summary(ui, cx, result);
    ui.add_space(4.0);
    if result.candidates.is_empty() {
        none_left(ui, result);
        return;
    }
    // What was found with other settings stays until the new ranking is there, and says so by being faint.
    let current = cx.state.is_current(query);
    ui.scope(|ui| {
        if !current {
            ui.multiply_opacity(0.45);
        }
        grid::ui(ui, cx, result);
    });
}

/// "Matches for 0002.png and 2 confirmed matches".
fn title(cx: &Cx<'_>) -> String {
    let Some(query) = cx.state.query() else { return "Matches".to_owned() };
    let name = text::in_sight_order(&text::middle(&query.name(), |name| name.chars().count() <= 48));
    match query.confirmed.len() {
        0 => format!("Matches for {name}"),
        1 => format!("Matches for {name} and 1 confirmed match"),
        n => format!("Matches for {name} and {n} confirmed matches"),
    }
}

/// Query expansion for the candidate that is looked at.
fn confirm_button(ui: &mut Ui, cx: &mut Cx<'_>) {
    let (Some((candidate, _)), Some(query)) = (cx.state.chosen(), cx.state.query()) else { return };
    let on = !query.confirmed.contains(&candidate.entry);
    let (sign, name) = if on {
        (ICON_PLAYLIST_ADD, "Search with this match too")
    } else {
        (ICON_PLAYLIST_REMOVE, "Search without this match")
    };
    let hint = format!(
        "{name} ({})\nSearches from the mean of the query's normalised embedding and those of the matches that you confirm",
        keys::of(keys::Command::Confirm).keys
    );
    if icon_button(ui, sign, name).on_hover_text(hint).clicked() {
        cx.wishes.push(Action::Refine(Refinement::Confirm { entry: candidate.entry, on }).into());
    }
}

fn none_left(ui: &mut Ui, result: &SearchResult) {
    let (title, help) = if result.gallery_size == 0 {
        ("No candidates", "The gallery holds no usable image")
    } else {
        ("Nothing passes the filters", "Take a filter away above to search more of the gallery")
    };
    empty(ui, ICON_IMAGE_SEARCH, title, help);
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

fn summary(ui: &mut Ui, cx: &mut Cx<'_>, result: &SearchResult) {
    let p = palette(ui.visuals());
    let (state, listing) = (cx.state, &cx.state.listing);
    ui.horizontal_wrapped(|ui| {
        certainty::warning(ui, cx.state);
        if state.settings.ground_truth && listing.same + listing.different > 0 {
            pill(ui, ICON_CHECK, &format!("{} same", listing.same), p.same);
            pill(ui, ICON_CLOSE, &format!("{} different", listing.different), p.other);
        }
        gallery_page::approximate_note(ui, cx.state, result);
        let mut parts = Vec::new();
        if let Some(rank) = result.first_same.filter(|_| state.settings.ground_truth) {
            parts.push(format!("First same person at rank {rank}"));
        }
        let all = thousands(result.gallery_size as u64);
        let whole = result.refine.filter.is_open() && result.refine.only.is_empty();
        parts.push(match whole {
            true => format!("{all} gallery images"),
            false => format!("{} of {all} gallery images pass the filters", thousands(result.admitted as u64)),
        });
        parts.push(measure_name(result.measure).to_owned());
        if result.refine.rerank {
            parts.push(format!("the nearest {} re-ranked", thousands(result.admitted.min(RERANKED) as u64)));
        }
        ui.label(small(parts.join("  ·  ")).color(p.weak));
        let usage = cx.thumbs.usage();
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        let memory = format!("Thumbnails {} of {} MiB", mib(usage.bytes), mib(usage.most));
        let hint = format!(
            "{} thumbnails and what is looked at closely, kept as textures. The least recently seen go first; the memory \
             never passes {} MiB",
            thousands(usage.thumbnails as u64),
            mib(usage.most)
        );
        ui.label(small(memory).color(p.weak)).on_hover_text(hint);
        controls::size(ui, cx);
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
