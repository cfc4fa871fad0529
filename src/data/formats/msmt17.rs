//! MSMT17: `list_train.txt`, `list_val.txt`, `list_query.txt` and `list_gallery.txt`, each a line an image, beside the
//! folders of images (`train` and `test`, or `mask_train_v2` and `mask_test_v2`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::market1501::{digits, number};
use super::{Listing, scan};
use crate::data::dataset::{Broken, Part, Photo};
use crate::data::taken::Taken;
use crate::{Error, Result};

pub const LOOKED_FOR: &str = "an MSMT17 layout: list_train.txt, list_query.txt and list_gallery.txt, with the images in train \
    and test";

/// The lists, whether their images are training images, and their part.
const LISTS: [(&str, bool, Part); 4] = [
    ("list_train.txt", true, Part::Train),
    ("list_val.txt", true, Part::Train),
    ("list_query.txt", false, Part::Query),
    ("list_gallery.txt", false, Part::Gallery),
];
const TRAIN: [&str; 3] = ["train", "mask_train_v2", "mask_train"];
const TEST: [&str; 3] = ["test", "mask_test_v2", "mask_test"];
/// Test people are numbered from 0 again: here from this number on.
pub const TEST_FROM: i64 = 100_000;

pub fn is_here(root: &Path) -> bool {
    LISTS.iter().any(|(name, ..)| root.join(name).is_file())
}

/// Lists what the list files name. Whether each image is there is found out when it is opened.
pub fn list(root: &Path) -> Result<Listing> {
    if !is_here(root) {
        return Err(super::not_laid_out(root, "MSMT17", LOOKED_FOR));
    }
    let mut listing = Listing::default();
    let mut seen = BTreeSet::new();
    for (name, train, part) in LISTS {
        let file = root.join(name);
        if !file.is_file() {
            continue;
        }
        let names = if train { TRAIN } else { TEST };
        let folder = names.iter().map(|name| root.join(name)).find(|folder| folder.is_dir()).ok_or_else(|| {
            let found = scan::describe(root);
            Error::file(
                root,
                format!(
                    "holds {name}, but not the folder of its images. Looked for {}; found {found}",
                    names.join(" or ")
                ),
                "Unpack the images beside the lists",
            )
        })?;
        let text = fs::read(&file).map_err(|e| Error::io("read", &file, e))?;
        for (at, line) in String::from_utf8_lossy(&text).lines().enumerate().filter(|(_, line)| !line.trim().is_empty())
        {
            let mut wrong = |reason: String| {
                listing.broken.push(Broken { path: file.clone(), reason: format!("line {}: {reason}", at + 1) });
            };
            let Some((path, identity, camera, frame)) = parse(line) else {
                wrong(format!(
                    "\"{}\" is not an image and its person (0000/0000_000_01_….jpg 0 would be)",
                    line.trim()
                ));
                continue;
            };
            if !seen.insert((train, path.clone())) {
                wrong(format!("{} is listed twice; the first counts", path.display()));
                continue;
            }
            let identity = if train { identity } else { TEST_FROM + identity };
            let taken = Taken { time: None, frame };
            listing.photos.push(Photo { path: folder.join(path), identity, camera, part, taken });
        }
    }
    Ok(listing)
}

/// `0000/0000_000_01_0303morning_0008_0.jpg 0`: the image inside its folder, its person, its camera (the third number) and its
/// frame (after the day and its part, which name no year and no hour).
fn parse(line: &str) -> Option<(PathBuf, i64, i64, Option<i64>)> {
    let (path, identity) = line.trim().rsplit_once(char::is_whitespace)?;
    let path = PathBuf::from(path.trim());
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    let camera = name.split('_').nth(2)?;
    let camera = number(&camera[..digits(camera)])?;
    let frame = name.split('_').nth(4).and_then(|field| number(&field[..digits(field)]));
    Some((path, number(identity)?, camera, frame))
}
