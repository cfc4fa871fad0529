//! From a row to the settings of its run, at a budget.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::published::Set;
use crate::error::Result;
use crate::model::weights;
use crate::train::config::{OptimConfig, RunConfig};
use crate::train::preset;

/// How much is spent on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Budget {
    /// A stated reduction that fits a CPU: small images, few epochs, few gallery draws.
    Quick,
    /// The paper's size: 256 x 128 pixels and a full ResNet-50. For a GPU.
    Full,
}

/// The preset that `quick` takes everything from that a row does not decide itself.
const QUICK: &str = "viper-small";

/// Single-shot gallery draws of a judgement.
const DRAWS: [usize; 2] = [10, 100];

impl Budget {
    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }

    /// Single-shot gallery draws of a judgement, where a set calls for draws.
    pub fn draws(self) -> usize {
        match self {
            Self::Quick => DRAWS[0],
            Self::Full => DRAWS[1],
        }
    }

    /// What a report must say first; nothing where nothing was reduced.
    pub fn reduction(self, config: &RunConfig, seeds: usize) -> Option<String> {
        let seeds = match seeds {
            1 => "one seed (one split) instead of ten splits".to_string(),
            n => format!("{n} seeds (a split each) instead of ten splits"),
        };
        let draws = format!("up to {} gallery draws instead of {}", DRAWS[0], DRAWS[1]);
        let beyond = match config.model.shape.mirror {
            true => " Beyond the paper, an image is searched with its mirror image too.",
            false => "",
        };
        self.reduced("experiment", config, &[seeds, draws]).map(|words| {
            format!("{words}{beyond} Compare the rows with each other; the published figures are for orientation.")
        })
    }

    /// What must be said first of a picture of one model; nothing where nothing was reduced.
    pub fn reduced_model(self, config: &RunConfig) -> Option<String> {
        self.reduced("model", config, &[])
    }

    fn reduced(self, what: &str, config: &RunConfig, more: &[String]) -> Option<String> {
        if self == Self::Full {
            return None;
        }
        let (shape, full) = (&config.model.shape, RunConfig::default());
        let whole = &full.model.shape;
        let mut words =
            vec![format!("{} x {} pixels instead of {} x {}", shape.height, shape.width, whole.height, whole.width)];
        if shape.base_width != whole.base_width {
            words.push(format!(
                "a ResNet-{} of width {} instead of a ResNet-50 of {}",
                shape.depth, shape.base_width, whole.base_width
            ));
        }
        words.push(format!("{} epochs instead of {}", config.schedule.epochs, full.schedule.epochs));
        words.extend_from_slice(more);
        Some(format!("Quick budget, a reduction of the paper's {what}: {}.", words.join(", ")))
    }
}

/// What the runs of one sitting have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// How much is spent.
    pub budget: Budget,
    /// Weights that extractors start from; the shape of the network follows theirs.
    pub init: Option<std::path::PathBuf>,
    /// `key=value`, applied last.
    pub settings: Vec<String>,
}

impl Common {
    /// The settings of the run of `preset` on the set in `root`.
    ///
    /// # Errors
    /// For an unknown preset or setting, or weights that cannot be read.
    pub fn config(&self, preset: &str, set: Set, root: &Path, seed: u64) -> Result<RunConfig> {
        let mut config = match self.budget {
            Budget::Quick => preset::load_over(QUICK, preset)?,
            Budget::Full => preset::load(preset)?,
        };
        if let Some(init) = &self.init {
            let widths = weights::widths(init)?;
            let shape = &mut config.model.shape;
            if let Some([stem, base]) = widths.filter(|[stem, base]| [*stem, *base] != [shape.stem(), shape.base_width])
            {
                // Weights of another origin than those that the quick preset was made for: torchvision's arrangement.
                (shape.base_width, shape.stem_width) = (base, (stem != base).then_some(stem));
                (shape.stride_in_1x1, shape.pool_ceil_mode) = (false, false);
            }
            config.model.init = Some(init.clone());
        }
        config.data.root = root.to_path_buf();
        config.data.format = set.format();
        config.seed = seed;
        // The judgement at the end is the protocol's; nothing is chosen by validating in between.
        config.schedule.validate_every = 0.0;
        config.schedule.samples_every = 0;
        config.schedule.checkpoint_every = 100;
        for setting in &self.settings {
            preset::set(&mut config, setting)?;
        }
        Ok(config)
    }
}

/// The settings less all that does not change the trained weights: where files lie, how often something is written or shown.
/// Two runs of the same essence, data and program end in the same model.
pub fn essence(config: &RunConfig) -> RunConfig {
    let mut bare = config.clone();
    let plain = RunConfig::default();
    bare.preset.clear();
    bare.data.root.clear();
    bare.data.format = None;
    bare.data.hash = None;
    bare.data.workers = plain.data.workers;
    bare.model.shape.classes = 1;
    bare.model.init = config.model.init.as_ref().and_then(|path| path.file_name()).map(Into::into);
    let schedule = &mut bare.schedule;
    schedule.validate_every = 0.0;
    schedule.validate_rates.clear();
    schedule.samples_every = 0;
    schedule.checkpoint_every = plain.schedule.checkpoint_every;
    schedule.keep_last = plain.schedule.keep_last;
    // What a term of weight 0 would have done does not matter either.
    if bare.loss.tri == 0.0 {
        (bare.loss.margin, bare.loss.batch_hard) = (plain.loss.margin, plain.loss.batch_hard);
    }
    if bare.loss.cls == 0.0 {
        bare.loss.label_smoothing = plain.loss.label_smoothing;
    }
    if bare.loss.adv == 0.0 {
        bare.loss.adversarial = plain.loss.adversarial;
        bare.optim = OptimConfig {
            optimiser_discriminator: plain.optim.optimiser_discriminator,
            lr_discriminator: plain.optim.lr_discriminator,
            schedule_discriminator: plain.optim.schedule_discriminator,
            weight_decay_discriminator: plain.optim.weight_decay_discriminator,
            betas_discriminator: plain.optim.betas_discriminator,
            ..bare.optim
        };
    }
    bare
}

/// A short name of an [`essence`]: 12 hex digits.
///
/// # Errors
/// Where a seed has no TOML form.
pub fn fingerprint(config: &RunConfig) -> Result<String> {
    let text = preset::to_toml(&essence(config))?;
    Ok(blake3::hash(text.as_bytes()).to_hex()[..12].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(budget: Budget) -> Common {
        Common { budget, init: None, settings: Vec::new() }
    }

    #[test]
    fn a_row_decides_and_the_budget_fills_in() {
        let root = Path::new("VIPeR");
        let quick = |preset: &str| common(Budget::Quick).config(preset, Set::Viper, root, 1).unwrap();
        let small = preset::load(QUICK).unwrap();
        for name in
            ["baseline-hr", "baseline-hr-lr", "paper-single-level", "paper-multi-level", "semi-40", "without-tri"]
        {
            let (row, got) = (preset::load(name).unwrap(), quick(name));
            assert_eq!((got.preset.as_str(), got.seed), (name, 1));
            assert_eq!(
                [got.loss.adv, got.loss.rec, got.loss.tri],
                [row.loss.adv, row.loss.rec, row.loss.tri],
                "{name}"
            );
            assert_eq!((got.data.use_lr, got.data.labelled), (row.data.use_lr, row.data.labelled), "{name}");
            assert_eq!(got.model.shape.levels, row.model.shape.levels, "{name}");
            assert_eq!((got.model.shape.height, got.model.shape.base_width), (128, 32), "{name}");
            assert_eq!((got.optim.lr, got.schedule.epochs), (small.optim.lr, small.schedule.epochs), "{name}");
        }
        let full = common(Budget::Full).config("paper-multi-level", Set::Viper, root, 1).unwrap();
        assert_eq!((full.model.shape.height, full.model.shape.base_width), (256, 64));
    }

    #[test]
    fn the_reduction_is_said_first_and_only_where_there_is_one() {
        let config = common(Budget::Quick).config("paper-multi-level", Set::Viper, Path::new("v"), 0).unwrap();
        let text = Budget::Quick.reduction(&config, 3).unwrap();
        for words in
            ["128 x 64 pixels instead of 256 x 128", "width 32", "epochs", "3 seeds", "gallery draws", "mirror"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(Budget::Full.reduction(&config, 3), None);
        let picture = Budget::Quick.reduced_model(&config).unwrap();
        assert!(picture.ends_with("20 epochs instead of 60."), "{picture}");
    }

    #[test]
    fn only_what_changes_the_weights_is_of_the_essence() {
        let one = common(Budget::Quick).config("paper-multi-level", Set::Viper, Path::new("a/VIPeR"), 0).unwrap();
        let mut same = common(Budget::Quick).config("levels-4-5", Set::Viper, Path::new("b/VIPeR"), 0).unwrap();
        same.data.hash = Some("x".into());
        same.model.shape.classes = 316;
        same.schedule.validate_every = 4.0;
        assert_eq!(fingerprint(&one).unwrap(), fingerprint(&same).unwrap());
        for change in ["seed=1", "optim.lr=1e-3", "schedule.epochs=21", "data.pad=0", "loss.rec=0.5", "model.height=96"]
        {
            let mut other = one.clone();
            preset::set(&mut other, change).unwrap();
            assert_ne!(fingerprint(&one).unwrap(), fingerprint(&other).unwrap(), "{change}");
        }
        // How the discriminators learn is of no essence where there are none.
        let baseline = common(Budget::Quick).config("baseline-hr-lr", Set::Viper, Path::new("a/VIPeR"), 0).unwrap();
        for (change, matters) in [
            ("optim.lr_discriminator=2e-3", false),
            ("loss.adversarial=minimax", false),
            ("optim.weight_decay=0", true),
        ] {
            let mut other = baseline.clone();
            preset::set(&mut other, change).unwrap();
            assert_eq!(fingerprint(&baseline).unwrap() != fingerprint(&other).unwrap(), matters, "{change}");
        }
    }
}
