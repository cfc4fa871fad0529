use image::{Rgb, RgbImage};

use super::*;
use crate::train::history;

/// Writes down what happens, and stops where it is told to.
#[derive(Default)]
struct Witness {
    events: Vec<TrainEvent>,
    stop_at: Option<u64>,
    stop_in_validation: bool,
    step: u64,
    validating: bool,
    /// Holds the run once this step is done, for so many questions.
    hold: Option<(u64, u32)>,
    held: bool,
    stop_while_held: bool,
    last_epoch_from: Option<u64>,
}

impl Observer for Witness {
    fn event(&mut self, event: TrainEvent) {
        match &event {
            TrainEvent::Started { step, .. } => self.step = *step,
            TrainEvent::Step(record) => self.step = record.step,
            _ => {}
        }
        self.validating = matches!(event, TrainEvent::Validating { .. });
        self.events.push(event);
    }

    fn breathe(&mut self) -> Flow {
        if self.held && self.stop_while_held {
            return Flow::Stop;
        }
        let there = self.stop_at.is_some_and(|step| self.step >= step);
        if there && (!self.stop_in_validation || self.validating) { Flow::Stop } else { Flow::Continue }
    }

    fn pace(&mut self) -> Pace {
        match &mut self.hold {
            Some((at, left)) if self.step >= *at && *left > 0 => {
                (*left, self.held) = (*left - 1, true);
                Pace::Hold
            }
            _ if self.last_epoch_from.is_some_and(|step| self.step >= step) => Pace::LastEpoch,
            _ => Pace::On,
        }
    }
}

impl Witness {
    fn notes(&self) -> String {
        let note = |e: &TrainEvent| match e {
            TrainEvent::Note(note) => Some(note.clone()),
            _ => None,
        };
        self.events.iter().filter_map(note).collect::<Vec<_>>().join("\n")
    }

    fn history(&self) -> Vec<u64> {
        let step = |e: &TrainEvent| match e {
            TrainEvent::Step(record) => Some(record.step),
            _ => None,
        };
        self.events.iter().filter_map(step).collect()
    }
}

/// Twelve people in flat colours, three images each.
fn people(root: &Path) {
    for person in 0..12u8 {
        let folder = root.join(format!("{person:02}"));
        std::fs::create_dir_all(&folder).unwrap();
        for shot in 0..3u8 {
            let pixel = |x: u32, y: u32| {
                let shirt = [person * 20, 255 - person * 20, shot * 60];
                let trousers = [shot * 20, person * 10, 90];
                Rgb(if (y + x / 9).is_multiple_of(40) {
                    [0; 3]
                } else if y < 20 {
                    shirt
                } else {
                    trousers
                })
            };
            RgbImage::from_fn(20, 44, pixel).save(folder.join(format!("{shot}.png"))).unwrap();
        }
    }
}

/// A very small RAIN; six training identities at two a batch make three steps an epoch.
fn config(root: &Path, steps: u64) -> RunConfig {
    let mut config = preset::load("demo").unwrap();
    // What these tests lean on is set here, so that the demo's recipe can change.
    (config.optim.lr, config.loss.adv) = (3.5e-4, 1.0);
    config.data.root = root.to_path_buf();
    for assignment in [
        "seed=3",
        "model.depth=18",
        "model.base_width=4",
        "model.height=32",
        "model.width=32",
        "data.identities=2",
        "data.images=2",
        "data.pad=2",
        "data.erasing=0.5",
        "loss.batch_hard=false",
        "schedule.warmup_epochs=1",
        "schedule.validate_every=2",
        "schedule.validate_rates=2,4",
        "schedule.checkpoint_every=5",
        "schedule.samples_every=10",
    ] {
        preset::set(&mut config, assignment).unwrap();
    }
    config.schedule.epochs = steps as f64 / 3.0;
    config
}

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        people(&home.path().join("data"));
        Self { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn config(&self, steps: u64) -> RunConfig {
        config(&self.path("data"), steps)
    }

    fn run(&self, name: &str, config: RunConfig, witness: &mut Witness) -> Result<Outcome> {
        run(config, &self.path(name), &Device::Cpu, witness)
    }

    fn resume(&self, name: &str, witness: &mut Witness) -> Result<Outcome> {
        resume(&self.path(name), &Device::Cpu, witness)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The history without what the clock decides.
    fn losses(&self, name: &str) -> Vec<StepRecord> {
        let records: Vec<StepRecord> = history::read(&self.path(name).join("history.jsonl")).unwrap();
        let timeless = |r| StepRecord { images_per_second: 0.0, ..r };
        records.into_iter().map(timeless).collect()
    }

    /// That two finished runs computed the same, bit for bit.
    fn assert_same(&self, a: &str, b: &str) {
        for file in ["model.safetensors", "validation.jsonl", "checkpoints/best.safetensors"] {
            assert!(self.read(&format!("{a}/{file}")) == self.read(&format!("{b}/{file}")), "{file}");
        }
        assert_eq!(self.losses(a), self.losses(b));
    }
}

#[test]
fn a_run_leaves_everything_it_promises() {
    let bench = Bench::new();
    let mut witness = Witness::default();
    let outcome = bench.run("run", bench.config(12), &mut witness).unwrap();
    assert_eq!(outcome, Outcome::Finished { model: bench.path("run/model.safetensors") });
    assert_eq!(witness.history(), (1..=12).collect::<Vec<_>>());
    for file in [
        "run.toml",
        "history.jsonl",
        "validation.jsonl",
        "events.out.tfevents.000000.rain",
        "model.safetensors",
        "checkpoints/best.safetensors",
        "checkpoints/step-00000012.safetensors",
        "samples/step-00000010-0.png",
        "samples/step-00000012-3.png",
    ] {
        assert!(bench.path("run").join(file).exists(), "{file}");
    }
    assert!(!bench.path("run/checkpoints/step-00000005.safetensors").exists(), "keep_last is 2");
    let kept = preset::read_config(&bench.path("run/run.toml")).unwrap();
    assert_eq!((kept.model.shape.classes, kept.data.hash.unwrap().len()), (6, 64));
    let records: Vec<ValidationRecord> = history::read(&bench.path("run/validation.jsonl")).unwrap();
    assert_eq!(records.iter().map(|r| r.step).collect::<Vec<_>>(), [6, 12]);
    let at_2 = records[1].by_rate.iter().find(|f| f.rate == 2.0).unwrap();
    let at_4 = records[1].by_rate.iter().find(|f| f.rate == 4.0).unwrap();
    assert!((records[1].rank1 - (at_2.rank1 + at_4.rank1) / 2.0).abs() < 1e-9);

    // Another start in the same folder is refused, and touches nothing.
    let before = bench.read("run/model.safetensors");
    let error = bench.run("run", bench.config(12), &mut Witness::default()).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
    assert!(bench.read("run/model.safetensors") == before);
}

#[test]
fn stopping_and_resuming_changes_nothing() {
    let bench = Bench::new();
    bench.run("whole", bench.config(20), &mut Witness::default()).unwrap();

    let mut witness = Witness { stop_at: Some(10), ..Witness::default() };
    let outcome = bench.run("parts", bench.config(20), &mut witness).unwrap();
    assert_eq!(outcome, Outcome::Stopped { step: 10 });
    assert!(matches!(witness.events.last(), Some(TrainEvent::Stopped { step: 10 })));
    let mut witness = Witness::default();
    bench.resume("parts", &mut witness).unwrap();
    assert_eq!(witness.history(), (11..=20).collect::<Vec<_>>());
    let Some(TrainEvent::Started { step: 10, history, .. }) = witness.events.first() else {
        panic!("{:?}", witness.events.first())
    };
    assert_eq!(history.len(), 10);
    bench.assert_same("whole", "parts");
}

#[test]
fn a_stop_during_validation_is_made_good_on_resuming() {
    let bench = Bench::new();
    bench.run("whole", bench.config(9), &mut Witness::default()).unwrap();
    let mut witness = Witness { stop_at: Some(6), stop_in_validation: true, ..Witness::default() };
    let outcome = bench.run("parts", bench.config(9), &mut witness).unwrap();
    assert_eq!(outcome, Outcome::Stopped { step: 6 });
    bench.resume("parts", &mut Witness::default()).unwrap();
    bench.assert_same("whole", "parts");
}

#[test]
fn a_kill_is_like_a_stop_at_the_last_checkpoint() {
    let bench = Bench::new();
    bench.run("whole", bench.config(13), &mut Witness::default()).unwrap();
    // What a kill -9 in step 13 leaves: records beyond the last checkpoint, half a line, half a file, no model.
    bench.run("killed", bench.config(13), &mut Witness::default()).unwrap();
    let run = bench.path("killed");
    let mut steps = bench.read("killed/history.jsonl");
    steps.truncate(steps.len() - 30);
    std::fs::write(run.join("history.jsonl"), steps).unwrap();
    std::fs::remove_file(run.join("model.safetensors")).unwrap();
    let last = run.join("checkpoints/step-00000013.safetensors");
    let whole = std::fs::read(&last).unwrap();
    std::fs::remove_file(&last).unwrap();
    std::fs::write(&last, &whole[..whole.len() / 2]).unwrap();
    std::fs::write(run.join("checkpoints/.half.rain-tmp"), "half").unwrap();

    let mut witness = Witness::default();
    bench.resume("killed", &mut witness).unwrap();
    assert!(witness.notes().contains("step-00000013.safetensors is damaged"), "{}", witness.notes());
    // From the checkpoint at 12 where that validation was the best so far, else from the one at 10.
    assert!([vec![13], vec![11, 12, 13]].contains(&witness.history()), "{:?}", witness.history());
    assert!(!run.join("checkpoints/.half.rain-tmp").exists());
    bench.assert_same("whole", "killed");
}

#[test]
fn a_kill_before_the_first_checkpoint_starts_anew() {
    let bench = Bench::new();
    bench.run("whole", bench.config(4), &mut Witness::default()).unwrap();
    bench.run("killed", bench.config(4), &mut Witness::default()).unwrap();
    let run = bench.path("killed");
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let mut witness = Witness::default();
    bench.resume("killed", &mut witness).unwrap();
    assert_eq!(witness.history(), [1, 2, 3, 4]);
    bench.assert_same("whole", "killed");
}

#[test]
fn an_absurd_learning_rate_stops_the_run_and_keeps_the_checkpoints() {
    let bench = Bench::new();
    let mut witness = Witness { stop_at: Some(5), ..Witness::default() };
    bench.run("run", bench.config(40), &mut witness).unwrap();
    let good = bench.read("run/checkpoints/step-00000005.safetensors");

    let mut settings = preset::read_config(&bench.path("run/run.toml")).unwrap();
    preset::set(&mut settings, "optim.lr=1e30").unwrap();
    std::fs::write(bench.path("run/run.toml"), preset::to_toml(&settings).unwrap()).unwrap();
    let mut witness = Witness::default();
    let error = bench.resume("run", &mut witness).unwrap_err();
    assert!(witness.notes().contains("optim.lr 0.00035 → "), "{}", witness.notes());
    let Error::Diverged { step, checkpoint, .. } = &error else { panic!("{error}") };
    assert!(*step > 5 && *step < 10, "{error}");
    assert_eq!(checkpoint.as_deref(), Some(&*bench.path("run/checkpoints/step-00000005.safetensors")));
    assert!(bench.read("run/checkpoints/step-00000005.safetensors") == good);

    // The way out that the error names works.
    preset::set(&mut settings, "optim.lr=1e-4").unwrap();
    preset::set(&mut settings, "schedule.epochs=2").unwrap();
    std::fs::write(bench.path("run/run.toml"), preset::to_toml(&settings).unwrap()).unwrap();
    bench.resume("run", &mut Witness::default()).unwrap();
}

#[test]
fn a_run_may_change_its_mind_about_the_mirror_image() {
    let bench = Bench::new();
    bench.run("run", bench.config(6), &mut Witness { stop_at: Some(2), ..Witness::default() }).unwrap();
    let text = String::from_utf8(bench.read("run/run.toml")).unwrap();
    let changed = text.replace("neck = false", "neck = false\nmirror = true");
    assert_ne!(text, changed);
    std::fs::write(bench.path("run/run.toml"), changed).unwrap();
    bench.resume("run", &mut Witness::default()).unwrap();
    let both = Rain::open(&bench.path("run/model.safetensors"), &Device::Cpu).unwrap();
    assert!(both.config().mirror);

    bench.run("plain", bench.config(6), &mut Witness::default()).unwrap();
    let plain = Rain::open(&bench.path("plain/model.safetensors"), &Device::Cpu).unwrap();
    let numbers = |model: &Rain| -> Vec<Vec<f32>> {
        model.tensors().values().map(|t| t.flatten_all().unwrap().to_vec1().unwrap()).collect()
    };
    assert_eq!(numbers(&both), numbers(&plain), "training took notice");
}

#[test]
fn other_images_or_another_shape_are_not_resumed() {
    let bench = Bench::new();
    let mut witness = Witness { stop_at: Some(2), ..Witness::default() };
    bench.run("run", bench.config(6), &mut witness).unwrap();

    let text = String::from_utf8(bench.read("run/run.toml")).unwrap();
    std::fs::write(bench.path("run/run.toml"), text.replace("base_width = 4", "base_width = 8")).unwrap();
    let error = bench.resume("run", &mut Witness::default()).unwrap_err().to_string();
    assert!(error.contains("another shape"), "{error}");
    std::fs::write(bench.path("run/run.toml"), text).unwrap();

    RgbImage::new(20, 44).save(bench.path("data/00/0.png")).unwrap();
    let error = bench.resume("run", &mut Witness::default()).unwrap_err().to_string();
    assert!(error.contains("not the one that this run was started with"), "{error}");
}

#[test]
fn training_on_sharp_images_only_counts_them_once() {
    let bench = Bench::new();
    let mut config = bench.config(3);
    config.data.use_lr = false;
    (config.loss.adv, config.loss.rec) = (0.0, 0.0);
    let mut witness = Witness::default();
    bench.run("run", config, &mut witness).unwrap();
    assert_eq!(witness.history(), [1, 2, 3]);
    assert!(!bench.path("run/samples/step-00000003-0.png").exists());
}

#[test]
fn some_labels_can_be_left_unused() {
    let bench = Bench::new();
    let mut config = bench.config(4);
    config.data.labelled = 0.5;
    bench.run("run", config, &mut Witness::default()).unwrap();
    let kept = preset::read_config(&bench.path("run/run.toml")).unwrap();
    assert_eq!(kept.model.shape.classes, 3);
}

#[test]
fn a_failed_start_leaves_no_folder() {
    let bench = Bench::new();
    let mut config = bench.config(4);
    config.data.identities = 50;
    let error = bench.run("run", config, &mut Witness::default()).unwrap_err().to_string();
    assert!(error.contains("data.identities"), "{error}");
    assert!(!bench.path("run").exists());
}

#[test]
fn a_run_that_is_held_has_a_checkpoint_and_goes_on_to_the_same_bits() {
    let bench = Bench::new();
    bench.run("whole", bench.config(9), &mut Witness::default()).unwrap();
    let mut witness = Witness { hold: Some((4, 3)), ..Witness::default() };
    bench.run("held", bench.config(9), &mut witness).unwrap();
    bench.assert_same("whole", "held");
    let at = |wanted: fn(&TrainEvent) -> bool| witness.events.iter().position(wanted).unwrap();
    let paused = at(|e| matches!(e, TrainEvent::Paused { step: 4 }));
    assert!(
        matches!(&witness.events[paused - 1], TrainEvent::Checkpoint { path, .. } if path.ends_with("step-00000004.safetensors"))
    );
    assert_eq!(paused + 1, at(|e| matches!(e, TrainEvent::Continued)));

    // A stop is heard while it is held, and loses nothing.
    let mut witness = Witness { hold: Some((4, 9)), stop_while_held: true, ..Witness::default() };
    assert_eq!(bench.run("stopped", bench.config(9), &mut witness).unwrap(), Outcome::Stopped { step: 4 });
    bench.resume("stopped", &mut Witness::default()).unwrap();
    bench.assert_same("whole", "stopped");
}

#[test]
fn a_run_can_be_stopped_at_the_end_of_its_epoch() {
    let bench = Bench::new();
    let mut witness = Witness { last_epoch_from: Some(4), ..Witness::default() };
    // Three steps make an epoch.
    assert_eq!(bench.run("run", bench.config(9), &mut witness).unwrap(), Outcome::Stopped { step: 6 });
    let mut witness = Witness::default();
    assert!(matches!(bench.resume("run", &mut witness).unwrap(), Outcome::Finished { .. }));
    assert_eq!(witness.history(), [7, 8, 9]);
}

#[test]
fn records_hold_accuracies_and_gradients() {
    let bench = Bench::new();
    bench.run("run", bench.config(3), &mut Witness::default()).unwrap();
    for record in bench.losses("run") {
        assert_eq!(record.accuracy.iter().map(|a| a.level).collect::<Vec<_>>(), [4, 5]);
        let norms = record.gradients;
        assert!([norms.extractor, norms.decoder, norms.classifier, norms.discriminators].iter().all(|n| *n > 0.0));
    }
}
