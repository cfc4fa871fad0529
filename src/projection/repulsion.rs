//! The repulsion between all pairs of points, in time linear in their number.
//!
//! With the kernel K(d) = 1 / (1 + |d|²), the force on a point is minus half the gradient of the potential that all
//! points make together: one scalar field gives the forces and the normaliser Z. Its value and gradient are read off a
//! regular grid through cubic B-splines: spread each point onto 4 x 4 nodes, convolve with the kernel by FFT, read
//! 4 x 4 nodes back. The blur of both spline steps is divided out of the kernel's spectrum, which makes the potential an
//! interpolant of K accurate to the fourth order of the node distance. FIt-SNE interpolates four fields by parabolas
//! on three times as many nodes; one smooth field takes a third of the transforms, on a smaller grid.

use rayon::prelude::*;

use super::grid::{Buffers, Grid};
use super::spline;

/// Up to here all pairs are computed.
const EXACT_UP_TO: usize = 1000;
/// Points of one piece of work.
const POINTS: usize = 1024;
/// Computes repulsions; keeps its grid and buffers from one call to the next.
pub(super) struct Repulsion {
    exact: bool,
    grid: Option<Grid>,
    buffers: Buffers,
}

impl Repulsion {
    /// For `points` points.
    pub fn new(points: usize) -> Self {
        Self::with(points <= EXACT_UP_TO)
    }

    pub(super) fn with(exact: bool) -> Self {
        Self { exact, grid: None, buffers: Buffers::default() }
    }

    /// Writes the sum over j of K(y_i - y_j)² (y_i - y_j) to `force` and returns Z, the sum of K over all ordered pairs.
    pub fn compute(&mut self, y: &[[f32; 2]], force: &mut [[f32; 2]]) -> f64 {
        if self.exact { exact(y, force) } else { self.interpolated(y, force) }
    }

    fn interpolated(&mut self, y: &[[f32; 2]], force: &mut [[f32; 2]]) -> f64 {
        let (low, high) = bounds(y);
        let span = f64::from((high[0] - low[0]).max(high[1] - low[1])).max(1e-6);
        if !self.grid.as_ref().is_some_and(|grid| grid.fits(span)) {
            self.grid = None; // Its memory goes before the next is made.
        }
        let grid = self.grid.get_or_insert_with(|| Grid::new(span));
        // One node below the lowest point; a hair more, against rounding.
        let place = Place {
            origin: low.map(|x| x - 1.01 * grid.spacing as f32),
            per_unit: (1.0 / grid.spacing) as f32,
            nodes: grid.nodes,
        };
        spread(y, place, &mut self.buffers.charges);
        grid.convolve(&mut self.buffers);
        let potential = &self.buffers.potential;
        let sums: Vec<f64> = y
            .par_chunks(POINTS)
            .zip(force.par_chunks_mut(POINTS))
            .map(|(y, force)| {
                let mut sum = 0.0;
                for (y, force) in y.iter().zip(force) {
                    let (value, gradient) = place.read(potential, *y);
                    sum += f64::from(value);
                    *force = gradient.map(|g| -0.5 * g);
                }
                sum
            })
            .collect();
        let n = y.len() as f64;
        // What each point feels of itself is taken off, as the grid sees it on average.
        sums.iter().sum::<f64>() + grid.offset * n * n - n * (grid.own + grid.offset)
    }
}

/// All pairs.
fn exact(y: &[[f32; 2]], force: &mut [[f32; 2]]) -> f64 {
    let sums: Vec<f64> = force
        .par_iter_mut()
        .enumerate()
        .with_min_len(16)
        .map(|(i, force)| {
            const LANES: usize = 16;
            let (mut z, mut fx, mut fy) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
            let mut add = |lane: usize, other: &[f32; 2]| {
                let (dx, dy) = (y[i][0] - other[0], y[i][1] - other[1]);
                let k = 1.0 / (1.0 + dx * dx + dy * dy);
                z[lane] += k;
                fx[lane] += k * k * dx;
                fy[lane] += k * k * dy;
            };
            let chunks = y.chunks_exact(LANES);
            let rest = chunks.remainder();
            chunks.for_each(|chunk| (0..LANES).for_each(|lane| add(lane, &chunk[lane])));
            rest.iter().enumerate().for_each(|(lane, other)| add(lane, other));
            *force = [fx.iter().sum(), fy.iter().sum()];
            f64::from(z.iter().sum::<f32>()) - 1.0
        })
        .collect();
    sums.iter().sum()
}

/// Lowest and highest coordinates.
fn bounds(y: &[[f32; 2]]) -> ([f32; 2], [f32; 2]) {
    let start = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    y.iter()
        .fold(start, |(low, high), p| ([low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])]))
}

/// Where the points lie on the grid.
#[derive(Clone, Copy)]
struct Place {
    origin: [f32; 2],
    per_unit: f32,
    nodes: usize,
}

impl Place {
    /// First node of the four that a coordinate touches, and how far the point is past the second.
    fn node(&self, axis: usize, x: f32) -> (usize, f32) {
        let u = (x - self.origin[axis]) * self.per_unit;
        let cell = (u as usize).clamp(1, self.nodes - 3);
        (cell - 1, u - cell as f32)
    }

    /// Value and gradient of the field at a point.
    fn read(&self, field: &[f32], y: [f32; 2]) -> (f32, [f32; 2]) {
        let ((column, tx), (row, ty)) = (self.node(0, y[0]), self.node(1, y[1]));
        let (wx, wy) = (spline::weights(tx), spline::weights(ty));
        let (sx, sy) = (spline::slopes(tx), spline::slopes(ty));
        let (mut along, mut slope) = ([0.0f32; 4], [0.0f32; 4]);
        for r in 0..4 {
            let nodes = &field[(row + r) * self.nodes + column..][..4];
            for c in 0..4 {
                along[c] += wy[r] * nodes[c];
                slope[c] += sy[r] * nodes[c];
            }
        }
        let dot = |a: [f32; 4], b: [f32; 4]| a[0] * b[0] + a[1] * b[1] + (a[2] * b[2] + a[3] * b[3]);
        (dot(wx, along), [dot(sx, along) * self.per_unit, dot(wx, slope) * self.per_unit])
    }
}

/// Spreads unit charges onto the nodes: a fixed share of the points onto each part, so that the sum does not depend on
/// the threads.
fn spread(y: &[[f32; 2]], place: Place, parts: &mut Vec<Vec<f32>>) {
    parts.resize(y.len().div_ceil(8192).min(8), Vec::new());
    let share = y.len().div_ceil(parts.len());
    parts.par_iter_mut().zip(y.par_chunks(share)).for_each(|(grid, y)| {
        grid.clear();
        grid.resize(place.nodes * place.nodes, 0.0);
        for y in y {
            let ((column, tx), (row, ty)) = (place.node(0, y[0]), place.node(1, y[1]));
            let (wx, wy) = (spline::weights(tx), spline::weights(ty));
            for r in 0..4 {
                let nodes = &mut grid[(row + r) * place.nodes + column..][..4];
                for c in 0..4 {
                    nodes[c] += wy[r] * wx[c];
                }
            }
        }
    });
}

#[cfg(test)]
mod tests;
