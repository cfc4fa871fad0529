//! Exact search: every gallery image is compared, the nearest are returned.

use super::distance::{Comparer, Measure};
use super::matrix::Matrix;
use super::order::{key, ranks};
use crate::data::dataset::UNKNOWN;

/// One gallery image and its distance from the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Row of the gallery.
    pub entry: usize,
    /// Distance by the measure that was asked for.
    pub distance: f32,
}

/// An embedded gallery, ready for both measures.
#[derive(Debug, Clone)]
pub struct Index {
    comparer: Comparer,
}

impl Index {
    /// Makes embeddings `[n, d]` searchable.
    pub fn new(gallery: &Matrix) -> Self {
        Self { comparer: Comparer::new(gallery, Measure::default()) }
    }

    /// The raw embeddings, `[n, d]`.
    pub fn matrix(&self) -> &Matrix {
        self.comparer.gallery()
    }

    /// Gallery images.
    pub fn len(&self) -> usize {
        self.matrix().rows()
    }

    /// Whether the gallery is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of an embedding, d.
    pub fn columns(&self) -> usize {
        self.matrix().columns
    }

    /// The raw embeddings of some gallery images, `[entries, d]`.
    pub fn rows_of(&self, entries: &[usize]) -> Matrix {
        self.matrix().select(entries)
    }

    /// Distances of a raw query embedding `[d]` to every gallery image, `[n]`.
    pub fn distances(&self, query: &[f32], measure: Measure) -> Vec<f32> {
        self.comparer.distances_by(query, measure)
    }
}

/// The `top` nearest of `distances`, nearest first; ties by index, NaN last.
pub fn nearest(distances: &[f32], top: usize) -> Vec<Hit> {
    let top = top.min(distances.len());
    if top == 0 {
        return Vec::new();
    }
    let order = |hit: &Hit| key(hit.distance, hit.entry);
    let mut hits: Vec<Hit> = distances.iter().enumerate().map(|(entry, &distance)| Hit { entry, distance }).collect();
    hits.select_nth_unstable_by_key(top - 1, order);
    hits.truncate(top);
    hits.sort_unstable_by_key(order);
    hits
}

/// Rank, from 1, of the nearest gallery image of `identity` by [`nearest`]'s order; `None` where the identity is unknown
/// or not in the gallery.
pub fn first_same(distances: &[f32], identities: &[i64], identity: i64) -> Option<usize> {
    if identity == UNKNOWN {
        return None;
    }
    let everyone: Vec<usize> = (0..distances.len()).collect();
    let same: Vec<usize> = everyone.iter().copied().filter(|&i| identities[i] == identity).collect();
    ranks(distances, &everyone, &same).first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nearest_agrees_with_a_stable_sort(levels in prop::collection::vec(0u8..5, 0..80), top in 0usize..100) {
            let distances: Vec<f32> = levels.iter().map(|&l| [0.0, -0.0, 0.5, 1.0, f32::NAN][l as usize]).collect();
            let mut order: Vec<usize> = (0..distances.len()).collect();
            order.sort_by(|&a, &b| {
                let (a, b) = (distances[a], distances[b]);
                a.partial_cmp(&b).unwrap_or(a.is_nan().cmp(&b.is_nan()))
            });
            order.truncate(top);
            let got: Vec<usize> = nearest(&distances, top).iter().map(|hit| hit.entry).collect();
            prop_assert_eq!(&got, &order);
            for identity in 0..3i64 {
                let identities: Vec<i64> = (0..distances.len() as i64).map(|i| i % 7).collect();
                let all = nearest(&distances, usize::MAX);
                let expected = all.iter().position(|hit| identities[hit.entry] == identity).map(|p| p + 1);
                prop_assert_eq!(first_same(&distances, &identities, identity), expected);
            }
        }
    }

    #[test]
    fn both_measures() {
        let index = Index::new(&Matrix::new(2, vec![10.0, 0.0, 0.6, 0.6]));
        // By angle the long vector along x is nearest, by length the short one is.
        assert_eq!(nearest(&index.distances(&[1.0, 0.0], Measure::Cosine), 1)[0].entry, 0);
        assert_eq!(nearest(&index.distances(&[1.0, 0.0], Measure::Euclidean), 1)[0].entry, 1);
        assert_eq!((index.len(), index.columns()), (2, 2));
    }
}
