//! The case inside the engine. It has a thread of its own, so that a verdict is on the disk at once, also while a run
//! trains; the event that acknowledges a change is sent only after its commit.

mod clerk;
mod evidence;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use image::RgbImage;

use super::command::{Command, Measure, QueryId};
use super::event::{Event, GalleryInfo, ModelInfo, QueryInfo, Source};
use super::outbox::Outbox;
use crate::case::audit::Audit;
use crate::case::report::Format;
use crate::case::{Entry, Judgement, State};
use crate::error::{Error, Result};

/// What can be asked of the case. Where `image` is none, the query itself is meant.
#[derive(Debug, Clone)]
pub enum CaseCommand {
    /// Make a new case; the queries, the model and the gallery that are open belong to it from now on.
    New {
        /// The file to make.
        path: PathBuf,
        /// Its title.
        title: String,
    },
    /// Open a case: its queries take the place of those that are open, and its model and gallery are opened where they
    /// are still there.
    Open {
        /// The file.
        path: PathBuf,
    },
    /// Open the demo's case, or make it.
    Demo(Box<DemoCase>),
    /// Close the case; its queries go with it.
    Close,
    /// Who decides from now on.
    Reviewer {
        /// The name.
        name: String,
    },
    /// A ranking is on the screen.
    Saw(Box<Shown>),
    /// What the reviewer says about a pair; none takes the reviewer's word back.
    Judge {
        /// Which query.
        query: QueryId,
        /// Which gallery image.
        image: PathBuf,
        /// What is said.
        judgement: Option<Judgement>,
    },
    /// Set or take away a bookmark.
    Bookmark {
        /// Which query.
        query: QueryId,
        /// Which gallery image.
        image: Option<PathBuf>,
        /// Whether it is to be set.
        on: bool,
    },
    /// Set or take away a tag.
    Tag {
        /// Which query.
        query: QueryId,
        /// Which gallery image.
        image: Option<PathBuf>,
        /// The tag.
        tag: String,
        /// Whether it is to be set.
        on: bool,
    },
    /// Write a note; an empty text takes it away.
    Note {
        /// Which query.
        query: QueryId,
        /// Which gallery image.
        image: Option<PathBuf>,
        /// The text.
        text: String,
    },
    /// Give the case another title.
    Rename {
        /// The title.
        title: String,
    },
    /// Take back the last thing that the reviewer did.
    Undo,
    /// Do again what was taken back last.
    Redo,
    /// Write a report.
    Export {
        /// The file to write.
        path: PathBuf,
        /// Its kind.
        format: Format,
        /// Reconstructions to show, labelled as such.
        reconstructions: Vec<(QueryId, Arc<RgbImage>)>,
    },
    /// Check the file, as `rain case verify` does.
    Verify,
    /// Fetch a picture that lies in the case.
    Picture {
        /// Its hash.
        hash: String,
    },
}

/// The files of the bundled demo.
#[derive(Debug, Clone)]
pub struct DemoCase {
    /// The case's file.
    pub path: PathBuf,
    /// The model.
    pub model: PathBuf,
    /// The gallery's folder.
    pub gallery: PathBuf,
    /// The folder of crops.
    pub queries: PathBuf,
}

/// A ranking as the screen shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Which query.
    pub query: QueryId,
    /// The gallery's folder.
    pub gallery: PathBuf,
    /// Images that were compared.
    pub gallery_images: usize,
    /// How distances were measured.
    pub measure: Measure,
    /// Whatever else decided the order: name and value.
    pub settings: Vec<(String, String)>,
    /// The candidates in their order.
    pub candidates: Vec<ShownCandidate>,
}

/// One candidate on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownCandidate {
    /// Place in the ranking, from 1.
    pub rank: usize,
    /// Its file.
    pub path: PathBuf,
    /// Distance by the measure.
    pub distance: f32,
    /// Camera, or -1 where unknown.
    pub camera: i64,
    /// Identity, or -1 where unknown.
    pub identity: i64,
}

/// What the case tells.
#[derive(Debug, Clone)]
pub enum CaseEvent {
    /// A case is open.
    Opened(Box<OpenedCase>),
    /// A query on the desk has this number in the case.
    Query {
        /// On the desk.
        id: QueryId,
        /// In the case.
        number: u64,
    },
    /// Entries that are on the disk now, in their order.
    Changed(Vec<Arc<Entry>>),
    /// The case was closed.
    Closed,
    /// A report was written.
    Exported {
        /// The file.
        path: PathBuf,
    },
    /// What a check found.
    Verified(Arc<Audit>),
    /// A picture that lies in the case; none where it cannot be had.
    Picture {
        /// Its hash.
        hash: String,
        /// The picture.
        image: Option<Arc<RgbImage>>,
    },
    /// What was asked did not happen; the text is complete and readable.
    Failed {
        /// What was asked, in words.
        what: String,
        /// What happened, to which file, what to do now.
        message: String,
    },
}

/// A case that was opened.
#[derive(Debug, Clone)]
pub struct OpenedCase {
    /// Its file.
    pub path: PathBuf,
    /// Whether changes can be written.
    pub writable: bool,
    /// Whether it was made just now.
    pub new: bool,
    /// What it holds.
    pub state: State,
    /// Whether the gallery that is open stays.
    pub keeps_gallery: bool,
    /// What it speaks of and is not where it was: complete sentences.
    pub missing: Vec<String>,
}

/// What the engine's thread is to put on the desk for a case.
#[derive(Debug, Clone)]
pub struct Restore {
    /// A title for the list of jobs.
    pub title: String,
    /// The model to open, unless it is open.
    pub model: Option<PathBuf>,
    /// The gallery to open, unless it is open.
    pub gallery: Option<PathBuf>,
    /// Whether the gallery that is open is another case's, and goes.
    pub drop_gallery: bool,
    /// Queries, by the bytes that lie in the case.
    pub queries: Vec<StoredQuery>,
}

/// A query out of a case.
#[derive(Debug, Clone)]
pub struct StoredQuery {
    /// The file it came from.
    pub path: PathBuf,
    /// Identity, or -1 where unknown.
    pub identity: i64,
    /// Camera, or -1 where unknown.
    pub camera: i64,
    /// What of its file it is.
    pub source: Source,
    /// Its pixels.
    pub image: Arc<RgbImage>,
}

/// What reaches the case's thread.
enum Message {
    /// From the window.
    Ask(CaseCommand),
    /// What the engine told the window: the case listens.
    Told(Told),
    /// A gallery's content hash is known.
    Hashed { folder: PathBuf, images: usize, hash: String },
    /// The end.
    Stop,
}

/// What of the engine's events concerns a case.
enum Told {
    Model(ModelInfo),
    Gallery(GalleryInfo),
    Query(QueryInfo),
    Removed(QueryId),
}

/// Listens to the engine's results on behalf of the case.
#[derive(Clone)]
pub(super) struct Tap(Sender<Message>);

impl Tap {
    /// Passes on what concerns a case.
    pub fn see(&self, event: &Event) {
        let told = match event {
            Event::ModelOpened(model) => Told::Model(model.clone()),
            Event::GalleryOpened(gallery) => Told::Gallery(gallery.clone()),
            Event::QueryAdded(query) => Told::Query(query.clone()),
            Event::QueryRemoved(query) => Told::Removed(*query),
            _ => return,
        };
        let _ = self.0.send(Message::Told(told)); // a case's thread that has ended needs to know nothing
    }
}

/// The case's thread. Dropping it writes what has been asked for, and joins.
pub(super) struct Cases {
    sender: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Cases {
    /// Starts the thread; `engine` takes commands for the desk.
    pub fn start(outbox: Outbox, engine: Sender<Command>) -> Result<Self> {
        let (sender, inbox) = unbounded();
        let own = sender.clone();
        let body = move || clerk::Clerk::new(outbox, engine, own).run(&inbox);
        let thread = std::thread::Builder::new().name("case".into()).spawn(body).map_err(|e| {
            Error::input(format!("The case's thread could not start ({e})"), "Close other programs and start again")
        })?;
        Ok(Self { sender, thread: Some(thread) })
    }

    /// Passes a command on; never waits.
    pub fn ask(&self, command: CaseCommand) {
        let _ = self.sender.send(Message::Ask(command)); // the thread's end is the program's
    }

    /// What hears the engine's events on behalf of the case.
    pub fn tap(&self) -> Tap {
        Tap(self.sender.clone())
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its work is guarded: it has nothing to tell
        }
    }
}
