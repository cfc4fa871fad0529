//! The linear layer.

use candle_core::Result;

use super::tape::{Tape, Value};

/// `x w^T + b`: `[n,d]`, `[k,d]`, `[k]` to `[n,k]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear(tape: &Tape, x: &Value, w: &Value, b: &Value) -> Result<Value> {
    let y = x.tensor().matmul(&w.tensor().t()?)?.broadcast_add(b.tensor())?;
    let (xt, wt) = (x.tensor().clone(), w.tensor().clone());
    Ok(tape.record(&[x, w, b], y, move |dy, needed| {
        let dx = if needed[0] { Some(dy.matmul(&wt)?) } else { None };
        let dw = if needed[1] { Some(dy.t()?.matmul(&xt)?) } else { None };
        let db = if needed[2] { Some(dy.sum(0)?) } else { None };
        Ok(vec![dx, dw, db])
    }))
}

/// Rows `start..start + len` of `x` along the first dimension.
///
/// # Errors
/// When the rows do not exist.
pub fn rows(tape: &Tape, x: &Value, start: usize, len: usize) -> Result<Value> {
    let all = x.tensor().dim(0)?;
    let y = x.tensor().narrow(0, start, len)?;
    Ok(tape.record(&[x], y, move |dy, _| Ok(vec![Some(dy.pad_with_zeros(0, start, all - start - len)?)])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{check_gradients, noise};

    #[test]
    fn gradients_agree_with_finite_differences() {
        check_gradients(&[noise(1, &[3, 4]), noise(2, &[5, 4]), noise(3, &[5])], |t, v| linear(t, &v[0], &v[1], &v[2]));
        check_gradients(&[noise(1, &[5, 2, 2, 1])], |t, v| rows(t, &v[0], 1, 3));
        // One tensor, two consumers.
        check_gradients(&[noise(1, &[4, 3])], |t, v| {
            crate::nn::activation::add(t, &rows(t, &v[0], 0, 2)?, &rows(t, &v[0], 1, 2)?)
        });
    }
}
