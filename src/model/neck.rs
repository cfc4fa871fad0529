//! BNNeck (Luo et al. 2019): a batch norm without shift between v and C. Triplets shape v, which lives in Euclidean space;
//! the classifier and the search use the normalised feature, which lives on a sphere. So the two losses do not pull apart.

use candle_core::{Result, Tensor};

use crate::nn::layer::Pass;
use crate::nn::norm::{EPS, batch_norm, update_running};
use crate::nn::parameter::{Init, Parameter, Scope};
use crate::nn::tape::{Tape, Value};

/// The neck.
pub struct Neck {
    gamma: Parameter,
    running_mean: Tensor,
    running_var: Tensor,
}

impl Neck {
    /// Leaves features of length `d` as they are, until it has seen a batch.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn new(scope: &Scope, d: usize) -> Result<Self> {
        Ok(Self {
            gamma: scope.parameter("weight", &[d], Init::Constant(1.0))?,
            running_mean: scope.buffer("running_mean", &[d], 0.0)?,
            running_var: scope.buffer("running_var", &[d], 1.0)?,
        })
    }

    /// v `[b,d]` before the neck to the feature `[b,d]` behind it.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, pass: &Pass, v: &Value) -> Result<Value> {
        if !pass.training {
            return Ok(Value::constant(self.apply(v.tensor())?));
        }
        let (b, d) = v.tensor().dims2()?;
        let tape = &pass.tape;
        let gamma = self.gamma.leaf(tape);
        let beta = Value::constant(self.running_mean.zeros_like()?);
        let map = reshaped(tape, v, &[b, d, 1, 1])?;
        let (y, batch) = batch_norm(tape, &map, &gamma, &beta, false)?;
        update_running(&self.running_mean, &batch.mean)?;
        update_running(&self.running_var, &batch.unbiased_variance)?;
        reshaped(tape, &y, &[b, d])
    }

    /// The same in evaluation mode.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn apply(&self, v: &Tensor) -> Result<Tensor> {
        let scale = (self.gamma.tensor() / (&self.running_var + EPS)?.sqrt()?)?;
        v.broadcast_sub(&self.running_mean)?.broadcast_mul(&scale)
    }
}

impl Clone for Neck {
    /// Shares its numbers with the original.
    fn clone(&self) -> Self {
        Self {
            gamma: self.gamma.clone(),
            running_mean: self.running_mean.clone(),
            running_var: self.running_var.clone(),
        }
    }
}

/// The same numbers in another shape, on the tape.
fn reshaped(tape: &Tape, x: &Value, shape: &[usize]) -> Result<Value> {
    let before = x.tensor().shape().clone();
    let y = x.tensor().contiguous()?.reshape(shape)?;
    Ok(tape.record(&[x], y, move |dy, _| Ok(vec![Some(dy.contiguous()?.reshape(before)?)])))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::nn::parameter::Registry;
    use crate::nn::testing::noise;

    fn rows(t: &Tensor) -> Vec<Vec<f32>> {
        t.to_vec2().unwrap()
    }

    #[test]
    fn in_training_each_feature_has_mean_zero_and_variance_one_and_evaluation_follows() {
        let registry = Registry::new(1, &Device::Cpu);
        let neck = Neck::new(&registry.root().pp("neck"), 3).unwrap();
        let v = noise(5, &[64, 3]).affine(3.0, 2.0).unwrap();
        assert_eq!(rows(&neck.apply(&v).unwrap()).len(), 64);
        for _ in 0..200 {
            neck.forward(&Pass::training(), &Value::constant(v.clone())).unwrap();
        }
        let trained = neck.forward(&Pass::training(), &Value::constant(v.clone())).unwrap();
        let judged = neck.forward(&Pass::evaluation(), &Value::constant(v)).unwrap();
        for feature in 0..3 {
            let column = |t: &Tensor| rows(t).iter().map(|row| row[feature]).collect::<Vec<f32>>();
            let (a, b) = (column(trained.tensor()), column(judged.tensor()));
            let mean = a.iter().sum::<f32>() / 64.0;
            let variance = a.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 64.0;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-3, "{mean} {variance}");
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 0.05), "{a:?} {b:?}");
        }
    }

    #[test]
    fn the_gradient_reaches_v_and_gamma() {
        let registry = Registry::new(1, &Device::Cpu);
        let neck = Neck::new(&registry.root().pp("neck"), 2).unwrap();
        let v = noise(6, &[4, 2]);
        // The sum of a column after normalising does not depend on v; its first row alone does.
        let first = |v: &Tensor| -> f64 {
            let y = neck.forward(&Pass::training(), &Value::constant(v.clone())).unwrap();
            f64::from(rows(y.tensor())[0][0])
        };
        let pass = Pass::training();
        let y = neck.forward(&pass, &pass.tape.leaf(9_999_999, &v)).unwrap();
        let chosen = crate::nn::linear::rows(&pass.tape, &y, 0, 1).unwrap();
        let gradients = pass.tape.backward(&chosen).unwrap(); // of the sum of both features of the first row
        assert_eq!(gradients.len(), 2);
        let slopes = rows(&gradients[&9_999_999]);
        for i in 0..4 {
            let moved = |by: f32| {
                let mut numbers = rows(&v);
                numbers[i][0] += by;
                first(&Tensor::new(numbers, &Device::Cpu).unwrap())
            };
            let numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((numeric - f64::from(slopes[i][0])).abs() < 2e-2, "{i}: {numeric} {}", slopes[i][0]);
        }
    }
}
