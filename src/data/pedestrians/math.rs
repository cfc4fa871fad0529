//! The little mathematics of the renderer, written out so that a picture is the same on every machine.
//!
//! Only operations that IEEE 754 rounds in one way are used: `+ - * /` and square roots. The sine, and with it all
//! that the system's mathematics library would round in its own way, is a polynomial of ours.

use std::ops::{Add, Mul, Sub};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A point, a direction, or a colour (red, green, blue) in light: the square of the stored 0..1 value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vec3 {
    /// To the viewer's right, or to the person's left; red.
    pub x: f32,
    /// Up; green.
    pub y: f32,
    /// Towards the viewer, or where the person faces; blue.
    pub z: f32,
}

/// A [`Vec3`] read as light.
pub type Colour = Vec3;

/// Short for [`Vec3`].
pub const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

/// The light of a colour as it is written on the web, `0xRRGGBB`.
pub fn colour(hex: u32) -> Colour {
    let channel = |shift: u32| {
        let stored = ((hex >> shift) & 255) as f32 / 255.0;
        stored * stored
    };
    vec3(channel(16), channel(8), channel(0))
}

impl Vec3 {
    /// The scalar product.
    pub fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    /// The length.
    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The same direction with length 1.
    pub fn unit(self) -> Self {
        self * (1.0 / self.length().max(1e-9))
    }

    /// The product of each coordinate with its like: light on a colour.
    pub fn times(self, other: Self) -> Self {
        vec3(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    /// `self` at 0, `other` at 1.
    pub fn mix(self, other: Self, share: f32) -> Self {
        self * (1.0 - share) + other * share
    }

    /// How bright a colour is.
    pub fn brightness(self) -> f32 {
        0.3 * self.x + 0.59 * self.y + 0.11 * self.z
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        vec3(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        vec3(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        vec3(self.x * factor, self.y * factor, self.z * factor)
    }
}

/// An angle as its sine and cosine: all that a rotation needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// Sine of the angle.
    pub sin: f32,
    /// Cosine of the angle.
    pub cos: f32,
}

impl Turn {
    /// The angle in radians.
    pub fn new(radians: f32) -> Self {
        Self { sin: sin(radians), cos: cos(radians) }
    }
}

/// The sine of an angle in radians, the same on every machine.
pub fn sin(radians: f32) -> f32 {
    use std::f64::consts::{PI, TAU};
    let turns = f64::from(radians) / TAU;
    let mut x = (turns - turns.round()) * TAU;
    // Fold into the quarter around 0, where few terms are enough.
    if x > PI / 2.0 {
        x = PI - x;
    } else if x < -PI / 2.0 {
        x = -PI - x;
    }
    let q = x * x;
    let terms = 1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 * (1.0 - q / 110.0))));
    (x * terms) as f32
}

/// The cosine of an angle in radians.
pub fn cos(radians: f32) -> f32 {
    sin(radians + std::f32::consts::FRAC_PI_2)
}

/// 0 below `from`, 1 above `to`, smooth between.
pub fn smoothstep(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// `a` at 0, `b` at 1.
pub fn lerp(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// A number in 0..1 for a cell of a grid.
pub fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 / 16_777_216.0
}

/// The next lower whole number: without SSE 4.1, which x86-64 does not promise, `f32::floor` is a call.
fn floor(x: f32) -> i32 {
    let towards_zero = x as i32;
    towards_zero - i32::from(x < towards_zero as f32)
}

/// Smooth noise in 0..1 with one bump a unit.
pub fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (i, j) = (floor(x), floor(y));
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - i as f32), ease(y - j as f32));
    let low = lerp(hash(i, j, seed), hash(i + 1, j, seed), u);
    let high = lerp(hash(i, j + 1, seed), hash(i + 1, j + 1, seed), u);
    lerp(low, high, v)
}

/// What a stream of random numbers is for; equal seeds of different purposes are unrelated.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// Who an identity is.
    Identity = 1,
    /// What a camera sees and how.
    Camera = 2,
    /// One image of one identity.
    Image = 3,
}

/// The random numbers of item `(a, b)` of a purpose: a pure function of its arguments.
pub fn stream(seed: u64, purpose: Purpose, a: u64, b: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, a, b]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
