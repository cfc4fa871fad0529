//! CMC, mAP and mINP from distances.
//!
//! Gallery images stand in the order of [`crate::gallery::order`], the same that search results have.

use std::collections::HashMap;

use rayon::prelude::*;

use super::distances::{self, Distances};
use crate::data::dataset::UNKNOWN;
use crate::error::{Error, Result};
use crate::gallery::order;

/// The ranks at which the CMC curve is read.
pub const RANKS: [usize; 4] = [1, 5, 10, 20];

/// Who and which camera, for every image of one side of a comparison. Both slices have one length.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// Identities; [`UNKNOWN`] marks junk in a gallery and an unusable query.
    pub identity: &'a [i64],
    /// Cameras; [`UNKNOWN`] where nobody said.
    pub camera: &'a [i64],
}

/// What becomes of a gallery image that shows the query's person from the query's own camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameCamera {
    /// It is left out (Market-1501's rule); images of unknown camera stay.
    LeaveOut,
    /// It counts like any other.
    Keep,
}

/// The figures of one query that has at least one positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryScore {
    /// Rank of the nearest image of the same person, from 1.
    pub first: usize,
    /// Average precision: the mean, over the positives, of the precision at each one's rank.
    pub average_precision: f64,
    /// Inverse negative penalty: positives divided by the rank of the last one.
    pub inverse_penalty: f64,
}

/// Figures over all queries, each a share 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Figures {
    /// Share of queries whose first positive is within rank 1, 5, 10, 20.
    pub cmc: [f64; RANKS.len()],
    /// Mean average precision.
    pub map: f64,
    /// Mean inverse negative penalty.
    pub minp: f64,
    /// Queries that entered the means.
    pub queries: usize,
    /// Queries with no positive in the gallery: they enter nothing.
    pub unmatched: usize,
}

/// Sums query scores into [`Figures`].
#[derive(Debug, Clone, Default)]
pub struct Tally {
    within: [usize; RANKS.len()],
    average_precision: f64,
    inverse_penalty: f64,
    queries: usize,
    unmatched: usize,
}

impl Tally {
    /// Counts one query; `None` is a query without a positive.
    pub fn add(&mut self, score: Option<QueryScore>) {
        let Some(score) = score else {
            self.unmatched += 1;
            return;
        };
        self.queries += 1;
        self.average_precision += score.average_precision;
        self.inverse_penalty += score.inverse_penalty;
        for (count, rank) in self.within.iter_mut().zip(RANKS) {
            *count += usize::from(score.first <= rank);
        }
    }

    /// The means; all 0 where no query had a positive.
    pub fn figures(&self) -> Figures {
        let n = self.queries.max(1) as f64;
        Figures {
            cmc: self.within.map(|count| count as f64 / n),
            map: self.average_precision / n,
            minp: self.inverse_penalty / n,
            queries: self.queries,
            unmatched: self.unmatched,
        }
    }
}

/// Where each identity stands in a gallery, so that a query looks at its own images alone, not at every label.
#[derive(Debug, Clone)]
pub struct Scorer<'a> {
    gallery: Labels<'a>,
    rule: SameCamera,
    places: HashMap<i64, Vec<u32>>,
}

/// The key of what is left out: behind every distance, a NaN included.
const LEFT_OUT: u32 = u32::MAX;
/// From so many positives on, sorting the gallery once is cheaper than a pass over it for each.
const SORT_FROM: usize = 128;

impl<'a> Scorer<'a> {
    /// Looks over the gallery's labels once.
    pub fn new(gallery: Labels<'a>, rule: SameCamera) -> Self {
        let mut places = HashMap::<i64, Vec<u32>>::new();
        for (place, &identity) in gallery.identity.iter().enumerate() {
            places.entry(identity).or_default().push(place as u32);
        }
        Self { gallery, rule, places }
    }

    /// Scores one query against the gallery; `None` where the gallery holds no positive (or the query is unknown).
    ///
    /// `distances` `[n]` belong to the gallery, in its order. Each positive is ranked by counting what stands in front
    /// of it: in front of place p are the smaller keys, and the equal ones of lower places. That needs no sort, and is a
    /// pass of compares that the processor makes many at a time.
    pub fn score(&self, distances: &[f32], identity: i64, camera: i64) -> Option<QueryScore> {
        if identity == UNKNOWN {
            return None;
        }
        let own = self.places.get(&identity)?;
        let mut keys: Vec<u32> = distances.iter().map(|d| short_key(*d)).collect();
        for &junk in self.places.get(&UNKNOWN).into_iter().flatten() {
            keys[junk as usize] = LEFT_OUT;
        }
        let mut positives = Vec::with_capacity(own.len());
        for &place in own {
            let same = camera != UNKNOWN && self.gallery.camera[place as usize] == camera;
            if same && self.rule == SameCamera::LeaveOut {
                keys[place as usize] = LEFT_OUT;
            } else {
                positives.push(place as usize);
            }
        }
        let mut ranks = if positives.len() < SORT_FROM { count(&keys, &positives) } else { sort(&keys, &positives) };
        ranks.sort_unstable();
        let (first, last) = (*ranks.first()?, *ranks.last()?);
        let precision: f64 = ranks.iter().enumerate().map(|(found, &rank)| (found + 1) as f64 / rank as f64).sum();
        Some(QueryScore {
            first,
            average_precision: precision / ranks.len() as f64,
            inverse_penalty: ranks.len() as f64 / last as f64,
        })
    }

    /// Scores every query: the distances come in tiles, so that never more than a tile of them is in memory.
    pub fn score_all(&self, query: Labels<'_>, distances: &dyn Distances) -> Vec<Option<QueryScore>> {
        let mut scores = Vec::with_capacity(query.identity.len());
        distances::in_tiles(distances, &mut |rows, tile| {
            let columns = distances.columns().max(1);
            scores.par_extend(
                tile.par_chunks_exact(columns)
                    .zip(rows.into_par_iter())
                    .map(|(row, q)| self.score(row, query.identity[q], query.camera[q])),
            );
        });
        scores
    }
}

/// The order of [`order::key`] without the place: an integer that grows with the distance, a NaN last but in front of
/// [`LEFT_OUT`].
fn short_key(distance: f32) -> u32 {
    ((order::key(distance, 0) >> 32) as u32).min(LEFT_OUT - 1)
}

/// Ranks of `positives` (places), from 1, by counting.
fn count(keys: &[u32], positives: &[usize]) -> Vec<usize> {
    let below = |keys: &[u32], limit: u32| keys.iter().map(|k| u32::from(*k < limit)).sum::<u32>() as usize;
    let rank = |&place: &usize| {
        let own = keys[place]; // below LEFT_OUT, so one more is no overflow
        1 + below(&keys[..place], own + 1) + below(&keys[place + 1..], own)
    };
    positives.iter().map(rank).collect()
}

/// Ranks of `positives` (places), from 1, by one sort.
fn sort(keys: &[u32], positives: &[usize]) -> Vec<usize> {
    let long = |place: usize| (u64::from(keys[place]) << 32) | place as u64;
    let mut all: Vec<u64> = (0..keys.len()).map(long).collect();
    all.sort_unstable();
    positives.iter().map(|&place| 1 + all.partition_point(|key| *key < long(place))).collect()
}

/// Scores one query against the gallery; `None` where the gallery holds no positive (or the query is unknown).
///
/// `distances` `[n]` belong to `gallery`, in its order. For many queries make one [`Scorer`].
pub fn score(
    distances: &[f32],
    identity: i64,
    camera: i64,
    gallery: Labels<'_>,
    rule: SameCamera,
) -> Option<QueryScore> {
    Scorer::new(gallery, rule).score(distances, identity, camera)
}

/// Scores every query; `distances(q)` gives the distances `[gallery]` of query `q`. Where they come from features,
/// [`rank`] is faster.
///
/// # Errors
/// Those of [`tally`].
pub fn score_all(
    query: Labels<'_>,
    gallery: Labels<'_>,
    rule: SameCamera,
    distances: impl Fn(usize) -> Vec<f32> + Sync,
) -> Result<Figures> {
    let scorer = Scorer::new(gallery, rule);
    let scores: Vec<Option<QueryScore>> = (0..query.identity.len())
        .into_par_iter()
        .map(|q| scorer.score(&distances(q), query.identity[q], query.camera[q]))
        .collect();
    tally(&scores, gallery.identity.len())
}

/// Figures of queries whose distances to the gallery come in tiles: what `rain eval`, `rain rank` and the trainer use.
///
/// # Errors
/// Those of [`tally`].
pub fn rank(query: Labels<'_>, gallery: Labels<'_>, rule: SameCamera, distances: &dyn Distances) -> Result<Figures> {
    tally(&Scorer::new(gallery, rule).score_all(query, distances), gallery.identity.len())
}

/// Sums scores in their order, so that the sums are the same every time.
///
/// # Errors
/// [`Error::Input`] where no query has a positive in the gallery: figures of nothing would read like a result.
pub fn tally(scores: &[Option<QueryScore>], gallery: usize) -> Result<Figures> {
    let mut tally = Tally::default();
    scores.iter().for_each(|score| tally.add(*score));
    let figures = tally.figures();
    if figures.queries == 0 {
        return Err(Error::input(
            format!(
                "None of the {} queries shows a person whom the gallery of {gallery} images shows too (from another camera)",
                scores.len(),
            ),
            "Check that both come from one data set, and that their identities and cameras are known",
        ));
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text-book way: sort, walk, divide.
    fn naive(
        distances: &[f32],
        identity: i64,
        camera: i64,
        gallery: Labels<'_>,
        rule: SameCamera,
    ) -> Option<QueryScore> {
        let mut order: Vec<usize> = (0..distances.len())
            .filter(|&i| gallery.identity[i] != UNKNOWN)
            .filter(|&i| {
                rule == SameCamera::Keep
                    || camera == UNKNOWN
                    || gallery.identity[i] != identity
                    || gallery.camera[i] != camera
            })
            .collect();
        order.sort_by(|&a, &b| distances[a].partial_cmp(&distances[b]).unwrap().then(a.cmp(&b)));
        let hits: Vec<bool> = order.iter().map(|&i| gallery.identity[i] == identity).collect();
        let total = hits.iter().filter(|hit| **hit).count();
        if total == 0 || identity == UNKNOWN {
            return None;
        }
        let (mut found, mut sum, mut first, mut last) = (0, 0.0, 0, 0);
        for (position, hit) in hits.iter().enumerate() {
            if *hit {
                found += 1;
                sum += found as f64 / (position + 1) as f64;
                first = if found == 1 { position + 1 } else { first };
                last = position + 1;
            }
        }
        Some(QueryScore { first, average_precision: sum / total as f64, inverse_penalty: total as f64 / last as f64 })
    }

    proptest! {
        #[test]
        fn counting_agrees_with_sorting(
            gallery in prop::collection::vec((0u8..6, -1i64..4, -1i64..3), 0..60),
            identity in -1i64..4,
            camera in -1i64..3,
            leave_out in any::<bool>(),
        ) {
            // Few distinct distances, so that ties are the rule; signs and both zeros take part.
            let levels = [-1.5f32, -0.0, 0.0, 0.25, 0.25, 1e30];
            let distances: Vec<f32> = gallery.iter().map(|g| levels[g.0 as usize]).collect();
            let identities: Vec<i64> = gallery.iter().map(|g| g.1).collect();
            let cameras: Vec<i64> = gallery.iter().map(|g| g.2).collect();
            let labels = Labels { identity: &identities, camera: &cameras };
            let rule = if leave_out { SameCamera::LeaveOut } else { SameCamera::Keep };
            prop_assert_eq!(
                score(&distances, identity, camera, labels, rule),
                naive(&distances, identity, camera, labels, rule)
            );
        }
    }

    #[test]
    fn sorting_and_counting_agree() {
        // More positives than are counted one by one, ties everywhere.
        let identity: Vec<i64> = (0..600).map(|i| [7, 7, 8, UNKNOWN][i % 4]).collect();
        let distances: Vec<f32> = (0..600).map(|i| ((i * 37) % 11) as f32).collect();
        let labels = Labels { identity: &identity, camera: &[3; 600] };
        let got = score(&distances, 7, 4, labels, SameCamera::LeaveOut);
        assert!(identity.iter().filter(|&&i| i == 7).count() > SORT_FROM);
        assert_eq!(got, naive(&distances, 7, 4, labels, SameCamera::LeaveOut));
    }

    #[test]
    fn by_hand() {
        // Order: 1 (other), 2 (same), 0 (same, own camera: left out), 4 (junk: left out), 3 (other), 5 (same).
        let distances = [0.3, 0.1, 0.2, 0.5, 0.4, 0.6];
        let identity = [7, 8, 7, 9, UNKNOWN, 7];
        let camera = [1, 1, 2, 2, 2, 3];
        let labels = Labels { identity: &identity, camera: &camera };
        let got = score(&distances, 7, 1, labels, SameCamera::LeaveOut).unwrap();
        assert_eq!(got.first, 2);
        assert_eq!(got.average_precision, (1.0 / 2.0 + 2.0 / 4.0) / 2.0);
        assert_eq!(got.inverse_penalty, 2.0 / 4.0);
        let kept = score(&distances, 7, 1, labels, SameCamera::Keep).unwrap();
        assert_eq!(kept.average_precision, (1.0 / 2.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0);
    }

    #[test]
    fn a_tie_goes_to_the_lower_index() {
        let labels = Labels { identity: &[1, 2], camera: &[UNKNOWN; 2] };
        assert_eq!(score(&[0.5, 0.5], 1, 0, labels, SameCamera::LeaveOut).unwrap().first, 1);
        assert_eq!(score(&[0.5, 0.5], 2, 0, labels, SameCamera::LeaveOut).unwrap().first, 2);
    }

    #[test]
    fn nan_ranks_last() {
        let labels = Labels { identity: &[1, 2, 3], camera: &[UNKNOWN; 3] };
        for nan in [f32::NAN, -f32::NAN] {
            assert_eq!(score(&[nan, f32::INFINITY, 0.0], 1, 0, labels, SameCamera::Keep).unwrap().first, 3);
        }
    }

    #[test]
    fn figures_over_queries() {
        let gallery_identity: Vec<i64> = (0..30).collect();
        let gallery = Labels { identity: &gallery_identity, camera: &[UNKNOWN; 30] };
        // Query q is the person at rank 1, 5, 6 and 21 of a gallery in index order; a fifth is not in it.
        let identity = [0, 4, 5, 20, 99];
        let query = Labels { identity: &identity, camera: &[UNKNOWN; 5] };
        let index: Vec<f32> = (0..30).map(|i| i as f32).collect();
        let got = score_all(query, gallery, SameCamera::Keep, |_| index.clone()).unwrap();
        assert_eq!(got.cmc, [0.25, 0.5, 0.75, 0.75]);
        assert_eq!(got.map, (1.0 + 1.0 / 5.0 + 1.0 / 6.0 + 1.0 / 21.0) / 4.0);
        assert_eq!(got.minp, got.map);
        assert_eq!((got.queries, got.unmatched), (4, 1));
    }

    #[test]
    fn nothing_to_rank_is_an_error() {
        let labels = Labels { identity: &[1], camera: &[1] };
        let error = score_all(labels, labels, SameCamera::LeaveOut, |_| vec![0.0]).unwrap_err();
        assert!(error.to_string().contains("gallery of 1 images"), "{error}");
    }
}
