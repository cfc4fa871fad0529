//! Light on what was drawn: a main light from one side, light from all around, and the shadows of limbs on each other.

use super::math::{Colour, Vec3, smoothstep};
use super::paint::{Canvas, EMPTY};

/// The light of a scene, in the view's frame.
#[derive(Debug, Clone, Copy)]
pub struct Light {
    /// Where the main light comes from; length 1.
    pub from: Vec3,
    /// The colour of the main light.
    pub key: Colour,
    /// The colour of the light from above and around.
    pub sky: Colour,
    /// The colour of the light that the ground throws back.
    pub ground: Colour,
}

/// How far towards the light a sample looks for what stands in its way, in body heights.
const WALK: [f32; 4] = [0.02, 0.045, 0.08, 0.13];
/// The directions in which a sample looks for what crowds it, and how far, in body heights.
const AROUND: [(f32, f32); 6] = [(1.0, 0.0), (-1.0, 0.0), (0.5, 0.87), (-0.5, 0.87), (0.5, -0.87), (-0.5, -0.87)];
const REACH: f32 = 0.022;

/// A light, and which samples around one matter to it, as steps in rows and columns.
struct Lamp<'a> {
    light: &'a Light,
    walk: [(isize, isize); 4],
    around: [(isize, isize); 6],
}

impl Canvas {
    /// Lights what was drawn and averages samples into pixels: colour times cover, and cover.
    ///
    /// `factor` is the number of samples along a pixel's side, `scale` the samples in a body height.
    pub fn shade(&self, light: &Light, factor: usize, scale: f32) -> Vec<(Colour, f32)> {
        let step = |x: f32, y: f32, far: f32| ((-y * far * scale).round() as isize, (x * far * scale).round() as isize);
        let lamp = Lamp {
            light,
            walk: WALK.map(|far| step(light.from.x, light.from.y, far)),
            around: AROUND.map(|(x, y)| step(x, y, REACH)),
        };
        let (w, h) = (self.width / factor, self.height / factor);
        let share = 1.0 / (factor * factor) as f32;
        let mut pixels = vec![(Colour::default(), 0.0); w * h];
        for row in 0..h * factor {
            for column in 0..w * factor {
                if self.depth[row * self.width + column] == EMPTY {
                    continue;
                }
                let pixel = &mut pixels[row / factor * w + column / factor];
                pixel.0 = pixel.0 + self.lit(row, column, &lamp) * share;
                pixel.1 += share;
            }
        }
        pixels
    }

    fn lit(&self, row: usize, column: usize, lamp: &Lamp) -> Colour {
        let index = row * self.width + column;
        let (n, z, light) = (self.normal[index], self.depth[index], lamp.light);
        // Soft shadow: walk from the surface towards the light and see whether something stands in the way.
        let mut shadow = 0.0f32;
        for (far, step) in WALK.into_iter().zip(lamp.walk) {
            let above = self.depth_at(row, column, step) - (z + light.from.z * far);
            if above > 0.004 {
                let near = smoothstep(0.004, 0.03, above) * (1.0 - smoothstep(0.12, 0.3, above));
                shadow = shadow.max(near * (1.0 - 3.0 * far));
            }
        }
        // Corners are dark: what surrounds a place and is nearer to the viewer keeps light away.
        let mut hidden = 0.0;
        for step in lamp.around {
            let above = self.depth_at(row, column, step) - z;
            if above > 0.006 {
                hidden += smoothstep(0.006, 0.05, above) * (1.0 - smoothstep(0.1, 0.25, above));
            }
        }
        let open = 1.0 - 0.11 * hidden;
        // Light wraps around, as cloth and skin scatter it; edges that turn away are a little darker.
        let facing = ((n.dot(light.from) + 0.25) / 1.25).max(0.0) * (1.0 - 0.75 * shadow);
        let up = 0.5 + 0.5 * n.y;
        let ambient = light.ground.mix(light.sky, up) * open * (0.7 + 0.3 * n.z.max(0.0));
        let sum = light.key * facing * (0.4 + 0.6 * open) + ambient;
        // Against the sky even black cloth has a faint sheen at its edges.
        let rim = (1.0 - n.z.clamp(0.0, 1.0)) * up;
        self.colour[index].times(sum) + light.sky * (0.02 * rim * rim)
    }

    /// The depth some steps away; [`EMPTY`] beyond the border.
    fn depth_at(&self, row: usize, column: usize, step: (isize, isize)) -> f32 {
        match (row.checked_add_signed(step.0), column.checked_add_signed(step.1)) {
            (Some(row), Some(column)) if row < self.height && column < self.width => {
                self.depth[row * self.width + column]
            }
            _ => EMPTY,
        }
    }
}
