//! A file of records of one size behind a header, to which records are only ever appended.
//!
//! The catalogue knows how many records count, and their checksum. What lies behind them is left from a write that was cut
//! off: readers do not look at it, and the next writer cuts it away.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::header::{Content, HEADER_BYTES, Header};
use crate::error::{Error, Result};

/// How many records of a file count, and what they sum up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Records.
    pub records: usize,
    /// CRC-32C of their bytes.
    pub checksum: u32,
}

/// Where a file is and what it holds.
#[derive(Debug, Clone)]
pub struct Place {
    pub path: PathBuf,
    pub content: Content,
    pub segment: usize,
    /// Bytes of one record.
    pub record: usize,
}

impl Place {
    fn bytes(&self, records: usize) -> u64 {
        HEADER_BYTES as u64 + records as u64 * self.record as u64
    }

    fn cut_short(&self, length: u64, records: usize) -> Error {
        Error::file(
            &self.path,
            format!("is damaged: it has {length} bytes where {} were written", self.bytes(records)),
            "Restore the gallery's folder from a copy, or build the gallery anew",
        )
    }
}

/// A file that is being appended to.
#[derive(Debug)]
pub struct Appender {
    place: Place,
    file: File,
    committed: Committed,
    /// What has been appended since: checksum and records with it.
    pending: Committed,
}

impl Appender {
    /// Opens the file for appending behind `committed` and cuts off what lies behind; creates it where nothing counts yet.
    pub fn open(place: Place, header: &Header, committed: Committed) -> Result<Self> {
        let failed = |e| Error::io("write", &place.path, e);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(committed.records == 0).truncate(false);
        let mut file = options.open(&place.path).map_err(failed)?;
        if committed.records == 0 {
            // Whatever is there counts for nothing, its header included.
            file.set_len(0).map_err(failed)?;
            file.write_all(&header.to_bytes(place.content, place.segment)).map_err(failed)?;
        } else {
            let mut bytes = vec![0; HEADER_BYTES];
            let length = file.metadata().map_err(failed)?.len();
            if length < place.bytes(committed.records) {
                return Err(place.cut_short(length, committed.records));
            }
            file.read_exact(&mut bytes).map_err(failed)?;
            header.check(&bytes, place.content, place.segment, &place.path)?;
        }
        let mut appender = Self { place, file, committed, pending: committed };
        appender.roll_back()?;
        Ok(appender)
    }

    /// Appends whole records. They count once [`Appender::sync`] has returned, the catalogue knows, and
    /// [`Appender::settle`] is called.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        debug_assert!(bytes.len().is_multiple_of(self.place.record));
        self.file.write_all(bytes).map_err(|e| Error::io("write", &self.place.path, e))?;
        self.pending.checksum = crc32c::crc32c_append(self.pending.checksum, bytes);
        self.pending.records += bytes.len() / self.place.record;
        Ok(())
    }

    /// Waits until what was appended is on the disk; returns what may now be committed.
    pub fn sync(&self) -> Result<Committed> {
        self.file.sync_data().map_err(|e| Error::io("write", &self.place.path, e))?;
        Ok(self.pending)
    }

    /// What was appended counts from now on.
    pub fn settle(&mut self) {
        self.committed = self.pending;
    }

    /// Forgets what was appended since the last commit.
    pub fn roll_back(&mut self) -> Result<()> {
        let end = self.place.bytes(self.committed.records);
        let cut = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        cut.map_err(|e| Error::io("write", &self.place.path, e))?;
        self.pending = self.committed;
        Ok(())
    }
}

/// The committed records of a file, mapped into memory.
#[derive(Debug)]
pub struct Mapped {
    map: Option<Mmap>,
    bytes: usize,
}

impl Mapped {
    /// Maps `records` of the file, whose header is checked. The file is not kept open.
    pub fn open(place: &Place, header: &Header, records: usize) -> Result<Self> {
        let bytes = records * place.record;
        if bytes == 0 {
            return Ok(Self { map: None, bytes });
        }
        let failed = |e| Error::io("read", &place.path, e);
        let file = File::open(&place.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length < place.bytes(records) {
            return Err(place.cut_short(length, records));
        }
        // SAFETY: the map covers committed records only. Rain never changes or cuts those: writers append behind them and
        // cut off only what lies behind them, one writer at a time by the lock. Another program that shortened the file
        // would end this one by a bus error, which is not memory-unsafe; one that wrote into it would change numbers, which
        // are valid whatever their bits.
        let map = unsafe { memmap2::MmapOptions::new().len(HEADER_BYTES + bytes).map(&file) }.map_err(failed)?;
        header.check(&map, place.content, place.segment, &place.path)?;
        Ok(Self { map: Some(map), bytes })
    }

    /// The bytes of the records.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[HEADER_BYTES..])
    }

    /// The records as numbers of type `T`.
    pub fn numbers<T: Plain>(&self) -> &[T] {
        // SAFETY: `T` is plain numbers, for which any bits are valid. Records begin on a page, so nothing is cut off in
        // front; behind, no record is cut in two.
        let (before, numbers, _) = unsafe { self.bytes().align_to::<T>() };
        debug_assert!(before.is_empty());
        numbers
    }

    /// Bytes of the records, mapped or not.
    pub fn len(&self) -> usize {
        self.bytes
    }
}

/// Types that any bits are a value of.
///
/// # Safety
/// Implemented only for such types, without padding and with an alignment of at most a page.
pub unsafe trait Plain: Copy {}
// SAFETY: numbers.
unsafe impl Plain for f32 {}
// SAFETY: a transparent `u16`.
unsafe impl Plain for half::f16 {}
// SAFETY: six `f32` in a row.
unsafe impl Plain for crate::gallery::codes::Scale {}

/// Reads a whole file of records again and sums it up; also returns the bytes that lie behind the committed ones.
pub fn checksum(path: &Path, record: usize, records: usize) -> Result<(u32, u64)> {
    let failed = |e| Error::io("read", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let total = (HEADER_BYTES + record * records) as u64;
    let behind = file.metadata().map_err(failed)?.len().saturating_sub(total);
    file.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(failed)?;
    let (mut left, mut sum) = (record * records, 0);
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        let piece = left.min(buffer.len());
        file.read_exact(&mut buffer[..piece]).map_err(failed)?;
        sum = crc32c::crc32c_append(sum, &buffer[..piece]);
        left -= piece;
    }
    Ok((sum, behind))
}
