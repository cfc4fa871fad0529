//! Dressing a skeleton: body and clothes of an identity, drawn into a canvas.

use super::head;
use super::identity::{Identity, LowerKind};
use super::math::{Colour, Vec3, colour, lerp, smoothstep, vec3};
use super::outfit;
use super::paint::{Canvas, Hit, Lens, Paint, Ring, Shape};
use super::skeleton::Skeleton;

/// Draws a person; the lens says from where.
pub fn draw(canvas: &mut Canvas, lens: &Lens, identity: &Identity, skeleton: &Skeleton, look: f32) {
    let mut figure = Figure { canvas, lens, identity, skeleton, thick: 0.004 + 0.012 * identity.upper.loose };
    if identity.upper.quilted {
        figure.thick += 0.008;
    }
    // Clothes are worn over each other, however the legs swing: the inner ones stand back a little.
    let behind = |by: f32| Lens { depth: lens.depth - by, ..*lens };
    let coat = if identity.upper.hem < 0.46 { 0.035 } else { 0.012 };
    let skirt = match identity.lower.kind {
        LowerKind::Skirt(_) | LowerKind::Dress(_) => 0.03,
        _ => 0.0,
    };
    let (hips, legs) = (behind(coat), behind(coat + skirt));
    figure.lens = &legs;
    figure.leg(0);
    figure.leg(1);
    figure.lens = &hips;
    figure.hips();
    figure.lens = lens;
    figure.arm(0);
    figure.arm(1);
    figure.torso();
    figure.neck();
    figure.bag();
    head::draw(figure.canvas, lens, identity, look, skeleton.sink);
}

/// A person being drawn.
pub struct Figure<'a> {
    canvas: &'a mut Canvas,
    lens: &'a Lens,
    pub(super) identity: &'a Identity,
    pub(super) skeleton: &'a Skeleton,
    /// How far the upper garment stands off the body.
    pub(super) thick: f32,
}

impl<'a> Figure<'a> {
    pub(super) fn limb(&mut self, from: Vec3, to: Vec3, radii: [f32; 2], cut: bool, paint: Paint<'a>) {
        self.canvas.draw(self.lens, &Shape::Limb { from, to, radii, cut }, &paint);
    }

    pub(super) fn block(&mut self, centre: Vec3, half: Vec3, paint: Paint<'a>) {
        self.canvas.draw(self.lens, &Shape::Block { centre, half }, &paint);
    }

    fn leg(&mut self, side: usize) {
        let (id, s) = (self.identity, self.skeleton);
        let (knee, ankle) = (s.knees[side], s.ankles[side]);
        let hidden = self.hidden_share(s.hips[side], knee);
        let hip = s.hips[side] + (knee - s.hips[side]) * hidden;
        let weight = 1.0 + 0.8 * (id.build.weight - 1.0);
        let knee_radius = 0.036 * weight;
        let bare = [lerp(0.056 * weight * id.build.hips, knee_radius, hidden), knee_radius, 0.031 * weight, 0.022];
        let skin = id.skin;
        self.shoe(side);
        let covered = match id.lower.kind {
            LowerKind::Trousers => 2.0,
            LowerKind::Shorts(share) => share,
            LowerKind::Skirt(_) | LowerKind::Dress(_) => 0.0,
        };
        if covered < 2.0 {
            self.limb(hip, knee, [bare[0], bare[1]], false, plain(skin));
            // The calf is fullest a third down.
            let calf = knee + (ankle - knee) * 0.35 + vec3(0.0, 0.0, -0.004);
            self.limb(knee, calf, [bare[1] * 0.98, bare[2] * 1.12], false, plain(skin));
            self.limb(calf, ankle, [bare[2] * 1.12, bare[3]], false, plain(skin));
        }
        let loose = id.lower.loose;
        let radius = |bare: f32, more: f32| bare + 0.003 + more * loose;
        let outer = if side == 0 { 1.0 } else { -1.0 };
        let cloth = move |part: f32| -> Paint<'a> {
            Box::new(move |hit: &mut Hit| Some(outfit::trousers(&id.lower, hit, part, outer)))
        };
        if covered == 2.0 {
            let hem = ankle + (ankle - knee) * 0.05;
            self.limb(hip, knee, [radius(bare[0], 0.008), radius(bare[1], 0.013)], false, cloth(0.0));
            self.limb(knee, hem, [radius(bare[1], 0.013), radius(bare[3] + 0.004, 0.02)], true, cloth(1.0));
        } else if covered > 0.0 {
            let hem = hip + (knee - hip) * covered;
            let end = lerp(bare[0], bare[1], covered);
            self.limb(hip, hem, [radius(bare[0], 0.012), radius(end, 0.02) + 0.004], true, cloth(0.0));
        }
    }

    /// The share of a thigh that a skirt or a closed coat covers: it is not drawn, as cloth that moves would give way.
    fn hidden_share(&self, hip: Vec3, knee: Vec3) -> f32 {
        let id = self.identity;
        let coat = if id.upper.open.is_none() { id.upper.hem } else { 1.0 };
        let hem = match id.lower.kind {
            LowerKind::Skirt(hem) | LowerKind::Dress(hem) => hem.min(coat),
            _ => coat,
        };
        let share = (hip.y - hem - 0.05 + self.skeleton.sink) / (hip.y - knee.y).max(1e-3);
        if hem < 0.46 { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn shoe(&mut self, side: usize) {
        let (id, s) = (self.identity, self.skeleton);
        let (heel, toe, ankle) = (s.heels[side], s.toes[side], s.ankles[side]);
        let instep = heel + (toe - heel) * 0.45 + vec3(0.0, 0.006, 0.0);
        self.limb(heel, toe, [0.021, 0.017], false, plain(id.shoes));
        self.limb(ankle, instep, [0.022, 0.019], false, plain(id.shoes));
        let sole = if id.white_sole { colour(0xe8e6e1) } else { id.shoes * 0.4 };
        let down = vec3(0.0, -0.009, 0.0);
        self.limb(heel + down, toe + down, [0.0185, 0.0155], false, plain(sole));
    }

    /// The part of the lower garment that is not legs.
    fn hips(&mut self) {
        let id = self.identity;
        let (build, sink) = (&id.build, self.skeleton.sink);
        let weight = build.weight;
        let seat = [
            Ring { y: 0.635 - sink, z: 0.0, width: 0.082 * weight, depth: 0.057 * weight },
            Ring { y: 0.585 - sink, z: -0.003, width: 0.090 * weight * build.hips, depth: 0.064 * weight },
            Ring { y: 0.525 - sink, z: -0.006, width: 0.098 * weight * build.hips, depth: 0.071 * weight },
            Ring { y: 0.475 - sink, z: -0.004, width: 0.092 * weight * build.hips, depth: 0.064 * weight },
            Ring { y: 0.450 - sink, z: 0.0, width: 0.050 * weight * build.hips, depth: 0.040 * weight },
        ];
        let hem = match id.lower.kind {
            LowerKind::Skirt(hem) | LowerKind::Dress(hem) => Some(hem),
            _ => None,
        };
        let mut rings = seat.to_vec();
        if let Some(hem) = hem {
            rings.truncate(3);
            for share in [0.25, 0.5, 0.75, 1.0] {
                rings.push(self.drape(lerp(0.525, hem, share) - sink, 0.006 + 0.03 * share * id.lower.loose));
            }
        }
        let dress = matches!(id.lower.kind, LowerKind::Dress(_));
        let paint: Paint<'a> = Box::new(move |hit: &mut Hit| {
            if dress {
                return outfit::upper(&id.upper, hit, 0.0);
            }
            outfit::fold(hit, hit.at.x * 30.0, hit.at.y * if hem.is_some() { 4.0 } else { 20.0 }, 0.35);
            Some(id.lower.colour)
        });
        self.canvas.draw(self.lens, &Shape::Loft(rings), &paint);
    }

    /// A section of cloth hanging around both legs.
    fn drape(&self, y: f32, room: f32) -> Ring {
        let (near, far) = self.skeleton.spread(y);
        let build = &self.identity.build;
        let leg = lerp(0.036, 0.056, smoothstep(0.28, 0.5, y)) * build.weight;
        Ring {
            y,
            z: 0.5 * (near + far),
            width: 0.052 * build.hips + 1.08 * leg + room,
            depth: 0.55 * (far - near) + 1.1 * leg + 0.006 + room,
        }
    }

    fn torso(&mut self) {
        let id = self.identity;
        let (build, sink, thick) = (&id.build, self.skeleton.sink, self.thick);
        let (w, sh) = (build.weight, build.shoulders);
        let belly = 1.0 + 1.6 * (w - 1.0);
        let ring = |y: f32, z: f32, width: f32, depth: f32, room: f32| Ring {
            y: y - sink,
            z,
            width: width + room * thick,
            depth: depth + room * thick,
        };
        let body = [
            ring(0.868, -0.006, 0.030, 0.030, 0.2),
            ring(0.850, -0.006, 0.046 * sh, 0.038, 0.3),
            ring(0.829, -0.006, 0.080 * sh, 0.046, 0.5),
            ring(0.795, -0.004, 0.106 * sh, 0.056 * w, 0.8),
            ring(0.730, 0.004, 0.099 * sh * (0.5 + 0.5 * w), 0.067 * w, 0.9),
            ring(0.630, 0.004, 0.082 * belly.min(w * 1.15), 0.058 * belly, 1.3),
            ring(0.530, -0.002, 0.096 * w * build.hips, 0.069 * w, 1.1),
        ];
        let hem = id.upper.hem;
        let mut rings: Vec<Ring> = body.into_iter().filter(|r| r.y + sink > hem + 0.015).collect();
        if hem >= 0.515 {
            rings.push(ring(hem, -0.002, 0.093 * w * build.hips, 0.067 * w, 1.2));
        } else {
            for share in [0.34, 0.67, 1.0] {
                let y = lerp(0.53, hem, share);
                let mut drape = self.drape(y - sink, thick + 0.008 * share);
                drape.width = drape.width.max(0.094 * w * build.hips + thick);
                drape.depth = drape.depth.max(0.062 * w + thick);
                rings.push(drape);
            }
        }
        let paint: Paint<'a> = Box::new(move |hit: &mut Hit| {
            hit.at.y += sink;
            outfit::strap(id, hit).or_else(|| outfit::upper(&id.upper, hit, hem))
        });
        self.canvas.draw(self.lens, &Shape::Loft(rings), &paint);
    }

    fn neck(&mut self) {
        let id = self.identity;
        let sink = vec3(0.0, -self.skeleton.sink, 0.0);
        self.limb(
            vec3(0.0, 0.835, -0.008) + sink,
            vec3(0.0, 0.895, 0.002) + sink,
            [0.031, 0.027],
            false,
            plain(id.skin * 0.92),
        );
        if let Some(scarf) = id.scarf {
            let wool: Paint<'a> = Box::new(move |hit: &mut Hit| {
                outfit::fold(hit, hit.at.x * 3.0, hit.at.y * 2.0, 0.7);
                Some(scarf)
            });
            self.canvas.draw(
                self.lens,
                &Shape::Ball { centre: vec3(0.0, 0.857, 0.004) + sink, radii: vec3(0.054, 0.026, 0.05) },
                &wool,
            );
            let end = vec3(0.022, 0.72, 0.078 * id.build.weight + self.thick) + sink;
            let tail: Paint<'a> = Box::new(move |_| Some(scarf));
            self.canvas.draw(
                self.lens,
                &Shape::Limb { from: vec3(0.012, 0.85, 0.045) + sink, to: end, radii: [0.016, 0.019], cut: true },
                &tail,
            );
        }
        if id.upper.hooded && id.headwear != super::identity::Headwear::Hood {
            let hood = id.upper.colour * 0.9;
            self.canvas.draw(
                self.lens,
                &Shape::Ball { centre: vec3(0.0, 0.838, -0.048) + sink, radii: vec3(0.062, 0.034, 0.034) },
                &plain(hood),
            );
        }
    }

    fn arm(&mut self, side: usize) {
        let (id, s) = (self.identity, self.skeleton);
        let (shoulder, elbow, wrist) = (s.shoulders[side], s.elbows[side], s.wrists[side]);
        let weight = 1.0 + 0.7 * (id.build.weight - 1.0);
        let bare = [0.031 * weight, 0.026 * weight, 0.018];
        let sleeve = id.upper.sleeve;
        if sleeve < 0.9 {
            self.limb(shoulder, elbow, [bare[0], bare[1]], false, plain(id.skin));
            self.limb(elbow, wrist, [bare[1] * 0.95, bare[2]], false, plain(id.skin));
        }
        let thick = 0.003 + 0.6 * self.thick;
        let cloth = move |from: f32, to: f32| -> Paint<'a> {
            Box::new(move |hit: &mut Hit| Some(outfit::sleeve(&id.upper, hit, from, to)))
        };
        if sleeve > 0.9 {
            self.limb(shoulder, elbow, [bare[0] + thick, bare[1] + thick], false, cloth(0.0, 0.5));
            self.limb(elbow, wrist, [bare[1] + thick, bare[2] + thick + 0.003], true, cloth(0.5, 1.0));
        } else if sleeve > 0.0 {
            let hem = shoulder + (elbow - shoulder) * (2.0 * sleeve);
            self.limb(shoulder, hem, [bare[0] + thick, bare[0] + thick + 0.004], true, cloth(0.0, sleeve));
        }
        self.limb(wrist, s.fingers[side], [0.0165, 0.0125], false, plain(id.skin));
    }
}

/// One colour all over.
pub fn plain<'a>(colour: Colour) -> Paint<'a> {
    Box::new(move |_| Some(colour))
}
