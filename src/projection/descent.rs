//! Gradient descent on the divergence, as openTSNE does it: momentum, and a gain for each coordinate.

use rayon::prelude::*;

use super::affinity::Affinities;
use super::repulsion::Repulsion;

/// Share of the last step that each step keeps.
const MOMENTUM: f32 = 0.8;
/// A gain grows by this where the gradient points on along the way the point goes, and shrinks by a fifth where not.
const GAIN_UP: f32 = 0.2;
const GAIN_DOWN: f32 = 0.8;
const LEAST_GAIN: f32 = 0.01;
/// The longest step of a point.
const LONGEST_STEP: f32 = 5.0;
/// Points of one piece of work.
const ROWS: usize = 256;
/// Neighbours taken at once.
const LANES: usize = 16;

/// The layout on its way.
pub(super) struct Descent<'a> {
    affinities: &'a Affinities,
    repulsion: Repulsion,
    points: Vec<[f32; 2]>,
    next: Vec<[f32; 2]>,
    step: Vec<[f32; 2]>,
    gain: Vec<[f32; 2]>,
    force: Vec<[f32; 2]>,
}

impl<'a> Descent<'a> {
    /// Starts at `points`.
    pub fn new(affinities: &'a Affinities, points: Vec<[f32; 2]>) -> Self {
        let n = points.len();
        Self {
            affinities,
            repulsion: Repulsion::new(n),
            next: points.clone(),
            points,
            step: vec![[0.0; 2]; n],
            gain: vec![[1.0; 2]; n],
            force: vec![[0.0; 2]; n],
        }
    }

    /// The layout.
    pub fn points(&self) -> &[[f32; 2]] {
        &self.points
    }

    /// The layout, given away.
    pub fn into_points(self) -> Vec<[f32; 2]> {
        self.points
    }

    /// One step along the gradient with the attraction multiplied by `exaggeration`.
    pub fn advance(&mut self, exaggeration: f32, rate: f32) {
        let normaliser = self.repulsion.compute(&self.points, &mut self.force);
        let (points, affinities) = (&self.points, self.affinities);
        // A layout so wide that nothing repels any more has no normaliser left.
        let share = if normaliser > 0.0 { (1.0 / normaliser) as f32 } else { 0.0 };
        let sums: Vec<[f64; 2]> = (self.next.par_chunks_mut(ROWS))
            .zip(self.step.par_chunks_mut(ROWS))
            .zip(self.gain.par_chunks_mut(ROWS))
            .zip(self.force.par_chunks(ROWS))
            .enumerate()
            .map(|(chunk, (((next, step), gain), force))| {
                let mut sum = [0.0; 2];
                for (r, next) in next.iter_mut().enumerate() {
                    let i = chunk * ROWS + r;
                    let (to, p) = affinities.row(i);
                    let attraction = attraction(points, points[i], to, p);
                    let mut square = 0.0;
                    for a in 0..2 {
                        let gradient = exaggeration * attraction[a] - share * force[r][a];
                        let gain = &mut gain[r][a];
                        *gain = if sign(step[r][a]) == sign(gradient) {
                            *gain * GAIN_DOWN + LEAST_GAIN
                        } else {
                            *gain + GAIN_UP
                        };
                        step[r][a] = MOMENTUM * step[r][a] - rate * *gain * gradient;
                        square += step[r][a] * step[r][a];
                    }
                    let shorten = if square > LONGEST_STEP * LONGEST_STEP { LONGEST_STEP / square.sqrt() } else { 1.0 };
                    for a in 0..2 {
                        // A step that overflowed has no direction left.
                        let long = step[r][a] * shorten;
                        step[r][a] = if long.is_finite() { long } else { 0.0 };
                        next[a] = points[i][a] + step[r][a];
                        sum[a] += f64::from(next[a]);
                    }
                }
                sum
            })
            .collect();
        let n = self.points.len() as f64;
        let mean = [0, 1].map(|a| (sums.iter().map(|s| s[a]).sum::<f64>() / n) as f32);
        self.next.par_chunks_mut(4 * ROWS).for_each(|chunk| {
            chunk.iter_mut().for_each(|y| (0..2).for_each(|a| y[a] -= mean[a]));
        });
        std::mem::swap(&mut self.points, &mut self.next);
    }

    /// Kullback-Leibler divergence of the layout from the affinities, in nats: sum of p ln(p / q), exact over the pairs
    /// with p > 0, with the normaliser of q as the repulsion computes it.
    pub fn divergence(&mut self) -> f64 {
        let normaliser = self.repulsion.compute(&self.points, &mut self.force);
        let (points, affinities) = (&self.points, self.affinities);
        let sums: Vec<[f64; 2]> = (0..points.len().div_ceil(ROWS))
            .into_par_iter()
            .map(|chunk| {
                let (mut all, mut weighed) = (0.0, 0.0);
                for i in chunk * ROWS..((chunk + 1) * ROWS).min(points.len()) {
                    let (to, p) = affinities.row(i);
                    for (&j, &p) in to.iter().zip(p) {
                        let d = [0, 1].map(|a| f64::from(points[i][a]) - f64::from(points[j as usize][a]));
                        weighed += f64::from(p) * (d[0] * d[0] + d[1] * d[1]).ln_1p();
                        all += f64::from(p);
                    }
                }
                [all, weighed]
            })
            .collect();
        let [all, weighed] = sums.iter().fold([0.0; 2], |[a, w], s| [a + s[0], w + s[1]]);
        affinities.negative_entropy + weighed + all * normaliser.ln()
    }
}

/// -1, 0 or 1.
fn sign(x: f32) -> i8 {
    i8::from(x > 0.0) - i8::from(x < 0.0)
}

/// Sum over the neighbours j of p_j (y - y_j) / (1 + |y - y_j|²).
fn attraction(points: &[[f32; 2]], y: [f32; 2], to: &[u32], p: &[f32]) -> [f32; 2] {
    let (mut sx, mut sy) = ([0.0f32; LANES], [0.0f32; LANES]);
    let mut add = |to: &[u32], p: &[f32]| {
        let (mut dx, mut dy) = ([0.0f32; LANES], [0.0f32; LANES]);
        for (lane, &j) in to.iter().enumerate() {
            let other = points[j as usize];
            (dx[lane], dy[lane]) = (other[0], other[1]);
        }
        for lane in 0..to.len() {
            let (x, y) = (y[0] - dx[lane], y[1] - dy[lane]);
            let weight = p[lane] / (1.0 + (x * x + y * y));
            sx[lane] += weight * x;
            sy[lane] += weight * y;
        }
    };
    let (to, p) = (to.chunks_exact(LANES), p.chunks_exact(LANES));
    let rest = (to.remainder(), p.remainder());
    to.zip(p).for_each(|(to, p)| add(&to[..LANES], &p[..LANES]));
    add(rest.0, rest.1);
    [sx.iter().sum(), sy.iter().sum()]
}

#[cfg(test)]
mod tests;
