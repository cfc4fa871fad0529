//! The bars at the top and at the bottom; between them lies a page.

use egui::containers::menu::MenuBar;
use egui::style::StyleModifier;
use egui::{Align, Context, Frame, Id, Layout, Margin, Panel, Ui};
use egui_material_icons::icons::{
    ICON_BRIGHTNESS_AUTO, ICON_CONTRAST, ICON_DARK_MODE, ICON_HELP, ICON_KEYBOARD, ICON_LIGHT_MODE, ICON_MEMORY,
    ICON_PERSON_SEARCH, ICON_SEARCH, ICON_UNDO,
};

use super::dock::Pane;
use super::keys::{self, Command};
use super::shell::{Cx, Page, Sheet, Wish};
use super::state::{Action, file_name};
use super::theme::{Choice, SMALL, icon, medium, palette, semibold, small};
use super::widgets::{icon_button, plain_button};
use super::{jobs, matches, menus, notices, pages, welcome};

/// Below these widths in points the pages are told by icons alone, and the menus become one.
const NARROW: [f32; 2] = [1040.0, 780.0];
/// Room in points for what stands at the right of the top bar: three buttons.
const TOOLS: f32 = 132.0;

/// The bar at the top, and the notices below it.
pub fn top_bar(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let frame = Frame::new().fill(p.pane).inner_margin(Margin::symmetric(14, 7));
    let width = ui.available_width();
    Panel::top("top bar").frame(frame).show(ui, |ui| {
        // The bar's own style would undress every button in it.
        MenuBar::new().style(StyleModifier::default()).ui(ui, |ui| {
            ui.set_min_height(30.0);
            ui.label(icon(ICON_PERSON_SEARCH, 22.0).color(p.accent));
            if width > NARROW[1] {
                ui.label(semibold("Rain", 17.0).color(p.strong));
            }
            ui.scope(|ui| menus::ui(ui, cx, width < NARROW[1]));
            ui.separator();
            pages::tabs(ui, cx, width < NARROW[0]);
            ui.separator();
            let room = ui.available_width() - TOOLS;
            welcome::menu(ui, cx, room);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| tools(ui, cx));
        });
    });
    if !cx.state.notices.is_empty() {
        let frame = Frame::new().fill(p.ground).inner_margin(Margin { left: 8, right: 8, top: 8, bottom: 0 });
        Panel::top("notices").frame(frame).show_separator_line(false).show(ui, |ui| notices::ui(ui, cx));
    }
}

/// What stands at the right of the top bar, from right to left.
fn tools(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    if icon_button(ui, ICON_HELP, &keys::tooltip(Command::Keys)).clicked() {
        cx.wishes.push(Wish::Toggle(Sheet::Keys));
    }
    themes(ui, cx);
    if icon_button(ui, ICON_SEARCH, &keys::tooltip(Command::Find)).clicked() {
        cx.wishes.push(Wish::Toggle(Sheet::Finder));
    }
    if ui.available_width() > 120.0 {
        ui.add_space(4.0);
        let device = cx.state.device.as_deref().unwrap_or("Starting the engine…");
        ui.add(egui::Label::new(small(device).color(p.weak)).truncate()).on_hover_text(device);
        ui.label(icon(ICON_MEMORY, 15.0).color(p.weak));
    }
}

/// The choice of theme.
fn themes(ui: &mut Ui, cx: &mut Cx<'_>) {
    let now = cx.view.look.theme;
    let sign = match now {
        Choice::System => ICON_BRIGHTNESS_AUTO,
        Choice::Dark => ICON_DARK_MODE,
        Choice::Light => ICON_LIGHT_MODE,
        Choice::HighContrast => ICON_CONTRAST,
    };
    let button = icon_button(ui, sign, &format!("Theme ({})", keys::of(Command::NextTheme).keys));
    egui::Popup::menu(&button).show(|ui| {
        for choice in [Choice::System, Choice::Dark, Choice::Light, Choice::HighContrast] {
            if ui.selectable_label(choice == now, choice.name()).clicked() {
                cx.wishes.push(Wish::Theme(choice));
                ui.close();
            }
        }
    });
}

/// The bar at the bottom.
pub fn status_bar(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let frame = Frame::new().fill(p.pane).inner_margin(Margin::symmetric(14, 4));
    Panel::bottom("status bar").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.set_min_height(20.0);
            if let Some(text) = &cx.state.undoable {
                ui.label(medium(text, SMALL).color(p.strong));
                if plain_button(ui, ICON_UNDO, "Undo").on_hover_text(keys::tooltip(keys::Command::Undo)).clicked() {
                    cx.wishes.push(Action::UndoRemove.into());
                }
                ui.separator();
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.available_width() > 1100.0 {
                    ui.label(small(hints(cx)).color(p.weak));
                    ui.label(icon(ICON_KEYBOARD, 15.0).color(p.weak));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| status(ui, cx));
            });
        });
    });
}

/// The keys that are worth knowing where one is.
fn hints(cx: &Cx<'_>) -> &'static str {
    match cx.view.page {
        Page::Investigate if !cx.state.queries.is_empty() => {
            "↑↓ query    ←→ candidate    S same    D different    U unsure    Ctrl+K commands    F1 keys"
        }
        _ => "Ctrl+1 to 4 pages    Ctrl+K commands    F1 keys",
    }
}

/// Model, gallery and the running job.
fn status(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let state = cx.state;
    let mut parts = Vec::new();
    parts.push(match &state.model {
        Some(m) => format!("Model {} ({})", file_name(&m.path), m.hash),
        None => "No model".into(),
    });
    parts.push(match &state.gallery {
        Some(g) => format!("Gallery {}, {} images", file_name(&g.path), matches::thousands(g.entries.len() as u64)),
        None => "No gallery".into(),
    });
    if let Some(job) = state.jobs.iter().find(|j| j.end.is_none()) {
        let progress = job.progress.as_ref().map(|p| format!(", {}", jobs::describe(p))).unwrap_or_default();
        let text = format!("{}{progress}", job.title);
        let show = ui.add(egui::Button::new(small(&text).color(p.accent)).frame(false)).on_hover_text("Show the jobs");
        if show.clicked() {
            cx.wishes.push(Wish::Pane(Pane::Jobs));
        }
    }
    let text = parts.join("  ·  ");
    ui.add(egui::Label::new(small(&text).color(p.weak)).truncate()).on_hover_text(text);
}

/// Tells what a drop would do, while files hover over the window.
pub fn drop_hint(ctx: &Context) {
    if !ctx.input(|i| i.raw.hovered_files.is_empty()) {
        let painter = ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, Id::unique("drop")));
        let rect = ctx.content_rect();
        painter.rect_filled(rect, 0.0, egui::Color32::from_black_alpha(190));
        let text = "Drop crops to add them as queries, or a model file to open it";
        let font = super::theme::semibold_font(22.0);
        painter.text(rect.center(), egui::Align2::CENTER_CENTER, text, font, egui::Color32::WHITE);
    }
}
