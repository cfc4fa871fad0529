//! One run that an experiment calls for: found where it was begun, trained, judged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use candle_core::Device;

use super::progress::{Clock, cost_of_a_step};
use super::published::{Row, Set};
use super::recipe::{Common, fingerprint};
use super::results::Finding;
use super::sitting::{Heard, Order, Watcher};
use crate::data::dataset::{Broken, Dataset, UNKNOWN};
use crate::data::{formats, mlr, split};
use crate::error::{Error, Result};
use crate::eval::judgement::judge_file;
use crate::eval::plan::Choices;
use crate::flow::Flow;
use crate::gallery::features::file_hash;
use crate::model::weights;
use crate::train::config::RunConfig;
use crate::train::event::{Observer, TrainEvent};
use crate::train::schedule::Schedule;
use crate::train::{fingerprint as data_set, preset, trainer};

/// A set that was read.
pub(super) struct Source {
    pub root: PathBuf,
    pub dataset: Dataset,
    pub hash: String,
}

/// One run that the experiment calls for.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub set: Set,
    pub preset: String,
    pub seed: u64,
    pub config: RunConfig,
    pub recipe: String,
    pub title: String,
}

impl Source {
    pub fn read(set: Set, root: &Path) -> Result<Self> {
        let dataset = formats::read(root, set.format())?;
        let hash = data_set::fingerprint(&dataset)?;
        Ok(Self { root: root.to_path_buf(), dataset, hash })
    }
}

/// Which run of the sitting it is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub number: usize,
    pub of: usize,
}

impl Task {
    pub fn new(common: &Common, row: &Row, set: Set, root: &Path, seed: u64) -> Result<Self> {
        let preset = row.preset.clone().unwrap_or_default();
        let config = common.config(&preset, set, root, seed)?;
        let recipe = fingerprint(&config)?;
        let title = format!("{}, {}, seed {seed}", row.name, set.title());
        Ok(Self { set, preset, seed, config, recipe, title })
    }

    /// Steps of the whole run, nearly: what is not labelled or not readable is not looked at.
    pub fn steps(&self, source: &Source) -> u64 {
        let Ok(split) = split::split(&source.dataset, self.seed) else { return 0 };
        let people = split.train.iter().map(|photo| photo.identity).filter(|who| *who != UNKNOWN);
        let people = people.collect::<BTreeSet<_>>().len();
        Schedule::new(&self.config.schedule, people.div_ceil(self.config.data.identities.max(1)) as u64).total_steps
    }

    /// The model of the run, which is trained, or gone on with, where it is not there yet.
    pub fn train(
        &self,
        order: &Order,
        source: &Source,
        place: Place,
        device: &Device,
        clock: &mut Clock,
        watcher: &mut dyn Watcher,
    ) -> Result<PathBuf> {
        if watcher.breathe() == Flow::Stop {
            return Err(Error::Cancelled);
        }
        let (folder, begun) = match self.begun(order, &source.hash) {
            Some(folder) => (folder, true),
            None => (self.free_folder(&order.out), false),
        };
        let Place { number, of } = place;
        watcher.hear(Heard::Run { number, of, title: &self.title, folder: &folder, resumed: begun });
        let cost = cost_of_a_step(&self.config);
        let model = folder.join("model.safetensors");
        if begun && model.exists() {
            clock.skip(self.steps(source) as f64 * cost);
            return Ok(model);
        }
        let mut listener = Listener { watcher, clock, cost };
        let ended = if begun {
            trainer::resume(&folder, device, &mut listener)?
        } else {
            trainer::run(self.config.clone(), &folder, device, &mut listener)?
        };
        match ended {
            trainer::Outcome::Finished { model } => Ok(model),
            trainer::Outcome::Stopped { .. } => Err(Error::Cancelled),
        }
    }

    /// Judges the model of the run by the set's protocol.
    pub fn judge(
        &self,
        model: &Path,
        order: &Order,
        source: &Source,
        device: &Device,
        watcher: &mut dyn Watcher,
    ) -> Result<Finding> {
        let choices = Choices { draws: Some(order.common.budget.draws()), ..Choices::default() };
        let (protocol, format) = (self.set.protocol(), self.set.format());
        let mut on = |done, total| {
            watcher.hear(Heard::Judging { done, total });
            watcher.breathe()
        };
        let mut judgement =
            judge_file(model, &source.root, format, protocol, &choices, self.set.unseen(), device, &mut on)?;
        // The file of results goes from machine to machine: it names images inside of the set.
        let inside = |b: &Broken| Broken { path: mlr::name(&source.dataset.root, &b.path).into(), ..b.clone() };
        judgement.broken = judgement.broken.iter().map(inside).collect();
        let card = weights::read_model(model)?.card;
        Ok(Finding {
            set: self.set,
            preset: self.preset.clone(),
            budget: order.common.budget,
            seed: self.seed,
            recipe: self.recipe.clone(),
            data: source.hash.clone(),
            model: file_hash(model)?,
            epochs: self.config.schedule.epochs,
            steps: card["steps"].as_u64().unwrap_or(0),
            program: card["trained_with"].as_str().unwrap_or("Rain").to_string(),
            note: String::new(),
            judgement,
        })
    }

    /// The folder of a run of this very recipe on this very data, in any of the places that were named; one that is finished
    /// rather than one that was only begun.
    pub fn begun(&self, order: &Order, data: &str) -> Option<PathBuf> {
        let own = order.out.join("runs");
        let places = std::iter::once(&own).chain(&order.runs);
        let folders = places.filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten();
        let mut folders: Vec<PathBuf> =
            folders.map(|entry| entry.path()).filter(|p| p.join("run.toml").is_file()).collect();
        folders.sort();
        let ours = |folder: &PathBuf| {
            preset::read_config(&folder.join("run.toml")).is_ok_and(|config| {
                config.data.hash.as_deref() == Some(data) && fingerprint(&config).is_ok_and(|name| name == self.recipe)
            })
        };
        folders.retain(ours);
        let finished = folders.iter().position(|folder| folder.join("model.safetensors").is_file());
        (!folders.is_empty()).then(|| folders.swap_remove(finished.unwrap_or(0)))
    }

    fn free_folder(&self, out: &Path) -> PathBuf {
        let name = format!("{}-{}-seed-{}", self.set.key(), self.preset, self.seed);
        let numbered = (2u32..).map(|n| format!("{name}-{n}"));
        let names = std::iter::once(name.clone()).chain(numbered);
        let mut free = names.map(|name| out.join("runs").join(name)).filter(|folder| !folder.exists());
        free.next().unwrap_or_else(|| out.join("runs").join(&name))
    }
}

/// Hands on what a run tells, and times it.
struct Listener<'a> {
    watcher: &'a mut dyn Watcher,
    clock: &'a mut Clock,
    cost: f64,
}

impl Observer for Listener<'_> {
    fn event(&mut self, event: TrainEvent) {
        match &event {
            TrainEvent::Started { step, .. } => self.clock.skip(*step as f64 * self.cost),
            TrainEvent::Step(_) => {
                self.clock.work(self.cost);
                if let Some(seconds) = self.clock.seconds_left() {
                    self.watcher.hear(Heard::Left(seconds));
                }
            }
            _ => {}
        }
        self.watcher.hear(Heard::Train(event));
    }

    fn breathe(&mut self) -> Flow {
        self.watcher.breathe()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::eval::paper::published::Which;
    use crate::eval::paper::recipe::Budget;

    fn order(out: &Path) -> Order {
        Order {
            which: Which::Table1,
            sets: BTreeMap::from([(Set::Viper, PathBuf::from("VIPeR"))]),
            common: Common { budget: Budget::Quick, init: None, settings: Vec::new() },
            seeds: vec![0, 1],
            out: out.to_path_buf(),
            runs: Vec::new(),
            results: Vec::new(),
            only: Vec::new(),
            report_only: false,
        }
    }

    #[test]
    fn a_run_folder_is_found_by_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let order = order(home.path());
        let table = Which::Table1.experiment().unwrap();
        let row = table.rows.last().unwrap();
        let task = Task::new(&order.common, row, Set::Viper, Path::new("VIPeR"), 0).unwrap();
        assert_eq!(task.begun(&order, "hash"), None);
        let folder = task.free_folder(home.path());
        assert!(folder.ends_with("runs/viper-paper-multi-level-seed-0"), "{folder:?}");

        // As a trainer writes it: the data's hash and the number of classes filled in, another place, more validation.
        let mut config = task.config.clone();
        config.data.hash = Some("hash".into());
        config.data.root = "/elsewhere/VIPeR".into();
        config.model.shape.classes = 316;
        config.schedule.validate_every = 5.0;
        let write = |folder: &Path, config: &RunConfig| {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("run.toml"), preset::to_toml(config).unwrap()).unwrap();
        };
        write(&folder, &config);
        assert_eq!(task.begun(&order, "hash"), Some(folder.clone()));
        assert_eq!(task.begun(&order, "other data"), None);
        let next = task.free_folder(home.path());
        assert!(next.ends_with("viper-paper-multi-level-seed-0-2"), "{next:?}");
        let other = Task::new(&order.common, row, Set::Viper, Path::new("VIPeR"), 1).unwrap();
        assert_eq!(other.begun(&order, "hash"), None);
        // A finished one wins.
        write(&next, &config);
        std::fs::write(next.join("model.safetensors"), "").unwrap();
        assert_eq!(task.begun(&order, "hash"), Some(next));
    }
}
