//! Random changes to a training image.
//!
//! Geometry (mirror, pad and crop) is drawn once for a pair. It is applied to the sharp image, and the low-resolution
//! image is made from the result: so both carry it, and x_L = degrade(x_H) holds exactly for the pixels that the network
//! sees, border included. (Applied after the reduction instead, the two would differ in the phase of the pixel grid
//! and the padding would stay sharp in an image that is blurred everywhere else.)
//!
//! Random erasing hides a rectangle of the network's input, the same one in both images of a pair, and never touches the
//! reconstruction target.

use image::RgbImage;
use image::imageops::flip_horizontal_in_place;
use rand::{Rng, RngExt};

use super::resolution::degrade;

/// Mirror, pad and crop, as drawn for one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Mirror left to right.
    pub flip: bool,
    /// Black pixels put around the image.
    pub pad: usize,
    /// First row of the crop in the padded image, 0..=2 pad.
    pub top: usize,
    /// First column of the crop in the padded image, 0..=2 pad.
    pub left: usize,
}

impl Geometry {
    /// Leaves an image as it is.
    pub const NONE: Geometry = Geometry { flip: false, pad: 0, top: 0, left: 0 };

    /// Draws it: a mirror in half of the cases where `flip` is on, and any crop of the image padded by `pad`.
    pub fn draw(flip: bool, pad: usize, rng: &mut impl Rng) -> Geometry {
        // Everything is drawn whether or not it is used, so that one setting does not move the draws of another.
        let mirror = rng.random_bool(0.5);
        let (top, left) = (rng.random_range(0..=2 * pad as u64), rng.random_range(0..=2 * pad as u64));
        Geometry { flip: flip && mirror, pad, top: top as usize, left: left as usize }
    }

    /// The image mirrored, padded with black and cropped back to its own size.
    pub fn apply(&self, image: &RgbImage) -> RgbImage {
        let mut image = image.clone();
        if self.flip {
            flip_horizontal_in_place(&mut image);
        }
        if (self.top, self.left) == (self.pad, self.pad) {
            return image;
        }
        let mut out = RgbImage::new(image.width(), image.height());
        let (dx, dy) = (self.pad as i64 - self.left as i64, self.pad as i64 - self.top as i64);
        image::imageops::replace(&mut out, &image, dx, dy);
        out
    }
}

/// A sharp image and its low-resolution form, both with the same geometry; none of the latter without a rate.
pub fn pair(image: &RgbImage, geometry: Geometry, rate: Option<f64>) -> (RgbImage, Option<RgbImage>) {
    let sharp = geometry.apply(image);
    let low = rate.map(|r| degrade(&sharp, r));
    (sharp, low)
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Rectangle {
    /// With the given probability, a rectangle to erase from an image of `height` x `width`: 2% to 40% of its area, sides
    /// in a ratio of 0.3 to 3.3 (Zhong et al.'s values).
    pub fn draw(probability: f64, height: usize, width: usize, rng: &mut impl Rng) -> Option<Rectangle> {
        if rng.random::<f64>() >= probability {
            return None;
        }
        // Most tries fit; a hundred that do not mean an image of a few pixels, which then stays whole.
        (0..100).find_map(|_| {
            let area = rng.random_range(0.02..0.4) * (height * width) as f64;
            let ratio: f64 = rng.random_range(0.3..3.3);
            let (h, w) = ((area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize);
            if h == 0 || w == 0 || h >= height || w >= width {
                return None;
            }
            let top = rng.random_range(0..=(height - h) as u64) as usize;
            let left = rng.random_range(0..=(width - w) as u64) as usize;
            Some(Rectangle { top, left, height: h, width: w })
        })
    }

    /// Erases it from a normalised planar `[3, height, width]` image: 0 there is the mean colour of ImageNet.
    pub fn erase(&self, planar: &mut [f32], height: usize, width: usize) {
        for plane in planar.chunks_exact_mut((height * width).max(1)) {
            for row in plane.chunks_exact_mut(width.max(1)).skip(self.top).take(self.height) {
                if let Some(part) = row.get_mut(self.left..self.left + self.width) {
                    part.fill(0.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::imageops::flip_horizontal;

    use super::*;
    use crate::data::seeded::rng;

    fn picture() -> RgbImage {
        RgbImage::from_fn(32, 64, |x, y| Rgb([x as u8 * 8, y as u8 * 4, 255 - x as u8 * 8]))
    }

    #[test]
    fn a_mirror_reaches_both_images_of_a_pair() {
        let mirror = Geometry { flip: true, ..Geometry::NONE };
        let (plain_h, plain_l) = pair(&picture(), Geometry::NONE, Some(2.0));
        let (h, l) = pair(&picture(), mirror, Some(2.0));
        assert_eq!(h, flip_horizontal(&plain_h));
        let (l, expected) = (l.expect("a rate"), flip_horizontal(&plain_l.expect("a rate")));
        assert!(l.as_raw().iter().zip(expected.as_raw()).all(|(a, b)| a.abs_diff(*b) <= 1));
        assert_ne!(l, expected_unmirrored(&plain_h));
    }

    fn expected_unmirrored(sharp: &RgbImage) -> RgbImage {
        degrade(sharp, 2.0)
    }

    #[test]
    fn a_crop_reaches_both_images_of_a_pair() {
        let shift = Geometry { flip: false, pad: 4, top: 8, left: 0 };
        let (h, l) = pair(&picture(), shift, Some(4.0));
        // Moved up by 4 and right by 4; black where nothing was.
        assert_eq!(h.get_pixel(4, 0), picture().get_pixel(0, 4));
        assert_eq!(h.get_pixel(0, 0), &Rgb([0, 0, 0]));
        assert_eq!(h.get_pixel(20, 63), &Rgb([0, 0, 0]));
        assert_eq!(l.expect("a rate"), degrade(&h, 4.0));
        assert_eq!(pair(&picture(), shift, None).1, None);
    }

    #[test]
    fn every_crop_keeps_the_size_and_the_centre_crop_the_image() {
        for top in 0..=6 {
            for left in 0..=6 {
                let g = Geometry { flip: false, pad: 3, top, left };
                let out = g.apply(&picture());
                assert_eq!(out.dimensions(), (32, 64));
                assert_eq!(out.get_pixel(16, 32), picture().get_pixel(13 + left as u32, 29 + top as u32));
            }
        }
        assert_eq!(Geometry { flip: false, pad: 3, top: 3, left: 3 }.apply(&picture()), picture());
    }

    #[test]
    fn draws_cover_their_range() {
        let drawn: Vec<_> = (0..400).map(|i| Geometry::draw(true, 2, &mut rng(1, "g", &[i]))).collect();
        let flips = drawn.iter().filter(|g| g.flip).count();
        assert!((150..250).contains(&flips), "{flips}");
        for edge in [0, 4] {
            assert!(drawn.iter().any(|g| g.top == edge) && drawn.iter().any(|g| g.left == edge));
        }
        assert!((0..50).all(|i| Geometry::draw(false, 0, &mut rng(1, "g", &[i])) == Geometry::NONE));
    }

    #[test]
    fn erasing_hides_a_sensible_rectangle_and_nothing_else() {
        let (height, width) = (64, 32);
        let drawn: Vec<_> =
            (0..400).filter_map(|i| Rectangle::draw(0.5, height, width, &mut rng(2, "e", &[i]))).collect();
        assert!((150..250).contains(&drawn.len()), "{}", drawn.len());
        for r in drawn {
            let share = (r.height * r.width) as f64 / (height * width) as f64;
            assert!((0.01..0.45).contains(&share), "{r:?}");
            let mut planar = vec![1.0; 3 * height * width];
            r.erase(&mut planar, height, width);
            assert_eq!(planar.iter().filter(|v| **v == 0.0).count(), 3 * r.height * r.width);
            assert_eq!(planar[r.top * width + r.left], 0.0);
        }
        assert_eq!(Rectangle::draw(0.0, height, width, &mut rng(2, "e", &[0])), None);
        assert_eq!(Rectangle::draw(1.0, 1, 1, &mut rng(2, "e", &[0])), None);
    }
}
