//! Distances of many queries to a whole gallery, a tile of queries at a time.
//!
//! The matrix of all distances is never in memory. A tile of it is one matrix product of some queries with the gallery,
//! computed by `gemm`; each entry is summed over the features in one order that depends neither on the number of threads nor
//! on the place in the gallery, so equal images tie exactly.

use std::ops::Range;

use gemm::Parallelism;
use rayon::prelude::*;

use crate::gallery::distance::{Measure, dot};
use crate::gallery::matrix::Matrix;

/// What a tile of distances may take, in bytes, as long as that holds [`LEAST_ROWS`] of them.
pub const TILE_BYTES: usize = 64 << 20;
/// Fewer queries at once would leave the matrix product waiting for memory.
const LEAST_ROWS: usize = 16;
/// More queries at once make nothing faster.
const MOST_ROWS: usize = 512;

/// Distances of some queries to a gallery, computed when asked for.
pub trait Distances: Sync {
    /// Queries.
    fn rows(&self) -> usize;
    /// Gallery images.
    fn columns(&self) -> usize;
    /// Writes the distances of the queries `rows` to every gallery image into `out` `[rows, columns]`, row-major.
    fn fill(&self, rows: Range<usize>, out: &mut [f32]);
}

/// Hands every tile of queries and its distances `[rows, columns]` to `on`, in order.
pub fn in_tiles(distances: &dyn Distances, on: &mut dyn FnMut(Range<usize>, &[f32])) {
    let columns = distances.columns();
    let step = (TILE_BYTES / (4 * columns.max(1))).clamp(LEAST_ROWS, MOST_ROWS).min(distances.rows().max(1));
    let mut tile = vec![0.0; step * columns];
    for first in (0..distances.rows()).step_by(step) {
        let rows = first..(first + step).min(distances.rows());
        let tile = &mut tile[..rows.len() * columns];
        distances.fill(rows.clone(), tile);
        on(rows, tile);
    }
}

/// Distances between the rows of two matrices of features by one [`Measure`]: those of `gallery::distance` up to the last bits.
#[derive(Debug, Clone)]
pub struct Pairwise<'a> {
    query: &'a Matrix,
    gallery: &'a Matrix,
    measure: Measure,
    /// Of each row: 1 / length (0 for a row of zeros) with the cosine distance, the squared length with the Euclidean.
    of_query: Vec<f32>,
    of_gallery: Vec<f32>,
}

impl<'a> Pairwise<'a> {
    /// Looks over both sides once; `query` `[q, d]` and `gallery` `[n, d]` are raw and not copied.
    pub fn new(query: &'a Matrix, gallery: &'a Matrix, measure: Measure) -> Self {
        debug_assert_eq!(query.columns, gallery.columns);
        let of = |side: &Matrix| -> Vec<f32> {
            let squared = side.data.par_chunks_exact(side.columns.max(1)).map(|row| dot(row, row));
            match measure {
                Measure::Euclidean => squared.collect(),
                Measure::Cosine => squared.map(|s| if s > 0.0 { 1.0 / s.sqrt() } else { 0.0 }).collect(),
            }
        };
        Self { query, gallery, measure, of_query: of(query), of_gallery: of(gallery) }
    }

    /// The distance of one pair, by the same formula.
    pub fn one(&self, query: usize, gallery: usize) -> f32 {
        let product = dot(self.query.row(query), self.gallery.row(gallery));
        self.distance(product, self.of_query[query], self.of_gallery[gallery])
    }

    fn distance(&self, product: f32, of_query: f32, of_gallery: f32) -> f32 {
        match self.measure {
            Measure::Cosine => 1.0 - product * of_query * of_gallery,
            Measure::Euclidean => (of_query + of_gallery - 2.0 * product).max(0.0).sqrt(),
        }
    }
}

impl Distances for Pairwise<'_> {
    fn rows(&self) -> usize {
        self.query.rows()
    }

    fn columns(&self) -> usize {
        self.gallery.rows()
    }

    fn fill(&self, rows: Range<usize>, out: &mut [f32]) {
        let (d, n) = (self.query.columns, self.columns());
        products(&self.query.data[rows.start * d..rows.end * d], &self.gallery.data, d, out);
        out.par_chunks_exact_mut(n.max(1)).zip(&self.of_query[rows]).for_each(|(row, of_query)| {
            for (x, of_gallery) in row.iter_mut().zip(&self.of_gallery) {
                *x = self.distance(*x, *of_query, *of_gallery);
            }
        });
    }
}

/// `a [m, d]` times the transpose of `b [n, d]` into `out [m, n]`, all row-major.
fn products(a: &[f32], b: &[f32], d: usize, out: &mut [f32]) {
    let (m, n) = (a.len() / d.max(1), b.len() / d.max(1));
    assert!(a.len() == m * d && b.len() == n * d && out.len() == m * n, "the shapes fit together");
    // SAFETY: the three slices hold m x d, n x d and m x n numbers, as asserted, and the strides below address exactly those;
    // `out` is borrowed mutably, so it overlaps neither input, and with `read_dst` off it is only written.
    unsafe {
        gemm::gemm(
            m,
            n,
            d,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            d as isize,
            b.as_ptr(),
            d as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::data::seeded;
    use crate::gallery::distance::Comparer;

    fn noise(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut rng = seeded::rng(seed, "noise", &[]);
        Matrix::new(columns, (0..rows * columns).map(|_| rng.random_range(-1.0..1.0)).collect())
    }

    fn all(distances: &dyn Distances) -> Vec<f32> {
        let mut all = Vec::new();
        in_tiles(distances, &mut |rows, tile| {
            assert_eq!(tile.len(), rows.len() * distances.columns());
            all.extend_from_slice(tile);
        });
        all
    }

    #[test]
    fn tiles_agree_with_one_query_at_a_time() {
        let (query, mut gallery) = (noise(1100, 33, 1), noise(70, 33, 2));
        gallery.data[..33].fill(0.0); // an embedding of zeros has no direction, and is a distance of 1 from everyone
        for measure in [Measure::Cosine, Measure::Euclidean] {
            let pairs = Pairwise::new(&query, &gallery, measure);
            let tiled = all(&pairs);
            let comparer = Comparer::new(&gallery, measure);
            for q in 0..query.rows() {
                for (g, expected) in comparer.distances(query.row(q)).into_iter().enumerate() {
                    assert!((tiled[q * 70 + g] - expected).abs() < 1e-5, "{measure:?} {q} {g}");
                    assert!((pairs.one(q, g) - expected).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn equal_images_tie_exactly_wherever_they_stand() {
        let query = noise(37, 100, 3);
        let one = noise(1, 100, 4);
        let mut gallery = noise(301, 100, 5);
        let places = [0, 1, 7, 64, 65, 150, 299, 300];
        for place in places {
            gallery.data[place * 100..(place + 1) * 100].copy_from_slice(&one.data);
        }
        for measure in [Measure::Cosine, Measure::Euclidean] {
            for row in all(&Pairwise::new(&query, &gallery, measure)).chunks_exact(301) {
                assert!(places.iter().all(|&p| row[p].to_bits() == row[0].to_bits()), "{measure:?}");
            }
        }
    }

    #[test]
    fn nothing_is_nothing() {
        let (none, some) = (Matrix::new(4, Vec::new()), noise(3, 4, 6));
        assert!(all(&Pairwise::new(&none, &some, Measure::Cosine)).is_empty());
        assert!(all(&Pairwise::new(&some, &none, Measure::Cosine)).is_empty());
    }
}
