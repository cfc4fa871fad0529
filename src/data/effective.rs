//! How much an image really shows: the size at which nothing of it would be lost.
//!
//! A crop of 64 x 128 pixels that was enlarged from 16 x 32 holds no more than 16 x 32 did. What reducing by r and enlarging
//! again does to a picture is known: its power spectrum, that of natural images (falling as 1 / f²), is shaped by the two
//! triangle filters, `sinc⁴(f r)` each in power, and repeated around every multiple of 1 / r. The estimate is the r whose
//! shape lies nearest to the measured spectrum of rows and columns, both in logarithms above the noise of 8-bit values.

use image::RgbImage;
use realfft::RealFftPlanner;

/// The exponent of the power spectrum of natural images.
const SLOPE: f64 = 2.0;
/// Keeps the lowest frequency finite, in cycles a pixel.
const CORNER: f64 = 0.02;
/// Power of the noise that every 8-bit image has, and a little more for what compression leaves.
const NOISE: f64 = 0.3;
/// The largest r that is told from others, and the steps up to it.
const LARGEST: f64 = 16.0;
const STEPS: usize = 81;
/// Longer sides are judged by their middle: the answer does not change, the time does.
const LONGEST: usize = 512;
/// Fewer pixels along a side have no spectrum to speak of.
const SHORTEST: usize = 12;

/// The factor by which an image seems to have been enlarged, from 1 (as sharp as its pixels allow) to 16.
pub fn enlargement(image: &RgbImage) -> f64 {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width.min(height) < SHORTEST {
        return 1.0;
    }
    let grey: Vec<f64> =
        image.pixels().map(|p| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2])).collect();
    let rows = spectrum(height, width, |line, at| grey[line * width + at]);
    let columns = spectrum(width, height, |line, at| grey[at * width + line]);
    let cost = |r: f64| misfit(&rows, r) + misfit(&columns, r);
    let rates = (0..STEPS).map(|step| LARGEST.powf(step as f64 / (STEPS - 1) as f64));
    let best = rates.map(|r| (cost(r), r)).min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(1.0, |(_, r)| r)
}

/// Width and height in pixels that an image looks like: its own over [`enlargement`].
pub fn effective_size(image: &RgbImage) -> [u32; 2] {
    let r = enlargement(image);
    [image.width(), image.height()].map(|side| ((f64::from(side) / r).round() as u32).max(1))
}

/// The power of lines of one length at `bin / length` cycles a pixel, without the mean.
struct Spectrum {
    length: usize,
    power: Vec<f64>,
}

/// The mean power spectrum of `lines` lines of `length` pixels, through a Hann window.
fn spectrum(lines: usize, length: usize, pixel: impl Fn(usize, usize) -> f64) -> Spectrum {
    let used = length.min(LONGEST);
    let (skip, step) = ((length - used) / 2, (lines / LONGEST).max(1));
    let window: Vec<f64> =
        (0..used).map(|i| 0.5 - 0.5 * (std::f64::consts::TAU * (i + 1) as f64 / (used + 1) as f64).cos()).collect();
    let scale = window.iter().map(|w| w * w).sum::<f64>();
    let transform = RealFftPlanner::<f64>::new().plan_fft_forward(used);
    let (mut input, mut output) = (transform.make_input_vec(), transform.make_output_vec());
    let mut power = vec![0.0; output.len()];
    let mut count = 0.0;
    for line in (0..lines).step_by(step) {
        let mean = (0..used).map(|i| pixel(line, skip + i)).sum::<f64>() / used as f64;
        input.iter_mut().zip(&window).enumerate().for_each(|(i, (x, w))| *x = (pixel(line, skip + i) - mean) * w);
        if transform.process(&mut input, &mut output).is_ok() {
            power.iter_mut().zip(&output).for_each(|(sum, z)| *sum += z.norm_sqr());
            count += 1.0;
        }
    }
    power.iter_mut().for_each(|p| *p /= scale * f64::max(count, 1.0));
    Spectrum { length: used, power }
}

/// How far the spectrum is from that of a picture enlarged by `r`: the mean squared difference of logarithms, at the
/// brightness that suits best.
fn misfit(measured: &Spectrum, r: f64) -> f64 {
    let n = measured.length as f64;
    let bins = measured.power.len();
    let shape: Vec<f64> = (0..bins).map(|bin| shaped(bin as f64 / n, r)).collect();
    // The window spreads each frequency over its neighbours: 1/6, 2/3, 1/6 in power.
    let mirrored = |bin: isize| shape[bin.unsigned_abs().min(2 * (bins - 1) - bin.unsigned_abs())];
    let spread = |bin: usize| {
        let bin = bin as isize;
        mirrored(bin - 1) / 6.0 + mirrored(bin) * 2.0 / 3.0 + mirrored(bin + 1) / 6.0
    };
    let shape: Vec<f64> = (1..bins).map(spread).collect();
    let power = &measured.power[1..];
    let logs: Vec<f64> = power.iter().map(|p| (p + NOISE).ln()).collect();
    let most = |values: &[f64]| values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let level = most(power) / most(&shape);
    (-15..=15)
        .map(|step| level * (f64::from(step) * 0.2).exp())
        .map(|level| {
            let squares = shape.iter().zip(&logs).map(|(s, log)| (log - (level * s + NOISE).ln()).powi(2));
            squares.sum::<f64>() / logs.len() as f64
        })
        .fold(f64::INFINITY, f64::min)
}

/// The power at frequency `f` (cycles a pixel) of a natural picture that was reduced by `r` and enlarged again.
fn shaped(f: f64, r: f64) -> f64 {
    let natural = |f: f64| 1.0 / (f.abs().powf(SLOPE) + CORNER.powf(SLOPE));
    if r <= 1.0 {
        return natural(f);
    }
    let filter = |f: f64| {
        let x = std::f64::consts::PI * f * r;
        if x.abs() < 1e-9 { 1.0 } else { (x.sin() / x).powi(4) }
    };
    // What the reduction kept lies within half a cycle of the small image; enlarging repeats it around each k / r.
    let around = |k: i32| f - f64::from(k) / r;
    let kept = (-1..=(r / 2.0).ceil() as i32 + 1).map(around).filter(|g| g.abs() <= 0.5 / r + 1e-9);
    kept.map(|g| natural(g) * filter(g)).sum::<f64>() * filter(f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::image_io::resize;
    use crate::data::pedestrians::{Camera, Identity, Purpose, View, render_person, stream};
    use crate::data::resolution::degrade;

    /// A rendered person of 64 x 128 pixels, reduced from a larger picture: as sharp as pixels can be.
    fn person(number: u64) -> RgbImage {
        let (identity, camera) = (Identity::new(3, number), Camera { crop: 320.0, ..Camera::new(3, number) });
        let mut rng = stream(3, Purpose::Image, number, 0);
        let view = View::draw(&mut rng, &identity, &camera);
        resize(&render_person(&identity, &view, &camera, &mut rng), 128, 64)
    }

    #[test]
    fn enlarged_people_look_as_small_as_they_were() {
        for seed in 0..4 {
            let sharp = person(seed);
            for rate in [1.0, 2.0, 3.0, 4.0, 8.0] {
                let seen = enlargement(&degrade(&sharp, rate));
                assert!((seen / rate).ln().abs() < 0.2, "person {seed} at r = {rate}: {seen:.2}");
            }
        }
    }

    #[test]
    fn size_is_told_in_pixels() {
        let low = degrade(&person(9), 4.0);
        let [width, height] = effective_size(&low);
        assert!(width.abs_diff(16) <= 2 && height.abs_diff(32) <= 4, "{width}x{height}");
    }

    #[test]
    fn odd_images_have_an_answer() {
        for (w, h) in [(4, 4), (4, 300), (13, 12), (700, 33)] {
            assert!((1.0..=LARGEST).contains(&enlargement(&RgbImage::new(w, h))), "{w}x{h}");
        }
    }
}
