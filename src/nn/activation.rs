//! ReLU and its kin, and the sum that closes a residual block. ReLU'(0) is 0, as in PyTorch (Candle says 1).

use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;

use super::buffer::{tensor, unset, with_floats};
use super::cuda::{gpu, pointwise};
use super::tape::{Tape, Value};

/// Elements that one thread takes at a time.
const CHUNK: usize = 1 << 15;

/// `f(a, b)` element by element.
pub(super) fn zip_map(a: &Tensor, b: &Tensor, f: impl Fn(f32, f32) -> f32 + Sync) -> Result<Tensor> {
    if a.dims() != b.dims() {
        bail!("shapes {:?} and {:?} differ", a.dims(), b.dims());
    }
    with_floats([a, b], |[x, y]| {
        // SAFETY: the loop below writes every number.
        let mut out = unsafe { unset(x.len()) };
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(y.par_chunks(CHUNK)).for_each(|((out, x), y)| {
            for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
                *out = f(*x, *y);
            }
        });
        tensor(out, a.shape())
    })
}

/// `f(a)` element by element.
pub(super) fn map(a: &Tensor, f: impl Fn(f32) -> f32 + Sync) -> Result<Tensor> {
    with_floats([a], |[x]| {
        // SAFETY: the loop below writes every number.
        let mut out = unsafe { unset(x.len()) };
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
            for (out, x) in out.iter_mut().zip(x) {
                *out = f(*x);
            }
        });
        tensor(out, a.shape())
    })
}

/// max(x, 0).
///
/// # Errors
/// When the device is out of memory; so for all ops here.
pub fn relu(tape: &Tape, x: &Value) -> Result<Value> {
    if let Some(gpu) = gpu(x.tensor()) {
        return pointwise::relu(gpu, tape, x);
    }
    let y = map(x.tensor(), |x| x.max(0.0))?;
    let kept = y.clone();
    Ok(tape.record(&[x], y, move |dy, _| Ok(vec![Some(zip_map(&kept, &dy, |y, d| if y > 0.0 { d } else { 0.0 })?)])))
}

/// x where positive, `slope * x` elsewhere.
///
/// # Errors
/// See [`relu`].
pub fn leaky_relu(tape: &Tape, x: &Value, slope: f32) -> Result<Value> {
    if let Some(gpu) = gpu(x.tensor()) {
        return pointwise::leaky_relu(gpu, tape, x, slope);
    }
    let y = map(x.tensor(), |x| if x > 0.0 { x } else { slope * x })?;
    let kept = x.tensor().clone();
    Ok(tape
        .record(&[x], y, move |dy, _| Ok(vec![Some(zip_map(&kept, &dy, |x, d| if x > 0.0 { d } else { slope * d })?)])))
}

/// a + b.
///
/// # Errors
/// When the shapes differ.
pub fn add(tape: &Tape, a: &Value, b: &Value) -> Result<Value> {
    let y = sum(a.tensor(), b.tensor())?;
    Ok(tape.record(&[a, b], y, |dy, _| Ok(vec![Some(dy.clone()), Some(dy)])))
}

/// a + b, without a gradient.
///
/// # Errors
/// When the shapes differ.
pub fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match gpu(a) {
        Some(gpu) => pointwise::sum(&*gpu, a, b),
        None => zip_map(a, b, |a, b| a + b),
    }
}

/// max(a + b, 0): how a residual block ends.
///
/// # Errors
/// When the shapes differ.
pub fn add_relu(tape: &Tape, a: &Value, b: &Value) -> Result<Value> {
    if let Some(gpu) = gpu(a.tensor()) {
        return pointwise::add_relu(gpu, tape, a, b);
    }
    let y = zip_map(a.tensor(), b.tensor(), |a, b| (a + b).max(0.0))?;
    let kept = y.clone();
    Ok(tape.record(&[a, b], y, move |dy, _| {
        let d = zip_map(&kept, &dy, |y, d| if y > 0.0 { d } else { 0.0 })?;
        Ok(vec![Some(d.clone()), Some(d)])
    }))
}

/// The identity, whose gradient is turned round and multiplied by `factor`: Eq. 8 in one pass.
///
/// # Errors
/// See [`relu`].
pub fn reverse_gradient(tape: &Tape, x: &Value, factor: f32) -> Result<Value> {
    Ok(tape.record(&[x], x.tensor().clone(), move |dy, _| {
        let dx = match gpu(&dy) {
            Some(gpu) => pointwise::scale(&*gpu, &dy, -factor)?,
            None => map(&dy, |d| -factor * d)?,
        };
        Ok(vec![Some(dx)])
    }))
}

/// x as `dtype`, its gradient as x. How a master weight takes part in a pass of `bf16`.
///
/// # Errors
/// When the device does not know the dtype.
pub fn cast(tape: &Tape, x: &Value, dtype: DType) -> Result<Value> {
    fn to(x: &Tensor, dtype: DType) -> Result<Tensor> {
        match gpu(x) {
            Some(gpu) => pointwise::cast(&*gpu, x, dtype),
            None => x.to_dtype(dtype),
        }
    }
    let own = x.tensor().dtype();
    if own == dtype {
        return Ok(x.clone());
    }
    Ok(tape.record(&[x], to(x.tensor(), dtype)?, move |dy, _| Ok(vec![Some(to(&dy, own)?)])))
}

/// Weighted sum of scalars: Eq. 7.
///
/// # Errors
/// When a term is not a scalar.
pub fn weighted_sum(tape: &Tape, terms: &[(f64, Value)]) -> Result<Value> {
    let sum = match terms.first().map(|(_, term)| gpu(term.tensor())) {
        // The terms stay on the device: reading one would wait for it.
        Some(Some(gpu)) => {
            let parts = terms.iter().map(|(weight, term)| pointwise::scale(&*gpu, term.tensor(), *weight as f32));
            let parts: Vec<Tensor> = parts.collect::<Result<_>>()?;
            parts[1..].iter().try_fold(parts[0].clone(), |sum, part| pointwise::sum(&*gpu, &sum, part))?
        }
        _ => {
            let mut total = 0.0;
            for (weight, term) in terms {
                total += weight * f64::from(term.tensor().to_scalar::<f32>()?);
            }
            Tensor::new(total as f32, &candle_core::Device::Cpu)?
        }
    };
    let weights: Vec<f64> = terms.iter().map(|t| t.0).collect();
    let inputs: Vec<&Value> = terms.iter().map(|t| &t.1).collect();
    Ok(tape.record(&inputs, sum, move |dy, _| weights.iter().map(|w| Ok(Some(dy.affine(*w, 0.0)?))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{check_gradients, noise};
    use candle_core::Device;

    /// Noise kept away from the kink, where finite differences mean nothing.
    fn away_from_zero(seed: u64, shape: &[usize]) -> Tensor {
        map(&noise(seed, shape), |x| x + 0.1 * x.signum()).unwrap()
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = away_from_zero(1, &[2, 3, 4, 5]);
        check_gradients(std::slice::from_ref(&x), |t, v| relu(t, &v[0]));
        check_gradients(std::slice::from_ref(&x), |t, v| leaky_relu(t, &v[0], 0.2));
        let y = map(&away_from_zero(2, &[2, 3, 4, 5]), |x| 3.0 * x).unwrap();
        check_gradients(&[x.clone(), y.clone()], |t, v| add(t, &v[0], &v[1]));
        check_gradients(&[map(&x, |x| x.signum() * (x.abs() + 3.5)).unwrap(), y], |t, v| add_relu(t, &v[0], &v[1]));
    }

    #[test]
    fn one_tensor_with_two_consumers_gets_both_gradients() {
        let x = away_from_zero(1, &[7]);
        check_gradients(std::slice::from_ref(&x), |t, v| add_relu(t, &leaky_relu(t, &v[0], 0.2)?, &v[0]));
        check_gradients(std::slice::from_ref(&x), |t, v| add(t, &v[0], &v[0]));
    }

    #[test]
    fn the_gradient_of_relu_at_zero_is_zero() {
        let tape = Tape::new();
        let x = tape.leaf(0, &Tensor::new(&[0f32, -0.0, 1.0], &Device::Cpu).unwrap());
        let y = relu(&tape, &x).unwrap();
        assert_eq!(tape.backward(&y).unwrap()[&0].to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn reversal_turns_the_gradient_and_keeps_the_value() {
        let tape = Tape::new();
        let x = tape.leaf(0, &Tensor::new(&[2f32, -3.0], &Device::Cpu).unwrap());
        let y = reverse_gradient(&tape, &x, 0.5).unwrap();
        assert_eq!(y.tensor().to_vec1::<f32>().unwrap(), [2.0, -3.0]);
        assert_eq!(tape.backward(&y).unwrap()[&0].to_vec1::<f32>().unwrap(), [-0.5, -0.5]);
    }

    #[test]
    fn a_weighted_sum_passes_each_weight_on() {
        let tape = Tape::new();
        let scalar = |key, v: f32| tape.leaf(key, &Tensor::new(v, &Device::Cpu).unwrap());
        let sum = weighted_sum(&tape, &[(2.0, scalar(0, 3.0)), (-1.0, scalar(1, 4.0))]).unwrap();
        assert_eq!(sum.tensor().to_scalar::<f32>().unwrap(), 2.0);
        let g = tape.backward(&sum).unwrap();
        assert_eq!((g[&0].to_scalar::<f32>().unwrap(), g[&1].to_scalar::<f32>().unwrap()), (2.0, -1.0));
    }
}
