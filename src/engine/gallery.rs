//! The gallery's files, and galleries on servers. None of it needs the device or a model, so it runs on threads of its own, and
//! searching and training go on beside it.

mod disk;

use std::sync::Arc;

pub use disk::{DiskCommand, DiskEvent, DiskInfo, GraphInfo};

use super::command::{JobId, QueryId};
use super::desk::Gallery;
use super::event::{Event, GalleryEntry, JobEnd, JobKind};
use super::job::Ticket;
use super::outbox::Outbox;
use super::panic::{Failure, guarded};
use super::worker::Worker;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::gallery::remote::rescore::Answer;
use crate::gallery::remote::{
    self, Address, Filter, Key, Kind, Name, Patience, Precision, Question, RemoteGallery, Row, Secret, Sent, Source,
    Spec, Status, Stored,
};
use crate::gallery::shelf::Shelf;
use crate::gallery::survey::{Image, Survey, survey};

/// Stack of the threads: some put images through the network.
const STACK: usize = 16 << 20;

/// A server, a gallery on it, and the key: kept in memory only.
#[derive(Debug, Clone)]
pub struct ServerChoice {
    /// Where it is.
    pub address: Address,
    /// The gallery's name there.
    pub name: Name,
    /// The key or password, if it wants one.
    pub key: Option<Secret>,
}

/// What can be asked about galleries beyond opening one.
#[derive(Debug, Clone)]
pub enum GalleryCommand {
    /// Look at the files of the open gallery.
    Survey,
    /// Ask a server what it is and what it has.
    Connect(ServerChoice),
    /// Send the open gallery to a server; it goes on where it stopped.
    Upload {
        /// Where to.
        server: ServerChoice,
        /// What the server searches by.
        measure: Measure,
        /// Whether the server may search approximately.
        approximate: bool,
    },
    /// Rank a server's gallery against a query.
    SearchServer {
        /// Where.
        server: ServerChoice,
        /// Which query.
        query: QueryId,
        /// How many candidates.
        top: usize,
    },
    /// Something about galleries on disk.
    Disk(DiskCommand),
}

impl GalleryCommand {
    /// In the user's words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Survey => "Check the files",
            Self::Connect(_) => "Connect to the server",
            Self::Upload { .. } => "Send the gallery to the server",
            Self::SearchServer { .. } => "Search on the server",
            Self::Disk(command) => command.what(),
        }
    }
}

/// What a server said.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerAnswer {
    /// "The Milvus server at host:19530".
    pub server: String,
    /// The gallery's name there.
    pub name: String,
    /// "PostgreSQL 18.4, pgvector 0.8.5".
    pub software: String,
    /// The gallery, if there is one of that name.
    pub gallery: Option<Status>,
}

/// What became of a [`GalleryCommand`].
#[derive(Debug, Clone)]
pub enum GalleryEvent {
    /// The files of the open gallery were looked at.
    Surveyed(Arc<Survey>),
    /// A server answered.
    Connected(ServerAnswer),
    /// The gallery was sent.
    Uploaded(Sent),
    /// A server's ranking for a query.
    Found {
        /// Which query.
        query: QueryId,
        /// How the server's gallery compares.
        measure: Measure,
        /// Rows of the gallery there.
        rows: u64,
        /// Candidates, nearest first.
        answer: Arc<Answer>,
    },
    /// Something about galleries on disk.
    Disk(DiskEvent),
}

impl Worker {
    /// Serves a command; its job runs on.
    pub(super) fn gallery(&mut self, command: GalleryCommand) -> Result<()> {
        match command {
            GalleryCommand::Disk(command) => self.disk(command),
            GalleryCommand::Survey => {
                let gallery = self.open_gallery_or_fail()?;
                let (folder, entries) = (gallery.info.path.clone(), gallery.info.entries.clone());
                self.aside(JobKind::Files, "Check the gallery's files".into(), move |ticket, outbox| {
                    let images: Vec<Image<'_>> = entries.iter().map(as_image).collect();
                    let found = survey(&folder, &images, &mut |done, total| ticket.progress(done, total, "images"))?;
                    outbox.result(Event::Gallery(GalleryEvent::Surveyed(Arc::new(found))));
                    Ok(())
                })
            }
            GalleryCommand::Connect(server) => {
                self.aside(JobKind::Server, format!("Connect to {}", server.address), move |ticket, outbox| {
                    let mut gallery = server.open(Patience::short())?;
                    let answer = server.greet(&mut *gallery, &Patience::short(), &mut || ticket.flow())?;
                    outbox.result(Event::Gallery(GalleryEvent::Connected(answer)));
                    Ok(())
                })
            }
            GalleryCommand::Upload { server, measure, approximate } => {
                let gallery = self.open_gallery_or_fail()?;
                let source: Box<dyn Source + Send> = match gallery.index.disk() {
                    Some(disk) => Box::new(Stored::new(disk.store().clone())),
                    None => Box::new(Open {
                        model: self.desk.model()?.info.hash.clone(),
                        index: gallery.index.clone(),
                        entries: gallery.info.entries.clone(),
                    }),
                };
                let title = format!("Send the gallery to {}", server.address);
                self.aside(JobKind::Server, title, move |ticket, outbox| {
                    let patience = Patience::default();
                    let mut gallery = server.open(patience)?;
                    let half = server.address.kind == Kind::Postgres;
                    let spec = Spec {
                        model: source.model().to_string(),
                        columns: source.columns(),
                        measure,
                        precision: if half { Precision::Half } else { Precision::Single },
                        approximate,
                    };
                    let mut on = |done, total| ticket.progress(done, total, "images");
                    let sent = remote::upload(&mut *gallery, &server.name, &*source, &spec, false, &patience, &mut on)?;
                    outbox.result(Event::Gallery(GalleryEvent::Uploaded(sent)));
                    let answer = server.greet(&mut *gallery, &patience, &mut || ticket.flow())?;
                    outbox.result(Event::Gallery(GalleryEvent::Connected(answer)));
                    Ok(())
                })
            }
            GalleryCommand::SearchServer { server, query, top } => {
                let model = self.desk.model()?.info.hash.clone();
                let embedding = self.desk.query(query)?.embedding.clone();
                self.aside(JobKind::Server, format!("Search on {}", server.address), move |ticket, outbox| {
                    let patience = Patience { attempts: 3, ..Patience::default() };
                    let mut go_on = || ticket.flow();
                    let mut gallery = server.open(patience)?;
                    let status = remote::status(&mut *gallery, &server.name, &patience, &mut go_on)?;
                    remote::check_model(&status.spec, &model, embedding.len(), &server.name)?;
                    let question = Question { query: &embedding, top, filter: &Filter::default() };
                    let answer = remote::search(&mut *gallery, &status.spec, &question, &patience, &mut go_on)?;
                    outbox.result(Event::Gallery(GalleryEvent::Found {
                        query,
                        measure: status.spec.measure,
                        rows: status.rows,
                        answer: Arc::new(answer),
                    }));
                    Ok(())
                })
            }
        }
    }

    fn open_gallery_or_fail(&self) -> Result<&Gallery> {
        self.desk.gallery.as_ref().ok_or_else(|| Error::input("No gallery is open", "Open a gallery first"))
    }

    /// Runs long work as a job on a thread of its own. The thread is not waited for at the end of the program: what it does
    /// can be broken off anywhere.
    fn aside(
        &mut self,
        kind: JobKind,
        title: String,
        work: impl FnOnce(&mut Ticket, &Outbox) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.last_job += 1;
        let job = JobId(self.last_job);
        let mut ticket = self.jobs.open(job, &self.outbox);
        let (jobs, outbox) = (self.jobs.clone(), self.outbox.clone());
        self.outbox.result(Event::JobStarted { job, kind, title });
        let body = move || {
            let end = match guarded(|| work(&mut ticket, &outbox)) {
                Ok(()) => JobEnd::Done,
                Err(Failure::Cancelled) => JobEnd::Cancelled,
                Err(Failure::Told(message)) => JobEnd::Failed(message),
            };
            jobs.close(job);
            outbox.result(Event::JobEnded { job, end });
        };
        if let Err(e) = std::thread::Builder::new().name("gallery".into()).stack_size(STACK).spawn(body) {
            self.jobs.close(job);
            let message = format!("The system refused a thread ({e}). Close other programs and try again.");
            self.outbox.result(Event::JobEnded { job, end: JobEnd::Failed(message) });
        }
        Ok(())
    }
}

impl ServerChoice {
    fn open(&self, patience: Patience) -> Result<Box<dyn RemoteGallery>> {
        remote::open(&self.address, &self.name, self.key.clone(), patience)
    }

    fn greet(
        &self,
        gallery: &mut dyn RemoteGallery,
        patience: &Patience,
        go_on: &mut dyn FnMut() -> Flow,
    ) -> Result<ServerAnswer> {
        let tell = |fault: remote::Fault| fault.tell(&self.address);
        let software = patience.insist(go_on, || gallery.greet()).map_err(tell)?;
        let status = patience.insist(go_on, || gallery.status()).map_err(tell)?;
        Ok(ServerAnswer { server: self.address.to_string(), name: self.name.to_string(), software, gallery: status })
    }
}

fn as_image(entry: &GalleryEntry) -> Image<'_> {
    Image { path: &entry.path, identity: entry.identity, camera: entry.camera }
}

/// The open gallery as the source of an upload.
struct Open {
    model: String,
    index: Arc<Shelf>,
    entries: Arc<Vec<GalleryEntry>>,
}

impl Open {
    /// By the file's content; by its path where the file is gone.
    fn key(&self, index: usize) -> Key {
        let path = &self.entries[index].path;
        Key::of(&std::fs::read(path).unwrap_or_else(|_| path.to_string_lossy().into_owned().into_bytes()))
    }
}

impl Source for Open {
    fn model(&self) -> &str {
        &self.model
    }

    fn columns(&self) -> usize {
        self.index.columns()
    }

    fn rows(&self) -> usize {
        self.entries.len()
    }

    fn keys(&self, range: std::ops::Range<usize>) -> Result<Vec<Key>> {
        Ok(range.map(|index| self.key(index)).collect())
    }

    fn row(&self, index: usize) -> Result<Row> {
        let GalleryEntry { path, identity, camera, taken, .. } = &self.entries[index];
        Ok(Row {
            key: self.key(index),
            path: path.to_string_lossy().into_owned(),
            camera: *camera,
            identity: *identity,
            time: taken.time.map(|millis| millis.div_euclid(1000)),
            embedding: self.index.rows_of(&[index]).data,
        })
    }
}
