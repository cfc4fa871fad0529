//! A drawing: a list of simple marks that SVG, PNG and PDF all can show.

use std::sync::Arc;

use image::RgbImage;

use super::typeface::Cut;
use crate::case::Judgement;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Body text.
pub const INK: Colour = [0x1C, 0x21, 0x27];
/// Secondary text.
pub const FAINT: Colour = [0x56, 0x62, 0x72];
/// Hairlines.
pub const LINE: Colour = [0xCF, 0xD6, 0xDF];
/// The same person.
pub const SAME: Colour = [0x0B, 0x73, 0x51];
/// A different person.
pub const OTHER: Colour = [0xAE, 0x40, 0x0A];
/// Unsure.
pub const UNSURE: Colour = [0x8F, 0x62, 0x00];

/// The colour of a verdict.
pub fn colour(judgement: Judgement) -> Colour {
    match judgement {
        Judgement::Same => SAME,
        Judgement::Different => OTHER,
        Judgement::Unsure => UNSURE,
    }
}

/// A place and a size; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

/// One mark.
#[derive(Debug, Clone)]
pub enum Mark {
    /// A filled rectangle.
    Fill(Area, Colour),
    /// The border of a rectangle, outside of it, of that width.
    Border(Area, f32, Colour),
    /// A line through points, of that width.
    Line(Vec<(f32, f32)>, f32, Colour),
    /// A picture; with true its pixels are shown as squares.
    Picture(Area, Arc<RgbImage>, bool),
    /// Printable text; x and y are the start of its baseline.
    Text {
        /// Start of the baseline.
        x: f32,
        /// The baseline.
        y: f32,
        /// Size of the type.
        size: f32,
        /// Its cut.
        cut: Cut,
        /// Its colour.
        colour: Colour,
        /// What is written.
        text: String,
    },
}

/// Marks on a white ground.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// The marks, lowest first.
    pub marks: Vec<Mark>,
}

impl Drawing {
    /// An empty ground.
    pub fn new(width: f32, height: f32) -> Self {
        Self { width, height, marks: Vec::new() }
    }

    /// Writes a line of printable text.
    pub fn text(&mut self, x: f32, y: f32, size: f32, cut: Cut, colour: Colour, text: impl Into<String>) {
        self.marks.push(Mark::Text { x, y, size, cut, colour, text: text.into() });
    }

    /// A picture as large as it fits into `area`, centred.
    pub fn picture(&mut self, area: Area, image: &Arc<RgbImage>, crisp: bool) {
        let (w, h) = (image.width().max(1) as f32, image.height().max(1) as f32);
        let scale = (area.w / w).min(area.h / h);
        let (w, h) = (w * scale, h * scale);
        let inner = Area { x: area.x + (area.w - w) / 2.0, y: area.y + (area.h - h) / 2.0, w, h };
        self.marks.push(Mark::Picture(inner, image.clone(), crisp));
    }

    /// The glyph of a verdict in a square: a tick, a cross or a question mark, drawn, so that it needs no font.
    pub fn glyph(&mut self, x: f32, y: f32, side: f32, judgement: Judgement) {
        let colour = colour(judgement);
        self.marks.push(Mark::Fill(Area { x, y, w: side, h: side }, colour));
        let white = [255; 3];
        let at = |u: f32, v: f32| (x + u * side, y + v * side);
        let width = side * 0.12;
        match judgement {
            Judgement::Same => {
                self.marks.push(Mark::Line(vec![at(0.22, 0.52), at(0.42, 0.72), at(0.78, 0.28)], width, white));
            }
            Judgement::Different => {
                self.marks.push(Mark::Line(vec![at(0.27, 0.27), at(0.73, 0.73)], width, white));
                self.marks.push(Mark::Line(vec![at(0.73, 0.27), at(0.27, 0.73)], width, white));
            }
            Judgement::Unsure => {
                let size = side * 0.8;
                let start = x + (side - Cut::SemiBold.width("?", size)) / 2.0;
                self.text(start, y + side * 0.79, size, Cut::SemiBold, white, "?");
            }
        }
    }
}
