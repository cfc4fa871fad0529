//! What this machine can do at best, measured at the moment: arithmetic and copying.

use std::time::Instant;

use serde::Serialize;

use crate::nn::buffer::{Aligned, Shared};
use crate::nn::kernel::{Micro, Task, dispatch};

/// This machine's best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// Billions of single-precision additions and multiplications a second, all threads together: a matrix product of
    /// operands that stay in the first-level cache, by the same register tile that the convolutions end in.
    pub gflops: f64,
    /// Billions of bytes a second that all threads together read, and write as many, copying between blocks that fit
    /// no cache.
    pub copy_gb_s: f64,
}

/// Measures for about a quarter of a second; the best of several tries counts, as whatever else the machine does can
/// only make it slower.
pub fn peak() -> Peak {
    Peak { gflops: arithmetic(), copy_gb_s: copying() }
}

/// Depth of the product: that of a block of a convolution.
const DEPTH: usize = 256;
/// Products in one try.
const PRODUCTS: usize = 256;

fn arithmetic() -> f64 {
    dispatch!(tiles())
}

/// The sum of what the threads reach at the same time, each by its own best try: another program that takes a core for a
/// while does not lower it.
fn tiles<M: Micro>() -> f64 {
    const TRIES: usize = 100;
    let best = |_: rayon::BroadcastContext| {
        let [mut a, mut b, mut c] = [M::MR * DEPTH, M::NR * DEPTH, M::MR * M::NR].map(Aligned::zeros);
        a.fill(1.0);
        b.fill(1.0);
        let task = Tiles { a: &a, b: &b, c: Shared::new(&mut c) };
        let mut best = f64::INFINITY;
        for _ in 0..TRIES {
            let start = Instant::now();
            // SAFETY: `M` was chosen by `dispatch!`, which hands out only available sets; C is this thread's own.
            unsafe { M::enter(&task, 0) };
            best = best.min(start.elapsed().as_secs_f64());
        }
        std::hint::black_box(&c);
        2.0 * (M::MR * M::NR * DEPTH * PRODUCTS) as f64 / best / 1e9
    };
    rayon::broadcast(best).into_iter().sum()
}

struct Tiles<'a> {
    a: &'a [f32],
    b: &'a [f32],
    c: Shared,
}

impl Task for Tiles<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, _: usize) {
        for _ in 0..PRODUCTS {
            // SAFETY: the panels hold DEPTH packed rows, and C holds one tile.
            unsafe { M::tile(DEPTH, self.a.as_ptr(), self.b.as_ptr(), self.c.at(0), M::NR, false) };
        }
    }
}

fn copying() -> f64 {
    use rayon::prelude::*;
    const TRIES: usize = 8;
    const BLOCK: usize = 24 << 20; // numbers: 96 MiB, more than the caches of a desktop hold
    let (source, mut target) = (vec![1.0f32; BLOCK], vec![0.0f32; BLOCK]);
    let piece = BLOCK.div_ceil(rayon::current_num_threads());
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        let start = Instant::now();
        target.par_chunks_mut(piece).zip(source.par_chunks(piece)).for_each(|(to, from)| to.copy_from_slice(from));
        best = best.min(start.elapsed().as_secs_f64());
        std::hint::black_box(&target);
    }
    (BLOCK * size_of::<f32>()) as f64 / best / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernel::Isa;

    #[test]
    fn every_kernel_has_a_peak() {
        for isa in Isa::available() {
            let gflops = isa.with(arithmetic);
            assert!(gflops > 0.1 && gflops < 1e5, "{}: {gflops}", isa.name());
        }
        assert!(copying() > 0.01);
    }
}
