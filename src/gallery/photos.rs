//! Which images of a folder are searched.

use std::path::{Path, PathBuf};

use crate::data::dataset::{Broken, Dataset, Format, Part, Photo};
use crate::data::formats;
use crate::data::taken::Taken;
use crate::error::{Error, Result};

/// The images of a gallery folder, and the files that were skipped.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Usable images, sorted by path.
    pub photos: Vec<Photo>,
    /// Skipped files, with the reason.
    pub broken: Vec<Broken>,
}

/// Lists a gallery: a data set of any layout that Rain reads, or loose images.
///
/// Of a data set with published parts the gallery part is taken, of VIPeR the sharp camera (a); of any other, everything.
/// Loose images take identity and camera from Market-1501 style names, where they have such. Fails where no image is usable.
pub fn gallery(folder: &Path) -> Result<Listing> {
    // Where no layout is there the loose images are taken, and their error, if any, is the one to tell.
    let Ok(dataset) = formats::read(folder, None) else { return loose(folder) };
    usable(folder, gallery_part(dataset))
}

/// [`gallery`] without opening the files, each of which is opened when its turn comes; there may be none. With `loose` no
/// layout is looked for: identity and camera come from the file names alone.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read.
pub fn listed(folder: &Path, loose: bool) -> Result<Listing> {
    let mut listing = match formats::list(folder, None) {
        Ok(dataset) if !loose && !dataset.photos.is_empty() => gallery_part(dataset),
        _ => {
            let (paths, broken) = formats::find_images(folder)?;
            Listing { photos: paths.into_iter().map(photo).collect(), broken }
        }
    };
    listing.photos.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

fn gallery_part(dataset: Dataset) -> Listing {
    let published = dataset.photos.iter().any(|photo| photo.part == Part::Gallery);
    let sharp = dataset.format == Format::Viper;
    let mut photos = dataset.photos;
    photos.retain(|photo| if published { photo.part == Part::Gallery } else { !sharp || photo.camera == 0 });
    Listing { photos, broken: dataset.broken }
}

/// Lists every image of a folder: a data set of any layout with all its parts, or loose images.
pub fn all(folder: &Path) -> Result<Listing> {
    match formats::read(folder, None) {
        Ok(dataset) => usable(folder, Listing { photos: dataset.photos, broken: dataset.broken }),
        Err(_) => loose(folder),
    }
}

fn loose(folder: &Path) -> Result<Listing> {
    let (paths, broken) = formats::list_images(folder)?;
    usable(folder, Listing { photos: paths.into_iter().map(photo).collect(), broken })
}

/// Lists crops: files, and the images of folders, in the order given. A folder without an image is listed as broken.
pub fn crops(paths: &[PathBuf]) -> Listing {
    let mut listing = Listing { photos: Vec::new(), broken: Vec::new() };
    for path in paths {
        if !path.is_dir() {
            listing.photos.push(photo(path.clone()));
            continue;
        }
        match loose(path) {
            Ok(inside) => {
                listing.photos.extend(inside.photos);
                listing.broken.extend(inside.broken);
            }
            Err(error) => listing.broken.push(Broken { path: path.clone(), reason: error.to_string() }),
        }
    }
    listing
}

fn photo(path: PathBuf) -> Photo {
    let (identity, camera) = formats::identity_and_camera(&path);
    Photo { identity, camera, part: Part::Any, taken: Taken::in_name(&path), path }
}

fn usable(folder: &Path, listing: Listing) -> Result<Listing> {
    if !listing.photos.is_empty() {
        return Ok(listing);
    }
    let problem = match listing.broken.first() {
        None => "there is no image in this folder".to_string(),
        Some(first) => format!(
            "none of its {} image files can be read; the first is {}: {}",
            listing.broken.len(),
            first.path.display(),
            first.reason.trim_end_matches('.')
        ),
    };
    Err(Error::file(folder, problem, "Choose a folder that holds photos (PNG, JPEG, BMP, WebP or TIFF)"))
}
