//! Where cards lie: lines of cards and headings of groups, of which only those in view are drawn.

use std::ops::Range;

use egui::{Vec2, vec2};

use crate::app::state::Listing;

/// Gap between cards.
pub const GAP: f32 = 10.0;
/// Margin around a card's image.
pub const MAT: f32 = 6.0;
/// Height of a group's heading.
const HEADING: f32 = 26.0;
/// From this width on a card has room for the file name.
const ROOMY: f32 = 132.0;

/// The size of the cards in a pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Cards side by side.
    pub columns: usize,
    /// A card's image.
    pub image: Vec2,
    /// A card.
    pub card: Vec2,
}

impl Fit {
    /// Cards of about `wanted` points of width in a pane of that size.
    pub fn new(pane: Vec2, wanted: f32) -> Self {
        // In a low pane cards shrink until a whole one is seen.
        let whole = (pane.y - 2.0 * GAP - MAT - foot(0.0)) / 2.0 + 2.0 * MAT;
        let wanted = wanted.min(whole.max(72.0));
        // Cards stretch so that a row fills the pane.
        let columns = (((pane.x + GAP) / (wanted + GAP)).floor() as usize).max(1);
        let card = (((pane.x + GAP) / columns as f32) - GAP).floor().max(48.0);
        // Nor do few columns make cards so large that one fills the pane.
        let card = card.min(wanted * 1.6).min(whole.max(wanted)).floor();
        let image = vec2(card - 2.0 * MAT, (card - 2.0 * MAT) * 2.0);
        Self { columns, image, card: vec2(card, image.y + MAT + foot(card)) }
    }

    /// Whether a card has a second line of text.
    pub fn roomy(&self) -> bool {
        self.card.x >= ROOMY
    }
}

/// Height below a card's image.
fn foot(card: f32) -> f32 {
    if card >= ROOMY { 46.0 } else { 30.0 }
}

/// What a line holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The heading of a group, by its index.
    Heading(usize),
    /// Cards, by their positions in [`Listing::order`].
    Cards(Range<usize>),
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its upper edge; in double precision, since a hundred thousand cards are millions of points high.
    pub top: f64,
    /// What it holds.
    pub content: Content,
    /// Cards in it and above it.
    reached: usize,
}

/// All lines of a listing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines {
    all: Vec<Line>,
    height: f64,
    made_for: Option<(u64, Fit)>,
}

impl Lines {
    /// Works the lines out anew where the listing or the size of the cards changed.
    pub fn update(&mut self, listing: &Listing, fit: Fit) {
        let key = Some((listing.edition, fit));
        if self.made_for == key {
            return;
        }
        *self = Self { made_for: key, ..Self::default() };
        if listing.groups.is_empty() {
            self.cards(0..listing.order.len(), fit);
        }
        for (number, group) in listing.groups.iter().enumerate() {
            self.all.push(Line { top: self.height, content: Content::Heading(number), reached: group.first });
            self.height += f64::from(HEADING);
            self.cards(group.first..group.first + group.images, fit);
        }
    }

    fn cards(&mut self, all: Range<usize>, fit: Fit) {
        for first in all.clone().step_by(fit.columns) {
            let end = (first + fit.columns).min(all.end);
            self.all.push(Line { top: self.height, content: Content::Cards(first..end), reached: end });
            self.height += f64::from(fit.card.y + GAP);
        }
    }

    /// The height of all.
    pub fn height(&self) -> f64 {
        self.height
    }

    /// The lines that show in the view from `top` to `bottom`.
    pub fn visible(&self, top: f64, bottom: f64) -> &[Line] {
        let first = self.all.partition_point(|line| line.top <= top).saturating_sub(1);
        let end = self.all.partition_point(|line| line.top < bottom);
        &self.all[first.min(end)..end]
    }

    /// The upper edge of the line of the card at `position`, and that of what belongs into view with it: the heading above
    /// a group's first cards.
    pub fn top_of(&self, position: usize) -> Option<(f64, f64)> {
        let at = self.all.partition_point(|line| line.reached <= position);
        let top = self.all.get(at)?.top;
        let above = at.checked_sub(1).map(|above| &self.all[above]);
        let heading = above.filter(|line| matches!(line.content, Content::Heading(_)));
        Some((top, heading.map_or(top, |line| line.top)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::state::Group;

    fn listing(sizes: &[usize], grouped: bool) -> Listing {
        let count: usize = sizes.iter().sum();
        let mut listing = Listing::default();
        listing.order = (0..count).collect();
        let mut first = 0;
        for (number, &images) in sizes.iter().enumerate().filter(|_| grouped) {
            listing.groups.push(Group { identity: number as i64, best: 0.0, mean: 0.0, first, images });
            first += images;
        }
        listing
    }

    #[test]
    fn cards_fill_the_width_and_a_whole_one_is_seen() {
        let fit = Fit::new(vec2(800.0, 500.0), 104.0);
        assert_eq!(fit.columns, 7);
        assert!(7.0 * (fit.card.x + GAP) <= 810.0);
        assert!(Fit::new(vec2(800.0, 180.0), 200.0).card.y < 180.0);
        assert!(Fit::new(vec2(20.0, 20.0), 200.0).columns == 1);
        assert!(Fit::new(vec2(1400.0, 900.0), 190.0).roomy());
    }

    proptest! {
        #[test]
        fn every_card_lies_in_one_line_and_is_found(
            sizes in prop::collection::vec(1usize..9, 1..12), grouped: bool, width in 100f32..900.0, at in 0f64..1.0,
        ) {
            let (listing, fit) = (listing(&sizes, grouped), Fit::new(vec2(width, 400.0), 90.0));
            let mut lines = Lines::default();
            lines.update(&listing, fit);
            let mut seen = Vec::new();
            for line in lines.visible(-1.0, f64::INFINITY) {
                if let Content::Cards(range) = &line.content {
                    prop_assert!(range.len() <= fit.columns && !range.is_empty());
                    for position in range.clone() {
                        let (top, from) = lines.top_of(position).unwrap();
                        let first = listing.groups.iter().any(|g| (g.first..g.first + fit.columns.min(g.images)).contains(&position));
                        let above = if first { f64::from(HEADING) } else { 0.0 };
                        prop_assert!(top == line.top && (top - from - above).abs() < 1e-6, "{} {} {}", top, from, above);
                        seen.push(position);
                    }
                }
            }
            prop_assert_eq!(seen, listing.order.clone());
            // A view holds exactly the lines that reach into it.
            let top = lines.height() * at;
            let shown = lines.visible(top, top + 300.0);
            prop_assert!(shown.first().is_some_and(|line| line.top <= top));
            prop_assert!(shown.iter().skip(1).all(|line| line.top > top && line.top < top + 300.0));
        }
    }
}
