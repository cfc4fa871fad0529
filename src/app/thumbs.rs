//! Pictures as textures: files asked of the engine (its own threads decode them), images in memory uploaded directly.
//!
//! At most [`UPLOADS`] textures are uploaded in a frame, and the least recently drawn go when the budget is full.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions, Vec2, vec2};
use image::RgbImage;

use crate::engine::command::Command;

/// Longest side of a picture asked for, in pixels.
pub const MAX_SIDE: u32 = 640;
/// Textures uploaded in a frame, at most.
const UPLOADS: usize = 32;
/// Pictures asked for and not yet answered, at most: a fast scroll must not queue up a whole gallery.
const IN_FLIGHT: usize = 96;
/// Texture memory in bytes.
const BUDGET: usize = 96 << 20;

/// A picture, as far as it is there.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// Ready to draw.
    Ready {
        /// The texture.
        texture: TextureId,
        /// Its size in pixels.
        size: Vec2,
    },
    /// On its way.
    Waiting,
    /// It cannot be read; why.
    Broken(String),
}

struct Entry {
    texture: TextureHandle,
    size: Vec2,
    bytes: usize,
    used: u64,
    /// Keeps an image in memory alive, and so its address unique, for as long as it serves as a key.
    _source: Option<Arc<RgbImage>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    File(PathBuf),
    Memory(usize),
}

/// The texture cache.
#[derive(Default)]
pub struct Thumbs {
    entries: HashMap<Key, Entry>,
    broken: HashMap<PathBuf, String>,
    asked: HashSet<PathBuf>,
    arrived: VecDeque<(PathBuf, Arc<RgbImage>)>,
    requests: Vec<Command>,
    bytes: usize,
    frame: u64,
    uploads: usize,
}

impl Thumbs {
    /// Once a frame, before drawing: uploads what has arrived, within the frame's limit.
    pub fn begin_frame(&mut self, ctx: &Context) {
        self.frame += 1;
        self.uploads = 0;
        while self.uploads < UPLOADS {
            let Some((path, image)) = self.arrived.pop_front() else {
                break;
            };
            self.asked.remove(&path);
            self.upload(ctx, Key::File(path), &image, TextureOptions::LINEAR, None);
        }
        if !self.arrived.is_empty() {
            ctx.request_repaint();
        }
        self.evict();
    }

    /// An answer of the engine.
    pub fn arrived(&mut self, path: PathBuf, image: Result<Arc<RgbImage>, String>) {
        match image {
            Ok(image) => self.arrived.push_back((path, image)),
            Err(reason) => {
                self.asked.remove(&path);
                self.broken.insert(path, reason);
            }
        }
    }

    /// What is to be asked of the engine.
    pub fn requests(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.requests)
    }

    /// The picture of a file, asked for where it is not there yet.
    pub fn file(&mut self, path: &Path) -> Picture {
        if let Some(picture) = self.find(&Key::File(path.to_path_buf())) {
            return picture;
        }
        if let Some(reason) = self.broken.get(path) {
            return Picture::Broken(reason.clone());
        }
        if self.asked.len() < IN_FLIGHT && self.asked.insert(path.to_path_buf()) {
            self.requests.push(Command::Thumbnail { path: path.to_path_buf(), max_side: MAX_SIDE });
        }
        Picture::Waiting
    }

    /// The picture of an image in memory. `crisp` shows its pixels as squares.
    pub fn memory(&mut self, ctx: &Context, image: &Arc<RgbImage>, crisp: bool) -> Picture {
        let key = Key::Memory(Arc::as_ptr(image) as usize);
        if let Some(picture) = self.find(&key) {
            return picture;
        }
        if self.uploads >= UPLOADS {
            ctx.request_repaint();
            return Picture::Waiting;
        }
        let options = if crisp { TextureOptions::NEAREST } else { TextureOptions::LINEAR };
        self.upload(ctx, key.clone(), image, options, Some(image.clone()));
        self.find(&key).unwrap_or(Picture::Waiting)
    }

    fn find(&mut self, key: &Key) -> Option<Picture> {
        let entry = self.entries.get_mut(key)?;
        entry.used = self.frame;
        Some(Picture::Ready { texture: entry.texture.id(), size: entry.size })
    }

    fn upload(
        &mut self,
        ctx: &Context,
        key: Key,
        image: &Arc<RgbImage>,
        options: TextureOptions,
        source: Option<Arc<RgbImage>>,
    ) {
        let (width, height) = image.dimensions();
        let size = vec2(width as f32, height as f32);
        // A photograph offered as a query would be a needlessly large texture, or larger than the driver allows.
        let shrunk = (width.max(height) > 2 * MAX_SIDE).then(|| {
            let scale = f64::from(MAX_SIDE) / f64::from(width.max(height));
            let side = |n: u32| ((f64::from(n) * scale) as u32).max(1);
            image::imageops::thumbnail(image.as_ref(), side(width), side(height))
        });
        let pixels = shrunk.as_ref().unwrap_or(image);
        let texture_size = [pixels.width() as usize, pixels.height() as usize];
        if texture_size.contains(&0) {
            return;
        }
        let colours = ColorImage::from_rgb(texture_size, pixels.as_raw());
        let texture = ctx.load_texture("picture", colours, options);
        let bytes = texture_size[0] * texture_size[1] * 4;
        let entry = Entry { texture, size, bytes, used: self.frame, _source: source };
        self.bytes += bytes;
        if let Some(old) = self.entries.insert(key, entry) {
            self.bytes -= old.bytes;
        }
        self.uploads += 1;
    }

    /// Lets the least recently drawn go. What was drawn in the last frame stays.
    fn evict(&mut self) {
        if self.bytes <= BUDGET {
            return;
        }
        let mut ages: Vec<(u64, Key)> =
            self.entries.iter().filter(|(_, e)| e.used + 1 < self.frame).map(|(k, e)| (e.used, k.clone())).collect();
        ages.sort_by_key(|(used, _)| *used);
        for (_, key) in ages {
            // An eighth more than needed, so that a scroll does not sort the cache in every frame.
            if self.bytes <= BUDGET / 8 * 7 {
                break;
            }
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(side: u32) -> Arc<RgbImage> {
        Arc::new(RgbImage::new(side, side))
    }

    #[test]
    fn a_file_is_asked_for_once_and_then_drawn() {
        let (ctx, mut thumbs) = (Context::default(), Thumbs::default());
        let path = Path::new("a.png");
        assert_eq!(thumbs.file(path), Picture::Waiting);
        assert_eq!(thumbs.file(path), Picture::Waiting);
        assert_eq!(thumbs.requests().len(), 1);
        thumbs.arrived(path.into(), Ok(image(8)));
        thumbs.begin_frame(&ctx);
        assert!(matches!(thumbs.file(path), Picture::Ready { size, .. } if size == vec2(8.0, 8.0)));
        assert!(thumbs.requests().is_empty());
    }

    #[test]
    fn a_broken_file_keeps_its_reason_and_is_not_asked_for_again() {
        let mut thumbs = Thumbs::default();
        let path = Path::new("a.png");
        thumbs.file(path);
        thumbs.requests();
        thumbs.arrived(path.into(), Err("truncated".into()));
        assert_eq!(thumbs.file(path), Picture::Broken("truncated".into()));
        assert!(thumbs.requests().is_empty());
    }

    #[test]
    fn a_frame_uploads_no_more_than_its_limit() {
        let (ctx, mut thumbs) = (Context::default(), Thumbs::default());
        for i in 0..UPLOADS * 2 {
            thumbs.arrived(format!("{i}.png").into(), Ok(image(4)));
        }
        thumbs.begin_frame(&ctx);
        assert_eq!(thumbs.entries.len(), UPLOADS);
        assert_eq!(thumbs.memory(&ctx, &image(4), true), Picture::Waiting);
        thumbs.begin_frame(&ctx);
        assert_eq!(thumbs.entries.len(), UPLOADS * 2);
    }

    #[test]
    fn memory_stays_within_the_budget() {
        let (ctx, mut thumbs) = (Context::default(), Thumbs::default());
        for i in 0..120 {
            thumbs.arrived(format!("{i}.png").into(), Ok(image(600)));
            thumbs.begin_frame(&ctx);
        }
        thumbs.begin_frame(&ctx);
        thumbs.begin_frame(&ctx);
        assert!(thumbs.bytes <= BUDGET, "{}", thumbs.bytes);
        assert_eq!(thumbs.bytes, thumbs.entries.values().map(|e| e.bytes).sum::<usize>());
    }
}
