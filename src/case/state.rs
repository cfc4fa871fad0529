//! All changes folded: what is in force, and what can be undone. Pure; the window folds the same entries as the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{Change, Entry, Origin, Subject};
use super::record::{About, Gallery, Mark, Model, Note, Query, Review, Search, Verdict};

/// What a case holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// What it is about.
    pub about: About,
    /// Models by hash.
    pub models: BTreeMap<String, Model>,
    /// Galleries by folder.
    pub galleries: BTreeMap<String, Gallery>,
    /// Queries by number.
    pub queries: BTreeMap<u64, Query>,
    /// Rankings that were seen, by number.
    pub searches: BTreeMap<u64, Arc<Search>>,
    /// First verdicts.
    pub verdicts: BTreeMap<Subject, Verdict>,
    /// What others, by name, say about them.
    pub reviews: BTreeMap<(Subject, String), Review>,
    /// Bookmarks.
    pub bookmarks: BTreeMap<Subject, Mark>,
    /// Tags by name.
    pub tags: BTreeMap<(Subject, String), Mark>,
    /// Notes.
    pub notes: BTreeMap<Subject, Note>,
    /// Every change, oldest first.
    pub log: Vec<Arc<Entry>>,
    /// The latest ranking of each query.
    latest: BTreeMap<u64, u64>,
    /// What each person can undo and do again.
    stacks: BTreeMap<String, Stacks>,
}

/// Numbers of entries, the next to be taken last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stacks {
    undo: Vec<u64>,
    redo: Vec<u64>,
}

impl State {
    /// Takes one entry of the log in.
    pub fn apply(&mut self, entry: Arc<Entry>) {
        match &entry.change {
            Change::About(e) => self.about = e.to.clone().unwrap_or_default(),
            Change::Model(k, e) => set(&mut self.models, k.clone(), e.to.clone()),
            Change::Gallery(k, e) => set(&mut self.galleries, k.clone(), e.to.clone()),
            Change::Query(k, e) => set(&mut self.queries, *k, e.to.clone()),
            Change::Search(k, e) => {
                if let Some(search) = &e.to {
                    self.latest.insert(search.query, *k);
                }
                set(&mut self.searches, *k, e.to.clone().map(Arc::new));
            }
            Change::Verdict(k, e) => set(&mut self.verdicts, k.clone(), e.to.clone()),
            Change::Review(k, by, e) => set(&mut self.reviews, (k.clone(), by.clone()), e.to.clone()),
            Change::Bookmark(k, e) => set(&mut self.bookmarks, k.clone(), e.to.clone()),
            Change::Tag(k, tag, e) => set(&mut self.tags, (k.clone(), tag.clone()), e.to.clone()),
            Change::Note(k, e) => set(&mut self.notes, k.clone(), e.to.clone()),
        }
        let stacks = self.stacks.entry(entry.who.clone()).or_default();
        match entry.origin {
            Origin::Done if entry.change.undoable() => {
                stacks.undo.push(entry.seq);
                stacks.redo.clear();
            }
            Origin::Done => {}
            Origin::Undoes(seq) => {
                stacks.undo.retain(|s| *s != seq);
                stacks.redo.push(seq);
            }
            Origin::Redoes(seq) => {
                stacks.redo.retain(|s| *s != seq);
                stacks.undo.push(seq);
            }
        }
        self.log.push(entry);
    }

    /// The entry of that number.
    pub fn entry(&self, seq: u64) -> Option<&Arc<Entry>> {
        let at = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.log.get(at).filter(|e| e.seq == seq)
    }

    /// What that person would undo next: only what that person did.
    pub fn next_undo(&self, who: &str) -> Option<&Arc<Entry>> {
        self.entry(*self.stacks.get(who)?.undo.last()?)
    }

    /// What that person would do again next.
    pub fn next_redo(&self, who: &str) -> Option<&Arc<Entry>> {
        self.entry(*self.stacks.get(who)?.redo.last()?)
    }

    /// The latest ranking seen of a query, with its number.
    pub fn latest_search(&self, query: u64) -> Option<(u64, &Arc<Search>)> {
        let number = *self.latest.get(&query)?;
        Some((number, self.searches.get(&number)?))
    }

    /// The reviews of a verdict, by name.
    pub fn reviews_of<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = (&'a str, &'a Review)> {
        let from = (subject.clone(), String::new());
        self.reviews.range(from..).take_while(move |((s, _), _)| s == subject).map(|((_, by), r)| (by.as_str(), r))
    }

    /// The tags of a subject.
    pub fn tags_of<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = &'a str> {
        let from = (subject.clone(), String::new());
        self.tags.range(from..).take_while(move |((s, _), _)| s == subject).map(|((_, tag), _)| tag.as_str())
    }

    /// Every tag in use, sorted.
    pub fn all_tags(&self) -> Vec<&str> {
        let mut tags: Vec<&str> = self.tags.keys().map(|(_, tag)| tag.as_str()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// The last link of the chain: who notes it down can tell later whether the log was rewritten or cut.
    pub fn head(&self) -> &str {
        self.log.last().map_or("", |e| &e.hash)
    }

    /// A number for the next query: numbers are never used twice.
    pub fn next_query(&self) -> u64 {
        self.next(|change| if let Change::Query(k, _) = change { Some(*k) } else { None })
    }

    /// A number for the next search.
    pub fn next_search(&self) -> u64 {
        self.searches.keys().next_back().copied().unwrap_or(0) + 1
    }

    fn next(&self, number: impl Fn(&Change) -> Option<u64>) -> u64 {
        self.log.iter().filter_map(|e| number(&e.change)).max().unwrap_or(0) + 1
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}
