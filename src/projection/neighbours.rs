//! The k nearest neighbours of every point.
//!
//! Exact search compares everything with everything by tiled matrix products and keeps the k best of each row as the
//! tiles pass: quadratic work at the speed of the processor's multipliers, linear memory. From [`EXACT_UP_TO`] points
//! on, points are grouped into cells around centres, and each cell is compared with the cells nearest to it only.

use std::ops::Range;

use super::pace::Pace;
use super::product::{View, multiply};
use crate::Result;
use crate::data::seeded;

/// The most points that are all compared with one another.
pub(super) const EXACT_UP_TO: usize = 100_000;
/// Points of one tile: its rows, and the columns that they are compared with at once.
const QUERIES: usize = 128;
const CANDIDATES: usize = 1024;
/// Points of a cell, on average, and how many points a cell is compared with.
const CELL: usize = 400;
const COMPARED: usize = 24_000;
/// Rounds of k-means that place the cells, and the points of each cell that take part.
const ROUNDS: usize = 6;
const SAMPLE: usize = 40;

/// `k` neighbours of each of n points, nearest first, ties by index; the point itself is not among them.
pub(super) struct Neighbours {
    /// Neighbours of a point.
    pub k: usize,
    /// Indices, `[n, k]`.
    pub index: Vec<u32>,
    /// Squared distances, `[n, k]`.
    pub squared: Vec<f32>,
}

/// Finds the `k` (less than n) nearest neighbours of `points`, `[n, dims]`, by Euclidean distance. The points' mean
/// is near zero and their squares are far from overflow.
pub(super) fn find(points: &[f32], dims: usize, k: usize, seed: u64, pace: &mut Pace) -> Result<Neighbours> {
    let n = points.len() / dims;
    if n <= EXACT_UP_TO { exact(points, dims, k, pace) } else { in_cells(points, dims, k, CELL, seed, pace) }
}

fn exact(points: &[f32], dims: usize, k: usize, pace: &mut Pace) -> Result<Neighbours> {
    let n = points.len() / dims;
    let lifted = Lifted::new(points, dims);
    let mut found = Neighbours { k, index: vec![0; n * k], squared: vec![0.0; n * k] };
    let rows = QUERIES * k;
    let mut items: Vec<_> = found.index.chunks_mut(rows).zip(found.squared.chunks_mut(rows)).enumerate().collect();
    pace.each(&mut items, 0.0..0.9, |(tile, (index, squared))| {
        let start = *tile * QUERIES;
        let everyone = 0..n;
        let best = lifted.nearest(start..start + index.len() / k, std::slice::from_ref(&everyone), k);
        for (row, best) in best.iter().enumerate() {
            let out = row * k..(row + 1) * k;
            write(points, dims, start + row, best, &|i| i, &mut index[out.clone()], &mut squared[out]);
        }
    })?;
    Ok(found)
}

/// Approximate: each point is compared with some [`COMPARED`] points of the cells around its own.
fn in_cells(points: &[f32], dims: usize, k: usize, cell: usize, seed: u64, pace: &mut Pace) -> Result<Neighbours> {
    let n = points.len() / dims;
    let cells = Cells::new(points, dims, cell, seed, pace)?;
    let order = &cells.order;
    let mut sorted = Vec::with_capacity(points.len());
    order.iter().for_each(|&i| sorted.extend_from_slice(&points[i as usize * dims..][..dims]));
    let lifted = Lifted::new(&sorted, dims);
    let mut found = Neighbours { k, index: vec![0; n * k], squared: vec![0.0; n * k] };
    // In the order of the cells; brought to the order of the points below.
    let mut items = Vec::new();
    let (mut index, mut squared) = (found.index.as_mut_slice(), found.squared.as_mut_slice());
    for (c, range) in cells.ranges.iter().enumerate() {
        for start in range.clone().step_by(QUERIES) {
            let rows = start..(start + QUERIES).min(range.end);
            let (i, s);
            (i, index) = index.split_at_mut(rows.len() * k);
            (s, squared) = squared.split_at_mut(rows.len() * k);
            items.push((c, rows, i, s));
        }
    }
    let enough = COMPARED.max(4 * k);
    pace.each(&mut items, 0.3..0.85, |(c, rows, index, squared)| {
        let near = cells.around(*c, enough);
        let best = lifted.nearest(rows.clone(), &near, k);
        for (row, best) in best.iter().enumerate() {
            let out = row * k..(row + 1) * k;
            let own = order[rows.start + row] as usize;
            let name = |i: u32| order[i as usize];
            write(points, dims, own, best, &name, &mut index[out.clone()], &mut squared[out]);
        }
    })?;
    let mut place = vec![0u32; n];
    order.iter().enumerate().for_each(|(at, &i)| place[i as usize] = at as u32);
    let gather = |i: usize| place[i] as usize * k..(place[i] as usize + 1) * k;
    Ok(Neighbours {
        k,
        index: (0..n).flat_map(|i| found.index[gather(i)].iter().copied()).collect(),
        squared: (0..n).flat_map(|i| found.squared[gather(i)].iter().copied()).collect(),
    })
}

/// Writes the neighbours of point `own`, with distances from differences: those of the products lose what cancels.
fn write(
    points: &[f32],
    dims: usize,
    own: usize,
    best: &[u32],
    name: &dyn Fn(u32) -> u32,
    index: &mut [u32],
    squared: &mut [f32],
) {
    let row = |i: usize| &points[i * dims..(i + 1) * dims];
    let mut keys: Vec<u64> = best.iter().map(|&i| key(distance(row(own), row(name(i) as usize)), name(i))).collect();
    keys.sort_unstable();
    for ((key, index), squared) in keys.iter().zip(index).zip(squared) {
        (*index, *squared) = (*key as u32, f32::from_bits((key >> 32) as u32));
    }
}

/// Orders by distance (not negative), then by index.
fn key(distance: f32, index: u32) -> u64 {
    (u64::from(distance.to_bits()) << 32) | u64::from(index)
}

/// Squared Euclidean distance.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    for (a, b) in a.zip(b) {
        for l in 0..8 {
            lanes[l] += (a[l] - b[l]) * (a[l] - b[l]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Points with one coordinate more, so that a plain product of a query [x, 1] and a candidate [-y, |y|²/2] orders the
/// candidates by their distance: it is half of |x - y|² - |x|².
struct Lifted {
    queries: Vec<f32>,
    candidates: Vec<f32>,
    half_squares: Vec<f32>,
    dims: usize,
}

impl Lifted {
    fn new(points: &[f32], dims: usize) -> Self {
        let n = points.len() / dims;
        let (mut queries, mut candidates) = (Vec::with_capacity(n * (dims + 1)), Vec::with_capacity(n * (dims + 1)));
        let mut half_squares = Vec::with_capacity(n);
        for row in points.chunks_exact(dims) {
            let half = 0.5 * row.iter().map(|x| x * x).sum::<f32>();
            queries.extend_from_slice(row);
            queries.push(1.0);
            candidates.extend(row.iter().map(|x| -x));
            candidates.push(half);
            half_squares.push(half);
        }
        Self { queries, candidates, half_squares, dims: dims + 1 }
    }

    /// The `k` nearest of the points in `ranges` for each of the points `rows`, in no order.
    fn nearest(&self, rows: Range<usize>, ranges: &[Range<usize>], k: usize) -> Vec<Vec<u32>> {
        let mut best: Vec<Best> = rows.clone().map(|i| Best::new(i as u32, self.half_squares[i], k)).collect();
        let queries = View::rows(&self.queries[rows.start * self.dims..rows.end * self.dims], self.dims);
        let mut tile = vec![0.0; rows.len() * CANDIDATES];
        for range in ranges {
            for start in range.clone().step_by(CANDIDATES) {
                let end = (start + CANDIDATES).min(range.end);
                let candidates = View::rows(&self.candidates[start * self.dims..end * self.dims], self.dims);
                let tile = &mut tile[..rows.len() * (end - start)];
                multiply(queries, candidates.transposed(), tile);
                for (scores, best) in tile.chunks_exact(end - start).zip(&mut best) {
                    best.offer(scores, start as u32);
                }
            }
        }
        best.into_iter().map(Best::into_indices).collect()
    }
}

/// The best of a row so far: candidates below the bound are collected, and cut down to k when there are many.
struct Best {
    own: u32,
    half_square: f32,
    bound: f32,
    k: usize,
    keys: Vec<u64>,
}

impl Best {
    fn new(own: u32, half_square: f32, k: usize) -> Self {
        Self { own, half_square, bound: f32::INFINITY, k, keys: Vec::with_capacity(2 * k + 64) }
    }

    /// Takes the scores of the points from `first` on.
    fn offer(&mut self, scores: &[f32], first: u32) {
        for (chunk, scores) in scores.chunks(16).enumerate() {
            // One test for sixteen: almost all chunks hold nothing near enough.
            if scores.iter().fold(false, |any, &s| any | (s < self.bound)) {
                for (lane, &score) in scores.iter().enumerate() {
                    let index = first + (chunk * 16 + lane) as u32;
                    if score < self.bound && index != self.own {
                        self.keys.push(key((score + self.half_square).max(0.0), index));
                    }
                }
                if self.keys.len() >= 2 * self.k + 48 {
                    self.cut();
                }
            }
        }
    }

    fn cut(&mut self) {
        if self.keys.len() > self.k {
            let (_, &mut last, _) = self.keys.select_nth_unstable(self.k - 1);
            self.keys.truncate(self.k);
            // The next float up: what ties with the last by distance may still come before it by index.
            self.bound = (f32::from_bits((last >> 32) as u32) - self.half_square).next_up();
        }
    }

    fn into_indices(mut self) -> Vec<u32> {
        self.cut();
        self.keys.iter().map(|&key| key as u32).collect()
    }
}

/// Points grouped around centres.
struct Cells {
    /// Points in the order of their cells.
    order: Vec<u32>,
    /// Where each cell lies in `order`.
    ranges: Vec<Range<usize>>,
    centres: Vec<f32>,
    dims: usize,
}

impl Cells {
    fn new(points: &[f32], dims: usize, size: usize, seed: u64, pace: &mut Pace) -> Result<Self> {
        let n = points.len() / dims;
        let count = (n / size).max(1);
        let mut rng = seeded::rng(seed, "cells", &[]);
        let sample: Vec<usize> = rand::seq::index::sample(&mut rng, n, (count * SAMPLE).min(n)).into_vec();
        let sampled: Vec<f32> = sample.iter().flat_map(|&i| points[i * dims..(i + 1) * dims].iter().copied()).collect();
        let mut centres = sampled[..count * dims].to_vec();
        for round in 0..ROUNDS {
            let within = 0.2 * round as f64 / ROUNDS as f64..0.2 * (round + 1) as f64 / ROUNDS as f64;
            let nearest = assign(&sampled, &centres, dims, within, pace)?;
            let mut sums = vec![(vec![0.0f64; dims], 0usize); count];
            for (row, &cell) in sampled.chunks_exact(dims).zip(&nearest) {
                let (sum, members) = &mut sums[cell as usize];
                sum.iter_mut().zip(row).for_each(|(s, &x)| *s += f64::from(x));
                *members += 1;
            }
            for ((sum, members), centre) in sums.iter().zip(centres.chunks_exact_mut(dims)) {
                if *members > 0 {
                    centre.iter_mut().zip(sum).for_each(|(c, s)| *c = (s / *members as f64) as f32);
                }
            }
        }
        let nearest = assign(points, &centres, dims, 0.2..0.3, pace)?;
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by_key(|&i| nearest[i as usize]);
        let mut ranges = Vec::with_capacity(count);
        let mut start = 0;
        for cell in 0..count as u32 {
            let end = start + order[start..].partition_point(|&i| nearest[i as usize] == cell);
            ranges.push(start..end);
            start = end;
        }
        Ok(Self { order, ranges, centres, dims })
    }

    /// The cells nearest to `cell`, itself included, as many as it takes to hold `enough` points.
    fn around(&self, cell: usize, enough: usize) -> Vec<Range<usize>> {
        let centre = |c: usize| &self.centres[c * self.dims..(c + 1) * self.dims];
        let mut keys: Vec<u64> = (0..self.ranges.len())
            .map(|c| if c == cell { key(0.0, c as u32) } else { key(distance(centre(cell), centre(c)), c as u32) })
            .collect();
        keys.sort_unstable();
        let mut held = 0;
        let near = keys.iter().map(|&key| self.ranges[key as u32 as usize].clone());
        near.take_while(|range| {
            let more = held < enough;
            held += range.len();
            more
        })
        .collect()
    }
}

/// The nearest of `centres` for each of `points`; ties by index.
fn assign(points: &[f32], centres: &[f32], dims: usize, within: Range<f64>, pace: &mut Pace) -> Result<Vec<u32>> {
    let count = centres.len() / dims;
    let halves: Vec<f32> = centres.chunks_exact(dims).map(|c| 0.5 * c.iter().map(|x| x * x).sum::<f32>()).collect();
    let mut nearest = vec![0u32; points.len() / dims];
    let mut items: Vec<_> = points.chunks(QUERIES * dims).zip(nearest.chunks_mut(QUERIES)).collect();
    pace.each(&mut items, within, |(rows, nearest)| {
        let mut tile = vec![0.0; nearest.len() * count];
        multiply(View::rows(rows, dims), View::rows(centres, dims).transposed(), &mut tile);
        for (scores, nearest) in tile.chunks_exact(count).zip(nearest.iter_mut()) {
            let mut best = (f32::INFINITY, 0);
            for (c, (score, half)) in scores.iter().zip(&halves).enumerate() {
                if half - score < best.0 {
                    best = (half - score, c as u32);
                }
            }
            *nearest = best.1;
        }
    })?;
    Ok(nearest)
}

#[cfg(test)]
mod tests;
