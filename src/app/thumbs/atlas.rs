//! Thumbnails in pages: one texture holds many, so that a grid of cards is drawn with one mesh a page.
//!
//! A page is cut into cells of one class. The least recently drawn cell is taken when no other is free; a class that has no
//! page left takes the page of the other that was looked at longest ago. So memory has a hard bound, whatever is scrolled by.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use egui::{Color32, ColorImage, Context, Rect, TextureHandle, TextureId, TextureOptions, Vec2, pos2, vec2};
use image::RgbImage;

/// Side of a page in pixels.
const PAGE: usize = 1152;
/// Pages at the most.
const PAGES: usize = 14;
/// Bytes of a page.
pub const PAGE_BYTES: usize = PAGE * PAGE * 4;
/// What all pages may take, in bytes.
pub const BUDGET: usize = PAGES * PAGE_BYTES;

/// The sizes that thumbnails are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Up to 96 x 192 pixels.
    Small,
    /// Up to 192 x 384 pixels.
    Large,
}

impl Class {
    /// The smallest class for a picture that is drawn `width` pixels wide.
    pub fn for_width(width: f32) -> Self {
        if width <= 110.0 { Class::Small } else { Class::Large }
    }

    /// Width and height of a cell in pixels.
    const fn cell(self) -> [usize; 2] {
        match self {
            Class::Small => [96, 192],
            Class::Large => [192, 384],
        }
    }

    /// The longest side to ask the engine for.
    pub fn side(self) -> u32 {
        self.cell()[1] as u32
    }

    /// The class of an answer of that longest side.
    pub fn of_side(side: u32) -> Option<Self> {
        [Class::Small, Class::Large].into_iter().find(|class| class.side() == side)
    }

    fn cells(self) -> usize {
        let [width, height] = self.cell();
        (PAGE / width) * (PAGE / height)
    }
}

/// Where a thumbnail lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// The page.
    pub texture: TextureId,
    /// Its part of the page.
    pub uv: Rect,
    /// Its size in pixels, for its proportions.
    pub size: Vec2,
}

struct Page {
    class: Class,
    texture: TextureHandle,
    cells: Vec<Option<PathBuf>>,
}

struct Slot {
    page: usize,
    cell: usize,
    size: [usize; 2],
    used: u64,
}

/// The pages and who is in them.
#[derive(Default)]
pub struct Atlas {
    pages: Vec<Page>,
    slots: HashMap<(Class, PathBuf), Slot>,
    /// Counts frames; what was drawn in the last one is never taken.
    frame: u64,
}

impl Atlas {
    /// Once a frame, before drawing.
    pub fn begin_frame(&mut self) {
        self.frame += 1;
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> usize {
        self.pages.len() * PAGE_BYTES
    }

    /// Thumbnails held.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The thumbnail of a file, if it is there.
    pub fn find(&mut self, class: Class, path: &Path) -> Option<Spot> {
        // A key of a borrowed path would need a type of its own; a hundred short copies a frame are not worth it.
        let slot = self.slots.get_mut(&(class, path.to_path_buf()))?;
        slot.used = self.frame;
        let page = &self.pages[slot.page];
        let [x, y] = origin(page.class, slot.cell);
        let unit = |x: f32, y: f32| pos2(x / PAGE as f32, y / PAGE as f32);
        let [w, h] = slot.size;
        // Half a pixel inside, or smoothing would mix the neighbour in.
        let uv =
            Rect::from_min_max(unit(x as f32 + 0.5, y as f32 + 0.5), unit((x + w) as f32 - 0.5, (y + h) as f32 - 0.5));
        Some(Spot { texture: page.texture.id(), uv, size: vec2(w as f32, h as f32) })
    }

    /// Puts a thumbnail into a cell; false where every cell is on the screen.
    pub fn insert(&mut self, ctx: &Context, class: Class, path: &Path, image: &RgbImage) -> bool {
        let Some((page, cell)) = self.free_cell(ctx, class) else {
            return false;
        };
        let [width, height] = class.cell();
        let shrunk = fitted(image, width, height);
        let image = shrunk.as_ref().unwrap_or(image);
        let size = [image.width() as usize, image.height() as usize];
        if size.contains(&0) {
            return false;
        }
        let pixels = ColorImage::from_rgb(size, image.as_raw());
        self.pages[page].texture.set_partial(origin(class, cell), pixels, TextureOptions::LINEAR);
        self.pages[page].cells[cell] = Some(path.to_path_buf());
        self.slots.insert((class, path.to_path_buf()), Slot { page, cell, size, used: self.frame });
        true
    }

    fn free_cell(&mut self, ctx: &Context, class: Class) -> Option<(usize, usize)> {
        let mine = |(_, page): &(usize, &Page)| page.class == class;
        let free = |(at, page): (usize, &Page)| page.cells.iter().position(Option::is_none).map(|cell| (at, cell));
        if let Some(found) = self.pages.iter().enumerate().filter(mine).find_map(free) {
            return Some(found);
        }
        if self.pages.len() < PAGES {
            let blank = ColorImage::filled([PAGE, PAGE], Color32::BLACK);
            let texture = ctx.load_texture("thumbnails", blank, TextureOptions::LINEAR);
            self.pages.push(Page { class, texture, cells: vec![None; class.cells()] });
            return Some((self.pages.len() - 1, 0));
        }
        let idle = |used: u64| used + 1 < self.frame;
        let oldest = self.slots.iter().filter(|((c, _), slot)| *c == class && idle(slot.used));
        if let Some((key, slot)) = oldest.min_by_key(|(_, slot)| slot.used) {
            let (key, found) = (key.clone(), (slot.page, slot.cell));
            self.slots.remove(&key);
            return Some(found);
        }
        self.take_page(class).map(|page| (page, 0))
    }

    /// Takes a page of the other class, the one that was last drawn from longest ago, if it is off the screen.
    fn take_page(&mut self, class: Class) -> Option<usize> {
        let mut last = vec![0; self.pages.len()];
        for slot in self.slots.values() {
            last[slot.page] = last[slot.page].max(slot.used);
        }
        let others = (0..self.pages.len()).filter(|&at| self.pages[at].class != class);
        let page = others.filter(|&at| last[at] + 1 < self.frame).min_by_key(|&at| last[at])?;
        self.slots.retain(|_, slot| slot.page != page);
        (self.pages[page].class, self.pages[page].cells) = (class, vec![None; class.cells()]);
        Some(page)
    }
}

fn origin(class: Class, cell: usize) -> [usize; 2] {
    let [width, height] = class.cell();
    let columns = PAGE / width;
    [cell % columns * width, cell / columns * height]
}

/// A smaller copy where the image does not fit into a cell.
fn fitted(image: &RgbImage, width: usize, height: usize) -> Option<RgbImage> {
    let (w, h) = (image.width() as usize, image.height() as usize);
    (w > width || h > height).then(|| {
        let scale = (width as f64 / w as f64).min(height as f64 / h as f64);
        let side = |n: usize, most: usize| ((n as f64 * scale).round() as usize).clamp(1, most) as u32;
        image::imageops::thumbnail(image, side(w, width), side(h, height))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(i: usize) -> PathBuf {
        format!("{i}.png").into()
    }

    #[test]
    fn memory_is_bounded_and_the_last_drawn_stay() {
        let (ctx, mut atlas, image) = (Context::default(), Atlas::default(), RgbImage::new(96, 192));
        let room = PAGES * Class::Small.cells();
        for i in 0..room + 500 {
            atlas.begin_frame();
            atlas.find(Class::Small, &path(0));
            assert!(atlas.insert(&ctx, Class::Small, &path(i), &image));
        }
        assert_eq!((atlas.bytes(), atlas.len()), (BUDGET, room));
        assert!(atlas.find(Class::Small, &path(0)).is_some(), "it was drawn in every frame");
        assert!(atlas.find(Class::Small, &path(1)).is_none());
        assert!(atlas.find(Class::Small, &path(room + 499)).is_some());
    }

    #[test]
    fn a_class_without_a_page_takes_one_that_is_off_the_screen() {
        let (ctx, mut atlas, image) = (Context::default(), Atlas::default(), RgbImage::new(64, 128));
        for i in 0..PAGES * Class::Small.cells() {
            atlas.insert(&ctx, Class::Small, &path(i), &image);
        }
        assert!(!atlas.insert(&ctx, Class::Large, &path(0), &image), "everything is on the screen");
        (0..3).for_each(|_| atlas.begin_frame());
        assert!(atlas.insert(&ctx, Class::Large, &path(0), &image));
        assert_eq!(atlas.bytes(), BUDGET);
        let spot = atlas.find(Class::Large, &path(0)).unwrap();
        assert_eq!(spot.size, vec2(64.0, 128.0));
    }

    #[test]
    fn cells_do_not_overlap_and_lie_in_the_page() {
        for class in [Class::Small, Class::Large] {
            let [w, h] = class.cell();
            let origins: Vec<_> = (0..class.cells()).map(|cell| origin(class, cell)).collect();
            for (i, [x, y]) in origins.iter().enumerate() {
                assert!(x + w <= PAGE && y + h <= PAGE && !origins[..i].contains(&[*x, *y]));
            }
        }
    }

    #[test]
    fn a_wide_image_keeps_its_proportions() {
        let small = fitted(&RgbImage::new(384, 192), 96, 192).unwrap();
        assert_eq!(small.dimensions(), (96, 48));
        assert!(fitted(&RgbImage::new(20, 50), 96, 192).is_none());
    }
}
