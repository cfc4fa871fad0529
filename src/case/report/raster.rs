//! A drawing as pixels.

use image::{Rgb, RgbImage, imageops};

use super::drawing::{Area, Colour, Drawing, Mark};

/// Lines that a row of pixels is sampled by.
const SAMPLES: usize = 5;

type Polygon = Vec<(f32, f32)>;

/// Draws at `scale` pixels a unit.
pub fn raster(drawing: &Drawing, scale: f32) -> RgbImage {
    let side = |length: f32| (length * scale).ceil().clamp(1.0, 30_000.0) as u32;
    let mut image = RgbImage::from_pixel(side(drawing.width), side(drawing.height), Rgb([255; 3]));
    for mark in &drawing.marks {
        match mark {
            Mark::Fill(area, colour) => fill(&mut image, &[rectangle(*area, scale)], *colour),
            Mark::Border(area, width, colour) => {
                let outer =
                    Area { x: area.x - width, y: area.y - width, w: area.w + 2.0 * width, h: area.h + 2.0 * width };
                let mut inner = rectangle(*area, scale);
                inner.reverse(); // the other way round: it cuts a hole
                fill(&mut image, &[rectangle(outer, scale), inner], *colour);
            }
            Mark::Line(points, width, colour) => {
                // Each piece by itself: where two overlap both are opaque.
                for piece in points.windows(2) {
                    fill(&mut image, &[stroke(piece[0], piece[1], *width, scale)], *colour);
                }
            }
            Mark::Picture(area, picture, crisp) => {
                let (w, h) = (side(area.w), side(area.h));
                let scaled = if *crisp {
                    imageops::resize(picture.as_ref(), w, h, imageops::FilterType::Nearest)
                } else {
                    imageops::resize(picture.as_ref(), w, h, imageops::FilterType::CatmullRom)
                };
                imageops::replace(
                    &mut image,
                    &scaled,
                    (area.x * scale).round() as i64,
                    (area.y * scale).round() as i64,
                );
            }
            Mark::Text { x, y, size, cut, colour, text } => {
                let outlines = cut.outlines(text, size * scale, x * scale, y * scale);
                fill(&mut image, &outlines, *colour);
            }
        }
    }
    image
}

fn rectangle(Area { x, y, w, h }: Area, scale: f32) -> Polygon {
    let (l, t, r, b) = (x * scale, y * scale, (x + w) * scale, (y + h) * scale);
    vec![(l, t), (r, t), (r, b), (l, b)]
}

fn stroke(a: (f32, f32), b: (f32, f32), width: f32, scale: f32) -> Polygon {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy).max(1e-6);
    let half = width / 2.0;
    let (tx, ty) = (dx / length * half, dy / length * half);
    // A little longer than the piece at both ends, so that corners close.
    let points = [
        (a.0 - tx - ty, a.1 - ty + tx),
        (b.0 + tx - ty, b.1 + ty + tx),
        (b.0 + tx + ty, b.1 + ty - tx),
        (a.0 - tx + ty, a.1 - ty - tx),
    ];
    points.map(|(x, y)| (x * scale, y * scale)).to_vec()
}

/// Fills polygons by the nonzero rule, their edges smoothed: each row of pixels is crossed by [`SAMPLES`] lines, and along
/// a line the share of each pixel that is inside counts.
fn fill(image: &mut RgbImage, polygons: &[Polygon], colour: Colour) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let edges: Vec<((f32, f32), (f32, f32))> = polygons
        .iter()
        .flat_map(|polygon| polygon.iter().zip(polygon.iter().cycle().skip(1)).map(|(a, b)| (*a, *b)))
        .filter(|(a, b)| a.1 != b.1)
        .collect();
    let span =
        edges.iter().fold((f32::MAX, f32::MIN), |(low, high), (a, b)| (low.min(a.1).min(b.1), high.max(a.1).max(b.1)));
    let first = span.0.floor().max(0.0) as usize;
    let last = (span.1.ceil().max(0.0) as usize).min(height);
    let mut cover = vec![0f32; width];
    let mut crossings: Vec<(f32, i32)> = Vec::new();
    for row in first..last {
        cover.fill(0.0);
        for sample in 0..SAMPLES {
            let y = row as f32 + (sample as f32 + 0.5) / SAMPLES as f32;
            crossings.clear();
            for (a, b) in &edges {
                let (down, (top, bottom)) = if a.1 < b.1 { (1, (a, b)) } else { (-1, (b, a)) };
                if top.1 <= y && y < bottom.1 {
                    let t = (y - top.1) / (bottom.1 - top.1);
                    crossings.push((top.0 + t * (bottom.0 - top.0), down));
                }
            }
            crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut winding = 0;
            for pair in crossings.windows(2) {
                winding += pair[0].1;
                if winding != 0 {
                    add(&mut cover, pair[0].0, pair[1].0);
                }
            }
        }
        for (x, share) in cover.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let share = (share / SAMPLES as f32).min(1.0);
            let pixel = image.get_pixel_mut(x as u32, row as u32);
            for (channel, ink) in pixel.0.iter_mut().zip(colour) {
                *channel = (f32::from(*channel) * (1.0 - share) + f32::from(ink) * share).round() as u8;
            }
        }
    }
}

/// Adds the share of each pixel that lies between `from` and `to`.
fn add(cover: &mut [f32], from: f32, to: f32) {
    let (from, to) = (from.max(0.0), to.min(cover.len() as f32));
    let mut x = from;
    while x < to {
        let pixel = x.floor();
        let next = (pixel + 1.0).min(to);
        if let Some(cell) = cover.get_mut(pixel as usize) {
            *cell += next - x;
        }
        x = next;
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawing::{INK, SAME};
    use super::super::typeface::Cut;
    use super::*;

    #[test]
    fn a_rectangle_covers_its_pixels_and_half_of_those_it_halves() {
        let mut drawing = Drawing::new(4.0, 4.0);
        drawing.marks.push(Mark::Fill(Area { x: 1.0, y: 1.0, w: 1.5, h: 2.0 }, [0; 3]));
        let image = raster(&drawing, 1.0);
        assert_eq!(image.get_pixel(1, 1).0, [0; 3]);
        assert_eq!(image.get_pixel(2, 2).0, [128; 3]);
        assert_eq!(image.get_pixel(0, 1).0, [255; 3]);
        assert_eq!(image.get_pixel(1, 3).0, [255; 3]);
    }

    #[test]
    fn letters_have_holes() {
        let mut drawing = Drawing::new(40.0, 40.0);
        drawing.text(4.0, 34.0, 40.0, Cut::SemiBold, INK, "o");
        let image = raster(&drawing, 1.0);
        let middle = 4.0 + Cut::SemiBold.width("o", 40.0) / 2.0;
        assert_eq!(image.get_pixel(middle as u32, 23).0, [255; 3], "the counter of the o is open");
        assert!(image.pixels().any(|p| p.0 == INK), "its bowl is inked");
    }

    #[test]
    fn a_tick_is_white_on_its_colour() {
        let mut drawing = Drawing::new(20.0, 20.0);
        drawing.glyph(0.0, 0.0, 20.0, crate::case::Judgement::Same);
        let image = raster(&drawing, 1.0);
        assert_eq!(image.get_pixel(1, 1).0, SAME);
        assert!(image.pixels().any(|p| p.0 == [255; 3]));
    }
}
