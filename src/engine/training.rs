//! A training run inside the engine: between two steps the engine answers what waits, so the window stays usable.

use std::path::Path;

use candle_core::Device;

use super::event::Event;
use super::job::Ticket;
use super::worker::Worker;
use crate::error::Result;
use crate::train::config::RunConfig;
use crate::train::event::{Flow, Observer, TrainEvent};
use crate::train::trainer::{self, Outcome};

/// What runs or resumes a training run; the engine's own tests put a short stand-in here.
pub(super) type Train = fn(RunConfig, &Path, bool, &Device, &mut dyn Observer) -> Result<Outcome>;

/// The trainer itself.
pub(super) fn train(
    config: RunConfig,
    run: &Path,
    resume: bool,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    if resume { trainer::resume(run, device, observer) } else { trainer::run(config, run, device, observer) }
}

/// The trainer's view of the engine.
pub(super) struct EngineObserver<'a> {
    pub worker: &'a mut Worker,
    pub ticket: &'a mut Ticket,
    pub total_steps: u64,
}

impl Observer for EngineObserver<'_> {
    fn event(&mut self, event: TrainEvent) {
        let job = self.ticket.job;
        let mut stale_soon = false;
        match &event {
            TrainEvent::Started { step, total_steps, .. } => {
                self.total_steps = *total_steps;
                self.ticket.progress(*step, self.total_steps, "steps");
            }
            TrainEvent::Step(record) => {
                self.ticket.progress(record.step, self.total_steps, "steps");
                stale_soon = true;
            }
            TrainEvent::Validating { .. } => stale_soon = true,
            _ => {}
        }
        let event = Event::Training { job, event };
        if stale_soon { self.worker.outbox.telemetry(event) } else { self.worker.outbox.result(event) }
    }

    fn breathe(&mut self) -> Flow {
        self.worker.serve_waiting(self.ticket);
        self.ticket.flow()
    }
}
