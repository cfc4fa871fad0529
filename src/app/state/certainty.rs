//! How sure the ranking in view is: asked for once for each query, measure, model and gallery.

use std::sync::Arc;

use super::ViewState;
use crate::engine::certainty::{Certainty, Sweep};
use crate::engine::command::{Command, Measure, QueryId};
use crate::engine::event::GalleryEntry;

/// What is known of the ranking in view.
#[derive(Debug, Default)]
pub struct Sureness {
    /// Where its distances stand.
    pub certainty: Option<Certainty>,
    /// How it changes with less detail, once that was asked for.
    pub sweep: Option<Sweep>,
    asked: Option<Key>,
    swept: Option<Key>,
}

/// What it was asked for.
#[derive(Debug, Clone)]
struct Key {
    query: QueryId,
    measure: Measure,
    model: String,
    gallery: Arc<Vec<GalleryEntry>>,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let same = (self.query, self.measure) == (other.query, other.measure) && self.model == other.model;
        same && Arc::ptr_eq(&self.gallery, &other.gallery)
    }
}

impl Sureness {
    /// Whether the sweep has been asked for and is not there yet.
    pub fn sweeping(&self) -> bool {
        self.swept.is_some() && self.sweep.is_none()
    }

    pub(super) fn assessed(&mut self, certainty: Certainty) {
        if self.asked.as_ref().is_some_and(|key| (key.query, key.measure) == (certainty.query, certainty.measure)) {
            self.certainty = Some(certainty);
        }
    }

    pub(super) fn swept(&mut self, sweep: Sweep) {
        if self.swept.as_ref().is_some_and(|key| (key.query, key.measure) == (sweep.query, sweep.measure)) {
            self.sweep = Some(sweep);
        }
    }

    /// A request failed, perhaps one of ours: the next look at a sweep may ask again.
    pub(super) fn failed(&mut self) {
        if self.sweep.is_none() {
            self.swept = None;
        }
    }
}

impl ViewState {
    /// Asks how sure the ranking in view is, where that is not known yet. Called in every frame; it asks once.
    pub fn assess(&mut self, send: &mut Vec<Command>) {
        let key = self.key();
        if self.sureness.asked == key {
            return;
        }
        if let Some(Key { query, measure, .. }) = key {
            send.push(Command::Assess { query, measure });
        }
        self.sureness = Sureness { asked: key, ..Sureness::default() };
    }

    /// Asks for the sweep of the query in view, once.
    pub(super) fn sweep(&mut self, send: &mut Vec<Command>) {
        let key = self.key();
        if let Some(Key { query, measure, .. }) = key
            && self.sureness.swept.is_none()
        {
            send.push(Command::Sweep { query, measure });
            self.sureness.swept = key;
        }
    }

    fn key(&self) -> Option<Key> {
        let query = self.query().filter(|query| query.result.is_some())?;
        let (model, gallery) = (self.model.as_ref()?.hash.clone(), self.gallery.as_ref()?.entries.clone());
        Some(Key { query: query.info.id, measure: self.settings.measure, model, gallery })
    }
}
