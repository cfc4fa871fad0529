//! A ranking as the case kept it, for when the gallery is not there: what was seen and decided stays readable.

use egui::{Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::ICON_PHOTO_LIBRARY;

use super::shell::{Cx, Wish};
use super::state::{CaseAction, ViewState};
use super::target::Target;
use super::theme::{SMALL, medium, palette, small, tint};
use super::thumbs::Picture;
use super::verdicts::{self, look};
use super::widgets::{draw, plain_button};
use crate::case::name::{file_name, to_path};
use crate::case::{Search, Subject};
use crate::engine::event::JobKind;

/// Size of a picture in points.
const PICTURE: egui::Vec2 = vec2(84.0, 168.0);

/// The ranking that the case kept of the query being looked at, where there is no gallery to rank.
fn kept(state: &ViewState) -> Option<(u64, &Search)> {
    if state.gallery.is_some() || state.running(JobKind::Gallery) {
        return None;
    }
    let number = state.case.number(state.selected?)?;
    let (_, search) = state.case.state()?.latest_search(number)?;
    Some((number, search))
}

/// Whether there is such a ranking.
pub fn wanted(state: &ViewState) -> bool {
    kept(state).is_some()
}

/// Draws it.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some((number, search)) = kept(cx.state) else { return };
    let p = palette(ui.visuals());
    ui.horizontal_wrapped(|ui| {
        let gallery = file_name(&search.gallery);
        let text = format!(
            "As the case kept it: {} of {} candidates by {}. The gallery {gallery} is not open",
            search.candidates.len(),
            search.gallery_images,
            search.measure
        );
        ui.label(small(text).color(p.weak));
        if plain_button(ui, ICON_PHOTO_LIBRARY, "Open gallery…").clicked() {
            cx.wishes.push(Wish::Ask(Target::Gallery));
        }
    });
    ui.add_space(4.0);
    let state = cx.state.case.state();
    ScrollArea::vertical().auto_shrink(false).id_salt("kept").show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(10.0, 10.0);
            for candidate in &search.candidates {
                let subject = Subject::pair(number, candidate.path.clone());
                let verdict = state.and_then(|state| state.verdicts.get(&subject));
                let picture = match candidate.picture.as_ref().map(|hash| (hash, cx.state.case.pictures.get(hash))) {
                    Some((_, Some(Some(image)))) => cx.thumbs.memory(ui.ctx(), image, false),
                    Some((hash, None)) => {
                        cx.wishes.push(CaseAction::Picture(hash.clone()).into());
                        Picture::Waiting
                    }
                    Some((_, Some(None))) => Picture::Waiting,
                    None => Picture::Broken("The case has no picture of it".into()),
                };
                let (rect, response) = ui.allocate_exact_size(PICTURE + vec2(0.0, 34.0), Sense::hover());
                let said = verdict.map(|v| format!(", judged {}", v.judgement.words())).unwrap_or_default();
                let name = format!("Kept: rank {}, {} {:.3}{said}", candidate.rank, search.measure, candidate.distance);
                response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
                let frame = Rect::from_min_size(rect.min, PICTURE);
                draw(ui, frame, &picture, 5.0);
                let colour = verdict.map_or(tint(p.pane, p.weak, 0.4), |v| look(v.judgement, p).1);
                ui.painter().rect_stroke(frame, 5.0, Stroke::new(2.0, colour), StrokeKind::Outside);
                if let Some(query) = cx.state.selected {
                    verdicts::mark(ui, cx.state, query, &to_path(&candidate.path), frame);
                }
                let text = format!("{}   {:.3}", candidate.rank, candidate.distance);
                ui.painter().text(
                    frame.left_bottom() + vec2(0.0, 6.0),
                    egui::Align2::LEFT_TOP,
                    text,
                    super::theme::semibold_font(SMALL),
                    p.strong,
                );
                response.on_hover_ui(|ui| {
                    ui.label(medium(&candidate.path, SMALL));
                    if let Some(v) = verdict {
                        ui.label(format!("{} says {}", v.by, v.judgement.words()));
                    }
                });
            }
        });
    });
}
