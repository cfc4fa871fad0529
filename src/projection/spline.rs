//! Cubic B-splines on nodes one apart: the bridge between points and grid.

/// Weights of the four nodes around a point `t` past the second of them, 0 <= t <= 1. They sum to 1.
#[inline(always)]
pub(super) fn weights(t: f32) -> [f32; 4] {
    let (s, t2) = (1.0 - t, t * t);
    let t3 = t2 * t;
    [s * s * s / 6.0, 0.5 * t3 - t2 + 2.0 / 3.0, 0.5 * (t + t2 - t3) + 1.0 / 6.0, t3 / 6.0]
}

/// Derivatives of [`weights`] by `t`. They sum to 0.
#[inline(always)]
pub(super) fn slopes(t: f32) -> [f32; 4] {
    let (s, t2) = (1.0 - t, t * t);
    [-0.5 * s * s, 1.5 * t2 - 2.0 * t, 0.5 + t - 1.5 * t2, 0.5 * t2]
}

/// Fourier transform of the spline sampled at the nodes, at `turn` of a full turn a node.
pub(super) fn spectrum(turn: f64) -> f64 {
    (2.0 + (std::f64::consts::TAU * turn).cos()) / 3.0
}

/// The same for the spline convolved with itself (of degree 7): the mean over all places in a cell of what is spread
/// and read back at the same point.
pub(super) fn spectrum_of_square(turn: f64) -> f64 {
    let harmonic = |k: f64| (std::f64::consts::TAU * turn * k).cos();
    (2416.0 + 2.0 * (1191.0 * harmonic(1.0) + 120.0 * harmonic(2.0) + harmonic(3.0))) / 5040.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_worked_by_hand() {
        assert_eq!(weights(0.0), [1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0, 0.0]);
        let half = weights(0.5).map(|w| w * 48.0);
        [1.0, 23.0, 23.0, 1.0].iter().zip(half).for_each(|(e, w)| assert!((w - e).abs() < 1e-5, "{w} {e}"));
        assert_eq!(slopes(0.0), [-0.5, 0.0, 0.5, 0.0]);
        assert!((spectrum(0.0) - 1.0).abs() < 1e-15 && (spectrum(0.5) - 1.0 / 3.0).abs() < 1e-15);
        assert!((spectrum_of_square(0.0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn weights_sum_to_one_are_smooth_across_cells_and_slopes_are_their_derivatives() {
        for i in 0..=20 {
            let t = i as f32 / 20.0;
            assert!((weights(t).iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert!(slopes(t).iter().sum::<f32>().abs() < 1e-6);
            let (up, down, slope) = (weights(t + 1e-2), weights(t - 1e-2), slopes(t));
            (0..4).for_each(|k| assert!(((up[k] - down[k]) / 2e-2 - slope[k]).abs() < 1e-3));
        }
        for k in 0..3 {
            assert!((weights(1.0)[k + 1] - weights(0.0)[k]).abs() < 1e-6);
            assert!((slopes(1.0)[k + 1] - slopes(0.0)[k]).abs() < 1e-6);
        }
    }
}
