//! Heads: face, hair and what is worn over it.

use super::figure::plain;
use super::identity::{Hair, Headwear, Identity};
use super::math::{Colour, Turn, Vec3, colour, noise, smoothstep, vec3};
use super::outfit::fold;
use super::paint::{Canvas, Hit, Lens, Paint, Shape};

/// The height of the chin.
const CHIN: f32 = 0.866;

/// Draws the head of a person whose body sank by `sink` with the step; `look` turns it to the person's left.
pub fn draw(canvas: &mut Canvas, lens: &Lens, identity: &Identity, look: f32, sink: f32) {
    let size = identity.build.head;
    let mut head = Head {
        lens: lens.turned(Turn::new(look)),
        canvas,
        id: identity,
        size,
        centre: vec3(0.0, CHIN - sink + 0.062 * size, 0.008),
    };
    head.face();
    head.hair();
    head.headwear();
}

struct Head<'a> {
    canvas: &'a mut Canvas,
    lens: Lens,
    id: &'a Identity,
    size: f32,
    centre: Vec3,
}

impl<'a> Head<'a> {
    /// An ellipsoid, placed and sized as on an average head.
    fn ball(&mut self, offset: Vec3, radii: Vec3, paint: &Paint<'a>) {
        let shape = Shape::Ball { centre: self.centre + offset * self.size, radii: radii * self.size };
        self.canvas.draw(&self.lens, &shape, paint);
    }

    fn limb(&mut self, from: Vec3, to: Vec3, radii: [f32; 2], paint: &Paint<'a>) {
        let at = |p: Vec3| self.centre + p * self.size;
        let shape = Shape::Limb { from: at(from), to: at(to), radii: radii.map(|r| r * self.size), cut: false };
        self.canvas.draw(&self.lens, &shape, paint);
    }

    fn face(&mut self) {
        let id = self.id;
        for (offset, radii) in [
            (vec3(0.0, 0.006, -0.004), vec3(0.0455, 0.056, 0.055)),
            (vec3(0.0, -0.024, 0.008), vec3(0.036, 0.042, 0.043)),
        ] {
            let paint: Paint<'a> = Box::new(move |hit: &mut Hit| Some(face_colour(id, hit.at.times(radii) + offset)));
            self.ball(offset, radii, &paint);
        }
        for side in [-1.0, 1.0] {
            self.ball(vec3(side * 0.046, -0.004, -0.004), vec3(0.007, 0.015, 0.011), &plain(id.skin * 0.9));
        }
        self.ball(vec3(0.0, -0.011, 0.050), vec3(0.0075, 0.013, 0.010), &plain(id.skin));
    }

    fn hair(&mut self) {
        let id = self.id;
        let covered = matches!(id.headwear, Headwear::Hood | Headwear::Headscarf);
        if id.hair == Hair::Bald || covered {
            return;
        }
        let main = id.hair_colour;
        let strands = move |hit: &Hit| main * (0.75 + 0.5 * noise(hit.at.x * 7.0 + hit.at.z * 3.0, hit.at.y * 2.0, 21));
        // How far down hair reaches at the back, and how much it adds to the skull.
        let (nape, volume) = match id.hair {
            Hair::Short => (-0.35, 1.06),
            Hair::Bob => (-2.0, 1.17),
            Hair::Curly => (-0.7, 1.3),
            Hair::Long => (-2.0, 1.13),
            _ => (-0.55, 1.08),
        };
        let curly = id.hair == Hair::Curly;
        let shell: Paint<'a> = Box::new(move |hit: &mut Hit| {
            let at = hit.at;
            // The face stays free below the hairline, the ears where hair is short.
            let side = if nape > -1.0 { 0.0 } else { 0.30 };
            let forehead = 0.44 - 0.45 * at.x * at.x;
            if (at.z > side && at.y < forehead) || at.y < nape + 0.3 * at.z.max(0.0) {
                return None;
            }
            if curly {
                fold(hit, at.x * 5.0, at.y * 5.0, 1.6);
            }
            Some(strands(hit))
        });
        self.ball(vec3(0.0, 0.009, -0.007), vec3(0.0455, 0.056, 0.055) * volume, &shell);
        let lock: Paint<'a> = Box::new(move |hit: &mut Hit| Some(strands(hit)));
        match id.hair {
            Hair::Bob => self.ball(vec3(0.0, -0.022, -0.022), vec3(0.052, 0.042, 0.038), &lock),
            Hair::Long => {
                self.ball(vec3(0.0, -0.062, -0.036), vec3(0.056, 0.078, 0.034), &lock);
                for side in [-1.0, 1.0] {
                    self.limb(
                        vec3(side * 0.043, 0.0, -0.006),
                        vec3(side * 0.047, -0.092, 0.004),
                        [0.013, 0.016],
                        &lock,
                    );
                }
            }
            Hair::Ponytail => {
                self.ball(vec3(0.0, 0.012, -0.062), vec3(0.016, 0.016, 0.016), &lock);
                self.limb(vec3(0.0, 0.008, -0.066), vec3(0.0, -0.1, -0.075), [0.017, 0.012], &lock);
            }
            Hair::Bun => self.ball(vec3(0.0, 0.038, -0.056), vec3(0.026, 0.025, 0.024), &lock),
            _ => {}
        }
    }

    fn headwear(&mut self) {
        let id = self.id;
        let main = id.headwear_colour;
        let skull = vec3(0.0455, 0.056, 0.055);
        let above = move |limit: f32, slope: f32, hit: &Hit| hit.at.y > limit + slope * hit.at.z;
        match id.headwear {
            Headwear::None => {}
            Headwear::Cap => {
                let crown: Paint<'a> = Box::new(move |hit: &mut Hit| above(0.22, 0.14, hit).then_some(main));
                self.ball(vec3(0.0, 0.010, -0.003), skull * 1.17, &crown);
                self.ball(vec3(0.0, 0.031, 0.062), vec3(0.039, 0.006, 0.042), &plain(main * 0.75));
            }
            Headwear::Beanie => {
                let wool: Paint<'a> = Box::new(move |hit: &mut Hit| {
                    fold(hit, hit.at.x * 9.0, hit.at.y * 2.0, 0.5);
                    above(0.18, 0.22, hit).then(|| main * if above(0.46, 0.22, hit) { 1.0 } else { 0.72 })
                });
                self.ball(vec3(0.0, 0.015, -0.004), skull * 1.2, &wool);
            }
            Headwear::Hat => {
                let crown: Paint<'a> = Box::new(move |hit: &mut Hit| {
                    above(0.25, 0.0, hit).then(|| if hit.at.y < 0.5 { main * 0.45 } else { main })
                });
                self.ball(vec3(0.0, 0.012, -0.003), vec3(0.05, 0.07, 0.06), &crown);
                self.ball(vec3(0.0, 0.031, 0.0), vec3(0.084, 0.008, 0.09), &plain(main));
            }
            Headwear::Hood => {
                let hood: Paint<'a> = Box::new(move |hit: &mut Hit| opening(hit, 0.62, 0.86).then(|| main * 0.95));
                self.ball(vec3(0.0, -0.002, -0.008), vec3(0.06, 0.074, 0.068), &hood);
                self.ball(vec3(0.0, -0.056, -0.012), vec3(0.056, 0.034, 0.052), &plain(main * 0.85));
            }
            Headwear::Headscarf => {
                let scarf: Paint<'a> = Box::new(move |hit: &mut Hit| {
                    fold(hit, hit.at.x * 2.0, hit.at.y * 3.0, 0.6);
                    opening(hit, 0.60, 0.80).then_some(main)
                });
                self.ball(vec3(0.0, -0.002, -0.006), vec3(0.053, 0.067, 0.062), &scarf);
                let drape: Paint<'a> = Box::new(move |hit: &mut Hit| {
                    fold(hit, hit.at.x * 3.0, hit.at.y * 3.0, 0.9);
                    Some(main * 0.95)
                });
                self.ball(vec3(0.0, -0.078, -0.004), vec3(0.068, 0.042, 0.062), &drape);
            }
        }
    }
}

/// Whether cloth around a face is there: not where the face looks out.
fn opening(hit: &Hit, width: f32, height: f32) -> bool {
    let (x, y) = (hit.at.x / width, (hit.at.y + 0.06) / height);
    hit.at.z < 0.2 || x * x + y * y > 1.0
}

/// The colour of the face at a place, in body heights from the head's centre.
fn face_colour(id: &Identity, p: Vec3) -> Colour {
    let skin = id.skin;
    if p.z < 0.0 {
        return skin * 0.95;
    }
    let spot = |x: f32, y: f32, w: f32, h: f32| {
        let (u, v) = ((p.x.abs() - x) / w, (p.y - y) / h);
        smoothstep(1.3, 0.6, u * u + v * v)
    };
    let blush = skin.times(vec3(1.02, 0.84, 0.80));
    let mut face = skin.mix(blush, 0.6 * spot(0.022, -0.016, 0.014, 0.011));
    if id.beard {
        let chin = smoothstep(-0.014, -0.026, p.y + 0.3 * (p.x.abs() - 0.02).min(0.0));
        face = face.mix(id.hair_colour, 0.75 * chin);
    }
    face = face.mix(skin.times(vec3(0.62, 0.28, 0.28)), 0.85 * spot(0.0, -0.034, 0.013, 0.0048));
    face = face.mix(skin * 0.55, 0.5 * spot(0.0, -0.024, 0.008, 0.003));
    face = face.mix(skin * 0.5, 0.3 * spot(0.0175, 0.006, 0.0125, 0.010));
    face = face.mix(colour(0x14100e), 0.9 * spot(0.0175, 0.004, 0.0075, 0.0058));
    face = face.mix(id.hair_colour * 0.8, 0.75 * spot(0.0185, 0.0185, 0.0115, 0.0042));
    if id.glasses {
        let (u, v) = ((p.x.abs() - 0.018) / 0.0145, (p.y - 0.004) / 0.011);
        let rim = u * u + v * v;
        let bridge = p.x.abs() < 0.005 && (p.y - 0.006).abs() < 0.003;
        if (0.62..1.25).contains(&rim) || bridge {
            face = face.mix(colour(0x101114), 0.85);
        }
    }
    face
}
