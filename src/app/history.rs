//! The history of the case: its audit log, newest first.

use egui::{Align, Label, Layout, ScrollArea, Ui};
use egui_material_icons::icons::{
    ICON_CHECK, ICON_CONTENT_COPY, ICON_ERROR, ICON_HISTORY, ICON_REDO, ICON_UNDO, ICON_VERIFIED_USER,
};

use super::keys;
use super::matches::thousands;
use super::shell::Cx;
use super::state::CaseAction;
use super::theme::{SMALL, icon, medium, palette, small};
use super::welcome;
use super::widgets::{empty, icon_button, plain_button};
use crate::case::change::short;
use crate::case::{Entry, readable_time};

/// Height of a row in points.
const ROW: f32 = 20.0;

/// Draws the panel.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(state) = cx.state.case.state() else {
        empty(ui, ICON_HISTORY, "No case is open", "What was decided, by whom and when, is listed here");
        welcome::no_case(ui, cx);
        return;
    };
    let p = palette(ui.visuals());
    let head = state.head().to_owned();
    ui.horizontal(|ui| {
        let undo = keys::tooltip(keys::Command::Undo);
        let can = state.next_undo(&cx.state.who()).is_some();
        if ui.add_enabled_ui(can, |ui| icon_button(ui, ICON_UNDO, &undo)).inner.clicked() {
            cx.wishes.push(CaseAction::Undo.into());
        }
        let redo = keys::tooltip(keys::Command::Redo);
        let can = state.next_redo(&cx.state.who()).is_some();
        if ui.add_enabled_ui(can, |ui| icon_button(ui, ICON_REDO, &redo)).inner.clicked() {
            cx.wishes.push(CaseAction::Redo.into());
        }
        let verifying = cx.state.case.verifying;
        if ui.add_enabled_ui(!verifying, |ui| plain_button(ui, ICON_VERIFIED_USER, "Check the case")).inner.clicked() {
            cx.wishes.push(CaseAction::Verify.into());
        }
        if let Some(audit) = &cx.state.case.audit {
            let (sign, colour, text) = match audit.problems.first() {
                None => (ICON_CHECK, p.same, format!("Nothing is wrong in {} entries", audit.entries)),
                Some(first) => (ICON_ERROR, p.other, first.clone()),
            };
            ui.label(icon(sign, 16.0).color(colour));
            ui.add(Label::new(small(&text).color(colour)).truncate()).on_hover_text(audit.problems.join("\n"));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, ICON_CONTENT_COPY, "Copy the last link of the chain").clicked() {
                ui.ctx().copy_text(head.clone());
            }
            let text = format!("{} entries, last link {}", thousands(state.log.len() as u64), short(&head));
            ui.add(Label::new(small(text).color(p.weak)).truncate())
                .on_hover_text("Note the last link down elsewhere: it shows later whether the log was rewritten");
        });
    });
    let count = state.log.len();
    ScrollArea::vertical().auto_shrink(false).id_salt("history").show_rows(ui, ROW, count, |ui, rows| {
        for i in rows {
            row(ui, &state.log[count - 1 - i]);
        }
    });
}

fn row(ui: &mut Ui, entry: &Entry) {
    let p = palette(ui.visuals());
    let words = entry.change.words();
    let why = entry.origin.words();
    let text = format!("{}{why}: {} → {}", words.what, words.from, words.to);
    ui.horizontal(|ui| {
        ui.set_min_height(ROW);
        ui.spacing_mut().item_spacing.x = 12.0;
        ui.label(small(format!("{:>4}", entry.seq)).color(p.weak));
        ui.label(small(readable_time(&entry.at)).color(p.weak));
        ui.label(medium(&entry.who, SMALL).color(p.text));
        ui.add(Label::new(small(&text).color(p.strong)).truncate()).on_hover_text(&text);
    });
}
