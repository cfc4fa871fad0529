//! A convolution made ready to look at many batches: weights folded, turned and packed once.

use candle_core::{Result, Tensor, bail};

use super::Shape;
use super::gather::Gather;
use super::product::{Finish, Left, Product};
use super::winograd::{self, Kernels, MANY};
use crate::nn::buffer::{Aligned, tensor, unset, with_floats};
use crate::nn::kernel::{Isa, Micro, dispatch};

/// The weights of one convolution as the kernels read them.
pub struct Prepared {
    isa: Isa,
    packed: Aligned,
    winograd: bool,
    shift: Vec<f32>,
    outputs: usize,
    inputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Prepared {
    /// `w [co,ci,k,k]` times `scale [co]`, with `shift [co]` to add.
    ///
    /// # Errors
    /// When the weights are not on the CPU or not square.
    pub fn new(w: &Tensor, scale: &[f32], shift: Vec<f32>, stride: usize, padding: usize) -> Result<Self> {
        let (outputs, inputs, kernel, kw) = w.dims4()?;
        if kernel != kw || scale.len() != outputs || shift.len() != outputs {
            bail!("convolution: weights are {:?}, {} factors, {} shifts", w.dims(), scale.len(), shift.len());
        }
        let winograd = kernel == 3 && stride == 1 && padding == 1 && outputs.min(inputs) >= MANY;
        let packed = with_floats([w], |[w]| Ok(dispatch!(pack(w, scale, outputs, inputs, kernel, winograd))))?;
        Ok(Self { isa: Isa::current(), packed, winograd, shift, outputs, inputs, kernel, stride, padding })
    }

    /// `x [b,ci,h,w]` to `[b,co,h/stride,w/stride]`, with the shortcut added and ReLU closed where asked for.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, x: &Tensor, shortcut: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        let (batch, inputs, height, width) = x.dims4()?;
        let &Self { outputs, kernel, stride, padding, .. } = self;
        if inputs != self.inputs || height + 2 * padding < kernel || width + 2 * padding < kernel {
            bail!("convolution: x is {:?}, the weights are {outputs}x{}x{kernel}x{kernel}", x.dims(), self.inputs);
        }
        let shape = Shape { batch, inputs, height, width, outputs, kernel, stride, padding };
        if shortcut.is_some_and(|s| s.dims() != shape.y()) {
            bail!("convolution: y is {:?}, the shortcut is {:?}", shape.y(), shortcut.map(Tensor::dims));
        }
        // Without a shortcut x takes its place in the list, and is not looked at.
        with_floats([x, shortcut.unwrap_or(x)], |[x, added]| {
            // SAFETY: both ways to compute it write all of y.
            let mut y = unsafe { unset(shape.y().iter().product()) };
            let finish = Finish { shift: Some(&self.shift), shortcut: shortcut.map(|_| added), relu };
            self.isa.with(|| dispatch!(run(self, &shape, x, finish, &mut y)))?;
            tensor(y, shape.y().as_slice())
        })
    }
}

fn pack<M: Micro>(w: &[f32], scale: &[f32], outputs: usize, inputs: usize, kernel: usize, winograd: bool) -> Aligned {
    if winograd {
        let kernels = Kernels { numbers: w, outputs, inputs, turned: false, scale: Some(scale) };
        let mut packed = Aligned::zeros(kernels.packed_len::<M>());
        kernels.pack::<M>(&mut packed);
        return packed;
    }
    let taps = inputs * kernel * kernel;
    let columns: Vec<u32> = (0..taps as u32).collect();
    let mut packed = Aligned::zeros(Left::packed_len::<M>(outputs, taps));
    Left { numbers: w, row: taps, columns: &columns, rows: outputs, scale: Some(scale) }.pack::<M>(&mut packed);
    packed
}

fn run<M: Micro>(ready: &Prepared, shape: &Shape, x: &[f32], finish: Finish, y: &mut [f32]) -> Result<()> {
    if ready.winograd {
        return winograd::forward::<M>(&ready.packed, x, shape, &finish, y);
    }
    let gather = Gather::forward(shape, x)?;
    let plane = shape.out_height() * shape.out_width();
    Product { gather: &gather, rows: shape.outputs, depth: shape.taps(), plane, finish }
        .multiply::<M>(&ready.packed, y);
    Ok(())
}
