//! The im2col matrix as two lists of offsets into a padded image.

use candle_core::{Result, bail};
use rayon::prelude::*;

use super::Shape;
use std::ops::Deref;

use crate::nn::buffer::{Scratch, Shared};

/// A matrix that is not stored: element `(k, q)` is `source[rows[k] + columns[q]]`.
pub struct Gather<'a> {
    /// The (padded) image.
    pub source: Source<'a>,
    /// An offset a tap, `(channel, ky, kx)`.
    pub rows: Vec<u32>,
    /// An offset a position, `(image, y, x)`; followed by [`SLACK`] zeros, so that a last panel may read past the end.
    pub columns: Vec<u32>,
    /// Positions.
    pub positions: usize,
    /// Positions come in runs of this many neighbours in `source`: 32, 16, 8, 4, 2 or 1.
    pub run: usize,
}

/// The numbers that a gather reads: the caller's own, or a rearranged copy.
pub enum Source<'a> {
    /// As they came.
    Given(&'a [f32]),
    /// Padded, split or thinned.
    Made(Scratch),
}

impl Deref for Source<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match self {
            Self::Given(numbers) => numbers,
            Self::Made(scratch) => scratch,
        }
    }
}

/// No kernel has more columns than this.
const SLACK: usize = 32;

/// The input positions `(s*i + y, s*j + x)`, and the taps that reach them.
pub struct Phase {
    /// Row of the phase, below the stride.
    pub y: usize,
    /// Column of the phase, below the stride.
    pub x: usize,
    /// Taps of the kernel that reach the phase.
    pub taps: Vec<Tap>,
}

/// A tap seen from an input position: `dx[s*i + y]` receives `w[index] * dy[i + dy]`.
pub struct Tap {
    /// Place in the kernel, `ky * k + kx`.
    pub index: usize,
    /// Rows to go in dy.
    pub dy: isize,
    /// Columns to go in dy.
    pub dx: isize,
}

/// The phases that some position belongs to. A phase that no tap reaches (1x1 at stride 2) is left out: its gradient is 0.
pub fn phases(shape: &Shape) -> Vec<Phase> {
    let (s, p) = (shape.stride, shape.padding);
    let reach = |phase: usize, k: usize| {
        let distance = (phase + p) as isize - k as isize;
        (distance.rem_euclid(s as isize) == 0).then(|| distance.div_euclid(s as isize))
    };
    let mut all = Vec::new();
    for y in 0..s.min(shape.height) {
        for x in 0..s.min(shape.width) {
            let mut taps = Vec::new();
            for ky in 0..shape.kernel {
                for kx in 0..shape.kernel {
                    if let (Some(dy), Some(dx)) = (reach(y, ky), reach(x, kx)) {
                        taps.push(Tap { index: ky * shape.kernel + kx, dy, dx });
                    }
                }
            }
            if !taps.is_empty() {
                all.push(Phase { y, x, taps });
            }
        }
    }
    all
}

impl<'a> Gather<'a> {
    /// Taps x output positions of x.
    pub fn forward(shape: &Shape, x: &'a [f32]) -> Result<Self> {
        let (oh, ow, s) = (shape.out_height(), shape.out_width(), shape.stride);
        if shape.kernel == 1 && shape.padding == 0 && s > 1 {
            // A single tap sees one position in s * s: those alone make a dense image.
            let seen = thinned(x, [shape.height, shape.width], [oh, ow], s);
            let image = Padded { source: Source::Made(seen), channels: shape.inputs, height: oh, width: ow, stride: 1 };
            let rows = (0..shape.inputs).map(|c| image.offset(c, 0, 0)).collect();
            return Ok(image.gather(rows, shape.batch, oh, ow, 1));
        }
        let pad = [shape.padding; 4];
        let image = Padded::new(x, [shape.batch, shape.inputs, shape.height, shape.width], pad, s)?;
        let mut rows = Vec::with_capacity(shape.taps());
        for c in 0..shape.inputs {
            for ky in 0..shape.kernel {
                for kx in 0..shape.kernel {
                    rows.push(image.offset(c, ky, kx));
                }
            }
        }
        Ok(image.gather(rows, shape.batch, oh, ow, s))
    }

    /// Taps x positions of one phase of the input, over dy.
    pub fn backward(shape: &Shape, dy: &'a [f32], phase: &Phase) -> Result<Self> {
        let (oh, ow) = (shape.out_height(), shape.out_width());
        let (h, w) = phase.size(shape);
        // Zeros round dy, as far as any tap reaches.
        let reach = |f: fn(&Tap) -> isize, size: usize, out: usize| {
            let (low, high) = phase.taps.iter().map(f).fold((0, 0), |(l, h), d| (l.min(d), h.max(d)));
            (low.unsigned_abs(), (size as isize - 1 + high - (out as isize - 1)).max(0) as usize)
        };
        let ((top, bottom), (left, right)) = (reach(|t| t.dy, h, oh), reach(|t| t.dx, w, ow));
        let image = Padded::new(dy, [shape.batch, shape.outputs, oh, ow], [top, bottom, left, right], 1)?;
        let mut rows = Vec::with_capacity(shape.outputs * phase.taps.len());
        for o in 0..shape.outputs {
            for tap in &phase.taps {
                rows.push(image.offset(o, top.wrapping_add_signed(tap.dy), left.wrapping_add_signed(tap.dx)));
            }
        }
        Ok(image.gather(rows, shape.batch, h, w, 1))
    }
}

impl Phase {
    /// Rows and columns of the input that belong to the phase.
    pub fn size(&self, shape: &Shape) -> (usize, usize) {
        ((shape.height - self.y).div_ceil(shape.stride), (shape.width - self.x).div_ceil(shape.stride))
    }

    /// Writes the phase's numbers, plane by plane, to their places in `whole [b,ci,h,w]`.
    pub fn spread(&self, shape: &Shape, part: &[f32], whole: &mut [f32]) {
        let ((h, w), s) = (self.size(shape), shape.stride);
        let plane = shape.height * shape.width;
        whole.par_chunks_exact_mut(plane).zip(part.par_chunks_exact(h * w)).with_min_len(8).for_each(
            |(whole, part)| {
                let rows = whole.chunks_exact_mut(shape.width).skip(self.y).step_by(s);
                for (row, part) in rows.zip(part.chunks_exact(w)) {
                    row[self.x..].iter_mut().step_by(s).zip(part).for_each(|(t, v)| *t = *v);
                }
            },
        );
    }
}

/// Images with zeros around them. At stride s each row is stored as s rows, one a phase of x, so that the positions a tap
/// visits are neighbours at any stride.
pub struct Padded<'a> {
    source: Source<'a>,
    channels: usize,
    height: usize,
    /// Numbers in a row of one phase.
    width: usize,
    stride: usize,
}

impl<'a> Padded<'a> {
    /// `x [batch, channels, h, w]` with zeros above, below, left and right, and [`SLACK`] numbers after the last.
    ///
    /// # Errors
    /// When the batch is too large to address.
    pub fn new(
        x: &'a [f32],
        [batch, channels, h, w]: [usize; 4],
        [top, bottom, left, right]: [usize; 4],
        stride: usize,
    ) -> Result<Self> {
        let (height, width) = (h + top + bottom, (w + left + right).div_ceil(stride));
        let plane = stride * height * width;
        if batch * channels * plane + SLACK > u32::MAX as usize {
            bail!("a batch of {batch} images with {channels} channels of {h}x{w} is too large for one convolution");
        }
        if stride == 1 && top + bottom + left + right == 0 {
            return Ok(Self { source: Source::Given(x), channels, height, width, stride });
        }
        let mut source = Scratch::take(batch * channels * plane + SLACK);
        let planes = Shared::new(&mut source);
        (0..batch * channels).into_par_iter().with_min_len(8).for_each(|i| {
            // SAFETY: plane i is written by this piece alone and lies in the buffer.
            let target = unsafe { planes.slice(i * plane, plane) };
            if stride == 1 {
                pad(target, &x[i * h * w..][..h * w], w, [top, left, right]);
            } else {
                target.fill(0.0);
                for (y, row) in x[i * h * w..][..h * w].chunks_exact(w).enumerate() {
                    split(target, row, height, width, [y + top, left], stride);
                }
            }
        });
        Ok(Self { source: Source::Made(source), channels, height, width, stride })
    }

    /// All numbers.
    pub fn numbers(&self) -> &[f32] {
        &self.source
    }

    /// Numbers in a row of one phase.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Numbers in a channel.
    pub fn plane(&self) -> usize {
        self.stride * self.height * self.width
    }

    /// Where `(image, channel, y, x)` lies.
    pub fn at(&self, image: usize, channel: usize, y: usize, x: usize) -> usize {
        image * self.channels * self.plane() + self.offset(channel, y, x) as usize
    }

    /// Offset of `(channel, y, x)` within an image.
    fn offset(&self, channel: usize, y: usize, x: usize) -> u32 {
        (((channel * self.stride + x % self.stride) * self.height + y) * self.width + x / self.stride) as u32
    }

    fn gather(self, rows: Vec<u32>, batch: usize, oh: usize, ow: usize, step: usize) -> Gather<'a> {
        let image = self.channels * self.stride * self.height * self.width;
        let positions = batch * oh * ow;
        let mut columns = Vec::with_capacity(positions + SLACK);
        for b in 0..batch {
            for y in 0..oh {
                let row = b * image + y * step * self.width;
                columns.extend((row..row + ow).map(|q| q as u32));
            }
        }
        columns.resize(positions + SLACK, 0);
        // Rows of positions join up where nothing lies between them.
        let neighbours = if ow == self.width && step == 1 && oh == self.height { oh * ow } else { ow };
        let run = [32, 16, 8, 4, 2].into_iter().find(|r| neighbours.is_multiple_of(*r)).unwrap_or(1);
        Gather { source: self.source, rows, columns, positions, run }
    }
}

/// Writes a plane, `w` wide, with zeros all round it.
fn pad(target: &mut [f32], plane: &[f32], w: usize, [top, left, right]: [usize; 3]) {
    let width = left + w + right;
    let (above, rest) = target.split_at_mut(top * width);
    let (inside, below) = rest.split_at_mut(plane.len() / w * width);
    above.fill(0.0);
    below.fill(0.0);
    for (target, row) in inside.chunks_exact_mut(width).zip(plane.chunks_exact(w)) {
        target[..left].fill(0.0);
        target[left..left + w].copy_from_slice(row);
        target[left + w..].fill(0.0);
    }
}

/// Writes row `y` as `stride` rows, one a phase of x.
fn split(target: &mut [f32], row: &[f32], height: usize, width: usize, [y, left]: [usize; 2], stride: usize) {
    let start = |x: usize| ((x + left) % stride * height + y) * width + (x + left) / stride;
    if stride == 2 {
        // Pairs, which the compiler takes apart in registers.
        let (pairs, rest) = row.as_chunks::<2>();
        target[start(0)..].iter_mut().zip(pairs).for_each(|(t, [even, _])| *t = *even);
        if row.len() > 1 {
            target[start(1)..].iter_mut().zip(pairs).for_each(|(t, [_, odd])| *t = *odd);
        }
        if let [last] = rest {
            target[start(row.len() - 1)] = *last;
        }
        return;
    }
    for first in 0..stride.min(row.len()) {
        target[start(first)..].iter_mut().zip(row[first..].iter().step_by(stride)).for_each(|(t, v)| *t = *v);
    }
}

/// Every s-th number of every s-th row of each plane.
fn thinned(x: &[f32], [h, w]: [usize; 2], [oh, ow]: [usize; 2], s: usize) -> Scratch {
    let planes = x.len() / (h * w);
    let mut seen = Scratch::take(planes * oh * ow + SLACK);
    seen[..planes * oh * ow].par_chunks_exact_mut(oh * ow).zip(x.par_chunks_exact(h * w)).with_min_len(8).for_each(
        |(seen, plane)| {
            for (target, row) in seen.chunks_exact_mut(ow).zip(plane.chunks_exact(w).step_by(s)) {
                if s == 2 {
                    let (pairs, rest) = row.as_chunks::<2>();
                    target.iter_mut().zip(pairs).for_each(|(t, [even, _])| *t = *even);
                    if let [last] = rest {
                        target[ow - 1] = *last;
                    }
                } else {
                    target.iter_mut().zip(row.iter().step_by(s)).for_each(|(t, v)| *t = *v);
                }
            }
        },
    );
    seen
}

impl Gather<'_> {
    /// Whether `NR` columns lie in the source as they would be packed: side by side, row after row.
    pub fn lies_packed<const NR: usize>(&self) -> bool {
        self.run >= NR && self.rows.windows(2).all(|two| two[1] == two[0] + NR as u32)
    }

    /// Element `(k, q)`.
    pub fn place(&self, k: usize, q: usize) -> *const f32 {
        self.source[self.rows[k] as usize + self.columns[q] as usize..].as_ptr()
    }

    /// Packs rows `k0..k1` of `NR` columns from `q`: row k goes to `dst[(k - k0) * ld..][..NR]`.
    ///
    /// # Safety
    /// `dst` holds the panel; `q` is a multiple of `NR` below the number of positions; `NR` is at most [`SLACK`].
    #[inline(always)]
    pub unsafe fn panel<const NR: usize>(&self, q: usize, k0: usize, k1: usize, dst: *mut f32, ld: usize) {
        // SAFETY: the caller's promises are passed on; runs never exceed NR here.
        unsafe {
            match self.run.min(NR) {
                32 => self.runs::<32, NR>(q, k0, k1, dst, ld),
                16 => self.runs::<16, NR>(q, k0, k1, dst, ld),
                8 => self.runs::<8, NR>(q, k0, k1, dst, ld),
                4 => self.runs::<4, NR>(q, k0, k1, dst, ld),
                2 => self.runs::<2, NR>(q, k0, k1, dst, ld),
                _ => self.runs::<1, NR>(q, k0, k1, dst, ld),
            }
        }
    }

    #[inline(always)]
    unsafe fn runs<const RUN: usize, const NR: usize>(
        &self,
        q: usize,
        k0: usize,
        k1: usize,
        mut dst: *mut f32,
        ld: usize,
    ) {
        // SAFETY: every `rows[k] + columns[q]`, and the RUN numbers from it, lie in `source`: a run never leaves a row of
        // positions, and the zeros past the last position point at the first. `dst` is the caller's promise.
        unsafe {
            let columns = self.columns.get_unchecked(q..q + NR);
            for k in k0..k1 {
                let row = self.source.as_ptr().add(*self.rows.get_unchecked(k) as usize);
                let mut j = 0;
                while j < NR {
                    std::ptr::copy_nonoverlapping(row.add(*columns.get_unchecked(j) as usize), dst.add(j), RUN);
                    j += RUN;
                }
                dst = dst.add(ld);
            }
        }
    }
}
