//! Cloth: the colour of a garment at a place on the body, and how it folds.

use super::identity::{Bag, Identity, Lower, Pattern, Upper};
use super::math::{Colour, colour, noise, smoothstep};
use super::paint::Hit;

/// Bends the surface normal as folds of cloth do; `u`, `v` are in folds.
pub fn fold(hit: &mut Hit, u: f32, v: f32, strength: f32) {
    hit.normal.x += strength * (noise(u, v, 3) - 0.5);
    hit.normal.y += strength * (noise(u + 40.0, v, 5) - 0.5);
}

/// The colour of the upper garment on the torso; `at` is in body heights, upright. A coat that is open shows, below
/// the shirt, a hole through which the legs are seen.
pub fn upper(garment: &Upper, hit: &mut Hit, hem: f32) -> Option<Colour> {
    let at = hit.at;
    let front = at.z > 0.0;
    fold(hit, at.x * 22.0, at.y * 14.0, 0.25 + 0.3 * garment.loose);
    if let Some(inner) = garment.open {
        let gap = 0.020 + 0.05 * smoothstep(0.86, 0.5, at.y);
        if front && at.x.abs() < gap {
            return (at.y > 0.53 || hem > 0.5).then_some(inner);
        }
        if front && at.x.abs() < gap + 0.014 && at.y > 0.66 {
            return Some(garment.colour * 0.7);
        }
    }
    if garment.quilted {
        hit.normal.y += 0.55 * wave(at.y * 24.0);
    }
    // A print is centred on chest or back, where the surface faces front or back.
    let around = around(at.x, at.z);
    let base = pattern(garment, around, at.y, false);
    let second = garment.second;
    let print = match garment.pattern {
        Pattern::Logo => front && at.x.abs() < 0.048 && (at.y - 0.725).abs() < 0.034,
        Pattern::BackPrint if front => (at.x - 0.045).abs() < 0.018 && (at.y - 0.755).abs() < 0.014,
        Pattern::BackPrint => at.x.abs() < 0.062 && (at.y - 0.715).abs() < 0.052,
        _ => false,
    };
    let mut cloth = if print { second } else { base };
    // The zip or the row of buttons of a jacket; the seam of a shirt's neck.
    if garment.sleeve > 0.9
        && garment.open.is_none()
        && front
        && at.x.abs() < 0.0035
        && (garment.quilted || garment.hooded || hem < 0.45)
    {
        cloth = cloth * 0.5;
    }
    if at.y > 0.848 {
        cloth = cloth * 0.75;
    }
    Some(cloth)
}

/// The colour of a sleeve; the limb's part covers `from..to` of the arm.
pub fn sleeve(garment: &Upper, hit: &mut Hit, from: f32, to: f32) -> Colour {
    let along = from + (to - from) * hit.at.y;
    let height = 0.81 - 0.31 * along;
    fold(hit, hit.at.x * 1.5, along * 11.0, 0.3 + 0.3 * garment.loose);
    if garment.quilted {
        hit.normal.y += 0.5 * wave(height * 24.0);
    }
    let cuff = along > garment.sleeve - 0.03;
    pattern(garment, hit.at.x * 0.05, height, true) * if cuff { 0.8 } else { 1.0 }
}

/// The repeated part of a pattern at a place around and along the body.
fn pattern(garment: &Upper, around: f32, height: f32, sleeve: bool) -> Colour {
    let odd = |position: f32| position.floor() as i32 & 1 == 1;
    let (main, second) = (garment.colour, garment.second);
    let is_second = match garment.pattern {
        Pattern::Plain | Pattern::Logo | Pattern::BackPrint => false,
        Pattern::Stripes(n) => odd(height * n * 2.0),
        Pattern::Pinstripes(n) => odd(around * n * 2.0),
        Pattern::Checks(n) => {
            // Where bands cross the second colour is full, on one band alone half.
            let (a, b) = (odd(around * n * 2.0), odd(height * n * 2.0));
            return main.mix(second, 0.5 * f32::from(u8::from(a)) + 0.5 * f32::from(u8::from(b)));
        }
        Pattern::Yoke => height > 0.735,
        Pattern::Band => (height - 0.70).abs() < 0.035,
        Pattern::Sleeves => sleeve,
        Pattern::Reflective => {
            if [0.58, 0.68].iter().any(|band| (height - band).abs() < 0.013) {
                return colour(0xe9ecdf);
            }
            false
        }
        Pattern::Dots => {
            let (u, v) = (around * 30.0, height * 30.0);
            let row = v.floor();
            let shift = if row as i32 & 1 == 1 { 0.5 } else { 0.0 };
            let (du, dv) = ((u + shift) - (u + shift).floor() - 0.5, v - row - 0.5);
            du * du + dv * dv < 0.07
        }
    };
    if is_second { second } else { main }
}

/// The strap of a bag where it lies on the torso.
pub fn strap(identity: &Identity, hit: &Hit) -> Option<Colour> {
    let at = hit.at;
    let dark = identity.bag_colour * 0.6;
    match identity.bag {
        Bag::Backpack => (at.z > -0.02 && (at.x.abs() - 0.062).abs() < 0.0115 && at.y > 0.66).then_some(dark),
        Bag::Crossbody => {
            let share = (at.y - 0.55) / 0.29;
            let line = identity.bag_side * (0.105 - 0.165 * share);
            (share > 0.0 && (at.x - line).abs() < 0.0105).then_some(dark)
        }
        _ => None,
    }
}

/// The colour of a trouser leg; `part` is 0 at the thigh and 1 at the shin, `outer` the sign of the outer side.
pub fn trousers(garment: &Lower, hit: &mut Hit, part: f32, outer: f32) -> Colour {
    let along = part + hit.at.y;
    // Cloth gathers behind the knee and above the shoe.
    let gather = 0.25 + 0.5 * smoothstep(0.35, 0.0, (along - 1.0).abs()) + 0.6 * smoothstep(1.7, 2.0, along);
    fold(hit, hit.at.x * 1.4 + 9.0 * outer, along * 9.0, gather * (0.4 + 0.6 * garment.loose));
    match garment.stripe {
        Some(stripe) if (hit.at.x * outer).abs() > 0.62 => stripe,
        _ => garment.colour,
    }
}

/// How far around the body a place is, in body heights; 0 in the front.
fn around(x: f32, z: f32) -> f32 {
    let side = x / (x.abs() + z.abs()).max(1e-6);
    0.13 * if z > 0.0 { side } else { x.signum() * (2.0 - side.abs()) }
}

/// A wave of period 1 and height 1, made of parabolas.
fn wave(t: f32) -> f32 {
    let r = 2.0 * (t - t.floor()) - 1.0;
    4.0 * r * (1.0 - r.abs())
}
