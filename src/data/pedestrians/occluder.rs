//! What stands between a camera and a person.
//!
//! Places are in body heights, as in a scene: x to the right of the person, y up from the feet.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::math::{Colour, Vec3, colour, noise, smoothstep, vec3};

/// Something between the camera and the person.
#[derive(Debug, Clone, Copy)]
pub enum Occluder {
    /// A post over the whole height.
    Pole { x: f32, half: f32, colour: Colour },
    /// A bush before the legs.
    Bush { x: f32, top: f32, colour: Colour, seed: u32 },
    /// A parked bicycle.
    Bicycle { x: f32, colour: Colour },
    /// The edge of a low wall or a counter.
    Ledge { top: f32, colour: Colour },
}

impl Occluder {
    /// A thing in the way, drawn at random.
    pub fn new(rng: &mut ChaCha8Rng) -> Self {
        let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        let x = side * rng.random_range(0.08..0.24);
        let tone =
            colour([0x4b4f54, 0x6d7378, 0x2f4b3c, 0xa8a39a, 0x8c3b34, 0x2e4a6d][rng.random_range(0..6u32) as usize]);
        match rng.random_range(0..6u32) {
            0 | 1 => Self::Pole { x, half: rng.random_range(0.018..0.045), colour: tone },
            2 | 3 => Self::Bush { x, top: rng.random_range(0.16..0.36), colour: colour(0x4d6b38), seed: rng.random() },
            4 => Self::Bicycle { x: x * 0.6, colour: tone },
            _ => Self::Ledge { top: rng.random_range(0.08..0.2), colour: tone.mix(colour(0x9a958c), 0.6) },
        }
    }

    /// Its colour and cover at a place.
    pub fn at(&self, x: f32, y: f32) -> (Colour, f32) {
        match *self {
            Self::Pole { x: middle, half, colour } => {
                let u = (x - middle) / half;
                let round = (1.0 - u * u).max(0.0).sqrt();
                (colour * (0.45 + 0.65 * round + 0.25 * u), smoothstep(1.08, 0.92, u.abs()))
            }
            Self::Bush { x: middle, top, colour, seed } => {
                let u = (x - middle) / 0.24;
                let leaf = noise(x * 34.0, y * 34.0, seed);
                let edge = top * (1.0 - u * u) + 0.10 * (leaf - 0.5);
                (colour * (0.45 + 1.0 * leaf), smoothstep(-0.012, 0.012, edge - y))
            }
            Self::Bicycle { x: middle, colour } => bicycle(x - middle, y, colour),
            Self::Ledge { top, colour } => {
                (colour * if y > top - 0.025 { 1.15 } else { 0.8 }, smoothstep(-0.004, 0.004, top - y))
            }
        }
    }
}

fn bicycle(x: f32, y: f32, paint: Colour) -> (Colour, f32) {
    let mut best = (Vec3::default(), 0.0f32);
    let mut stroke = |distance: f32, half: f32, tone: Colour| {
        let cover = smoothstep(half + 0.003, half - 0.003, distance);
        if cover > best.1 {
            best = (tone, cover);
        }
    };
    let hub = [(-0.19, 0.11), (0.19, 0.11)];
    for (hx, hy) in hub {
        let r = ((x - hx) * (x - hx) + (y - hy) * (y - hy)).sqrt();
        stroke((r - 0.125).abs(), 0.011, colour(0x17181a));
        stroke(r, 0.014, colour(0x9a9da0));
    }
    let (seat, crank, bar) = ((-0.085, 0.33), (-0.02, 0.11), (0.13, 0.36));
    for (a, b) in [
        (hub[0], crank),
        (crank, seat),
        (seat, (0.12, 0.32)),
        (crank, (0.12, 0.32)),
        (hub[1], bar),
        (hub[0], (-0.07, 0.28)),
    ] {
        stroke(segment(x, y, a, b), 0.0095, paint);
    }
    stroke(segment(x, y, (-0.12, 0.345), (-0.05, 0.345)), 0.014, colour(0x1c1a18));
    stroke(segment(x, y, (0.10, 0.375), (0.17, 0.37)), 0.010, colour(0x2a2b2d));
    best
}

fn segment(x: f32, y: f32, a: (f32, f32), b: (f32, f32)) -> f32 {
    let (px, py, dx, dy) = (x - a.0, y - a.1, b.0 - a.0, b.1 - a.1);
    let t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    vec3(px - dx * t, py - dy * t, 0.0).length()
}
