//! Reading a folder as a data set: recognising its layout, listing its images and finding out which of them are usable.
//!
//! One file a layout; each only lists paths and reads names. Here every listed file is then opened and its header read,
//! so that a broken one is named at once and not in the middle of a run.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::dataset::{Broken, Dataset, Format, Photo};
use super::image_io;
use crate::{Error, Result};

mod csv;
mod cuhk03;
mod cuhk03_mat;
mod folder;
mod market1501;
mod msmt17;
mod prid2011;
mod scan;
mod seven;
pub mod summary;
mod viper;

pub use cuhk03_mat::{Extracted, extract};
pub use market1501::{frame_in, identity_and_camera};
pub(super) use prid2011::ONLY_B as PRID_ONLY_B;

/// What a layout lists before the files are opened.
#[derive(Debug, Default)]
struct Listing {
    photos: Vec<Photo>,
    broken: Vec<Broken>,
    test_sets: Vec<Vec<i64>>,
}

/// One published layout.
struct Layout {
    format: Format,
    /// In words, for messages.
    looked_for: &'static str,
    /// The entries that belong to it alone: where some are there and others are not, the set is half there.
    pieces: &'static [&'static str],
    is_here: fn(&Path) -> bool,
    list: fn(&Path) -> Result<Listing>,
}

/// In the order in which they are looked for. PRID's cameras are named like VIPeR's, so it comes first.
const LAYOUTS: [Layout; 9] = [
    Layout {
        format: Format::Market1501,
        looked_for: market1501::LOOKED_FOR,
        pieces: &["bounding_box_train", "query", "bounding_box_test"],
        is_here: market1501::is_here,
        list: market1501::list,
    },
    Layout {
        format: Format::Msmt17,
        looked_for: msmt17::LOOKED_FOR,
        pieces: &["list_train.txt", "list_query.txt", "list_gallery.txt"],
        is_here: msmt17::is_here,
        list: msmt17::list,
    },
    Layout {
        format: Format::Cuhk03,
        looked_for: cuhk03::LOOKED_FOR,
        pieces: &[],
        is_here: cuhk03::is_here,
        list: cuhk03::list,
    },
    Layout {
        format: Format::Prid2011,
        looked_for: prid2011::LOOKED_FOR,
        pieces: &["single_shot/cam_a", "single_shot/cam_b"],
        is_here: prid2011::is_here,
        list: prid2011::list,
    },
    Layout {
        format: Format::Viper,
        looked_for: viper::LOOKED_FOR,
        pieces: &["cam_a", "cam_b"],
        is_here: viper::is_here,
        list: viper::list,
    },
    Layout { format: Format::Csv, looked_for: csv::LOOKED_FOR, pieces: &[], is_here: csv::is_here, list: csv::list },
    Layout {
        format: Format::Cuhk01,
        looked_for: seven::CUHK01_LOOKED_FOR,
        pieces: &[],
        is_here: seven::is_cuhk01,
        list: seven::list_cuhk01,
    },
    Layout {
        format: Format::Caviar,
        looked_for: seven::CAVIAR_LOOKED_FOR,
        pieces: &[],
        is_here: seven::is_caviar,
        list: seven::list_caviar,
    },
    Layout {
        format: Format::Folder,
        looked_for: folder::LOOKED_FOR,
        pieces: &[],
        is_here: |root| scan::folders(root).is_ok_and(|folders| !folders.is_empty()),
        list: folder::list,
    },
];

impl Layout {
    fn of(format: Format) -> &'static Self {
        // Every format has its entry; the last one stands in for the compiler's sake.
        LAYOUTS.iter().find(|layout| layout.format == format).unwrap_or(&LAYOUTS[LAYOUTS.len() - 1])
    }

    /// `root`, or the only folder in it, or the only folder in that: whichever has the layout.
    fn unwrap(&self, root: &Path) -> Option<PathBuf> {
        let mut at = root.to_path_buf();
        for _ in 0..3 {
            if (self.is_here)(&at) {
                return Some(at);
            }
            match scan::folders(&at).ok()?.as_slice() {
                [only] => at = only.clone(),
                _ => return None,
            }
        }
        None
    }

    /// The pieces that are there, and those that are not.
    fn pieces(&self, root: &Path) -> (Vec<&'static str>, Vec<&'static str>) {
        self.pieces.iter().partition(|piece| root.join(piece).exists())
    }
}

/// One layout that was looked for in a folder.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Attempt {
    /// The layout.
    pub format: Format,
    /// What it looks like.
    pub looked_for: &'static str,
    /// What of it was found, in words.
    pub found: String,
    /// Whether the folder can be read as it.
    pub here: bool,
}

/// What was looked for in a folder and what was found, layout by layout: the answer to "why is my set not recognised?"
pub fn attempts(root: &Path) -> Vec<Attempt> {
    let attempt = |layout: &Layout| {
        let (there, missing) = layout.pieces(root);
        let here = layout.unwrap(root).is_some();
        let found = match (here, there.as_slice(), missing.as_slice()) {
            (true, ..) => "it is here".to_string(),
            (false, [], _) => "nothing of it".to_string(),
            (false, there, missing) => format!("{} without {}", there.join(", "), missing.join(", ")),
        };
        Attempt { format: layout.format, looked_for: layout.looked_for, found, here }
    };
    LAYOUTS.iter().map(attempt).collect()
}

/// Reads the data set in the folder `root`; its layout is recognised where `format` is not given. A folder that only
/// wraps a published layout (as unpacked archives often do) is looked into.
///
/// Hidden files (names that start with a dot) and files without an image's extension are not part of a set. Every other
/// file is either among the photos or among the broken ones, with the reason.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read; [`Error::File`] where the layout is not there or no image is usable:
/// the message says what was looked for and what was found.
pub fn read(root: &Path, format: Option<Format>) -> Result<Dataset> {
    let mut dataset = list(root, format)?;
    (dataset.photos, dataset.broken) = verify(dataset.photos, |p| &p.path, dataset.broken);
    if dataset.photos.is_empty() {
        return Err(nothing_usable(&dataset.root, Layout::of(dataset.format).looked_for, &dataset.broken));
    }
    Ok(dataset)
}

/// [`read`] without opening the files: for millions of them, each of which is opened anyway when its turn comes. The photos
/// come in the layout's order, and there may be none.
///
/// # Errors
/// As [`read`], less those of the files themselves.
pub fn list(root: &Path, format: Option<Format>) -> Result<Dataset> {
    // The plainest mistakes first, in the operating system's words: a missing folder, a file, no permission.
    fs::read_dir(root).map_err(|e| Error::io("read", root, e))?;
    let (layout, root) = match format.map(Layout::of) {
        Some(layout) => (layout, layout.unwrap(root).unwrap_or_else(|| root.to_path_buf())),
        None => recognise(root)?,
    };
    let Listing { photos, broken, test_sets } = (layout.list)(&root)?;
    Ok(Dataset { format: layout.format, root, photos, broken, test_sets })
}

/// Every usable image in a folder and the folders inside it, sorted by path, and every unusable one with its reason.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read; [`Error::File`] where it holds no usable image.
pub fn list_images(folder: &Path) -> Result<(Vec<PathBuf>, Vec<Broken>)> {
    let found = scan::walk(folder)?;
    let (images, broken) = verify(found.images, |p| p, found.broken);
    if images.is_empty() {
        return Err(nothing_usable(folder, "images (JPEG, PNG, BMP, TIFF or WebP)", &broken));
    }
    Ok((images, broken))
}

/// [`list_images`] without opening the files; there may be none.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read.
pub fn find_images(folder: &Path) -> Result<(Vec<PathBuf>, Vec<Broken>)> {
    let found = scan::walk(folder)?;
    Ok((found.images, found.broken))
}

/// Opens every listed file; both results come sorted by path.
fn verify<T: Send>(listed: Vec<T>, path: fn(&T) -> &Path, mut broken: Vec<Broken>) -> (Vec<T>, Vec<Broken>) {
    let checked: Vec<_> = listed
        .into_par_iter()
        .map(|item| match image_io::check(path(&item)) {
            Ok(_) => Ok(item),
            Err(error) => Err(image_io::broken(path(&item), &error)),
        })
        .collect();
    let mut usable = Vec::with_capacity(checked.len());
    for result in checked {
        match result {
            Ok(item) => usable.push(item),
            Err(reason) => broken.push(reason),
        }
    }
    usable.sort_by(|a, b| path(a).cmp(path(b)));
    broken.sort_by(|a, b| a.path.cmp(&b.path));
    (usable, broken)
}

/// The layout of a folder and where it begins; a folder of nothing known is read as a folder a person.
///
/// # Errors
/// [`Error::File`] where half of a layout is there: reading its camera folders as people would be a quiet mistake.
fn recognise(root: &Path) -> Result<(&'static Layout, PathBuf)> {
    let (last, published) = LAYOUTS.split_last().unwrap_or((&LAYOUTS[0], &[]));
    for layout in published {
        if let Some(root) = layout.unwrap(root) {
            return Ok((layout, root));
        }
    }
    for layout in published {
        if let (there @ [_, ..], missing @ [_, ..]) = (&*layout.pieces(root).0, &*layout.pieces(root).1) {
            let problem = format!(
                "looks like part of a published set: {} is there, {} is not. Looked for {}",
                there.join(", "),
                missing.join(", "),
                layout.looked_for
            );
            return Err(Error::file(root, problem, "Copy the missing part, or name the layout to read it as"));
        }
    }
    Ok((last, root.to_path_buf()))
}

/// The error of a layout that is not there.
fn not_laid_out(root: &Path, name: &str, looked_for: &str) -> Error {
    Error::file(
        root,
        format!("is not laid out like {name}. Looked for {looked_for}; found {}", scan::describe(root)),
        "Name the folder that holds these, or another format",
    )
}

/// Where the folder above has a published layout: that the user may have gone one folder too deep.
fn one_too_deep(root: &Path) -> Option<String> {
    let above = std::path::absolute(root).ok()?.parent()?.to_path_buf();
    let published = &LAYOUTS[..LAYOUTS.len() - 1];
    let has_pieces = published.iter().filter(|layout| !layout.pieces.is_empty());
    has_pieces
        .into_iter()
        .find(|layout| (layout.is_here)(&above))
        .map(|_| format!("Name the folder above it, {}, which has a published layout", above.display()))
}

fn nothing_usable(root: &Path, looked_for: &str, broken: &[Broken]) -> Error {
    let found = match broken {
        [] => scan::describe(root),
        [first, rest @ ..] => {
            let name = first.path.strip_prefix(root).unwrap_or(&first.path).display();
            let others = match rest.len() {
                0 => String::new(),
                1 => "; another one is unusable too".to_string(),
                n => format!("; {n} others are unusable too"),
            };
            format!("{name}, which {}{others}", clause(&first.reason))
        }
    };
    Error::file(
        root,
        format!("holds no usable image. Looked for {looked_for}; found {found}"),
        "Name the folder that holds the images, or replace the unusable files",
    )
}

/// A reason, so that it fits after "which": those that begin with a verb do as they are.
fn clause(reason: &str) -> String {
    if ["is ", "cannot ", "claims "].iter().any(|verb| reason.starts_with(verb)) {
        reason.to_string()
    } else {
        format!("is unusable: {reason}")
    }
}

#[cfg(test)]
mod hardship;
#[cfg(test)]
mod tests;
