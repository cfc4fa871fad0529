//! PRID 2011: `single_shot/cam_a` and `single_shot/cam_b` with `person_0001.png`; or `multi_shot`, with a folder a person.

use std::path::{Path, PathBuf};

use super::market1501::{digits, number};
use super::{Listing, scan};
use crate::Result;
use crate::data::dataset::{Broken, Part, Photo};
use crate::data::taken::Taken;

pub const LOOKED_FOR: &str = "a PRID 2011 layout: single_shot (or multi_shot) with cam_a and cam_b, and images named like \
    person_0001.png";

/// The folders in the order of their camera numbers.
const CAMERAS: [&str; 2] = ["cam_a", "cam_b"];
/// Persons 1 to 200 are the same in both cameras; beyond, the numbers of camera b mean other people than those of camera a.
const SHARED: i64 = 200;
/// Identities from here on were seen by camera b alone.
pub const ONLY_B: i64 = 10_000;

pub fn is_here(root: &Path) -> bool {
    place(root).is_some()
}

/// The folder that holds both cameras: the single shots where there are any.
fn place(root: &Path) -> Option<PathBuf> {
    let both = |folder: &Path| CAMERAS.iter().all(|name| folder.join(name).is_dir());
    let shots = ["single_shot", "multi_shot"].map(|name| root.join(name));
    shots.into_iter().find(|folder| both(folder)).or_else(|| {
        let named = |camera: &&str| scan::names(&root.join(camera)).any(|name| name.starts_with("person_"));
        (both(root) && CAMERAS.iter().any(named)).then(|| root.to_path_buf())
    })
}

/// Lists both cameras: `cam_a` is camera 0, `cam_b` camera 1.
pub fn list(root: &Path) -> Result<Listing> {
    let place = place(root).ok_or_else(|| super::not_laid_out(root, "PRID 2011", LOOKED_FOR))?;
    let mut listing = Listing::default();
    for (camera, name) in (0..).zip(CAMERAS) {
        let folder = place.join(name);
        let found = scan::walk(&folder)?;
        listing.broken.extend(found.broken);
        for path in found.images {
            match person(path.strip_prefix(&folder).unwrap_or(&path)) {
                Some(who) => {
                    let identity = if camera == 1 && who > SHARED { ONLY_B + who } else { who };
                    listing.photos.push(Photo { path, identity, camera, part: Part::Any, taken: Taken::default() });
                }
                None => listing.broken.push(Broken {
                    path,
                    reason: "the name does not say who it is (person_0001.png would)".to_string(),
                }),
            }
        }
    }
    Ok(listing)
}

/// The number after `person_` in the path inside a camera's folder.
fn person(path: &Path) -> Option<i64> {
    let first = path.iter().next()?.to_string_lossy();
    let rest = first.strip_prefix("person_")?;
    number(&rest[..digits(rest)])
}
