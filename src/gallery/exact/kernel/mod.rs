//! Products of 8-bit codes: one file an instruction set, chosen once at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::nn::kernel::Isa;

/// Rows that a kernel takes at once.
pub const ROWS: usize = 4;

/// `out[c * ROWS + r]` = sum over k of `rows[r][k] * codes[c * stride + k]`, for `planes` planes. Meanwhile the rows `next`, which
/// will be asked for after these, are fetched from memory: the processor itself looks ahead in no more than a page, and rows of
/// a filter lie each in another.
///
/// # Safety
/// The processor has the instruction set; each row holds `stride` codes, a multiple of 64; `planes` holds `planes * stride`
/// numbers from -127 to 127, `out` holds `planes * ROWS`. `next` may be any
/// addresses: nothing is read there.
pub type Products = unsafe fn(
    rows: [*const u8; ROWS],
    next: Option<[*const u8; ROWS]>,
    codes: *const i8,
    planes: usize,
    stride: usize,
    out: *mut i32,
);

/// Where rows are fetched to ahead of their turn: a core's second cache. The first is that of the rows whose turn it is.
#[cfg(target_arch = "x86_64")]
const AHEAD: i32 = std::arch::x86_64::_MM_HINT_T1;

/// Begins to fetch what lies at an address, for who comes for it soon; does nothing on processors that cannot be told.
#[inline(always)]
pub fn fetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing, wherever it points, and every x86-64 has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast())
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// A kernel and when it is worth its while.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    /// For messages and benches.
    pub name: &'static str,
    /// The products.
    pub products: Products,
    /// From this many queries on, products of whole tiles in 32 bits are faster on this instruction set.
    pub tiles_from: usize,
}

/// The kernel of the current instruction set ([`Isa::current`]).
pub fn current() -> Kernel {
    match Isa::current() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512bw") => {
            Kernel { name: "avx512-vnni", products: avx512::products, tiles_from: usize::MAX }
        }
        // A processor with AVX-512 has AVX2.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx2 => Kernel { name: "avx2", products: avx2::products, tiles_from: 16 },
        _ => Kernel { name: "portable", products: portable::products, tiles_from: 4 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[repr(align(64))]
    #[derive(Clone, Copy)]
    struct Line([u8; 64]);

    proptest! {
        #[test]
        fn every_kernel_sums_exactly(lines in 1usize..6, planes in 0usize..11, extreme in any::<bool>(), apart in any::<bool>(), seed in any::<u64>()) {
            use rand::Rng;
            let mut rng = crate::data::seeded::rng(seed, "codes", &[]);
            let stride = lines * 64;
            let mut number = |least: u8| if extreme { [least, 255][rng.next_u32() as usize % 2] } else { (rng.next_u32() as u8).max(least) };
            let mut rows = vec![Line([0; 64]); lines * ROWS];
            rows.iter_mut().flat_map(|line| &mut line.0).for_each(|code| *code = number(0));
            let codes: Vec<i8> = (0..planes * stride).map(|_| (i16::from(number(1)) - 128) as i8).collect();
            let place = |r: usize| if apart { [2, 0, 3, 3][r] * lines } else { r * lines };
            let row = |r: usize| rows[place(r)].0.as_ptr();
            for isa in Isa::available() {
                let mut out = vec![i32::MIN; planes * ROWS];
                let kernel = isa.with(current);
                // SAFETY: only available sets; the buffers have the sizes asked for.
                unsafe {
                    let (rows, next) = ([row(0), row(1), row(2), row(3)], (seed % 2 == 0).then_some([row(3), std::ptr::null(), row(0), row(0)]));
                    (kernel.products)(rows, next, codes.as_ptr(), planes, stride, out.as_mut_ptr());
                }
                for c in 0..planes {
                    for r in 0..ROWS {
                        let expected: i32 = (0..stride)
                            .map(|k| i32::from(rows[place(r) + k / 64].0[k % 64]) * i32::from(codes[c * stride + k]))
                            .sum();
                        prop_assert_eq!(out[c * ROWS + r], expected, "{} {} {}", kernel.name, c, r);
                    }
                }
            }
        }
    }
}
