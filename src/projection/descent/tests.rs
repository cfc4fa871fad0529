use rand::RngExt;

use super::super::neighbours;
use super::super::pace::Pace;
use super::*;
use crate::data::seeded;
use crate::flow::Flow;

fn small() -> (Affinities, Vec<[f32; 2]>) {
    let mut rng = seeded::rng(7, "test descent", &[]);
    let (n, dims) = (40, 5);
    let points: Vec<f32> = (0..n * dims).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut on = |_: &super::super::Progress| Flow::Continue;
    let mut pace = Pace::new(0, &mut on);
    let near = neighbours::find(&points, dims, 15, 0, &mut pace).unwrap();
    let affinities = Affinities::new(near, 5.0, &mut pace).unwrap();
    (affinities, (0..n).map(|_| [0; 2].map(|_| rng.random_range(-3.0..3.0))).collect())
}

/// The divergence by its definition, in double precision: dense matrices, no shortcuts.
fn by_definition(affinities: &Affinities, y: &[[f64; 2]]) -> f64 {
    let k = |i: usize, j: usize| 1.0 / (1.0 + (0..2).map(|a| (y[i][a] - y[j][a]).powi(2)).sum::<f64>());
    let n = y.len();
    let z: f64 = (0..n * n).filter(|e| e / n != e % n).map(|e| k(e / n, e % n)).sum();
    let mut sum = 0.0;
    for i in 0..n {
        let (to, p) = affinities.row(i);
        for (&j, &p) in to.iter().zip(p) {
            sum += f64::from(p) * (f64::from(p) / (k(i, j as usize) / z)).ln();
        }
    }
    sum
}

#[test]
fn the_divergence_is_that_of_the_definition() {
    let (affinities, y) = small();
    let wide: Vec<[f64; 2]> = y.iter().map(|p| p.map(f64::from)).collect();
    let expected = by_definition(&affinities, &wide);
    let got = Descent::new(&affinities, y).divergence();
    assert!((got - expected).abs() < 1e-6, "{got} {expected}");
}

#[test]
fn the_first_step_follows_the_gradient_by_finite_differences() {
    let (affinities, y) = small();
    let wide: Vec<[f64; 2]> = y.iter().map(|p| p.map(f64::from)).collect();
    let mut descent = Descent::new(&affinities, y.clone());
    // The first step is -rate * gain * gradient with gain 1.2, less the mean, which is that of the start: a
    // gradient of differences sums to zero. As in openTSNE the gradient is the true one over 4.
    let rate = 1.0;
    descent.advance(1.0, rate);
    let mean = [0, 1].map(|a| wide.iter().map(|p| p[a]).sum::<f64>() / wide.len() as f64);
    for i in 0..wide.len() {
        for a in 0..2 {
            let nudged = |by: f64| {
                let mut y = wide.clone();
                y[i][a] += by;
                by_definition(&affinities, &y)
            };
            let gradient = (nudged(1e-5) - nudged(-1e-5)) / 2e-5;
            let expected = wide[i][a] - mean[a] - 1.2 * f64::from(rate) * gradient / 4.0;
            let got = f64::from(descent.points()[i][a]);
            assert!((got - expected).abs() < 2e-6, "point {i}, axis {a}: {got} {expected}");
        }
    }
}

#[test]
fn the_divergence_falls() {
    let (affinities, y) = small();
    let mut descent = Descent::new(&affinities, y);
    let mut last = descent.divergence();
    for _ in 0..8 {
        (0..25).for_each(|_| descent.advance(1.0, 10.0));
        let now = descent.divergence();
        assert!(now < last + 1e-4, "{now} after {last}");
        last = now;
    }
    assert!(last < 0.7, "{last}");
}

#[test]
fn a_mad_learning_rate_leaves_finite_points() {
    let (affinities, y) = small();
    let mut descent = Descent::new(&affinities, y);
    for rate in [1e30, f32::MAX, 1.0] {
        (0..20).for_each(|_| descent.advance(12.0, rate));
        assert!(descent.points().iter().flatten().all(|x| x.is_finite()));
    }
    assert!(descent.divergence().is_finite());
}
