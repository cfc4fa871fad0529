//! VIPeR: `cam_a` and `cam_b`, one image of each person in each, named `<identity>_<angle>.bmp`.

use std::path::Path;

use super::market1501::{digits, number};
use super::{Listing, scan};
use crate::Result;
use crate::data::dataset::{Broken, Part, Photo};
use crate::data::taken::Taken;

pub const LOOKED_FOR: &str = "a VIPeR layout: cam_a and cam_b, with images named like 000_45.bmp";

/// The folders in the order of their camera numbers.
const CAMERAS: [&str; 2] = ["cam_a", "cam_b"];

pub fn is_here(root: &Path) -> bool {
    CAMERAS.iter().all(|name| root.join(name).is_dir())
}

/// Lists both cameras: `cam_a` is camera 0, `cam_b` camera 1.
pub fn list(root: &Path) -> Result<Listing> {
    if !is_here(root) {
        return Err(super::not_laid_out(root, "VIPeR", LOOKED_FOR));
    }
    let mut listing = Listing::default();
    for (camera, name) in (0..).zip(CAMERAS) {
        let found = scan::walk(&root.join(name))?;
        listing.broken.extend(found.broken);
        for path in found.images {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match number(&name[..digits(&name)]) {
                Some(identity) => {
                    listing.photos.push(Photo { path, identity, camera, part: Part::Any, taken: Taken::default() })
                }
                None => listing.broken.push(Broken {
                    path,
                    reason: "the name does not begin with the number of the person (000_45.bmp would)".to_string(),
                }),
            }
        }
    }
    Ok(listing)
}
