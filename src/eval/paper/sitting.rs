//! One sitting at an experiment: what is known is looked up, what was begun is gone on with, what is missing is trained and
//! judged, and the report is written anew after each run. It can be stopped at any moment and called again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::Device;

use super::progress::{Clock, cost_of_a_step};
use super::published::{Experiment, Row, Set, Which};
use super::recipe::Common;
use super::report::Report;
use super::results::{Finding, Results};
use super::task::{Place, Source, Task};
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::train::event::TrainEvent;

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
        let trained = task.train(order, source, place, device, &mut clock, watcher);
        match trained.and_then(|model| task.judge(&model, order, source, device, watcher)) {
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

/// The models of one row and the first seed, one a set: what a figure that shows a single model is drawn from. What is missing
/// is trained.
///
/// # Errors
/// As [`carry_out`]; [`Error::Cancelled`] where it was stopped, [`Error::Diverged`] where a training failed, and
/// [`Error::Input`] where nothing may be trained and there is no model yet.
pub fn models(order: &Order, preset: &str, device: &Device, watcher: &mut dyn Watcher) -> Result<Vec<(Set, PathBuf)>> {
    let experiment = order.which.experiment()?;
    let rows = chosen(&experiment, &[preset.to_string()])?;
    let (Some(row), Some(&seed)) = (rows.first(), order.seeds.first()) else {
        return Err(Error::input("There is no seed to run on", "Name one: --seeds 0"));
    };
    let mut tasks = Vec::new();
    for (set, root) in &order.sets {
        let source = Source::read(*set, root)?;
        let task = Task::new(&order.common, row, *set, root, seed)?;
        let there = task.begun(order, &source.hash).is_some_and(|run| run.join("model.safetensors").is_file());
        if order.report_only && !there {
            return Err(Error::input(
                format!("There is no model yet of {}", task.title),
                "Leave out --report-only to train it, or name the folder of its run: --runs DIR",
            ));
        }
        tasks.push((task, source, there));
    }
    let known = tasks.iter().filter(|(.., there)| *there).count();
    watcher.hear(Heard::Planned { runs: tasks.len(), known });
    let work = |task: &Task, source: &Source| task.steps(source) as f64 * cost_of_a_step(&task.config);
    let mut clock = Clock::new(tasks.iter().map(|(task, source, _)| work(task, source)).sum());
    let mut models = Vec::with_capacity(tasks.len());
    for (number, (task, source, _)) in tasks.iter().enumerate() {
        let place = Place { number: number + 1, of: tasks.len() };
        models.push((task.set, task.train(order, source, place, device, &mut clock, watcher)?));
    }
    Ok(models)
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
