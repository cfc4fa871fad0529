//! Who someone is: everything about a person that every camera sees alike.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::math::{Colour, Purpose, colour, stream};

/// A person: body, hair, clothes and bag. A pure function of the crowd's seed and the identity's number.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The proportions of the body.
    pub build: Build,
    /// The colour of the skin.
    pub skin: Colour,
    /// The hair, or the lack of it.
    pub hair: Hair,
    /// The colour of hair and brows.
    pub hair_colour: Colour,
    /// Whether a beard frames the mouth.
    pub beard: bool,
    /// Whether glasses are worn.
    pub glasses: bool,
    /// What is worn on the head.
    pub headwear: Headwear,
    /// The colour of what is worn on the head.
    pub headwear_colour: Colour,
    /// What covers the torso and the arms.
    pub upper: Upper,
    /// What covers the hips and the legs.
    pub lower: Lower,
    /// The colour of the shoes.
    pub shoes: Colour,
    /// Whether the shoes have a white sole.
    pub white_sole: bool,
    /// The scarf, if one is worn.
    pub scarf: Option<Colour>,
    /// What is carried.
    pub bag: Bag,
    /// The colour of what is carried.
    pub bag_colour: Colour,
    /// The side on which it is carried: 1 left, -1 right.
    pub bag_side: f32,
    /// How far this person swings arms and legs: about 1.
    pub stride: f32,
}

/// The proportions of a body; each is a factor on the average, about 1.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// Height against other people: 0.86 to 1.1. It tells in the proportions, as a detector's crop hides the height itself.
    pub height: f32,
    /// Girth of torso and limbs.
    pub weight: f32,
    /// Width of the shoulders.
    pub shoulders: f32,
    /// Width of the hips.
    pub hips: f32,
    /// Size of the head.
    pub head: f32,
}

/// How hair is worn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hair {
    /// None.
    Bald,
    /// Close to the skull.
    Short,
    /// Fuller, over the ears.
    Bob,
    /// Down over the shoulders.
    Long,
    /// Tied at the back.
    Ponytail,
    /// In a knot on the back of the head.
    Bun,
    /// Round and wide.
    Curly,
}

/// What is worn on the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headwear {
    /// Nothing.
    None,
    /// A cap with a peak.
    Cap,
    /// A knitted hat.
    Beanie,
    /// A hat with a brim all around.
    Hat,
    /// The hood of the upper garment.
    Hood,
    /// A scarf over hair and neck.
    Headscarf,
}

/// The garment of the torso.
#[derive(Debug, Clone, Copy)]
pub struct Upper {
    /// Its main colour.
    pub colour: Colour,
    /// The colour of its pattern.
    pub second: Colour,
    /// The pattern.
    pub pattern: Pattern,
    /// How much of the arm the sleeves cover: 0 none, 0.45 short, 1 long.
    pub sleeve: f32,
    /// The height of the hem in body heights: 0.53 at the hips, 0.25 for a long coat.
    pub hem: f32,
    /// How loose it hangs: 0 tight to 1 wide.
    pub loose: f32,
    /// What shows in the front where it is worn open.
    pub open: Option<Colour>,
    /// Whether it is quilted.
    pub quilted: bool,
    /// Whether a hood lies on the back.
    pub hooded: bool,
}

/// The pattern of the upper garment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pattern {
    /// One colour.
    Plain,
    /// Bands around the body; the number in a body height.
    Stripes(f32),
    /// Bands up and down.
    Pinstripes(f32),
    /// Both.
    Checks(f32),
    /// A print on the chest.
    Logo,
    /// A print on the back and a small one on the chest.
    BackPrint,
    /// The top in the second colour.
    Yoke,
    /// One wide band around the chest.
    Band,
    /// Sleeves in the second colour.
    Sleeves,
    /// Reflective bands around body and sleeves.
    Reflective,
    /// Many small dots.
    Dots,
}

/// The garment of the legs.
#[derive(Debug, Clone, Copy)]
pub struct Lower {
    /// What it is.
    pub kind: LowerKind,
    /// Its colour.
    pub colour: Colour,
    /// A stripe down the side.
    pub stripe: Option<Colour>,
    /// How wide it hangs: 0 tight to 1 wide.
    pub loose: f32,
}

/// Kinds of garments for the legs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LowerKind {
    /// To the ankles.
    Trousers,
    /// To the knees or above; the share of the thigh covered is given.
    Shorts(f32),
    /// A skirt; the height of its hem is given, in body heights.
    Skirt(f32),
    /// A dress of the upper garment's colour down to the height given.
    Dress(f32),
}

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bag {
    /// Nothing.
    None,
    /// On the back.
    Backpack,
    /// Across the body, at the hip.
    Crossbody,
    /// Hanging from a shoulder.
    Tote,
    /// In a hand.
    Handbag,
    /// Wheeled behind.
    Suitcase,
}

const SKINS: [u32; 8] = [0xf3d3bd, 0xe9bd9c, 0xe0ac85, 0xd09a70, 0xb98058, 0x97643f, 0x75492e, 0x573524];
const HAIRS: [u32; 9] = [0x17130f, 0x1f1a17, 0x2b201a, 0x4a3020, 0x6b4a2c, 0x8a3f22, 0xc9a063, 0xe0c48a, 0xb6b3ae];
/// Clothes of cities: dark and grey ones first, and more often.
const UPPERS: [u32; 30] = [
    0x1b1c20, 0x24262c, 0x2c3038, 0x1e2a44, 0x2a3d63, 0x3a3f46, 0x5b6068, 0x868b92, 0xc4c7ca, 0xeceae4, 0xf4f2ee,
    0xdccfb4, 0xb2936a, 0x7a5a3c, 0x4a3426, 0x4d5a37, 0x2f4a38, 0x2f7d4f, 0x7fb685, 0x2b8a8c, 0x3fa7d6, 0x2f62c9,
    0x86a9dd, 0x5b3f8c, 0xa98bc9, 0xd96c9b, 0xf0b3c4, 0xc22f35, 0xe2762a, 0xf0c336,
];
const LOWERS: [u32; 15] = [
    0x16171a, 0x1e2024, 0x22304d, 0x2d4268, 0x46618c, 0x7f97b8, 0x33363b, 0x5c6066, 0x8e8f8f, 0xb9a27c, 0xd6c6a4,
    0x5a4632, 0x515a3c, 0xe6e3dc, 0x6e2630,
];
const SHOES: [u32; 8] = [0x18181a, 0x2a211b, 0xf0efec, 0x6c4a2f, 0x8b8d90, 0x27345c, 0xb8322f, 0x3c3d40];
const BAGS: [u32; 12] = [
    0x1c1d20, 0x2a3350, 0x5d3b23, 0x94683c, 0x6d7278, 0xb02e33, 0x2c6e49, 0xe0b12f, 0xd9d2c4, 0x7a3b66, 0xe58a3a,
    0x2e7fa8,
];

impl Identity {
    /// The identity of a number in the crowd of a seed.
    pub fn new(seed: u64, number: u64) -> Self {
        let rng = &mut stream(seed, Purpose::Identity, number, 0);
        // Fashion goes with the build in most people: it steers the odds below and decides nothing alone.
        let curvy = chance(rng, 0.5);
        let build = build(rng, curvy);
        let shade = rng.random_range(0..SKINS.len() as u32) as usize;
        let skin = tint(rng, SKINS[shade], 0.05);
        let hair = hair(rng, curvy);
        // Dark hair with dark skin; fair hair only with fair skin.
        let fairest = if shade < 3 { HAIRS.len() } else { 4 };
        let hair_colour = {
            let which = rng_index(rng, fairest);
            tint(rng, HAIRS[which], 0.05)
        };
        let upper = upper(rng, curvy);
        let lower = lower(rng, curvy, &upper);
        let headwear = headwear(rng, curvy, &upper);
        let headwear_colour = if headwear == Headwear::Hood { upper.colour } else { pick(rng, &UPPERS) };
        let scarf =
            (headwear != Headwear::Headscarf && upper.sleeve > 0.9 && chance(rng, 0.16)).then(|| pick(rng, &UPPERS));
        Self {
            build,
            skin,
            hair,
            hair_colour,
            beard: !curvy && chance(rng, 0.25),
            glasses: chance(rng, 0.2),
            headwear,
            headwear_colour,
            upper,
            lower,
            shoes: pick(rng, &SHOES),
            white_sole: chance(rng, 0.4),
            scarf,
            bag: bag(rng, curvy),
            bag_colour: pick(rng, &BAGS),
            bag_side: if chance(rng, 0.5) { 1.0 } else { -1.0 },
            stride: rng.random_range(0.7..1.15),
        }
    }
}

fn build(rng: &mut ChaCha8Rng, curvy: bool) -> Build {
    let height = if curvy { rng.random_range(0.86..1.02) } else { rng.random_range(0.92..1.10) };
    Build {
        height,
        weight: 0.86 + 0.5 * rng.random::<f32>() * rng.random::<f32>() + 0.04 * rng.random::<f32>(),
        shoulders: rng.random_range(0.94..1.08) * if curvy { 0.92 } else { 1.05 },
        hips: rng.random_range(0.94..1.08) * if curvy { 1.07 } else { 0.95 },
        // The shorter the person, the larger the head's share.
        head: rng.random_range(0.97..1.05) * (1.0 + 0.45 * (1.0 - height)),
    }
}

fn hair(rng: &mut ChaCha8Rng, curvy: bool) -> Hair {
    use Hair::*;
    let styles: &[Hair] = if curvy {
        &[Long, Long, Long, Ponytail, Ponytail, Bun, Bob, Bob, Short, Curly]
    } else {
        &[Short, Short, Short, Short, Short, Bald, Curly, Bob]
    };
    styles[rng_index(rng, styles.len())]
}

fn upper(rng: &mut ChaCha8Rng, curvy: bool) -> Upper {
    let main = pick(rng, &UPPERS);
    let second = contrasting(rng, main);
    let sleeve = [0.0, 0.42, 0.45, 0.48, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0][rng_index(rng, 11)];
    let pattern = match rng.random_range(0..20u32) {
        0..=7 => Pattern::Plain,
        8 | 9 => Pattern::Stripes(rng.random_range(14.0..30.0)),
        10 => Pattern::Pinstripes(rng.random_range(22.0..36.0)),
        11 | 12 => Pattern::Checks(rng.random_range(12.0..20.0)),
        13 => Pattern::Logo,
        14 => Pattern::BackPrint,
        15 => Pattern::Yoke,
        16 => Pattern::Band,
        17 => Pattern::Sleeves,
        18 => Pattern::Dots,
        _ => Pattern::Reflective,
    };
    let long = sleeve > 0.9;
    let hem = match rng.random_range(0..10u32) {
        0 | 1 if long => rng.random_range(0.24..0.34),
        2 | 3 if long => rng.random_range(0.36..0.44),
        4 if curvy => rng.random_range(0.42..0.48),
        _ => rng.random_range(0.485..0.535),
    };
    let coat = long && hem < 0.45;
    let open = (long && chance(rng, if coat { 0.5 } else { 0.3 })).then(|| contrasting(rng, main));
    Upper {
        colour: main,
        second,
        // Long coats are sober.
        pattern: if coat && rng.random_range(0..4u32) > 0 { Pattern::Plain } else { pattern },
        sleeve,
        hem,
        loose: rng.random::<f32>() * if long { 1.0 } else { 0.6 },
        open,
        quilted: long && chance(rng, 0.2),
        hooded: long && chance(rng, 0.3),
    }
}

fn lower(rng: &mut ChaCha8Rng, curvy: bool, upper: &Upper) -> Lower {
    let summer = upper.sleeve < 0.9;
    let kind = match rng.random_range(0..10u32) {
        0 | 1 if curvy => LowerKind::Skirt(rng.random_range(0.16..0.36)),
        2 if curvy && upper.hem > 0.45 => LowerKind::Dress(rng.random_range(0.18..0.36)),
        3..=5 if summer => LowerKind::Shorts(rng.random_range(0.55..1.0)),
        _ => LowerKind::Trousers,
    };
    let palette: &[u32] = if matches!(kind, LowerKind::Skirt(_)) && chance(rng, 0.6) { &UPPERS } else { &LOWERS };
    let loose = if curvy { 0.6 * rng.random::<f32>() } else { rng.random_range(0.25..1.0) };
    let colour = pick(rng, palette);
    Lower { kind, colour, stripe: chance(rng, 0.12).then(|| contrasting(rng, colour)), loose }
}

fn headwear(rng: &mut ChaCha8Rng, curvy: bool, upper: &Upper) -> Headwear {
    match rng.random_range(0..20u32) {
        0 | 1 => Headwear::Cap,
        2 if upper.sleeve > 0.9 => Headwear::Beanie,
        3 => Headwear::Hat,
        4 if upper.hooded => Headwear::Hood,
        5 | 6 if curvy => Headwear::Headscarf,
        _ => Headwear::None,
    }
}

fn bag(rng: &mut ChaCha8Rng, curvy: bool) -> Bag {
    match rng.random_range(0..20u32) {
        0..=5 => Bag::Backpack,
        6 | 7 => Bag::Crossbody,
        8 | 9 if curvy => Bag::Tote,
        10 | 11 => Bag::Handbag,
        12 => Bag::Suitcase,
        _ => Bag::None,
    }
}

fn chance(rng: &mut ChaCha8Rng, share: f64) -> bool {
    rng.random_bool(share)
}

/// An index below `length`. Drawn as 32 bits, so that it is the same on machines of any word size.
fn rng_index(rng: &mut ChaCha8Rng, length: usize) -> usize {
    rng.random_range(0..length as u32) as usize
}

fn pick(rng: &mut ChaCha8Rng, palette: &[u32]) -> Colour {
    let hex = palette[rng_index(rng, palette.len())];
    tint(rng, hex, 0.06)
}

/// A colour close to the one given, as no two dyes are alike.
fn tint(rng: &mut ChaCha8Rng, hex: u32, spread: f32) -> Colour {
    let brighter = 1.0 + rng.random_range(-2.0 * spread..2.0 * spread);
    let mut shift = || brighter + rng.random_range(-spread..spread);
    let base = colour(hex);
    Colour { x: base.x * shift(), y: base.y * shift(), z: base.z * shift() }
}

/// A colour of the wardrobe that stands out on `main`.
fn contrasting(rng: &mut ChaCha8Rng, main: Colour) -> Colour {
    let mut best = pick(rng, &UPPERS);
    for _ in 0..3 {
        let other = pick(rng, &UPPERS);
        if (other - main).length() > (best - main).length() && (best - main).length() < 0.35 {
            best = other;
        }
    }
    best
}
