//! What a step can tell of itself at little cost, beside its losses. Scalars stay where they were computed: a GPU is asked for
//! all figures of a step at once.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use super::config::Adversarial;
use crate::nn::buffer::with_floats;

/// Numbers that are summed in `f32` before the sum goes on in `f64`.
const RUN: usize = 4096;

/// The squared Euclidean length of some gradients together, as a scalar; `None` where there are none. One pass over them.
///
/// # Errors
/// When a tensor is not of floats.
pub fn squared_length<'a>(gradients: impl Iterator<Item = &'a Tensor>) -> Result<Option<Tensor>> {
    let gradients: Vec<&Tensor> = gradients.collect();
    let Some(first) = gradients.first() else {
        return Ok(None);
    };
    if !first.device().is_cpu() {
        let squares = gradients.iter().map(|g| g.to_dtype(DType::F32)?.sqr()?.sum_all()).collect::<Result<Vec<_>>>()?;
        return Tensor::stack(&squares, 0)?.sum_all().map(Some);
    }
    // Summed in the order of the tensors, whatever thread each was summed on.
    let sums: Result<Vec<f64>> = gradients
        .par_iter()
        .map(|g| with_floats([*g], |[numbers]| Ok(numbers.chunks(RUN).map(|run| f64::from(squares(run))).sum())))
        .collect();
    Tensor::new(sums?.iter().sum::<f64>() as f32, first.device()).map(Some)
}

/// The sum of squares, in sixteen lanes that the compiler keeps in registers.
fn squares(run: &[f32]) -> f32 {
    let mut lanes = [0f32; 16];
    let (whole, rest) = run.as_chunks::<16>();
    for part in whole {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += x * x;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

/// Shares of the patches of `z [2b,1,h,w]` (b HR images, then their LR forms) that were told rightly: HR, then LR.
///
/// # Errors
/// When the shapes do not fit.
pub fn accuracy(z: &Tensor, b: usize, form: Adversarial) -> Result<Vec<Tensor>> {
    // A logit of 0 is undecided; least squares are drawn to 1 and 0 instead.
    let border = if form == Adversarial::LeastSquares { 0.5 } else { 0.0 };
    let taken_for_hr = |from| z.narrow(0, from, b)?.gt(border)?.to_dtype(DType::F32)?.mean_all();
    let (hr, lr) = (taken_for_hr(0)?, taken_for_hr(b)?);
    Ok(vec![hr, lr.affine(-1.0, 1.0)?])
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn lengths_by_hand() {
        let a = Tensor::new(&[[3f32, 0.0], [0.0, 4.0]], &Device::Cpu).unwrap();
        let b = Tensor::full(2f32, 10_000, &Device::Cpu).unwrap();
        let length = |all: &[&Tensor]| -> f32 {
            squared_length(all.iter().copied()).unwrap().map_or(-1.0, |t| t.to_scalar().unwrap())
        };
        assert_eq!(length(&[&a]), 25.0);
        assert_eq!(length(&[&a.t().unwrap(), &b]), 40_025.0);
        assert_eq!(length(&[]), -1.0);
        assert!(length(&[&Tensor::new(&[f32::NAN], &Device::Cpu).unwrap()]).is_nan());
    }

    #[test]
    fn accuracies_by_hand() {
        let z = Tensor::new(&[1f32, -1.0, 2.0, 0.3, -2.0, -3.0, 4.0, 0.3], &Device::Cpu).unwrap();
        let z = z.reshape((4, 1, 1, 2)).unwrap();
        let told =
            |form| -> Vec<f32> { accuracy(&z, 2, form).unwrap().iter().map(|t| t.to_scalar().unwrap()).collect() };
        assert_eq!(told(Adversarial::NonSaturating), [0.75, 0.5]);
        assert_eq!(told(Adversarial::LeastSquares), [0.5, 0.75]);
    }
}
