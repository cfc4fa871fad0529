//! The form that starts a run: what is typed, and whether it can work.

use std::path::{Path, PathBuf};

use crate::data::dataset::Format;
use crate::engine::room::RoomCommand;
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::train::check::check;
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
    /// Learning rate of the discriminators.
    RateDiscriminator,
    /// Epochs between two validations.
    Validate,
    /// The seed.
    Seed,
    /// Settings by key.
    More,
}

/// What is typed into the form. Figures are text until the run starts, so that a field can be half typed; each is looked at
/// as it is typed.
#[derive(Debug, Clone)]
pub struct TrainForm {
    /// Name of the preset.
    pub preset: String,
    /// The data set's folder.
    pub data: String,
    /// Its layout; recognised where not given.
    pub format: Option<Format>,
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
    /// Learning rate of the discriminators.
    pub rate_discriminator: String,
    /// Epochs between two validations.
    pub validate: String,
    /// The seed.
    pub seed: String,
    /// Any other setting, one `key=value` a line.
    pub more: String,
    /// Why the preset could not be read.
    pub preset_problem: Option<String>,
    /// What is wrong with what is typed now.
    pub problems: Vec<(Field, String)>,
    base: RunConfig,
    /// What was typed when [`Self::look`] looked last.
    looked: Option<Vec<String>>,
    /// Fields that were changed by hand: an empty form does not scold.
    touched: Vec<Field>,
    /// Whether the user has tried to start.
    attempted: bool,
    /// What the engine was asked about last.
    asked: Asked,
    /// The model's shape as typed.
    shape: ModelConfig,
}

/// Questions that were put to the engine.
#[derive(Debug, Clone, Default)]
struct Asked {
    data: Option<(PathBuf, Option<Format>)>,
    weights: Option<(PathBuf, ModelConfig)>,
}

impl Default for TrainForm {
    fn default() -> Self {
        let mut form = Self {
            preset: String::new(),
            data: String::new(),
            format: None,
            weights: String::new(),
            run: String::new(),
            epochs: String::new(),
            identities: String::new(),
            images: String::new(),
            rate: String::new(),
            rate_discriminator: String::new(),
            validate: String::new(),
            seed: "1".into(),
            more: String::new(),
            preset_problem: None,
            problems: Vec::new(),
            base: RunConfig::default(),
            looked: None,
            touched: Vec::new(),
            attempted: false,
            asked: Asked::default(),
            shape: ModelConfig::default(),
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
        self.rate_discriminator = self.base.optim.lr_discriminator.to_string();
        self.validate = self.base.schedule.validate_every.to_string();
        self.run = free_run_folder(Path::new("runs"), name).display().to_string();
        (self.looked, self.attempted) = (None, false);
        self.touched.clear();
        self.problems.clear();
    }

    /// Lines about the preset: the model's shape and what it trains with.
    pub fn describe(&self) -> String {
        let shape = &self.base.model.shape;
        let levels = match (self.base.loss.adv > 0.0 && self.base.data.use_lr, shape.levels.as_slice()) {
            (false, _) | (true, []) => "no discriminators".to_owned(),
            (true, levels) => {
                let list: Vec<String> = levels.iter().map(ToString::to_string).collect();
                let word = if list.len() == 1 { "level" } else { "levels" };
                format!("discriminators at {word} {}", list.join(", "))
            }
        };
        let images = if self.base.data.use_lr { "sharp and blurred images" } else { "sharp images only" };
        format!(
            "ResNet-{} (width {}), input {}×{} px, {levels}, {images}",
            shape.depth, shape.base_width, shape.width, shape.height
        )
    }

    /// Whether anything typed cannot work, shown or not.
    pub fn refused(&self) -> bool {
        !self.problems.is_empty() || self.preset_problem.is_some()
    }

    /// Whether the user tried to start what cannot start.
    pub fn attempted(&self) -> bool {
        self.attempted && self.refused()
    }

    /// The reason why a field is refused, once it was touched or the user tried to start.
    pub fn problem(&self, field: Field) -> Option<&str> {
        let shown = self.attempted || self.touched.contains(&field);
        self.problems.iter().find(|(f, _)| *f == field && shown).map(|(_, reason)| reason.as_str())
    }

    /// Looks at what is typed, where it has changed since the last look; what is to be asked of the engine about it.
    pub fn look(&mut self) -> Vec<RoomCommand> {
        let typed = self.typed();
        if self.looked.as_ref() != Some(&typed) {
            if let Some(before) = &self.looked {
                let changed = FIELDS.iter().zip(before.iter().zip(&typed)).filter(|(_, (a, b))| a != b);
                self.touched.extend(changed.map(|(field, _)| *field));
            }
            self.looked = Some(typed);
            let _ = self.config(); // fills `problems`
        }
        self.questions()
    }

    /// Data and weights that the engine has not been asked about yet.
    fn questions(&mut self) -> Vec<RoomCommand> {
        let path = |text: &str| Some(PathBuf::from(text.trim())).filter(|path| !path.as_os_str().is_empty());
        let ok = |field| !self.problems.iter().any(|(f, _)| *f == field);
        let mut all = Vec::new();
        if let Some(root) = path(&self.data).filter(|_| ok(Field::Data)) {
            let question = Some((root.clone(), self.format));
            if self.asked.data != question {
                self.asked.data = question;
                all.push(RoomCommand::CheckData { root, format: self.format });
            }
        }
        if let Some(file) = path(&self.weights).filter(|_| ok(Field::Weights) && ok(Field::More)) {
            let question = Some((file.clone(), self.shape.clone()));
            if self.asked.weights != question {
                self.asked.weights = question;
                all.push(RoomCommand::CheckWeights { path: file, shape: Box::new(self.shape.clone()) });
            }
        }
        all
    }

    /// The run's settings and folder, or `None`; the reasons are shown from now on.
    pub fn submit(&mut self) -> Option<(Box<RunConfig>, PathBuf)> {
        self.attempted = true;
        self.config()
    }

    /// The settings that are typed, for an estimate: the run folder does not matter to it.
    pub fn settings(&mut self) -> Option<Box<RunConfig>> {
        let config = self.read();
        let refused = self.problems.iter().any(|(field, _)| *field != Field::Run) || self.preset_problem.is_some();
        self.attempted |= refused;
        (!refused).then_some(Box::new(config))
    }

    /// Whether what is typed now is something else than these settings.
    pub fn settings_are_not(&self, config: &RunConfig) -> bool {
        self.clone().read() != *config
    }

    fn config(&mut self) -> Option<(Box<RunConfig>, PathBuf)> {
        let config = self.read();
        (!self.refused()).then(|| (Box::new(config), PathBuf::from(self.run.trim())))
    }

    /// What is typed as settings; [`Self::problems`] then says which of it cannot be.
    fn read(&mut self) -> RunConfig {
        self.problems.clear();
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
        } else if run.is_file() {
            self.refuse(Field::Run, "This is a file; name a folder that does not exist yet");
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
        match figure(&self.rate_discriminator) {
            Some(v) if (0.0..=1.0).contains(&v) => config.optim.lr_discriminator = v,
            _ => self.refuse(Field::RateDiscriminator, "A number from 0 to 1"),
        }
        match figure(&self.validate) {
            Some(v) if v >= 0.0 => config.schedule.validate_every = v,
            _ => self.refuse(Field::Validate, "A number of epochs; 0 never validates"),
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
            Ok(v @ 0..=0x7FFF_FFFF_FFFF_FFFF) => config.seed = v,
            _ => self.refuse(Field::Seed, "A whole number from 0, below 9223372036854775808"),
        }
        config.data.root = data;
        config.data.format = self.format;
        for line in self.more.clone().lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Err(error) = preset::set(&mut config, line) {
                self.refuse(Field::More, &in_short(&error));
            }
        }
        self.shape = config.model.shape.clone();
        // What no field alone can know. Where something is half typed it would only say the same again.
        if self.problems.iter().all(|(field, _)| matches!(field, Field::Run))
            && let Err(error) = check(&config).and_then(|()| config.model.shape.check())
        {
            self.refuse(Field::More, &in_short(&error));
        }
        config
    }

    fn refuse(&mut self, field: Field, reason: &str) {
        self.problems.push((field, reason.to_owned()));
    }

    /// The text of each of [`FIELDS`].
    fn typed(&self) -> Vec<String> {
        [
            &self.data,
            &self.weights,
            &self.run,
            &self.epochs,
            &self.identities,
            &self.images,
            &self.rate,
            &self.rate_discriminator,
            &self.validate,
            &self.seed,
            &self.more,
        ]
        .map(Clone::clone)
        .to_vec()
    }
}

/// The fields in the order of [`TrainForm::typed`].
const FIELDS: [Field; 11] = [
    Field::Data,
    Field::Weights,
    Field::Run,
    Field::Epochs,
    Field::Identities,
    Field::Images,
    Field::Rate,
    Field::RateDiscriminator,
    Field::Validate,
    Field::Seed,
    Field::More,
];

/// An error without its last full stop, for a line below a field.
fn in_short(error: &Error) -> String {
    error.to_string().trim_end_matches('.').to_owned()
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
        let mut form = filled(folder.path());
        form.more = "optim.momentum=0.8\n\n data.rates = 2,3 ".into();
        form.format = Some(Format::Folder);
        let (config, run) = form.submit().unwrap();
        assert_eq!((config.seed, config.data.identities, config.data.images), (7, 4, 2));
        assert_eq!((config.schedule.epochs, config.optim.lr, config.optim.momentum), (12.0, 5e-4, 0.8));
        assert_eq!((config.data.root.as_path(), run), (folder.path(), folder.path().join("run-1")));
        assert_eq!((config.data.rates.as_slice(), config.data.format), (&[2.0, 3.0][..], Some(Format::Folder)));
    }

    #[test]
    fn each_bad_field_is_refused_with_its_own_reason() {
        let folder = tempfile::tempdir().unwrap();
        type Spoil = fn(&mut TrainForm);
        let cases: [(Field, Spoil); 15] = [
            (Field::Data, |f| f.data.clear()),
            (Field::Data, |f| f.data = "/no/such/folder".into()),
            (Field::Weights, |f| f.weights = "/no/such/file".into()),
            (Field::Run, |f| f.run = " ".into()),
            (Field::Epochs, |f| f.epochs = "0".into()),
            (Field::Identities, |f| f.identities = "1".into()),
            (Field::Images, |f| f.images = "two".into()),
            (Field::Rate, |f| f.rate = "NaN".into()),
            (Field::RateDiscriminator, |f| f.rate_discriminator = "-1".into()),
            (Field::Validate, |f| f.validate = "often".into()),
            (Field::Seed, |f| f.seed = "-1".into()),
            (Field::Seed, |f| f.seed = "9223372036854775808".into()),
            (Field::More, |f| f.more = "optim.lrr=1".into()),
            (Field::More, |f| f.more = "data.rates=0.5".into()),
            (Field::More, |f| f.more = "model.height=100".into()),
        ];
        for (field, spoil) in cases {
            let mut form = filled(folder.path());
            spoil(&mut form);
            assert!(form.submit().is_none(), "{field:?}");
            assert_eq!(form.problems.len(), 1, "{field:?} {:?}", form.problems);
            assert!(form.problem(field).is_some(), "{field:?}");
        }
    }

    #[test]
    fn a_field_is_refused_as_it_is_typed_and_an_untouched_one_is_not() {
        let mut form = TrainForm::default();
        form.look();
        assert!(form.refused() && form.problem(Field::Data).is_none());
        form.epochs = "x".into();
        form.look();
        assert!(form.problem(Field::Epochs).is_some() && form.problem(Field::Data).is_none());
        form.epochs = "3".into();
        form.look();
        assert!(form.problem(Field::Epochs).is_none());
        form.submit();
        assert!(form.problem(Field::Data).is_some() && form.attempted());
    }

    #[test]
    fn data_and_weights_are_asked_about_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut form = filled(folder.path());
        assert!(matches!(form.look().as_slice(), [RoomCommand::CheckData { format: None, .. }]));
        assert!(form.look().is_empty());
        form.format = Some(Format::Viper);
        assert!(matches!(form.look().as_slice(), [RoomCommand::CheckData { format: Some(Format::Viper), .. }]));
        let file = folder.path().join("w.pth");
        std::fs::write(&file, "").unwrap();
        form.weights = file.display().to_string();
        assert!(matches!(form.look().as_slice(), [RoomCommand::CheckWeights { .. }]));
        form.choose("viper-small");
        assert!(
            matches!(form.look().as_slice(), [RoomCommand::CheckWeights { .. }]),
            "another shape is another question"
        );
    }

    #[test]
    fn an_estimate_needs_no_run_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut form = filled(folder.path());
        form.run.clear();
        assert!(form.settings().is_some() && form.submit().is_none());
        form.epochs = "0".into();
        assert!(form.settings().is_none());
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
