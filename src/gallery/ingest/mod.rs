//! From folders of images to rows of a gallery: what is new is embedded, what is known is recognised, nothing twice.
//!
//! A file of the length and time of change that the gallery remembers is not read again. Any other is read once, by one of
//! several threads, and told by the hash of its content: a known content is a moved file, or a copy, and takes the embedding
//! that is there; a new one goes through the network in batches. Rows are committed every few hundred images, so a run
//! that is stopped or killed goes on where it was.
//!
//! A few images a thread are decoded ahead and a few hundred embeddings wait for their commit; one file a thread is open.
//! What grows with the folder is the list of its paths (about 150 bytes an image) and the hashes of what is known (about 20).

mod read;
mod time;
pub mod watch;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;

use super::embed::{self, Batches};
use super::mask::Mask;
use super::photos;
use super::store::{Change, ContentHash, Record, Store, Writer};
use crate::data::dataset::{Broken, Photo};
use crate::data::prefetch::Prefetch;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::model::rain::Rain;
use read::{Read, Reader, stat};
pub use time::parse as parse_time;

/// Seconds that a new row waits for its commit, at most.
const PATIENCE: Duration = Duration::from_secs(2);
/// Images that a reading thread may have ready.
const AHEAD: usize = 8;

/// How far an `add` is.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Progress {
    /// Images that are dealt with.
    pub done: u64,
    /// Images in all.
    pub total: u64,
    /// Of those done: put through the network.
    pub embedded: u64,
    /// Of those done: known by their content, so not embedded (moved, copied, touched, or there again).
    pub recognised: u64,
    /// Of those done: untouched since the last time.
    pub unchanged: u64,
    /// Of those done: not usable.
    pub broken: u64,
    /// Images that were embedded a second, once that is known.
    pub images_per_second: Option<f64>,
    /// Seconds left at this pace, once it is known.
    pub seconds_left: Option<f64>,
}

/// What an `add` did.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct Summary {
    /// The figures at the end.
    pub progress: Progress,
    /// Images whose file is gone, or holds something else: no longer searched.
    pub removed: u64,
    /// Files that could not be used and were not known as such before.
    pub broken: Vec<Broken>,
    /// Whether it was stopped before the end; what was done is kept.
    pub stopped: bool,
}

/// What an `add` looks at.
#[derive(Debug, Clone)]
pub struct Options {
    /// Take identity and camera from file names alone, whatever layout the folders have.
    pub loose: bool,
    /// Read every file again, also those that look untouched.
    pub reread: bool,
    /// Keep searching images whose file is gone.
    pub keep_missing: bool,
    /// New images that are committed together, at most: as many are lost when the process is killed.
    pub commit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { loose: false, reread: false, keep_missing: false, commit: 512 }
    }
}

/// Brings the gallery up to the folders: each image in them is a row afterwards, and no row's file is missing. `gallery` is
/// open for writing and was made by `model`, which the caller has checked.
///
/// # Errors
/// Where a folder cannot be read (a disk that is not connected removes nothing), or the disk refuses.
pub fn add(
    writer: &mut Writer,
    model: &Rain,
    folders: &[PathBuf],
    options: &Options,
    device: &Device,
    on: &mut dyn FnMut(&Progress) -> Flow,
) -> Result<Summary> {
    let folders: Vec<PathBuf> = folders
        .iter()
        .map(|folder| std::path::absolute(folder).map_err(|e| Error::io("find", folder, e)))
        .collect::<Result<_>>()?;
    let listed = Listed::new(&folders, options.loose)?;
    writer.add_folders(&folders)?;
    let mut run = Run::new(writer, listed.photos.len(), options.commit.max(1), on)?;
    for broken in listed.broken {
        run.broken(broken, 0, 0)?;
    }
    let files = Arc::new(run.pass_over_untouched(listed.photos, &listed.times, options)?);
    run.read(files, model, device)?;
    if !run.stopped && !options.keep_missing {
        run.remove_missing(&listed.there)?;
    }
    run.finish()
}

/// What the folders hold, by name.
#[derive(Default)]
struct Listed {
    /// Each image once.
    photos: Vec<Photo>,
    /// The times that tables tell.
    times: BTreeMap<PathBuf, i64>,
    broken: Vec<Broken>,
    /// The folders that hold images: one that holds none may be a disk that is not connected.
    there: Vec<PathBuf>,
}

impl Listed {
    fn new(folders: &[PathBuf], loose: bool) -> Result<Self> {
        let mut all = Self::default();
        for folder in folders {
            let listing = photos::listed(folder, loose)?;
            if !listing.photos.is_empty() {
                all.there.push(folder.clone());
            }
            all.photos.extend(listing.photos);
            all.broken.extend(listing.broken);
            all.times.extend(time::told_by_tables(folder));
        }
        if folders.len() > 1 {
            all.photos.sort_by(|a, b| a.path.cmp(&b.path));
            all.photos.dedup_by(|a, b| a.path == b.path);
        }
        Ok(all)
    }
}

/// A file that has to be read.
#[derive(Debug, Clone)]
struct File {
    /// What is known of it without reading it.
    record: Record,
    /// The row that is searched under its path; it may turn out to hold something else.
    before: Option<usize>,
}

/// An image on its way through the network.
struct Image {
    file: usize,
    record: Record,
    thumbnail: Vec<u8>,
}

struct Run<'a> {
    writer: &'a mut Writer,
    on: &'a mut dyn FnMut(&Progress) -> Flow,
    /// The gallery's embeddings, for copies.
    store: Store,
    /// What is being read, and how many of it have come.
    files: Arc<Vec<File>>,
    reads: Option<Prefetch<Read>>,
    came: usize,
    /// Rows whose file is there; of those that were there at the beginning.
    seen: Mask,
    /// What waits for the next commit, the rows it speaks of, how many it adds, and how many it may.
    changes: Vec<Change>,
    claimed: HashSet<usize>,
    adds: usize,
    most: usize,
    /// Contents that are on their way, and copies of them, which wait until those are committed.
    pending: HashSet<ContentHash>,
    aside: Vec<(usize, ContentHash)>,
    /// Batches that came back before their turn, so that rows stand in the order of their paths.
    early: BTreeMap<u64, (Vec<Image>, Vec<f32>)>,
    given: u64,
    taken: u64,
    unusable: Vec<(Broken, u64, i64)>,
    progress: Progress,
    summary: Summary,
    /// When reading began, and what was done by then.
    began: (Instant, u64),
    committed: Instant,
    stopped: bool,
}

impl<'a> Run<'a> {
    fn new(
        writer: &'a mut Writer,
        total: usize,
        most: usize,
        on: &'a mut dyn FnMut(&Progress) -> Flow,
    ) -> Result<Self> {
        Ok(Self {
            store: Store::open(writer.folder())?,
            files: Arc::default(),
            reads: None,
            came: 0,
            seen: Mask::none(writer.rows()),
            changes: Vec::new(),
            claimed: HashSet::new(),
            adds: 0,
            most,
            pending: HashSet::new(),
            aside: Vec::new(),
            early: BTreeMap::new(),
            given: 0,
            taken: 0,
            unusable: Vec::new(),
            progress: Progress { total: total as u64, ..Progress::default() },
            summary: Summary::default(),
            began: (Instant::now(), 0),
            committed: Instant::now(),
            stopped: false,
            writer,
            on,
        })
    }

    /// Goes through the list and leaves what has to be read.
    fn pass_over_untouched(
        &mut self,
        photos: Vec<Photo>,
        times: &BTreeMap<PathBuf, i64>,
        options: &Options,
    ) -> Result<Vec<File>> {
        let mut to_read = Vec::new();
        self.step();
        for Photo { path, identity, camera, .. } in photos {
            if self.stopped {
                break;
            }
            let (bytes, modified) = stat(&path).unwrap_or((0, UNTOLD)); // reading it will say what is wrong
            let time = times.get(&path).copied().or_else(|| time::told_by_name(&path));
            let before = self.writer.at_path(&path)?;
            match before {
                Some((row, old)) if !options.reread && (old.bytes, old.modified) == (bytes, modified) => {
                    self.seen.insert(row);
                    if (old.identity, old.camera, old.time) != (identity, camera, time) {
                        self.update(row, Record { identity, camera, time, ..old });
                    }
                    self.progress.unchanged += 1;
                    self.done()?;
                }
                None if !options.reread && self.writer.is_broken(&path, bytes, modified)? => {
                    self.progress.broken += 1;
                    self.done()?;
                }
                before => {
                    let record = Record { path, identity, camera, time, bytes, modified, ..Record::default() };
                    to_read.push(File { record, before: before.map(|(row, _)| row) });
                }
            }
        }
        Ok(to_read)
    }

    /// Reads the files and puts what is new in them through the network.
    fn read(&mut self, files: Arc<Vec<File>>, model: &Rain, device: &Device) -> Result<()> {
        self.began = (Instant::now(), self.progress.done);
        if self.stopped || files.is_empty() {
            return self.commit();
        }
        let size = (model.config().height, model.config().width);
        let paths = files.clone();
        let reader = Reader { known: Arc::new(self.writer.contents()?), height: size.0, width: size.1 };
        let work = move |index: u64| reader.read(&paths[index as usize].record.path);
        let reads = Prefetch::start(embed::workers(), AHEAD, 0, files.len() as u64, work).map_err(|e| {
            Error::input(
                format!("The system refused a thread for reading images: {e}"),
                "Close other programs, or use fewer --threads",
            )
        })?;
        let lanes = embed::lanes(files.len(), device)?;
        (self.files, self.reads) = (files, Some(reads));
        // The weights are made ready however few images there are: an embedding does not depend on how many came with it.
        let prepared = if device.is_cpu() { Some(model.extractor.prepare()?) } else { None };
        embed::run(prepared.as_ref().unwrap_or(&model.extractor), size, device, &lanes, self)?;
        self.reads = None;
        self.commit()
    }

    /// Takes the embedding that is there where the content is known; answers whether it is.
    fn recognise(&mut self, file: usize, hash: ContentHash) -> Result<bool> {
        let rows = self.writer.of_content(hash)?;
        let Some((first, known, _)) = rows.first() else { return Ok(false) };
        let File { record, before } = self.files[file].clone();
        let record = Record { hash, width: known.width, height: known.height, ..record };
        let free = |row: &usize| !self.claimed.contains(row);
        let touched = rows.iter().map(|(row, ..)| *row).find(|row| Some(*row) == before && free(row));
        let moved = || {
            let lost = |old: &Record, gone: bool| gone || matches!(old.path.try_exists(), Ok(false));
            rows.iter().find(|(row, old, gone)| free(row) && lost(old, *gone)).map(|(row, ..)| *row)
        };
        match touched.or_else(moved) {
            Some(row) => {
                self.replace(before.filter(|before| *before != row));
                self.update(row, record);
            }
            None => {
                if *first >= self.store.rows() {
                    self.store.refresh()?;
                }
                let vector = self.store.vector(*first)?;
                let thumbnail = self.store.thumbnail(*first)?.unwrap_or_default();
                self.replace(before);
                self.add(record, vector, thumbnail);
            }
        }
        self.progress.recognised += 1;
        Ok(true)
    }

    fn update(&mut self, row: usize, record: Record) {
        self.seen.insert(row);
        self.claimed.insert(row);
        self.changes.push(Change::Update { row, record });
    }

    fn add(&mut self, record: Record, vector: Vec<f32>, thumbnail: Vec<u8>) {
        self.adds += 1;
        self.changes.push(Change::Add { record, vector, thumbnail });
    }

    /// The row that was searched under a path, which holds something else now.
    fn replace(&mut self, before: Option<usize>) {
        if let Some(row) = before {
            self.seen.insert(row);
            if self.claimed.insert(row) {
                self.changes.push(Change::Remove { row });
                self.summary.removed += 1;
            }
        }
    }

    fn broken(&mut self, broken: Broken, bytes: u64, modified: i64) -> Result<()> {
        if !self.writer.is_broken(&broken.path, bytes, modified)? {
            self.summary.broken.push(broken.clone());
            self.unusable.push((broken, bytes, modified));
        }
        Ok(())
    }

    /// One more image is dealt with.
    fn done(&mut self) -> Result<()> {
        self.progress.done += 1;
        if self.adds >= self.most || self.changes.len() >= 8 * self.most || self.committed.elapsed() >= PATIENCE {
            self.commit()?;
        }
        self.step();
        Ok(())
    }

    /// Tells how far it is, and hears whether to go on.
    fn step(&mut self) {
        let (began, first) = self.began;
        let (seconds, done) = (began.elapsed().as_secs_f64(), self.progress.done - first);
        let p = &mut self.progress;
        if self.reads.is_some() && seconds >= 0.5 && done > 0 {
            p.images_per_second = (p.embedded > 0).then(|| p.embedded as f64 / seconds);
            p.seconds_left = Some(seconds / done as f64 * p.total.saturating_sub(p.done) as f64);
        }
        if (self.on)(p) == Flow::Stop {
            self.stopped = true;
        }
    }

    /// What waits is committed; then the copies of it, which waited for that.
    fn commit(&mut self) -> Result<()> {
        loop {
            if !self.changes.is_empty() {
                self.writer.commit(&self.changes)?;
            }
            for change in self.changes.drain(..) {
                if let Change::Add { record, .. } = change {
                    self.pending.remove(&record.hash);
                }
            }
            self.claimed.clear();
            (self.adds, self.committed) = (0, Instant::now());
            let (ready, waiting): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.aside).into_iter().partition(|(_, hash)| !self.pending.contains(hash));
            self.aside = waiting;
            for (at, &(file, hash)) in ready.iter().enumerate() {
                self.recognise(file, hash)?;
                self.progress.done += 1;
                if self.adds >= self.most {
                    self.aside.extend_from_slice(&ready[at + 1..]);
                    break;
                }
            }
            if self.changes.is_empty() {
                break;
            }
        }
        let unusable = std::mem::take(&mut self.unusable);
        if unusable.is_empty() { Ok(()) } else { self.writer.add_broken(&unusable) }
    }

    /// Rows in `folders` whose file is no longer there are not searched any more.
    fn remove_missing(&mut self, folders: &[PathBuf]) -> Result<()> {
        let (seen, mut missing) = (&self.seen, Vec::new());
        self.writer.each(&mut |row, record| {
            let inside = || folders.iter().any(|folder| record.path.starts_with(folder));
            if row < seen.rows() && !seen.contains(row) && inside() && matches!(record.path.try_exists(), Ok(false)) {
                missing.push(Change::Remove { row });
            }
            Ok(())
        })?;
        self.summary.removed += missing.len() as u64;
        self.writer.commit(&missing).map(drop)
    }

    fn finish(mut self) -> Result<Summary> {
        self.step();
        self.summary.progress = self.progress;
        self.summary.stopped = self.stopped;
        Ok(self.summary)
    }
}

impl Batches for Run<'_> {
    type Tag = (u64, Vec<Image>);

    fn next(&mut self, size: usize) -> Result<Option<(Self::Tag, Vec<f32>)>> {
        let (mut images, mut batch) = (Vec::with_capacity(size), Vec::new());
        while images.len() < size && self.came < self.files.len() && !self.stopped {
            let Some(read) = self.reads.as_mut().and_then(Prefetch::next) else {
                return Err(Error::input(
                    "A thread that reads images stopped unexpectedly",
                    "This is a fault in Rain; please report it with the command you ran, then try again",
                ));
            };
            let file = self.came;
            self.came += 1;
            match read {
                Read::Broken(broken, lasting) => {
                    let File { record, before } = self.files[file].clone();
                    self.replace(before);
                    self.broken(broken, record.bytes, if lasting { record.modified } else { UNTOLD })?;
                    self.progress.broken += 1;
                    self.done()?;
                }
                Read::Known(hash) | Read::Fresh { hash, .. } if self.pending.contains(&hash) => {
                    self.aside.push((file, hash));
                }
                Read::Known(hash) => {
                    // A content that the gallery knew at the beginning does not leave it.
                    self.recognise(file, hash)?;
                    self.done()?;
                }
                Read::Fresh { hash, width, height, pixels, thumbnail } => {
                    if self.recognise(file, hash)? {
                        self.done()?;
                        continue;
                    }
                    self.pending.insert(hash);
                    batch.reserve(size * pixels.len() - batch.len());
                    batch.extend_from_slice(&pixels);
                    let record = Record { hash, width, height, ..self.files[file].record.clone() };
                    images.push(Image { file, record, thumbnail });
                }
            }
        }
        if images.is_empty() {
            return Ok(None);
        }
        self.given += 1;
        Ok(Some(((self.given - 1, images), batch)))
    }

    fn keep(&mut self, (number, images): Self::Tag, embeddings: Vec<f32>) -> Result<()> {
        self.early.insert(number, (images, embeddings));
        while let Some((images, embeddings)) = self.early.remove(&self.taken) {
            self.taken += 1;
            let columns = self.writer.header().maker.columns;
            for (image, vector) in images.into_iter().zip(embeddings.chunks_exact(columns.max(1))) {
                self.replace(self.files[image.file].before);
                self.add(image.record, vector.to_vec(), image.thumbnail);
                self.progress.embedded += 1;
                self.done()?;
            }
        }
        Ok(())
    }
}

/// A time of change that no file has: what carries it is read again.
const UNTOLD: i64 = -1;
