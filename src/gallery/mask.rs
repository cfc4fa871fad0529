//! A set of gallery rows: what a filter leaves to be searched.

/// One bit a row. A plain set: filters of any kind become one, and sets combine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    words: Vec<u64>,
    rows: usize,
}

impl Mask {
    /// All of `rows` rows.
    pub fn all(rows: usize) -> Self {
        let mut mask = Self { words: vec![u64::MAX; rows.div_ceil(64)], rows };
        mask.clip();
        mask
    }

    /// None of `rows` rows.
    pub fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)], rows }
    }

    /// The rows for which `keep` answers yes.
    pub fn of(rows: usize, keep: impl Fn(usize) -> bool) -> Self {
        let mut mask = Self::none(rows);
        for row in (0..rows).filter(|&row| keep(row)) {
            mask.insert(row);
        }
        mask
    }

    /// Rows that it speaks of, in the set or not.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether `row` is in the set; a row beyond the end is not.
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Puts a row in; one beyond the end is passed over.
    pub fn insert(&mut self, row: usize) {
        if row < self.rows {
            self.words[row / 64] |= 1 << (row % 64);
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    /// Keeps the rows that are in `other` too; rows that `other` does not speak of go.
    pub fn intersect(&mut self, other: &Mask) {
        for (index, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(index).copied().unwrap_or(0);
        }
    }

    /// Takes the rows of `other` out.
    pub fn subtract(&mut self, other: &Mask) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// The rows of the set in `range`, ascending.
    pub fn iter_in(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let end = range.end.min(self.rows);
        let first = range.start.min(end);
        (first / 64..end.div_ceil(64)).flat_map(move |index| {
            let mut word = self.words[index];
            if index == first / 64 {
                word &= u64::MAX << (first % 64);
            }
            std::iter::from_fn(move || {
                let row = index * 64 + word.trailing_zeros() as usize;
                let more = word != 0 && row < end;
                word &= word.wrapping_sub(1);
                more.then_some(row)
            })
        })
    }

    fn clip(&mut self) {
        if let (Some(last), used @ 1..) = (self.words.last_mut(), self.rows % 64) {
            *last &= (1 << used) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(rows in 0usize..300, a in prop::collection::btree_set(0usize..320, 0..60),
                       b in prop::collection::btree_set(0usize..320, 0..60), from in 0usize..320, to in 0usize..320) {
            let within = |set: &BTreeSet<usize>| set.iter().copied().filter(|&r| r < rows).collect::<BTreeSet<_>>();
            let (left, right) = (within(&a), within(&b));
            let (mask, other) = (Mask::of(rows, |r| a.contains(&r)), Mask::of(rows, |r| b.contains(&r)));
            prop_assert_eq!(mask.count(), left.len());
            let range: Vec<usize> = mask.iter_in(from..to).collect();
            prop_assert_eq!(range, left.iter().copied().filter(|r| (from..to).contains(r)).collect::<Vec<_>>());
            let (mut both, mut only) = (mask.clone(), mask);
            both.intersect(&other);
            only.subtract(&other);
            prop_assert_eq!(both.iter_in(0..rows).collect::<BTreeSet<_>>(), &left & &right);
            prop_assert_eq!(only.iter_in(0..rows).collect::<BTreeSet<_>>(), &left - &right);
            prop_assert_eq!(Mask::all(rows).iter_in(0..usize::MAX).count(), rows);
        }
    }
}
