//! The run under way: where it stands, its curves, its samples, and what can be done with it.

use egui::{Align, Frame, Layout, Margin, ScrollArea, Stroke, Ui};
use egui_material_icons::icons::{
    ICON_CHECK, ICON_CLOSE, ICON_DOWNLOAD_DONE, ICON_HOURGLASS_TOP, ICON_LAST_PAGE, ICON_LIGHTBULB,
    ICON_MODEL_TRAINING, ICON_PAUSE, ICON_PLAY_ARROW, ICON_RULE, ICON_STOP, ICON_TUNE,
};

use super::{ask, bytes, charts, resume, strips};
use crate::app::curves;
use crate::app::jobs::{bar, duration};
use crate::app::matches::thousands;
use crate::app::shell::Cx;
use crate::app::state::{Action, Phase, Run, file_name};
use crate::app::theme::{BODY, SMALL, icon, medium, palette, small, tint};
use crate::app::widgets::{danger_button, main_button, pill, plain_button};
use crate::engine::event::Progress;
use crate::engine::room::{Load, RoomCommand};
use crate::train::hints::Hint;

/// Draws the run.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    head(ui, cx);
    ScrollArea::vertical().auto_shrink(false).id_salt("run").show(ui, |ui| {
        let p = palette(ui.visuals());
        let run = &cx.state.run;
        run.hints.iter().for_each(|hint| hinted(ui, hint));
        ui.horizontal_wrapped(|ui| cx.view.room.board.toolbar(ui));
        let charts = charts::of_run(&run.history, p);
        let columns = curves::columns(ui.available_width());
        let height = ((ui.available_height() - 4.0) / 2.0).clamp(170.0, 300.0);
        cx.view.room.board.show(ui, &charts, columns, height);
        ui.add_space(4.0);
        verdicts(ui, run);
        strips::ui(ui, cx);
        notes(ui, &cx.state.run);
    });
}

/// Status, progress, pace and buttons: always in view.
fn head(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let run = &cx.state.run;
    ui.horizontal_wrapped(|ui| {
        let (sign, text, colour) = match run.phase {
            Phase::None | Phase::Starting => (ICON_HOURGLASS_TOP, "Starting", p.accent),
            Phase::Training if run.holding => (ICON_HOURGLASS_TOP, "Pausing after this step", p.accent),
            Phase::Training => (ICON_MODEL_TRAINING, "Training", p.accent),
            Phase::Validating { .. } => (ICON_RULE, "Validating", p.accent),
            Phase::Paused => (ICON_PAUSE, "Paused", p.other),
            Phase::Stopping => (ICON_HOURGLASS_TOP, "Stopping, writing a checkpoint", p.other),
            Phase::Stopped => (ICON_PAUSE, "Stopped", p.weak),
            Phase::Finished => (ICON_CHECK, "Finished", p.same),
            Phase::Failed => (ICON_CLOSE, "Failed", p.other),
        };
        pill(ui, sign, text, colour);
        ui.label(medium(file_name(&run.folder), BODY).color(p.strong)).on_hover_text(run.folder.display().to_string());
        ui.label(small(pace(cx)).color(p.weak));
        buttons(ui, cx);
    });
    if run.total_steps > 0 {
        let progress = Progress { done: run.step, total: run.total_steps, unit: "steps", seconds_left: None };
        ui.scope(|ui| {
            ui.spacing_mut().interact_size.y = 8.0;
            bar(ui, &progress, ui.available_width());
        });
    }
}

/// "step 120 of 3,000 · epoch 2.1 · 43 images a second · 12 min left · 1.9 of 2 cores, 1.2 GB of memory".
fn pace(cx: &Cx<'_>) -> String {
    let run = &cx.state.run;
    let mut parts = Vec::new();
    if run.total_steps > 0 {
        parts.push(format!("step {} of {}", thousands(run.step), thousands(run.total_steps)));
    }
    if let Phase::Validating { done, total } = run.phase {
        parts.push(format!("ranking the held-out persons, {done} of {total} images"));
    } else if let Some(last) = run.history.last() {
        parts.push(format!("epoch {:.1}", last.epoch));
        if run.phase.active() && run.phase != Phase::Paused {
            parts.push(format!("{:.0} images a second", last.images_per_second));
        }
    }
    let job = cx.state.jobs.iter().find(|j| Some(j.id) == run.job && j.end.is_none());
    let left = job.and_then(|j| j.progress.as_ref()).and_then(|p| p.seconds_left);
    if let Some(left) = left.filter(|_| run.phase != Phase::Paused) {
        parts.push(format!("{} left", duration(left)));
    }
    if run.last_epoch && run.phase.active() {
        parts.push("stops at the end of this epoch".into());
    }
    parts.extend(run.load.as_ref().map(load));
    parts.join("  ·  ")
}

fn load(load: &Load) -> String {
    let cores = load.cores.map(|cores| format!("{cores:.1} of {} cores", load.all_cores));
    let memory = load.memory.map(|memory| match load.all_memory {
        Some(all) => format!("{} of {} memory", bytes(memory), bytes(all)),
        None => format!("{} of memory", bytes(memory)),
    });
    [cores, memory].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn buttons(ui: &mut Ui, cx: &mut Cx<'_>) {
    let run = &cx.state.run;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if run.phase.active() {
            while_active(ui, cx);
            return;
        }
        if plain_button(ui, ICON_TUNE, "New run…").clicked() {
            cx.view.new_run = true;
            cx.view.form.choose(&cx.view.form.preset.clone());
        }
        if matches!(run.phase, Phase::Stopped | Phase::Failed)
            && main_button(ui, Some(ICON_PLAY_ARROW), "Resume").clicked()
        {
            cx.wishes.push(resume(run.folder.clone()));
        }
        if let Some(model) = &run.model
            && main_button(ui, Some(ICON_DOWNLOAD_DONE), "Use this run's model").clicked()
        {
            cx.wishes.push(Action::OpenModel(model.clone()).into());
        }
    });
}

fn while_active(ui: &mut Ui, cx: &mut Cx<'_>) {
    let run = &cx.state.run;
    let enabled = run.phase != Phase::Stopping && run.job.is_some();
    let stop = ui.add_enabled_ui(enabled, |ui| danger_button(ui, ICON_STOP, "Stop")).inner;
    if let (true, Some(job)) = (stop.on_hover_text("Writes a checkpoint first; it can be resumed").clicked(), run.job) {
        cx.wishes.push(Action::Cancel(job).into());
    }
    let text = if run.last_epoch { "Do not stop after this epoch" } else { "Stop after this epoch" };
    let last = ui.add_enabled_ui(enabled, |ui| plain_button(ui, ICON_LAST_PAGE, text)).inner;
    if last.clicked() {
        cx.wishes.push(ask(RoomCommand::LastEpoch(!run.last_epoch)));
    }
    if run.holding || run.phase == Phase::Paused {
        if ui.add_enabled_ui(enabled, |ui| main_button(ui, Some(ICON_PLAY_ARROW), "Go on")).inner.clicked() {
            cx.wishes.push(ask(RoomCommand::Hold(false)));
        }
    } else {
        let pause = ui.add_enabled_ui(enabled, |ui| plain_button(ui, ICON_PAUSE, "Pause")).inner;
        if pause.on_hover_text("Holds after this step and writes a checkpoint; the model stays in memory").clicked() {
            cx.wishes.push(ask(RoomCommand::Hold(true)));
        }
    }
    if let Some(model) = &run.model
        && plain_button(ui, ICON_DOWNLOAD_DONE, "Use the best model so far").clicked()
    {
        cx.wishes.push(Action::OpenModel(model.clone()).into());
    }
}

/// What seems to go wrong, and what may help.
fn hinted(ui: &mut Ui, hint: &Hint) {
    let p = palette(ui.visuals());
    Frame::new()
        .fill(tint(p.pane, p.other, 0.08))
        .stroke(Stroke::new(1.0, tint(p.pane, p.other, 0.5)))
        .corner_radius(8.0)
        .inner_margin(Margin::symmetric(10, 4))
        .show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                ui.label(icon(ICON_LIGHTBULB, 15.0).color(p.other));
                ui.label(medium(&hint.what, SMALL).color(p.strong));
                ui.label(small(&hint.remedy).color(p.text));
            });
        });
}

/// What the run trains, and its newest validation figures.
fn verdicts(ui: &mut Ui, run: &Run) {
    let p = palette(ui.visuals());
    if !run.summary.is_empty() {
        ui.add(egui::Label::new(small(&run.summary).color(p.weak)).wrap());
    }
    let Some(v) = run.validation.last() else {
        return;
    };
    let best = run.validation.iter().map(|v| v.rank1).fold(f64::NEG_INFINITY, f64::max);
    let rates: Vec<String> = v.by_rate.iter().map(|f| format!("{:.1} at r = {}", f.rank1, f.rate)).collect();
    ui.horizontal_wrapped(|ui| {
        ui.label(medium(format!("Validation rank-1 {:.1} %", v.rank1), SMALL).color(p.strong));
        let text = format!("(best {best:.1})  ·  mAP {:.1} %  ·  {}", v.map, rates.join(", "));
        ui.label(small(text).color(p.weak));
    });
}

fn notes(ui: &mut Ui, run: &Run) {
    let p = palette(ui.visuals());
    for note in run.notes.iter().rev().take(20) {
        ui.add(egui::Label::new(small(note).color(p.weak)).wrap());
    }
    if let Some((path, best)) = &run.checkpoint {
        let best = if *best { ", the best so far" } else { "" };
        ui.label(small(format!("Checkpoint {}{best}", file_name(path))).color(p.weak))
            .on_hover_text(path.display().to_string());
    }
}
