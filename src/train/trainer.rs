//! The run: data, model, then one step after another until the schedule ends or someone says stop.
//!
//! Everything random is a function of (seed, step), so going on from a checkpoint computes what an uninterrupted run
//! would have computed, bit for bit.

mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;

use super::check::check;
use super::checkpoint::{Checkpoints, Restored};
use super::config::RunConfig;
use super::event::{Flow, LevelAccuracy, Observer, Pace, StepRecord, TrainEvent, ValidationRecord};
use super::feed::{Data, Feed};
use super::folder::RunFolder;
use super::guard::Guard;
use super::hints::{Kind, Watch};
use super::history::Log;
use super::learner::Learner;
use super::preset;
use super::samples::{self, Samples};
use super::schedule::Schedule;
use super::tensorboard::EventFile;
use crate::data::image_io;
use crate::eval::protocol;
use crate::model::config::ModelConfig;
use crate::model::rain::Rain;
use crate::{Error, Result};

/// How long a run that is held waits before it looks whether it may go on, and lets its thread's owner do something else.
const PATIENCE: Duration = Duration::from_millis(20);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished {
        /// The final model.
        model: PathBuf,
    },
    /// The observer said stop; a checkpoint was written.
    Stopped {
        /// Steps done.
        step: u64,
    },
}

/// Starts a new run in the folder `run`.
///
/// # Errors
/// Settings, data or folder that cannot work; [`Error::Diverged`]; a disk that refuses. Checkpoints written before are intact.
pub fn run(mut config: RunConfig, run: &Path, device: &Device, observer: &mut dyn Observer) -> Result<Outcome> {
    check(&config)?;
    RunFolder::refuse_existing(run)?;
    // The run can then be resumed and repeated from any folder.
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| Error::io("find", path, e));
    config.data.root = absolute(&config.data.root)?;
    config.model.init = config.model.init.as_deref().map(absolute).transpose()?;

    let data = Data::open(&config)?;
    let mut notes = Vec::new();
    if config.data.hash.as_ref().is_some_and(|hash| *hash != data.hash) {
        notes.push("The data set is not the one that these settings were first used with.".into());
    }
    config.data.hash = Some(data.hash.clone());
    config.model.shape.classes = data.classes;
    let learner = new_learner(&config, device, &mut notes)?;
    let folder = RunFolder::create(run, &config)?;
    Trainer::new(config, folder, data, learner, None, device, observer, notes)?.train()
}

/// Goes on with the run in the folder `run` from its newest usable checkpoint; from the start where there is none yet.
///
/// # Errors
/// As [`run`]; [`Error::File`] where there is no run, or where its data set has changed.
pub fn resume(run: &Path, device: &Device, observer: &mut dyn Observer) -> Result<Outcome> {
    let (folder, config) = RunFolder::open(run)?;
    check(&config)?;
    let data = Data::open(&config)?;
    if config.data.hash.as_ref() != Some(&data.hash) {
        let problem = "The data set is not the one that this run was started with";
        let remedy = "Bring its files back, or start a new run in another folder";
        return Err(Error::file(&config.data.root, problem, remedy));
    }
    let mut notes = Vec::new();
    let checkpoints = Checkpoints::new(folder.checkpoints(), config.schedule.keep_last);
    let restored = checkpoints.newest_usable(device, |note| notes.push(note))?;
    let learner = match &restored {
        None => new_learner(&config, device, &mut notes)?,
        Some(Restored { header, state, path }) => {
            // How a model is searched with later does not matter to its training.
            let mirror = config.model.shape.mirror;
            if (ModelConfig { mirror, ..header.config.model.shape.clone() }) != config.model.shape {
                let problem = "The run's settings now describe a model of another shape";
                let remedy = "Set model.* in run.toml back, or start a new run in another folder";
                return Err(Error::file(path, problem, remedy));
            }
            let changes = preset::differences(&header.config, &config);
            if !changes.is_empty() {
                let (step, changes) = (header.step, changes.join(", "));
                notes.push(format!("Settings changed after step {step}: {changes}."));
            }
            let model = Rain::new(config.model.shape.clone(), config.seed, device)?;
            let mut learner = Learner::new(model, config.loss.clone(), config.optim.clone())?;
            learner.restore(state)?;
            learner
        }
    };
    Trainer::new(config, folder, data, learner, restored, device, observer, notes)?.train()
}

/// A learner at step 0.
pub(super) fn new_learner(config: &RunConfig, device: &Device, notes: &mut Vec<String>) -> Result<Learner> {
    let mut model = Rain::new(config.model.shape.clone(), config.seed, device)?;
    if let Some(weights) = &config.model.init {
        notes.push(model.load_extractor(weights)?.to_string());
    }
    Learner::new(model, config.loss.clone(), config.optim.clone())
}

/// A run under way.
struct Trainer<'a> {
    config: RunConfig,
    folder: RunFolder,
    data: Data,
    device: &'a Device,
    observer: &'a mut dyn Observer,
    schedule: Schedule,
    learner: Learner,
    feed: Feed,
    samples: Samples,
    checkpoints: Checkpoints,
    history: Log<StepRecord>,
    validation: Log<ValidationRecord>,
    board: EventFile,
    guard: Guard,
    watch: Watch,
    /// What was hinted at last.
    hinted: Vec<Kind>,
    /// Steps done.
    step: u64,
    best_rank1: Option<f64>,
    last_validation: Option<ValidationRecord>,
}

impl<'a> Trainer<'a> {
    #[allow(clippy::too_many_arguments)] // the two ways to start meet here, once
    fn new(
        config: RunConfig,
        folder: RunFolder,
        data: Data,
        learner: Learner,
        restored: Option<Restored>,
        device: &'a Device,
        observer: &'a mut dyn Observer,
        mut notes: Vec<String>,
    ) -> Result<Self> {
        let (step, best_rank1) = match restored {
            Some(Restored { header, .. }) => (header.step, header.best_rank1),
            None => (0, None),
        };
        let schedule = Schedule::new(&config.schedule, data.sampler.steps_per_epoch());
        let feed = Feed::new(&data, &config, step, device);
        let shape = &config.model.shape;
        let samples = Samples::choose(&data.split.query, &config.data.rates, shape.height, shape.width);
        let checkpoints = Checkpoints::new(folder.checkpoints(), config.schedule.keep_last);
        // Where the best was damaged or set aside, the next one counts as the best.
        let best_rank1 = best_rank1.filter(|_| checkpoints.best().exists());
        // What was written after the checkpoint is about to be computed again.
        let resumed = folder.history().exists().then_some(step);
        let (history, steps) = Log::open(&folder.history(), step)?;
        let (validation, validations) = Log::open(&folder.validation(), step)?;
        let board = EventFile::create(folder.root(), resumed)?;

        let mut watch = Watch::new(&config, data.classes, &steps);
        validations.iter().for_each(|record| watch.validated(record));

        notes.extend(words::broken_note(&data.broken));
        if data.split.query.is_empty() || data.split.gallery.is_empty() {
            notes.push("No identities are held out, so nothing is validated.".into());
        }
        observer.event(TrainEvent::Started {
            run: folder.root().to_path_buf(),
            step,
            total_steps: schedule.total_steps,
            steps_per_epoch: schedule.steps_per_epoch,
            summary: words::summary(&config, &data),
            history: Arc::new(steps.clone()),
            validation: Arc::new(validations.clone()),
        });
        for note in notes {
            observer.event(TrainEvent::Note(note));
        }
        Ok(Self {
            guard: Guard::new(&steps),
            watch,
            hinted: Vec::new(),
            last_validation: validations.into_iter().next_back(),
            config,
            folder,
            data,
            device,
            observer,
            schedule,
            learner,
            feed,
            samples,
            checkpoints,
            history,
            validation,
            board,
            step,
            best_rank1,
        })
    }

    fn train(mut self) -> Result<Outcome> {
        match self.all_steps() {
            Err(Error::Cancelled) => self.stop(),
            Err(error) => Err(error),
            Ok(()) => self.finish(),
        }
    }

    /// [`Error::Cancelled`] is how a stop travels up, from wherever it was heard.
    fn all_steps(&mut self) -> Result<()> {
        self.look()?; // a stop may have cut this short at the step we resume from
        while self.step < self.schedule.total_steps {
            self.breathe()?;
            self.keep_pace()?;
            self.one_step()?;
            self.look()?;
            if self.schedule.checkpoints_at(self.step) {
                self.checkpoint(false)?;
            }
        }
        Ok(())
    }

    fn breathe(&mut self) -> Result<()> {
        match self.observer.breathe() {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(Error::Cancelled),
        }
    }

    /// Waits out a pause, and ends the run with its epoch where the user asked for that.
    fn keep_pace(&mut self) -> Result<()> {
        match self.observer.pace() {
            Pace::On => return Ok(()),
            Pace::LastEpoch if self.step > 0 && self.step.is_multiple_of(self.schedule.steps_per_epoch) => {
                return Err(Error::Cancelled);
            }
            Pace::LastEpoch => return Ok(()),
            Pace::Hold => {}
        }
        self.checkpoint(false)?; // whatever happens while it waits
        self.observer.event(TrainEvent::Paused { step: self.step });
        while self.observer.pace() == Pace::Hold {
            self.breathe()?;
            std::thread::sleep(PATIENCE);
        }
        self.observer.event(TrainEvent::Continued);
        Ok(())
    }

    /// Next batch, one update of all networks, one record.
    fn one_step(&mut self) -> Result<()> {
        let began = Instant::now();
        let batch = self.feed.next_batch()?;
        let factor = self.schedule.factor(self.step);
        let lr = self.config.optim.lr * factor;
        let factor = if self.config.optim.schedule_discriminator { factor } else { 1.0 };
        let lr_discriminator = self.config.optim.lr_discriminator * factor;
        let losses = self.learner.step(&batch, lr, lr_discriminator)?;

        let images = batch.labels.len() * if batch.x_l.is_some() { 2 } else { 1 };
        let record = StepRecord {
            step: self.step + 1,
            epoch: self.schedule.epoch(self.step + 1),
            total: losses.total,
            rec: losses.rec,
            cls: losses.cls,
            tri: losses.tri,
            adv: losses.adv,
            disc: losses.disc,
            lr,
            lr_discriminator,
            images_per_second: images as f64 / began.elapsed().as_secs_f64().max(1e-9),
            accuracy: (1..)
                .zip(losses.accuracy)
                .filter_map(|(level, a)| Some((level, a?)))
                .map(level_accuracy)
                .collect(),
            gradients: losses.gradients,
        };
        if let Some((term, value)) = self.guard.check(&record) {
            // A checkpoint of the step before holds the very weights that gave this loss.
            self.checkpoints.set_aside(self.step)?;
            let checkpoint = self.checkpoints.newest();
            return Err(Error::Diverged { step: record.step, term: term.into(), value, checkpoint });
        }
        if let Some(note) = words::broken_note(&self.feed.take_broken()) {
            self.observer.event(TrainEvent::Note(note));
        }
        self.history.append(&record)?;
        self.board.step(&record)?;
        self.step = record.step;
        self.watch.see(&record);
        self.observer.event(TrainEvent::Step(record));
        self.hint();
        Ok(())
    }

    /// Tells what seems to go wrong, where that has changed.
    fn hint(&mut self) {
        let hints = self.watch.hints();
        if hints.iter().map(|hint| hint.kind).ne(self.hinted.iter().copied()) {
            self.hinted = hints.iter().map(|hint| hint.kind).collect();
            self.observer.event(TrainEvent::Hints(hints));
        }
    }

    /// Validates and reconstructs where it is time to.
    fn look(&mut self) -> Result<()> {
        if self.schedule.validates_at(self.step) {
            self.validate()?;
        }
        if self.schedule.samples_at(self.step) && self.config.loss.rec > 0.0 {
            self.sample()?;
        }
        Ok(())
    }

    /// Ranks the held-out identities; a new best is saved at once.
    fn validate(&mut self) -> Result<()> {
        let done = self.last_validation.as_ref().is_some_and(|last| last.step == self.step);
        let (query, gallery) = (&self.data.split.query, &self.data.split.gallery);
        let rates = &self.config.schedule.validate_rates;
        if done || query.is_empty() || gallery.is_empty() || rates.is_empty() {
            return Ok(());
        }
        let observer = &mut *self.observer;
        let mut on = |done, total| {
            observer.event(TrainEvent::Validating { done, total });
            observer.breathe()
        };
        let model = self.learner.model();
        let by_rate = protocol::evaluate(model, query, gallery, rates, self.device, &mut on)?;

        // The mean over the training rates; over all where none of them was validated.
        let trained = |rate: f64| self.config.data.rates.contains(&rate);
        let any = by_rate.iter().any(|figures| trained(figures.rate));
        let counted: Vec<_> = by_rate.iter().filter(|f| !any || trained(f.rate)).collect();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let record = ValidationRecord {
            step: self.step,
            epoch: self.schedule.epoch(self.step),
            rank1: mean(counted.iter().map(|f| f.rank1).collect()),
            map: mean(counted.iter().map(|f| f.map).collect()),
            by_rate,
        };
        self.validation.append(&record)?;
        self.board.validation(&record)?;
        self.watch.validated(&record);
        self.last_validation = Some(record.clone());
        let best = self.best_rank1.is_none_or(|best| record.rank1 > best);
        if best {
            self.best_rank1 = Some(record.rank1);
        }
        self.observer.event(TrainEvent::Validation(record));
        if best {
            self.checkpoint(true)?;
            let model = self.folder.best_model();
            self.learner.model().save(&model, &self.card())?;
            self.observer.event(TrainEvent::BestModel { model });
        }
        Ok(())
    }

    /// Reconstructs the fixed images.
    fn sample(&mut self) -> Result<()> {
        let model = self.learner.model();
        if !model.has_decoder() {
            return Ok(());
        }
        let observer = &mut *self.observer;
        let samples = self.samples.reconstruct(model, self.device, || observer.breathe())?;
        for (i, sample) in samples.iter().enumerate() {
            let strip = samples::strip(sample);
            image_io::save_png(&strip, &self.folder.samples().join(samples::file_name(self.step, i)))?;
            let tag = format!("HR, LR and both reconstructions (not evidence)/{i}");
            self.board.image(self.step, &tag, &strip)?;
        }
        let samples = Arc::new(samples);
        self.observer.event(TrainEvent::Samples { step: self.step, samples });
        Ok(())
    }

    /// Writes this step's checkpoint, unless it is there already and nothing has changed.
    fn checkpoint(&mut self, best: bool) -> Result<()> {
        if !best && self.checkpoints.has(self.step) {
            return Ok(());
        }
        // A checkpoint promises that the records up to its step are on the disk too.
        self.history.sync()?;
        self.validation.sync()?;
        let state = self.learner.state()?;
        let path = self.checkpoints.save(self.step, &state, self.best_rank1, best, &self.config)?;
        self.observer.event(TrainEvent::Checkpoint { path, best });
        Ok(())
    }

    fn stop(mut self) -> Result<Outcome> {
        self.checkpoint(false)?;
        let step = self.step;
        self.observer.event(TrainEvent::Stopped { step });
        Ok(Outcome::Stopped { step })
    }

    fn finish(mut self) -> Result<Outcome> {
        self.checkpoint(false)?;
        let model = self.folder.model();
        self.learner.model().save(&model, &self.card())?;
        self.observer.event(TrainEvent::Finished { model: model.clone() });
        Ok(Outcome::Finished { model })
    }

    fn card(&self) -> serde_json::Value {
        words::card(&self.config, &self.data, self.step, self.last_validation.as_ref(), self.best_rank1)
    }
}

fn level_accuracy((level, [hr, lr]): (usize, [f64; 2])) -> LevelAccuracy {
    LevelAccuracy { level, hr, lr }
}

#[cfg(test)]
mod tests;
