//! A batch of queries as the first pass reads it, and how far off its scores may be.
//!
//! Both measures are turned into one *score* that grows with nearness: cosine similarity, or q·x - |x|^2 / 2, which orders
//! rows as their Euclidean distance does. Let x be a row, x' = s u + z its decoded codes and e = x - x'; and q = w + t1 v1 +
//! t2 v2 + f a query, centred at w and cut into one or two planes of 8-bit codes. Then
//!
//! ```text
//! q·x = s (t1 u·v1 + t2 u·v2) + z (t1 Σv1 + t2 Σv2) + w Σx'  +  q·e + f·x'
//! |q·e + f·x'| <= |q| |e| + |f| (|x| + |e|)
//! ```
//!
//! The products of codes are whole numbers and exact. The bound is kept row by row, and a few units in the last place are
//! added for the rounding of everything else, of the final distance too.

use crate::gallery::codes::{Scale, stride};
use crate::gallery::distance::{Measure, Prepared};
use crate::gallery::matrix::Matrix;

/// One unit in the last place of an f32 near 1.
const ULP: f32 = f32::EPSILON / 2.0;

/// Codes of all queries of a batch.
pub struct Batch {
    /// Each query, for the exact distances.
    pub prepared: Vec<Prepared>,
    /// Each query's numbers for scores and bounds.
    pub terms: Vec<Terms>,
    /// `[queries * planes, stride]`, a query's planes one after the other.
    pub codes: Vec<i8>,
    /// Planes a query: 1 or 2.
    pub planes: usize,
    /// Length of an embedding.
    pub columns: usize,
    /// How rows are compared.
    pub measure: Measure,
}

/// What stands for a query in a score and its bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// t1 and t2.
    step: [f32; 2],
    /// t1 Σv1 + t2 Σv2.
    sum: f32,
    /// w.
    centre: f32,
    /// |q|, rounded up.
    pub norm: f32,
    /// |q|^2.
    square: f64,
    /// |f|, rounded up.
    rest: f32,
    /// How large the terms of a score may be before they cancel.
    loose: f32,
    /// What rounding adds whatever the row.
    fixed: f32,
}

/// [`super::kernel::ROWS`] rows' numbers for scores and bounds, as one measure needs them.
#[derive(Debug, Clone, Copy)]
pub struct RowTerms<const N: usize> {
    scale: [f32; N],
    zero: [f32; N],
    sum: [f32; N],
    less: [f32; N],
    error: [f32; N],
    norm: [f32; N],
    loose: [f32; N],
    fixed: [f32; N],
}

impl Batch {
    /// Makes raw queries `[q, d]` ready. Two planes cost twice the products and halve the bound: right for a few queries,
    /// where the rows' way from memory is what takes the time.
    pub fn new(queries: &Matrix, measure: Measure, planes: usize) -> Self {
        let columns = queries.columns;
        let stride = stride(columns);
        let prepared: Vec<Prepared> =
            (0..queries.rows()).map(|query| Prepared::new(queries.row(query), measure)).collect();
        let mut codes = vec![0; prepared.len() * planes * stride];
        let terms = prepared
            .iter()
            .zip(codes.chunks_mut((planes * stride).max(1)))
            .map(|(prepared, codes)| Terms::new(prepared.query(), measure, codes, stride))
            .collect();
        Self { prepared, terms, codes, planes, columns, measure }
    }

    /// What rounding may move a product or distance of rows this long by, relative to the lengths of its factors.
    fn rounding(columns: usize) -> f32 {
        // Distances are summed in double precision and rounded once, so that a handful of operations is left. The rest is room
        // to spare, and little beside what codes leave out.
        (columns as f32 / 16.0 + 40.0) * ULP
    }

    /// The numbers of some rows.
    #[inline(always)]
    pub fn row_terms<const N: usize>(&self, scales: [&Scale; N]) -> RowTerms<N> {
        let root = (self.columns as f32).sqrt();
        let rounding = Self::rounding(self.columns);
        let euclidean = self.measure == Measure::Euclidean;
        let factor = scales.map(|s| if euclidean { 1.0 } else { s.inverse });
        let mut terms = RowTerms { less: [0.0; N], fixed: [rounding; N], ..RowTerms::default() };
        for (i, s) in scales.into_iter().enumerate() {
            terms.scale[i] = factor[i] * s.scale;
            terms.zero[i] = factor[i] * s.zero;
            terms.sum[i] = factor[i] * s.sum;
            terms.error[i] = factor[i] * s.error;
            terms.norm[i] = factor[i] * (s.norm + s.error);
            terms.loose[i] = factor[i] * 32.0 * ULP * (s.norm + s.error + s.zero.abs() * root);
            if euclidean {
                terms.less[i] = s.norm * s.norm / 2.0;
                terms.fixed[i] = rounding * s.norm * s.norm;
            }
        }
        terms
    }
}

impl<const N: usize> Default for RowTerms<N> {
    fn default() -> Self {
        let none = [0.0; N];
        Self { scale: none, zero: none, sum: none, less: none, error: none, norm: none, loose: none, fixed: none }
    }
}

impl Terms {
    fn new(query: &[f32], measure: Measure, codes: &mut [i8], stride: usize) -> Self {
        let (least, most) = query.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
        let mut terms = Self { centre: (least + most) / 2.0, ..Self::default() };
        let mut left: Vec<f64> = query.iter().map(|&x| f64::from(x) - f64::from(terms.centre)).collect();
        let (mut sum, mut sizes) = (0f64, 0f64);
        let mut step = (most - least) / 254.0;
        for (plane, codes) in codes.chunks_mut(stride.max(1)).enumerate() {
            let steps = if step > 0.0 { 1.0 / f64::from(step) } else { 0.0 };
            let (mut total, mut squares) = (0i64, 0f64);
            for (code, left) in codes.iter_mut().zip(&mut left) {
                *code = (*left * steps).round().clamp(-127.0, 127.0) as i8;
                let decoded = f64::from(*code) * f64::from(step);
                *left -= decoded;
                squares += decoded * decoded;
                total += i64::from(*code);
            }
            terms.step[plane] = step;
            sum += f64::from(step) * total as f64;
            sizes += squares.sqrt();
            step /= 254.0;
        }
        let length =
            |values: &mut dyn Iterator<Item = f64>| (values.map(|x| x * x).sum::<f64>().sqrt() * (1.0 + 1e-6)) as f32;
        terms.sum = sum as f32;
        terms.norm = length(&mut query.iter().map(|&x| f64::from(x)));
        terms.square = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        terms.rest = length(&mut left.iter().copied());
        terms.loose = (sizes + f64::from(terms.centre.abs()) * (query.len() as f64).sqrt()) as f32;
        if measure == Measure::Euclidean {
            terms.fixed = Batch::rounding(query.len()) * terms.norm * terms.norm;
        }
        terms
    }

    /// Scores and bounds of rows from the products of their codes with the first plane, and with the second where there is one.
    #[inline(always)]
    pub fn of_codes<const N: usize>(&self, rows: &RowTerms<N>, planes: [[i32; N]; 2]) -> ([f32; N], [f32; N]) {
        let (mut scores, mut bounds) = ([0.0; N], [0.0; N]);
        for r in 0..N {
            let product = planes[0][r] as f32 * self.step[0] + planes[1][r] as f32 * self.step[1];
            scores[r] = product * rows.scale[r] + self.sum * rows.zero[r] + self.centre * rows.sum[r] - rows.less[r];
            bounds[r] = self.norm * rows.error[r]
                + self.rest * rows.norm[r]
                + self.loose * rows.loose[r]
                + rows.fixed[r]
                + self.fixed;
        }
        (scores, bounds)
    }

    /// Score and bound of a row from its product with the query in 32 bits, summed in any order.
    #[inline(always)]
    pub fn of_product(&self, scale: &Scale, product: f32, columns: usize, measure: Measure) -> (f32, f32) {
        let sums = (columns as f32 + 16.0) * ULP * self.norm * scale.norm;
        let rounding = Batch::rounding(columns);
        match measure {
            Measure::Cosine => (product * scale.inverse, sums * scale.inverse + rounding),
            Measure::Euclidean => {
                (product - scale.norm * scale.norm / 2.0, sums + rounding * scale.norm * scale.norm + self.fixed)
            }
        }
    }

    /// The score that a distance stands for.
    pub fn score_of(&self, distance: f32, measure: Measure) -> f64 {
        let distance = f64::from(distance);
        match measure {
            Measure::Cosine => 1.0 - distance,
            Measure::Euclidean => (self.square - distance * distance) / 2.0,
        }
    }
}
