//! The cards at the top: what failed, and what was skipped.

use egui::{Align, Frame, Layout, Margin, ScrollArea, Stroke, Ui};
use egui_material_icons::icons::{ICON_CLOSE, ICON_CONTENT_COPY, ICON_ERROR, ICON_INFO};

use super::shell::Cx;
use super::state::{Action, Gravity, Notice};
use super::theme::{BODY, icon, palette, semibold, small, tint};
use super::widgets::{icon_button, plain_button};

/// Cards shown at a time, in a high and in a low window; the others wait behind them.
const SHOWN: [usize; 2] = [2, 1];

/// Draws the newest cards.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let shown = SHOWN[usize::from(ui.ctx().content_rect().height() < 800.0)];
    // What failed comes before what is merely to be known; each newest first.
    let mut notices: Vec<&Notice> = cx.state.notices.iter().collect();
    notices.sort_by_key(|n| n.gravity == Gravity::Note);
    for notice in notices.into_iter().take(shown) {
        card(ui, cx, notice);
    }
    let more = cx.state.notices.len().saturating_sub(shown);
    if more > 0 {
        ui.label(small(format!("{more} more; dismiss a card to see the next")).color(p.weak));
    }
}

fn card(ui: &mut Ui, cx: &mut Cx<'_>, notice: &Notice) {
    let p = palette(ui.visuals());
    let (sign, colour) = match notice.gravity {
        Gravity::Error => (ICON_ERROR, p.other),
        Gravity::Note => (ICON_INFO, p.accent),
    };
    let frame = Frame::new()
        .fill(tint(p.pane, colour, 0.08))
        .stroke(Stroke::new(1.0, tint(p.pane, colour, 0.55)))
        .corner_radius(8.0)
        .inner_margin(Margin::symmetric(12, 6));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.label(icon(sign, 18.0).color(colour));
            let title = match notice.gravity {
                Gravity::Error => format!("{} failed", notice.title),
                Gravity::Note => notice.title.clone(),
            };
            ui.label(semibold(title, BODY).color(p.strong));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, ICON_CLOSE, &format!("Dismiss {}", notice.title)).clicked() {
                    cx.wishes.push(Action::Dismiss(notice.id).into());
                }
                if plain_button(ui, ICON_CONTENT_COPY, "Copy details").clicked() {
                    let mut lines = vec![notice.title.clone(), notice.message.clone()];
                    lines.extend(notice.details.iter().cloned());
                    ui.ctx().copy_text(lines.join("\n"));
                }
            });
        });
        ScrollArea::vertical().max_height(96.0).id_salt(notice.id).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(egui::Label::new(&notice.message).wrap());
            for line in notice.details.iter().take(200) {
                ui.add(egui::Label::new(small(line).color(p.weak)).wrap());
            }
        });
    });
}
