//! What the user may want of the data.

use std::path::PathBuf;

use super::{CaseAction, Refinement, Sort};
use crate::engine::command::{GalleryCommand, JobId, MapCommand, Measure, QueryId, Still};
use crate::engine::room::RoomCommand;
use crate::eval::paper::Order;
use crate::train::config::RunConfig;

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
    /// Some places back.
    Back(usize),
    /// Some places on.
    On(usize),
}

impl Move {
    /// The place reached from `at` in a list of `len` (at least 1).
    pub(super) fn along(self, at: usize, len: usize) -> usize {
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
