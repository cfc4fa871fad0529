//! The loss functions, each from its inputs to a scalar in one op, computed in `f64` in a stable form.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::buffer::{tensor, with_floats};
use super::cuda::{self, gpu};
use super::tape::{Tape, Value};

/// An op that has already worked out its scalar and the gradient of its one input.
fn scalar(tape: &Tape, input: &Value, value: f64, gradient: Vec<f32>) -> Result<Value> {
    let shape = input.tensor().shape().clone();
    let result = Tensor::new(value as f32, input.tensor().device())?;
    Ok(tape.record(&[input], result, move |dy, _| {
        let factor = f64::from(dy.to_scalar::<f32>()?);
        Ok(vec![Some(if factor == 1.0 {
            tensor(gradient, shape)?
        } else {
            tensor(gradient, shape)?.affine(factor, 0.0)?
        })])
    }))
}

/// Mean over elements of an element's loss, given `(value, derivative)` at each.
fn mean_of(tape: &Tape, input: &Value, f: impl Fn(f64) -> (f64, f64)) -> Result<Value> {
    let (sum, gradient) = with_floats([input.tensor()], |[x]| {
        let n = x.len() as f64;
        let mut sum = 0.0;
        let gradient = x.iter().map(|x| {
            let (value, slope) = f(f64::from(*x));
            sum += value / n;
            (slope / n) as f32
        });
        let gradient: Vec<f32> = gradient.collect();
        Ok((sum, gradient))
    })?;
    scalar(tape, input, sum, gradient)
}

/// Mean binary cross-entropy of logits z against one target t for all: `max(z,0) - z t + ln(1 + e^-|z|)`.
/// Candle's is not a number at logit 20.
///
/// # Errors
/// When the device is out of memory; so for all ops here.
pub fn bce_with_logits(tape: &Tape, logits: &Value, target: f64) -> Result<Value> {
    if let Some(gpu) = gpu(logits.tensor()) {
        return cuda::loss::bce_with_logits(gpu, tape, logits, target);
    }
    mean_of(tape, logits, |z| {
        let small = (-z.abs()).exp();
        let sigmoid = if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
        (z.max(0.0) - z * target + small.ln_1p(), sigmoid - target)
    })
}

/// Mean of `(z - target)^2`.
///
/// # Errors
/// See [`bce_with_logits`].
pub fn squared_error(tape: &Tape, z: &Value, target: f64) -> Result<Value> {
    if let Some(gpu) = gpu(z.tensor()) {
        return cuda::loss::squared_error(gpu, tape, z, target);
    }
    mean_of(tape, z, |z| ((z - target).powi(2), 2.0 * (z - target)))
}

/// Mean absolute difference between `x` and a fixed `target` of the same shape; the slope at 0 is 0.
///
/// # Errors
/// When the shapes differ.
pub fn l1(tape: &Tape, x: &Value, target: &Tensor) -> Result<Value> {
    if x.tensor().dims() != target.dims() {
        bail!("l1: {:?} against {:?}", x.tensor().dims(), target.dims());
    }
    if let Some(gpu) = gpu(x.tensor()) {
        return cuda::loss::l1(gpu, tape, x, target);
    }
    let (sum, gradient) = with_floats([x.tensor(), target], |[x, t]| {
        const CHUNK: usize = 1 << 14;
        let step = 1.0 / x.len() as f32;
        let mut gradient = vec![0f32; x.len()];
        let parts: Vec<f64> = gradient
            .par_chunks_mut(CHUNK)
            .zip(x.par_chunks(CHUNK))
            .zip(t.par_chunks(CHUNK))
            .map(|((gradient, x), t)| {
                let mut sum = 0.0;
                for ((g, x), t) in gradient.iter_mut().zip(x).zip(t) {
                    let difference = x - t;
                    *g = if difference > 0.0 {
                        step
                    } else if difference < 0.0 {
                        -step
                    } else {
                        0.0
                    };
                    sum += f64::from(difference.abs());
                }
                sum
            })
            .collect();
        // Summed in order, so that the result does not depend on the threads.
        Ok((parts.iter().sum::<f64>() / x.len() as f64, gradient))
    })?;
    scalar(tape, x, sum, gradient)
}

/// Mean cross-entropy of `logits [n,k]` over the rows with a label of 0 or more; 0 when there is none. With smoothing e
/// the wanted distribution is `1 - e` on the label plus `e / k` on every class.
///
/// # Errors
/// When a label is not a class.
pub fn cross_entropy(tape: &Tape, logits: &Value, labels: &[i64], smoothing: f64) -> Result<Value> {
    let (n, k) = logits.tensor().dims2()?;
    if labels.len() != n || labels.iter().any(|y| *y >= k as i64) {
        bail!("cross-entropy: {n} rows of {k} classes against labels {labels:?}");
    }
    let labelled = labels.iter().filter(|y| **y >= 0).count().max(1);
    if let Some(gpu) = gpu(logits.tensor()) {
        return cuda::loss::cross_entropy(gpu, tape, logits, labels, labelled, smoothing);
    }
    let labelled = labelled as f64;
    let (sum, gradient) = with_floats([logits.tensor()], |[logits]| {
        let (mut sum, mut gradient) = (0.0, vec![0f32; logits.len()]);
        for ((row, gradient), label) in logits.chunks_exact(k).zip(gradient.chunks_exact_mut(k)).zip(labels) {
            if *label < 0 {
                continue;
            }
            let top = row.iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v)) as f64;
            let log_sum = top + row.iter().map(|v| (f64::from(*v) - top).exp()).sum::<f64>().ln();
            for (class, (z, g)) in row.iter().zip(gradient).enumerate() {
                let wanted = smoothing / k as f64 + if class == *label as usize { 1.0 - smoothing } else { 0.0 };
                let log_p = f64::from(*z) - log_sum;
                sum -= wanted * log_p / labelled;
                *g = ((log_p.exp() - wanted) / labelled) as f32;
            }
        }
        Ok((sum, gradient))
    })?;
    scalar(tape, logits, sum, gradient)
}

/// Euclidean distance with 1e-12 under the root, so that its slope at 0 is finite.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (squares + 1e-12).sqrt()
}

/// Mean over `(anchor, positive, negative)` rows of `v [n,d]` of `max(0, margin + d(a,p) - d(a,n))`; 0 when there is none.
///
/// # Errors
/// When a row does not exist.
pub fn triplet(tape: &Tape, v: &Value, triplets: &[(u32, u32, u32)], margin: f64) -> Result<Value> {
    let (n, d) = v.tensor().dims2()?;
    if triplets.iter().any(|(a, p, q)| [a, p, q].into_iter().any(|i| *i as usize >= n)) {
        bail!("triplet: a row beyond {n} is named");
    }
    if let Some(gpu) = gpu(v.tensor()) {
        let triplets = cuda::loss::given(&*gpu, triplets)?;
        return cuda::loss::triplet(gpu, tape, v, &triplets, margin);
    }
    let count = triplets.len().max(1) as f64;
    let (sum, gradient) = with_floats([v.tensor()], |[v]| {
        let row = |i: u32| &v[i as usize * d..][..d];
        let (mut sum, mut gradient) = (0.0, vec![0f32; n * d]);
        for &(a, p, q) in triplets {
            let (near, far) = (distance(row(a), row(p)), distance(row(a), row(q)));
            let loss = margin + near - far;
            if loss <= 0.0 {
                continue;
            }
            sum += loss / count;
            for (other, length, sign) in [(p, near, 1.0), (q, far, -1.0)] {
                for i in 0..d {
                    let slope = (sign * f64::from(row(a)[i] - row(other)[i]) / (length * count)) as f32;
                    gradient[a as usize * d + i] += slope;
                    gradient[other as usize * d + i] -= slope;
                }
            }
        }
        Ok((sum, gradient))
    })?;
    scalar(tape, v, sum, gradient)
}

/// [`triplet`] over the [`hardest_triplets`] of `v [n,d]`.
///
/// # Errors
/// When `labels` has another length.
pub fn hardest_triplet(tape: &Tape, v: &Value, labels: &[i64], margin: f64) -> Result<Value> {
    match gpu(v.tensor()) {
        // Both on the device: their names never come to the host.
        Some(gpu) => {
            let triplets = cuda::loss::hardest(&*gpu, v.tensor(), labels)?;
            cuda::loss::triplet(gpu, tape, v, &triplets, margin)
        }
        None => triplet(tape, v, &hardest_triplets(v.tensor(), labels)?, margin),
    }
}

/// For each labelled row of `v [n,d]` the farthest other row of its label (itself where there is none) and the nearest row of another;
/// rows with no negative are left out.
///
/// # Errors
/// When `labels` has another length.
pub fn hardest_triplets(v: &Tensor, labels: &[i64]) -> Result<Vec<(u32, u32, u32)>> {
    let (n, d) = v.dims2()?;
    if labels.len() != n {
        bail!("batch-hard: {n} rows against {} labels", labels.len());
    }
    with_floats([v], |[v]| {
        let row = |i: usize| &v[i * d..][..d];
        let mut triplets = Vec::new();
        for (a, label) in labels.iter().enumerate().filter(|(_, y)| **y >= 0) {
            let (mut positive, mut negative) = ((a, f64::NEG_INFINITY), (a, f64::INFINITY));
            for (other, y) in labels.iter().enumerate().filter(|(i, y)| *i != a && **y >= 0) {
                let length = distance(row(a), row(other));
                if y == label && length > positive.1 {
                    positive = (other, length);
                } else if y != label && length < negative.1 {
                    negative = (other, length);
                }
            }
            if negative.1.is_finite() {
                triplets.push((a as u32, positive.0 as u32, negative.0 as u32));
            }
        }
        Ok(triplets)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::activation::{map, weighted_sum};
    use crate::nn::testing::{check_gradients, noise};
    use candle_core::Device;

    fn value(v: &Value) -> f64 {
        v.tensor().to_scalar::<f32>().unwrap() as f64
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = map(&noise(1, &[3, 2, 2, 1]), |x| 4.0 * x).unwrap();
        for target in [0.0, 1.0] {
            check_gradients(std::slice::from_ref(&x), |t, v| bce_with_logits(t, &v[0], target));
            check_gradients(std::slice::from_ref(&x), |t, v| squared_error(t, &v[0], target));
        }
        let target = map(&x, |x| if x > 0.0 { x - 1.0 } else { x + 1.0 }).unwrap();
        check_gradients(std::slice::from_ref(&x), |t, v| l1(t, &v[0], &target));
        let logits = map(&noise(2, &[4, 5]), |x| 3.0 * x).unwrap();
        for smoothing in [0.0, 0.1] {
            check_gradients(std::slice::from_ref(&logits), |t, v| cross_entropy(t, &v[0], &[1, -1, 4, 0], smoothing));
        }
        let triplets = [(0, 1, 2), (1, 0, 3), (2, 2, 0), (3, 0, 1)];
        for margin in [0.3, 9.0] {
            check_gradients(&[noise(3, &[4, 6])], |t, v| triplet(t, &v[0], &triplets, margin));
        }
        // One tensor, two consumers.
        check_gradients(&[noise(3, &[4, 6])], |t, v| {
            let terms =
                [(0.5, triplet(t, &v[0], &triplets, 9.0)?), (2.0, cross_entropy(t, &v[0], &[0, 1, 2, 3], 0.0)?)];
            weighted_sum(t, &terms)
        });
    }

    #[test]
    fn cross_entropy_at_extreme_logits_is_exact() {
        let t = Tape::new();
        let logits = Value::constant(Tensor::new(&[-1000f32, 20.0, 1000.0], &Device::Cpu).unwrap());
        // -1000 against 1, 20 against 1 (2.06e-9), 1000 against 1.
        assert!((value(&bce_with_logits(&t, &logits, 1.0).unwrap()) - 1000.0 / 3.0).abs() < 1e-3);
        assert!((value(&bce_with_logits(&t, &logits, 0.0).unwrap()) - 1020.0 / 3.0).abs() < 1e-3);
        let rows = Value::constant(Tensor::new(&[[1000f32, -1000.0]], &Device::Cpu).unwrap());
        assert_eq!(value(&cross_entropy(&t, &rows, &[1], 0.0).unwrap()), 2000.0);
    }

    #[test]
    fn on_plain_input_candle_agrees() {
        let t = Tape::new();
        let logits = map(&noise(5, &[6, 4]), |x| 3.0 * x).unwrap();
        let labels = [3i64, 0, 1, 1, 2, 0];
        let theirs = candle_nn::loss::cross_entropy(&logits, &Tensor::new(&labels, &Device::Cpu).unwrap()).unwrap();
        let ours = cross_entropy(&t, &Value::constant(logits.clone()), &labels, 0.0).unwrap();
        assert!((value(&ours) - theirs.to_scalar::<f32>().unwrap() as f64).abs() < 1e-6);
        let ones = logits.ones_like().unwrap();
        let theirs = candle_nn::loss::binary_cross_entropy_with_logit(&logits, &ones).unwrap();
        let ours = bce_with_logits(&t, &Value::constant(logits), 1.0).unwrap();
        assert!((value(&ours) - theirs.to_scalar::<f32>().unwrap() as f64).abs() < 1e-6);
    }

    #[test]
    fn unlabelled_rows_count_for_nothing() {
        let t = Tape::new();
        let logits = Value::constant(noise(1, &[3, 4]));
        let first = Value::constant(noise(1, &[3, 4]).narrow(0, 0, 1).unwrap());
        let alone = value(&cross_entropy(&t, &first, &[2], 0.0).unwrap());
        assert_eq!(value(&cross_entropy(&t, &logits, &[2, -1, -1], 0.0).unwrap()), alone);
        assert_eq!(value(&cross_entropy(&t, &logits, &[-1, -1, -1], 0.0).unwrap()), 0.0);
        assert_eq!(value(&triplet(&t, &logits, &[], 2.0).unwrap()), 0.0);
        assert!(cross_entropy(&t, &logits, &[4, 0, 0], 0.0).is_err());
    }

    #[test]
    fn equal_vectors_have_a_finite_slope() {
        let tape = Tape::new();
        let v = tape.leaf(0, &Tensor::ones((3, 4), candle_core::DType::F32, &Device::Cpu).unwrap());
        let loss = triplet(&tape, &v, &[(0, 1, 2)], 2.0).unwrap();
        let g: Vec<f32> = tape.backward(&loss).unwrap()[&0].flatten_all().unwrap().to_vec1().unwrap();
        assert!(g.iter().all(|g| g.is_finite()));
    }

    #[test]
    fn the_hardest_triplets_are_the_farthest_friend_and_the_nearest_stranger() {
        let v = Tensor::new(&[[0f32], [1.0], [5.0], [2.0], [-9.0]], &Device::Cpu).unwrap();
        let triplets = hardest_triplets(&v, &[7, 7, 7, 3, -1]).unwrap();
        assert_eq!(triplets, [(0, 2, 3), (1, 2, 3), (2, 0, 3), (3, 3, 1)]);
        assert!(hardest_triplets(&v, &[1, 1, 1, 1, 1]).unwrap().is_empty());
    }
}
