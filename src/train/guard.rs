//! Notices when training has left the range of useful numbers.

use std::collections::VecDeque;

use super::event::StepRecord;

/// Steps whose losses make the median.
const WINDOW: usize = 100;
/// How far above its median a loss may be. Usable losses are of order 1 to 100, so nothing healthy comes near.
const FACTOR: f64 = 1e4;

/// Watches every loss term: one diverges when it is not finite, or beyond 10,000 times the median of its last 100 values
/// (or beyond 10,000 where that median is below 1, as at the very start).
#[derive(Debug, Default)]
pub struct Guard {
    recent: VecDeque<[f64; 6]>,
}

impl Guard {
    /// A guard that has seen `history` already.
    pub fn new(history: &[StepRecord]) -> Self {
        let mut guard = Self::default();
        for record in history.iter().skip(history.len().saturating_sub(WINDOW)) {
            guard.remember(record);
        }
        guard
    }

    /// The term that diverged with its value, or none, and `record` is remembered.
    pub fn check(&mut self, record: &StepRecord) -> Option<(&'static str, f64)> {
        const NAMES: [&str; 6] = ["rec", "cls", "tri", "adv", "disc", "total"];
        let values = terms(record);
        for (i, (name, value)) in NAMES.into_iter().zip(values).enumerate() {
            if !value.is_finite() || value > FACTOR * self.median(i).max(1.0) {
                return Some((name, value));
            }
        }
        self.remember(record);
        None
    }

    fn remember(&mut self, record: &StepRecord) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(terms(record));
    }

    fn median(&self, term: usize) -> f64 {
        let mut values: Vec<f64> = self.recent.iter().map(|values| values[term]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }
}

fn terms(r: &StepRecord) -> [f64; 6] {
    [r.rec, r.cls, r.tri, r.adv, r.disc, r.total]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cls: f64, disc: f64) -> StepRecord {
        StepRecord { cls, disc, total: cls, ..StepRecord::default() }
    }

    #[test]
    fn not_a_number_names_its_term() {
        let mut guard = Guard::default();
        assert_eq!(guard.check(&record(7.0, 1.0)), None);
        assert_eq!(guard.check(&record(7.0, f64::INFINITY)), Some(("disc", f64::INFINITY)));
        assert!(guard.check(&record(f64::NAN, 1.0)).is_some_and(|(name, _)| name == "cls"));
    }

    #[test]
    fn an_explosion_is_measured_against_the_median() {
        let history: Vec<StepRecord> = (0..500).map(|_| record(30.0, 0.5)).collect();
        let mut guard = Guard::new(&history);
        assert_eq!(guard.recent.len(), WINDOW);
        assert_eq!(guard.check(&record(2.9e5, 9e3)), None);
        assert_eq!(guard.check(&record(3.1e5, 0.5)), Some(("cls", 3.1e5)));
        assert_eq!(guard.check(&record(30.0, 1.1e4)), Some(("disc", 1.1e4)));
        assert_eq!(Guard::default().check(&record(2e4, 0.5)), Some(("cls", 2e4)));
    }
}
