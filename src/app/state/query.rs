//! A query, what has been computed for it, and where one stood that was removed.

use std::sync::Arc;

use image::RgbImage;

use super::{BACKGROUND_TOP, file_name};
use crate::engine::event::{QueryInfo, SearchResult, Source};

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
    pub(super) asked: usize,
    /// Grows with every change of the ranking.
    pub(super) edition: u64,
    /// The decoder's image of it. A reconstruction, not evidence.
    pub reconstruction: Option<Arc<RgbImage>>,
    /// Whether a reconstruction has been asked for.
    pub(super) reconstructing: bool,
}

impl Query {
    pub(super) fn new(info: QueryInfo) -> Self {
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
    pub(super) fn shorten(&mut self) {
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

/// A query that was removed, and where it stood.
#[derive(Debug, Clone)]
pub(super) struct Removed {
    pub info: QueryInfo,
    pub at: usize,
}
