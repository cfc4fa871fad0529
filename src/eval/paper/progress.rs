//! How long a sitting will still take: work counted in forward passes of one image set, timed as it goes.

use std::time::{Duration, Instant};

use crate::train::config::RunConfig;

/// What a step costs, in steps of a run that sees HR images alone: a second forward and backward pass for the LR images, the
/// decoder's, the discriminators'. Rough on purpose; it only weighs the runs against each other.
pub fn cost_of_a_step(config: &RunConfig) -> f64 {
    let forms = if config.data.use_lr { 2.0 } else { 1.0 };
    let term = |weight: f64, cost: f64| if weight > 0.0 { cost } else { 0.0 };
    forms + term(config.loss.rec, 0.4 * forms) + term(config.loss.adv, 0.2 * forms)
}

/// Work done and work left.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    done: f64,
    left: f64,
}

impl Clock {
    /// Starts with so much work to do.
    pub fn new(left: f64) -> Self {
        Self { began: Instant::now(), done: 0.0, left }
    }

    /// So much of it was found done already: it took no time.
    pub fn skip(&mut self, work: f64) {
        self.left = (self.left - work).max(0.0);
    }

    /// So much was done.
    pub fn work(&mut self, work: f64) {
        self.done += work;
        self.left = (self.left - work).max(0.0);
    }

    /// Seconds left at the pace so far; nothing before there is one.
    pub fn seconds_left(&self) -> Option<f64> {
        self.at(self.began.elapsed())
    }

    fn at(&self, elapsed: Duration) -> Option<f64> {
        let known = self.done > 0.0 && elapsed > Duration::from_secs(2);
        known.then(|| elapsed.as_secs_f64() / self.done * self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::preset;

    #[test]
    fn time_left_is_the_pace_times_the_work_left() {
        let mut clock = Clock::new(100.0);
        clock.skip(40.0);
        assert_eq!(clock.at(Duration::from_secs(9)), None);
        clock.work(20.0);
        assert_eq!(clock.at(Duration::from_secs(10)), Some(20.0)); // half a second a unit, 40 left
        clock.work(60.0);
        assert_eq!(clock.at(Duration::from_secs(10)), Some(0.0));
    }

    #[test]
    fn more_terms_cost_more() {
        let cost = |name| cost_of_a_step(&preset::load(name).unwrap());
        let costs = ["baseline-hr", "baseline-hr-lr", "without-adv", "paper-multi-level"].map(cost);
        assert!(costs.is_sorted_by(|a, b| a < b), "{costs:?}");
    }
}
