//! Which point of a layout lies where: a grid of cells over the plane.

/// Points that share a cell, on average.
const SHARED: usize = 2;

/// A layout, ready to be asked for the points near a place.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    points: Vec<[f32; 2]>,
    origin: [f32; 2],
    /// Side of a cell.
    side: f32,
    /// Cells in a row, and rows.
    size: [usize; 2],
    /// Where each cell begins in `order`, and the end.
    start: Vec<u32>,
    /// Indices of the points, cell by cell.
    order: Vec<u32>,
}

impl Lookup {
    /// Sorts finite `points` into cells.
    pub fn new(points: &[[f32; 2]]) -> Self {
        let Some([low, high]) = bounds(points) else { return Self::default() };
        let extent = [high[0] - low[0], high[1] - low[1]];
        let cells = (points.len() / SHARED).max(1) as f32;
        // Square cells; a layout without width in one direction is a row of them.
        let least = extent[0].max(extent[1]).max(f32::MIN_POSITIVE) / cells;
        let side = (extent[0] * extent[1] / cells).sqrt().max(least).max(1e-30);
        let size = extent.map(|e| (e / side) as usize + 1);
        let mut lookup = Self { points: points.to_vec(), origin: low, side, size, ..Self::default() };
        let mut start = vec![0u32; size[0] * size[1] + 1];
        let cell: Vec<u32> = points.iter().map(|p| lookup.cell(*p) as u32).collect();
        cell.iter().for_each(|&c| start[c as usize + 1] += 1);
        (1..start.len()).for_each(|c| start[c] += start[c - 1]);
        let mut next = start.clone();
        let mut order = vec![0u32; points.len()];
        for (i, &c) in cell.iter().enumerate() {
            order[next[c as usize] as usize] = i as u32;
            next[c as usize] += 1;
        }
        (lookup.start, lookup.order) = (start, order);
        lookup
    }

    /// Where point `i` lies.
    pub fn place(&self, i: usize) -> [f32; 2] {
        self.points[i]
    }

    /// The point nearest to `at` within `radius`, of those that `accept` lets pass; of several, the first.
    pub fn nearest(&self, at: [f32; 2], radius: f32, accept: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best: Option<(f32, usize)> = None;
        let around = [[at[0] - radius, at[1] - radius], [at[0] + radius, at[1] + radius]];
        self.within(around, |i| {
            let [dx, dy] = [self.points[i][0] - at[0], self.points[i][1] - at[1]];
            let squared = dx * dx + dy * dy;
            if squared <= radius * radius && best.is_none_or(|b| (squared, i) < b) && accept(i) {
                best = Some((squared, i));
            }
        });
        best.map(|(_, i)| i)
    }

    /// Calls `found` with each point inside the rectangle from `low` to `high`, its edges included.
    pub fn within(&self, [low, high]: [[f32; 2]; 2], mut found: impl FnMut(usize)) {
        if self.points.is_empty() || !(low[0] <= high[0] && low[1] <= high[1]) {
            return;
        }
        let (from, to) = (self.column_row(low), self.column_row(high));
        for row in from[1]..=to[1] {
            let cells = row * self.size[0] + from[0]..row * self.size[0] + to[0] + 1;
            let (start, end) = (self.start[cells.start] as usize, self.start[cells.end] as usize);
            for &i in &self.order[start..end] {
                let p = self.points[i as usize];
                if p[0] >= low[0] && p[0] <= high[0] && p[1] >= low[1] && p[1] <= high[1] {
                    found(i as usize);
                }
            }
        }
    }

    fn column_row(&self, p: [f32; 2]) -> [usize; 2] {
        // `as` saturates: what lies outside belongs to the nearest cell.
        [0, 1].map(|a| (((p[a] - self.origin[a]) / self.side) as usize).min(self.size[a] - 1))
    }

    fn cell(&self, p: [f32; 2]) -> usize {
        let [column, row] = self.column_row(p);
        row * self.size[0] + column
    }
}

/// The smallest rectangle around `points`; `None` without points.
pub fn bounds(points: &[[f32; 2]]) -> Option<[[f32; 2]; 2]> {
    let first = *points.first()?;
    Some(points.iter().fold([first, first], |[low, high], p| {
        [[low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])]]
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn it_answers_as_a_look_at_every_point_would(
            points in prop::collection::vec((-20i8..20, -3i8..3), 0..90),
            at in (-30.0f32..30.0, -9.0f32..9.0),
            radius in 0.0f32..20.0,
            odd: bool,
        ) {
            let points: Vec<[f32; 2]> = points.iter().map(|p| [f32::from(p.0) * 0.7, f32::from(p.1)]).collect();
            let lookup = Lookup::new(&points);
            let at = [at.0, at.1];
            let accept = |i: usize| !odd || i % 2 == 1;
            let squared = |p: &[f32; 2]| (p[0] - at[0]).powi(2) + (p[1] - at[1]).powi(2);
            let expected = points
                .iter()
                .enumerate()
                .filter(|(i, p)| squared(p) <= radius * radius && accept(*i))
                .min_by(|a, b| squared(a.1).total_cmp(&squared(b.1)))
                .map(|(i, _)| i);
            prop_assert_eq!(lookup.nearest(at, radius, accept), expected);
            let (low, high) = ([at[0] - radius, at[1] - 1.0], [at[0] + radius, at[1] + 1.0]);
            let mut found = Vec::new();
            lookup.within([low, high], |i| found.push(i));
            found.sort_unstable();
            let inside = |p: &[f32; 2]| (0..2).all(|a| p[a] >= low[a] && p[a] <= high[a]);
            let expected: Vec<usize> = (0..points.len()).filter(|&i| inside(&points[i])).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn degenerate_layouts_are_fine() {
        for points in [vec![], vec![[2.0, 3.0]], vec![[1.0, 1.0]; 50], vec![[0.0, 5.0], [1e6, 5.0]]] {
            let lookup = Lookup::new(&points);
            assert_eq!(lookup.nearest([1.0, 2.0], 1e9, |_| true).is_some(), !points.is_empty());
        }
    }
}
