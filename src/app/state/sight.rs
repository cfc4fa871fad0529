//! What the case is told of the ranking on the screen.

use std::path::PathBuf;

use super::{Chip, Query, Sort, ViewState};
use crate::engine::case::{CaseCommand, Shown, ShownCandidate};
use crate::engine::command::{Command, QueryId};
use crate::engine::event::SearchResult;
use crate::engine::search::RERANKED;

/// Candidates of a ranking that a case keeps, each with a small picture: the first that are shown.
const KEPT: usize = 100;

/// What tells one ranking on the screen from another.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    query: QueryId,
    gallery: PathBuf,
    /// The listing: it changes with the ranking, the order and the number of cards.
    edition: u64,
}

impl ViewState {
    /// Tells the case what ranking is on the screen, once for each. One that is out of date is not told: its successor is.
    pub(super) fn see(&mut self, send: &mut Vec<Command>) {
        if self.case.open.is_none() || self.listing.order.is_empty() {
            return;
        }
        let (Some(query), Some(gallery)) = (self.query(), &self.gallery) else { return };
        let (Some(result), Some(_)) = (&query.result, self.case.number(query.info.id)) else { return };
        let edition = self.listing.edition;
        let seen = self.case.seen.as_ref();
        let told = seen
            .is_some_and(|seen| (seen.query, seen.edition, &seen.gallery) == (query.info.id, edition, &gallery.path));
        if told || !self.is_current(query) {
            return;
        }
        let candidates = self.listing.order.iter().take(KEPT).filter_map(|&place| {
            let candidate = result.candidates.get(place)?;
            let entry = self.entry(candidate)?;
            Some(ShownCandidate {
                rank: candidate.rank,
                path: entry.path.clone(),
                distance: candidate.distance,
                camera: entry.camera,
                identity: entry.identity,
            })
        });
        let shown = Shown {
            query: query.info.id,
            gallery: gallery.path.clone(),
            gallery_images: result.gallery_size,
            measure: result.measure,
            settings: self.how(query, result),
            candidates: candidates.collect(),
        };
        self.case.seen = Some(Seen { query: shown.query, gallery: shown.gallery.clone(), edition });
        send.push(Command::Case(CaseCommand::Saw(Box::new(shown))));
    }

    /// Whatever decided, beside the measure, which candidates are shown and in what order.
    fn how(&self, query: &Query, result: &SearchResult) -> Vec<(String, String)> {
        let mut how: Vec<(String, String)> = Vec::new();
        let mut say = |name: &str, value: String| how.push((name.to_owned(), value));
        for (chip, words) in self.chips() {
            match chip {
                Chip::Rerank => say(
                    "re-ranked",
                    format!("the nearest {} by k-reciprocal neighbours", result.admitted.min(RERANKED)),
                ),
                Chip::Confirmed(_) => {}
                _ => say("filter", words),
            }
        }
        let file = |entry: &usize| self.gallery.as_ref()?.entries.get(*entry).map(|e| e.path.display().to_string());
        for path in query.confirmed.iter().filter_map(file) {
            say("searched with", path);
        }
        if self.narrowed() {
            say("images that pass the filters", result.admitted.to_string());
        }
        if self.settings.sort != Sort::Rank {
            say("cards in order of", self.settings.sort.name().to_lowercase());
        }
        if self.settings.grouped {
            say("cards grouped by", "identity".to_owned());
        }
        if self.listing.order.len() > KEPT {
            say("cards listed", self.listing.order.len().to_string());
        }
        how
    }
}
