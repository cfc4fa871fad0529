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

mod folder;
mod market1501;
mod scan;
mod viper;

pub use market1501::identity_and_camera;

/// What a layout lists before the files are opened.
#[derive(Debug, Default)]
struct Listing {
    photos: Vec<Photo>,
    broken: Vec<Broken>,
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
    // The plainest mistakes first, in the operating system's words: a missing folder, a file, no permission.
    fs::read_dir(root).map_err(|e| Error::io("read", root, e))?;
    let (format, root) = match format {
        Some(format) => (format, unwrap(root, format).unwrap_or_else(|| root.to_path_buf())),
        None => recognise(root),
    };
    let listing = match format {
        Format::Market1501 => market1501::list(&root)?,
        Format::Viper => viper::list(&root)?,
        Format::Folder => folder::list(&root)?,
    };
    let (photos, broken) = verify(listing.photos, |p| &p.path, listing.broken);
    if photos.is_empty() {
        return Err(nothing_usable(&root, looked_for(format), &broken));
    }
    Ok(Dataset { format, root, photos, broken })
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
fn recognise(root: &Path) -> (Format, PathBuf) {
    for format in [Format::Market1501, Format::Viper] {
        if let Some(root) = unwrap(root, format) {
            return (format, root);
        }
    }
    (Format::Folder, root.to_path_buf())
}

/// `root`, or the only folder in it, whichever has the layout.
fn unwrap(root: &Path, format: Format) -> Option<PathBuf> {
    let has_layout = |root: &Path| match format {
        Format::Market1501 => market1501::is_here(root),
        Format::Viper => viper::is_here(root),
        Format::Folder => true,
    };
    if has_layout(root) {
        return Some(root.to_path_buf());
    }
    match scan::folders(root).ok()?.as_slice() {
        [only] if has_layout(only) => Some(only.clone()),
        _ => None,
    }
}

fn looked_for(format: Format) -> &'static str {
    match format {
        Format::Market1501 => market1501::LOOKED_FOR,
        Format::Viper => viper::LOOKED_FOR,
        Format::Folder => folder::LOOKED_FOR,
    }
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
mod tests;
