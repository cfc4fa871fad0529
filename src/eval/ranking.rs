//! CMC, mAP and mINP from distances.
//!
//! Gallery images stand in the order of [`crate::gallery::order`], the same that search results have.

use crate::data::dataset::UNKNOWN;
use crate::error::{Error, Result};
use crate::gallery::order::ranks;

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

/// Scores one query against the gallery; `None` where the gallery holds no positive (or the query is unknown).
///
/// `distances` `[n]` belong to `gallery`, in its order.
pub fn score(
    distances: &[f32],
    identity: i64,
    camera: i64,
    gallery: Labels<'_>,
    rule: SameCamera,
) -> Option<QueryScore> {
    if identity == UNKNOWN {
        return None;
    }
    let left_out = |i: usize| {
        let own = gallery.identity[i] == identity && gallery.camera[i] == camera && camera != UNKNOWN;
        gallery.identity[i] == UNKNOWN || (own && rule == SameCamera::LeaveOut)
    };
    let candidates: Vec<usize> = (0..distances.len()).filter(|&i| !left_out(i)).collect();
    let positives: Vec<usize> = candidates.iter().copied().filter(|&i| gallery.identity[i] == identity).collect();
    let ranks = ranks(distances, &candidates, &positives);
    let (first, last) = (*ranks.first()?, *ranks.last()?);
    let precision: f64 = ranks.iter().enumerate().map(|(found, &rank)| (found + 1) as f64 / rank as f64).sum();
    Some(QueryScore {
        first,
        average_precision: precision / ranks.len() as f64,
        inverse_penalty: ranks.len() as f64 / last as f64,
    })
}

/// Scores every query; `distances(q)` gives the distances `[gallery]` of query `q`.
///
/// Fails where no query has a positive in the gallery: figures of nothing would read like a result.
pub fn score_all(
    query: Labels<'_>,
    gallery: Labels<'_>,
    rule: SameCamera,
    distances: impl Fn(usize) -> Vec<f32> + Sync,
) -> Result<Figures> {
    use rayon::prelude::*;
    let scores: Vec<Option<QueryScore>> = (0..query.identity.len())
        .into_par_iter()
        .map(|q| score(&distances(q), query.identity[q], query.camera[q], gallery, rule))
        .collect();
    let mut tally = Tally::default();
    scores.into_iter().for_each(|score| tally.add(score)); // in order, so that the sums are the same every time
    let figures = tally.figures();
    if figures.queries == 0 {
        return Err(Error::input(
            format!(
                "None of the {} queries shows a person whom the gallery of {} images shows too (from another camera)",
                query.identity.len(),
                gallery.identity.len()
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
