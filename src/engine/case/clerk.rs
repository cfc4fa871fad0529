//! The thread that writes the case: it takes one message after the other, and tells after each what is on the disk now.

mod kept;
mod opening;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use image::RgbImage;

use super::super::command::{Command, QueryId};
use super::super::event::{Event, GalleryInfo, ModelInfo, QueryInfo};
use super::super::outbox::Outbox;
use super::super::panic::{Failure, guarded};
use super::evidence::Reader;
use super::{CaseCommand, CaseEvent, Message};
use crate::case::report::{Format, Report};
use crate::case::{Case, Change, Entry, Subject, audit, name, user_name};
use crate::data::image_io;
use crate::error::{Error, Result};

/// A query on the desk, and its number in the case.
struct OnDesk {
    info: QueryInfo,
    number: Option<u64>,
}

/// The state of the thread.
pub(super) struct Clerk {
    outbox: Outbox,
    engine: Sender<Command>,
    own: Sender<Message>,
    who: String,
    case: Option<Case>,
    model: Option<ModelInfo>,
    gallery: Option<GalleryInfo>,
    desk: BTreeMap<QueryId, OnDesk>,
    /// Queries out of the case that are on their way to the desk, told by their pixels.
    restoring: Vec<(Arc<RgbImage>, u64)>,
    reader: Reader,
    stop: Arc<AtomicBool>,
    helpers: Vec<JoinHandle<()>>,
}

impl Clerk {
    pub fn new(outbox: Outbox, engine: Sender<Command>, own: Sender<Message>) -> Self {
        Self {
            outbox,
            engine,
            own,
            who: user_name(),
            case: None,
            model: None,
            gallery: None,
            desk: BTreeMap::new(),
            restoring: Vec::new(),
            reader: Reader::default(),
            stop: Arc::default(),
            helpers: Vec::new(),
        }
    }

    pub fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(message) = inbox.recv() {
            let (what, outcome) = match message {
                Message::Stop => break,
                Message::Ask(command) => (what(&command), guarded(|| self.ask(command))),
                Message::Told(told) => ("Keep in the case", guarded(|| self.told(told))),
                Message::Hashed { folder, images, hash } => {
                    ("Keep in the case", guarded(|| self.hashed(&folder, images, hash)))
                }
            };
            if let Err(Failure::Told(message)) = outcome {
                self.tell(CaseEvent::Failed { what: what.into(), message });
            }
            self.helpers.retain(|helper| !helper.is_finished());
        }
        self.stop.store(true, Ordering::Relaxed);
        for helper in self.helpers.drain(..) {
            let _ = helper.join(); // a report that is being written is written to its end
        }
    }

    fn tell(&self, event: CaseEvent) {
        self.outbox.result(Event::Case(event));
    }

    fn ask(&mut self, command: CaseCommand) -> Result<()> {
        match command {
            CaseCommand::New { path, title } => self.create(&path, &title),
            CaseCommand::Open { path } => self.open(&path),
            CaseCommand::Demo(demo) => self.demo(&demo),
            CaseCommand::Close => {
                self.close();
                self.tell(CaseEvent::Closed);
                Ok(())
            }
            CaseCommand::Reviewer { name } => {
                let name = name.trim();
                self.who = if name.is_empty() { user_name() } else { name.to_owned() };
                Ok(())
            }
            CaseCommand::Saw(shown) => self.saw(&shown),
            CaseCommand::Judge { query, image, judgement } => {
                let subject = self.subject(query, Some(&image))?;
                let hash = std::fs::read(&image).ok().map(|bytes| crate::case::hash(&bytes));
                self.change(|case, who| case.judge(who, subject, judgement, hash))
            }
            CaseCommand::Bookmark { query, image, on } => {
                let subject = self.subject(query, image.as_deref())?;
                self.change(|case, who| case.bookmark(who, subject, on))
            }
            CaseCommand::Tag { query, image, tag, on } => {
                let subject = self.subject(query, image.as_deref())?;
                self.change(|case, who| case.tag(who, subject, &tag, on))
            }
            CaseCommand::Note { query, image, text } => {
                let subject = self.subject(query, image.as_deref())?;
                self.change(|case, who| case.note(who, subject, &text))
            }
            CaseCommand::Rename { title } => self.change(|case, who| case.rename(who, &title)),
            CaseCommand::Undo => self.change(|case, who| case.undo(who)),
            CaseCommand::Redo => self.change(|case, who| case.redo(who)),
            CaseCommand::Export { path, format, reconstructions } => self.export(path, format, &reconstructions),
            CaseCommand::Verify => self.verify(),
            CaseCommand::Picture { hash } => {
                let bytes = self.case.as_ref().map(|case| case.picture(&hash)).transpose()?.flatten();
                let image = bytes.and_then(|bytes| image_io::decode(Path::new(&hash), &bytes).ok()).map(Arc::new);
                self.tell(CaseEvent::Picture { hash, image });
                Ok(())
            }
        }
    }

    /// Makes a change and tells what is on the disk now, whatever others have written included.
    fn change(&mut self, act: impl FnOnce(&mut Case, &str) -> Result<Option<Arc<Entry>>>) -> Result<()> {
        let case = self.case.as_mut().ok_or_else(no_case)?;
        let before = case.state().log.len();
        let outcome = act(case, &self.who);
        let entries: Vec<Arc<Entry>> = case.state().log.iter().skip(before).cloned().collect();
        if !entries.is_empty() {
            self.tell(CaseEvent::Changed(entries.clone()));
            self.follow(&entries)?;
        }
        outcome.map(drop)
    }

    /// Brings the desk in line with queries that came or went by undoing.
    fn follow(&mut self, entries: &[Arc<Entry>]) -> Result<()> {
        for entry in entries {
            let Change::Query(number, edit) = &entry.change else { continue };
            let on_desk = self.desk.iter().find(|(_, q)| q.number == Some(*number)).map(|(id, _)| *id);
            match (&edit.to, on_desk) {
                (None, Some(id)) => {
                    self.desk.remove(&id);
                    self.send(Command::RemoveQuery { query: id });
                }
                (Some(_), None) if entry.origin != crate::case::Origin::Done => {
                    self.restore(&[*number], None, None, false)?
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn send(&self, command: Command) {
        let _ = self.engine.send(command); // an engine that has ended is the program's end
    }

    fn subject(&self, query: QueryId, image: Option<&Path>) -> Result<Subject> {
        if self.case.is_none() {
            return Err(no_case());
        }
        let number = self
            .desk
            .get(&query)
            .and_then(|q| q.number)
            .ok_or_else(|| Error::input("This query is not in the case", "Add the crop again, and decide then"))?;
        Ok(Subject { query: number, image: image.map(name::to_text) })
    }

    /// Writes a report on a thread of its own, from the case as it is on the disk.
    fn export(&mut self, path: PathBuf, format: Format, reconstructions: &[(QueryId, Arc<RgbImage>)]) -> Result<()> {
        let file = self.case.as_ref().ok_or_else(no_case)?.path().to_path_buf();
        let number = |id: &QueryId| self.desk.get(id).and_then(|query| query.number);
        let reconstructions: BTreeMap<u64, Arc<RgbImage>> =
            reconstructions.iter().filter_map(|(id, image)| Some((number(id)?, image.clone()))).collect();
        self.aside("Export report", move || {
            Report::gather(&Case::open(&file)?, &reconstructions)?.write(format, &path)?;
            Ok(CaseEvent::Exported { path })
        })
    }

    fn verify(&mut self) -> Result<()> {
        let file = self.case.as_ref().ok_or_else(no_case)?.path().to_path_buf();
        self.aside("Check case", move || Ok(CaseEvent::Verified(Arc::new(audit::verify(&file, None)?))))
    }

    /// Does what only reads the file on a thread of its own; verdicts do not wait for it.
    fn aside(&mut self, what: &'static str, work: impl FnOnce() -> Result<CaseEvent> + Send + 'static) -> Result<()> {
        let outbox = self.outbox.clone();
        let body = move || {
            let event = match guarded(work) {
                Ok(event) => event,
                Err(Failure::Cancelled) => return,
                Err(Failure::Told(message)) => CaseEvent::Failed { what: what.into(), message },
            };
            outbox.result(Event::Case(event));
        };
        let helper = std::thread::Builder::new().name("case reader".into()).spawn(body).map_err(|e| {
            Error::input(format!("The work could not be started ({e})"), "Close other programs and try again")
        })?;
        self.helpers.push(helper);
        Ok(())
    }
}

fn no_case() -> Error {
    Error::input("No case is open, and decisions are kept in a case", "Make a new case or open one")
}

/// A command in the user's words.
fn what(command: &CaseCommand) -> &'static str {
    match command {
        CaseCommand::New { .. } => "New case",
        CaseCommand::Open { .. } => "Open case",
        CaseCommand::Demo(_) => "Open the demo case",
        CaseCommand::Close => "Close case",
        CaseCommand::Reviewer { .. } => "Reviewer",
        CaseCommand::Saw(_) => "Keep the ranking",
        CaseCommand::Judge { .. } => "Verdict",
        CaseCommand::Bookmark { .. } => "Bookmark",
        CaseCommand::Tag { .. } => "Tag",
        CaseCommand::Note { .. } => "Note",
        CaseCommand::Rename { .. } => "Title",
        CaseCommand::Undo => "Undo",
        CaseCommand::Redo => "Redo",
        CaseCommand::Export { .. } => "Export report",
        CaseCommand::Verify => "Check case",
        CaseCommand::Picture { .. } => "Show picture",
    }
}
