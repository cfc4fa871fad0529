//! The two sets whose images are named by seven digits, four of identity and three of image: CUHK01 (`0001001.png`) and
//! CAVIAR4REID (`0001001.jpg`).

use std::path::Path;

use super::market1501::number;
use super::{Listing, scan};
use crate::Result;
use crate::data::dataset::{Broken, Part, Photo};
use crate::data::taken::Taken;

pub const CUHK01_LOOKED_FOR: &str =
    "a CUHK01 layout: images named like 0001001.png, four digits of identity and 001 to 004";
pub const CAVIAR_LOOKED_FOR: &str =
    "a CAVIAR4REID layout: images named like 0001001.jpg, four digits of identity and 001 to 020";

/// Images of a person in CUHK01: two from each camera.
const CUHK01_IMAGES: i64 = 4;
/// The last image of the near camera in CAVIAR4REID.
const NEAR: i64 = 10;
/// People whose images do not follow that rule: (identity, last image of the near camera). None is known. The set's page
/// (Cheng et al., BMVC 2011) gives 10 images a person and camera, 1,220 in all: 50 people with 20 and 22 with 10; copies in
/// which someone has more number them on from 021, and those are the far camera's by the rule.
const EXCEPTIONS: [(i64, i64); 0] = [];

pub fn is_cuhk01(root: &Path) -> bool {
    most(root).is_some_and(|most| most <= CUHK01_IMAGES)
}

pub fn is_caviar(root: &Path) -> bool {
    most(root).is_some_and(|most| most > CUHK01_IMAGES)
}

/// The highest image number, where most images directly inside the folder are named by seven digits.
fn most(root: &Path) -> Option<i64> {
    let images = scan::loose_images(root);
    let named: Vec<_> = images.iter().filter_map(|path| parse(path)).collect();
    if named.is_empty() || 2 * named.len() < images.len() {
        return None;
    }
    named.iter().map(|(_, image)| *image).max()
}

/// Lists the images: 1 and 2 are camera 1, 3 and 4 camera 2.
pub fn list_cuhk01(root: &Path) -> Result<Listing> {
    list(root, is_cuhk01(root), "CUHK01", CUHK01_LOOKED_FOR, |_, image| if image <= 2 { 1 } else { 2 })
}

/// Lists the images: the near camera is camera 1, the far one camera 2.
pub fn list_caviar(root: &Path) -> Result<Listing> {
    list(root, is_caviar(root), "CAVIAR4REID", CAVIAR_LOOKED_FOR, |identity, image| {
        let exception = EXCEPTIONS.iter().find(|(who, _)| *who == identity);
        if image <= exception.map_or(NEAR, |(_, last)| *last) { 1 } else { 2 }
    })
}

fn list(root: &Path, here: bool, name: &str, looked_for: &str, camera: fn(i64, i64) -> i64) -> Result<Listing> {
    let images = scan::loose_images(root);
    if !here && !images.iter().any(|path| parse(path).is_some()) {
        return Err(super::not_laid_out(root, name, looked_for));
    }
    let mut listing = Listing::default();
    for path in images {
        match parse(&path) {
            Some((identity, image)) => {
                listing.photos.push(Photo {
                    path,
                    identity,
                    camera: camera(identity, image),
                    part: Part::Any,
                    taken: Taken::default(),
                });
            }
            None => listing.broken.push(Broken {
                path,
                reason: "the name is not seven digits, four of the person and three of the image (0001001 would be)"
                    .to_string(),
            }),
        }
    }
    Ok(listing)
}

/// Identity and image number.
fn parse(path: &Path) -> Option<(i64, i64)> {
    let stem = path.file_stem()?.to_str()?;
    if stem.len() != 7 || !stem.is_ascii() {
        return None;
    }
    Some((number(&stem[..4])?, number(&stem[4..])?))
}
