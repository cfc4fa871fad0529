//! How far two embeddings are apart.
//!
//! Sums run in one fixed order, whatever the number of threads, so that a figure is the same on every machine run.

use rayon::prelude::*;

use super::matrix::Matrix;

/// How two embeddings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1 - cosine similarity of v, 0..2.
    #[default]
    Cosine,
    /// Euclidean distance of the raw v.
    Euclidean,
}

const LANES: usize = 16;

/// The inner product of two slices of one length. Sixteen partial sums let the compiler use vector registers.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| x * y)
}

/// The squared Euclidean distance of two slices of one length.
pub fn squared_euclidean(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| (x - y) * (x - y))
}

fn fold(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| term(*x, *y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    sums.iter().sum::<f32>() + tail
}

/// A query made ready for one measure. Its distances are those of [`Comparer`], bit for bit, from raw gallery rows.
#[derive(Debug, Clone)]
pub struct Prepared {
    measure: Measure,
    query: Vec<f32>,
}

impl Prepared {
    /// Makes a raw query embedding `[d]` ready.
    pub fn new(query: &[f32], measure: Measure) -> Self {
        let query = match measure {
            Measure::Cosine => Matrix::new(query.len(), query.to_vec()).normalised().data,
            Measure::Euclidean => query.to_vec(),
        };
        Self { measure, query }
    }

    /// What is compared with the rows: of length 1 for the cosine distance, raw for the Euclidean.
    pub fn query(&self) -> &[f32] {
        &self.query
    }

    /// The distance of a raw gallery row `[d]`.
    pub fn distance(&self, row: &[f32]) -> f32 {
        match self.measure {
            Measure::Cosine => {
                let length = dot(row, row).sqrt();
                let product =
                    if length > 0.0 { fold(&self.query, row, |q, x| q * (x / length)) } else { dot(&self.query, row) };
                1.0 - product
            }
            Measure::Euclidean => squared_euclidean(&self.query, row).sqrt(),
        }
    }
}

/// A gallery made ready for comparing by one measure.
#[derive(Debug, Clone)]
pub struct Comparer {
    measure: Measure,
    gallery: Matrix,
}

impl Comparer {
    /// Makes `gallery` `[n, d]` ready; the cosine distance normalises its rows once here.
    pub fn new(gallery: &Matrix, measure: Measure) -> Self {
        let gallery = match measure {
            Measure::Cosine => gallery.normalised(),
            Measure::Euclidean => gallery.clone(),
        };
        Self { measure, gallery }
    }

    /// The gallery's rows, as they are compared.
    pub fn gallery(&self) -> &Matrix {
        &self.gallery
    }

    /// Distances of one query embedding `[d]` (raw) to every gallery row, `[n]`.
    pub fn distances(&self, query: &[f32]) -> Vec<f32> {
        let rows = self.gallery.data.par_chunks_exact(self.gallery.columns.max(1)).with_min_len(256);
        match self.measure {
            Measure::Cosine => {
                let query = Matrix::new(query.len(), query.to_vec()).normalised().data;
                rows.map(|row| 1.0 - dot(&query, row)).collect()
            }
            Measure::Euclidean => rows.map(|row| squared_euclidean(query, row).sqrt()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(columns: usize, data: &[f32]) -> Matrix {
        Matrix::new(columns, data.to_vec())
    }

    #[test]
    fn by_hand() {
        let gallery = matrix(2, &[3.0, 4.0, 0.0, 2.0, -1.0, 0.0, 0.0, 0.0]);
        let cosine = Comparer::new(&gallery, Measure::Cosine).distances(&[2.0, 0.0]);
        let expected = [0.4, 1.0, 2.0, 1.0];
        assert!(cosine.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{cosine:?}");
        let euclidean = Comparer::new(&gallery, Measure::Euclidean).distances(&[0.0, 0.0]);
        assert_eq!(euclidean, [5.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn a_prepared_query_measures_to_the_last_bit_as_a_comparer_does() {
        use rand::RngExt;
        let mut rng = crate::data::seeded::rng(1, "distance", &[]);
        let mut data: Vec<f32> = (0..50 * 37).map(|_| rng.random_range(-2.0..3.0)).collect();
        data[37..74].fill(0.0);
        let gallery = matrix(37, &data);
        for measure in [Measure::Cosine, Measure::Euclidean] {
            for query in [gallery.row(0), gallery.row(1)] {
                let prepared = Prepared::new(query, measure);
                let expected = Comparer::new(&gallery, measure).distances(query);
                for (row, expected) in expected.iter().enumerate() {
                    assert_eq!(prepared.distance(gallery.row(row)).to_bits(), expected.to_bits(), "{measure:?} {row}");
                }
            }
        }
    }

    #[test]
    fn every_length_sums_fully() {
        for n in 0..50 {
            let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let expected: f32 = (0..n).map(|i| (i * i) as f32).sum();
            assert_eq!(dot(&a, &a), expected, "length {n}");
        }
    }
}
