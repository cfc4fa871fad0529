//! `G w G'`: the kernels as the products of a forward pass read them.

use super::POINTS;
use super::lines::{ROWS, kernel_line};
use crate::nn::buffer::Shared;
use crate::nn::conv::product::{DEPTH, Left};
use crate::nn::kernel::{self, Micro, Task};

/// Numbers of packed weights from one point to the next: a cache line more than they take, as in `step`.
pub const fn stretch<M: Micro>(outputs: usize, inputs: usize) -> usize {
    Left::packed_len::<M>(outputs, inputs) + 16
}

/// The 3x3 kernels of a convolution.
pub struct Kernels<'a> {
    /// `[outputs,inputs,3,3]`; where they are turned, `[inputs,outputs,3,3]`.
    pub numbers: &'a [f32],
    pub outputs: usize,
    pub inputs: usize,
    /// Each is read backwards, and from output to input: the input gradient is the convolution of dy with such kernels.
    pub turned: bool,
    /// Factor of each output.
    pub scale: Option<&'a [f32]>,
}

impl Kernels<'_> {
    /// How many numbers [`Self::pack`] writes.
    pub const fn packed_len<M: Micro>(&self) -> usize {
        POINTS * stretch::<M>(self.outputs, self.inputs)
    }

    /// `G w G'` of all kernels, for kernel `M`: `[36][packed outputs x inputs]`.
    pub fn pack<M: Micro>(&self, packed: &mut [f32]) {
        let task = Pack { kernels: self, packed: Shared::new(packed) };
        kernel::run::<M, _>(&task, self.outputs.div_ceil(M::MR));
    }

    #[inline(always)]
    fn at(&self, output: usize, input: usize) -> &[f32; 9] {
        let place = if self.turned { input * self.outputs + output } else { output * self.inputs + input };
        &self.numbers.as_chunks::<9>().0[place]
    }
}

/// Turns and packs the weights of a panel of outputs.
struct Pack<'a> {
    kernels: &'a Kernels<'a>,
    packed: Shared,
}

impl Task for Pack<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, panel: usize) {
        let (outputs, depth) = (self.kernels.outputs, self.kernels.inputs);
        let panels = outputs.div_ceil(M::MR);
        let rows = M::MR.min(outputs - panel * M::MR);
        let mut scale = [1.0; ROWS];
        if let Some(all) = self.kernels.scale {
            for (scale, all) in scale.iter_mut().zip(&all[panel * M::MR..][..rows]) {
                *scale = f64::from(*all);
            }
        }
        let (mut kernels, mut half) = ([[0f64; ROWS]; 9], [[[0f64; ROWS]; 3]; 6]);
        let (mut column, mut row) = ([[0f64; ROWS]; 6], [[0f64; ROWS]; 6]);
        for k in 0..depth {
            for (lane, scale) in scale.iter().enumerate().take(rows) {
                let kernel = self.kernels.at(panel * M::MR + lane, k);
                for (tap, lanes) in kernels.iter_mut().enumerate() {
                    let from = if self.kernels.turned { 8 - tap } else { tap };
                    lanes[lane] = f64::from(kernel[from]) * scale;
                }
            }
            for x in 0..3 {
                kernel_line([&kernels[x], &kernels[3 + x], &kernels[6 + x]], &mut column);
                for (half, column) in half.iter_mut().zip(&column) {
                    half[x] = *column;
                }
            }
            let (k0, deep) = (k / DEPTH * DEPTH, DEPTH.min(depth - k / DEPTH * DEPTH));
            let place = (k0 * panels + panel * deep + k - k0) * M::MR;
            for (y, [a, b, c]) in half.iter().enumerate() {
                kernel_line([a, b, c], &mut row);
                for (x, numbers) in row.iter().enumerate() {
                    let at = (6 * y + x) * stretch::<M>(outputs, depth) + place;
                    // SAFETY: this piece alone writes this panel of each point. Rows past the last hold anything.
                    let target = unsafe { self.packed.slice(at, M::MR) };
                    for (target, number) in target.iter_mut().zip(numbers) {
                        *target = *number as f32;
                    }
                }
            }
        }
    }
}
