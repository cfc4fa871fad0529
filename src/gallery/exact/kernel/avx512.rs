//! The kernel for AVX-512 with VNNI, whose one instruction multiplies 64 codes and adds them by fours.

use std::arch::x86_64::*;

use super::ROWS;

/// See [`super::Products`].
///
/// # Safety
/// As there; the processor has AVX-512 F and BW, and VNNI.
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
        while c + 4 <= planes {
            tile::<4>(rows, next.filter(|_| c == 0), codes.add(c * stride), stride, out.add(c * ROWS));
            c += 4;
        }
        let (next, codes, out) = (next.filter(|_| c == 0), codes.add(c * stride), out.add(c * ROWS));
        match planes - c {
            3 => tile::<3>(rows, next, codes, stride, out),
            2 => tile::<2>(rows, next, codes, stride, out),
            1 => tile::<1>(rows, next, codes, stride, out),
            _ => {}
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn tile<const C: usize>(
    rows: [*const u8; ROWS],
    next: Option<[*const u8; ROWS]>,
    codes: *const i8,
    stride: usize,
    out: *mut i32,
) {
    // SAFETY: every load lies within `stride` of a row or a plane; the mask keeps the store within the tile. To fetch ahead
    // reads nothing that the program sees, whatever the address.
    unsafe {
        let mut sums = [_mm512_setzero_si512(); 16];
        // Few planes leave it to the memory how long a pass takes.
        let along = C <= 2 && neighbours(rows, stride);
        if along {
            for (r, row) in rows.into_iter().enumerate() {
                let all: [__m512i; C] = stream(row, next.map(|next| next[r]), codes, stride);
                (0..C).for_each(|c| sums[c * ROWS + r] = all[c]);
            }
        }
        for k in (0..if along { 0 } else { stride }).step_by(64) {
            if let Some(next) = next {
                for row in next {
                    _mm_prefetch::<{ super::AHEAD }>(row.wrapping_add(k).cast());
                }
            }
            let row = rows.map(|row| _mm512_loadu_si512(row.add(k).cast()));
            for c in 0..C {
                let plane = _mm512_loadu_si512(codes.add(c * stride + k).cast());
                for r in 0..ROWS {
                    sums[c * ROWS + r] = _mm512_dpbusd_epi32(sums[c * ROWS + r], row[r], plane);
                }
            }
        }
        match C {
            1 => _mm_storeu_si128(out.cast(), across_four(&sums)),
            _ => _mm512_mask_storeu_epi32(out, ((1u32 << (C * ROWS)) - 1) as u16, across(&sums)),
        }
    }
}

/// Whether the rows lie one after the other, as they do where no filter leaves any out.
fn neighbours(rows: [*const u8; ROWS], stride: usize) -> bool {
    rows.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(stride))
}

/// One row after the other, as memory holds them: the processor itself looks ahead along one stream, not along four at once, and
/// what it is told of `next` takes it over the border of a page. Two sums a plane, so that no product waits for the one before.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn stream<const C: usize>(
    row: *const u8,
    next: Option<*const u8>,
    codes: *const i8,
    stride: usize,
) -> [__m512i; C] {
    // SAFETY: every load lies within `stride` of the row or a plane; to fetch ahead reads nothing that the program sees.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); 2]; C];
        for k in (0..stride).step_by(128) {
            for half in 0..2 {
                let at = k + 64 * half;
                if at == stride {
                    break;
                }
                if let Some(next) = next {
                    _mm_prefetch::<{ super::AHEAD }>(next.wrapping_add(at).cast());
                }
                let values = _mm512_loadu_si512(row.add(at).cast());
                for (c, sums) in sums.iter_mut().enumerate() {
                    let plane = _mm512_loadu_si512(codes.add(c * stride + at).cast());
                    sums[half] = _mm512_dpbusd_epi32(sums[half], values, plane);
                }
            }
        }
        sums.map(|[even, odd]| _mm512_add_epi32(even, odd))
    }
}

/// Lane i of the answer is the sum over all lanes of `v[i]`: four levels of pairwise sums, each of which halves the number of
/// registers, where sixteen sums one by one would take four times as many instructions.
#[target_feature(enable = "avx512f")]
#[inline]
fn across(v: &[__m512i; 16]) -> __m512i {
    let lanes = |a, b| _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    lanes(lanes(quad(v, 0), quad(v, 4)), lanes(quad(v, 8), quad(v, 12)))
}

/// [`across`] of the first four.
#[target_feature(enable = "avx512f")]
#[inline]
fn across_four(v: &[__m512i; 16]) -> __m128i {
    let four = quad(v, 0);
    let two = _mm256_add_epi32(_mm512_castsi512_si256(four), _mm512_extracti64x4_epi64(four, 1));
    _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1))
}

/// In each quarter the sums over that quarter of four registers.
#[target_feature(enable = "avx512f")]
#[inline]
fn quad(v: &[__m512i; 16], i: usize) -> __m512i {
    let pair = |a, b| _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (ab, cd) = (pair(v[i], v[i + 1]), pair(v[i + 2], v[i + 3]));
    _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd))
}
