//! BatchNorm in training.

use std::rc::Rc;

use candle_core::{DType, Result, Tensor, bail};

use super::Arg::{Float, In, Int, Null, Out};
use super::pointwise::relu_back;
use super::{Gpu, THREADS, blocks, each, ready, slices};
use crate::nn::norm::{EPS, Statistics};
use crate::nn::tape::{Tape, Value};

/// See [`crate::nn::norm::batch_norm`] and [`crate::nn::norm::batch_norm_onto`]; the shapes are checked there.
pub fn batch_norm(
    gpu: Rc<dyn Gpu>,
    tape: &Tape,
    [x, gamma, beta]: [&Value; 3],
    shortcut: Option<&Value>,
    relu: bool,
) -> Result<(Value, Statistics)> {
    let (batch, channels, h, w) = x.tensor().dims4()?;
    let (plane, n) = (h * w, batch * h * w);
    let (slices, per) = slices(channels, n);
    let xt = ready(x.tensor())?;
    let (gt, bt) = (ready(gamma.tensor())?, ready(beta.tensor())?);
    let floats = |shape: &[usize]| gpu.empty(shape, DType::F32);

    let (means, squares) = (floats(&[channels, slices])?, floats(&[channels, slices])?);
    let args = [In(&xt), Out(&means), Out(&squares), Int(batch), Int(channels), Int(plane), Int(per)];
    gpu.launch("norm_slices", xt.dtype(), [slices, channels], THREADS, &args)?;
    let (mean, inverse, unbiased_variance) = (floats(&[channels])?, floats(&[channels])?, floats(&[channels])?);
    let args = [
        In(&means),
        In(&squares),
        Out(&mean),
        Out(&inverse),
        Out(&unbiased_variance),
        Float(EPS),
        Int(channels),
        Int(slices),
        Int(n),
        Int(per),
    ];
    gpu.launch("norm_moments", DType::F32, [blocks(channels), 1], THREADS, &args)?;
    let y = gpu.empty(xt.dims(), xt.dtype())?;
    let tail = [Int(relu.into()), Int(channels), Int(plane)];
    let added = shortcut.map(|s| ready(s.tensor())).transpose()?;
    if added.as_ref().is_some_and(|a| a.dtype() != xt.dtype()) {
        bail!("batch norm: the shortcut is not of x's dtype");
    }
    let added = added.as_ref().map_or(Null, In);
    let args = [&[In(&xt), In(&mean), In(&inverse), In(&gt), In(&bt), added, Out(&y)][..], &tail].concat();
    each(&*gpu, "norm_apply", xt.dtype(), y.elem_count(), &args)?;

    let statistics = Statistics { mean: mean.clone(), unbiased_variance };
    let yt = y.clone();
    let onto = shortcut.is_some();
    let inputs: Vec<&Value> = [x, gamma, beta].into_iter().chain(shortcut).collect();
    let value = tape.record(&inputs, y, move |dy, _| {
        // Behind a sum, what passes ReLU is the shortcut's gradient and the norm's alike.
        let dy = if onto && relu { relu_back(&*gpu, &yt, &dy)? } else { ready(&dy)? };
        let relu = relu && !onto;
        let floats = |shape: &[usize]| gpu.empty(shape, DType::F32);
        let (sums, products) = (floats(&[channels, slices])?, floats(&[channels, slices])?);
        let args = [
            In(&xt),
            In(&yt),
            In(&dy),
            In(&mean),
            Out(&sums),
            Out(&products),
            Int(relu.into()),
            Int(batch),
            Int(channels),
            Int(plane),
            Int(per),
        ];
        gpu.launch("norm_back_slices", xt.dtype(), [slices, channels], THREADS, &args)?;
        let (d_gamma, d_beta) = (floats(&[channels])?, floats(&[channels])?);
        let args = [In(&sums), In(&products), In(&inverse), Out(&d_gamma), Out(&d_beta), Int(channels), Int(slices)];
        gpu.launch("norm_back_sums", DType::F32, [blocks(channels), 1], THREADS, &args)?;
        let dx = gpu.empty(xt.dims(), xt.dtype())?;
        let args = [
            In(&xt),
            In(&yt),
            In(&dy),
            In(&mean),
            In(&inverse),
            In(&gt),
            In(&d_gamma),
            In(&d_beta),
            Out(&dx),
            Int(relu.into()),
            Int(batch),
            Int(channels),
            Int(plane),
        ];
        each(&*gpu, "norm_back_apply", xt.dtype(), dx.elem_count(), &args)?;
        Ok(vec![Some(dx), Some(d_gamma), Some(d_beta), onto.then_some(dy)])
    });
    Ok((value, statistics))
}

/// `running = (1 - momentum) * running + momentum * batch`, in place.
pub fn update_running(gpu: &dyn Gpu, running: &Tensor, batch: &Tensor, momentum: f32) -> Result<()> {
    let args = [In(batch), Out(running), Float(momentum.into())];
    each(gpu, "running", DType::F32, running.elem_count(), &args)
}
