//! Jobs, and the cards that say what went wrong or is to be known.

use std::time::Instant;

use super::ViewState;
use crate::engine::command::{Command, JobId};
use crate::engine::event::{JobEnd, JobKind, Progress};

/// Seconds from which the end of a job is worth a word: the user may have looked elsewhere meanwhile.
const WORTH_SAYING: f64 = 2.0;

/// A job, running or ended.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Its title.
    pub title: String,
    /// How far it is.
    pub progress: Option<Progress>,
    /// How it ended.
    pub end: Option<JobEnd>,
    /// Whether the user asked it to stop.
    pub stopping: bool,
    /// When it began.
    pub began: Instant,
    /// Seconds it took, once it has ended.
    pub took: Option<f64>,
}

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gravity {
    /// Something failed.
    Error,
    /// Something to know.
    Note,
}

/// A card at the top of the window, there until it is dismissed.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Its number.
    pub id: u64,
    /// How grave it is.
    pub gravity: Gravity,
    /// What was asked: "Open model".
    pub title: String,
    /// What happened, to which file, what to do now.
    pub message: String,
    /// More, one line each.
    pub details: Vec<String>,
}

impl ViewState {
    /// Adds a card at the top.
    pub fn notify(
        &mut self,
        gravity: Gravity,
        title: impl Into<String>,
        message: impl Into<String>,
        details: Vec<String>,
    ) {
        let (title, message) = (title.into(), message.into());
        // The same trouble twice is one card.
        self.notices.retain(|n| n.message != message || n.title != title);
        self.next_notice += 1;
        self.notices.insert(0, Notice { id: self.next_notice, gravity, title, message, details });
        self.notices.truncate(20);
    }

    pub(super) fn job_started(&mut self, id: JobId, kind: JobKind, title: String) {
        match kind {
            JobKind::Train => self.run.started(id),
            JobKind::Paper => self.paper.started(id),
            JobKind::Map => self.map.started(id),
            _ => {}
        }
        let (began, progress) = (Instant::now(), None);
        self.jobs.insert(0, Job { id, kind, title, progress, end: None, stopping: false, began, took: None });
    }

    pub(super) fn job_progress(&mut self, id: JobId, progress: Progress) {
        if let Some(job) = self.job_mut(id) {
            job.progress = Some(progress);
        }
    }

    pub(super) fn cancel(&mut self, id: JobId, send: &mut Vec<Command>) {
        if let Some(job) = self.job_mut(id) {
            job.stopping = true;
        }
        if self.run.job == Some(id) {
            self.run.stopping();
        }
        send.push(Command::Cancel { job: id });
    }

    /// Something that was asked did not happen.
    pub(super) fn failed(&mut self, what: String, message: String) {
        self.run.refused();
        self.map.refused();
        // It may have been a search or a reconstruction: let the next look at the query ask again, but do not ask by
        // ourselves, or one fault would become a storm of cards.
        self.searching.clear();
        self.sureness.failed();
        if let Some(explanation) = &mut self.explanation {
            explanation.failed = explanation.regions.is_none();
        }
        for q in &mut self.queries {
            q.reconstructing = q.reconstruction.is_some();
        }
        self.notify(Gravity::Error, what, message, Vec::new());
    }

    fn job_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|j| j.id == id)
    }

    pub(super) fn job_ended(&mut self, id: JobId, end: JobEnd) {
        self.paper.ended(id);
        let Some(job) = self.job_mut(id) else { return };
        let took = job.began.elapsed().as_secs_f64();
        (job.end, job.took) = (Some(end.clone()), Some(took));
        let title = job.title.clone();
        if end == JobEnd::Done && took >= WORTH_SAYING {
            self.finished.push(format!("{title}: done"));
        }
        self.run.ended(id, &end);
        self.map.ended(id);
        if let JobEnd::Failed(message) = end {
            self.notify(Gravity::Error, title, message, Vec::new());
        }
    }
}
