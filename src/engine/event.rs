//! What the engine tells.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;

pub use super::case::CaseEvent;
use super::certainty::{Certainty, Sweep};
use super::command::{JobId, Measure, QueryId};
pub use super::gallery::{DiskEvent, DiskInfo, GalleryEvent, GraphInfo, ServerAnswer};
use super::map::MapEvent;
use super::paper::PaperEvent;
use super::refine::Refine;
use super::room::RoomEvent;
use crate::data::dataset::{Broken, UNKNOWN};
use crate::data::taken::Taken;
use crate::gallery::filter::Facts;
use crate::gallery::regions::Regions;
use crate::model::config::ModelConfig;
use crate::train::event::TrainEvent;

/// A model that is open for searching.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// Its file.
    pub path: PathBuf,
    /// Its shape.
    pub config: ModelConfig,
    /// First 12 hex digits of the file's BLAKE3 hash.
    pub hash: String,
    /// Whether it has a decoder (else no reconstructions).
    pub decoder: bool,
}

/// One gallery image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryEntry {
    /// Its file.
    pub path: PathBuf,
    /// Identity, or -1 where unknown.
    pub identity: i64,
    /// Camera, or -1 where unknown.
    pub camera: i64,
    /// When it was taken, where its set or its name says so.
    pub taken: Taken,
    /// Width and height in pixels, upright, where they are known.
    pub size: Option<[u32; 2]>,
}

impl Default for GalleryEntry {
    /// An image of which nothing is known.
    fn default() -> Self {
        Self { path: PathBuf::new(), identity: UNKNOWN, camera: UNKNOWN, taken: Taken::default(), size: None }
    }
}

impl GalleryEntry {
    /// What a filter asks for.
    pub fn facts(&self) -> Facts {
        Facts { camera: self.camera, time: self.taken.time, size: self.size }
    }
}

/// The gallery that is being searched.
#[derive(Debug, Clone)]
pub struct GalleryInfo {
    /// Its folder.
    pub path: PathBuf,
    /// Its usable images, sorted by path; those of a gallery on disk in the order of its rows.
    pub entries: Arc<Vec<GalleryEntry>>,
    /// Files that were skipped, with the reason.
    pub broken: Arc<Vec<Broken>>,
}

/// Where the pixels of a query come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// They are the whole of its file.
    #[default]
    File,
    /// They were cut out of its file: x, y, width, height in pixels of the upright image.
    Crop([u32; 4]),
    /// There is no file: they were pasted.
    Memory,
}

impl Source {
    /// Where in its file it was cut out, if it was.
    pub fn cut(self) -> Option<[u32; 4]> {
        if let Source::Crop(area) = self { Some(area) } else { None }
    }
}

/// One query crop.
#[derive(Debug, Clone)]
pub struct QueryInfo {
    /// Its name in commands.
    pub id: QueryId,
    /// Its file.
    pub path: PathBuf,
    /// Identity, or -1 where unknown (read from Market-1501 style names).
    pub identity: i64,
    /// Camera, or -1 where unknown.
    pub camera: i64,
    /// When it was taken, where its name says so.
    pub taken: Taken,
    /// Its pixels at their true size.
    pub image: Arc<RgbImage>,
    /// What of its file it is.
    pub source: Source,
    /// The width and height in pixels that it looks like, where it was looked at: less than its own where it was enlarged
    /// or blurred.
    pub effective: Option<[u32; 2]>,
}

impl QueryInfo {
    /// The width and height in pixels that it looks like, where that is clearly less than its own: the estimate is not finer.
    pub fn looks_like(&self) -> Option<[u32; 2]> {
        let (width, height) = self.image.dimensions();
        self.effective.filter(|[w, h]| 20 * w <= 17 * width || 20 * h <= 17 * height)
    }
}

impl Default for QueryInfo {
    /// A query of which nothing is known.
    fn default() -> Self {
        Self {
            id: QueryId::default(),
            path: PathBuf::new(),
            identity: UNKNOWN,
            camera: UNKNOWN,
            taken: Taken::default(),
            image: Arc::default(),
            source: Source::File,
            effective: None,
        }
    }
}

/// One candidate for a query. The tool ranks candidates; a person decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Position in the ranking, from 1.
    pub rank: usize,
    /// Index into [`GalleryInfo::entries`].
    pub entry: usize,
    /// Distance by the search's measure.
    pub distance: f32,
    /// Whether it is the same person, where both identities are known.
    pub same: Option<bool>,
}

/// The ranking of the gallery for one query.
#[derive(Debug, Clone, Default)]
pub struct SearchResult {
    /// Which query.
    pub query: QueryId,
    /// How it was compared.
    pub measure: Measure,
    /// The nearest gallery images, nearest first.
    pub candidates: Vec<Candidate>,
    /// Rank of the first image of the same person, where identities are known and there is one.
    pub first_same: Option<usize>,
    /// Images that were compared.
    pub gallery_size: usize,
    /// Images among them that the filter admitted: the ranking is of these.
    pub admitted: usize,
    /// Where the search ranked again: the new distances of the first candidates, which stand in their order. Those behind
    /// them were not ranked again.
    pub reranked: Vec<f32>,
    /// What narrowed and improved the search.
    pub refine: Arc<Refine>,
}

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Reading and embedding a gallery.
    Gallery,
    /// Reading and embedding queries.
    Queries,
    /// Searching for many queries.
    Search,
    /// Training.
    Train,
    /// A table or figure of the paper.
    Paper,
    /// Something of the training room: an estimate, an export, an archive.
    Room,
    /// Making a map of embeddings.
    Map,
    /// Looking at the gallery's files.
    Files,
    /// Speaking to a server.
    Server,
    /// Building, filling or checking a gallery on disk, or its graph.
    Disk,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// What a unit is, in the plural: "images", "steps".
    pub unit: &'static str,
    /// Seconds left at the present pace, once it is known.
    pub seconds_left: Option<f64>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEnd {
    /// All done.
    Done,
    /// The user cancelled it.
    Cancelled,
    /// It failed; the text is complete and readable.
    Failed(String),
}

/// What happened. Results are never dropped; progress and single training steps may be when the window is behind.
#[derive(Debug, Clone)]
pub enum Event {
    /// The engine is up.
    Ready {
        /// The device in words: "CPU, 2 threads, AVX-512".
        device: String,
    },
    /// A model is open for searching.
    ModelOpened(ModelInfo),
    /// The gallery is embedded and can be searched.
    GalleryOpened(GalleryInfo),
    /// A query was read and embedded.
    QueryAdded(QueryInfo),
    /// A query was forgotten.
    QueryRemoved(QueryId),
    /// Files offered as queries that could not be used.
    QueriesSkipped(Vec<Broken>),
    /// A ranking.
    Searched(SearchResult),
    /// Where a query's distances stand.
    Assessed(Box<Certainty>),
    /// How a query's ranking changes with less detail.
    Swept(Box<Sweep>),
    /// The decoder's image of a query, of the model's input size. A reconstruction, not evidence.
    Reconstructed {
        /// Which query.
        query: QueryId,
        /// The image.
        image: Arc<RgbImage>,
    },
    /// What makes a query and a gallery image alike.
    Explained {
        /// Which query.
        query: QueryId,
        /// Which gallery image.
        entry: usize,
        /// The contributions of their regions.
        regions: Arc<Regions>,
    },
    /// A decoded full frame, or why there is none.
    Frame {
        /// The image file.
        path: PathBuf,
        /// Its true width and height, upright, and its pixels, reduced where it is larger than a screen can show.
        image: Result<([u32; 2], Arc<RgbImage>), String>,
    },
    /// A decoded image for the screen, or why there is none.
    Thumbnail {
        /// The image file.
        path: PathBuf,
        /// The longest side that was asked for.
        max_side: u32,
        /// The image, or the reason.
        image: Result<Arc<RgbImage>, String>,
    },
    /// A job began.
    JobStarted {
        /// Its number.
        job: JobId,
        /// What it does.
        kind: JobKind,
        /// A title for the list of jobs: "Embed gallery demo".
        title: String,
    },
    /// A job moved on.
    JobProgress {
        /// Its number.
        job: JobId,
        /// How far.
        progress: Progress,
    },
    /// A job ended.
    JobEnded {
        /// Its number.
        job: JobId,
        /// How.
        end: JobEnd,
    },
    /// Something happened in a training run.
    Training {
        /// The run's job.
        job: JobId,
        /// What.
        event: TrainEvent,
    },
    /// Something about the case.
    Case(CaseEvent),
    /// Something happened in a sitting at one of the paper's experiments.
    Paper {
        /// Its job.
        job: JobId,
        /// What.
        event: PaperEvent,
    },
    /// Something of the training room.
    Room(RoomEvent),
    /// Something happened to a map of embeddings.
    Map(MapEvent),
    /// A decoded image as it looks from far away, or why there is none.
    FarThumbnail {
        /// The image file.
        path: PathBuf,
        /// How many times as far away, in thousandths.
        rate: u32,
        /// The image, or the reason.
        image: Result<Arc<RgbImage>, String>,
    },
    /// Something about the gallery's files, or a server's gallery.
    Gallery(GalleryEvent),
    /// A request outside a job failed, or the engine itself did; the text is complete and readable.
    Failed {
        /// What was asked, in words: "Open model".
        what: String,
        /// What happened, to which file, what to do now.
        message: String,
    },
}
