//! The training run that the window shows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::history::History;
use crate::engine::command::JobId;
use crate::engine::event::JobEnd;
use crate::engine::room::Load;
use crate::train::event::{SampleImages, StepRecord, TrainEvent, ValidationRecord};
use crate::train::hints::Hint;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// There is none.
    #[default]
    None,
    /// Asked for; reading data and building the model.
    Starting,
    /// Steps are being made.
    Training,
    /// The held-out identities are being ranked.
    Validating {
        /// Images embedded.
        done: u64,
        /// Images in all.
        total: u64,
    },
    /// Held by the user; the model stays in memory.
    Paused,
    /// Asked to stop; it writes a checkpoint first.
    Stopping,
    /// Stopped by the user; it can be resumed.
    Stopped,
    /// Complete.
    Finished,
    /// It failed; the card at the top tells why.
    Failed,
}

impl Phase {
    /// Whether the run is at work.
    pub fn active(self) -> bool {
        matches!(self, Phase::Starting | Phase::Training | Phase::Validating { .. } | Phase::Paused | Phase::Stopping)
    }
}

/// A training run: its figures so far.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Where it stands.
    pub phase: Phase,
    /// Its job, once the engine has taken it up.
    pub job: Option<JobId>,
    /// Its folder.
    pub folder: PathBuf,
    /// Data, model and weights in a sentence.
    pub summary: String,
    /// Steps done.
    pub step: u64,
    /// Steps in the whole run.
    pub total_steps: u64,
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Figures of the steps. Single steps may be missing.
    pub history: History,
    /// Validation figures, oldest first.
    pub validation: Vec<ValidationRecord>,
    /// The newest sample reconstructions, and the step they were made at.
    pub samples: Option<(u64, Arc<Vec<SampleImages>>)>,
    /// The strips of all samples by their steps.
    pub strips: Arc<BTreeMap<u64, Vec<PathBuf>>>,
    /// What seems to go wrong now, the gravest first.
    pub hints: Vec<Hint>,
    /// Whether the user has asked it to hold; it does so after the step it is in.
    pub holding: bool,
    /// Whether the user has asked it to stop at the end of its epoch.
    pub last_epoch: bool,
    /// What it takes of the machine.
    pub load: Option<Load>,
    /// Lines worth knowing.
    pub notes: Vec<String>,
    /// The newest checkpoint, and whether it was the best.
    pub checkpoint: Option<(PathBuf, bool)>,
    /// The best model file so far, at the end the final one.
    pub model: Option<PathBuf>,
}

impl Run {
    /// Whether there is something to show.
    pub fn exists(&self) -> bool {
        self.phase != Phase::None
    }

    /// The figures of the newest step.
    pub fn last(&self) -> Option<&StepRecord> {
        self.history.last()
    }

    /// A run was asked for.
    pub(super) fn asked(&mut self, folder: PathBuf) {
        if !self.phase.active() {
            *self = Run { phase: Phase::Starting, folder, ..Run::default() };
        }
    }

    /// The engine took the run up.
    pub(super) fn started(&mut self, job: JobId) {
        if !self.exists() || self.job.is_some() {
            *self = Run::default();
        }
        (self.job, self.phase) = (Some(job), Phase::Starting);
    }

    /// The engine refused something; if that was the run, there is none.
    pub(super) fn refused(&mut self) {
        if self.phase == Phase::Starting && self.job.is_none() {
            self.phase = Phase::None;
        }
    }

    /// The user asked it to stop.
    pub(super) fn stopping(&mut self) {
        if self.phase.active() {
            self.phase = Phase::Stopping;
        }
    }

    /// Its job ended.
    pub(super) fn ended(&mut self, job: JobId, end: &JobEnd) {
        if self.job != Some(job) {
            return;
        }
        (self.holding, self.last_epoch, self.load) = (false, false, None);
        self.phase = match end {
            JobEnd::Failed(_) => Phase::Failed,
            JobEnd::Cancelled => Phase::Stopped,
            JobEnd::Done if self.phase == Phase::Stopped => Phase::Stopped,
            JobEnd::Done => Phase::Finished,
        };
    }

    /// Takes one event of the run in.
    pub(super) fn apply(&mut self, event: TrainEvent) {
        match event {
            TrainEvent::Started { run, step, total_steps, steps_per_epoch, summary, history, validation } => {
                (self.folder, self.step, self.total_steps, self.summary) = (run, step, total_steps, summary);
                self.steps_per_epoch = steps_per_epoch;
                self.history = History::of(&history, &validation);
                self.validation = validation.to_vec();
                self.at_work();
            }
            TrainEvent::Step(record) => self.stepped(&record),
            TrainEvent::Hints(hints) => self.hints = hints,
            TrainEvent::Paused { step } => {
                self.step = step;
                if self.phase != Phase::Stopping {
                    self.phase = Phase::Paused;
                }
            }
            TrainEvent::Continued => self.at_work(),
            TrainEvent::Note(note) => self.notes.push(note),
            TrainEvent::Validating { done, total } => {
                if self.phase != Phase::Stopping {
                    self.phase = Phase::Validating { done, total };
                }
            }
            TrainEvent::Validation(record) => {
                self.history.validated(&record);
                self.validation.push(record);
                self.at_work();
            }
            TrainEvent::Samples { step, samples } => self.samples = Some((step, samples)),
            TrainEvent::Checkpoint { path, best } => self.checkpoint = Some((path, best)),
            TrainEvent::BestModel { model } => self.model = Some(model),
            TrainEvent::Finished { model } => {
                self.model = Some(model);
                self.phase = Phase::Finished;
            }
            TrainEvent::Stopped { step } => {
                self.step = step;
                self.phase = Phase::Stopped;
            }
        }
    }

    fn stepped(&mut self, record: &StepRecord) {
        self.step = record.step;
        self.history.push(record);
        self.at_work();
    }

    fn at_work(&mut self) {
        if self.phase != Phase::Stopping {
            self.phase = Phase::Training;
        }
    }
}
