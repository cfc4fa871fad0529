//! The kernel for AVX2: codes are widened to 16 bits, so that no sum of two products saturates.

use std::arch::x86_64::*;

use super::ROWS;

/// See [`super::Products`].
///
/// # Safety
/// As there; the processor has AVX2.
pub unsafe fn products(rows: [*const u8; ROWS], codes: *const i8, planes: usize, stride: usize, out: *mut i32) {
    let mut c = 0;
    // SAFETY: the caller promises the instruction set and the sizes.
    unsafe {
        while c + 2 <= planes {
            tile::<2>(rows, codes.add(c * stride), stride, out.add(c * ROWS));
            c += 2;
        }
        if c < planes {
            tile::<1>(rows, codes.add(c * stride), stride, out.add(c * ROWS));
        }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn tile<const C: usize>(rows: [*const u8; ROWS], codes: *const i8, stride: usize, out: *mut i32) {
    // SAFETY: every load lies within `stride` of a row or a plane; `out` holds the tile.
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); ROWS]; C];
        let mut k = 0;
        if super::neighbours(rows, stride) {
            for (r, row) in rows.into_iter().enumerate() {
                let all: [__m256i; C] = stream(row, codes, stride);
                (0..C).for_each(|c| sums[c][r] = all[c]);
            }
            k = stride;
        }
        while k < stride {
            let mut wide = [_mm256_setzero_si256(); ROWS];
            for (wide, row) in wide.iter_mut().zip(rows) {
                *wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(row.add(k).cast()));
            }
            for (c, sums) in sums.iter_mut().enumerate() {
                let plane = _mm256_cvtepi8_epi16(_mm_loadu_si128(codes.add(c * stride + k).cast()));
                for (sum, wide) in sums.iter_mut().zip(wide) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(wide, plane));
                }
            }
            k += 16;
        }
        for (c, [a, b, d, e]) in sums.into_iter().enumerate() {
            // Two levels of pairwise sums bring the four rows side by side, once in each half.
            let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(d, e));
            let whole = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
            _mm_storeu_si128(out.add(c * ROWS).cast(), whole);
        }
    }
}

/// One row after the other, as memory holds them: the processor looks ahead along one stream, not along four at once. Two sums
/// a plane, so that no product waits for the one before.
#[target_feature(enable = "avx2")]
unsafe fn stream<const C: usize>(row: *const u8, codes: *const i8, stride: usize) -> [__m256i; C] {
    // SAFETY: every load lies within `stride` of the row or a plane.
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); 2]; C];
        for k in (0..stride).step_by(32) {
            for half in 0..2 {
                let at = k + 16 * half;
                let wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(row.add(at).cast()));
                for (c, sums) in sums.iter_mut().enumerate() {
                    let plane = _mm256_cvtepi8_epi16(_mm_loadu_si128(codes.add(c * stride + at).cast()));
                    sums[half] = _mm256_add_epi32(sums[half], _mm256_madd_epi16(wide, plane));
                }
            }
        }
        sums.map(|[even, odd]| _mm256_add_epi32(even, odd))
    }
}
