//! Inter, measured and outlined, for reports: what it has no glyph for is written as its code, `[U+05D0]`, so that nothing
//! vanishes and nothing is drawn as an empty box.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use crate::markup::{code, hidden};

/// A cut of the typeface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// Body text.
    Regular,
    /// Titles and figures.
    SemiBold,
}

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/Inter-Regular.otf");
const SEMIBOLD: &[u8] = include_bytes!("../../../assets/fonts/Inter-SemiBold.otf");

// The fonts are part of the program; a build whose fonts do not parse writes codes only, it does not fail.
static FACES: LazyLock<[Option<Face<'static>>; 2]> =
    LazyLock::new(|| [Face::parse(REGULAR, 0).ok(), Face::parse(SEMIBOLD, 0).ok()]);

impl Cut {
    /// The font file.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Cut::Regular => REGULAR,
            Cut::SemiBold => SEMIBOLD,
        }
    }

    fn face(self) -> Option<&'static Face<'static>> {
        FACES[self as usize].as_ref()
    }

    /// The glyph of a character and its advance in ems.
    pub fn glyph(self, c: char) -> Option<(u16, f32)> {
        let face = self.face()?;
        let glyph = face.glyph_index(c).filter(|glyph| glyph.0 != 0)?;
        let advance = f32::from(face.glyph_hor_advance(glyph)?) / f32::from(face.units_per_em());
        Some((glyph.0, advance))
    }

    /// Width of a text in units of `size`; what has no glyph counts nothing, so make it [`printable`] first.
    pub fn width(self, text: &str, size: f32) -> f32 {
        text.chars().filter_map(|c| self.glyph(c)).map(|(_, advance)| advance * size).sum()
    }

    /// The outlines of a text whose baseline starts at (x, y), as closed polygons with y downwards.
    pub fn outlines(self, text: &str, size: f32, x: f32, y: f32) -> Vec<Vec<(f32, f32)>> {
        let Some(face) = self.face() else { return Vec::new() };
        let scale = size / f32::from(face.units_per_em());
        let mut pen = Pen { x, y, scale, polygons: Vec::new() };
        for c in text.chars() {
            if let Some((glyph, advance)) = self.glyph(c) {
                face.outline_glyph(GlyphId(glyph), &mut pen);
                pen.x += advance * size;
            }
        }
        pen.polygons
    }
}

/// The text in characters that both cuts have; others by their code, neighbours in one bracket.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            c if !hidden(c) && Cut::Regular.glyph(c).is_some() && Cut::SemiBold.glyph(c).is_some() => out.push(c),
            c => {
                if out.ends_with(']') && out.rfind("[U+").is_some_and(|at| !out[at..out.len() - 1].contains(']')) {
                    out.pop();
                    out.push_str(&format!(" U+{:04X}]", u32::from(c)));
                } else {
                    code(c, &mut out);
                }
            }
        }
    }
    out
}

/// Breaks a printable text into lines of at most `width`: at spaces, and inside words where one is longer than a line.
pub fn wrap(text: &str, cut: Cut, size: f32, width: f32) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut line_width) = (String::new(), 0.0);
    for word in text.split_inclusive(' ') {
        let word_width = cut.width(word.trim_end(), size);
        if line_width + word_width > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            line_width = 0.0;
        }
        if word_width <= width {
            line.push_str(word);
            line_width += cut.width(word, size);
            continue;
        }
        for c in word.chars() {
            let advance = cut.glyph(c).map_or(0.0, |(_, a)| a * size);
            if line_width + advance > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                line_width = 0.0;
            }
            line.push(c);
            line_width += advance;
        }
    }
    let rest = line.trim_end();
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

/// A printable text in one line, its middle left out where it does not fit.
pub fn fit(text: &str, cut: Cut, size: f32, width: f32) -> String {
    if cut.width(text, size) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let advance = |c: char| cut.glyph(c).map_or(0.0, |(_, a)| a * size);
    let (mut room, mut head, mut tail) = (width - advance('…'), 0, 0);
    while head + tail < letters.len() {
        let front = head <= tail;
        let c = if front { letters[head] } else { letters[letters.len() - 1 - tail] };
        room -= advance(c);
        if room < 0.0 {
            break;
        }
        *(if front { &mut head } else { &mut tail }) += 1;
    }
    let mut out: String = letters[..head].iter().collect();
    out.push('…');
    out.extend(&letters[letters.len() - tail..]);
    out
}

/// Collects outlines as polygons.
struct Pen {
    x: f32,
    y: f32,
    scale: f32,
    polygons: Vec<Vec<(f32, f32)>>,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }

    fn push(&mut self, point: (f32, f32)) {
        if let Some(polygon) = self.polygons.last_mut() {
            polygon.push(point);
        }
    }

    fn last(&self) -> (f32, f32) {
        self.polygons.last().and_then(|p| p.last()).copied().unwrap_or((self.x, self.y))
    }
}

/// Straight pieces that stand for a curve.
const PIECES: u8 = 6;

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let point = self.at(x, y);
        self.polygons.push(vec![point]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let point = self.at(x, y);
        self.push(point);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (a, b, c) = (self.last(), self.at(x1, y1), self.at(x, y));
        for i in 1..=PIECES {
            let t = f32::from(i) / f32::from(PIECES);
            let s = 1.0 - t;
            let mix = |a: f32, b: f32, c: f32| s * s * a + 2.0 * s * t * b + t * t * c;
            self.push((mix(a.0, b.0, c.0), mix(a.1, b.1, c.1)));
        }
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (a, b, c, d) = (self.last(), self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        for i in 1..=PIECES {
            let t = f32::from(i) / f32::from(PIECES);
            let s = 1.0 - t;
            let mix = |a: f32, b: f32, c: f32, d: f32| {
                s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
            };
            self.push((mix(a.0, b.0, c.0, d.0), mix(a.1, b.1, c.1, d.1)));
        }
    }

    fn close(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_font_lacks_is_written_as_its_code() {
        assert_eq!(printable("Zoë_0001.png"), "Zoë_0001.png");
        assert_eq!(printable("a🙂שלb"), "a[U+1F642 U+05E9 U+05DC]b");
        assert_eq!(printable("x\u{202E}y"), "x[U+202E]y");
        assert_eq!(printable("] 🙂"), "] [U+1F642]");
    }

    #[test]
    fn lines_stay_within_their_width_and_lose_nothing() {
        let text = format!("short words and one {} long", "x".repeat(400));
        let lines = wrap(&text, Cut::Regular, 9.0, 100.0);
        assert!(lines.iter().all(|line| Cut::Regular.width(line, 9.0) <= 100.0));
        let joined: String = lines.concat().replace(' ', "");
        assert_eq!(joined, text.replace(' ', ""));
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        let short = fit(&format!("start{}end", "x".repeat(4000)), Cut::Regular, 9.0, 80.0);
        assert!(short.starts_with("start") && short.ends_with("end") && Cut::Regular.width(&short, 9.0) <= 80.0);
    }
}
