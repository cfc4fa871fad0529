//! By what the points of a map are coloured, and the groups that this makes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::map::{Role, Spot};
use crate::data::dataset::UNKNOWN;

/// What decides a point's colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Colouring {
    /// Who it is.
    #[default]
    Identity,
    /// Its resolution: how many times smaller it is than a sharp image.
    Rate,
    /// Which camera took it.
    Camera,
    /// What a person decided about it.
    #[value(skip)]
    Verdict,
    /// Whether it is a query or a gallery image.
    Role,
}

impl Colouring {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Rate, Self::Camera, Self::Verdict, Self::Role];

    /// Its name in a menu.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "Identity",
            Self::Rate => "Resolution",
            Self::Camera => "Camera",
            Self::Verdict => "Verdict",
            Self::Role => "Query or gallery",
        }
    }
}

/// What a person decided about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It shows the person that is searched for.
    Same,
    /// It shows somebody else.
    Different,
    /// It was looked at and left open.
    Unsure,
}

/// Where a map asks for verdicts: the answer of a case about an image, by its file.
pub type Verdicts<'a> = &'a dyn Fn(&std::path::Path) -> Option<Verdict>;

/// A red, green and blue of 8 bits each.
pub type Rgb = [u8; 3];

/// The shape of a point. A few groups differ by shape as well as by colour, for colour-blind eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Marker {
    /// The usual one.
    Disc,
    /// An upright square.
    Square,
    /// A triangle that points up.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// An upright cross.
    Plus,
    /// A cross of diagonals.
    Cross,
}

impl Marker {
    /// All of them, in the order of their use.
    pub const ALL: [Self; 6] = [Self::Disc, Self::Square, Self::Triangle, Self::Diamond, Self::Plus, Self::Cross];
}

/// One group of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name in the legend.
    pub name: String,
    /// Its colour.
    pub colour: Rgb,
    /// Its shape.
    pub marker: Marker,
    /// Points in it.
    pub size: usize,
}

/// The groups of a map by one colouring.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groups {
    /// The groups, in the order of the legend.
    pub list: Vec<Group>,
    /// The group of each spot: an index into the list.
    pub of: Vec<u32>,
}

impl Groups {
    /// Sorts `spots` into groups. `trained` are the rates that the model was trained with, where that is known; `dark` chooses
    /// colours for a dark ground.
    pub fn new(spots: &[Spot], by: Colouring, trained: &[f64], verdicts: Verdicts<'_>, dark: bool) -> Self {
        let keys: Vec<i64> = spots.iter().map(|spot| key(spot, by, verdicts)).collect();
        let mut sizes: BTreeMap<i64, usize> = BTreeMap::new();
        keys.iter().for_each(|&key| *sizes.entry(key).or_default() += 1);
        // What is not known comes last.
        let mut order: Vec<i64> = sizes.keys().copied().filter(|&key| key != UNKNOWN).collect();
        order.extend(sizes.contains_key(&UNKNOWN).then_some(UNKNOWN));
        let place: BTreeMap<i64, u32> = order.iter().enumerate().map(|(at, &key)| (key, at as u32)).collect();
        let few = order.len() <= Marker::ALL.len() && by != Colouring::Identity;
        let list = order
            .iter()
            .enumerate()
            .map(|(at, &key)| Group {
                name: name(key, by, trained),
                colour: if key == UNKNOWN { unknown(dark) } else { colour(at, order.len(), key, by, dark) },
                marker: if few { Marker::ALL[at] } else { Marker::Disc },
                size: sizes[&key],
            })
            .collect();
        Self { list, of: keys.iter().map(|key| place[key]).collect() }
    }
}

/// What spots of one group share.
fn key(spot: &Spot, by: Colouring, verdicts: Verdicts<'_>) -> i64 {
    match by {
        Colouring::Identity => spot.identity.max(UNKNOWN),
        Colouring::Camera => spot.camera.max(UNKNOWN),
        Colouring::Rate => rate_key(spot.rate),
        Colouring::Role => spot.role as i64,
        Colouring::Verdict => match verdicts(&spot.path) {
            Some(Verdict::Same) => 0,
            Some(Verdict::Different) => 1,
            Some(Verdict::Unsure) => 2,
            None => UNKNOWN,
        },
    }
}

/// A rate as a label: thousandths.
pub fn rate_key(rate: f32) -> i64 {
    (f64::from(rate) * 1000.0).round() as i64
}

fn name(key: i64, by: Colouring, trained: &[f64]) -> String {
    match by {
        Colouring::Identity if key == UNKNOWN => "Identity unknown".into(),
        Colouring::Identity => format!("Person {key}"),
        Colouring::Camera if key == UNKNOWN => "Camera unknown".into(),
        Colouring::Camera => format!("Camera {key}"),
        Colouring::Rate => {
            let seen = trained.is_empty() || key == 1000 || trained.iter().any(|&r| rate_key(r as f32) == key);
            format!("{}{}", rate_name(key as f32 / 1000.0), if seen { "" } else { ", unseen in training" })
        }
        Colouring::Role if key == Role::Query as i64 => "Query".into(),
        Colouring::Role => "Gallery".into(),
        Colouring::Verdict => match key {
            0 => "✓ Same person".into(),
            1 => "✗ Different person".into(),
            2 => "? Unsure".into(),
            _ => "No verdict".into(),
        },
    }
}

/// "r = 4".
pub fn rate_name(rate: f32) -> String {
    format!("r = {rate}")
}

/// Okabe and Ito's colours without black and yellow, lightened for a dark ground and darkened for a light one.
const FEW_DARK: [Rgb; 6] = [
    [0x5A, 0xB4, 0xE9],
    [0xE6, 0xA2, 0x1A],
    [0x2F, 0xC2, 0x94],
    [0xEE, 0x7A, 0x3B],
    [0xD3, 0x8A, 0xBB],
    [0xF2, 0xE3, 0x5B],
];
const FEW_LIGHT: [Rgb; 6] = [
    [0x1B, 0x78, 0xB8],
    [0xB8, 0x7A, 0x00],
    [0x0B, 0x83, 0x5E],
    [0xC4, 0x4A, 0x0E],
    [0x9C, 0x47, 0x85],
    [0x8A, 0x83, 0x0C],
];
/// From sharp to coarse: blue, green, amber, red-purple; lightness falls or rises along the way.
const RATES_DARK: [Rgb; 5] =
    [[0x6E, 0xB2, 0xFF], [0x35, 0xC9, 0xA5], [0xE8, 0xC0, 0x3A], [0xF2, 0x7F, 0x45], [0xE8, 0x6F, 0xC0]];
const RATES_LIGHT: [Rgb; 5] =
    [[0x1A, 0x63, 0xBD], [0x0B, 0x86, 0x6A], [0xA8, 0x83, 0x00], [0xC8, 0x50, 0x12], [0xA8, 0x2D, 0x80]];

fn unknown(dark: bool) -> Rgb {
    if dark { [0x6B, 0x75, 0x82] } else { [0x97, 0xA1, 0xAD] }
}

fn colour(at: usize, groups: usize, key: i64, by: Colouring, dark: bool) -> Rgb {
    let few = if dark { FEW_DARK } else { FEW_LIGHT };
    match by {
        Colouring::Verdict => [few[2], few[3], few[0]][key.clamp(0, 2) as usize],
        Colouring::Role => few[if key == Role::Query as i64 { 1 } else { 0 }],
        Colouring::Rate => {
            let scale = if dark { RATES_DARK } else { RATES_LIGHT };
            // Spread over the scale, so that two rates are as far apart as five would be.
            let place = at as f32 / (groups.max(2) - 1) as f32 * (scale.len() - 1) as f32;
            let (low, part) =
                ((place as usize).min(scale.len() - 2), place - (place as usize).min(scale.len() - 2) as f32);
            mix(scale[low], scale[low + 1], part)
        }
        _ if groups <= few.len() => few[at],
        _ => many(at, dark),
    }
}

/// `a` and `b`, with `part` of b.
pub fn mix(a: Rgb, b: Rgb, part: f32) -> Rgb {
    [0, 1, 2].map(|c| (f32::from(a[c]) + (f32::from(b[c]) - f32::from(a[c])) * part).round() as u8)
}

/// One of many colours: hues by the golden angle in OKLCH, at three lightnesses and two strengths in turn, so that groups which
/// follow one another are told apart.
fn many(at: usize, dark: bool) -> Rgb {
    let hue = (at as f32 * 137.508 + 30.0).to_radians();
    // After 21 and 34 steps the hue is nearly the same again: another lightness then.
    let again = 0.08 * (at / 21 % 2) as f32;
    let lightness = if dark { [0.76, 0.68, 0.84][at % 3] - again } else { [0.58, 0.48, 0.66][at % 3] - again };
    let chroma = [0.15, 0.10][at / 3 % 2];
    oklch(lightness, chroma, hue)
}

/// Björn Ottosson's OKLCH to sRGB, clipped.
fn oklch(lightness: f32, chroma: f32, hue: f32) -> Rgb {
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let cube = |x: f32| x * x * x;
    let l = cube(lightness + 0.396_337_78 * a + 0.215_803_76 * b);
    let m = cube(lightness - 0.105_561_346 * a - 0.063_854_17 * b);
    let s = cube(lightness - 0.089_484_18 * a - 1.291_485_5 * b);
    let linear = [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ];
    linear.map(|x| {
        let x = x.clamp(0.0, 1.0);
        let encoded = if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
        (encoded * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(identity: i64, rate: f32, camera: i64) -> Spot {
        Spot { path: format!("{identity}.png").into(), identity, camera, rate, role: Role::Gallery }
    }

    #[test]
    fn groups_are_named_counted_and_ordered() {
        let spots = [spot(7, 8.0, 1), spot(-1, 1.0, 2), spot(3, 2.0, 1), spot(7, 1.0, -1)];
        let by = |by| {
            let groups = Groups::new(&spots, by, &[2.0, 3.0, 4.0], &|_| None, true);
            let list: Vec<(String, usize)> = groups.list.iter().map(|g| (g.name.clone(), g.size)).collect();
            (list, groups.of)
        };
        let name = |n: &str, size| (n.to_string(), size);
        let (list, of) = by(Colouring::Identity);
        assert_eq!(list, [name("Person 3", 1), name("Person 7", 2), name("Identity unknown", 1)]);
        assert_eq!(of, [1, 2, 0, 1]);
        let (list, _) = by(Colouring::Rate);
        assert_eq!(list, [name("r = 1", 2), name("r = 2", 1), name("r = 8, unseen in training", 1)]);
        assert_eq!(by(Colouring::Camera).0.last(), Some(&name("Camera unknown", 1)));
        assert_eq!(by(Colouring::Verdict).0, [name("No verdict", 4)]);
        assert_eq!(by(Colouring::Role).0, [name("Gallery", 4)]);
    }

    #[test]
    fn verdicts_come_through_the_seam() {
        let spots = [spot(1, 1.0, 1), spot(2, 1.0, 1), spot(3, 1.0, 1)];
        let verdicts = |path: &std::path::Path| match path.to_str() {
            Some("1.png") => Some(Verdict::Different),
            Some("2.png") => Some(Verdict::Same),
            _ => None,
        };
        let groups = Groups::new(&spots, Colouring::Verdict, &[], &verdicts, true);
        assert_eq!(groups.of, [1, 0, 2]);
        assert_eq!(groups.list[0].name, "✓ Same person");
    }

    #[test]
    fn thirty_five_colours_are_all_different() {
        for dark in [true, false] {
            let spots: Vec<Spot> = (0..35).map(|i| spot(i, 1.0, 1)).collect();
            let groups = Groups::new(&spots, Colouring::Identity, &[], &|_| None, dark);
            for (i, a) in groups.list.iter().enumerate() {
                for b in &groups.list[..i] {
                    let apart: i32 = (0..3).map(|c| (i32::from(a.colour[c]) - i32::from(b.colour[c])).abs()).sum();
                    assert!(apart > 12, "{a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn few_groups_differ_by_shape_as_well() {
        let spots: Vec<Spot> = [1.0, 2.0, 4.0, 8.0].iter().map(|&r| spot(1, r, 1)).collect();
        let groups = Groups::new(&spots, Colouring::Rate, &[], &|_| None, false);
        let markers: std::collections::BTreeSet<Marker> = groups.list.iter().map(|g| g.marker).collect();
        assert_eq!(markers.len(), 4);
    }
}
