//! The engine's thread: it takes commands in order and tells what became of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use candle_core::Device;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::case::{Cases, Restore};
use super::command::{Command, DiskCommand, GalleryCommand, JobId, MapCommand};
use super::desk::{Desk, Model};
use super::event::{Event, JobEnd, JobKind};
use super::job::{Jobs, Ticket};
use super::outbox::{Outbox, Wake};
use super::panic::{Failure, guarded};
use super::paper;
use super::room::{Room, RoomCommand};
use super::thumbnails::{Album, Thumbnails};
use super::training::{EngineObserver, Train, Wishes, train};
use crate::device::{DeviceChoice, describe};
use crate::error::{Error, Result};
use crate::eval::paper::Order;
use crate::gallery::{embed::BATCH, photos, store};
use crate::train::config::RunConfig;
use crate::train::event::Flow;
use crate::train::trainer::Outcome;

#[path = "mapping.rs"]
mod mapping;

/// Commands that may wait.
const CAPACITY: usize = 1024;
/// A long chain of tensor operations is dropped recursively: a deep graph needs a deep stack.
const STACK: usize = 64 << 20;
/// Commands answered between two training steps, so that a flood of them cannot hold up the run.
const COMMANDS_A_BREATH: usize = 64;

/// The handle that the window holds. Dropping it stops the work at a safe point and joins the thread.
pub struct Engine {
    commands: Sender<Command>,
    events: Receiver<Event>,
    outbox: Outbox,
    jobs: Jobs,
    thumbnails: Option<Thumbnails>,
    cases: Cases,
    room: Option<Room>,
    wishes: Wishes,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens the device on the engine's own thread and starts serving; `wake` is called after each event, from the
    /// engine's threads. Fails where the device cannot be opened.
    pub fn start(device: DeviceChoice, wake: Wake) -> Result<Self> {
        Self::start_with(device, wake, train)
    }

    pub(super) fn start_with(device: DeviceChoice, wake: Wake, train: Train) -> Result<Self> {
        let (commands, inbox) = bounded(CAPACITY);
        let (outbox, events) = Outbox::new(wake);
        let jobs = Jobs::default();
        let album = Album::default();
        let thumbnails = Thumbnails::start(outbox.clone(), album.clone())?;
        let (opened, open) = bounded::<Result<()>>(1);
        let cases = Cases::start(outbox.clone(), commands.clone())?;
        let room = Some(Room::start(outbox.clone(), jobs.clone())?);
        let wishes = Wishes::default();
        let (theirs, their_jobs, their_wishes) = (outbox.tapped(cases.tap()), jobs.clone(), wishes.clone());
        let body = move || {
            let device = match device.open() {
                Ok(device) => device,
                Err(error) => {
                    let _ = opened.send(Err(error)); // the caller waits for it below
                    return;
                }
            };
            let _ = opened.send(Ok(()));
            Worker { album, ..Worker::new(device, inbox, theirs, their_jobs, their_wishes, train) }.run();
        };
        let thread = std::thread::Builder::new().name("engine".into()).stack_size(STACK).spawn(body).map_err(|e| {
            Error::input(format!("The engine's thread could not start ({e})"), "Close other programs and start again")
        })?;
        let thumbnails = Some(thumbnails);
        let thread = Some(thread);
        let engine = Self { commands, events, outbox, jobs, thumbnails, cases, room, wishes, thread };
        match open.recv() {
            Ok(answer) => answer.map(|()| engine),
            Err(_) => Err(Error::input("The device could not be opened", "Try `--device cpu`")),
        }
    }

    /// Passes a command on; never waits. A cancel takes effect at once, in the middle of the job.
    pub fn send(&self, command: Command) {
        match command {
            Command::Cancel { job } => self.jobs.cancel(job),
            Command::Case(command) => self.cases.ask(command),
            Command::Gallery(GalleryCommand::Disk(DiskCommand::Hold { job, hold })) => self.jobs.hold(job, hold),
            Command::Thumbnail { path, max_side } => {
                if let Some(thumbnails) = &self.thumbnails {
                    thumbnails.ask(path, max_side);
                }
            }
            Command::Frame { path } => {
                if let Some(thumbnails) = &self.thumbnails {
                    thumbnails.ask_frame(path);
                }
            }
            Command::FarThumbnail { path, rate } => {
                if let Some(thumbnails) = &self.thumbnails {
                    thumbnails.ask_far(path, rate);
                }
            }
            Command::Shutdown => self.shut_down(),
            Command::Room(RoomCommand::Hold(hold)) => self.wishes.hold(hold),
            Command::Room(RoomCommand::LastEpoch(last)) => self.wishes.last_epoch(last),
            Command::Room(request) if !matches!(request, RoomCommand::Estimate(_)) => {
                if let Some(room) = &self.room {
                    room.ask(request);
                }
            }
            command => {
                let message = match self.commands.try_send(command) {
                    Ok(()) => return,
                    Err(TrySendError::Full(command)) => (command, "The engine is busy. Try again in a moment."),
                    Err(TrySendError::Disconnected(command)) => (command, "The engine has ended. Start Rain again."),
                };
                let (command, message) = message;
                self.outbox.offer(Event::Failed { what: what(&command).into(), message: message.into() });
            }
        }
    }

    /// What happened, in order.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    fn shut_down(&self) {
        self.outbox.close();
        self.jobs.cancel_all();
        let _ = self.commands.try_send(Command::Shutdown); // a full inbox wakes the thread as well
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut_down();
        self.thumbnails = None;
        self.room = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its work is guarded: it has nothing to tell
        }
    }
}

/// The state of the engine's thread.
pub(super) struct Worker {
    pub device: Device,
    inbox: Receiver<Command>,
    pub outbox: Outbox,
    pub(super) jobs: Jobs,
    train: Train,
    pub(super) desk: Desk,
    pub(super) last_job: u64,
    pub training: bool,
    wishes: Wishes,
    mapping: mapping::Mapping,
    pub(super) album: Album,
}

impl Worker {
    fn new(device: Device, inbox: Receiver<Command>, outbox: Outbox, jobs: Jobs, wishes: Wishes, train: Train) -> Self {
        Self {
            device,
            inbox,
            outbox,
            jobs,
            train,
            desk: Desk::default(),
            last_job: 0,
            training: false,
            wishes,
            mapping: mapping::Mapping::default(),
            album: Album::default(),
        }
    }

    fn run(mut self) {
        self.outbox.result(Event::Ready { device: describe(&self.device) });
        while !self.outbox.closing() {
            match self.inbox.recv() {
                Ok(command) => self.serve(command),
                Err(_) => break,
            }
        }
    }

    /// Answers what waits, between two pieces of a job's work.
    pub fn serve_waiting(&mut self, ticket: &Ticket) {
        for _ in 0..COMMANDS_A_BREATH {
            if ticket.flow() == Flow::Stop {
                return;
            }
            match self.inbox.try_recv() {
                Ok(command) => self.serve(command),
                Err(_) => return,
            }
        }
    }

    fn serve(&mut self, command: Command) {
        let what = what(&command);
        let message = match guarded(|| self.handle(command)) {
            Ok(()) => return,
            Err(Failure::Cancelled) => Error::Cancelled.to_string(),
            Err(Failure::Told(message)) => message,
        };
        self.outbox.result(Event::Failed { what: what.into(), message });
    }

    fn handle(&mut self, command: Command) -> Result<()> {
        match command {
            Command::OpenModel { path } => self.open_model(&path),
            Command::OpenGallery { path } => self.open_gallery(&path),
            Command::AddQueries { paths } => self.add_queries(&paths),
            Command::RemoveQuery { query } => {
                self.desk.queries.remove(&query);
                self.outbox.result(Event::QueryRemoved(query));
                Ok(())
            }
            Command::AddStills { stills } => self.add_stills(stills),
            Command::AddCrops { path, boxes } => self.add_crops(&path, &boxes),
            Command::Search { query, top, measure, refine } => {
                self.outbox.result(Event::Searched(self.desk.search_refined(query, top, measure, &refine)?));
                Ok(())
            }
            Command::SearchAll { queries, top, measure } => self.search_all(&queries, top, measure),
            Command::Explain { query, entry } => self.explain(query, entry),
            Command::Assess { query, measure } => {
                self.outbox.result(Event::Assessed(Box::new(self.desk.certainty(query, measure)?)));
                Ok(())
            }
            Command::Sweep { query, measure } => {
                self.outbox.result(Event::Swept(Box::new(self.desk.sweep(query, measure, &self.device)?)));
                Ok(())
            }
            Command::Reconstruct { query } => {
                let image = self.desk.model()?.reconstruct(&self.desk.query(query)?.info.image, &self.device)?;
                self.outbox.result(Event::Reconstructed { query, image: Arc::new(image) });
                Ok(())
            }
            Command::Train { config, run, resume } => self.train(*config, &run, resume),
            Command::Restore(restore) => self.restore(*restore),
            Command::Paper { order } => self.paper(&order),
            Command::Room(RoomCommand::Estimate(config)) => self.estimate(&config),
            Command::Map(command) => self.map(command),
            Command::Gallery(command) => self.gallery(command),
            // These never come this far: `Engine::send` sees to them.
            Command::Case(_)
            | Command::Thumbnail { .. }
            | Command::Frame { .. }
            | Command::FarThumbnail { .. }
            | Command::Room(_)
            | Command::Cancel { .. }
            | Command::Shutdown => Ok(()),
        }
    }

    fn open_model(&mut self, path: &Path) -> Result<()> {
        let model = Model::open(path, &self.device)?;
        let info = model.info.clone();
        let tell = move |worker: &mut Self| worker.outbox.result(Event::ModelOpened(info));
        if self.desk.gallery.is_none() && self.desk.queries.is_empty() {
            self.desk.model = Some(model);
            tell(self);
            return Ok(());
        }
        let before = self.desk.gallery.as_ref().map(|gallery| gallery.info.path.clone());
        self.job(JobKind::Gallery, format!("Embed again with {}", name(path)), |worker, ticket| {
            worker
                .desk
                .replace_model(model, &worker.device, &mut |done, total| ticket.progress(done, total, "images"))?;
            tell(worker);
            worker.tell_gallery(before)
        });
        Ok(())
    }

    fn open_gallery(&mut self, path: &Path) -> Result<()> {
        self.desk.model()?;
        let verb = if store::is_gallery(path) { "Open" } else { "Embed" };
        self.job(JobKind::Gallery, format!("{verb} gallery {}", name(path)), |worker, ticket| {
            let mut step = |done, total| ticket.progress(done, total, "images");
            let gallery = worker.desk.model()?.gallery(path, &worker.device, &mut step)?;
            worker.desk.gallery = Some(gallery);
            worker.tell_gallery(None)
        });
        Ok(())
    }

    fn add_queries(&mut self, paths: &[PathBuf]) -> Result<()> {
        self.desk.model()?;
        let what = match paths {
            [one] => name(one),
            many => format!("{} files and folders", many.len()),
        };
        self.job(JobKind::Queries, format!("Add queries: {what}"), |worker, ticket| {
            let listing = photos::crops(paths);
            let mut broken = listing.broken;
            let total = listing.photos.len() as u64;
            let mut outcome = Ok(());
            for (number, batch) in listing.photos.chunks(BATCH).enumerate() {
                if ticket.progress((number * BATCH) as u64, total, "images") == Flow::Stop {
                    outcome = Err(Error::Cancelled);
                    break;
                }
                for info in worker.desk.add_crops(batch, &worker.device, &mut broken)? {
                    worker.outbox.result(Event::QueryAdded(info));
                }
            }
            if !broken.is_empty() {
                worker.outbox.result(Event::QueriesSkipped(broken));
            }
            outcome
        });
        Ok(())
    }

    /// Puts a case on the desk: its queries first, which are there in a moment, then its gallery.
    fn restore(&mut self, restore: Restore) -> Result<()> {
        if restore.drop_gallery {
            self.desk.gallery = None;
        }
        let model = restore.model.as_deref().map_or(Ok(()), |path| self.open_model(path));
        if !restore.queries.is_empty() {
            let total = restore.queries.len() as u64;
            self.job(JobKind::Queries, restore.title, |worker, ticket| {
                for (number, batch) in restore.queries.chunks(BATCH).enumerate() {
                    if ticket.progress((number * BATCH) as u64, total, "images") == Flow::Stop {
                        return Err(Error::Cancelled);
                    }
                    for info in worker.desk.restore(batch, &worker.device)? {
                        worker.outbox.result(Event::QueryAdded(info));
                    }
                }
                Ok(())
            });
        }
        let gallery = restore.gallery.filter(|_| self.desk.model.is_some());
        model.and(gallery.as_deref().map_or(Ok(()), |path| self.open_gallery(path)))
    }

    fn train(&mut self, config: RunConfig, run: &Path, resume: bool) -> Result<()> {
        if self.training {
            return Err(Error::input("A run is training already", "Stop it first, or wait for its end"));
        }
        self.training = true;
        let (train, device, wishes) = (self.train, self.device.clone(), self.wishes.clone());
        wishes.clear();
        self.job(JobKind::Train, format!("Train {}", name(run)), |worker, ticket| {
            let mut observer = EngineObserver::new(worker, ticket, wishes);
            match train(config, run, resume, &device, &mut observer)? {
                Outcome::Finished { .. } => Ok(()),
                Outcome::Stopped { .. } => Err(Error::Cancelled),
            }
        });
        self.training = false;
        Ok(())
    }

    fn paper(&mut self, order: &Order) -> Result<()> {
        if self.training {
            return Err(Error::input("A run is training already", "Stop it first, or wait for its end"));
        }
        self.training = true;
        let title = format!("{} of the paper", order.which.name());
        self.job(JobKind::Paper, title, |worker, ticket| paper::sit(worker, ticket, order));
        self.training = false;
        Ok(())
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Runs long work as a job: its start, its end and its failure are told, a panic included.
    pub fn job(&mut self, kind: JobKind, title: String, work: impl FnOnce(&mut Self, &mut Ticket) -> Result<()>) {
        self.last_job += 1;
        let job = JobId(self.last_job);
        let mut ticket = self.jobs.open(job, &self.outbox);
        self.outbox.result(Event::JobStarted { job, kind, title });
        let end = match guarded(|| work(self, &mut ticket)) {
            Ok(()) => JobEnd::Done,
            Err(Failure::Cancelled) => JobEnd::Cancelled,
            Err(Failure::Told(message)) => JobEnd::Failed(message),
        };
        self.jobs.close(job);
        self.outbox.result(Event::JobEnded { job, end });
    }
}

/// A command in the user's words.
fn what(command: &Command) -> &'static str {
    match command {
        Command::OpenModel { .. } => "Open model",
        Command::OpenGallery { .. } => "Open gallery",
        Command::AddQueries { .. } => "Add queries",
        Command::AddStills { .. } | Command::AddCrops { .. } => "Add queries",
        Command::Frame { .. } => "Open frame",
        Command::RemoveQuery { .. } => "Remove query",
        Command::Search { .. } => "Search",
        Command::SearchAll { .. } => "Search all queries",
        Command::Explain { .. } => "Show the regions",
        Command::Assess { .. } => "Say how sure a ranking is",
        Command::Sweep { .. } => "Rank the query with less detail",
        Command::Reconstruct { .. } => "Reconstruct",
        Command::Thumbnail { .. } => "Show image",
        Command::Train { .. } => "Train",
        Command::Paper { .. } => "Run an experiment of the paper",
        Command::Room(request) => request.what(),
        Command::FarThumbnail { .. } => "Show image",
        Command::Map(MapCommand::Project { .. }) => "Make map",
        Command::Map(MapCommand::Open { .. }) => "Open map",
        Command::Map(MapCommand::Save { .. }) => "Save map",
        Command::Gallery(command) => command.what(),
        Command::Cancel { .. } => "Stop",
        Command::Case(_) => "Case",
        Command::Restore(_) => "Open case",
        Command::Shutdown => "Close",
    }
}

/// The last part of a path, for titles.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
