//! What is open: how many images of whom, by which model, how large, from which cameras.

use egui::{Align, Grid, Layout, Rect, Role, Sense, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_FACT_CHECK, ICON_FOLDER_OPEN, ICON_PHOTO_LIBRARY};

use crate::app::keys;
use crate::app::matches::thousands;
use crate::app::shell::{Cx, Wish};
use crate::app::state::{Action, file_name};
use crate::app::target::Target;
use crate::app::theme::{BODY, SMALL, medium, palette, semibold, small, tint};
use crate::app::widgets::{empty, header, plain_button};
use crate::data::dataset::UNKNOWN;
use crate::engine::command::GalleryCommand;
use crate::engine::event::{GalleryInfo, JobKind};
use crate::gallery::survey::{Survey, height_class};

/// Width of the column of names, so that the lists stand in one line.
const NAME: f32 = 140.0;

/// Draws the summary.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let checking = cx.state.running(JobKind::Files);
    let open = cx.state.gallery.is_some();
    header(ui, ICON_PHOTO_LIBRARY, "Gallery", |ui| {
        let button = plain_button(ui, ICON_FOLDER_OPEN, "Open a gallery…");
        if button.on_hover_text(keys::tooltip(keys::Command::OpenGallery)).clicked() {
            cx.wishes.push(Wish::Ask(Target::Gallery));
        }
        let check =
            ui.add_enabled_ui(open && !checking, |ui| plain_button(ui, ICON_FACT_CHECK, "Check the files")).inner;
        let hint = "Looks for missing, unreadable and repeated files, and at the size of the images";
        if check.on_hover_text(hint).clicked() {
            cx.wishes.push(Action::Gallery(GalleryCommand::Survey).into());
        }
    });
    ui.add_space(4.0);
    let Some(gallery) = &cx.state.gallery else {
        empty(ui, ICON_PHOTO_LIBRARY, "No gallery is open", "Open a folder of sharp images, or drop one here");
        return;
    };
    let survey = cx.state.gallery_page.survey.as_deref();
    facts(ui, cx, gallery, survey);
    if let Some(survey) = survey {
        ui.add_space(10.0);
        let both = ui.available_width() > 560.0;
        ui.columns(if both { 2 } else { 1 }, |columns| {
            let last = columns.len() - 1;
            cameras(&mut columns[0], survey);
            heights(&mut columns[last], survey);
        });
    } else if checking {
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            ui.add(egui::Spinner::new().size(14.0));
            ui.label(small("Looking at the files…"));
        });
    }
}

/// Name and value, a line each.
fn facts(ui: &mut Ui, cx: &Cx<'_>, gallery: &GalleryInfo, survey: Option<&Survey>) {
    let p = palette(ui.visuals());
    ui.label(semibold(file_name(&gallery.path), 16.0).color(p.strong))
        .on_hover_text(gallery.path.display().to_string());
    fact_grid(ui, "gallery facts", |fact| {
        fact("Where", gallery.path.display().to_string());
        fact("Images", thousands(gallery.entries.len() as u64));
        if let Some(survey) = survey {
            fact("People", people(survey));
            fact("Files", bytes(survey.bytes));
            if let Some([low, high]) = survey.extremes {
                fact("Size of the images", format!("{} × {} to {} × {} px", low.0, low.1, high.0, high.1));
            }
        }
        if let Some(model) = &cx.state.model {
            let numbers = model.config.embedding();
            fact(
                "Model",
                format!("{} ({}), {} numbers an image", file_name(&model.path), model.hash, thousands(numbers as u64)),
            );
            if cx.state.gallery_page.disk.info.is_none() {
                fact("Embeddings in memory", bytes(2 * 4 * (numbers * gallery.entries.len()) as u64));
            }
        }
    });
}

/// Name and value, a line each: `contents` is handed what adds a line.
pub fn fact_grid(ui: &mut Ui, id: &str, contents: impl FnOnce(&mut dyn FnMut(&str, String))) {
    let p = palette(ui.visuals());
    Grid::new(id).num_columns(2).spacing(vec2(18.0, 4.0)).min_col_width(NAME).min_row_height(18.0).show(ui, |ui| {
        contents(&mut |name, value| {
            ui.label(small(name).color(p.weak));
            let response = ui.add(egui::Label::new(medium(&value, BODY).color(p.text)).truncate());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{name}: {value}")));
            ui.end_row();
        });
    });
}

fn people(survey: &Survey) -> String {
    match (survey.people, survey.unnamed) {
        (0, _) => "nobody said who is in them".into(),
        (people, 0) => thousands(people as u64),
        (people, unnamed) => {
            format!("{}; of {} images nobody said who is in them", thousands(people as u64), thousands(unnamed as u64))
        }
    }
}

/// "3.4 MB".
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn cameras(ui: &mut Ui, survey: &Survey) {
    let rows = survey.cameras.iter().map(|(camera, count)| {
        let name = if *camera == UNKNOWN { "unknown".to_owned() } else { format!("camera {camera}") };
        (name, *count)
    });
    bars(ui, "Cameras", "images", rows.collect());
}

fn heights(ui: &mut Ui, survey: &Survey) {
    let rows: Vec<(String, usize)> =
        survey.heights.iter().enumerate().map(|(class, count)| (height_class(class), *count)).collect();
    // Classes beyond the lowest and the highest image say nothing.
    let first = rows.iter().position(|(_, count)| *count > 0).unwrap_or(0);
    let last = rows.iter().rposition(|(_, count)| *count > 0).map_or(0, |last| last + 1);
    bars(ui, "Height of the images, px", "images", rows[first.min(last)..last].to_vec());
}

/// A bar a row, with its count.
fn bars(ui: &mut Ui, title: &str, unit: &str, rows: Vec<(String, usize)>) {
    const SHOWN: usize = 24;
    let p = palette(ui.visuals());
    ui.label(semibold(title, BODY).color(p.strong));
    ui.add_space(2.0);
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    for (name, count) in rows.iter().take(SHOWN) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            ui.spacing_mut().interact_size.y = 16.0;
            let cell = |ui: &mut Ui, width: f32, layout: Layout, text: egui::RichText| {
                ui.allocate_ui_with_layout(vec2(width, 16.0), layout, |ui| {
                    ui.set_min_width(width);
                    ui.add(egui::Label::new(text).truncate());
                });
            };
            cell(ui, 96.0, Layout::left_to_right(Align::Center), small(name).color(p.text));
            let width = (ui.available_width() - 76.0).clamp(40.0, 320.0);
            let (rect, response) = ui.allocate_exact_size(vec2(width, 12.0), Sense::hover());
            let said = format!("{name}: {} {unit}", thousands(*count as u64));
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &said));
            ui.painter().rect_filled(rect, 3.0, tint(p.pane, p.weak, 0.16));
            let share = *count as f32 / most as f32;
            let filled = Rect::from_min_size(
                rect.min,
                vec2((rect.width() * share).max(if *count > 0 { 2.0 } else { 0.0 }), 12.0),
            );
            ui.painter().rect_filled(filled, 3.0, p.accent);
            ui.label(medium(thousands(*count as u64), SMALL).color(p.weak));
        });
    }
    if rows.len() > SHOWN {
        ui.label(small(format!("and {} more", rows.len() - SHOWN)).color(p.weak));
    }
}
