//! When things happen in a run, and at what learning rate: pure functions of the step.

use super::config::{Decay, ScheduleConfig};

/// A [`ScheduleConfig`] with its epochs turned into steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Steps in one epoch.
    pub steps_per_epoch: u64,
    /// Steps in the whole run.
    pub total_steps: u64,
    warmup_steps: u64,
    validate_steps: u64,
    config: ScheduleConfig,
}

impl Schedule {
    /// Fits `config` to a data set with `steps_per_epoch` batches.
    pub fn new(config: &ScheduleConfig, steps_per_epoch: u64) -> Self {
        let steps = |epochs: f64| (epochs * steps_per_epoch as f64).round() as u64;
        Self {
            steps_per_epoch,
            total_steps: steps(config.epochs).max(1),
            warmup_steps: steps(config.warmup_epochs),
            validate_steps: if config.validate_every > 0.0 { steps(config.validate_every).max(1) } else { 0 },
            config: config.clone(),
        }
    }

    /// Factor on both learning rates during the step that follows `done` finished ones.
    ///
    /// Warm-up climbs in equal parts and reaches 1 with its last step. After it, `step` multiplies by `gamma` at each
    /// milestone (a fraction of the whole run), and `cosine` falls from 1 to 0 over the steps that are left.
    pub fn factor(&self, done: u64) -> f64 {
        if done < self.warmup_steps {
            return (done + 1) as f64 / self.warmup_steps as f64;
        }
        match self.config.decay {
            Decay::Step => {
                let total = self.total_steps as f64;
                let passed = self.config.milestones.iter();
                let drops = passed.filter(|&&m| done as f64 >= (m * total).round()).count();
                self.config.gamma.powi(drops as i32)
            }
            Decay::Cosine => {
                let left = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
                let gone = ((done - self.warmup_steps) as f64 / left).min(1.0);
                0.5 * (1.0 + (std::f64::consts::PI * gone).cos())
            }
        }
    }

    /// Epochs that `done` steps make.
    pub fn epoch(&self, done: u64) -> f64 {
        done as f64 / self.steps_per_epoch as f64
    }

    /// Whether the held-out identities are ranked after `done` steps; always after the last, unless switched off.
    pub fn validates_at(&self, done: u64) -> bool {
        self.due(self.validate_steps, done)
    }

    /// Whether a checkpoint is written after `done` steps; always after the last.
    pub fn checkpoints_at(&self, done: u64) -> bool {
        self.due(self.config.checkpoint_every, done) || done == self.total_steps
    }

    /// Whether the samples are reconstructed after `done` steps; always after the last, unless switched off.
    pub fn samples_at(&self, done: u64) -> bool {
        self.due(self.config.samples_every, done)
    }

    fn due(&self, every: u64, done: u64) -> bool {
        every > 0 && done > 0 && (done.is_multiple_of(every) || done == self.total_steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(decay: Decay) -> Schedule {
        let config = ScheduleConfig {
            epochs: 10.0,
            warmup_epochs: 1.0,
            decay,
            milestones: vec![0.5, 0.8],
            gamma: 0.1,
            validate_every: 2.5,
            checkpoint_every: 7,
            samples_every: 0,
            ..ScheduleConfig::default()
        };
        Schedule::new(&config, 4)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn warm_up_climbs_in_equal_parts() {
        let s = schedule(Decay::Step);
        let climb: Vec<f64> = (0..5).map(|step| s.factor(step)).collect();
        assert_eq!(climb, [0.25, 0.5, 0.75, 1.0, 1.0]);
    }

    #[test]
    fn steps_drop_at_the_milestones() {
        let s = schedule(Decay::Step); // 40 steps: drops at 20 and 32
        assert_eq!(s.factor(19), 1.0);
        assert!(close(s.factor(20), 0.1) && close(s.factor(31), 0.1));
        assert!(close(s.factor(32), 0.01) && close(s.factor(39), 0.01));
    }

    #[test]
    fn cosine_falls_from_one_to_zero() {
        let s = schedule(Decay::Cosine); // 4 steps of warm-up, 36 of decay
        assert!(close(s.factor(4), 1.0));
        assert!(close(s.factor(4 + 12), 0.75)); // a third of the way: (1 + cos 60°) / 2
        assert!(close(s.factor(4 + 18), 0.5));
        assert!(close(s.factor(40), 0.0) && close(s.factor(100), 0.0));
    }

    #[test]
    fn things_are_due_at_their_steps_and_at_the_end() {
        let s = schedule(Decay::Step);
        let steps = |due: &dyn Fn(u64) -> bool| (0..=40).filter(|&n| due(n)).collect::<Vec<_>>();
        assert_eq!(steps(&|n| s.validates_at(n)), [10, 20, 30, 40]);
        assert_eq!(steps(&|n| s.checkpoints_at(n)), [7, 14, 21, 28, 35, 40]);
        assert!(steps(&|n| s.samples_at(n)).is_empty());
    }

    #[test]
    fn a_run_has_at_least_one_step_and_no_warm_up_is_allowed() {
        let config = ScheduleConfig { epochs: 0.01, warmup_epochs: 0.0, ..ScheduleConfig::default() };
        let s = Schedule::new(&config, 4);
        assert_eq!((s.total_steps, s.factor(0)), (1, 1.0));
        assert!(s.checkpoints_at(1));
    }
}
