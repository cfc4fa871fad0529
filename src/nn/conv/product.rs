//! `C = finish(A * G)` with a gathered `G`: the forward pass and the input gradient.

use super::Shape;
use super::gather::{Gather, Phase};
use crate::nn::buffer::{Aligned, Shared};
use crate::nn::kernel::{self, Micro, Task, dispatch};

/// Depth of a block: a panel of A and one of B of this depth fit in the first-level cache.
pub const DEPTH: usize = 256;

/// Where each column of C lies: offset of row 0; row m is `m * plane` further.
pub struct Columns(Vec<u32>);

impl Columns {
    /// Positions `(image, y, x)` of a tensor `[batch, rows, plane]`.
    pub fn dense(batch: usize, rows: usize, plane: usize) -> Self {
        Self((0..batch).flat_map(|b| (0..plane).map(move |p| (b * rows * plane + p) as u32)).collect())
    }

    /// Positions of one phase of the input.
    pub fn phase(shape: &Shape, phase: &Phase) -> Self {
        let (s, plane) = (shape.stride, shape.height * shape.width);
        let mut all = Vec::new();
        for b in 0..shape.batch {
            for y in (phase.y..shape.height).step_by(s) {
                let row = b * shape.inputs * plane + y * shape.width;
                all.extend((row + phase.x..row + shape.width).step_by(s).map(|q| q as u32));
            }
        }
        Self(all)
    }
}

/// What closes the product, while the tile is in the cache.
#[derive(Default)]
pub struct Finish<'a> {
    /// Added to each row.
    pub shift: Option<&'a [f32]>,
    /// Added element by element; laid out like C.
    pub shortcut: Option<&'a [f32]>,
    /// Negative results become 0.
    pub relu: bool,
}

impl Finish<'_> {
    fn is_nothing(&self) -> bool {
        self.shift.is_none() && self.shortcut.is_none() && !self.relu
    }
}

/// The product and where its operands lie. `A[m, k] = a[m * a_row + a_columns[k]] * scale[m]`.
pub struct Product<'a> {
    pub gather: &'a Gather<'a>,
    pub a: &'a [f32],
    pub a_row: usize,
    pub a_columns: &'a [u32],
    pub rows: usize,
    pub scale: Option<&'a [f32]>,
    pub plane: usize,
    pub columns: Columns,
    pub finish: Finish<'a>,
}

impl Product<'_> {
    /// Overwrites the columns of `c`.
    pub fn compute(&self, c: &mut [f32]) {
        dispatch!(compute(self, c));
    }
}

fn compute<M: Micro>(product: &Product, c: &mut [f32]) {
    let packed = pack_a::<M>(product);
    let positions = product.gather.positions;
    let width = column_block::<M>(positions);
    let task = Tiles { product, packed: &packed, width, c: Shared::new(c) };
    kernel::run::<M, _>(&task, positions.div_ceil(width));
}

/// Columns that one piece takes: as many as keep all threads busy, at most 512.
fn column_block<M: Micro>(positions: usize) -> usize {
    let mut width = 512;
    while width > M::NR && positions.div_ceil(width) < 3 * rayon::current_num_threads() {
        width /= 2;
    }
    width
}

/// A as `[depth block][panel of MR rows][k][MR]`, rows past the end zero.
fn pack_a<M: Micro>(product: &Product) -> Aligned {
    let (depth, panels) = (product.a_columns.len(), product.rows.div_ceil(M::MR));
    let mut packed = Aligned::zeros(depth * panels * M::MR);
    let task = PackA { product, packed: Shared::new(&mut packed) };
    kernel::run::<M, _>(&task, panels);
    packed
}

struct PackA<'a> {
    product: &'a Product<'a>,
    packed: Shared,
}

impl Task for PackA<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, panel: usize) {
        let p = self.product;
        let depth = p.a_columns.len();
        let (first, panels) = (panel * M::MR, p.rows.div_ceil(M::MR));
        let lanes = M::MR.min(p.rows - first);
        for k0 in (0..depth).step_by(DEPTH) {
            let deep = DEPTH.min(depth - k0);
            // SAFETY: this piece alone writes its panel of each depth block.
            let block = unsafe { self.packed.slice((k0 * panels + panel * deep) * M::MR, deep * M::MR) };
            for (target, &column) in block.chunks_exact_mut(M::MR).zip(&p.a_columns[k0..k0 + deep]) {
                for (lane, value) in target[..lanes].iter_mut().enumerate() {
                    *value = p.a[(first + lane) * p.a_row + column as usize];
                }
                if let Some(scale) = p.scale {
                    for (value, scale) in target.iter_mut().zip(&scale[first..first + lanes]) {
                        *value *= scale;
                    }
                }
            }
        }
    }
}

struct Tiles<'a> {
    product: &'a Product<'a>,
    packed: &'a [f32],
    width: usize,
    c: Shared,
}

thread_local! {
    static PANEL: std::cell::RefCell<Aligned> = std::cell::RefCell::new(Aligned::zeros(0));
}

impl Task for Tiles<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        PANEL.with_borrow_mut(|panel| {
            panel.reserve(DEPTH * 32);
            // SAFETY: pieces write disjoint columns of C; the panel belongs to this thread.
            unsafe { self.columns::<M>(piece, panel.as_mut_ptr()) }
        });
    }
}

impl Tiles<'_> {
    /// All rows of this piece's columns: a panel of G is packed once and meets every panel of A.
    #[inline(always)]
    unsafe fn columns<M: Micro>(&self, piece: usize, b: *mut f32) {
        let p = self.product;
        let (depth, panels) = (p.a_columns.len(), p.rows.div_ceil(M::MR));
        let (first, end) = (piece * self.width, ((piece + 1) * self.width).min(p.gather.positions));
        let mut edge = [0f32; 8 * 32];
        for k0 in (0..depth).step_by(DEPTH) {
            let k1 = (k0 + DEPTH).min(depth);
            let (accumulate, last) = (k0 > 0, k1 == depth);
            for q in (first..end).step_by(M::NR) {
                // SAFETY: `b` holds DEPTH rows of NR; q is a multiple of NR because the piece's width is.
                unsafe { pack_panel::<M>(p.gather, q, k0, k1, b, M::NR) };
                let wide = M::NR.min(end - q);
                let columns = &p.columns.0[q..q + wide];
                let whole = wide == M::NR && columns[wide - 1] - columns[0] == (wide - 1) as u32;
                for panel in 0..panels {
                    let row = panel * M::MR;
                    let tall = M::MR.min(p.rows - row);
                    // SAFETY: the panel of A lies in `packed`; the tile of C is this piece's own. A tile that is not
                    // whole goes by way of `edge`.
                    unsafe {
                        let a = self.packed.as_ptr().add((k0 * panels + panel * (k1 - k0)) * M::MR);
                        if whole && tall == M::MR {
                            M::tile(k1 - k0, a, b, self.c.at(row * p.plane + columns[0] as usize), p.plane, accumulate);
                        } else {
                            M::tile(k1 - k0, a, b, edge.as_mut_ptr(), M::NR, false);
                            for i in 0..tall {
                                for (j, &column) in columns.iter().enumerate() {
                                    let c = self.c.at((row + i) * p.plane + column as usize);
                                    *c = edge[i * M::NR + j] + if accumulate { *c } else { 0.0 };
                                }
                            }
                        }
                    }
                }
                if last && !p.finish.is_nothing() {
                    // SAFETY: the same columns of C, still this piece's own.
                    unsafe { self.finish(columns) };
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn finish(&self, columns: &[u32]) {
        let (p, finish) = (self.product, &self.product.finish);
        for row in 0..p.rows {
            let shift = finish.shift.map_or(0.0, |s| s[row]);
            for &column in columns {
                let at = row * p.plane + column as usize;
                // SAFETY: by the caller, this piece's own element.
                let c = unsafe { &mut *self.c.at(at) };
                let sum = *c + shift + finish.shortcut.map_or(0.0, |s| s[at]);
                *c = if finish.relu { sum.max(0.0) } else { sum };
            }
        }
    }
}

/// [`Gather::panel`] with the kernel's width as a constant.
#[inline(always)]
pub unsafe fn pack_panel<M: Micro>(gather: &Gather, q: usize, k0: usize, k1: usize, dst: *mut f32, ld: usize) {
    // SAFETY: the caller's promises; the widths are those of the three kernels.
    unsafe {
        match M::NR {
            32 => gather.panel::<32>(q, k0, k1, dst, ld),
            16 => gather.panel::<16>(q, k0, k1, dst, ld),
            _ => gather.panel::<8>(q, k0, k1, dst, ld),
        }
    }
}
