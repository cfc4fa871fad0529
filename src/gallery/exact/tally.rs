//! Which rows could be among the nearest, from scores that are known up to a bound.
//!
//! A row whose score is at most `upper` is out as soon as as many rows as are wanted have a score of at least `floor`, and
//! `upper` lies below that. What is left at the end is compared exactly.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU32, Ordering};

/// The rows that are not ruled out, for one query.
#[derive(Debug, Clone)]
pub struct Tally {
    top: usize,
    /// The highest lower bounds, `top` at most, lowest first; as integers that order like the numbers.
    lower: BinaryHeap<Reverse<u32>>,
    floor: f32,
    kept: Vec<(f32, u32)>,
    most: usize,
    /// Too many rows could not be ruled out.
    pub overflowed: bool,
}

/// IEEE 754 numbers order like integers once the sign is folded in.
fn ordered(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn number(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// The highest floor that any thread has found, for one query.
#[derive(Debug)]
pub struct Floor(AtomicU32);

impl Default for Floor {
    fn default() -> Self {
        Self(AtomicU32::new(ordered(f32::NEG_INFINITY)))
    }
}

impl Tally {
    /// For the `top` nearest (at least one), of which at most `most` rows are kept in mind.
    pub fn new(top: usize, most: usize) -> Self {
        let (lower, kept) = (BinaryHeap::new(), Vec::new());
        Self { top, lower, floor: f32::NEG_INFINITY, kept, most: most.max(4 * top), overflowed: false }
    }

    /// Rows whose score is surely below this are out.
    #[inline(always)]
    pub fn floor(&self) -> f32 {
        self.floor
    }

    /// Hears of a row that is not ruled out. A score that is no number is never ruled out.
    #[cold]
    pub fn keep(&mut self, row: usize, score: f32, bound: f32) {
        if self.overflowed {
            return;
        }
        let lower = score - bound;
        if lower > self.floor || (self.lower.len() < self.top && !lower.is_nan()) {
            self.lower.push(Reverse(ordered(lower)));
            if self.lower.len() > self.top {
                self.lower.pop();
            }
            if let (true, Some(Reverse(bits))) = (self.lower.len() == self.top, self.lower.peek()) {
                self.floor = self.floor.max(number(*bits));
            }
        }
        let upper = score + bound;
        self.kept.push((if upper.is_nan() { f32::INFINITY } else { upper }, row as u32));
        if self.kept.len() >= self.most {
            self.prune();
            if self.kept.len() > self.most / 2 {
                self.overflow();
            }
        }
    }

    fn prune(&mut self) {
        let floor = self.floor;
        self.kept.retain(|(upper, _)| *upper >= floor);
    }

    fn overflow(&mut self) {
        (self.overflowed, self.floor) = (true, f32::INFINITY);
        (self.kept, self.lower) = (Vec::new(), BinaryHeap::new());
    }

    /// Learns from the other threads, and they from this one.
    pub fn exchange(&mut self, floor: &Floor) {
        if !self.overflowed {
            let before = floor.0.fetch_max(ordered(self.floor), Ordering::Relaxed);
            self.floor = self.floor.max(number(before));
        }
    }

    /// Takes in what another thread kept.
    pub fn merge(&mut self, other: Self) {
        if self.overflowed || other.overflowed {
            return self.overflow();
        }
        self.lower.extend(other.lower);
        while self.lower.len() > self.top {
            self.lower.pop();
        }
        if let (true, Some(Reverse(bits))) = (self.lower.len() == self.top, self.lower.peek()) {
            self.floor = self.floor.max(number(*bits));
        }
        self.floor = self.floor.max(other.floor);
        self.kept.extend(other.kept);
        self.prune();
    }

    /// The rows that are left, each with the most that its score can be, highest first.
    pub fn candidates(mut self) -> Vec<(f32, u32)> {
        self.prune();
        self.kept.sort_unstable_by_key(|&(upper, row)| (Reverse(ordered(upper)), row));
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_could_be_near_is_lost(rows in prop::collection::vec((-8i8..8, 0u8..3), 1..200), top in 1usize..12, threads in 1usize..4) {
            let floor = Floor::default();
            let mut tallies = vec![Tally::new(top, 1 << 20); threads];
            for (row, &(score, bound)) in rows.iter().enumerate() {
                let tally = &mut tallies[row % threads];
                let (score, bound) = (f32::from(score), f32::from(bound));
                if !(score + bound < tally.floor()) {
                    tally.keep(row, score, bound);
                }
                if row % 5 == 0 {
                    tally.exchange(&floor);
                }
            }
            let mut all = tallies.pop().unwrap();
            tallies.into_iter().for_each(|tally| all.merge(tally));
            // Whatever the true scores within the bounds, the nearest are among the candidates; ties included.
            let mut lower: Vec<f32> = rows.iter().map(|&(s, b)| f32::from(s) - f32::from(b)).collect();
            lower.sort_by(|a, b| b.total_cmp(a));
            let least = lower.get(top - 1).copied().unwrap_or(f32::NEG_INFINITY);
            let expected: Vec<u32> = (0..rows.len() as u32)
                .filter(|&r| { let (s, b) = rows[r as usize]; f32::from(s) + f32::from(b) >= least })
                .collect();
            let candidates = all.candidates();
            prop_assert!(candidates.windows(2).all(|pair| pair[0].0 >= pair[1].0));
            let mut got: Vec<u32> = candidates.into_iter().map(|(_, row)| row).collect();
            got.sort_unstable();
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn numbers_keep_their_order() {
        let ascending = [f32::NEG_INFINITY, -2.0, -1e-30, 0.0, 1e-30, 3.0, f32::INFINITY];
        assert!(ascending.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        assert!(ascending.iter().all(|&x| number(ordered(x)) == x));
    }

    #[test]
    fn too_many_are_too_many() {
        let mut tally = Tally::new(2, 10);
        (0..20).for_each(|row| tally.keep(row, 1.0, 0.0));
        assert!(tally.overflowed && tally.candidates().is_empty());
    }
}
