//! Figures as pixels, and a hundred thousand points of a map in a few milliseconds.
//!
//! Nothing is transparent: a mark's inside replaces what lies below, and only its rim is mixed with it. So the last mark on a
//! place is seen in its true colour however many lie below, and the marks come in an order that favours no group.

use std::ops::Range;

use image::RgbImage;

use super::fill::{edges, fill};
use super::{Align, Figure, Shape, corners, text};
use crate::data::image_io::resize;
use crate::projection::groups::{Marker, Rgb};

/// Pixels of `N` bytes each, red, green and blue the first three, row after row.
pub struct Canvas<'a, const N: usize> {
    /// The pixels.
    pub pixels: &'a mut [[u8; N]],
    /// Pixels in a row.
    pub width: usize,
}

impl<const N: usize> Canvas<'_, N> {
    fn size(&self) -> [usize; 2] {
        [self.width, self.pixels.len().checked_div(self.width).unwrap_or(0)]
    }

    fn mix(&mut self, x: usize, y: usize, colour: Rgb, coverage: f32) {
        blend(&mut self.pixels[y * self.width + x], colour, (coverage * 256.0 + 0.5) as u32);
    }
}

/// Mixes `colour` into a pixel by `part` of 256.
fn blend<const N: usize>(pixel: &mut [u8; N], colour: Rgb, part: u32) {
    for (below, above) in pixel.iter_mut().zip(colour) {
        *below = ((u32::from(*below) * (256 - part) + u32::from(above) * part) >> 8) as u8;
    }
}

/// A marker, ready to be stamped around any pixel.
#[derive(Debug, Clone)]
pub struct Stamp {
    rows: Vec<StampRow>,
    reach: i32,
}

#[derive(Debug, Clone)]
struct StampRow {
    /// The row, from the centre.
    dy: i32,
    /// Columns from the centre that are covered whole.
    whole: Range<i32>,
    /// Columns that are covered in part, of 256.
    rim: Vec<(i32, u32)>,
}

impl Stamp {
    /// A marker of half width `radius` in pixels.
    pub fn new(marker: Marker, radius: f32) -> Self {
        let radius = radius.clamp(0.5, 64.0);
        let reach = (radius * 1.6).ceil() as i32 + 1;
        let side = 2 * reach as usize + 1;
        let centre = reach as f32 + 0.5;
        let mut mask = vec![0u32; side * side];
        let outline = edges(corners(marker).into_iter().map(|c| c.map(|x| centre + x * radius)));
        fill(&outline, [side, side], &mut |x, y, coverage| mask[y * side + x] = (coverage * 256.0 + 0.5) as u32);
        let rows = mask.chunks_exact(side).zip(-reach..).map(|(line, dy)| {
            let whole = |part: &u32| *part >= 250;
            // The first run of whole pixels; a cross may have a second one, which then counts as rim.
            let first = line.iter().position(whole).unwrap_or(0);
            let length = line[first..].iter().take_while(|part| whole(part)).count();
            let run = first..first + length;
            let rim = line.iter().enumerate().filter(|(x, part)| **part > 0 && !run.contains(x));
            let column = |x: usize| x as i32 - reach;
            StampRow {
                dy,
                whole: column(run.start)..column(run.end),
                rim: rim.map(|(x, part)| (column(x), *part)).collect(),
            }
        });
        Self { rows: rows.filter(|row| !row.whole.is_empty() || !row.rim.is_empty()).collect(), reach }
    }

    /// Stamps it around the pixel (`x`, `y`); what lies outside is left out.
    pub fn put<const N: usize>(&self, canvas: &mut Canvas<'_, N>, x: i32, y: i32, colour: Rgb) {
        let [width, height] = canvas.size().map(|side| side as i32);
        if x + self.reach < 0 || y + self.reach < 0 || x - self.reach >= width || y - self.reach >= height {
            return;
        }
        let inside = x >= self.reach && x + self.reach < width;
        for row in &self.rows {
            let y = y + row.dy;
            if y < 0 || y >= height {
                continue;
            }
            let line = &mut canvas.pixels[(y * width) as usize..][..width as usize];
            let (from, to) = ((x + row.whole.start).max(0), (x + row.whole.end).min(width));
            if from < to {
                for pixel in &mut line[from as usize..to as usize] {
                    pixel[..3].copy_from_slice(&colour);
                }
            }
            for &(dx, part) in &row.rim {
                let x = x + dx;
                if inside || (0..width).contains(&x) {
                    blend(&mut line[x as usize], colour, part);
                }
            }
        }
    }
}

/// `0..n` in an order that mixes groups which lie one after the other, always the same.
pub fn mixed_order(n: usize) -> Vec<u32> {
    fn shared(a: usize, b: usize) -> usize {
        if b == 0 { a } else { shared(b, a % b) }
    }
    // Steps of the golden section visit everything once where the step shares no factor with n.
    let step = ((n as f64 * 0.618_034) as usize..).find(|&step| shared(n, step.max(1)) == 1).unwrap_or(1).max(1);
    (0..n)
        .scan(0usize, |at, _| {
            let here = *at;
            *at = (*at + step) % n.max(1);
            Some(here as u32)
        })
        .collect()
}

/// A figure in pixels, `scale` of them a point.
pub(super) fn draw(figure: &Figure, scale: f32) -> RgbImage {
    let side = |points: f32| ((points * scale).round() as u32).clamp(1, 16_384);
    let (width, height) = (side(figure.width), side(figure.height));
    let mut pixels = vec![figure.ground; width as usize * height as usize];
    let mut canvas = Canvas { pixels: &mut pixels, width: width as usize };
    figure.shapes.iter().for_each(|shape| draw_shape(shape, scale, &mut canvas));
    // The size fits: the pixels were made for it.
    RgbImage::from_raw(width, height, pixels.into_flattened()).unwrap_or_default()
}

fn draw_shape(shape: &Shape, scale: f32, canvas: &mut Canvas<'_, 3>) {
    let size = canvas.size();
    let at = |p: &[f32; 2]| p.map(|x| x * scale);
    match shape {
        Shape::Mark { at: centre, marker, radius, colour } => {
            let centre = at(centre);
            let corners = corners(*marker).into_iter().map(|c| [0, 1].map(|a| centre[a] + c[a] * radius * scale));
            fill(&edges(corners), size, &mut |x, y, coverage| canvas.mix(x, y, *colour, coverage));
        }
        Shape::Fill { rect, colour } => fill_rect(canvas, rect.map(|x| x * scale), *colour),
        Shape::Border { rect: [x, y, w, h], width: b, colour } => {
            for rect in [[*x, *y, *w, *b], [*x, y + h - b, *w, *b], [*x, *y, *b, *h], [x + w - b, *y, *b, *h]] {
                fill_rect(canvas, rect.map(|x| x * scale), *colour);
            }
        }
        Shape::Text { at: anchor, text, size: em, weight, align, colour } => {
            let width = text::width(text, em * scale, *weight);
            let shift = match align {
                Align::Start => 0.0,
                Align::Middle => width / 2.0,
                Align::End => width,
            };
            let [x, y] = at(anchor);
            let paint = |x, y, coverage| canvas.mix(x, y, *colour, coverage);
            text::paint(text, [x - shift, y], em * scale, *weight, size, paint);
        }
        Shape::Picture { rect, image, crisp } => picture(canvas, rect.map(|x| x * scale), image, *crisp),
    }
}

/// Fills a rectangle, its borders rounded to whole pixels.
fn fill_rect(canvas: &mut Canvas<'_, 3>, [x, y, w, h]: [f32; 4], colour: Rgb) {
    let [width, height] = canvas.size();
    let to = |from: f32, length: f32, most: usize| {
        let (start, end) = (from.round().max(0.0) as usize, (from + length).round().max(0.0) as usize);
        start.min(most)..end.min(most)
    };
    for row in to(y, h, height) {
        canvas.pixels[row * width..][..width][to(x, w, width)].fill(colour);
    }
}

fn picture(canvas: &mut Canvas<'_, 3>, [x, y, w, h]: [f32; 4], image: &RgbImage, crisp: bool) {
    let (w, h) = ((w.round() as usize).max(1), (h.round() as usize).max(1));
    let scaled = if crisp {
        image::imageops::resize(image, w as u32, h as u32, image::imageops::FilterType::Nearest)
    } else {
        resize(image, h, w)
    };
    let [width, height] = canvas.size();
    let (left, top) = (x.round() as i64, y.round() as i64);
    for (dx, dy, pixel) in scaled.enumerate_pixels() {
        let (x, y) = (left + i64::from(dx), top + i64::from(dy));
        if (0..width as i64).contains(&x) && (0..height as i64).contains(&y) {
            canvas.pixels[y as usize * width + x as usize] = pixel.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_clipped_and_opaque_inside() {
        for marker in Marker::ALL {
            for radius in [0.1, 1.0, 2.5, 9.0] {
                let stamp = Stamp::new(marker, radius);
                let mut pixels = vec![[10, 20, 30, 255]; 40 * 30];
                let mut canvas = Canvas { pixels: &mut pixels, width: 40 };
                for (x, y) in [(-90, 0), (-1, -1), (39, 29), (40, 15), (20, 15), (5, 400), (0, 29)] {
                    stamp.put(&mut canvas, x, y, [200, 100, 50]);
                }
                if radius >= 2.5 {
                    assert_eq!(pixels[15 * 40 + 20], [200, 100, 50, 255], "{marker:?} {radius}");
                }
                assert!(pixels.iter().all(|p| p[3] == 255 && (10..=200).contains(&p[0])));
                assert!(pixels[15 * 40 + 30] == [10, 20, 30, 255] || radius == 9.0);
            }
        }
    }

    #[test]
    fn every_point_comes_once_and_neighbours_come_apart() {
        for n in [0, 1, 2, 3, 7, 100, 1000, 99_991] {
            let mut order = mixed_order(n);
            if n > 99 {
                assert!(order.windows(2).all(|w| w[0].abs_diff(w[1]) as usize > n / 5), "{n}");
            }
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(i, &o)| i == o as usize) && order.len() == n, "{n}");
        }
    }
}
