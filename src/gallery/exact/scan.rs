//! The first pass over 8-bit codes.

use std::ops::Range;

use super::kernel::{Kernel, ROWS};
use super::query::Batch;
use super::tally::Tally;
use crate::gallery::block::Block;
use crate::gallery::codes::{self, Scale};
use crate::gallery::mask::Mask;

/// Scores the rows `range` of a block (those of `mask` alone) and tells the tallies, one a query.
pub fn scan(
    batch: &Batch,
    kernel: Kernel,
    block: &Block<'_>,
    range: Range<usize>,
    mask: Option<&Mask>,
    tallies: &mut [Tally],
    products: &mut [i32],
) {
    let mut group = [0; ROWS];
    let mut filled = 0;
    let mut row = |place: usize| {
        group[filled] = place;
        filled += 1;
        if filled == ROWS {
            score(batch, kernel, block, group, ROWS, tallies, products);
            filled = 0;
        }
    };
    match mask {
        None => range.for_each(&mut row),
        Some(mask) => mask
            .iter_in(block.first + range.start..block.first + range.end)
            .for_each(|at| row(at - block.first)),
    }
    if filled > 0 {
        let last = group[filled - 1];
        group[filled..].fill(last);
        score(batch, kernel, block, group, filled, tallies, products);
    }
}

/// Scores the rows `group`, of which the first `count` are meant.
#[inline]
fn score(
    batch: &Batch,
    kernel: Kernel,
    block: &Block<'_>,
    group: [usize; ROWS],
    count: usize,
    tallies: &mut [Tally],
    products: &mut [i32],
) {
    let stride = codes::stride(block.columns);
    let rows = group.map(|place| block.codes[place * stride..][..stride].as_ptr());
    let planes = batch.terms.len() * batch.planes;
    assert!(batch.codes.len() == planes * stride && products.len() == planes * ROWS, "buffers fit the batch");
    // SAFETY: `Kernel` is only had for an available instruction set; the sizes are those that were just looked at.
    unsafe { (kernel.products)(rows, batch.codes.as_ptr(), planes, stride, products.as_mut_ptr()) };
    let scales: [&Scale; ROWS] = group.map(|place| &block.scales[place]);
    let terms = batch.row_terms(scales);
    let queries = batch.terms.iter().zip(tallies).zip(products.chunks_exact(batch.planes * ROWS));
    for ((query, tally), products) in queries {
        let plane = |p: usize| -> [i32; ROWS] {
            if p < batch.planes { std::array::from_fn(|r| products[p * ROWS + r]) } else { [0; ROWS] }
        };
        let (scores, bounds) = query.from_codes(&terms, [plane(0), plane(1)]);
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
