//! A folder a person: `<identity>/<image>`, folders inside of it included.

use std::path::Path;

use super::market1501::camera_anywhere;
use super::{Listing, scan};
use crate::data::dataset::{Broken, Part, Photo};
use crate::data::taken::Taken;
use crate::{Error, Result};

pub const LOOKED_FOR: &str = "a folder of images for each person, <person>/<image>";

/// People are numbered from 0 by the sorted names of their folders, those without a usable image counted too, so that a
/// broken file does not renumber the others. The camera is read from `_c<number>` in a file name where there is one.
pub fn list(root: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let people = scan::folders(root)?;
    let loose = scan::loose_images(root);
    if people.is_empty() {
        return Err(Error::file(
            root,
            format!("is not a data set. Looked for {LOOKED_FOR}; found {}", scan::describe(root)),
            super::one_too_deep(root).unwrap_or_else(|| {
                "Put the images of each person into a folder of their own, or name another folder".to_string()
            }),
        ));
    }
    listing.broken.extend(loose.into_iter().map(|path| Broken {
        path,
        reason: "lies outside of the folders of people, so nobody knows who it is".to_string(),
    }));
    for (identity, folder) in (0..).zip(people) {
        let found = match scan::walk(&folder) {
            Ok(found) => found,
            Err(error) => {
                listing.broken.push(crate::data::image_io::broken(&folder, &error));
                continue;
            }
        };
        listing.broken.extend(found.broken);
        listing.photos.extend(found.images.into_iter().map(|path| {
            let camera = camera_anywhere(&path);
            Photo { identity, camera, part: Part::Any, taken: Taken::in_name(&path), path }
        }));
    }
    Ok(listing)
}
