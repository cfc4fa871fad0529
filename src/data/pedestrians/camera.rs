//! Cameras: where they hang, what light falls there, and what their electronics make of it.

use std::f32::consts::TAU;

use image::RgbImage;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::light::Light;
use super::math::{Colour, Purpose, Vec3, cos, lerp, stream, vec3};
use super::scene::Scene;

/// A camera of the crowd's scene. A pure function of the crowd's seed and the camera's number.
#[derive(Debug, Clone)]
pub struct Camera {
    /// What it looks at.
    pub scene: Scene,
    /// The light there.
    pub light: Light,
    /// How far a shadow reaches for each body height of what throws it: to the right, and up the picture.
    pub shadow: (f32, f32),
    /// How dark a shadow is: 0 under clouds.
    pub shadow_strength: f32,
    /// How far it looks down, in radians.
    pub pitch: f32,
    /// The direction in which most people walk past, in radians; some walk the other way.
    pub path: f32,
    /// The usual height of a crop, in pixels.
    pub crop: f32,
    /// What the sensor makes of the light.
    pub sensor: Sensor,
    /// The quality of its JPEG files, 1 to 100.
    pub quality: u8,
}

/// Colour, sharpness and noise of a camera.
#[derive(Debug, Clone, Copy)]
pub struct Sensor {
    /// The gain of each colour: exposure and white balance.
    pub gain: Colour,
    /// The bend of the tone curve: above 0 lifts the middle tones, below lowers them.
    pub gamma: f32,
    /// Contrast around middle grey; 1 leaves it.
    pub contrast: f32,
    /// Colourfulness; 1 leaves it.
    pub saturation: f32,
    /// The light of black: fog on the lens.
    pub haze: f32,
    /// The share that a pixel gives to each neighbour, 0 to 0.25.
    pub blur: f32,
    /// The deviation of the noise, in steps of 255.
    pub noise: f32,
}

impl Camera {
    /// The camera of a number, counted from 0.
    pub fn new(seed: u64, number: u64) -> Self {
        let rng = &mut stream(seed, Purpose::Camera, number, 0);
        let scene = Scene::new(rng, number);
        // Neighbouring numbers get casts far apart on the colour circle (the golden angle), so that they always matter.
        let hue = 2.4 * number as f32 + stream(seed, Purpose::Camera, u64::MAX, 0).random_range(0.0..TAU);
        let strength = rng.random_range(0.10..0.26);
        let exposure = [1.0, 0.72, 1.22, 0.88, 1.1, 0.8][(number % 6) as usize] * rng.random_range(0.92..1.08);
        let cast = vec3(cos(hue), cos(hue - 2.094), cos(hue + 2.094)) * strength;
        let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        let (across, up) = (rng.random_range(0.35..0.8f32), rng.random_range(0.45..0.8f32));
        let sunny = rng.random_range(0.0..1.0f32);
        let warm = vec3(1.06, 1.0, 0.9);
        Self {
            scene,
            light: Light {
                from: vec3(side * across, up, 0.6).unit(),
                key: warm * lerp(0.62, 0.95, sunny),
                sky: vec3(0.93, 0.98, 1.08) * lerp(0.62, 0.42, sunny),
                ground: vec3(0.98, 0.92, 0.82) * lerp(0.34, 0.25, sunny),
            },
            shadow: (-side * across / up, rng.random_range(0.12..0.3)),
            shadow_strength: 0.15 + 0.4 * sunny,
            pitch: rng.random_range(0.05..0.30),
            path: rng.random_range(0.0..TAU),
            crop: rng.random_range(112.0..186.0),
            sensor: Sensor {
                gain: (vec3(1.0, 1.0, 1.0) + cast) * exposure,
                gamma: rng.random_range(-0.22..0.3),
                contrast: rng.random_range(0.88..1.14),
                saturation: rng.random_range(0.68..1.18),
                haze: if rng.random_bool(0.35) { rng.random_range(0.02..0.09) } else { 0.0 },
                blur: rng.random_range(0.03..0.2),
                noise: rng.random_range(1.0..5.0),
            },
            quality: rng.random_range(78..=92),
        }
    }
}

impl Sensor {
    /// The same sensor a moment later: automatic exposure and white balance never rest.
    pub fn jitter(mut self, rng: &mut ChaCha8Rng) -> Self {
        let exposure: f32 = rng.random_range(0.9..1.1);
        let mut drift = || exposure * rng.random_range(0.97..1.03);
        self.gain = self.gain.times(vec3(drift(), drift(), drift()));
        self.blur = (self.blur * rng.random_range(0.7..1.4)).min(0.25);
        self
    }

    /// From light to an 8-bit picture.
    pub fn develop(&self, light: &[Vec3], width: usize, height: usize, rng: &mut ChaCha8Rng) -> RgbImage {
        let mut tones: Vec<Vec3> = light.iter().map(|&l| self.tone(l)).collect();
        blur(&mut tones, width, height, self.blur);
        let mut image = RgbImage::new(width as u32, height as u32);
        for (pixel, tone) in image.pixels_mut().zip(tones) {
            for (byte, value) in pixel.0.iter_mut().zip([tone.x, tone.y, tone.z]) {
                // Four bytes of chance added up are nearly normal, with deviation 147.8.
                let dice: i32 = rng.next_u32().to_le_bytes().iter().map(|&b| i32::from(b)).sum();
                let grain = (dice - 510) as f32 * (self.noise / 147.8);
                *byte = (value * 255.0 + grain + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
        image
    }

    fn tone(&self, light: Vec3) -> Vec3 {
        let lit = light.times(self.gain);
        let stored = |v: f32| {
            let v = v.max(0.0).sqrt();
            // A soft shoulder: highlights fade out and are not cut off.
            let v = if v > 0.8 { 0.8 + (v - 0.8) / (1.0 + 2.5 * (v - 0.8)) } else { v };
            let v = v.min(1.0);
            let v = v + self.gamma * v * (1.0 - v);
            self.haze + (1.0 - self.haze) * (0.5 + (v - 0.5) * self.contrast)
        };
        let tone = vec3(stored(lit.x), stored(lit.y), stored(lit.z));
        let grey = tone.brightness();
        vec3(grey, grey, grey).mix(tone, self.saturation)
    }
}

/// Gives `share` of each pixel to each of its four neighbours' axes: rows first, then columns; the border repeats.
pub fn blur(pixels: &mut [Vec3], width: usize, height: usize, share: f32) {
    let mut line = Vec::new();
    let mut pass = |start: usize, step: usize, length: usize| {
        line.clear();
        line.extend((0..length).map(|i| pixels[start + i * step]));
        for i in 0..length {
            let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(length - 1)]);
            pixels[start + i * step] = line[i] * (1.0 - 2.0 * share) + (before + after) * share;
        }
    };
    (0..height).for_each(|row| pass(row * width, 1, width));
    (0..width).for_each(|column| pass(column, width, height));
}
