//! What the window knows: the engine's [`Event`]s folded into plain data, and the user's [`Action`]s turned into
//! [`Command`]s. No egui here, so that all of it is tested without a window.

mod form;
pub mod history;
mod listing;
mod map;
mod paper;
mod queries;
mod refining;
mod room;
mod run;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use crate::engine::command::{Command, JobId, MapCommand, Measure, QueryId, Still};
use crate::engine::event::{
    Candidate, Event, GalleryEntry, GalleryInfo, JobEnd, JobKind, ModelInfo, Progress, QueryInfo, SearchResult, Source,
};
use crate::engine::refine::Refine;
use crate::engine::room::RoomCommand;
use crate::eval::paper::Order;
use crate::gallery::regions::Regions;
use crate::train::config::RunConfig;

pub use form::{Field, TrainForm};
pub use listing::{Group, Listing};
pub use map::{Making, MapState};
pub use paper::{Paper, PaperForm, PaperPath};
pub use refining::{Chip, Refinement};
pub use room::{Discarded, Overlay, Room};
pub use run::{Phase, Run};
pub use settings::{ALL, Settings, Sort, TOPS};

/// Candidates that are asked for of a query that is not looked at: the best one tells its mark, the next few let the eye
/// have something at once when it is.
const BACKGROUND_TOP: usize = 20;
/// Searches of queries that are not selected, under way at a time: enough to keep the engine busy, few enough that a
/// newly selected query is not kept waiting.
const BACKGROUND_SEARCHES: usize = 4;

/// What the user may want of the data. Things of the window alone (sheets, tabs, theme) are not here.
#[derive(Debug, Clone)]
pub enum Action {
    /// Use another model.
    OpenModel(PathBuf),
    /// Use another gallery.
    OpenGallery(PathBuf),
    /// Add crops: files, or folders of files.
    AddQueries(Vec<PathBuf>),
    /// Add crops that are in memory.
    AddStills(Vec<Still>),
    /// Look at a full frame, to cut people out of it.
    OpenFrame(PathBuf),
    /// Cut boxes (x, y, width, height in pixels) out of a frame as queries.
    AddCrops {
        /// The frame.
        path: PathBuf,
        /// The boxes.
        boxes: Vec<[u32; 4]>,
    },
    /// Rank the gallery against every query, as a job.
    SearchAll,
    /// Narrow or improve searches.
    Refine(Refinement),
    /// Show which regions make the pair alike that is being looked at.
    Explain,
    /// Look at a query.
    SelectQuery(QueryId),
    /// Look at another query.
    MoveQuery(Move),
    /// Look at a candidate, by its place in the ranking from 0.
    SelectCandidate(usize),
    /// Look at another candidate.
    MoveCandidate(Move),
    /// Remove a query.
    RemoveQuery(QueryId),
    /// Bring the query back that was removed last.
    UndoRemove,
    /// Change how many candidates are listed.
    SetTop(usize),
    /// Change how distances are measured.
    SetMeasure(Measure),
    /// Show or hide what is known about identities.
    SetGroundTruth(bool),
    /// Change the order of the cards.
    SetSort(Sort),
    /// Group the cards by identity, or do not.
    SetGrouped(bool),
    /// Change the width of the cards, in points.
    SetCard(f32),
    /// Run one of the paper's tables or figures again.
    Paper(Box<Order>),
    /// Start a run, or resume the one in the folder.
    Train {
        /// Its settings; ignored on resuming.
        config: Box<RunConfig>,
        /// Its folder.
        run: PathBuf,
        /// Whether to go on with what is there.
        resume: bool,
    },
    /// Something of the training room.
    Room(RoomCommand),
    /// Make, open or save a map.
    Map(MapCommand),
    /// Stop a job.
    Cancel(JobId),
    /// Close a notice.
    Dismiss(u64),
}

/// A step along a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// To the one before.
    Previous,
    /// To the one after.
    Next,
    /// To the first.
    First,
    /// To the last.
    Last,
    /// Some places back.
    Back(usize),
    /// Some places on.
    On(usize),
}

impl Move {
    /// The place reached from `at` in a list of `len` (at least 1).
    fn along(self, at: usize, len: usize) -> usize {
        match self {
            Move::Previous => at.saturating_sub(1),
            Move::Next => (at + 1).min(len - 1),
            Move::First => 0,
            Move::Last => len - 1,
            Move::Back(places) => at.saturating_sub(places),
            Move::On(places) => at.saturating_add(places).min(len - 1),
        }
    }
}

/// A query and what has been computed for it.
#[derive(Debug, Clone)]
pub struct Query {
    /// The crop.
    pub info: QueryInfo,
    /// Its ranking, by the measure in force.
    pub result: Option<SearchResult>,
    /// Gallery images that take part in its search.
    pub confirmed: Vec<usize>,
    /// How many candidates that ranking was asked for.
    asked: usize,
    /// Grows with every change of the ranking.
    edition: u64,
    /// The decoder's image of it. A reconstruction, not evidence.
    pub reconstruction: Option<Arc<RgbImage>>,
    /// Whether a reconstruction has been asked for.
    reconstructing: bool,
}

impl Query {
    fn new(info: QueryInfo) -> Self {
        let confirmed = Vec::new();
        Self { info, result: None, confirmed, asked: 0, edition: 0, reconstruction: None, reconstructing: false }
    }

    /// Its file name, and where in the file it was cut out.
    pub fn name(&self) -> String {
        let name = file_name(&self.info.path);
        match self.info.source {
            Source::Crop([x, y, ..]) => format!("{name} at {x}, {y}"),
            Source::File | Source::Memory => name,
        }
    }

    /// Keeps only so many candidates as are asked for of a query that is not looked at.
    fn shorten(&mut self) {
        if let Some(result) = &mut self.result
            && result.candidates.len() > 4 * BACKGROUND_TOP
        {
            result.candidates.truncate(BACKGROUND_TOP);
            result.candidates.shrink_to_fit();
            result.reranked.truncate(BACKGROUND_TOP);
            self.asked = BACKGROUND_TOP;
            self.edition += 1;
        }
    }

    /// Whether the first candidate is the same person, where that is known.
    pub fn rank1(&self) -> Option<bool> {
        self.result.as_ref()?.candidates.first()?.same
    }
}

/// A full frame that people are cut out of.
#[derive(Debug, Clone)]
pub struct OpenFrame {
    /// Its file.
    pub path: PathBuf,
    /// Its true size and its pixels for the screen; `None` while it is read, else why it cannot be.
    pub image: Option<std::result::Result<([u32; 2], Arc<RgbImage>), String>>,
}

/// What makes a pair of images alike.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The query.
    pub query: QueryId,
    /// The gallery image.
    pub entry: usize,
    /// The contributions of regions, once they are there.
    pub regions: Option<Arc<Regions>>,
}

/// A job, running or ended.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Its title.
    pub title: String,
    /// How far it is.
    pub progress: Option<Progress>,
    /// How it ended.
    pub end: Option<JobEnd>,
    /// Whether the user asked it to stop.
    pub stopping: bool,
}

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gravity {
    /// Something failed.
    Error,
    /// Something to know.
    Note,
}

/// A card at the top of the window, there until it is dismissed.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Its number.
    pub id: u64,
    /// How grave it is.
    pub gravity: Gravity,
    /// What was asked: "Open model".
    pub title: String,
    /// What happened, to which file, what to do now.
    pub message: String,
    /// More, one line each.
    pub details: Vec<String>,
}

/// What the window shows.
#[derive(Debug, Default)]
pub struct ViewState {
    /// The engine's device, once it is up.
    pub device: Option<String>,
    /// The open model.
    pub model: Option<ModelInfo>,
    /// The open gallery.
    pub gallery: Option<GalleryInfo>,
    /// The queries, in the order of their arrival.
    pub queries: Vec<Query>,
    /// The query being looked at.
    pub selected: Option<QueryId>,
    /// The candidate being looked at, by its place in the ranking from 0.
    pub candidate: usize,
    /// The candidates of that query in the order in which they are shown.
    pub listing: Listing,
    /// What narrows and improves every search.
    pub refine: Arc<Refine>,
    /// The frame that people are being cut out of.
    pub frame: Option<OpenFrame>,
    /// What makes the last pair alike that was asked about.
    pub explanation: Option<Explanation>,
    /// What the user chose and wants to find again.
    pub settings: Settings,
    /// Jobs, newest first.
    pub jobs: Vec<Job>,
    /// The training run, if any.
    pub run: Run,
    /// The sitting at one of the paper's experiments, if any.
    pub paper: Paper,
    /// What the training room knows beside it.
    pub room: Room,
    /// The map of embeddings, if any.
    pub map: MapState,
    /// Cards at the top, newest first.
    pub notices: Vec<Notice>,
    /// The last thing that was done and can be undone: "Removed 0002.png".
    pub undoable: Option<String>,
    removed: Vec<Removed>,
    restoring: Vec<Removed>,
    searching: Vec<QueryId>,
    next_notice: u64,
    pasted: usize,
}

/// A query that was removed, and where it stood.
#[derive(Debug, Clone)]
struct Removed {
    info: QueryInfo,
    at: usize,
}

impl ViewState {
    /// The query being looked at.
    pub fn query(&self) -> Option<&Query> {
        let id = self.selected?;
        self.queries.iter().find(|q| q.info.id == id)
    }

    /// The candidates to show for the query being looked at.
    pub fn candidates(&self) -> &[Candidate] {
        let all = self.query().and_then(|q| q.result.as_ref()).map_or(&[][..], |r| &r.candidates);
        &all[..all.len().min(self.settings.top)]
    }

    /// The candidate being looked at, with its gallery entry.
    pub fn chosen(&self) -> Option<(Candidate, &GalleryEntry)> {
        let candidate = *self.candidates().get(self.candidate)?;
        Some((candidate, self.entry(&candidate)?))
    }

    /// The gallery image of a candidate.
    pub fn entry(&self, candidate: &Candidate) -> Option<&GalleryEntry> {
        self.gallery.as_ref()?.entries.get(candidate.entry)
    }

    /// Whether a ranking of the query being looked at is on its way.
    pub fn ranking(&self) -> bool {
        self.selected.is_some_and(|id| self.searching.contains(&id))
    }

    /// The regions that make the pair alike that is being looked at, once they are known.
    pub fn regions(&self) -> Option<&Arc<Regions>> {
        let explained = self.explanation.as_ref()?;
        let pair = (self.selected?, self.candidates().get(self.candidate)?.entry);
        explained.regions.as_ref().filter(|_| (explained.query, explained.entry) == pair)
    }

    /// Whether a job of that kind runs.
    pub fn running(&self, kind: JobKind) -> bool {
        self.jobs.iter().any(|j| j.kind == kind && j.end.is_none())
    }

    /// Takes one event in; `send` takes what is to be asked of the engine because of it.
    pub fn apply(&mut self, event: Event, send: &mut Vec<Command>) {
        self.take(event, send);
        self.relist();
    }

    fn take(&mut self, event: Event, send: &mut Vec<Command>) {
        match event {
            Event::Ready { device } => self.device = Some(device),
            Event::ModelOpened(model) => self.model_opened(model, send),
            Event::GalleryOpened(gallery) => self.gallery_opened(gallery, send),
            Event::QueryAdded(query) => self.query_added(query, send),
            Event::QueryRemoved(id) => self.query_removed(id, send),
            Event::QueriesSkipped(broken) => self.skipped("Open queries", "could not be used as a query", &broken),
            Event::Searched(result) => self.searched(result, send),
            Event::Reconstructed { query, image } => {
                if let Some(q) = self.queries.iter_mut().find(|q| q.info.id == query) {
                    q.reconstruction = Some(image);
                }
            }
            Event::Frame { path, image } => {
                if let Some(frame) = self.frame.as_mut().filter(|frame| frame.path == path) {
                    frame.image = Some(image);
                }
            }
            Event::Explained { query, entry, regions } => {
                self.explanation = Some(Explanation { query, entry, regions: Some(regions) });
            }
            // Pictures for the screen go to the texture cache, not here.
            Event::Thumbnail { .. } | Event::FarThumbnail { .. } => {}
            Event::Map(event) => self.map_event(event),
            Event::JobStarted { job, kind, title } => {
                if kind == JobKind::Train {
                    self.run.started(job);
                }
                if kind == JobKind::Paper {
                    self.paper.started(job);
                }
                if kind == JobKind::Map {
                    self.map.started(job);
                }
                let new = Job { id: job, kind, title, progress: None, end: None, stopping: false };
                self.jobs.insert(0, new);
            }
            Event::JobProgress { job, progress } => {
                if let Some(j) = self.job_mut(job) {
                    j.progress = Some(progress);
                }
            }
            Event::JobEnded { job, end } => {
                self.paper.ended(job);
                self.job_ended(job, end);
            }
            Event::Paper { event, .. } => self.paper.apply(event),
            Event::Training { job, event } => {
                if self.run.job == Some(job) {
                    self.run.apply(event);
                }
            }
            Event::Room(event) => self.room_told(event, send),
            Event::Failed { what, message } => {
                self.run.refused();
                self.map.refused();
                // It may have been a search or a reconstruction: let the next look at the query ask again, but do not
                // ask by ourselves, or one fault would become a storm of cards.
                self.searching.clear();
                for q in &mut self.queries {
                    q.reconstructing = q.reconstruction.is_some();
                }
                self.notify(Gravity::Error, what, message, Vec::new());
            }
        }
    }

    /// Does what the user asked; `send` takes what is to be asked of the engine.
    pub fn act(&mut self, action: Action, send: &mut Vec<Command>) {
        self.carry_out(action, send);
        self.relist();
    }

    fn carry_out(&mut self, action: Action, send: &mut Vec<Command>) {
        match action {
            Action::OpenModel(path) => send.push(Command::OpenModel { path }),
            Action::OpenGallery(path) => send.push(Command::OpenGallery { path }),
            Action::AddQueries(paths) => {
                if !paths.is_empty() {
                    send.push(Command::AddQueries { paths });
                }
            }
            Action::AddStills(stills) => send.push(Command::AddStills { stills }),
            Action::OpenFrame(path) => {
                self.frame = Some(OpenFrame { path: path.clone(), image: None });
                send.push(Command::Frame { path });
            }
            Action::AddCrops { path, boxes } => send.push(Command::AddCrops { path, boxes }),
            Action::SearchAll => self.search_all(send),
            Action::Refine(change) => self.refine(change, send),
            Action::Explain => self.explain(send),
            Action::SelectQuery(id) => self.select(id, send),
            Action::MoveQuery(step) => self.move_query(step, send),
            Action::SelectCandidate(i) => {
                self.candidate = i.min(self.candidates().len().saturating_sub(1));
            }
            Action::MoveCandidate(step) => self.move_candidate(step),
            Action::RemoveQuery(query) => self.remove(query, send),
            Action::UndoRemove => self.undo_remove(send),
            Action::SetTop(top) => {
                self.settings.top = top.max(1);
                self.refresh(send);
            }
            Action::SetSort(sort) => self.settings.sort = sort,
            Action::SetGrouped(grouped) => self.settings.grouped = grouped,
            Action::SetMeasure(measure) => {
                if self.settings.measure != measure {
                    self.settings.measure = measure;
                    self.forget_rankings();
                    self.candidate = 0;
                    self.refresh(send);
                }
            }
            Action::SetGroundTruth(show) => self.settings.ground_truth = show,
            Action::SetCard(width) => self.settings.card = width,
            Action::Train { config, run, resume } => {
                self.run.asked(run.clone());
                send.push(Command::Train { config, run, resume });
            }
            Action::Paper(order) => send.push(Command::Paper { order }),
            Action::Room(request) => self.room_asks(request, send),
            Action::Map(command) => {
                self.map.asked(&command);
                send.push(Command::Map(command));
            }
            Action::Cancel(job) => {
                if let Some(j) = self.job_mut(job) {
                    j.stopping = true;
                }
                if self.run.job == Some(job) {
                    self.run.stopping();
                }
                send.push(Command::Cancel { job });
            }
            Action::Dismiss(id) => self.notices.retain(|n| n.id != id),
        }
    }

    /// Adds a card at the top.
    pub fn notify(
        &mut self,
        gravity: Gravity,
        title: impl Into<String>,
        message: impl Into<String>,
        details: Vec<String>,
    ) {
        let (title, message) = (title.into(), message.into());
        // The same trouble twice is one card.
        self.notices.retain(|n| n.message != message || n.title != title);
        self.next_notice += 1;
        self.notices.insert(0, Notice { id: self.next_notice, gravity, title, message, details });
        self.notices.truncate(20);
    }

    /// Asks which regions make the pair alike that is being looked at, once for each pair.
    fn explain(&mut self, send: &mut Vec<Command>) {
        let Some((query, entry)) = self.selected.zip(self.candidates().get(self.candidate).map(|c| c.entry)) else {
            return;
        };
        if self.explanation.as_ref().is_none_or(|e| (e.query, e.entry) != (query, entry)) {
            self.explanation = Some(Explanation { query, entry, regions: None });
            send.push(Command::Explain { query, entry });
        }
    }

    fn job_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|j| j.id == id)
    }

    fn job_ended(&mut self, id: JobId, end: JobEnd) {
        let Some(job) = self.job_mut(id) else { return };
        job.end = Some(end.clone());
        let title = job.title.clone();
        self.run.ended(id, &end);
        self.map.ended(id);
        if let JobEnd::Failed(message) = end {
            self.notify(Gravity::Error, title, message, Vec::new());
        }
    }
}

/// The last part of a path, for a label.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
