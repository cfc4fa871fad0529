//! BatchNorm in training, with the ReLU that follows it in the same passes over memory.
//!
//! As a chain of Candle's tensor ops it takes 11 to 14 times PyTorch's time. In evaluation there is no such op: it is
//! folded into the convolution before it ([`super::conv::Folded`]).

mod sweep;

use candle_core::{Result, Tensor, bail};

use self::sweep::{Differentiate, Gate, Maps, Moments, Normalise};
use super::buffer::{Shared, tensor, unset, with_floats, with_floats_mut};
use super::cuda::{self, gpu};
use super::kernel::{self, Micro, Task, dispatch};
use super::tape::{Tape, Value};

/// Added to the variance; PyTorch's default.
pub const EPS: f64 = 1e-5;

/// The statistics of one batch, `[c]` each, on x's device.
pub struct Statistics {
    /// Mean.
    pub mean: Tensor,
    /// Variance with `n - 1` in the denominator: what the running variance is fed with.
    pub unbiased_variance: Tensor,
}

/// `gamma * (x - mean) / sqrt(var + eps) + beta` over `[b,c,h,w]` with the batch's own statistics a channel, then ReLU
/// if asked for. Also the statistics.
///
/// # Errors
/// When the shapes do not fit, or a channel has a single value.
pub fn batch_norm(tape: &Tape, x: &Value, gamma: &Value, beta: &Value, relu: bool) -> Result<(Value, Statistics)> {
    normalise(tape, [x, gamma, beta], None, relu)
}

/// [`batch_norm`] plus a shortcut, then ReLU if asked for: how a residual block ends, in one op, so that neither the
/// normalised map nor the sum is ever kept beside the result.
///
/// # Errors
/// When the shapes do not fit.
pub fn batch_norm_onto(
    tape: &Tape,
    x: &Value,
    gamma: &Value,
    beta: &Value,
    shortcut: &Value,
    relu: bool,
) -> Result<(Value, Statistics)> {
    normalise(tape, [x, gamma, beta], Some(shortcut), relu)
}

fn normalise(
    tape: &Tape,
    [x, gamma, beta]: [&Value; 3],
    shortcut: Option<&Value>,
    relu: bool,
) -> Result<(Value, Statistics)> {
    let (batch, channels, h, w) = x.tensor().dims4()?;
    let (plane, n) = (h * w, (batch * h * w) as f64);
    if gamma.tensor().dims() != [channels] || beta.tensor().dims() != [channels] || batch * plane < 2 {
        bail!(
            "batch norm: x is {:?}, gamma is {:?}; a channel needs two values at least",
            x.tensor().dims(),
            gamma.tensor().dims()
        );
    }
    if let Some(shortcut) = shortcut
        && shortcut.tensor().dims() != x.tensor().dims()
    {
        bail!("batch norm: x is {:?}, the shortcut is {:?}", x.tensor().dims(), shortcut.tensor().dims());
    }
    if let Some(gpu) = gpu(x.tensor()) {
        return cuda::norm::batch_norm(gpu, tape, [x, gamma, beta], shortcut, relu);
    }
    let maps = Maps { batch, channels, plane };
    // Where there is no shortcut x takes its place in the list, and is not looked at.
    let added = shortcut.map_or(x.tensor(), Value::tensor);
    let (y, moments) = with_floats([x.tensor(), gamma.tensor(), beta.tensor(), added], |[x, gamma, beta, added]| {
        // SAFETY: every number of every plane is written, and read by nobody before.
        let mut y = unsafe { unset(x.len()) };
        let mut moments = vec![Moments::default(); channels];
        let added = shortcut.map(|_| added);
        let (out, told) = (Shared::new(&mut y), Shared::new(&mut moments));
        let task = Normalise { maps, x, gamma, beta, added, relu, y: out, moments: told };
        dispatch!(sweep(&task, channels));
        Ok((tensor(y, (batch, channels, h, w))?, moments))
    })?;
    let statistics = Statistics {
        mean: tensor(moments.iter().map(|m| m.mean as f32).collect(), channels)?,
        unbiased_variance: tensor(moments.iter().map(|m| (m.variance * n / (n - 1.0)) as f32).collect(), channels)?,
    };
    let (xt, gt, bt) = (x.tensor().clone(), gamma.tensor().clone(), beta.tensor().clone());
    let onto = shortcut.is_some();
    // Where a shortcut was added, y alone tells what ReLU let through; else x tells it, which is read in any case.
    let yt = if relu && onto { y.clone() } else { xt.clone() };
    let inputs: Vec<&Value> = [x, gamma, beta].into_iter().chain(shortcut).collect();
    let value = tape.record(&inputs, y, move |dy, needed| {
        let (dx, slopes, passed) = with_floats([&xt, &gt, &bt, &yt, &dy], |[x, gamma, beta, y, dy]| {
            // SAFETY: every number of every plane is written, and read by nobody before.
            let (mut dx, mut passed) = unsafe { (unset(x.len()), unset(if onto && relu { x.len() } else { 0 })) };
            let mut slopes = vec![(0f32, 0f32); channels];
            let gate = match (relu, onto) {
                (false, _) => Gate::Open,
                (true, false) => Gate::Own,
                (true, true) => Gate::Kept { y, passed: Shared::new(&mut passed) },
            };
            let (out, told) = (Shared::new(&mut dx), Shared::new(&mut slopes));
            let task = Differentiate { maps, x, gamma, beta, dy, moments: &moments, gate, dx: out, slopes: told };
            dispatch!(sweep(&task, channels));
            Ok((tensor(dx, xt.shape())?, slopes, passed))
        })?;
        let (d_gamma, d_beta): (Vec<f32>, Vec<f32>) = slopes.into_iter().unzip();
        let mut all = vec![Some(dx), Some(tensor(d_gamma, channels)?), Some(tensor(d_beta, channels)?)];
        if needed.len() == 4 {
            all.push(Some(if relu { tensor(passed, xt.shape())? } else { dy }));
        }
        Ok(all)
    });
    Ok((value, statistics))
}

fn sweep<M: Micro>(task: &impl Task, channels: usize) {
    kernel::run::<M, _>(task, channels);
}

/// `running = 0.9 * running + 0.1 * batch`, in place.
///
/// # Errors
/// When the two are not on one device.
pub fn update_running(running: &Tensor, batch: &Tensor) -> Result<()> {
    const MOMENTUM: f32 = 0.1;
    if let Some(gpu) = gpu(running) {
        return cuda::norm::update_running(&*gpu, running, batch, MOMENTUM);
    }
    with_floats([batch], |[batch]| {
        with_floats_mut(running, |running| {
            for (r, b) in running.iter_mut().zip(batch) {
                *r = (1.0 - MOMENTUM) * *r + MOMENTUM * b;
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::activation::{add, add_relu, map};
    use crate::nn::testing::{check_gradients, close, noise};

    #[test]
    fn gradients_agree_with_finite_differences() {
        let gamma = map(&noise(2, &[3]), |x| x + 2.0).unwrap();
        for shape in [[2, 3, 3, 2], [4, 3, 1, 1], [1, 3, 5, 7]] {
            let inputs = [noise(1, &shape), gamma.clone(), noise(3, &[3])];
            check_gradients(&inputs, |t, v| Ok(batch_norm(t, &v[0], &v[1], &v[2], false)?.0));
            // One tensor, two consumers.
            check_gradients(&inputs, |t, v| add(t, &batch_norm(t, &v[0], &v[1], &v[2], false)?.0, &v[0]));
        }
        // With ReLU: a large beta keeps every value on one side of the kink, the sign chosen by channel.
        let beta = Tensor::new(&[9f32, -9.0, 9.0], &candle_core::Device::Cpu).unwrap();
        check_gradients(
            &[noise(1, &[2, 3, 3, 2]), gamma, beta],
            |t, v| Ok(batch_norm(t, &v[0], &v[1], &v[2], true)?.0),
        );
    }

    #[test]
    fn a_residual_block_ends_as_norm_and_sum_do() {
        let (x, gamma) = (noise(1, &[2, 3, 3, 2]), map(&noise(2, &[3]), |x| x + 2.0).unwrap());
        // Far enough from the kink on both sides.
        let shortcut = map(&noise(4, &[2, 3, 3, 2]), |x| x + 9.0 * x.signum()).unwrap();
        let inputs = [x, gamma, noise(3, &[3]), shortcut];
        for relu in [false, true] {
            check_gradients(&inputs, |t, v| Ok(batch_norm_onto(t, &v[0], &v[1], &v[2], &v[3], relu)?.0));
            // One tensor, two consumers.
            let twice = [inputs[3].clone(), inputs[1].clone(), inputs[2].clone()];
            check_gradients(&twice, |t, v| Ok(batch_norm_onto(t, &v[0], &v[1], &v[2], &v[0], relu)?.0));
            let tape = Tape::new();
            let v: Vec<_> = inputs.iter().map(|t| Value::constant(t.clone())).collect();
            let fused = batch_norm_onto(&tape, &v[0], &v[1], &v[2], &v[3], relu).unwrap().0;
            let apart = batch_norm(&tape, &v[0], &v[1], &v[2], false).unwrap().0;
            let apart = if relu { add_relu(&tape, &apart, &v[3]) } else { add(&tape, &apart, &v[3]) }.unwrap();
            let expected: Vec<f32> = apart.tensor().flatten_all().unwrap().to_vec1().unwrap();
            let expected: Vec<f64> = expected.iter().map(|v| f64::from(*v)).collect();
            close(fused.tensor(), &expected, 1e-6, "y");
        }
    }

    #[test]
    fn the_variance_survives_a_large_mean() {
        // 1000 +- 0.01: the textbook E[x^2] - E[x]^2 in f32 would return rubbish.
        let x = map(&noise(1, &[4, 1, 8, 8]), |x| 1000.0 + 0.01 * x).unwrap();
        let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
        let mean = values.iter().map(|v| *v as f64).sum::<f64>() / 256.0;
        let variance = values.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / 255.0;
        let one = |v: f32| Value::constant(Tensor::new(&[v], &candle_core::Device::Cpu).unwrap());
        let (y, s) = batch_norm(&Tape::new(), &Value::constant(x), &one(1.0), &one(0.0), false).unwrap();
        let ours = s.unbiased_variance.to_vec1::<f32>().unwrap()[0];
        assert!((f64::from(ours) / variance - 1.0).abs() < 1e-2, "{ours} {variance}");
        let expected: Vec<f64> =
            values.iter().map(|v| (*v as f64 - mean) / (variance * 255.0 / 256.0 + EPS).sqrt()).collect();
        close(y.tensor(), &expected, 1e-2, "y");
    }

    #[test]
    fn running_statistics_move_by_a_tenth() {
        let running = Tensor::new(&[1f32, 2.0], &candle_core::Device::Cpu).unwrap();
        update_running(&running, &tensor(vec![11.0, -8.0], 2).unwrap()).unwrap();
        close(&running, &[2.0, 1.0], 1e-6, "running");
    }
}
