//! One sitting at an experiment: what is known is looked up, what was begun is gone on with, what is missing is trained and
//! judged, and the report is written anew after each run. It can be stopped at any moment and called again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::Device;

use super::progress::{Clock, cost_of_a_step};
use super::published::{Experiment, Row, Set, Which};
use super::recipe::{Common, fingerprint};
use super::report::Report;
use super::results::{Finding, Results};
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

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The table or figure.
    pub which: Which,
    /// The data sets at hand.
    pub sets: BTreeMap<Set, PathBuf>,
    /// Budget, weights and settings.
    pub common: Common,
    /// A run, and a split, for each.
    pub seeds: Vec<u64>,
    /// Where the report, the results and the new runs go.
    pub out: PathBuf,
    /// Further folders whose runs are looked at before anything is trained.
    pub runs: Vec<PathBuf>,
    /// Further files of results.
    pub results: Vec<PathBuf>,
    /// Rows to train (by preset or name); all where none is named. The report has all rows in any case.
    pub only: Vec<String>,
    /// Train nothing: write the report of what is known.
    pub report_only: bool,
}

/// What happens during a sitting.
#[derive(Debug)]
pub enum Heard<'a> {
    /// What there is to do.
    Planned {
        /// Runs that the rows call for.
        runs: usize,
        /// Of those, known already.
        known: usize,
    },
    /// A run begins, or is gone on with.
    Run {
        /// Its number in this sitting, from 1.
        number: usize,
        /// Runs of this sitting.
        of: usize,
        /// What it is, in words.
        title: &'a str,
        /// Its folder.
        folder: &'a Path,
        /// Whether it was begun before.
        resumed: bool,
    },
    /// Something in the run.
    Train(TrainEvent),
    /// Images embedded for the judgement.
    Judging {
        /// Done.
        done: u64,
        /// In all.
        total: u64,
    },
    /// A run was judged.
    Found(&'a Finding),
    /// The report was written anew.
    Reported {
        /// Its figures.
        report: &'a Report,
        /// Its page.
        page: &'a Path,
    },
    /// Worth a line.
    Note(String),
    /// Seconds left of the whole sitting at the pace so far.
    Left(f64),
}

/// Who follows a sitting.
pub trait Watcher {
    /// Something happened.
    fn hear(&mut self, heard: Heard<'_>);
    /// Called between any two pieces of work; says whether to go on.
    fn breathe(&mut self) -> Flow;
}

/// How a sitting ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The page.
    pub page: PathBuf,
    /// The same as data.
    pub report: Report,
    /// Whether it was stopped before all was done.
    pub stopped: bool,
    /// Runs that could not be finished, with the reason.
    pub failed: Vec<(String, String)>,
}

/// A set that was read.
struct Source {
    root: PathBuf,
    dataset: Dataset,
    hash: String,
}

/// One run that the experiment calls for.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub set: Set,
    pub preset: String,
    pub seed: u64,
    pub config: RunConfig,
    pub recipe: String,
    title: String,
}

/// Does what is missing, as far as it gets.
///
/// # Errors
/// For sets that are not what they should be, unknown rows and settings, and a disk that refuses. A run whose training
/// diverges is told in [`Outcome::failed`] and the others go on; a stop is no error.
pub fn carry_out(order: &Order, device: &Device, watcher: &mut dyn Watcher) -> Result<Outcome> {
    let experiment = order.which.experiment()?;
    let wanted = chosen(&experiment, &order.only)?;
    if order.sets.is_empty() || order.seeds.is_empty() {
        return Err(Error::input("There is no data set or no seed to run on", "Name a set: --data viper=DIR"));
    }
    std::fs::create_dir_all(&order.out).map_err(|e| Error::io("create", &order.out, e))?;
    let mut results = Results::open(&order.out, &order.results)?;
    let mut sources = BTreeMap::new();
    for (set, root) in &order.sets {
        sources.insert(*set, Source::read(*set, root)?);
    }
    let tasks = tasks(order, &wanted, &sources)?;
    let open: Vec<&Task> =
        tasks.iter().filter(|task| results.find(&sources[&task.set].hash, &task.recipe).is_none()).collect();
    watcher.hear(Heard::Planned { runs: tasks.len(), known: tasks.len() - open.len() });

    let mut outcome = write(order, &experiment, &sources, &results, Vec::new())?;
    watcher.hear(Heard::Reported { report: &outcome.report, page: &outcome.page });
    if order.report_only {
        return Ok(outcome);
    }
    let work = |task: &Task| task.steps(&sources[&task.set]) as f64 * cost_of_a_step(&task.config);
    let mut clock = Clock::new(open.iter().map(|task| work(task)).sum());
    let mut failed = Vec::new();
    for (number, task) in open.iter().enumerate() {
        let source = &sources[&task.set];
        let place = Place { number: number + 1, of: open.len() };
        match task.carry_out(order, source, place, device, &mut clock, watcher) {
            Ok(finding) => {
                watcher.hear(Heard::Found(&finding));
                results.add(finding)?;
            }
            Err(Error::Cancelled) => {
                outcome.stopped = true;
                break;
            }
            Err(error @ Error::Diverged { .. }) => failed.push((task.title.clone(), error.to_string())),
            Err(error) => return Err(error),
        }
        outcome = write(order, &experiment, &sources, &results, failed.clone())?;
        watcher.hear(Heard::Reported { report: &outcome.report, page: &outcome.page });
    }
    Ok(outcome)
}

/// The rows that `only` names; all that can be trained where it names none.
fn chosen<'a>(experiment: &'a Experiment, only: &[String]) -> Result<Vec<&'a Row>> {
    let trained = || experiment.rows.iter().filter(|row| row.preset.is_some());
    let is = |row: &Row, name: &str| row.name == name || row.preset.as_deref() == Some(name);
    for name in only {
        if !trained().any(|row| is(row, name)) {
            let names: Vec<&str> = trained().filter_map(|row| row.preset.as_deref()).collect();
            return Err(Error::input(
                format!("There is no row \"{name}\" to train in this experiment"),
                format!("Its rows are {}", names.join(", ")),
            ));
        }
    }
    Ok(trained().filter(|row| only.is_empty() || only.iter().any(|name| is(row, name))).collect())
}

/// Every run that the rows call for, seed by seed, so that the whole table stands after the first. Rows that ask for the same
/// run share it.
fn tasks(order: &Order, rows: &[&Row], sources: &BTreeMap<Set, Source>) -> Result<Vec<Task>> {
    let (mut tasks, mut seen) = (Vec::new(), BTreeSet::new());
    for &seed in &order.seeds {
        for (set, source) in sources {
            for row in rows {
                let task = Task::new(&order.common, row, *set, &source.root, seed)?;
                if seen.insert((task.set, task.recipe.clone())) {
                    tasks.push(task);
                }
            }
        }
    }
    Ok(tasks)
}

fn write(
    order: &Order,
    experiment: &Experiment,
    sources: &BTreeMap<Set, Source>,
    results: &Results,
    failed: Vec<(String, String)>,
) -> Result<Outcome> {
    let mut all = BTreeMap::new();
    for (set, source) in sources {
        for (place, row) in experiment.rows.iter().enumerate().filter(|(_, row)| row.preset.is_some()) {
            let seeds: BTreeSet<u64> = order.seeds.iter().copied().chain(results.seeds()).collect();
            let mut found = Vec::new();
            for seed in seeds {
                let task = Task::new(&order.common, row, *set, &source.root, seed)?;
                found.extend(results.find(&source.hash, &task.recipe).cloned());
            }
            all.insert((*set, place), found);
        }
    }
    let any = experiment.rows.iter().find(|row| row.preset.is_some()).zip(sources.iter().next());
    let reduction = match any {
        Some((row, (set, source))) => {
            let config = Task::new(&order.common, row, *set, &source.root, 0)?.config;
            let seeds = all.values().map(Vec::len).max().unwrap_or(0).max(1);
            order.common.budget.reduction(&config, seeds)
        }
        None => None,
    };
    let sets: Vec<Set> = sources.keys().copied().collect();
    let report = Report::new(order, experiment, &sets, reduction, &all, &failed);
    let page = report.write(&order.out, order.which)?;
    Ok(Outcome { page, report, stopped: false, failed })
}

impl Source {
    fn read(set: Set, root: &Path) -> Result<Self> {
        let dataset = formats::read(root, set.format())?;
        let hash = data_set::fingerprint(&dataset)?;
        Ok(Self { root: root.to_path_buf(), dataset, hash })
    }
}

/// Which run of the sitting it is.
#[derive(Clone, Copy)]
struct Place {
    number: usize,
    of: usize,
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
    fn steps(&self, source: &Source) -> u64 {
        let Ok(split) = split::split(&source.dataset, self.seed) else { return 0 };
        let people = split.train.iter().map(|photo| photo.identity).filter(|who| *who != UNKNOWN);
        let people = people.collect::<BTreeSet<_>>().len();
        Schedule::new(&self.config.schedule, people.div_ceil(self.config.data.identities.max(1)) as u64).total_steps
    }

    fn carry_out(
        &self,
        order: &Order,
        source: &Source,
        place: Place,
        device: &Device,
        clock: &mut Clock,
        watcher: &mut dyn Watcher,
    ) -> Result<Finding> {
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
        } else {
            let mut listener = Listener { watcher: &mut *watcher, clock: &mut *clock, cost };
            let ended = if begun {
                trainer::resume(&folder, device, &mut listener)?
            } else {
                trainer::run(self.config.clone(), &folder, device, &mut listener)?
            };
            if let trainer::Outcome::Stopped { .. } = ended {
                return Err(Error::Cancelled);
            }
        }

        let choices = Choices { draws: Some(order.common.budget.draws()), ..Choices::default() };
        let (protocol, format) = (self.set.protocol(), self.set.format());
        let mut on = |done, total| {
            watcher.hear(Heard::Judging { done, total });
            watcher.breathe()
        };
        let mut judgement =
            judge_file(&model, &source.root, format, protocol, &choices, self.set.unseen(), device, &mut on)?;
        // The file of results goes from machine to machine: it names images inside of the set.
        let inside = |b: &Broken| Broken { path: mlr::name(&source.dataset.root, &b.path).into(), ..b.clone() };
        judgement.broken = judgement.broken.iter().map(inside).collect();
        let card = weights::read_model(&model)?.card;
        Ok(Finding {
            set: self.set,
            preset: self.preset.clone(),
            budget: order.common.budget,
            seed: self.seed,
            recipe: self.recipe.clone(),
            data: source.hash.clone(),
            model: file_hash(&model)?,
            epochs: self.config.schedule.epochs,
            steps: card["steps"].as_u64().unwrap_or(0),
            program: card["trained_with"].as_str().unwrap_or("Rain").to_string(),
            note: String::new(),
            judgement,
        })
    }

    /// The folder of a run of this very recipe on this very data, in any of the places that were named; one that is finished
    /// rather than one that was only begun.
    fn begun(&self, order: &Order, data: &str) -> Option<PathBuf> {
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
    use super::*;
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
    fn rows_are_chosen_by_preset_or_name_and_others_are_named() {
        let table = Which::Table1.experiment().unwrap();
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(ToString::to_string).collect();
            chosen(&table, &only).map(|rows| rows.iter().map(|row| row.preset.clone().unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 4);
        assert_eq!(names(&["paper-multi-level"]).unwrap(), ["paper-multi-level"]);
        assert_eq!(names(&["RAIN, single-level"]).unwrap(), ["paper-single-level"]);
        let error = names(&["SING (Jiao et al. 2018)"]).unwrap_err().to_string();
        assert!(error.contains("baseline-hr-lr"), "{error}");
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
