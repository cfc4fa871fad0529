//! The form that starts a run: what is typed, and whether it can work.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::train::config::RunConfig;
use crate::train::preset;

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The data set's folder.
    Data,
    /// Initial weights.
    Weights,
    /// The run folder.
    Run,
    /// Epochs.
    Epochs,
    /// Identities in a batch, P.
    Identities,
    /// Images of each identity, K.
    Images,
    /// Learning rate of F, G and C.
    Rate,
    /// The seed.
    Seed,
}

/// What is typed into the form. Figures are text until the run starts, so that a field can be half typed.
#[derive(Debug, Clone)]
pub struct TrainForm {
    /// Name of the preset.
    pub preset: String,
    /// The data set's folder.
    pub data: String,
    /// Initial weights; the preset's own, or random, where empty.
    pub weights: String,
    /// The run folder.
    pub run: String,
    /// Epochs.
    pub epochs: String,
    /// Identities in a batch, P.
    pub identities: String,
    /// Images of each identity, K.
    pub images: String,
    /// Learning rate of F, G and C.
    pub rate: String,
    /// The seed.
    pub seed: String,
    /// Why the preset could not be read.
    pub preset_problem: Option<String>,
    /// What was wrong at the last attempt to start.
    pub problems: Vec<(Field, String)>,
    base: RunConfig,
}

impl Default for TrainForm {
    fn default() -> Self {
        let mut form = Self {
            preset: String::new(),
            data: String::new(),
            weights: String::new(),
            run: String::new(),
            epochs: String::new(),
            identities: String::new(),
            images: String::new(),
            rate: String::new(),
            seed: "1".into(),
            preset_problem: None,
            problems: Vec::new(),
            base: RunConfig::default(),
        };
        form.choose(preset::names().first().copied().unwrap_or_default());
        form
    }
}

impl TrainForm {
    /// Takes another preset: its figures replace the ones in the form, the paths stay.
    pub fn choose(&mut self, name: &str) {
        self.preset = name.to_owned();
        let loaded: Result<RunConfig> = preset::load(name);
        self.preset_problem = loaded.as_ref().err().map(ToString::to_string);
        self.base = loaded.unwrap_or_default();
        self.epochs = self.base.schedule.epochs.to_string();
        self.identities = self.base.data.identities.to_string();
        self.images = self.base.data.images.to_string();
        self.rate = self.base.optim.lr.to_string();
        self.run = free_run_folder(Path::new("runs"), name).display().to_string();
        self.problems.clear();
    }

    /// Lines about the preset: the model's shape and what it trains with.
    pub fn describe(&self) -> String {
        let shape = &self.base.model.shape;
        let levels = match (self.base.loss.adv > 0.0 && self.base.data.use_lr, shape.levels.as_slice()) {
            (false, _) | (true, []) => "no discriminators".to_owned(),
            (true, levels) => {
                let list: Vec<String> = levels.iter().map(ToString::to_string).collect();
                format!("discriminators at level {}", list.join(", "))
            }
        };
        let images = if self.base.data.use_lr { "HR and LR images" } else { "HR images only" };
        format!(
            "ResNet-{} (width {}), input {}×{} px, {levels}, {images}",
            shape.depth, shape.base_width, shape.width, shape.height
        )
    }

    /// The reason why a field was refused.
    pub fn problem(&self, field: Field) -> Option<&str> {
        self.problems.iter().find(|(f, _)| *f == field).map(|(_, reason)| reason.as_str())
    }

    /// The run's settings and folder, or `None` with the reasons in [`Self::problems`].
    pub fn submit(&mut self) -> Option<(Box<RunConfig>, PathBuf)> {
        self.problems.clear();
        if self.preset_problem.is_some() {
            return None;
        }
        let mut config = self.base.clone();
        let path = |text: &str| PathBuf::from(text.trim());
        let data = path(&self.data);
        if data.as_os_str().is_empty() {
            self.refuse(Field::Data, "Name the folder with the training images");
        } else if !data.is_dir() {
            self.refuse(Field::Data, "There is no such folder");
        }
        let weights = path(&self.weights);
        if !weights.as_os_str().is_empty() {
            if !weights.is_file() {
                self.refuse(Field::Weights, "There is no such file; leave it empty for random weights");
            }
            config.model.init = Some(weights);
        }
        let run = path(&self.run);
        if run.as_os_str().is_empty() {
            self.refuse(Field::Run, "Name a folder for checkpoints and history");
        } else if run.join("run.toml").exists() {
            self.refuse(Field::Run, "It holds a run already: resume that one, or name another folder");
        }
        let figure = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        match figure(&self.epochs) {
            Some(v) if v > 0.0 && v <= 100_000.0 => config.schedule.epochs = v,
            _ => self.refuse(Field::Epochs, "A number above 0, at most 100000"),
        }
        match figure(&self.rate) {
            Some(v) if v > 0.0 && v <= 1.0 => config.optim.lr = v,
            _ => self.refuse(Field::Rate, "A number above 0, at most 1"),
        }
        match self.identities.trim().parse() {
            Ok(v @ 2..=1024) => config.data.identities = v,
            _ => self.refuse(Field::Identities, "A whole number from 2 to 1024: the triplet loss needs two persons"),
        }
        match self.images.trim().parse() {
            Ok(v @ 1..=256) => config.data.images = v,
            _ => self.refuse(Field::Images, "A whole number from 1 to 256"),
        }
        match self.seed.trim().parse() {
            Ok(v) => config.seed = v,
            Err(_) => self.refuse(Field::Seed, "A whole number from 0"),
        }
        config.data.root = data;
        self.problems.is_empty().then(|| (Box::new(config), run))
    }

    fn refuse(&mut self, field: Field, reason: &str) {
        self.problems.push((field, reason.to_owned()));
    }
}

/// `root/<name>-1`, or the first higher number that is free.
fn free_run_folder(root: &Path, name: &str) -> PathBuf {
    let name = if name.is_empty() { "run" } else { name };
    (1..10_000).map(|i| root.join(format!("{name}-{i}"))).find(|p| !p.exists()).unwrap_or_else(|| root.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(folder: &Path) -> TrainForm {
        TrainForm {
            data: folder.display().to_string(),
            run: folder.join("run-1").display().to_string(),
            epochs: "12".into(),
            identities: "4".into(),
            images: "2".into(),
            rate: "0.0005".into(),
            seed: "7".into(),
            ..TrainForm::default()
        }
    }

    #[test]
    fn a_filled_form_gives_the_run_that_was_typed() {
        let folder = tempfile::tempdir().unwrap();
        let (config, run) = filled(folder.path()).submit().unwrap();
        assert_eq!((config.seed, config.data.identities, config.data.images), (7, 4, 2));
        assert_eq!((config.schedule.epochs, config.optim.lr), (12.0, 5e-4));
        assert_eq!((config.data.root.as_path(), run), (folder.path(), folder.path().join("run-1")));
    }

    #[test]
    fn each_bad_field_is_refused_with_its_own_reason() {
        let folder = tempfile::tempdir().unwrap();
        type Spoil = fn(&mut TrainForm);
        let cases: [(Field, Spoil); 9] = [
            (Field::Data, |f| f.data.clear()),
            (Field::Data, |f| f.data = "/no/such/folder".into()),
            (Field::Weights, |f| f.weights = "/no/such/file".into()),
            (Field::Run, |f| f.run = " ".into()),
            (Field::Epochs, |f| f.epochs = "0".into()),
            (Field::Identities, |f| f.identities = "1".into()),
            (Field::Images, |f| f.images = "two".into()),
            (Field::Rate, |f| f.rate = "NaN".into()),
            (Field::Seed, |f| f.seed = "-1".into()),
        ];
        for (field, spoil) in cases {
            let mut form = filled(folder.path());
            spoil(&mut form);
            assert!(form.submit().is_none(), "{field:?}");
            assert_eq!(form.problems.len(), 1, "{field:?}");
            assert!(form.problem(field).is_some(), "{field:?}");
        }
    }

    #[test]
    fn a_folder_with_a_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut form = filled(folder.path());
        form.run = folder.path().display().to_string();
        std::fs::write(folder.path().join("run.toml"), "").unwrap();
        assert!(form.submit().is_none());
        assert!(form.problem(Field::Run).unwrap().contains("resume"));
    }
}
