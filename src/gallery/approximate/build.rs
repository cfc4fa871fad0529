//! Growing a graph (Malkov and Yashunin 2018): each row walks to its neighbourhood and is linked with neighbours that lie in
//! different directions; rows are added by all threads at once.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use rand::RngExt;
use rayon::prelude::*;

use super::graph::{Graph, Level, NONE};
use super::probe::{Codes, Probe};
use super::walk::{Steps, Ways, descend, walk};
use crate::data::seeded;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::exact::kernel::ROWS;

/// Rows that are added between two words to the watcher.
const PIECE: usize = 2048;
/// Rows that are added one after the other first, so that the others find something to be linked with.
const ALONE: usize = 64;

/// What a graph costs and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Links of a row on the upper levels; on the ground it has twice as many.
    pub links: usize,
    /// How wide a row's neighbourhood is looked for.
    pub wide: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { links: 16, wide: 200 }
    }
}

/// Links with their scores, nearest first.
type List = Vec<(f32, u32)>;

/// A graph that grows. Rows are its places on every level.
struct Growing {
    settings: Settings,
    /// `lists[row][level]`: a row has a list on each level that it stands on.
    lists: Vec<Box<[Mutex<List>]>>,
    /// The row that walks begin at, and its level.
    entry: RwLock<(u32, usize)>,
}

struct OnLevel<'a>(&'a Growing, usize);

impl Ways for OnLevel<'_> {
    fn len(&self) -> usize {
        self.0.lists.len()
    }

    fn links(&self, place: u32, links: &mut Vec<u32>) {
        links.clear();
        links.extend(self.0.list(place, self.1).iter().map(|&(_, row)| row));
    }

    fn row(&self, place: u32) -> u32 {
        place
    }
}

/// What a thread keeps from one row to the next.
#[derive(Default)]
struct Hand {
    steps: Steps,
    probe: Probe,
    other: Probe,
}

/// Builds the graph of the rows 0..`rows`. `on` hears of rows done and rows in all.
///
/// # Errors
/// [`Error::Cancelled`] where `on` says stop.
pub fn build(codes: &Codes<'_>, rows: usize, settings: Settings, on: &mut dyn FnMut(u64, u64) -> Flow) -> Result<Graph> {
    let levels: Vec<usize> = (0..rows).map(|row| level(row, settings.links)).collect();
    let lists = levels.iter().map(|&level| (0..=level).map(|_| Mutex::default()).collect()).collect();
    let entry = RwLock::new((0, levels.first().copied().unwrap_or(0)));
    let growing = Growing { settings, lists, entry };
    let mut hand = Hand::default();
    (1..rows.min(ALONE)).for_each(|row| growing.insert(codes, row as u32, &mut hand));
    for first in (rows.min(ALONE)..rows).step_by(PIECE) {
        if on(first as u64, rows as u64) == Flow::Stop {
            return Err(Error::Cancelled);
        }
        (first..(first + PIECE).min(rows))
            .into_par_iter()
            .with_min_len(16)
            .for_each_init(Hand::default, |hand, row| growing.insert(codes, row as u32, hand));
    }
    on(rows as u64, rows as u64);
    Ok(growing.finish(&levels))
}

/// How high a row stands: each level holds one in `links` of the one below. A pure function of the row.
fn level(row: usize, links: usize) -> usize {
    let mut rng = seeded::rng(0, "approximate/level", &[row as u64]);
    let chance: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
    ((-chance.ln() / (links.max(2) as f64).ln()) as usize).min(16)
}

impl Growing {
    fn list(&self, row: u32, level: usize) -> MutexGuard<'_, List> {
        // A list is whole after any panic.
        self.lists[row as usize][level].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn most(&self, level: usize) -> usize {
        if level == 0 { 2 * self.settings.links } else { self.settings.links }
    }

    fn insert(&self, codes: &Codes<'_>, row: u32, hand: &mut Hand) {
        codes.aim(row as usize, &mut hand.probe);
        let own = self.lists[row as usize].len() - 1;
        let (mut at, highest) = *self.entry.read().unwrap_or_else(PoisonError::into_inner);
        for level in (own + 1..=highest).rev() {
            at = descend(&OnLevel(self, level), codes, &hand.probe, at);
        }
        for level in (0..=own.min(highest)).rev() {
            let probe = &hand.probe;
            let other_than_itself = |place| place != row;
            let found =
                walk(&OnLevel(self, level), codes, probe, &[at], self.settings.wide, other_than_itself, &mut hand.steps);
            if let Some(&(_, nearest)) = found.first() {
                at = nearest;
            }
            let chosen = spread(codes, found, self.settings.links, &mut hand.other);
            {
                // Others may have found this row already, from the level above.
                let mut list = self.list(row, level);
                chosen.iter().for_each(|link| if !list.iter().any(|l| l.1 == link.1) { list.push(*link) });
                self.trim(codes, &mut list, level, &mut hand.other);
            }
            for (score, neighbour) in chosen {
                let mut list = self.list(neighbour, level);
                if !list.iter().any(|l| l.1 == row) {
                    list.push((score, row));
                    self.trim(codes, &mut list, level, &mut hand.other);
                }
            }
        }
        if own > highest {
            let mut entry = self.entry.write().unwrap_or_else(PoisonError::into_inner);
            if own > entry.1 {
                *entry = (row, own);
            }
        }
    }

    fn trim(&self, codes: &Codes<'_>, list: &mut List, level: usize, other: &mut Probe) {
        if list.len() > self.most(level) {
            let mut all = std::mem::take(list);
            all.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            *list = spread(codes, all, self.most(level), other);
        }
    }

    fn finish(self, levels: &[usize]) -> Graph {
        let (entry, highest) = *self.entry.read().unwrap_or_else(PoisonError::into_inner);
        let mut graph = Graph::default();
        let mut below: Vec<u32> = Vec::new();
        for level in 0..=highest {
            // Of the highest level only the entry's place matters as a beginning: it comes first.
            let mut rows: Vec<u32> = (0..levels.len() as u32).filter(|&row| levels[row as usize] >= level).collect();
            if level == highest && level > 0 {
                if let Some(place) = rows.iter().position(|&row| row == entry) {
                    rows.swap(0, place);
                }
            }
            let mut places = vec![NONE; levels.len()];
            rows.iter().enumerate().for_each(|(place, &row)| places[row as usize] = place as u32);
            let degree = self.most(level);
            let mut links = vec![NONE; rows.len() * degree];
            for (&row, links) in rows.iter().zip(links.chunks_exact_mut(degree)) {
                let list = self.list(row, level);
                links.iter_mut().zip(list.iter()).for_each(|(to, &(_, row))| *to = places[row as usize]);
            }
            let (rows, down) = if level == 0 {
                (Vec::new(), Vec::new())
            } else {
                let down = rows.iter().map(|&row| if level == 1 { row } else { below[row as usize] }).collect();
                (rows, down)
            };
            graph.levels.push(Level { degree, links, rows, below: down });
            below = places;
        }
        graph
    }
}

/// Of `found` (nearest first) the first `most` that lie in different directions: one that is nearer to a chosen one than to
/// the row itself is reached through that.
fn spread(codes: &Codes<'_>, found: List, most: usize, other: &mut Probe) -> List {
    let mut chosen: List = Vec::with_capacity(most);
    let mut rows: Vec<u32> = Vec::with_capacity(most);
    for (score, row) in found {
        if chosen.len() >= most {
            break;
        }
        if !rows.is_empty() {
            codes.aim(row as usize, other);
        }
        let beside = |some: &[u32]| codes.scores(other, some)[..some.len()].iter().any(|&between| between > score);
        if !rows.chunks(ROWS).any(beside) {
            chosen.push((score, row));
            rows.push(row);
        }
    }
    chosen
}
