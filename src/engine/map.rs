//! What the engine can be asked to do with maps, and what it tells of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::command::{JobId, Measure};
use crate::figure::scatter::Look;
use crate::projection::map::{Map, Spot};
use crate::projection::people::People;
use crate::projection::{Settings, Stage};

/// One request about maps.
#[derive(Debug, Clone)]
pub enum MapCommand {
    /// Lay images out: a job. Searching goes on meanwhile.
    Project {
        /// Which images.
        source: Source,
        /// How their features are compared.
        measure: Measure,
        /// How they are laid out.
        settings: Settings,
    },
    /// Read a saved map.
    Open {
        /// Its file.
        path: PathBuf,
    },
    /// Write a map as the ending of the path says: `.safetensors` (which can be opened again), `.csv`, `.svg` or `.png`.
    Save {
        /// The map.
        map: Arc<Map>,
        /// The file.
        path: PathBuf,
        /// How a picture shows it.
        look: Box<Look>,
        /// Which images are selected, for the table.
        selected: Vec<bool>,
    },
}

/// The images of a map.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The open gallery, with the queries.
    Desk,
    /// The rows of a features file.
    Features(PathBuf),
    /// Some people of a labelled data set, at several resolutions; embedded by the open model.
    People(People),
}

/// What happened to a map.
#[derive(Debug, Clone)]
pub enum MapEvent {
    /// Its images are known; their places come.
    Started {
        /// The job.
        job: JobId,
        /// What it shows.
        title: String,
        /// Its images.
        spots: Arc<Vec<Spot>>,
    },
    /// The projection moved on. May be left out where the window is behind.
    Moved {
        /// The job.
        job: JobId,
        /// The stage under way.
        stage: Stage,
        /// Iterations done.
        iteration: u32,
        /// Iterations in all.
        iterations: u32,
        /// Share of the work done, 0 to 1.
        fraction: f64,
        /// Seconds left, once they are known.
        seconds_left: Option<f64>,
        /// Kullback-Leibler divergence of `points`, in nats.
        divergence: Option<f64>,
        /// Where the images lie by now, every so many iterations.
        points: Option<Arc<Vec<[f32; 2]>>>,
    },
    /// It is complete.
    Finished {
        /// The job.
        job: JobId,
        /// The map.
        map: Arc<Map>,
    },
    /// A saved map was read.
    Opened {
        /// Its file.
        path: PathBuf,
        /// The map.
        map: Arc<Map>,
    },
    /// A map, a table or a picture was written.
    Saved {
        /// The file.
        path: PathBuf,
    },
}
