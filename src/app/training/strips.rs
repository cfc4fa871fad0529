//! Fixed images and their reconstructions, through the run.

use std::sync::Arc;

use egui::{Align, Layout, Rect, Role, Slider, Ui, WidgetInfo, pos2, vec2};

use crate::app::compare::NOT_EVIDENCE;
use crate::app::matches::thousands;
use crate::app::shell::Cx;
use crate::app::state::file_name;
use crate::app::theme::{SMALL, palette, semibold, small};
use crate::app::thumbs::Picture;
use crate::app::widgets::{Caption, caption};
use crate::train::event::SampleImages;

/// Draws the samples: the newest, or those of the step that the slider stands at.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let steps: Vec<u64> = cx.state.run.strips.keys().copied().collect();
    let newest = cx.state.run.samples.as_ref().map(|(step, _)| *step).or(steps.last().copied());
    let Some(newest) = newest else {
        return;
    };
    let p = palette(ui.visuals());
    let at = cx.view.room.sample.filter(|step| steps.contains(step)).unwrap_or(newest);
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        ui.label(semibold(format!("Samples at step {}", thousands(at)), SMALL).color(p.text));
        if steps.len() > 1 {
            let mut place = steps.iter().position(|step| *step == at).unwrap_or(steps.len() - 1);
            ui.spacing_mut().slider_width = 220.0;
            let slider = ui.add(Slider::new(&mut place, 0..=steps.len() - 1).show_value(false));
            slider.widget_info(|| WidgetInfo::slider(true, at as f64, "Step of the samples"));
            if slider.changed() {
                // At its end it follows the new ones.
                cx.view.room.sample = steps.get(place).copied().filter(|_| place + 1 < steps.len());
            }
            let text = if cx.view.room.sample.is_some() { "held" } else { "newest" };
            ui.label(small(format!("{text}, {} of {}", place + 1, steps.len())).color(p.weak));
        }
    });
    let live = cx.state.run.samples.as_ref().filter(|(step, _)| *step == at).map(|(_, samples)| samples.clone());
    match live {
        Some(samples) => from_memory(ui, cx, &samples),
        None => from_files(ui, cx, at),
    }
}

fn from_memory(ui: &mut Ui, cx: &mut Cx<'_>, samples: &Arc<Vec<SampleImages>>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(22.0, 8.0);
        for sample in samples.iter() {
            let size =
                vec2(60.0, (60.0 * sample.hr.height() as f32 / sample.hr.width().max(1) as f32).clamp(30.0, 180.0));
            let thumbs = &mut *cx.thumbs;
            let images = [&sample.hr, &sample.lr, &sample.hr_reconstruction, &sample.lr_reconstruction];
            let pictures = images.map(|image| thumbs.memory(ui.ctx(), image, false));
            strip(ui, size, &pictures, &format!("r = {}", sample.rate), &file_name(&sample.path), None);
        }
    });
}

/// A strip on the disk holds the four images side by side above a line of caution.
fn from_files(ui: &mut Ui, cx: &mut Cx<'_>, step: u64) {
    let files = cx.state.run.strips.get(&step).cloned().unwrap_or_default();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(22.0, 8.0);
        for file in files {
            let picture = match cx.thumbs.close(&file) {
                Ok(Some(image)) => cx.thumbs.memory(ui.ctx(), &image, false),
                _ => Picture::Waiting,
            };
            let Picture::Ready { size: whole, .. } = picture else {
                ui.label(small("Reading…"));
                continue;
            };
            // The caution is 9 pixels high; the picture may have been shrunk.
            let part = vec2(whole.x / 4.0, whole.y * (1.0 - 9.0 / whole.y.max(10.0)));
            let size = vec2(60.0, (60.0 * part.y / part.x.max(1.0)).clamp(30.0, 180.0));
            let pictures = [picture.clone(), picture.clone(), picture.clone(), picture];
            strip(ui, size, &pictures, "", &file_name(&file), Some(part.y / whole.y));
        }
    });
}

/// HR, LR and, under one label, the two reconstructions. `cut` is the height of the images within a strip.
fn strip(ui: &mut Ui, size: egui::Vec2, pictures: &[Picture; 4], rate: &str, file: &str, cut: Option<f32>) {
    let p = palette(ui.visuals());
    let [hr, lr, hr_made, lr_made] = pictures;
    let show = |ui: &mut Ui, number: usize, picture: &Picture, title, line, border| {
        match (cut, picture) {
            (Some(height), Picture::Ready { texture, .. }) => {
                let uv = Rect::from_min_max(pos2(number as f32 / 4.0, 0.0), pos2((number + 1) as f32 / 4.0, height));
                part(ui, size, *texture, uv, title, border);
            }
            _ => {
                caption(ui, size, picture, &Caption { title, line, border }).on_hover_text(file);
            }
        };
    };
    let room = vec2(4.0 * size.x + 18.0, size.y + 56.0);
    ui.allocate_ui_with_layout(room, Layout::left_to_right(Align::TOP), |ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        show(ui, 0, hr, "HR", "", p.line);
        show(ui, 1, lr, "LR", rate, p.line);
        ui.vertical(|ui| {
            ui.set_width(2.0 * size.x + 6.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.horizontal_top(|ui| {
                show(ui, 2, hr_made, "G(HR)", "", p.accent);
                show(ui, 3, lr_made, "G(LR)", "", p.accent);
            });
            ui.add(egui::Label::new(small(NOT_EVIDENCE).color(p.weak)).wrap());
        });
    });
}

/// One image of a strip.
fn part(ui: &mut Ui, size: egui::Vec2, texture: egui::TextureId, uv: Rect, title: &str, border: egui::Color32) {
    let p = palette(ui.visuals());
    ui.vertical(|ui| {
        ui.set_width(size.x);
        ui.spacing_mut().item_spacing = vec2(0.0, 2.0);
        let (rect, response) = ui.allocate_exact_size(size, egui::Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, title));
        ui.painter().image(texture, rect, uv, egui::Color32::WHITE);
        ui.painter().rect_stroke(rect, 2.0, egui::Stroke::new(1.5, border), egui::StrokeKind::Inside);
        ui.add_space(2.0);
        ui.label(crate::app::theme::medium(title, SMALL).color(p.text));
    });
}
