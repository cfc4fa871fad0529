//! Which gallery images a search may return.
//!
//! The filter is applied inside the search, so that the nearest k are the nearest k of what is left. It is plain data: a case
//! keeps it with the results that were seen, and a store on disk can turn it into a query of its own.

use serde::{Deserialize, Serialize};

use super::order::key;
use super::search::Hit;
use crate::data::dataset::UNKNOWN;

/// What is known about a gallery image, as far as a filter asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The camera, [`UNKNOWN`] where nobody said.
    pub camera: i64,
    /// When it was taken, in milliseconds (see `data::taken`).
    pub time: Option<i64>,
    /// Width and height in pixels.
    pub size: Option<[u32; 2]>,
}

/// From and to, both included; `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span<T> {
    /// The least that is admitted.
    pub from: Option<T>,
    /// The most that is admitted.
    pub to: Option<T>,
}

impl<T> Default for Span<T> {
    fn default() -> Self {
        Self { from: None, to: None }
    }
}

impl<T: PartialOrd + Copy> Span<T> {
    /// Whether everything is admitted.
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether `value` is admitted. What is not known is admitted only by an open span.
    pub fn admits(&self, value: Option<T>) -> bool {
        match value {
            None => self.is_open(),
            Some(value) => self.from.is_none_or(|from| from <= value) && self.to.is_none_or(|to| value <= to),
        }
    }
}

/// Which gallery images a search may return; the default admits every one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// The cameras; none listed means any, and those not known.
    pub cameras: Vec<i64>,
    /// When, in milliseconds (see `data::taken`).
    pub time: Span<i64>,
    /// Height in pixels.
    pub height: Span<u32>,
    /// The largest distance by the search's measure.
    pub distance: Option<f32>,
}

impl Filter {
    /// Whether every image is admitted.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an image at `distance` may be returned. A fact that is not known fails a filter that asks for it.
    pub fn admits(&self, facts: Facts, distance: f32) -> bool {
        (self.cameras.is_empty() || (facts.camera != UNKNOWN && self.cameras.contains(&facts.camera)))
            && self.time.admits(facts.time)
            && self.height.admits(facts.size.map(|[_, height]| height))
            && self.distance.is_none_or(|most| distance <= most)
    }
}

/// The `top` nearest of those that `admits` lets pass, nearest first, and how many it lets pass. The order is
/// [`super::search::nearest`]'s.
pub fn nearest_admitted(
    distances: &[f32],
    top: usize,
    mut admits: impl FnMut(usize, f32) -> bool,
) -> (Vec<Hit>, usize) {
    let mut hits: Vec<Hit> = distances
        .iter()
        .enumerate()
        .filter(|(entry, distance)| admits(*entry, **distance))
        .map(|(entry, &distance)| Hit { entry, distance })
        .collect();
    let admitted = hits.len();
    let order = |hit: &Hit| key(hit.distance, hit.entry);
    if top < hits.len() {
        if top > 0 {
            hits.select_nth_unstable_by_key(top - 1, order);
        }
        hits.truncate(top);
    }
    hits.sort_unstable_by_key(order);
    (hits, admitted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gallery::search::nearest;

    fn facts(camera: i64) -> Facts {
        Facts { camera, time: Some(100), size: Some([20, 50]) }
    }

    #[test]
    fn each_condition_is_asked() {
        let open = Filter::default();
        assert!(open.is_open() && open.admits(Facts { camera: UNKNOWN, time: None, size: None }, f32::INFINITY));
        let cameras = Filter { cameras: vec![1, 3], ..Filter::default() };
        assert!(cameras.admits(facts(3), 0.1) && !cameras.admits(facts(2), 0.1));
        assert!(!Filter { cameras: vec![UNKNOWN], ..Filter::default() }.admits(facts(UNKNOWN), 0.1));
        let time = Filter { time: Span { from: Some(100), to: None }, ..Filter::default() };
        assert!(time.admits(facts(1), 0.1) && !time.admits(Facts { time: Some(99), ..facts(1) }, 0.1));
        assert!(!time.admits(Facts { time: None, ..facts(1) }, 0.1), "what is not known does not pass");
        let height = Filter { height: Span { from: Some(10), to: Some(49) }, ..Filter::default() };
        assert!(!height.admits(facts(1), 0.1) && height.admits(Facts { size: Some([1, 49]), ..facts(1) }, 0.1));
        let near = Filter { distance: Some(0.2), ..Filter::default() };
        assert!(near.admits(facts(1), 0.2) && !near.admits(facts(1), 0.21) && !near.admits(facts(1), f32::NAN));
    }

    #[test]
    fn a_filter_survives_writing_and_reading() {
        let filter = Filter { cameras: vec![2], time: Span { from: Some(5), to: None }, ..Filter::default() };
        let text = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
        assert!(serde_json::from_str::<Filter>("{}").unwrap().is_open());
    }

    proptest! {
        #[test]
        fn the_nearest_of_what_is_left(levels in prop::collection::vec(0u8..6, 0..60), top in 0usize..70, every in 1usize..4) {
            let distances: Vec<f32> = levels.iter().map(|&l| f32::from(l)).collect();
            let (hits, admitted) = nearest_admitted(&distances, top, |entry, _| entry % every == 0);
            let mut expected = nearest(&distances, usize::MAX);
            expected.retain(|hit| hit.entry % every == 0);
            prop_assert_eq!(admitted, expected.len());
            expected.truncate(top);
            prop_assert_eq!(hits, expected);
        }
    }
}
