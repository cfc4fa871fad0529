//! Galleries on disk: what the open one is made of, how it is searched, and making, filling and checking one.

use std::path::PathBuf;

use egui::{CollapsingHeader, Frame, Label, Margin, Stroke, Ui};
use egui_material_icons::icons::{
    ICON_CHECK, ICON_CREATE_NEW_FOLDER, ICON_HUB, ICON_PAUSE, ICON_PLAY_ARROW, ICON_STOP, ICON_STORAGE, ICON_SYNC,
    ICON_VERIFIED, ICON_WARNING,
};

use super::GalleryView;
use super::summary::{bytes, fact_grid};
use crate::app::jobs::{bar, describe};
use crate::app::matches::{measure_name, thousands};
use crate::app::shell::{Cx, Wish};
use crate::app::state::{Action, DiskForm, Job, ViewState, file_name};
use crate::app::target::Target;
use crate::app::theme::{BODY, icon, medium, palette, small, tint};
use crate::app::widgets::{danger_button, header, main_button, path_field, plain_button};
use crate::engine::command::{DiskCommand, GalleryCommand};
use crate::engine::event::{DiskInfo, JobKind};
use crate::gallery::ingest::Progress;
use crate::gallery::store::Precision;

/// What this part keeps between frames.
#[derive(Default)]
pub struct DiskView {
    /// The form that makes a gallery.
    pub form: DiskForm,
}

fn ask(command: DiskCommand) -> Wish {
    Action::Gallery(GalleryCommand::Disk(command)).into()
}

/// What to do with a path that was asked for.
pub fn answered(target: Target, path: PathBuf, state: &ViewState, view: &mut GalleryView) -> Option<Wish> {
    match target {
        Target::GalleryImages => view.disk.form.images = path.display().to_string(),
        Target::GalleryFolder => view.disk.form.folder = path.display().to_string(),
        Target::GalleryAdd => {
            let folder = state.gallery_page.disk.info.as_ref()?.folder.clone();
            return Some(ask(DiskCommand::Add { folder, images: vec![path] }));
        }
        _ => {}
    }
    None
}

/// Draws the part.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.add_space(14.0);
    header(ui, ICON_STORAGE, "On disk", |_| {});
    match cx.state.gallery_page.disk.info.clone() {
        Some(info) => {
            about(ui, cx, &info);
            approximate(ui, cx, &info);
        }
        None => {
            form(ui, cx);
        }
    }
    let running: Vec<&Job> =
        cx.state.jobs.iter().filter(|job| job.kind == JobKind::Disk && job.end.is_none()).collect();
    for job in running {
        work(ui, cx, job);
    }
    outcome(ui, cx.state);
}

fn about(ui: &mut Ui, cx: &mut Cx<'_>, info: &DiskInfo) {
    let images = cx.state.gallery.as_ref().map_or(0, |gallery| gallery.entries.len());
    fact_grid(ui, "disk facts", |fact| {
        let gone = info.rows.saturating_sub(images);
        let gone = match gone {
            0 => String::new(),
            gone => format!(", {} of them for files that are gone, which are not searched", thousands(gone as u64)),
        };
        fact("Rows", format!("{} of {} numbers{gone}", thousands(info.rows as u64), thousands(info.columns as u64)));
        let bits = if info.precision == Precision::F16 { 16 } else { 32 };
        let [rows, codes, scales] = info.bytes.map(|n| n as u64);
        fact(
            "Embeddings",
            format!("{}, {bits} bits a number; {} for the first pass", bytes(rows), bytes(codes + scales)),
        );
        for (at, folder) in info.folders.iter().enumerate() {
            fact(if at == 0 { "Made of" } else { "" }, folder.display().to_string());
        }
    });
    ui.add_space(6.0);
    let busy = cx.state.running(JobKind::Disk);
    let folder = || info.folder.clone();
    ui.horizontal_wrapped(|ui| {
        let button = |ui: &mut Ui, sign, text| ui.add_enabled_ui(!busy, |ui| plain_button(ui, sign, text)).inner;
        let add = button(ui, ICON_CREATE_NEW_FOLDER, "Add a folder…");
        if add.on_hover_text("Embeds the images of one more folder into this gallery").clicked() {
            cx.wishes.push(Wish::Ask(Target::GalleryAdd));
        }
        let update = button(ui, ICON_SYNC, "Bring up to date");
        let hint =
            "Embeds what is new in its folders; moved and deleted files are recognised, and nothing is embedded twice";
        if update.on_hover_text(hint).clicked() {
            cx.wishes.push(ask(DiskCommand::Add { folder: folder(), images: Vec::new() }));
        }
        let verify = button(ui, ICON_VERIFIED, "Check every byte");
        if verify.on_hover_text("Reads the gallery's own files against their checksums").clicked() {
            cx.wishes.push(ask(DiskCommand::Verify { folder: folder() }));
        }
    });
}

/// How it is searched.
fn approximate(ui: &mut Ui, cx: &mut Cx<'_>, info: &DiskInfo) {
    let p = palette(ui.visuals());
    ui.add_space(8.0);
    let measure = cx.state.settings.measure;
    let graph = info.graph(measure);
    let mut on = cx.state.gallery_page.disk.approximate && graph.is_some();
    let hint = "Walks from neighbour to neighbour instead of comparing every image: faster from about a hundred thousand \
                images on, and some candidates may be missed";
    ui.horizontal_wrapped(|ui| {
        let switch = ui.add_enabled(graph.is_some(), egui::Checkbox::new(&mut on, "Search approximately"));
        let switch = switch.on_hover_text(hint).on_disabled_hover_text("Build the index first");
        if switch.changed() {
            cx.wishes.push(ask(DiskCommand::Approximate(on)));
        }
        let (verb, wanted) = match graph {
            None => ("Build the index", true),
            Some(graph) => ("Build it again", graph.stale),
        };
        let busy = cx.state.running(JobKind::Disk);
        if wanted {
            let build = ui.add_enabled_ui(!busy, |ui| plain_button(ui, ICON_HUB, verb)).inner;
            if build.on_hover_text("Takes a while for a large gallery; searching goes on meanwhile").clicked() {
                cx.wishes.push(ask(DiskCommand::Graph { measure }));
            }
        }
    });
    let name = measure_name(measure);
    let text = match graph {
        None => format!("Every search is exact. There is no index for the {name} yet."),
        Some(graph) if graph.sample == 0 => "So few images are all compared, so that every search is exact.".to_owned(),
        Some(graph) => {
            let late = info.rows.saturating_sub(graph.rows);
            let late = match late {
                0 => String::new(),
                late => format!(" The {} rows that came later are all compared.", thousands(late as u64)),
            };
            format!(
                "This index finds {:.1} % of the ten nearest by {name}, measured on {} of the gallery's own rows.{late}",
                100.0 * graph.recall,
                thousands(graph.sample as u64)
            )
        }
    };
    ui.add(Label::new(small(text).color(p.weak)).wrap());
}

/// The form that makes a gallery.
fn form(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let text = "A gallery on disk is embedded once and opens in an instant, from a hundred images to millions. A run that is \
                stopped goes on where it was.";
    ui.add(Label::new(small(text).color(p.weak)).wrap());
    ui.add_space(4.0);
    if let Some(gallery) = &cx.state.gallery
        && cx.view.gallery.disk.form.images.is_empty()
    {
        cx.view.gallery.disk.form.images = gallery.path.display().to_string();
    }
    let form = &mut cx.view.gallery.disk.form;
    let before = (form.images.clone(), form.folder.clone());
    ui.spacing_mut().item_spacing.y = 6.0;
    let width = ui.available_width().min(620.0);
    ui.scope(|ui| {
        ui.set_max_width(width);
        let hint = "A data set of any layout, or loose images";
        if path_field(ui, "Folder of images", &mut form.images, hint, None, false).browse {
            cx.wishes.push(Wish::Ask(Target::GalleryImages));
        }
        let hint = "Made if it is not there; one that was begun is gone on with";
        let problem = form.problem.as_deref();
        if path_field(ui, "Folder for the gallery", &mut form.folder, hint, problem, false).browse {
            cx.wishes.push(Wish::Ask(Target::GalleryFolder));
        }
    });
    if before != (form.images.clone(), form.folder.clone()) {
        form.problem = None;
    }
    let ready = cx.state.model.is_some() && !cx.state.running(JobKind::Disk);
    let build = ui.add_enabled_ui(ready, |ui| main_button(ui, Some(ICON_STORAGE), "Build the gallery")).inner;
    let why = if cx.state.model.is_none() { "Open a model first" } else { "Another gallery is being worked on" };
    if build.on_disabled_hover_text(why).clicked() {
        cx.wishes.extend(form.submit().map(|command| Action::Gallery(command).into()));
    }
}

/// A job, how far it is, and what can be done with it.
fn work(ui: &mut Ui, cx: &mut Cx<'_>, job: &Job) {
    let p = palette(ui.visuals());
    let page = &cx.state.gallery_page.disk;
    let growing = page.growing.as_ref().filter(|(id, _)| *id == job.id).map(|(_, progress)| *progress);
    let held = page.held.contains(&job.id);
    ui.add_space(8.0);
    let frame = Frame::new().fill(tint(p.pane, p.accent, 0.08)).stroke(Stroke::new(1.0, tint(p.pane, p.accent, 0.4)));
    frame.corner_radius(8.0).inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            if held {
                ui.label(icon(ICON_PAUSE, 16.0).color(p.accent));
            } else {
                ui.add(egui::Spinner::new().size(14.0));
            }
            ui.label(medium(&job.title, BODY).color(p.strong));
            // A check or an index is soon done again; embedding is not.
            if growing.is_some() {
                let (sign, text) = if held { (ICON_PLAY_ARROW, "Go on") } else { (ICON_PAUSE, "Pause") };
                if ui.add_enabled_ui(!job.stopping, |ui| plain_button(ui, sign, text)).inner.clicked() {
                    cx.wishes.push(ask(DiskCommand::Hold { job: job.id, hold: !held }));
                }
            }
            let text = if job.stopping { "Stopping…" } else { "Stop" };
            let stop = ui.add_enabled_ui(!job.stopping, |ui| danger_button(ui, ICON_STOP, text)).inner;
            let hint = if growing.is_some() { "What is embedded is kept; building goes on from there" } else { "" };
            if (if hint.is_empty() { stop } else { stop.on_hover_text(hint) }).clicked() {
                cx.wishes.push(Action::Cancel(job.id).into());
            }
        });
        if let Some(progress) = &job.progress {
            bar(ui, progress, ui.available_width() - 4.0);
            let text = if held { "Paused".to_owned() } else { describe(progress) };
            let pace = growing.filter(|_| !held).and_then(|g| g.images_per_second);
            let pace = pace.map(|pace| format!("  ·  {pace:.0} images a second")).unwrap_or_default();
            ui.label(small(format!("{text}{pace}")).color(p.text));
        }
        if let Some(growing) = growing {
            ui.label(small(counts(&growing)).color(p.weak));
        }
    });
}

/// "120 embedded, 3 recognised by their content, 40 unchanged".
fn counts(progress: &Progress) -> String {
    let parts = [
        (progress.embedded, "embedded"),
        (progress.recognised, "recognised by their content"),
        (progress.unchanged, "unchanged"),
        (progress.broken, "unusable"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", thousands(*n))).collect();
    if said.is_empty() { "nothing yet".into() } else { said.join(", ") }
}

/// What became of the last work.
fn outcome(ui: &mut Ui, state: &ViewState) {
    let p = palette(ui.visuals());
    let page = &state.gallery_page.disk;
    if let Some((folder, summary)) = &page.grown {
        ui.add_space(6.0);
        let removed = match summary.removed {
            0 => String::new(),
            n => format!("; {} no longer there", thousands(n)),
        };
        let stopped = if summary.stopped { ". Stopped before the end: what is done is kept" } else { "" };
        let text = format!("{}: {}{removed}{stopped}", file_name(folder), counts(&summary.progress));
        ui.add(Label::new(small(text).color(p.text)).wrap());
    }
    let Some((folder, found)) = &page.verified else { return };
    ui.add_space(6.0);
    let sound = found.problems.is_empty();
    ui.horizontal_wrapped(|ui| {
        let (sign, colour) = if sound { (ICON_CHECK, p.same) } else { (ICON_WARNING, p.other) };
        ui.label(icon(sign, 16.0).color(colour));
        let text = match found.problems.len() {
            0 => format!("{} is sound: {} rows checked", file_name(folder), thousands(found.rows as u64)),
            1 => format!("{} is damaged: 1 problem", file_name(folder)),
            n => format!("{} is damaged: {n} problems", file_name(folder)),
        };
        ui.label(medium(text, BODY).color(p.text));
    });
    if !sound {
        CollapsingHeader::new(small("What is wrong").color(p.text)).default_open(true).show(ui, |ui| {
            for problem in found.problems.iter().take(50) {
                ui.add(Label::new(small(problem).color(p.text)).wrap());
            }
            ui.label(small("Restore the gallery's folder from a copy, or build it anew").color(p.weak));
        });
    }
}
