//! A gallery on disk: embeddings in append-only, memory-mapped files, and what is known of each image in SQLite.
//!
//! ```text
//! GALLERY/
//!   gallery.sqlite          how many rows count, with checksums; path, content, camera, time, identity, thumbnail of each
//!   segments/000000.rows    a header and the embeddings, f16 or f32
//!   segments/000000.codes   a header and their 8-bit codes, which the first pass of a search reads
//!   segments/000000.scales  a header and six numbers a row that the codes leave out
//!   approximate/            an index for approximate search, which can be made again from the rest
//!   lock                    held by the one process that writes
//! ```
//!
//! A row counts once SQLite says so. Rows are written and synced first, then their number and checksum are committed together
//! with what is known of their images; what a crash leaves behind the committed rows is not looked at, and cut off by the
//! next writer. Readers need no lock and see the gallery as it was when they opened it.
//!
//! Opening maps the files and reads a handful of numbers, not the images: a million rows open in milliseconds.
//!
//! [`Store`] reads, [`Writer`] changes, [`verify`] checks, [`exchange`] imports and exports.

mod catalogue;
pub mod exchange;
mod header;
mod record;
mod stream;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use half::f16;

pub use header::{HEADER_BYTES, Header, Maker, PREPROCESSING, Precision};
pub use record::{Change, ContentHash, Labels, NO_TIME, Record};
pub use verify::{Verified, verify};
pub use writer::{SEGMENT_ROWS, Writer};

use super::block::{self, Block, Rows};
use super::codes::{self, SCALE_NUMBERS, Scale};
use super::mask::Mask;
use crate::data::dataset::Broken;
use crate::error::{Error, Result};
use catalogue::{Catalogue, Counts};
use header::Content;
use stream::{Mapped, Place};

const DATABASE: &str = "gallery.sqlite";
const SEGMENTS: &str = "segments";
const LOCK: &str = "lock";

/// Whether a folder holds a gallery made by `rain index build`.
pub fn is_gallery(folder: &Path) -> bool {
    folder.join(DATABASE).is_file()
}

/// A gallery that is open for reading. It shows the rows that counted when it was opened; [`Store::refresh`] looks again.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    header: Header,
    model_name: String,
    segments: Vec<Segment>,
    rows: usize,
    live: Mask,
    catalogue: Mutex<Catalogue>,
}

#[derive(Debug)]
struct Segment {
    vectors: Mapped,
    codes: Mapped,
    scales: Mapped,
}

impl Store {
    /// Opens the gallery in `folder`.
    ///
    /// # Errors
    /// [`Error::File`] where there is no gallery, where it is damaged (`rain index verify` lists everything), or where it was
    /// made by a later Rain.
    pub fn open(folder: &Path) -> Result<Self> {
        let catalogue = open_catalogue(folder, false)?;
        let (header, model_name) = catalogue.about()?;
        let mut store = Self {
            folder: folder.to_path_buf(),
            header,
            model_name,
            segments: Vec::new(),
            rows: 0,
            live: Mask::none(0),
            catalogue: Mutex::new(catalogue),
        };
        store.refresh()?;
        Ok(store)
    }

    /// Shows what was committed since it was opened; returns whether there was anything.
    pub fn refresh(&mut self) -> Result<bool> {
        let (counts, gone) = {
            let catalogue = self.catalogue();
            // Counts first: rows that are added in between are not looked at.
            (catalogue.counts()?, catalogue.gone()?)
        };
        check_counts(&self.folder, &self.header, &counts)?;
        let rows: usize = counts.iter().map(|c| c[0].records).sum();
        let mut live = Mask::all(rows);
        gone.iter().for_each(|&row| live.remove(row));
        if rows != self.rows {
            let open = |(number, counts): (usize, &Counts)| {
                let map = |index: usize| {
                    let place = place(&self.folder, &self.header, number, CONTENTS[index]);
                    Mapped::open(&place, &self.header, counts[index].records)
                };
                Ok(Segment { vectors: map(0)?, codes: map(1)?, scales: map(2)? })
            };
            self.segments = counts.iter().enumerate().map(open).collect::<Result<_>>()?;
        }
        let changed = rows != self.rows || live != self.live;
        (self.rows, self.live) = (rows, live);
        Ok(changed)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it was made with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Name of the model file that made it, for people to read.
    pub fn model_name(&self) -> &str {
        &self.model_name
    }

    /// Refuses a model that did not make this gallery; the error names the ways out.
    pub fn check_maker(&self, asked: &Maker) -> Result<()> {
        self.header.check_maker(&self.folder, asked)
    }

    /// Rows, those included whose file is gone.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Length of an embedding, d.
    pub fn columns(&self) -> usize {
        self.header.maker.columns
    }

    /// The rows that are searched: those whose file is there. Combine it with a filter's mask.
    pub fn live(&self) -> &Mask {
        &self.live
    }

    /// Bytes of the files that a search maps: embeddings, codes and scales. They count as memory only while the system keeps
    /// them there.
    pub fn mapped_bytes(&self) -> [usize; 3] {
        let sum = |of: fn(&Segment) -> &Mapped| self.segments.iter().map(|s| of(s).len()).sum();
        [sum(|s| &s.vectors), sum(|s| &s.codes), sum(|s| &s.scales)]
    }

    /// All rows, for a search: a block a segment.
    pub fn blocks(&self) -> Vec<Block<'_>> {
        let columns = self.columns();
        let segments = self.segments.iter().enumerate();
        let blocks = segments.map(|(number, segment)| Block {
            first: number * self.header.segment_rows,
            columns,
            rows: match self.header.precision {
                Precision::F32 => Rows::F32(segment.vectors.numbers::<f32>()),
                Precision::F16 => Rows::F16(segment.vectors.numbers::<f16>()),
            },
            codes: segment.codes.bytes(),
            scales: segment.scales.numbers::<Scale>(),
        });
        blocks.collect()
    }

    /// The raw embedding of a row, `[d]`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such row.
    pub fn vector(&self, row: usize) -> Result<Vec<f32>> {
        let blocks = self.blocks();
        let (block, place) = block::find(&blocks, row).ok_or_else(|| self.no_row(row))?;
        let mut vector = vec![0.0; self.columns()];
        blocks[block].read(place, &mut vector);
        Ok(vector)
    }

    /// What is known of a row's image.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such row, [`Error::File`] where the database cannot be read.
    pub fn record(&self, row: usize) -> Result<Record> {
        self.catalogue().record(row)?.ok_or_else(|| self.no_row(row))
    }

    /// What is known of the images of some rows, in their order: a page of results, not a gallery.
    pub fn records(&self, rows: &[usize]) -> Result<Vec<Record>> {
        let catalogue = self.catalogue();
        rows.iter().map(|&row| catalogue.record(row)?.ok_or_else(|| self.no_row(row))).collect()
    }

    /// The row that is searched under a path.
    pub fn find(&self, path: &Path) -> Result<Option<(usize, Record)>> {
        self.catalogue().at_path(path)
    }

    /// Hands every row that is searched, with its record, to `on`; nothing is collected.
    pub fn each(&self, on: &mut dyn FnMut(usize, Record) -> Result<()>) -> Result<()> {
        self.catalogue().each(on)
    }

    /// A small JPEG of a row's image, as it was when it was added; `None` where there is none.
    pub fn thumbnail(&self, row: usize) -> Result<Option<Vec<u8>>> {
        self.catalogue().thumbnail(row)
    }

    /// Who, where and when of every row, for filters: 24 bytes a row, read anew at each call (about half a second a million).
    pub fn labels(&self) -> Result<Labels> {
        self.catalogue().labels(self.rows)
    }

    /// The folders that were indexed.
    pub fn folders(&self) -> Result<Vec<PathBuf>> {
        self.catalogue().folders()
    }

    /// The files that could not be used, with the reason.
    pub fn broken(&self) -> Result<Vec<Broken>> {
        self.catalogue().broken()
    }

    fn catalogue(&self) -> MutexGuard<'_, Catalogue> {
        // A connection is whole after any panic: SQLite rolls back what was not committed.
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_row(&self, row: usize) -> Error {
        Error::input(
            format!("There is no row {row} in the gallery {} ({} rows)", self.folder.display(), self.rows),
            "Search again: the gallery may have changed",
        )
    }
}

const CONTENTS: [Content; 3] = [Content::Vectors, Content::Codes, Content::Scales];

fn place(folder: &Path, header: &Header, segment: usize, content: Content) -> Place {
    let columns = header.maker.columns;
    let (ending, record) = match content {
        Content::Vectors => ("rows", columns * header.precision.bytes()),
        Content::Codes => ("codes", codes::stride(columns)),
        Content::Scales => ("scales", SCALE_NUMBERS * 4),
    };
    let path = folder.join(SEGMENTS).join(format!("{segment:06}.{ending}"));
    Place { path, content, segment, record }
}

fn open_catalogue(folder: &Path, write: bool) -> Result<Catalogue> {
    if !is_gallery(folder) {
        return Err(Error::file(
            folder,
            "there is no gallery in this folder",
            "Name a folder made by `rain index build`, or build one there",
        ));
    }
    Catalogue::open(&folder.join(DATABASE), write)
}

/// All segments but the last are full, and the three files of one have the same rows.
fn check_counts(folder: &Path, header: &Header, counts: &[Counts]) -> Result<()> {
    let full = |index: usize, rows: usize| rows == header.segment_rows || (index + 1 == counts.len() && rows > 0);
    if counts.iter().enumerate().all(|(index, c)| c[0].records <= header.segment_rows && full(index, c[0].records)) {
        return Ok(());
    }
    Err(Error::file(
        folder.join(DATABASE),
        "is damaged: its counts of rows do not fit together",
        "Restore the gallery's folder from a copy, or build the gallery anew",
    ))
}
