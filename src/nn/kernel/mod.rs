//! Register-tile kernels, one file an instruction set, chosen once at run time.
//!
//! Everything heavy in Rain's convolutions ends in one primitive: multiply a packed `MR x depth` panel by a packed
//! `depth x NR` panel into an `MR x NR` tile. [`Micro`] is that primitive. The packing code around it is written once,
//! generic over `Micro`, and compiled for each instruction set through [`Task`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::cell::Cell;
use std::sync::OnceLock;

/// The instruction sets that have a kernel of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 8 x 32 tile in 512-bit registers.
    Avx512,
    /// 6 x 16 tile in 256-bit registers with fused multiply-add.
    Avx2,
    /// 4 x 8 tile in plain Rust; what the compiler makes of it (SSE2, NEON).
    Portable,
}

impl Isa {
    /// The name that `RAIN_ISA` takes and that `rain doctor` shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// The sets that this processor can run, best first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                all.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self::Avx2);
            }
        }
        all.push(Self::Portable);
        all
    }

    /// The set in use: the best available one, or the one that the environment variable `RAIN_ISA`
    /// (`avx512`, `avx2`, `portable`) names, where this processor has it.
    pub fn current() -> Self {
        static CHOSEN: OnceLock<Isa> = OnceLock::new();
        FORCED.get().unwrap_or_else(|| {
            *CHOSEN.get_or_init(|| {
                let available = Self::available();
                let wanted = std::env::var("RAIN_ISA").unwrap_or_default();
                available.iter().copied().find(|isa| isa.name() == wanted).unwrap_or(available[0])
            })
        })
    }

    /// Runs `f` with this set for the operations that the calling thread starts. For tests and benches.
    pub fn with<R>(self, f: impl FnOnce() -> R) -> R {
        let before = FORCED.replace(Some(self));
        let result = f();
        FORCED.set(before);
        result
    }
}

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// A register tile of one instruction set.
pub trait Micro: 'static {
    /// Rows of the tile.
    const MR: usize;
    /// Columns of the tile.
    const NR: usize;

    /// `c[i * ldc + j] (+)= sum over k of a[k * MR + i] * b[k * NR + j]`.
    ///
    /// # Safety
    /// The processor has the instruction set; `a`, `b` hold `depth` packed rows; `c` holds the tile.
    unsafe fn tile(depth: usize, a: *const f32, b: *const f32, c: *mut f32, ldc: usize, accumulate: bool);

    /// [`Micro::tile`], closed: `c[i * ldc + j] = max(c + shift[i] + added[i * ldc + j], floor)`.
    ///
    /// # Safety
    /// As for [`Micro::tile`]; `close.shift` holds MR numbers, and `close.added` is null or holds the tile as `c` does.
    #[inline(always)]
    unsafe fn closed(depth: usize, [a, b]: [*const f32; 2], c: *mut f32, ldc: usize, accumulate: bool, close: &Close) {
        // SAFETY: by the caller.
        unsafe {
            Self::tile(depth, a, b, c, ldc, accumulate);
            for i in 0..Self::MR {
                let shift = *close.shift.add(i);
                for j in 0..Self::NR {
                    let c = c.add(i * ldc + j);
                    let added = if close.added.is_null() { 0.0 } else { *close.added.add(i * ldc + j) };
                    *c = (*c + shift + added).max(close.floor);
                }
            }
        }
    }

    /// `dst[i * NR + j] = src[j * ld + i]` for `i < n`, `j < NR`.
    ///
    /// # Safety
    /// As for [`Micro::tile`]; `src` holds `NR` rows of at least `n` numbers, `dst` holds `n * NR`.
    unsafe fn transpose(src: *const f32, ld: usize, dst: *mut f32, n: usize) {
        for i in 0..n {
            for j in 0..Self::NR {
                // SAFETY: both indices are in range by the caller's promise.
                unsafe { *dst.add(i * Self::NR + j) = *src.add(j * ld + i) };
            }
        }
    }

    /// Eight rows of eight numbers, turned: `out[k][lane] = rows[lane][k]`.
    ///
    /// # Safety
    /// As for [`Micro::tile`]; each row holds eight numbers.
    #[inline(always)]
    unsafe fn square(rows: [*const f32; 8], out: &mut [[f32; 8]; 8]) {
        for (k, out) in out.iter_mut().enumerate() {
            for (value, row) in out.iter_mut().zip(rows) {
                // SAFETY: by the caller.
                *value = unsafe { *row.add(k) };
            }
        }
    }

    /// Asks for the cache line at `place`, which need not be readable.
    #[inline(always)]
    fn fetch(_place: *const f32) {}

    /// Runs one piece of `task` with the instruction set switched on, so that what is inlined into it uses the set.
    ///
    /// # Safety
    /// The processor has the instruction set, and `Task::run`'s own promises hold.
    unsafe fn enter<T: Task>(task: &T, piece: usize);
}

/// What closes a tile; see [`Micro::closed`].
pub struct Close {
    /// Added to each row.
    pub shift: *const f32,
    /// Added element by element; may be null.
    pub added: *const f32,
    /// The least that is stored.
    pub floor: f32,
}

/// Work in independent pieces, compiled once for each instruction set.
pub trait Task: Sync {
    /// Does piece number `piece`. Implementations are `#[inline(always)]`, so that they are compiled with the set's
    /// instructions inside [`Micro::enter`].
    ///
    /// # Safety
    /// Called only through [`run`], which checks the instruction set; pieces write to disjoint memory.
    unsafe fn run<M: Micro>(&self, piece: usize);
}

/// Runs all pieces of `task` on the thread pool with kernel `M`.
pub fn run<M: Micro, T: Task>(task: &T, pieces: usize) {
    use rayon::prelude::*;
    if pieces == 1 {
        // SAFETY: `M` was chosen by `dispatch!`, which hands out only available sets.
        unsafe { M::enter(task, 0) };
    } else {
        // SAFETY: as above; pieces write to disjoint memory by `Task`'s contract.
        (0..pieces).into_par_iter().for_each(|piece| unsafe { M::enter(task, piece) });
    }
}

/// Calls a function that is generic over [`Micro`] with the kernel of the current instruction set.
macro_rules! dispatch {
    ($function:ident ( $($argument:expr),* $(,)? )) => {
        match $crate::nn::kernel::Isa::current() {
            #[cfg(target_arch = "x86_64")]
            $crate::nn::kernel::Isa::Avx512 => $function::<$crate::nn::kernel::Avx512>($($argument),*),
            #[cfg(target_arch = "x86_64")]
            $crate::nn::kernel::Isa::Avx2 => $function::<$crate::nn::kernel::Avx2>($($argument),*),
            _ => $function::<$crate::nn::kernel::Portable>($($argument),*),
        }
    };
}
pub(crate) use dispatch;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::buffer::Aligned;

    fn tile_is_right<M: Micro>() {
        for depth in [0, 1, 2, 7, 33] {
            let mut a = Aligned::zeros(depth * M::MR);
            let mut b = Aligned::zeros(depth * M::NR);
            a.iter_mut().enumerate().for_each(|(i, v)| *v = ((i * 7 % 13) as f32) - 6.0);
            b.iter_mut().enumerate().for_each(|(i, v)| *v = ((i * 5 % 11) as f32) - 5.0);
            let ldc = M::NR + 3;
            let mut c = vec![1.0f32; M::MR * ldc];
            for accumulate in [false, true] {
                // SAFETY: the caller passes only available sets; buffers have the sizes asked for.
                unsafe { M::tile(depth, a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), ldc, accumulate) };
            }
            for i in 0..M::MR {
                for j in 0..ldc {
                    let once: f32 =
                        (0..depth).map(|k| a[k * M::MR + i] * b.get(k * M::NR + j).copied().unwrap_or(0.0)).sum();
                    let expected = if j < M::NR { 2.0 * once } else { 1.0 };
                    assert_eq!(c[i * ldc + j], expected, "depth {depth} at {i},{j}");
                }
            }
        }
    }

    fn closing_is_right<M: Micro>() {
        let (depth, ldc) = (9, M::NR + 2);
        let number = |seed: usize| move |i: usize| ((i * seed % 23) as f32) - 11.0;
        let a: Vec<f32> = (0..depth * M::MR).map(number(7)).collect();
        // One number off a cache line: B may be read where it lies.
        let b: Vec<f32> = (0..depth * M::NR + 1).map(number(5)).collect();
        let shift: Vec<f32> = (0..M::MR).map(number(3)).collect();
        let added: Vec<f32> = (0..M::MR * ldc).map(number(13)).collect();
        for (accumulate, floor) in [(false, 0.0), (true, f32::NEG_INFINITY)] {
            for added in [std::ptr::null(), added.as_ptr()] {
                let before: Vec<f32> = (0..M::MR * ldc).map(number(11)).collect();
                let (mut plain, mut got) = (before.clone(), before);
                let close = Close { shift: shift.as_ptr(), added, floor };
                // SAFETY: the caller passes only available sets; buffers have the sizes asked for.
                unsafe {
                    let panels = [a.as_ptr(), b[1..].as_ptr()];
                    M::tile(depth, panels[0], panels[1], plain.as_mut_ptr(), ldc, accumulate);
                    M::closed(depth, panels, got.as_mut_ptr(), ldc, accumulate, &close);
                }
                for (at, plain) in plain.iter_mut().enumerate().filter(|(at, _)| at % ldc < M::NR) {
                    // SAFETY: it holds the tile.
                    let more = if added.is_null() { 0.0 } else { unsafe { *added.add(at) } };
                    *plain = (*plain + shift[at / ldc] + more).max(floor);
                }
                assert_eq!(got, plain);
            }
        }
    }

    fn transpose_is_right<M: Micro>() {
        for n in [1, 15, 16, 37] {
            let ld = n + 5;
            let src: Vec<f32> = (0..M::NR * ld).map(|i| i as f32).collect();
            let mut dst = Aligned::zeros(n * M::NR);
            // SAFETY: the sizes are those asked for.
            unsafe { M::transpose(src.as_ptr(), ld, dst.as_mut_ptr(), n) };
            for i in 0..n {
                for j in 0..M::NR {
                    assert_eq!(dst[i * M::NR + j], src[j * ld + i]);
                }
            }
        }
    }

    fn square_is_right<M: Micro>() {
        let rows: Vec<f32> = (0..8 * 11).map(|i| i as f32).collect();
        let mut out = [[0f32; 8]; 8];
        // SAFETY: each row holds eleven numbers.
        unsafe { M::square(std::array::from_fn(|i| rows[11 * i..].as_ptr()), &mut out) };
        for k in 0..8 {
            for lane in 0..8 {
                assert_eq!(out[k][lane], rows[11 * lane + k]);
            }
        }
    }

    #[test]
    fn every_available_kernel_multiplies_and_transposes() {
        for isa in Isa::available() {
            isa.with(|| {
                dispatch!(tile_is_right());
                dispatch!(closing_is_right());
                dispatch!(transpose_is_right());
                dispatch!(square_is_right());
            });
        }
    }
}
