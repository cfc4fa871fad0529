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
mod run;
mod time;
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;

use super::photos;
use super::store::Writer;
use crate::data::dataset::{Broken, Photo};
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::model::rain::Rain;
use run::Run;
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
