//! What a run will take, before it is started: a few real steps and a little validation, timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use candle_core::Device;
use serde::Serialize;

use super::check::check;
use super::config::RunConfig;
use super::event::Flow;
use super::feed::{Data, Feed};
use super::schedule::Schedule;
use super::trainer;
use crate::bench::measure::{Spread, resident_memory};
use crate::eval::protocol;
use crate::{Error, Result};

/// Steps that are timed: no more than this, after one that is not.
const STEPS: u64 = 6;
/// Seconds after which three timed steps are enough.
const ENOUGH: f64 = 4.0;
/// Queries and gallery images that are embedded to learn the pace of validation.
const SOME: usize = 24;

/// What a run will take on this machine, as far as a few steps can tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Images to train on.
    pub images: usize,
    /// People in them.
    pub identities: usize,
    /// Queries and gallery images held out.
    pub held_out: [usize; 2],
    /// Files that were skipped.
    pub broken: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Steps in the whole run.
    pub total_steps: u64,
    /// Seconds a step.
    pub step_s: Spread,
    /// Seconds of one validation; 0 where there is none.
    pub validation_s: f64,
    /// How often it validates.
    pub validations: u64,
    /// Seconds of the whole run.
    pub total_s: f64,
    /// The most memory that this program held while it measured, in bytes; known on Linux.
    pub peak_memory: Option<u64>,
    /// Memory of this machine, in bytes; known on Linux.
    pub machine_memory: Option<u64>,
    /// Disk space of the finished run, in bytes: checkpoints, models and records.
    pub disk: u64,
}

/// Measures; `on` hears of steps done and steps in all, and may say stop.
///
/// # Errors
/// Whatever would stop the run at its start: settings, data or weights that cannot work. [`Error::Cancelled`].
pub fn estimate(config: &RunConfig, device: &Device, on: &mut dyn FnMut(u64, u64) -> Flow) -> Result<Estimate> {
    check(config)?;
    let mut on = |done| match on(done, STEPS + 2) {
        Flow::Continue => Ok(()),
        Flow::Stop => Err(Error::Cancelled),
    };
    on(0)?;
    let memory = Peak::watch();
    let data = Data::open(config)?;
    let mut config = config.clone();
    config.model.shape.classes = data.classes;
    let schedule = Schedule::new(&config.schedule, data.sampler.steps_per_epoch());
    let mut learner = trainer::new_learner(&config, device, &mut Vec::new())?;
    let mut feed = Feed::new(&data, &config, 0, device);
    let mut seconds = Vec::new();
    let began = Instant::now();
    for step in 0..=STEPS {
        on(step)?;
        let start = Instant::now();
        let batch = feed.next_batch()?;
        // A rate of 0 leaves the weights as they are, whatever the first gradients may be; the work is the same.
        learner.step(&batch, 0.0, 0.0)?;
        if step > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        }
        if seconds.len() >= 3 && began.elapsed().as_secs_f64() > ENOUGH {
            break;
        }
    }
    on(STEPS + 1)?;
    let (query, gallery) = (&data.split.query, &data.split.gallery);
    let rates = &config.schedule.validate_rates;
    let due = (1..=schedule.total_steps).filter(|step| schedule.validates_at(*step)).count() as u64;
    let validates = due > 0 && !query.is_empty() && !gallery.is_empty() && !rates.is_empty();
    let validation_s = if validates {
        let (q, g) = (&query[..query.len().min(SOME)], &gallery[..gallery.len().min(SOME)]);
        let start = Instant::now();
        let mut stop = || on(STEPS + 1).map_or(Flow::Stop, |()| Flow::Continue);
        protocol::evaluate(learner.model(), q, g, &rates[..1], device, &mut |_, _| stop())?;
        let whole = (gallery.len() + query.len() * rates.len()) as f64;
        start.elapsed().as_secs_f64() / (q.len() + g.len()) as f64 * whole
    } else {
        0.0
    };
    let state: u64 = learner.state()?.values().map(|t| (t.elem_count() * t.dtype().size_in_bytes()) as u64).sum();
    let model: u64 = learner.model().tensors().values().map(|t| 4 * t.elem_count() as u64).sum();
    let validations = if validates { due } else { 0 };
    let step_s = Spread::of(seconds);
    on(STEPS + 2)?;
    Ok(Estimate {
        images: data.split.train.len(),
        identities: data.identities,
        held_out: [query.len(), gallery.len()],
        broken: data.broken.len(),
        steps_per_epoch: schedule.steps_per_epoch,
        total_steps: schedule.total_steps,
        validation_s,
        validations,
        total_s: step_s.median * schedule.total_steps as f64 + validation_s * validations as f64,
        step_s,
        peak_memory: memory.peak(),
        machine_memory: machine_memory(),
        // The newest checkpoints, the best, both models, and about 1 kB a step of records.
        disk: state * (config.schedule.keep_last.max(1) as u64 + 1) + 2 * model + 1000 * schedule.total_steps,
    })
}

/// The memory of this machine in bytes; known on Linux.
pub fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Looks at this program's memory every few milliseconds: its peak lies in the middle of a step.
struct Peak {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Peak {
    fn watch() -> Self {
        let peak = Self { most: Arc::default(), stop: Arc::default() };
        let (most, stop) = (peak.most.clone(), peak.stop.clone());
        // Without the thread the memory is told as not known.
        let _ = std::thread::Builder::new().name("memory".into()).spawn(move || {
            while !stop.load(Relaxed) {
                most.fetch_max(resident_memory().unwrap_or(0), Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        peak
    }

    fn peak(&self) -> Option<u64> {
        Some(self.most.load(Relaxed)).filter(|most| *most > 0)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}
