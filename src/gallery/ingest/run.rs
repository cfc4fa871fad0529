//! The run over what was listed: untouched files are passed over, the others read, recognised or embedded, and committed.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use candle_core::Device;

use super::read::{Read, Reader, stat};
use super::{AHEAD, Options, PATIENCE, Progress, Summary, time};
use crate::data::dataset::{Broken, Photo};
use crate::data::prefetch::Prefetch;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::embed::{self, Batches};
use crate::gallery::mask::Mask;
use crate::gallery::store::{Change, ContentHash, Record, Store, Writer};
use crate::model::rain::Rain;

/// A file that has to be read.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// What is known of it without reading it.
    record: Record,
    /// The row that is searched under its path; it may turn out to hold something else.
    before: Option<usize>,
}

/// An image on its way through the network.
pub(super) struct Image {
    file: usize,
    record: Record,
    thumbnail: Vec<u8>,
}

/// One `add`: what it knows, what is on its way, what waits for the next commit.
pub(super) struct Run<'a> {
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
    pub(super) stopped: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
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
    pub(super) fn pass_over_untouched(
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
    pub(super) fn read(&mut self, files: Arc<Vec<File>>, model: &Rain, device: &Device) -> Result<()> {
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

    pub(super) fn broken(&mut self, broken: Broken, bytes: u64, modified: i64) -> Result<()> {
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
    pub(super) fn remove_missing(&mut self, folders: &[PathBuf]) -> Result<()> {
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

    pub(super) fn finish(mut self) -> Result<Summary> {
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
