//! The figures of a run as columns, so that a million steps can be drawn: each column knows its extremes over 8, 64, 512, …
//! neighbours, and tells those of any stretch without looking at all of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::train::event::{StepRecord, ValidationRecord};

/// Values that share an entry of the next level.
const FAN: usize = 8;

/// One figure of every record; NaN where a record has none.
#[derive(Debug, Clone, Default)]
pub struct Column {
    values: Vec<f32>,
    /// `levels[k]` has the least and the greatest of each `FAN^(k+1)` values.
    levels: Vec<Vec<[f32; 2]>>,
    /// Whether any value is a number.
    some: bool,
}

const NOTHING: [f32; 2] = [f32::INFINITY, f32::NEG_INFINITY];

/// `f32::min` and `max` leave out what is not a number.
fn join(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
    [a[0].min(b[0]), a[1].max(b[1])]
}

impl Column {
    /// Appends a value.
    pub fn push(&mut self, value: f32) {
        // What is infinite cannot be drawn either.
        let value = if value.is_finite() { value } else { f32::NAN };
        self.some |= value.is_finite();
        self.values.push(value);
        let mut length = self.values.len();
        for level in 0.. {
            if !length.is_multiple_of(FAN) {
                break;
            }
            let pair = match level {
                0 => self.values[length - FAN..].iter().fold(NOTHING, |all, v| join(all, [*v, *v])),
                _ => self.levels[level - 1][length - FAN..].iter().fold(NOTHING, |all, pair| join(all, *pair)),
            };
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(pair);
            length = self.levels[level].len();
        }
    }

    /// All values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Whether there is anything to draw.
    pub fn is_some(&self) -> bool {
        self.some
    }

    /// The newest value that is a number.
    pub fn last(&self) -> Option<f32> {
        self.values.iter().rev().copied().find(|v| v.is_finite()).filter(|_| self.some)
    }

    /// The least and the greatest of `from..to`; `None` where no value is a number.
    pub fn extremes(&self, from: usize, to: usize) -> Option<[f32; 2]> {
        let (mut a, mut b) = (from, to.min(self.values.len()));
        let mut all = NOTHING;
        for level in 0.. {
            let wide = b.saturating_sub(a) > 2 * FAN && self.levels.len() > level;
            let (up, down) = if wide { (a.next_multiple_of(FAN), b / FAN * FAN) } else { (b, b) };
            let edges = (a..up).chain(down.max(up)..b);
            all = match level {
                0 => edges.fold(all, |all, i| join(all, [self.values[i]; 2])),
                _ => edges.fold(all, |all, i| join(all, self.levels[level - 1][i])),
            };
            if !wide {
                break;
            }
            (a, b) = (up / FAN, down / FAN);
        }
        (all[0] <= all[1]).then_some(all)
    }
}

/// Columns over the same steps.
#[derive(Debug, Clone)]
pub struct Table {
    /// Another number for every table: what was computed of one is not mistaken for another's.
    pub id: u64,
    steps: Vec<f64>,
    columns: Vec<Column>,
}

impl Table {
    /// An empty table of so many columns.
    pub fn new(columns: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Relaxed), steps: Vec::new(), columns: vec![Column::default(); columns] }
    }

    /// Appends a row; one that is not beyond the last step is left out.
    pub fn push(&mut self, step: f64, row: impl IntoIterator<Item = f64>) {
        if self.steps.last().is_some_and(|last| *last >= step) {
            return;
        }
        self.steps.push(step);
        let mut row = row.into_iter();
        for column in &mut self.columns {
            column.push(row.next().unwrap_or(f64::NAN) as f32);
        }
    }

    /// The steps, rising.
    pub fn steps(&self) -> &[f64] {
        &self.steps
    }

    /// A column.
    pub fn column(&self, number: usize) -> &Column {
        &self.columns[number]
    }
}

/// A figure of a step, and its place among the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is the field of a StepRecord
pub enum Figure {
    Total,
    Rec,
    Cls,
    Tri,
    Adv,
    Disc,
    Lr,
    LrDiscriminator,
    Speed,
    GradientExtractor,
    GradientDecoder,
    GradientClassifier,
    GradientDiscriminators,
    /// D_j's accuracy on HR patches in percent, j in 1..=5.
    High(usize),
    /// The same on LR patches.
    Low(usize),
}

/// Columns of steps.
const FIGURES: usize = 13 + 10;

impl Figure {
    /// Its place among the columns of [`History::steps`].
    pub fn column(self) -> usize {
        match self {
            Self::Total => 0,
            Self::Rec => 1,
            Self::Cls => 2,
            Self::Tri => 3,
            Self::Adv => 4,
            Self::Disc => 5,
            Self::Lr => 6,
            Self::LrDiscriminator => 7,
            Self::Speed => 8,
            Self::GradientExtractor => 9,
            Self::GradientDecoder => 10,
            Self::GradientClassifier => 11,
            Self::GradientDiscriminators => 12,
            Self::High(j) => 12 + j.clamp(1, 5),
            Self::Low(j) => 17 + j.clamp(1, 5),
        }
    }
}

/// Places among the columns of [`History::validation`].
#[allow(missing_docs)] // their names say it
pub mod validation {
    pub const RANK1: usize = 0;
    pub const MAP: usize = 1;
    /// Rank-1 at the hardest rate.
    pub const HARDEST: usize = 2;
    pub const COLUMNS: usize = 3;
}

/// The figures of a run.
#[derive(Debug, Clone)]
pub struct History {
    /// One row a step.
    pub steps: Table,
    /// One row a validation, in percent.
    pub validation: Table,
    last: Option<StepRecord>,
}

impl Default for History {
    fn default() -> Self {
        Self { steps: Table::new(FIGURES), validation: Table::new(validation::COLUMNS), last: None }
    }
}

impl History {
    /// The history of these records.
    pub fn of(steps: &[StepRecord], validation: &[ValidationRecord]) -> Self {
        let mut history = Self::default();
        steps.iter().for_each(|record| history.push(record));
        validation.iter().for_each(|record| history.validated(record));
        history
    }

    /// Takes a step in.
    pub fn push(&mut self, r: &StepRecord) {
        // A term that is off is 0 throughout: it is not drawn.
        let on = |value: f64| if value == 0.0 { f64::NAN } else { value };
        let mut row = [f64::NAN; FIGURES];
        let plain = [
            r.total,
            on(r.rec),
            on(r.cls),
            r.tri,
            on(r.adv),
            on(r.disc),
            r.lr,
            r.lr_discriminator,
            on(r.images_per_second),
            on(r.gradients.extractor),
            on(r.gradients.decoder),
            on(r.gradients.classifier),
            on(r.gradients.discriminators),
        ];
        row[..plain.len()].copy_from_slice(&plain);
        for a in &r.accuracy {
            row[Figure::High(a.level).column()] = 100.0 * a.hr;
            row[Figure::Low(a.level).column()] = 100.0 * a.lr;
        }
        self.steps.push(r.step as f64, row);
        self.last = Some(r.clone());
    }

    /// Takes a validation in.
    pub fn validated(&mut self, r: &ValidationRecord) {
        // The hardest rate apart: where it was not trained on, it tells whether the model has learned resolution or rates.
        let hardest = r.by_rate.iter().max_by(|a, b| a.rate.total_cmp(&b.rate)).map_or(f64::NAN, |f| f.rank1);
        self.validation.push(r.step as f64, [r.rank1, r.map, hardest]);
    }

    /// The newest step.
    pub fn last(&self) -> Option<&StepRecord> {
        self.last.as_ref()
    }

    /// Steps that are known.
    pub fn len(&self) -> usize {
        self.steps.steps().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn extremes_are_those_of_a_plain_search(
            values in proptest::collection::vec(prop_oneof![9 => -1e3f32..1e3, 1 => Just(f32::NAN)], 0..3000),
            from in 0usize..3000,
            to in 0usize..3100,
        ) {
            let mut column = Column::default();
            values.iter().for_each(|v| column.push(*v));
            let to_there = to.min(values.len());
            let stretch = if from < to_there { &values[from..to_there] } else { &[] };
            let finite = || stretch.iter().copied().filter(|v| v.is_finite());
            let expected = finite().reduce(f32::min).zip(finite().reduce(f32::max)).map(|(a, b)| [a, b]);
            prop_assert_eq!(column.extremes(from, to), expected);
        }
    }

    #[test]
    fn a_term_that_is_off_has_no_curve_and_infinity_is_not_drawn() {
        let record = |step, total| StepRecord { step, total, ..StepRecord::default() };
        let history = History::of(&[record(1, f64::INFINITY), record(2, 3.0), record(2, 9.0)], &[]);
        assert_eq!(history.len(), 2);
        let column = |figure: Figure| history.steps.column(figure.column());
        assert!(!column(Figure::Rec).is_some() && column(Figure::Total).last() == Some(3.0));
        assert_eq!(column(Figure::Total).extremes(0, 9), Some([3.0, 3.0]));
    }

    #[test]
    fn every_figure_has_a_column_of_its_own() {
        let mut all: Vec<usize> = (1..=5).flat_map(|j| [Figure::High(j).column(), Figure::Low(j).column()]).collect();
        all.extend([Figure::Total, Figure::GradientDiscriminators, Figure::Speed].map(Figure::column));
        all.sort_unstable();
        all.dedup();
        assert!(all.len() == 13 && all.iter().all(|c| *c < FIGURES));
    }
}
