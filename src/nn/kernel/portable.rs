//! The kernel for every processor: plain Rust that the compiler turns into what the target has.

use super::{Micro, Task};

/// 4 x 8 tile; eight 128-bit registers on SSE2 and NEON.
pub struct Portable;

impl Micro for Portable {
    const MR: usize = 4;
    const NR: usize = 8;

    #[inline]
    unsafe fn tile(depth: usize, a: *const f32, b: *const f32, c: *mut f32, ldc: usize, accumulate: bool) {
        let mut sum = [[0f32; 8]; 4];
        for k in 0..depth {
            // SAFETY: `a` and `b` hold `depth` rows of 4 and 8.
            let (a, b) = unsafe { (&*a.add(4 * k).cast::<[f32; 4]>(), &*b.add(8 * k).cast::<[f32; 8]>()) };
            for i in 0..4 {
                for j in 0..8 {
                    sum[i][j] += a[i] * b[j];
                }
            }
        }
        for (i, row) in sum.iter().enumerate() {
            // SAFETY: `c` holds the tile, rows `ldc` apart.
            let c = unsafe { &mut *c.add(i * ldc).cast::<[f32; 8]>() };
            for j in 0..8 {
                c[j] = if accumulate { c[j] + row[j] } else { row[j] };
            }
        }
    }

    unsafe fn enter<T: Task>(task: &T, piece: usize) {
        // SAFETY: the caller's promises are `run`'s.
        unsafe { task.run::<Self>(piece) }
    }
}
