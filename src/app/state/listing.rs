//! The order in which candidates are shown: sorted, and grouped by identity. Worked out when something changes, not when it
//! is drawn.

use super::{Settings, Sort, ViewState, file_name};
use crate::data::dataset::UNKNOWN;
use crate::engine::command::QueryId;
use crate::engine::event::{Candidate, GalleryEntry};

/// The candidates as they are shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Places in the ranking (from 0), in the order in which they are shown.
    pub order: Vec<usize>,
    /// Of each place in the ranking, where it is shown.
    shown_at: Vec<usize>,
    /// The groups, in order, where candidates are grouped; else none.
    pub groups: Vec<Group>,
    /// Candidates that are known to show the same person.
    pub same: usize,
    /// Candidates that are known to show somebody else.
    pub different: usize,
    /// Grows with every change, for what is derived from this.
    pub edition: u64,
    made_for: Option<Key>,
}

/// Everything that the order depends on.
type Key = (QueryId, u64, Sort, bool, usize);

/// The candidates of one identity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Who, or [`UNKNOWN`]: an image whose identity is unknown is a group of its own.
    pub identity: i64,
    /// The least distance of its images.
    pub best: f32,
    /// The mean distance of its images that are listed.
    pub mean: f32,
    /// Where its images begin in [`Listing::order`].
    pub first: usize,
    /// How many there are.
    pub images: usize,
}

impl Listing {
    /// Where the candidate at `place` in the ranking is shown.
    pub fn position(&self, place: usize) -> usize {
        self.shown_at.get(place).copied().unwrap_or(0)
    }

    /// Sorts and groups candidates that are in the order of their rank.
    fn new(candidates: &[Candidate], entries: &[GalleryEntry], settings: &Settings) -> Self {
        let entry = |place: usize| &entries[candidates[place].entry];
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        match settings.sort {
            Sort::Rank => {}
            Sort::Camera => order.sort_by_key(|&place| (entry(place).camera == UNKNOWN, entry(place).camera)),
            Sort::Time => order.sort_by_key(|&place| (entry(place).taken.time.is_none(), entry(place).taken.time)),
            Sort::Name => order.sort_by_cached_key(|&place| file_name(&entry(place).path)),
        }
        let groups = if settings.grouped { group(&mut order, candidates, entries) } else { Vec::new() };
        let mut shown_at = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &place)| shown_at[place] = at);
        let count = |wanted: bool| candidates.iter().filter(|c| c.same == Some(wanted)).count();
        let (same, different) = (count(true), count(false));
        Self { order, shown_at, groups, same, different, edition: 0, made_for: None }
    }
}

/// Brings candidates of one identity together: groups by their best distance, their images in the order that they had.
fn group(order: &mut Vec<usize>, candidates: &[Candidate], entries: &[GalleryEntry]) -> Vec<Group> {
    let mut members: std::collections::BTreeMap<(i64, usize), Vec<usize>> = std::collections::BTreeMap::new();
    for &place in order.iter() {
        let identity = entries[candidates[place].entry].identity;
        // What nobody named is not one person.
        members.entry((identity, if identity == UNKNOWN { place } else { 0 })).or_default().push(place);
    }
    let mut groups: Vec<(Group, Vec<usize>)> = members
        .into_iter()
        .map(|((identity, _), places)| {
            let distances = || places.iter().map(|&place| candidates[place].distance);
            let best = distances().fold(f32::INFINITY, f32::min);
            let mean = (distances().map(f64::from).sum::<f64>() / places.len() as f64) as f32;
            (Group { identity, best, mean, first: 0, images: places.len() }, places)
        })
        .collect();
    groups.sort_by(|(a, left), (b, right)| a.best.total_cmp(&b.best).then(left.cmp(right)));
    order.clear();
    groups
        .into_iter()
        .map(|(mut group, places)| {
            group.first = order.len();
            order.extend(places);
            group
        })
        .collect()
}

impl ViewState {
    /// Brings the listing up to date, where anything changed that it depends on.
    pub(super) fn relist(&mut self) {
        let settings = &self.settings;
        let query = self.query().filter(|q| q.result.is_some());
        let key = query.map(|q| (q.info.id, q.edition, settings.sort, settings.grouped, settings.top));
        if key == self.listing.made_for {
            return;
        }
        let entries = self.gallery.as_ref().map_or(&[][..], |g| &g.entries);
        let usable = self.candidates().iter().all(|c| c.entry < entries.len());
        let candidates = if usable { self.candidates() } else { &[] };
        let mut listing = Listing::new(candidates, entries, settings);
        (listing.edition, listing.made_for) = (self.listing.edition + 1, key);
        self.listing = listing;
        self.candidate = self.candidate.min(self.candidates().len().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::data::taken::Taken;

    fn entry(name: &str, identity: i64, camera: i64, time: Option<i64>) -> GalleryEntry {
        GalleryEntry { path: name.into(), identity, camera, taken: Taken { time, frame: None }, size: None }
    }

    fn example() -> (Vec<Candidate>, Vec<GalleryEntry>) {
        let entries = vec![
            entry("d.png", 1, 3, Some(40)),
            entry("c.png", 2, UNKNOWN, None),
            entry("b.png", 1, 1, Some(10)),
            entry("a.png", UNKNOWN, 2, Some(30)),
            entry("e.png", UNKNOWN, 2, Some(20)),
        ];
        let candidate =
            |i: usize| Candidate { rank: i + 1, entry: i, distance: 0.1 * (i + 1) as f32, same: Some(i == 0) };
        ((0..5).map(candidate).collect(), entries)
    }

    fn order(sort: Sort) -> Vec<usize> {
        let (candidates, entries) = example();
        Listing::new(&candidates, &entries, &Settings { sort, ..Settings::default() }).order
    }

    #[test]
    fn each_order() {
        assert_eq!(order(Sort::Rank), [0, 1, 2, 3, 4]);
        assert_eq!(order(Sort::Camera), [2, 3, 4, 0, 1]);
        assert_eq!(order(Sort::Time), [2, 4, 3, 0, 1]);
        assert_eq!(order(Sort::Name), [3, 2, 1, 0, 4]);
    }

    #[test]
    fn groups_have_best_and_mean_and_strangers_stay_apart() {
        let (candidates, entries) = example();
        let listing = Listing::new(&candidates, &entries, &Settings { grouped: true, ..Settings::default() });
        let told: Vec<(i64, usize, usize)> = listing.groups.iter().map(|g| (g.identity, g.first, g.images)).collect();
        assert_eq!(told, [(1, 0, 2), (2, 2, 1), (UNKNOWN, 3, 1), (UNKNOWN, 4, 1)]);
        assert_eq!(listing.order, [0, 2, 1, 3, 4]);
        assert!((listing.groups[0].best - 0.1).abs() < 1e-6 && (listing.groups[0].mean - 0.2).abs() < 1e-6);
        assert_eq!((listing.position(2), listing.same, listing.different), (1, 1, 4));
    }
}
