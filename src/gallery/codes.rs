//! Embeddings in eight bits: what the first pass of an exact search reads.
//!
//! A row x is stored as x ~ scale * u + zero with u in 0..=255, together with a bound on the length of what that leaves
//! out. With the bound the first pass knows which rows *could* be among the nearest, and the search stays exact.

/// Codes of a row begin at multiples of this many bytes: a cache line, and one register of AVX-512.
pub const ALIGN: usize = 64;

/// Bytes from one row of codes to the next: `columns` rounded up to [`ALIGN`]; the rest is 0.
pub fn stride(columns: usize) -> usize {
    columns.next_multiple_of(ALIGN)
}

/// What a row's codes leave out of it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scale {
    /// Width of one step.
    pub scale: f32,
    /// Value of the code 0.
    pub zero: f32,
    /// Sum of the decoded row, `scale * u + zero` over its columns.
    pub sum: f32,
    /// Length of the row itself.
    pub norm: f32,
    /// 1 / length, or 0 for a row of zeros.
    pub inverse: f32,
    /// At least the length of (row - decoded row).
    pub error: f32,
}

/// Numbers of a [`Scale`], in a file one after the other.
pub const SCALE_NUMBERS: usize = 6;

impl Scale {
    /// Its numbers in the order of a file.
    pub fn to_array(self) -> [f32; SCALE_NUMBERS] {
        [self.scale, self.zero, self.sum, self.norm, self.inverse, self.error]
    }
}

/// Writes the codes of `row` `[d]` to `codes` `[stride(d)]`.
///
/// A row with values that are not finite, or so large that their squares are not, gets an infinite error: the first pass
/// then never rules it out.
pub fn encode(row: &[f32], codes: &mut [u8]) -> Scale {
    codes.fill(0);
    let (least, most) = row.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let norm = squares.sqrt() as f32;
    let scale = (most - least) / 255.0;
    if row.is_empty() || !scale.is_finite() || !(norm * norm).is_finite() {
        return Scale { error: f32::INFINITY, norm, ..Scale::default() };
    }
    let steps = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let (mut left_out, mut total) = (0f64, 0u64);
    for (code, &x) in codes.iter_mut().zip(row) {
        *code = ((x - least) * steps).round().clamp(0.0, 255.0) as u8;
        total += u64::from(*code);
        let decoded = f64::from(scale) * f64::from(*code) + f64::from(least);
        left_out += (f64::from(x) - decoded).powi(2);
    }
    let sum = f64::from(scale) * total as f64 + f64::from(least) * row.len() as f64;
    let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    // Rounding to f32 may round down: a millionth more makes up for it.
    let error = (left_out.sqrt() * (1.0 + 1e-6)) as f32;
    Scale { scale, zero: least, sum: sum as f32, norm, inverse, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_error_is_bounded(row in prop::collection::vec(prop_oneof![-1e3f32..1e3, Just(0.0), -1e-3f32..1e-3], 1..200)) {
            let mut codes = vec![9; stride(row.len())];
            let s = encode(&row, &mut codes);
            let decoded = |i: usize| f64::from(s.scale) * f64::from(codes[i]) + f64::from(s.zero);
            let error: f64 = row.iter().enumerate().map(|(i, &x)| (f64::from(x) - decoded(i)).powi(2)).sum();
            prop_assert!(error.sqrt() <= f64::from(s.error));
            prop_assert!(f64::from(s.error) <= 0.51 * f64::from(s.scale) * (row.len() as f64).sqrt() + 1e-6 * f64::from(s.norm));
            prop_assert!(codes[row.len()..].iter().all(|&c| c == 0));
        }
    }

    #[test]
    fn what_cannot_be_coded_is_never_ruled_out() {
        for row in [vec![f32::NAN, 1.0], vec![f32::INFINITY, 0.0], vec![3e38, -3e38], vec![1e30, 0.0]] {
            assert_eq!(encode(&row, &mut [0; 64]).error, f32::INFINITY, "{row:?}");
        }
        let flat = encode(&[2.0; 3], &mut [0; 64]);
        assert_eq!((flat.scale, flat.zero, flat.sum, flat.error), (0.0, 2.0, 6.0, 0.0));
        assert_eq!(encode(&[0.0; 3], &mut [0; 64]).inverse, 0.0);
    }
}
