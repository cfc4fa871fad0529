//! Filters by what the case says of a pair: its verdict, its tags, its bookmark.
//!
//! The engine knows nothing of cases: it is given predicates over a copy of what was said. A change of what was said makes new
//! ones, and the search is asked again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::{CaseView, Chip, ViewState};
use crate::case::{Change, Entry, Judgement, Subject, name};
use crate::engine::command::{Command, QueryId};
use crate::engine::refine::{Only, Refine};

/// What has to have been said of a pair; the default asks for nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Verdicts, any of which will do; `None` is a pair that nobody judged. Empty where the verdict does not matter.
    pub verdicts: Vec<Option<Judgement>>,
    /// Tags, any of which will do. Empty where tags do not matter.
    pub tags: Vec<String>,
    /// Whether it has to be bookmarked.
    pub bookmarked: bool,
}

impl Said {
    /// Every answer to "which verdict?", in the order in which they are offered.
    pub const VERDICTS: [Option<Judgement>; 4] =
        [None, Some(Judgement::Same), Some(Judgement::Different), Some(Judgement::Unsure)];

    /// "not yet judged", "same person".
    pub fn words(verdict: Option<Judgement>) -> &'static str {
        verdict.map_or("not yet judged", Judgement::words)
    }

    /// Whether every pair will do.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// The conditions in words.
    pub(super) fn chips(&self) -> Vec<(Chip, String)> {
        let mut chips = Vec::new();
        if !self.verdicts.is_empty() {
            let list: Vec<&str> = self.verdicts.iter().map(|verdict| Self::words(*verdict)).collect();
            chips.push((Chip::Verdicts, format!("Verdict: {}", list.join(" or "))));
        }
        if !self.tags.is_empty() {
            chips.push((Chip::Tags, format!("Tag: {}", self.tags.join(" or "))));
        }
        if self.bookmarked {
            chips.push((Chip::Bookmarked, "Bookmarked".to_owned()));
        }
        chips
    }

    /// Takes one condition away.
    pub(super) fn remove(&mut self, chip: &Chip) {
        match chip {
            Chip::Verdicts => self.verdicts.clear(),
            Chip::Tags => self.tags.clear(),
            Chip::Bookmarked => self.bookmarked = false,
            _ => {}
        }
    }

    /// The query for which a change of the case may change what passes.
    fn concerned(&self, change: &Change) -> Option<u64> {
        let (subject, counts) = match change {
            Change::Verdict(subject, _) => (subject, !self.verdicts.is_empty()),
            Change::Tag(subject, ..) => (subject, !self.tags.is_empty()),
            Change::Bookmark(subject, _) => (subject, self.bookmarked),
            _ => return None,
        };
        counts.then_some(subject.query)
    }

    /// The same as the engine takes it.
    fn conditions(&self, case: &CaseView) -> Vec<Only> {
        let Some(state) = case.state() else { return Vec::new() };
        let queries: HashMap<u64, QueryId> = case.numbers().map(|(id, number)| (number, id)).collect();
        let place = |subject: &Subject| Some((*queries.get(&subject.query)?, name::to_path(subject.image.as_deref()?)));
        let mut only = Vec::new();
        for (chip, words) in self.chips() {
            match chip {
                Chip::Verdicts => {
                    let mut judged: HashMap<QueryId, HashMap<PathBuf, Judgement>> = HashMap::new();
                    for (subject, verdict) in &state.verdicts {
                        if let Some((query, image)) = place(subject) {
                            judged.entry(query).or_default().insert(image, verdict.judgement);
                        }
                    }
                    let wanted = self.verdicts.clone();
                    only.push(Only::new(words, move |query, entry| {
                        let said = judged.get(&query).and_then(|images| images.get(&entry.path));
                        wanted.contains(&said.copied())
                    }));
                }
                Chip::Tags => {
                    let tagged = state.tags.keys().filter(|(_, tag)| self.tags.contains(tag));
                    only.push(among(words, tagged.filter_map(|(subject, _)| place(subject))));
                }
                _ => only.push(among(words, state.bookmarks.keys().filter_map(place))),
            }
        }
        only
    }
}

/// A condition that only these pairs meet.
fn among(words: String, pairs: impl Iterator<Item = (QueryId, PathBuf)>) -> Only {
    let mut marked: HashMap<QueryId, HashSet<PathBuf>> = HashMap::new();
    for (query, image) in pairs {
        marked.entry(query).or_default().insert(image);
    }
    Only::new(words, move |query, entry| marked.get(&query).is_some_and(|images| images.contains(&entry.path)))
}

impl ViewState {
    /// Asks for pairs of which something else was said.
    pub(super) fn say(&mut self, said: Said, send: &mut Vec<Command>) {
        if self.said != said {
            self.said = said;
            self.renew_conditions(send);
        }
    }

    /// The case changed: what passes may be something else now.
    pub(super) fn said_changed(&mut self, entries: &[Arc<Entry>], send: &mut Vec<Command>) {
        let numbers = entries.iter().filter_map(|entry| self.said.concerned(&entry.change));
        self.said_of(&numbers.collect(), send);
    }

    /// Makes the conditions anew after something was said of these queries of the case. Only those are searched again: for the
    /// others as much passes as before, so their rankings stand.
    pub(super) fn said_of(&mut self, numbers: &HashSet<u64>, send: &mut Vec<Command>) {
        if numbers.is_empty() || self.said.is_open() {
            return;
        }
        let current: Vec<bool> = self.queries.iter().map(|q| self.is_current(q)).collect();
        let only = self.said.conditions(&self.case);
        self.refine = Arc::new(Refine { only, ..(*self.refine).clone() });
        for (at, current) in current.into_iter().enumerate() {
            let id = self.queries[at].info.id;
            let said = self.case.number(id).is_some_and(|number| numbers.contains(&number));
            let refine = self.refine_of(&self.queries[at]);
            let stands = current && !said && !self.searching.contains(&id);
            let query = &mut self.queries[at];
            match &mut query.result {
                Some(result) if stands => result.refine = refine,
                // An answer on its way was found with the old conditions, and will not be taken.
                _ => query.asked = 0,
            }
        }
        self.searching.clear();
        self.refresh(send);
    }

    /// Makes the conditions anew from what the case says now.
    pub(super) fn renew_conditions(&mut self, send: &mut Vec<Command>) {
        let only = self.said.conditions(&self.case);
        if !(only.is_empty() && self.refine.only.is_empty()) {
            self.search_with(Refine { only, ..(*self.refine).clone() }, send);
        }
    }
}
