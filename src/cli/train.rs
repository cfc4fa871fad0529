//! `rain train`: start a run, or go on with one.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::console::{Progress, print, print_json};
use crate::data::dataset::Format;
use crate::device::DeviceChoice;
use crate::train::config::RunConfig;
use crate::train::event::{Flow, Observer, StepRecord, TrainEvent, ValidationRecord};
use crate::train::trainer::{self, Outcome};
use crate::train::{estimate, folder, preset};
use crate::{Error, Result};

/// The preset of a run that names neither a preset nor a file.
const DEFAULT_PRESET: &str = "paper-multi-level";

/// Train a model on a folder of images
#[derive(Debug, Clone, clap::Args)]
pub struct TrainArgs {
    /// The data set's folder
    #[arg(long, value_name = "DIR", required_unless_present_any = ["resume", "config"])]
    pub data: Option<PathBuf>,
    /// Its layout; recognised where not given
    #[arg(long)]
    pub format: Option<Format>,
    /// Settings to start from [default: paper-multi-level; demo is small and fast]
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(preset::names()), conflicts_with = "config")]
    pub preset: Option<String>,
    /// A file of settings: a preset of your own, or the run.toml of another run
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Weights that the extractor starts from (safetensors or .pth, torchvision names)
    #[arg(long, value_name = "WEIGHTS")]
    pub init: Option<PathBuf>,
    /// The run's folder [default: the first free runs/<preset>-<number>]
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Go on with the run in --run from its newest checkpoint; its run.toml has the settings
    #[arg(long, requires = "run", conflicts_with_all = ["data", "format", "preset", "config", "init"])]
    pub resume: bool,
    /// Change one setting, for example optim.lr=3e-4; with --resume it is changed in the run.toml
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Start nothing: time a few steps and print what the run would take
    #[arg(long, conflicts_with_all = ["resume", "run"])]
    pub estimate: bool,
    /// Print the result as JSON on the standard output
    #[arg(long)]
    pub json: bool,
}

/// Trains until the end, or until Ctrl+C, which writes a checkpoint first.
///
/// # Errors
/// Those of [`trainer::run`] and [`trainer::resume`].
pub fn run(args: &TrainArgs, device: DeviceChoice) -> Result<()> {
    let device = device.open()?;
    if args.estimate {
        return estimate(args, &device);
    }
    let mut observer = Console::new(stop_on_ctrl_c()?);
    let (run, outcome) = if args.resume {
        let run = args.run.clone().unwrap_or_default();
        change_settings(&run, &args.set)?;
        let outcome = trainer::resume(&run, &device, &mut observer);
        (run, outcome)
    } else {
        let config = settings(args)?;
        let run = args.run.clone().unwrap_or_else(|| free_folder(&config.preset));
        let outcome = trainer::run(config, &run, &device, &mut observer);
        (run, outcome)
    };
    observer.end_line();
    if let Err(Error::Diverged { .. }) = &outcome {
        let run = quoted(&run);
        eprintln!("To go on: rain train --resume --run {run} --set optim.lr=LOWER");
    }
    let outcome = outcome?;
    if args.json {
        let (ended, step, model) = match &outcome {
            Outcome::Finished { model } => ("finished", observer.step, Some(model)),
            Outcome::Stopped { step } => ("stopped", *step, None),
        };
        let last = &observer.validation;
        let result = json!({ "outcome": ended, "run": run, "step": step, "model": model, "validation": last });
        println!("{result}");
    }
    match outcome {
        Outcome::Finished { model } => eprintln!("Done. The model is {}.", model.display()),
        Outcome::Stopped { step } => {
            eprintln!("Stopped after step {step}; a checkpoint is written. Go on with:");
            eprintln!("  rain train --resume --run {}", quoted(&run));
        }
    }
    Ok(())
}

/// What the run would take here.
fn estimate(args: &TrainArgs, device: &candle_core::Device) -> Result<()> {
    let config = settings(args)?;
    let mut progress = Progress::new("Timing step");
    let estimate = estimate::estimate(&config, device, &mut |done, total| progress.step(done, total))?;
    drop(progress);
    if args.json {
        return print_json(&estimate);
    }
    let time = |seconds: f64| in_words(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let e = &estimate;
    let mut text = format!(
        "{} steps, {} an epoch, on {} images of {} people\n\
         about {} in all: {:.2} s a step ({:.2} to {:.2}), {} validations of {}\n",
        e.total_steps,
        e.steps_per_epoch,
        e.images,
        e.identities,
        time(e.total_s),
        e.step_s.median,
        e.step_s.least,
        e.step_s.most,
        e.validations,
        time(e.validation_s),
    );
    if let Some(memory) = e.peak_memory {
        let of = e.machine_memory.map(|all| format!(" of {:.1}", gib(all))).unwrap_or_default();
        text += &format!("{:.2}{of} GiB of memory at its peak\n", gib(memory));
    }
    print(&format!("{text}about {:.2} GiB on the disk", gib(e.disk)))
}

/// The settings of a new run: preset or file, then the options, then each `--set` in order.
fn settings(args: &TrainArgs) -> Result<RunConfig> {
    let mut config = match &args.config {
        Some(file) => preset::read_config(file)?,
        None => preset::load(args.preset.as_deref().unwrap_or(DEFAULT_PRESET))?,
    };
    if let Some(data) = &args.data {
        config.data.root = data.clone();
    }
    config.data.format = args.format.or(config.data.format);
    if args.init.is_some() {
        config.model.init.clone_from(&args.init);
    }
    for assignment in &args.set {
        preset::set(&mut config, assignment)?;
    }
    Ok(config)
}

/// Applies each `--set` to the settings of a run that is about to be resumed.
fn change_settings(run: &Path, assignments: &[String]) -> Result<()> {
    if assignments.is_empty() {
        return Ok(());
    }
    let (folder, mut config) = folder::RunFolder::open(run)?;
    for assignment in assignments {
        preset::set(&mut config, assignment)?;
    }
    folder.write_settings(&config)
}

/// The first of `runs/<preset>-1`, `-2`, … that does not exist.
fn free_folder(preset: &str) -> PathBuf {
    let name = if preset.is_empty() { "run" } else { preset };
    let numbered = (1u32..).map(|n| Path::new("runs").join(format!("{name}-{n}")));
    numbered.into_iter().find(|path| !path.exists()).unwrap_or_else(|| "runs/run".into())
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The first Ctrl+C asks the run to stop; the second ends the program.
pub(super) fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nStopping after this step; press Ctrl+C again to end at once…");
    })
    .map_err(|e| Error::input(format!("Ctrl+C cannot be caught: {e}"), "Start Rain from another terminal"))?;
    Ok(stop)
}

/// Shows a run on the standard error: one line that is rewritten in a terminal, now and then a line in a file.
pub(super) struct Console {
    stop: Arc<AtomicBool>,
    terminal: bool,
    total_steps: u64,
    /// Steps done.
    step: u64,
    validation: Option<ValidationRecord>,
    shown: Option<Instant>,
    /// Whether the cursor stands behind a progress line.
    open_line: bool,
    pace: Pace,
}

impl Console {
    pub(super) fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            stop,
            terminal: std::io::stderr().is_terminal(),
            total_steps: 0,
            step: 0,
            validation: None,
            shown: None,
            open_line: false,
            pace: Pace::default(),
        }
    }

    /// Prints a line that stays.
    pub(super) fn say(&mut self, line: &str) {
        self.end_line();
        eprintln!("{line}");
    }

    /// Shows a line that the next one replaces; in a file one every ten seconds, and the last.
    pub(super) fn show(&mut self, line: &str, last: bool) {
        let every = Duration::from_millis(if self.terminal { 200 } else { 10_000 });
        if !last && self.shown.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            let _ = std::io::stderr().flush(); // nobody to tell
            self.open_line = true;
        } else {
            eprintln!("{line}");
        }
    }

    pub(super) fn end_line(&mut self) {
        if std::mem::take(&mut self.open_line) {
            eprintln!();
        }
    }
}

impl Observer for Console {
    fn event(&mut self, event: TrainEvent) {
        match event {
            TrainEvent::Started { run, step, total_steps, steps_per_epoch, summary, .. } => {
                (self.step, self.total_steps) = (step, total_steps);
                self.say(&summary);
                let from = match step {
                    0 => String::new(),
                    _ => format!(", going on after step {step}"),
                };
                self.say(&format!(
                    "{total_steps} steps, {steps_per_epoch} an epoch{from}; everything goes to {}.",
                    run.display()
                ));
            }
            TrainEvent::Step(record) => {
                self.step = record.step;
                let left = self.pace.left(self.total_steps - record.step.min(self.total_steps));
                let line = progress_line(&record, self.total_steps, left);
                self.show(&line, record.step >= self.total_steps);
            }
            TrainEvent::Note(note) => self.say(&note),
            TrainEvent::Hints(hints) => {
                hints.iter().for_each(|hint| self.say(&format!("Hint: {}. {}.", hint.what, hint.remedy)));
            }
            TrainEvent::Validating { done, total } => {
                self.show(&format!("validating  {done}/{total} images"), false);
            }
            TrainEvent::Validation(record) => {
                self.say(&validation_line(&record));
                self.validation = Some(record);
            }
            TrainEvent::BestModel { model } => self.say(&format!("best so far, saved as {}", model.display())),
            TrainEvent::Checkpoint { .. }
            | TrainEvent::Paused { .. }
            | TrainEvent::Continued
            | TrainEvent::Samples { .. }
            | TrainEvent::Finished { .. }
            | TrainEvent::Stopped { .. } => {}
        }
    }

    fn breathe(&mut self) -> Flow {
        if self.stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
    }
}

/// Time left, from the time that all the work since the start has taken, validation and checkpoints included.
#[derive(Default)]
struct Pace {
    began: Option<Instant>,
    steps: u32,
}

impl Pace {
    /// Called after each step, with the steps that are left.
    fn left(&mut self, steps: u64) -> Option<Duration> {
        let Some(began) = self.began else {
            self.began = Some(Instant::now()); // the first step pays for warm caches: it does not count
            return None;
        };
        self.steps += 1;
        Some(began.elapsed().div_f64(f64::from(self.steps)).mul_f64(steps as f64))
    }
}

fn progress_line(r: &StepRecord, total_steps: u64, left: Option<Duration>) -> String {
    let mut line = format!(
        "step {}/{total_steps}  epoch {:.2}  total {:.3}  rec {:.3}  cls {:.3}  tri {:.3}  adv {:.3}  disc {:.3}  {:.1} images/s",
        r.step, r.epoch, r.total, r.rec, r.cls, r.tri, r.adv, r.disc, r.images_per_second
    );
    if let Some(left) = left {
        line += &format!("  {} left", in_words(left));
    }
    line
}

fn validation_line(r: &ValidationRecord) -> String {
    let rate = |f: &crate::train::event::RateFigures| format!("r = {}: {:.1}", f.rate, f.rank1);
    let rates: Vec<String> = r.by_rate.iter().map(rate).collect();
    format!(
        "step {}  epoch {:.1}  rank-1 {:.1} %  mAP {:.1} %  ({})",
        r.step,
        r.epoch,
        r.rank1,
        r.map,
        rates.join(", ")
    )
}

pub(super) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        train: TrainArgs,
    }

    fn parse(line: &str) -> Result<TrainArgs, clap::Error> {
        let words = std::iter::once("rain").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.train)
    }

    #[test]
    fn options_override_the_preset_and_set_overrides_both() {
        let args = parse("--data d --preset demo --format viper --init w.pth --set optim.lr=1 --set data.root=e");
        let config = settings(&args.unwrap()).unwrap();
        assert_eq!((config.preset.as_str(), config.optim.lr), ("demo", 1.0));
        assert_eq!(config.data.format, Some(Format::Viper));
        assert_eq!(config.model.init, Some("w.pth".into()));
        assert_eq!(config.data.root, Path::new("e"));
        let config = settings(&parse("--data d").unwrap()).unwrap();
        assert_eq!(config.preset, DEFAULT_PRESET);
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for line in [
            "",
            "--resume",
            "--resume --run r --data d",
            "--resume --run r --preset demo",
            "--data d --preset demo --config c",
            "--data d --preset dem",
            "--data d --device gpu",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        parse("--resume --run r --set optim.lr=1").unwrap();
        parse("--config run.toml").unwrap();
    }

    #[test]
    fn lines_say_what_there_is_to_know() {
        let record = StepRecord { step: 7, total: 2.5, images_per_second: 40.0, ..Default::default() };
        let line = progress_line(&record, 60, Some(Duration::from_secs(3725)));
        for part in ["step 7/60", "total 2.500", "40.0 images/s", "1 h 02 min left"] {
            assert!(line.contains(part), "{line}");
        }
        assert_eq!(in_words(Duration::from_secs(61)), "1 min 01 s");
        assert_eq!(quoted(Path::new("a b/it's")), r"'a b/it'\''s'");
        assert_eq!(quoted(Path::new("runs/demo-1")), "runs/demo-1");
    }
}
