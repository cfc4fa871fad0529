//! What the training room asks for beside training: looking at data, weights and runs, archives, exports, estimates.
//!
//! All of it but the estimate needs only the disk and the processor, so it has a thread of its own: it neither waits for a
//! training step nor holds one up.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::command::JobId;
use super::event::{Event, JobEnd, JobKind};
use super::job::{Jobs, Ticket};
use super::outbox::Outbox;
use super::panic::{Failure, guarded};
use crate::data::dataset::{Format as Layout, UNKNOWN};
use crate::data::formats;
use crate::error::{Error, Result};
use crate::model::export::{Exported, Format, export};
use crate::model::{ModelConfig, Rain};
use crate::train::config::RunConfig;
use crate::train::estimate::Estimate;
use crate::train::event::{StepRecord, ValidationRecord};
use crate::train::page::{self, Page};
use crate::train::runs::{self, Note, Run};
use crate::train::{archive, history, samples};

/// What the training room may ask for.
#[derive(Debug, Clone)]
pub enum RoomCommand {
    /// Hold the run under way between two steps, or let it go on.
    Hold(bool),
    /// Stop the run under way at the end of its epoch, or not.
    LastEpoch(bool),
    /// Time a few steps of a run that is not yet started: a job.
    Estimate(Box<RunConfig>),
    /// See what a data folder holds.
    CheckData {
        /// The folder.
        root: PathBuf,
        /// Its layout; recognised where not given.
        format: Option<Layout>,
    },
    /// See whether initial weights fit a model.
    CheckWeights {
        /// The file.
        path: PathBuf,
        /// The model's shape.
        shape: Box<ModelConfig>,
    },
    /// List the runs in a folder.
    ListRuns(PathBuf),
    /// Read the curves of a run.
    ReadCurves(PathBuf),
    /// List the samples of a run.
    ListSamples(PathBuf),
    /// Read what a weight file is.
    ReadPage(PathBuf),
    /// Write a model for other programs: a job.
    Export {
        /// A model file.
        model: PathBuf,
        /// What to write.
        format: Format,
        /// Where to.
        out: PathBuf,
    },
    /// Write a run as one archive: a job.
    Pack {
        /// The run's folder.
        run: PathBuf,
        /// The archive.
        out: PathBuf,
    },
    /// Bring an archived run in: a job.
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// The folder of runs.
        runs: PathBuf,
    },
    /// Move a run to the trash.
    Discard(PathBuf),
    /// Bring a run back from it.
    Restore {
        /// Where it lies.
        trashed: PathBuf,
        /// Where it was.
        run: PathBuf,
    },
    /// Write a run's note.
    Note {
        /// The run's folder.
        run: PathBuf,
        /// The note.
        note: Note,
    },
}

/// What the training room is told.
#[derive(Debug, Clone)]
pub enum RoomEvent {
    /// What a data folder holds, in a sentence, or why it cannot be trained on.
    DataChecked {
        /// The folder.
        root: PathBuf,
        /// The layout that was asked for.
        format: Option<Layout>,
        /// What was found.
        found: Result<String, String>,
    },
    /// What of the initial weights fits, in a sentence, or why nothing does.
    WeightsChecked {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: Result<String, String>,
    },
    /// What a run will take.
    Estimated(Box<Estimate>),
    /// What the run under way takes of the machine, once a second.
    Load(Load),
    /// The runs in a folder.
    Runs {
        /// The folder.
        folder: PathBuf,
        /// Its runs, by name.
        runs: Arc<Vec<Run>>,
    },
    /// The curves of a run.
    Curves {
        /// Its folder.
        run: PathBuf,
        /// Its steps.
        steps: Arc<Vec<StepRecord>>,
        /// Its validations.
        validation: Arc<Vec<ValidationRecord>>,
    },
    /// The sample strips of a run by their steps.
    Samples {
        /// Its folder.
        run: PathBuf,
        /// The strips.
        steps: Arc<BTreeMap<u64, Vec<PathBuf>>>,
    },
    /// What a weight file is.
    Page(Box<Page>),
    /// A model was written for other programs.
    Exported(Box<Exported>),
    /// A run was written as one archive.
    Packed(PathBuf),
    /// A run was brought in.
    Unpacked(PathBuf),
    /// A run lies in the trash.
    Discarded {
        /// Where it was.
        run: PathBuf,
        /// Where it lies.
        trashed: PathBuf,
    },
    /// A run is back.
    Restored(PathBuf),
    /// A note was written.
    Noted(PathBuf),
}

/// What this program takes of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Processor cores kept busy over the last second.
    pub cores: Option<f64>,
    /// Cores of the machine.
    pub all_cores: usize,
    /// Memory held, in bytes.
    pub memory: Option<u64>,
    /// Memory of the machine, in bytes.
    pub all_memory: Option<u64>,
}

impl RoomCommand {
    /// In the user's words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Hold(true) => "Pause",
            Self::Hold(false) => "Go on",
            Self::LastEpoch(_) => "Stop after this epoch",
            Self::Estimate(_) => "Estimate",
            Self::CheckData { .. } => "Look at the data",
            Self::CheckWeights { .. } => "Look at the weights",
            Self::ListRuns(_) => "List runs",
            Self::ReadCurves(_) => "Read curves",
            Self::ListSamples(_) => "List samples",
            Self::ReadPage(_) => "Read model",
            Self::Export { .. } => "Export model",
            Self::Pack { .. } => "Export run",
            Self::Unpack { .. } => "Import run",
            Self::Discard(_) => "Delete run",
            Self::Restore { .. } => "Bring run back",
            Self::Note { .. } => "Write note",
        }
    }

    /// Whether a newer request of this kind makes it pointless: what is typed is looked at when the typing rests.
    fn overtaken_by(&self, newer: &Self) -> bool {
        matches!(
            (self, newer),
            (Self::CheckData { .. }, Self::CheckData { .. })
                | (Self::CheckWeights { .. }, Self::CheckWeights { .. })
                | (Self::ListRuns(_), Self::ListRuns(_))
        )
    }
}

/// The room's thread.
pub(super) struct Room {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    bell: Condvar,
    outbox: Outbox,
    jobs: Jobs,
    last_job: AtomicU64,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<RoomCommand>,
    closed: bool,
}

impl Room {
    pub fn start(outbox: Outbox, jobs: Jobs) -> Result<Self> {
        // Far from the numbers that the worker gives its jobs.
        let last_job = AtomicU64::new(1 << 40);
        let shared = Arc::new(Shared { queue: Mutex::default(), bell: Condvar::new(), outbox, jobs, last_job });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("room".into()).spawn(move || theirs.run()).map_err(|e| {
            Error::input(format!("A thread could not start ({e})"), "Close other programs and start again")
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes a request; never waits.
    pub fn ask(&self, request: RoomCommand) {
        let mut queue = self.shared.queue();
        queue.requests.retain(|waiting| !waiting.overtaken_by(&request));
        queue.requests.push_back(request);
        drop(queue);
        self.shared.bell.notify_one();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its work is guarded: it has nothing to tell
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole after any panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(request) = self.next() {
            let what = request.what();
            let message = match guarded(|| self.serve(request)) {
                Ok(()) => continue,
                Err(Failure::Cancelled) => Error::Cancelled.to_string(),
                Err(Failure::Told(message)) => message,
            };
            self.outbox.result(Event::Failed { what: what.into(), message });
        }
    }

    fn next(&self) -> Option<RoomCommand> {
        let mut queue = self.queue();
        loop {
            if queue.closed {
                return None;
            }
            match queue.requests.pop_front() {
                Some(request) => return Some(request),
                None => queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn tell(&self, event: RoomEvent) {
        self.outbox.result(Event::Room(event));
    }

    fn serve(&self, request: RoomCommand) -> Result<()> {
        match request {
            RoomCommand::CheckData { root, format } => {
                let found = caught(|| check_data(&root, format));
                self.tell(RoomEvent::DataChecked { root, format, found });
            }
            RoomCommand::CheckWeights { path, shape } => {
                let found = caught(|| check_weights(&path, *shape));
                self.tell(RoomEvent::WeightsChecked { path, found });
            }
            RoomCommand::ListRuns(folder) => {
                let runs = Arc::new(runs::list(&folder)?);
                self.tell(RoomEvent::Runs { folder, runs });
            }
            RoomCommand::ReadCurves(run) => {
                let steps = Arc::new(history::read(&run.join("history.jsonl"))?);
                let validation = Arc::new(history::read(&run.join("validation.jsonl"))?);
                self.tell(RoomEvent::Curves { run, steps, validation });
            }
            RoomCommand::ListSamples(run) => {
                let steps = Arc::new(samples::steps(&run.join("samples")));
                self.tell(RoomEvent::Samples { run, steps });
            }
            RoomCommand::ReadPage(path) => self.tell(RoomEvent::Page(Box::new(page::read(&path)?))),
            RoomCommand::Export { model, format, out } => {
                self.job(format!("Export {} as {format}", name(&model)), |_| {
                    self.tell(RoomEvent::Exported(Box::new(export(&model, format, &out)?)));
                    Ok(())
                });
            }
            RoomCommand::Pack { run, out } => self.job(format!("Export run {}", name(&run)), |ticket| {
                archive::pack(&run, &out, &mut |done, total| ticket.progress(done, total, "bytes"))?;
                self.tell(RoomEvent::Packed(out));
                Ok(())
            }),
            RoomCommand::Unpack { archive, runs } => self.job(format!("Import run {}", name(&archive)), |ticket| {
                let run = archive::unpack(&archive, &runs, &mut |done, total| ticket.progress(done, total, "bytes"))?;
                self.tell(RoomEvent::Unpacked(run));
                Ok(())
            }),
            RoomCommand::Discard(run) => {
                let trashed = runs::discard(&run)?;
                self.tell(RoomEvent::Discarded { run, trashed });
            }
            RoomCommand::Restore { trashed, run } => {
                runs::restore(&trashed, &run)?;
                self.tell(RoomEvent::Restored(run));
            }
            RoomCommand::Note { run, note } => {
                runs::write_note(&run, &note)?;
                self.tell(RoomEvent::Noted(run));
            }
            // The engine's own.
            RoomCommand::Hold(_) | RoomCommand::LastEpoch(_) | RoomCommand::Estimate(_) => {}
        }
        Ok(())
    }

    fn job(&self, title: String, work: impl FnOnce(&mut Ticket) -> Result<()>) {
        let job = JobId(self.last_job.fetch_add(1, SeqCst) + 1);
        let mut ticket = self.jobs.open(job, &self.outbox);
        self.outbox.result(Event::JobStarted { job, kind: JobKind::Room, title });
        let end = match guarded(|| work(&mut ticket)) {
            Ok(()) => JobEnd::Done,
            Err(Failure::Cancelled) => JobEnd::Cancelled,
            Err(Failure::Told(message)) => JobEnd::Failed(message),
        };
        self.jobs.close(job);
        self.outbox.result(Event::JobEnded { job, end });
    }
}

/// What `look` finds, or why it finds nothing; a panic in it is a reason too.
fn caught(look: impl FnOnce() -> Result<String>) -> Result<String, String> {
    guarded(look).map_err(|failure| match failure {
        Failure::Cancelled => Error::Cancelled.to_string(),
        Failure::Told(message) => message,
    })
}

/// "VIPeR's layout: 1,264 images of 632 people, 2 cameras".
fn check_data(root: &Path, format: Option<Layout>) -> Result<String> {
    let set = formats::read(root, format)?;
    let distinct = |values: Vec<i64>| {
        let mut values: Vec<i64> = values.into_iter().filter(|v| *v != UNKNOWN).collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    };
    let people = distinct(set.photos.iter().map(|photo| photo.identity).collect());
    let cameras = distinct(set.photos.iter().map(|photo| photo.camera).collect());
    let layout = clap::ValueEnum::to_possible_value(&set.format).map(|v| v.get_name().to_owned()).unwrap_or_default();
    let skipped = match set.broken.len() {
        0 => String::new(),
        n => format!(", {n} unusable files left out"),
    };
    Ok(format!("Layout {layout}: {} images of {people} people, {cameras} cameras{skipped}", set.photos.len()))
}

fn check_weights(path: &Path, shape: ModelConfig) -> Result<String> {
    let report = Rain::new(shape, 0, &candle_core::Device::Cpu)?.load_extractor(path)?;
    Ok(report.to_string())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
