//! Principal components by subspace iteration: the data are only ever multiplied by a block of some 64 columns, so
//! 2,048 dimensions cost no more memory than the data, and no d x d matrix is formed.

use rand::RngExt;

use super::eigen;
use super::pace::Pace;
use super::product::{View, multiply};
use crate::Result;
use crate::data::seeded;

/// Directions kept beyond those asked for: they make the iteration converge faster.
const SPARE: usize = 14;
/// Up to here all directions are kept, and one pass gives the exact answer.
const EXACT: usize = 96;
/// The most passes over the data.
const PASSES: usize = 30;
/// Passes end when the variance caught grows by less than this share.
const ENOUGH: f64 = 5e-5;
/// Rows multiplied at once.
const ROWS: usize = 256;
/// Sums over rows are made of this many partial sums, whatever the number of threads.
const PARTS: usize = 16;

/// The principal components of a set of points.
#[derive(Debug, Clone)]
pub struct Pca {
    /// Mean of the points, `[dims]`.
    pub mean: Vec<f64>,
    /// Unit axes, `[kept, dims]`, largest variance first; in each the component largest in magnitude is positive.
    pub axes: Vec<f32>,
    /// Variance along each axis (mean of squares), `[kept]`, in the features' units squared.
    pub variance: Vec<f64>,
    /// Variance in all directions together.
    pub total: f64,
}

/// Finds at most `components` axes of `features`, `[n, dims]`; fewer where the points vary in fewer directions.
/// All numbers are finite and there is at least one row.
pub(super) fn fit(features: &[f32], dims: usize, components: usize, seed: u64, pace: &mut Pace) -> Result<Pca> {
    let n = features.len() / dims;
    let mean = mean(features, dims);
    let mut block = Centred { features, dims, mean: &mean, scale: 1.0 };
    let reach = block.reach();
    if reach == 0.0 {
        return Ok(Pca { axes: Vec::new(), variance: Vec::new(), total: 0.0, mean });
    }
    block.scale = 1.0 / reach;
    let exact = dims <= EXACT.max(components + SPARE);
    let width = if exact { dims } else { (components + SPARE).min(n.max(components)) };
    let mut basis = if exact { identity(dims) } else { random_basis(dims, width, seed) };
    let (mut caught, mut total) = (0.0, 0.0);
    let (mut values, mut turned) = (Vec::new(), Vec::new());
    for pass in 0..PASSES {
        let within = pass as f64 / PASSES as f64..(pass + 1) as f64 / PASSES as f64;
        let (image, spread) = block.covariance_times(&basis, width, within, pace)?;
        total = spread / n as f64;
        // Rayleigh-Ritz: the best axes inside the block.
        let mut inner = vec![0.0; width * width];
        for i in 0..width {
            for j in 0..=i {
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
                let (bi, bj) = (&basis[i * dims..][..dims], &basis[j * dims..][..dims]);
                let (yi, yj) = (&image[i * dims..][..dims], &image[j * dims..][..dims]);
                let value = (dot(bi, yj) + dot(bj, yi)) / (2.0 * n as f64);
                (inner[i * width + j], inner[j * width + i]) = (value, value);
            }
        }
        let vectors;
        (values, vectors) = eigen::symmetric(inner, width);
        turned = combine(&vectors, &basis, width, dims);
        let now: f64 = values.iter().take(components).sum();
        if exact || now - caught <= ENOUGH * now {
            break;
        }
        caught = now;
        basis = combine(&vectors, &image, width, dims);
        orthonormalise(&mut basis, dims);
    }
    let floor = 1e-10 * values.first().copied().unwrap_or(0.0);
    let kept = values.iter().take(components).take_while(|&&v| v > floor).count();
    let unit = reach * reach;
    let mut axes = Vec::with_capacity(kept * dims);
    for axis in turned.chunks_exact(dims).take(kept) {
        let largest = axis.iter().fold(0.0f64, |m, &x| if x.abs() > m.abs() * (1.0 + 1e-9) { x } else { m });
        axes.extend(axis.iter().map(|&x| (x * largest.signum()) as f32));
    }
    Ok(Pca { axes, variance: values[..kept].iter().map(|v| v * unit).collect(), total: total * unit, mean })
}

impl Pca {
    /// Number of axes.
    pub fn kept(&self) -> usize {
        self.variance.len()
    }

    /// Coordinates of `features`, `[n, dims]`, along the first `axes` axes, in units of the points' root-mean-square
    /// distance from their mean: `[n, axes]`.
    pub(super) fn coordinates(&self, features: &[f32], axes: usize, pace: &mut Pace) -> Result<Vec<f32>> {
        let dims = self.mean.len();
        let block = Centred { features, dims, mean: &self.mean, scale: self.unit() };
        let mut out = vec![0.0; features.len() / dims * axes];
        if axes == 0 {
            return Ok(out);
        }
        let basis = View::rows(&self.axes[..axes * dims], dims).transposed();
        let mut items: Vec<_> = out.chunks_mut(ROWS * axes).enumerate().collect();
        pace.each(&mut items, 1.0..1.0, |(chunk, out)| {
            let mut rows = Vec::new();
            block.rows(*chunk * ROWS..*chunk * ROWS + out.len() / axes, &mut rows);
            multiply(View::rows(&rows, dims), basis, out);
        })?;
        Ok(out)
    }

    /// `features` themselves, moved to their mean and in the same units: `[n, dims]`.
    pub(super) fn centred(&self, features: &[f32], pace: &mut Pace) -> Result<Vec<f32>> {
        let dims = self.mean.len();
        let block = Centred { features, dims, mean: &self.mean, scale: self.unit() };
        let mut out = vec![0.0; features.len()];
        let mut items: Vec<_> = out.chunks_mut(ROWS * dims).enumerate().collect();
        pace.each(&mut items, 1.0..1.0, |(chunk, out)| {
            let mut rows = Vec::new();
            block.rows(*chunk * ROWS..*chunk * ROWS + out.len() / dims, &mut rows);
            out.copy_from_slice(&rows);
        })?;
        Ok(out)
    }

    fn unit(&self) -> f64 {
        if self.total > 0.0 { 1.0 / self.total.sqrt() } else { 1.0 }
    }
}

/// The points, moved to their mean and scaled so that no square overflows.
struct Centred<'a> {
    features: &'a [f32],
    dims: usize,
    mean: &'a [f64],
    scale: f64,
}

impl Centred<'_> {
    /// The largest magnitude.
    fn reach(&self) -> f64 {
        let of_row =
            |row: &[f32]| row.iter().zip(self.mean).fold(0.0f64, |m, (&x, mu)| m.max((f64::from(x) - mu).abs()));
        let reach = self.features.chunks_exact(self.dims).map(of_row).fold(0.0f64, f64::max);
        // What is left of a constant column after its mean was rounded is no variation.
        let level = self.mean.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        if reach <= 1e-12 * level { 0.0 } else { reach }
    }

    fn rows(&self, range: std::ops::Range<usize>, out: &mut Vec<f32>) {
        out.clear();
        for row in self.features[range.start * self.dims..range.end * self.dims].chunks_exact(self.dims) {
            out.extend(row.iter().zip(self.mean).map(|(&x, mu)| ((f64::from(x) - mu) * self.scale) as f32));
        }
    }

    /// n times the covariance times each of `width` vectors (`basis`, one a row), and the sum of all squares.
    fn covariance_times(
        &self,
        basis: &[f64],
        width: usize,
        within: std::ops::Range<f64>,
        pace: &mut Pace,
    ) -> Result<(Vec<f64>, f64)> {
        let (dims, n) = (self.dims, self.features.len() / self.dims);
        let basis: Vec<f32> = basis.iter().map(|&x| x as f32).collect();
        let blocks = n.div_ceil(ROWS);
        let parts = PARTS.min(blocks);
        let mut sums = vec![(vec![0.0f64; width * dims], 0.0f64); parts];
        // One block of each part at a time, so that a stop is heard soon.
        for round in 0..blocks.div_ceil(parts) {
            let rounds = blocks.div_ceil(parts) as f64;
            let span = within.end - within.start;
            let share = within.start + span * round as f64 / rounds..within.start + span * (round + 1) as f64 / rounds;
            let mut items: Vec<_> = sums.iter_mut().enumerate().collect();
            pace.each(&mut items, share, |(part, (sum, squares))| {
                let start = (round * parts + *part) * ROWS;
                if start >= n {
                    return;
                }
                let (mut rows, end) = (Vec::new(), (start + ROWS).min(n));
                self.rows(start..end, &mut rows);
                let mut scores = vec![0.0; (end - start) * width];
                multiply(View::rows(&rows, dims), View::rows(&basis, dims).transposed(), &mut scores);
                let mut image = vec![0.0; width * dims];
                multiply(View::rows(&scores, width).transposed(), View::rows(&rows, dims), &mut image);
                sum.iter_mut().zip(&image).for_each(|(s, &x)| *s += f64::from(x));
                *squares += rows.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
            })?;
        }
        let mut sums = sums.into_iter();
        let (mut image, mut squares) = sums.next().unwrap_or_default();
        for (more, s) in sums {
            image.iter_mut().zip(more).for_each(|(a, b)| *a += b);
            squares += s;
        }
        Ok((image, squares))
    }
}

fn mean(features: &[f32], dims: usize) -> Vec<f64> {
    let mut mean = vec![0.0f64; dims];
    for row in features.chunks_exact(dims) {
        mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x));
    }
    let n = (features.len() / dims) as f64;
    mean.iter_mut().for_each(|m| *m /= n);
    mean
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|e| f64::from(u8::from(e / n == e % n))).collect()
}

fn random_basis(dims: usize, width: usize, seed: u64) -> Vec<f64> {
    let mut rng = seeded::rng(seed, "pca", &[]);
    let mut basis: Vec<f64> = (0..width * dims).map(|_| rng.random_range(-1.0..1.0)).collect();
    orthonormalise(&mut basis, dims);
    basis
}

/// Row i of the result is the sum of `weights[i, j]` times row j of `rows`.
fn combine(weights: &[f64], rows: &[f64], width: usize, dims: usize) -> Vec<f64> {
    let mut out = vec![0.0; width * dims];
    for (weights, out) in weights.chunks_exact(width).zip(out.chunks_exact_mut(dims)) {
        for (&w, row) in weights.iter().zip(rows.chunks_exact(dims)) {
            out.iter_mut().zip(row).for_each(|(o, x)| *o += w * x);
        }
    }
    out
}

/// Gram-Schmidt, twice for accuracy; a row that depends on those before becomes zero.
fn orthonormalise(rows: &mut [f64], dims: usize) {
    for i in 0..rows.len() / dims {
        let (before, rest) = rows.split_at_mut(i * dims);
        let row = &mut rest[..dims];
        let length = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let was = length(row);
        for _ in 0..2 {
            for other in before.chunks_exact(dims) {
                let dot: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let now = length(row);
        let factor = if now > 1e-10 * was { 1.0 / now } else { 0.0 };
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

#[cfg(test)]
mod tests;
