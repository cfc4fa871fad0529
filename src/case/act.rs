//! What people do with a case, as changes. Each is one commit; each returns the entry, or none where nothing changed.

use std::sync::Arc;

use super::change::{Change, Edit, Entry, Origin, Subject};
use super::record::{About, Gallery, Judgement, Mark, Model, Note, Query, Review, Search, Sight, Verdict};
use super::state::State;
use super::store::Case;
use crate::error::{Error, Result};

type Done = Result<Option<Arc<Entry>>>;

impl Case {
    /// Gives the case another title.
    pub fn rename(&mut self, who: &str, title: &str) -> Done {
        self.commit(who, &[], |state, _| {
            let from = &state.about;
            let to = About { title: title.to_owned(), ..from.clone() };
            Ok(done(Change::About(Edit::new(Some(from), Some(to.clone()))), *from != to))
        })
    }

    /// Notes the model in use.
    pub fn use_model(&mut self, who: &str, model: Model) -> Done {
        self.commit(who, &[], |state, _| {
            let from = state.models.get(&model.hash);
            let changed = from != Some(&model);
            Ok(done(Change::Model(model.hash.clone(), Edit::new(from, Some(model))), changed))
        })
    }

    /// Notes the gallery in use.
    pub fn use_gallery(&mut self, who: &str, folder: &str, gallery: Gallery) -> Done {
        self.commit(who, &[], |state, _| {
            let from = state.galleries.get(folder);
            let changed = from != Some(&gallery);
            Ok(done(Change::Gallery(folder.to_owned(), Edit::new(from, Some(gallery))), changed))
        })
    }

    /// Takes a query in, with its bytes; returns its number.
    pub fn add_query(&mut self, who: &str, query: Query, bytes: &[u8]) -> Result<(u64, Option<Arc<Entry>>)> {
        let (mut number, hash) = (0, query.hash.clone());
        let entry = self.commit(who, &[(&hash, bytes)], |state, _| {
            number = state.next_query();
            Ok(done(Change::Query(number, Edit { from: None, to: Some(query) }), true))
        })?;
        Ok((number, entry))
    }

    /// Takes a query out. What was said about it stays, and is there again when the removal is undone.
    pub fn remove_query(&mut self, who: &str, query: u64) -> Done {
        self.commit(who, &[], |state, _| {
            let from = state.queries.get(&query);
            Ok(done(Change::Query(query, Edit::new(from, None)), from.is_some()))
        })
    }

    /// Notes a ranking that was seen, with small pictures of its candidates; the same as the last of its query is not
    /// noted twice.
    pub fn saw(&mut self, who: &str, search: Search, pictures: &[(&str, &[u8])]) -> Done {
        if self.state().latest_search(search.query).is_some_and(|(_, last)| **last == search) {
            return Ok(None);
        }
        self.commit(who, pictures, |state, _| {
            Ok(done(Change::Search(state.next_search(), Edit { from: None, to: Some(search) }), true))
        })
    }

    /// Says what a person thinks of a pair; none takes the person's own word back. Where somebody else has said something
    /// first, this is a review of it, and the first word stays.
    pub fn judge(&mut self, who: &str, subject: Subject, judgement: Option<Judgement>, hash: Option<String>) -> Done {
        self.commit(who, &[], |state, at| {
            let from = state.verdicts.get(&subject);
            if let Some(first) = from.filter(|first| first.by != who) {
                let key = (subject.clone(), who.to_owned());
                let from = state.reviews.get(&key);
                let to = judgement.map(|judgement| Review { judgement, of: first.judgement, at: at.to_owned() });
                let same = match (from, &to) {
                    (Some(a), Some(b)) => (a.judgement, a.of) == (b.judgement, b.of),
                    (a, b) => a.is_none() && b.is_none(),
                };
                return Ok(done(Change::Review(subject.clone(), who.to_owned(), Edit::new(from, to)), !same));
            }
            let to = judgement.map(|judgement| Verdict {
                judgement,
                by: who.to_owned(),
                at: at.to_owned(),
                hash,
                seen: sight(state, &subject),
            });
            let same = from.map(|v| v.judgement) == judgement;
            Ok(done(Change::Verdict(subject.clone(), Edit::new(from, to)), !same))
        })
    }

    /// Sets or takes away a bookmark.
    pub fn bookmark(&mut self, who: &str, subject: Subject, on: bool) -> Done {
        self.commit(who, &[], |state, at| {
            let from = state.bookmarks.get(&subject);
            let changed = from.is_some() != on;
            let to = on.then(|| mark(who, at));
            Ok(done(Change::Bookmark(subject.clone(), Edit::new(from, to)), changed))
        })
    }

    /// Sets or takes away a tag.
    pub fn tag(&mut self, who: &str, subject: Subject, tag: &str, on: bool) -> Done {
        let tag = tag.trim();
        if tag.is_empty() {
            return Ok(None);
        }
        self.commit(who, &[], |state, at| {
            let from = state.tags.get(&(subject.clone(), tag.to_owned()));
            let changed = from.is_some() != on;
            let to = on.then(|| mark(who, at));
            Ok(done(Change::Tag(subject.clone(), tag.to_owned(), Edit::new(from, to)), changed))
        })
    }

    /// Writes a note; an empty text takes it away.
    pub fn note(&mut self, who: &str, subject: Subject, text: &str) -> Done {
        let text = text.trim();
        self.commit(who, &[], |state, at| {
            let from = state.notes.get(&subject);
            let changed = from.map_or("", |n| n.text.as_str()) != text;
            let to = (!text.is_empty()).then(|| Note { text: text.to_owned(), by: who.to_owned(), at: at.to_owned() });
            Ok(done(Change::Note(subject.clone(), Edit::new(from, to)), changed))
        })
    }

    /// Takes back the last thing that this person did.
    ///
    /// # Errors
    /// Where somebody else has changed it since.
    pub fn undo(&mut self, who: &str) -> Done {
        self.commit(who, &[], |state, _| {
            let Some(entry) = state.next_undo(who) else { return Ok(None) };
            let change = entry.change.inverse();
            still_true(state, &change)?;
            Ok(Some((change, Origin::Undoes(entry.seq))))
        })
    }

    /// Does again what this person took back last.
    ///
    /// # Errors
    /// As [`Case::undo`].
    pub fn redo(&mut self, who: &str) -> Done {
        self.commit(who, &[], |state, _| {
            let Some(entry) = state.next_redo(who) else { return Ok(None) };
            still_true(state, &entry.change)?;
            Ok(Some((entry.change.clone(), Origin::Redoes(entry.seq))))
        })
    }
}

fn done(change: Change, changed: bool) -> Option<(Change, Origin)> {
    changed.then_some((change, Origin::Done))
}

fn mark(who: &str, at: &str) -> Mark {
    Mark { by: who.to_owned(), at: at.to_owned() }
}

/// Where the candidate stands in the ranking that was seen last.
fn sight(state: &State, subject: &Subject) -> Option<Sight> {
    let (number, search) = state.latest_search(subject.query)?;
    let candidate = search.candidates.iter().find(|c| Some(&c.path) == subject.image.as_ref())?;
    Some(Sight { search: number, rank: candidate.rank, distance: candidate.distance })
}

/// Refuses a change whose `from` is no longer what is there.
fn still_true(state: &State, change: &Change) -> Result<()> {
    let holds = match change {
        Change::About(e) => e.from.as_ref() == Some(&state.about),
        Change::Model(k, e) => e.from.as_ref() == state.models.get(k),
        Change::Gallery(k, e) => e.from.as_ref() == state.galleries.get(k),
        Change::Query(k, e) => e.from.as_ref() == state.queries.get(k),
        Change::Search(k, e) => e.from.as_ref() == state.searches.get(k).map(Arc::as_ref),
        Change::Verdict(k, e) => e.from.as_ref() == state.verdicts.get(k),
        Change::Review(k, by, e) => e.from.as_ref() == state.reviews.get(&(k.clone(), by.clone())),
        Change::Bookmark(k, e) => e.from.as_ref() == state.bookmarks.get(k),
        Change::Tag(k, tag, e) => e.from.as_ref() == state.tags.get(&(k.clone(), tag.clone())),
        Change::Note(k, e) => e.from.as_ref() == state.notes.get(k),
    };
    if holds {
        return Ok(());
    }
    let what = change.words().what;
    Err(Error::input(
        format!("{what} was changed by somebody else since, so it cannot be undone"),
        "Change it by hand if it must be changed; the history shows who did what",
    ))
}
