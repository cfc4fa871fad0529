//! The forward pass, and with the kernels turned round the input gradient.

use candle_core::Result;

use super::kernels::{Kernels, stretch};
use super::lines::{turn_in, turn_out};
use super::{POINTS, TILE, Tiles};
use crate::nn::buffer::{Scratch, Shared};
use crate::nn::conv::Shape;
use crate::nn::conv::gather::Padded;
use crate::nn::conv::product::{DEPTH, Finish};
use crate::nn::kernel::{self, Micro, Task, dispatch};

/// Numbers in weights that are small.
const SMALL: usize = 1 << 18;
/// Channels that a piece turns.
const CHANNELS: usize = 16;

/// Numbers from one point to the next: a cache line more than they take, since the points of a tile are visited in turn and would
/// else all fall into one set of the first-level cache.
const fn step<M: Micro>(channels: usize) -> usize {
    channels * M::NR + 16
}

/// [`forward`] with weights that are used once.
///
/// # Errors
/// As [`forward`].
pub fn once(kernels: &Kernels, x: &[f32], shape: &Shape, finish: &Finish, y: &mut [f32]) -> Result<()> {
    dispatch!(pack_and_run(kernels, x, shape, finish, y))
}

fn pack_and_run<M: Micro>(kernels: &Kernels, x: &[f32], shape: &Shape, finish: &Finish, y: &mut [f32]) -> Result<()> {
    let mut packed = Scratch::take(kernels.packed_len::<M>());
    kernels.pack::<M>(&mut packed);
    forward::<M>(&packed, x, shape, finish, y)
}

/// Overwrites `y [b,co,h,w]` with the closed convolution of `x [b,ci,h,w]`; `packed` is from [`Kernels::pack`].
///
/// # Errors
/// When the batch is too large to address.
pub fn forward<M: Micro>(packed: &[f32], x: &[f32], shape: &Shape, finish: &Finish, y: &mut [f32]) -> Result<()> {
    let tiles = Tiles::new(shape);
    let image = tiles.padded(x, shape, shape.inputs)?;
    let (groups, rows) = (tiles.count.div_ceil(M::NR), shape.outputs.next_multiple_of(M::MR));
    // Where the weights fit the second-level cache, so do the tiles of one group a thread between the three passes. Larger
    // weights are better read once for all groups.
    let large = POINTS * stretch::<M>(shape.outputs, shape.inputs) > SMALL;
    let some = if large { groups } else { rayon::current_num_threads().min(groups) };
    let mut turned = Scratch::take(some * POINTS * step::<M>(shape.inputs));
    let mut products = Scratch::take(some * POINTS * step::<M>(rows));
    let y = Shared::new(y);
    for first in (0..groups).step_by(some) {
        let groups = first..groups.min(first + some);
        let count = groups.len();
        let task = TurnIn { image: &image, tiles, shape, first, turned: Shared::new(&mut turned) };
        kernel::run::<M, _>(&task, count * shape.inputs.div_ceil(CHANNELS));
        let task = Multiply { packed, turned: &turned, shape, rows, count, products: Shared::new(&mut products) };
        kernel::run::<M, _>(&task, count * POINTS);
        let task = TurnOut { products: &products, tiles, shape, rows, first, finish, y };
        kernel::run::<M, _>(&task, count * shape.outputs.div_ceil(CHANNELS));
    }
    Ok(())
}

/// `B' d B` of each patch: `turned[group][point][channel][tile of the group]`.
struct TurnIn<'a> {
    image: &'a Padded<'a>,
    tiles: Tiles,
    shape: &'a Shape,
    /// The first of the groups in hand.
    first: usize,
    turned: Shared,
}

impl Task for TurnIn<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        // SAFETY: the caller's promise is passed on. As many tiles are turned together as a register has numbers.
        unsafe { if M::NR == 32 { self.turn::<M, 16>(piece) } else { self.turn::<M, 8>(piece) } }
    }
}

impl TurnIn<'_> {
    /// Loops stand where closures would do: those are not compiled with the instruction set, so calls would be left.
    #[inline(always)]
    unsafe fn turn<M: Micro, const LANES: usize>(&self, piece: usize) {
        let inputs = self.shape.inputs;
        let parts = inputs.div_ceil(CHANNELS);
        let (group, first) = (piece / parts, piece % parts * CHANNELS);
        // All of them are written before they are read; here they are cleared once and not for each channel.
        let (mut d, mut columns) = ([[[0f32; LANES]; 6]; 6], [[[0f32; LANES]; 6]; 6]);
        let (mut row, mut square) = ([[0f32; LANES]; 6], [[0f32; 8]; 8]);
        for lanes in (0..M::NR).step_by(LANES) {
            let mut patches = [0; LANES];
            for (lane, patch) in patches.iter_mut().enumerate() {
                let (image, y, x) = self.tiles.place((self.first + group) * M::NR + lanes + lane);
                *patch = self.image.at(image, 0, y, x);
            }
            for channel in first..inputs.min(first + CHANNELS) {
                let plane = channel * self.image.plane();
                for (y, row) in d.iter_mut().enumerate() {
                    let start = plane + y * self.image.width();
                    for (eight, patches) in patches.as_chunks::<8>().0.iter().enumerate() {
                        let mut places = [std::ptr::null(); 8];
                        for (place, patch) in places.iter_mut().zip(patches) {
                            *place = self.image.numbers()[patch + start..patch + start + 8].as_ptr();
                        }
                        // SAFETY: a patch's rows lie in the padded image, which ends in zeros to read past a row.
                        unsafe { M::square(places, &mut square) };
                        for (lane, square) in row.iter_mut().zip(&square) {
                            lane[8 * eight..8 * eight + 8].copy_from_slice(square);
                        }
                    }
                }
                for (x, column) in columns.iter_mut().enumerate() {
                    turn_in([&d[0][x], &d[1][x], &d[2][x], &d[3][x], &d[4][x], &d[5][x]], column);
                }
                for y in 0..6 {
                    let [a, b, c, d, e, f] = &columns;
                    turn_in([&a[y], &b[y], &c[y], &d[y], &e[y], &f[y]], &mut row);
                    for (x, lane) in row.iter().enumerate() {
                        let at = (group * POINTS + 6 * y + x) * step::<M>(inputs) + channel * M::NR + lanes;
                        // SAFETY: this piece alone writes these channels of the group.
                        unsafe { self.turned.slice(at, LANES) }.copy_from_slice(lane);
                    }
                }
            }
        }
    }
}

/// The products over the channels: `products[group][point][row][tile of the group]`.
struct Multiply<'a> {
    packed: &'a [f32],
    turned: &'a [f32],
    shape: &'a Shape,
    rows: usize,
    /// Groups in hand.
    count: usize,
    products: Shared,
}

impl Task for Multiply<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, piece: usize) {
        // Pieces that share weights are neighbours.
        let (point, group) = (piece / self.count, piece % self.count);
        let depth = self.shape.inputs;
        let (at, panels) = (group * POINTS + point, self.rows / M::MR);
        for k0 in (0..depth).step_by(DEPTH) {
            let deep = DEPTH.min(depth - k0);
            for panel in 0..panels {
                // SAFETY: the panels lie where they were packed; the rows of the product are this piece's own.
                unsafe {
                    let a = self
                        .packed
                        .as_ptr()
                        .add(point * stretch::<M>(self.shape.outputs, depth) + (k0 * panels + panel * deep) * M::MR);
                    let b = self.turned.as_ptr().add(at * step::<M>(depth) + k0 * M::NR);
                    let c = self.products.at(at * step::<M>(self.rows) + panel * M::MR * M::NR);
                    M::tile(deep, a, b, c, M::NR, k0 > 0);
                }
            }
        }
    }
}

/// `A' m A` of each tile, closed, to its place in y.
struct TurnOut<'a> {
    products: &'a [f32],
    tiles: Tiles,
    shape: &'a Shape,
    rows: usize,
    /// The first of the groups in hand.
    first: usize,
    finish: &'a Finish<'a>,
    y: Shared,
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
    unsafe fn turn<M: Micro, const LANES: usize>(&self, piece: usize) {
        let outputs = self.shape.outputs;
        let parts = outputs.div_ceil(CHANNELS);
        let (group, first) = (piece / parts, piece % parts * CHANNELS);
        let (mut m, mut columns) = ([[0f32; LANES]; 6], [[[0f32; LANES]; 4]; 6]);
        let (mut two, mut pixels) = ([[[0f32; LANES]; 4]; 2], [[0f32; 8]; 8]);
        for lanes in (0..M::NR).step_by(LANES) {
            let tile = (self.first + group) * M::NR + lanes;
            let some = self.tiles.count.saturating_sub(tile).min(LANES);
            let mut places = [(0, 0, 0); LANES];
            for (lane, place) in places.iter_mut().enumerate() {
                *place = self.tiles.place(tile + lane);
            }
            for channel in first..outputs.min(first + CHANNELS) {
                for (x, column) in columns.iter_mut().enumerate() {
                    for (y, m) in m.iter_mut().enumerate() {
                        let at = (group * POINTS + 6 * y + x) * step::<M>(self.rows) + channel * M::NR + lanes;
                        m.copy_from_slice(&self.products[at..at + LANES]);
                    }
                    turn_out([&m[0], &m[1], &m[2], &m[3], &m[4], &m[5]], column);
                }
                let [a, b, c, d, e, f] = &columns;
                for y in [0, 2] {
                    for (two, y) in two.iter_mut().zip(y..) {
                        turn_out([&a[y], &b[y], &c[y], &d[y], &e[y], &f[y]], two);
                    }
                    for (eight, places) in places[..some].chunks(8).enumerate() {
                        let mut rows = [std::ptr::null(); 8];
                        for (i, row) in rows.iter_mut().enumerate() {
                            *row = two[i / 4][i % 4][8 * eight..8 * eight + 8].as_ptr();
                        }
                        // SAFETY: each row is eight lanes.
                        unsafe { M::square(rows, &mut pixels) };
                        for (&place, pixels) in places.iter().zip(&pixels) {
                            // SAFETY: this piece alone writes these channels of its tiles.
                            unsafe { self.put(channel, place, y, pixels) };
                        }
                    }
                }
            }
        }
    }

    /// Closes two rows of a tile, from its row `y`.
    ///
    /// # Safety
    /// They are the caller's own.
    #[inline(always)]
    unsafe fn put(&self, channel: usize, (image, top, left): (usize, usize, usize), y: usize, pixels: &[f32; 8]) {
        let Shape { outputs, height, width, .. } = *self.shape;
        let shift = self.finish.shift.map_or(0.0, |s| s[channel]);
        let floor = if self.finish.relu { 0.0 } else { f32::NEG_INFINITY };
        let wide = TILE.min(width - left);
        for (row, pixels) in pixels.as_chunks::<4>().0.iter().enumerate().take(height.saturating_sub(top + y)) {
            let at = ((image * outputs + channel) * height + top + y + row) * width + left;
            // SAFETY: by the caller.
            let target = unsafe { self.y.slice(at, wide) };
            match self.finish.shortcut {
                Some(all) => {
                    for ((target, pixel), added) in target.iter_mut().zip(pixels).zip(&all[at..at + wide]) {
                        *target = (pixel + shift + added).max(floor);
                    }
                }
                None => {
                    for (target, pixel) in target.iter_mut().zip(pixels) {
                        *target = (pixel + shift).max(floor);
                    }
                }
            }
        }
    }
}
