//! One image of one person: the view, the picture, and its bytes.

use std::f32::consts::{PI, TAU};

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::camera::{Camera, Sensor, blur};
use super::figure;
use super::identity::{Bag, Identity};
use super::math::{Colour, Turn, sin, smoothstep, vec3};
use super::occluder::Occluder;
use super::paint::{Canvas, Lens};
use super::scene::EXTENT;
use super::skeleton::{Arm, Gait, Skeleton};

/// Samples along the side of a pixel.
const SAMPLES: usize = 2;

/// How one image is taken: all that differs between two images of a person.
#[derive(Debug, Clone)]
pub struct View {
    /// Where the person faces, in radians: 0 to the camera, a quarter turn to the right of the image.
    pub yaw: f32,
    /// How far the camera looks down, in radians.
    pub pitch: f32,
    /// The moment of the walk.
    pub gait: Gait,
    /// Width and height of the image in pixels.
    pub size: (usize, usize),
    /// Where the image is cut out, in body heights around the feet: left edge, upper edge, and height.
    pub frame: (f32, f32, f32),
    /// Where in the camera's scene the person walks.
    pub place: f32,
    /// What stands in the way, if anything.
    pub occluder: Option<Occluder>,
    /// Someone else in the image, if anyone.
    pub other: Option<Other>,
    /// The sensor at this moment.
    pub sensor: Sensor,
}

/// Someone else in the image.
#[derive(Debug, Clone)]
pub struct Other {
    /// Who.
    pub identity: Box<Identity>,
    /// Where they face, in radians.
    pub yaw: f32,
    /// The moment of their walk.
    pub gait: Gait,
    /// Where they stand, in body heights: to the right, and towards the camera.
    pub at: (f32, f32),
}

impl View {
    /// A view of a person by a camera, drawn at random.
    pub fn draw(rng: &mut ChaCha8Rng, identity: &Identity, camera: &Camera) -> Self {
        let yaw = if rng.random_bool(0.15) {
            rng.random_range(0.0..TAU)
        } else {
            let there = if rng.random_bool(0.5) { 0.0 } else { PI };
            camera.path + there + rng.random_range(-0.4..0.4)
        };
        let gait = gait(rng, identity);
        let pitch = camera.pitch + rng.random_range(-0.02..0.02);
        // A detector's box: close around the person, never quite.
        let height = (camera.crop * rng.random_range(0.78..1.24f32)).clamp(96.0, 224.0);
        let aspect = 0.40 + 0.07 * sin(yaw).abs() * gait.stride + rng.random_range(0.0..0.09f32);
        let width = (height * aspect).clamp(40.0, 96.0);
        let mut bottom = rng.random_range(-0.09..-0.03f32);
        let mut top = 1.0 - 0.4 * pitch * pitch + rng.random_range(0.0..0.07f32);
        match rng.random_range(0..16u32) {
            0 => bottom = rng.random_range(0.06..0.3),
            1 => top -= rng.random_range(0.02..0.07),
            _ => {}
        }
        let span = top - bottom;
        let left = -0.5 * span * width / height + rng.random_range(-0.035..0.035);
        let occluder = rng.random_bool(0.15).then(|| Occluder::new(rng));
        let other = rng.random_bool(0.12).then(|| Other::draw(rng));
        Self {
            yaw,
            pitch,
            gait,
            size: (width as usize, height as usize),
            frame: (left, top, span),
            place: rng.random_range(-EXTENT + 0.4..EXTENT - 0.4),
            occluder,
            other,
            sensor: camera.sensor.jitter(rng),
        }
    }
}

impl Other {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let identity = Box::new(Identity::new(rng.random(), u64::MAX));
        let gait = gait(rng, &identity);
        let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        // Passers-by before the person only at the edge; behind, they may come closer.
        let before = rng.random_bool(0.35);
        let at = if before {
            (side * rng.random_range(0.26..0.36), 0.6)
        } else {
            (side * rng.random_range(0.16..0.32), -0.7)
        };
        Self { identity, yaw: rng.random_range(0.0..TAU), gait, at }
    }
}

fn gait(rng: &mut ChaCha8Rng, identity: &Identity) -> Gait {
    let stands = rng.random_bool(0.12);
    let mut arms = [Arm::Swing; 2];
    let carrying = usize::from(identity.bag_side < 0.0);
    match identity.bag {
        Bag::Handbag => arms[carrying] = Arm::Carry,
        Bag::Suitcase => arms[carrying] = Arm::Pull,
        _ => {}
    }
    let free = 1 - carrying;
    match rng.random_range(0..16u32) {
        0 | 1 => arms[free] = Arm::Read,
        2 => arms[free] = Arm::Call,
        3 => arms[free] = Arm::Pocket,
        _ => {}
    }
    Gait {
        phase: rng.random_range(0.0..1.0),
        stride: if stands { rng.random_range(0.0..0.15) } else { identity.stride * rng.random_range(0.75..1.1) },
        arms,
        look: if rng.random_bool(0.25) { rng.random_range(-0.7..0.7) } else { rng.random_range(-0.15..0.15) },
    }
}

/// Renders one image. Equal arguments, the state of `rng` (it makes the noise) included, give equal pixels.
pub fn render_person(identity: &Identity, view: &View, camera: &Camera, rng: &mut ChaCha8Rng) -> RgbImage {
    let (width, height) = view.size;
    let (left, top, span) = view.frame;
    let pixels = height as f32 / span;
    let scale = pixels * SAMPLES as f32;
    let lens = Lens { yaw: Turn::new(view.yaw), pitch: Turn::new(view.pitch), left, top, scale, depth: 0.0 };
    let skeleton = Skeleton::new(&identity.build, &view.gait);
    let mut canvas = Canvas::new(width * SAMPLES, height * SAMPLES);
    figure::draw(&mut canvas, &lens, identity, &skeleton, view.gait.look);
    if let Some(other) = &view.other {
        // Nearer is lower in the image, as the camera looks down.
        let (right, near) = other.at;
        let lens = Lens { yaw: Turn::new(other.yaw), left: left - right, top: top + 0.12 * near, depth: near, ..lens };
        let skeleton = Skeleton::new(&other.identity.build, &other.gait);
        figure::draw(&mut canvas, &lens, &other.identity, &skeleton, other.gait.look);
    }
    let figures = canvas.shade(&camera.light, SAMPLES, scale);

    let place = |row: usize, column: usize| (left + (column as f32 + 0.5) / pixels, top - (row as f32 + 0.5) / pixels);
    let mut light: Vec<Colour> = (0..width * height)
        .map(|i| {
            let (x, y) = place(i / width, i % width);
            camera.scene.at(x + view.place, y)
        })
        .collect();
    // The background is a little out of focus.
    for _ in 0..(pixels / 70.0).ceil() as usize {
        blur(&mut light, width, height, 0.25);
    }
    let feet = skeleton.toes.map(|t| lens.project(vec3(t.x, 0.0, 0.8 * t.z)));
    let cover = |x: f32, y: f32| {
        let (column, row) = ((x - left) * pixels, (top - y) * pixels);
        if column < 0.0 || row < 0.0 || column >= width as f32 || row >= height as f32 {
            0.0
        } else {
            figures[row as usize * width + column as usize].1
        }
    };
    for (i, ground) in light.iter_mut().enumerate() {
        let (x, y) = place(i / width, i % width);
        let (figure, alpha) = figures[i];
        if alpha < 1.0 && y < camera.scene.horizon + 0.1 {
            let (rise, lean) = (camera.shadow.1, camera.shadow.0);
            // The part of the body at height h darkens the ground at h times the shadow's reach; farther shadows are softer.
            let h = y / rise;
            let mut dark = 0.0;
            if (0.0..1.0).contains(&h) {
                for (dx, dh) in [(0.0, 0.0), (0.02, 0.02), (-0.02, 0.02), (0.02, -0.02), (-0.02, -0.02)] {
                    let soft = 0.3 + 1.5 * h;
                    dark += 0.2 * cover(x - lean * h + dx * soft, (h + dh * soft) * lens.pitch.cos);
                }
            }
            let mut shade =
                dark * camera.shadow_strength * smoothstep(camera.scene.horizon + 0.1, camera.scene.horizon - 0.05, y);
            for foot in feet {
                let (u, v) = ((x - foot.x) / 0.085, (y - foot.y - 0.002) / 0.024);
                shade = shade.max(0.55 * smoothstep(1.4, 0.1, u * u + v * v));
            }
            *ground = *ground * (1.0 - shade);
        }
        *ground = *ground * (1.0 - alpha) + figure;
        if let Some(occluder) = &view.occluder {
            let (colour, alpha) = occluder.at(x, y);
            *ground = ground.mix(colour, alpha);
        }
    }
    view.sensor.develop(&light, width, height, rng)
}

/// The bytes of a JPEG file.
pub fn encode(image: &RgbImage, quality: u8) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::with_capacity(8192);
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image)?;
    Ok(bytes)
}
