//! The list of jobs.

use egui::{Align, Layout, ProgressBar, Role, ScrollArea, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_CANCEL, ICON_CHECK, ICON_CLOSE, ICON_HISTORY, ICON_STOP};

use super::matches::thousands;
use super::shell::Cx;
use super::state::{Action, Job};
use super::theme::{BODY, icon, medium, palette, small};
use super::widgets::{danger_button, empty};
use crate::engine::event::{JobEnd, Progress};

/// Draws the list.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.state.jobs.is_empty() {
        empty(ui, ICON_HISTORY, "No jobs yet", "Opening a gallery, adding queries and training appear here");
        return;
    }
    ScrollArea::vertical().auto_shrink(false).id_salt("jobs").show(ui, |ui| {
        for job in &cx.state.jobs {
            row(ui, cx, job);
            ui.separator();
        }
    });
}

fn row(ui: &mut Ui, cx: &mut Cx<'_>, job: &Job) {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        ui.set_min_height(30.0);
        match &job.end {
            None => ui.add(egui::Spinner::new().size(16.0).color(p.accent)),
            Some(JobEnd::Done) => ui.label(icon(ICON_CHECK, 16.0).color(p.same)),
            Some(JobEnd::Cancelled) => ui.label(icon(ICON_CANCEL, 16.0).color(p.weak)),
            Some(JobEnd::Failed(_)) => ui.label(icon(ICON_CLOSE, 16.0).color(p.other)),
        };
        ui.label(medium(&job.title, BODY).color(p.strong));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| match &job.end {
            None => {
                let text = if job.stopping { "Stopping…" } else { "Cancel" };
                let stop = ui.add_enabled_ui(!job.stopping, |ui| danger_button(ui, ICON_STOP, text)).inner;
                stop.widget_info(|| WidgetInfo::labeled(Role::Button, !job.stopping, format!("Cancel {}", job.title)));
                if stop.clicked() {
                    cx.wishes.push(Action::Cancel(job.id).into());
                }
                if let Some(progress) = &job.progress {
                    bar(ui, progress, 160.0);
                    ui.label(small(describe(progress)).color(p.weak));
                }
            }
            Some(end) => {
                let (text, colour) = match end {
                    JobEnd::Done => ("Done", p.weak),
                    JobEnd::Cancelled => ("Cancelled", p.weak),
                    JobEnd::Failed(_) => ("Failed", p.other),
                };
                let took = match job.took {
                    Some(s) if s < 0.5 => " in less than a second".to_owned(),
                    Some(s) => format!(" after {}", duration(s)),
                    None => String::new(),
                };
                ui.label(small(format!("{text}{took}")).color(colour));
            }
        });
    });
    if let Some(JobEnd::Failed(message)) = &job.end {
        ui.label(small(message).color(p.text));
    }
}

/// A thin bar.
pub fn bar(ui: &mut Ui, progress: &Progress, width: f32) {
    let p = palette(ui.visuals());
    let share = progress.done as f32 / progress.total.max(1) as f32;
    let bar = ProgressBar::new(share.clamp(0.0, 1.0)).desired_width(width).desired_height(6.0).fill(p.accent);
    ui.add(bar).widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, describe(progress)));
}

/// "120 of 300 images, 2 min left".
pub fn describe(progress: &Progress) -> String {
    let left = progress.seconds_left.map(|s| format!(", {} left", duration(s))).unwrap_or_default();
    format!("{} of {} {}{left}", thousands(progress.done), thousands(progress.total), progress.unit)
}

/// Seconds in a person's words.
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s.div_ceil(60)),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_like_a_sentence() {
        let progress = Progress { done: 1200, total: 3000, unit: "images", seconds_left: Some(95.0) };
        assert_eq!(describe(&progress), "1,200 of 3,000 images, 2 min left");
        assert_eq!((duration(12.2), duration(7300.0)), ("12 s".into(), "2 h 1 min".into()));
    }
}
