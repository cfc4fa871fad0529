//! From image files to embeddings.
//!
//! Threads of their own decode and resize ahead of the network. On the processor the network runs in *lanes*: a lane takes a
//! small batch through all of its layers on one core, so that no core waits for another at the end of each layer. An image's
//! embedding does not depend on the lane or on the other images of its batch.

use std::path::PathBuf;
use std::thread;

use candle_core::{Device, Tensor};
use crossbeam_channel::{bounded, unbounded};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::matrix::Matrix;
use crate::data::dataset::Broken;
use crate::data::image_io;
use crate::data::loader::ImageStream;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::model::extractor::Extractor;
use crate::model::rain::Rain;
use crate::nn::kernel::Isa;

/// Images that go through the model at once where they are handed over in memory, and on a device that is no processor.
pub const BATCH: usize = 32;
/// Images that a lane takes at once: their feature maps stay near the core, and the last lane to end is soon done.
const LANE_BATCH: usize = 16;
/// From this many images on, making the weights ready pays for itself.
const MANY: usize = 64;

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

/// Embeds the images `paths`, degraded by `rate` (1 leaves them as they are), in batches.
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
    embed_in(model, paths, rate, device, &lanes(paths.len(), device)?, on)
}

fn embed_in(
    model: &Rain,
    paths: &[PathBuf],
    rate: f64,
    device: &Device,
    lanes: &[ThreadPool],
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Embedded> {
    let (height, width, columns) = (model.config().height, model.config().width, model.config().embedding());
    let stream = ImageStream::new(paths.to_vec(), height, width, rate, workers());
    let data = vec![0.0; paths.len() * columns];
    let mut folder = Folder { paths, stream, columns, data, out: Embedded::default(), done: 0, on };
    folder.report()?;
    let prepared = if device.is_cpu() && paths.len() >= MANY { Some(model.extractor.prepare()?) } else { None };
    run(prepared.as_ref().unwrap_or(&model.extractor), (height, width), device, lanes, &mut folder)?;
    folder.report()?;
    let Folder { mut data, mut out, .. } = folder;
    data.truncate(out.kept.len() * columns);
    out.matrix = Matrix::new(columns, data);
    Ok(out)
}

/// Where a stream of batches comes from, and where its embeddings go. Both are asked on one thread.
pub(super) trait Batches {
    /// What belongs to a batch and comes back with its embeddings.
    type Tag: Send;
    /// The next images, `size` at most: planar pixels as the network reads them, one image after the other. `None` at the end.
    fn next(&mut self, size: usize) -> Result<Option<(Self::Tag, Vec<f32>)>>;
    /// Takes the embeddings `[b, d]` of a batch. Batches may come back in another order.
    fn keep(&mut self, tag: Self::Tag, embeddings: Vec<f32>) -> Result<()>;
}

/// Takes all batches through the network, as many at a time as there are lanes.
pub(super) fn run<B: Batches>(
    extractor: &Extractor,
    size: (usize, usize),
    device: &Device,
    lanes: &[ThreadPool],
    batches: &mut B,
) -> Result<()> {
    let most = if device.is_cpu() { LANE_BATCH } else { BATCH };
    if lanes.is_empty() {
        while let Some((tag, pixels)) = batches.next(most)? {
            let embeddings = extract(extractor, pixels, size, device)?;
            batches.keep(tag, embeddings)?;
        }
        return Ok(());
    }
    thread::scope(|scope| {
        let (give, take) = bounded::<(B::Tag, Vec<f32>)>(0);
        let (tell, hear) = unbounded();
        let isa = Isa::current();
        for lane in lanes {
            let (take, tell) = (take.clone(), tell.clone());
            scope.spawn(move || {
                for (tag, pixels) in take {
                    let embeddings = lane.install(|| isa.with(|| extract(extractor, pixels, size, device)));
                    if tell.send((tag, embeddings)).is_err() {
                        break;
                    }
                }
            });
        }
        // A lane that dies in a panic closes the channels, and the scope passes the panic on.
        drop((take, tell));
        while let Some(batch) = batches.next(most)? {
            let _ = give.send(batch); // it fails where every lane has died
            hear.try_iter().try_for_each(|(tag, embeddings)| batches.keep(tag, embeddings?))?;
        }
        drop(give);
        hear.iter().try_for_each(|(tag, embeddings)| batches.keep(tag, embeddings?))
    })
}

/// The images of [`embed`]; a batch's tag is its first row.
struct Folder<'a> {
    paths: &'a [PathBuf],
    stream: ImageStream,
    columns: usize,
    data: Vec<f32>,
    out: Embedded,
    done: usize,
    on: &'a mut dyn FnMut(u64, u64) -> Flow,
}

impl Folder<'_> {
    fn report(&mut self) -> Result<()> {
        match (self.on)((self.done + self.out.broken.len()) as u64, self.paths.len() as u64) {
            Flow::Stop => Err(Error::Cancelled),
            Flow::Continue => Ok(()),
        }
    }
}

impl Batches for Folder<'_> {
    type Tag = usize;

    fn next(&mut self, size: usize) -> Result<Option<(usize, Vec<f32>)>> {
        let row = self.out.kept.len();
        let mut batch = Vec::new();
        while self.out.kept.len() - row < size {
            match self.stream.next() {
                Some((index, Ok(pixels))) => {
                    batch.reserve(size * pixels.len() - batch.len());
                    batch.extend_from_slice(&pixels);
                    self.out.kept.push(index);
                }
                Some((index, Err(error))) => self.out.broken.push(image_io::broken(&self.paths[index], &error)),
                None => break,
            }
        }
        Ok((!batch.is_empty()).then_some((row, batch)))
    }

    fn keep(&mut self, row: usize, embeddings: Vec<f32>) -> Result<()> {
        self.done += embeddings.len() / self.columns.max(1);
        self.data[row * self.columns..][..embeddings.len()].copy_from_slice(&embeddings);
        self.report()
    }
}

/// The lanes for so many images, each with its share of the computing threads; none where one batch after the other on all
/// of them is as good: for a few images, on one thread, and on a device that is no processor.
pub(super) fn lanes(images: usize, device: &Device) -> Result<Vec<ThreadPool>> {
    let threads = rayon::current_num_threads();
    let lanes = threads.min(images / LANE_BATCH);
    if lanes < 2 || !device.is_cpu() {
        return Ok(Vec::new());
    }
    let lane = |_| ThreadPoolBuilder::new().num_threads(threads / lanes).thread_name(|_| "rain-lane".into()).build();
    (0..lanes).map(lane).collect::<Result<_, _>>().map_err(|e| {
        Error::input(
            format!("The system refused a thread for computing: {e}"),
            "Close other programs, or use fewer --threads",
        )
    })
}

/// v of the images `pixels`, `[b, 3, height, width]`, without the decoder: `[b, d]`.
fn extract(
    extractor: &Extractor,
    pixels: Vec<f32>,
    (height, width): (usize, usize),
    device: &Device,
) -> Result<Vec<f32>> {
    let count = pixels.len() / (3 * height * width);
    let x = Tensor::from_vec(pixels, (count, 3, height, width), device)?;
    Ok(extractor.embed(&x)?.flatten_all()?.to_vec1()?)
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

/// Threads that decode ahead of the model: as many as compute, for photographs that take longer to decode than to embed.
pub(super) fn workers() -> usize {
    rayon::current_num_threads().clamp(1, 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::image_io::{load, normalise, resize, save_png};
    use crate::data::seeded::rng;
    use crate::model::ModelConfig;
    use image::RgbImage;
    use rand::Rng;

    fn model() -> Rain {
        let config = ModelConfig { depth: 18, base_width: 2, height: 64, width: 32, ..ModelConfig::default() };
        Rain::new(config, 1, &Device::Cpu).unwrap()
    }

    /// Images of noise, of several sizes, the one at index 5 broken.
    fn images(folder: &std::path::Path, count: u32) -> Vec<PathBuf> {
        let path = |i: u32| folder.join(format!("{i:03}.png"));
        for i in 0..count {
            let (width, height) = (20 + i % 7, 50 + i % 11);
            let mut pixels = vec![0; (width * height * 3) as usize];
            rng(u64::from(i), "noise", &[]).fill_bytes(&mut pixels);
            save_png(&RgbImage::from_raw(width, height, pixels).unwrap(), &path(i)).unwrap();
        }
        std::fs::write(path(5), "no image").unwrap();
        (0..count).map(path).collect()
    }

    #[test]
    fn lanes_and_batches_change_no_embedding() {
        let folder = tempfile::tempdir().unwrap();
        let (model, paths) = (model(), images(folder.path(), 61));
        let alone = |i: usize| {
            let pixels = normalise(&resize(&load(&paths[i]).unwrap(), 64, 32));
            embed_batch(&model, &pixels, &Device::Cpu).unwrap()
        };
        let kept: Vec<usize> = (0..61).filter(|i| *i != 5).collect();
        let expected: Vec<Vec<f32>> = kept.iter().map(|i| alone(*i)).collect();
        for threads in [1, 2, 3, 16] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut heard = Vec::new();
            let lanes = pool.install(|| lanes(paths.len(), &Device::Cpu)).unwrap();
            let got = embed_in(&model, &paths, 1.0, &Device::Cpu, &lanes, &mut |done, total| {
                heard.push((done, total));
                Flow::Continue
            });
            let got = got.unwrap();
            assert_eq!(lanes.len(), [0, 2, 3, 3][[1, 2, 3, 16].iter().position(|n| *n == threads).unwrap()]);
            assert_eq!((got.kept.as_slice(), got.broken.len(), got.matrix.rows()), (kept.as_slice(), 1, 60));
            for (row, expected) in expected.iter().enumerate() {
                let close = got.matrix.row(row).iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs());
                assert!(close, "row {row} on {threads} threads");
            }
            assert!(heard.is_sorted() && heard[0] == (0, 61) && heard.last() == Some(&(61, 61)), "{heard:?}");
        }
    }

    #[test]
    fn it_stops_when_told_at_any_moment() {
        let folder = tempfile::tempdir().unwrap();
        let (model, paths) = (model(), images(folder.path(), 40));
        for stop_after in 0..5 {
            let mut calls = 0;
            let outcome = embed(&model, &paths, 1.0, &Device::Cpu, &mut |_, _| {
                calls += 1;
                if calls > stop_after { Flow::Stop } else { Flow::Continue }
            });
            assert!(matches!(outcome, Err(Error::Cancelled)), "after {stop_after}");
        }
    }

    #[test]
    fn nothing_to_embed_is_no_error() {
        let got = embed(&model(), &[], 1.0, &Device::Cpu, &mut |_, _| Flow::Continue).unwrap();
        assert_eq!((got.matrix.rows(), got.kept.len(), got.broken.len()), (0, 0, 0));
        assert_eq!(got.matrix.columns, model().config().embedding());
    }
}
