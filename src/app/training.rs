//! The training tab: the form that starts a run, and the run: progress, curves, sample reconstructions.

use egui::{Align, ComboBox, Layout, Role, ScrollArea, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{
    ICON_CHECK, ICON_CLOSE, ICON_DOWNLOAD_DONE, ICON_HOURGLASS_TOP, ICON_MODEL_TRAINING, ICON_PAUSE, ICON_PLAY_ARROW,
    ICON_RESTART_ALT, ICON_RULE, ICON_STOP, ICON_TUNE,
};

use super::compare::NOT_EVIDENCE;
use super::curves;
use super::jobs::{bar, duration};
use super::matches::thousands;
use super::paper;
use super::shell::{Cx, Wish};
use super::state::{Action, Field, Phase, Run, TrainForm, file_name};
use super::target::Target;
use super::theme::{BODY, SMALL, medium, palette, semibold, small};
use super::widgets::{
    Caption, caption, danger_button, main_button, number_field, path_field, pill, plain_button, text_button,
};
use crate::engine::event::Progress;
use crate::train::config::RunConfig;
use crate::train::event::SampleImages;
use crate::train::preset;

/// Draws the tab.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.view.paper.open {
        paper::ui(ui, cx);
    } else if cx.state.run.exists() && !cx.view.new_run {
        run(ui, cx);
    } else {
        form(ui, cx);
    }
}

fn form(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let busy = cx.state.run.phase.active();
    let focus = std::mem::take(&mut cx.view.focus_form);
    ScrollArea::vertical().auto_shrink(false).id_salt("train form").show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.label(semibold("New run", 14.0).color(p.strong));
            ui.label(small(cx.view.form.describe()).color(p.weak));
        });
        ui.add_space(2.0);
        let columns = if ui.available_width() > 620.0 { 2 } else { 1 };
        let enter = ui.columns(columns, |slots| {
            let left = paths(&mut slots[0], &mut cx.view.form, cx.wishes, focus);
            figures(&mut slots[columns - 1], &mut cx.view.form) || left
        });
        ui.add_space(6.0);
        ui.horizontal_wrapped(|ui| {
            let start = ui.add_enabled_ui(!busy, |ui| main_button(ui, Some(ICON_PLAY_ARROW), "Start training"));
            if (start.inner.clicked() || (enter && !busy))
                && let Some((config, run)) = cx.view.form.submit()
            {
                cx.view.new_run = false;
                cx.wishes.push(Action::Train { config, run, resume: false }.into());
            }
            let resume = ui.add_enabled_ui(!busy, |ui| plain_button(ui, ICON_RESTART_ALT, "Resume a run…"));
            if resume.inner.clicked() {
                cx.wishes.push(Wish::Ask(Target::Resume));
            }
            if text_button(ui, "Experiments of the paper…").clicked() {
                cx.view.paper.open = true;
            }
            if cx.state.run.exists() && text_button(ui, "Back to the run").clicked() {
                cx.view.new_run = false;
            }
            if busy {
                ui.label(small("A run is in progress; stop it to start another").color(p.weak));
            } else if !cx.view.form.problems.is_empty() {
                ui.label(small("✗ Not started: mend the marked fields").color(p.other));
            }
        });
    });
}

/// The preset and the paths; true when Enter was pressed in a field.
fn paths(ui: &mut Ui, form: &mut TrainForm, wishes: &mut Vec<Wish>, focus: bool) -> bool {
    ui.spacing_mut().item_spacing.y = 8.0;
    presets(ui, form);
    let problems = form.problems.clone();
    let mut field = |name, value: &mut String, hint, which, target, focus| {
        let problem = problems.iter().find(|(f, _)| *f == which).map(|(_, reason)| reason.as_str());
        let pressed = path_field(ui, name, value, hint, problem, focus);
        if pressed.browse {
            wishes.push(Wish::Ask(target));
        }
        pressed.enter
    };
    let hint = "Market-1501, VIPeR, or a folder a person";
    let data = field("Data folder", &mut form.data, hint, Field::Data, Target::TrainData, focus);
    let hint = "Optional: safetensors or .pth";
    let weights = field("Initial weights", &mut form.weights, hint, Field::Weights, Target::TrainWeights, false);
    let hint = "Checkpoints and history go here";
    let run = field("Run folder", &mut form.run, hint, Field::Run, Target::TrainRun, false);
    data || weights || run
}

fn presets(ui: &mut Ui, form: &mut TrainForm) {
    let p = palette(ui.visuals());
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        ui.label(medium("Preset", SMALL).color(p.weak));
        let width = ui.available_width() - 8.0;
        let combo = ComboBox::from_id_salt("preset").selected_text(form.preset.as_str()).width(width);
        let mut chosen = None;
        let response = combo.show_ui(ui, |ui| {
            for name in preset::names() {
                if ui.selectable_label(*name == form.preset, *name).clicked() {
                    chosen = Some(*name);
                }
            }
        });
        response.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Preset"));
        if let Some(name) = chosen.filter(|n| *n != form.preset) {
            form.choose(name);
        }
        if let Some(problem) = &form.preset_problem {
            ui.label(small(format!("✗ {problem}")).color(p.other));
        }
    });
}

/// The figures; true when Enter was pressed in a field.
fn figures(ui: &mut Ui, form: &mut TrainForm) -> bool {
    ui.spacing_mut().item_spacing.y = 8.0;
    let problems = form.problems.clone();
    let mut enter = false;
    let mut field = |ui: &mut Ui, name, value: &mut String, which| {
        let problem = problems.iter().find(|(f, _)| *f == which).map(|(_, reason)| reason.as_str());
        enter |= number_field(ui, name, value, problem).enter;
    };
    ui.columns(2, |c| {
        field(&mut c[0], "Epochs", &mut form.epochs, Field::Epochs);
        field(&mut c[1], "Learning rate", &mut form.rate, Field::Rate);
    });
    ui.columns(2, |c| {
        field(&mut c[0], "Persons in a batch (P)", &mut form.identities, Field::Identities);
        field(&mut c[1], "Images of each person (K)", &mut form.images, Field::Images);
    });
    ui.columns(2, |c| field(&mut c[0], "Seed", &mut form.seed, Field::Seed));
    enter
}

fn run(ui: &mut Ui, cx: &mut Cx<'_>) {
    head(ui, cx);
    ScrollArea::vertical().auto_shrink(false).id_salt("run").show(ui, |ui| {
        let run = &cx.state.run;
        let columns = curves::layout(ui.available_width());
        let rows = 4_usize.div_ceil(columns) as f32;
        let height = ((ui.available_height() - 4.0) / rows).clamp(160.0, 320.0);
        curves::ui(ui, &mut cx.view.curves, run, columns, height);
        ui.add_space(4.0);
        verdicts(ui, run);
        samples(ui, cx);
        notes(ui, run);
    });
}

/// Status, progress, pace and buttons: always in view.
fn head(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let run = &cx.state.run;
    ui.horizontal_wrapped(|ui| {
        let (sign, text, colour) = match run.phase {
            Phase::None | Phase::Starting => (ICON_HOURGLASS_TOP, "Starting", p.accent),
            Phase::Training => (ICON_MODEL_TRAINING, "Training", p.accent),
            Phase::Validating { .. } => (ICON_RULE, "Validating", p.accent),
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

/// "step 120 of 3,000 · epoch 2.1 · 43 images a second · 12 min left".
fn pace(cx: &Cx<'_>) -> String {
    let run = &cx.state.run;
    let mut parts = Vec::new();
    if run.total_steps > 0 {
        parts.push(format!("step {} of {}", thousands(run.step), thousands(run.total_steps)));
    }
    if let Phase::Validating { done, total } = run.phase {
        parts.push(format!("ranking the held-out persons, {done} of {total} images"));
    } else if let Some(last) = run.last() {
        parts.push(format!("epoch {:.1}", last.epoch));
        if run.phase.active() {
            parts.push(format!("{:.0} images a second", last.images_per_second));
        }
    }
    let job = cx.state.jobs.iter().find(|j| Some(j.id) == run.job && j.end.is_none());
    if let Some(left) = job.and_then(|j| j.progress.as_ref()).and_then(|p| p.seconds_left) {
        parts.push(format!("{} left", duration(left)));
    }
    parts.join("  ·  ")
}

fn buttons(ui: &mut Ui, cx: &mut Cx<'_>) {
    let run = &cx.state.run;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if run.phase.active() {
            let enabled = run.phase != Phase::Stopping && run.job.is_some();
            let stop = ui.add_enabled_ui(enabled, |ui| danger_button(ui, ICON_STOP, "Stop")).inner;
            if let (true, Some(job)) = (stop.clicked(), run.job) {
                cx.wishes.push(Action::Cancel(job).into());
            }
            if let Some(model) = &run.model
                && plain_button(ui, ICON_DOWNLOAD_DONE, "Use the best model so far").clicked()
            {
                cx.wishes.push(Action::OpenModel(model.clone()).into());
            }
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

/// Going on with the run in a folder.
pub fn resume(run: std::path::PathBuf) -> Wish {
    Action::Train { config: Box::new(RunConfig::default()), run, resume: true }.into()
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

fn samples(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some((step, samples)) = &cx.state.run.samples else {
        return;
    };
    let p = palette(ui.visuals());
    ui.add_space(6.0);
    ui.label(semibold(format!("Samples at step {}", thousands(*step)), SMALL).color(p.text));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(22.0, 8.0);
        for sample in samples.iter() {
            strip(ui, cx, sample);
        }
    });
}

/// HR, LR and, under one label, the two reconstructions.
fn strip(ui: &mut Ui, cx: &mut Cx<'_>, sample: &SampleImages) {
    let p = palette(ui.visuals());
    let (w, h) = sample.hr.dimensions();
    let size = vec2(60.0, (60.0 * h as f32 / w.max(1) as f32).clamp(30.0, 180.0));
    let rate = format!("r = {}", sample.rate);
    let thumbs = &mut *cx.thumbs;
    let mut show = |ui: &mut Ui, image, title, line, border| {
        let picture = thumbs.memory(ui.ctx(), image, false);
        caption(ui, size, &picture, &Caption { title, line, border }).on_hover_text(file_name(&sample.path));
    };
    let room = vec2(4.0 * size.x + 18.0, size.y + 56.0);
    ui.allocate_ui_with_layout(room, Layout::left_to_right(Align::TOP), |ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        show(ui, &sample.hr, "HR", "", p.line);
        show(ui, &sample.lr, "LR", &rate, p.line);
        ui.vertical(|ui| {
            ui.set_width(2.0 * size.x + 6.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.horizontal_top(|ui| {
                show(ui, &sample.hr_reconstruction, "G(HR)", "", p.accent);
                show(ui, &sample.lr_reconstruction, "G(LR)", "", p.accent);
            });
            ui.add(egui::Label::new(small(NOT_EVIDENCE).color(p.weak)).wrap());
        });
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
