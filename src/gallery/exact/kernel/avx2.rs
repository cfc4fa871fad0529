//! The kernel for AVX2: codes are widened to 16 bits, so that no sum of two products saturates.

use std::arch::x86_64::*;

use super::ROWS;

/// See [`super::Products`].
///
/// # Safety
/// As there; the processor has AVX2.
pub unsafe fn products(
    rows: [*const u8; ROWS],
    next: Option<[*const u8; ROWS]>,
    codes: *const i8,
    planes: usize,
    stride: usize,
    out: *mut i32,
) {
    let mut c = 0;
    // The first tile alone fetches ahead: once is enough.
    // SAFETY: the caller promises the instruction set and the sizes.
    unsafe {
        while c + 2 <= planes {
            tile::<2>(rows, next.filter(|_| c == 0), codes.add(c * stride), stride, out.add(c * ROWS));
            c += 2;
        }
        if c < planes {
            tile::<1>(rows, next.filter(|_| c == 0), codes.add(c * stride), stride, out.add(c * ROWS));
        }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn tile<const C: usize>(
    rows: [*const u8; ROWS],
    next: Option<[*const u8; ROWS]>,
    codes: *const i8,
    stride: usize,
    out: *mut i32,
) {
    // SAFETY: every load lies within `stride` of a row or a plane; `out` holds the tile. To fetch ahead reads nothing that the
    // program sees, whatever the address.
    unsafe {
        let mut sums = [[_mm256_setzero_si256(); ROWS]; C];
        for line in (0..stride).step_by(64) {
            if let Some(next) = next {
                for row in next {
                    _mm_prefetch::<{ super::AHEAD }>(row.wrapping_add(line).cast());
                }
            }
            for k in (line..line + 64).step_by(16) {
                let wide = rows.map(|row| _mm256_cvtepu8_epi16(_mm_loadu_si128(row.add(k).cast())));
                for (c, sums) in sums.iter_mut().enumerate() {
                    let plane = _mm256_cvtepi8_epi16(_mm_loadu_si128(codes.add(c * stride + k).cast()));
                    for (sum, wide) in sums.iter_mut().zip(wide) {
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(wide, plane));
                    }
                }
            }
        }
        for (c, [a, b, d, e]) in sums.into_iter().enumerate() {
            // Two levels of pairwise sums bring the four rows side by side, once in each half.
            let pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(d, e));
            let whole = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
            _mm_storeu_si128(out.add(c * ROWS).cast(), whole);
        }
    }
}
