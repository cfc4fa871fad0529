//! 2-D convolution, forward and backward, as matrix products whose im2col matrix never exists.
//!
//! Candle's own backward pass fails for odd sizes at stride 2 and runs by dot loops (9.8x PyTorch's time for a ResNet-50
//! step). Here each pass is a product `C = A * G` in which `G` is *gathered*: element `(k, q)` of the im2col matrix is
//! `source[row[k] + column[q]]`, so a panel of it is packed straight from the padded image into the kernel's layout.
//!
//! | pass | A | G | C |
//! |---|---|---|---|
//! | forward | weights `[co, ci*k*k]` | taps x output positions of x | y |
//! | input gradient | weights `[ci, co*taps]` | taps x input positions of dy, a phase of the stride at a time | dx |
//! | weight gradient | dy `[co, positions]` | its transpose: positions x taps of x | dw |

mod gather;
mod prepared;
mod product;
mod weight;
mod winograd;

use candle_core::{Result, Tensor, bail};

use self::gather::Gather;
pub use self::prepared::Prepared;
use self::product::{Finish, Left, Product};
use self::winograd::Kernels;
use super::buffer::{Scratch, output, tensor, unset, with_floats};
use super::cuda::{self, gpu};
use super::tape::{Tape, Value};

/// The sizes of one convolution: square kernel, equal stride and padding in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Images, b.
    pub batch: usize,
    /// Channels of x, ci.
    pub inputs: usize,
    /// Height of x.
    pub height: usize,
    /// Width of x.
    pub width: usize,
    /// Channels of y, co.
    pub outputs: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

impl Shape {
    /// The sizes of `x [b,ci,h,w]` under `w [co,ci,k,k]`.
    ///
    /// # Errors
    /// When the two do not fit, or the kernel is larger than the padded image.
    pub fn new(x: &Tensor, w: &Tensor, stride: usize, padding: usize) -> Result<Self> {
        let (batch, inputs, height, width) = x.dims4()?;
        let (outputs, ci, kernel, kw) = w.dims4()?;
        if ci != inputs || kernel != kw || stride == 0 {
            bail!("convolution: x is {:?}, weights are {:?}, stride {stride}", x.dims(), w.dims());
        }
        if height + 2 * padding < kernel || width + 2 * padding < kernel {
            bail!(
                "convolution: a {height}x{width} image (padding {padding}) is smaller than the {kernel}x{kernel} kernel"
            );
        }
        Ok(Self { batch, inputs, height, width, outputs, kernel, stride, padding })
    }

    /// Height of y.
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Width of y.
    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub(super) fn taps(&self) -> usize {
        self.inputs * self.kernel * self.kernel
    }

    pub(super) fn y(&self) -> [usize; 4] {
        [self.batch, self.outputs, self.out_height(), self.out_width()]
    }
}

/// y = x * w, in training: both gradients are recorded where they are wanted, and only there computed.
///
/// # Errors
/// When the shapes do not fit.
pub fn conv2d(tape: &Tape, x: &Value, w: &Value, stride: usize, padding: usize) -> Result<Value> {
    let shape = Shape::new(x.tensor(), w.tensor(), stride, padding)?;
    let y = forward(x.tensor(), w.tensor(), &shape, &Folded::default())?;
    let (xt, wt) = (x.tensor().clone(), w.tensor().clone());
    Ok(tape.record(&[x, w], y, move |dy, needed| gradients(&xt, &wt, &dy, &shape, needed)))
}

/// y = x * w + bias, `bias [co]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn conv2d_bias(tape: &Tape, x: &Value, w: &Value, bias: &Value, stride: usize, padding: usize) -> Result<Value> {
    let shape = Shape::new(x.tensor(), w.tensor(), stride, padding)?;
    if let Some(gpu) = gpu(x.tensor()) {
        return cuda::conv::conv2d_bias(gpu, tape, x, w, bias, shape);
    }
    let shift: Vec<f32> = bias.tensor().to_vec1()?;
    let y = forward(x.tensor(), w.tensor(), &shape, &Folded { shift: Some(&shift), ..Folded::default() })?;
    let (xt, wt) = (x.tensor().clone(), w.tensor().clone());
    Ok(tape.record(&[x, w, bias], y, move |dy, needed| {
        let mut all = gradients(&xt, &wt, &dy, &shape, needed)?;
        all.push(if needed[2] { Some(dy.sum((0, 2, 3))?) } else { None });
        Ok(all)
    }))
}

fn gradients(x: &Tensor, w: &Tensor, dy: &Tensor, shape: &Shape, needed: &[bool]) -> Result<Vec<Option<Tensor>>> {
    let dx = if needed[0] { Some(input_gradient(dy, w, shape)?) } else { None };
    let dw = if needed[1] { Some(weight_gradient(x, dy, shape)?) } else { None };
    Ok(vec![dx, dw])
}

/// What evaluation adds to a convolution: a folded BatchNorm, a shortcut and a ReLU, in the same pass over y.
#[derive(Default)]
pub struct Folded<'a> {
    /// Factor of each output channel, `[co]`; multiplied into the weights.
    pub scale: Option<&'a [f32]>,
    /// Added to each output channel, `[co]`.
    pub shift: Option<&'a [f32]>,
    /// Added to y: the shortcut of a residual block, shaped like y.
    pub shortcut: Option<&'a Tensor>,
    /// Whether ReLU closes the pass.
    pub relu: bool,
}

impl Folded<'_> {
    fn is_nothing(&self) -> bool {
        self.scale.is_none() && self.shift.is_none() && self.shortcut.is_none() && !self.relu
    }
}

/// y = finish(x * w), without a gradient. On a GPU there is no finish here: [`super::layer`] folds there in a pass of its own.
///
/// # Errors
/// When the shapes do not fit.
pub fn forward(x: &Tensor, w: &Tensor, shape: &Shape, folded: &Folded) -> Result<Tensor> {
    match gpu(x) {
        Some(gpu) if folded.is_nothing() => return cuda::conv::forward(&*gpu, x, w, shape),
        Some(_) => bail!("a folded convolution is the processor's alone"),
        None => {}
    }
    let compute = |x: &[f32], w: &[f32], shortcut: Option<&[f32]>| {
        let finish = Finish { shift: folded.shift, shortcut, relu: folded.relu };
        if winograd::pays(shape) {
            let &Shape { outputs, inputs, .. } = shape;
            let kernels = Kernels { numbers: w, outputs, inputs, turned: false, scale: folded.scale };
            // SAFETY: all of y is written.
            let mut y = unsafe { unset(shape.y().iter().product()) };
            winograd::once(&kernels, x, shape, &finish, &mut y)?;
            return tensor(y, shape.y().as_slice());
        }
        let gather = Gather::forward(shape, x)?;
        let plane = shape.out_height() * shape.out_width();
        // SAFETY: the product writes all rows of all positions, which is all of y.
        let mut y = unsafe { unset(shape.batch * shape.outputs * plane) };
        let taps = shape.taps();
        let weights: Vec<u32> = (0..taps as u32).collect();
        let left = Left { numbers: w, row: taps, columns: &weights, rows: shape.outputs, scale: folded.scale };
        Product { gather: &gather, rows: shape.outputs, depth: taps, plane, finish }.compute(&left, &mut y);
        tensor(y, shape.y().as_slice())
    };
    match folded.shortcut {
        Some(shortcut) => with_floats([x, w, shortcut], |[x, w, s]| compute(x, w, Some(s))),
        None => with_floats([x, w], |[x, w]| compute(x, w, None)),
    }
}

/// dx `[b,ci,h,w]` from dy and w. With stride s the input falls into s x s phases; in each, the taps that reach it form a
/// stride-1 convolution of dy.
///
/// # Errors
/// When the shapes do not fit.
pub fn input_gradient(dy: &Tensor, w: &Tensor, shape: &Shape) -> Result<Tensor> {
    if let Some(gpu) = gpu(dy) {
        return cuda::conv::input_gradient(&*gpu, dy, w, shape);
    }
    let k2 = shape.kernel * shape.kernel;
    with_floats([dy, w], |[dy, w]| {
        let back = Shape { inputs: shape.outputs, outputs: shape.inputs, ..*shape };
        if winograd::pays(&back) {
            let kernels = Kernels { numbers: w, outputs: back.outputs, inputs: back.inputs, turned: true, scale: None };
            // SAFETY: all of dx is written.
            let mut dx = unsafe { unset(back.y().iter().product()) };
            winograd::once(&kernels, dy, &back, &Finish::default(), &mut dx)?;
            return tensor(dx, back.y().as_slice());
        }
        let len = shape.batch * shape.inputs * shape.height * shape.width;
        // SAFETY: at stride 1 there is one phase, which is all of dx.
        let mut dx = if shape.stride == 1 { unsafe { unset(len) } } else { output(len) };
        for phase in gather::phases(shape) {
            let gather = Gather::backward(shape, dy, &phase)?;
            let weights: Vec<u32> = (0..shape.outputs)
                .flat_map(|o| phase.taps.iter().map(move |t| (o * shape.inputs * k2 + t.index) as u32))
                .collect();
            let (height, width) = phase.size(shape);
            let left = Left { numbers: w, row: k2, columns: &weights, rows: shape.inputs, scale: None };
            let (rows, depth, plane) = (shape.inputs, weights.len(), height * width);
            let product = Product { gather: &gather, rows, depth, plane, finish: Finish::default() };
            if shape.stride == 1 {
                product.compute(&left, &mut dx);
            } else {
                let mut part = Scratch::take(shape.batch * shape.inputs * height * width);
                product.compute(&left, &mut part);
                phase.spread(shape, &part, &mut dx);
            }
        }
        tensor(dx, &[shape.batch, shape.inputs, shape.height, shape.width][..])
    })
}

/// dw `[co,ci,k,k]` from x and dy.
///
/// # Errors
/// When the shapes do not fit.
pub fn weight_gradient(x: &Tensor, dy: &Tensor, shape: &Shape) -> Result<Tensor> {
    if let Some(gpu) = gpu(x) {
        return cuda::conv::weight_gradient(&*gpu, x, dy, shape);
    }
    with_floats([x, dy], |[x, dy]| {
        // SAFETY: both ways to compute it write all rows of all taps, which is all of dw.
        let mut dw = unsafe { unset(shape.outputs * shape.taps()) };
        if winograd::pays(shape) {
            winograd::gradient(x, dy, shape, &mut dw)?;
        } else {
            let gather = Gather::forward(shape, x)?;
            weight::gradient(&gather, dy, shape.outputs, shape.out_height() * shape.out_width(), &mut dw);
        }
        tensor(dw, &[shape.outputs, shape.inputs, shape.kernel, shape.kernel][..])
    })
}

#[cfg(test)]
mod tests;
