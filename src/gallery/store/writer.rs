//! The one that changes a gallery.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::catalogue::{Catalogue, Counts};
use super::header::{Header, Maker, Precision};
use super::record::{Change, ContentHash, Record};
use super::stream::{Appender, Committed};
use super::{CONTENTS, DATABASE, LOCK, SEGMENTS, check_counts, is_gallery, open_catalogue, place};
use crate::data::dataset::Broken;
use crate::error::{Error, Result};
use crate::fs::sync_folder;
use crate::gallery::codes;

/// Rows of a segment where nothing else is asked for: a GiB of f16 rows of 2,048 numbers.
pub const SEGMENT_ROWS: usize = 1 << 18;

/// A gallery that is open for changing; there is one at a time, by a lock that ends with its process.
///
/// [`Writer::commit`] is all or nothing, at every byte: a process that is killed in it leaves the gallery as it was.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    header: Header,
    catalogue: Catalogue,
    /// What counts, segment by segment.
    counts: Vec<Counts>,
    rows: usize,
    /// The last segment's files, once something was added.
    last: Option<Open>,
    _lock: File,
}

/// The three files of a segment, open for appending.
#[derive(Debug)]
struct Open {
    segment: usize,
    files: [Appender; 3],
}

impl Writer {
    /// Makes an empty gallery in `folder`, which is made too. `name` is the model file's, for people to read.
    ///
    /// # Errors
    /// [`Error::File`] where there is a gallery already, or another process is writing there.
    pub fn create(folder: &Path, header: &Header, name: &str) -> Result<Self> {
        let segments = folder.join(SEGMENTS);
        std::fs::create_dir_all(&segments).map_err(|e| Error::io("create", &segments, e))?;
        let lock = lock(folder)?;
        if is_gallery(folder) {
            return Err(Error::file(
                folder,
                "there is a gallery in this folder already",
                "Add to it with `rain index add`, or choose another folder",
            ));
        }
        // A database that is half made has another name.
        let new = folder.join("gallery.new");
        for left_over in [&new, &folder.join("gallery.new-journal")] {
            match std::fs::remove_file(left_over) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", left_over, e)),
                _ => {}
            }
        }
        drop(Catalogue::create(&new, header, name)?);
        let database = folder.join(DATABASE);
        std::fs::rename(&new, &database)
            .and_then(|()| sync_folder(folder))
            .map_err(|e| Error::io("write", &database, e))?;
        Self::with(folder, lock)
    }

    /// Opens a gallery for changing.
    ///
    /// # Errors
    /// [`Error::File`] where there is none, where it is damaged, or where another process is writing to it.
    pub fn open(folder: &Path) -> Result<Self> {
        if !is_gallery(folder) {
            open_catalogue(folder, true)?; // which says so
        }
        let lock = lock(folder)?;
        Self::with(folder, lock)
    }

    fn with(folder: &Path, lock: File) -> Result<Self> {
        let catalogue = open_catalogue(folder, true)?;
        let (header, _) = catalogue.about()?;
        let counts = catalogue.counts()?;
        check_counts(folder, &header, &counts)?;
        let rows = counts.iter().map(|c| c[0].records).sum();
        Ok(Self { folder: folder.to_path_buf(), header, catalogue, counts, rows, last: None, _lock: lock })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it was made with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Refuses a model that did not make this gallery; the error names the ways out.
    pub fn check_maker(&self, asked: &Maker) -> Result<()> {
        self.header.check_maker(&self.folder, asked)
    }

    /// Rows, those included whose file is gone.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The row that is searched under a path.
    pub fn at_path(&self, path: &Path) -> Result<Option<(usize, Record)>> {
        self.catalogue.at_path(path)
    }

    /// The rows of one content and whether their file is gone; those that are there come first.
    pub fn of_content(&self, hash: ContentHash) -> Result<Vec<(usize, Record, bool)>> {
        self.catalogue.of_content(hash)
    }

    /// Every content that has a row, whether its file is there or not.
    pub fn contents(&self) -> Result<HashSet<ContentHash>> {
        self.catalogue.contents()
    }

    /// Hands every row that is searched to `on`, ascending.
    pub fn each(&self, on: &mut dyn FnMut(usize, Record) -> Result<()>) -> Result<()> {
        self.catalogue.each(on)
    }

    /// The folders that were indexed.
    pub fn folders(&self) -> Result<Vec<PathBuf>> {
        self.catalogue.folders()
    }

    /// Remembers folders, to be looked at again.
    pub fn add_folders(&mut self, folders: &[PathBuf]) -> Result<()> {
        self.catalogue.add_folders(folders)
    }

    /// Whether a file was found broken before and has not changed since.
    pub fn is_broken(&self, path: &Path, bytes: u64, modified: i64) -> Result<bool> {
        self.catalogue.is_broken(path, bytes, modified)
    }

    /// Remembers files that could not be used, each with its length and time of change.
    pub fn add_broken(&mut self, files: &[(Broken, u64, i64)]) -> Result<()> {
        self.catalogue.add_broken(files)
    }

    /// Makes `changes`, all or none of them, and returns the rows that were added. When it returns they are on the disk.
    ///
    /// # Errors
    /// [`Error::Input`] for an embedding that has the wrong length or is not finite; [`Error::Io`] and [`Error::File`] where
    /// the disk refuses. The gallery is then as it was before.
    pub fn commit(&mut self, changes: &[Change]) -> Result<Range<usize>> {
        self.check(changes)?;
        let vectors: Vec<&[f32]> = changes.iter().filter_map(vector).collect();
        let mut opened = Vec::new();
        let written = self.write(&vectors, &mut opened).and_then(|counts| {
            self.catalogue.commit(changes, self.rows, &counts)?;
            Ok(counts)
        });
        let counts = match written {
            Ok(counts) => counts,
            Err(error) => {
                // What cannot be cut off now is cut off when the files are opened next.
                self.last = None;
                return Err(error);
            }
        };
        for (segment, count) in counts {
            self.counts.truncate(segment);
            self.counts.push(count);
        }
        if let Some(mut last) = opened.pop() {
            last.files.iter_mut().for_each(Appender::settle);
            self.last = Some(last);
        }
        let first = self.rows;
        self.rows += vectors.len();
        Ok(first..self.rows)
    }

    fn check(&self, changes: &[Change]) -> Result<()> {
        let columns = self.header.maker.columns;
        // Half precision ends at 65,504.
        let most = if self.header.precision == Precision::F16 { 65_504.0 } else { f32::MAX };
        for change in changes {
            let Change::Add { record, vector, .. } = change else { continue };
            if vector.len() != columns {
                return Err(Error::file(
                    &record.path,
                    format!("its embedding has {} numbers where the gallery's have {columns}", vector.len()),
                    "Embed it with the gallery's model",
                ));
            }
            if let Some(x) = vector.iter().find(|x| !(x.abs() <= most)) {
                return Err(Error::file(
                    &record.path,
                    format!("its embedding holds {x}, which this gallery cannot keep"),
                    "Build the gallery with --precision f32, or check the model",
                ));
            }
        }
        Ok(())
    }

    /// Appends vectors, codes and scales and waits until they are on the disk; returns the counts of the segments that grew,
    /// and in `opened` their files.
    fn write(&mut self, vectors: &[&[f32]], opened: &mut Vec<Open>) -> Result<Vec<(usize, Counts)>> {
        let (mut left, mut row, mut counts) = (vectors, self.rows, Vec::new());
        while !left.is_empty() {
            let segment = row / self.header.segment_rows;
            let here = left.len().min((segment + 1) * self.header.segment_rows - row);
            let (now, later) = left.split_at(here);
            let mut open = match self.last.take() {
                Some(open) if open.segment == segment => open,
                _ => self.open_segment(segment)?,
            };
            let bytes = self.encode(now);
            for (file, bytes) in open.files.iter_mut().zip(&bytes) {
                file.append(bytes)?;
            }
            counts.push((segment, [open.files[0].sync()?, open.files[1].sync()?, open.files[2].sync()?]));
            opened.push(open);
            (left, row) = (later, row + here);
        }
        Ok(counts)
    }

    fn open_segment(&self, segment: usize) -> Result<Open> {
        let committed = self.counts.get(segment).copied().unwrap_or([Committed::default(); 3]);
        let file = |index: usize| {
            let place = place(&self.folder, &self.header, segment, CONTENTS[index]);
            Appender::open(place, &self.header, committed[index])
        };
        let files = [file(0)?, file(1)?, file(2)?];
        let segments = self.folder.join(SEGMENTS);
        sync_folder(&segments).map_err(|e| Error::io("write", &segments, e))?;
        Ok(Open { segment, files })
    }

    /// The bytes of vectors, codes and scales. Codes describe the rows as they are kept, rounding included.
    fn encode(&self, vectors: &[&[f32]]) -> [Vec<u8>; 3] {
        let mut out = [const { Vec::new() }; 3];
        let mut kept = vec![0f32; self.header.maker.columns];
        let mut halves = vec![f16::ZERO; kept.len()];
        let mut codes = vec![0; codes::stride(kept.len())];
        for vector in vectors {
            kept.copy_from_slice(vector);
            match self.header.precision {
                Precision::F32 => kept.iter().for_each(|x| out[0].extend_from_slice(&x.to_le_bytes())),
                Precision::F16 => {
                    halves.convert_from_f32_slice(vector);
                    halves.iter().for_each(|x| out[0].extend_from_slice(&x.to_le_bytes()));
                    halves.convert_to_f32_slice(&mut kept);
                }
            }
            let scale = codes::encode(&kept, &mut codes);
            out[1].extend_from_slice(&codes);
            scale.to_array().iter().for_each(|x| out[2].extend_from_slice(&x.to_le_bytes()));
        }
        out
    }
}

fn vector(change: &Change) -> Option<&[f32]> {
    match change {
        Change::Add { vector, .. } => Some(vector),
        _ => None,
    }
}

/// The lock of the one process that writes; the system lets go of it when the process ends, however it ends.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::file(
            folder,
            "another program is writing to this gallery",
            "Wait until it is done, or stop it; searching works meanwhile",
        )),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", &path, e)),
    }
}
