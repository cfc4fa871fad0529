//! Eigenvalues of a small symmetric matrix, by Jacobi's rotations.

/// Eigenvalues, largest first, and unit eigenvectors, `vectors[i * n..][..n]` that of the i-th, of a symmetric matrix
/// `[n, n]`. Cubic in n with a generous factor: for n up to a few hundred.
pub(super) fn symmetric(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    let scale = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    // Convergence is quadratic: far fewer sweeps are needed than are allowed.
    for _sweep in 0..60 {
        let off = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).fold(0.0f64, |m, (i, j)| m.max(a[i * n + j].abs()));
        if off <= 1e-15 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq.abs() <= 1e-17 * scale {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                rotate(&mut a, n, p, q, c, t * c, true);
                rotate(&mut v, n, p, q, c, t * c, false);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]).then(i.cmp(&j)));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let vectors = order.iter().flat_map(|&i| v[i * n..(i + 1) * n].to_vec()).collect();
    (values, vectors)
}

/// Rotates rows `p` and `q`, and where `both`, the columns too.
fn rotate(m: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64, both: bool) {
    let (upper, lower) = m.split_at_mut(q * n);
    for (x, y) in upper[p * n..(p + 1) * n].iter_mut().zip(&mut lower[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
    if both {
        for row in m.chunks_exact_mut(n) {
            (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_matrix_worked_by_hand() {
        // [[2, 1], [1, 2]]: 3 along (1, 1), 1 along (1, -1).
        let (values, vectors) = symmetric(vec![2.0, 1.0, 1.0, 2.0], 2);
        assert!((values[0] - 3.0).abs() < 1e-12 && (values[1] - 1.0).abs() < 1e-12);
        assert!((vectors[0] - vectors[1]).abs() < 1e-12 && (vectors[2] + vectors[3]).abs() < 1e-12);
        assert_eq!(symmetric(vec![0.0; 9], 3).0, [0.0; 3]);
        assert_eq!(symmetric(vec![], 0).0, [0.0; 0]);
    }

    proptest! {
        #[test]
        fn vectors_are_orthonormal_and_rebuild_the_matrix(n in 1usize..9, seed in prop::collection::vec(-5.0f64..5.0, 81)) {
            let a: Vec<f64> = (0..n * n).map(|e| { let (i, j) = (e / n, e % n); seed[i * 9 + j] + seed[j * 9 + i] }).collect();
            let (values, v) = symmetric(a.clone(), n);
            prop_assert!(values.windows(2).all(|w| w[0] >= w[1]));
            for i in 0..n {
                for j in 0..n {
                    let dot: f64 = (0..n).map(|k| v[i * n + k] * v[j * n + k]).sum();
                    prop_assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-10);
                    let rebuilt: f64 = (0..n).map(|k| values[k] * v[k * n + i] * v[k * n + j]).sum();
                    prop_assert!((rebuilt - a[i * n + j]).abs() < 1e-9);
                }
            }
        }
    }
}
