//! How far two embeddings are apart.
//!
//! A distance is summed in double precision and rounded once, to 32 bits: near rows of a large gallery have cosine similarities
//! that differ by less than 32 bits hold near 1, and what is summed in 32 bits puts some of them in the wrong order. Sums run in
//! one fixed order, whatever the number of threads, so that a figure is the same on every machine run.

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

/// The inner product of two slices of one length, in 32 bits. Sixteen partial sums let the compiler use vector registers.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| x * y)
}

/// The squared Euclidean distance of two slices of one length, in 32 bits.
pub fn squared_euclidean(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| (x - y) * (x - y))
}

fn fold<A: Copy, B: Copy, S>(a: &[A], b: &[B], term: impl Fn(A, B) -> S) -> S
where
    S: Copy + Default + std::ops::Add<Output = S> + std::ops::AddAssign + std::iter::Sum,
{
    let mut sums = [S::default(); LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: S = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| term(*x, *y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane], y[lane]);
        }
    }
    sums.into_iter().sum::<S>() + tail
}

fn length(row: &[f32]) -> f64 {
    fold(row, row, |x, y| f64::from(x) * f64::from(y)).sqrt()
}

/// A query made ready for one measure. Its distances are those of [`Comparer`], bit for bit.
#[derive(Debug, Clone)]
pub struct Prepared {
    measure: Measure,
    /// Of length 1 for the cosine distance, raw for the Euclidean.
    query: Vec<f64>,
    rounded: Vec<f32>,
}

impl Prepared {
    /// Makes a raw query embedding `[d]` ready.
    pub fn new(query: &[f32], measure: Measure) -> Self {
        let length = length(query);
        let scale = if measure == Measure::Cosine && length > 0.0 { length } else { 1.0 };
        let query: Vec<f64> = query.iter().map(|&x| f64::from(x) / scale).collect();
        let rounded = query.iter().map(|&x| x as f32).collect();
        Self { measure, query, rounded }
    }

    /// What is compared with the rows, rounded to 32 bits: of length 1 for the cosine distance, raw for the Euclidean.
    pub fn query(&self) -> &[f32] {
        &self.rounded
    }

    /// The distance of a raw gallery row `[d]`.
    pub fn distance(&self, row: &[f32]) -> f32 {
        match self.measure {
            Measure::Cosine => self.cosine(row, length(row)),
            Measure::Euclidean => self.euclidean(row),
        }
    }

    fn cosine(&self, row: &[f32], length: f64) -> f32 {
        let product = fold(&self.query, row, |q, x| q * f64::from(x));
        // A row of zeros has no direction: its product is 0.
        (1.0 - if length > 0.0 { product / length } else { product }) as f32
    }

    fn euclidean(&self, row: &[f32]) -> f32 {
        let square = |x: f64| x * x;
        fold(&self.query, row, |q, x| square(q - f64::from(x))).sqrt() as f32
    }
}

/// A gallery made ready for comparing.
#[derive(Debug, Clone)]
pub struct Comparer {
    measure: Measure,
    gallery: Matrix,
    lengths: Vec<f64>,
}

impl Comparer {
    /// Makes `gallery` `[n, d]` ready; the lengths of its rows are taken once, here.
    pub fn new(gallery: &Matrix, measure: Measure) -> Self {
        let lengths = gallery.data.par_chunks_exact(gallery.columns.max(1)).with_min_len(256).map(length).collect();
        Self { measure, gallery: gallery.clone(), lengths }
    }

    /// The gallery's rows, raw.
    pub fn gallery(&self) -> &Matrix {
        &self.gallery
    }

    /// Distances of one query embedding `[d]` (raw) to every gallery row, `[n]`.
    pub fn distances(&self, query: &[f32]) -> Vec<f32> {
        self.distances_by(query, self.measure)
    }

    /// [`Comparer::distances`] by another measure than its own.
    pub fn distances_by(&self, query: &[f32], measure: Measure) -> Vec<f32> {
        let prepared = Prepared::new(query, measure);
        let rows = self.gallery.data.par_chunks_exact(self.gallery.columns.max(1)).with_min_len(256);
        match measure {
            Measure::Cosine => rows.zip(&self.lengths).map(|(row, &length)| prepared.cosine(row, length)).collect(),
            Measure::Euclidean => rows.map(|row| prepared.euclidean(row)).collect(),
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
    fn a_distance_is_right_to_its_last_bit() {
        use rand::RngExt;
        let mut rng = crate::data::seeded::rng(2, "distance", &[]);
        // Rows about a centre, as images of one person are: their similarities differ where 32 bits near 1 end.
        let centre: Vec<f32> = (0..300).map(|_| rng.random_range(0.0f32..1.0).powi(3)).collect();
        let near: Vec<Vec<f32>> =
            (0..50).map(|_| centre.iter().map(|x| x + rng.random_range(0.0..0.01)).collect()).collect();
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        for row in &near {
            let cosine = 1.0 - product(&centre, row) / (product(&centre, &centre) * product(row, row)).sqrt();
            let apart = centre.iter().zip(row).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum::<f64>();
            for (measure, expected) in [(Measure::Cosine, cosine), (Measure::Euclidean, apart.sqrt())] {
                let distance = f64::from(Prepared::new(&centre, measure).distance(row));
                let off = (distance / expected - 1.0).abs();
                assert!(off <= f64::from(f32::EPSILON), "{measure:?}: {distance} for {expected}");
            }
        }
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
