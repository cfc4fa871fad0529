//! Approximate search, for galleries of millions: most of the nearest, for a small part of an exact search's time.
//!
//! A graph links each row with neighbours; a search walks it from link to link (HNSW). It reads the 8-bit codes that the
//! gallery has anyway, so its file holds links alone, and it compares the rows that it found, so distances and order are
//! exact among what was found. Rows that came after the graph was built are all compared, as are all rows where a filter
//! leaves few: nothing new is ever missed.
//!
//! How much is found is measured on the gallery's own rows when the graph is built, kept with it, and to be told wherever
//! results are shown.

mod build;
mod graph;
mod probe;
#[cfg(test)]
mod tests;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rand::RngExt;
use rayon::prelude::*;

use super::block::{Block, Rows, find};
use super::distance::{Measure, Prepared};
use super::exact::{self, Answer, Ask};
use super::mask::Mask;
use super::matrix::Matrix;
use super::order::key;
use super::search::Hit;
use super::store::Store;
use crate::data::seeded;
use crate::error::{Error, Result};
use crate::flow::Flow;
pub use build::Settings;
use graph::{Graph, Level};
use probe::Codes;
use walk::{Steps, Ways, descend, walk};

/// The share of the ten nearest that a graph is set to find.
pub const AIM: f64 = 0.98;
/// Rows that the share is measured on.
const SAMPLE: usize = 256;
/// How wide a walk may be; the narrowest that reaches [`AIM`] is taken.
const WIDTHS: [usize; 12] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];
/// Where a filter leaves fewer rows than this, or than one in [`RARE`], comparing them all is as fast.
const FEW: usize = 4096;
const RARE: usize = 50;

/// A gallery's graph for one measure, and what was measured on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Approximate {
    graph: Graph,
    about: About,
}

/// What stands beside a graph.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct About {
    /// How rows are compared.
    pub measure: Measure,
    /// The share of the ten nearest that it finds, on a sample of the gallery's own rows.
    pub recall: f64,
    /// Rows in that sample.
    pub sample: usize,
    /// How wide walks are.
    pub width: usize,
    /// Tells the gallery's rows from another's.
    fingerprint: String,
}

impl Approximate {
    /// Builds the graph of `blocks` in memory, chooses the narrowest walks that find [`AIM`] of the ten nearest, and measures
    /// what they find. `on` hears of rows done and rows in all.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where `on` says stop.
    pub fn build(
        blocks: &[Block<'_>],
        measure: Measure,
        settings: Settings,
        on: &mut dyn FnMut(u64, u64) -> Flow,
    ) -> Result<Self> {
        let rows = blocks.iter().map(Block::len).sum();
        let graph = build::build(&Codes::new(blocks, measure), rows, settings, on)?;
        let about = About { measure, recall: 1.0, sample: 0, width: WIDTHS[0], fingerprint: fingerprint(blocks, rows) };
        let mut built = Self { graph, about };
        built.calibrate(blocks)?;
        Ok(built)
    }

    /// Builds the graph of a gallery on disk and writes it into the gallery's folder.
    ///
    /// # Errors
    /// As [`Approximate::build`], and those of the disk.
    pub fn build_for(store: &Store, measure: Measure, on: &mut dyn FnMut(u64, u64) -> Flow) -> Result<Self> {
        let built = Self::build(&store.blocks(), measure, Settings::default(), on)?;
        let path = file(store.folder(), measure);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        let about = serde_json::to_vec(&built.about)
            .map_err(|e| Error::file(&path, format!("could not be written ({e})"), "Build it again"))?;
        built.graph.write(&path, &about)?;
        Ok(built)
    }

    /// Opens a gallery's graph; `None` where there is none, or one of other rows.
    ///
    /// # Errors
    /// [`Error::File`] where it is damaged: build it again.
    pub fn open(store: &Store, measure: Measure) -> Result<Option<Self>> {
        let path = file(store.folder(), measure);
        if !path.exists() {
            return Ok(None);
        }
        let (graph, about) = Graph::read(&path)?;
        let about: About = serde_json::from_slice(&about)
            .map_err(|_| Error::file(&path, "this approximate index is damaged", "Build it again"))?;
        let fits = graph.rows() <= store.rows()
            && about.measure == measure
            && about.fingerprint == fingerprint(&store.blocks(), graph.rows());
        Ok(fits.then_some(Self { graph, about }))
    }

    /// What was measured when it was built.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Rows in the graph. A gallery that has grown since is searched whole all the same; it is time to build again when the
    /// new rows, which are all compared, take longer than the walk.
    pub fn rows(&self) -> usize {
        self.graph.rows()
    }

    /// Whether so much was added since it was built that it should be built again.
    pub fn is_stale(&self, rows: usize) -> bool {
        rows.saturating_sub(self.rows()) > (self.rows() / 10).max(FEW)
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.graph.levels.iter().map(|l| 4 * (l.links.len() + l.rows.len() + l.below.len())).sum()
    }

    /// The nearest rows that are found, in the order and with the distances of an exact search. `blocks` are those of the
    /// gallery that it was built for, perhaps with more rows behind.
    ///
    /// # Errors
    /// [`Error::Input`] where the measure is another, or queries and rows differ in length; [`Error::Cancelled`] by `stop`.
    pub fn search(&self, blocks: &[Block<'_>], ask: &Ask<'_>, stop: &AtomicBool) -> Result<Vec<Answer>> {
        self.search_wide(blocks, ask, self.about.width, stop)
    }

    /// [`Approximate::search`] with walks of another width: wider ones find more and take longer.
    ///
    /// # Errors
    /// As there.
    pub fn search_wide(
        &self,
        blocks: &[Block<'_>],
        ask: &Ask<'_>,
        width: usize,
        stop: &AtomicBool,
    ) -> Result<Vec<Answer>> {
        if ask.measure != self.about.measure {
            return Err(Error::input(
                "This approximate index was built for another distance",
                "Build one for this distance, or search exactly",
            ));
        }
        let rows: usize = blocks.iter().map(Block::len).sum();
        let kept = ask.mask.map_or(rows, Mask::count);
        // A short gallery, a filter that leaves little, or more wanted than a walk could find.
        if kept < FEW.max(rows / RARE) || ask.top * 4 > kept || blocks.iter().any(|b| b.columns != ask.queries.columns)
        {
            return exact::search(blocks, ask, stop);
        }
        let late = self.late(blocks, ask, stop)?;
        let codes = Codes::new(blocks, ask.measure);
        // Of walks through rows that a filter takes out, as many more must be looked at.
        let width = width.max(ask.top + ask.top / 2);
        let answers = (0..ask.queries.rows()).into_par_iter().map_init(
            || (Steps::default(), vec![0f32; ask.queries.columns]),
            |(steps, scratch), query| {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return Answer::default();
                }
                let query = ask.queries.row(query);
                let found = self.find(&codes, query, width, ask.mask, steps);
                compare(blocks, query, ask, &found, scratch)
            },
        );
        let mut answers: Vec<Answer> = answers.collect();
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        answers.iter_mut().zip(late).for_each(|(answer, late)| {
            answer.hits.extend(late.hits);
            answer.hits.sort_unstable_by_key(|hit| key(hit.distance, hit.entry));
            answer.hits.truncate(ask.top);
            answer.compared += late.compared;
        });
        Ok(answers)
    }

    /// What an exact search finds among the rows that came after the graph was built.
    fn late(&self, blocks: &[Block<'_>], ask: &Ask<'_>, stop: &AtomicBool) -> Result<Vec<Answer>> {
        let late: Vec<Block<'_>> = blocks.iter().filter_map(|block| behind(block, self.rows())).collect();
        if late.is_empty() { Ok(Vec::new()) } else { exact::search(&late, ask, stop) }
    }

    /// The rows that a walk finds, nearest first by their codes.
    fn find(&self, codes: &Codes<'_>, query: &[f32], width: usize, mask: Option<&Mask>, steps: &mut Steps) -> Vec<u32> {
        let probe = codes.query(query);
        let Some((ground, upper)) = self.graph.levels.split_first() else { return Vec::new() };
        let mut at = 0;
        for level in upper.iter().rev() {
            at = level.below[descend(level, codes, &probe, at) as usize];
        }
        let allowed = |row: u32| mask.is_none_or(|mask| mask.contains(row as usize));
        walk(ground, codes, &probe, &[at], width, allowed, steps).into_iter().map(|(_, row)| row).collect()
    }

    fn calibrate(&mut self, blocks: &[Block<'_>]) -> Result<()> {
        let rows = self.rows();
        let columns = blocks.first().map_or(0, |block| block.columns);
        if rows < FEW {
            return Ok(()); // every row is compared
        }
        let mut rng = seeded::rng(0, "approximate/sample", &[rows as u64]);
        let sample: Vec<usize> = (0..SAMPLE).map(|_| rng.random_range(0..rows)).collect();
        let mut data = vec![0f32; SAMPLE * columns];
        for (&row, out) in sample.iter().zip(data.chunks_exact_mut(columns.max(1))) {
            if let Some((block, place)) = find(blocks, row) {
                blocks[block].read(place, out);
            }
        }
        let queries = Matrix::new(columns, data);
        // Each finds itself, which is left out of the count.
        let ask = Ask { queries: &queries, measure: self.about.measure, top: 11, mask: None };
        let never = AtomicBool::new(false);
        let expected = exact::search(blocks, &ask, &never)?;
        for width in WIDTHS {
            let found = self.search_wide(blocks, &ask, width, &never)?;
            let mut right = 0;
            for ((row, found), expected) in sample.iter().zip(&found).zip(&expected) {
                let others = |hit: &&Hit| hit.entry != *row;
                // Rows at one distance are as good as each other.
                let last = expected.hits.iter().filter(others).take(10).last().map_or(f32::MAX, |hit| hit.distance);
                right += found.hits.iter().filter(others).take(10).filter(|hit| hit.distance <= last).count();
            }
            self.about.recall = right as f64 / (10 * SAMPLE) as f64;
            (self.about.width, self.about.sample) = (width, SAMPLE);
            if self.about.recall >= AIM {
                break;
            }
        }
        Ok(())
    }
}

impl Ways for Level {
    fn len(&self) -> usize {
        Level::len(self)
    }

    fn links(&self, place: u32, links: &mut Vec<u32>) {
        links.clear();
        links.extend_from_slice(Level::links(self, place));
    }

    fn row(&self, place: u32) -> u32 {
        Level::row(self, place)
    }
}

/// The exact distances of what was found; a few more than are wanted are compared, because codes are not exact.
fn compare(blocks: &[Block<'_>], query: &[f32], ask: &Ask<'_>, found: &[u32], scratch: &mut [f32]) -> Answer {
    let prepared = Prepared::new(query, ask.measure);
    let some = &found[..found.len().min(2 * ask.top + 10)];
    let mut hits: Vec<Hit> = some
        .iter()
        .filter_map(|&row| {
            let (block, place) = find(blocks, row as usize)?;
            Some(Hit { entry: row as usize, distance: prepared.distance(blocks[block].row(place, scratch)) })
        })
        .collect();
    hits.sort_unstable_by_key(|hit| key(hit.distance, hit.entry));
    hits.truncate(ask.top);
    Answer { hits, compared: some.len() }
}

/// The part of a block from gallery row `from` on.
fn behind<'a>(block: &Block<'a>, from: usize) -> Option<Block<'a>> {
    let skip = from.saturating_sub(block.first);
    if skip >= block.len() {
        return None;
    }
    let (columns, stride) = (block.columns, super::codes::stride(block.columns));
    let rows = match block.rows {
        Rows::F32(rows) => Rows::F32(&rows[skip * columns..]),
        Rows::F16(rows) => Rows::F16(&rows[skip * columns..]),
    };
    let (codes, scales) = (&block.codes[skip * stride..], &block.scales[skip..]);
    Some(Block { first: block.first + skip, columns, rows, codes, scales })
}

fn file(gallery: &Path, measure: Measure) -> PathBuf {
    let name = match measure {
        Measure::Cosine => "cosine.graph",
        Measure::Euclidean => "euclidean.graph",
    };
    gallery.join("approximate").join(name)
}

/// Tells whether rows are those that a graph was built of: rows never change, so a few of them speak for all.
fn fingerprint(blocks: &[Block<'_>], rows: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(rows as u64).to_le_bytes());
    for part in 0..17 {
        if let Some((block, place)) = find(blocks, rows.saturating_sub(1) * part / 16) {
            let stride = super::codes::stride(blocks[block].columns);
            hasher.update(&blocks[block].codes[place * stride..][..stride]);
        }
    }
    hasher.finalize().to_hex()[..32].to_string()
}
