//! Max-pool, average and enlargement.

use std::rc::Rc;

use candle_core::{DType, Result};

use super::Arg::{In, Int, Out};
use super::{Gpu, each, ready};
use crate::nn::pool::Border;
use crate::nn::tape::{Tape, Value};

/// See [`crate::nn::pool::max_pool`].
pub fn max_pool(gpu: Rc<dyn Gpu>, tape: &Tape, x: &Value, border: Border) -> Result<Value> {
    let xt = ready(x.tensor())?;
    let (batch, channels, h, w) = xt.dims4()?;
    let (oh, ow, dtype) = (border.size(h), border.size(w), xt.dtype());
    let sizes = [Int((border == Border::Padded).into()), Int(h), Int(w), Int(oh), Int(ow)];
    let y = gpu.empty(&[batch, channels, oh, ow], dtype)?;
    let winners = gpu.empty(y.dims(), DType::U32)?;
    let args = [&[In(&xt), Out(&y), Out(&winners)][..], &sizes].concat();
    each(&*gpu, "max_pool", dtype, y.elem_count(), &args)?;
    Ok(tape.record(&[x], y, move |dy, _| {
        let dx = gpu.empty(&[batch, channels, h, w], dtype)?;
        let dy = ready(&dy)?;
        let sizes = [Int((border == Border::Padded).into()), Int(h), Int(w), Int(oh), Int(ow)];
        let args = [&[In(&dy), In(&winners), Out(&dx)][..], &sizes].concat();
        each(&*gpu, "max_pool_back", dtype, dx.elem_count(), &args)?;
        Ok(vec![Some(dx)])
    }))
}

/// See [`crate::nn::pool::global_average`]; the result is `f32`, as everything behind it.
pub fn global_average(gpu: Rc<dyn Gpu>, tape: &Tape, x: &Value) -> Result<Value> {
    let xt = ready(x.tensor())?;
    let (shape, dtype) = (xt.dims().to_vec(), xt.dtype());
    let (batch, channels, h, w) = xt.dims4()?;
    let y = gpu.empty(&[batch, channels], DType::F32)?;
    gpu.launch("average", dtype, [batch * channels, 1], 32, &[In(&xt), Out(&y), Int(h * w)])?;
    Ok(tape.record(&[x], y, move |dy, _| {
        let dx = gpu.empty(&shape, dtype)?;
        each(&*gpu, "average_back", dtype, dx.elem_count(), &[In(&ready(&dy)?), Out(&dx), Int(h * w)])?;
        Ok(vec![Some(dx)])
    }))
}

/// See [`crate::nn::upsample::nearest2x`].
pub fn nearest2x(gpu: Rc<dyn Gpu>, tape: &Tape, x: &Value) -> Result<Value> {
    let xt = ready(x.tensor())?;
    let (shape, dtype) = (xt.dims().to_vec(), xt.dtype());
    let (batch, channels, h, w) = xt.dims4()?;
    let y = gpu.empty(&[batch, channels, 2 * h, 2 * w], dtype)?;
    each(&*gpu, "enlarge", dtype, y.elem_count(), &[In(&xt), Out(&y), Int(w)])?;
    Ok(tape.record(&[x], y, move |dy, _| {
        let dx = gpu.empty(&shape, dtype)?;
        each(&*gpu, "enlarge_back", dtype, dx.elem_count(), &[In(&ready(&dy)?), Out(&dx), Int(w)])?;
        Ok(vec![Some(dx)])
    }))
}
