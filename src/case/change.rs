//! One change: what it is about, what stood there before, what stands there now. Its inverse swaps the two.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::name::file_name;
use super::record::{About, Gallery, Mark, Model, Note, Query, Review, Search, Verdict};
use crate::error::{Error, Result};

/// From → to; none is absence.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit<T> {
    /// What stood there before.
    pub from: Option<T>,
    /// What stands there now.
    pub to: Option<T>,
}

impl<T: Clone> Edit<T> {
    /// An edit from what is there, if anything.
    pub fn new(from: Option<&T>, to: Option<T>) -> Self {
        Self { from: from.cloned(), to }
    }

    fn inverse(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone() }
    }
}

/// A query, or a query and a gallery image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The query's number in the case.
    pub query: u64,
    /// The gallery image's file; none where the query itself is meant.
    pub image: Option<String>,
}

impl Subject {
    /// The query itself.
    pub fn query(query: u64) -> Self {
        Self { query, image: None }
    }

    /// A query and a gallery image.
    pub fn pair(query: u64, image: impl Into<String>) -> Self {
        Self { query, image: Some(image.into()) }
    }
}

/// One change of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The case itself: made, or given another title.
    About(Edit<About>),
    /// A model came into use; named by its hash.
    Model(String, Edit<Model>),
    /// A gallery came into use; named by its folder.
    Gallery(String, Edit<Gallery>),
    /// A query came or went; named by its number.
    Query(u64, Edit<Query>),
    /// A ranking was seen; named by its number.
    Search(u64, Edit<Search>),
    /// A verdict.
    Verdict(Subject, Edit<Verdict>),
    /// What a second person, named, says about a verdict.
    Review(Subject, String, Edit<Review>),
    /// A bookmark.
    Bookmark(Subject, Edit<Mark>),
    /// A tag of that name.
    Tag(Subject, String, Edit<Mark>),
    /// A note.
    Note(Subject, Edit<Note>),
}

/// Why a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Somebody did it.
    Done,
    /// It undoes the entry of that number.
    Undoes(u64),
    /// It does the entry of that number again.
    Redoes(u64),
}

impl Origin {
    /// " (undoes 12)", to follow what was changed; nothing where somebody simply did it.
    pub fn words(self) -> String {
        match self {
            Origin::Done => String::new(),
            Origin::Undoes(of) => format!(" (undoes {of})"),
            Origin::Redoes(of) => format!(" (does {of} again)"),
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When, in UTC.
    pub at: String,
    /// Who.
    pub who: String,
    /// What.
    pub change: Change,
    /// Why.
    pub origin: Origin,
    /// Its link of the chain, in hex digits.
    pub hash: String,
}

/// A change as the file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The kind of fact.
    pub kind: String,
    /// Which fact: a JSON array.
    pub key: String,
    /// What stood there before, as JSON.
    pub old: Option<String>,
    /// What stands there now, as JSON.
    pub new: Option<String>,
}

impl Change {
    /// The change that takes this one back.
    pub fn inverse(&self) -> Self {
        match self {
            Change::About(e) => Change::About(e.inverse()),
            Change::Model(k, e) => Change::Model(k.clone(), e.inverse()),
            Change::Gallery(k, e) => Change::Gallery(k.clone(), e.inverse()),
            Change::Query(k, e) => Change::Query(*k, e.inverse()),
            Change::Search(k, e) => Change::Search(*k, e.inverse()),
            Change::Verdict(k, e) => Change::Verdict(k.clone(), e.inverse()),
            Change::Review(k, by, e) => Change::Review(k.clone(), by.clone(), e.inverse()),
            Change::Bookmark(k, e) => Change::Bookmark(k.clone(), e.inverse()),
            Change::Tag(k, tag, e) => Change::Tag(k.clone(), tag.clone(), e.inverse()),
            Change::Note(k, e) => Change::Note(k.clone(), e.inverse()),
        }
    }

    /// Whether a person did it on purpose and may want it back: what Rain notes by itself, and the coming of a query, is
    /// not undone.
    pub fn undoable(&self) -> bool {
        match self {
            Change::Model(..) | Change::Gallery(..) | Change::Search(..) => false,
            Change::About(edit) => edit.from.is_some() && edit.to.is_some(),
            Change::Query(_, edit) => edit.to.is_none(),
            _ => true,
        }
    }

    /// The change as the file holds it.
    pub fn to_row(&self) -> Result<Row> {
        match self {
            Change::About(e) => row("about", &[] as &[(); 0], e),
            Change::Model(k, e) => row("model", &(k,), e),
            Change::Gallery(k, e) => row("gallery", &(k,), e),
            Change::Query(k, e) => row("query", &(k,), e),
            Change::Search(k, e) => row("search", &(k,), e),
            Change::Verdict(s, e) => row("verdict", &(s.query, &s.image), e),
            Change::Review(s, by, e) => row("review", &(s.query, &s.image, by), e),
            Change::Bookmark(s, e) => row("bookmark", &(s.query, &s.image), e),
            Change::Tag(s, tag, e) => row("tag", &(s.query, &s.image, tag), e),
            Change::Note(s, e) => row("note", &(s.query, &s.image), e),
        }
    }

    /// The change that the file holds; the error tells what is wrong with the row.
    pub fn from_row(row: &Row) -> Result<Self, serde_json::Error> {
        let pair = |(query, image): (u64, Option<String>)| Subject { query, image };
        let named = |(query, image, name): (u64, Option<String>, String)| (Subject { query, image }, name);
        Ok(match row.kind.as_str() {
            "about" => Change::About(edit(row)?),
            "model" => Change::Model(key::<(String,)>(row)?.0, edit(row)?),
            "gallery" => Change::Gallery(key::<(String,)>(row)?.0, edit(row)?),
            "query" => Change::Query(key::<(u64,)>(row)?.0, edit(row)?),
            "search" => Change::Search(key::<(u64,)>(row)?.0, edit(row)?),
            "verdict" => Change::Verdict(pair(key(row)?), edit(row)?),
            "review" => {
                let (subject, by) = named(key(row)?);
                Change::Review(subject, by, edit(row)?)
            }
            "bookmark" => Change::Bookmark(pair(key(row)?), edit(row)?),
            "tag" => {
                let (subject, tag) = named(key(row)?);
                Change::Tag(subject, tag, edit(row)?)
            }
            "note" => Change::Note(pair(key(row)?), edit(row)?),
            other => return Err(serde::de::Error::custom(format!("\"{other}\" is no kind of fact"))),
        })
    }

    /// In a person's words: what, from, to.
    pub fn words(&self) -> Words {
        let absent = || "nothing".to_owned();
        let of = |subject: &Subject| match &subject.image {
            Some(image) => format!("{} for query {}", file_name(image), subject.query),
            None => format!("query {}", subject.query),
        };
        let words = |what: String, from: Option<String>, to: Option<String>| Words {
            what,
            from: from.unwrap_or_else(absent),
            to: to.unwrap_or_else(absent),
        };
        match self {
            Change::About(e) => {
                words("Case".into(), e.from.as_ref().map(|a| a.title.clone()), e.to.as_ref().map(|a| a.title.clone()))
            }
            Change::Model(_, e) => {
                let text = |m: &Model| format!("{} ({})", file_name(&m.path), short(&m.hash));
                words("Model".into(), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Gallery(folder, e) => {
                let text = |g: &Gallery| {
                    let hash = g.hash.as_deref().map(|h| format!(", {}", short(h))).unwrap_or_default();
                    format!("{} images{hash}", g.images)
                };
                words(format!("Gallery {}", file_name(folder)), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Query(id, e) => {
                let text = |q: &Query| q.name();
                words(format!("Query {id}"), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Search(id, e) => {
                let text =
                    |s: &Search| format!("{} of {} candidates by {}", s.candidates.len(), s.gallery_images, s.measure);
                let query = e.to.as_ref().or(e.from.as_ref()).map_or(0, |s| s.query);
                words(format!("Search {id} seen, query {query}"), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Verdict(s, e) => {
                let text = |v: &Verdict| v.judgement.words().to_owned();
                words(format!("Verdict on {}", of(s)), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Review(s, by, e) => {
                let text = |r: &Review| format!("{} {}", r.words(), r.of.words());
                words(format!("Review by {by} of {}", of(s)), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Bookmark(s, e) => {
                let text = |_: &Mark| "set".to_owned();
                words(format!("Bookmark on {}", of(s)), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Tag(s, tag, e) => {
                let text = |_: &Mark| "set".to_owned();
                words(format!("Tag “{tag}” on {}", of(s)), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
            Change::Note(s, e) => {
                let text = |n: &Note| n.text.clone();
                words(format!("Note on {}", of(s)), e.from.as_ref().map(text), e.to.as_ref().map(text))
            }
        }
    }
}

/// A change in a person's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// "Verdict on 0002.png for query 3".
    pub what: String,
    /// "nothing".
    pub from: String,
    /// "same person".
    pub to: String,
}

/// The first twelve digits of a hash.
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn row<K: Serialize + ?Sized, T: Serialize>(kind: &str, key: &K, edit: &Edit<T>) -> Result<Row> {
    fn json(value: &(impl Serialize + ?Sized)) -> Result<String> {
        serde_json::to_string(value).map_err(|e| {
            Error::input(format!("The change cannot be written as JSON ({e})"), "Report this as a fault of Rain")
        })
    }
    Ok(Row {
        kind: kind.to_owned(),
        key: json(key)?,
        old: edit.from.as_ref().map(json).transpose()?,
        new: edit.to.as_ref().map(json).transpose()?,
    })
}

fn key<K: DeserializeOwned>(row: &Row) -> Result<K, serde_json::Error> {
    serde_json::from_str(&row.key)
}

fn edit<T: DeserializeOwned>(row: &Row) -> Result<Edit<T>, serde_json::Error> {
    let value = |text: &Option<String>| text.as_deref().map(serde_json::from_str).transpose();
    Ok(Edit { from: value(&row.old)?, to: value(&row.new)? })
}
