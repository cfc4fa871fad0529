//! What a training run tells the world, and how the world tells it to stop.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hints::Hint;
pub use crate::flow::Flow;

/// One line of `history.jsonl`: the figures of one optimiser step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StepRecord {
    /// Steps done, this one included.
    pub step: u64,
    /// Epochs done, as a fraction.
    pub epoch: f64,
    /// Weighted sum of the terms below (Eq. 7).
    pub total: f64,
    /// Reconstruction loss (Eq. 2): mean absolute error in normalised pixels, HR plus LR.
    pub rec: f64,
    /// Classification loss (Eq. 3): cross-entropy, HR plus LR.
    pub cls: f64,
    /// Triplet loss (Eqs. 4-6), HR plus LR.
    pub tri: f64,
    /// Adversarial loss of the extractor.
    pub adv: f64,
    /// Discriminator loss (Eq. 1, negated), summed over the levels.
    pub disc: f64,
    /// Learning rate of F, G and C at this step.
    pub lr: f64,
    /// Learning rate of the discriminators at this step.
    pub lr_discriminator: f64,
    /// Training images (HR and LR counted apart) a second, over this step.
    pub images_per_second: f64,
    /// How well each D_j told the batch's patches apart, before its update; empty where there is no adversarial term.
    #[serde(default)]
    pub accuracy: Vec<LevelAccuracy>,
    /// Lengths of the gradients of this step; 0 where a part took none, and in records of older versions.
    #[serde(default)]
    pub gradients: GradientNorms,
}

/// Shares of the patches that a discriminator told rightly, 0..1; 0.5 is guessing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LevelAccuracy {
    /// The feature level j, 1..=5.
    pub level: usize,
    /// Share of the HR patches that were taken for HR.
    pub hr: f64,
    /// Share of the LR patches that were taken for LR.
    pub lr: f64,
}

/// Euclidean lengths of the gradients of each part of the network.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GradientNorms {
    /// Of the weighted total (Eq. 7) by F.
    pub extractor: f64,
    /// Of the weighted total by G.
    pub decoder: f64,
    /// Of the weighted total by C.
    pub classifier: f64,
    /// Of the discriminators' loss (Eq. 1, negated) by all D_j.
    pub discriminators: f64,
}

/// One line of `validation.jsonl`: retrieval figures on the held-out identities.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ValidationRecord {
    /// Steps done when it was measured.
    pub step: u64,
    /// Epochs done.
    pub epoch: f64,
    /// Down-sampling rate of the queries, by line: 2, 3, 4, 8. The mean over the training rates is [`Self::rank1`].
    pub by_rate: Vec<RateFigures>,
    /// Rank-1 in percent, mean over the training rates.
    pub rank1: f64,
    /// Mean average precision in percent, mean over the training rates.
    pub map: f64,
}

/// Retrieval figures at one down-sampling rate, in percent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RateFigures {
    /// Down-sampling rate r of the queries.
    pub rate: f64,
    /// Rank-1, in percent.
    pub rank1: f64,
    /// Rank-5, in percent.
    pub rank5: f64,
    /// Rank-10, in percent.
    pub rank10: f64,
    /// Rank-20, in percent.
    pub rank20: f64,
    /// Mean average precision, in percent.
    pub map: f64,
}

/// An HR image, its LR form and both reconstructions, all of the model's input size, 8-bit RGB.
#[derive(Debug, Clone)]
pub struct SampleImages {
    /// Where the original lies.
    pub path: PathBuf,
    /// Down-sampling rate of the LR form.
    pub rate: f64,
    /// The HR image.
    pub hr: Arc<image::RgbImage>,
    /// The LR image, brought back to the input size.
    pub lr: Arc<image::RgbImage>,
    /// G(f5) of the HR image.
    pub hr_reconstruction: Arc<image::RgbImage>,
    /// G(f5) of the LR image.
    pub lr_reconstruction: Arc<image::RgbImage>,
}

/// What happens during a run, in the order it happens.
#[derive(Debug, Clone)]
pub enum TrainEvent {
    /// Data read, model built; training starts or resumes.
    Started {
        /// The run folder.
        run: PathBuf,
        /// Steps already done (0 unless resumed).
        step: u64,
        /// Steps in the whole run.
        total_steps: u64,
        /// Steps in one epoch.
        steps_per_epoch: u64,
        /// A sentence for the user: data, model, weights.
        summary: String,
        /// History of the steps already done, for the curves of a resumed run.
        history: Arc<Vec<StepRecord>>,
        /// Validation figures so far.
        validation: Arc<Vec<ValidationRecord>>,
    },
    /// One optimiser step is done.
    Step(StepRecord),
    /// A note worth a line: broken images skipped, weights left out.
    Note(String),
    /// What seems to go wrong, told whenever that changes; empty when all is well again.
    Hints(Vec<Hint>),
    /// The user holds the run; a checkpoint was written.
    Paused {
        /// Steps done.
        step: u64,
    },
    /// The user lets the run go on.
    Continued,
    /// Validation is under way: queries and gallery images embedded so far.
    Validating {
        /// Images done.
        done: u64,
        /// Images in all.
        total: u64,
    },
    /// The held-out identities were ranked.
    Validation(ValidationRecord),
    /// Fixed images were reconstructed.
    Samples {
        /// Steps done.
        step: u64,
        /// One entry a sample image.
        samples: Arc<Vec<SampleImages>>,
    },
    /// A checkpoint is on disk, synced and renamed.
    Checkpoint {
        /// Its file.
        path: PathBuf,
        /// Whether it is the best so far by validation rank-1.
        best: bool,
    },
    /// The model that did best so far was written: it can be searched with while the run goes on.
    BestModel {
        /// Its file.
        model: PathBuf,
    },
    /// The run is complete.
    Finished {
        /// The final model file.
        model: PathBuf,
    },
    /// The run was stopped by the user; a checkpoint was written and it can be resumed.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// How a run is to go on after the step it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// With the next step.
    #[default]
    On,
    /// Not before the user says so; the model stays in memory.
    Hold,
    /// To the end of the epoch, where it stops.
    LastEpoch,
}

/// All that a trainer knows of the world: a place for its events, and a breath between two pieces of work in which
/// the owner of the thread may do something else (answer a search) and say whether to go on.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: TrainEvent);
    /// Called between any two steps, validation batches and sample batches: at least every few seconds.
    fn breathe(&mut self) -> Flow {
        Flow::Continue
    }
    /// How the run is to go on; asked before every step.
    fn pace(&mut self) -> Pace {
        Pace::On
    }
}
