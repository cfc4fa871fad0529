//! Decoded images, kept within a budget.

use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use image::RgbImage;

use super::dataset::{Broken, Photo};
use super::image_io;
use crate::Result;

/// The images of a list at one size, decoded when first asked for, and by any thread.
///
/// Those that come first stay until the budget is used up; the others are decoded each time. (Sampling is uniform, so
/// throwing out the oldest would gain nothing.) A file that cannot be decoded is remembered, and reported once.
pub struct ImageCache {
    photos: Arc<Vec<Photo>>,
    height: usize,
    width: usize,
    /// The image, or nothing where the file is broken.
    kept: Vec<OnceLock<Option<Arc<RgbImage>>>>,
    /// Images that still fit the budget.
    room: AtomicUsize,
    broken: Mutex<Vec<Broken>>,
}

impl ImageCache {
    /// Images of `height` x `width`, of which at most `budget` bytes are kept.
    pub fn new(photos: Arc<Vec<Photo>>, height: usize, width: usize, budget: usize) -> Self {
        let kept = photos.iter().map(|_| OnceLock::new()).collect();
        let room = AtomicUsize::new(budget / (3 * height * width).max(1));
        Self { photos, height, width, kept, room, broken: Mutex::default() }
    }

    /// An image at the cache's size; nothing where its file is broken or `index` is outside the list.
    pub fn get(&self, index: usize) -> Option<Arc<RgbImage>> {
        let (photo, kept) = (self.photos.get(index)?, self.kept.get(index)?);
        if let Some(known) = kept.get() {
            return known.clone();
        }
        match load_at(&photo.path, self.height, self.width) {
            Ok(image) => {
                let image = Arc::new(image);
                let claim = |room: usize| room.checked_sub(1);
                if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
                    && kept.set(Some(image.clone())).is_err()
                {
                    // Another thread was faster with the same image.
                    self.room.fetch_add(1, Ordering::Relaxed);
                }
                Some(image)
            }
            Err(error) => {
                if kept.set(None).is_ok() {
                    let broken = image_io::broken(&photo.path, &error);
                    self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(broken);
                }
                None
            }
        }
    }

    /// The files found broken since the last call, sorted by path.
    pub fn take_broken(&self) -> Vec<Broken> {
        let mut broken = mem::take(&mut *self.broken.lock().unwrap_or_else(PoisonError::into_inner));
        broken.sort_by(|a, b| a.path.cmp(&b.path));
        broken
    }
}

/// An image file at a given size.
pub fn load_at(path: &Path, height: usize, width: usize) -> Result<RgbImage> {
    Ok(image_io::resize(&image_io::load(path)?, height, width))
}
