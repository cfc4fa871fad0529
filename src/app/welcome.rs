//! The first screen, while nothing is open; and the case's menu in the bar at the top.

use std::path::PathBuf;

use egui::{Align, Key, Layout, Modal, Role, ScrollArea, TextEdit, Ui, WidgetInfo, vec2};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_BADGE, ICON_CASES, ICON_CLOSE, ICON_DESCRIPTION, ICON_FOLDER_OPEN, ICON_HISTORY, ICON_NOTE_ADD,
    ICON_PERSON_SEARCH, ICON_PLAY_CIRCLE, ICON_UNDO,
};

use super::keys;
use super::shell::{Cx, Page, Wish};
use super::state::{Action, CaseAction, file_name};
use super::target::Target;
use super::theme::{BODY, SMALL, icon, medium, medium_font, palette, semibold, small};
use super::widgets::{icon_button, main_button, plain_button, sheet, text_button};

/// Whether the first screen is to be shown: nothing is open, and nothing is on its way.
pub fn wanted(cx: &Cx<'_>) -> bool {
    let state = cx.state;
    let empty = state.model.is_none() && state.gallery.is_none() && state.queries.is_empty();
    empty && !state.case.is_open() && state.jobs.is_empty() && !cx.view.case.past_welcome
}

/// Draws the first screen.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ScrollArea::vertical().auto_shrink(false).id_salt("welcome").show(ui, |ui| {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.10).clamp(12.0, 110.0));
            ui.label(icon(ICON_PERSON_SEARCH, 44.0).color(p.accent));
            ui.label(semibold("Find the sharp image of a person in a blurred crop", 22.0).color(p.strong));
            ui.label(
                medium("Rain ranks candidates. A person decides, and the case keeps what was decided", BODY)
                    .color(p.weak),
            );
            ui.add_space(14.0);
        });
        let room = ui.available_width();
        let width = 560.0_f32.min(room - 16.0);
        ui.horizontal_top(|ui| {
            ui.add_space((room - width) / 2.0);
            ui.vertical(|ui| {
                ui.set_width(width);
                ways(ui, cx);
            });
        });
    });
}

/// The ways to begin.
fn ways(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let about = "Rendered people, a small model, thirty blurred queries";
    if choice(ui, ICON_PLAY_CIRCLE, "Open the demo case", about, true) {
        cx.wishes.push(Wish::Demo);
    }
    let keys = |command| keys::of(command).keys;
    let about =
        format!("One file that keeps queries, rankings and what you decide    {}", keys(keys::Command::NewCase));
    if choice(ui, ICON_NOTE_ADD, "New case…", &about, false) {
        cx.wishes.push(Wish::Ask(Target::NewCase));
    }
    let about = format!("Go on where you were    {}", keys(keys::Command::OpenCase));
    if choice(ui, ICON_FOLDER_OPEN, "Open case…", &about, false) {
        cx.wishes.push(Wish::Ask(Target::OpenCase));
    }
    recent(ui, cx);
    ui.add_space(10.0);
    ui.horizontal(|ui| {
        ui.label(small("Or").color(p.weak));
        if text_button(ui, "Work without a case").clicked() {
            cx.view.case.past_welcome = true;
        }
        if text_button(ui, "Train a model").clicked() {
            cx.wishes.push(Wish::Show(Page::Train));
        }
    });
}

/// A large button with a line about it.
fn choice(ui: &mut Ui, sign: MaterialIcon, title: &str, about: &str, main: bool) -> bool {
    let p = palette(ui.visuals());
    let (ink, faint) = if main { (p.on_accent, p.on_accent) } else { (p.strong, p.weak) };
    let mut job = egui::text::LayoutJob::default();
    let style = ui.style().clone();
    icon(sign, 20.0).color(ink).append_to(&mut job, &style, egui::FontSelection::Default, Align::Center);
    semibold(format!("   {title}"), 14.0).color(ink).append_to(
        &mut job,
        &style,
        egui::FontSelection::Default,
        Align::Center,
    );
    small(format!("    {about}")).color(faint).append_to(&mut job, &style, egui::FontSelection::Default, Align::Center);
    let mut button = egui::Button::new(job).min_size(vec2(ui.available_width(), 44.0));
    if main {
        button = button.fill(p.accent);
    }
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, title));
    response.clicked()
}

fn recent(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let cases = &cx.state.settings.case.recent;
    if cases.is_empty() {
        return;
    }
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        ui.label(icon(ICON_HISTORY, 15.0).color(p.weak));
        ui.label(medium("Recent cases", SMALL).color(p.weak));
    });
    for case in cases {
        ui.horizontal(|ui| {
            let name = file_name(case);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, ICON_CLOSE, &format!("Forget {name}")).clicked() {
                    cx.wishes.push(CaseAction::Forget(case.clone()).into());
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let label = medium(&name, BODY).color(p.strong);
                    let button = ui.add(egui::Button::new(label).truncate().frame(false));
                    button.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Open case {name}")));
                    if button.on_hover_text(case.display().to_string()).clicked() {
                        cx.wishes.push(CaseAction::Open(case.clone()).into());
                    }
                    let folder = case.parent().map(|f| f.display().to_string()).unwrap_or_default();
                    ui.add(egui::Label::new(small(folder).color(p.weak)).truncate());
                });
            });
        });
    }
}

/// The case's menu, for the bar at the top, in no more than so much room.
pub fn menu(ui: &mut Ui, cx: &mut Cx<'_>, room: f32) {
    let p = palette(ui.visuals());
    let open = cx.state.case.open.as_ref();
    let title = open.map_or("No case", |open| open.state.about.title.as_str());
    // What stands beside the title in its button.
    let around = 44.0;
    let shown = super::text::line(ui.painter(), title, medium_font(BODY), (room - around).clamp(24.0, 190.0));
    let button = egui::Button::new((icon(ICON_CASES, 16.0).color(p.text), medium(shown, BODY).color(p.text)));
    let (menu, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, |ui| {
        ui.set_min_width(200.0);
        let item = |ui: &mut Ui, sign: MaterialIcon, text: &str, command: Option<keys::Command>, enabled: bool| {
            let keys = command.map(|c| keys::of(c).keys).unwrap_or_default();
            let row = egui::Button::new((icon(sign, 16.0), text.to_owned())).shortcut_text(keys);
            let response = ui.add_enabled(enabled, row);
            response.widget_info(|| WidgetInfo::labeled(Role::MenuItem, enabled, text));
            response.clicked()
        };
        let is_open = open.is_some();
        if item(ui, ICON_NOTE_ADD, "New case…", Some(keys::Command::NewCase), true) {
            cx.wishes.push(Wish::Ask(Target::NewCase));
        }
        if item(ui, ICON_FOLDER_OPEN, "Open case…", Some(keys::Command::OpenCase), true) {
            cx.wishes.push(Wish::Ask(Target::OpenCase));
        }
        let here = open.map(|open| &open.path);
        let others: Vec<&PathBuf> =
            cx.state.settings.case.recent.iter().filter(|case| Some(*case) != here).take(5).collect();
        for case in others {
            if item(ui, ICON_HISTORY, &file_name(case), None, true) {
                cx.wishes.push(CaseAction::Open(case.clone()).into());
            }
        }
        ui.separator();
        if item(ui, ICON_DESCRIPTION, "Export report…", Some(keys::Command::Export), is_open) {
            cx.wishes.push(Wish::Export);
        }
        if item(ui, ICON_HISTORY, "History", Some(keys::Command::Pane(super::dock::Pane::History)), is_open) {
            cx.wishes.push(Wish::History);
        }
        if item(ui, ICON_UNDO, "Undo", Some(keys::Command::Undo), is_open) {
            cx.wishes.push(CaseAction::Undo.into());
        }
        ui.separator();
        let who = format!("Reviewer: {}…", cx.state.who());
        if item(ui, ICON_BADGE, &who, None, true) {
            cx.view.case.reviewer = Some(cx.state.settings.case.reviewer.clone());
        }
        if item(ui, ICON_CLOSE, "Close case", None, is_open) {
            cx.wishes.push(CaseAction::Close.into());
        }
    });
    menu.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Case: {title}")));
    let hover = open.map_or("Verdicts are kept in a case".to_owned(), |open| open.path.display().to_string());
    menu.on_hover_text(hover);
}

/// The sheet that asks for the reviewer's name.
pub fn reviewer_sheet(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(mut name) = cx.view.case.reviewer.take() else { return };
    let mut keep = true;
    let modal = Modal::new(egui::Id::unique("reviewer")).frame(sheet(ui.ctx())).show(ui.ctx(), |ui| {
        let p = palette(ui.visuals());
        ui.set_width(380.0_f32.min(ui.ctx().content_rect().width() - 60.0));
        ui.label(semibold("Reviewer", 15.0).color(p.strong));
        ui.label(small("Every decision is kept under this name. A second person's verdict is kept beside the first, as a review of it").color(p.weak));
        ui.add_space(4.0);
        let field = TextEdit::singleline(&mut name).id_salt("reviewer").hint_text(crate::case::user_name()).desired_width(f32::INFINITY);
        let field = ui.add(field.margin(egui::Margin::symmetric(10, 6)));
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Reviewer's name"));
        let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if !field.has_focus() && !enter && ui.memory(|m| m.focused().is_none()) {
            field.request_focus();
        }
        ui.add_space(4.0);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if main_button(ui, None, "Use this name").clicked() || enter {
                cx.wishes.push(Action::Case(CaseAction::Reviewer(name.clone())).into());
                keep = false;
            }
            if text_button(ui, "Cancel").clicked() {
                keep = false;
            }
        });
    });
    if keep && !modal.should_close() {
        cx.view.case.reviewer = Some(name);
    }
}

/// A way to a case for panes that need one.
pub fn no_case(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ui.horizontal_wrapped(|ui| {
        ui.label(small("Verdicts are kept in a case").color(p.weak));
        if plain_button(ui, ICON_NOTE_ADD, "New case…").clicked() {
            cx.wishes.push(Wish::Ask(Target::NewCase));
        }
    });
}
