//! What a distance means, measured on a set whose identities are known.
//!
//! A ranking always has a first candidate, also when the person is not in the gallery. How far such a *stranger* is away
//! depends on the model, on the resolution of the query and on the size of the gallery (among more people somebody comes
//! nearer); so a calibration holds, for each measure and each down-sampling rate of the queries,
//! - how far the nearest image of the query's own person is, and
//! - how far the nearest image of anybody else is, in galleries of several sizes,
//!
//! each as 21 quantiles. From them a [`Reading`] says how common a query's best distance is in either case. These are shares
//! of the queries of that set, and no probabilities: how many of an analyst's queries are in the gallery nobody knows.

use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::Device;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::distances::{Pairwise, in_tiles};
use super::protocol::Side;
use crate::data::dataset::{Broken, Photo, UNKNOWN};
use crate::data::{image_io, seeded};
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::gallery::embed::embed;
use crate::model::rain::Rain;

/// The first key of the file; the number grows where older programs could misread it.
pub const KIND: &str = "rain calibration 1";
/// Quantiles kept of a distribution: 0, 5, …, 100 percent.
const QUANTILES: usize = 21;
/// The smallest gallery that strangers are looked for in.
const LEAST_GALLERY: usize = 25;
/// At most this share of the queries whose person is in the gallery may be warned of: who is warned wrongly, too often, stops
/// reading warnings.
const FALSE_ALARMS: f64 = 0.10;
/// Below this margin between warned strangers and warned present persons, a best distance tells nothing.
const LEAST_MARGIN: f64 = 0.25;

/// A calibration, as its file holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Always [`KIND`].
    pub kind: String,
    /// First 12 hex digits of the model file's BLAKE3 hash: it holds for this model alone.
    pub model: String,
    /// The labelled set it was made on.
    pub set: Set,
    /// One a measure and rate.
    pub bands: Vec<Band>,
}

/// The labelled set of a calibration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// The name of its folder.
    pub name: String,
    /// Hash of the split, which names the identities.
    pub split: String,
    /// People who were searched for.
    pub identities: usize,
    /// Queries, at each rate.
    pub queries: usize,
    /// Gallery images.
    pub gallery: usize,
}

/// What distances mean for queries of one resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// How embeddings are compared.
    pub measure: Measure,
    /// Down-sampling rate of the queries.
    pub rate: f64,
    /// Pixels of a query's height that carry something, after the down-sampling.
    pub height: f64,
    /// Quantiles of the distance to the nearest image of the own person.
    pub same: Vec<f32>,
    /// Strangers, in galleries of several sizes, the smallest first.
    pub strangers: Vec<Strangers>,
}

/// The nearest image of anybody else, in galleries of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strangers {
    /// Images in the gallery.
    pub gallery: usize,
    /// Quantiles of the distance to the nearest image of another person.
    pub best: Vec<f32>,
    /// Beyond this best distance a query is warned of. At most a tenth of those whose person is there are.
    pub threshold: f32,
    /// Share of the queries whose person is not in the gallery that are warned of.
    pub caught: f64,
    /// Share of the queries whose person is in it that are warned of all the same.
    pub false_alarms: f64,
}

/// What a calibration says of a query's best distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The set it was made on.
    pub set: Set,
    /// Rate of the band that is nearest to the query's resolution.
    pub rate: f64,
    /// That band's height in pixels.
    pub height: f64,
    /// Distances to the nearest image of the own person: 21 quantiles.
    pub same: Vec<f32>,
    /// The strangers of the gallery size that is nearest.
    pub strangers: Strangers,
    /// Share of that set's queries whose own person was as far as this or farther.
    pub same_as_far: f64,
    /// Share of that set's queries that found a stranger as near as this or nearer.
    pub stranger_as_near: f64,
    /// What to make of it.
    pub verdict: Verdict,
    /// The gallery is larger than any that was measured: strangers come nearer than said.
    pub larger_gallery: bool,
}

/// What to make of a best distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is typical of different people: the person is probably not in this gallery.
    Typical,
    /// It is nearer than most strangers.
    Near,
    /// At this resolution best distances of the two cases hardly differ: nothing follows from it.
    Blind,
}

/// The file of a model's calibration: `demo.safetensors` has `demo.calibration.json` beside it.
pub fn beside(model: &Path) -> PathBuf {
    model.with_extension("calibration.json")
}

impl Calibration {
    /// Reads a calibration that was made for the model of this hash.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is no calibration or one of another model.
    pub fn read(path: &Path, model: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let bad = |problem: String| Error::file(path, problem, "Make it again with `rain calibrate`");
        let calibration: Self =
            serde_json::from_str(&text).map_err(|e| bad(format!("this is not a calibration ({e})")))?;
        if calibration.kind != KIND {
            return Err(bad(format!("this calibration is of the kind '{}', expected '{KIND}'", calibration.kind)));
        }
        let full = |quantiles: &[f32]| {
            quantiles.len() == QUANTILES && quantiles.is_sorted() && quantiles.iter().all(|q| q.is_finite())
        };
        let whole = |band: &Band| {
            let strangers = &band.strangers;
            let numbers =
                band.height.is_finite() && band.height > 0.0 && strangers.iter().all(|s| s.threshold.is_finite());
            full(&band.same) && !strangers.is_empty() && strangers.iter().all(|s| full(&s.best)) && numbers
        };
        if !calibration.bands.iter().all(whole) {
            return Err(bad("its quantiles are incomplete".into()));
        }
        if calibration.model != model {
            return Err(bad(format!("it was made for the model {}, not for {model}", calibration.model)));
        }
        Ok(calibration)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::file(path, format!("could not be written ({e})"), "Choose another data set"))?;
        // A number a line would make 2,000 lines of it.
        let text = text.lines().fold(String::new(), |mut all, line| {
            let trimmed = line.trim();
            let number = trimmed.trim_end_matches(',').parse::<f64>().is_ok();
            if number || (trimmed.starts_with(']') && all.ends_with(|c: char| c.is_ascii_digit())) {
                all.push_str(trimmed);
            } else {
                if !all.is_empty() {
                    all.push('\n');
                }
                all.push_str(line);
            }
            all
        });
        crate::fs::write_atomic(path, |file| writeln!(file, "{text}"))
    }

    /// What it says of a query `height` pixels high whose nearest of `gallery` images is at the distance `best`; `None` where
    /// the measure was not calibrated.
    pub fn reading(&self, measure: Measure, height: f64, gallery: usize, best: f32) -> Option<Reading> {
        let apart = |a: f64, b: f64| (a.max(1e-9) / b.max(1e-9)).ln().abs();
        let bands = self.bands.iter().filter(|band| band.measure == measure);
        let band = bands.min_by(|a, b| apart(a.height, height).total_cmp(&apart(b.height, height)))?;
        let size = gallery as f64;
        let sized = |s: &&Strangers| apart(s.gallery as f64, size);
        let strangers = band.strangers.iter().min_by(|a, b| sized(a).total_cmp(&sized(b)))?;
        let verdict = if strangers.caught - strangers.false_alarms < LEAST_MARGIN {
            Verdict::Blind
        } else if best > strangers.threshold {
            Verdict::Typical
        } else {
            Verdict::Near
        };
        Some(Reading {
            set: self.set.clone(),
            rate: band.rate,
            height: band.height,
            same_as_far: 1.0 - share_below(&band.same, best),
            stranger_as_near: share_below(&strangers.best, best),
            same: band.same.clone(),
            strangers: strangers.clone(),
            verdict,
            larger_gallery: gallery > band.strangers.iter().map(|s| s.gallery).max()?,
        })
    }
}

/// What was calibrated on, and files that were skipped.
pub struct Calibrated {
    /// One a measure and rate.
    pub bands: Vec<Band>,
    /// Queries that could be read.
    pub queries: usize,
    /// Gallery images that could be read.
    pub gallery: usize,
    /// Skipped files, with the reason.
    pub broken: Vec<Broken>,
}

/// Measures `query`, degraded by each of `rates`, against the sharp `gallery`, by both measures. Images of a query's own
/// person by its own camera do not count; galleries of fewer images are drawn by `seed`.
///
/// # Errors
/// [`Error::Input`] where no query has its person in the gallery, or nobody else is in it; [`Error::Cancelled`].
pub fn calibrate(
    model: &Rain,
    query: &[Photo],
    gallery: &[Photo],
    rates: &[f64],
    seed: u64,
    device: &Device,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Calibrated> {
    let total = (gallery.len() + query.len() * rates.len()) as u64;
    let mut before = 0;
    let mut side = |photos: &[Photo], rate: f64| -> Result<(Side, Vec<usize>)> {
        let paths: Vec<PathBuf> = photos.iter().map(|photo| photo.path.clone()).collect();
        let embedded = embed(model, &paths, rate, device, &mut |done, _| on(before + done, total))?;
        before += photos.len() as u64;
        let kept = embedded.kept.clone();
        Ok((Side::new(photos, embedded), kept))
    };
    let (sharp, _) = side(gallery, 1.0)?;
    let order = drawn(sharp.identity.len(), seed);
    let (mut bands, mut broken, mut queries, mut native) = (Vec::new(), sharp.broken.clone(), 0, 0.0);
    for (number, &rate) in rates.iter().enumerate() {
        let (side, kept) = side(query, rate)?;
        if number == 0 {
            broken.extend(side.broken.iter().cloned());
            queries = side.identity.len();
            native = median_height(kept.iter().map(|&i| query[i].path.as_path()), model.config().height);
        }
        for measure in [Measure::Cosine, Measure::Euclidean] {
            let (same, strangers) = nearest(&side, &sharp, measure, &order);
            bands.push(Band {
                measure,
                rate,
                height: native / rate.max(1.0),
                strangers: strangers.iter().filter_map(|(size, best)| Strangers::of(*size, best, &same)).collect(),
                same: quantiles(same.iter().flatten().copied()),
            });
        }
    }
    if bands.iter().any(|band| band.same.is_empty() || band.strangers.is_empty()) {
        return Err(Error::input(
            "No query has an image of its own person, by another camera, and one of somebody else in the gallery",
            "Choose a labelled set with at least two images of each person",
        ));
    }
    Ok(Calibrated { bands, queries, gallery: sharp.identity.len(), broken })
}

/// A gallery's images in the order in which smaller galleries are cut from it.
fn drawn(images: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images).collect();
    order.shuffle(&mut seeded::rng(seed, "calibration", &[]));
    order
}

/// The height of the images as a network of input height `input` sees it: the median, in pixels.
fn median_height<'a>(paths: impl Iterator<Item = &'a Path>, input: usize) -> f64 {
    let mut heights: Vec<u32> = paths.filter_map(|path| image_io::check(path).ok()).map(|(_, height)| height).collect();
    heights.sort_unstable();
    heights.get(heights.len() / 2).map_or(input as f64, |&median| f64::from(median).min(input as f64))
}

/// Of each query the distance to the nearest image of its own person (`None` where there is none), and, for each size of
/// gallery, to the nearest of anybody else. A query meets another part of the whole gallery than the next, so that no part
/// decides alone.
#[expect(clippy::type_complexity, reason = "two lists of one distance a query")]
fn nearest(
    query: &Side,
    gallery: &Side,
    measure: Measure,
    order: &[usize],
) -> (Vec<Option<f32>>, Vec<(usize, Vec<Option<f32>>)>) {
    let n = order.len();
    let mut sizes = vec![n];
    while sizes.last().is_some_and(|size| size / 2 >= LEAST_GALLERY) {
        sizes.extend(sizes.last().map(|size| size / 2));
    }
    sizes.reverse();
    let mut same = Vec::with_capacity(query.identity.len());
    let mut strangers: Vec<(usize, Vec<Option<f32>>)> = sizes.iter().map(|&size| (size, Vec::new())).collect();
    in_tiles(&Pairwise::new(&query.matrix, &gallery.matrix, measure), &mut |rows, tile| {
        for (q, distances) in rows.zip(tile.chunks_exact(n.max(1))) {
            let (who, camera) = (query.identity[q], query.camera[q]);
            let least = |counts: &dyn Fn(usize) -> bool, among: &[usize]| {
                let these = among.iter().filter(|&&i| counts(i)).map(|&i| distances[i]);
                these.filter(|d| d.is_finite()).min_by(f32::total_cmp)
            };
            let elsewhere = |i: usize| camera == UNKNOWN || gallery.camera[i] != camera;
            let own = |i: usize| who != UNKNOWN && gallery.identity[i] == who && elsewhere(i);
            // Nobody knows who an unlabelled image shows.
            let other = |i: usize| gallery.identity[i] != who && gallery.identity[i] != UNKNOWN;
            same.push(least(&own, order));
            for (size, best) in &mut strangers {
                let part = (q % (n / *size).max(1)) * *size;
                best.push(if who == UNKNOWN { None } else { least(&other, &order[part..part + *size]) });
            }
        }
    });
    (same, strangers)
}

impl Strangers {
    /// From the distances of each query to the nearest stranger and to the nearest image of its own person.
    fn of(gallery: usize, best: &[Option<f32>], same: &[Option<f32>]) -> Option<Self> {
        let absent: Vec<f32> = best.iter().flatten().copied().collect();
        // What an analyst sees where the person is there: the nearest of all.
        let present: Vec<f32> =
            same.iter().zip(best).filter_map(|(s, b)| Some(s.as_ref()?.min(*b.as_ref()?))).collect();
        if absent.is_empty() || present.is_empty() {
            return None;
        }
        let (threshold, caught, false_alarms) = separation(&absent, &present);
        Some(Self { gallery, best: quantiles(absent.into_iter()), threshold, caught, false_alarms })
    }
}

/// The least threshold beyond which at most [`FALSE_ALARMS`] of `present` lie, so that as many of `absent` as can be are
/// beyond it, and the shares of `absent` and of `present` that are.
fn separation(absent: &[f32], present: &[f32]) -> (f32, f64, f64) {
    let sorted = |distances: &[f32]| {
        let mut sorted = distances.to_vec();
        sorted.sort_by(f32::total_cmp);
        sorted
    };
    let (absent, present) = (sorted(absent), sorted(present));
    let beyond = |all: &[f32], threshold: f32| {
        (all.len() - all.partition_point(|d| *d <= threshold)) as f64 / all.len().max(1) as f64
    };
    let allowed = (present.len() as f64 * FALSE_ALARMS) as usize;
    // Equal distances are on one side of it.
    let at = present.len().saturating_sub(1 + allowed);
    let kept = present.get(at).copied().unwrap_or(f32::MAX);
    let next = |all: &[f32]| all.get(all.partition_point(|d| *d <= kept)).copied().unwrap_or(f32::MAX);
    let next = next(&absent).min(next(&present));
    let threshold = if next < f32::MAX { f32::midpoint(kept, next) } else { kept };
    (threshold, beyond(&absent, threshold), beyond(&present, threshold))
}

/// [`QUANTILES`] quantiles with four digits; nothing of nothing.
fn quantiles(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return Vec::new() };
    let at = |k: usize| {
        let place = k as f64 / (QUANTILES - 1) as f64 * last as f64;
        let (low, part) = (place.floor() as usize, place.fract() as f32);
        let value = values[low] + part * (values[(low + 1).min(last)] - values[low]);
        format!("{value:.4}").parse().unwrap_or(value)
    };
    (0..QUANTILES).map(at).collect()
}

/// The share of a distribution below `x`, between its quantiles by straight lines.
fn share_below(quantiles: &[f32], x: f32) -> f64 {
    let steps = quantiles.len().saturating_sub(1).max(1) as f64;
    let above = quantiles.partition_point(|q| *q < x);
    if above == 0 {
        return 0.0;
    }
    let Some(&high) = quantiles.get(above) else { return 1.0 };
    let low = quantiles[above - 1];
    ((above - 1) as f64 + f64::from((x - low) / (high - low))) / steps
}

#[cfg(test)]
#[path = "calibration/tests.rs"]
mod tests;
