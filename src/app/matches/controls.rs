//! The row of controls above the cards.

use egui::{ComboBox, DragValue, PopupCloseBehavior, Role, Slider, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_PHOTO_SIZE_SELECT_LARGE, ICON_SORT};

use super::{chips, thousands};
use crate::app::shell::Cx;
use crate::app::state::{ALL, Action, Refinement, Sort, TOPS};
use crate::app::theme::{icon, palette};
use crate::engine::command::Measure;
use crate::engine::search::RERANKED;

/// Draws the row.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal_wrapped(|ui| {
        top(ui, cx);
        measure(ui, cx);
        order(ui, cx);
        chips::button(ui, cx);
        switches(ui, cx);
    });
}

fn top(ui: &mut Ui, cx: &mut Cx<'_>) {
    let all = cx.state.gallery.as_ref().map_or(0, |g| g.entries.len());
    let now = cx.state.settings.top;
    let name =
        |top: usize| if top >= all.max(1) { format!("All {}", thousands(all as u64)) } else { format!("Top {top}") };
    let mut wanted = None;
    let mut typed = now.min(all.max(1));
    // All of them are seen without scrolling.
    let combo = ComboBox::from_id_salt("top").selected_text(name(now)).width(76.0).height(360.0);
    // The number in it can be dragged and typed without closing it.
    let combo = combo.close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let combo = combo.show_ui(ui, |ui| {
        for top in TOPS.into_iter().filter(|top| *top < all).chain([ALL]) {
            if ui.selectable_label(now == top, name(top)).clicked() {
                wanted = Some(top);
                ui.close();
            }
        }
        ui.separator();
        ui.horizontal(|ui| {
            ui.label("Another number");
            let field = ui.add(DragValue::new(&mut typed).range(1..=all.max(1)).speed(0.5));
            field.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, "Number of candidates, typed"));
            if field.on_hover_text("Drag, or click and type").changed() {
                wanted = Some(typed);
            }
        });
    });
    combo.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Number of candidates"));
    if let Some(top) = wanted {
        cx.wishes.push(Action::SetTop(top).into());
    }
}

fn measure(ui: &mut Ui, cx: &mut Cx<'_>) {
    let now = cx.state.settings.measure;
    let name = |m| if m == Measure::Cosine { "Cosine" } else { "Euclidean" };
    let combo = ComboBox::from_id_salt("measure").selected_text(name(now)).width(92.0).show_ui(ui, |ui| {
        for m in [Measure::Cosine, Measure::Euclidean] {
            if ui.selectable_label(now == m, name(m)).clicked() {
                cx.wishes.push(Action::SetMeasure(m).into());
            }
        }
    });
    combo.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Distance measure"));
}

fn order(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let now = cx.state.settings.sort;
    ui.label(icon(ICON_SORT, 16.0).color(p.weak)).on_hover_text("Order of the cards");
    let combo = ComboBox::from_id_salt("sort").selected_text(now.name()).width(92.0).show_ui(ui, |ui| {
        for (sort, name) in Sort::NAMES {
            if ui.selectable_label(now == sort, name).clicked() {
                cx.wishes.push(Action::SetSort(sort).into());
            }
        }
    });
    combo.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Order of the cards"));
}

fn switches(ui: &mut Ui, cx: &mut Cx<'_>) {
    let settings = &cx.state.settings;
    let mut grouped = settings.grouped;
    let hint = "Brings the images of one identity together, where the gallery names identities; an identity stands by its \
                best image";
    if ui.checkbox(&mut grouped, "Group by identity").on_hover_text(hint).changed() {
        cx.wishes.push(Action::SetGrouped(grouped).into());
    }
    let mut rerank = cx.state.refine.rerank;
    let hint = format!(
        "Ranks the nearest {} again by the neighbours that they share with the query (k-reciprocal). The distances on the \
         cards stay what they are",
        thousands(RERANKED as u64)
    );
    if ui.checkbox(&mut rerank, "Re-rank").on_hover_text(hint).changed() {
        cx.wishes.push(Action::Refine(Refinement::Rerank(rerank)).into());
    }
    let mut shown = settings.ground_truth;
    let hint = "Marks candidates by the identities in the file names. It tells the answer where that is known: leave it off \
                while you judge";
    if ui.checkbox(&mut shown, "Show ground truth").on_hover_text(hint).changed() {
        cx.wishes.push(Action::SetGroundTruth(shown).into());
    }
}

/// The size of the cards.
pub fn size(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    // A slider does not wrap by itself.
    if ui.available_size_before_wrap().x < 130.0 {
        ui.end_row();
    }
    ui.label(icon(ICON_PHOTO_SIZE_SELECT_LARGE, 16.0).color(p.weak)).on_hover_text("Card size");
    let mut card = cx.state.settings.card;
    ui.spacing_mut().slider_width = 90.0;
    let slider = ui.add(Slider::new(&mut card, 72.0..=200.0).show_value(false));
    slider.widget_info(|| WidgetInfo::slider(true, f64::from(card), "Card size"));
    if slider.changed() {
        cx.wishes.push(Action::SetCard(card).into());
    }
}
