//! Buttons with an icon and an accessible name without it.

use egui::{Button, Color32, Response, Role, Stroke, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;

use crate::app::theme::{BODY, icon, medium, palette, tint};

fn named(ui: &mut Ui, button: Button<'_>, name: &str) -> Response {
    let enabled = ui.is_enabled();
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response
}

fn content(sign: Option<MaterialIcon>, text: &str, colour: Color32) -> Button<'static> {
    let label = medium(text, BODY).color(colour);
    match sign {
        Some(sign) => Button::new((icon(sign, 16.0).color(colour), label)),
        None => Button::new(label),
    }
}

/// The usual button.
pub fn plain_button(ui: &mut Ui, sign: MaterialIcon, text: &str) -> Response {
    let colour = palette(ui.visuals()).text;
    named(ui, content(Some(sign), text, colour), text)
}

/// The usual button, without an icon.
pub fn text_button(ui: &mut Ui, text: &str) -> Response {
    let colour = palette(ui.visuals()).text;
    named(ui, content(None, text, colour), text)
}

/// The button for what is most likely wanted.
pub fn main_button(ui: &mut Ui, sign: Option<MaterialIcon>, text: &str) -> Response {
    let p = palette(ui.visuals());
    let button = content(sign, text, p.on_accent).fill(p.accent).stroke(Stroke::NONE);
    let response = named(ui, button, text);
    if response.has_focus() {
        let ring = response.rect.expand(2.5);
        ui.painter().rect_stroke(ring, 8.0, Stroke::new(1.5, p.accent), egui::StrokeKind::Middle);
    }
    response
}

/// The button for what interrupts something.
pub fn danger_button(ui: &mut Ui, sign: MaterialIcon, text: &str) -> Response {
    let p = palette(ui.visuals());
    let button = content(Some(sign), text, p.other)
        .fill(tint(p.pane, p.other, 0.10))
        .stroke(Stroke::new(1.0, tint(p.pane, p.other, 0.5)));
    named(ui, button, text)
}

/// A button of an icon alone; its name is also its tooltip.
pub fn icon_button(ui: &mut Ui, sign: MaterialIcon, name: &str) -> Response {
    let colour = palette(ui.visuals()).text;
    let button = Button::new(icon(sign, 16.0).color(colour)).min_size(egui::vec2(28.0, 26.0));
    ui.scope(|ui| {
        ui.spacing_mut().button_padding.x = 5.0;
        named(ui, button, name)
    })
    .inner
    .on_hover_text(name)
}
