//! One update of a parameter, `f32` throughout: the masters of a bf16 training too.

use candle_core::{DType, Result, Tensor};

use super::Arg::{Float, In, Int, Out};
use super::{Gpu, each, ready};

/// Constants of SGD.
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Share of the last update that is kept.
    pub momentum: f64,
    /// Coupled weight decay.
    pub decay: f64,
    /// Look ahead by the momentum.
    pub nesterov: bool,
}

/// Moves `parameter` and its momentum, in place.
pub fn sgd(gpu: &dyn Gpu, gradient: &Tensor, parameter: &Tensor, momenta: &Tensor, c: &Sgd) -> Result<()> {
    let args = [
        In(&ready(gradient)?),
        Out(parameter),
        Out(momenta),
        Float(c.lr),
        Float(c.momentum),
        Float(c.decay),
        Int(c.nesterov.into()),
    ];
    each(gpu, "sgd", DType::F32, parameter.elem_count(), &args)
}

/// Constants of Adam at one step.
pub struct Adam {
    /// `lr / (1 - b1^t)`.
    pub step: f64,
    /// `sqrt(1 - b2^t)`.
    pub root: f64,
    /// Decay rates of the moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Coupled weight decay.
    pub decay: f64,
    /// What decoupled weight decay leaves of the parameter.
    pub shrink: f64,
}

/// Moves `parameter` and its two moments, in place.
pub fn adam(gpu: &dyn Gpu, gradient: &Tensor, parameter: &Tensor, moments: [&Tensor; 2], c: &Adam) -> Result<()> {
    let [b1, b2] = c.betas;
    let args = [
        In(&ready(gradient)?),
        Out(parameter),
        Out(moments[0]),
        Out(moments[1]),
        Float(c.step),
        Float(c.root),
        Float(b1),
        Float(b2),
        Float(1.0 - b1),
        Float(1.0 - b2),
        Float(c.eps),
        Float(c.decay),
        Float(c.shrink),
    ];
    each(gpu, "adam", DType::F32, parameter.elem_count(), &args)
}
