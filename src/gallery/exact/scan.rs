//! The first pass over 8-bit codes.

use std::ops::Range;

use super::kernel::{Kernel, ROWS, fetch};
use super::query::Batch;
use super::tally::Tally;
use crate::gallery::block::Block;
use crate::gallery::codes::{self, Scale};
use crate::gallery::mask::Mask;

/// The rows of a piece that are to be scored, and the products of a few of them.
#[derive(Default)]
pub struct Scratch {
    places: Vec<usize>,
    products: Vec<i32>,
}

/// Scores the rows `range` of a block (those of `mask` alone) and tells the tallies, one a query.
pub fn scan(
    batch: &Batch,
    kernel: Kernel,
    block: &Block<'_>,
    range: Range<usize>,
    mask: Option<&Mask>,
    tallies: &mut [Tally],
    scratch: &mut Scratch,
) {
    let Scratch { places, products } = scratch;
    places.clear();
    match mask {
        None => places.extend(range),
        Some(mask) => {
            places.extend(mask.iter_in(block.first + range.start..block.first + range.end).map(|row| row - block.first))
        }
    }
    let Some(&last) = places.last() else { return };
    products.resize(batch.terms.len() * batch.planes * ROWS, 0);
    let group =
        |first: usize| -> [usize; ROWS] { std::array::from_fn(|r| places.get(first + r).copied().unwrap_or(last)) };
    let next = |first: usize| (first + ROWS < places.len()).then(|| group(first + ROWS));
    for first in (0..places.len()).step_by(ROWS) {
        let count = ROWS.min(places.len() - first);
        score(batch, kernel, block, group(first), next(first), count, tallies, products);
    }
}

/// Scores the rows `group`, of which the first `count` are meant; `next` have their turn after them.
#[inline]
#[allow(clippy::too_many_arguments)] // what is scored, how, and whom it is told
fn score(
    batch: &Batch,
    kernel: Kernel,
    block: &Block<'_>,
    group: [usize; ROWS],
    next: Option<[usize; ROWS]>,
    count: usize,
    tallies: &mut [Tally],
    products: &mut [i32],
) {
    let stride = codes::stride(block.columns);
    let codes = |place: usize| block.codes[place * stride..][..stride].as_ptr();
    // A filter leaves out most scales of a line too; one may lie on two.
    next.iter().flatten().map(|&place| &block.scales[place]).for_each(|scale| {
        fetch(&scale.scale);
        fetch(&scale.error);
    });
    let (rows, next) = (group.map(codes), next.map(|next| next.map(codes)));
    let planes = batch.terms.len() * batch.planes;
    assert!(batch.codes.len() == planes * stride && products.len() == planes * ROWS, "buffers fit the batch");
    // SAFETY: `Kernel` is only had for an available instruction set; the sizes are those that were just looked at.
    unsafe { (kernel.products)(rows, next, batch.codes.as_ptr(), planes, stride, products.as_mut_ptr()) };
    let scales: [&Scale; ROWS] = group.map(|place| &block.scales[place]);
    let terms = batch.row_terms(scales);
    let queries = batch.terms.iter().zip(tallies).zip(products.chunks_exact(batch.planes * ROWS));
    for ((query, tally), products) in queries {
        let plane = |p: usize| -> [i32; ROWS] {
            if p < batch.planes { std::array::from_fn(|r| products[p * ROWS + r]) } else { [0; ROWS] }
        };
        let (scores, bounds) = query.of_codes(&terms, [plane(0), plane(1)]);
        let floor = tally.floor();
        // Where one is no number it is not ruled out.
        let out: [bool; ROWS] = std::array::from_fn(|r| scores[r] + bounds[r] < floor);
        if out != [true; ROWS] {
            for r in (0..count).filter(|&r| !out[r]) {
                tally.keep(block.first + group[r], scores[r], bounds[r]);
            }
        }
    }
}
