//! How sure a ranking is: where its distances stand, what a calibration says of the best, and how the ranking changes when
//! the query loses more of its detail.

use std::sync::Arc;

use candle_core::Device;
use image::RgbImage;

use super::command::{Measure, QueryId};
use super::desk::Desk;
use crate::data::resolution::{degrade, reduced};
use crate::error::Result;
use crate::eval::calibration::{Calibration, Reading, beside};
use crate::flow::Flow;
use crate::gallery::order::key;
use crate::gallery::search::nearest;

/// Further down-sampling of a query in a sweep; the first is the query as it is.
pub const RATES: [f64; 7] = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0];
/// Candidates whose rank is followed through a sweep, and of which the first ten are compared.
pub const FOLLOWED: usize = 50;
/// Bars of a histogram.
const BARS: usize = 40;

/// Where the distances of a query's plain ranking stand.
#[derive(Debug, Clone)]
pub struct Certainty {
    /// Which query.
    pub query: QueryId,
    /// How it was compared.
    pub measure: Measure,
    /// The distances to all gallery images.
    pub histogram: Histogram,
    /// The smallest of them.
    pub best: f32,
    /// What a calibration says of it.
    pub standing: Standing,
}

/// What is known of a best distance.
#[derive(Debug, Clone)]
pub enum Standing {
    /// What the model's calibration says.
    Calibrated(Box<Reading>),
    /// There is none that fits; why, and what to do about it.
    Unknown(String),
}

/// Counts of distances in bars of one width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Where the first bar begins.
    pub low: f32,
    /// Where the last bar ends.
    pub high: f32,
    /// Gallery images in each bar.
    pub counts: Vec<u32>,
}

/// How a query's ranking changes when the query is down-sampled further.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Which query.
    pub query: QueryId,
    /// How it was compared.
    pub measure: Measure,
    /// One a rate of [`RATES`], the query as it is first.
    pub steps: Vec<Step>,
}

/// The ranking at one rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Further down-sampling; 1 is the query as it is.
    pub rate: f64,
    /// Pixels that are left, width and height.
    pub pixels: [usize; 2],
    /// Whether the first candidate is the same as that of the query as it is.
    pub same_first: bool,
    /// Images that are among the first ten here and were among them before.
    pub kept: usize,
    /// The rank here of each of the first [`FOLLOWED`] candidates of the query as it is.
    pub ranks: Vec<usize>,
}

impl Histogram {
    /// Of finite numbers; `None` where there is none.
    pub fn of(distances: &[f32]) -> Option<Self> {
        let finite = || distances.iter().copied().filter(|d| d.is_finite());
        let (low, high) = (finite().min_by(f32::total_cmp)?, finite().max_by(f32::total_cmp)?);
        let width = ((high - low) / BARS as f32).max(f32::MIN_POSITIVE);
        let mut counts = vec![0; BARS];
        finite().for_each(|d| counts[(((d - low) / width) as usize).min(BARS - 1)] += 1);
        Some(Self { low, high, counts })
    }
}

impl Desk {
    /// Where a query's distances stand.
    ///
    /// # Errors
    /// Those of a search.
    pub fn certainty(&self, id: QueryId, measure: Measure) -> Result<Certainty> {
        let query = self.query(id)?;
        let distances = self.distances(query.embedding(), measure)?;
        let histogram = Histogram::of(&distances).unwrap_or(Histogram { low: 0.0, high: 1.0, counts: vec![0; BARS] });
        let best = histogram.low;
        let info = &self.model()?.info;
        let path = beside(&info.path);
        let standing = if path.is_file() {
            let height = f64::from(query.info.image.height()).min(info.config.height as f64);
            match Calibration::read(&path, &info.hash) {
                Ok(calibration) => match calibration.reading(measure, height, distances.len(), best) {
                    Some(reading) => Standing::Calibrated(Box::new(reading)),
                    None => Standing::Unknown("This measure was not calibrated".into()),
                },
                Err(error) => Standing::Unknown(error.to_string()),
            }
        } else {
            let made = "`rain calibrate` makes one on a set of labelled people";
            Standing::Unknown(format!("This model has no calibration, so nobody knows what its distances mean. {made}"))
        };
        Ok(Certainty { query: id, measure, histogram, best, standing })
    }

    /// How a query's ranking changes when it is down-sampled further.
    ///
    /// # Errors
    /// Those of a search.
    pub fn sweep(&self, id: QueryId, measure: Measure, device: &Device) -> Result<Sweep> {
        let image = self.query(id)?.info.image.clone();
        let images: Vec<Arc<RgbImage>> = RATES.iter().map(|&rate| Arc::new(degrade(&image, rate))).collect();
        let embeddings = self.model()?.embed_images(&images, device, &mut |_, _| Flow::Continue)?;
        let (height, width) = (image.height() as usize, image.width() as usize);
        let (mut followed, mut steps) = (Vec::new(), Vec::with_capacity(RATES.len()));
        for (rate, embedding) in RATES.into_iter().zip(embeddings) {
            let distances = self.distances(&embedding, measure)?;
            let first: Vec<usize> = nearest(&distances, FOLLOWED).into_iter().map(|hit| hit.entry).collect();
            if steps.is_empty() {
                followed = first.clone();
            }
            steps.push(step(rate, [reduced(width, rate), reduced(height, rate)], &followed, &first, &distances));
        }
        Ok(Sweep { query: id, measure, steps })
    }
}

fn step(rate: f64, pixels: [usize; 2], followed: &[usize], first: &[usize], distances: &[f32]) -> Step {
    let ten = |list: &[usize]| list[..list.len().min(10)].to_vec();
    let before = ten(followed);
    Step {
        rate,
        pixels,
        same_first: followed.first() == first.first(),
        kept: ten(first).iter().filter(|entry| before.contains(entry)).count(),
        ranks: ranks(distances, followed),
    }
}

/// The rank, from 1, of each of `entries`, by the order of a search: one pass over the gallery.
fn ranks(distances: &[f32], entries: &[usize]) -> Vec<usize> {
    let keys: Vec<u64> = entries.iter().map(|&i| key(distances[i], i)).collect();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    // in_front[j]: images that stand behind j - 1 of the entries and in front of the j-th.
    let mut in_front = vec![0; sorted.len() + 1];
    for (i, &distance) in distances.iter().enumerate() {
        in_front[sorted.partition_point(|k| *k <= key(distance, i))] += 1;
    }
    let upto: Vec<usize> = in_front
        .iter()
        .scan(0, |sum, n| {
            *sum += n;
            Some(*sum)
        })
        .collect();
    // Of itself an image stands behind, so what is in front of the first of the entries is all of slot 0.
    keys.iter().map(|k| upto[sorted.partition_point(|other| other < k)] + 1).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_histogram_counts_everything_once() {
        let distances: Vec<f32> = (0..1000).map(|i| 0.2 + (i as f32 * 0.618_034).fract()).chain([f32::NAN]).collect();
        let histogram = Histogram::of(&distances).unwrap();
        assert_eq!(histogram.counts.iter().sum::<u32>(), 1000);
        assert!(histogram.counts.iter().all(|n| (20..=30).contains(n)), "{:?}", histogram.counts);
        assert_eq!(Histogram::of(&[0.5, 0.5]).unwrap().counts[0], 2);
        assert_eq!(Histogram::of(&[f32::NAN]), None);
    }

    proptest! {
        #[test]
        fn ranks_are_places_in_the_search(levels in prop::collection::vec(0u8..6, 1..60), pick in prop::collection::vec(0usize..60, 0..8)) {
            let distances: Vec<f32> = levels.iter().map(|&l| f32::from(l) / 4.0).collect();
            let entries: Vec<usize> = pick.into_iter().map(|i| i % distances.len()).collect();
            let all: Vec<usize> = nearest(&distances, usize::MAX).into_iter().map(|hit| hit.entry).collect();
            let expected: Vec<usize> =
                entries.iter().map(|e| all.iter().position(|other| other == e).map_or(0, |at| at + 1)).collect();
            prop_assert_eq!(ranks(&distances, &entries), expected);
        }
    }
}
