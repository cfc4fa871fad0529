//! One file, read once: its hash, and from the same bytes the network's input and a thumbnail.

use std::collections::HashSet;
use std::io::{self, Cursor};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use crate::data::dataset::Broken;
use crate::data::image_io;
use crate::error::{Error, Result};
use crate::gallery::store::ContentHash;

/// Longest side of a thumbnail in pixels: what a card of the window shows.
const THUMBNAIL: u32 = 128;
const QUALITY: u8 = 82;

/// Length of a file, and when it was last changed in nanoseconds since 1970.
pub fn stat(path: &Path) -> io::Result<(u64, i64)> {
    let about = std::fs::metadata(path)?;
    let since = about.modified()?.duration_since(UNIX_EPOCH);
    Ok((about.len(), since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))))
}

/// What reading a file gave.
pub enum Read {
    /// The gallery knows this content.
    Known(ContentHash),
    /// Something new.
    Fresh {
        hash: ContentHash,
        width: u32,
        height: u32,
        /// `[3, H, W]`, normalised.
        pixels: Vec<f32>,
        /// A small JPEG.
        thumbnail: Vec<u8>,
    },
    /// It cannot be used, and whether that lasts until the file is changed.
    Broken(Broken, bool),
}

/// Reads files on any number of threads.
#[derive(Clone)]
pub struct Reader {
    pub known: Arc<HashSet<ContentHash>>,
    pub height: usize,
    pub width: usize,
}

impl Reader {
    pub fn read(&self, path: &Path) -> Read {
        self.try_read(path).unwrap_or_else(|error| {
            // Another permission, or a disk that answers again, does not change the file.
            let lasting = !matches!(error, Error::Io { .. });
            Read::Broken(image_io::broken(path, &error), lasting)
        })
    }

    fn try_read(&self, path: &Path) -> Result<Read> {
        let bytes = image_io::read(path)?;
        let hash = ContentHash::of(&bytes);
        if self.known.contains(&hash) {
            return Ok(Read::Known(hash));
        }
        let image = image_io::decode(path, &bytes)?;
        let pixels = image_io::normalise(&image_io::resize(&image, self.height, self.width));
        let (width, height) = image.dimensions();
        Ok(Read::Fresh { hash, width, height, pixels, thumbnail: thumbnail(&image) })
    }
}

/// A JPEG of at most [`THUMBNAIL`] pixels a side; empty where the encoder fails, which costs nobody the image.
fn thumbnail(image: &RgbImage) -> Vec<u8> {
    let (width, height) = image.dimensions();
    let shrink = (f64::from(THUMBNAIL) / f64::from(width.max(height))).min(1.0);
    let side = |pixels: u32| ((f64::from(pixels) * shrink).round() as usize).max(1);
    let small = image_io::resize(image, side(height), side(width));
    let mut out = Cursor::new(Vec::new());
    match JpegEncoder::new_with_quality(&mut out, QUALITY).encode_image(&small) {
        Ok(()) => out.into_inner(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_are_small_and_keep_their_shape() {
        for (size, expected) in [((64, 400), (20, 128)), ((30, 60), (30, 60)), ((4, 2000), (1, 128))] {
            let image = RgbImage::from_pixel(size.0, size.1, image::Rgb([200, 30, 30]));
            let small = image::load_from_memory(&thumbnail(&image)).unwrap().into_rgb8();
            assert_eq!(small.dimensions(), expected);
            assert!(small.get_pixel(0, 0).0[0] > 150);
        }
    }

    #[test]
    fn what_lasts_is_told_from_what_may_pass() {
        let folder = tempfile::tempdir().unwrap();
        let reader = Reader { known: Arc::default(), height: 64, width: 32 };
        let path = folder.path().join("a.jpg");
        assert!(matches!(reader.read(&path), Read::Broken(_, false)));
        std::fs::write(&path, "no image").unwrap();
        assert!(matches!(reader.read(&path), Read::Broken(_, true)));
    }
}
