//! What the training room knows beside the run under way: the runs in the folder, their curves, a model's page, answers about
//! what is typed into the form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::history::History;
use super::{ViewState, file_name};
use crate::data::dataset::Format as Layout;
use crate::engine::command::Command;
use crate::engine::room::{RoomCommand, RoomEvent};
use crate::model::export::Exported;
use crate::train::config::RunConfig;
use crate::train::estimate::Estimate;
use crate::train::event::ValidationRecord;
use crate::train::page::Page;
use crate::train::runs::Run;

/// The curves of a run in the table.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// Its figures.
    pub history: History,
    /// Its validations, for the CMC curves.
    pub validation: Arc<Vec<ValidationRecord>>,
}

/// A run that lies in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Where it was.
    pub run: PathBuf,
    /// Where it lies.
    pub trashed: PathBuf,
}

/// What the training room knows.
#[derive(Debug, Default)]
pub struct Room {
    /// The folder of runs that was listed last.
    pub folder: Option<PathBuf>,
    /// Its runs, by name.
    pub runs: Arc<Vec<Run>>,
    /// Curves of runs, by their folders.
    pub curves: BTreeMap<PathBuf, Overlay>,
    /// Runs that were moved to the trash, the last one at the end.
    pub discarded: Vec<Discarded>,
    /// The model page.
    pub page: Option<Box<Page>>,
    /// The export made last.
    pub exported: Option<Box<Exported>>,
    /// What the archive or import made last is: a line.
    pub said: Option<String>,
    /// What the data folder holds, with the question it answers.
    pub data: Option<(PathBuf, Option<Layout>, Result<String, String>)>,
    /// What of the initial weights fits, with their file.
    pub weights: Option<(PathBuf, Result<String, String>)>,
    /// What a run would take, and the settings that were timed.
    pub estimate: Option<(RunConfig, Box<Estimate>)>,
    /// The settings that are being timed.
    estimating: Option<Box<RunConfig>>,
}

impl ViewState {
    /// Passes a wish of the training room on.
    pub(super) fn room_asks(&mut self, request: RoomCommand, send: &mut Vec<Command>) {
        match &request {
            RoomCommand::Hold(hold) => self.run.holding = *hold,
            RoomCommand::LastEpoch(last) => self.run.last_epoch = *last,
            RoomCommand::Estimate(config) => {
                (self.room.estimating, self.room.estimate) = (Some(config.clone()), None);
            }
            RoomCommand::Export { .. } => self.room.exported = None,
            RoomCommand::Pack { .. } | RoomCommand::Unpack { .. } => self.room.said = None,
            // Taken back at once: a second press must not bring it back twice.
            RoomCommand::Restore { trashed, .. } => self.room.discarded.retain(|d| d.trashed != *trashed),
            _ => {}
        }
        send.push(Command::Room(request));
    }

    /// Takes what the training room is told.
    pub(super) fn room_told(&mut self, event: RoomEvent, send: &mut Vec<Command>) {
        let room = &mut self.room;
        let mut list_again = false;
        match event {
            RoomEvent::DataChecked { root, format, found } => room.data = Some((root, format, found)),
            RoomEvent::WeightsChecked { path, found } => room.weights = Some((path, found)),
            RoomEvent::Estimated(estimate) => {
                room.estimate = room.estimating.take().map(|config| (*config, estimate));
            }
            RoomEvent::Load(load) => self.run.load = Some(load),
            RoomEvent::Runs { folder, runs } => {
                room.curves.retain(|folder, _| runs.iter().any(|run| run.folder == *folder));
                (room.folder, room.runs) = (Some(folder), runs);
            }
            RoomEvent::Curves { run, steps, validation } => {
                room.curves.insert(run, Overlay { history: History::of(&steps, &validation), validation });
            }
            RoomEvent::Samples { run, steps } => {
                if same(&run, &self.run.folder) {
                    self.run.strips = steps;
                }
            }
            RoomEvent::Page(page) => room.page = Some(page),
            RoomEvent::Exported(exported) => room.exported = Some(exported),
            RoomEvent::Packed(path) => room.said = Some(format!("Wrote {}", path.display())),
            RoomEvent::Unpacked(run) => {
                room.said = Some(format!("Brought in {}", file_name(&run)));
                list_again = true;
            }
            RoomEvent::Discarded { run, trashed } => {
                room.curves.remove(&run);
                room.discarded.push(Discarded { run, trashed });
                list_again = true;
            }
            RoomEvent::Restored(_) | RoomEvent::Noted(_) => list_again = true,
        }
        if let (true, Some(folder)) = (list_again, self.room.folder.clone()) {
            send.push(Command::Room(RoomCommand::ListRuns(folder)));
        }
    }
}

/// Whether two paths are the same folder as written, the one relative perhaps.
fn same(a: &Path, b: &Path) -> bool {
    a == b || std::path::absolute(a).is_ok_and(|a| std::path::absolute(b).is_ok_and(|b| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(state: &mut ViewState, sent: &mut Vec<Command>) {
        let event = RoomEvent::Runs { folder: "runs".into(), runs: Arc::default() };
        state.room_told(event, sent);
    }

    #[test]
    fn a_deleted_run_can_be_brought_back_once() {
        let (mut state, mut sent) = (ViewState::default(), Vec::new());
        listed(&mut state, &mut sent);
        state.room_asks(RoomCommand::Discard("runs/a".into()), &mut sent);
        let told = RoomEvent::Discarded { run: "runs/a".into(), trashed: "runs/.trash/a 1".into() };
        state.room_told(told, &mut sent);
        assert!(matches!(sent.last(), Some(Command::Room(RoomCommand::ListRuns(folder))) if folder.ends_with("runs")));
        assert_eq!(state.room.discarded.len(), 1);
        let restore = RoomCommand::Restore { trashed: "runs/.trash/a 1".into(), run: "runs/a".into() };
        state.room_asks(restore, &mut sent);
        assert!(state.room.discarded.is_empty());
    }

    #[test]
    fn an_estimate_belongs_to_the_settings_that_were_timed() {
        let (mut state, mut sent) = (ViewState::default(), Vec::new());
        let config = RunConfig { seed: 9, ..RunConfig::default() };
        state.room_asks(RoomCommand::Estimate(Box::new(config.clone())), &mut sent);
        assert!(state.room.estimate.is_none() && matches!(sent[0], Command::Room(RoomCommand::Estimate(_))));
        let spread = crate::bench::measure::Spread::of(vec![1.0]);
        let estimate = Estimate {
            images: 1,
            identities: 1,
            held_out: [0, 0],
            broken: 0,
            steps_per_epoch: 1,
            total_steps: 1,
            step_s: spread,
            validation_s: 0.0,
            validations: 0,
            total_s: 1.0,
            peak_memory: None,
            machine_memory: None,
            disk: 0,
        };
        state.room_told(RoomEvent::Estimated(Box::new(estimate)), &mut sent);
        assert_eq!(state.room.estimate.as_ref().map(|(c, _)| c.seed), Some(9));
    }
}
