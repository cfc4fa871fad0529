//! The training room: a run and its form, all runs, and what a model is.

mod charts;
mod form;
mod model;
mod overlay;
mod run;
mod runs;
mod strips;

use std::collections::BTreeSet;
use std::path::PathBuf;

use egui::{Role, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_DEPLOYED_CODE, ICON_MODEL_TRAINING, ICON_TABLE_ROWS};

use super::curves::Board;
use super::shell::{Cx, Wish};
use super::state::Action;
use super::theme::{icon, medium, palette};
use crate::engine::room::RoomCommand;
use crate::train::config::RunConfig;

/// The parts of the room; one is seen at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// The run under way, or the form that starts one.
    #[default]
    Run,
    /// All runs.
    Runs,
    /// What a model is.
    Model,
}

/// What the room remembers as long as the window is open.
#[derive(Debug)]
pub struct RoomView {
    /// The part that is seen.
    pub part: Part,
    /// The folder of runs, as typed.
    pub folder: String,
    /// A model file whose page is wanted, as typed.
    pub page: String,
    /// The curves of the run under way.
    board: Board,
    /// The curves of the chosen runs.
    overlay: Board,
    /// The sample that is looked at; the newest where not given.
    sample: Option<u64>,
    /// Runs whose curves lie over one another.
    chosen: BTreeSet<PathBuf>,
    /// The run that is looked at in the table.
    looked_at: Option<PathBuf>,
    /// Its note as typed.
    note: String,
    /// Where its archive is to be written.
    archive: String,
    /// The down-sampling rate of the CMC curves.
    rate: Option<f64>,
    /// Where an export is to be written, by form.
    exports: [String; 2],
    /// The model that [`Self::exports`] were proposed for.
    proposed: Option<PathBuf>,
    /// What was asked for already: a frame is not a reason to ask again.
    asked: Asked,
}

#[derive(Debug, Default)]
struct Asked {
    folder: Option<String>,
    curves: BTreeSet<PathBuf>,
    page: Option<PathBuf>,
}

impl Default for RoomView {
    fn default() -> Self {
        Self {
            part: Part::Run,
            folder: "runs".into(),
            page: String::new(),
            board: Board::default(),
            overlay: Board::default(),
            sample: None,
            chosen: BTreeSet::new(),
            looked_at: None,
            note: String::new(),
            archive: String::new(),
            rate: None,
            exports: Default::default(),
            proposed: None,
            asked: Asked::default(),
        }
    }
}

/// Draws the room.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.view.paper.open {
        return super::paper::ui(ui, cx);
    }
    parts(ui, cx);
    match cx.view.room.part {
        Part::Run if cx.state.run.exists() && !cx.view.new_run => run::ui(ui, cx),
        Part::Run => form::ui(ui, cx),
        Part::Runs => runs::ui(ui, cx),
        Part::Model => model::ui(ui, cx),
    }
}

/// The way to each part.
fn parts(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        for (part, sign, text) in [
            (Part::Run, ICON_MODEL_TRAINING, "Run"),
            (Part::Runs, ICON_TABLE_ROWS, "All runs"),
            (Part::Model, ICON_DEPLOYED_CODE, "Model"),
        ] {
            let on = cx.view.room.part == part;
            let colour = if on { p.strong } else { p.weak };
            let button =
                egui::Button::selectable(on, (icon(sign, 15.0).color(colour), medium(text, 13.0).color(colour)));
            let response = ui.add(button);
            response.widget_info(|| WidgetInfo::selected(Role::Tab, true, on, text));
            if response.clicked() {
                cx.view.room.part = part;
                if part == Part::Runs {
                    cx.view.room.asked.folder = None; // what another process trains may have changed it
                }
            }
        }
    });
    ui.add_space(2.0);
}

/// Going on with the run in a folder.
pub fn resume(run: PathBuf) -> Wish {
    Action::Train { config: Box::new(RunConfig::default()), run, resume: true }.into()
}

/// Bringing an archived run into the folder of runs.
pub fn import(archive: PathBuf, room: &RoomView) -> Wish {
    ask(RoomCommand::Unpack { archive, runs: PathBuf::from(room.folder.trim()) })
}

fn ask(request: RoomCommand) -> Wish {
    Action::Room(request).into()
}

/// Bytes in a person's words.
fn bytes(n: u64) -> String {
    match n as f64 {
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.0} kB", (n / 1e3).ceil()),
    }
}
