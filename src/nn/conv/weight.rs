//! The weight gradient: `dw = dy * G^T`, summed over all positions.

use super::gather::Gather;
use super::product::{DEPTH, interleave, pack_panel};
use crate::nn::buffer::{Aligned, Scratch, Shared};
use crate::nn::kernel::{self, Micro, Task, dispatch};

/// Overwrites `dw [outputs, taps]`; `dy` is `[batch, outputs, plane]`.
pub fn gradient(gather: &Gather, dy: &[f32], outputs: usize, plane: usize, dw: &mut [f32]) {
    dispatch!(compute(gather, dy, outputs, plane, dw));
}

fn compute<M: Micro>(gather: &Gather, dy: &[f32], outputs: usize, plane: usize, dw: &mut [f32]) {
    let positions = gather.positions;
    let mut packed = Scratch::take(positions * outputs.div_ceil(M::MR) * M::MR);
    let pack = PackDy { dy, outputs, plane, positions, packed: Shared::new(&mut packed) };
    kernel::run::<M, _>(&pack, positions.div_ceil(DEPTH));

    let panels = gather.rows.len().div_ceil(M::NR);
    let group = panels.div_ceil(4 * rayon::current_num_threads()).clamp(1, 8);
    let task = Tiles { gather, packed: &packed, outputs, group, dw: Shared::new(dw) };
    kernel::run::<M, _>(&task, panels.div_ceil(group));
}

/// dy as `[depth block][panel of MR channels][position][MR]`.
struct PackDy<'a> {
    dy: &'a [f32],
    outputs: usize,
    plane: usize,
    positions: usize,
    packed: Shared,
}

impl Task for PackDy<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        let panels = self.outputs.div_ceil(M::MR);
        let (q0, q1) = (piece * DEPTH, ((piece + 1) * DEPTH).min(self.positions));
        for panel in 0..panels {
            let first = panel * M::MR;
            let lanes = M::MR.min(self.outputs - first);
            // SAFETY: this piece alone writes its depth block.
            let block = unsafe { self.packed.slice((q0 * panels + panel * (q1 - q0)) * M::MR, (q1 - q0) * M::MR) };
            let mut q = q0;
            while q < q1 {
                // As far as the image goes.
                let (image, at) = (q / self.plane, q % self.plane);
                let many = (q1 - q).min(self.plane - at);
                let row = |lane: usize| &self.dy[(image * self.outputs + first + lane) * self.plane + at..][..many];
                let block = &mut block[(q - q0) * M::MR..];
                let whole = if lanes == M::MR { many - many % 8 } else { 0 };
                if whole > 0 {
                    interleave::<M>(|lane| &row(lane)[..whole], &mut block[..whole * M::MR]);
                }
                for lane in 0..lanes {
                    for (i, &value) in row(lane).iter().enumerate().skip(whole) {
                        block[i * M::MR + lane] = value;
                    }
                }
                q += many;
            }
        }
    }
}

struct Tiles<'a> {
    gather: &'a Gather<'a>,
    packed: &'a [f32],
    outputs: usize,
    group: usize,
    dw: Shared,
}

thread_local! {
    static SCRATCH: std::cell::RefCell<(Aligned, Aligned)> = std::cell::RefCell::new((Aligned::zeros(0), Aligned::zeros(0)));
}

/// Row length of the scratch panel: past [`DEPTH`] so that rows do not share cache sets, and a last panel may run over.
const ROW: usize = DEPTH + 48;

impl Task for Tiles<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        SCRATCH.with_borrow_mut(|(rows, b)| {
            rows.reserve(32 * ROW);
            b.reserve(32 * DEPTH);
            // SAFETY: pieces write disjoint columns of dw; the scratch space belongs to this thread.
            unsafe { self.columns::<M>(piece, rows.as_mut_ptr(), b.as_mut_ptr()) }
        });
    }
}

impl Tiles<'_> {
    /// The taps of this piece, all channels: depth block by depth block, so that a block of dy is read from the cache.
    #[inline(always)]
    unsafe fn columns<M: Micro>(&self, piece: usize, rows: *mut f32, b: *mut f32) {
        let (taps, positions, panels) = (self.gather.rows.len(), self.gather.positions, self.outputs.div_ceil(M::MR));
        let mut edge = [0f32; 8 * 32];
        let (first, end) = (piece * self.group * M::NR, ((piece + 1) * self.group * M::NR).min(taps));
        for q0 in (0..positions).step_by(DEPTH) {
            let q1 = (q0 + DEPTH).min(positions);
            for k0 in (first..end).step_by(M::NR) {
                let wide = M::NR.min(end - k0);
                // SAFETY: `rows` holds 32 rows of ROW, `b` DEPTH rows of NR; q is a multiple of NR (DEPTH is one). The
                // rows of taps past the end keep what an earlier panel left there: their columns are not stored.
                unsafe {
                    for q in (q0..q1).step_by(M::NR) {
                        pack_panel::<M>(self.gather, q, k0, k0 + wide, rows.add(q - q0), ROW);
                    }
                    M::transpose(rows, ROW, b, q1 - q0);
                }
                for panel in 0..panels {
                    let row = panel * M::MR;
                    let tall = M::MR.min(self.outputs - row);
                    // SAFETY: the panel of dy lies in `packed`; the tile of dw is this piece's own.
                    unsafe {
                        let a = self.packed.as_ptr().add((q0 * panels + panel * (q1 - q0)) * M::MR);
                        if wide == M::NR && tall == M::MR {
                            M::tile(q1 - q0, a, b, self.dw.at(row * taps + k0), taps, q0 > 0);
                        } else {
                            M::tile(q1 - q0, a, b, edge.as_mut_ptr(), M::NR, false);
                            for i in 0..tall {
                                for j in 0..wide {
                                    let c = self.dw.at((row + i) * taps + k0 + j);
                                    *c = edge[i * M::NR + j] + if q0 > 0 { *c } else { 0.0 };
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
