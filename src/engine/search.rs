//! Searching: the query's embedding (or the mean with what was confirmed), the distances, the filter, the order.

use std::sync::Arc;

use super::command::{Measure, QueryId};
use super::desk::{Desk, Gallery};
use super::event::{Candidate, SearchResult};
use super::refine::Refine;
use crate::data::dataset::UNKNOWN;
use crate::error::{Error, Result};
use crate::eval::distances::Distances;
use crate::eval::rerank::{Reranked, Settings};
use crate::gallery::distance::dot;
use crate::gallery::filter::nearest_admitted;
use crate::gallery::matrix::Matrix;
use crate::gallery::search::Hit;

/// Images that are ranked again at the most, the nearest ones: it compares all of them with each other.
pub const RERANKED: usize = 1000;
/// Up to so many candidates a gallery on disk is asked for the nearest; beyond it, all are compared.
const FEW: usize = 1000;

impl Desk {
    /// Ranks the gallery images that `refine` admits against a query, and lists the `top` nearest.
    ///
    /// # Errors
    /// Where there is no such query, or no gallery.
    pub fn search_refined(
        &self,
        id: QueryId,
        top: usize,
        measure: Measure,
        refine: &Arc<Refine>,
    ) -> Result<SearchResult> {
        let query = self.query(id)?;
        let gallery =
            self.gallery.as_ref().ok_or_else(|| Error::input("No gallery is open", "Open a gallery first"))?;
        let entries = &gallery.info.entries;
        let embedding = gallery.expanded(query.embedding(), &refine.confirmed, measure);
        let admits = |at: usize, distance: f32| {
            let entry = &entries[at];
            refine.filter.admits(entry.facts(), distance) && refine.only.iter().all(|only| only.admits(id, entry))
        };
        let all = || nearest_admitted(&gallery.index.distances(&embedding, measure), usize::MAX, admits);
        // A gallery on disk has a faster way to a few of the nearest than comparing all; not to how many pass a distance.
        let few = gallery.index.disk().is_some() && top <= FEW && !refine.rerank && refine.filter.distance.is_none();
        let (mut hits, admitted) = if few {
            let open = refine.filter.is_open() && refine.only.is_empty();
            let chosen: Option<Vec<bool>> = (!open).then(|| (0..entries.len()).map(|at| admits(at, 0.0)).collect());
            let admitted = chosen.as_ref().map_or(entries.len(), |chosen| chosen.iter().filter(|keep| **keep).count());
            (gallery.index.nearest(&embedding, measure, top, self.approximate, chosen.as_deref())?, admitted)
        } else {
            all()
        };
        let reranked = if refine.rerank { gallery.rerank(&embedding, &mut hits, measure)? } else { Vec::new() };
        let identity = query.info.identity;
        let same = |hit: &Hit| {
            let theirs = entries[hit.entry].identity;
            (identity != UNKNOWN && theirs != UNKNOWN).then_some(identity == theirs)
        };
        let first = |hits: &[Hit]| hits.iter().position(|hit| same(hit) == Some(true)).map(|at| at + 1);
        let first_same = match first(&hits) {
            // Behind what is listed, if anywhere: only a look at every image tells its rank.
            None if few && identity != UNKNOWN && entries.iter().any(|entry| entry.identity == identity) => {
                first(&all().0)
            }
            found => found,
        };
        let candidates = hits.iter().take(top).enumerate().map(|(at, hit)| Candidate {
            rank: at + 1,
            entry: hit.entry,
            distance: hit.distance,
            same: same(hit),
        });
        Ok(SearchResult {
            query: id,
            measure,
            candidates: candidates.collect(),
            first_same,
            gallery_size: gallery.index.len(),
            admitted,
            reranked,
            refine: refine.clone(),
        })
    }
}

impl Gallery {
    /// The mean of the normalised embeddings of the query and of the confirmed images. For the Euclidean distance, which
    /// looks at lengths too, it is given the mean of their lengths.
    fn expanded(&self, query: &[f32], confirmed: &[usize], measure: Measure) -> Vec<f32> {
        let confirmed: Vec<usize> = confirmed.iter().copied().filter(|&entry| entry < self.index.len()).collect();
        if confirmed.is_empty() {
            return query.to_vec();
        }
        let others = self.index.rows_of(&confirmed);
        let all = Matrix::new(query.len(), [query, &others.data].concat());
        let count = all.rows() as f32;
        let unit = all.normalised();
        let mut mean = vec![0.0; query.len()];
        for row in 0..all.rows() {
            mean.iter_mut().zip(unit.row(row)).for_each(|(sum, x)| *sum += x / count);
        }
        if measure == Measure::Euclidean {
            let length = |v: &[f32]| dot(v, v).sqrt();
            let wanted = (0..all.rows()).map(|row| length(all.row(row))).sum::<f32>() / count;
            let scale = wanted / length(&mean).max(f32::MIN_POSITIVE);
            mean.iter_mut().for_each(|x| *x *= scale);
        }
        mean
    }

    /// Ranks the nearest [`RERANKED`] again by k-reciprocal neighbours among themselves; returns their new distances in
    /// the new order. Their old distances stay with them, and those behind them stay where they are.
    fn rerank(&self, query: &[f32], hits: &mut [Hit], measure: Measure) -> Result<Vec<f32>> {
        let reach = hits.len().min(RERANKED);
        let pool = &mut hits[..reach];
        let entries: Vec<usize> = pool.iter().map(|hit| hit.entry).collect();
        let query = Matrix::new(query.len(), query.to_vec());
        let gallery = self.index.rows_of(&entries);
        let mut distances = vec![0.0; pool.len()];
        if !pool.is_empty() {
            Reranked::new(&query, &gallery, measure, Settings::default())?.fill(0..1, &mut distances);
        }
        let mut order: Vec<usize> = (0..pool.len()).collect();
        order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b])); // stable: ties keep the first order
        let old = pool.to_vec();
        pool.iter_mut().zip(&order).for_each(|(hit, &at)| *hit = old[at]);
        Ok(order.into_iter().map(|at| distances[at]).collect())
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
