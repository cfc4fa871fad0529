//! Pictures for papers, reports and the screen: a figure is a list of shapes, written as SVG or drawn into pixels.
//!
//! [`scatter`] makes one of a map, [`ranks`] one of rankings. [`raster`] also draws the map in the window.

mod fill;
pub mod ranks;
pub mod raster;
pub mod scatter;
mod svg;
mod text;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use image::RgbImage;

pub use self::svg::corners;
pub use self::text::Weight;
use crate::projection::groups::{Marker, Rgb};
use crate::{Error, Result};

/// Where a text's anchor lies along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At its beginning.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// One thing to draw. Lengths are in points; x grows to the right, y downwards.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A point of a map.
    Mark {
        /// Its centre.
        at: [f32; 2],
        /// Its form.
        marker: Marker,
        /// Half of its width.
        radius: f32,
        /// Its colour.
        colour: Rgb,
    },
    /// A filled rectangle.
    Fill {
        /// Left, top, width, height.
        rect: [f32; 4],
        /// Its colour.
        colour: Rgb,
    },
    /// The border of a rectangle, drawn inside it.
    Border {
        /// Left, top, width, height.
        rect: [f32; 4],
        /// Its thickness.
        width: f32,
        /// Its colour.
        colour: Rgb,
    },
    /// A line of text.
    Text {
        /// The anchor, on the base line.
        at: [f32; 2],
        /// The words.
        text: String,
        /// Height of an em.
        size: f32,
        /// Regular or semibold.
        weight: Weight,
        /// Where the anchor lies.
        align: Align,
        /// Its colour.
        colour: Rgb,
    },
    /// A picture, stretched over a rectangle.
    Picture {
        /// Left, top, width, height.
        rect: [f32; 4],
        /// Its pixels.
        image: Arc<RgbImage>,
        /// Show its pixels as squares.
        crisp: bool,
    },
}

/// A figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Width in points.
    pub width: f32,
    /// Height in points.
    pub height: f32,
    /// What it shows, for readers who do not see it.
    pub title: String,
    /// Its ground.
    pub ground: Rgb,
    /// What is drawn, the first below.
    pub shapes: Vec<Shape>,
}

impl Figure {
    /// Adds a line of text.
    pub fn text(
        &mut self,
        at: [f32; 2],
        size: f32,
        weight: Weight,
        align: Align,
        colour: Rgb,
        text: impl Into<String>,
    ) {
        self.shapes.push(Shape::Text { at, text: text.into(), size, weight, align, colour });
    }

    /// The figure as pixels, `scale` of them a point.
    pub fn pixels(&self, scale: f32) -> RgbImage {
        raster::draw(self, scale)
    }

    /// The figure as an SVG document.
    pub fn svg(&self) -> String {
        svg::document(self)
    }

    /// Writes it as the ending of `path` says: `.svg`, or `.png` at two pixels a point.
    ///
    /// # Errors
    /// [`Error::File`] for another ending, [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        match ending(path).as_str() {
            "svg" => {
                let text = self.svg();
                crate::fs::write_atomic(path, |file| file.write_all(text.as_bytes()))
            }
            "png" => crate::data::image_io::save_png(&self.pixels(2.0), path),
            _ => Err(Error::file(path, "a picture is written as .svg or .png", "Change the ending of its name")),
        }
    }
}

/// Width of a line of text in points.
pub fn text_width(text: &str, size: f32, weight: Weight) -> f32 {
    text::width(text, size, weight)
}

/// `text` in lines that are at most `width` wide; a longer word stands alone.
pub fn wrapped(text: &str, size: f32, weight: Weight, width: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().map(|line| (format!("{line} {word}"), line)) {
            Some((longer, line)) if text_width(&longer, size, weight) <= width => *line = longer,
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The ending of a file's name in small letters, without its dot.
pub fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Colours of a figure's ground and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    /// The ground.
    pub ground: Rgb,
    /// Titles and figures.
    pub strong: Rgb,
    /// Other words.
    pub weak: Rgb,
    /// Hairlines.
    pub line: Rgb,
    /// The same person.
    pub same: Rgb,
    /// A different person.
    pub other: Rgb,
}

/// White paper.
pub const LIGHT: Paper = Paper {
    ground: [0xFF, 0xFF, 0xFF],
    strong: [0x10, 0x15, 0x1C],
    weak: [0x4C, 0x57, 0x66],
    line: [0xCF, 0xD6, 0xDF],
    same: [0x0B, 0x73, 0x51],
    other: [0xAE, 0x40, 0x0A],
};

/// A dark screen.
pub const DARK: Paper = Paper {
    ground: [0x14, 0x18, 0x1E],
    strong: [0xF2, 0xF5, 0xF8],
    weak: [0x94, 0xA0, 0xAE],
    line: [0x2A, 0x32, 0x3D],
    same: [0x2F, 0xC2, 0x94],
    other: [0xEE, 0x7A, 0x3B],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_written_by_its_ending() {
        let folder = tempfile::tempdir().unwrap();
        let mut figure =
            Figure { width: 60.0, height: 40.0, title: "T".into(), ground: LIGHT.ground, shapes: Vec::new() };
        figure.text([30.0, 20.0], 12.0, Weight::Semibold, Align::Middle, LIGHT.strong, "r = 8 <&>");
        figure.shapes.push(Shape::Mark { at: [10.0, 30.0], marker: Marker::Diamond, radius: 4.0, colour: [255, 0, 0] });
        figure.shapes.push(Shape::Border { rect: [1.0, 1.0, 58.0, 38.0], width: 1.0, colour: [0, 0, 255] });
        let image = Arc::new(RgbImage::from_pixel(2, 2, image::Rgb([0, 255, 0])));
        figure.shapes.push(Shape::Picture { rect: [40.0, 25.0, 10.0, 10.0], image, crisp: true });
        let (svg, png) = (folder.path().join("a.SVG"), folder.path().join("a.png"));
        figure.write(&svg).unwrap();
        figure.write(&png).unwrap();
        let text = std::fs::read_to_string(&svg).unwrap();
        assert!(
            text.starts_with("<svg") && text.contains("r = 8 &lt;&amp;&gt;") && text.contains("data:image/png;base64,")
        );
        let pixels = crate::data::image_io::load(&png).unwrap();
        assert_eq!(pixels.dimensions(), (120, 80));
        assert_eq!(pixels.get_pixel(20, 60).0, [255, 0, 0], "the mark");
        assert_eq!(pixels.get_pixel(90, 60).0, [0, 255, 0], "the picture");
        assert_eq!(pixels.get_pixel(3, 3).0, [0, 0, 255], "the border");
        assert!(pixels.pixels().any(|p| p.0 == LIGHT.strong), "the words");
        let error = figure.write(&folder.path().join("a.pdf")).unwrap_err().to_string();
        assert!(error.contains(".svg or .png"), "{error}");
    }
}
