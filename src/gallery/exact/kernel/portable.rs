//! The kernel in plain Rust: what the compiler makes of it.

use super::ROWS;

/// See [`super::Products`].
///
/// # Safety
/// As there.
pub unsafe fn products(
    rows: [*const u8; ROWS],
    _next: Option<[*const u8; ROWS]>,
    codes: *const i8,
    planes: usize,
    stride: usize,
    out: *mut i32,
) {
    for c in 0..planes {
        // SAFETY: the caller promises the sizes.
        let plane = unsafe { std::slice::from_raw_parts(codes.add(c * stride), stride) };
        for (r, row) in rows.into_iter().enumerate() {
            // SAFETY: as above.
            let row = unsafe { std::slice::from_raw_parts(row, stride) };
            // In 16 bits a product fits; the compiler knows an instruction that multiplies and adds pairs of such.
            let sum = row.iter().zip(plane).map(|(u, v)| i32::from(i16::from(*u)) * i32::from(i16::from(*v))).sum();
            // SAFETY: as above.
            unsafe { *out.add(c * ROWS + r) = sum };
        }
    }
}
