//! Work that begins with image files: embedding a folder, and preparing the batches of a training.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use serde_json::json;
use tempfile::TempDir;

use super::flops;
use super::measure::{measure, once};
use super::report::{Report, in_words};
use crate::data::dataset::Photo;
use crate::data::loader::{ImageStream, PairLoader, PairSettings};
use crate::data::pedestrians::{CrowdSettings, render_crowd};
use crate::data::sampler::IdentitySampler;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::embed::embed as embed_images;
use crate::gallery::photos;
use crate::model::Rain;

/// Images of each rendered person.
const IMAGES_EACH: usize = 4;

/// Image files to work on: a user's folder, or pedestrians rendered for the purpose.
pub struct Files {
    /// The images, at least one.
    pub photos: Vec<Photo>,
    /// Where they come from, in words.
    pub origin: String,
    /// Holds the rendered ones until this is dropped.
    _rendered: Option<TempDir>,
}

impl Files {
    /// The images of a folder, all or the first `most`.
    ///
    /// # Errors
    /// [`Error::File`] where it holds no usable image, [`Error::Io`] where it cannot be read.
    pub fn of(folder: &Path, most: Option<usize>) -> Result<Self> {
        let mut photos = photos::all(folder)?.photos;
        photos.truncate(most.unwrap_or(usize::MAX));
        Ok(Self { photos, origin: folder.display().to_string(), _rendered: None })
    }

    /// `count` pedestrians rendered into a temporary folder, as JPEG files.
    ///
    /// # Errors
    /// [`Error::Io`] where the temporary folder cannot be written to.
    pub fn rendered(count: usize, seed: u64) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|e| Error::io("create", std::env::temp_dir(), e))?;
        let identities = count.div_ceil(IMAGES_EACH).max(2);
        let crowd = CrowdSettings { identities, cameras: 2, images: IMAGES_EACH, seed };
        render_crowd(&crowd, &folder.path().join("crowd"), &mut |_, _| true)?;
        let files = Self::of(&folder.path().join("crowd"), Some(count.max(1)))?;
        Ok(Self { origin: format!("rendered pedestrians, seed {seed}"), _rendered: Some(folder), ..files })
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.photos.iter().map(|photo| photo.path.clone()).collect()
    }
}

/// Embeds the files with `model`, from disk to embeddings, once for each repeat.
///
/// # Errors
/// [`Error::File`] where none of the files can be decoded, and what the model says.
pub fn embed(files: &Files, model: &Rain, repeats: usize, device: &Device) -> Result<Report> {
    let (paths, config) = (files.paths(), model.config());
    let mut kept = 0;
    let measured = measure(repeats, &mut || {
        kept = embed_images(model, &paths, 1.0, device, &mut |_, _| Flow::Continue)?.kept.len();
        Ok(())
    })?;
    if kept == 0 {
        return Err(unreadable(files));
    }
    // The reading alone, to tell which of the two is worth hurrying.
    let workers = rayon::current_num_threads();
    let reading = once(&mut || {
        ImageStream::new(paths.clone(), config.height, config.width, 1.0, workers).for_each(drop);
        Ok(())
    })?;
    let (height, width) = (config.height, config.width);
    let title = format!("Embedding image files with a ResNet-{} at {height}x{width} pixels", config.depth);
    let report = Report::new("embed", title, measured, (kept as u64, "images"))
        .settings(json!({
            "images": files.origin, "count": paths.len(), "depth": config.depth, "base_width": config.base_width,
            "height": height, "width": width,
        }))
        .operations(flops::count(config).forward(kept))
        .detail("unreadable", paths.len() - kept)
        .detail("reading_wall_s", reading.wall)
        .detail("reading_cpu_s", reading.cpu);
    let (speed, reads) = (report.per_second, paths.len() as f64 / reading.wall);
    Ok(report
        .note(format!("Decoding and resizing alone would reach {reads:.0} images a second."))
        .note(format!("A gallery of 10,000 such images takes about {}.", in_words(10_000.0 / speed))))
}

/// How training batches are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loading {
    /// Pairs in a batch.
    pub batch: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Threads that prepare batches.
    pub workers: usize,
    /// Seed of every draw.
    pub seed: u64,
}

/// Prepares an epoch of training batches, as a run does and with nothing computed on them: decode, resize, mirror and crop,
/// make the blurred image, normalise. Every image is decoded anew; a run keeps the first 512 MiB of them in memory.
///
/// # Errors
/// [`Error::Input`] where the sizes make no sense, [`Error::File`] where none of the files can be decoded.
pub fn load(files: &Files, loading: Loading, repeats: usize) -> Result<Report> {
    const IMAGES: usize = 4;
    let Loading { batch, height, width, workers, seed } = loading;
    let settings =
        PairSettings { height, width, rates: vec![2.0, 3.0, 4.0], flip: true, pad: 10, erasing: 0.5, workers, seed };
    settings.check()?;
    // Nobody's label matters here; without labels any number of images makes a batch.
    let labels = Arc::new(vec![crate::data::dataset::UNKNOWN; files.photos.len()]);
    let images = if batch.is_multiple_of(IMAGES) { IMAGES } else { 1 };
    let hands = (batch / images).min(files.photos.len().div_ceil(images));
    let sampler = IdentitySampler::new(&labels, hands, images, seed)?;
    let photos = Arc::new(files.photos.clone());
    let (steps, pairs) = (sampler.steps_per_epoch(), sampler.batch_size() as u64);
    let mut broken = 0;
    let measured = measure(repeats, &mut || {
        let mut loader =
            PairLoader::with_cache(photos.clone(), labels.clone(), sampler.clone(), settings.clone(), 0, 0);
        for _ in 0..steps {
            std::hint::black_box(loader.next()?);
        }
        broken = loader.take_broken().len();
        Ok(())
    })?;
    let title = format!("Preparing training pairs of {height}x{width} pixels (height x width), batch {}", pairs);
    let report = Report::new("load", title, measured, (2 * steps * pairs, "images"))
        .settings(json!({
            "images": files.origin, "count": files.photos.len(), "batch": pairs, "height": height, "width": width,
            "workers": workers, "seed": seed,
        }))
        .detail("batches", steps)
        .detail("unreadable", broken);
    let speed = report.per_second;
    Ok(report.note("Images are counted sharp and blurred: a batch of 8 is 16 images.".into()).note(format!(
        "A training step is held up by its images only if it does more than {speed:.0} of them a second."
    )))
}

fn unreadable(files: &Files) -> Error {
    Error::file(&files.origin, "none of its images can be decoded", "Choose a folder with intact photos")
}
