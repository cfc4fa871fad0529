//! Galleries on disk: made, grown, checked and given a graph on threads of their own, so that searching goes on meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;

use crate::data::dataset::Broken;
use crate::engine::command::{JobId, Measure};
use crate::engine::event::{Event, GalleryEvent, JobKind, ModelInfo};
use crate::engine::job::Ticket;
use crate::engine::outbox::Outbox;
use crate::engine::worker::Worker;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::approximate::Approximate;
use crate::gallery::features::file_hash;
use crate::gallery::ingest::{self, Options, Progress, Summary};
use crate::gallery::shelf::{OnDisk, Shelf};
use crate::gallery::store::{self, Header, Precision, SEGMENT_ROWS, Verified, Writer};
use crate::model::rain::Rain;

/// Progress is told at most this often.
const PACE: Duration = Duration::from_millis(100);

/// What can be asked about galleries on disk.
#[derive(Debug, Clone)]
pub enum DiskCommand {
    /// Make a gallery of folders of images with the open model; where it is there already, go on with it.
    Build {
        /// The gallery's folder.
        folder: PathBuf,
        /// Folders of images.
        images: Vec<PathBuf>,
    },
    /// Bring a gallery up to its folders, and to further ones.
    Add {
        /// The gallery's folder.
        folder: PathBuf,
        /// Further folders of images; none brings it up to those that it knows.
        images: Vec<PathBuf>,
    },
    /// Check every byte of a gallery.
    Verify {
        /// The gallery's folder.
        folder: PathBuf,
    },
    /// Build the graph for approximate search of the open gallery.
    Graph {
        /// The measure that it is for.
        measure: Measure,
    },
    /// Search by the graph, or exactly.
    Approximate(bool),
    /// Hold a job that builds or adds, or let it go on; it is heard at once, in the middle of the work.
    Hold {
        /// Which.
        job: JobId,
        /// Whether it is to wait.
        hold: bool,
    },
}

impl DiskCommand {
    /// In the user's words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Build { .. } => "Build a gallery on disk",
            Self::Add { .. } => "Add images to the gallery",
            Self::Verify { .. } => "Check the gallery",
            Self::Graph { .. } => "Build the index for approximate search",
            Self::Approximate(_) => "Search approximately",
            Self::Hold { .. } => "Pause",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum DiskEvent {
    /// The open gallery lies on disk; told after it was opened, and again when its graphs change.
    Opened(Arc<DiskInfo>),
    /// The open gallery was made by another model than the one that is open now, so it was closed.
    Closed {
        /// Its folder.
        folder: PathBuf,
    },
    /// A gallery grows.
    Growing {
        /// The job.
        job: JobId,
        /// How far it is.
        progress: Progress,
    },
    /// A gallery has grown, or was stopped.
    Grown {
        /// Its folder.
        folder: PathBuf,
        /// What was done.
        summary: Arc<Summary>,
    },
    /// A gallery was checked.
    Verified {
        /// Its folder.
        folder: PathBuf,
        /// What was found.
        found: Arc<Verified>,
    },
    /// How searches from here on are made.
    Approximate(bool),
}

/// What is known of a gallery on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct DiskInfo {
    /// Its folder.
    pub folder: PathBuf,
    /// Rows, those included whose file is gone.
    pub rows: usize,
    /// How embeddings are kept.
    pub precision: Precision,
    /// Length of an embedding.
    pub columns: usize,
    /// Bytes of embeddings, codes and scales.
    pub bytes: [usize; 3],
    /// The folders that it is made of.
    pub folders: Vec<PathBuf>,
    /// Its graphs, for the cosine and the Euclidean distance.
    pub graphs: [Option<GraphInfo>; 2],
}

/// What is known of a graph for approximate search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GraphInfo {
    /// The share of the ten nearest that it finds, on a sample of the gallery's own rows.
    pub recall: f64,
    /// Rows in that sample; none where the gallery is so small that every row is compared.
    pub sample: usize,
    /// Rows in the graph; those that came later are all compared.
    pub rows: usize,
    /// Whether so many came later that it should be built again.
    pub stale: bool,
}

impl DiskInfo {
    fn of(disk: &OnDisk) -> Result<Self> {
        let store = disk.store();
        let graph = |measure| {
            disk.graph(measure).map(|graph| {
                let about = graph.about();
                let stale = graph.is_stale(store.rows());
                GraphInfo { recall: about.recall, sample: about.sample, rows: graph.rows(), stale }
            })
        };
        Ok(Self {
            folder: store.folder().to_path_buf(),
            rows: store.rows(),
            precision: store.header().precision,
            columns: store.columns(),
            bytes: store.mapped_bytes(),
            folders: store.folders()?,
            graphs: [graph(Measure::Cosine), graph(Measure::Euclidean)],
        })
    }

    /// The graph for a measure.
    pub fn graph(&self, measure: Measure) -> Option<&GraphInfo> {
        self.graphs[usize::from(measure == Measure::Euclidean)].as_ref()
    }
}

fn told(event: DiskEvent) -> Event {
    Event::Gallery(GalleryEvent::Disk(event))
}

impl Worker {
    /// Serves a command; its job runs on.
    pub(super) fn disk(&mut self, command: DiskCommand) -> Result<()> {
        match command {
            DiskCommand::Build { folder, images } => self.grow(folder, images, true),
            DiskCommand::Add { folder, images } => self.grow(folder, images, false),
            DiskCommand::Verify { folder } => {
                self.aside(JobKind::Disk, format!("Check gallery {}", name(&folder)), move |ticket, outbox| {
                    let found = store::verify(&folder, &mut |done, total| ticket.progress(done, total, "rows"))?;
                    outbox.result(told(DiskEvent::Verified { folder, found: Arc::new(found) }));
                    Ok(())
                })
            }
            DiskCommand::Graph { measure } => self.build_graph(measure),
            DiskCommand::Approximate(on) => {
                self.desk.approximate = on;
                self.outbox.result(told(DiskEvent::Approximate(on)));
                Ok(())
            }
            DiskCommand::Hold { job, hold } => {
                self.jobs.hold(job, hold);
                Ok(())
            }
        }
    }

    /// Tells which gallery is on the desk now; `before` is the folder of the one that was there.
    pub(in crate::engine) fn tell_gallery(&mut self, before: Option<PathBuf>) -> Result<()> {
        let disk = self.desk.gallery.as_ref().and_then(|gallery| gallery.index.disk());
        self.album.set(disk.map(|disk| disk.store().clone()));
        if let Some(gallery) = &self.desk.gallery {
            self.outbox.result(Event::GalleryOpened(gallery.info.clone()));
        } else if let Some(folder) = before {
            self.outbox.result(told(DiskEvent::Closed { folder }));
        }
        if let Some(disk) = disk {
            self.outbox.result(told(DiskEvent::Opened(Arc::new(DiskInfo::of(disk)?))));
        }
        Ok(())
    }

    fn grow(&mut self, folder: PathBuf, images: Vec<PathBuf>, make: bool) -> Result<()> {
        let (model, device) = (self.desk.model()?.info.clone(), self.device.clone());
        let verb = if make { "Build" } else { "Fill" };
        self.aside(JobKind::Disk, format!("{verb} gallery {}", name(&folder)), move |ticket, outbox| {
            let summary = Arc::new(grow(&folder, &images, make, &model, &device, ticket, outbox)?);
            let stopped = summary.stopped;
            outbox.result(told(DiskEvent::Grown { folder, summary }));
            if stopped { Err(Error::Cancelled) } else { Ok(()) }
        })
    }

    fn build_graph(&mut self, measure: Measure) -> Result<()> {
        let shelf = self.open_gallery_or_fail()?.index.clone();
        on_disk(&shelf)?;
        self.aside(JobKind::Disk, "Build the index for approximate search".into(), move |ticket, outbox| {
            let disk = on_disk(&shelf)?;
            Approximate::build_for(disk.store(), measure, &mut |done, total| ticket.progress(done, total, "rows"))?;
            disk.look_for_graphs();
            outbox.result(told(DiskEvent::Opened(Arc::new(DiskInfo::of(disk)?))));
            Ok(())
        })
    }
}

fn on_disk(shelf: &Shelf) -> Result<&OnDisk> {
    shelf.disk().ok_or_else(|| {
        Error::input(
            "This gallery is in memory, where every search is exact",
            "Keep it on disk first, on the page Gallery",
        )
    })
}

/// Makes or opens the gallery and adds the folders' images.
fn grow(
    folder: &Path,
    images: &[PathBuf],
    make: bool,
    model: &ModelInfo,
    device: &Device,
    ticket: &mut Ticket,
    outbox: &Outbox,
) -> Result<Summary> {
    if file_hash(&model.path)? != model.hash {
        return Err(Error::file(
            &model.path,
            "this model file was changed since it was opened",
            "Open the model again",
        ));
    }
    let there = store::is_gallery(folder);
    let mut writer = if make && !there {
        let header = Header { maker: model.into(), precision: Precision::default(), segment_rows: SEGMENT_ROWS };
        Writer::create(folder, &header, &name(&model.path))?
    } else {
        Writer::open(folder)?
    };
    writer.check_maker(&model.into())?;
    let mut folders = writer.folders()?;
    folders.extend(images.iter().cloned());
    if folders.is_empty() {
        return Err(Error::file(folder, "this gallery has no folder of images yet", "Name one"));
    }
    let rain = Rain::open(&model.path, device)?;
    let mut teller = Teller { ticket, outbox, told: None, active: Duration::ZERO };
    let summary = ingest::add(&mut writer, &rain, &folders, &Options::default(), device, &mut |p| teller.tell(p))?;
    if writer.rows() == 0 && !summary.stopped {
        let first = summary.broken.first().map(|Broken { reason, .. }| format!("; the first: {reason}"));
        return Err(Error::file(
            folder,
            format!("none of the files could be used, so the gallery is empty{}", first.unwrap_or_default()),
            "Name a folder that holds photos (PNG, JPEG, BMP, WebP or TIFF)",
        ));
    }
    Ok(summary)
}

/// Passes progress on at a pace that a window can follow, and waits while the job is held. Time that it waited does not count.
struct Teller<'a> {
    ticket: &'a mut Ticket,
    outbox: &'a Outbox,
    told: Option<Instant>,
    /// Time since the first image was embedded, less what it was held.
    active: Duration,
}

impl Teller<'_> {
    fn tell(&mut self, progress: &Progress) -> Flow {
        if self.ticket.wait_while_held() {
            self.told = None;
        }
        let due = self.told.is_none_or(|told| told.elapsed() >= PACE);
        if due || progress.done == progress.total {
            match self.told {
                Some(told) if progress.embedded > 0 => self.active += told.elapsed(),
                // What was only recognised went by much faster, and says nothing about the rest.
                _ => self.ticket.start_again(),
            }
            self.told = Some(Instant::now());
            let seconds = self.active.as_secs_f64();
            let speed = (seconds >= 0.5).then(|| progress.embedded as f64 / seconds);
            let progress = Progress { images_per_second: speed, ..*progress };
            self.outbox.telemetry(told(DiskEvent::Growing { job: self.ticket.job, progress }));
            self.ticket.progress(progress.done, progress.total, "images");
        }
        self.ticket.flow()
    }
}

/// The last part of a path, for titles.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
