//! Decoding images for the screen, on threads of their own: it goes on while a run trains.
//!
//! A gallery on disk has small pictures of its images, which are shown where a file is not there.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use image::RgbImage;

use super::event::Event;
use super::outbox::Outbox;
use super::panic::{Failure, guarded};
use crate::data::image_io;
use crate::data::resolution::reduced;
use crate::error::{Error, Result};
use crate::gallery::store::Store;

const THREADS: usize = 2;
/// Requests that may wait; beyond it the oldest, long scrolled away, are answered with a refusal.
const CAPACITY: usize = 4096;

/// The decode threads. The latest request is served first: it is what the user is looking at.
pub(super) struct Thumbnails {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    bell: Condvar,
    outbox: Outbox,
    album: Album,
}

/// The gallery on disk whose small pictures serve, if one is open.
#[derive(Clone, Default)]
pub(super) struct Album(Arc<Mutex<Option<Arc<Store>>>>);

impl Album {
    /// Another gallery is open, or none.
    pub fn set(&self, store: Option<Arc<Store>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    /// The small picture of a file, as it was when it was added.
    fn picture(&self, path: &Path) -> Option<RgbImage> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (row, _) = store.find(path).ok()??;
        image_io::decode(path, &store.thumbnail(row).ok()??).ok()
    }
}

/// Longest side of a full frame on the screen: larger textures are not to be had everywhere.
const FRAME_SIDE: u32 = 4096;

/// An image that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    /// Its longest side at most so many pixels.
    Side(PathBuf, u32),
    /// As it looks so many thousandths times as far away.
    Far(PathBuf, u32),
    /// As much of a full frame as a screen can show, and its true size.
    Frame(PathBuf),
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<Request>,
    closed: bool,
}

impl Thumbnails {
    pub fn start(outbox: Outbox, album: Album) -> Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), bell: Condvar::new(), outbox, album });
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
        self.queue_up(Request::Side(path, max_side));
    }

    /// The same of an image as it looks `rate` thousandths times as far away.
    pub fn ask_far(&self, path: PathBuf, rate: u32) {
        self.queue_up(Request::Far(path, rate));
    }

    /// Asks for a full frame; never waits.
    pub fn ask_frame(&self, path: PathBuf) {
        self.queue_up(Request::Frame(path));
    }

    fn queue_up(&self, request: Request) {
        let mut queue = self.shared.queue();
        queue.requests.retain(|waiting| *waiting != request);
        queue.requests.push_back(request);
        let refused = if queue.requests.len() > CAPACITY { queue.requests.pop_front() } else { None };
        drop(queue);
        self.shared.bell.notify_one();
        if let Some(request) = refused {
            let reason = "Too many images were asked for at once. Scroll back to load this one.";
            self.shared.outbox.offer(answer(request, Err(reason.into())));
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
        while let Some(request) = self.next() {
            let decoded = guarded(|| match &request {
                Request::Side(path, max_side) => self.show(path, *max_side),
                Request::Far(path, rate) => decode_far(path, *rate),
                Request::Frame(path) => decode(path, FRAME_SIDE),
            });
            let decoded = decoded.map_err(|failure| match failure {
                Failure::Told(text) => text,
                Failure::Cancelled => Error::Cancelled.to_string(),
            });
            self.outbox.result(answer(request, decoded));
        }
    }

    /// The picture of a file; the gallery's small one where the file is not to be read.
    fn show(&self, path: &Path, max_side: u32) -> Result<Decoded> {
        decode(path, max_side).or_else(|error| match self.album.picture(path) {
            Some(small) => Ok((small.dimensions().into(), small)),
            None => Err(error),
        })
    }

    fn next(&self) -> Option<Request> {
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

/// The true size of an image, and its pixels as far as they were asked for.
type Decoded = ([u32; 2], RgbImage);

fn answer(request: Request, decoded: Result<Decoded, String>) -> Event {
    let decoded = decoded.map(|(size, image)| (size, Arc::new(image)));
    let image = decoded.clone().map(|(_, image)| image);
    match request {
        Request::Frame(path) => Event::Frame { path, image: decoded },
        Request::Side(path, max_side) => Event::Thumbnail { path, max_side, image },
        Request::Far(path, rate) => Event::FarThumbnail { path, rate, image },
    }
}

/// The image at the size that is left of it `rate` thousandths times as far away: what [`degrade`] enlarges again.
///
/// [`degrade`]: crate::data::resolution::degrade
fn decode_far(path: &Path, rate: u32) -> Result<Decoded> {
    let image = image_io::load(path)?;
    let side = |side: u32| reduced(side as usize, f64::from(rate.max(1000)) / 1000.0);
    Ok((image.dimensions().into(), image_io::resize(&image, side(image.height()), side(image.width()))))
}

/// The image, its longest side at most `max_side` pixels; a small image keeps its true size.
fn decode(path: &Path, max_side: u32) -> Result<Decoded> {
    let image = image_io::load(path)?;
    let longest = image.width().max(image.height());
    if longest <= max_side.max(1) {
        return Ok((image.dimensions().into(), image));
    }
    let scale =
        |side: u32| ((f64::from(side) * f64::from(max_side.max(1)) / f64::from(longest)).round() as usize).max(1);
    Ok((image.dimensions().into(), image_io::resize(&image, scale(image.height()), scale(image.width()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_shrink_and_never_grow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(40, 100).save(&path).unwrap();
        assert_eq!(decode(&path, 50).unwrap().1.dimensions(), (20, 50));
        assert_eq!(decode(&path, 500).unwrap().1.dimensions(), (40, 100));
        assert_eq!(decode(&path, 0).unwrap().1.dimensions(), (1, 1));
        assert!(decode(&folder.path().join("none.png"), 50).is_err());
        assert_eq!(decode_far(&path, 4000).unwrap().1.dimensions(), (10, 25));
        assert_eq!(decode_far(&path, 1).unwrap().1.dimensions(), (40, 100));
    }
}
