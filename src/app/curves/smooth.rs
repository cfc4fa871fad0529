//! A running mean with exponential weights, debiased: `sum w^(age) x / sum w^(age)`, the age in steps.
//!
//! It is computed on every value at full resolution, whatever is drawn of it, and a missing step ages the others as a present
//! one does. So neither the width of the plot nor a record that was dropped on the way to the window changes it. A long curve
//! is worked off over several frames.

use crate::app::state::history::{Column, Table};

/// The smoothed form of a column, as far as it is done.
#[derive(Debug, Default)]
pub struct Smooth {
    weight: f64,
    weighted: f64,
    weights: f64,
    at: f64,
    out: Column,
}

impl Smooth {
    /// An empty one; `weight` in `0..1` is that of the value before.
    pub fn new(weight: f64) -> Self {
        Self { weight, ..Self::default() }
    }

    /// The weight it was made with.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The smoothed values so far.
    pub fn column(&self) -> &Column {
        &self.out
    }

    /// Takes in what is new of the column, at most `budget` values of it; the answer is how many it took.
    pub fn advance(&mut self, table: &Table, number: usize, budget: usize) -> usize {
        let (steps, values) = (table.steps(), table.column(number).values());
        let from = self.out.values().len();
        let to = values.len().min(from + budget);
        for (step, value) in steps[from..to].iter().zip(&values[from..to]) {
            let gap = if self.weights == 0.0 { 0.0 } else { step - self.at };
            let decay = if gap == 1.0 { self.weight } else { self.weight.powf(gap) };
            self.at = *step;
            (self.weighted, self.weights) = (self.weighted * decay, self.weights * decay);
            if value.is_finite() {
                self.weighted += f64::from(*value);
                self.weights += 1.0;
                self.out.push((self.weighted / self.weights) as f32);
            } else {
                self.out.push(f32::NAN);
            }
        }
        to - from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(points: &[(f64, f64)]) -> Table {
        let mut table = Table::new(1);
        points.iter().for_each(|(step, value)| table.push(*step, [*value]));
        table
    }

    fn smoothed(points: &[(f64, f64)], weight: f64, budget: usize) -> Vec<f32> {
        let (table, mut smooth) = (table(points), Smooth::new(weight));
        while smooth.advance(&table, 0, budget) > 0 {}
        smooth.column().values().to_vec()
    }

    #[test]
    fn a_constant_stays_and_the_first_value_counts_in_full() {
        let points: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i), 2.5)).collect();
        assert!(smoothed(&points, 0.99, 7).iter().all(|v| (v - 2.5).abs() < 1e-6));
        // By hand: (4 * 0.5 + 1) / (0.5 + 1).
        assert_eq!(smoothed(&[(0.0, 4.0), (1.0, 1.0)], 0.5, 9), [4.0, 2.0]);
        assert_eq!(smoothed(&[(0.0, 4.0), (1.0, 1.0)], 0.0, 9), [4.0, 1.0]);
    }

    #[test]
    fn a_missing_step_ages_the_others() {
        let with_hole = smoothed(&[(0.0, 4.0), (1.0, f64::NAN), (2.0, 1.0)], 0.5, 9);
        let without = smoothed(&[(0.0, 4.0), (2.0, 1.0)], 0.5, 9);
        assert_eq!((with_hole[2], with_hole[1].is_nan()), (without[1], true));
    }

    #[test]
    fn the_pace_of_the_work_changes_nothing() {
        let points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), f64::from(i * 37 % 101))).collect();
        assert_eq!(smoothed(&points, 0.9, 3), smoothed(&points, 0.9, usize::MAX / 2));
    }
}
