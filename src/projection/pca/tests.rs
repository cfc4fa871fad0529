use proptest::prelude::*;
use rand::RngExt;

use super::super::Progress;
use super::*;
use crate::flow::Flow;

fn fitted(features: &[f32], dims: usize, components: usize) -> Pca {
    let mut on = |_: &Progress| Flow::Continue;
    fit(features, dims, components, 1, &mut Pace::new(0, &mut on)).unwrap()
}

fn coordinates(pca: &Pca, features: &[f32], axes: usize) -> Vec<f32> {
    let mut on = |_: &Progress| Flow::Continue;
    pca.coordinates(features, axes, &mut Pace::new(0, &mut on)).unwrap()
}

/// Points whose variance falls from axis to axis, mixed so that no axis is a coordinate.
fn mixed(n: usize, dims: usize, fall: f64) -> Vec<f32> {
    let mut rng = seeded::rng(2, "test pca", &[]);
    let mixing: Vec<f64> = (0..dims * dims).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut rotation = mixing;
    orthonormalise(&mut rotation, dims);
    let mut out = Vec::with_capacity(n * dims);
    for _ in 0..n {
        let mut row = vec![0.0; dims];
        for axis in 0..dims {
            let x: f64 = rng.random_range(-1.0..1.0) * fall.powi(axis as i32);
            (0..dims).for_each(|d| row[d] += x * rotation[axis * dims + d]);
        }
        out.extend(row.iter().enumerate().map(|(d, &x)| (x + d as f64) as f32));
    }
    out
}

/// Eigenvalues and vectors of the covariance matrix, formed in full.
fn by_covariance(features: &[f32], dims: usize) -> (Vec<f64>, Vec<f64>) {
    let (n, mean) = (features.len() / dims, mean(features, dims));
    let mut covariance = vec![0.0; dims * dims];
    for row in features.chunks_exact(dims) {
        let row: Vec<f64> = row.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect();
        for i in 0..dims {
            (0..dims).for_each(|j| covariance[i * dims + j] += row[i] * row[j] / n as f64);
        }
    }
    eigen::symmetric(covariance, dims)
}

#[test]
fn four_points_worked_by_hand() {
    // Along (1, 1): -2√2 .. 2√2; along (1, -1): -√2 .. √2; the mean is (10, 20).
    let features = [12.0, 22.0, 8.0, 18.0, 11.0, 19.0, 9.0, 21.0];
    let pca = fitted(&features, 2, 2);
    assert_eq!(pca.mean, [10.0, 20.0]);
    assert!((pca.variance[0] - 4.0).abs() < 1e-6 && (pca.variance[1] - 1.0).abs() < 1e-6, "{:?}", pca.variance);
    assert!((pca.total - 5.0).abs() < 1e-6);
    let h = 0.5f32.sqrt();
    for (got, expected) in pca.axes.iter().zip([h, h, h, -h]) {
        assert!((got - expected).abs() < 1e-6, "{:?}", pca.axes);
    }
    let unit = 5.0f32.sqrt();
    for (got, expected) in coordinates(&pca, &features, 2).iter().zip([8.0, 0.0, -8.0, 0.0, 0.0, 2.0, 0.0, -2.0f32]) {
        assert!(
            (got - expected.signum() * expected.abs().sqrt() / unit).abs() < 1e-6
                || expected == 0.0 && got.abs() < 1e-6
        );
    }
}

#[test]
fn both_ways_agree_with_the_covariance_matrix() {
    // 30 dimensions keep every direction; 180 iterate on a subspace.
    for (n, dims, fall) in [(400, 30, 0.85), (700, 180, 0.9), (60, 150, 0.9)] {
        let features = mixed(n, dims, fall);
        let (values, vectors) = by_covariance(&features, dims);
        let pca = fitted(&features, dims, 8);
        assert_eq!(pca.kept(), 8);
        for (i, value) in values.iter().enumerate().take(8) {
            assert!((pca.variance[i] / value - 1.0).abs() < 1e-3, "{n} x {dims}, {i}: {} {}", pca.variance[i], value);
        }
        for i in 0..4 {
            let axis = &pca.axes[i * dims..(i + 1) * dims];
            let dot: f64 = axis.iter().zip(&vectors[i * dims..]).map(|(a, b)| f64::from(*a) * b).sum();
            assert!(dot.abs() > 0.999, "{n} x {dims}, axis {i}: {dot}");
            let largest = axis.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            assert!(largest > 0.0);
        }
        let total: f64 = values.iter().sum();
        assert!((pca.total / total - 1.0).abs() < 1e-5);
    }
}

#[test]
fn constant_columns_equal_rows_and_extremes() {
    let pca = fitted(&[3.0, 1.0, 3.0, 2.0, 3.0, 6.0], 2, 2);
    assert_eq!((pca.kept(), &pca.axes[..]), (1, [0.0, 1.0].as_slice()));
    for value in [0.0, 0.1, 1e30, -1e-30] {
        let pca = fitted(&[value; 21], 3, 2);
        assert_eq!((pca.kept(), pca.total), (0, 0.0), "{value}");
    }
    let huge = fitted(&[3e38, 0.0, -3e38, 1e38, 3e38, -1e38], 2, 2);
    assert!(huge.variance.iter().all(|v| v.is_finite()) && huge.kept() == 2);
    assert!(
        coordinates(&huge, &[3e38, 0.0, -3e38, 1e38, 3e38, -1e38], 2).iter().all(|x| x.is_finite() && x.abs() < 10.0)
    );
    let tiny = fitted(&[1e-40, 0.0, -1e-40, 0.0], 2, 1);
    assert!(coordinates(&tiny, &[1e-40, 0.0, -1e-40, 0.0], 1).iter().all(|x| (x.abs() - 1.0).abs() < 1e-3));
}

#[test]
fn one_thread_and_three_give_the_same_bits() {
    let features = mixed(3000, 128, 0.95);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(&features, 128, 20).axes.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    assert_eq!(on(1), on(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn axes_are_orthonormal_and_distances_survive(data in prop::collection::vec(-100.0f32..100.0, 12..120), dims in 1usize..8) {
        let n = data.len() / dims;
        let features = &data[..n * dims];
        let pca = fitted(features, dims, dims);
        for i in 0..pca.kept() {
            for j in 0..=i {
                let dot: f32 = (0..dims).map(|d| pca.axes[i * dims + d] * pca.axes[j * dims + d]).sum();
                prop_assert!((dot - f32::from(u8::from(i == j))).abs() < 1e-4);
            }
        }
        let kept = pca.kept();
        let y = coordinates(&pca, features, kept);
        let apart = |m: &[f32], w: usize| -> f64 { (0..w).map(|d| (f64::from(m[d]) - f64::from(m[w + d])).powi(2)).sum() };
        if n >= 2 && kept > 0 {
            let (before, after) = (apart(features, dims), apart(&y, kept) * pca.total);
            prop_assert!((before - after).abs() < 1e-2 * (1.0 + before), "{before} {after}");
        }
    }
}
