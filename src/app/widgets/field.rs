//! Fields of a form: a label, what is typed, and why it was refused.

use egui::{Margin, Role, TextEdit, Ui, WidgetInfo};
use egui_material_icons::icons::ICON_FOLDER_OPEN;

use super::icon_button;
use crate::app::theme::{SMALL, medium, palette, small};

fn label(ui: &mut Ui, name: &str) {
    let p = palette(ui.visuals());
    ui.label(medium(name, SMALL).color(p.weak));
}

fn text(ui: &mut Ui, name: &str, value: &mut String, hint: &str, width: f32, bad: bool) {
    let p = palette(ui.visuals());
    ui.scope(|ui| {
        if bad {
            let states = &mut ui.visuals_mut().widgets;
            states.inactive.bg_stroke.color = p.other;
            states.hovered.bg_stroke.color = p.other;
        }
        let field = TextEdit::singleline(value)
            .hint_text(hint)
            .desired_width(width)
            .margin(Margin::symmetric(8, 4));
        ui.add(field)
            .widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
    });
}

fn reason(ui: &mut Ui, problem: Option<&str>) {
    if let Some(problem) = problem {
        let p = palette(ui.visuals());
        ui.label(small(format!("✗ {problem}")).color(p.other));
    }
}

/// A path with a button that browses; true when the button was pressed.
pub fn path_field(
    ui: &mut Ui,
    name: &str,
    value: &mut String,
    hint: &str,
    problem: Option<&str>,
) -> bool {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        label(ui, name);
        let pressed = ui
            .horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let width = ui.available_width() - 52.0;
                text(ui, name, value, hint, width.max(60.0), problem.is_some());
                icon_button(
                    ui,
                    ICON_FOLDER_OPEN,
                    &format!("Browse for {}", name.to_lowercase()),
                )
                .clicked()
            })
            .inner;
        reason(ui, problem);
        pressed
    })
    .inner
}

/// A figure.
pub fn number_field(ui: &mut Ui, name: &str, value: &mut String, problem: Option<&str>) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        label(ui, name);
        // As high as a path with its button, so that the columns of the form stand level.
        ui.horizontal(|ui| {
            ui.set_min_height(26.0);
            let width = ui.available_width() - 18.0;
            text(ui, name, value, "", width, problem.is_some());
        });
        reason(ui, problem);
    });
}
