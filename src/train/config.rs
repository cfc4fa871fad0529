//! Everything that is needed to repeat a run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::dataset::Format;
use crate::model::config::ModelConfig;

/// A run, as written to `run.toml`. Presets are TOML files of this shape with some keys left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the preset it started from, for the reader.
    pub preset: String,
    /// One seed for everything: initial weights, split, sampling, augmentation.
    pub seed: u64,
    /// The images.
    pub data: DataConfig,
    /// The model's shape and where its weights start.
    pub model: ModelSettings,
    /// The loss terms.
    pub loss: LossConfig,
    /// The optimisers.
    pub optim: OptimConfig,
    /// Length, validation and checkpoints.
    pub schedule: ScheduleConfig,
}

/// The model's shape, without what the data decides (`classes`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    /// Shape; `classes` is overwritten by the number of training identities.
    #[serde(flatten)]
    pub shape: ModelConfig,
    /// Weights that the extractor starts from; random where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
}

/// The images of a run and how they are changed on the way in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The data set's folder.
    pub root: PathBuf,
    /// Its layout; recognised where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Down-sampling rates r of the LR images, one drawn per image.
    pub rates: Vec<f64>,
    /// Whether the LR images take part at all; off for "train on HR".
    pub use_lr: bool,
    /// Identities in a batch, P.
    pub identities: usize,
    /// Images of each identity in a batch, K.
    pub images: usize,
    /// Mirror half of the pairs.
    pub flip: bool,
    /// Pad by this many pixels, then crop back at random.
    pub pad: usize,
    /// Probability of random erasing on the input (never on the reconstruction target).
    pub erasing: f64,
    /// Share of the training identities whose labels are used, 0..1 (semi-supervised below 1).
    pub labelled: f64,
    /// Threads that decode and resize.
    pub workers: usize,
    /// Hash of the image list and file contents, written when the run starts; a resumed run checks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            root: PathBuf::new(),
            format: None,
            rates: vec![2.0, 3.0, 4.0],
            use_lr: true,
            identities: 8,
            images: 4,
            flip: true,
            pad: 0,
            erasing: 0.0,
            labelled: 1.0,
            workers: 2,
            hash: None,
        }
    }
}

/// How the adversarial loss of F is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adversarial {
    /// BCE(D(f_L), 1), the default.
    #[default]
    NonSaturating,
    /// Eq. 8 to the letter, by gradient reversal.
    Minimax,
    /// Squared error against the labels instead of BCE, for D and F.
    LeastSquares,
}

/// The loss terms (Eqs. 1-8) and their weights (Eq. 7). A weight of 0 removes the term and its work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Weight of the adversarial term; 0 removes the discriminators.
    pub adv: f64,
    /// Weight of the reconstruction term; 0 removes the decoder from the step.
    pub rec: f64,
    /// Weight of the classification term.
    pub cls: f64,
    /// Weight of the triplet term.
    pub tri: f64,
    /// Margin m of the triplet term.
    pub margin: f64,
    /// Hardest positive and negative in the batch instead of random ones.
    pub batch_hard: bool,
    /// Label smoothing of the classification term, 0..1.
    pub label_smoothing: f64,
    /// Form of the adversarial loss.
    pub adversarial: Adversarial,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            adv: 1.0,
            rec: 1.0,
            cls: 1.0,
            tri: 1.0,
            margin: 2.0,
            batch_hard: false,
            label_smoothing: 0.0,
            adversarial: Adversarial::NonSaturating,
        }
    }
}

/// Which update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// SGD with momentum and coupled weight decay.
    #[default]
    Sgd,
    /// Adam with coupled weight decay.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// What the maps of a training step are kept in. Parameters, statistics, losses and sums are `f32` in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with the range of 32 (bfloat16): half the memory, and the GPU's matrix units. Not on the processor.
    Bf16,
}

/// The optimisers of F, G, C and of D.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimConfig {
    /// Update rule of F, G and C.
    pub optimiser: Optimiser,
    /// Update rule of the discriminators.
    pub optimiser_discriminator: Optimiser,
    /// Learning rate of F, G and C.
    pub lr: f64,
    /// Learning rate of the discriminators.
    pub lr_discriminator: f64,
    /// Whether warm-up and decay move the discriminators' rate too; else it stays as it is.
    pub schedule_discriminator: bool,
    /// Momentum (SGD).
    pub momentum: f64,
    /// Nesterov momentum (SGD).
    pub nesterov: bool,
    /// Weight decay of F, G and C.
    pub weight_decay: f64,
    /// Weight decay of the discriminators.
    pub weight_decay_discriminator: f64,
    /// Adam's decay rates for F, G and C.
    pub betas: [f64; 2],
    /// Adam's decay rates for the discriminators.
    pub betas_discriminator: [f64; 2],
    /// Adam's epsilon.
    pub eps: f64,
    /// What the maps are kept in.
    pub precision: Precision,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            optimiser: Optimiser::Sgd,
            optimiser_discriminator: Optimiser::Sgd,
            lr: 1e-3,
            lr_discriminator: 1e-4,
            schedule_discriminator: true,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            weight_decay_discriminator: 5e-4,
            betas: [0.9, 0.999],
            betas_discriminator: [0.9, 0.999],
            eps: 1e-8,
            precision: Precision::F32,
        }
    }
}

/// How the learning rate moves after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Multiply by `gamma` at each of `milestones`.
    #[default]
    Step,
    /// Half a cosine down to zero.
    Cosine,
}

/// Length of the run, learning-rate schedule, validation and checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Epochs (passes over the training identities).
    pub epochs: f64,
    /// Epochs of linear warm-up.
    pub warmup_epochs: f64,
    /// Form of the decay.
    pub decay: Decay,
    /// Fractions of the run at which the rate drops (`decay = "step"`).
    pub milestones: Vec<f64>,
    /// Factor of each drop.
    pub gamma: f64,
    /// Validate every so many epochs; 0 never.
    pub validate_every: f64,
    /// Down-sampling rates of the validation queries.
    pub validate_rates: Vec<f64>,
    /// Save a checkpoint every so many steps (the last and the best are always saved).
    pub checkpoint_every: u64,
    /// How many of the newest checkpoints to keep, besides the best.
    pub keep_last: usize,
    /// Reconstruct the fixed sample images every so many steps; 0 never.
    pub samples_every: u64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            epochs: 60.0,
            warmup_epochs: 3.0,
            decay: Decay::Step,
            milestones: vec![0.5, 0.8],
            gamma: 0.1,
            validate_every: 2.0,
            validate_rates: vec![2.0, 3.0, 4.0, 8.0],
            checkpoint_every: 200,
            keep_last: 2,
            samples_every: 200,
        }
    }
}
