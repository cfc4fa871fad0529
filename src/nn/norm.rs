//! BatchNorm in training, with the ReLU that follows it in the same passes over memory.
//!
//! As a chain of Candle's tensor ops it takes 11 to 14 times PyTorch's time. In evaluation there is no such op: it is
//! folded into the convolution before it ([`super::conv::Folded`]).

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::buffer::{Shared, output, tensor, with_floats, with_floats_mut};
use super::cuda::{self, gpu};
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
    let planes = move |channel: usize| (0..batch).map(move |b| (b * channels + channel) * plane);
    // Where there is no shortcut x takes its place in the list, and is not looked at.
    let added = shortcut.map_or(x.tensor(), Value::tensor);
    let (y, moments) = with_floats([x.tensor(), gamma.tensor(), beta.tensor(), added], |[x, gamma, beta, added]| {
        let mut y = output(x.len());
        let out = Shared::new(&mut y);
        let moments: Vec<(f64, f64)> = (0..channels)
            .into_par_iter()
            .with_min_len(4)
            .map(|c| {
                let mean = planes(c).map(|at| sum(&x[at..][..plane], |v| v)).sum::<f64>() / n;
                let m = mean as f32;
                let variance = planes(c).map(|at| sum(&x[at..][..plane], |v| (v - m) * (v - m))).sum::<f64>() / n;
                let scale = (gamma[c] as f64 / (variance + EPS).sqrt()) as f32;
                let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
                for at in planes(c) {
                    // SAFETY: planes of one channel are written by this piece alone.
                    let target = unsafe { out.slice(at, plane) };
                    let x = &x[at..][..plane];
                    if shortcut.is_some() {
                        for ((y, x), s) in target.iter_mut().zip(x).zip(&added[at..][..plane]) {
                            *y = ((x - m) * scale + beta[c] + s).max(floor);
                        }
                    } else {
                        for (y, x) in target.iter_mut().zip(x) {
                            *y = ((x - m) * scale + beta[c]).max(floor);
                        }
                    }
                }
                (mean, variance)
            })
            .collect();
        Ok((tensor(y, (batch, channels, h, w))?, moments))
    })?;
    let statistics = Statistics {
        mean: tensor(moments.iter().map(|m| m.0 as f32).collect(), channels)?,
        unbiased_variance: tensor(moments.iter().map(|m| (m.1 * n / (n - 1.0)) as f32).collect(), channels)?,
    };
    let (xt, gt) = (x.tensor().clone(), gamma.tensor().clone());
    // Only ReLU asks for y again.
    let yt = if relu { y.clone() } else { xt.clone() };
    let onto = shortcut.is_some();
    let inputs: Vec<&Value> = [x, gamma, beta].into_iter().chain(shortcut).collect();
    let value = tape.record(&inputs, y, move |dy, needed| {
        let (dx, slopes, masked) = with_floats([&xt, &gt, &yt, &dy], |[x, gamma, y, dy]| {
            let (mut dx, mut masked) = (output(x.len()), output(if onto && relu { x.len() } else { 0 }));
            let (out, kept) = (Shared::new(&mut dx), Shared::new(&mut masked));
            let slopes: Vec<(f32, f32)> = (0..channels)
                .into_par_iter()
                .with_min_len(4)
                .map(|c| {
                    let (mean, inverse) = (moments[c].0 as f32, 1.0 / (moments[c].1 + EPS).sqrt());
                    let (mut d_beta, mut d_gamma) = (0.0, 0.0);
                    for at in planes(c) {
                        let (x, y, mut d) = (&x[at..][..plane], &y[at..][..plane], &dy[at..][..plane]);
                        if onto && relu {
                            // What passed ReLU is the shortcut's gradient as it is.
                            // SAFETY: planes of one channel are written by this piece alone.
                            let target = unsafe { kept.slice(at, plane) };
                            for ((t, y), d) in target.iter_mut().zip(y).zip(d) {
                                *t = if *y > 0.0 { *d } else { 0.0 };
                            }
                            d = target;
                        }
                        let (sum, product) = masked_sums(x, y, d, mean, relu && !onto);
                        d_beta += sum;
                        d_gamma += product;
                    }
                    d_gamma *= inverse;
                    let scale = (gamma[c] as f64 * inverse) as f32;
                    let (offset, slope) = ((d_beta / n) as f32, (d_gamma * inverse / n) as f32);
                    let backward = |d: f32, x: f32| scale * (d - offset - (x - mean) * slope);
                    for at in planes(c) {
                        // SAFETY: planes of one channel are written by this piece alone.
                        let (target, d) = unsafe {
                            let d = if onto && relu { &*kept.slice(at, plane) } else { &dy[at..][..plane] };
                            (out.slice(at, plane), d)
                        };
                        let sources = target.iter_mut().zip(&x[at..][..plane]).zip(d);
                        if relu && !onto {
                            for (((dx, x), d), y) in sources.zip(&y[at..][..plane]) {
                                *dx = backward(if *y > 0.0 { *d } else { 0.0 }, *x);
                            }
                        } else {
                            sources.for_each(|((dx, x), d)| *dx = backward(*d, *x));
                        }
                    }
                    (d_gamma as f32, d_beta as f32)
                })
                .collect();
            Ok((tensor(dx, xt.shape())?, slopes, masked))
        })?;
        let (d_gamma, d_beta): (Vec<f32>, Vec<f32>) = slopes.into_iter().unzip();
        let mut all = vec![Some(dx), Some(tensor(d_gamma, channels)?), Some(tensor(d_beta, channels)?)];
        if needed.len() == 4 {
            all.push(Some(if relu { tensor(masked, xt.shape())? } else { dy }));
        }
        Ok(all)
    });
    Ok((value, statistics))
}

/// Sum of `f` in sixteen lanes (which the compiler keeps in registers), then in `f64`.
fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0f32; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += f(*v);
        }
    }
    lanes.iter().map(|v| *v as f64).sum::<f64>() + rest.iter().map(|v| f(*v) as f64).sum::<f64>()
}

/// Sums of d and of d * (x - mean), where d is dy, or 0 where ReLU was shut.
fn masked_sums(x: &[f32], y: &[f32], dy: &[f32], mean: f32, relu: bool) -> (f64, f64) {
    let mut lanes = ([0f32; 16], [0f32; 16]);
    let step = |x: f32, y: f32, dy: f32| {
        let d = if relu && y <= 0.0 { 0.0 } else { dy };
        (d, d * (x - mean))
    };
    let ((xs, x_rest), (ys, y_rest), (ds, d_rest)) = (x.as_chunks::<16>(), y.as_chunks::<16>(), dy.as_chunks::<16>());
    for ((x, y), d) in xs.iter().zip(ys).zip(ds) {
        for i in 0..16 {
            let (a, b) = step(x[i], y[i], d[i]);
            lanes.0[i] += a;
            lanes.1[i] += b;
        }
    }
    let mut total = (lanes.0.iter().map(|v| *v as f64).sum::<f64>(), lanes.1.iter().map(|v| *v as f64).sum::<f64>());
    for ((x, y), d) in x_rest.iter().zip(y_rest).zip(d_rest) {
        let (a, b) = step(*x, *y, *d);
        total.0 += a as f64;
        total.1 += b as f64;
    }
    total
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
