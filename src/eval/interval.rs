//! How sure a figure is: 95% intervals, each with the way it was computed.

use std::collections::BTreeMap;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::ranking::{QueryScore, RANKS};
use crate::data::seeded;

/// Resamples of the bootstrap.
const RESAMPLES: u64 = 1000;

/// A mean and its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    /// The figure.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The mean of independent values (splits, or runs of several seeds) and Student's t-interval of it:
    /// mean ± t(0.975, n - 1) s / √n. One value has no width.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        if values.is_empty() {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / n;
        if values.len() == 1 {
            return Self { mean, low: mean, high: mean };
        }
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let half = student(values.len() - 1) * (variance / n).sqrt();
        Self { mean, low: mean - half, high: mean + half }
    }

    /// Both ends and the mean times `factor`.
    pub fn scaled(self, factor: f64) -> Self {
        Self { mean: factor * self.mean, low: factor * self.low, high: factor * self.high }
    }

    /// Kept within 0..1, where shares live.
    fn clamped(self) -> Self {
        Self { low: self.low.max(0.0), high: self.high.min(1.0), ..self }
    }
}

/// The 0.975 quantile of Student's t with `freedom` degrees of freedom, to three digits.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    // Beyond the table the first terms of the expansion in 1 / freedom are exact to three digits.
    let (z, v) = (1.959_964_f64, freedom as f64);
    let beyond = z + (z.powi(3) + z) / (4.0 * v) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v);
    TABLE.get(freedom.wrapping_sub(1)).copied().unwrap_or(beyond)
}

/// Which way an interval was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Student's t over the means of several splits.
    Splits,
    /// The 2.5% and 97.5% points of 1,000 bootstrap resamples of the test identities and of the gallery draws, of one split.
    Bootstrap,
}

impl Method {
    /// In words, for a report.
    pub fn words(self) -> &'static str {
        match self {
            Self::Splits => "Student's t over the splits' means",
            Self::Bootstrap => "bootstrap over test identities and gallery draws",
        }
    }
}

/// CMC at [`RANKS`], mAP and mINP, in that order: what an interval is given for.
pub const METRICS: usize = RANKS.len() + 2;

/// The metrics of one query.
pub fn metrics(score: &QueryScore) -> [f64; METRICS] {
    let mut out = [score.average_precision, score.inverse_penalty, 0.0, 0.0, 0.0, 0.0];
    out.rotate_right(RANKS.len());
    for (value, rank) in out.iter_mut().zip(RANKS) {
        *value = f64::from(u8::from(score.first <= rank));
    }
    out
}

/// The mean of each metric over the draws and, in each, over the matched queries; with bootstrap intervals.
///
/// `scores[draw][query]`; `identity[query]`. Identities, not images, are resampled: two images of a person are not independent.
pub fn bootstrap(scores: &[Vec<Option<QueryScore>>], identity: &[i64], seed: u64) -> [Interval; METRICS] {
    // Sums a draw and an identity, so that a resample is one pass over them.
    let mut place = BTreeMap::new();
    for who in identity {
        let next = place.len();
        place.entry(*who).or_insert(next);
    }
    let (draws, people) = (scores.len(), place.len());
    let mut sums = vec![[0.0; METRICS + 1]; draws * people];
    for (draw, row) in scores.iter().enumerate() {
        for (score, who) in row.iter().zip(identity) {
            let Some(score) = score else { continue };
            let cell = &mut sums[draw * people + place[who]];
            for (sum, value) in cell.iter_mut().zip(metrics(score)) {
                *sum += value;
            }
            cell[METRICS] += 1.0;
        }
    }
    let figure = |draw_of: &dyn Fn(usize) -> usize, weight: &[f64]| -> [f64; METRICS] {
        let mut mean = [0.0; METRICS];
        for draw in 0..draws {
            let row = &sums[draw_of(draw) * people..][..people];
            let mut total = [0.0; METRICS + 1];
            for (cell, w) in row.iter().zip(weight) {
                total.iter_mut().zip(cell).for_each(|(t, c)| *t += w * c);
            }
            let n = total[METRICS].max(f64::MIN_POSITIVE);
            mean.iter_mut().zip(total).for_each(|(m, t)| *m += t / n / draws as f64);
        }
        mean
    };
    let mean = figure(&|draw| draw, &vec![1.0; people]);
    let resampled: Vec<[f64; METRICS]> = (0..RESAMPLES)
        .map(|number| {
            let mut rng = seeded::rng(seed, "bootstrap", &[number]);
            let mut weight = vec![0.0; people];
            (0..people).for_each(|_| weight[rng.random_range(0..people as u64) as usize] += 1.0);
            let drawn: Vec<usize> = (0..draws).map(|_| rng.random_range(0..draws as u64) as usize).collect();
            figure(&|draw| drawn[draw], &weight)
        })
        .collect();
    std::array::from_fn(|metric| {
        let mut values: Vec<f64> = resampled.iter().map(|r| r[metric]).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Interval { mean: mean[metric], low: at(0.025), high: at(0.975) }.clamped()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(first: usize) -> Option<QueryScore> {
        Some(QueryScore { first, average_precision: 1.0 / first as f64, inverse_penalty: 0.5 })
    }

    #[test]
    fn student_by_hand() {
        // Three values 1, 2, 3: s = 1, t(2) = 4.303, half = 4.303 / sqrt 3.
        let got = Interval::of(&[1.0, 2.0, 3.0]);
        assert_eq!(got.mean, 2.0);
        assert!((got.high - 2.0 - 4.303 / 3f64.sqrt()).abs() < 1e-9 && (got.high + got.low - 4.0).abs() < 1e-9);
        assert_eq!(Interval::of(&[5.0]), Interval { mean: 5.0, low: 5.0, high: 5.0 });
        // Published quantiles beyond the table: 2.021 at 40, 1.984 at 100.
        assert!((student(40) - 2.021).abs() < 1e-3 && (student(100) - 1.984).abs() < 1e-3);
    }

    #[test]
    fn the_bootstrap_covers_what_it_should() {
        // 100 people, rank 1 for 30 of them: a share of 0.30 whose 95% interval is about 0.30 ± 0.09.
        let identity: Vec<i64> = (0..100).collect();
        let scores = vec![(0..100).map(|i| score(if i < 30 { 1 } else { 7 })).collect::<Vec<_>>()];
        let got = bootstrap(&scores, &identity, 1);
        assert_eq!(got, bootstrap(&scores, &identity, 1));
        assert!((got[0].mean - 0.3).abs() < 1e-12, "{got:?}");
        assert!((got[0].low - 0.21).abs() < 0.03 && (got[0].high - 0.39).abs() < 0.03, "{got:?}");
        assert_eq!((got[2].mean, got[2].low, got[2].high), (1.0, 1.0, 1.0)); // rank-10
        assert!((got[4].mean - (0.3 + 0.7 / 7.0)).abs() < 1e-12 && (got[5].mean - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_person_is_one_case_however_many_images() {
        let many = |copies: usize| {
            let identity: Vec<i64> = (0..40).flat_map(|i| vec![i; copies]).collect();
            let scores = vec![identity.iter().map(|i| score(if *i < 20 { 1 } else { 7 })).collect::<Vec<_>>()];
            bootstrap(&scores, &identity, 3)[0]
        };
        let (one, ten) = (many(1), many(10));
        assert!((one.low - ten.low).abs() < 1e-12 && (one.high - ten.high).abs() < 1e-12);
        assert!((ten.mean - 0.5).abs() < 1e-12 && ten.high - ten.low > 0.2);
    }

    #[test]
    fn unmatched_queries_enter_nothing() {
        let got = bootstrap(&[vec![None, score(1)], vec![score(9), score(1)]], &[1, 2], 1);
        assert!((got[0].mean - 0.75).abs() < 1e-12); // draw one: 1 of 1; draw two: 1 of 2
    }
}
