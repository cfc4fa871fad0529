//! The device's part: every op of Rain on a GPU.
//!
//! Candle's CUDA side computes convolution gradients by naive kernels even where it has cuDNN, and is wrong or silent where its
//! CPU side is. Here are kernels of our own (`kernels/`), and the ops that launch them, written against [`Gpu`] alone:
//!
//! - `device` is the real one (feature `cuda`): NVRTC compiles the kernels once a process and dtype, cuBLAS multiplies, and,
//!   with the feature `cudnn`, cuDNN convolves;
//! - `emulated` (tests only) compiles the same kernels as C++ and runs them on the processor, block by block, so that a
//!   machine without a GPU proves everything but cuBLAS's and cuDNN's calls.
//!
//! A map is `f32` or `bf16`; what is summed, normalised or trained is `f32` always. Nothing here waits for the device:
//! scalars stay on it until somebody reads them. No op uses atomics, so the same input gives the same bits.

pub mod conv;
pub mod loss;
pub mod norm;
pub mod optim;
pub mod pointwise;
pub mod pool;

#[cfg(feature = "cudnn")]
mod cudnn;
#[cfg(feature = "cuda")]
pub mod device;
#[cfg(test)]
pub(crate) mod emulated;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use candle_core::{DType, Device, Result, Tensor, bail};

use super::conv::Shape;

/// One argument of a kernel. A number is read by the kernel as `int`, `unsigned` or `float`, as it declares.
#[derive(Clone, Copy)]
pub enum Arg<'a> {
    /// Read only.
    In(&'a Tensor),
    /// Written, or read and written; must not share memory with another argument.
    Out(&'a Tensor),
    /// A null pointer.
    Null,
    /// A count, a size or a flag.
    Int(usize),
    /// A number.
    Float(f64),
}

/// A matrix within a tensor, row by row.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// Where it lies.
    pub tensor: &'a Tensor,
    /// Its first element.
    pub start: usize,
    /// Elements from one row to the next, as it lies.
    pub row: usize,
    /// Elements from the matrix of one product of the batch to that of the next.
    pub next: usize,
    /// Whether the product takes its transpose.
    pub transposed: bool,
}

impl<'a> Matrix<'a> {
    /// The matrix at the start of `tensor` whose rows are `row` elements apart, the same in all products of the batch.
    pub fn new(tensor: &'a Tensor, row: usize) -> Self {
        Self { tensor, start: 0, row, next: 0, transposed: false }
    }
}

/// `C [m,n] = A [m,k] B [k,n]`, `batch` times; or `C += A B`. Sums are `f32`; A and B share a dtype.
#[derive(Clone, Copy)]
pub struct Product {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// How many products.
    pub batch: usize,
    /// Whether C is added to.
    pub accumulate: bool,
}

/// One of the three convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// y from x and w.
    Forward,
    /// dx from dy and w.
    Input,
    /// dw from x and dy.
    Weight,
}

/// A device. Its memory is Candle's: tensors own it and free it.
pub trait Gpu {
    /// Where its tensors live.
    fn device(&self) -> Device;

    /// A tensor that the caller overwrites whole.
    fn empty(&self, shape: &[usize], dtype: DType) -> Result<Tensor>;

    /// Runs `kernel` over `grid` blocks of `threads`. The name is that of the source and its dtype's suffix.
    fn launch(&self, kernel: &str, dtype: DType, grid: [usize; 2], threads: usize, args: &[Arg]) -> Result<()>;

    /// `c = a b`, see [`Product`].
    fn multiply(&self, a: Matrix, b: Matrix, c: Matrix, product: Product) -> Result<()>;

    /// The library's own convolution: the result, or `None` where there is no such library.
    fn convolve(&self, _pass: Pass, _shape: &Shape, _first: &Tensor, _second: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

/// The device that `tensor` lies on, or `None` for the processor's memory.
pub fn gpu(tensor: &Tensor) -> Option<Rc<dyn Gpu>> {
    on(tensor.device())
}

/// [`gpu`] by device.
pub fn on(device: &Device) -> Option<Rc<dyn Gpu>> {
    #[cfg(test)]
    if let Some(emulated) = emulated::current() {
        return Some(emulated);
    }
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => Some(Rc::new(device::Cuda::new(cuda.clone()))),
        _ => None,
    }
}

/// Threads of a block, where the op leaves the choice.
const THREADS: usize = 256;
/// Most blocks of a loop over elements: enough to fill any device, the rest is the loop's.
const BLOCKS: usize = 1 << 14;

/// `tensor` as it must lie for a kernel: contiguous, `f32` or `bf16`, not too large to be indexed.
fn ready(tensor: &Tensor) -> Result<Tensor> {
    if !matches!(tensor.dtype(), DType::F32 | DType::BF16) || tensor.elem_count() > i32::MAX as usize {
        bail!("a GPU kernel was given {:?} of {:?}", tensor.dtype(), tensor.dims());
    }
    tensor.contiguous()
}

/// Blocks of a loop over `n` elements.
fn blocks(n: usize) -> usize {
    n.div_ceil(THREADS).clamp(1, BLOCKS)
}

/// Runs a kernel that loops over `n` elements, its last argument.
fn each(gpu: &dyn Gpu, kernel: &str, dtype: DType, n: usize, args: &[Arg]) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    let all: Vec<Arg> = args.iter().copied().chain([Arg::Int(n)]).collect();
    gpu.launch(kernel, dtype, [blocks(n), 1], THREADS, &all)
}

/// How many slices a channel of `n` elements is cut into, and how many elements each has (the last may have fewer).
fn slices(channels: usize, n: usize) -> (usize, usize) {
    // About a thousand blocks in all, none with less than a few rounds of its threads.
    let wanted = 1024usize.div_ceil(channels).min(n.div_ceil(8 * THREADS)).max(1);
    let per = n.div_ceil(wanted);
    (n.div_ceil(per), per)
}

/// What stands before every file of kernels.
#[cfg(any(test, feature = "cuda"))]
const COMMON: &str = include_str!("kernels/common.cuh");

/// Every file of kernels by name, compiled as one after [`COMMON`], once for each dtype.
#[cfg(any(test, feature = "cuda"))]
const KERNELS: [(&str, &str); 7] = [
    ("pointwise.cu", include_str!("kernels/pointwise.cu")),
    ("norm.cu", include_str!("kernels/norm.cu")),
    ("pool.cu", include_str!("kernels/pool.cu")),
    ("conv.cu", include_str!("kernels/conv.cu")),
    ("loss.cu", include_str!("kernels/loss.cu")),
    ("triplet.cu", include_str!("kernels/triplet.cu")),
    ("optim.cu", include_str!("kernels/optim.cu")),
];

/// What the names of the kernels for maps of `dtype` end in.
#[cfg(any(test, feature = "cuda"))]
fn suffix(dtype: DType) -> &'static str {
    if dtype == DType::BF16 { "bf16" } else { "f32" }
}

/// A number (or a null pointer) as a kernel reads it: in the first four bytes of eight.
#[cfg(any(test, feature = "cuda"))]
fn slot(arg: &Arg) -> u64 {
    match arg {
        Arg::Int(number) => *number as u64,
        Arg::Float(number) => u64::from((*number as f32).to_bits()),
        _ => 0,
    }
}
