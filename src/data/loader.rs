//! Batches for the trainer and images for the embedder, prepared ahead by threads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use rand::RngExt;

use super::augment::{Geometry, Rectangle, pair};
use super::cache::{ImageCache, load_at};
use super::dataset::{Broken, Photo};
use super::image_io::{normalise, normalise_into};
use super::prefetch::Prefetch;
use super::resolution::degrade;
use super::sampler::IdentitySampler;
use super::seeded;
use crate::{Error, Result};

/// Decoded training images are kept up to this many bytes (5,461 of 256 x 128 pixels); the others are decoded each time.
pub const CACHE_BYTES: usize = 512 << 20;
/// Batches that a thread may have ready; one more is in its hands. (One of 64 pairs of 256 x 128 pixels takes 50 MB.)
const BATCHES_AHEAD: usize = 1;
/// Images that a thread of an [`ImageStream`] may have ready.
const IMAGES_AHEAD: usize = 16;

/// How training images are changed on the way in.
#[derive(Debug, Clone, PartialEq)]
pub struct PairSettings {
    /// Height of the network's input, in pixels.
    pub height: usize,
    /// Width of the network's input, in pixels.
    pub width: usize,
    /// Down-sampling rates, one drawn for each image; with none there are no LR images.
    pub rates: Vec<f64>,
    /// Mirror half of the pairs.
    pub flip: bool,
    /// Pad by this many pixels, then crop back at random.
    pub pad: usize,
    /// Probability of random erasing, 0..=1.
    pub erasing: f64,
    /// Threads.
    pub workers: usize,
    /// Seed of every draw.
    pub seed: u64,
}

impl PairSettings {
    /// # Errors
    /// [`Error::Input`] where a value makes no sense, with the setting's name.
    pub fn check(&self) -> Result<()> {
        if self.height == 0 || self.width == 0 {
            return Err(Error::input(
                format!("An input of {}x{} pixels is empty", self.height, self.width),
                "Set model.height and model.width, for example to 256 and 128",
            ));
        }
        if let Some(rate) = self.rates.iter().find(|r| !(r.is_finite() && **r >= 1.0)) {
            return Err(Error::input(
                format!("A down-sampling rate of {rate} makes no sense"),
                "Set data.rates to numbers of 1 or more, for example [2.0, 3.0, 4.0]",
            ));
        }
        if !(0.0..=1.0).contains(&self.erasing) {
            return Err(Error::input(
                format!("A probability of {} for random erasing makes no sense", self.erasing),
                "Set data.erasing to a number from 0 to 1",
            ));
        }
        if self.pad * 2 > self.height.min(self.width) {
            return Err(Error::input(
                format!("Padding by {} pixels could crop most of the person away", self.pad),
                format!("Set data.pad to {} or less", self.height.min(self.width) / 2),
            ));
        }
        Ok(())
    }
}

/// The images of one step, normalised, planar, one after the other: `[b, 3, H, W]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct PairBatch {
    /// Which step, counted from 0.
    pub step: u64,
    /// The sharp images.
    pub x_h: Vec<f32>,
    /// The LR images; empty where [`PairSettings::rates`] is.
    pub x_l: Vec<f32>,
    /// What both are to be reconstructed as: the sharp images without erasing. `None` where nothing is erased: then it is `x_h`.
    pub target: Option<Vec<f32>>,
    /// Class of each image, -1 where unlabelled.
    pub labels: Vec<i64>,
}

/// Batches in order of their steps, a few prepared ahead.
///
/// The batch of step s is a pure function of the images, the settings, the seed and s. A file that cannot be decoded is
/// replaced by the next usable one of the same label, and told by [`PairLoader::take_broken`]; that depends on nothing but
/// the files either.
pub struct PairLoader {
    source: Arc<Source>,
    batches: Result<Prefetch<Result<PairBatch>>, Option<Error>>,
}

/// All that a thread needs to make the batch of any step.
struct Source {
    labels: Arc<Vec<i64>>,
    by_label: HashMap<i64, Vec<usize>>,
    sampler: IdentitySampler,
    settings: PairSettings,
    cache: ImageCache,
}

impl PairLoader {
    /// Starts the threads; the first batch is that of `first_step`. `labels` are the classes of `photos` (-1: unlabelled);
    /// `sampler` picks indices into both. Settings that make no sense are told by the first [`PairLoader::next`].
    pub fn new(
        photos: Arc<Vec<Photo>>,
        labels: Arc<Vec<i64>>,
        sampler: IdentitySampler,
        settings: PairSettings,
        first_step: u64,
    ) -> Self {
        Self::with_cache(photos, labels, sampler, settings, first_step, CACHE_BYTES)
    }

    /// [`PairLoader::new`] with another budget for decoded images, in bytes.
    pub fn with_cache(
        photos: Arc<Vec<Photo>>,
        labels: Arc<Vec<i64>>,
        sampler: IdentitySampler,
        settings: PairSettings,
        first_step: u64,
        cache_bytes: usize,
    ) -> Self {
        let mut by_label = HashMap::<i64, Vec<usize>>::new();
        for (index, label) in labels.iter().enumerate() {
            by_label.entry(*label).or_default().push(index);
        }
        let cache = ImageCache::new(photos, settings.height, settings.width, cache_bytes);
        let source = Arc::new(Source { labels, by_label, sampler, settings, cache });
        let work = source.clone();
        let batches = source.settings.check().map_err(Some).and_then(|()| {
            Prefetch::start(source.settings.workers, BATCHES_AHEAD, first_step, u64::MAX, move |s| work.batch(s))
                .map_err(|e| Some(no_thread(&e)))
        });
        Self { source, batches }
    }

    /// The next batch, waited for.
    ///
    /// # Errors
    /// [`Error::Input`] where the settings make no sense, no image can be decoded any more, or a thread died.
    #[allow(clippy::should_implement_trait, reason = "it never ends, so that an Option would only be in the way")]
    pub fn next(&mut self) -> Result<PairBatch> {
        match &mut self.batches {
            Ok(batches) => batches.next().unwrap_or_else(|| Err(dead_thread())),
            Err(error) => Err(error.take().unwrap_or_else(dead_thread)),
        }
    }

    /// Files found broken since the last call, each told once. It runs a few batches ahead of [`PairLoader::next`].
    pub fn take_broken(&self) -> Vec<Broken> {
        self.source.cache.take_broken()
    }
}

impl Source {
    fn batch(&self, step: u64) -> Result<PairBatch> {
        let indices = self.sampler.batch(step);
        let (height, width) = (self.settings.height, self.settings.width);
        let values = indices.len() * 3 * height * width;
        let mut x_h = Vec::with_capacity(values);
        let mut x_l = Vec::with_capacity(if self.settings.rates.is_empty() { 0 } else { values });
        let mut target = (self.settings.erasing > 0.0).then(|| Vec::with_capacity(values));
        let mut labels = Vec::with_capacity(indices.len());
        for (slot, &index) in indices.iter().enumerate() {
            let (image, label) = self.image(index)?;
            let drawn = Drawn::new(&self.settings, step, slot as u64);
            let (sharp, low) = pair(&image, drawn.geometry, drawn.rate);
            for (image, out) in [(Some(&sharp), &mut x_h), (low.as_ref(), &mut x_l)] {
                let Some(image) = image else { continue };
                let begin = out.len();
                normalise_into(image, out);
                if let Some(rectangle) = drawn.erased {
                    rectangle.erase(&mut out[begin..], height, width);
                }
            }
            if let Some(target) = &mut target {
                normalise_into(&sharp, target);
            }
            labels.push(label);
        }
        Ok(PairBatch { step, x_h, x_l, target, labels })
    }

    /// An image with its label. Where its file is broken, the next usable one of the same label takes its place; where
    /// all of those are, the next usable one of the list, with its own label.
    fn image(&self, index: usize) -> Result<(Arc<RgbImage>, i64)> {
        let label = |index: usize| self.labels.get(index).copied();
        if let (Some(image), Some(label)) = (self.cache.get(index), label(index)) {
            return Ok((image, label));
        }
        let same: &[usize] = label(index).and_then(|l| self.by_label.get(&l)).map_or(&[], Vec::as_slice);
        let place = same.partition_point(|&i| i <= index);
        let (before, after) = same.split_at(place);
        let of_label = after.iter().chain(before).copied();
        let of_all = (index.saturating_add(1)..self.labels.len()).chain(0..index.min(self.labels.len()));
        of_label.chain(of_all).find_map(|i| Some((self.cache.get(i)?, label(i)?))).ok_or_else(|| {
            Error::input(
                "None of the training images can be decoded any more",
                "Check that the disk with the data set is still there, then resume",
            )
        })
    }
}

/// What chance decides about one image of one step.
struct Drawn {
    geometry: Geometry,
    rate: Option<f64>,
    erased: Option<Rectangle>,
}

impl Drawn {
    fn new(settings: &PairSettings, step: u64, slot: u64) -> Self {
        let rng = |purpose| seeded::rng(settings.seed, purpose, &[step, slot]);
        let rates = &settings.rates;
        Self {
            geometry: Geometry::draw(settings.flip, settings.pad, &mut rng("loader/geometry")),
            rate: (!rates.is_empty()).then(|| rates[rng("loader/rate").random_range(0..rates.len() as u64) as usize]),
            erased: Rectangle::draw(settings.erasing, settings.height, settings.width, &mut rng("loader/erasing")),
        }
    }
}

/// Images by path, in order, decoded ahead: `(index, [3, H, W])`, or why one cannot be read.
pub struct ImageStream {
    images: Result<Prefetch<Result<Vec<f32>>>, Option<Error>>,
    next: usize,
    count: usize,
}

impl ImageStream {
    /// Starts `workers` threads on `paths`. Each image is resized to `height` x `width`, reduced by `rate` and enlarged
    /// again (1: as it is), and normalised.
    pub fn new(paths: Vec<PathBuf>, height: usize, width: usize, rate: f64, workers: usize) -> Self {
        let (count, paths) = (paths.len(), Arc::new(paths));
        let work = move |index: u64| {
            let path = &paths[index as usize];
            Ok(normalise(&degrade(&load_at(path, height, width)?, rate)))
        };
        let images = Prefetch::start(workers, IMAGES_AHEAD, 0, count as u64, work).map_err(|e| Some(no_thread(&e)));
        Self { images, next: 0, count }
    }
}

impl Iterator for ImageStream {
    type Item = (usize, Result<Vec<f32>>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        let (index, image) = match &mut self.images {
            Ok(images) => (self.next, images.next()),
            Err(error) => (self.next, error.take().map(Err)),
        };
        self.next += 1;
        let image = image.unwrap_or_else(|| {
            // What the other threads still have would come under a wrong index.
            self.next = self.count;
            Err(dead_thread())
        });
        Some((index, image))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.count - self.next))
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::input(
        format!("The system refused a thread for decoding images: {error}"),
        "Close other programs, or lower data.workers",
    )
}

fn dead_thread() -> Error {
    Error::input(
        "A thread that prepares images stopped unexpectedly",
        "This is a fault in Rain; please report it with the command you ran, then try again",
    )
}

#[cfg(test)]
mod tests;
