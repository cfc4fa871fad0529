//! The map page: images as points, those that look alike to the model near one another.

mod camera;
mod canvas;
mod far;
mod form;
mod legend;
mod plot;
mod region;
mod side;
mod view;

use std::path::{Path, PathBuf};

use egui::{CentralPanel, Frame, Margin, Panel, Role, Ui, WidgetInfo};
use egui_material_icons::icons::{
    ICON_ADD, ICON_FIT_SCREEN, ICON_FOLDER_OPEN, ICON_REMOVE, ICON_SAVE, ICON_SCATTER_PLOT,
};

use self::form::Kind;
use self::view::Tool;
pub use self::view::{MapView, VerdictOf};
use super::dock::filled;
use super::shell::{Cx, Page, Wish};
use super::state::{Action, ViewState};
use super::target::Target;
use super::theme::{BODY, GAP, icon, medium, palette};
use super::widgets::{empty, header, icon_button, plain_button};
use crate::data::dataset::UNKNOWN;
use crate::engine::command::MapCommand;
use crate::figure::scatter::radius_for;
use crate::projection::groups::{Groups, rate_name};
use crate::projection::map::{Role as SpotRole, Spot};

/// "person 12, camera 3, r = 8, query".
fn caption(spot: &Spot) -> String {
    let mut parts = Vec::new();
    parts.push(if spot.identity == UNKNOWN { "identity unknown".into() } else { format!("person {}", spot.identity) });
    if spot.camera != UNKNOWN {
        parts.push(format!("camera {}", spot.camera));
    }
    if spot.rate != 1.0 {
        parts.push(rate_name(spot.rate));
    }
    if spot.role == SpotRole::Query {
        parts.push("query".into());
    }
    parts.join(", ")
}

/// A path was chosen; what follows.
pub fn answered(target: Target, path: PathBuf, state: &ViewState, view: &mut MapView, dark: bool) -> Option<Wish> {
    match target {
        Target::MapFeatures => (view.form.file, view.form.kind) = (path.display().to_string(), Kind::Features),
        Target::MapPeople => (view.form.folder, view.form.kind) = (path.display().to_string(), Kind::People),
        Target::MapOpen => return Some(Action::Map(MapCommand::Open { path }).into()),
        Target::MapSave => {
            let map = state.map.map.clone()?;
            let (look, selected) = (Box::new(view.look(state, dark)), view.marked.clone());
            return Some(Action::Map(MapCommand::Save { map, path, look, selected }).into());
        }
        _ => {}
    }
    None
}

/// Draws the page.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let gap = GAP as i8;
    let frame = |left, right| Frame::new().inner_margin(Margin { left, right, top: gap, bottom: gap });
    let groups = cx.view.map.groups(&cx.state.map, ui.visuals().dark_mode);
    Panel::left("map form")
        .frame(frame(gap, gap / 2))
        .show_separator_line(false)
        .default_size(264.0)
        .size_range(240.0..=340.0)
        .show(ui, |ui| filled(ui, |ui| left(ui, cx, &groups)));
    Panel::right("map side")
        .frame(frame(gap / 2, gap))
        .show_separator_line(false)
        .default_size(296.0)
        .size_range(260.0..=420.0)
        .show(ui, |ui| filled(ui, |ui| side::ui(ui, cx)));
    CentralPanel::default().frame(frame(gap / 2, gap / 2)).show(ui, |ui| filled(ui, |ui| middle(ui, cx, &groups)));
}

fn left(ui: &mut Ui, cx: &mut Cx<'_>, groups: &Groups) {
    header(ui, ICON_SCATTER_PLOT, "Map", |ui| {
        if icon_button(ui, ICON_FOLDER_OPEN, "Open a saved map").clicked() {
            cx.wishes.push(Wish::Ask(Target::MapOpen));
        }
    });
    form::ui(ui, cx);
    if cx.state.map.exists() {
        ui.separator();
        legend::ui(ui, cx, groups);
    }
}

fn middle(ui: &mut Ui, cx: &mut Cx<'_>, groups: &Groups) {
    if !cx.state.map.exists() {
        empty(
            ui,
            ICON_SCATTER_PLOT,
            "No map yet",
            "A map shows every image as a point; images that look alike to the model lie near one another",
        );
        return;
    }
    toolbar(ui, cx);
    ui.add_space(2.0);
    cx.view.map.follow(cx.state);
    if let Some(chosen) = canvas::ui(ui, cx, groups) {
        select(cx, chosen.spot);
        if chosen.open {
            cx.wishes.push(Wish::Show(Page::Investigate));
        }
    }
}

/// Selects an image in the match grid, where it is there.
fn select(cx: &mut Cx<'_>, spot: usize) {
    let state = cx.state;
    let Some(spot) = state.map.spots.get(spot) else { return };
    if let Some(query) = state.queries.iter().find(|query| query.info.path == spot.path) {
        cx.wishes.push(Action::SelectQuery(query.info.id).into());
    } else if let Some(at) = rank_of(state, &spot.path) {
        cx.wishes.push(Action::SelectCandidate(at).into());
    }
    // What the map itself has chosen needs no following.
    cx.view.map.chosen_before = None;
}

/// The place of a file among the candidates that are listed, from 0.
fn rank_of(state: &ViewState, path: &Path) -> Option<usize> {
    state.candidates().iter().position(|candidate| state.entry(candidate).is_some_and(|entry| entry.path == path))
}

/// Begins another part of the toolbar, of so many points: behind a line, or on a line of its own where there is no room. Buttons
/// of an icon and sliders do not wrap by themselves.
fn part(ui: &mut Ui, width: f32) {
    if ui.available_size_before_wrap().x < width + 12.0 {
        ui.end_row();
    } else {
        ui.separator();
    }
}

fn toolbar(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let view = &mut cx.view.map;
    ui.horizontal_wrapped(|ui| {
        for tool in Tool::ALL {
            let on = view.tool == tool;
            let colour = if on { p.strong } else { p.weak };
            let label = (icon(tool.sign(), 16.0).color(colour), medium(tool.name(), BODY).color(colour));
            let response = ui.add(egui::Button::selectable(on, label)).on_hover_text(tool.help());
            response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, tool.name()));
            if response.clicked() {
                view.tool = tool;
            }
        }
        part(ui, 130.0);
        let middle = view.rect.center();
        for (sign, name, factor) in [(ICON_ADD, "Zoom in (+)", 1.5), (ICON_REMOVE, "Zoom out (−)", 1.0 / 1.5)] {
            if icon_button(ui, sign, name).clicked() {
                view.zoom(middle, factor);
            }
        }
        if icon_button(ui, ICON_FIT_SCREEN, "Show all (F)").clicked() {
            view.moved = false;
            view.fit();
        }
        part(ui, 190.0);
        ui.checkbox(&mut view.pictures, "Pictures").on_hover_text("Zoomed in, images are shown instead of points");
        let mut radius = view.radius.unwrap_or_else(|| radius_for(cx.state.map.points.len()));
        ui.spacing_mut().slider_width = 60.0;
        let slider =
            ui.add(egui::Slider::new(&mut radius, 1.0..=8.0).show_value(false)).on_hover_text("Size of the points");
        slider.widget_info(|| WidgetInfo::slider(true, f64::from(radius), "Size of the points"));
        if slider.changed() {
            view.radius = Some(radius);
        }
        part(ui, 110.0);
        let done = cx.state.map.map.is_some();
        let save = ui.add_enabled_ui(done, |ui| plain_button(ui, ICON_SAVE, "Save…")).inner;
        if save.on_hover_text("As a map to open again, a table, SVG or PNG").clicked() {
            cx.wishes.push(Wish::Ask(Target::MapSave));
        }
    });
}
