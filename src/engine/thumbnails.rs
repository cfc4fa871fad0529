//! Decoding images for the screen, on threads of their own: it goes on while a run trains.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use image::RgbImage;

use super::event::Event;
use super::outbox::Outbox;
use super::panic::{Failure, guarded};
use crate::data::image_io;
use crate::error::{Error, Result};

const THREADS: usize = 2;
/// Requests that may wait; beyond it the oldest, long scrolled away, are answered with a refusal.
const CAPACITY: usize = 4096;
/// Longest side of a full frame on the screen: larger textures are not to be had everywhere.
const FRAME_SIDE: u32 = 4096;

/// What is wanted of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Its longest side at most so many pixels.
    Thumbnail(u32),
    /// As much of it as a screen can show, and its true size.
    Frame,
}

/// The decode threads. The latest request is served first: it is what the user is looking at.
pub(super) struct Thumbnails {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    bell: Condvar,
    outbox: Outbox,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<(PathBuf, Want)>,
    closed: bool,
}

impl Thumbnails {
    pub fn start(outbox: Outbox) -> Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), bell: Condvar::new(), outbox });
        let mut pool = Self { shared, threads: Vec::with_capacity(THREADS) };
        for number in 0..THREADS {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().name(format!("thumbnails {number}")).spawn(move || shared.serve());
            pool.threads.push(thread.map_err(|e| {
                Error::input(format!("A decode thread could not start ({e})"), "Close other programs and start again")
            })?);
        }
        Ok(pool)
    }

    /// Asks for an image; never waits. A request that is waiting already moves to the front.
    pub fn ask(&self, path: PathBuf, max_side: u32) {
        self.push((path, Want::Thumbnail(max_side)));
    }

    /// Asks for a full frame; never waits.
    pub fn ask_frame(&self, path: PathBuf) {
        self.push((path, Want::Frame));
    }

    fn push(&self, request: (PathBuf, Want)) {
        let mut queue = self.shared.queue();
        queue.requests.retain(|waiting| *waiting != request);
        queue.requests.push_back(request);
        let refused = if queue.requests.len() > CAPACITY { queue.requests.pop_front() } else { None };
        drop(queue);
        self.shared.bell.notify_one();
        if let Some((path, want)) = refused {
            let reason = "Too many images were asked for at once. Scroll back to load this one.".to_owned();
            self.shared.outbox.offer(match want {
                Want::Thumbnail(max_side) => Event::Thumbnail { path, max_side, image: Err(reason) },
                Want::Frame => Event::Frame { path, image: Err(reason) },
            });
        }
    }
}

impl Drop for Thumbnails {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.requests.clear();
        queue.closed = true;
        drop(queue);
        self.shared.bell.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // its work is guarded: it has nothing to tell
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let told = |failure| match failure {
            Failure::Told(text) => text,
            Failure::Cancelled => Error::Cancelled.to_string(),
        };
        while let Some((path, want)) = self.next() {
            self.outbox.result(match want {
                Want::Thumbnail(max_side) => {
                    let image = guarded(|| decode(&path, max_side)).map(Arc::new).map_err(told);
                    Event::Thumbnail { path, max_side, image }
                }
                Want::Frame => {
                    let image = guarded(|| frame(&path)).map_err(told);
                    Event::Frame { path, image }
                }
            });
        }
    }

    fn next(&self) -> Option<(PathBuf, Want)> {
        let mut queue = self.queue();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(request) = queue.requests.pop_back() {
                return Some(request);
            }
            queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The image, its longest side at most `max_side` pixels; a small image keeps its true size.
fn decode(path: &Path, max_side: u32) -> Result<RgbImage> {
    Ok(shrunk(image_io::load(path)?, max_side))
}

/// A full frame: its true size, and its pixels as far as a screen shows them.
fn frame(path: &Path) -> Result<([u32; 2], Arc<RgbImage>)> {
    let image = image_io::load(path)?;
    let (width, height) = image.dimensions();
    Ok(([width, height], Arc::new(shrunk(image, FRAME_SIDE))))
}

fn shrunk(image: RgbImage, max_side: u32) -> RgbImage {
    let longest = image.width().max(image.height());
    if longest <= max_side.max(1) {
        return image;
    }
    let scale =
        |side: u32| ((f64::from(side) * f64::from(max_side.max(1)) / f64::from(longest)).round() as usize).max(1);
    image_io::resize(&image, scale(image.height()), scale(image.width()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_shrink_and_never_grow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(40, 100).save(&path).unwrap();
        assert_eq!(decode(&path, 50).unwrap().dimensions(), (20, 50));
        assert_eq!(decode(&path, 500).unwrap().dimensions(), (40, 100));
        assert_eq!(decode(&path, 0).unwrap().dimensions(), (1, 1));
        assert!(decode(&folder.path().join("none.png"), 50).is_err());
    }
}
