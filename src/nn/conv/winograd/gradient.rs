//! The weight gradient: `dw = G' [ sum over tiles of (A dy A') * (B' d B) ] G`.

use candle_core::Result;

use super::lines::{slope_in, slope_out, turn_in};
use super::{POINTS, Tiles};
use crate::nn::buffer::{Scratch, Shared};
use crate::nn::conv::Shape;
use crate::nn::conv::gather::Padded;
use crate::nn::conv::product::DEPTH;
use crate::nn::kernel::{self, Micro, Task, dispatch};

/// Turned numbers that are made before they are multiplied: they should still lie in a near cache then.
const NEAR: usize = 1 << 19;
/// Tiles that a piece turns.
const TILES: usize = 16;
/// Numbers between what the points of a place hold, beyond what they take: the points are visited in turn and would else all
/// fall into one set of the first-level cache.
const APART: usize = 16;

/// Overwrites `dw [co,ci,3,3]`, from `x [b,ci,h,w]` and `dy [b,co,h,w]`.
///
/// # Errors
/// When the batch is too large to address.
pub fn gradient(x: &[f32], dy: &[f32], shape: &Shape, dw: &mut [f32]) -> Result<()> {
    dispatch!(compute(x, dy, shape, dw))
}

fn compute<M: Micro>(x: &[f32], dy: &[f32], shape: &Shape, dw: &mut [f32]) -> Result<()> {
    let tiles = Tiles::new(shape);
    let (left, right) = (shape.outputs.div_ceil(M::MR), shape.inputs.div_ceil(M::NR));
    let wide = POINTS * (left * M::MR + right * M::NR);
    let many = (NEAR / wide).next_multiple_of(TILES).clamp(4 * TILES, DEPTH).min(tiles.count);
    let (patches, slopes) = (tiles.padded(x, shape, shape.inputs)?, tiles.padded(dy, shape, shape.outputs)?);
    let (a_step, b_step) = (left * M::MR * many + APART, right * M::NR * many + APART);
    let sum_step = left * M::MR * right * M::NR + APART;
    let mut a = Scratch::take(POINTS * a_step);
    let mut b = Scratch::take(POINTS * b_step);
    let mut sums = Scratch::take(POINTS * sum_step);
    for first in (0..tiles.count).step_by(many) {
        let count = many.min(tiles.count - first);
        let turn = Turn { image: &patches, channels: shape.inputs, tiles, first, count, step: b_step };
        let task = TurnX { turn, turned: Shared::new(&mut b) };
        kernel::run::<M, _>(&task, task.turn.pieces(right * M::NR / lanes::<M>()));
        let turn = Turn { image: &slopes, channels: shape.outputs, tiles, first, count, step: a_step };
        let task = TurnDy { turn, turned: Shared::new(&mut a) };
        kernel::run::<M, _>(&task, task.turn.pieces(left));
        let (steps, more) = ([a_step, b_step, sum_step], first > 0);
        let task = Multiply { a: &a, b: &b, steps, left, right, count, more, sums: Shared::new(&mut sums) };
        kernel::run::<M, _>(&task, POINTS * right);
    }
    let task = TurnOut { sums: &sums, step: sum_step, right, shape, dw: Shared::new(dw) };
    kernel::run::<M, _>(&task, shape.outputs);
    Ok(())
}

/// Channels that are turned together: as many as a register has numbers.
const fn lanes<M: Micro>() -> usize {
    if M::NR == 32 { 16 } else { 8 }
}

/// Tiles `first..first + count` of an image, to be turned channel beside channel: `[point][panel of channels][tile][channel]`.
struct Turn<'a> {
    image: &'a Padded<'a>,
    channels: usize,
    tiles: Tiles,
    first: usize,
    count: usize,
    /// Numbers from one point to the next.
    step: usize,
}

impl Turn<'_> {
    /// Pieces of [`TILES`] tiles, where the channels come in `groups`.
    fn pieces(&self, groups: usize) -> usize {
        groups * self.count.div_ceil(TILES)
    }

    /// Group of channels and tiles of a piece.
    fn piece(&self, piece: usize) -> (usize, std::ops::Range<usize>) {
        let parts = self.count.div_ceil(TILES);
        let first = piece % parts * TILES;
        (piece / parts, first..self.count.min(first + TILES))
    }

    /// Where the channels from `first` on have their number `(dy, dx)` of a tile. Past the last channel it stands again.
    #[inline(always)]
    fn places<const LANES: usize>(&self, first: usize, tile: usize, border: usize) -> [usize; LANES] {
        let (image, y, x) = self.tiles.place(self.first + tile);
        let start = self.image.at(image, 0, y + border, x + border);
        let mut places = [0; LANES];
        for (lane, place) in places.iter_mut().enumerate() {
            *place = start + (first + lane).min(self.channels - 1) * self.image.plane();
        }
        places
    }

    /// Row `y` of a tile, of all channels, turned: `row[x][channel]`.
    #[inline(always)]
    unsafe fn row<M: Micro, const LANES: usize>(&self, places: &[usize; LANES], y: usize, row: &mut [[f32; LANES]]) {
        let mut square = [[0f32; 8]; 8];
        for (eight, places) in places.as_chunks::<8>().0.iter().enumerate() {
            let mut starts = [std::ptr::null(); 8];
            for (start, place) in starts.iter_mut().zip(places) {
                let at = place + y * self.image.width();
                *start = self.image.numbers()[at..at + 8].as_ptr();
            }
            // SAFETY: eight numbers were just seen to be there; we run inside `M::enter`.
            unsafe { M::square(starts, &mut square) };
            for (lane, square) in row.iter_mut().zip(&square) {
                lane[8 * eight..8 * eight + 8].copy_from_slice(square);
            }
        }
    }
}

/// `B' d B` of each patch of x, in panels of NR channels.
struct TurnX<'a> {
    turn: Turn<'a>,
    turned: Shared,
}

impl Task for TurnX<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe { if M::NR == 32 { self.turn::<M, 16>(piece) } else { self.turn::<M, 8>(piece) } }
    }
}

impl TurnX<'_> {
    #[inline(always)]
    unsafe fn turn<M: Micro, const LANES: usize>(&self, piece: usize) {
        let t = &self.turn;
        let (group, tiles) = t.piece(piece);
        let (panel, lanes) = (group * LANES / M::NR, group * LANES % M::NR);
        let (mut d, mut columns) = ([[[0f32; LANES]; 6]; 6], [[[0f32; LANES]; 6]; 6]);
        let mut row = [[0f32; LANES]; 6];
        for tile in tiles {
            let places = t.places::<LANES>(group * LANES, tile, 0);
            for (y, row) in d.iter_mut().enumerate() {
                // SAFETY: the caller's promise is passed on.
                unsafe { t.row::<M, LANES>(&places, y, row) };
            }
            for (x, column) in columns.iter_mut().enumerate() {
                turn_in([&d[0][x], &d[1][x], &d[2][x], &d[3][x], &d[4][x], &d[5][x]], column);
            }
            for y in 0..6 {
                let [a, b, c, d, e, f] = &columns;
                turn_in([&a[y], &b[y], &c[y], &d[y], &e[y], &f[y]], &mut row);
                for (x, lane) in row.iter().enumerate() {
                    let at = (6 * y + x) * t.step + (panel * t.count + tile) * M::NR + lanes;
                    // SAFETY: this piece alone writes these channels of its tiles.
                    unsafe { self.turned.slice(at, LANES) }.copy_from_slice(lane);
                }
            }
        }
    }
}

/// `A dy A'` of each tile of dy, in panels of MR channels.
struct TurnDy<'a> {
    turn: Turn<'a>,
    turned: Shared,
}

impl Task for TurnDy<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        const LANES: usize = 8;
        let t = &self.turn;
        let (panel, tiles) = t.piece(piece);
        let (mut d, mut columns) = ([[[0f32; LANES]; 4]; 4], [[[0f32; LANES]; 6]; 4]);
        let mut row = [[0f32; LANES]; 6];
        for tile in tiles {
            let places = t.places::<LANES>(panel * M::MR, tile, 1);
            for (y, row) in d.iter_mut().enumerate() {
                // SAFETY: the caller's promise is passed on.
                unsafe { t.row::<M, LANES>(&places, y, row) };
            }
            for (x, column) in columns.iter_mut().enumerate() {
                slope_in([&d[0][x], &d[1][x], &d[2][x], &d[3][x]], column);
            }
            for y in 0..6 {
                let [a, b, c, d] = &columns;
                slope_in([&a[y], &b[y], &c[y], &d[y]], &mut row);
                for (x, lane) in row.iter().enumerate() {
                    let at = (6 * y + x) * t.step + (panel * t.count + tile) * M::MR;
                    // SAFETY: this piece alone writes this panel of its tiles.
                    unsafe { self.turned.slice(at, M::MR) }.copy_from_slice(&lane[..M::MR]);
                }
            }
        }
    }
}

/// The products over the tiles: `sums[point][panel of outputs][panel of inputs][output][input]`.
struct Multiply<'a> {
    a: &'a [f32],
    b: &'a [f32],
    /// Numbers from one point to the next: of a, of b, of the sums.
    steps: [usize; 3],
    /// Panels of outputs.
    left: usize,
    /// Panels of inputs.
    right: usize,
    /// Tiles in hand.
    count: usize,
    /// There were tiles before.
    more: bool,
    sums: Shared,
}

impl Task for Multiply<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        let (point, column) = (piece / self.right, piece % self.right);
        let [a_step, b_step, sum_step] = self.steps;
        for row in 0..self.left {
            // SAFETY: the panels lie where they were turned; the tile of the sums is this piece's own.
            unsafe {
                let a = self.a.as_ptr().add(point * a_step + row * self.count * M::MR);
                let b = self.b.as_ptr().add(point * b_step + column * self.count * M::NR);
                let at = point * sum_step + (row * self.right + column) * M::MR * M::NR;
                M::tile(self.count, a, b, self.sums.at(at), M::NR, self.more);
            }
        }
    }
}

/// `G' m G` of each kernel, to its place in dw; a piece is an output.
struct TurnOut<'a> {
    sums: &'a [f32],
    /// Numbers from one point to the next.
    step: usize,
    /// Panels of inputs.
    right: usize,
    shape: &'a Shape,
    dw: Shared,
}

impl Task for TurnOut<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe { if M::NR == 32 { self.turn::<M, 16>(piece) } else { self.turn::<M, 8>(piece) } }
    }
}

impl TurnOut<'_> {
    #[inline(always)]
    unsafe fn turn<M: Micro, const LANES: usize>(&self, output: usize) {
        let inputs = self.shape.inputs;
        // SAFETY: this piece alone writes the kernels of its output.
        let kernels = unsafe { self.dw.slice(output * inputs * 9, inputs * 9) }.as_chunks_mut::<9>().0;
        let (mut m, mut columns) = ([[0f32; LANES]; 6], [[[0f32; LANES]; 3]; 6]);
        let mut row = [[0f32; LANES]; 3];
        for first in (0..inputs).step_by(LANES) {
            let (panel, lanes) = (first / M::NR, first % M::NR);
            let place = ((output / M::MR * self.right + panel) * M::MR + output % M::MR) * M::NR + lanes;
            for (x, column) in columns.iter_mut().enumerate() {
                for (y, m) in m.iter_mut().enumerate() {
                    m.copy_from_slice(&self.sums[(6 * y + x) * self.step + place..][..LANES]);
                }
                slope_out([&m[0], &m[1], &m[2], &m[3], &m[4], &m[5]], column);
            }
            let some = LANES.min(inputs - first);
            for y in 0..3 {
                let [a, b, c, d, e, f] = &columns;
                slope_out([&a[y], &b[y], &c[y], &d[y], &e[y], &f[y]], &mut row);
                for (lane, kernel) in kernels[first..first + some].iter_mut().enumerate() {
                    for x in 0..3 {
                        kernel[3 * y + x] = row[x][lane];
                    }
                }
            }
        }
    }
}
