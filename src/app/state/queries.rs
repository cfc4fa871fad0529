//! The list of queries: they come and go, one is looked at, and their rankings are asked for.

use std::sync::Arc;

use super::{Action, BACKGROUND_SEARCHES, BACKGROUND_TOP, Gravity, Move, Query, Removed, ViewState};
use crate::case::record::{pasted_name, pasted_number};
use crate::data::dataset::Broken;
use crate::engine::command::{Command, QueryId, Still};
use crate::engine::event::{GalleryInfo, ModelInfo, QueryInfo, SearchResult, Source};

impl ViewState {
    pub(super) fn model_opened(&mut self, model: ModelInfo, send: &mut Vec<Command>) {
        let decoder = model.decoder;
        self.model = Some(model);
        self.forget_rankings();
        for q in &mut self.queries {
            (q.reconstruction, q.reconstructing) = (None, false);
        }
        if decoder && let Some(id) = self.selected {
            self.reconstruct(id, send);
        }
    }

    pub(super) fn gallery_opened(&mut self, gallery: GalleryInfo, send: &mut Vec<Command>) {
        let broken = gallery.broken.clone();
        // Of the same images again (another model), what was confirmed stays confirmed.
        let same = self
            .gallery
            .as_ref()
            .is_some_and(|old| Arc::ptr_eq(&old.entries, &gallery.entries) || old.entries == gallery.entries);
        self.gallery = Some(gallery);
        self.gallery_page.forget_files();
        if !same {
            self.queries.iter_mut().for_each(|q| q.confirmed.clear());
        }
        self.forget_rankings();
        self.candidate = 0;
        self.skipped("Open gallery", "could not be used as a gallery image", &broken);
        self.refresh(send);
    }

    pub(super) fn query_added(&mut self, info: QueryInfo, send: &mut Vec<Command>) {
        let id = info.id;
        let back = self.restoring.iter().position(|r| r.info.path == info.path && r.info.source == info.source);
        let expected = self.expected.iter().any(|path| info.path.starts_with(path));
        let query = Query::new(info);
        match back {
            Some(i) => {
                let at = self.restoring.remove(i).at.min(self.queries.len());
                self.queries.insert(at, query);
                self.select(id, send);
            }
            None => self.queries.push(query),
        }
        if expected {
            self.expected.clear();
        }
        if expected || self.selected.is_none() {
            self.select(id, send);
        } else {
            self.refresh(send);
        }
    }

    pub(super) fn query_removed(&mut self, id: QueryId, send: &mut Vec<Command>) {
        self.searching.retain(|s| *s != id);
        let Some(at) = self.queries.iter().position(|q| q.info.id == id) else {
            return;
        };
        self.queries.remove(at);
        if self.selected == Some(id) {
            self.selected = None;
            self.candidate = 0;
            if let Some(next) = self.queries.get(at).or(self.queries.last()) {
                self.select(next.info.id, send);
            }
        }
    }

    pub(super) fn remove(&mut self, id: QueryId, send: &mut Vec<Command>) {
        let Some(at) = self.queries.iter().position(|q| q.info.id == id) else {
            return;
        };
        self.undoable = Some(format!("Removed {}", self.queries[at].name()));
        self.removed.push(Removed { info: self.queries[at].info.clone(), at });
        send.push(Command::RemoveQuery { query: id });
        // At once, not when the engine says so: the next key press already means the next query.
        self.query_removed(id, send);
    }

    pub(super) fn undo_remove(&mut self, send: &mut Vec<Command>) {
        let Some(removed) = self.removed.pop() else { return };
        let QueryInfo { path, source, image, .. } = removed.info.clone();
        // What is the whole of a file is read again; what was cut out or pasted is at hand in memory.
        self.expected.clear();
        send.push(match source {
            Source::File => Command::AddQueries { paths: vec![path] },
            _ => Command::AddStills { stills: vec![Still { path, source, image }] },
        });
        self.restoring.push(removed);
        self.undoable = None;
    }

    pub(super) fn select(&mut self, id: QueryId, send: &mut Vec<Command>) {
        if self.selected != Some(id) {
            let left = self.selected.replace(id);
            self.candidate = 0;
            // A ranking of a whole gallery is large; of the one that is left a short one is kept.
            if let Some(q) = self.queries.iter_mut().find(|q| Some(q.info.id) == left) {
                q.shorten();
            }
        }
        if !self.searching.contains(&id)
            && let Some(q) = self.queries.iter_mut().find(|q| q.info.id == id && q.result.is_none())
        {
            q.asked = 0;
        }
        if self.model.as_ref().is_some_and(|m| m.decoder) {
            self.reconstruct(id, send);
        }
        self.refresh(send);
    }

    pub(super) fn move_query(&mut self, step: Move, send: &mut Vec<Command>) {
        if self.queries.is_empty() {
            return;
        }
        let at = self.queries.iter().position(|q| Some(q.info.id) == self.selected);
        let to = at.map_or(0, |at| step.along(at, self.queries.len()));
        self.select(self.queries[to].info.id, send);
    }

    /// Moves along the cards as they are shown.
    pub(super) fn move_candidate(&mut self, step: Move) {
        let len = self.listing.order.len();
        if len > 0 {
            let to = step.along(self.listing.position(self.candidate), len);
            self.candidate = self.listing.order[to];
        }
    }

    fn reconstruct(&mut self, id: QueryId, send: &mut Vec<Command>) {
        if let Some(q) = self.queries.iter_mut().find(|q| q.info.id == id)
            && !q.reconstructing
        {
            q.reconstructing = true;
            send.push(Command::Reconstruct { query: id });
        }
    }

    pub(super) fn searched(&mut self, result: SearchResult, send: &mut Vec<Command>) {
        let Some(at) = self.queries.iter().position(|q| q.info.id == result.query) else { return };
        let wanted = result.measure == self.settings.measure && *result.refine == *self.refine_of(&self.queries[at]);
        let current = self.is_current(&self.queries[at]);
        let q = &mut self.queries[at];
        // A short ranking of all queries does not take the place of a longer one that says the same.
        let shorter = current && q.result.as_ref().is_some_and(|old| old.candidates.len() > result.candidates.len());
        if wanted && !shorter {
            q.edition += 1;
            q.result = Some(result);
        }
        if wanted {
            let id = self.queries[at].info.id;
            self.searching.retain(|s| *s != id);
        }
        self.refresh(send);
    }

    pub(super) fn forget_rankings(&mut self) {
        for q in &mut self.queries {
            (q.result, q.asked) = (None, 0);
            q.edition += 1;
        }
        self.searching.clear();
    }

    /// Asks for the rankings that are missing: the selected query's at once, the others' (whose first candidate tells
    /// the mark in the list) a few at a time.
    pub(super) fn refresh(&mut self, send: &mut Vec<Command>) {
        let Some(gallery) = &self.gallery else { return };
        let (top, measure, selected) = (self.settings.top, self.settings.measure, self.selected);
        let want = top.min(gallery.entries.len()).max(1);
        let mut ask = |state: &mut Self, at: usize, top: usize| {
            let refine = state.refine_of(&state.queries[at]);
            let q = &mut state.queries[at];
            q.asked = top;
            let query = q.info.id;
            if !state.searching.contains(&query) {
                state.searching.push(query);
            }
            send.push(Command::Search { query, top, measure, refine });
        };
        if let Some(at) = self.queries.iter().position(|q| Some(q.info.id) == selected)
            && self.queries[at].asked < want
        {
            ask(self, at, top);
        }
        for at in 0..self.queries.len() {
            if self.searching.len() >= BACKGROUND_SEARCHES {
                break;
            }
            if self.queries[at].asked == 0 {
                ask(self, at, BACKGROUND_TOP.min(top));
            }
        }
    }

    pub(super) fn skipped(&mut self, title: &str, problem: &str, broken: &[Broken]) {
        if broken.is_empty() {
            return;
        }
        let message = match broken {
            // No ending: a folder without a single image in it.
            [one] if one.reason.contains("holds no usable image") => format!("The folder {problem}"),
            [_] => format!("1 file {problem} and was skipped"),
            many => format!("{} files {problem} and were skipped", many.len()),
        };
        let line = |b: &Broken| {
            let path = b.path.display().to_string();
            // Some reasons name the place themselves.
            if b.reason.starts_with(&path) { b.reason.clone() } else { format!("{path}: {}", b.reason) }
        };
        let details = broken.iter().map(line).collect();
        self.notify(Gravity::Note, title, message, details);
    }

    /// Whatever was pasted: an image becomes a query.
    pub fn paste(&mut self, image: Arc<image::RgbImage>) -> Action {
        // A case may hold some already: no two have one name.
        let there = self.queries.iter().filter_map(|q| pasted_number(q.info.path.to_str()?)).max().unwrap_or(0);
        self.pasted = self.pasted.max(there) + 1;
        let path = pasted_name(self.pasted).into();
        Action::AddStills(vec![Still { path, source: Source::Memory, image }])
    }
}
