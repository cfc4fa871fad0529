//! Pooling: the stem's overlapping 3x3/2 max-pool, and the average over a whole map.
//!
//! Candle's max-pool has no backward pass when the stride is not the kernel's side, and no padding.

use candle_core::{Result, bail};
use rayon::prelude::*;

use super::buffer::{output, tensor, unset, with_floats};
use super::cuda::{self, gpu};
use super::tape::{Tape, Value};

/// How the 3x3/2 window meets the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// One line of padding on each side (torchvision): size `(n - 1) / 2 + 1`.
    Padded,
    /// No padding, the last window may stick out (Caffe's ceil mode): size `ceil((n - 3) / 2) + 1`.
    Ceil,
}

impl Border {
    /// Output size along one direction.
    pub fn size(self, n: usize) -> usize {
        match self {
            Self::Padded => (n - 1) / 2 + 1,
            Self::Ceil => n.saturating_sub(3).div_ceil(2) + 1,
        }
    }

    fn window(self, i: usize, n: usize) -> std::ops::Range<usize> {
        match self {
            Self::Padded => (2 * i).saturating_sub(1)..(2 * i + 2).min(n),
            Self::Ceil => (2 * i).min(n - 1)..(2 * i + 3).min(n),
        }
    }
}

/// Largest value in each 3x3 window at stride 2, `[b,c,h,w]`. Among equals the first takes the gradient, as in PyTorch.
///
/// # Errors
/// When the map is empty.
pub fn max_pool(tape: &Tape, x: &Value, border: Border) -> Result<Value> {
    let (batch, channels, h, w) = x.tensor().dims4()?;
    if h == 0 || w == 0 {
        bail!("max-pool of an empty map");
    }
    if let Some(gpu) = gpu(x.tensor()) {
        return cuda::pool::max_pool(gpu, tape, x, border);
    }
    let (oh, ow) = (border.size(h), border.size(w));
    if x.is_constant() {
        return Ok(Value::constant(with_floats([x.tensor()], |[x]| {
            // SAFETY: every number is written.
            let mut y = unsafe { unset(batch * channels * oh * ow) };
            y.par_chunks_mut(oh * ow)
                .zip(x.par_chunks(h * w))
                .with_min_len(8)
                .for_each(|(y, x)| largest(y, x, w, border));
            tensor(y, (batch, channels, oh, ow))
        })?));
    }
    let (y, winners) = with_floats([x.tensor()], |[x]| {
        // SAFETY: every number is written.
        let mut y = unsafe { unset(batch * channels * oh * ow) };
        let mut winners = vec![0u32; y.len()];
        y.par_chunks_mut(oh * ow).zip(winners.par_chunks_mut(oh * ow)).zip(x.par_chunks(h * w)).for_each(
            |((y, winners), x)| {
                for oy in 0..oh {
                    for ox in 0..ow {
                        let rows = border.window(oy, h);
                        let (mut best, mut at) = (f32::NEG_INFINITY, rows.start * w + border.window(ox, w).start);
                        for iy in rows {
                            for ix in border.window(ox, w) {
                                let value = x[iy * w + ix];
                                // Not a number wins too: a broken map must not look healthy.
                                if value > best || value.is_nan() {
                                    (best, at) = (value, iy * w + ix);
                                }
                            }
                        }
                        y[oy * ow + ox] = best;
                        winners[oy * ow + ox] = at as u32;
                    }
                }
            },
        );
        Ok((tensor(y, (batch, channels, oh, ow))?, winners))
    })?;
    Ok(tape.record(&[x], y, move |dy, _| {
        with_floats([&dy], |[dy]| {
            let mut dx = output(batch * channels * h * w);
            dx.par_chunks_mut(h * w).zip(winners.par_chunks(oh * ow)).zip(dy.par_chunks(oh * ow)).for_each(
                |((dx, winners), dy)| {
                    for (at, d) in winners.iter().zip(dy) {
                        dx[*at as usize] += d;
                    }
                },
            );
            Ok(vec![Some(tensor(dx, (batch, channels, h, w))?)])
        })
    }))
}

/// Mean over height and width: `[b,c,h,w]` to `[b,c]` (GAP).
///
/// # Errors
/// When the map is empty.
pub fn global_average(tape: &Tape, x: &Value) -> Result<Value> {
    let (batch, channels, h, w) = x.tensor().dims4()?;
    let plane = h * w;
    if plane == 0 {
        bail!("average of an empty map");
    }
    if let Some(gpu) = gpu(x.tensor()) {
        return cuda::pool::global_average(gpu, tape, x);
    }
    let y = with_floats([x.tensor()], |[x]| {
        let means = x.chunks_exact(plane).map(|p| (p.iter().map(|v| *v as f64).sum::<f64>() / plane as f64) as f32);
        tensor(means.collect(), (batch, channels))
    })?;
    Ok(tape.record(&[x], y, move |dy, _| {
        with_floats([&dy], |[dy]| {
            let dx = dy.iter().flat_map(|d| std::iter::repeat_n(d / plane as f32, plane)).collect();
            Ok(vec![Some(tensor(dx, (batch, channels, h, w))?)])
        })
    }))
}

/// The values alone of one plane, `w` wide: the largest of three rows, then of three neighbours.
fn largest(y: &mut [f32], x: &[f32], w: usize, border: Border) {
    let (h, ow) = (x.len() / w, border.size(w));
    let mut tall = vec![0f32; w];
    for (oy, y) in y.chunks_exact_mut(ow).enumerate() {
        let rows = border.window(oy, h);
        tall.copy_from_slice(&x[rows.start * w..][..w]);
        for iy in rows.skip(1) {
            tall.iter_mut().zip(&x[iy * w..][..w]).for_each(|(t, v)| *t = larger(*t, *v));
        }
        for (ox, y) in y.iter_mut().enumerate() {
            let window = border.window(ox, w);
            *y = tall[window.start + 1..window.end].iter().fold(tall[window.start], |m, v| larger(m, *v));
        }
    }
}

/// The larger of two; what is not a number wins, so that a broken map does not look healthy.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::activation::{add, map};
    use crate::nn::testing::{check_gradients, noise};
    use candle_core::{Device, Tensor};

    /// Values at least 0.05 apart in random order, so that a finite difference never changes a winner.
    fn spread(shape: &[usize]) -> Tensor {
        let noise: Vec<f32> = noise(1, shape).flatten_all().unwrap().to_vec1().unwrap();
        let mut order: Vec<usize> = (0..noise.len()).collect();
        order.sort_by(|a, b| noise[*a].total_cmp(&noise[*b]));
        let mut values = vec![0f32; noise.len()];
        order.iter().enumerate().for_each(|(rank, i)| values[*i] = 0.05 * rank as f32 - 1.0);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for border in [Border::Padded, Border::Ceil] {
            for shape in [[1, 2, 5, 6], [2, 1, 4, 7], [1, 1, 3, 3], [1, 2, 1, 2]] {
                check_gradients(&[spread(&shape)], |t, v| max_pool(t, &v[0], border));
            }
            // One tensor, two consumers.
            check_gradients(&[spread(&[1, 2, 6, 5])], |t, v| {
                add(t, &max_pool(t, &v[0], border)?, &map_pool(t, &v[0], border)?)
            });
        }
        check_gradients(&[noise(1, &[2, 3, 4, 2])], |t, v| global_average(t, &v[0]));
    }

    fn map_pool(t: &Tape, x: &Value, border: Border) -> Result<Value> {
        max_pool(t, &crate::nn::activation::leaky_relu(t, x, 0.5)?, border)
    }

    #[test]
    fn sizes_follow_pytorch() {
        // torch.nn.MaxPool2d(3, 2, padding=1) and MaxPool2d(3, 2, ceil_mode=True)
        let padded: Vec<_> = [1, 2, 3, 4, 5, 6, 64, 65].map(|n| Border::Padded.size(n)).to_vec();
        assert_eq!(padded, [1, 1, 2, 2, 3, 3, 32, 33]);
        let ceil: Vec<_> = [3, 4, 5, 6, 7, 64, 65].map(|n| Border::Ceil.size(n)).to_vec();
        assert_eq!(ceil, [1, 2, 2, 3, 3, 32, 32]);
    }

    #[test]
    fn the_first_of_equals_takes_the_gradient() {
        let tape = Tape::new();
        let x = tape.leaf(0, &Tensor::ones((1, 1, 3, 3), candle_core::DType::F32, &Device::Cpu).unwrap());
        let y = max_pool(&tape, &x, Border::Ceil).unwrap();
        let g: Vec<f32> = tape.backward(&y).unwrap()[&0].flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(g, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_values_alone_are_those_of_training() {
        for (border, dims) in [Border::Padded, Border::Ceil]
            .into_iter()
            .flat_map(|b| [[2, 3, 8, 6], [1, 2, 7, 9], [1, 1, 1, 1], [1, 2, 2, 3], [3, 1, 1, 5]].map(|dims| (b, dims)))
        {
            let x = noise(5, &dims);
            let alone = max_pool(&Tape::new(), &Value::constant(x.clone()), border).unwrap();
            let tape = Tape::new();
            let trained = max_pool(&tape, &tape.leaf(0, &x), border).unwrap();
            let numbers = |v: &Value| v.tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(alone.tensor().dims(), trained.tensor().dims());
            assert_eq!(numbers(&alone), numbers(&trained), "{border:?} {dims:?}");
        }
    }

    #[test]
    fn a_nan_is_not_hidden() {
        let x = map(&spread(&[1, 1, 4, 4]), |x| if x > -0.5 { f32::NAN } else { x }).unwrap();
        let y = max_pool(&Tape::new(), &Value::constant(x), Border::Padded).unwrap();
        assert!(y.tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().any(|v| v.is_nan()));
    }
}
