//! The exact distances of what the first pass left, in the order of the results.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::query::{Batch, Terms};
use crate::gallery::block::{Block, find};
use crate::gallery::distance::{Measure, Prepared};
use crate::gallery::mask::Mask;
use crate::gallery::order::key;
use crate::gallery::search::Hit;

/// Candidates that are compared before it is looked whether the rest can still matter.
const ROUND: usize = 64;

/// The nearest so far, by the one order of results.
struct Nearest {
    top: usize,
    /// Furthest first: the order's key, and the distance's bits.
    heap: BinaryHeap<(u64, u32)>,
}

impl Nearest {
    fn new(top: usize) -> Self {
        Self { top, heap: BinaryHeap::new() }
    }

    fn offer(&mut self, row: usize, distance: f32) {
        let key = key(distance, row);
        if self.heap.len() < self.top {
            self.heap.push((key, distance.to_bits()));
        } else if let Some(mut furthest) = self.heap.peek_mut() {
            if key < furthest.0 {
                *furthest = (key, distance.to_bits());
            }
        }
    }

    /// The distance that a row must not exceed to be of use; `None` while every row is.
    fn furthest(&self) -> Option<f32> {
        if self.heap.len() < self.top { None } else { self.heap.peek().map(|(_, bits)| f32::from_bits(*bits)) }
    }

    fn merge(mut self, other: Self) -> Self {
        for (key, bits) in other.heap {
            self.offer((key & 0xffff_ffff) as usize, f32::from_bits(bits));
        }
        self
    }

    fn hits(self) -> Vec<Hit> {
        let hit = |(key, bits): (u64, u32)| Hit { entry: (key & 0xffff_ffff) as usize, distance: f32::from_bits(bits) };
        self.heap.into_sorted_vec().into_iter().map(hit).collect()
    }
}

/// The nearest among `candidates` (highest possible score first), and how many of them had to be compared.
pub fn rescore(
    batch: &Batch,
    query: usize,
    blocks: &[Block<'_>],
    candidates: &[(f32, u32)],
    top: usize,
) -> (Vec<Hit>, usize) {
    let (prepared, terms): (&Prepared, &Terms) = (&batch.prepared[query], &batch.terms[query]);
    let mut nearest = Nearest::new(top);
    let mut compared = 0;
    for round in candidates.chunks(ROUND.max(top)) {
        let useless = |upper: f32| {
            nearest.furthest().is_some_and(|furthest| f64::from(upper) < terms.score_of(furthest, batch.measure))
        };
        // They come in order: what is behind one that cannot matter cannot either.
        let round = &round[..round.partition_point(|&(upper, _)| !useless(upper))];
        if round.is_empty() {
            break;
        }
        compared += round.len();
        let distance = |scratch: &mut Vec<f32>, &(_, row): &(f32, u32)| {
            let (block, place) = find(blocks, row as usize)?;
            Some((row as usize, prepared.distance(blocks[block].row(place, scratch))))
        };
        let scratch = || vec![0f32; batch.columns];
        let distances: Vec<_> = round.par_iter().with_min_len(16).map_init(scratch, distance).collect();
        distances.into_iter().flatten().for_each(|(row, distance)| nearest.offer(row, distance));
    }
    (nearest.hits(), compared)
}

/// The nearest of all rows (of those of `mask` alone), each compared: for the queries whose first pass rules out too little.
pub fn compare_all(
    query: &[f32],
    measure: Measure,
    blocks: &[Block<'_>],
    mask: Option<&Mask>,
    top: usize,
    stop: &AtomicBool,
) -> Vec<Hit> {
    const PIECE: usize = 512;
    let prepared = Prepared::new(query, measure);
    let pieces: Vec<(&Block<'_>, usize)> =
        blocks.iter().flat_map(|block| (0..block.len()).step_by(PIECE).map(move |first| (block, first))).collect();
    let nearest = pieces
        .into_par_iter()
        .fold(
            || (Nearest::new(top), vec![0f32; query.len()]),
            |(mut nearest, mut scratch), (block, first)| {
                let range = first..(first + PIECE).min(block.len());
                if stop.load(Ordering::Relaxed) {
                    return (nearest, scratch);
                }
                let mut compare = |place: usize| {
                    let distance = prepared.distance(block.row(place, &mut scratch));
                    nearest.offer(block.first + place, distance);
                };
                match mask {
                    None => range.for_each(&mut compare),
                    Some(mask) => mask
                        .iter_in(block.first + range.start..block.first + range.end)
                        .for_each(|row| compare(row - block.first)),
                }
                (nearest, scratch)
            },
        )
        .map(|(nearest, _)| nearest)
        .reduce(|| Nearest::new(top), Nearest::merge);
    nearest.hits()
}
