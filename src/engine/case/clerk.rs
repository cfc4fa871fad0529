//! The thread that writes the case: it takes one message after the other, and tells after each what is on the disk now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use image::RgbImage;

use super::super::command::{Command, QueryId};
use super::super::event::{Event, GalleryInfo, ModelInfo, QueryInfo, Source};
use super::super::outbox::Outbox;
use super::super::panic::{Failure, guarded};
use super::evidence::{self, Reader, known};
use super::{CaseCommand, CaseEvent, DemoCase, Message, OpenedCase, Restore, Shown, StoredQuery, Told};
use crate::case::record::{Candidate, Gallery};
use crate::case::report::{Format, Report};
use crate::case::{Case, Change, Entry, Search, State, Subject, audit, name, user_name};
use crate::data::dataset::UNKNOWN;
use crate::data::image_io;
use crate::engine::command::Measure;
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

    fn create(&mut self, path: &Path, title: &str) -> Result<()> {
        let case = Case::create(path, title, &self.who)?;
        if self.case.is_some() {
            self.close();
        }
        self.adopt(case, true, false, Vec::new());
        // What lies on the desk belongs to it from now on.
        let unkept: Vec<QueryInfo> = self.desk.values().map(|q| q.info.clone()).collect();
        unkept.into_iter().try_for_each(|info| self.keep_query(&info))?;
        self.keep_model()?;
        self.keep_gallery();
        Ok(())
    }

    fn open(&mut self, path: &Path) -> Result<()> {
        let case = Case::open(path)?;
        self.close();
        let (model, model_missing) = Self::model_of(case.state());
        let (gallery, gallery_missing) = Self::gallery_of(case.state());
        let missing = model_missing.into_iter().chain(gallery_missing).collect();
        let numbers: Vec<u64> = case.state().queries.keys().copied().collect();
        let another = gallery_used(case.state()).is_some_and(|folder| !self.gallery_is(&folder));
        self.adopt(case, false, another, missing);
        self.restore(&numbers, model, gallery, another)
    }

    fn demo(&mut self, demo: &DemoCase) -> Result<()> {
        let there = std::fs::metadata(&demo.path).is_ok_and(|about| about.len() > 0);
        let case = if there {
            Case::open(&demo.path)?
        } else {
            if let Some(folder) = demo.path.parent() {
                std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
            }
            Case::create(&demo.path, "Demo", &self.who)?
        };
        self.close();
        let numbers: Vec<u64> = case.state().queries.keys().copied().collect();
        let fresh = case.state().next_query() == 1;
        let another = self.gallery.is_some() && !self.gallery_is(&demo.gallery);
        self.adopt(case, !there, another, Vec::new());
        self.restore(&numbers, Some(demo.model.clone()), Some(demo.gallery.clone()), another)?;
        if fresh {
            self.send(Command::AddQueries { paths: vec![demo.queries.clone()] });
        }
        Ok(())
    }

    fn gallery_is(&self, folder: &Path) -> bool {
        self.gallery.as_ref().is_some_and(|gallery| gallery.path == folder)
    }

    fn adopt(&mut self, case: Case, new: bool, drop_gallery: bool, missing: Vec<String>) {
        if drop_gallery {
            self.gallery = None;
        }
        self.tell(CaseEvent::Opened(Box::new(OpenedCase {
            path: case.path().to_path_buf(),
            writable: case.writable(),
            new,
            state: case.state().clone(),
            keeps_gallery: !drop_gallery,
            missing,
        })));
        self.case = Some(case);
    }

    /// Closes the case, and clears the desk of the queries.
    fn close(&mut self) {
        self.case = None;
        self.restoring.clear();
        for id in std::mem::take(&mut self.desk).into_keys() {
            self.send(Command::RemoveQuery { query: id });
        }
    }

    /// The model used last, where it is still what it was; else what to say.
    fn model_of(state: &State) -> (Option<PathBuf>, Option<String>) {
        let last = state.log.iter().rev().find_map(|entry| match &entry.change {
            Change::Model(_, edit) => edit.to.as_ref(),
            _ => None,
        });
        let Some(model) = last else { return (None, None) };
        let path = name::to_path(&model.path);
        match crate::gallery::features::file_hash(&path) {
            Ok(hash) if model.hash.starts_with(&hash) => (Some(path), None),
            Ok(_) => {
                let text = format!(
                    "The model {} is another than the one this case was ranked with. Open it (or another) to search on; \
                     what was seen and decided stays as it was.",
                    path.display()
                );
                (None, Some(text))
            }
            Err(_) => {
                let text = format!(
                    "The model {} is not there. Open a model to search on; what was seen and decided can be read without it.",
                    path.display()
                );
                (None, Some(text))
            }
        }
    }

    /// The gallery used last, where its folder is still there; else what to say.
    fn gallery_of(state: &State) -> (Option<PathBuf>, Option<String>) {
        let Some(folder) = gallery_used(state) else { return (None, None) };
        if folder.is_dir() {
            return (Some(folder), None);
        }
        let text = format!(
            "The gallery {} is not there: connect its disk and open the gallery to search on. What was seen and decided can \
             be read without it.",
            folder.display()
        );
        (None, Some(text))
    }

    /// Sends queries out of the case to the desk, and opens model and gallery unless they are open.
    fn restore(
        &mut self,
        numbers: &[u64],
        model: Option<PathBuf>,
        gallery: Option<PathBuf>,
        drop_gallery: bool,
    ) -> Result<()> {
        let Some(case) = &self.case else { return Ok(()) };
        let mut queries = Vec::with_capacity(numbers.len());
        let mut broken = None;
        for number in numbers {
            let Some(query) = case.state().queries.get(number) else { continue };
            let path = name::to_path(&query.path);
            let image = case.picture(&query.hash).and_then(|bytes| {
                let missing =
                    || Error::file(case.path(), "lacks the bytes of a query", "Go back to a copy of the case");
                image_io::decode(&path, &bytes.ok_or_else(missing)?)
            });
            match image {
                Ok(image) => {
                    let image = Arc::new(image);
                    self.restoring.push((image.clone(), *number));
                    let (identity, camera) = (query.identity.unwrap_or(UNKNOWN), query.camera.unwrap_or(UNKNOWN));
                    let source = match query.cut {
                        Some(area) => Source::Crop(area),
                        // What was pasted has a name, and lies in no folder.
                        None if path.parent().is_some_and(|folder| folder.as_os_str().is_empty()) => Source::Memory,
                        None => Source::File,
                    };
                    queries.push(StoredQuery { path, identity, camera, source, image });
                }
                Err(error) => broken = broken.or(Some(error)),
            }
        }
        let title = format!("Open case {}", name::file_name(&name::to_text(case.path())));
        let same_model = self.model.as_ref().map(|m| &m.path) == model.as_ref();
        let same_gallery = self.gallery.as_ref().map(|g| &g.path) == gallery.as_ref();
        let restore = Restore {
            title,
            model: model.filter(|_| !same_model),
            gallery: gallery.filter(|_| !same_gallery),
            drop_gallery,
            queries,
        };
        self.send(Command::Restore(Box::new(restore)));
        broken.map_or(Ok(()), Err)
    }

    fn told(&mut self, told: Told) -> Result<()> {
        match told {
            Told::Model(model) => {
                self.model = Some(model);
                self.keep_model()
            }
            Told::Gallery(gallery) => {
                self.gallery = Some(gallery);
                self.keep_gallery();
                Ok(())
            }
            Told::Query(info) => {
                let restored = self.restoring.iter().position(|(image, _)| Arc::ptr_eq(image, &info.image));
                match restored {
                    Some(at) => {
                        let (_, number) = self.restoring.swap_remove(at);
                        self.on_desk(&info, Some(number));
                        Ok(())
                    }
                    None => {
                        self.on_desk(&info, None);
                        self.keep_query(&info)
                    }
                }
            }
            Told::Removed(id) => match self.desk.remove(&id).and_then(|query| query.number) {
                Some(number) if self.case.is_some() => self.change(|case, who| case.remove_query(who, number)),
                _ => Ok(()),
            },
        }
    }

    fn on_desk(&mut self, info: &QueryInfo, number: Option<u64>) {
        if let Some(number) = number {
            self.tell(CaseEvent::Query { id: info.id, number });
        }
        self.desk.insert(info.id, OnDesk { info: info.clone(), number });
    }

    fn keep_query(&mut self, info: &QueryInfo) -> Result<()> {
        if self.case.is_none() {
            return Ok(());
        }
        let (query, bytes) = evidence::query(info)?;
        let mut number = 0;
        self.change(|case, who| {
            let (new, entry) = case.add_query(who, query, &bytes)?;
            number = new;
            Ok(entry)
        })?;
        self.on_desk(info, Some(number));
        Ok(())
    }

    fn keep_model(&mut self) -> Result<()> {
        let (Some(info), Some(case)) = (&self.model, &self.case) else { return Ok(()) };
        if !case.writable() {
            return Ok(());
        }
        let model = evidence::model(info)?;
        self.change(|case, who| case.use_model(who, model))
    }

    /// Computes the gallery's hash on a thread of its own: it reads every image.
    fn keep_gallery(&mut self) {
        let (Some(gallery), Some(case)) = (self.gallery.clone(), &self.case) else { return };
        if !case.writable() {
            return;
        }
        let (own, stop) = (self.own.clone(), self.stop.clone());
        let body = move || {
            if let Some(hash) = evidence::gallery_hash(&gallery, &stop) {
                let (folder, images) = (gallery.path.clone(), gallery.entries.len());
                let _ = own.send(Message::Hashed { folder, images, hash }); // the thread may have ended meanwhile
            }
        };
        if let Ok(helper) = std::thread::Builder::new().name("gallery hash".into()).spawn(body) {
            self.helpers.push(helper);
        }
    }

    fn hashed(&mut self, folder: &Path, images: usize, hash: String) -> Result<()> {
        if self.case.is_none() {
            return Ok(());
        }
        let folder = name::to_text(folder);
        self.change(|case, who| case.use_gallery(who, &folder, Gallery { images, hash: Some(hash) }))
    }

    fn saw(&mut self, shown: &Shown) -> Result<()> {
        let number = self.desk.get(&shown.query).and_then(|q| q.number);
        let (Some(case), Some(number)) = (&self.case, number) else { return Ok(()) };
        if !case.writable() {
            return Ok(());
        }
        let mut pictures = Vec::new();
        let mut candidates = Vec::with_capacity(shown.candidates.len());
        for candidate in &shown.candidates {
            let evidence = self.reader.read(&candidate.path);
            candidates.push(Candidate {
                rank: candidate.rank,
                path: name::to_text(&candidate.path),
                hash: evidence.hash,
                picture: evidence.picture.as_ref().map(|(hash, _)| hash.clone()),
                // JSON has no word for what is not finite.
                distance: if candidate.distance.is_finite() { candidate.distance } else { f32::MAX },
                camera: known(candidate.camera),
                identity: known(candidate.identity),
            });
            pictures.extend(evidence.picture);
        }
        let search = Search {
            query: number,
            model: self.model.as_ref().map(|m| m.hash.clone()).unwrap_or_default(),
            gallery: name::to_text(&shown.gallery),
            gallery_images: shown.gallery_images,
            measure: match shown.measure {
                Measure::Cosine => "cosine distance".into(),
                Measure::Euclidean => "Euclidean distance".into(),
            },
            settings: shown.settings.clone(),
            candidates,
        };
        let pictures: Vec<(&str, &[u8])> =
            pictures.iter().map(|(hash, bytes)| (hash.as_str(), bytes.as_slice())).collect();
        self.change(|case, who| case.saw(who, search, &pictures))
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

/// The folder of the gallery that was searched last.
fn gallery_used(state: &State) -> Option<PathBuf> {
    let last = state.log.iter().rev().find_map(|entry| match &entry.change {
        Change::Gallery(folder, edit) => edit.to.as_ref().map(|_| folder),
        Change::Search(_, edit) => edit.to.as_ref().map(|search| &search.gallery),
        _ => None,
    });
    last.map(|folder| name::to_path(folder))
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
