//! The form that starts a run, and what the run would take.

use clap::ValueEnum;
use egui::{ComboBox, Frame, Margin, Role, ScrollArea, Stroke, TextEdit, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_PLAY_ARROW, ICON_RESTART_ALT, ICON_STOP, ICON_TIMER};

use super::{ask, bytes};
use crate::app::jobs::{bar, describe, duration};
use crate::app::matches::thousands;
use crate::app::shell::{Cx, Wish};
use crate::app::state::{Action, Field, Room, TrainForm};
use crate::app::target::Target;
use crate::app::theme::{BODY, SMALL, medium, palette, semibold, small, tint};
use crate::app::widgets::{danger_button, main_button, number_field, path_field, plain_button, text_button};
use crate::data::dataset::Format;
use crate::engine::event::JobKind;
use crate::engine::room::RoomCommand;
use crate::train::estimate::Estimate;
use crate::train::preset;

/// Draws the form.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let busy = cx.state.run.phase.active();
    let focus = std::mem::take(&mut cx.view.focus_form);
    ui.horizontal_wrapped(|ui| {
        ui.label(semibold("New run", 14.0).color(p.strong));
        ui.label(small(cx.view.form.describe()).color(p.weak));
    });
    // Above the fields, so that a low window shows them, too.
    let start = buttons(ui, cx, busy);
    ui.add_space(4.0);
    let enter = ScrollArea::vertical().auto_shrink(false).id_salt("train form").show(ui, |ui| {
        estimate(ui, cx);
        let columns = if ui.available_width() > 620.0 { 2 } else { 1 };
        let enter = ui.columns(columns, |slots| {
            let left = paths(&mut slots[0], &mut cx.view.form, &cx.state.room, cx.wishes, focus);
            figures(&mut slots[columns - 1], &mut cx.view.form) || left
        });
        cx.wishes.extend(cx.view.form.look().into_iter().map(ask));
        enter
    });
    if (start || (enter.inner && !busy))
        && let Some((config, run)) = cx.view.form.submit()
    {
        cx.view.new_run = false;
        cx.wishes.push(Action::Train { config, run, resume: false }.into());
    }
}

/// What can be done with the form; true when it is to be started.
fn buttons(ui: &mut Ui, cx: &mut Cx<'_>, busy: bool) -> bool {
    let p = palette(ui.visuals());
    ui.horizontal_wrapped(|ui| {
        let start = ui.add_enabled_ui(!busy, |ui| main_button(ui, Some(ICON_PLAY_ARROW), "Start training")).inner;
        let estimating = cx.state.running(JobKind::Room);
        let time = ui.add_enabled_ui(!busy && !estimating, |ui| plain_button(ui, ICON_TIMER, "Estimate")).inner;
        let time = time.on_hover_text("Time a few steps, to know how long the run takes and what memory it needs");
        if time.clicked()
            && let Some(config) = cx.view.form.settings()
        {
            cx.wishes.push(ask(RoomCommand::Estimate(config)));
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
        } else if cx.view.form.attempted() {
            ui.label(small("✗ Not started: mend the marked fields").color(p.other));
        }
        start.clicked()
    })
    .inner
}

/// The preset and the paths; true when Enter was pressed in a field.
fn paths(ui: &mut Ui, form: &mut TrainForm, room: &Room, wishes: &mut Vec<Wish>, focus: bool) -> bool {
    ui.spacing_mut().item_spacing.y = 8.0;
    presets(ui, form);
    let mut field = |ui: &mut Ui, name, value: &mut String, hint, problem: Option<String>, target, focus| {
        let pressed = path_field(ui, name, value, hint, problem.as_deref(), focus);
        if pressed.browse {
            wishes.push(Wish::Ask(target));
        }
        pressed.enter
    };
    let problem = |form: &TrainForm, field| form.problem(field).map(str::to_owned);
    let reason = problem(form, Field::Data);
    let hint = "A data set in any layout that Rain reads";
    let data = field(ui, "Data folder", &mut form.data, hint, reason, Target::TrainData, focus);
    let answer = room.data.as_ref().filter(|(root, format, _)| same(root, &form.data) && *format == form.format);
    found(ui, answer.map(|(_, _, found)| found));
    let reason = problem(form, Field::Weights);
    let hint = "Optional: safetensors or .pth";
    let weights = field(ui, "Initial weights", &mut form.weights, hint, reason, Target::TrainWeights, false);
    found(ui, room.weights.as_ref().filter(|(path, _)| same(path, &form.weights)).map(|(_, found)| found));
    let reason = problem(form, Field::Run);
    let hint = "Checkpoints and history go here";
    let run = field(ui, "Run folder", &mut form.run, hint, reason, Target::TrainRun, false);
    layouts(ui, form);
    data || weights || run
}

fn same(path: &std::path::Path, typed: &str) -> bool {
    !typed.trim().is_empty() && path == std::path::Path::new(typed.trim())
}

/// What the engine found of what is typed.
fn found(ui: &mut Ui, answer: Option<&Result<String, String>>) {
    let p = palette(ui.visuals());
    match answer {
        Some(Ok(text)) => drop(ui.add(egui::Label::new(small(format!("✓ {text}")).color(p.same)).wrap())),
        Some(Err(text)) => drop(ui.add(egui::Label::new(small(format!("✗ {text}")).color(p.other)).wrap())),
        None => {}
    }
}

fn presets(ui: &mut Ui, form: &mut TrainForm) {
    let names = preset::names().iter().map(|name| (*name, (*name).to_owned()));
    if let Some(name) = choice(ui, "Preset", &form.preset.clone(), names).filter(|n| *n != form.preset) {
        form.choose(name);
    }
    let p = palette(ui.visuals());
    if let Some(problem) = &form.preset_problem {
        ui.label(small(format!("✗ {problem}")).color(p.other));
    }
}

/// How the data folder is read.
fn layouts(ui: &mut Ui, form: &mut TrainForm) {
    let name = |format: Format| format.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
    let recognised = "recognised by Rain".to_owned();
    let all = Format::value_variants().iter().map(|format| (Some(*format), name(*format)));
    let now = form.format.map_or(recognised.clone(), name);
    if let Some(format) = choice(ui, "Layout of the data", &now, std::iter::once((None, recognised)).chain(all)) {
        form.format = format;
    }
}

/// A box to choose from; what was chosen in this frame.
fn choice<T>(ui: &mut Ui, name: &str, now: &str, all: impl Iterator<Item = (T, String)>) -> Option<T> {
    let p = palette(ui.visuals());
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        ui.label(medium(name, SMALL).color(p.weak));
        let width = ui.available_width() - 8.0;
        let mut chosen = None;
        let combo = ComboBox::from_id_salt(name).selected_text(now).width(width).show_ui(ui, |ui| {
            for (value, text) in all {
                if ui.selectable_label(text == now, &text).clicked() {
                    chosen = Some(value);
                }
            }
        });
        combo.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, name));
        chosen
    })
    .inner
}

/// The figures; true when Enter was pressed in a field.
fn figures(ui: &mut Ui, form: &mut TrainForm) -> bool {
    ui.spacing_mut().item_spacing.y = 8.0;
    let mut enter = false;
    let [epochs, validate] = [Field::Epochs, Field::Validate].map(|f| form.problem(f).map(str::to_owned));
    ui.columns(2, |c| {
        enter |= number_field(&mut c[0], "Epochs", &mut form.epochs, epochs.as_deref()).enter;
        enter |= number_field(&mut c[1], "Epochs between validations", &mut form.validate, validate.as_deref()).enter;
    });
    let [rate, other] = [Field::Rate, Field::RateDiscriminator].map(|f| form.problem(f).map(str::to_owned));
    ui.columns(2, |c| {
        enter |= number_field(&mut c[0], "Learning rate", &mut form.rate, rate.as_deref()).enter;
        let name = "Learning rate of the discriminators";
        enter |= number_field(&mut c[1], name, &mut form.rate_discriminator, other.as_deref()).enter;
    });
    let [people, images] = [Field::Identities, Field::Images].map(|f| form.problem(f).map(str::to_owned));
    ui.columns(2, |c| {
        enter |= number_field(&mut c[0], "Persons in a batch (P)", &mut form.identities, people.as_deref()).enter;
        enter |= number_field(&mut c[1], "Images of each person (K)", &mut form.images, images.as_deref()).enter;
    });
    let seed = form.problem(Field::Seed).map(str::to_owned);
    ui.columns(2, |c| enter |= number_field(&mut c[0], "Seed", &mut form.seed, seed.as_deref()).enter);
    more(ui, form);
    enter
}

/// Any other setting, by its key.
fn more(ui: &mut Ui, form: &mut TrainForm) {
    let p = palette(ui.visuals());
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        ui.label(medium("More settings, one a line", SMALL).color(p.weak));
        let width = ui.available_width() - 18.0;
        let field = TextEdit::multiline(&mut form.more)
            .id_salt("more settings")
            .hint_text("loss.margin=0.3\nschedule.samples_every=100")
            .desired_rows(3)
            .desired_width(width)
            .margin(Margin::symmetric(8, 4));
        ui.add(field).widget_info(|| WidgetInfo::labeled(Role::MultilineTextInput, true, "More settings, one a line"));
        // Not only once touched: what fields together cannot do is told here as well.
        let problems = form.problems.iter().filter(|(field, _)| *field == Field::More);
        for (_, problem) in problems {
            ui.add(egui::Label::new(small(format!("✗ {problem}")).color(p.other)).wrap());
        }
    });
}

/// What the run would take, or how far the timing is.
fn estimate(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let job =
        cx.state.jobs.iter().find(|j| j.kind == JobKind::Room && j.end.is_none() && j.title.starts_with("Estimate"));
    if let Some(job) = job {
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            ui.add(egui::Spinner::new().size(14.0));
            ui.label(medium("Timing a few steps", BODY));
            if let Some(progress) = &job.progress {
                bar(ui, progress, 140.0);
                ui.label(small(describe(progress)).color(p.weak));
            }
            if danger_button(ui, ICON_STOP, "Cancel the estimate").clicked() {
                cx.wishes.push(Action::Cancel(job.id).into());
            }
        });
        return;
    }
    let Some((config, estimate)) = &cx.state.room.estimate else {
        return;
    };
    ui.add_space(6.0);
    Frame::new()
        .fill(tint(p.pane, p.accent, 0.08))
        .stroke(Stroke::new(1.0, tint(p.pane, p.accent, 0.4)))
        .corner_radius(8.0)
        .inner_margin(Margin::symmetric(12, 6))
        .show(ui, |ui| {
            let [time, room] = in_words(estimate);
            ui.label(semibold(format!("The run takes about {}", duration(estimate.total_s)), BODY).color(p.strong));
            ui.label(small(time).color(p.text));
            ui.label(small(room).color(p.text));
            let tight =
                estimate.peak_memory.zip(estimate.machine_memory).is_some_and(|(need, have)| need > have / 10 * 9);
            if tight {
                let text = "✗ That is nearly all the memory there is. Lower P or K, or the model's width";
                ui.label(small(text).color(p.other));
            }
            if cx.view.form.settings_are_not(config) {
                ui.label(small("The settings have changed since; estimate again").color(p.other));
            }
        });
}

/// Time, then memory and disk.
fn in_words(e: &Estimate) -> [String; 2] {
    let validation = match e.validations {
        0 => String::new(),
        n => format!(", and {} validations of {}", thousands(n), duration(e.validation_s)),
    };
    let time = format!(
        "{} steps of {:.2} s ({:.2} to {:.2}), {} an epoch, on {} images of {} people{validation}",
        thousands(e.total_steps),
        e.step_s.median,
        e.step_s.least,
        e.step_s.most,
        thousands(e.steps_per_epoch),
        thousands(e.images as u64),
        thousands(e.identities as u64),
    );
    let memory = match (e.peak_memory, e.machine_memory) {
        (Some(peak), Some(all)) => format!("{} of memory at its peak, of {}; ", bytes(peak), bytes(all)),
        (Some(peak), None) => format!("{} of memory at its peak; ", bytes(peak)),
        (None, _) => String::new(),
    };
    [time, format!("{memory}about {} on the disk", bytes(e.disk))]
}
