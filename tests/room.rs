//! The training room over the real engine, driven as a user would: a run on a small rendered crowd is started, paused, let go on,
//! stopped, resumed, and moved to the command line and back. Whatever happened to it, it must end in the bits of a run that
//! nobody disturbed.

#[path = "app/hands.rs"]
#[allow(dead_code, reason = "some of it is for tests/app.rs")]
mod hands;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use hands::Hands;
use rain::app::{App, theme};
use rain::data::pedestrians::{CrowdSettings, render_crowd};
use rain::device::DeviceChoice;
use rain::engine::Engine;
use rain::train::event::StepRecord;
use rain::train::history;

/// Settings of a model that trains in seconds, yet long enough that a click comes before its end.
const TINY: [&str; 10] = [
    "model.base_width=4",
    "model.height=64",
    "model.width=32",
    "schedule.warmup_epochs=1",
    "schedule.validate_rates=2",
    "schedule.checkpoint_every=7",
    "schedule.samples_every=10",
    "loss.margin=0.3",
    "optim.momentum=0.9",
    "data.workers=1",
];
/// What is typed into fields of its own.
const FIELDS: [(&str, &str, &str); 5] = [
    ("Epochs", "schedule.epochs", "90"),
    ("Epochs between validations", "schedule.validate_every", "8"),
    ("Persons in a batch (P)", "data.identities", "3"),
    ("Images of each person (K)", "data.images", "2"),
    ("Seed", "seed", "5"),
];

struct Window {
    harness: Harness<'static, App>,
}

impl Window {
    fn open() -> Self {
        let engine = Engine::start(DeviceChoice::Cpu, Arc::new(|| {})).expect("the engine starts");
        let engine = Rc::new(engine);
        let harness = Harness::builder()
            .with_size([1440.0, 1400.0])
            .with_max_steps(40)
            .with_context_setup(|ctx| {
                theme::install(ctx);
                ctx.set_theme(egui::Theme::Dark);
            })
            .build_eframe(move |_| {
                let events = engine.events().clone();
                App::new(events, Box::new(move |command| engine.send(command)), None)
            });
        let mut window = Self { harness };
        window.harness.run_steps(3);
        window.key(Modifiers::COMMAND, Key::T);
        window
    }

    /// Draws until it is so; threads are at work behind the window.
    fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !so(self) {
            assert!(began.elapsed() < Duration::from_secs(120), "never came to: {what}");
            std::thread::sleep(Duration::from_millis(4));
            self.harness.run_steps(1);
        }
    }

    fn until_has(&mut self, part: &str) {
        self.until(part, |window| window.has_part(part));
    }

    fn steps(&self) -> u64 {
        self.harness.state().state.run.step
    }

    fn until_steps(&mut self, steps: u64) {
        self.until(&format!("step {steps}"), |window| window.steps() >= steps);
    }

    fn start(&mut self, data: &Path, run: &Path) {
        self.fill_field("Data folder", &data.display().to_string());
        self.fill_field("Run folder", &run.display().to_string());
        for (field, _, value) in FIELDS {
            self.fill_field(field, value);
        }
        self.enter(Role::MultilineTextInput, "More settings, one a line", &TINY.join("\n"));
        self.until_has("12 people");
        self.click("Start training");
    }
}

impl Hands for Window {
    const FRAMES: usize = 4;

    fn harness(&self) -> &Harness<'static, App> {
        &self.harness
    }

    fn harness_mut(&mut self) -> &mut Harness<'static, App> {
        &mut self.harness
    }

    /// Clicks where the label stands once nothing moves: an answer that has just come may have shifted the page.
    fn click(&mut self, label: &str) {
        self.settle();
        self.harness.get_by_label(label).click();
        self.settle();
    }
}

fn crowd(home: &Path) -> PathBuf {
    let data = home.join("people");
    let crowd = CrowdSettings { identities: 12, cameras: 2, images: 2, seed: 1 };
    render_crowd(&crowd, &data, &mut |_, _| true).expect("the crowd is rendered");
    data
}

fn rain(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(words).args(["--device", "cpu"]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn train(data: &Path, run: &Path) -> Command {
    let (data, run) = (data.display().to_string(), run.display().to_string());
    let mut command = rain(&["train", "--preset", "demo", "--data", &data, "--run", &run]);
    for setting in TINY {
        command.args(["--set", setting]);
    }
    for (_, key, value) in FIELDS {
        command.args(["--set", &format!("{key}={value}")]);
    }
    command
}

fn resume(run: &Path) -> Command {
    rain(&["train", "--resume", "--run", &run.display().to_string()])
}

fn finish(mut command: Command) {
    assert!(command.status().expect("the program starts").success(), "{command:?}");
}

fn same(whole: &Path, run: &Path) {
    for file in ["model.safetensors", "model-best.safetensors", "validation.jsonl"] {
        let read = |run: &Path| std::fs::read(run.join(file)).expect("the run has finished");
        assert!(read(whole) == read(run), "{}: {file} differs", run.display());
    }
    let steps = |run: &Path| -> Vec<StepRecord> {
        let records: Vec<StepRecord> = history::read(&run.join("history.jsonl")).expect("a history");
        records.into_iter().map(|record| StepRecord { images_per_second: 0.0, ..record }).collect()
    };
    assert!(steps(whole) == steps(run), "{}: the records differ", run.display());
}

#[test]
fn a_run_is_started_paused_stopped_and_resumed_from_the_panel() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let data = crowd(home.path());
    let whole = home.path().join("whole");
    finish(train(&data, &whole));

    let run = home.path().join("run");
    let mut window = Window::open();
    window.start(&data, &run);
    window.until_steps(3);
    window.click("Pause");
    window.until_has("Paused");
    let held = window.steps();
    let checkpoint = run.join(format!("checkpoints/step-{held:08}.safetensors"));
    assert!(std::fs::read_dir(run.join("checkpoints")).expect("checkpoints").count() > 0, "{}", checkpoint.display());
    std::thread::sleep(Duration::from_millis(300));
    window.settle();
    assert_eq!(window.steps(), held, "a run that is held makes no step");

    window.click("Go on");
    window.until_steps(held + 4);
    window.click("Stop");
    window.until_has("Stopped");
    assert!(!run.join("model.safetensors").exists());

    window.click("Resume");
    let stopped = window.steps();
    window.until_steps(stopped + 1);
    window.click("Stop after this epoch");
    window.until_has("Stopped");
    let per_epoch = window.harness.state().state.run.steps_per_epoch;
    assert!(window.steps().is_multiple_of(per_epoch) && window.steps() > stopped, "{}", window.steps());

    window.click("Resume");
    window.until_has("Finished");
    assert!(window.has_part("Identity: classification") && window.has_part("Gradient norms: extractor"));
    assert!(window.has_part("Reconstruction, not evidence"));
    same(&whole, &run);
}

#[test]
fn a_run_moves_between_window_and_command_line_bit_by_bit() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let data = crowd(home.path());
    let whole = home.path().join("whole");
    finish(train(&data, &whole));

    // From the window, through its end in the middle of a step, to the command line.
    let run = home.path().join("from-window");
    let mut window = Window::open();
    window.start(&data, &run);
    window.until_steps(9);
    drop(window);
    assert!(!run.join("model.safetensors").exists());
    finish(resume(&run));
    same(&whole, &run);

    // From the command line, killed, to the window: found in the table of runs.
    let run = home.path().join("killed");
    let mut child = train(&data, &run).spawn().expect("the program starts");
    let lines = || std::fs::read_to_string(run.join("history.jsonl")).map_or(0, |text| text.lines().count());
    let began = Instant::now();
    while lines() < 12 {
        assert!(began.elapsed() < Duration::from_secs(60), "it never trained");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it can be killed"); // SIGKILL on Unix: no handler runs
    child.wait().expect("it ends");
    let mut window = Window::open();
    window.click("All runs");
    window.fill_field("Folder of runs", &home.path().display().to_string());
    window.until_has("Run killed");
    window.harness.get_by_label("killed").click();
    window.settle();
    window.click("Resume this run");
    window.until_has("Finished");
    same(&whole, &run);
}

#[test]
fn an_estimate_tells_time_and_memory_before_the_start() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let data = crowd(home.path());
    let mut window = Window::open();
    window.fill_field("Data folder", &data.display().to_string());
    window.enter(Role::MultilineTextInput, "More settings, one a line", &TINY.join("\n"));
    window.fill_field("Persons in a batch (P)", "3");
    window.click("Estimate");
    window.until_has("The run takes about");
    assert!(window.has_part("of memory at its peak") || !cfg!(target_os = "linux"));
    window.fill_field("Persons in a batch (P)", "4");
    assert!(window.has_part("The settings have changed since"));
}

#[test]
fn a_run_is_archived_deleted_brought_back_and_imported() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let data = crowd(home.path());
    let runs = home.path().join("runs");
    std::fs::create_dir(&runs).expect("a folder");
    finish(train(&data, &runs.join("first")));
    let mut window = Window::open();
    window.click("All runs");
    window.fill_field("Folder of runs", &runs.display().to_string());
    window.until_has("Run first");
    window.harness.get_by_label("first").click();
    window.settle();
    window.click("Export the run");
    window.until_has("Wrote ");
    assert!(runs.join("first.zip").is_file());

    window.click("Curves of first");
    window.until_has("Validation rank-1: first");
    assert!(window.has_part("Person among the first k candidates: first"));

    window.click("Delete the run");
    window.until_has("lies in the trash");
    assert!(!runs.join("first").exists());
    window.click("Bring the run back");
    let model = runs.join("first/model.safetensors");
    window.until("the run's model is back", |_| model.is_file());
    window.until_has("Run first");

    window.click("Import a run…");
    window.fill_field("Path", &runs.join("first.zip").display().to_string());
    window.click("Import");
    window.until_has("Run first-2");
    same(&runs.join("first"), &runs.join("first-2"));

    window.harness.get_by_label("first-2").click();
    window.settle();
    window.click("Its model's page");
    window.until_has("ResNet-18 of base width 4");
    window.click("Export to ONNX");
    window.until_has("onnxruntime");
    assert!(runs.join("first-2/model-best-onnx.onnx").is_file());
}
