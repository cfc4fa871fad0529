//! What a layout is made with.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How [`super::project`] lays points out. The defaults are those that t-SNE's literature settled on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Effective number of neighbours that each point stays close to; lowered where there are too few points for it.
    pub perplexity: f64,
    /// Iterations of plain optimisation, after those of early exaggeration.
    pub iterations: u32,
    /// Factor on the attraction during early exaggeration, which gathers the clusters.
    pub early_exaggeration: f64,
    /// Iterations of early exaggeration.
    pub early_iterations: u32,
    /// Step length; `None` chooses the number of points over the exaggeration of the phase (Belkina et al., 2019).
    pub learning_rate: Option<f64>,
    /// Principal components that the features are brought to first; 0 uses the features as they are.
    pub components: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Every how many iterations the layout is told; 0 tells only the last.
    pub every: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            iterations: 500,
            early_exaggeration: 12.0,
            early_iterations: 250,
            learning_rate: None,
            components: 50,
            seed: 0,
            every: 10,
        }
    }
}

impl Settings {
    /// The most iterations of one phase.
    pub const MAX_ITERATIONS: u32 = 1_000_000;

    /// Iterations of both phases.
    pub fn total(&self) -> u32 {
        self.early_iterations + self.iterations
    }

    /// Names the first setting that cannot work, and what to choose instead.
    ///
    /// # Errors
    /// [`Error::Input`].
    pub fn check(&self) -> Result<()> {
        let must = |holds: bool, name: &str, value: f64, remedy: &str| {
            if holds { Ok(()) } else { Err(Error::input(format!("The {name} cannot be {value}"), remedy)) }
        };
        must(
            self.perplexity.is_finite() && self.perplexity >= 1.0,
            "perplexity",
            self.perplexity,
            "Choose a number of neighbours from 1 up; 5 to 50 is usual, 30 the default",
        )?;
        must(
            self.early_exaggeration >= 1.0 && self.early_exaggeration <= 1e6,
            "early exaggeration",
            self.early_exaggeration,
            "Choose a factor from 1 to 1000000; 12 is the default",
        )?;
        for (name, value) in [("iterations", self.iterations), ("early iterations", self.early_iterations)] {
            must(
                value <= Self::MAX_ITERATIONS,
                &format!("number of {name}"),
                f64::from(value),
                "Choose at most 1000000; 250 early and 500 later are the defaults",
            )?;
        }
        if let Some(rate) = self.learning_rate {
            must(
                rate.is_finite() && rate > 0.0,
                "learning rate",
                rate,
                "Choose a number above 0, or leave it out to have it chosen by the number of points",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_value_is_named() {
        Settings::default().check().unwrap();
        let base = Settings::default;
        for (settings, name) in [
            (Settings { perplexity: 0.5, ..base() }, "perplexity cannot be 0.5"),
            (Settings { perplexity: f64::NAN, ..base() }, "perplexity cannot be NaN"),
            (Settings { early_exaggeration: 0.0, ..base() }, "early exaggeration cannot be 0"),
            (Settings { early_exaggeration: f64::NAN, ..base() }, "early exaggeration cannot be NaN"),
            (Settings { iterations: u32::MAX, ..base() }, "number of iterations"),
            (Settings { early_iterations: u32::MAX, ..base() }, "number of early iterations"),
            (Settings { learning_rate: Some(0.0), ..base() }, "learning rate cannot be 0"),
            (Settings { learning_rate: Some(f64::INFINITY), ..base() }, "learning rate cannot be inf"),
        ] {
            let message = settings.check().unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn what_is_left_out_of_a_file_takes_its_default() {
        let settings: Settings = toml::from_str("perplexity = 10.0\nseed = 3").unwrap();
        assert_eq!(settings, Settings { perplexity: 10.0, seed: 3, ..Settings::default() });
        assert!(toml::from_str::<Settings>("perplexty = 10.0").is_err());
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }
}
