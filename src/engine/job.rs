//! Long work: its number, its pace, and the flag that stops it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::command::JobId;
use super::event::{Event, Progress};
use super::outbox::Outbox;
use crate::train::event::Flow;

type Flags = BTreeMap<JobId, Arc<Flag>>;

/// What the user wishes of a job.
#[derive(Default)]
struct Flag {
    cancelled: AtomicBool,
    held: AtomicBool,
}

/// How often a held job looks whether to go on.
const LOOK: Duration = Duration::from_millis(40);

/// The running jobs. Shared with the window's thread, so that a cancel reaches a job in the middle of its work.
#[derive(Clone, Default)]
pub(super) struct Jobs(Arc<Mutex<Flags>>);

impl Jobs {
    pub fn open(&self, job: JobId, outbox: &Outbox) -> Ticket {
        let flag = Arc::new(Flag::default());
        self.flags().insert(job, flag.clone());
        Ticket { job, flag, outbox: outbox.clone(), pace: Pace::default() }
    }

    pub fn close(&self, job: JobId) {
        self.flags().remove(&job);
    }

    /// Raises the flag of a job; a job that has ended is left alone.
    pub fn cancel(&self, job: JobId) {
        if let Some(flag) = self.flags().get(&job) {
            flag.cancelled.store(true, Ordering::SeqCst);
        }
    }

    /// Holds a job that can be held, or lets it go on.
    pub fn hold(&self, job: JobId, hold: bool) {
        if let Some(flag) = self.flags().get(&job) {
            flag.held.store(hold, Ordering::SeqCst);
        }
    }

    pub fn cancel_all(&self) {
        self.flags().values().for_each(|flag| flag.cancelled.store(true, Ordering::SeqCst));
    }

    fn flags(&self) -> MutexGuard<'_, Flags> {
        // A map of flags is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a running job holds.
pub(super) struct Ticket {
    pub job: JobId,
    flag: Arc<Flag>,
    outbox: Outbox,
    pace: Pace,
}

impl Ticket {
    /// Whether to go on.
    pub fn flow(&self) -> Flow {
        if self.flag.cancelled.load(Ordering::SeqCst) || self.outbox.closing() { Flow::Stop } else { Flow::Continue }
    }

    /// Waits while the job is held and not cancelled; answers whether it waited. The pace is then measured anew.
    pub fn wait_while_held(&mut self) -> bool {
        let mut waited = false;
        while self.flag.held.load(Ordering::SeqCst) && self.flow() == Flow::Continue {
            std::thread::sleep(LOOK);
            waited = true;
        }
        if waited {
            self.start_again();
        }
        waited
    }

    /// Forgets the pace so far: what comes next says how long the rest takes.
    pub fn start_again(&mut self) {
        self.pace = Pace::default();
    }

    /// Tells how far the job is, and answers whether to go on.
    pub fn progress(&mut self, done: u64, total: u64, unit: &'static str) -> Flow {
        let seconds_left = self.pace.seconds_left(done, total, Instant::now());
        let progress = Progress { done, total, unit, seconds_left };
        self.outbox.telemetry(Event::JobProgress { job: self.job, progress });
        self.flow()
    }
}

/// Guesses the time left from the units done since the first report.
#[derive(Default)]
pub(super) struct Pace(Option<(u64, Instant)>);

impl Pace {
    /// Seconds left; `None` until the pace of at least half a second of work is known.
    pub fn seconds_left(&mut self, done: u64, total: u64, now: Instant) -> Option<f64> {
        let (first, since) = *self.0.get_or_insert((done, now));
        let (units, time) = (done.saturating_sub(first), now.saturating_duration_since(since));
        let known = units > 0 && time >= Duration::from_millis(500);
        known.then(|| time.as_secs_f64() / units as f64 * total.saturating_sub(done) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_counts_from_the_first_report() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.seconds_left(100, 300, start), None);
        assert_eq!(pace.seconds_left(101, 300, start + Duration::from_millis(100)), None, "too early to tell");
        assert_eq!(pace.seconds_left(200, 300, start + Duration::from_secs(50)), Some(50.0));
        assert_eq!(pace.seconds_left(300, 300, start + Duration::from_secs(90)), Some(0.0));
    }
}
