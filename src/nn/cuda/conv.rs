//! Convolution: the library's where there is one, else unfolded into matrix products, some images at a time.

use std::rc::Rc;

use candle_core::{DType, Result, Tensor};

use super::Arg::{In, Int, Out};
use super::pointwise::{add_bias, cast, channel_sums};
use super::{Gpu, Matrix, Pass, Product, each, ready};
use crate::nn::conv::Shape;
use crate::nn::tape::{Tape, Value};

/// Most elements of an unfolded map: half a gigabyte of `f32`. In tests so few that some batches go image by image.
const ROOM: usize = if cfg!(test) { 4000 } else { 1 << 27 };

/// See [`crate::nn::conv::conv2d_bias`].
pub fn conv2d_bias(gpu: Rc<dyn Gpu>, tape: &Tape, x: &Value, w: &Value, bias: &Value, shape: Shape) -> Result<Value> {
    let y = forward(&*gpu, x.tensor(), w.tensor(), &shape)?;
    add_bias(&*gpu, &y, bias.tensor())?;
    let (xt, wt) = (x.tensor().clone(), w.tensor().clone());
    Ok(tape.record(&[x, w, bias], y, move |dy, needed| {
        let dx = if needed[0] { Some(input_gradient(&*gpu, &dy, &wt, &shape)?) } else { None };
        let dw = if needed[1] { Some(weight_gradient(&*gpu, &xt, &dy, &shape)?) } else { None };
        let db = if needed[2] { Some(channel_sums(&*gpu, &dy)?) } else { None };
        Ok(vec![dx, dw, db])
    }))
}

/// y from x and w.
pub fn forward(gpu: &dyn Gpu, x: &Tensor, w: &Tensor, s: &Shape) -> Result<Tensor> {
    let (x, w) = (ready(x)?, ready(w)?);
    if let Some(y) = gpu.convolve(Pass::Forward, s, &x, &w)? {
        return Ok(y);
    }
    let (plane, taps) = (s.out_height() * s.out_width(), s.taps());
    let y = gpu.empty(&s.y(), x.dtype())?;
    for (first, images) in chunks(s) {
        let (maps, row, next) = gathered(gpu, &x, s, first, images)?;
        let columns = Matrix { next, ..Matrix::new(&maps, row) };
        let target = Matrix { start: first * s.outputs * plane, next: s.outputs * plane, ..Matrix::new(&y, plane) };
        let product = Product { m: s.outputs, n: plane, k: taps, batch: images, accumulate: false };
        gpu.multiply(Matrix::new(&w, taps), columns, target, product)?;
    }
    Ok(y)
}

/// dx from dy and w.
pub fn input_gradient(gpu: &dyn Gpu, dy: &Tensor, w: &Tensor, s: &Shape) -> Result<Tensor> {
    let (dy, w) = (ready(dy)?, ready(w)?);
    if let Some(dx) = gpu.convolve(Pass::Input, s, &dy, &w)? {
        return Ok(dx);
    }
    let (plane, taps) = (s.out_height() * s.out_width(), s.taps());
    let dx = gpu.empty(&[s.batch, s.inputs, s.height, s.width], dy.dtype())?;
    for (first, images) in chunks(s) {
        let weights = Matrix { transposed: true, ..Matrix::new(&w, taps) };
        let source = Matrix { start: first * s.outputs * plane, next: s.outputs * plane, ..Matrix::new(&dy, plane) };
        let product = Product { m: taps, n: plane, k: s.outputs, batch: images, accumulate: false };
        if is_plain(s) {
            let target = Matrix { start: first * taps * plane, next: taps * plane, ..Matrix::new(&dx, plane) };
            gpu.multiply(weights, source, target, product)?;
            continue;
        }
        let positions = images * plane;
        let columns = gpu.empty(&[taps, positions], DType::F32)?;
        gpu.multiply(weights, source, Matrix { next: plane, ..Matrix::new(&columns, positions) }, product)?;
        let part = dx.narrow(0, first, images)?;
        let args = [&[In(&columns), Out(&part)][..], &sizes(s, positions)].concat();
        each(gpu, "refold", dx.dtype(), part.elem_count(), &args)?;
    }
    Ok(dx)
}

/// dw from x and dy, `f32` whatever the maps are.
pub fn weight_gradient(gpu: &dyn Gpu, x: &Tensor, dy: &Tensor, s: &Shape) -> Result<Tensor> {
    let (x, dy) = (ready(x)?, ready(dy)?);
    if let Some(dw) = gpu.convolve(Pass::Weight, s, &x, &dy)? {
        return cast(gpu, &dw, DType::F32);
    }
    let (plane, taps) = (s.out_height() * s.out_width(), s.taps());
    let dw = gpu.empty(&[s.outputs, s.inputs, s.kernel, s.kernel], DType::F32)?;
    // dy with its channels before its images is what a 1x1 convolution would gather of it.
    let across = Shape {
        inputs: s.outputs,
        height: s.out_height(),
        width: s.out_width(),
        kernel: 1,
        stride: 1,
        padding: 0,
        ..*s
    };
    for (first, images) in chunks(s) {
        let positions = images * plane;
        let (rows, columns) = (unfold(gpu, &dy, &across, first, images)?, unfold(gpu, &x, s, first, images)?);
        let product = Product { m: s.outputs, n: taps, k: positions, batch: 1, accumulate: first > 0 };
        let columns = Matrix { transposed: true, ..Matrix::new(&columns, positions) };
        gpu.multiply(Matrix::new(&rows, positions), columns, Matrix::new(&dw, taps), product)?;
    }
    Ok(dw)
}

/// A 1x1 convolution at stride 1 needs no unfolding: a map is its own matrix.
fn is_plain(s: &Shape) -> bool {
    (s.kernel, s.stride, s.padding) == (1, 1, 0)
}

/// The images, as many at a time as there is room for: (first, count).
fn chunks(s: &Shape) -> impl Iterator<Item = (usize, usize)> {
    let (batch, one) = (s.batch, s.taps().max(s.outputs) * s.out_height() * s.out_width());
    let many = (ROOM / one.max(1)).clamp(1, batch.max(1));
    (0..batch).step_by(many).map(move |first| (first, many.min(batch - first)))
}

/// What the forward pass multiplies the weights with: a tensor, the length of its rows, and the way to the next image.
fn gathered(gpu: &dyn Gpu, x: &Tensor, s: &Shape, first: usize, images: usize) -> Result<(Tensor, usize, usize)> {
    let plane = s.out_height() * s.out_width();
    if is_plain(s) {
        return Ok((x.narrow(0, first, images)?, plane, s.inputs * plane));
    }
    Ok((unfold(gpu, x, s, first, images)?, images * plane, plane))
}

/// `[taps, images * plane]`.
fn unfold(gpu: &dyn Gpu, x: &Tensor, s: &Shape, first: usize, images: usize) -> Result<Tensor> {
    let positions = images * s.out_height() * s.out_width();
    let columns = gpu.empty(&[s.taps(), positions], x.dtype())?;
    let part = x.narrow(0, first, images)?;
    let args = [&[In(&part), Out(&columns)][..], &sizes(s, positions)].concat();
    each(gpu, "unfold", x.dtype(), columns.elem_count(), &args)?;
    Ok(columns)
}

fn sizes(s: &Shape, positions: usize) -> [super::Arg<'static>; 9] {
    [s.inputs, s.height, s.width, s.kernel, s.stride, s.padding, s.out_height(), s.out_width(), positions].map(Int)
}
