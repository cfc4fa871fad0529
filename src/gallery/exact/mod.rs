//! Exact search: the answer is that of comparing every row ([`super::distance`]), to the last bit and in the same order, and
//! most rows are read in 8 bits only.
//!
//! A first pass scores every row from its codes, a quarter of the bytes of f32, with a bound on how far off the score may
//! be. Rows that surely stand behind as many others as are wanted are ruled out (`tally`); the rest, mostly a few dozen, are
//! compared exactly (`rescore`), best first, until no other can come in front. Where the bound rules out too little, as among
//! thousands of equal rows, every row is compared. There is no setting that trades exactness for time.
//!
//! Filters are a [`Mask`] and apply inside the first pass: a row that is not in it is never read.

pub(super) mod kernel;
mod query;
mod rescore;
mod scan;
mod tally;
#[cfg(test)]
mod tests;
mod tiles;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::block::Block;
use super::distance::Measure;
use super::mask::Mask;
use super::matrix::Matrix;
use super::search::Hit;
use crate::error::{Error, Result};
use query::Batch;
use tally::{Floor, Tally};

/// Rows that a thread takes at a time in the pass over codes.
const PIECE: usize = 1024;
/// Up to this many queries their codes come in two planes: while they are so few, the rows' way from memory takes the time.
const TWO_PLANES: usize = 2;
/// Queries that go through the rows together; their codes stay in a core's own cache.
const BATCH: usize = 128;

/// What is asked of a gallery.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Raw embeddings of the queries, `[q, d]`.
    pub queries: &'a Matrix,
    /// How they are compared.
    pub measure: Measure,
    /// How many of the nearest to return.
    pub top: usize,
    /// The rows to be searched; all where there is none.
    pub mask: Option<&'a Mask>,
}

/// The nearest rows of one query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Nearest first, ties by row: [`super::search::nearest`]'s order.
    pub hits: Vec<Hit>,
    /// Rows that were compared as they are kept, not by their codes.
    pub compared: usize,
}

/// Searches `blocks` on the processor. One answer a query; `stop` ends it early with [`Error::Cancelled`].
///
/// # Errors
/// [`Error::Input`] where queries and rows differ in length.
pub fn search(blocks: &[Block<'_>], ask: &Ask<'_>, stop: &AtomicBool) -> Result<Vec<Answer>> {
    search_on(blocks, ask, &Device::Cpu, stop)
}

/// [`search`] with the first pass on `device`: on another than the processor it is one matrix product a tile of rows.
///
/// # Errors
/// As [`search`], and those of the device.
pub fn search_on(blocks: &[Block<'_>], ask: &Ask<'_>, device: &Device, stop: &AtomicBool) -> Result<Vec<Answer>> {
    let d = ask.queries.columns;
    if let Some(block) = blocks.iter().find(|block| block.columns != d) {
        return Err(Error::input(
            format!("A query of {d} numbers cannot be compared with gallery rows of {}", block.columns),
            "Embed the query with the gallery's model",
        ));
    }
    let searched = blocks.iter().map(Block::len).sum::<usize>().min(ask.mask.map_or(usize::MAX, Mask::count));
    let top = ask.top.min(searched);
    let mut answers = Vec::with_capacity(ask.queries.rows());
    for first in (0..ask.queries.rows()).step_by(BATCH) {
        let some: Vec<usize> = (first..(first + BATCH).min(ask.queries.rows())).collect();
        let queries = ask.queries.select(&some);
        let part = Ask { queries: &queries, top, ..*ask };
        answers.extend(if top == 0 {
            vec![Answer::default(); some.len()]
        } else if top > searched / 4 {
            // Little could be ruled out.
            (0..some.len()).map(|query| all(blocks, &part, query, searched, stop)).collect()
        } else {
            batch(blocks, &part, searched, device, stop)?
        });
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
    }
    Ok(answers)
}

fn all(blocks: &[Block<'_>], ask: &Ask<'_>, query: usize, searched: usize, stop: &AtomicBool) -> Answer {
    let hits = rescore::compare_all(ask.queries.row(query), ask.measure, blocks, ask.mask, ask.top, stop);
    Answer { hits, compared: searched }
}

/// One batch: `ask.top` is at least 1 and at most the rows that are searched.
fn batch(
    blocks: &[Block<'_>],
    ask: &Ask<'_>,
    searched: usize,
    device: &Device,
    stop: &AtomicBool,
) -> Result<Vec<Answer>> {
    let count = ask.queries.rows();
    let planes = if count <= TWO_PLANES { 2 } else { 1 };
    let batch = Batch::new(ask.queries, ask.measure, planes);
    let fresh = || vec![Tally::new(ask.top, (searched / 8).clamp(4096, 1 << 16)); count];
    let tallies = if device.is_cpu() {
        let tallies = Mutex::new(fresh());
        first_pass(blocks, ask.mask, &batch, stop, &fresh, &|thread| {
            let mut all = tallies.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter_mut().zip(thread).for_each(|(all, one)| all.merge(one));
        });
        tallies.into_inner().unwrap_or_else(PoisonError::into_inner)
    } else {
        device_pass(blocks, ask.mask, &batch, device, stop, fresh())?
    };
    let candidates: Vec<Option<Vec<(f32, u32)>>> =
        tallies.into_par_iter().map(|tally| if tally.overflowed { None } else { Some(tally.candidates()) }).collect();
    let answer = |(query, candidates): (usize, &Option<Vec<(f32, u32)>>)| match candidates {
        Some(candidates) => {
            let (hits, compared) = rescore::rescore(&batch, query, blocks, candidates, ask.top);
            Answer { hits, compared }
        }
        None => all(blocks, ask, query, searched, stop),
    };
    Ok(candidates.par_iter().enumerate().map(answer).collect())
}

/// The rows, cut into pieces that threads take one after the other.
struct Pieces<'a> {
    pieces: Vec<(&'a Block<'a>, std::ops::Range<usize>)>,
    next: AtomicUsize,
}

impl<'a> Pieces<'a> {
    fn new(blocks: &'a [Block<'a>], size: usize) -> Self {
        let cut = |block: &'a Block<'a>| {
            (0..block.len()).step_by(size).map(move |first| (block, first..(first + size).min(block.len())))
        };
        Self { pieces: blocks.iter().flat_map(cut).collect(), next: AtomicUsize::new(0) }
    }

    fn take(&self) -> Option<(&'a Block<'a>, std::ops::Range<usize>)> {
        self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed)).cloned()
    }
}

fn first_pass(
    blocks: &[Block<'_>],
    mask: Option<&Mask>,
    batch: &Batch,
    stop: &AtomicBool,
    fresh: &(dyn Fn() -> Vec<Tally> + Sync),
    done: &(dyn Fn(Vec<Tally>) + Sync),
) {
    let kernel = kernel::current();
    let in_tiles = batch.terms.len() >= kernel.tiles_from;
    let pieces = Pieces::new(blocks, if in_tiles { tiles::TILE } else { PIECE });
    let queries = if in_tiles { tiles::queries(batch) } else { Vec::new() };
    let floors: Vec<Floor> = (0..batch.terms.len()).map(|_| Floor::default()).collect();
    let work = || {
        let mut tallies = fresh();
        let (mut scratch, mut tile) = (scan::Scratch::default(), tiles::Scratch::default());
        while let Some((block, range)) = pieces.take() {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if in_tiles {
                tiles::score(batch, &queries, block, range, mask, &mut tallies, &mut tile);
            } else {
                scan::scan(batch, kernel, block, range, mask, &mut tallies, &mut scratch);
            }
            tallies.iter_mut().zip(&floors).for_each(|(tally, floor)| tally.exchange(floor));
        }
        done(tallies);
    };
    let threads = rayon::current_num_threads().min(pieces.pieces.len().max(1));
    rayon::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| work());
        }
        work();
    });
}

fn device_pass(
    blocks: &[Block<'_>],
    mask: Option<&Mask>,
    batch: &Batch,
    device: &Device,
    stop: &AtomicBool,
    mut tallies: Vec<Tally>,
) -> Result<Vec<Tally>> {
    let queries = Tensor::from_vec(tiles::queries(batch), (batch.terms.len(), batch.columns), device)?;
    let pieces = Pieces::new(blocks, tiles::DEVICE_TILE);
    let mut scratch = tiles::Scratch::default();
    while let Some((block, range)) = pieces.take() {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        tiles::score_on(batch, &queries, block, range, mask, &mut tallies, &mut scratch)?;
    }
    Ok(tallies)
}

/// Name of the kernel that the first pass uses on this processor.
pub fn kernel_name() -> &'static str {
    kernel::current().name
}
