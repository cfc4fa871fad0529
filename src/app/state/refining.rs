//! Filters, query expansion and re-ranking: what the user set, the chips that show it, and what is asked of the engine.

use std::sync::Arc;

use super::{Explanation, Query, Said, ViewState, file_name};
use crate::data::clock;
use crate::engine::command::{Command, QueryId};
use crate::engine::refine::Refine;
use crate::gallery::filter::{Filter, Span};

/// What the user may change about a search.
#[derive(Debug, Clone)]
pub enum Refinement {
    /// Another filter.
    Filter(Filter),
    /// Other conditions on what the case says.
    Said(Said),
    /// Rank the nearest again by k-reciprocal neighbours, or do not.
    Rerank(bool),
    /// Search with this gallery image too, or no longer; for the query being looked at.
    Confirm {
        /// The gallery image.
        entry: usize,
        /// Whether it takes part.
        on: bool,
    },
    /// Take one condition away.
    Remove(Chip),
    /// Take all conditions away.
    Clear,
}

/// A condition that can be taken away by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Chip {
    /// The cameras.
    Cameras,
    /// The time.
    Time,
    /// The height in pixels.
    Height,
    /// The largest distance.
    Distance,
    /// The verdict.
    Verdicts,
    /// The tags.
    Tags,
    /// The bookmark.
    Bookmarked,
    /// Re-ranking.
    Rerank,
    /// A gallery image that takes part in the search.
    Confirmed(usize),
}

impl ViewState {
    /// What narrows and improves the search for a query.
    pub fn refine_of(&self, query: &Query) -> Arc<Refine> {
        if query.confirmed.is_empty() {
            return self.refine.clone();
        }
        Arc::new(Refine { confirmed: query.confirmed.clone(), ..(*self.refine).clone() })
    }

    /// Whether what is shown of a query was found with what is set now.
    pub fn is_current(&self, query: &Query) -> bool {
        query.result.as_ref().is_some_and(|result| {
            let (now, then) = (&self.refine, &result.refine);
            let same_search = Arc::ptr_eq(now, then)
                || (now.filter == then.filter && now.only == then.only && now.rerank == then.rerank);
            same_search && then.confirmed == query.confirmed && result.measure == self.settings.measure
        })
    }

    /// Whether searches return only a part of the gallery.
    pub fn narrowed(&self) -> bool {
        !self.refine.filter.is_open() || !self.refine.only.is_empty()
    }

    /// The conditions in force for the query being looked at, in words.
    pub fn chips(&self) -> Vec<(Chip, String)> {
        let Refine { filter, rerank, .. } = &*self.refine;
        let mut chips = Vec::new();
        if !filter.cameras.is_empty() {
            let list: Vec<String> = filter.cameras.iter().map(i64::to_string).collect();
            let word = if list.len() == 1 { "Camera" } else { "Cameras" };
            chips.push((Chip::Cameras, format!("{word} {}", list.join(", "))));
        }
        if !filter.time.is_open() {
            chips.push((Chip::Time, format!("Time {}", between(filter.time, clock::show))));
        }
        if !filter.height.is_open() {
            chips.push((Chip::Height, format!("Height {} px", between(filter.height, |h| h.to_string()))));
        }
        if let Some(most) = filter.distance {
            chips.push((Chip::Distance, format!("Distance up to {most}")));
        }
        chips.extend(self.said.chips());
        if *rerank {
            chips.push((Chip::Rerank, "Re-ranked".into()));
        }
        for &entry in self.query().map_or(&[][..], |q| &q.confirmed) {
            let name = self.gallery.as_ref().and_then(|g| g.entries.get(entry)).map(|e| file_name(&e.path));
            chips.push((Chip::Confirmed(entry), format!("Query and {}", name.unwrap_or_default())));
        }
        chips
    }

    pub(super) fn refine(&mut self, change: Refinement, send: &mut Vec<Command>) {
        let mut next = (*self.refine).clone();
        match change {
            Refinement::Filter(filter) => next.filter = filter,
            Refinement::Said(said) => return self.say(said, send),
            Refinement::Rerank(on) => next.rerank = on,
            Refinement::Confirm { entry, on } => return self.confirm(entry, on, send),
            Refinement::Clear => {
                self.said = Said::default();
                next = Refine { rerank: next.rerank, ..Refine::default() };
            }
            Refinement::Remove(chip) => match chip {
                Chip::Cameras => next.filter.cameras.clear(),
                Chip::Time => next.filter.time = Span::default(),
                Chip::Height => next.filter.height = Span::default(),
                Chip::Distance => next.filter.distance = None,
                Chip::Verdicts | Chip::Tags | Chip::Bookmarked => {
                    let mut said = self.said.clone();
                    said.remove(&chip);
                    return self.say(said, send);
                }
                Chip::Rerank => next.rerank = false,
                Chip::Confirmed(entry) => return self.confirm(entry, false, send),
            },
        }
        self.search_with(next, send);
    }

    /// Searches anew with other conditions, where they are others.
    pub(super) fn search_with(&mut self, next: Refine, send: &mut Vec<Command>) {
        if next != *self.refine {
            self.refine = Arc::new(next);
            // What is shown stays, marked as out of date, until the new ranking is there: a blank pane between would flicker.
            self.queries.iter_mut().for_each(|q| q.asked = 0);
            self.searching.clear();
            self.refresh(send);
        }
    }

    fn confirm(&mut self, entry: usize, on: bool, send: &mut Vec<Command>) {
        let known = self.gallery.as_ref().is_some_and(|g| entry < g.entries.len());
        let id = self.selected;
        let Some(query) = self.queries.iter_mut().find(|q| Some(q.info.id) == id && known) else { return };
        let was = query.confirmed.contains(&entry);
        if was == on {
            return;
        }
        if on {
            query.confirmed.push(entry)
        } else {
            query.confirmed.retain(|e| *e != entry)
        }
        query.asked = 0;
        let id = query.info.id;
        self.searching.retain(|s| *s != id);
        self.refresh(send);
    }

    /// Asks for the rankings of all queries as one job.
    pub(super) fn search_all(&mut self, send: &mut Vec<Command>) {
        if self.gallery.is_none() || self.queries.is_empty() {
            return;
        }
        let queries: Vec<(QueryId, Arc<Refine>)> =
            self.queries.iter().map(|q| (q.info.id, self.refine_of(q))).collect();
        for q in self.queries.iter_mut().filter(|q| q.asked == 0) {
            q.asked = super::BACKGROUND_TOP;
        }
        let measure = self.settings.measure;
        send.push(Command::SearchAll { queries, top: super::BACKGROUND_TOP, measure });
    }

    /// Asks which regions make the pair alike that is being looked at, once for each pair.
    pub(super) fn explain(&mut self, send: &mut Vec<Command>) {
        let Some((query, entry)) = self.selected.zip(self.candidates().get(self.candidate).map(|c| c.entry)) else {
            return;
        };
        if self.explanation.as_ref().is_none_or(|e| (e.query, e.entry) != (query, entry)) {
            self.explanation = Some(Explanation { query, entry, regions: None, failed: false });
            send.push(Command::Explain { query, entry });
        }
    }
}

/// "from 10", "up to 20", "10 to 20".
fn between<T: Copy>(span: Span<T>, show: impl Fn(T) -> String) -> String {
    match (span.from, span.to) {
        (Some(from), Some(to)) => format!("{} to {}", show(from), show(to)),
        (Some(from), None) => format!("from {}", show(from)),
        (None, Some(to)) => format!("up to {}", show(to)),
        (None, None) => "any".into(),
    }
}
