//! The first pass by products of whole tiles in 32 bits: for large batches where 8-bit products are slow, and on a device.

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::query::Batch;
use super::tally::Tally;
use crate::error::Result;
use crate::gallery::block::Block;
use crate::gallery::mask::Mask;

/// Rows of a tile on the processor: of 2,048 numbers it fits a core's own cache.
pub const TILE: usize = 256;
/// Rows of a tile on a device: enough to keep it busy, and 128 MiB of 2,048 numbers.
pub const DEVICE_TILE: usize = 1 << 14;

/// A tile's rows in 32 bits, and what they score with each query.
#[derive(Default)]
pub struct Scratch {
    places: Vec<usize>,
    rows: Vec<f32>,
    products: Vec<f32>,
}

/// What is compared with every row, `[q, d]`.
pub fn queries(batch: &Batch) -> Vec<f32> {
    batch.prepared.iter().flat_map(|prepared| prepared.query()).copied().collect()
}

/// Scores the rows `range` of a block, [`TILE`] at most, by a product on this thread.
pub fn score(
    batch: &Batch,
    queries: &[f32],
    block: &Block<'_>,
    range: Range<usize>,
    mask: Option<&Mask>,
    tallies: &mut [Tally],
    scratch: &mut Scratch,
) {
    gather(block, range, mask, scratch);
    let Scratch { places, rows, products } = scratch;
    let (q, n, d) = (tallies.len(), places.len(), block.columns);
    products.resize(q * n, 0.0);
    assert!(queries.len() == q * d && rows.len() == n * d, "the shapes fit together");
    // SAFETY: `queries` holds q x d numbers, `rows` n x d and `products` n x q, as was just made sure, and the strides address
    // exactly those; nothing overlaps, and what is written is not read.
    unsafe {
        gemm::gemm(
            q,
            n,
            d,
            products.as_mut_ptr(),
            q as isize,
            1,
            false,
            queries.as_ptr(),
            1,
            d as isize,
            rows.as_ptr(),
            d as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    tell(batch, block, places, products, tallies);
}

/// Scores the rows `range` of a block, [`DEVICE_TILE`] at most, by one matrix product on the device that `queries`
/// `[q, d]` lies on.
pub fn score_on(
    batch: &Batch,
    queries: &Tensor,
    block: &Block<'_>,
    range: Range<usize>,
    mask: Option<&Mask>,
    tallies: &mut [Tally],
    scratch: &mut Scratch,
) -> Result<()> {
    gather(block, range, mask, scratch);
    if scratch.places.is_empty() {
        return Ok(());
    }
    let rows = Tensor::from_slice(&scratch.rows, (scratch.places.len(), block.columns), queries.device())?;
    let products: Vec<f32> = rows.matmul(&queries.t()?)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
    tell(batch, block, &scratch.places, &products, tallies);
    Ok(())
}

fn gather(block: &Block<'_>, range: Range<usize>, mask: Option<&Mask>, scratch: &mut Scratch) {
    let Scratch { places, rows, .. } = scratch;
    places.clear();
    match mask {
        None => places.extend(range.clone()),
        Some(mask) => places
            .extend(mask.iter_in(block.first + range.start..block.first + range.end).map(|row| row - block.first)),
    }
    rows.resize(places.len() * block.columns, 0.0);
    if places.len() == range.len() {
        block.read_many(range.start, rows);
    } else {
        for (&place, row) in places.iter().zip(rows.chunks_exact_mut(block.columns.max(1))) {
            block.read(place, row);
        }
    }
}

fn tell(batch: &Batch, block: &Block<'_>, places: &[usize], products: &[f32], tallies: &mut [Tally]) {
    for (&place, products) in places.iter().zip(products.chunks_exact(tallies.len().max(1))) {
        let scale = &block.scales[place];
        for ((query, tally), &product) in batch.terms.iter().zip(tallies.iter_mut()).zip(products) {
            let (score, bound) = query.from_product(scale, product, block.columns, batch.measure);
            if score + bound < tally.floor() {
                continue;
            }
            tally.keep(block.first + place, score, bound);
        }
    }
}
