//! Memory for the kernels: aligned scratch space, and the way in and out of Candle's CPU storage.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Result, Shape, Storage, Tensor};

/// A zeroed `f32` buffer aligned to a cache line, as the kernels' aligned loads need it.
pub struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl Aligned {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; 16]); len.div_ceil(16)], len }
    }

    /// Makes room for at least `len` numbers; what they are is not said.
    pub fn reserve(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeros(len);
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `Line` is 16 `f32` without padding, and `len <= 16 * lines.len()`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Working memory that is kept for the next op instead of being given back and zeroed anew: fresh pages cost a sixth of a
/// small convolution. What is in it at first is not said.
pub struct Scratch(Aligned);

thread_local! {
    /// Buffers kept, largest last, by each thread that starts convolutions: the lanes of embedding do so side by side.
    static KEPT: RefCell<Vec<Aligned>> = const { RefCell::new(Vec::new()) };
}
/// More than a convolution uses at once would only cost memory.
const KEEP: usize = 4;

impl Scratch {
    /// At least `len` numbers.
    pub fn take(len: usize) -> Self {
        let fits = KEPT.with_borrow_mut(|kept| {
            let found = kept.iter().position(|b| b.len >= len);
            found.map(|i| kept.remove(i))
        });
        Self(fits.unwrap_or_else(|| Aligned::zeros(len)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.0, Aligned::zeros(0));
        // A thread that is ending keeps nothing.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            let place = kept.partition_point(|b| b.len < buffer.len);
            kept.insert(place, buffer);
            if kept.len() > KEEP {
                // The smallest is the cheapest to make again.
                kept.remove(0);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

/// A pointer that pieces of a parallel task share; each writes to its own part.
#[derive(Clone, Copy)]
pub struct Shared<T = f32>(*mut T);

// SAFETY: whoever dereferences it promises (at that place) that no two threads touch the same element.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    /// The start of `buffer`.
    pub fn new(buffer: &mut [T]) -> Self {
        Self(buffer.as_mut_ptr())
    }

    /// The address of element `index`.
    ///
    /// # Safety
    /// `index` lies in the buffer, and no other thread touches what the caller goes on to write.
    #[inline(always)]
    pub unsafe fn at(self, index: usize) -> *mut T {
        // SAFETY: by the caller's promise.
        unsafe { self.0.add(index) }
    }

    /// Elements `start..start + len` for writing.
    ///
    /// # Safety
    /// They lie in the buffer and no other thread touches them while the slice lives.
    #[inline(always)]
    pub unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

/// The numbers of a contiguous CPU tensor inside a custom op.
///
/// # Errors
/// When the tensor is not contiguous or not `f32`: callers make it so first.
pub fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a kernel of Rain was given a tensor that is not contiguous"),
    }
}

/// Calls `f` with the numbers of each (contiguous, `f32`, CPU) tensor.
///
/// # Errors
/// When a tensor lies on another device: the ops of [`super::cuda`] do not come here.
pub fn with_floats<const N: usize, R>(tensors: [&Tensor; N], f: impl FnOnce([&[f32]; N]) -> Result<R>) -> Result<R> {
    let contiguous: Vec<Tensor> = tensors.iter().map(|t| t.contiguous()).collect::<Result<_>>()?;
    let guards: Vec<_> = contiguous.iter().map(Tensor::storage_and_layout).collect();
    let mut slices = [&[] as &[f32]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        *slice = match &**storage {
            Storage::Cpu(cpu) => floats(cpu, layout)?,
            _ => candle_core::bail!("a kernel for the processor was given a tensor on another device"),
        };
    }
    f(slices)
}

/// Calls `f` with the numbers of a tensor, to be changed in place: for parameters, whose holders all see the change.
///
/// # Errors
/// When the tensor is not contiguous `f32` on the CPU.
pub fn with_floats_mut(tensor: &Tensor, f: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<()> {
    struct Once<F>(Cell<Option<F>>);
    impl<F: FnOnce(&mut [f32]) -> Result<()>> InplaceOp1 for Once<F> {
        fn name(&self) -> &'static str {
            "rain-update"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            match (storage, layout.contiguous_offsets(), self.0.take()) {
                (CpuStorage::F32(data), Some((start, end)), Some(f)) => f(&mut data[start..end]),
                _ => candle_core::bail!("only a contiguous f32 tensor can be changed in place"),
            }
        }
    }
    tensor.inplace_op1(&Once(Cell::new(Some(f))))
}

/// A CPU tensor that takes over `data`.
pub fn tensor(data: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(data, shape.into(), &Device::Cpu)
}

/// `len` zeros, for kernels that do not write every number.
pub fn output(len: usize) -> Vec<f32> {
    vec![0.0; len]
}

/// A buffer for a kernel that writes every number before any is read: large ones notice the zeroing.
///
/// # Safety
/// Whoever calls it sees to it that each of the `len` numbers is written before it is read.
#[expect(clippy::uninit_vec, reason = "that is the caller's promise")]
pub unsafe fn unset(len: usize) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(len);
    // SAFETY: the capacity is there; the numbers are written by the caller's promise, and need no drop.
    unsafe { numbers.set_len(len) };
    numbers
}

/// Copies the numbers of `source` into `target`, whose holders all see the change.
///
/// # Errors
/// When the shapes differ.
pub fn assign(target: &Tensor, source: &Tensor) -> Result<()> {
    if target.dims() != source.dims() {
        candle_core::bail!("shapes {:?} and {:?} differ", target.dims(), source.dims());
    }
    let source = source.to_device(target.device())?.to_dtype(candle_core::DType::F32)?;
    if let Some(gpu) = super::cuda::gpu(target) {
        return super::cuda::pointwise::copy(&*gpu, &source, target);
    }
    with_floats([&source], |[source]| {
        with_floats_mut(target, |target| {
            target.copy_from_slice(source);
            Ok(())
        })
    })
}
