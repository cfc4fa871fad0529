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

    #[inline]
    unsafe fn square(rows: [*const f32; 8], out: &mut [[f32; 8]; 8]) {
        // SAFETY: the caller promises the instruction set and the rows.
        unsafe { square(rows, out) }
    }

    #[inline(always)]
    fn fetch(place: *const f32) {
        // SAFETY: a prefetch reads nothing, wherever it points, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) }
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
            let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
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

/// 8 x 8 in registers: neighbours are interleaved at 32, 64 and 128 bits.
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) unsafe fn square(rows: [*const f32; 8], out: &mut [[f32; 8]; 8]) {
    // SAFETY: each row holds eight numbers, by the caller's promise.
    unsafe {
        let r = rows.map(|row| _mm256_loadu_ps(row));
        let pair = |i: usize| (_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i], r[i + 1]));
        let (p0, p2, p4, p6) = (pair(0), pair(2), pair(4), pair(6));
        // Four rows: columns 0|4, 1|5, 2|6, 3|7.
        let four = |a: (__m256, __m256), b: (__m256, __m256)| {
            [
                _mm256_shuffle_ps::<0x44>(a.0, b.0),
                _mm256_shuffle_ps::<0xEE>(a.0, b.0),
                _mm256_shuffle_ps::<0x44>(a.1, b.1),
                _mm256_shuffle_ps::<0xEE>(a.1, b.1),
            ]
        };
        let (low, high) = (four(p0, p2), four(p4, p6));
        for k in 0..4 {
            _mm256_storeu_ps(out[k].as_mut_ptr(), _mm256_permute2f128_ps::<0x20>(low[k], high[k]));
            _mm256_storeu_ps(out[k + 4].as_mut_ptr(), _mm256_permute2f128_ps::<0x31>(low[k], high[k]));
        }
    }
}
