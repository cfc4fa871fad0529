//! Records, one JSON line each: `history.jsonl` (steps) and `validation.jsonl`.
//!
//! A line is appended with one write and never changed. A killed process can leave half a last line, which is dropped
//! when the file is opened again; any other line that cannot be read is damage and is reported.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::event::{StepRecord, ValidationRecord};
use crate::{Error, Result};

/// A record that belongs to a step.
pub trait Stepped: Serialize + DeserializeOwned {
    /// Steps done when it was made.
    fn step(&self) -> u64;
}

impl Stepped for StepRecord {
    fn step(&self) -> u64 {
        self.step
    }
}

impl Stepped for ValidationRecord {
    fn step(&self) -> u64 {
        self.step
    }
}

/// A file of records, open for appending.
pub struct Log<T> {
    file: File,
    path: PathBuf,
    /// Length in bytes of the whole lines.
    length: u64,
    records: PhantomData<T>,
}

impl<T: Stepped> Log<T> {
    /// Opens `path`, making it where it is missing, keeps the records up to `step` and cuts off the rest.
    /// Returns the log and the records that were kept.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read or written, [`Error::File`] where a line before the last one is damaged.
    pub fn open(path: &Path, step: u64) -> Result<(Self, Vec<T>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(|e| Error::io("open", path, e))?;
        let text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let (records, length) = parse(&text, path, step)?;
        file.set_len(length).map_err(|e| Error::io("write", path, e))?;
        Ok((Self { file, path: path.to_path_buf(), length, records: PhantomData }, records))
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; the file then still ends with the record before.
    pub fn append(&mut self, record: &T) -> Result<()> {
        let failed = |source| Error::io("write", &self.path, source);
        let mut line = serde_json::to_vec(record).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        let start = SeekFrom::Start(self.length);
        let written = self.file.seek(start).and_then(|_| self.file.write_all(&line));
        if let Err(error) = written {
            // Half a line may have found room on a full disk. Should cutting it off fail too, `open` will drop it.
            let _ = self.file.set_len(self.length);
            return Err(failed(error));
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Waits until everything that was appended is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk refuses.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("write", &self.path, e))
    }
}

/// Reads the records of a file without changing it; none where the file is missing.
///
/// # Errors
/// As [`Log::open`].
pub fn read<T: Stepped>(path: &Path) -> Result<Vec<T>> {
    match std::fs::read(path) {
        Ok(text) => Ok(parse(&text, path, u64::MAX)?.0),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// The records up to `step`, and the length in bytes of their lines.
fn parse<T: Stepped>(text: &[u8], path: &Path, step: u64) -> Result<(Vec<T>, u64)> {
    let (mut records, mut length) = (Vec::new(), 0);
    for (number, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let end = length + line.len();
        let record = match serde_json::from_slice::<T>(line) {
            Ok(record) if line.ends_with(b"\n") => record,
            _ if end == text.len() => break, // the last line, half written
            Ok(_) => break,
            Err(error) => {
                let problem = format!("Line {} cannot be read ({error})", number + 1);
                return Err(Error::file(path, problem, "Delete that line, then resume"));
            }
        };
        if record.step() > step {
            break;
        }
        records.push(record);
        length = end;
    }
    Ok((records, length as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(step: u64) -> StepRecord {
        StepRecord { step, total: 1.0 / step as f64, ..StepRecord::default() }
    }

    fn written(folder: &Path, steps: u64) -> PathBuf {
        let path = folder.join("history.jsonl");
        let (mut log, old) = Log::<StepRecord>::open(&path, 0).unwrap();
        assert!(old.is_empty());
        (1..=steps).for_each(|step| log.append(&record(step)).unwrap());
        log.sync().unwrap();
        path
    }

    #[test]
    fn records_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 9);
        let back: Vec<StepRecord> = read(&path).unwrap();
        assert_eq!(back, (1..=9).map(record).collect::<Vec<_>>());
        assert!(read::<StepRecord>(&folder.path().join("none.jsonl")).unwrap().is_empty());
    }

    #[test]
    fn opening_at_a_step_forgets_what_came_after_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 9);
        let (mut log, kept) = Log::<StepRecord>::open(&path, 4).unwrap();
        assert_eq!(kept.len(), 4);
        log.append(&record(5)).unwrap();
        assert_eq!(read::<StepRecord>(&path).unwrap(), (1..=5).map(record).collect::<Vec<_>>());
    }

    #[test]
    fn damage_in_the_middle_is_reported_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 3);
        let text = std::fs::read_to_string(&path).unwrap().replacen("\"step\":2", "\"step\":x", 1);
        std::fs::write(&path, text).unwrap();
        let error = Log::<StepRecord>::open(&path, 9).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("history.jsonl") && error.contains("Line 2"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = Log::<StepRecord>::open(&folder.path().join("x"), 0).unwrap();
        log.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        log.path = "run/history.jsonl".into();
        let error = log.append(&record(1)).unwrap_err().to_string();
        assert!(error.contains("history.jsonl") && error.contains("Free some space"), "{error}");
    }

    proptest! {
        #[test]
        fn a_kill_at_any_byte_loses_at_most_the_last_record(cut in 0usize..2000) {
            let folder = tempfile::tempdir().unwrap();
            let path = written(folder.path(), 8);
            let text = std::fs::read(&path).unwrap();
            let cut = cut.min(text.len());
            std::fs::write(&path, &text[..cut]).unwrap();
            let whole = text[..cut].iter().filter(|&&b| b == b'\n').count();
            let (mut log, kept) = Log::<StepRecord>::open(&path, u64::MAX).unwrap();
            prop_assert_eq!(kept.len(), whole);
            log.append(&record(99)).unwrap();
            prop_assert_eq!(read::<StepRecord>(&path).unwrap().len(), whole + 1);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<StepRecord>(&bytes, Path::new("x"), 5);
        }
    }
}
