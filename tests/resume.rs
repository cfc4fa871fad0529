//! kill -9 at random moments, through the real program: the resumed run must end with the weights of an undisturbed one.
//!
//! `RAIN_KILLS=10 cargo test --release --test resume -- --nocapture` does so in ten runs; the default is three.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rain::data::pedestrians::{CrowdSettings, render_crowd};

/// Forty steps on twelve rendered people, with validation, samples and checkpoints at steps that do not coincide.
fn train(data: &Path, run: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(["train", "--preset", "demo", "--device", "cpu", "--json", "--data"]);
    command.arg(data).arg("--run").arg(run);
    for setting in [
        "seed=5",
        "model.base_width=4",
        "model.height=64",
        "model.width=32",
        "data.identities=3",
        "data.images=2",
        "schedule.epochs=20",
        "schedule.warmup_epochs=1",
        "schedule.validate_every=6",
        "schedule.validate_rates=2",
        "schedule.checkpoint_every=3",
        "schedule.samples_every=7",
    ] {
        command.args(["--set", setting]);
    }
    command
}

fn resume(run: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(["train", "--resume", "--device", "cpu", "--json", "--run"]).arg(run);
    command
}

/// A new run, or its resumption where there is something to resume.
fn go_on(data: &Path, run: &Path) -> Command {
    if run.join("run.toml").exists() { resume(run) } else { train(data, run) }
}

fn finish(mut command: Command) {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"finished\""), "{said}");
}

/// A number below 1 that differs from run to run: this test looks for moments that nobody thought of.
fn chance() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    f64::from(now.subsec_nanos() % 1_000_003) / 1_000_003.0
}

/// Starts a process and kills it; whether it was still running then.
fn kill_after(mut command: Command, time: Duration) -> bool {
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    std::thread::sleep(time);
    let running = child.try_wait().expect("the child can be asked").is_none();
    child.kill().expect("the child can be killed"); // SIGKILL on Unix: no handler runs
    child.wait().expect("the child ends");
    running
}

#[test]
fn kill_9_at_random_moments_does_not_change_the_weights() {
    let kills: u32 = std::env::var("RAIN_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let home = tempfile::tempdir().expect("a temporary folder");
    let data = home.path().join("people");
    let crowd = CrowdSettings { identities: 12, cameras: 2, images: 2, seed: 1 };
    render_crowd(&crowd, &data, &mut |_, _| true).expect("the crowd is rendered");

    let whole = home.path().join("whole");
    let began = Instant::now();
    finish(train(&data, &whole));
    let takes = began.elapsed();

    for number in 1..=kills {
        let run = home.path().join(format!("killed-{number}"));
        let mut left = takes.mul_f64(0.95);
        // Once in the run itself, once more in what is left of it.
        for _ in 0..2 {
            let time = left.mul_f64(chance());
            let running = kill_after(go_on(&data, &run), time);
            let steps = std::fs::read_to_string(run.join("history.jsonl")).unwrap_or_default();
            let (steps, how) = (steps.lines().count(), if running { "killed" } else { "had ended" });
            println!("run {number}: {how} after {time:.2?} of {left:.2?}, {steps} steps recorded");
            left -= time;
        }
        finish(go_on(&data, &run));
        for file in ["model.safetensors", "validation.jsonl"] {
            let read = |run: &Path| std::fs::read(run.join(file)).expect("the run has finished");
            assert!(read(&whole) == read(&run), "run {number}: {file} differs");
        }
    }
}
