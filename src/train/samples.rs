//! A few fixed images, reconstructed now and then, to see what the decoder has learnt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use image::{Rgb, RgbImage};

use super::event::{Flow, SampleImages};
use crate::data::dataset::Photo;
use crate::data::{image_io, resolution};
use crate::model::rain::Rain;
use crate::{Error, Result};

/// How many images.
const COUNT: usize = 4;
/// Written under every strip that leaves the program.
const CAUTION: &str = "reconstruction, not evidence";

/// The images that a run reconstructs, each with its down-sampling rate.
pub struct Samples {
    images: Vec<(PathBuf, f64, Arc<RgbImage>, Arc<RgbImage>)>,
}

impl Samples {
    /// The first readable query images, at the training rates in turn.
    pub fn choose(query: &[Photo], rates: &[f64], height: usize, width: usize) -> Self {
        let readable = query.iter().filter_map(|photo| {
            Some((photo.path.clone(), image_io::load(&photo.path).ok()?)) // a broken one was listed before
        });
        let images = readable.take(COUNT).zip(rates.iter().cycle());
        let images = images.map(|((path, image), &rate)| {
            let hr = image_io::resize(&image, height, width);
            let lr = resolution::degrade(&hr, rate);
            (path, rate, Arc::new(hr), Arc::new(lr))
        });
        Self { images: images.collect() }
    }

    /// Reconstructs them all; `breathe` is asked between any two.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where `breathe` says stop, and what the model says.
    pub fn reconstruct(
        &self,
        model: &Rain,
        device: &Device,
        mut breathe: impl FnMut() -> Flow,
    ) -> Result<Vec<SampleImages>> {
        let mut out = Vec::with_capacity(self.images.len());
        for (path, rate, hr, lr) in &self.images {
            if breathe() == Flow::Stop {
                return Err(Error::Cancelled);
            }
            let (height, width) = (hr.height() as usize, hr.width() as usize);
            let pixels = [image_io::normalise(hr), image_io::normalise(lr)].concat();
            let x = Tensor::from_vec(pixels, (2, 3, height, width), device)?;
            let pixels = model.reconstruct(&x)?.flatten_all()?.to_vec1::<f32>()?;
            let (of_hr, of_lr) = pixels.split_at(3 * height * width);
            out.push(SampleImages {
                path: path.clone(),
                rate: *rate,
                hr: hr.clone(),
                lr: lr.clone(),
                hr_reconstruction: Arc::new(image_io::denormalise(of_hr, height, width)),
                lr_reconstruction: Arc::new(image_io::denormalise(of_lr, height, width)),
            });
        }
        Ok(out)
    }
}

/// The file of a sample's strip within a run's folder of samples.
pub fn file_name(step: u64, number: usize) -> String {
    format!("step-{step:08}-{number}.png")
}

/// The strips in a folder of samples by their steps, in order; none where there is no folder.
pub fn steps(folder: &Path) -> BTreeMap<u64, Vec<PathBuf>> {
    let mut all: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let step =
            name.strip_prefix("step-").and_then(|rest| rest.strip_suffix(".png")?.split_once('-')?.0.parse().ok());
        if let Some(step) = step {
            all.entry(step).or_default().push(path);
        }
    }
    all.values_mut().for_each(|strips| strips.sort());
    all
}

/// HR | LR | G(HR) | G(LR) side by side, with a line under the reconstructions that says what they are not.
pub fn strip(sample: &SampleImages) -> RgbImage {
    let parts = [&sample.hr, &sample.lr, &sample.hr_reconstruction, &sample.lr_reconstruction];
    let (width, height) = (sample.hr.width(), sample.hr.height());
    let mut out = RgbImage::from_pixel(4 * width, height + 9, Rgb([0; 3]));
    for (i, part) in parts.into_iter().enumerate() {
        image::imageops::replace(&mut out, &**part, i64::from(i as u32 * width), 0);
    }
    let left = (2 * width).min((4 * width).saturating_sub(4 * CAUTION.len() as u32));
    write(&mut out, CAUTION, left + 1, height + 2);
    out
}

/// Writes `text` in letters of 3 x 5 pixels; what does not fit is cut off.
fn write(image: &mut RgbImage, text: &str, left: u32, top: u32) {
    for (i, letter) in text.chars().enumerate() {
        for (y, row) in glyph(letter).into_iter().enumerate() {
            for x in (0..3).filter(|x| row >> (2 - x) & 1 == 1) {
                let (x, y) = (left + 4 * i as u32 + x, top + y as u32);
                if x < image.width() && y < image.height() {
                    image.put_pixel(x, y, Rgb([255; 3]));
                }
            }
        }
    }
}

/// The letters of [`CAUTION`], a row of three pixels each number.
fn glyph(letter: char) -> [u8; 5] {
    match letter {
        'r' => [0b000, 0b110, 0b101, 0b100, 0b100],
        'e' => [0b010, 0b101, 0b111, 0b100, 0b011],
        'c' => [0b000, 0b011, 0b100, 0b100, 0b011],
        'o' => [0b000, 0b010, 0b101, 0b101, 0b010],
        'n' => [0b000, 0b110, 0b101, 0b101, 0b101],
        's' => [0b011, 0b100, 0b010, 0b001, 0b110],
        't' => [0b010, 0b111, 0b010, 0b010, 0b011],
        'u' => [0b000, 0b101, 0b101, 0b101, 0b011],
        'i' => [0b010, 0b000, 0b010, 0b010, 0b010],
        'v' => [0b000, 0b101, 0b101, 0b101, 0b010],
        'd' => [0b001, 0b011, 0b101, 0b101, 0b011],
        ',' => [0b000, 0b000, 0b000, 0b010, 0b100],
        _ => [0; 5],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strip_shows_four_images_and_its_caution() {
        for width in [64, 16] {
            let part = |v: u8| Arc::new(RgbImage::from_pixel(width, 20, Rgb([v; 3])));
            let sample = SampleImages {
                path: "a.png".into(),
                rate: 2.0,
                hr: part(10),
                lr: part(20),
                hr_reconstruction: part(30),
                lr_reconstruction: part(40),
            };
            let strip = strip(&sample);
            assert_eq!(strip.dimensions(), (4 * width, 29));
            let seen: Vec<u8> = (0..4).map(|i| strip.get_pixel(i * width + width / 2, 10)[0]).collect();
            assert_eq!(seen, [10, 20, 30, 40]);
            let lit = strip.enumerate_pixels().filter(|(_, y, p)| *y >= 20 && p[0] == 255).count();
            assert!(lit > 50, "the caution is missing");
        }
        let home = tempfile::tempdir().unwrap();
        for name in [file_name(20, 1), file_name(20, 0), file_name(3, 0), "step-x-0.png".into(), "other.png".into()] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        let found = steps(home.path());
        assert_eq!(found.iter().map(|(step, files)| (*step, files.len())).collect::<Vec<_>>(), [(3, 1), (20, 2)]);
        assert!(found[&20][0].ends_with(file_name(20, 0)));
        assert!(steps(&home.path().join("none")).is_empty());
        let blank = CAUTION.chars().filter(|c| glyph(*c) == [0; 5]).count();
        assert_eq!(blank, 2, "only the spaces are blank");
    }
}
