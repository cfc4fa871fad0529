//! What the engine can be asked to do.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;

pub use super::case::CaseCommand;
use super::case::Restore;
use super::event::Source;
pub use super::gallery::{DiskCommand, GalleryCommand, ServerChoice};
pub use super::map::MapCommand;
use super::refine::Refine;
use super::room::RoomCommand;
use crate::eval::paper::Order;
pub use crate::gallery::distance::Measure;
use crate::train::config::RunConfig;

/// A number that names a job for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// A number that names a query for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct QueryId(pub u64);

/// A crop that is in memory: pasted, cut out of a frame, or kept by a case.
#[derive(Debug, Clone)]
pub struct Still {
    /// The file it comes from, or the name it is to have.
    pub path: PathBuf,
    /// What of that file it is.
    pub source: Source,
    /// Its pixels.
    pub image: Arc<RgbImage>,
}

/// One request. Answers come as [`super::event::Event`]s; a request that fails answers with `Event::Failed`.
#[derive(Debug, Clone)]
pub enum Command {
    /// Load a model file for searching; the gallery is embedded anew.
    OpenModel {
        /// A model file written by Rain.
        path: PathBuf,
    },
    /// Read a folder of sharp images (any supported layout, or loose images) and embed it as the gallery: a job.
    OpenGallery {
        /// The folder.
        path: PathBuf,
    },
    /// Read crops (files, or folders of files) as queries and embed them: a job.
    AddQueries {
        /// Files and folders.
        paths: Vec<PathBuf>,
    },
    /// Embed crops that are in memory as queries: a job.
    AddStills {
        /// The crops.
        stills: Vec<Still>,
    },
    /// Cut boxes out of a full frame and embed each as a query: a job.
    AddCrops {
        /// The frame.
        path: PathBuf,
        /// x, y, width, height in pixels of the upright frame.
        boxes: Vec<[u32; 4]>,
    },
    /// Decode a full frame for the screen; served by the threads that decode thumbnails.
    Frame {
        /// The image file.
        path: PathBuf,
    },
    /// Forget a query. Undone by adding its path again, or its pixels where it is not the whole of a file.
    RemoveQuery {
        /// Which.
        query: QueryId,
    },
    /// Rank the gallery against a query.
    Search {
        /// Which query.
        query: QueryId,
        /// How many candidates to return.
        top: usize,
        /// How to compare.
        measure: Measure,
        /// What narrows and improves the search.
        refine: Arc<Refine>,
    },
    /// Rank the gallery against many queries, one after the other: a job.
    SearchAll {
        /// Which queries, each with what narrows and improves its search.
        queries: Vec<(QueryId, Arc<Refine>)>,
        /// How many candidates to return for each.
        top: usize,
        /// How to compare.
        measure: Measure,
    },
    /// Tell which regions of a query and of a gallery image make them alike.
    Explain {
        /// Which query.
        query: QueryId,
        /// Which image, an index into [`super::event::GalleryInfo::entries`].
        entry: usize,
    },
    /// Say where a query's distances stand, and what a calibration says of them.
    Assess {
        /// Which query.
        query: QueryId,
        /// How to compare.
        measure: Measure,
    },
    /// Rank the gallery against a query that loses more and more of its detail.
    Sweep {
        /// Which query.
        query: QueryId,
        /// How to compare.
        measure: Measure,
    },
    /// Run the decoder on a query.
    Reconstruct {
        /// Which query.
        query: QueryId,
    },
    /// Decode an image for the screen; served by its own threads, so it answers while a run trains.
    Thumbnail {
        /// The image file.
        path: PathBuf,
        /// Longest side in pixels.
        max_side: u32,
    },
    /// Start a run, or go on with the one in `run` if it holds checkpoints: a job.
    Train {
        /// Settings; boxed, they are large. With `resume` only the folder counts: settings come from its `run.toml`.
        config: Box<RunConfig>,
        /// The run folder.
        run: PathBuf,
        /// Go on where the folder's newest checkpoint stands.
        resume: bool,
    },
    /// Something with the case; served by a thread of its own, so it is on the disk at once also while a run trains.
    Case(CaseCommand),
    /// Put a case's queries, model and gallery on the desk; the case's thread asks for it.
    Restore(Box<Restore>),
    /// Run one of the paper's tables or figures again, as far as it is not done yet: a job.
    Paper {
        /// What, on which data, at which budget.
        order: Box<Order>,
    },
    /// Something of the training room.
    Room(RoomCommand),
    /// Make, open or save a map of embeddings.
    Map(MapCommand),
    /// Decode an image for the screen as it looks `rate` times as far away, at the size that is left of it.
    FarThumbnail {
        /// The image file.
        path: PathBuf,
        /// How many times as far away, in thousandths.
        rate: u32,
    },
    /// Something about the gallery's files, or a server's gallery: a job.
    Gallery(GalleryCommand),
    /// Stop a job at the next safe point (a training run writes a checkpoint first).
    Cancel {
        /// Which.
        job: JobId,
    },
    /// End the thread; running jobs are stopped at a safe point first.
    Shutdown,
}
