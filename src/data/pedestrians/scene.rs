//! What a camera sees behind the people: walls, grounds, and things that stand about.
//!
//! Places are in body heights: x along the scene, y up the picture from the feet of the person it was taken for.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::math::{Colour, colour, hash, lerp, noise, smoothstep};

/// A camera's fixed surroundings.
#[derive(Debug, Clone)]
pub struct Scene {
    wall: Wall,
    wall_colour: Colour,
    ground: Ground,
    ground_colour: Colour,
    /// How far up the picture, from the feet, the ground ends.
    pub horizon: f32,
    props: Vec<Prop>,
    seed: u32,
}

/// What stands at the end of the ground.
#[derive(Debug, Clone, Copy)]
enum Wall {
    Brick,
    Plaster,
    Panels,
    Shop,
    Trees,
    Facade,
}

/// What people walk on.
#[derive(Debug, Clone, Copy)]
enum Ground {
    Asphalt,
    Slabs,
    Grass,
    Tiles,
    Cobbles,
}

/// A thing of the scene: a soft-edged shape, later ones over earlier ones.
#[derive(Debug, Clone, Copy)]
struct Prop {
    /// The middle.
    at: (f32, f32),
    /// Half width and half height.
    half: (f32, f32),
    colour: Colour,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Box,
    Oval,
    Leaves,
}

/// How far a scene extends to both sides.
pub const EXTENT: f32 = 3.0;

impl Scene {
    /// The scene of the camera with this number, counted from 0: neighbours look different.
    pub fn new(rng: &mut ChaCha8Rng, number: u64) -> Self {
        let (wall, ground, walls, grounds): (_, _, &[u32], &[u32]) = match number % 6 {
            0 => (Wall::Facade, Ground::Asphalt, &[0xb8ab9a, 0xc9c0b2, 0x9aa0a6], &[0x6f7072, 0x7d7c7a]),
            1 => (Wall::Brick, Ground::Slabs, &[0x9a5b45, 0x8a4f42, 0xa87a5c], &[0xa9a49b, 0x9b9690]),
            2 => (Wall::Trees, Ground::Grass, &[0x46603a, 0x5a7048], &[0x7d9a55, 0x8ba35f]),
            3 => (Wall::Shop, Ground::Tiles, &[0x3f4a52, 0x5b4a3e, 0x2f4f56], &[0xbdb4a6, 0xa8a29a]),
            4 => (Wall::Panels, Ground::Tiles, &[0xc9ced1, 0xb7c4c9], &[0xc6c4bd, 0x9ea6aa]),
            _ => (Wall::Plaster, Ground::Cobbles, &[0xd8c7a0, 0xcfa88a, 0xb9c2b0], &[0x928a80, 0x847f79]),
        };
        let choose = |rng: &mut ChaCha8Rng, list: &[u32]| colour(list[rng.random_range(0..list.len() as u32) as usize]);
        let mut scene = Self {
            wall,
            wall_colour: choose(rng, walls),
            ground,
            ground_colour: choose(rng, grounds),
            horizon: rng.random_range(0.22..0.55),
            props: Vec::new(),
            seed: rng.random(),
        };
        let mut x = -EXTENT;
        while x < EXTENT {
            scene.place(rng, x);
            x += rng.random_range(0.35..0.9);
        }
        scene
    }

    /// Puts one thing at a place along the scene.
    fn place(&mut self, rng: &mut ChaCha8Rng, x: f32) {
        let floor = self.horizon;
        let mut add = |dx: f32, y: f32, w: f32, h: f32, tone: Colour, form: Form| {
            self.props.push(Prop { at: (x + dx, y), half: (w, h), colour: tone, form })
        };
        let vivid =
            [0x2f5d8a, 0xa33b36, 0xd2a73c, 0x4f7f58, 0xe7e2d8, 0x51545a, 0x7a4f7d][rng.random_range(0..7u32) as usize];
        match (self.wall, rng.random_range(0..4u32)) {
            (Wall::Trees, 0..=2) => {
                let trunk = colour(0x54432f);
                add(0.0, floor + 0.25, rng.random_range(0.02..0.05), 0.3, trunk, Form::Box);
                let leaves = colour([0x3f5c30, 0x547a3a, 0x6b8a45][rng.random_range(0..3u32) as usize]);
                add(0.0, floor + 0.72, rng.random_range(0.2..0.4), 0.35, leaves, Form::Leaves);
            }
            (Wall::Trees, _) => {
                add(0.0, floor + 0.07, 0.25, 0.012, colour(0x7a5b3a), Form::Box);
                add(0.0, floor + 0.15, 0.25, 0.03, colour(0x8a6844), Form::Box);
                add(-0.2, floor + 0.03, 0.012, 0.05, colour(0x333333), Form::Box);
                add(0.2, floor + 0.03, 0.012, 0.05, colour(0x333333), Form::Box);
            }
            (Wall::Facade, 0) => {
                let paint = colour(vivid);
                add(0.0, floor + 0.10, 0.42, 0.075, paint, Form::Box);
                add(0.0, floor + 0.19, 0.24, 0.06, colour(0x2b333a), Form::Box);
                for wheel in [-0.26, 0.26] {
                    add(wheel, floor + 0.03, 0.06, 0.06, colour(0x17181a), Form::Oval);
                    add(wheel, floor + 0.03, 0.03, 0.03, colour(0x8d9195), Form::Oval);
                }
            }
            (Wall::Facade | Wall::Plaster, 1) | (Wall::Brick, 0) => {
                add(0.0, floor + 0.36, 0.17, 0.37, colour(0xd9d4ca), Form::Box);
                add(0.0, floor + 0.35, 0.145, 0.35, colour(vivid), Form::Box);
                add(0.09, floor + 0.33, 0.014, 0.014, colour(0xd8c27a), Form::Oval);
            }
            (Wall::Plaster | Wall::Brick, 2) | (Wall::Panels, 0..=1) => {
                add(0.0, floor + 0.48, 0.15, 0.2, colour(0xf0ece2), Form::Box);
                add(0.0, floor + 0.50, 0.13, 0.14, colour(vivid), Form::Box);
                add(0.03, floor + 0.47, 0.05, 0.05, colour(0xf4d9b0), Form::Oval);
            }
            (Wall::Panels, _) => add(0.0, 0.65, 0.07, 0.8, self.wall_colour * 0.72, Form::Box),
            (_, 3) => {
                add(0.0, floor + 0.02, 0.06, 0.11, colour(0x4a5a4c), Form::Box);
                add(0.0, floor + 0.14, 0.07, 0.02, colour(0x2e3a33), Form::Box);
            }
            (Wall::Shop, _) => {}
            _ => {
                add(0.0, floor + 0.02, 0.11, 0.06, colour(0x8d7660), Form::Box);
                add(0.0, floor + 0.17, 0.16, 0.14, colour(0x4f7040), Form::Leaves);
            }
        }
    }

    /// The light that comes from a place.
    pub fn at(&self, x: f32, y: f32) -> Colour {
        let back = if y > self.horizon { self.wall_at(x, y - self.horizon) } else { self.ground_at(x, y) };
        // Where wall and ground meet, dirt and shadow gather.
        let crease = smoothstep(0.035, 0.0, (y - self.horizon).abs());
        let mut light = back * (1.0 - 0.3 * crease);
        for prop in &self.props {
            let cover = prop.cover(x, y, self.seed);
            if cover > 0.0 {
                let lit = 0.85 + 0.3 * smoothstep(-1.0, 1.0, (y - prop.at.1) / prop.half.1);
                light = light.mix(prop.colour * lit, cover);
            }
        }
        light
    }

    fn wall_at(&self, x: f32, y: f32) -> Colour {
        let base = self.wall_colour;
        let stain = 0.88 + 0.24 * noise(x * 3.0, y * 3.0, self.seed);
        match self.wall {
            Wall::Brick => {
                let v = y * 22.0;
                let row = v.floor();
                let u = x * 9.0 + if row as i32 & 1 == 1 { 0.5 } else { 0.0 };
                let brick = 0.8 + 0.4 * hash(u.floor() as i32, row as i32, self.seed);
                let joint = (v - row < 0.16) || (u - u.floor() < 0.08);
                if joint { base.mix(colour(0xb9b0a2), 0.6) * stain } else { base * (brick * stain) }
            }
            Wall::Plaster => {
                let plinth = if y < 0.12 { 0.7 } else { 1.0 };
                base * (stain * plinth * (0.94 + 0.12 * noise(x * 40.0, y * 40.0, self.seed)))
            }
            Wall::Panels => {
                let (u, v) = (x * 2.2, y * 2.6);
                let joint = (u - u.floor() < 0.02) || (v - v.floor() < 0.02);
                base * (stain * if joint { 0.7 } else { 0.95 + 0.1 * (v - v.floor()) })
            }
            Wall::Shop => {
                let u = x * 1.4;
                let pane = u - u.floor();
                if !(0.06..=0.94).contains(&pane) || y < 0.1 {
                    return base * stain;
                }
                if y > 0.62 {
                    let sign = colour(
                        [0xb0413e, 0x2f6f73, 0xd9a441, 0x39506e]
                            [(hash(u.floor() as i32, 7, self.seed) * 4.0) as usize & 3],
                    );
                    return sign * if (0.68..0.76).contains(&y) && (0.3..0.7).contains(&pane) { 1.5 } else { 0.85 };
                }
                // Behind the glass: a warm, blurred interior with goods on shelves.
                let goods = noise(x * 11.0, y * 9.0, self.seed ^ 9);
                let warm = colour(0xe8c58c).mix(colour(0x5f4a3c), smoothstep(0.35, 0.7, goods));
                let glare = smoothstep(0.25, 0.0, (pane - 0.35 - 0.3 * y).abs());
                warm.mix(colour(0xcfdbe0), 0.35 * glare) * lerp(0.75, 1.0, y)
            }
            Wall::Trees => {
                let leaf = noise(x * 16.0, y * 16.0, self.seed) * 0.6 + noise(x * 5.0, y * 5.0, self.seed ^ 3) * 0.6;
                let sky = smoothstep(0.45, 0.8, y + 0.3 * (noise(x * 6.0, 1.0, self.seed) - 0.5));
                (base * (0.5 + 0.9 * leaf)).mix(colour(0xd5e0e6), sky * 0.8)
            }
            Wall::Facade => {
                let (u, v) = (x * 1.7, y * 2.1 - 0.35);
                let (pu, pv) = (u - u.floor(), v - v.floor());
                let window = (0.25..0.75).contains(&pu) && (0.2..0.8).contains(&pv) && y > 0.2;
                let frame = (0.21..0.79).contains(&pu) && (0.15..0.85).contains(&pv) && y > 0.18;
                if window {
                    let sky = hash(u.floor() as i32, v.floor() as i32, self.seed);
                    colour(0x39444d).mix(colour(0x9fb3c0), 0.6 * sky * pv)
                } else if frame {
                    base * 1.25
                } else {
                    base * (stain * if y < 0.16 { 0.8 } else { 1.0 })
                }
            }
        }
    }

    fn ground_at(&self, x: f32, y: f32) -> Colour {
        // The ground is seen at a slant: what is one unit up the picture is several units away.
        let (base, far) = (self.ground_colour, y * 3.2);
        let grain = 0.93 + 0.14 * noise(x * 55.0, far * 55.0, self.seed);
        let patch = 0.9 + 0.2 * noise(x * 2.5, far * 2.5, self.seed ^ 1);
        let lines = |u: f32, v: f32, gap: f32| (u - u.floor() < gap) || (v - v.floor() < gap);
        let tone = match self.ground {
            Ground::Asphalt => {
                // A lane's edge runs along the street.
                let edge = smoothstep(0.025, 0.012, (y - 0.6 * self.horizon).abs());
                return (base * (grain * patch)).mix(colour(0xd6d4cb), 0.7 * edge);
            }
            Ground::Slabs => {
                if lines(x * 2.4, far * 2.4, 0.03) {
                    0.72
                } else {
                    0.95 + 0.1 * hash((x * 2.4).floor() as i32, (far * 2.4).floor() as i32, self.seed)
                }
            }
            Ground::Grass => {
                return (base * (0.7 + 0.5 * noise(x * 70.0, far * 26.0, self.seed)))
                    .mix(colour(0xb7a98a), 0.85 * smoothstep(0.06, 0.03, (y - 0.02 - 0.1 * x).abs()))
                    * patch;
            }
            Ground::Tiles => {
                if lines(x * 4.0 + 0.1, far * 4.0, 0.035) {
                    0.82
                } else {
                    1.0
                }
            }
            Ground::Cobbles => {
                let v = far * 10.0;
                let u = x * 10.0 + if v.floor() as i32 & 1 == 1 { 0.5 } else { 0.0 };
                if lines(u, v, 0.14) { 0.66 } else { 0.85 + 0.3 * hash(u.floor() as i32, v.floor() as i32, self.seed) }
            }
        };
        base * (tone * grain * patch)
    }
}

impl Prop {
    fn cover(&self, x: f32, y: f32, seed: u32) -> f32 {
        let (u, v) = ((x - self.at.0) / self.half.0, (y - self.at.1) / self.half.1);
        if u.abs() > 1.3 || v.abs() > 1.3 {
            return 0.0;
        }
        match self.form {
            Form::Box => {
                let edge = ((1.0 - u.abs()) * self.half.0).min((1.0 - v.abs()) * self.half.1);
                smoothstep(-0.004, 0.006, edge)
            }
            Form::Oval => smoothstep(1.08, 0.92, u * u + v * v),
            Form::Leaves => smoothstep(1.1, 0.7, u * u + v * v + 1.1 * (noise(x * 22.0, y * 22.0, seed) - 0.5)),
        }
    }
}
