//! The paper's experiments in the window: the same tables and the same runs as `rain paper`, as a job.

use egui::{ComboBox, Frame, Grid, RichText, Role, ScrollArea, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_PLAY_ARROW, ICON_STOP, ICON_TABLE_VIEW};

use super::jobs::duration;
use super::shell::{Cx, Wish};
use super::state::{Action, PaperForm, PaperPath};
use super::target::Target;
use super::theme::{BODY, SMALL, medium, palette, semibold, small};
use super::widgets::{danger_button, main_button, number_field, path_field, plain_button, text_button};
use crate::engine::event::JobKind;
use crate::eval::paper::report::{Cell, INTERVALS, Line, Report};
use crate::eval::paper::{Budget, Set, Which};

/// Draws the panel.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ScrollArea::vertical().auto_shrink(false).id_salt("paper").show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.label(semibold("Experiments of the paper", 14.0).color(p.strong));
            let about = "Trains what is missing, judges it by the published protocol, and shows ours beside the paper's figures";
            ui.label(small(about).color(p.weak));
        });
        ui.add_space(2.0);
        form(ui, &mut cx.view.paper.form, cx.wishes);
        ui.add_space(6.0);
        buttons(ui, cx);
        progress(ui, cx);
        ui.add_space(8.0);
        if let Some((report, page)) = &cx.state.paper.report {
            table(ui, report);
            ui.add(egui::Label::new(small(format!("Written to {}", page.display())).color(p.weak)).wrap());
        }
    });
}

fn form(ui: &mut Ui, form: &mut PaperForm, wishes: &mut Vec<Wish>) {
    let columns = if ui.available_width() > 620.0 { 2 } else { 1 };
    ui.columns(columns, |slots| {
        let left = &mut slots[0];
        left.spacing_mut().item_spacing.y = 8.0;
        let title = |which: Which| which.experiment().map_or(which.name().to_string(), |e| e.title);
        choice(left, "Experiment", &mut form.which, &Which::ALL, title);
        choice(left, "Data set", &mut form.set, &Set::ALL, |set| set.title().to_string());
        choice(left, "Budget", &mut form.budget, &[Budget::Quick, Budget::Full], |budget| match budget {
            Budget::Quick => "quick: small images, few epochs, for a CPU".to_string(),
            Budget::Full => "full: the paper's size, for a GPU".to_string(),
        });
        number_field(left, "Seeds, one run each", &mut form.seeds, None);
        let right = &mut slots[columns - 1];
        right.spacing_mut().item_spacing.y = 8.0;
        for which in [PaperPath::Data, PaperPath::Weights, PaperPath::Out] {
            if path_field(right, which.title(), form.path_mut(which), which.hint(), None, false).browse {
                wishes.push(Wish::Ask(Target::Paper(which)));
            }
        }
    });
}

fn choice<T: Copy + PartialEq>(ui: &mut Ui, name: &str, value: &mut T, all: &[T], words: impl Fn(T) -> String) {
    let p = palette(ui.visuals());
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        ui.label(medium(name, SMALL).color(p.weak));
        let width = ui.available_width() - 8.0;
        let combo = ComboBox::from_id_salt(name).selected_text(words(*value)).width(width);
        let response = combo.show_ui(ui, |ui| {
            for one in all {
                ui.selectable_value(value, *one, words(*one));
            }
        });
        response.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, name));
    });
}

fn buttons(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let busy = cx.state.running(JobKind::Train) || cx.state.running(JobKind::Paper);
    ui.horizontal_wrapped(|ui| {
        let run = ui.add_enabled_ui(!busy, |ui| main_button(ui, Some(ICON_PLAY_ARROW), "Run what is missing")).inner;
        let show = ui.add_enabled_ui(!busy, |ui| plain_button(ui, ICON_TABLE_VIEW, "Show what is known")).inner;
        if (run.clicked() || show.clicked())
            && let Some(order) = cx.view.paper.form.submit(show.clicked())
        {
            cx.wishes.push(Action::Paper(Box::new(order)).into());
        }
        if let Some(job) = cx.state.paper.job
            && danger_button(ui, ICON_STOP, "Stop").clicked()
        {
            cx.wishes.push(Action::Cancel(job).into());
        }
        if text_button(ui, "Back to training").clicked() {
            cx.view.paper.open = false;
        }
        if let Some(problem) = &cx.view.paper.form.problem {
            ui.label(small(format!("✗ {problem}")).color(p.other));
        } else if cx.state.paper.job.is_none() && busy {
            ui.label(small("A run is training; stop it first").color(p.weak));
        }
    });
}

/// "Run 2 of 10: RAIN, multi-level, MLR-VIPeR, seed 0 · step 120 of 600 · about 2 h left".
fn progress(ui: &mut Ui, cx: &Cx<'_>) {
    let paper = &cx.state.paper;
    let Some(job) = paper.job else { return };
    let p = palette(ui.visuals());
    let mut parts = Vec::new();
    match (&paper.current, paper.planned) {
        (Some((number, of, title)), _) => parts.push(format!("Run {number} of {of}: {title}")),
        (None, Some((runs, known))) => parts.push(format!("{known} of {runs} runs known")),
        (None, None) => parts.push("Reading the data set".to_string()),
    }
    let job = cx.state.jobs.iter().find(|j| j.id == job);
    if let Some(progress) = job.and_then(|j| j.progress.as_ref()) {
        parts.push(format!("{} {} of {}", progress.unit, progress.done, progress.total));
    }
    if let Some(left) = paper.left {
        parts.push(format!("about {} left in all", duration(left)));
    }
    ui.label(small(parts.join("  ·  ")).color(p.weak));
}

fn table(ui: &mut Ui, report: &Report) {
    let p = palette(ui.visuals());
    if let Some(reduction) = &report.reduction {
        ui.add(egui::Label::new(medium(reduction, SMALL).color(p.other)).wrap());
    }
    ui.label(semibold(&report.title, 14.0).color(p.strong));
    ui.add(egui::Label::new(small(&report.about).color(p.weak)).wrap());
    ui.add_space(4.0);
    Frame::new().fill(p.pane).inner_margin(8).corner_radius(8).show(ui, |ui| {
        ScrollArea::horizontal().id_salt("paper table").show(ui, |ui| {
            Grid::new("paper grid").striped(true).spacing([18.0, 6.0]).show(ui, |ui| {
                ui.label("");
                for column in &report.columns {
                    ui.vertical(|ui| {
                        ui.label(small(column.group()).color(p.weak));
                        ui.label(medium(column.metric.title(), SMALL).color(p.text));
                    });
                }
                ui.end_row();
                for line in &report.lines {
                    row(ui, line);
                }
            });
        });
    });
    ui.add(
        egui::Label::new(
            small(format!("{INTERVALS}. Rows marked \"quoted\" were published by others and are not run here."))
                .color(p.weak),
        )
        .wrap(),
    );
    for (what, why) in &report.failed {
        ui.add(egui::Label::new(small(format!("✗ {what}: {why}")).color(p.other)).wrap());
    }
}

fn row(ui: &mut Ui, line: &Line) {
    let p = palette(ui.visuals());
    let name = if line.quoted { format!("{} (quoted)", line.name) } else { line.name.clone() };
    ui.label(medium(name, BODY).color(if line.quoted { p.weak } else { p.strong }));
    for Cell { published, ours, seeds } in &line.cells {
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            match ours {
                Some(i) => {
                    let seeds = if *seeds > 1 { format!(", {seeds} seeds") } else { String::new() };
                    ui.horizontal(|ui| {
                        ui.spacing_mut().item_spacing.x = 4.0;
                        ui.label(semibold(format!("{:.1}", i.mean), BODY).color(p.accent));
                        ui.label(small(format!("({:.1} to {:.1}{seeds})", i.low, i.high)).color(p.weak));
                    });
                }
                None if published.is_none() => drop(ui.label(RichText::new("–").color(p.weak))),
                None => {}
            }
            if let Some(published) = published {
                let text = if line.quoted { format!("{published:.1}") } else { format!("paper {published:.1}") };
                ui.label(small(text).color(p.weak));
            }
        });
    }
    ui.end_row();
}
