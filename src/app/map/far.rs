//! Pictures of images at a lower resolution, as the model saw them: a small cache of textures, decoded by the engine.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{ColorImage, Context, Pos2, Rect, TextureHandle, TextureOptions, pos2, vec2};
use image::RgbImage;

use crate::app::thumbs::{Picture, Thumbs};
use crate::engine::command::Command;
use crate::projection::groups::rate_key;
use crate::projection::map::{Role, Spot};

/// Textures kept; they are tiny.
const KEPT: usize = 2000;
/// Pictures asked for and not yet answered, at most.
const IN_FLIGHT: usize = 96;

type Key = (PathBuf, u32);

/// The cache.
#[derive(Default)]
pub struct Far {
    there: HashMap<Key, Result<TextureHandle, String>>,
    asked: HashSet<Key>,
    requests: Vec<Command>,
}

impl Far {
    /// An answer of the engine.
    pub fn arrived(&mut self, ctx: &Context, path: PathBuf, rate: u32, image: Result<Arc<RgbImage>, String>) {
        let key = (path, rate);
        self.asked.remove(&key);
        if self.there.len() >= KEPT {
            self.there.clear(); // what is on the screen is asked for again
        }
        let texture = image.map(|image| {
            let size = [image.width() as usize, image.height() as usize];
            ctx.load_texture("far picture", ColorImage::from_rgb(size, image.as_raw()), TextureOptions::LINEAR)
        });
        self.there.insert(key, texture);
    }

    /// What is to be asked of the engine.
    pub fn requests(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.requests)
    }

    /// The picture of a spot, as the model saw it.
    pub fn picture(&mut self, thumbs: &mut Thumbs, spot: &Spot) -> Picture {
        // A query is a crop of its own: its pixels are as few as they are.
        if spot.rate <= 1.0 || spot.role == Role::Query {
            return thumbs.file(&spot.path);
        }
        let key = (spot.path.clone(), rate_key(spot.rate).clamp(1, i64::from(u32::MAX)) as u32);
        match self.there.get(&key) {
            Some(Ok(texture)) => {
                let size = texture.size_vec2();
                let size = if size.x > 0.0 { size } else { vec2(1.0, 1.0) };
                Picture::Ready { texture: texture.id(), size, uv: Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)) }
            }
            Some(Err(reason)) => Picture::Broken(reason.clone()),
            None => {
                if self.asked.len() < IN_FLIGHT && self.asked.insert(key.clone()) {
                    self.requests.push(Command::FarThumbnail { path: key.0, rate: key.1 });
                }
                Picture::Waiting
            }
        }
    }
}

/// The name of a file in messages and lists.
pub fn file_of(path: &Path) -> String {
    crate::app::state::file_name(path)
}
