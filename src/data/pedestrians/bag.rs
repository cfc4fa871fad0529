//! What people carry.

use super::figure::{Figure, plain};
use super::identity::Bag;
use super::math::{Colour, colour, noise, vec3};
use super::paint::{Hit, Paint};
use super::skeleton::SHOULDER;

impl Figure<'_> {
    /// Draws the bag; straps that lie on the torso are part of its colour.
    pub fn bag(&mut self) {
        let id = self.identity;
        let (side, sink) = (id.bag_side, self.skeleton.sink);
        let hand = self.skeleton.fingers[usize::from(side < 0.0)];
        let (main, dark) = (id.bag_colour, id.bag_colour * 0.55);
        let back = 0.058 * id.build.weight + self.thick;
        match id.bag {
            Bag::None => {}
            Bag::Backpack => {
                self.block(vec3(0.0, 0.712 - sink, -back - 0.042), vec3(0.078, 0.108, 0.046), cloth_box(main));
                self.block(
                    vec3(0.0, 0.672 - sink, -back - 0.085),
                    vec3(0.058, 0.052, 0.02),
                    cloth_box(dark.mix(main, 0.5)),
                );
            }
            Bag::Crossbody => {
                let x = side * (0.112 * id.build.hips * id.build.weight + self.thick);
                self.block(vec3(x, 0.535 - sink, 0.012), vec3(0.03, 0.056, 0.07), cloth_box(main));
            }
            Bag::Tote => {
                let x = side * (0.125 * id.build.shoulders + self.thick);
                let centre = vec3(x, 0.60 - sink, -0.03);
                self.block(centre, vec3(0.03, 0.075, 0.085), cloth_box(main));
                let top = vec3(side * 0.088, SHOULDER + 0.03 - sink, -0.005);
                for end in [0.05, -0.05] {
                    self.limb(top, centre + vec3(0.0, 0.06, end), [0.008, 0.007], false, plain(dark));
                }
            }
            Bag::Handbag => {
                self.block(hand + vec3(0.0, -0.095, 0.0), vec3(0.032, 0.062, 0.075), cloth_box(main));
                for end in [0.04, -0.04] {
                    self.limb(hand, hand + vec3(0.0, -0.045, end), [0.006, 0.006], false, plain(dark));
                }
            }
            Bag::Suitcase => {
                let centre = vec3(hand.x + side * 0.015, 0.2, hand.z - 0.15);
                self.limb(hand, centre + vec3(0.0, 0.14, 0.0), [0.007, 0.007], false, plain(colour(0x707478)));
                self.block(
                    centre,
                    vec3(0.085, 0.15, 0.052),
                    Box::new(move |hit: &mut Hit| {
                        // Ribs of a hard shell.
                        let rib = (hit.at.x * 3.0).fract().abs();
                        Some(if rib < 0.2 && hit.at.z.abs() > 0.9 { main * 0.6 } else { main })
                    }),
                );
                for wheel in [-0.06, 0.06] {
                    self.limb(
                        centre + vec3(wheel, -0.15, 0.0),
                        centre + vec3(wheel, -0.175, 0.0),
                        [0.016, 0.016],
                        false,
                        plain(colour(0x1a1a1c)),
                    );
                }
            }
        }
    }
}

/// The colour of a bag: seams and a lid tell which way is up.
fn cloth_box<'a>(main: Colour) -> Paint<'a> {
    Box::new(move |hit: &mut Hit| {
        let seam = (hit.at.y - 0.45).abs() < 0.06 || hit.at.y < -0.86;
        Some(main * if seam { 0.62 } else { 0.9 + 0.2 * noise(hit.at.x * 4.0, hit.at.y * 4.0, 11) })
    })
}
