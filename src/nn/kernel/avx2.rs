//! The kernel for AVX2 with fused multiply-add.

use std::arch::x86_64::*;

use super::{Micro, Task};

/// 6 x 16 tile: twelve accumulators, two registers of B and one broadcast of A out of sixteen.
pub struct Avx2;

impl Micro for Avx2 {
    const MR: usize = 6;
    const NR: usize = 16;

    #[inline]
    unsafe fn tile(depth: usize, a: *const f32, b: *const f32, c: *mut f32, ldc: usize, accumulate: bool) {
        // SAFETY: the caller promises the instruction set and the sizes.
        unsafe { tile(depth, a, b, c, ldc, accumulate) }
    }

    unsafe fn enter<T: Task>(task: &T, piece: usize) {
        // SAFETY: the caller promises the instruction set and `run`'s promises.
        unsafe { enter(task, piece) }
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn enter<T: Task>(task: &T, piece: usize) {
    // SAFETY: the caller's promises are `run`'s.
    unsafe { task.run::<Avx2>(piece) }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn tile(depth: usize, mut a: *const f32, mut b: *const f32, c: *mut f32, ldc: usize, accumulate: bool) {
    // SAFETY: `a`, `b` hold `depth` packed rows and `c` the tile, by the caller's promise.
    unsafe {
        let mut sum = [[_mm256_setzero_ps(); 2]; 6];
        for _ in 0..depth {
            let (b0, b1) = (_mm256_load_ps(b), _mm256_load_ps(b.add(8)));
            for (i, row) in sum.iter_mut().enumerate() {
                let ai = _mm256_set1_ps(*a.add(i));
                row[0] = _mm256_fmadd_ps(ai, b0, row[0]);
                row[1] = _mm256_fmadd_ps(ai, b1, row[1]);
            }
            a = a.add(6);
            b = b.add(16);
        }
        for (i, row) in sum.iter().enumerate() {
            let p = c.add(i * ldc);
            for (j, &s) in row.iter().enumerate() {
                let p = p.add(8 * j);
                let s = if accumulate { _mm256_add_ps(s, _mm256_loadu_ps(p)) } else { s };
                _mm256_storeu_ps(p, s);
            }
        }
    }
}
