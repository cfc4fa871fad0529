//! What the window knows: the engine's [`Event`]s folded into plain data, and the user's [`Action`]s turned into
//! [`Command`]s. No egui here, so that all of it is tested without a window.

mod case;
mod certainty;
mod form;
mod gallery;
pub mod history;
mod map;
mod paper;
mod room;
mod run;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;

use crate::data::dataset::Broken;
use crate::engine::command::{Command, GalleryCommand, JobId, MapCommand, Measure, QueryId};
use crate::engine::event::{
    Candidate, Event, GalleryEntry, GalleryInfo, JobEnd, JobKind, ModelInfo, Progress, QueryInfo, SearchResult,
};
use crate::eval::paper::Order;
use crate::train::config::RunConfig;

use crate::engine::room::RoomCommand;
pub use case::{CaseAction, CaseSettings, CaseView, OpenCase, with_ending};
pub use certainty::Sureness;
pub use form::{Field, TrainForm};
pub use paper::{Paper, PaperForm, PaperPath};

pub use gallery::{DiskForm, Found, GalleryPage, ServerForm};
pub use map::{Making, MapState};
pub use room::{Discarded, Overlay, Room};
pub use run::{Phase, Run};

/// The numbers of candidates that can be asked for.
pub const TOPS: [usize; 4] = [5, 10, 20, 50];
/// Searches of queries that are not selected, under way at a time: enough to keep the engine busy, few enough that a
/// newly selected query is not kept waiting.
const BACKGROUND_SEARCHES: usize = 4;

/// Seconds from which the end of a job is worth a word: the user may have looked elsewhere meanwhile.
const WORTH_SAYING: f64 = 2.0;

/// What the user may want of the data. Things of the window alone (sheets, tabs, theme) are not here.
#[derive(Debug, Clone)]
pub enum Action {
    /// Use another model.
    OpenModel(PathBuf),
    /// Use another gallery.
    OpenGallery(PathBuf),
    /// Add crops: files, or folders of files.
    AddQueries(Vec<PathBuf>),
    /// Look at a query.
    SelectQuery(QueryId),
    /// Look at another query.
    MoveQuery(Move),
    /// Look at a candidate, by its place in the ranking from 0.
    SelectCandidate(usize),
    /// Look at another candidate.
    MoveCandidate(Move),
    /// Rank the query in view with less and less of its detail.
    Sweep,
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
    /// Something about the gallery's files, or a server's gallery.
    Gallery(GalleryCommand),
    /// Stop a job.
    Cancel(JobId),
    /// Close a notice.
    Dismiss(u64),
    /// Something with the case.
    Case(CaseAction),
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
}

impl Move {
    /// The place reached from `at` in a list of `len` (at least 1).
    fn along(self, at: usize, len: usize) -> usize {
        match self {
            Move::Previous => at.saturating_sub(1),
            Move::Next => (at + 1).min(len - 1),
            Move::First => 0,
            Move::Last => len - 1,
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
    /// How many candidates that ranking was asked for.
    asked: usize,
    /// The decoder's image of it. A reconstruction, not evidence.
    pub reconstruction: Option<Arc<RgbImage>>,
    /// Whether a reconstruction has been asked for.
    reconstructing: bool,
}

impl Query {
    /// Its file name.
    pub fn name(&self) -> String {
        file_name(&self.info.path)
    }

    /// Whether the first candidate is the same person, where that is known.
    pub fn rank1(&self) -> Option<bool> {
        self.result.as_ref()?.candidates.first()?.same
    }
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
    /// When it began.
    pub began: Instant,
    /// Seconds it took, once it has ended.
    pub took: Option<f64>,
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
    /// What the user chose and wants to find again.
    pub settings: Settings,
    /// Jobs, newest first.
    pub jobs: Vec<Job>,
    /// The case, if one is open.
    pub case: CaseView,
    /// What the gallery page knows.
    pub gallery_page: GalleryPage,
    /// The training run, if any.
    pub run: Run,
    /// The sitting at one of the paper's experiments, if any.
    pub paper: Paper,
    /// What the training room knows beside it.
    pub room: Room,
    /// The map of embeddings, if any.
    pub map: MapState,
    /// How sure the ranking in view is.
    pub sureness: Sureness,
    /// Sentences about jobs that finished, for the window to say once.
    pub finished: Vec<String>,
    /// Cards at the top, newest first.
    pub notices: Vec<Notice>,
    /// The last thing that was done and can be undone: "Removed 0002.png".
    pub undoable: Option<String>,
    removed: Vec<Removed>,
    restoring: Vec<Removed>,
    searching: Vec<QueryId>,
    next_notice: u64,
}

/// A query that was removed, and where it stood.
#[derive(Debug, Clone)]
struct Removed {
    path: PathBuf,
    at: usize,
}

/// What the user chose and finds again at the next start.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Candidates listed for a query.
    pub top: usize,
    /// How distances are measured.
    pub measure: Measure,
    /// Whether known identities are shown.
    pub ground_truth: bool,
    /// Width of a candidate's card in points.
    pub card: f32,
    /// The reviewer, and the cases opened last.
    pub case: CaseSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self { top: 10, measure: Measure::Cosine, ground_truth: true, card: 104.0, case: CaseSettings::default() }
    }
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

    /// Whether there is a removed query to bring back.
    pub fn can_undo(&self) -> bool {
        !self.removed.is_empty()
    }

    /// Whether a job of that kind runs.
    pub fn running(&self, kind: JobKind) -> bool {
        self.jobs.iter().any(|j| j.kind == kind && j.end.is_none())
    }

    /// Takes one event in; `send` takes what is to be asked of the engine because of it.
    pub fn apply(&mut self, event: Event, send: &mut Vec<Command>) {
        match event {
            Event::Ready { device } => self.device = Some(device),
            Event::ModelOpened(model) => self.model_opened(model, send),
            Event::GalleryOpened(gallery) => self.gallery_opened(gallery, send),
            Event::QueryAdded(query) => self.query_added(query, send),
            Event::QueryRemoved(id) => self.query_removed(id, send),
            Event::QueriesSkipped(broken) => self.skipped("Open queries", "could not be used as a query", &broken),
            Event::Searched(result) => self.searched(result, send),
            Event::Assessed(certainty) => self.sureness.assessed(*certainty),
            Event::Swept(sweep) => self.sureness.swept(*sweep),
            Event::Reconstructed { query, image } => {
                if let Some(q) = self.queries.iter_mut().find(|q| q.info.id == query) {
                    q.reconstruction = Some(image);
                }
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
                let new = Job {
                    id: job,
                    kind,
                    title,
                    progress: None,
                    end: None,
                    stopping: false,
                    began: Instant::now(),
                    took: None,
                };
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
            Event::Case(event) => self.case_event(event),
            Event::Room(event) => self.room_told(event, send),
            Event::Gallery(event) => self.gallery_event(event, send),
            Event::Failed { what, message } => {
                self.run.refused();
                self.map.refused();
                // It may have been a search or a reconstruction: let the next look at the query ask again, but do not
                // ask by ourselves, or one fault would become a storm of cards.
                self.searching.clear();
                self.sureness.failed();
                for q in &mut self.queries {
                    q.reconstructing = q.reconstruction.is_some();
                }
                self.notify(Gravity::Error, what, message, Vec::new());
            }
        }
        self.see(send);
    }

    /// Does what the user asked; `send` takes what is to be asked of the engine.
    pub fn act(&mut self, action: Action, send: &mut Vec<Command>) {
        match action {
            Action::OpenModel(path) => send.push(Command::OpenModel { path }),
            Action::OpenGallery(path) => send.push(Command::OpenGallery { path }),
            Action::AddQueries(paths) => {
                if !paths.is_empty() {
                    send.push(Command::AddQueries { paths });
                }
            }
            Action::SelectQuery(id) => self.select(id, send),
            Action::MoveQuery(step) => self.move_query(step, send),
            Action::SelectCandidate(i) => {
                self.candidate = i.min(self.candidates().len().saturating_sub(1));
            }
            Action::MoveCandidate(step) => {
                let len = self.candidates().len();
                if len > 0 {
                    self.candidate = step.along(self.candidate, len);
                }
            }
            Action::Sweep => self.sweep(send),
            Action::RemoveQuery(query) => self.remove(query, send),
            Action::UndoRemove if self.case.is_open() => self.undo_in_case(send),
            Action::UndoRemove => {
                if let Some(removed) = self.removed.pop() {
                    send.push(Command::AddQueries { paths: vec![removed.path.clone()] });
                    self.restoring.push(removed);
                    self.undoable = None;
                }
            }
            Action::SetTop(top) => {
                self.settings.top = top;
                self.candidate = self.candidate.min(top.saturating_sub(1));
                self.refresh(send);
            }
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
            Action::Gallery(command) => self.gallery_asked(command, send),
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
            Action::Case(action) => self.case_act(action, send),
        }
        self.see(send);
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

    fn job_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|j| j.id == id)
    }

    fn model_opened(&mut self, model: ModelInfo, send: &mut Vec<Command>) {
        let decoder = model.decoder;
        self.model = Some(model);
        self.forget_rankings();
        for q in &mut self.queries {
            (q.reconstruction, q.reconstructing) = (None, false);
        }
        if decoder && let Some(id) = self.selected {
            self.reconstruct(id, send);
        }
    }

    fn gallery_opened(&mut self, gallery: GalleryInfo, send: &mut Vec<Command>) {
        let broken = gallery.broken.clone();
        self.gallery = Some(gallery);
        self.gallery_page.forget_files();
        self.forget_rankings();
        self.candidate = 0;
        self.skipped("Open gallery", "could not be used as a gallery image", &broken);
        self.refresh(send);
    }

    fn query_added(&mut self, info: QueryInfo, send: &mut Vec<Command>) {
        let id = info.id;
        let back = self.restoring.iter().position(|r| r.path == info.path);
        let query = Query { info, result: None, asked: 0, reconstruction: None, reconstructing: false };
        match back {
            Some(i) => {
                let at = self.restoring.remove(i).at.min(self.queries.len());
                self.queries.insert(at, query);
                self.select(id, send);
            }
            None => self.queries.push(query),
        }
        if self.selected.is_none() {
            self.select(id, send);
        } else {
            self.refresh(send);
        }
    }

    fn query_removed(&mut self, id: QueryId, send: &mut Vec<Command>) {
        self.searching.retain(|s| *s != id);
        let Some(at) = self.queries.iter().position(|q| q.info.id == id) else {
            return;
        };
        self.queries.remove(at);
        if self.selected == Some(id) {
            self.selected = None;
            self.candidate = 0;
            if let Some(next) = self.queries.get(at).or(self.queries.last()) {
                self.select(next.info.id, send);
            }
        }
    }

    fn remove(&mut self, id: QueryId, send: &mut Vec<Command>) {
        let Some(at) = self.queries.iter().position(|q| q.info.id == id) else {
            return;
        };
        let path = self.queries[at].info.path.clone();
        self.undoable = Some(format!("Removed {}", file_name(&path)));
        self.removed.push(Removed { path, at });
        send.push(Command::RemoveQuery { query: id });
        // At once, not when the engine says so: the next key press already means the next query.
        self.query_removed(id, send);
    }

    fn select(&mut self, id: QueryId, send: &mut Vec<Command>) {
        if self.selected != Some(id) {
            self.selected = Some(id);
            self.candidate = 0;
        }
        if !self.searching.contains(&id)
            && let Some(q) = self.queries.iter_mut().find(|q| q.info.id == id && q.result.is_none())
        {
            q.asked = 0;
        }
        if self.model.as_ref().is_some_and(|m| m.decoder) {
            self.reconstruct(id, send);
        }
        self.refresh(send);
    }

    fn move_query(&mut self, step: Move, send: &mut Vec<Command>) {
        if self.queries.is_empty() {
            return;
        }
        let at = self.queries.iter().position(|q| Some(q.info.id) == self.selected);
        let to = at.map_or(0, |at| step.along(at, self.queries.len()));
        self.select(self.queries[to].info.id, send);
    }

    fn reconstruct(&mut self, id: QueryId, send: &mut Vec<Command>) {
        if let Some(q) = self.queries.iter_mut().find(|q| q.info.id == id)
            && !q.reconstructing
        {
            q.reconstructing = true;
            send.push(Command::Reconstruct { query: id });
        }
    }

    fn searched(&mut self, result: SearchResult, send: &mut Vec<Command>) {
        self.searching.retain(|id| *id != result.query);
        if result.measure == self.settings.measure
            && let Some(q) = self.queries.iter_mut().find(|q| q.info.id == result.query)
        {
            q.result = Some(result);
        }
        self.refresh(send);
    }

    fn forget_rankings(&mut self) {
        for q in &mut self.queries {
            (q.result, q.asked) = (None, 0);
        }
        self.searching.clear();
    }

    /// Asks for the rankings that are missing: the selected query's at once, the others' (whose first candidate tells
    /// the mark in the list) a few at a time.
    fn refresh(&mut self, send: &mut Vec<Command>) {
        let Some(gallery) = &self.gallery else { return };
        let want = self.settings.top.min(gallery.entries.len()).max(1);
        let (top, measure, selected) = (self.settings.top, self.settings.measure, self.selected);
        let mut ask = |q: &mut Query, searching: &mut Vec<QueryId>| {
            q.asked = top;
            if !searching.contains(&q.info.id) {
                searching.push(q.info.id);
            }
            send.push(Command::Search { query: q.info.id, top, measure });
        };
        if let Some(q) = self.queries.iter_mut().find(|q| Some(q.info.id) == selected)
            && q.asked < want
        {
            ask(q, &mut self.searching);
        }
        for q in self.queries.iter_mut().filter(|q| q.asked == 0) {
            if self.searching.len() >= BACKGROUND_SEARCHES {
                break;
            }
            ask(q, &mut self.searching);
        }
    }

    fn job_ended(&mut self, id: JobId, end: JobEnd) {
        let Some(job) = self.job_mut(id) else { return };
        let took = job.began.elapsed().as_secs_f64();
        (job.end, job.took) = (Some(end.clone()), Some(took));
        let title = job.title.clone();
        if end == JobEnd::Done && took >= WORTH_SAYING {
            self.finished.push(format!("{title}: done"));
        }
        self.run.ended(id, &end);
        self.map.ended(id);
        if let JobEnd::Failed(message) = end {
            self.notify(Gravity::Error, title, message, Vec::new());
        }
    }

    fn skipped(&mut self, title: &str, problem: &str, broken: &[Broken]) {
        if broken.is_empty() {
            return;
        }
        let message = match broken.len() {
            1 => format!("1 file {problem} and was skipped"),
            n => format!("{n} files {problem} and were skipped"),
        };
        let details = broken.iter().map(|b| format!("{}: {}", b.path.display(), b.reason)).collect();
        self.notify(Gravity::Note, title, message, details);
    }
}

/// The last part of a path, for a label.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
