//! The cards at the top: what failed, and what was skipped.

use egui::{Align, Context, Frame, Id, Layout, Margin, Modal, ScrollArea, Stroke, Ui};
use egui_material_icons::icons::{ICON_CLOSE, ICON_CONTENT_COPY, ICON_ERROR, ICON_INFO};

use super::shell::{Cx, Sheet, Wish};
use super::state::{Action, Gravity, Notice};
use super::theme::{BODY, icon, palette, semibold, small, tint};
use super::widgets::{self, header, icon_button, plain_button, text_button};

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
        ui.horizontal(|ui| {
            ui.label(small(format!("{more} more")).color(p.weak));
            if text_button(ui, "Show all errors and notes").clicked() {
                cx.wishes.push(Wish::Toggle(Sheet::Notices));
            }
        });
    }
}

/// The sheet of all cards; true when it is to be closed.
pub fn sheet(ctx: &Context, cx: &mut Cx<'_>) -> bool {
    let modal = Modal::new(Id::unique("notices")).frame(widgets::sheet(ctx)).show(ctx, |ui| {
        let room = ctx.content_rect().size();
        ui.set_width(720.0_f32.min(room.x - 60.0));
        header(ui, ICON_ERROR, "Errors and notes", |ui| {
            if icon_button(ui, ICON_CLOSE, "Close errors and notes").clicked() {
                ui.close();
            }
        });
        if cx.state.notices.is_empty() {
            ui.label("Nothing went wrong");
        }
        let height = (room.y - 170.0).max(120.0);
        ScrollArea::vertical().max_height(height).min_scrolled_height(height).show(ui, |ui| {
            for notice in &cx.state.notices {
                card(ui, cx, notice);
            }
        });
        ui.horizontal(|ui| {
            if !cx.state.notices.is_empty() && plain_button(ui, ICON_CONTENT_COPY, "Copy all").clicked() {
                let all: Vec<String> = cx.state.notices.iter().map(text).collect();
                ui.ctx().copy_text(all.join("\n\n"));
            }
            if !cx.state.notices.is_empty() && text_button(ui, "Dismiss all").clicked() {
                cx.wishes.extend(cx.state.notices.iter().map(|notice| Action::Dismiss(notice.id).into()));
            }
            if text_button(ui, "Close").clicked() {
                ui.close();
            }
        });
    });
    modal.should_close()
}

/// A card as text, for a report of what went wrong.
fn text(notice: &Notice) -> String {
    let lines = [&notice.title, &notice.message].into_iter().chain(&notice.details);
    lines.map(String::as_str).collect::<Vec<_>>().join("\n")
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
                    ui.ctx().copy_text(text(notice));
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
