//! A training run inside the engine: between two steps the engine answers what waits, so the window stays usable.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use candle_core::Device;

use super::event::{Event, JobKind};
use super::job::Ticket;
use super::room::{Load, RoomEvent};
use super::worker::Worker;
use crate::bench::measure::{cpu_seconds, resident_memory};
use crate::error::{Error, Result};
use crate::train::config::RunConfig;
use crate::train::estimate::{estimate, machine_memory};
use crate::train::event::{Flow, Observer, Pace, TrainEvent};
use crate::train::samples;
use crate::train::trainer::{self, Outcome};

/// What runs or resumes a training run; the engine's own tests put a short stand-in here.
pub(super) type Train = fn(RunConfig, &Path, bool, &Device, &mut dyn Observer) -> Result<Outcome>;

/// Seconds between two looks at processor and memory.
const LOOK: f64 = 1.0;

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

/// How the user wants the run under way to go on. Shared with the window's thread, so that a wish is heard in the middle of a
/// step.
#[derive(Clone, Default)]
pub(super) struct Wishes(Arc<(AtomicBool, AtomicBool)>);

impl Wishes {
    /// Forgets what was wished of an earlier run.
    pub fn clear(&self) {
        self.hold(false);
        self.last_epoch(false);
    }

    pub fn hold(&self, hold: bool) {
        self.0.0.store(hold, SeqCst);
    }

    pub fn last_epoch(&self, last: bool) {
        self.0.1.store(last, SeqCst);
    }

    fn pace(&self) -> Pace {
        match (self.0.0.load(SeqCst), self.0.1.load(SeqCst)) {
            (true, _) => Pace::Hold,
            (false, true) => Pace::LastEpoch,
            (false, false) => Pace::On,
        }
    }
}

/// The trainer's view of the engine.
pub(super) struct EngineObserver<'a> {
    pub worker: &'a mut Worker,
    pub ticket: &'a mut Ticket,
    pub wishes: Wishes,
    pub total_steps: u64,
    /// When processor and memory were looked at last, and the processor's seconds then.
    looked: Option<(Instant, Option<f64>)>,
    folder: std::path::PathBuf,
}

impl<'a> EngineObserver<'a> {
    pub fn new(worker: &'a mut Worker, ticket: &'a mut Ticket, wishes: Wishes) -> Self {
        Self { worker, ticket, wishes, total_steps: 0, looked: None, folder: Default::default() }
    }

    /// Tells now and then what the run takes of the machine.
    fn look(&mut self) {
        let (now, cpu) = (Instant::now(), cpu_seconds());
        let since = self.looked.map(|(at, before)| ((now - at).as_secs_f64(), before));
        if since.is_some_and(|(seconds, _)| seconds < LOOK) {
            return;
        }
        self.looked = Some((now, cpu));
        let cores = since.and_then(|(seconds, before)| Some((cpu? - before?) / seconds));
        let load = Load {
            cores,
            all_cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: resident_memory(),
            all_memory: machine_memory(),
        };
        self.worker.outbox.telemetry(Event::Room(RoomEvent::Load(load)));
    }

    fn tell_samples(&self) {
        let steps = Arc::new(samples::steps(&self.folder.join("samples")));
        self.worker.outbox.result(Event::Room(RoomEvent::Samples { run: self.folder.clone(), steps }));
    }
}

impl Observer for EngineObserver<'_> {
    fn event(&mut self, event: TrainEvent) {
        let job = self.ticket.job;
        let (mut stale_soon, mut samples) = (false, false);
        match &event {
            TrainEvent::Started { run, step, total_steps, .. } => {
                self.total_steps = *total_steps;
                self.folder.clone_from(run);
                samples = true;
                self.ticket.progress(*step, self.total_steps, "steps");
            }
            TrainEvent::Step(record) => {
                self.ticket.progress(record.step, self.total_steps, "steps");
                stale_soon = true;
                self.look();
            }
            TrainEvent::Validating { .. } => {
                stale_soon = true;
                self.look();
            }
            TrainEvent::Samples { .. } => samples = true,
            // The time of the pause is not the pace of the work.
            TrainEvent::Continued => self.ticket.start_again(),
            _ => {}
        }
        let event = Event::Training { job, event };
        if stale_soon {
            self.worker.outbox.telemetry(event)
        } else {
            self.worker.outbox.result(event)
        }
        if samples {
            self.tell_samples();
        }
    }

    fn breathe(&mut self) -> Flow {
        self.worker.serve_waiting(self.ticket);
        self.ticket.flow()
    }

    fn pace(&mut self) -> Pace {
        self.wishes.pace()
    }
}

impl Worker {
    /// Times a few steps of a run that is not yet started.
    pub(super) fn estimate(&mut self, config: &RunConfig) -> Result<()> {
        if self.training {
            return Err(Error::input(
                "A run is training, so an estimate would be wrong",
                "Stop it first, or wait for its end",
            ));
        }
        self.training = true; // neither may a run start in the middle of it
        self.job(JobKind::Room, format!("Estimate {}", config.preset), |worker, ticket| {
            let device = worker.device.clone();
            let mut on = |done, total| {
                worker.serve_waiting(ticket);
                ticket.progress(done, total, "pieces of work")
            };
            let estimate = estimate(config, &device, &mut on)?;
            worker.outbox.result(Event::Room(RoomEvent::Estimated(Box::new(estimate))));
            Ok(())
        });
        self.training = false;
        Ok(())
    }
}
