//! Panes, their headers, pills, and what stands in an empty one.

use egui::{Align, Color32, Frame, Layout, Margin, Response, Stroke, Ui, vec2};
use egui_material_icons::MaterialIcon;

use crate::app::theme::{BODY, SMALL, icon, medium, palette, semibold, small, tint};

/// The frame of a pane: a rounded card on the darker ground.
pub fn pane(ui: &Ui) -> Frame {
    let p = palette(ui.visuals());
    Frame::new().fill(p.pane).stroke(Stroke::new(1.0, p.line)).corner_radius(8.0).inner_margin(Margin::symmetric(12, 8))
}

/// The frame of a sheet that lies over the window.
pub fn sheet(ctx: &egui::Context) -> Frame {
    Frame::popup(&ctx.global_style()).corner_radius(10.0).inner_margin(Margin::symmetric(18, 14))
}

/// The header of a pane: icon, title, and what `right` puts at the right edge (from right to left).
pub fn header(ui: &mut Ui, sign: MaterialIcon, title: &str, right: impl FnOnce(&mut Ui)) {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        ui.set_min_height(28.0);
        ui.label(icon(sign, 16.0).color(p.weak));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            right(ui);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(egui::Label::new(semibold(title, 14.0).color(p.strong)).truncate());
            });
        });
    });
}

/// A rounded label with an icon.
pub fn pill(ui: &mut Ui, sign: MaterialIcon, text: &str, colour: Color32) -> Response {
    let p = palette(ui.visuals());
    Frame::new()
        .fill(tint(p.pane, colour, 0.12))
        .stroke(Stroke::new(1.0, tint(p.pane, colour, 0.45)))
        .corner_radius(20.0)
        .inner_margin(Margin::symmetric(8, 2))
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            // Explicit, because a plain `horizontal` inside a right-to-left bar would mirror icon and text.
            ui.allocate_ui_with_layout(vec2(0.0, 18.0), Layout::left_to_right(Align::Center), |ui| {
                ui.label(icon(sign, 14.0).color(colour));
                ui.label(medium(text, SMALL).color(colour));
            });
        })
        .response
}

/// What stands in an empty pane: an icon, what it is for, what to do.
pub fn empty(ui: &mut Ui, sign: MaterialIcon, title: &str, help: &str) {
    let p = palette(ui.visuals());
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.28).clamp(8.0, 160.0));
        ui.label(icon(sign, 30.0).color(tint(p.pane, p.weak, 0.7)));
        ui.label(medium(title, BODY).color(p.text));
        ui.label(small(help).color(p.weak));
    });
}
