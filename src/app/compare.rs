//! The query, its reconstruction and the chosen candidate side by side, and what is known about the pair.

use egui::{Grid, Modal, Role, ScrollArea, Ui, Vec2, WidgetInfo, vec2};
use egui_material_icons::icons::{
    ICON_BLUR_ON, ICON_CHECK, ICON_CLOSE, ICON_COMPARE, ICON_CONTENT_COPY, ICON_FULLSCREEN, ICON_INFO, ICON_TUNE,
};

use super::keys;
use super::matches::{distance, measure_name, thousands, verdict};
use super::shell::{Cx, Wish};
use super::state::{Query, file_name};
use super::theme::{SMALL, icon, medium, palette, small};
use super::thumbs::{MAX_SIDE, Picture};
use super::verdicts;
use super::widgets::{self, Caption, caption, empty, header, icon_button};
use crate::data::dataset::UNKNOWN;
use crate::engine::event::{Candidate, GalleryEntry};

/// Stands by every reconstruction.
pub const NOT_EVIDENCE: &str = "Reconstruction, not evidence";

/// Draws the pane.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    header(ui, ICON_COMPARE, "Compare", |ui| {
        if cx.state.query().is_some()
            && icon_button(ui, ICON_FULLSCREEN, &keys::tooltip(keys::Command::Enlarge)).clicked()
        {
            cx.wishes.push(Wish::Enlarge);
        }
    });
    ui.add_space(4.0);
    let Some(query) = cx.state.query() else {
        empty(ui, ICON_BLUR_ON, "Nothing to compare yet", "Choose a query and a candidate");
        return;
    };
    ScrollArea::vertical().auto_shrink(false).id_salt("compare").show(ui, |ui| {
        let gap = 8.0;
        let width = ((ui.available_width() - 2.0 * gap) / 3.0).floor().max(40.0);
        triple(ui, cx, query, vec2(width, width * 2.0), gap);
        ui.add_space(8.0);
        verdicts::ui(ui, cx);
        details(ui, cx, query);
    });
}

/// The comparison, as large as the window allows.
pub fn sheet(ui: &mut Ui, cx: &mut Cx<'_>) -> bool {
    let Some(query) = cx.state.query() else {
        return true;
    };
    let room = ui.ctx().content_rect().size();
    let gap = 16.0;
    let height = (room.y - 240.0).max(120.0);
    let width = (height / 2.0).min((room.x - 140.0) / 3.0).floor();
    let modal = Modal::new(egui::Id::unique("comparison")).frame(widgets::sheet(ui.ctx())).show(ui.ctx(), |ui| {
        let p = palette(ui.visuals());
        header(ui, ICON_COMPARE, &format!("Compare {}", query.name()), |ui| {
            if icon_button(ui, ICON_CLOSE, "Close comparison").clicked() {
                ui.close();
            }
        });
        ui.add_space(4.0);
        triple(ui, cx, query, vec2(width, width * 2.0), gap);
        if let Some((candidate, entry)) = cx.state.chosen() {
            ui.add_space(4.0);
            ui.horizontal(|ui| {
                let text = format!(
                    "Rank {}  ·  {} {}  ·  {}",
                    candidate.rank,
                    measure_name(cx.state.settings.measure),
                    distance(candidate.distance),
                    file_name(&entry.path)
                );
                ui.label(small(text).color(p.weak));
                truth(ui, cx, &candidate);
            });
            let image = entry.path.clone();
            verdicts::buttons(ui, cx, query.info.id, &image);
        }
        ui.label(small("← and → show other candidates, ↑ and ↓ other queries, Esc closes").color(p.weak));
    });
    modal.should_close()
}

fn triple(ui: &mut Ui, cx: &mut Cx<'_>, query: &Query, size: Vec2, gap: f32) {
    let p = palette(ui.visuals());
    let chosen = cx.state.chosen().map(|(c, e)| (c, e.clone()));
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        let (w, h) = query.info.image.dimensions();
        let picture = cx.thumbs.memory(ui.ctx(), &query.info.image, true);
        let line = format!("{w}×{h} px");
        caption(ui, size, &picture, &Caption { title: "Query", line: &line, border: p.line });

        let decoder = cx.state.model.as_ref().is_some_and(|m| m.decoder);
        match &query.reconstruction {
            Some(image) => {
                let picture = cx.thumbs.memory(ui.ctx(), image, false);
                let line = format!("{}×{} px", image.width(), image.height());
                caption(ui, size, &picture, &Caption { title: NOT_EVIDENCE, line: &line, border: p.accent })
                    .on_hover_text("What the decoder makes of the query's features. It shows what the model kept, and may show what was never there");
            }
            None => {
                let line = if decoder { "being made" } else { "this model has no decoder" };
                caption(ui, size, &Picture::Waiting, &Caption { title: NOT_EVIDENCE, line, border: p.line });
            }
        }

        match &chosen {
            Some((candidate, entry)) => {
                let border = match candidate.same.filter(|_| cx.state.settings.ground_truth) {
                    Some(true) => p.same,
                    Some(false) => p.other,
                    None => p.line,
                };
                let picture = cx.thumbs.file(&entry.path);
                let line = match pixels(&picture) {
                    Some(size) => format!("rank {}, {size}", candidate.rank),
                    None => format!("rank {}", candidate.rank),
                };
                caption(ui, size, &picture, &Caption { title: "Candidate", line: &line, border });
            }
            None => {
                caption(ui, size, &Picture::Waiting, &Caption { title: "Candidate", line: "none chosen", border: p.line });
            }
        }
    });
}

fn details(ui: &mut Ui, cx: &mut Cx<'_>, query: &Query) {
    let Some((candidate, entry)) = cx.state.chosen() else {
        return;
    };
    let p = palette(ui.visuals());
    let rows = facts(cx, query, &candidate, entry);
    header(ui, ICON_TUNE, "Details", |ui| {
        if icon_button(ui, ICON_CONTENT_COPY, "Copy details").clicked() {
            let lines: Vec<String> = rows.iter().map(|(k, v)| format!("{k}: {v}")).collect();
            ui.ctx().copy_text(lines.join("\n"));
        }
    });
    truth(ui, cx, &candidate);
    Grid::new("details").num_columns(2).spacing(vec2(12.0, 6.0)).min_col_width(64.0).min_row_height(18.0).show(
        ui,
        |ui| {
            for (name, value) in &rows {
                ui.label(small(*name).color(p.weak));
                ui.add(egui::Label::new(medium(value, SMALL).color(p.strong)).wrap());
                ui.end_row();
            }
        },
    );
    ui.add_space(6.0);
    ui.horizontal_wrapped(|ui| {
        ui.label(icon(ICON_INFO, 14.0).color(p.weak));
        ui.label(
            small("Rain ranks candidates. Whether two images show the same person is for a person to decide")
                .color(p.weak),
        );
    });
}

/// What is known about a pair, for the list and for copying.
fn facts(cx: &mut Cx<'_>, query: &Query, candidate: &Candidate, entry: &GalleryEntry) -> Vec<(&'static str, String)> {
    let size = query.result.as_ref().map_or(0, |r| r.gallery_size as u64);
    let known = |n: i64| {
        if n == UNKNOWN { "unknown".to_owned() } else { n.to_string() }
    };
    let (w, h) = query.info.image.dimensions();
    let candidate_size = pixels(&cx.thumbs.file(&entry.path)).unwrap_or_else(|| "…".into());
    let mut rows = vec![
        ("Rank", format!("{} of {}", candidate.rank, thousands(size))),
        (
            if measure_name(cx.state.settings.measure).starts_with('c') {
                "Cosine distance"
            } else {
                "Euclidean distance"
            },
            format!("{:.4}", candidate.distance),
        ),
        ("Camera", format!("{} → {}", known(query.info.camera), known(entry.camera))),
    ];
    if cx.state.settings.ground_truth {
        rows.push(("Identity", format!("{} → {}", known(query.info.identity), known(entry.identity))));
    }
    rows.push(("Size", format!("{w}×{h} px → {candidate_size}")));
    rows.push(("Query file", file_name(&query.info.path)));
    rows.push(("Candidate file", file_name(&entry.path)));
    rows
}

fn truth(ui: &mut Ui, cx: &Cx<'_>, candidate: &Candidate) {
    let p = palette(ui.visuals());
    let Some(same) = candidate.same.filter(|_| cx.state.settings.ground_truth) else {
        return;
    };
    let (sign, colour) = if same { (ICON_CHECK, p.same) } else { (ICON_CLOSE, p.other) };
    let text = format!("Ground truth says {}", verdict(Some(same)));
    widgets::pill(ui, sign, &text, colour).widget_info(|| WidgetInfo::labeled(Role::Status, true, &text));
}

/// The true size of a picture, as far as the screen's copy tells it.
fn pixels(picture: &Picture) -> Option<String> {
    match picture {
        Picture::Ready { size, .. } if size.max_elem() < MAX_SIDE as f32 => Some(format!("{}×{} px", size.x, size.y)),
        Picture::Ready { .. } => Some(format!("over {MAX_SIDE} px")),
        Picture::Waiting | Picture::Broken(_) => None,
    }
}
