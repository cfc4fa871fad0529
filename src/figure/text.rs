//! Words in pixels: outlines of the bundled typeface, filled.

use std::sync::LazyLock;

use ttf_parser::{Face, OutlineBuilder};

use super::fill::fill;

/// The weight of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// For what is read.
    Regular,
    /// For titles and figures.
    Semibold,
}

static REGULAR: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| Face::parse(include_bytes!("../../assets/fonts/Inter-Regular.otf"), 0).ok());
static SEMIBOLD: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| Face::parse(include_bytes!("../../assets/fonts/Inter-SemiBold.otf"), 0).ok());

fn face(weight: Weight) -> Option<&'static Face<'static>> {
    match weight {
        Weight::Regular => REGULAR.as_ref(),
        Weight::Semibold => SEMIBOLD.as_ref(),
    }
}

/// Width of a line in the unit of `size`.
pub(super) fn width(text: &str, size: f32, weight: Weight) -> f32 {
    let Some(face) = face(weight) else { return 0.0 };
    let units = text.chars().map(|c| advance(face, c)).sum::<f32>();
    units * size / f32::from(face.units_per_em())
}

fn advance(face: &Face<'_>, c: char) -> f32 {
    let glyph = face.glyph_index(c).unwrap_or_default();
    f32::from(face.glyph_hor_advance(glyph).unwrap_or(0))
}

/// Calls `paint(x, y, coverage)` for each pixel that a line of text covers, `at` the beginning of its base line; coverage is
/// from 0 to 1. What lies outside of `size` pixels is left out.
pub(super) fn paint(
    text: &str,
    at: [f32; 2],
    height: f32,
    weight: Weight,
    size: [usize; 2],
    mut paint: impl FnMut(usize, usize, f32),
) {
    let Some(face) = face(weight) else { return };
    let scale = height / f32::from(face.units_per_em());
    let mut x = at[0];
    for c in text.chars() {
        let glyph = face.glyph_index(c).unwrap_or_default();
        let mut outline = Outline { origin: [x, at[1]], scale, ..Outline::default() };
        if face.outline_glyph(glyph, &mut outline).is_some() {
            fill(&outline.edges, size, &mut paint);
        }
        x += advance(face, c) * scale;
    }
}

/// The straight edges of a glyph, in pixels.
#[derive(Default)]
struct Outline {
    origin: [f32; 2],
    scale: f32,
    edges: Vec<[[f32; 2]; 2]>,
    first: [f32; 2],
    last: [f32; 2],
}

/// Pieces that a curve is cut into.
const PIECES: usize = 6;

impl Outline {
    fn place(&self, x: f32, y: f32) -> [f32; 2] {
        [self.origin[0] + x * self.scale, self.origin[1] - y * self.scale]
    }

    fn go(&mut self, to: [f32; 2]) {
        self.edges.push([self.last, to]);
        self.last = to;
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.first = self.place(x, y);
        self.last = self.first;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.place(x, y);
        self.go(to);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (a, b, c) = (self.last, self.place(x1, y1), self.place(x, y));
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            let u = 1.0 - t;
            self.go([0, 1].map(|i| u * u * a[i] + 2.0 * u * t * b[i] + t * t * c[i]));
        }
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (a, b, c, d) = (self.last, self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            let u = 1.0 - t;
            self.go(
                [0, 1].map(|i| u * u * u * a[i] + 3.0 * u * u * t * b[i] + 3.0 * u * t * t * c[i] + t * t * t * d[i])
            );
        }
    }

    fn close(&mut self) {
        self.go(self.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_width_and_stay_inside_it() {
        let (text, size) = ("Silhouette 0.62 ✓", 20.0);
        let width = width(text, size, Weight::Regular);
        assert!(width > 100.0 && width < 220.0, "{width}");
        let (mut left, mut right, mut ink) = (f32::MAX, 0.0f32, 0.0);
        paint(text, [10.0, 30.0], size, Weight::Regular, [300, 60], |x, y, coverage| {
            assert!((10..36).contains(&y), "{y}");
            (left, right) = (left.min(x as f32), right.max(x as f32));
            ink += coverage;
        });
        assert!(left >= 10.0 && right <= 10.0 + width && ink > 200.0, "{left} {right} {ink}");
        // Parts outside are left out.
        paint(text, [-20.0, 5.0], size, Weight::Semibold, [30, 10], |x, y, _| assert!(x < 30 && y < 10));
    }
}
