//! What seems to go wrong in a run, in plain words: the term, what it does, and a remedy. Pure functions of the records.
//!
//! A hint is a guess with its figures, made of the last [`WINDOW`] steps; the run goes on. What cannot go on is the
//! [`super::guard`]'s business.

use std::collections::VecDeque;

use serde::Serialize;

use super::config::RunConfig;
use super::event::{StepRecord, ValidationRecord};

/// Steps that a hint is made of.
pub const WINDOW: usize = 100;
/// Steps before which nothing is said: the start of a run is wild.
const EARLY: usize = 50;
/// A discriminator that tells this share of both resolutions wins outright.
const WINS: f64 = 0.98;
/// A loss this many times its lowest level explodes.
const EXPLODES: f64 = 4.0;
/// How near a loss stays to a constant to be called stuck, as a share of it.
const STUCK: f64 = 0.02;
/// Validations without a new best, and points below it, that make over-fitting.
const STALE: (usize, f64) = (3, 5.0);

/// A loss term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Reconstruction (Eq. 2).
    Reconstruction,
    /// Classification (Eq. 3).
    Classification,
    /// Triplet (Eqs. 4-6).
    Triplet,
    /// Adversarial, of F.
    Adversarial,
    /// Discriminators (Eq. 1).
    Discriminator,
    /// The sum (Eq. 7).
    Total,
}

impl Term {
    const ALL: [Self; 6] = [
        Self::Reconstruction,
        Self::Classification,
        Self::Triplet,
        Self::Adversarial,
        Self::Discriminator,
        Self::Total,
    ];

    /// Its name on the curves.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reconstruction => "reconstruction",
            Self::Classification => "classification",
            Self::Triplet => "triplet",
            Self::Adversarial => "adversarial",
            Self::Discriminator => "discriminator",
            Self::Total => "total",
        }
    }

    fn of(self, record: &StepRecord) -> f64 {
        match self {
            Self::Reconstruction => record.rec,
            Self::Classification => record.cls,
            Self::Triplet => record.tri,
            Self::Adversarial => record.adv,
            Self::Discriminator => record.disc,
            Self::Total => record.total,
        }
    }
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// D_j tells the resolutions apart without fail: F is given no direction.
    DiscriminatorWins(usize),
    /// All embeddings lie at one distance: the network has collapsed, or does not move.
    TripletAtMargin,
    /// No triplet of the batch has anything to teach.
    TripletIdle,
    /// A loss climbs away from where it was.
    Exploding(Term),
    /// A loss is not a number.
    NotANumber(Term),
    /// Nothing moves.
    RateZero,
    /// The discriminators do not move.
    DiscriminatorRateZero,
    /// The classifier guesses.
    ClassesAtChance,
    /// Held-out people are ranked worse than before.
    Overfitting,
}

/// One thing that seems to go wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hint {
    /// What kind of trouble it is.
    pub kind: Kind,
    /// What is seen, with its figures and the name of the term.
    pub what: String,
    /// What may help.
    pub remedy: String,
}

/// Watches a run.
#[derive(Debug, Clone)]
pub struct Watch {
    config: RunConfig,
    classes: usize,
    recent: VecDeque<StepRecord>,
    seen: usize,
    /// The lowest mean of a window so far, for each of [`Term::ALL`].
    lowest: [f64; 6],
    best: Option<f64>,
    /// Validations since the best, and the newest.
    since: usize,
    newest: f64,
}

impl Watch {
    /// A watch that has seen `history` already.
    pub fn new(config: &RunConfig, classes: usize, history: &[StepRecord]) -> Self {
        let mut watch = Self {
            config: config.clone(),
            classes,
            recent: VecDeque::with_capacity(WINDOW),
            seen: 0,
            lowest: [f64::INFINITY; 6],
            best: None,
            since: 0,
            newest: 0.0,
        };
        history.iter().for_each(|record| watch.see(record));
        watch
    }

    /// Takes a step in.
    pub fn see(&mut self, record: &StepRecord) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(record.clone());
        self.seen += 1;
        // Once a window, so that a lucky step is not what the next are measured against.
        if self.seen.is_multiple_of(WINDOW / 2) && self.seen >= EARLY {
            for (lowest, term) in self.lowest.iter_mut().zip(Term::ALL) {
                let mean = mean(self.recent.iter().map(|r| term.of(r)));
                *lowest = lowest.min(mean); // NaN is ignored
            }
        }
    }

    /// Takes a validation in.
    pub fn validated(&mut self, record: &ValidationRecord) {
        self.newest = record.rank1;
        if self.best.is_none_or(|best| record.rank1 >= best) {
            (self.best, self.since) = (Some(record.rank1), 0);
        } else {
            self.since += 1;
        }
    }

    /// What seems to go wrong now, the gravest first.
    pub fn hints(&self) -> Vec<Hint> {
        let mut all = Vec::new();
        all.extend(Term::ALL.iter().find_map(|term| self.not_a_number(*term)));
        all.extend(self.rates());
        if self.recent.len() >= EARLY {
            all.extend(Term::ALL.into_iter().zip(self.lowest).find_map(|(term, lowest)| self.exploding(term, lowest)));
            all.extend((1..=5).filter_map(|level| self.discriminator_wins(level)));
            all.extend(self.triplet());
            all.extend(self.classes());
        }
        all.extend(self.overfitting());
        all
    }

    fn mean(&self, value: impl Fn(&StepRecord) -> f64) -> f64 {
        mean(self.recent.iter().map(value))
    }

    /// Whether a term stays at `level`: on the whole, and in either half of the window. One that falls past it does not.
    fn stays(&self, value: impl Fn(&StepRecord) -> f64, level: f64) -> bool {
        let half = self.recent.len() / 2;
        let near = |mean: f64, share: f64| (mean - level).abs() < share * level;
        near(self.mean(&value), STUCK)
            && near(mean(self.recent.iter().take(half).map(&value)), 2.0 * STUCK)
            && near(mean(self.recent.iter().skip(half).map(&value)), 2.0 * STUCK)
    }

    /// HR, and LR where it takes part: the terms are sums over them.
    fn parts(&self) -> f64 {
        if self.config.data.use_lr { 2.0 } else { 1.0 }
    }

    fn not_a_number(&self, term: Term) -> Option<Hint> {
        let last = self.recent.back()?;
        (!term.of(last).is_finite()).then(|| Hint {
            kind: Kind::NotANumber(term),
            what: format!("The {} loss is not a number any more (step {})", term.name(), last.step),
            remedy: format!(
                "Stop, lower optim.lr (now {}), and resume from the last checkpoint; where it comes back, lower the weight of the {} term",
                self.config.optim.lr,
                term.name()
            ),
        })
    }

    fn rates(&self) -> Option<Hint> {
        let last = self.recent.back()?;
        // A cosine ends at 0 rightly, and so does a run whose last milestone is at its end.
        let throughout =
            |rate: fn(&StepRecord) -> f64| self.recent.len() > 1 && self.recent.iter().all(|r| rate(r) <= 0.0);
        if last.lr <= 0.0 && throughout(|r| r.lr) {
            return Some(Hint {
                kind: Kind::RateZero,
                what: "The learning rate is 0: extractor, decoder and classifier do not move".into(),
                remedy: "Set optim.lr above 0, and check schedule.gamma and schedule.milestones".into(),
            });
        }
        let adversarial = self.config.loss.adv > 0.0 && self.config.data.use_lr;
        (adversarial && throughout(|r| r.lr_discriminator)).then(|| Hint {
            kind: Kind::DiscriminatorRateZero,
            what: "The discriminators' learning rate is 0: the adversarial term has no meaning".into(),
            remedy: "Set optim.lr_discriminator above 0 (the paper's runs use about a tenth of optim.lr)".into(),
        })
    }

    fn exploding(&self, term: Term, lowest: f64) -> Option<Hint> {
        // The adversarial terms rise and fall against each other by design.
        let duel = matches!(term, Term::Adversarial | Term::Discriminator);
        let recent = self.recent.iter().rev().take(EARLY / 2).map(|r| term.of(r));
        let now = mean(recent);
        let limit = if duel { 5.0 * EXPLODES } else { EXPLODES };
        (lowest.is_finite() && now > limit * lowest.max(0.05)).then(|| Hint {
            kind: Kind::Exploding(term),
            what: format!("The {} loss has climbed to {now:.2}, from {lowest:.2} at its best", term.name()),
            remedy: format!(
                "Lower optim.lr (now {}) by a factor of 3 to 10 and resume; more schedule.warmup_epochs help a run that breaks early",
                self.config.optim.lr
            ),
        })
    }

    fn discriminator_wins(&self, level: usize) -> Option<Hint> {
        let of = |r: &StepRecord| r.accuracy.iter().find(|a| a.level == level).map(|a| (a.hr, a.lr));
        let both: Vec<(f64, f64)> = self.recent.iter().filter_map(of).collect();
        if both.len() < EARLY {
            return None;
        }
        let (hr, lr) = (mean(both.iter().map(|a| a.0)), mean(both.iter().map(|a| a.1)));
        (hr > WINS && lr > WINS).then(|| Hint {
            kind: Kind::DiscriminatorWins(level),
            what: format!(
                "Discriminator D{level} wins outright: it tells {:.1} % of HR and {:.1} % of LR patches, so the adversarial term gives the extractor no direction",
                100.0 * hr,
                100.0 * lr
            ),
            remedy: format!(
                "Lower optim.lr_discriminator (now {}), or raise loss.adv (now {})",
                self.config.optim.lr_discriminator, self.config.loss.adv
            ),
        })
    }

    fn triplet(&self) -> Option<Hint> {
        if self.config.loss.tri <= 0.0 {
            return None;
        }
        let margin = self.config.loss.margin * self.parts();
        let now = self.mean(|r| r.tri);
        if margin > 0.0 && self.stays(|r| r.tri, margin) {
            return Some(Hint {
                kind: Kind::TripletAtMargin,
                what: format!(
                    "The triplet loss is stuck at the margin ({now:.3} of {margin}): the embeddings of all people lie equally far apart, or in one point"
                ),
                remedy: format!(
                    "Lower optim.lr (now {}) or lengthen schedule.warmup_epochs; with loss.batch_hard, start from pretrained weights or switch it off at first",
                    self.config.optim.lr
                ),
            });
        }
        // No term at all (0 throughout) is a batch without labels.
        (now > 0.0 && now < 0.01 * margin).then(|| Hint {
            kind: Kind::TripletIdle,
            what: format!("The triplet loss is {now:.4}: hardly a triplet in the batch has anything left to teach"),
            remedy: if self.config.loss.batch_hard {
                format!("Raise data.identities (P, now {}) or loss.margin", self.config.data.identities)
            } else {
                "Set loss.batch_hard = true, or raise loss.margin".into()
            },
        })
    }

    fn classes(&self) -> Option<Hint> {
        if self.config.loss.cls <= 0.0 || self.classes < 2 || self.seen < 2 * WINDOW {
            return None;
        }
        let chance = self.parts() * (self.classes as f64).ln();
        let now = self.mean(|r| r.cls);
        self.stays(|r| r.cls, chance).then(|| Hint {
            kind: Kind::ClassesAtChance,
            what: format!(
                "The classification loss stays at chance ({now:.2}; guessing among {} people gives {chance:.2})",
                self.classes
            ),
            remedy: format!(
                "Start from pretrained weights, or raise optim.lr (now {}) by a factor of 3",
                self.config.optim.lr
            ),
        })
    }

    fn overfitting(&self) -> Option<Hint> {
        let best = self.best?;
        (self.since >= STALE.0 && best - self.newest > STALE.1).then(|| Hint {
            kind: Kind::Overfitting,
            what: format!(
                "Validation rank-1 has fallen to {:.1} % from {best:.1} %, over {} validations",
                self.newest, self.since
            ),
            remedy: "Stop and use the best model of the run (model-best.safetensors); more erasing, padding and weight decay help the next run".into(),
        })
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    sum / n.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::event::LevelAccuracy;
    use crate::train::preset;

    fn config() -> RunConfig {
        let mut config = preset::load("demo").unwrap();
        (config.loss.margin, config.loss.batch_hard, config.data.use_lr) = (0.3, true, true);
        (config.loss.adv, config.loss.cls, config.loss.tri) = (1.0, 1.0, 1.0);
        config
    }

    /// A healthy run of so many steps; `spoil` changes each record.
    fn run(steps: u64, spoil: impl Fn(&mut StepRecord)) -> Vec<StepRecord> {
        (1..=steps)
            .map(|step| {
                let fall = 0.3 + (-(step as f64) / 80.0).exp();
                let mut record = StepRecord {
                    step,
                    total: 4.0 * fall,
                    rec: fall,
                    cls: 3.0 * fall,
                    tri: 0.3 * fall,
                    adv: 0.7,
                    disc: 1.3,
                    lr: 1e-3,
                    lr_discriminator: 1e-4,
                    accuracy: vec![
                        LevelAccuracy { level: 4, hr: 0.7, lr: 0.6 },
                        LevelAccuracy { level: 5, hr: 0.7, lr: 0.8 },
                    ],
                    ..StepRecord::default()
                };
                spoil(&mut record);
                record
            })
            .collect()
    }

    fn kinds(config: &RunConfig, history: &[StepRecord]) -> Vec<Kind> {
        let hints = Watch::new(config, 100, history).hints();
        for hint in &hints {
            assert!(!hint.what.ends_with('.') && !hint.remedy.is_empty(), "{hint:?}");
        }
        hints.iter().map(|hint| hint.kind).collect()
    }

    #[test]
    fn a_loss_that_falls_past_the_margin_is_not_stuck_there() {
        for steps in 50..=140 {
            let history = run(steps, |r| r.tri = 1.8 * (-(r.step as f64) / 40.0).exp());
            assert!(!kinds(&config(), &history).contains(&Kind::TripletAtMargin), "{steps}");
        }
    }

    #[test]
    fn a_healthy_run_gets_no_hint_at_any_length() {
        for steps in [0, 1, 49, 50, 120, 1000] {
            assert_eq!(kinds(&config(), &run(steps, |_| ())), [], "{steps}");
        }
    }

    #[test]
    fn each_trouble_is_named_once_it_lasts() {
        type Spoil = fn(&mut StepRecord);
        let cases: [(Kind, Spoil); 8] = [
            (Kind::DiscriminatorWins(5), |r| r.accuracy[1] = LevelAccuracy { level: 5, hr: 0.999, lr: 0.995 }),
            (Kind::TripletAtMargin, |r| r.tri = 0.601),
            (Kind::TripletIdle, |r| r.tri = 0.001),
            (Kind::Exploding(Term::Reconstruction), |r| r.rec = if r.step > 260 { 4.0 } else { r.rec }),
            (Kind::NotANumber(Term::Classification), |r| r.cls = if r.step == 300 { f64::NAN } else { r.cls }),
            (Kind::RateZero, |r| r.lr = 0.0),
            (Kind::DiscriminatorRateZero, |r| r.lr_discriminator = 0.0),
            (Kind::ClassesAtChance, |r| r.cls = 2.0 * 100f64.ln()),
        ];
        for (kind, spoil) in cases {
            assert_eq!(kinds(&config(), &run(300, spoil)), [kind]);
        }
    }

    #[test]
    fn the_hint_names_the_term_and_the_setting() {
        let history = run(200, |r| r.tri = 0.6);
        let hint = &Watch::new(&config(), 100, &history).hints()[0];
        assert!(hint.what.contains("triplet") && hint.remedy.contains("optim.lr"), "{hint:?}");
    }

    #[test]
    fn trouble_that_has_passed_is_not_told() {
        let wild = run(400, |r| r.rec = if (200..280).contains(&r.step) { 9.0 } else { r.rec });
        assert_eq!(kinds(&config(), &wild[..250]), [Kind::Exploding(Term::Reconstruction)]);
        assert_eq!(kinds(&config(), &wild), []);
    }

    #[test]
    fn a_term_that_is_off_is_not_missed() {
        let mut config = config();
        (config.loss.tri, config.loss.cls) = (0.0, 0.0);
        assert_eq!(kinds(&config, &run(300, |r| (r.tri, r.cls) = (0.0, 0.0))), []);
        // Unlabelled batches give neither term a value.
        let config = self::config();
        assert_eq!(kinds(&config, &run(300, |r| (r.tri, r.cls, r.accuracy) = (0.0, 0.0, Vec::new()))), []);
    }

    #[test]
    fn the_last_step_of_a_cosine_is_no_trouble() {
        assert_eq!(kinds(&config(), &run(300, |r| r.lr = if r.step == 300 { 0.0 } else { r.lr })), []);
    }

    #[test]
    fn a_fall_in_validation_is_told_after_three_in_a_row() {
        let mut watch = Watch::new(&config(), 100, &run(300, |_| ()));
        for (rank1, told) in [(20.0, false), (30.0, false), (24.0, false), (23.0, false), (22.0, true), (31.0, false)] {
            watch.validated(&ValidationRecord { rank1, ..ValidationRecord::default() });
            assert_eq!(!watch.hints().is_empty(), told, "{rank1}");
        }
    }
}
