//! What a lasso or a box encloses.

use egui::{Pos2, Vec2, pos2};

/// Bands that the region is cut into: a point is compared with the edges of its band only.
const BANDS: usize = 256;
/// A lasso takes a new corner when the pointer has moved so far, in points.
const STEP: f32 = 3.0;

/// The region while it is drawn, in places of the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawn {
    /// From one corner to the other.
    Box(Pos2, Pos2),
    /// Along the pointer's way.
    Lasso(Vec<Pos2>),
}

impl Drawn {
    /// The pointer moved on.
    pub fn extend(&mut self, to: Pos2) {
        match self {
            Self::Box(_, corner) => *corner = to,
            Self::Lasso(way) => {
                if way.last().is_none_or(|last| last.distance(to) >= STEP) {
                    way.push(to);
                }
            }
        }
    }

    /// Its outline; the last corner is joined with the first.
    pub fn corners(&self) -> Vec<Pos2> {
        match self {
            Self::Box(a, b) => vec![*a, pos2(b.x, a.y), *b, pos2(a.x, b.y)],
            Self::Lasso(way) => way.clone(),
        }
    }

    /// Whether it is large enough to mean something.
    pub fn meant(&self) -> bool {
        let corners = self.corners();
        let bounds = egui::Rect::from_points(&corners);
        corners.len() > 2 && bounds.size().max_elem() > Vec2::splat(4.0).max_elem()
    }
}

/// A closed polygon, ready to be asked what lies inside (by the even-odd rule).
#[derive(Debug)]
pub struct Region {
    low: [f32; 2],
    high: [f32; 2],
    bands: Vec<Vec<[[f32; 2]; 2]>>,
}

impl Region {
    /// The region of a polygon.
    pub fn new(corners: &[[f32; 2]]) -> Self {
        let (low, high) = corners.iter().fold(([f32::MAX; 2], [f32::MIN; 2]), |(low, high), p| {
            ([low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])])
        });
        let mut region = Self { low, high, bands: vec![Vec::new(); BANDS] };
        for (i, &a) in corners.iter().enumerate() {
            let b = corners[(i + 1) % corners.len()];
            let (first, last) = (region.band(a[1].min(b[1])), region.band(a[1].max(b[1])));
            region.bands[first..=last].iter_mut().for_each(|band| band.push([a, b]));
        }
        region
    }

    fn band(&self, y: f32) -> usize {
        let height = (self.high[1] - self.low[1]).max(f32::MIN_POSITIVE);
        (((y - self.low[1]) / height * BANDS as f32) as usize).min(BANDS - 1)
    }

    /// Whether `p` lies inside.
    pub fn contains(&self, [x, y]: [f32; 2]) -> bool {
        if !(x >= self.low[0] && x <= self.high[0] && y >= self.low[1] && y <= self.high[1]) {
            return false;
        }
        let crossings = self.bands[self.band(y)]
            .iter()
            .filter(|[a, b]| (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]);
        crossings.count() % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bands_do_not_change_the_answer(
            corners in prop::collection::vec((-9i8..9, -9i8..9), 3..30),
            p in (-10.0f32..10.0, -10.0f32..10.0),
        ) {
            let corners: Vec<[f32; 2]> = corners.iter().map(|c| [f32::from(c.0), f32::from(c.1)]).collect();
            let [x, y] = [p.0, p.1];
            let expected = (0..corners.len())
                .filter(|&i| {
                    let (a, b) = (corners[i], corners[(i + 1) % corners.len()]);
                    (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]
                })
                .count() % 2 == 1;
            prop_assert_eq!(Region::new(&corners).contains([x, y]), expected);
        }
    }

    #[test]
    fn a_click_is_no_region_and_a_drag_is() {
        assert!(!Drawn::Box(pos2(5.0, 5.0), pos2(6.0, 7.0)).meant());
        let mut lasso = Drawn::Lasso(vec![pos2(0.0, 0.0)]);
        lasso.extend(pos2(1.0, 0.0));
        assert_eq!(lasso.corners().len(), 1, "too near");
        lasso.extend(pos2(30.0, 0.0));
        lasso.extend(pos2(30.0, 30.0));
        assert!(lasso.meant());
        let region = Region::new(&[[0.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0]]);
        assert!(region.contains([3.0, 1.0]) && !region.contains([5.0, 1.0]) && !region.contains([3.0, 2.5]));
    }
}
