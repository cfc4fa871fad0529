//! CUHK03, extracted: `labeled` and `detected` (or `images_labeled` and `images_detected`), with images named by camera pair,
//! person, view and number, `1_001_2_07.png`. `rain data DIR --extract OUT` makes them from `cuhk-03.mat`.

use std::path::{Path, PathBuf};

use super::market1501::{digits, number};
use super::{Listing, scan};
use crate::data::dataset::{Broken, Part, Photo};
use crate::data::taken::Taken;
use crate::{Error, Result};

pub const LOOKED_FOR: &str = "a CUHK03 layout: labeled or detected, with images named like 1_001_2_07.png (camera pair, person, \
    view, number)";

/// The file as published.
pub const MAT: &str = "cuhk-03.mat";
/// The published test sets, beside the extracted folders: a JSON list of lists of identities.
pub const TEST_SETS: &str = "test_sets.json";
/// People boxed by hand come first: one set of boxes is enough, and these are the cleaner ones.
const BOXES: [&str; 4] = ["labeled", "images_labeled", "detected", "images_detected"];

pub fn is_here(root: &Path) -> bool {
    place(root).is_some() || root.join(MAT).is_file()
}

/// The folder of images: `labeled` where it is there, or this very folder.
fn place(root: &Path) -> Option<PathBuf> {
    let named = |folder: &Path| scan::names(folder).any(|name| parse(&name).is_some());
    BOXES.iter().map(|name| root.join(name)).chain([root.to_path_buf()]).find(|folder| named(folder))
}

/// Lists one set of boxes. Person 17 of camera pair 2 is identity 20017; the pair's cameras are 3 and 4.
pub fn list(root: &Path) -> Result<Listing> {
    let Some(folder) = place(root) else {
        if root.join(MAT).is_file() {
            return Err(Error::file(
                root.join(MAT),
                "is CUHK03 as published, whose images are inside one MATLAB file",
                "Extract it once with `rain data DIR --extract OUT`, DIR being the folder of this file, then name OUT",
            ));
        }
        return Err(super::not_laid_out(root, "CUHK03", LOOKED_FOR));
    };
    let found = scan::walk(&folder)?;
    let mut listing = Listing { broken: found.broken, ..Listing::default() };
    for path in found.images {
        match path.file_name().and_then(|name| parse(&name.to_string_lossy())) {
            Some((identity, camera)) => {
                listing.photos.push(Photo { path, identity, camera, part: Part::Any, taken: Taken::default() })
            }
            None => listing.broken.push(Broken {
                path,
                reason: "the name does not say camera pair, person, view and number (1_001_2_07.png would)".to_string(),
            }),
        }
    }
    let file =
        [folder.parent(), Some(&*folder)].into_iter().flatten().map(|at| at.join(TEST_SETS)).find(|f| f.is_file());
    if let Some(file) = file {
        let text = std::fs::read(&file).map_err(|e| Error::io("read", &file, e))?;
        listing.test_sets = serde_json::from_slice(&text).map_err(|e| {
            let problem = format!("is not a list of lists of identities ({e})");
            Error::file(&file, problem, "Remove it, or extract the set again")
        })?;
    }
    Ok(listing)
}

/// Identity and camera of `<pair>_<person>_<view>_<number>`.
fn parse(name: &str) -> Option<(i64, i64)> {
    let mut fields = name.split(['_', '.']);
    let mut next = || fields.next().filter(|field| digits(field) == field.len()).and_then(number);
    let (pair, person, view, _number) = (next()?, next()?, next()?, next()?);
    ((1..=9).contains(&pair) && (1..=2).contains(&view) && person < 10_000)
        .then(|| (identity(pair, person), 2 * pair - 2 + view))
}

/// Persons are numbered anew in each camera pair.
pub fn identity(pair: i64, person: i64) -> i64 {
    10_000 * pair + person
}
