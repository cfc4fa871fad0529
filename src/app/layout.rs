//! Where the panes lie: bars at top and bottom, queries at the left, comparison at the right, matches above training.

use egui::{Align, CentralPanel, Context, Frame, Id, Layout, Margin, Panel, ScrollArea, Ui, vec2};
use egui_material_icons::icons::{
    ICON_CLOSE, ICON_CLOSE_FULLSCREEN, ICON_DARK_MODE, ICON_FOLDER_OPEN, ICON_HELP, ICON_HISTORY, ICON_IMAGE_SEARCH,
    ICON_KEYBOARD, ICON_LIGHT_MODE, ICON_MEMORY, ICON_MODEL_TRAINING, ICON_OPEN_IN_FULL, ICON_PERSON_SEARCH,
    ICON_PHOTO_LIBRARY, ICON_SHOW_CHART, ICON_UNDO,
};

use super::keys;
use super::shell::{Cx, Page, Tab, Wish};
use super::state::{Action, file_name};
use super::target::Target;
use super::theme::{GAP, SMALL, icon, medium, palette, semibold, small};
use super::widgets::{header, icon_button, pane, plain_button, sheet, text_button};
use super::{compare, gallery_page, jobs, matches, notices, queries, training};

/// The bar at the top, and the notices below it.
pub fn top_bar(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let frame = Frame::new().fill(p.pane).inner_margin(Margin::symmetric(14, 7));
    Panel::top("top bar").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            ui.label(icon(ICON_PERSON_SEARCH, 22.0).color(p.accent));
            ui.label(semibold("Rain", 17.0).color(p.strong));
            ui.add_space(10.0);
            pages(ui, cx);
            ui.separator();
            for (sign, text, target, command) in [
                (ICON_IMAGE_SEARCH, "Open queries…", Target::Queries, keys::Command::OpenQueries),
                (ICON_PHOTO_LIBRARY, "Open gallery…", Target::Gallery, keys::Command::OpenGallery),
                (ICON_FOLDER_OPEN, "Open model…", Target::Model, keys::Command::OpenModel),
            ] {
                if plain_button(ui, sign, text).on_hover_text(keys::tooltip(command)).clicked() {
                    cx.wishes.push(Wish::Ask(target));
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, ICON_HELP, &format!("Keys ({})", keys::of(keys::Command::Keys).keys)).clicked() {
                    cx.wishes.push(Wish::ToggleKeys);
                }
                let (sign, name) = if ui.visuals().dark_mode {
                    (ICON_LIGHT_MODE, "Light theme")
                } else {
                    (ICON_DARK_MODE, "Dark theme")
                };
                if icon_button(ui, sign, name).clicked() {
                    cx.wishes.push(Wish::ToggleTheme);
                }
                ui.add_space(4.0);
                let device = cx.state.device.as_deref().unwrap_or("Starting the engine…");
                ui.add(egui::Label::new(small(device).color(p.weak)).truncate()).on_hover_text(device);
                ui.label(icon(ICON_MEMORY, 15.0).color(p.weak));
            });
        });
    });
    if !cx.state.notices.is_empty() {
        let frame = Frame::new().fill(p.ground).inner_margin(Margin { left: 8, right: 8, top: 8, bottom: 0 });
        Panel::top("notices").frame(frame).show_separator_line(false).show(ui, |ui| notices::ui(ui, cx));
    }
}

/// The way to each page.
fn pages(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    for (page, sign, text, command) in [
        (Page::Investigate, ICON_IMAGE_SEARCH, "Investigate", keys::Command::Investigate),
        (Page::Train, ICON_MODEL_TRAINING, "Train", keys::Command::Train),
        (Page::Gallery, ICON_PHOTO_LIBRARY, "Gallery", keys::Command::Gallery),
    ] {
        let on = cx.view.page == page;
        let colour = if on { p.strong } else { p.weak };
        let button = egui::Button::selectable(on, (icon(sign, 16.0).color(colour), medium(text, 13.0).color(colour)));
        let response = ui.add(button).on_hover_text(keys::tooltip(command));
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, on, text));
        if response.clicked() {
            cx.wishes.push(Wish::Show(page));
        }
    }
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
                    let hints = "↑↓ query    ←→ candidate    E enlarge    Del remove    F1 keys    Ctrl +/− zoom";
                    ui.label(small(hints).color(p.weak));
                    ui.label(icon(ICON_KEYBOARD, 15.0).color(p.weak));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| status(ui, cx));
            });
        });
    });
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
        parts.push(format!("{}{progress}", job.title));
    }
    let text = parts.join("  ·  ");
    ui.add(egui::Label::new(small(&text).color(p.weak)).truncate()).on_hover_text(text);
}

/// What lies between the bars.
pub fn page(ui: &mut Ui, cx: &mut Cx<'_>) {
    match cx.view.page {
        Page::Investigate => investigate(ui, cx),
        Page::Gallery => gallery_page::ui(ui, cx),
        Page::Train => {
            let frame = Frame::new().inner_margin(Margin::same(GAP as i8));
            CentralPanel::default().frame(frame).show(ui, |ui| filled(ui, |ui| training::ui(ui, cx)));
        }
    }
}

/// The panes: queries, matches above training, comparison.
fn investigate(ui: &mut Ui, cx: &mut Cx<'_>) {
    let gap = GAP as i8;
    let width = ui.available_width();
    let around = |left, right, top, bottom| {
        Frame::new().inner_margin(Margin { left, right, top, bottom }).fill(egui::Color32::TRANSPARENT)
    };
    Panel::left("queries")
        .frame(around(gap, gap / 2, gap, gap))
        .show_separator_line(false)
        .default_size((width * 0.17).clamp(226.0, 260.0))
        .size_range(200.0..=(width * 0.3).max(216.0))
        .show(ui, |ui| filled(ui, |ui| queries::ui(ui, cx)));
    Panel::right("compare")
        .frame(around(gap / 2, gap, gap, gap))
        .show_separator_line(false)
        .default_size((width * 0.245).clamp(336.0, 372.0))
        .size_range(336.0..=(width * 0.42).max(340.0))
        .show(ui, |ui| filled(ui, |ui| compare::ui(ui, cx)));
    let height = ui.available_height();
    if cx.view.lower_full {
        CentralPanel::default().frame(around(gap / 2, gap / 2, gap, gap)).show(ui, |ui| filled(ui, |ui| lower(ui, cx)));
        return;
    }
    Panel::bottom("lower")
        .frame(around(gap / 2, gap / 2, gap / 2, gap))
        .show_separator_line(false)
        .resizable(true)
        .default_size((height * if height > 560.0 { 0.45 } else { 0.38 }).clamp(180.0, 400.0))
        .size_range(120.0..=(height * 0.55).max(130.0))
        .show(ui, |ui| filled(ui, |ui| lower(ui, cx)));
    CentralPanel::default()
        .frame(around(gap / 2, gap / 2, gap, gap / 2))
        .show(ui, |ui| filled(ui, |ui| matches::ui(ui, cx)));
}

/// A pane that fills its panel.
pub fn filled(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    pane(ui).show(ui, |ui| {
        let size = ui.available_size();
        ui.set_min_size(size);
        ui.set_max_size(size);
        contents(ui);
    });
}

fn lower(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        let running = cx.state.jobs.iter().filter(|j| j.end.is_none()).count();
        let jobs_title = if running > 0 { format!("Jobs ({running})") } else { "Jobs".to_owned() };
        for (tab, sign, text) in [
            (
                Tab::Training,
                if cx.state.run.phase.active() { ICON_MODEL_TRAINING } else { ICON_SHOW_CHART },
                "Training",
            ),
            (Tab::Jobs, ICON_HISTORY, jobs_title.as_str()),
        ] {
            let on = cx.view.tab == tab;
            let colour = if on { p.strong } else { p.weak };
            let button =
                egui::Button::selectable(on, (icon(sign, 16.0).color(colour), medium(text, 13.0).color(colour)));
            let response = ui.add(button);
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, on, text));
            if response.clicked() {
                cx.view.tab = tab;
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (sign, name) = if cx.view.lower_full {
                (ICON_CLOSE_FULLSCREEN, "Shrink this pane")
            } else {
                (ICON_OPEN_IN_FULL, "Enlarge this pane")
            };
            if icon_button(ui, sign, name).clicked() {
                cx.view.lower_full = !cx.view.lower_full;
            }
        });
    });
    ui.add_space(2.0);
    match cx.view.tab {
        Tab::Training => training::ui(ui, cx),
        Tab::Jobs => jobs::ui(ui, cx),
    }
}

/// The sheet of keys; true when it is to be closed.
pub fn keys_sheet(ctx: &Context) -> bool {
    let modal = egui::Modal::new(Id::unique("keys")).frame(sheet(ctx)).show(ctx, |ui| {
        let p = palette(ui.visuals());
        ui.set_width(400.0_f32.min(ctx.content_rect().width() - 60.0));
        header(ui, ICON_KEYBOARD, "Keys", |ui| {
            if icon_button(ui, ICON_CLOSE, "Close keys").clicked() {
                ui.close();
            }
        });
        let height = (ctx.content_rect().height() - 160.0).max(120.0);
        ScrollArea::vertical().max_height(height).show(ui, |ui| {
            egui::Grid::new("keys")
                .num_columns(2)
                .spacing(vec2(28.0, 6.0))
                .min_col_width(120.0)
                .min_row_height(18.0)
                .show(ui, |ui| {
                    let table = keys::TABLE.iter().map(|r| (r.keys, r.label));
                    for (keys, label) in table.chain(keys::BUILT_IN.iter().copied()) {
                        ui.label(medium(keys, 13.0).color(p.strong));
                        ui.label(label);
                        ui.end_row();
                    }
                });
        });
        ui.add_space(4.0);
        if text_button(ui, "Close").clicked() {
            ui.close();
        }
    });
    modal.should_close()
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
