//! What the window knows: the engine's [`Event`]s folded into plain data, and the user's [`Action`]s turned into
//! [`Command`]s. No egui here, so that all of it is tested without a window.

mod action;
mod case;
mod certainty;
mod form;
mod gallery;
pub mod history;
mod jobs;
mod listing;
mod map;
mod paper;
mod queries;
mod query;
mod refining;
mod room;
mod run;
mod said;
mod settings;
mod sight;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use crate::engine::command::{Command, QueryId};
use crate::engine::event::{Candidate, Event, GalleryEntry, GalleryInfo, JobKind, ModelInfo};
use crate::engine::refine::Refine;
use crate::gallery::regions::Regions;

pub use action::{Action, Move};
pub use case::{CaseAction, CaseSettings, CaseView, OpenCase, with_ending};
pub use certainty::Sureness;
pub use form::{Field, TrainForm};
pub use gallery::{DiskForm, Found, GalleryPage, ServerForm};
pub use jobs::{Gravity, Job, Notice};
pub use listing::{Group, Listing};
pub use map::{Making, MapState};
pub use paper::{Paper, PaperForm, PaperPath};
pub use query::Query;
pub use refining::{Chip, Refinement};
pub use room::{Discarded, Overlay, Room};
pub use run::{Phase, Run};
pub use said::Said;
pub use settings::{ALL, Settings, Sort, TOPS};

use query::Removed;

/// Candidates that are asked for of a query that is not looked at: the best one tells its mark, the next few let the eye
/// have something at once when it is.
const BACKGROUND_TOP: usize = 20;
/// Searches of queries that are not selected, under way at a time: enough to keep the engine busy, few enough that a
/// newly selected query is not kept waiting.
const BACKGROUND_SEARCHES: usize = 4;

/// The true size of a frame and its pixels for the screen, or why it cannot be read.
pub type FrameImage = std::result::Result<([u32; 2], Arc<RgbImage>), String>;

/// A full frame that people are cut out of.
#[derive(Debug, Clone)]
pub struct OpenFrame {
    /// Its file.
    pub path: PathBuf,
    /// Its true size and its pixels for the screen; `None` while it is read, else why it cannot be.
    pub image: Option<FrameImage>,
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
    /// Whether they could not be worked out.
    pub failed: bool,
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
    /// What has to have been said of a candidate in the case.
    pub said: Said,
    /// The frame that people are being cut out of.
    pub frame: Option<OpenFrame>,
    /// What makes the last pair alike that was asked about.
    pub explanation: Option<Explanation>,
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
    pasted: usize,
    /// Files and folders that are being added, cut out or pasted: the first query of them is looked at when it comes.
    expected: Vec<PathBuf>,
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
        self.see(send);
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
            Event::Assessed(certainty) => self.sureness.assessed(*certainty),
            Event::Swept(sweep) => self.sureness.swept(*sweep),
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
                self.explanation = Some(Explanation { query, entry, regions: Some(regions), failed: false });
            }
            // Pictures for the screen go to the texture cache, not here.
            Event::Thumbnail { .. } | Event::FarThumbnail { .. } => {}
            Event::Map(event) => self.map_event(event),
            Event::JobStarted { job, kind, title } => self.job_started(job, kind, title),
            Event::JobProgress { job, progress } => self.job_progress(job, progress),
            Event::JobEnded { job, end } => self.job_ended(job, end),
            Event::Paper { event, .. } => self.paper.apply(event),
            Event::Training { job, event } => {
                if self.run.job == Some(job) {
                    self.run.apply(event);
                }
            }
            Event::Case(event) => self.case_event(event, send),
            Event::Room(event) => self.room_told(event, send),
            Event::Gallery(event) => self.gallery_event(event, send),
            Event::Failed { what, message } => self.failed(what, message),
        }
    }

    /// Does what the user asked; `send` takes what is to be asked of the engine.
    pub fn act(&mut self, action: Action, send: &mut Vec<Command>) {
        self.carry_out(action, send);
        self.relist();
        self.see(send);
    }

    fn carry_out(&mut self, action: Action, send: &mut Vec<Command>) {
        match action {
            Action::OpenModel(path) => send.push(Command::OpenModel { path }),
            Action::OpenGallery(path) => send.push(Command::OpenGallery { path }),
            Action::AddQueries(paths) => {
                if !paths.is_empty() {
                    self.expected = paths.clone();
                    send.push(Command::AddQueries { paths });
                }
            }
            Action::AddStills(stills) => {
                self.expected = stills.iter().take(1).map(|still| still.path.clone()).collect();
                send.push(Command::AddStills { stills });
            }
            Action::OpenFrame(path) => {
                self.frame = Some(OpenFrame { path: path.clone(), image: None });
                send.push(Command::Frame { path });
            }
            Action::AddCrops { path, boxes } => {
                self.expected = vec![path.clone()];
                send.push(Command::AddCrops { path, boxes });
            }
            Action::SearchAll => self.search_all(send),
            Action::Refine(change) => self.refine(change, send),
            Action::Explain => self.explain(send),
            Action::SelectQuery(id) => self.select(id, send),
            Action::MoveQuery(step) => self.move_query(step, send),
            Action::SelectCandidate(i) => {
                self.candidate = i.min(self.candidates().len().saturating_sub(1));
            }
            Action::MoveCandidate(step) => self.move_candidate(step),
            Action::Sweep => self.sweep(send),
            Action::RemoveQuery(query) => self.remove(query, send),
            Action::UndoRemove if self.case.is_open() => self.undo_in_case(send),
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
            Action::Gallery(command) => self.gallery_asked(command, send),
            Action::Cancel(job) => self.cancel(job, send),
            Action::Dismiss(id) => self.notices.retain(|n| n.id != id),
            Action::Case(action) => self.case_act(action, send),
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
