//! The case in the window: the same entries as in the file, folded the same way, and what the user does with them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::sight::Seen;
use super::{Gravity, Removed, Said, ViewState, file_name};
use crate::case::audit::Audit;
use crate::case::report::Format;
use crate::case::{Change, Entry, Judgement, Origin, State, Subject, Verdict, name, user_name};
use crate::engine::case::{CaseCommand, CaseEvent, OpenedCase};
use crate::engine::command::{Command, QueryId};

/// Cases offered on the welcome screen.
const RECENT: usize = 8;

/// What the user may want of a case. Where a candidate is meant, it is the one being looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum CaseAction {
    /// Make a new case in that file.
    New(PathBuf),
    /// Open a case.
    Open(PathBuf),
    /// Close the case.
    Close,
    /// Forget a case on the welcome screen.
    Forget(PathBuf),
    /// Say something about the candidate.
    Judge(Judgement),
    /// Take the own word about the candidate back.
    Unjudge,
    /// Set or take away the bookmark on the candidate.
    Bookmark,
    /// Set or take away a tag on the candidate.
    Tag(String, bool),
    /// Write the note on a candidate, which need no longer be the one being looked at.
    Note(QueryId, PathBuf, String),
    /// Give the case another title.
    Rename(String),
    /// Undo.
    Undo,
    /// Do again.
    Redo,
    /// Who decides from now on.
    Reviewer(String),
    /// Fetch a picture that lies in the case.
    Picture(String),
    /// Check the file.
    Verify,
    /// Write reports.
    Export {
        /// The files.
        files: Vec<(Format, PathBuf)>,
        /// Whether to show the reconstructions that were made.
        reconstructions: bool,
    },
}

/// What the user finds again at the next start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CaseSettings {
    /// Who decides; empty stands for the name the user is logged in with.
    pub reviewer: String,
    /// Cases, the last one first.
    pub recent: Vec<PathBuf>,
}

impl CaseSettings {
    /// Who decides.
    pub fn who(&self) -> String {
        if self.reviewer.trim().is_empty() { user_name() } else { self.reviewer.trim().to_owned() }
    }
}

/// The case, as far as the window knows it.
#[derive(Debug, Default)]
pub struct CaseView {
    /// The case that is open.
    pub open: Option<OpenCase>,
    /// Reports being written.
    pub exporting: usize,
    /// Reports written of those that were asked for together.
    exported: Vec<PathBuf>,
    /// What the last check found; none while one is under way, or before the first.
    pub audit: Option<Arc<Audit>>,
    /// Whether a check is under way.
    pub verifying: bool,
    /// Pictures out of the case, asked for or there.
    pub pictures: BTreeMap<String, Option<Arc<RgbImage>>>,
    numbers: HashMap<QueryId, u64>,
    pub(super) seen: Option<Seen>,
}

/// An open case.
#[derive(Debug)]
pub struct OpenCase {
    /// Its file.
    pub path: PathBuf,
    /// Whether changes can be written.
    pub writable: bool,
    /// What it holds.
    pub state: State,
    /// What it speaks of and is not where it was: complete sentences.
    pub missing: Vec<String>,
}

impl CaseView {
    /// Whether a case is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The number of a query in the case.
    pub fn number(&self, query: QueryId) -> Option<u64> {
        self.numbers.get(&query).copied()
    }

    /// The queries of the case that are on the desk, with their numbers in it.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (QueryId, u64)> {
        self.numbers.iter().map(|(id, number)| (*id, *number))
    }

    /// The entry of the log with which a query came into the case.
    pub fn since(&self, query: QueryId) -> Option<&Arc<Entry>> {
        let number = self.number(query)?;
        self.state()?.log.iter().find(|entry| matches!(&entry.change, Change::Query(n, _) if *n == number))
    }

    /// A query and a gallery image, as the case names them.
    pub fn subject(&self, query: QueryId, image: &Path) -> Option<Subject> {
        Some(Subject::pair(self.number(query)?, name::to_text(image)))
    }

    /// What the open case holds.
    pub fn state(&self) -> Option<&State> {
        self.open.as_ref().map(|open| &open.state)
    }

    /// The first verdict on a pair.
    pub fn verdict(&self, query: QueryId, image: &Path) -> Option<&Verdict> {
        self.state()?.verdicts.get(&self.subject(query, image)?)
    }

    /// Whether a pair is bookmarked.
    pub fn bookmarked(&self, query: QueryId, image: &Path) -> bool {
        let Some((state, subject)) = self.state().zip(self.subject(query, image)) else { return false };
        state.bookmarks.contains_key(&subject)
    }

    /// What a person says about a pair: the first verdict where it is that person's, else that person's review.
    pub fn word(&self, who: &str, query: QueryId, image: &Path) -> Option<Judgement> {
        let (state, subject) = (self.state()?, self.subject(query, image)?);
        match state.verdicts.get(&subject)? {
            own if own.by == who => Some(own.judgement),
            _ => state.reviews.get(&(subject, who.to_owned())).map(|review| review.judgement),
        }
    }
}

impl ViewState {
    /// Who decides.
    pub fn who(&self) -> String {
        self.settings.case.who()
    }

    /// Says that there is no demo to open.
    pub fn no_demo(&mut self) {
        let text = "The demo's files were not found. Run `rain demo` in the folder of Rain's source code";
        self.notify(Gravity::Error, "Open the demo case", text, Vec::new());
    }

    /// Takes in what the case tells.
    pub(super) fn case_event(&mut self, event: CaseEvent, send: &mut Vec<Command>) {
        match event {
            CaseEvent::Opened(opened) => self.case_opened(*opened, send),
            CaseEvent::Query { id, number } => {
                self.case.numbers.insert(id, number);
                // The ranking of it may have been on the screen before the case knew the query.
                self.case.seen = None;
                self.said_of(&HashSet::from([number]), send);
            }
            CaseEvent::Changed(entries) => self.case_changed(entries, send),
            CaseEvent::Closed => {
                self.case = CaseView::default();
                self.say(Said::default(), send);
            }
            CaseEvent::Exported { path } => {
                self.case.exported.push(path);
                self.report_done();
            }
            CaseEvent::Verified(audit) => {
                self.case.verifying = false;
                self.case.audit = Some(audit);
            }
            CaseEvent::Picture { hash, image } => drop(self.case.pictures.insert(hash, image)),
            CaseEvent::Failed { what, message } => {
                if what == "Export report" {
                    self.report_done();
                }
                self.case.verifying = false;
                self.notify(Gravity::Error, what, message, Vec::new());
            }
        }
    }

    /// One report was written, or could not be. After the last of them one card names all files.
    fn report_done(&mut self) {
        self.case.exporting = self.case.exporting.saturating_sub(1);
        if self.case.exporting > 0 || self.case.exported.is_empty() {
            return;
        }
        let files = std::mem::take(&mut self.case.exported);
        let folder = |path: &PathBuf| path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let (title, message, details) = match files.as_slice() {
            [one] => ("Report written", one.display().to_string(), Vec::new()),
            many => {
                let names: Vec<String> = many.iter().map(|path| file_name(path)).collect();
                ("Reports written", format!("{} files in {}", many.len(), folder(&many[0])), vec![names.join(", ")])
            }
        };
        self.notify(Gravity::Note, title, message, details);
    }

    fn case_opened(&mut self, opened: OpenedCase, send: &mut Vec<Command>) {
        let OpenedCase { path, writable, new: _, state, keeps_gallery, missing } = opened;
        if !keeps_gallery {
            self.gallery = None;
            self.forget_rankings();
        }
        self.settings.case.recent.retain(|recent| *recent != path);
        self.settings.case.recent.insert(0, path.clone());
        self.settings.case.recent.truncate(RECENT);
        if !missing.is_empty() {
            self.notify(Gravity::Note, "Case opened", missing.join(" "), Vec::new());
        }
        if !writable {
            let text = format!("{} is write-protected: it can be read and reported, not changed", path.display());
            self.notify(Gravity::Note, "Case opened", text, Vec::new());
        }
        self.case = CaseView { open: Some(OpenCase { path, writable, state, missing }), ..CaseView::default() };
        self.say(Said::default(), send);
    }

    fn case_changed(&mut self, entries: Vec<Arc<Entry>>, send: &mut Vec<Command>) {
        let who = self.who();
        let Some(open) = &mut self.case.open else { return };
        for entry in &entries {
            // Offered for a moment beside the Undo button.
            if entry.who == who && entry.change.undoable() && !matches!(entry.origin, Origin::Undoes(_)) {
                self.undoable = Some(sentence(entry));
            } else if matches!(entry.origin, Origin::Undoes(_)) {
                self.undoable = None;
            }
            open.state.apply(entry.clone());
        }
        self.case.audit = None;
        self.said_changed(&entries, send);
    }

    /// Does what the user asked of the case.
    pub(super) fn case_act(&mut self, action: CaseAction, send: &mut Vec<Command>) {
        let mut ask = |command| send.push(Command::Case(command));
        match action {
            CaseAction::New(path) => {
                let path = with_ending(path);
                let title = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                ask(CaseCommand::New { path, title });
            }
            CaseAction::Open(path) => ask(CaseCommand::Open { path }),
            CaseAction::Close => ask(CaseCommand::Close),
            CaseAction::Forget(path) => self.settings.case.recent.retain(|recent| *recent != path),
            CaseAction::Reviewer(name) => {
                self.settings.case.reviewer = name.trim().to_owned();
                ask(CaseCommand::Reviewer { name: self.who() });
            }
            _ if self.case.open.is_none() => {
                let text = "Verdicts, bookmarks, tags and notes are kept in a case. Make one (Ctrl+N) or open one, then decide";
                self.notify(Gravity::Note, "No case is open", text, Vec::new());
            }
            CaseAction::Judge(judgement) => {
                if let Some((query, image)) = self.pair() {
                    ask(CaseCommand::Judge { query, image, judgement: Some(judgement) });
                }
            }
            CaseAction::Unjudge => {
                if let Some((query, image)) = self.pair() {
                    ask(CaseCommand::Judge { query, image, judgement: None });
                }
            }
            CaseAction::Bookmark => {
                if let Some((query, image)) = self.pair() {
                    let on = !self.case.bookmarked(query, &image);
                    ask(CaseCommand::Bookmark { query, image: Some(image), on });
                }
            }
            CaseAction::Tag(tag, on) => {
                if let Some((query, image)) = self.pair() {
                    ask(CaseCommand::Tag { query, image: Some(image), tag, on });
                }
            }
            CaseAction::Note(query, image, text) => ask(CaseCommand::Note { query, image: Some(image), text }),
            CaseAction::Rename(title) => ask(CaseCommand::Rename { title }),
            CaseAction::Undo => self.undo_in_case(send),
            CaseAction::Redo => ask(CaseCommand::Redo),
            CaseAction::Picture(hash) => {
                self.case.pictures.insert(hash.clone(), None);
                ask(CaseCommand::Picture { hash });
            }
            CaseAction::Verify => {
                self.case.verifying = true;
                ask(CaseCommand::Verify);
            }
            CaseAction::Export { files, reconstructions } => {
                let made: Vec<(QueryId, Arc<RgbImage>)> = self
                    .queries
                    .iter()
                    .filter(|_| reconstructions)
                    .filter_map(|q| Some((q.info.id, q.reconstruction.clone()?)))
                    .collect();
                for (format, path) in files {
                    self.case.exporting += 1;
                    ask(CaseCommand::Export { path, format, reconstructions: made.clone() });
                }
            }
        }
    }

    /// Undoes the last thing in the case. A query that comes back takes its old place in the list.
    pub(super) fn undo_in_case(&mut self, send: &mut Vec<Command>) {
        let next = self.case.state().and_then(|state| state.next_undo(&self.who()).cloned());
        let Some(entry) = next else {
            return self.notify(Gravity::Note, "Undo", "There is nothing of yours to undo in this case", Vec::new());
        };
        if let Change::Query(_, edit) = &entry.change
            && edit.to.is_none()
            && let Some(query) = &edit.from
            && let Some(at) = self.removed.iter().rposition(|Removed { info, .. }| {
                (name::to_text(&info.path), info.source.cut()) == (query.path.clone(), query.cut)
            })
        {
            let removed = self.removed.remove(at);
            self.restoring.push(removed);
        }
        self.undoable = None;
        send.push(Command::Case(CaseCommand::Undo));
    }

    /// The query and the gallery image being looked at.
    fn pair(&self) -> Option<(QueryId, PathBuf)> {
        let (_, entry) = self.chosen()?;
        Some((self.selected?, entry.path.clone()))
    }
}

/// "Verdict on 0002.png for query 3: same person".
fn sentence(entry: &Entry) -> String {
    let words = entry.change.words();
    match &entry.change {
        Change::Query(_, edit) => {
            let name = edit.from.as_ref().map_or_else(String::new, |q| file_name(&name::to_path(&q.path)));
            format!("Removed {name}")
        }
        _ => format!("{}: {}", words.what, words.to),
    }
}

/// The path with the ending of a case, where it has none.
pub fn with_ending(path: PathBuf) -> PathBuf {
    if path.extension().is_some() { path } else { path.with_extension(crate::case::EXTENSION) }
}
