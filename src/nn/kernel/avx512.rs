//! The kernel for AVX-512.

use std::arch::x86_64::*;

use super::{Close, Micro, Task};

/// 8 x 32 tile: sixteen accumulators of thirty-two registers, so that the loads of B and the broadcasts of A hide.
pub struct Avx512;

impl Micro for Avx512 {
    const MR: usize = 8;
    const NR: usize = 32;

    #[inline]
    unsafe fn tile(depth: usize, a: *const f32, b: *const f32, c: *mut f32, ldc: usize, accumulate: bool) {
        // SAFETY: the caller promises the instruction set and the sizes.
        unsafe { tile(depth, a, b, c, ldc, accumulate) }
    }

    #[inline]
    unsafe fn closed(depth: usize, [a, b]: [*const f32; 2], c: *mut f32, ldc: usize, accumulate: bool, close: &Close) {
        // SAFETY: the caller promises the instruction set and the sizes.
        unsafe { closed(depth, a, b, c, ldc, accumulate, close) }
    }

    #[inline]
    unsafe fn transpose(src: *const f32, ld: usize, dst: *mut f32, n: usize) {
        // SAFETY: the caller promises the instruction set and the sizes.
        unsafe { transpose(src, ld, dst, n) }
    }

    #[inline]
    unsafe fn square(rows: [*const f32; 8], out: &mut [[f32; 8]; 8]) {
        // SAFETY: the caller promises the instruction set, which contains AVX2, and the rows.
        unsafe { super::avx2::square(rows, out) }
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

#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn enter<T: Task>(task: &T, piece: usize) {
    // SAFETY: the caller's promises are `run`'s.
    unsafe { task.run::<Avx512>(piece) }
}

#[target_feature(enable = "avx512f,avx2,fma")]
#[inline]
unsafe fn tile(depth: usize, a: *const f32, b: *const f32, c: *mut f32, ldc: usize, accumulate: bool) {
    // SAFETY: `c` holds the tile, by the caller's promise, which is passed on.
    unsafe {
        for (i, row) in sums(depth, a, b).iter().enumerate() {
            for (j, &s) in row.iter().enumerate() {
                let p = c.add(i * ldc + 16 * j);
                let s = if accumulate { _mm512_add_ps(s, _mm512_loadu_ps(p)) } else { s };
                _mm512_storeu_ps(p, s);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx2,fma")]
#[inline]
unsafe fn closed(depth: usize, a: *const f32, b: *const f32, c: *mut f32, ldc: usize, accumulate: bool, close: &Close) {
    // SAFETY: `c`, and what is added, hold the tile, and the shift a number a row, by the caller's promise.
    unsafe {
        let floor = _mm512_set1_ps(close.floor);
        for (i, row) in sums(depth, a, b).iter().enumerate() {
            let shift = _mm512_set1_ps(*close.shift.add(i));
            for (j, &s) in row.iter().enumerate() {
                let at = i * ldc + 16 * j;
                let p = c.add(at);
                let s = if accumulate { _mm512_add_ps(s, _mm512_loadu_ps(p)) } else { s };
                let s = _mm512_add_ps(s, shift);
                let s = if close.added.is_null() { s } else { _mm512_add_ps(s, _mm512_loadu_ps(close.added.add(at))) };
                _mm512_storeu_ps(p, _mm512_max_ps(s, floor));
            }
        }
    }
}

/// The tile, in its sixteen registers.
#[target_feature(enable = "avx512f,avx2,fma")]
#[inline]
unsafe fn sums(depth: usize, mut a: *const f32, mut b: *const f32) -> [[__m512; 2]; 8] {
    // SAFETY: `a`, `b` hold `depth` packed rows, by the caller's promise.
    unsafe {
        let mut sum = [[_mm512_setzero_ps(); 2]; 8];
        for _ in 0..depth {
            let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
            for (i, row) in sum.iter_mut().enumerate() {
                let ai = _mm512_set1_ps(*a.add(i));
                row[0] = _mm512_fmadd_ps(ai, b0, row[0]);
                row[1] = _mm512_fmadd_ps(ai, b1, row[1]);
            }
            a = a.add(8);
            b = b.add(32);
        }
        sum
    }
}

#[target_feature(enable = "avx512f,avx2,fma")]
#[inline]
unsafe fn transpose(src: *const f32, ld: usize, dst: *mut f32, n: usize) {
    // SAFETY: `src` holds 32 rows of `n`, `dst` n rows of 32, by the caller's promise.
    unsafe {
        let mut i = 0;
        while i + 16 <= n {
            transpose16(src.add(i), ld, dst.add(32 * i));
            transpose16(src.add(16 * ld + i), ld, dst.add(32 * i + 16));
            i += 16;
        }
        for i in i..n {
            for j in 0..32 {
                *dst.add(32 * i + j) = *src.add(j * ld + i);
            }
        }
    }
}

/// 16 x 16 in registers: pairs of rows are interleaved at 32, 64, 128 and 256 bits. `dst` rows are 32 apart.
#[target_feature(enable = "avx512f,avx2,fma")]
#[inline]
unsafe fn transpose16(src: *const f32, ld: usize, dst: *mut f32) {
    // SAFETY: 16 rows of 16 are readable and writable, by the caller's promise.
    unsafe {
        let mut r = [_mm512_setzero_ps(); 16];
        let mut t = r;
        for (i, row) in r.iter_mut().enumerate() {
            *row = _mm512_loadu_ps(src.add(i * ld));
        }
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for i in 0..4 {
            let [a, b, c, d] = std::array::from_fn(|j| _mm512_castps_pd(t[4 * i + j]));
            r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
            r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
            r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
            r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
        }
        for i in 0..4 {
            t[i] = _mm512_shuffle_f32x4::<0x88>(r[i], r[i + 4]);
            t[i + 4] = _mm512_shuffle_f32x4::<0xdd>(r[i], r[i + 4]);
            t[i + 8] = _mm512_shuffle_f32x4::<0x88>(r[i + 8], r[i + 12]);
            t[i + 12] = _mm512_shuffle_f32x4::<0xdd>(r[i + 8], r[i + 12]);
        }
        for i in 0..8 {
            _mm512_storeu_ps(dst.add(32 * i), _mm512_shuffle_f32x4::<0x88>(t[i], t[i + 8]));
            _mm512_storeu_ps(dst.add(32 * (i + 8)), _mm512_shuffle_f32x4::<0xdd>(t[i], t[i + 8]));
        }
    }
}
