//! From image files to embeddings.

use std::path::PathBuf;

use candle_core::{Device, Tensor};

use super::matrix::Matrix;
use crate::data::dataset::Broken;
use crate::data::image_io;
use crate::data::loader::ImageStream;
use crate::error::{Error, Result};
use crate::model::rain::Rain;
use crate::train::event::Flow;

/// Images that go through the model at once.
pub const BATCH: usize = 32;

/// Embeddings of the images that could be read.
#[derive(Debug, Clone, Default)]
pub struct Embedded {
    /// Raw embeddings, `[n, d]`, in the order of the paths.
    pub matrix: Matrix,
    /// For each row, the index of its path.
    pub kept: Vec<usize>,
    /// Images that could not be read, with the reason.
    pub broken: Vec<Broken>,
}

/// Embeds the images `paths`, degraded by `rate` (1 leaves them as they are), in batches of [`BATCH`].
///
/// `on` hears of the images done and those in all after each batch; [`Flow::Stop`] ends with [`Error::Cancelled`]. A
/// broken image is listed and skipped.
pub fn embed(
    model: &Rain,
    paths: &[PathBuf],
    rate: f64,
    device: &Device,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Embedded> {
    let (height, width) = (model.config().height, model.config().width);
    let total = paths.len() as u64;
    let mut out = Embedded { matrix: Matrix::new(model.config().embedding(), Vec::new()), ..Embedded::default() };
    let mut batch: Vec<f32> = Vec::with_capacity(BATCH.min(paths.len()) * 3 * height * width);
    let mut stream = ImageStream::new(paths.to_vec(), height, width, rate, workers());
    let mut done = 0;
    if on(0, total) == Flow::Stop {
        return Err(Error::Cancelled);
    }
    loop {
        let item = stream.next();
        let ended = item.is_none();
        match item {
            Some((index, Ok(pixels))) => {
                batch.extend_from_slice(&pixels);
                out.kept.push(index);
            }
            Some((index, Err(error))) => {
                out.broken.push(image_io::broken(&paths[index], &error));
            }
            None => {}
        }
        done += u64::from(!ended);
        let waiting = out.kept.len() - out.matrix.rows();
        if waiting == BATCH || (ended && waiting > 0) {
            out.matrix.data.extend(embed_batch(model, &batch, device)?);
            batch.clear();
        }
        if (waiting == BATCH || ended) && on(done, total) == Flow::Stop {
            return Err(Error::Cancelled);
        }
        if ended {
            return Ok(out);
        }
    }
}

/// Embeds images that are in memory: `pixels` is `[b, 3, H, W]`, normalised; returns `[b, d]`.
pub fn embed_batch(model: &Rain, pixels: &[f32], device: &Device) -> Result<Vec<f32>> {
    Ok(model.embed(&batch_tensor(model, pixels, device)?)?.flatten_all()?.to_vec1()?)
}

/// Runs the decoder on images that are in memory: normalised `[b, 3, H, W]` in, normalised `[b, 3, H, W]` out.
pub fn reconstruct_batch(model: &Rain, pixels: &[f32], device: &Device) -> Result<Vec<f32>> {
    Ok(model.reconstruct(&batch_tensor(model, pixels, device)?)?.flatten_all()?.to_vec1()?)
}

fn batch_tensor(model: &Rain, pixels: &[f32], device: &Device) -> Result<Tensor> {
    let (height, width) = (model.config().height, model.config().width);
    let count = pixels.len() / (3 * height * width);
    Ok(Tensor::from_slice(pixels, (count, 3, height, width), device)?)
}

/// Threads that decode ahead of the model.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().clamp(1, 4))
}
