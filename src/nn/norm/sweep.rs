//! The sweeps of BatchNorm over the planes of one channel, compiled for each instruction set.
//!
//! A channel of all images fits the second-level cache, so that what a later sweep reads again does not come from far.

use super::EPS;
use crate::nn::buffer::Shared;
use crate::nn::kernel::{Micro, Task};

/// How a batch of maps lies in memory: `[batch, channels, plane]`.
#[derive(Clone, Copy)]
pub struct Maps {
    pub batch: usize,
    pub channels: usize,
    pub plane: usize,
}

impl Maps {
    /// Where the plane of `channel` in `image` begins.
    fn at(&self, image: usize, channel: usize) -> usize {
        (image * self.channels + channel) * self.plane
    }

    /// Values of one channel.
    fn count(&self) -> f64 {
        (self.batch * self.plane) as f64
    }
}

/// Mean and (biased) variance of a channel.
#[derive(Clone, Copy, Default)]
pub struct Moments {
    pub mean: f64,
    pub variance: f64,
}

impl Moments {
    /// One over the deviation.
    fn inverse(&self) -> f64 {
        1.0 / (self.variance + EPS).sqrt()
    }
}

/// Numbers that are added side by side.
const LANES: usize = 16;

/// Sums of [`LANES`] columns: in `f32` along a plane, in `f64` from plane to plane.
#[derive(Clone, Copy)]
struct Sums {
    near: [f32; LANES],
    far: [f64; LANES],
}

impl Sums {
    const NOTHING: Self = Self { near: [0.0; LANES], far: [0.0; LANES] };

    #[inline(always)]
    fn end_of_plane(&mut self) {
        for (far, near) in self.far.iter_mut().zip(&mut self.near) {
            *far += f64::from(*near);
            *near = 0.0;
        }
    }

    #[inline(always)]
    fn total(&self) -> f64 {
        self.far.iter().sum()
    }
}

/// `y = gamma * (x - mean) / deviation + beta (+ added)`, closed by ReLU where asked for.
pub struct Normalise<'a> {
    pub maps: Maps,
    pub x: &'a [f32],
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub added: Option<&'a [f32]>,
    pub relu: bool,
    pub y: Shared,
    pub moments: Shared<Moments>,
}

impl Task for Normalise<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, channel: usize) {
        let (maps, plane) = (self.maps, self.maps.plane);
        let mut sums = Sums::NOTHING;
        for image in 0..maps.batch {
            add(&self.x[maps.at(image, channel)..][..plane], &mut sums);
        }
        let mean = sums.total() / maps.count();
        let m = mean as f32;
        let mut sums = Sums::NOTHING;
        for image in 0..maps.batch {
            add_squares(&self.x[maps.at(image, channel)..][..plane], m, &mut sums);
        }
        let moments = Moments { mean, variance: sums.total() / maps.count() };
        // SAFETY: a channel's moments are written by its piece alone.
        unsafe { *self.moments.at(channel) = moments };
        let (scale, beta) = ((f64::from(self.gamma[channel]) * moments.inverse()) as f32, self.beta[channel]);
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        for image in 0..maps.batch {
            let at = maps.at(image, channel);
            let x = &self.x[at..][..plane];
            // SAFETY: planes of one channel are written by this piece alone.
            let y = unsafe { self.y.slice(at, plane) };
            match self.added {
                Some(added) => {
                    for ((y, x), s) in y.iter_mut().zip(x).zip(&added[at..][..plane]) {
                        *y = ((x - m) * scale + beta + s).max(floor);
                    }
                }
                None => {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = ((x - m) * scale + beta).max(floor);
                    }
                }
            }
        }
    }
}

/// Adds the numbers of a plane.
#[inline(always)]
fn add(x: &[f32], sums: &mut Sums) {
    let (chunks, rest) = x.as_chunks::<LANES>();
    for x in chunks {
        for (sum, x) in sums.near.iter_mut().zip(x) {
            *sum += x;
        }
    }
    for (sum, x) in sums.near.iter_mut().zip(rest) {
        *sum += x;
    }
    sums.end_of_plane();
}

/// Adds the squares of a plane's distances from `mean`.
#[inline(always)]
fn add_squares(x: &[f32], mean: f32, sums: &mut Sums) {
    let (chunks, rest) = x.as_chunks::<LANES>();
    for x in chunks {
        for (sum, x) in sums.near.iter_mut().zip(x) {
            *sum += (x - mean) * (x - mean);
        }
    }
    for (sum, x) in sums.near.iter_mut().zip(rest) {
        *sum += (x - mean) * (x - mean);
    }
    sums.end_of_plane();
}

/// What of dy came through ReLU.
#[derive(Clone, Copy)]
pub enum Gate<'a> {
    /// All: there was no ReLU.
    Open,
    /// Where the normalised x is positive.
    Own,
    /// Where y is positive; it is the shortcut's gradient too, and kept in `passed`.
    Kept { y: &'a [f32], passed: Shared },
}

/// dx and the gradients of gamma and beta.
pub struct Differentiate<'a> {
    pub maps: Maps,
    pub x: &'a [f32],
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub dy: &'a [f32],
    pub moments: &'a [Moments],
    pub gate: Gate<'a>,
    pub dx: Shared,
    /// d gamma, d beta.
    pub slopes: Shared<(f32, f32)>,
}

impl Task for Differentiate<'_> {
    #[inline(always)]
    unsafe fn run<M: Micro>(&self, channel: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe {
            match self.gate {
                Gate::Own => self.channel::<true>(channel),
                Gate::Open | Gate::Kept { .. } => self.channel::<false>(channel),
            }
        }
    }
}

impl Differentiate<'_> {
    /// `OWN`: ReLU is applied anew to know what it let through.
    #[inline(always)]
    unsafe fn channel<const OWN: bool>(&self, channel: usize) {
        let (maps, plane) = (self.maps, self.maps.plane);
        let inverse = self.moments[channel].inverse();
        let mean = self.moments[channel].mean as f32;
        // As in the forward sweep, to the bit: the gate must be the same.
        let (scale, beta) = ((f64::from(self.gamma[channel]) * inverse) as f32, self.beta[channel]);
        let (mut d_beta, mut d_gamma) = (Sums::NOTHING, Sums::NOTHING);
        for image in 0..maps.batch {
            let at = maps.at(image, channel);
            let (x, d) = (&self.x[at..][..plane], &self.dy[at..][..plane]);
            let d = match self.gate {
                Gate::Kept { y, passed } => {
                    // SAFETY: planes of one channel are written by this piece alone.
                    let kept = unsafe { passed.slice(at, plane) };
                    for ((kept, y), d) in kept.iter_mut().zip(&y[at..][..plane]).zip(d) {
                        *kept = if *y > 0.0 { *d } else { 0.0 };
                    }
                    &*kept
                }
                Gate::Open | Gate::Own => d,
            };
            let ((xs, x_rest), (ds, d_rest)) = (x.as_chunks::<LANES>(), d.as_chunks::<LANES>());
            for (x, d) in xs.iter().zip(ds) {
                for i in 0..LANES {
                    let from = x[i] - mean;
                    let d = if OWN && from * scale + beta <= 0.0 { 0.0 } else { d[i] };
                    d_beta.near[i] += d;
                    d_gamma.near[i] += d * from;
                }
            }
            for (i, (x, d)) in x_rest.iter().zip(d_rest).enumerate() {
                let from = x - mean;
                let d = if OWN && from * scale + beta <= 0.0 { 0.0 } else { *d };
                d_beta.near[i] += d;
                d_gamma.near[i] += d * from;
            }
            d_beta.end_of_plane();
            d_gamma.end_of_plane();
        }
        let (d_beta, d_gamma) = (d_beta.total(), d_gamma.total() * inverse);
        // SAFETY: a channel's slopes are written by its piece alone.
        unsafe { *self.slopes.at(channel) = (d_gamma as f32, d_beta as f32) };
        let (offset, slope) = ((d_beta / maps.count()) as f32, (d_gamma * inverse / maps.count()) as f32);
        for image in 0..maps.batch {
            let at = maps.at(image, channel);
            let d = match self.gate {
                // SAFETY: it was written above.
                Gate::Kept { passed, .. } => unsafe { &*passed.slice(at, plane) },
                Gate::Open | Gate::Own => &self.dy[at..][..plane],
            };
            // SAFETY: planes of one channel are written by this piece alone.
            let dx = unsafe { self.dx.slice(at, plane) };
            for ((dx, x), d) in dx.iter_mut().zip(&self.x[at..][..plane]).zip(d) {
                let from = x - mean;
                let d = if OWN && from * scale + beta <= 0.0 { 0.0 } else { *d };
                *dx = scale * (d - offset - from * slope);
            }
        }
    }
}
