//! A look at a gallery's files: which are there, which cannot be read, which are the same, and how large their images are.
//!
//! No pixel is decoded: headers tell the size. Only files of the same length are compared, because only those can be the same.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::data::dataset::{Broken, UNKNOWN};
use crate::data::image_io;
use crate::error::{Error, Result};
use crate::flow::Flow;

/// Upper ends of the classes of height, in pixels; the last class has none.
pub const HEIGHTS: [u32; 9] = [24, 32, 48, 64, 96, 128, 192, 256, 384];

/// One image as a survey is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Identity, or -1 where unknown.
    pub identity: i64,
    /// Camera, or -1 where unknown.
    pub camera: i64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// Images that were looked at.
    pub images: usize,
    /// Whether the gallery's folder itself is gone: an unplugged disk, a share that is not mounted.
    pub folder_gone: bool,
    /// Files that are not there any more.
    pub missing: Vec<PathBuf>,
    /// Files that are there and cannot be read, with the reason.
    pub broken: Vec<Broken>,
    /// Files of the same content, each group sorted, at least two in a group.
    pub duplicates: Vec<Vec<PathBuf>>,
    /// Images of each camera; -1 is unknown.
    pub cameras: BTreeMap<i64, usize>,
    /// People that are known.
    pub people: usize,
    /// Images of which nobody said who is in them.
    pub unnamed: usize,
    /// Images of each class of height: below `HEIGHTS[0]`, below `HEIGHTS[1]`, …, the rest.
    pub heights: [usize; HEIGHTS.len() + 1],
    /// Width and height of the lowest image, and of the highest.
    pub extremes: Option<[(u32, u32); 2]>,
    /// Bytes of the files.
    pub bytes: u64,
}

/// Looks at `images` of the gallery in `folder`. `on` hears of files done and files in all.
///
/// # Errors
/// [`Error::Cancelled`] only: whatever is wrong with a file is part of the answer.
pub fn survey(folder: &Path, images: &[Image<'_>], on: &mut dyn FnMut(u64, u64) -> Flow) -> Result<Survey> {
    let mut found = Survey { images: images.len(), folder_gone: !folder.exists(), ..Survey::default() };
    count_labels(&mut found, images);
    let total = images.len() as u64;
    let mut lengths: HashMap<u64, Vec<&Path>> = HashMap::new();
    for (done, image) in images.iter().enumerate() {
        if done % 64 == 0 && on(done as u64, total) == Flow::Stop {
            return Err(Error::Cancelled);
        }
        let Some(length) = length(image.path) else {
            found.missing.push(image.path.to_path_buf());
            continue;
        };
        found.bytes += length;
        match image_io::check(image.path) {
            Ok(size) => {
                take_size(&mut found, size);
                lengths.entry(length).or_default().push(image.path);
            }
            Err(error) => found.broken.push(image_io::broken(image.path, &error)),
        }
    }
    let stop = || on(total, total) == Flow::Stop;
    found.duplicates = duplicates(lengths.into_values().filter(|same| same.len() > 1), stop)?;
    Ok(found)
}

fn count_labels(found: &mut Survey, images: &[Image<'_>]) {
    let mut people: Vec<i64> = images.iter().map(|image| image.identity).filter(|&id| id != UNKNOWN).collect();
    found.unnamed = images.len() - people.len();
    people.sort_unstable();
    people.dedup();
    found.people = people.len();
    for image in images {
        *found.cameras.entry(image.camera).or_default() += 1;
    }
}

/// The length of a file; `None` where there is none.
fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len())
}

fn take_size(found: &mut Survey, (width, height): (u32, u32)) {
    found.heights[HEIGHTS.iter().position(|&end| height < end).unwrap_or(HEIGHTS.len())] += 1;
    let [low, high] = found.extremes.get_or_insert([(width, height); 2]);
    if height < low.1 {
        *low = (width, height);
    }
    if height > high.1 {
        *high = (width, height);
    }
}

/// Groups of equal content among files of equal length.
fn duplicates<'a>(
    groups: impl Iterator<Item = Vec<&'a Path>>,
    mut stop: impl FnMut() -> bool,
) -> Result<Vec<Vec<PathBuf>>> {
    let mut found = Vec::new();
    for group in groups {
        if stop() {
            return Err(Error::Cancelled);
        }
        let mut contents: HashMap<blake3::Hash, Vec<PathBuf>> = HashMap::new();
        for path in group {
            // A file that has gone in the meantime is the same as no other.
            if let Ok(content) = std::fs::read(path) {
                contents.entry(blake3::hash(&content)).or_default().push(path.to_path_buf());
            }
        }
        found.extend(contents.into_values().filter(|same| same.len() > 1));
    }
    found.iter_mut().for_each(|same| same.sort());
    found.sort();
    Ok(found)
}

/// The class of height in words: "48 to 63".
pub fn height_class(class: usize) -> String {
    match (class.checked_sub(1).map(|before| HEIGHTS[before]), HEIGHTS.get(class)) {
        (None, Some(end)) => format!("below {end}"),
        (Some(from), Some(end)) => format!("{from} to {}", end - 1),
        (Some(from), None) => format!("{from} and more"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;

    #[test]
    fn everything_wrong_with_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let save = |name: &str, width: u32, height: u32, shade: u8| {
            RgbImage::from_pixel(width, height, image::Rgb([shade; 3])).save(path(name)).unwrap();
        };
        save("a.png", 10, 20, 1);
        save("c.png", 10, 20, 1);
        save("b.png", 10, 20, 1);
        save("other.png", 10, 20, 2); // of the same length, but not the same
        save("large.png", 200, 400, 3);
        std::fs::write(path("broken.png"), "not a picture").unwrap();
        let names = ["a.png", "b.png", "c.png", "other.png", "large.png", "broken.png", "gone.png"];
        let paths: Vec<PathBuf> = names.iter().map(|name| path(name)).collect();
        let image = |(i, path)| Image { path, identity: if i == 6 { -1 } else { i as i64 / 2 }, camera: i as i64 % 2 };
        let images: Vec<Image<'_>> = paths.iter().map(PathBuf::as_path).enumerate().map(image).collect();
        let found = survey(folder.path(), &images, &mut |_, _| Flow::Continue).unwrap();
        assert_eq!((found.images, found.people, found.unnamed, found.folder_gone), (7, 3, 1, false));
        assert_eq!(found.missing, [path("gone.png")]);
        assert_eq!(found.broken.iter().map(|b| b.path.clone()).collect::<Vec<_>>(), [path("broken.png")]);
        assert_eq!(found.duplicates, [vec![path("a.png"), path("b.png"), path("c.png")]]);
        assert_eq!(found.cameras, BTreeMap::from([(0, 4), (1, 3)]));
        assert_eq!((found.heights[0], found.heights[9], found.heights.iter().sum::<usize>()), (4, 1, 5));
        assert_eq!(found.extremes, Some([(10, 20), (200, 400)]));
        assert!(found.bytes > 0);
    }

    #[test]
    fn an_unplugged_disk_is_told_and_nothing_fails() {
        let gone = Path::new("/nowhere/at/all");
        let file = gone.join("a.png");
        let images = [Image { path: &file, identity: 1, camera: 2 }];
        let found = survey(gone, &images, &mut |_, _| Flow::Continue).unwrap();
        assert!(found.folder_gone && found.missing.len() == 1 && found.broken.is_empty());
        assert!(matches!(survey(gone, &images, &mut |_, _| Flow::Stop), Err(Error::Cancelled)));
    }

    #[test]
    fn classes_of_height_read_well() {
        assert_eq!(height_class(0), "below 24");
        assert_eq!(height_class(2), "32 to 47");
        assert_eq!(height_class(HEIGHTS.len()), "384 and more");
    }
}
