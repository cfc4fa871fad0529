//! A small software rasteriser: solid shapes, seen without perspective, into a depth buffer.
//!
//! Each shape answers one question exactly or nearly so: where does a ray along the view first meet it? The answer gives
//! depth and surface normal for every sample, to which [`Canvas::shade`] adds the light. There are a few samples a pixel; averaging them smooths the edges.

use super::math::{Colour, Turn, Vec3, lerp, vec3};

/// The view of one image: how the body's frame falls on the samples.
#[derive(Debug, Clone, Copy)]
pub struct Lens {
    /// Where the person faces: 0 to the viewer, a quarter turn to the viewer's right.
    pub yaw: Turn,
    /// How far the camera looks down.
    pub pitch: Turn,
    /// Body heights at the left edge of the canvas.
    pub left: f32,
    /// Body heights at the upper edge of the canvas.
    pub top: f32,
    /// Samples in a body height.
    pub scale: f32,
    /// How much nearer to the viewer the body stands than others.
    pub depth: f32,
}

impl Lens {
    /// From the body's frame to the view's: x to the right, y up, z to the viewer.
    pub fn project(&self, p: Vec3) -> Vec3 {
        let (x, z) = (p.x * self.yaw.cos + p.z * self.yaw.sin, p.z * self.yaw.cos - p.x * self.yaw.sin);
        vec3(x, p.y * self.pitch.cos - z * self.pitch.sin, p.y * self.pitch.sin + z * self.pitch.cos)
    }

    /// From the view's frame back to the body's.
    pub fn unproject(&self, p: Vec3) -> Vec3 {
        let z = p.z * self.pitch.cos - p.y * self.pitch.sin;
        let y = p.y * self.pitch.cos + p.z * self.pitch.sin;
        vec3(p.x * self.yaw.cos - z * self.yaw.sin, y, z * self.yaw.cos + p.x * self.yaw.sin)
    }

    /// The same view with the body turned further to its left by an angle.
    pub fn turned(&self, by: Turn) -> Self {
        let yaw = Turn {
            sin: self.yaw.sin * by.cos + self.yaw.cos * by.sin,
            cos: self.yaw.cos * by.cos - self.yaw.sin * by.sin,
        };
        Self { yaw, ..*self }
    }
}

/// A horizontal section of a torso or a garment, in the body's frame.
#[derive(Debug, Clone, Copy)]
pub struct Ring {
    /// Its height.
    pub y: f32,
    /// How far its centre lies to the front.
    pub z: f32,
    /// Half its width.
    pub width: f32,
    /// Half its depth.
    pub depth: f32,
}

/// A solid in the body's frame.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A tapering limb between two joints; the end is cut flat where `cut` says so, else round.
    Limb { from: Vec3, to: Vec3, radii: [f32; 2], cut: bool },
    /// A stack of elliptic sections, from the top down.
    Loft(Vec<Ring>),
    /// An ellipsoid.
    Ball { centre: Vec3, radii: Vec3 },
    /// A box with softened edges.
    Block { centre: Vec3, half: Vec3 },
}

/// Where a ray met a shape.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// A limb: across -1..1, along 0..1, towards the viewer 0..1. A loft: the place in the body's frame.
    /// Ball and block: the place in units of its half sizes.
    pub at: Vec3,
    /// The surface normal in the view's frame; a material may bend it.
    pub normal: Vec3,
}

/// What colours a surface; `None` where the surface has a hole.
pub type Paint<'a> = Box<dyn Fn(&mut Hit) -> Option<Colour> + 'a>;

/// The samples of one image.
#[derive(Debug)]
pub struct Canvas {
    /// Samples in a row.
    pub width: usize,
    /// Rows of samples.
    pub height: usize,
    /// Distance to the viewer, larger being nearer; [`EMPTY`] where nothing is.
    pub(super) depth: Vec<f32>,
    /// Surface normals in the view's frame.
    pub(super) normal: Vec<Vec3>,
    /// The colours of the surfaces, not lit yet.
    pub(super) colour: Vec<Colour>,
}

/// The depth of a sample that shows nothing.
pub(super) const EMPTY: f32 = -1e9;

impl Canvas {
    /// An empty canvas.
    pub fn new(width: usize, height: usize) -> Self {
        let n = width * height;
        Self {
            width,
            height,
            depth: vec![EMPTY; n],
            normal: vec![Vec3::default(); n],
            colour: vec![Vec3::default(); n],
        }
    }

    /// Draws a shape; what is nearer hides what is farther, in whatever order they are drawn.
    pub fn draw(&mut self, lens: &Lens, shape: &Shape, paint: &Paint) {
        match shape {
            Shape::Limb { from, to, radii, cut } => self.limb(lens, *from, *to, *radii, *cut, paint),
            Shape::Loft(rings) => self.loft(lens, rings, paint),
            Shape::Ball { centre, radii } => self.solid(lens, *centre, *radii, true, paint),
            Shape::Block { centre, half } => self.solid(lens, *centre, *half, false, paint),
        }
    }

    fn put(&mut self, index: usize, z: f32, mut hit: Hit, paint: &Paint) {
        if z > self.depth[index]
            && let Some(colour) = paint(&mut hit)
        {
            self.depth[index] = z;
            self.normal[index] = hit.normal;
            self.colour[index] = colour;
        }
    }

    /// The samples whose centres lie in a box of the view, as column and row ranges.
    fn window(&self, lens: &Lens, low: (f32, f32), high: (f32, f32)) -> [std::ops::Range<usize>; 2] {
        let clip = |v: f32, end: usize| v.clamp(0.0, end as f32) as usize;
        let column = |x: f32| (x - lens.left) * lens.scale;
        let row = |y: f32| (lens.top - y) * lens.scale;
        [
            clip(column(low.0).floor(), self.width)..clip(column(high.0).ceil(), self.width),
            clip(row(high.1).floor(), self.height)..clip(row(low.1).ceil(), self.height),
        ]
    }

    fn limb(&mut self, lens: &Lens, from: Vec3, to: Vec3, radii: [f32; 2], cut: bool, paint: &Paint) {
        let (a, b) = (lens.project(from), lens.project(to));
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let inverse = 1.0 / (dx * dx + dy * dy).max(1e-7);
        let low = ((a.x - radii[0]).min(b.x - radii[1]), (a.y - radii[0]).min(b.y - radii[1]));
        let high = ((a.x + radii[0]).max(b.x + radii[1]), (a.y + radii[0]).max(b.y + radii[1]));
        let [columns, rows] = self.window(lens, low, high);
        let length = (dx * dx + dy * dy).sqrt().max(1e-4);
        for row in rows {
            let y = lens.top - (row as f32 + 0.5) / lens.scale;
            for column in columns.clone() {
                let x = lens.left + (column as f32 + 0.5) / lens.scale;
                let (px, py) = (x - a.x, y - a.y);
                let free = (px * dx + py * dy) * inverse;
                if cut && free > 1.0 {
                    continue;
                }
                let along = free.clamp(0.0, 1.0);
                let radius = lerp(radii[0], radii[1], along);
                let (ox, oy) = (px - dx * along, py - dy * along);
                let d2 = ox * ox + oy * oy;
                if d2 >= radius * radius {
                    continue;
                }
                let front = (1.0 - d2 / (radius * radius)).sqrt();
                let z = lens.depth + lerp(a.z, b.z, along) + radius * front;
                let across = (px * dy - py * dx) / (length * radius);
                let normal = vec3(ox / radius, oy / radius, front);
                self.put(row * self.width + column, z, Hit { at: vec3(across, along, front), normal }, paint);
            }
        }
    }

    fn loft(&mut self, lens: &Lens, rings: &[Ring], paint: &Paint) {
        let centres: Vec<Vec3> = rings.iter().map(|r| lens.project(vec3(0.0, r.y, r.z))).collect();
        let (sin, cos) = (lens.yaw.sin, lens.yaw.cos);
        let reach = rings.iter().map(|r| r.width.max(r.depth) + r.z.abs()).fold(0.0, f32::max);
        let (Some(first), Some(last)) = (centres.first(), centres.last()) else {
            return;
        };
        let [columns, rows] = self.window(lens, (-reach, last.y), (reach, first.y));
        for row in rows {
            let y = lens.top - (row as f32 + 0.5) / lens.scale;
            let Some(i) = (0..rings.len() - 1).find(|&i| y <= centres[i].y && y > centres[i + 1].y) else {
                continue;
            };
            let share = (centres[i].y - y) / (centres[i].y - centres[i + 1].y);
            let ring = smooth_ring(rings, i, share);
            // How the section grows downward tilts the surface up or down.
            let next = smooth_ring(rings, i, share + 0.02);
            let fall = 0.02 * (rings[i].y - rings[i + 1].y);
            let (tilt_w, tilt_d) = ((next.width - ring.width) / fall, (next.depth - ring.depth) / fall);
            let centre = lens.project(vec3(0.0, ring.y, ring.z));
            let (ia, ib) = (1.0 / (ring.width * ring.width), 1.0 / (ring.depth * ring.depth));
            let a = sin * sin * ia + cos * cos * ib;
            for column in columns.clone() {
                let dx = lens.left + (column as f32 + 0.5) / lens.scale - centre.x;
                let b = 2.0 * dx * sin * cos * (ib - ia);
                let c = dx * dx * (cos * cos * ia + sin * sin * ib) - 1.0;
                let inside = b * b - 4.0 * a * c;
                if inside <= 0.0 {
                    continue;
                }
                let dz = (inside.sqrt() - b) / (2.0 * a);
                let (bx, bz) = (dx * cos - dz * sin, dx * sin + dz * cos);
                let (nx, nz) = (bx * ia, bz * ib);
                let flat = (nx * nx + nz * nz).sqrt().max(1e-6);
                let (ux, uz) = (nx / flat, nz / flat);
                let tilt = (tilt_w * ux * ux + tilt_d * uz * uz).clamp(-3.0, 3.0);
                let normal = vec3(ux * cos + uz * sin, tilt, uz * cos - ux * sin).unit();
                // A point on the front is seen lower than the section's centre: its true height is higher.
                let height = ring.y + dz * lens.pitch.sin / lens.pitch.cos;
                self.put(
                    row * self.width + column,
                    lens.depth + centre.z + dz,
                    Hit { at: vec3(bx, height, ring.z + bz), normal },
                    paint,
                );
            }
        }
    }

    /// Ellipsoids and boxes: a ray along the view, taken into the frame in which the solid has half size 1.
    fn solid(&mut self, lens: &Lens, centre: Vec3, half: Vec3, round: bool, paint: &Paint) {
        let middle = lens.project(centre);
        let scale = vec3(1.0 / half.x, 1.0 / half.y, 1.0 / half.z);
        let d = lens.unproject(vec3(0.0, 0.0, 1.0)).times(scale);
        let reach = if round { half.x.max(half.y).max(half.z) } else { half.length() };
        let [columns, rows] =
            self.window(lens, (middle.x - reach, middle.y - reach), (middle.x + reach, middle.y + reach));
        for row in rows {
            let y = lens.top - (row as f32 + 0.5) / lens.scale;
            for column in columns.clone() {
                let x = lens.left + (column as f32 + 0.5) / lens.scale;
                let o = lens.unproject(vec3(x - middle.x, y - middle.y, 0.0)).times(scale);
                let Some((dz, at)) = (if round { meet_ball(o, d) } else { meet_block(o, d) }) else {
                    continue;
                };
                let outward = if round { at } else { soften(at) };
                let normal = lens.project(outward.times(scale)).unit();
                self.put(row * self.width + column, lens.depth + middle.z + dz, Hit { at, normal }, paint);
            }
        }
    }
}

/// The section at a share between ring `i` and the next, on a smooth curve through all rings (Catmull-Rom).
fn smooth_ring(rings: &[Ring], i: usize, share: f32) -> Ring {
    let [p, a, b, q] = [rings[i.saturating_sub(1)], rings[i], rings[i + 1], rings[(i + 2).min(rings.len() - 1)]];
    let t = share;
    let curve = |p: f32, a: f32, b: f32, q: f32| {
        a + 0.5 * t * (b - p + t * (2.0 * p - 5.0 * a + 4.0 * b - q + t * (3.0 * (a - b) + q - p)))
    };
    Ring {
        y: lerp(a.y, b.y, t),
        z: curve(p.z, a.z, b.z, q.z),
        width: curve(p.width, a.width, b.width, q.width).max(0.004),
        depth: curve(p.depth, a.depth, b.depth, q.depth).max(0.004),
    }
}

fn meet_ball(o: Vec3, d: Vec3) -> Option<(f32, Vec3)> {
    let (a, b, c) = (d.dot(d), o.dot(d), o.dot(o) - 1.0);
    let inside = b * b - a * c;
    if inside <= 0.0 {
        return None;
    }
    let dz = (inside.sqrt() - b) / a;
    Some((dz, o + d * dz))
}

fn meet_block(o: Vec3, d: Vec3) -> Option<(f32, Vec3)> {
    let (mut low, mut high) = (f32::MIN, f32::MAX);
    for (o, d) in [(o.x, d.x), (o.y, d.y), (o.z, d.z)] {
        let d = if d.abs() < 1e-6 { 1e-6 } else { d };
        let (p, q) = ((-1.0 - o) / d, (1.0 - o) / d);
        low = low.max(p.min(q));
        high = high.min(p.max(q));
    }
    if low >= high {
        return None;
    }
    let at = o + d * high;
    // Corners are worn off.
    let power = |v: f32| (v * v) * (v * v) * (v * v);
    (power(at.x) + power(at.y) + power(at.z) < 2.2).then_some((high, at))
}

/// The normal of a box whose edges are rounded.
fn soften(at: Vec3) -> Vec3 {
    let power = |v: f32| v * v * v * v * v;
    vec3(power(at.x), power(at.y), power(at.z))
}
