//! The query, its reconstruction and the chosen candidate, and what is known about the pair.

mod lens;
mod stage;
mod view;

use egui::{Grid, Modal, Role, ScrollArea, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{
    ICON_BLUR_ON, ICON_CHECK, ICON_CLOSE, ICON_COMPARE, ICON_CONTENT_COPY, ICON_FULLSCREEN, ICON_INFO, ICON_TUNE,
};

use super::matches::{distance, measure_name, thousands, verdict};
use super::shell::{Cx, Wish};
use super::state::{Query, file_name};
use super::theme::{SMALL, icon, medium, palette, small};
use super::widgets::{self, empty, header, icon_button};
use super::{keys, text, verdicts};
use crate::data::clock;
use crate::data::dataset::UNKNOWN;
use crate::engine::event::{Candidate, GalleryEntry, Source};

pub use lens::Lens;
pub use view::{Change, CompareView, Mode};

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
    ui.add_space(2.0);
    let Some(query) = cx.state.query() else {
        empty(ui, ICON_BLUR_ON, "Nothing to compare yet", "Choose a query and a candidate");
        return;
    };
    view::controls(ui, cx);
    let room = ui.available_height();
    ScrollArea::vertical().auto_shrink(false).id_salt("compare").show(ui, |ui| {
        let (gap, width) = (8.0, ui.available_width());
        let third = ((width - 2.0 * gap) / 3.0).floor().max(40.0);
        // In a low pane the pictures leave room for the verdict below them.
        let height = match cx.view.compare.mode {
            Mode::Side => (third * 2.0).min((room - 150.0).max(120.0)),
            _ => (width * 1.15).min(420.0).min((room - 120.0).max(160.0)),
        };
        stage::ui(ui, cx, query, vec2(width, height), gap);
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
    let side = cx.view.compare.mode == Mode::Side;
    let height = (room.y - if side { 250.0 } else { 310.0 }).max(120.0);
    let width = if side {
        3.0 * (height / 2.0).min((room.x - 140.0) / 3.0).floor() + 2.0 * gap
    } else {
        (height * 0.9).min(room.x - 100.0)
    };
    let modal = Modal::new(egui::Id::unique("comparison")).frame(widgets::sheet(ui.ctx())).show(ui.ctx(), |ui| {
        let p = palette(ui.visuals());
        ui.set_max_width(width.max(420.0));
        let name = text::middle(&query.name(), |name| name.chars().count() <= 60);
        header(ui, ICON_COMPARE, &format!("Compare {name}"), |ui| {
            if icon_button(ui, ICON_CLOSE, "Close comparison").clicked() {
                ui.close();
            }
        });
        view::controls(ui, cx);
        ui.add_space(4.0);
        stage::ui(ui, cx, query, vec2(width, height), gap);
        if let Some((candidate, entry)) = cx.state.chosen() {
            ui.add_space(4.0);
            let line = format!(
                "Rank {}  ·  {} {}  ·  {}",
                candidate.rank,
                measure_name(cx.state.settings.measure),
                distance(candidate.distance),
                text::short(&file_name(&entry.path))
            );
            ui.add(egui::Label::new(small(line).color(p.weak)).truncate());
            let image = entry.path.clone();
            ui.horizontal_wrapped(|ui| {
                verdicts::buttons(ui, cx, query.info.id, &image);
                truth(ui, cx, &candidate);
            });
        }
        let hint = "←→ candidate    ↑↓ query    wheel zoom    Esc close";
        ui.add(egui::Label::new(small(hint).color(p.weak)).truncate());
    });
    modal.should_close()
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
    let close = || cx.thumbs.close(&entry.path).ok().flatten().map(|image| [image.width(), image.height()]);
    let candidate_size = entry.size.or_else(close).map_or_else(|| "…".into(), |[w, h]| format!("{w}×{h} px"));
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
    if let Some(time) = entry.taken.time {
        rows.push(("Time", clock::show(time)));
    }
    rows.push(("Size", format!("{w}×{h} px → {candidate_size}")));
    if let Some([ew, eh]) = query.info.effective {
        rows.push(("Looks like", format!("{ew}×{eh} px")));
    }
    rows.push(("Query file", text::short(&file_name(&query.info.path))));
    if let Source::Crop([x, y, w, h]) = query.info.source {
        rows.push(("Cut out at", format!("{x}, {y}, {w}×{h} px")));
    }
    rows.push(("Candidate file", text::short(&file_name(&entry.path))));
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
