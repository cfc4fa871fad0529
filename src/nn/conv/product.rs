//! `C = finish(A * G)` with a gathered `G`: the forward pass and the input gradient.

use std::ops::Range;

use super::gather::Gather;
use crate::nn::buffer::{Aligned, Scratch, Shared};
use crate::nn::kernel::{self, Close, Micro, Task, dispatch};

/// Depth of a block: a panel of A and one of B of this depth fit in the first-level cache.
pub const DEPTH: usize = 256;
/// Columns of a block of G at most: with DEPTH rows it takes half of a second-level cache.
const WIDEST: usize = 512;

/// Numbers in a cache line.
const LINE: usize = 16;
/// Rows of G that are packed together.
const FEW: usize = 8;

/// The shift of rows that have none.
const NOTHING: [f32; 8] = [0.0; 8];

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

    /// For the full tile whose first row is `row` and whose first number lies at `start` of C.
    fn close(&self, row: usize, start: usize) -> Close {
        Close {
            shift: self.shift.map_or(&NOTHING[..], |s| &s[row..]).as_ptr(),
            added: self.shortcut.map_or(std::ptr::null(), |all| all[start..].as_ptr()),
            floor: if self.relu { 0.0 } else { f32::NEG_INFINITY },
        }
    }
}

/// The left operand: `A[m, k] = numbers[m * row + columns[k]] * scale[m]`.
pub struct Left<'a> {
    pub numbers: &'a [f32],
    pub row: usize,
    pub columns: &'a [u32],
    pub rows: usize,
    pub scale: Option<&'a [f32]>,
}

impl Left<'_> {
    /// How many numbers the packed form of `rows` x `depth` takes.
    pub const fn packed_len<M: Micro>(rows: usize, depth: usize) -> usize {
        rows.div_ceil(M::MR) * M::MR * depth
    }

    /// `[depth block][panel of MR rows][k][MR]`; what rows past the end hold is not said.
    pub fn pack<M: Micro>(&self, packed: &mut [f32]) {
        let (depth, panels) = (self.columns.len(), self.rows.div_ceil(M::MR));
        let task = PackA { left: self, packed: Shared::new(packed) };
        kernel::run::<M, _>(&task, depth.div_ceil(DEPTH) * panels.div_ceil(PANELS));
    }
}

/// The product: rows and depth of A, the gathered G, and what closes C.
pub struct Product<'a> {
    pub gather: &'a Gather<'a>,
    pub rows: usize,
    pub depth: usize,
    /// Columns of an image: C is `[images, rows, plane]`.
    pub plane: usize,
    pub finish: Finish<'a>,
}

impl Product<'_> {
    /// Overwrites `c`.
    pub fn compute(&self, left: &Left, c: &mut [f32]) {
        dispatch!(compute(self, left, c));
    }

    /// Overwrites `c` with A as [`Left::pack`] left it.
    pub fn multiply<M: Micro>(&self, packed: &[f32], c: &mut [f32]) {
        let pieces = Pieces::new::<M>(self.rows, self.gather.positions);
        let in_place = match M::NR {
            32 => self.gather.lies_packed::<32>(),
            16 => self.gather.lies_packed::<16>(),
            _ => self.gather.lies_packed::<8>(),
        };
        let task = Tiles { product: self, packed, pieces, in_place, c: Shared::new(c) };
        kernel::run::<M, _>(&task, pieces.columns * pieces.groups);
    }
}

fn compute<M: Micro>(product: &Product, left: &Left, c: &mut [f32]) {
    let mut packed = Scratch::take(Left::packed_len::<M>(product.rows, product.depth));
    left.pack::<M>(&mut packed);
    product.multiply::<M>(&packed, c);
}

/// How C is cut for the threads.
#[derive(Clone, Copy)]
struct Pieces {
    /// Columns of a piece, a multiple of NR.
    width: usize,
    /// Pieces side by side.
    columns: usize,
    /// Panels of MR rows in a piece.
    tall: usize,
    /// Pieces one below the other.
    groups: usize,
}

impl Pieces {
    /// Enough pieces to keep all threads busy. Narrow ones read A often, low ones pack G often: first the width shrinks,
    /// then the height, then the width again.
    fn new<M: Micro>(rows: usize, positions: usize) -> Self {
        let (panels, wanted) = (rows.div_ceil(M::MR), 3 * rayon::current_num_threads());
        let (mut width, mut groups) = (WIDEST, 1);
        while positions.div_ceil(width) * groups < wanted {
            if width > 128 {
                width /= 2;
            } else if panels >= 16 * groups {
                groups *= 2;
            } else if width > M::NR {
                width /= 2;
            } else {
                break;
            }
        }
        let tall = panels.div_ceil(groups);
        Self { width, columns: positions.div_ceil(width), tall, groups: panels.div_ceil(tall) }
    }
}

struct PackA<'a> {
    left: &'a Left<'a>,
    packed: Shared,
}

/// Panels of A that a piece packs.
const PANELS: usize = 16;

impl Task for PackA<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        let p = self.left;
        let (depth, panels) = (p.columns.len(), p.rows.div_ceil(M::MR));
        let groups = panels.div_ceil(PANELS);
        let (k0, group) = (piece / groups * DEPTH, piece % groups * PANELS);
        let deep = DEPTH.min(depth - k0);
        let columns = &p.columns[k0..k0 + deep];
        // Where the numbers of a row lie side by side, a panel takes them in one go; else all panels take a few columns,
        // so that A is read in the order in which it lies.
        let straight = p.row > 1 && columns[deep - 1] - columns[0] == (deep - 1) as u32;
        let few = if straight { deep } else { 2 * FEW };
        for k in (0..deep).step_by(few) {
            let columns = &columns[k..deep.min(k + few)];
            for panel in group..panels.min(group + PANELS) {
                let first = panel * M::MR;
                let lanes = M::MR.min(p.rows - first);
                let at = (k0 * panels + panel * deep + k) * M::MR;
                // SAFETY: this piece alone writes these panels of its depth block; rows hold `whole` more numbers.
                let block = unsafe { self.packed.slice(at, columns.len() * M::MR) };
                let mut whole = 0;
                if straight && lanes == M::MR {
                    whole = deep - deep % 8;
                    let row = |lane: usize| &p.numbers[(first + lane) * p.row + columns[0] as usize..][..whole];
                    interleave::<M>(row, &mut block[..whole * M::MR]);
                }
                let source = &p.numbers[first * p.row..];
                for (target, &column) in block.chunks_exact_mut(M::MR).zip(columns).skip(whole) {
                    let (target, source) = (&mut target[..lanes], &source[column as usize..]);
                    match p.row {
                        1 => strided::<1>(target, source),
                        9 => strided::<9>(target, source),
                        row => target.iter_mut().zip(source.iter().step_by(row)).for_each(|(t, v)| *t = *v),
                    }
                }
                if let Some(scale) = p.scale {
                    for target in block.chunks_exact_mut(M::MR) {
                        target.iter_mut().zip(&scale[first..first + lanes]).for_each(|(t, s)| *t *= s);
                    }
                }
            }
        }
    }
}

/// Every `ROW`-th number of `source`, with the distance known to the compiler.
#[inline(always)]
fn strided<const ROW: usize>(target: &mut [f32], source: &[f32]) {
    let source = &source[..(target.len() - 1) * ROW + 1];
    for (lane, value) in target.iter_mut().enumerate() {
        *value = source[lane * ROW];
    }
}

/// `block[k * MR + lane] = row(lane)[k]` for rows of equal length, a multiple of eight.
#[inline(always)]
pub fn interleave<'a, M: Micro>(row: impl Fn(usize) -> &'a [f32], block: &mut [f32]) {
    let rows: [&[f32]; 8] = std::array::from_fn(|lane| row(lane.min(M::MR - 1)));
    let mut square = [[0f32; 8]; 8];
    for (j, block) in block.chunks_exact_mut(8 * M::MR).enumerate() {
        let eight = rows.map(|row| row[8 * j..8 * j + 8].as_ptr());
        // SAFETY: each row was just seen to hold the eight; we run inside `M::enter`.
        unsafe { M::square(eight, &mut square) };
        for (target, square) in block.chunks_exact_mut(M::MR).zip(&square) {
            target.copy_from_slice(&square[..M::MR]);
        }
    }
}

struct Tiles<'a> {
    product: &'a Product<'a>,
    packed: &'a [f32],
    pieces: Pieces,
    /// G needs no packing.
    in_place: bool,
    c: Shared,
}

thread_local! {
    static BLOCK: std::cell::RefCell<Aligned> = std::cell::RefCell::new(Aligned::zeros(0));
}

impl Task for Tiles<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        BLOCK.with_borrow_mut(|block| {
            block.reserve(DEPTH * self.pieces.width);
            // SAFETY: pieces are disjoint parts of C; the block belongs to this thread.
            unsafe { self.piece::<M>(piece % self.pieces.columns, piece / self.pieces.columns, block.as_mut_ptr()) }
        });
    }
}

impl Tiles<'_> {
    /// A block of G is packed into the second-level cache; each panel of A then stays in the first while it passes over
    /// the block, and C is written along its rows.
    #[inline(always)]
    unsafe fn piece<M: Micro>(&self, column: usize, group: usize, block: *mut f32) {
        let (p, width) = (self.product, self.pieces.width);
        let (depth, panels) = (p.depth, p.rows.div_ceil(M::MR));
        let (first, end) = (column * width, ((column + 1) * width).min(p.gather.positions));
        let rows = group * self.pieces.tall..((group + 1) * self.pieces.tall).min(panels);
        for k0 in (0..depth).step_by(DEPTH) {
            let deep = DEPTH.min(depth - k0);
            // A few rows at a time, so that the source is read in long runs.
            for k in (0..if self.in_place { 0 } else { deep }).step_by(FEW) {
                for (i, q) in (first..end).step_by(M::NR).enumerate() {
                    let (from, to) = (k0 + k, k0 + deep.min(k + FEW));
                    // SAFETY: the block holds DEPTH rows of `width`; q is a multiple of NR because the width is.
                    unsafe { pack_panel::<M>(p.gather, q, from, to, block.add((i * deep + k) * M::NR), M::NR) };
                }
            }
            let place = Place { accumulate: k0 > 0, last: k0 + deep == depth };
            for panel in rows.clone() {
                for (i, q) in (first..end).step_by(M::NR).enumerate() {
                    // SAFETY: both panels were packed; the tile of C is this piece's own.
                    unsafe {
                        let a = self.packed.as_ptr().add((k0 * panels + panel * deep) * M::MR);
                        let b = if self.in_place { p.gather.place(k0, q) } else { block.add(i * deep * M::NR) };
                        self.tile::<M>(panel * M::MR, q..end.min(q + M::NR), deep, [a, b], place);
                    }
                }
            }
        }
    }

    /// One tile of C: MR rows from `row` (or as many as there are), NR columns from `q` (or as many as there are).
    #[inline(always)]
    unsafe fn tile<M: Micro>(&self, row: usize, q: Range<usize>, deep: usize, panels: [*const f32; 2], place: Place) {
        let (p, [a, b]) = (self.product, panels);
        let tall = M::MR.min(p.rows - row);
        let (image, at) = (q.start / p.plane, q.start % p.plane);
        let start = (image * p.rows + row) * p.plane + at;
        // SAFETY: by the caller.
        unsafe {
            if tall == M::MR && q.len() == M::NR && at + M::NR <= p.plane {
                // C, and what is added to it, come from far: they are asked for before the tile is computed.
                for i in 0..tall {
                    for line in (start + i * p.plane..).step_by(LINE).take(M::NR.div_ceil(LINE)) {
                        M::fetch(self.c.at(line));
                        if let (true, Some(all)) = (place.last, p.finish.shortcut) {
                            M::fetch(all.as_ptr().wrapping_add(line));
                        }
                    }
                }
                if place.last && !p.finish.is_nothing() {
                    let close = p.finish.close(row, start);
                    M::closed(deep, [a, b], self.c.at(start), p.plane, place.accumulate, &close);
                } else {
                    M::tile(deep, a, b, self.c.at(start), p.plane, place.accumulate);
                }
                return;
            }
            // A tile at the edge of C, or across images, goes by way of its own.
            let mut edge = [0f32; 8 * 32];
            M::tile(deep, a, b, edge.as_mut_ptr(), M::NR, false);
            let (mut q0, mut start) = (q.start, start);
            while q0 < q.end {
                let wide = (p.plane - q0 % p.plane).min(q.end - q0);
                for i in 0..tall {
                    let part = &edge[i * M::NR + q0 - q.start..][..wide];
                    let c = self.c.slice(start + i * p.plane, wide);
                    if place.accumulate {
                        c.iter_mut().zip(part).for_each(|(c, p)| *c += p);
                    } else {
                        c.copy_from_slice(part);
                    }
                    if place.last {
                        self.close(start + i * p.plane, wide, row + i);
                    }
                }
                q0 += wide;
                start = (q0 / p.plane * p.rows + row) * p.plane;
            }
        }
    }

    /// Closes `len` numbers of C from `at`, which belong to row `row`.
    ///
    /// # Safety
    /// They are the caller's own.
    #[inline(always)]
    unsafe fn close(&self, at: usize, len: usize, row: usize) {
        let finish = &self.product.finish;
        let shift = finish.shift.map_or(0.0, |s| s[row]);
        let floor = if finish.relu { 0.0 } else { f32::NEG_INFINITY };
        // SAFETY: by the caller.
        let c = unsafe { self.c.slice(at, len) };
        match finish.shortcut {
            Some(all) => c.iter_mut().zip(&all[at..]).for_each(|(c, s)| *c = (*c + shift + s).max(floor)),
            None => c.iter_mut().for_each(|c| *c = (*c + shift).max(floor)),
        }
    }
}

/// Where a tile stands among those of the same columns, in depth.
#[derive(Clone, Copy)]
struct Place {
    /// There was one before.
    accumulate: bool,
    /// There is none after.
    last: bool,
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
