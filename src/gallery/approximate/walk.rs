//! Finding the way through a graph: from link to link, always on from the nearest that was not yet looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::probe::{Codes, Probe};
use crate::gallery::exact::kernel::ROWS;

/// A score and a place in one number that orders by score.
type Key = u64;

fn key(score: f32, place: u32) -> Key {
    let bits = score.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(place)
}

fn score(key: Key) -> f32 {
    let bits = (key >> 32) as u32;
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// What a walk needs, kept from one to the next.
#[derive(Debug, Default)]
pub struct Steps {
    /// When each place was last seen. One byte each stays in a cache; every 255 walks they are cleared.
    seen: Vec<u8>,
    now: u8,
    fresh: Vec<u32>,
    rows: Vec<u32>,
    ahead: BinaryHeap<Key>,
    found: BinaryHeap<Reverse<Key>>,
}

impl Steps {
    fn begin(&mut self, places: usize) {
        if self.seen.len() < places || self.now == u8::MAX {
            self.seen.clear();
            self.seen.resize(places, 0);
            self.now = 0;
        }
        self.now += 1;
        self.ahead.clear();
        self.found.clear();
    }
}

/// How a level is read: the links of a place go to `links`, and a place has a row.
pub trait Ways {
    /// Places in the level.
    fn len(&self) -> usize;
    /// Writes the links of a place.
    fn links(&self, place: u32, links: &mut Vec<u32>);
    /// The row of a place.
    fn row(&self, place: u32) -> u32;
}

/// The `wide` nearest places that can be found from `from`, nearest first, with their scores. Only those that `allowed` says
/// yes to are found; the others still lead on.
pub fn walk(
    ways: &impl Ways,
    codes: &Codes<'_>,
    probe: &Probe,
    from: &[u32],
    wide: usize,
    allowed: impl Fn(u32) -> bool,
    steps: &mut Steps,
) -> Vec<(f32, u32)> {
    steps.begin(ways.len());
    let mut fresh = std::mem::take(&mut steps.fresh);
    let mut rows = std::mem::take(&mut steps.rows);
    let look = |steps: &mut Steps, fresh: &[u32], rows: &mut Vec<u32>| {
        rows.clear();
        rows.extend(fresh.iter().map(|&place| ways.row(place)));
        for (places, rows) in fresh.chunks(ROWS).zip(rows.chunks(ROWS)) {
            let scores = codes.scores(probe, rows);
            for (&place, &score) in places.iter().zip(&scores) {
                let key = key(score, place);
                let full = steps.found.len() >= wide;
                if full && steps.found.peek().is_some_and(|worst| key <= worst.0) {
                    continue;
                }
                steps.ahead.push(key);
                if allowed(place) {
                    steps.found.push(Reverse(key));
                    if full {
                        steps.found.pop();
                    }
                }
            }
        }
    };
    fresh.clear();
    fresh.extend_from_slice(from);
    fresh.iter().for_each(|&place| steps.seen[place as usize] = steps.now);
    look(steps, &fresh, &mut rows);
    let mut links = Vec::with_capacity(64);
    while let Some(nearest) = steps.ahead.pop() {
        if steps.found.len() >= wide && steps.found.peek().is_some_and(|worst| nearest < worst.0) {
            break;
        }
        ways.links(nearest as u32, &mut links);
        fresh.clear();
        for &place in &links {
            let seen = &mut steps.seen[place as usize];
            if *seen != steps.now {
                *seen = steps.now;
                codes.fetch(ways.row(place) as usize);
                fresh.push(place);
            }
        }
        look(steps, &fresh, &mut rows);
    }
    (steps.fresh, steps.rows) = (fresh, rows);
    let mut found: Vec<Key> = steps.found.drain().map(|Reverse(key)| key).collect();
    found.sort_unstable_by_key(|&key| Reverse(key));
    found.into_iter().map(|key| (score(key), key as u32)).collect()
}

/// The nearest place that can be reached from `from` by steps that each come nearer.
pub fn descend(ways: &impl Ways, codes: &Codes<'_>, probe: &Probe, from: u32) -> u32 {
    let mut links = Vec::with_capacity(64);
    let mut at = (codes.scores(probe, &[ways.row(from)])[0], from);
    loop {
        let before = at;
        ways.links(at.1, &mut links);
        for places in links.chunks(ROWS) {
            let mut rows = [0; ROWS];
            rows.iter_mut().zip(places).for_each(|(row, &place)| *row = ways.row(place));
            let scores = codes.scores(probe, &rows[..places.len()]);
            for (&place, &score) in places.iter().zip(&scores) {
                if score > at.0 {
                    at = (score, place);
                }
            }
        }
        if at == before {
            return at.1;
        }
    }
}
