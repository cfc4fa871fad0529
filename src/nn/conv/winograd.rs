//! 3x3 convolutions at stride 1 by Winograd's F(4x4, 3x3): a tile of 4 x 4 outputs takes 36 multiplications a channel where
//! the definition takes 144.
//!
//! y = A' [ (G w G') * (B' d B) ] A, with d the 6 x 6 patch of x under a tile. The product in the middle is 36 matrix
//! products over the channels; what goes in and comes out is turned so that neighbouring tiles lie side by side. Its rounding
//! is a few times that of the definition, which embeddings do not notice: it is used where nothing is differentiated.

use super::Shape;
use candle_core::Result;

use super::gather::Padded;
use super::product::{DEPTH, Finish, Left};
use crate::nn::buffer::{Aligned, Scratch, Shared};
use crate::nn::kernel::{self, Micro, Task};

/// Products a tile and a channel.
const POINTS: usize = 36;
/// Side of a tile of outputs.
const TILE: usize = 4;
/// Numbers in weights that are small.
const SMALL: usize = 1 << 18;
/// Channels that a piece turns.
const CHANNELS: usize = 16;

/// Numbers from one point to the next: a cache line more than they take, since the points of a tile are visited in turn and would
/// else all fall into one set of the first-level cache.
const fn step<M: Micro>(channels: usize) -> usize {
    channels * M::NR + 16
}

/// Rows of a register tile at most.
const ROWS: usize = 8;

/// Numbers of packed weights from one point to the next: a cache line more than they take, as in [`step`].
const fn stretch<M: Micro>(outputs: usize, inputs: usize) -> usize {
    Left::packed_len::<M>(outputs, inputs) + 16
}

/// `G w G'` of all kernels, `w [co,ci,3,3]` times `scale [co]`, packed for kernel `M`: `[36][packed co x ci]`.
pub fn weights<M: Micro>(w: &[f32], scale: &[f32], outputs: usize, inputs: usize) -> Aligned {
    let mut packed = Aligned::zeros(POINTS * stretch::<M>(outputs, inputs));
    let task = Pack { w, scale, outputs, inputs, packed: Shared::new(&mut packed) };
    kernel::run::<M, _>(&task, outputs.div_ceil(M::MR));
    packed
}

/// Turns and packs the weights of a panel of outputs.
struct Pack<'a> {
    w: &'a [f32],
    scale: &'a [f32],
    outputs: usize,
    inputs: usize,
    packed: Shared,
}

impl Task for Pack<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, panel: usize) {
        let (panels, depth) = (self.outputs.div_ceil(M::MR), self.inputs);
        let rows = M::MR.min(self.outputs - panel * M::MR);
        let (mut kernels, mut half) = ([[0f64; ROWS]; 9], [[[0f64; ROWS]; 3]; 6]);
        let (mut column, mut row) = ([[0f64; ROWS]; 6], [[0f64; ROWS]; 6]);
        for k in 0..depth {
            for lane in 0..rows {
                let kernel = &self.w[((panel * M::MR + lane) * depth + k) * 9..][..9];
                for (tap, number) in kernels.iter_mut().zip(kernel) {
                    tap[lane] = (*number).into();
                }
            }
            for x in 0..3 {
                line([&kernels[x], &kernels[3 + x], &kernels[6 + x]], &mut column);
                for (half, column) in half.iter_mut().zip(&column) {
                    half[x] = *column;
                }
            }
            let (k0, deep) = (k / DEPTH * DEPTH, DEPTH.min(depth - k / DEPTH * DEPTH));
            let place = (k0 * panels + panel * deep + k - k0) * M::MR;
            for (y, [a, b, c]) in half.iter().enumerate() {
                line([a, b, c], &mut row);
                for (x, numbers) in row.iter().enumerate() {
                    let at = (6 * y + x) * stretch::<M>(self.outputs, depth) + place;
                    // SAFETY: this piece alone writes this panel of each point.
                    let target = unsafe { self.packed.slice(at, rows) };
                    let scale = &self.scale[panel * M::MR..];
                    for ((target, number), scale) in target.iter_mut().zip(numbers).zip(scale) {
                        *target = (number * f64::from(*scale)) as f32;
                    }
                }
            }
        }
    }
}

/// G times a column of each kernel.
#[inline(always)]
fn line([a, b, c]: [&[f64; ROWS]; 3], out: &mut [[f64; ROWS]; 6]) {
    for l in 0..ROWS {
        let (even, odd) = (a[l] + c[l], a[l] + 4.0 * c[l]);
        out[0][l] = a[l] / 4.0;
        out[1][l] = -(even + b[l]) / 6.0;
        out[2][l] = (b[l] - even) / 6.0;
        out[3][l] = (odd + 2.0 * b[l]) / 24.0;
        out[4][l] = (odd - 2.0 * b[l]) / 24.0;
        out[5][l] = c[l];
    }
}

/// Overwrites `y [b,co,h,w]` with the closed convolution of `x [b,ci,h,w]`; `packed` is from [`weights`].
///
/// # Errors
/// When the batch is too large to address.
pub fn forward<M: Micro>(packed: &[f32], x: &[f32], shape: &Shape, finish: &Finish, y: &mut [f32]) -> Result<()> {
    let tiles = Tiles::new(shape);
    let [bottom, right] = [(shape.height, tiles.down), (shape.width, tiles.across)].map(|(n, t)| TILE * t + 1 - n);
    let image = Padded::new(x, [shape.batch, shape.inputs, shape.height, shape.width], [1, bottom, 1, right], 1)?;
    let (groups, rows) = (tiles.count.div_ceil(M::NR), shape.outputs.next_multiple_of(M::MR));
    // Where the weights fit the second-level cache, so do the tiles of one group a thread between the three passes. Larger
    // weights are better read once for all groups.
    let some = if packed.len() > SMALL { groups } else { rayon::current_num_threads().min(groups) };
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

/// The tiles of a batch, numbered image by image, row by row.
#[derive(Clone, Copy)]
struct Tiles {
    down: usize,
    across: usize,
    count: usize,
}

impl Tiles {
    fn new(shape: &Shape) -> Self {
        let (down, across) = (shape.height.div_ceil(TILE), shape.width.div_ceil(TILE));
        Self { down, across, count: shape.batch * down * across }
    }

    /// Image, row and column of a tile; numbers past the end are the last tile.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let tile = tile.min(self.count - 1);
        let (row, column) = (tile / self.across, tile % self.across);
        (row / self.down, TILE * (row % self.down), TILE * column)
    }
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

/// B' times six numbers, lane by lane.
#[inline(always)]
fn turn_in<const LANES: usize>(d: [&[f32; LANES]; 6], out: &mut [[f32; LANES]; 6]) {
    for l in 0..LANES {
        let (a, b) = (d[4][l] - 4.0 * d[2][l], d[3][l] - 4.0 * d[1][l]);
        let (c, e) = (d[4][l] - d[2][l], 2.0 * (d[3][l] - d[1][l]));
        out[0][l] = 4.0 * d[0][l] - 5.0 * d[2][l] + d[4][l];
        out[1][l] = a + b;
        out[2][l] = a - b;
        out[3][l] = c + e;
        out[4][l] = c - e;
        out[5][l] = 4.0 * d[1][l] - 5.0 * d[3][l] + d[5][l];
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

/// A' times six numbers, lane by lane.
#[inline(always)]
fn turn_out<const LANES: usize>(m: [&[f32; LANES]; 6], out: &mut [[f32; LANES]; 4]) {
    for l in 0..LANES {
        let (s, t, u, v) = (m[1][l] + m[2][l], m[1][l] - m[2][l], m[3][l] + m[4][l], m[3][l] - m[4][l]);
        out[0][l] = m[0][l] + s + u;
        out[1][l] = t + 2.0 * v;
        out[2][l] = s + 4.0 * u;
        out[3][l] = t + 8.0 * v + m[5][l];
    }
}
