//! Ops on each element by itself, and sums over a channel.

use std::rc::Rc;

use candle_core::{DType, Result, Tensor, bail};

use super::Arg::{Float, In, Int, Null, Out};
use super::{Gpu, THREADS, blocks, each, ready, slices};
use crate::nn::tape::{Tape, Value};

fn same(a: &Tensor, b: &Tensor) -> Result<()> {
    if a.dims() != b.dims() || a.dtype() != b.dtype() {
        bail!("{:?} of {:?} and {:?} of {:?} do not fit", a.dtype(), a.dims(), b.dtype(), b.dims());
    }
    Ok(())
}

/// `kernel(x, …, y, numbers…)` element by element; y is like the first input.
fn element(gpu: &dyn Gpu, kernel: &str, inputs: &[&Tensor], number: Option<f64>) -> Result<Tensor> {
    let inputs: Vec<Tensor> = inputs.iter().map(|t| ready(t)).collect::<Result<_>>()?;
    for other in &inputs[1..] {
        same(&inputs[0], other)?;
    }
    let y = gpu.empty(inputs[0].dims(), inputs[0].dtype())?;
    let args: Vec<_> = inputs.iter().map(In).chain([Out(&y)]).chain(number.map(Float)).collect();
    each(gpu, kernel, y.dtype(), y.elem_count(), &args)?;
    Ok(y)
}

/// dy where y is above zero, else zero.
pub fn relu_back(gpu: &dyn Gpu, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    element(gpu, "relu_back", &[y, dy], None)
}

/// See [`crate::nn::activation::relu`].
pub fn relu(gpu: Rc<dyn Gpu>, tape: &Tape, x: &Value) -> Result<Value> {
    let y = element(&*gpu, "relu", &[x.tensor()], None)?;
    let kept = y.clone();
    Ok(tape.record(&[x], y, move |dy, _| Ok(vec![Some(relu_back(&*gpu, &kept, &dy)?)])))
}

/// See [`crate::nn::activation::leaky_relu`].
pub fn leaky_relu(gpu: Rc<dyn Gpu>, tape: &Tape, x: &Value, slope: f32) -> Result<Value> {
    let slope = Some(f64::from(slope));
    let y = element(&*gpu, "leaky_relu", &[x.tensor()], slope)?;
    let kept = x.tensor().clone();
    Ok(tape.record(&[x], y, move |dy, _| Ok(vec![Some(element(&*gpu, "leaky_relu_back", &[&kept, &dy], slope)?)])))
}

/// a + b, without a gradient.
pub fn sum(gpu: &dyn Gpu, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    element(gpu, "add", &[a, b], None)
}

/// See [`crate::nn::activation::add_relu`].
pub fn add_relu(gpu: Rc<dyn Gpu>, tape: &Tape, a: &Value, b: &Value) -> Result<Value> {
    let y = element(&*gpu, "add_relu", &[a.tensor(), b.tensor()], None)?;
    let kept = y.clone();
    Ok(tape.record(&[a, b], y, move |dy, _| {
        let d = relu_back(&*gpu, &kept, &dy)?;
        Ok(vec![Some(d.clone()), Some(d)])
    }))
}

/// `factor * x`, without a gradient.
pub fn scale(gpu: &dyn Gpu, x: &Tensor, factor: f32) -> Result<Tensor> {
    element(gpu, "scale", &[x], Some(f64::from(factor)))
}

/// `factor * x` where the factor is a scalar on the device.
pub fn scale_by(gpu: &dyn Gpu, x: &Tensor, factor: &Tensor) -> Result<Tensor> {
    let y = gpu.empty(x.dims(), x.dtype())?;
    each(gpu, "scale_by", x.dtype(), x.elem_count(), &[In(x), In(factor), Out(&y)])?;
    Ok(y)
}

/// x as `dtype`, without a gradient.
pub fn cast(gpu: &dyn Gpu, x: &Tensor, dtype: DType) -> Result<Tensor> {
    let x = ready(x)?;
    let (kernel, maps) = match (x.dtype(), dtype) {
        (from, to) if from == to => return Ok(x),
        (DType::F32, to) => ("from_float", to),
        (from, _) => ("to_float", from),
    };
    let y = gpu.empty(x.dims(), dtype)?;
    each(gpu, kernel, maps, x.elem_count(), &[In(&x), Out(&y)])?;
    Ok(y)
}

/// Copies `source` into `target`, both `f32` and on the device.
pub fn copy(gpu: &dyn Gpu, source: &Tensor, target: &Tensor) -> Result<()> {
    let source = ready(source)?;
    same(&source, target)?;
    each(gpu, "from_float", DType::F32, source.elem_count(), &[In(&source), Out(target)])
}

/// `y [b,c,h,w] += bias [c]`, in place.
pub fn add_bias(gpu: &dyn Gpu, y: &Tensor, bias: &Tensor) -> Result<()> {
    let (_, channels, h, w) = y.dims4()?;
    each(gpu, "add_bias", y.dtype(), y.elem_count(), &[In(bias), Out(y), Int(channels), Int(h * w)])
}

/// Running statistics and what follows them in evaluation, each `[c]`.
pub struct Fold<'a> {
    /// Factor.
    pub gamma: &'a Tensor,
    /// Offset.
    pub beta: &'a Tensor,
    /// Running mean.
    pub mean: &'a Tensor,
    /// Running variance.
    pub variance: &'a Tensor,
    /// Added to y, shaped like it.
    pub shortcut: Option<&'a Tensor>,
    /// Whether ReLU closes the pass.
    pub relu: bool,
}

/// BatchNorm by running statistics, shortcut and ReLU on `y [b,c,h,w]`, in place.
pub fn fold(gpu: &dyn Gpu, y: &Tensor, fold: &Fold) -> Result<()> {
    let (_, channels, h, w) = y.dims4()?;
    let shortcut = fold.shortcut.map(ready).transpose()?;
    if let Some(shortcut) = &shortcut {
        same(shortcut, y)?;
    }
    let args = [
        In(fold.gamma),
        In(fold.beta),
        In(fold.mean),
        In(fold.variance),
        shortcut.as_ref().map_or(Null, In),
        Out(y),
        Float(crate::nn::norm::EPS),
        Int(fold.relu.into()),
        Int(channels),
        Int(h * w),
    ];
    each(gpu, "fold", y.dtype(), y.elem_count(), &args)
}

/// The sum of each channel of `x [b,c,h,w]`: `[c]`, `f32`.
pub fn channel_sums(gpu: &dyn Gpu, x: &Tensor) -> Result<Tensor> {
    let x = ready(x)?;
    let (batch, channels, h, w) = x.dims4()?;
    let (slices, per) = slices(channels, batch * h * w);
    let parts = gpu.empty(&[channels, slices], DType::F32)?;
    let args = [In(&x), Out(&parts), Int(batch), Int(channels), Int(h * w), Int(per)];
    gpu.launch("channel_slices", x.dtype(), [slices, channels], THREADS, &args)?;
    let sums = gpu.empty(&[channels], DType::F32)?;
    let args = [In(&parts), Out(&sums), Float(1.0), Int(channels), Int(slices)];
    gpu.launch("row_sums", DType::F32, [blocks(channels), 1], THREADS, &args)?;
    Ok(sums)
}
