//! Pictures as textures: files asked of the engine (its own threads decode them), images in memory uploaded directly.
//!
//! Thumbnails of files lie in an [`atlas`] of bounded size. Other pictures (crops, reconstructions, the pair that is being
//! compared) have textures of their own, of which the least recently drawn go when their budget is full. At most [`UPLOADS`]
//! pictures are uploaded in a frame.

mod atlas;
mod tone;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{ColorImage, Context, Rect, TextureFilter, TextureHandle, TextureId, TextureOptions, Vec2, pos2, vec2};
use image::RgbImage;

use crate::engine::command::Command;

use atlas::{Atlas, Class};
pub use tone::Tone;

/// Longest side in pixels of a picture that is looked at closely; a larger one is reduced.
pub const CLOSE_SIDE: u32 = 1600;
/// Pictures uploaded in a frame, at most.
const UPLOADS: usize = 32;
/// Pictures asked for and not yet answered, at most: a fast scroll must not queue up a whole gallery.
const IN_FLIGHT: usize = 96;
/// Texture memory of the pictures outside the atlas, in bytes.
const BUDGET: usize = 48 << 20;
/// Files kept in memory because they are looked at closely.
const CLOSE: usize = 16;
/// The whole of a texture.
const WHOLE: Rect = Rect { min: pos2(0.0, 0.0), max: pos2(1.0, 1.0) };

/// A picture, as far as it is there.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// Ready to draw.
    Ready {
        /// The texture.
        texture: TextureId,
        /// Its size in pixels; of a thumbnail, that of the thumbnail.
        size: Vec2,
        /// Its part of the texture.
        uv: Rect,
    },
    /// On its way.
    Waiting,
    /// It cannot be read; why.
    Broken(String),
}

/// How an image in memory is shown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Look {
    /// Show pixels as squares.
    pub crisp: bool,
    /// Brightness, contrast, gamma.
    pub tone: Tone,
}

/// What the pictures take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Thumbnails held.
    pub thumbnails: usize,
    /// Bytes in use.
    pub bytes: usize,
    /// Bytes at the most.
    pub most: usize,
}

struct Entry {
    texture: TextureHandle,
    size: Vec2,
    bytes: usize,
    used: u64,
    /// Keeps an image in memory alive, and so its address unique, for as long as it serves as a key.
    _source: Arc<RgbImage>,
}

/// The address of an image, whether it is crisp, its tone.
type Key = (usize, bool, [i32; 3]);

/// The texture cache.
#[derive(Default)]
pub struct Thumbs {
    atlas: Atlas,
    own: HashMap<Key, Entry>,
    close: VecDeque<(PathBuf, Arc<RgbImage>)>,
    broken: HashMap<PathBuf, String>,
    asked: HashSet<(PathBuf, u32)>,
    arrived: VecDeque<(PathBuf, Class, Arc<RgbImage>)>,
    requests: Vec<Command>,
    bytes: usize,
    frame: u64,
    uploads: usize,
}

impl Thumbs {
    /// Once a frame, before drawing: uploads what has arrived, within the frame's limit.
    pub fn begin_frame(&mut self, ctx: &Context) {
        self.frame += 1;
        self.atlas.begin_frame();
        self.uploads = 0;
        while self.uploads < UPLOADS {
            let Some((path, class, image)) = self.arrived.pop_front() else {
                break;
            };
            self.asked.remove(&(path.clone(), class.side()));
            self.atlas.insert(ctx, class, &path, &image);
            self.uploads += 1;
        }
        if !self.arrived.is_empty() {
            ctx.request_repaint();
        }
        self.evict();
    }

    /// An answer of the engine.
    pub fn arrived(&mut self, path: PathBuf, max_side: u32, image: Result<Arc<RgbImage>, String>) {
        match image {
            Err(reason) => {
                self.asked.remove(&(path.clone(), max_side));
                self.broken.insert(path, reason);
            }
            Ok(image) => match Class::of_side(max_side) {
                Some(class) => self.arrived.push_back((path, class, image)),
                None => {
                    self.asked.remove(&(path.clone(), max_side));
                    self.close.retain(|(held, _)| *held != path);
                    self.close.push_back((path, image));
                    if self.close.len() > CLOSE {
                        self.close.pop_front();
                    }
                }
            },
        }
    }

    /// What is to be asked of the engine.
    pub fn requests(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.requests)
    }

    /// What the pictures take.
    pub fn usage(&self) -> Usage {
        Usage { thumbnails: self.atlas.len(), bytes: self.atlas.bytes() + self.bytes, most: atlas::BUDGET + BUDGET }
    }

    /// The thumbnail of a file, for a small card.
    pub fn file(&mut self, path: &Path) -> Picture {
        self.at_width(path, 0.0)
    }

    /// The thumbnail of a file that is drawn `width` pixels (not points) wide; asked for where it is not there yet. Until a
    /// sharper one arrives, the one that is there serves.
    pub fn at_width(&mut self, path: &Path, width: f32) -> Picture {
        let class = Class::for_width(width);
        if let Some(spot) = self.atlas.find(class, path) {
            return Picture::Ready { texture: spot.texture, size: spot.size, uv: spot.uv };
        }
        if let Some(reason) = self.broken.get(path) {
            return Picture::Broken(reason.clone());
        }
        self.ask(path, class.side());
        let other = if class == Class::Small { Class::Large } else { Class::Small };
        match self.atlas.find(other, path) {
            Some(spot) => Picture::Ready { texture: spot.texture, size: spot.size, uv: spot.uv },
            None => Picture::Waiting,
        }
    }

    /// The pixels of a file that is looked at closely, its longest side at most [`CLOSE_SIDE`].
    pub fn close(&mut self, path: &Path) -> Result<Option<Arc<RgbImage>>, String> {
        if let Some(at) = self.close.iter().position(|(held, _)| held == path) {
            // The most recently looked at are kept.
            if let Some(held) = self.close.remove(at) {
                self.close.push_back(held);
            }
            return Ok(self.close.back().map(|(_, image)| image.clone()));
        }
        if let Some(reason) = self.broken.get(path) {
            return Err(reason.clone());
        }
        self.ask(path, CLOSE_SIDE);
        Ok(None)
    }

    fn ask(&mut self, path: &Path, max_side: u32) {
        if self.asked.len() < IN_FLIGHT && self.asked.insert((path.to_path_buf(), max_side)) {
            self.requests.push(Command::Thumbnail { path: path.to_path_buf(), max_side });
        }
    }

    /// The picture of an image in memory. `crisp` shows its pixels as squares.
    pub fn memory(&mut self, ctx: &Context, image: &Arc<RgbImage>, crisp: bool) -> Picture {
        self.looked(ctx, image, Look { crisp, ..Look::default() })
    }

    /// The picture of an image in memory, as it is to be looked at.
    pub fn looked(&mut self, ctx: &Context, image: &Arc<RgbImage>, look: Look) -> Picture {
        let key = (Arc::as_ptr(image) as usize, look.crisp, look.tone.key());
        if !self.own.contains_key(&key) {
            if self.uploads >= UPLOADS {
                ctx.request_repaint();
                return Picture::Waiting;
            }
            self.upload(ctx, key, image, look);
        }
        match self.own.get_mut(&key) {
            Some(entry) => {
                entry.used = self.frame;
                Picture::Ready { texture: entry.texture.id(), size: entry.size, uv: WHOLE }
            }
            None => Picture::Waiting,
        }
    }

    fn upload(&mut self, ctx: &Context, key: Key, image: &Arc<RgbImage>, look: Look) {
        let (width, height) = image.dimensions();
        let size = vec2(width as f32, height as f32);
        // A photograph offered as a query would be a needlessly large texture, or larger than the driver allows.
        let shrunk = (width.max(height) > CLOSE_SIDE).then(|| {
            let scale = f64::from(CLOSE_SIDE) / f64::from(width.max(height));
            let side = |n: u32| ((f64::from(n) * scale) as u32).max(1);
            image::imageops::thumbnail(image.as_ref(), side(width), side(height))
        });
        let pixels = shrunk.as_ref().unwrap_or(image);
        let toned = (!look.tone.is_plain()).then(|| look.tone.apply(pixels));
        let pixels = toned.as_ref().unwrap_or(pixels);
        let texture_size = [pixels.width() as usize, pixels.height() as usize];
        if texture_size.contains(&0) {
            return;
        }
        // Squares where it is enlarged; where it is reduced, a picture of every other pixel would show nobody.
        let crisp = TextureOptions { magnification: TextureFilter::Nearest, ..TextureOptions::LINEAR };
        let options = if look.crisp { crisp } else { TextureOptions::LINEAR };
        let texture = ctx.load_texture("picture", ColorImage::from_rgb(texture_size, pixels.as_raw()), options);
        let bytes = texture_size[0] * texture_size[1] * 4;
        self.own.insert(key, Entry { texture, size, bytes, used: self.frame, _source: image.clone() });
        self.bytes += bytes;
        self.uploads += 1;
    }

    /// Lets the least recently drawn go. What was drawn in the last frame stays.
    fn evict(&mut self) {
        if self.bytes <= BUDGET {
            return;
        }
        let mut ages: Vec<(u64, Key)> =
            self.own.iter().filter(|(_, e)| e.used + 1 < self.frame).map(|(k, e)| (e.used, *k)).collect();
        ages.sort_by_key(|(used, _)| *used);
        for (_, key) in ages {
            // An eighth more than needed, so that a scroll does not sort the cache in every frame.
            if self.bytes <= BUDGET / 8 * 7 {
                break;
            }
            if let Some(entry) = self.own.remove(&key) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
#[path = "thumbs/tests.rs"]
mod tests;
