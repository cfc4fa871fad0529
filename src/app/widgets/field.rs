//! Fields of a form: a label, what is typed, and why it was refused.

use egui::{Key, Margin, Response, Role, TextEdit, Ui, WidgetInfo};
use egui_material_icons::icons::ICON_FOLDER_OPEN;

use super::icon_button;
use crate::app::theme::{SMALL, medium, palette, small};

/// What was done to a field in this frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressed {
    /// Its browse button was pressed.
    pub browse: bool,
    /// Enter was pressed in it.
    pub enter: bool,
}

fn label(ui: &mut Ui, name: &str) {
    let p = palette(ui.visuals());
    ui.label(medium(name, SMALL).color(p.weak));
}

fn text(ui: &mut Ui, name: &str, value: &mut String, hint: &str, width: f32, bad: bool) -> Response {
    let p = palette(ui.visuals());
    ui.scope(|ui| {
        if bad {
            let states = &mut ui.visuals_mut().widgets;
            states.inactive.bg_stroke.color = p.other;
            states.hovered.bg_stroke.color = p.other;
        }
        // Named: one that is counted would lose the keyboard to its neighbour when a line appears above it.
        let field = TextEdit::singleline(value).id_salt(name).hint_text(hint);
        let field = field.desired_width(width).margin(Margin::symmetric(8, 4));
        let response = ui.add(field);
        response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
        response
    })
    .inner
}

fn entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter))
}

fn reason(ui: &mut Ui, problem: Option<&str>) {
    if let Some(problem) = problem {
        let p = palette(ui.visuals());
        ui.label(small(format!("✗ {problem}")).color(p.other));
    }
}

/// A path with a button that browses. `focus` puts the keyboard into it.
pub fn path_field(
    ui: &mut Ui,
    name: &str,
    value: &mut String,
    hint: &str,
    problem: Option<&str>,
    focus: bool,
) -> Pressed {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        label(ui, name);
        let pressed = ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            let width = (ui.available_width() - 52.0).max(60.0);
            let field = text(ui, name, value, hint, width, problem.is_some());
            if focus {
                field.request_focus();
            }
            let button = format!("Browse for {}", name.to_lowercase());
            let browse = icon_button(ui, ICON_FOLDER_OPEN, &button).clicked();
            Pressed { browse, enter: entered(ui, &field) }
        });
        reason(ui, problem);
        pressed.inner
    })
    .inner
}

/// A figure.
pub fn number_field(ui: &mut Ui, name: &str, value: &mut String, problem: Option<&str>) -> Pressed {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        label(ui, name);
        // As high as a path with its button, so that the columns of the form stand level.
        let pressed = ui.horizontal(|ui| {
            ui.set_min_height(26.0);
            let width = ui.available_width() - 18.0;
            let field = text(ui, name, value, "", width, problem.is_some());
            Pressed { browse: false, enter: entered(ui, &field) }
        });
        reason(ui, problem);
        pressed.inner
    })
    .inner
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    use super::*;

    #[test]
    fn the_keyboard_stays_where_it_is_when_a_line_appears_above() {
        let build = |ui: &mut Ui, (answer, first, second): &mut (bool, String, String)| {
            path_field(ui, "First", first, "", None, false);
            if *answer {
                ui.label("An answer");
            }
            number_field(ui, "Second", second, None);
        };
        let harness = Harness::builder().with_context_setup(crate::app::theme::install);
        let mut harness = harness.build_ui_state(build, (false, String::new(), String::new()));
        harness.get_by_role_and_label(Role::TextInput, "Second").focus();
        harness.run();
        harness.state_mut().0 = true;
        harness.run();
        harness.event(egui::Event::Text("typed".to_owned()));
        harness.run();
        let (_, first, second) = harness.state();
        assert_eq!((first.as_str(), second.as_str()), ("", "typed"));
    }
}
