//! What narrows a search and what improves it.

use std::fmt;
use std::sync::Arc;

use super::command::QueryId;
use super::event::GalleryEntry;
use crate::gallery::filter::Filter;

/// What narrows a search and what improves it; the default does neither.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refine {
    /// Which images may be returned, by what is known about them.
    pub filter: Filter,
    /// Which images may be returned, by what somebody else knows: verdicts, tags.
    pub only: Vec<Only>,
    /// Gallery images that a person confirmed: the search starts from the mean of the query's and their normalised
    /// embeddings (query expansion). Indices into [`super::event::GalleryInfo::entries`].
    pub confirmed: Vec<usize>,
    /// Whether the nearest are ranked again by k-reciprocal neighbours.
    pub rerank: bool,
}

/// A condition on gallery images that the engine cannot know by itself, such as "not yet judged" or "tagged red coat".
///
/// The predicate runs inside the search, on the engine's thread, once for each image: it must be quick. Two conditions are
/// the same where they share their predicate; a changed verdict therefore needs a new one.
#[derive(Clone)]
pub struct Only {
    /// In the user's words, as its chip shows it: "Verdict: different".
    pub name: String,
    admits: Arc<Predicate>,
}

type Predicate = dyn Fn(QueryId, &GalleryEntry) -> bool + Send + Sync;

impl Only {
    /// A condition with a name.
    pub fn new(
        name: impl Into<String>,
        admits: impl Fn(QueryId, &GalleryEntry) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), admits: Arc::new(admits) }
    }

    /// Whether the image may be returned for the query.
    pub fn admits(&self, query: QueryId, entry: &GalleryEntry) -> bool {
        (self.admits)(query, entry)
    }
}

impl PartialEq for Only {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.admits, &other.admits)
    }
}

impl fmt::Debug for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Only").field(&self.name).finish()
    }
}
