//! Nearest-neighbour enlargement by two. Candle's backward pass overwrites a gradient that is already there.

use candle_core::Result;
use rayon::prelude::*;

use super::buffer::{tensor, unset, with_floats};
use super::cuda::{self, gpu};
use super::tape::{Tape, Value};

/// Rows that a thread takes together at least.
const ROWS: usize = 64;

/// `[b,c,h,w]` to `[b,c,2h,2w]`, each pixel four times.
///
/// # Errors
/// When x has not four dimensions.
pub fn nearest2x(tape: &Tape, x: &Value) -> Result<Value> {
    if let Some(gpu) = gpu(x.tensor()) {
        return cuda::pool::nearest2x(gpu, tape, x);
    }
    let (batch, channels, h, w) = x.tensor().dims4()?;
    let y = with_floats([x.tensor()], |[x]| {
        // SAFETY: every number is written: both rows of each pair, both columns.
        let mut y = unsafe { unset(4 * x.len()) };
        y.par_chunks_mut(4 * w).zip(x.par_chunks(w)).with_min_len(ROWS).for_each(|(rows, x)| {
            let (first, second) = rows.split_at_mut(2 * w);
            for (pair, value) in first.chunks_exact_mut(2).zip(x) {
                pair.fill(*value);
            }
            second.copy_from_slice(first);
        });
        tensor(y, (batch, channels, 2 * h, 2 * w))
    })?;
    Ok(tape.record(&[x], y, move |dy, _| {
        with_floats([&dy], |[dy]| {
            // SAFETY: every number is written.
            let mut dx = unsafe { unset(dy.len() / 4) };
            dx.par_chunks_mut(w).zip(dy.par_chunks(4 * w)).with_min_len(ROWS).for_each(|(dx, rows)| {
                let (first, second) = rows.split_at(2 * w);
                for ((dx, a), b) in dx.iter_mut().zip(first.chunks_exact(2)).zip(second.chunks_exact(2)) {
                    *dx = (a[0] + a[1]) + (b[0] + b[1]);
                }
            });
            Ok(vec![Some(tensor(dx, (batch, channels, h, w))?)])
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::activation::add;
    use crate::nn::testing::{check_gradients, noise};

    #[test]
    fn gradients_agree_with_finite_differences() {
        check_gradients(&[noise(1, &[2, 3, 3, 2])], |t, v| nearest2x(t, &v[0]));
        // One tensor, two consumers: where Candle overwrites.
        check_gradients(&[noise(1, &[1, 2, 2, 3])], |t, v| add(t, &nearest2x(t, &v[0])?, &nearest2x(t, &v[0])?));
    }

    #[test]
    fn each_pixel_stands_four_times() {
        let y = nearest2x(&Tape::new(), &Value::constant(tensor(vec![1.0, 2.0], (1, 1, 1, 2)).unwrap())).unwrap();
        assert_eq!(
            y.tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]
        );
    }
}
