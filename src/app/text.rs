//! Names as they are shown: whatever a file is called, it takes one line and cannot pass for another.

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{Color32, FontId, Painter};
use unicode_bidi::{BidiInfo, Level};

use crate::markup;

/// Longer names are cut before anything is laid out: a line shows fewer letters anyway.
const MOST: usize = 160;

/// The name with what would be invisible made visible: line breaks, control characters, and the marks that turn the direction
/// of writing, with which `gpj.exe` can be made to read `exe.jpg`.
pub fn visible(name: &str) -> String {
    name.chars().map(|c| if markup::hidden(c) { format!("<U+{:04X}>", c as u32) } else { c.to_string() }).collect()
}

/// At most [`MOST`] letters, the middle left out: what tells names apart is at both ends.
pub fn short(name: &str) -> String {
    keep(&visible(name), MOST)
}

fn keep(name: &str, most: usize) -> String {
    let count = name.chars().count();
    if count <= most {
        return name.to_owned();
    }
    let (head, tail) = (most.div_ceil(2), most / 2);
    let front: String = name.chars().take(head).collect();
    let back: String = name.chars().skip(count - tail).collect();
    format!("{front}…{back}")
}

/// The name with its middle left out as far as `fits` asks for.
pub fn middle(name: &str, fits: impl Fn(&str) -> bool) -> String {
    let name = short(name);
    if fits(&name) {
        return name;
    }
    // The longest that fits, by halving: fewer letters always fit better.
    let (mut good, mut bad) = (0, name.chars().count());
    while good + 1 < bad {
        let most = (good + bad) / 2;
        if fits(&keep(&name, most)) { good = most } else { bad = most }
    }
    if good < 2 { "…".to_owned() } else { keep(&name, good) }
}

/// The letters in the order in which they are seen from left to right. egui draws them as they are stored, which would turn
/// Hebrew and Arabic round. Screen readers are told the name as it is.
pub fn in_sight_order(text: &str) -> String {
    let info = BidiInfo::new(text, Some(Level::ltr()));
    if !info.has_rtl() {
        return text.to_owned();
    }
    info.paragraphs.iter().map(|p| info.reorder_line(p, p.range.clone())).collect()
}

/// [`middle`], for a line of `width` points, as it is drawn.
pub fn line(painter: &Painter, name: &str, font: FontId, width: f32) -> String {
    let cut =
        middle(name, |text| painter.layout_no_wrap(text.to_owned(), font.clone(), Color32::WHITE).size().x <= width);
    in_sight_order(&cut)
}

/// The first of these, from the longest to the shortest, that is a line of `width` points; the last is cut where none is.
pub fn first_that_fits(painter: &Painter, ways: &[String], font: FontId, width: f32) -> String {
    let fits = |text: &&String| painter.layout_no_wrap((*text).clone(), font.clone(), Color32::WHITE).size().x <= width;
    match (ways.iter().find(fits), ways.last()) {
        (Some(way), _) => way.clone(),
        (None, Some(last)) => line(painter, last, font, width),
        (None, None) => String::new(),
    }
}

/// One line that ends in an ellipsis where it is too long; laid out once and kept by egui.
pub fn one_line(text: String, font: FontId, colour: Color32, width: f32) -> LayoutJob {
    let wrap = TextWrapping { max_width: width, max_rows: 1, break_anywhere: true, ..TextWrapping::default() };
    LayoutJob { wrap, ..LayoutJob::single_section(text, TextFormat::simple(font, colour)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        let fits = |text: &str| text.chars().count() <= 22;
        assert_eq!(middle("short.png", fits), "short.png");
        let long = middle("0002_c1s1_000451_03_and_more.jpg", fits);
        assert_eq!(long.chars().count(), 22);
        assert!(long.starts_with("0002_c1") && long.ends_with("more.jpg"));
        assert_eq!(middle("anything", |_| false), "…");
    }

    #[test]
    fn a_very_long_name_is_cut_before_it_is_laid_out() {
        let name = "x".repeat(4000) + ".jpg";
        let asked = std::cell::Cell::new(0);
        let shown = middle(&name, |text| {
            asked.set(asked.get() + 1);
            text.chars().count() < 30
        });
        assert!(shown.ends_with(".jpg") && shown.chars().count() < 30 && asked.get() < 12, "{} tries", asked.get());
    }

    #[test]
    fn what_runs_from_right_to_left_is_drawn_so() {
        assert_eq!(in_sight_order("a שלום b.png"), "a םולש b.png");
        assert_eq!(in_sight_order("plain é 🙂.png"), "plain é 🙂.png");
    }

    #[test]
    fn marks_of_direction_and_line_breaks_are_seen() {
        assert_eq!(visible("a\u{202e}gpj.exe"), "a<U+202E>gpj.exe");
        assert_eq!(visible("two\nlines\t"), "two<U+000A>lines<U+0009>");
        assert_eq!(visible("<b>bold</b> & \"quoted\" שלום 🙂.png"), "<b>bold</b> & \"quoted\" שלום 🙂.png");
    }

    proptest! {
        #[test]
        fn any_name_is_one_line(name in "\\PC{0,400}", most in 1usize..80) {
            let shown = middle(&name, |text| text.chars().count() <= most);
            prop_assert!(!shown.contains('\n'));
            prop_assert!(shown.chars().count() <= most.max(1));
        }
    }
}
