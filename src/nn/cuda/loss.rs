//! The losses. Each leaves its scalar on the device, and its gradient is ready before anybody asks.

use std::rc::Rc;

use candle_core::{DType, Result, Tensor};

use super::Arg::{Float, In, Int, Out};
use super::pointwise::scale_by;
use super::{Gpu, THREADS, blocks, ready};
use crate::nn::tape::{Tape, Value};

/// Records an op that has already worked out its scalar and the gradient of its one input.
fn record(gpu: Rc<dyn Gpu>, tape: &Tape, input: &Value, value: Tensor, gradient: Tensor) -> Value {
    tape.record(&[input], value, move |dy, _| Ok(vec![Some(scale_by(&*gpu, &gradient, &dy)?)]))
}

/// `factor` times the sum of `parts`, as a scalar.
fn total(gpu: &dyn Gpu, parts: &Tensor, factor: f64) -> Result<Tensor> {
    let value = gpu.empty(&[], DType::F32)?;
    let args = [In(parts), Out(&value), Float(factor), Int(parts.elem_count())];
    gpu.launch("total", DType::F32, [1, 1], THREADS, &args)?;
    Ok(value)
}

/// A mean over the elements of x of `kernel(x, against, …)`.
fn mean(gpu: Rc<dyn Gpu>, tape: &Tape, kernel: &str, x: &Value, against: super::Arg) -> Result<Value> {
    let xt = ready(x.tensor())?;
    let n = xt.elem_count();
    let blocks = blocks(n.div_ceil(8)).min(1024);
    let (gradient, parts) = (gpu.empty(xt.dims(), xt.dtype())?, gpu.empty(&[blocks], DType::F32)?);
    let args = [In(&xt), against, Out(&gradient), Out(&parts), Int(n)];
    gpu.launch(kernel, xt.dtype(), [blocks, 1], THREADS, &args)?;
    let value = total(&*gpu, &parts, 1.0 / n as f64)?;
    Ok(record(gpu, tape, x, value, gradient))
}

/// See [`crate::nn::loss::bce_with_logits`].
pub fn bce_with_logits(gpu: Rc<dyn Gpu>, tape: &Tape, logits: &Value, target: f64) -> Result<Value> {
    mean(gpu, tape, "bce", logits, Float(target))
}

/// See [`crate::nn::loss::squared_error`].
pub fn squared_error(gpu: Rc<dyn Gpu>, tape: &Tape, z: &Value, target: f64) -> Result<Value> {
    mean(gpu, tape, "squared_error", z, Float(target))
}

/// See [`crate::nn::loss::l1`]; the shapes are checked there, and the target is `f32`.
pub fn l1(gpu: Rc<dyn Gpu>, tape: &Tape, x: &Value, target: &Tensor) -> Result<Value> {
    mean(gpu, tape, "l1", x, In(&ready(target)?))
}

/// See [`crate::nn::loss::cross_entropy`]; the labels are checked there.
pub fn cross_entropy(
    gpu: Rc<dyn Gpu>,
    tape: &Tape,
    logits: &Value,
    labels: &[i64],
    labelled: usize,
    smoothing: f64,
) -> Result<Value> {
    let z = ready(logits.tensor())?;
    let (n, k) = z.dims2()?;
    let labels = Tensor::from_slice(labels, n, &gpu.device())?;
    let (gradient, parts) = (gpu.empty(&[n, k], z.dtype())?, gpu.empty(&[n], DType::F32)?);
    let args = [In(&z), In(&labels), Out(&gradient), Out(&parts), Float(smoothing), Int(labelled), Int(k)];
    gpu.launch("cross_entropy", z.dtype(), [n, 1], THREADS, &args)?;
    let value = total(&*gpu, &parts, 1.0 / labelled as f64)?;
    Ok(record(gpu, tape, logits, value, gradient))
}

/// `(anchor, positive, negative)` rows as the kernels take them: `[n, 3]`.
pub fn given(gpu: &dyn Gpu, triplets: &[(u32, u32, u32)]) -> Result<Tensor> {
    // No device likes a launch of nothing: none is one that is not there.
    let triplets = if triplets.is_empty() { &[(u32::MAX, 0, 0)] } else { triplets };
    let flat: Vec<u32> = triplets.iter().flat_map(|(a, p, q)| [*a, *p, *q]).collect();
    Tensor::from_vec(flat, (triplets.len(), 3), &gpu.device())
}

/// The hardest triplet of each row of `v [n,d]`: `[n, 3]`, the anchor all ones where the row has none.
pub fn hardest(gpu: &dyn Gpu, v: &Tensor, labels: &[i64]) -> Result<Tensor> {
    let v = ready(v)?;
    let (n, d) = v.dims2()?;
    let labels = Tensor::from_slice(labels, n, &gpu.device())?;
    let triplets = gpu.empty(&[n, 3], DType::U32)?;
    let args = [In(&v), In(&labels), Out(&triplets), Int(n), Int(d)];
    gpu.launch("hardest", DType::F32, [n, 1], THREADS, &args)?;
    Ok(triplets)
}

/// See [`crate::nn::loss::triplet`]; `triplets [m, 3]` as [`given`] or [`hardest`] made them.
pub fn triplet(gpu: Rc<dyn Gpu>, tape: &Tape, v: &Value, triplets: &Tensor, margin: f64) -> Result<Value> {
    let vt = ready(v.tensor())?;
    let ((n, d), count) = (vt.dims2()?, triplets.dim(0)?);
    let lengths = gpu.empty(&[count, 2], DType::F32)?;
    let args = [In(&vt), In(triplets), Out(&lengths), Int(d)];
    gpu.launch("triplet_lengths", DType::F32, [count, 1], THREADS, &args)?;
    let (gradient, value) = (gpu.empty(&[n, d], DType::F32)?, gpu.empty(&[], DType::F32)?);
    let args = [In(&vt), In(triplets), In(&lengths), Out(&gradient), Out(&value), Float(margin), Int(count), Int(d)];
    gpu.launch("triplet", DType::F32, [n, 1], THREADS, &args)?;
    Ok(record(gpu, tape, v, value, gradient))
}
