//! Market-1501: `bounding_box_train`, `query` and `bounding_box_test`, with who and which camera in the file names.
//! DukeMTMC's and most later sets' names (`0001_c2_f0046182.jpg`) are read by the same rule.

use std::path::Path;

use super::{Listing, scan};
use crate::Result;
use crate::data::dataset::{Broken, Part, Photo, UNKNOWN};
use crate::data::taken::Taken;

pub const LOOKED_FOR: &str = "a Market-1501 layout: bounding_box_train, query and bounding_box_test, \
    with images named like 0002_c1s1_000451_03.jpg";

const PARTS: [(&str, Part); 3] =
    [("bounding_box_train", Part::Train), ("query", Part::Query), ("bounding_box_test", Part::Gallery)];

/// One of the bounding-box folders is enough: a training set without its test is still of use.
pub fn is_here(root: &Path) -> bool {
    PARTS.iter().any(|(name, part)| *part != Part::Query && root.join(name).is_dir())
}

/// Lists the parts that are there. Junk keeps its identity -1 and distractors their 0; a split decides about them.
pub fn list(root: &Path) -> Result<Listing> {
    if !is_here(root) {
        return Err(super::not_laid_out(root, "Market-1501", LOOKED_FOR));
    }
    let mut listing = Listing::default();
    for (name, part) in PARTS {
        let folder = root.join(name);
        if !folder.is_dir() {
            continue;
        }
        let found = scan::walk(&folder)?;
        listing.broken.extend(found.broken);
        for path in found.images {
            match parse(&path) {
                Some((identity, camera)) => {
                    let taken = Taken::in_name(&path);
                    listing.photos.push(Photo { path, identity, camera, part, taken });
                }
                None => listing.broken.push(Broken {
                    path,
                    reason: "the name does not say who it is and which camera took it (0002_c1s1_000451_03.jpg would)"
                        .to_string(),
                }),
            }
        }
    }
    Ok(listing)
}

/// Identity and camera from a file name like `0002_c1s1_000451_03.jpg` (2, 1); [`UNKNOWN`] for both where the name is
/// not of that kind. Junk (`-1_c3s2_…`) has an unknown identity and a camera.
pub fn identity_and_camera(path: &Path) -> (i64, i64) {
    parse(path).unwrap_or((UNKNOWN, UNKNOWN))
}

/// `<identity>_c<camera>`, then anything that is not a digit.
fn parse(path: &Path) -> Option<(i64, i64)> {
    let name = path.file_name()?.to_string_lossy();
    let (identity, rest) = name.split_once("_c")?;
    let identity = if identity == "-1" { UNKNOWN } else { number(identity)? };
    Some((identity, camera(rest)?))
}

/// The number of the video frame, where the field after the camera is one: six digits after a sequence
/// (`0002_c1s1_000451_03.jpg` is 451), or `f` and digits (`0005_c2_f0046182.jpg` is 46182).
pub fn frame_in(path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_string_lossy();
    let (_, rest) = name.split_once("_c")?;
    let (camera, rest) = rest.split_once('_')?;
    let sequence = camera[digits(camera)..].strip_prefix('s').is_some_and(|s| !s.is_empty() && digits(s) == s.len());
    let counted = rest.strip_prefix('f').or(sequence.then_some(rest))?;
    number(&counted[..digits(counted)])
}

/// The camera in a name of any beginning, where it holds `_c<number>`.
pub fn camera_anywhere(path: &Path) -> i64 {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split("_c").skip(1).find_map(camera).unwrap_or(UNKNOWN)
}

/// The number at the beginning of what follows `_c`.
fn camera(text: &str) -> Option<i64> {
    number(&text[..digits(text)])
}

/// How many digits a text begins with.
pub fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// A number written in digits alone (`parse` would take a sign).
pub fn number(text: &str) -> Option<i64> {
    if digits(text) == text.len() { text.parse().ok() } else { None }
}
