//! Making maps inside the engine. Images are embedded on the engine's thread, which answers what waits between two batches; the
//! layout is made on a thread of its own.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Event, Failure, JobEnd, JobId, JobKind, Ticket, Worker, guarded};
use crate::engine::command::Measure;
use crate::engine::map::{MapCommand, MapEvent, Source};
use crate::engine::outbox::Outbox;
use crate::error::{Error, Result};
use crate::figure::scatter::save;
use crate::flow::Flow;
use crate::projection::map::{Map, Subject};
use crate::projection::people::{People, name, trained_rates};
use crate::projection::{Progress, Settings};

/// Progress is told at most this often.
const PACE: Duration = Duration::from_millis(100);
/// Layouts on their way to the window, at most: it may be minimised, and they are large.
const ON_THE_WAY: usize = 3;

/// The threads that lay out and save. Dropping it waits for them; they stop when the outbox is closing.
#[derive(Default)]
pub(super) struct Mapping {
    threads: Vec<JoinHandle<()>>,
    embedding: bool,
    projection: Option<Weak<()>>,
}

impl Mapping {
    fn busy(&self) -> bool {
        self.embedding || self.projection.as_ref().is_some_and(|alive| alive.strong_count() > 0)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        self.threads.retain(|thread| !thread.is_finished());
        let thread = std::thread::Builder::new().name(name.into()).spawn(work).map_err(|e| {
            Error::input(format!("A thread for the map could not start ({e})"), "Close other programs and try again")
        })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // its work is guarded: it has nothing to tell
        }
    }
}

impl Worker {
    /// Does what was asked.
    pub(super) fn map(&mut self, command: MapCommand) -> Result<()> {
        match command {
            MapCommand::Project { source, measure, settings } => self.project(source, measure, settings),
            MapCommand::Open { path } => {
                let map = Arc::new(Map::read(&path)?);
                self.outbox.result(Event::Map(MapEvent::Opened { path, map }));
                Ok(())
            }
            MapCommand::Save { map, path, look, selected } => {
                let outbox = self.outbox.clone();
                self.mapping.spawn("save map", move || {
                    let told = match guarded(|| save(&map, &path, &look, &selected)) {
                        Ok(()) => Event::Map(MapEvent::Saved { path }),
                        Err(failure) => Event::Failed { what: "Save map".into(), message: text(failure) },
                    };
                    outbox.result(told);
                })
            }
        }
    }

    fn project(&mut self, source: Source, measure: Measure, settings: Settings) -> Result<()> {
        settings.check()?;
        if self.mapping.busy() {
            return Err(Error::input("A map is being made already", "Cancel it first, or wait for its end"));
        }
        match source {
            Source::Desk => {
                let subject = self.desk.subject()?;
                let ticket = self.open_map_job(format!("Map of {}", subject.title));
                self.lay_out(ticket, move || Ok(subject), measure, settings)
            }
            Source::Features(path) => {
                let ticket = self.open_map_job(format!("Map of {}", name(&path)));
                self.lay_out(ticket, move || Subject::of_features(&path), measure, settings)
            }
            Source::People(people) => {
                self.desk.model()?;
                let mut ticket = self.open_map_job(format!("Map of {}", name(&people.folder)));
                self.mapping.embedding = true;
                let subject = guarded(|| self.embed_people(&people, &mut ticket));
                self.mapping.embedding = false;
                match subject {
                    Ok(subject) => self.lay_out(ticket, move || Ok(subject), measure, settings),
                    Err(failure) => {
                        self.jobs.close(ticket.job);
                        self.outbox.result(Event::JobEnded { job: ticket.job, end: end(Err(failure)) });
                        Ok(())
                    }
                }
            }
        }
    }

    fn open_map_job(&mut self, title: String) -> Ticket {
        self.last_job += 1;
        let job = JobId(self.last_job);
        let ticket = self.jobs.open(job, &self.outbox);
        self.outbox.result(Event::JobStarted { job, kind: JobKind::Map, title });
        ticket
    }

    /// Embeds the people batch by batch; between two, the engine answers what waits.
    fn embed_people(&mut self, people: &People, ticket: &mut Ticket) -> Result<Subject> {
        let (photos, notes) = people.choose()?;
        let info = self.desk.model()?.info.clone();
        let total = (photos.len() * people.rates.len()) as u64;
        let mut done = 0;
        let (mut subject, broken) = people.embed(&photos, notes, &mut |paths, rate| {
            let model = self.desk.model()?;
            if model.info.hash != info.hash {
                return Err(Error::input("Another model was opened while the map was made", "Make the map again"));
            }
            let step = &mut |within, _| ticket.progress(done + within, total, "images");
            let embedded = model.embed_files(paths, rate, &self.device, step)?;
            done += paths.len() as u64;
            self.serve_waiting(ticket);
            Ok(embedded)
        })?;
        if !broken.is_empty() {
            subject.notes.push(format!("{} images could not be read and are left out", broken.len()));
        }
        subject.model = info.hash;
        subject.trained = trained_rates(&crate::model::weights::read_model(&info.path)?.card);
        Ok(subject)
    }

    /// Lays out what `prepare` answers, on a thread of its own.
    fn lay_out(
        &mut self,
        ticket: Ticket,
        prepare: impl FnOnce() -> Result<Subject> + Send + 'static,
        measure: Measure,
        settings: Settings,
    ) -> Result<()> {
        let (outbox, jobs, job) = (self.outbox.clone(), self.jobs.clone(), ticket.job);
        let alive = Arc::new(());
        self.mapping.projection = Some(Arc::downgrade(&alive));
        let started = self.mapping.spawn("map", move || {
            let result = guarded(|| {
                let subject = prepare()?;
                let (title, spots) = (subject.title.clone(), subject.spots.clone());
                outbox.result(Event::Map(MapEvent::Started { job, title, spots }));
                let mut teller = Teller { ticket, outbox: &outbox, told: None, on_the_way: Vec::new() };
                let map = Arc::new(Map::make(subject, measure, &settings, &mut |progress| teller.tell(progress))?);
                outbox.result(Event::Map(MapEvent::Finished { job, map }));
                Ok(())
            });
            jobs.close(job);
            drop(alive);
            outbox.result(Event::JobEnded { job, end: end(result) });
        });
        if let Err(error) = started {
            self.jobs.close(job);
            self.outbox.result(Event::JobEnded { job, end: JobEnd::Failed(error.to_string()) });
        }
        Ok(())
    }
}

/// Passes the progress of a projection on, at a pace that a window can follow.
struct Teller<'a> {
    ticket: Ticket,
    outbox: &'a Outbox,
    told: Option<Instant>,
    on_the_way: Vec<Weak<Vec<[f32; 2]>>>,
}

impl Teller<'_> {
    fn tell(&mut self, progress: &Progress<'_>) -> Flow {
        let due = self.told.is_none_or(|told| told.elapsed() >= PACE);
        if due {
            self.told = Some(Instant::now());
            self.on_the_way.retain(|points| points.strong_count() > 0);
            let room = self.on_the_way.len() < ON_THE_WAY;
            let points = progress.points.filter(|_| room).map(|points| Arc::new(points.to_vec()));
            self.on_the_way.extend(points.as_ref().map(Arc::downgrade));
            self.outbox.telemetry(Event::Map(MapEvent::Moved {
                job: self.ticket.job,
                stage: progress.stage,
                iteration: progress.iteration,
                iterations: progress.iterations,
                fraction: progress.fraction,
                seconds_left: progress.left.map(|left| left.as_secs_f64()),
                divergence: progress.divergence,
                points,
            }));
            self.ticket.progress(u64::from(progress.iteration), u64::from(progress.iterations), "iterations");
        }
        self.ticket.flow()
    }
}

fn end(result: Result<(), Failure>) -> JobEnd {
    match result {
        Ok(()) => JobEnd::Done,
        Err(Failure::Cancelled) => JobEnd::Cancelled,
        Err(Failure::Told(message)) => JobEnd::Failed(message),
    }
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Told(text) => text,
        Failure::Cancelled => Error::Cancelled.to_string(),
    }
}
