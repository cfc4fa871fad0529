//! The model page: what a weight file is, how well it did, and the forms in which others can use it.

use std::path::PathBuf;

use egui::{Grid, Role, ScrollArea, TextEdit, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_CONTENT_COPY, ICON_DEPLOYED_CODE, ICON_DOWNLOAD_DONE, ICON_OUTPUT};

use super::{ask, bytes};
use crate::app::matches::thousands;
use crate::app::shell::{Cx, Wish};
use crate::app::state::{Action, file_name};
use crate::app::target::Target;
use crate::app::theme::{BODY, SMALL, medium, palette, semibold, small};
use crate::app::widgets::{empty, main_button, path_field, plain_button};
use crate::engine::room::RoomCommand;
use crate::model::export::Format;
use crate::train::page::Page;

/// Draws the page.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    // The model that searches is what one most likely wants to know about.
    if cx.view.room.page.is_empty()
        && let Some(model) = &cx.state.model
    {
        cx.view.room.page = model.path.display().to_string();
    }
    let path = PathBuf::from(cx.view.room.page.trim());
    if !path.as_os_str().is_empty() && cx.view.room.asked.page.as_ref() != Some(&path) && path.is_file() {
        cx.view.room.asked.page = Some(path.clone());
        cx.wishes.push(ask(RoomCommand::ReadPage(path.clone())));
    }
    ScrollArea::vertical().auto_shrink(false).id_salt("model page").show(ui, |ui| {
        ui.allocate_ui(vec2(560.0_f32.min(ui.available_width()), 0.0), |ui| {
            let hint = "A model of Rain, or ResNet weights";
            let problem = (!path.as_os_str().is_empty() && !path.is_file()).then_some("There is no such file");
            let pressed = path_field(ui, "Model file", &mut cx.view.room.page, hint, problem, false);
            if pressed.browse {
                cx.wishes.push(Wish::Ask(Target::PageModel));
            }
        });
        let Some(page) = cx.state.room.page.as_deref().filter(|page| page.path == path) else {
            if path.as_os_str().is_empty() {
                empty(ui, ICON_DEPLOYED_CODE, "No model chosen", "Name a model file to see what it is");
            }
            return;
        };
        ui.add_space(6.0);
        facts(ui, page);
        if !page.rain {
            return;
        }
        ui.add_space(6.0);
        if main_button(ui, Some(ICON_DOWNLOAD_DONE), "Search with this model").clicked() {
            cx.wishes.push(Action::OpenModel(page.path.clone()).into());
            cx.wishes.push(Wish::Show(crate::app::shell::Page::Investigate));
        }
        ui.add_space(6.0);
        figures(ui, page);
        ui.add_space(6.0);
        exports(ui, cx, page);
    });
}

fn facts(ui: &mut Ui, page: &Page) {
    let p = palette(ui.visuals());
    ui.label(semibold(file_name(&page.path), 15.0).color(p.strong));
    let parts: Vec<String> =
        page.parameters.iter().map(|(part, n)| format!("{part} {:.2} M", *n as f64 / 1e6)).collect();
    let mut rows = vec![
        ("Network", page.architecture.clone()),
        ("Numbers", parts.join(", ")),
        ("Size", bytes(page.bytes)),
        ("Hash (BLAKE3)", page.hash.clone()),
    ];
    if let Some(data) = &page.data {
        let (images, people) = (thousands(data.images), thousands(data.identities));
        rows.push(("Trained on", format!("{}: {images} images of {people} people", data.name)));
        rows.push(("Hash of the data", data.hash.clone()));
        rows.push(("Hash of the split", data.split.clone()));
    }
    rows.extend(page.command.clone().map(|command| ("Command", command)));
    let making = [
        page.trained_with.clone(),
        page.seed.map(|seed| format!("seed {seed}")),
        page.steps.map(|steps| format!("{} steps", thousands(steps))),
    ];
    let making: Vec<String> = making.into_iter().flatten().collect();
    if !making.is_empty() {
        rows.push(("Made by", making.join(", ")));
    }
    rows.push(("Licence", page.licence.clone()));
    let width = (ui.available_width() - 150.0).max(200.0);
    Grid::new("model facts").num_columns(2).spacing(vec2(18.0, 4.0)).min_col_width(110.0).show(ui, |ui| {
        for (name, value) in rows {
            ui.label(medium(name, SMALL).color(p.weak));
            ui.scope(|ui| {
                ui.set_max_width(width);
                ui.add(egui::Label::new(small(value).color(p.text)).wrap());
            });
            ui.end_row();
        }
    });
}

/// How well it did, by resolution.
fn figures(ui: &mut Ui, page: &Page) {
    let p = palette(ui.visuals());
    let Some(v) = &page.figures else {
        ui.label(small("The file holds no figures; `rain eval` measures them").color(p.weak));
        return;
    };
    ui.label(semibold("Last validation on held-out people, percent", BODY).color(p.strong));
    Grid::new("model figures").num_columns(6).spacing(vec2(22.0, 4.0)).show(ui, |ui| {
        for head in ["Queries down-sampled by", "Rank-1", "Rank-5", "Rank-10", "Rank-20", "mAP"] {
            ui.label(medium(head, SMALL).color(p.weak));
        }
        ui.end_row();
        for f in &v.by_rate {
            ui.label(medium(format!("r = {}", f.rate), SMALL).color(p.strong));
            for value in [f.rank1, f.rank5, f.rank10, f.rank20, f.map] {
                ui.label(small(format!("{value:.1}")).color(p.text));
            }
            ui.end_row();
        }
    });
}

/// ONNX and torchvision's names.
fn exports(ui: &mut Ui, cx: &mut Cx<'_>, page: &Page) {
    let p = palette(ui.visuals());
    let formats = [Format::Onnx, Format::Torchvision];
    if cx.view.room.proposed.as_ref() != Some(&page.path) {
        let stem = page.path.with_extension("");
        let name = |format: Format| format!("{}-{}.{}", stem.display(), format.name().to_lowercase(), format.ending());
        cx.view.room.exports = formats.map(name);
        cx.view.room.proposed = Some(page.path.clone());
    }
    ui.label(semibold("For other programs", BODY).color(p.strong));
    for (format, path) in formats.into_iter().zip(&mut cx.view.room.exports) {
        ui.horizontal_wrapped(|ui| {
            let name = format!("{format} file");
            ui.add(
                TextEdit::singleline(path)
                    .id_salt(&name)
                    .desired_width(420.0_f32.min(ui.available_width() - 190.0).max(160.0)),
            )
            .widget_info(|| WidgetInfo::labeled(Role::TextInput, true, &name));
            let what = match format {
                Format::Onnx => "Export to ONNX",
                Format::Torchvision => "Export to torchvision",
            };
            let ready = !path.trim().is_empty();
            if ui.add_enabled_ui(ready, |ui| plain_button(ui, ICON_OUTPUT, what)).inner.clicked() {
                let out = PathBuf::from(path.trim());
                cx.wishes.push(ask(RoomCommand::Export { model: page.path.clone(), format, out }));
            }
        });
    }
    let Some(exported) = &cx.state.room.exported else {
        return;
    };
    ui.label(medium(format!("✓ Wrote {} ({})", exported.path.display(), bytes(exported.bytes)), SMALL).color(p.same));
    for note in &exported.notes {
        ui.add(egui::Label::new(small(note).color(p.text)).wrap());
    }
    ui.horizontal(|ui| {
        ui.label(medium("In Python", SMALL).color(p.weak));
        if plain_button(ui, ICON_CONTENT_COPY, "Copy the lines").clicked() {
            ui.ctx().copy_text(exported.recipe.clone());
        }
    });
    ui.add(egui::Label::new(egui::RichText::new(&exported.recipe).monospace().color(p.text)).wrap());
}
