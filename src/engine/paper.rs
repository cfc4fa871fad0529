//! A sitting at one of the paper's experiments inside the engine: between two steps of its runs the engine answers what waits.

use std::path::PathBuf;
use std::sync::Arc;

use super::event::Event;
use super::job::Ticket;
use super::worker::Worker;
use crate::error::{Error, Result};
use crate::eval::paper::{Heard, Order, Report, Watcher, carry_out};
use crate::train::event::{Flow, TrainEvent};

/// What a sitting tells the window.
#[derive(Debug, Clone)]
pub enum PaperEvent {
    /// How much there is to do.
    Planned {
        /// Runs that the rows call for.
        runs: usize,
        /// Of those, known already.
        known: usize,
    },
    /// A run begins, or is gone on with.
    Run {
        /// Its number in this sitting, from 1.
        number: usize,
        /// Runs of this sitting.
        of: usize,
        /// What it is, in words.
        title: String,
    },
    /// Seconds left of the whole sitting, at the pace so far.
    Left(f64),
    /// The report as it stands; written to its page as well.
    Report {
        /// The figures.
        report: Arc<Report>,
        /// The page.
        page: PathBuf,
    },
}

/// Carries out an order as the job of `ticket`.
pub(super) fn sit(worker: &mut Worker, ticket: &mut Ticket, order: &Order) -> Result<()> {
    let device = worker.device().clone();
    let mut listener = Listener { worker, ticket, total: 0 };
    let outcome = carry_out(order, &device, &mut listener)?;
    if outcome.stopped { Err(Error::Cancelled) } else { Ok(()) }
}

struct Listener<'a> {
    worker: &'a mut Worker,
    ticket: &'a mut Ticket,
    total: u64,
}

impl Listener<'_> {
    fn result(&self, event: PaperEvent) {
        self.worker.outbox.result(Event::Paper { job: self.ticket.job, event });
    }
}

impl Watcher for Listener<'_> {
    fn hear(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Planned { runs, known } => self.result(PaperEvent::Planned { runs, known }),
            Heard::Run { number, of, title, .. } => self.result(PaperEvent::Run { number, of, title: title.into() }),
            Heard::Train(TrainEvent::Started { step, total_steps, .. }) => {
                self.total = total_steps;
                self.ticket.progress(step, total_steps, "steps");
            }
            Heard::Train(TrainEvent::Step(record)) => {
                self.ticket.progress(record.step, self.total, "steps");
            }
            Heard::Judging { done, total } => {
                self.ticket.progress(done, total, "images");
            }
            Heard::Reported { report, page } => {
                self.result(PaperEvent::Report { report: Arc::new(report.clone()), page: page.to_path_buf() });
            }
            Heard::Left(seconds) => {
                let event = Event::Paper { job: self.ticket.job, event: PaperEvent::Left(seconds) };
                self.worker.outbox.telemetry(event);
            }
            Heard::Train(_) | Heard::Found(_) | Heard::Note(_) => {}
        }
    }

    fn breathe(&mut self) -> Flow {
        self.worker.serve_waiting(self.ticket);
        self.ticket.flow()
    }
}
