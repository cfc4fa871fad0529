//! Time of a ResNet-50 forward pass, a training step of F alone, and RAIN's whole step, against PyTorch in the same run.
//!
//!     cargo bench --bench step                                           ours alone
//!     RAIN_PEER_PYTHON=venv/bin/python cargo bench --bench step          alternated with PyTorch; prints the ratios
//!
//! Seconds of all cores together and by the clock on the wall, medians of alternated runs; and the peak memory of a whole
//! step, each program in a process of its own, with everything that the process holds: program and libraries, weights,
//! gradients, optimiser state, activations, and for PyTorch its Python. `benches/peer/rain_torch.py` says what the Python
//! needs. Options through the environment: `RAIN_BENCH_BATCH` (8), `RAIN_BENCH_ROUNDS` (5), `RAYON_NUM_THREADS`.

use std::process::Command;

use candle_core::{Device, Tensor};
use rain::bench::measure::{Spread, once};
use rain::model::extractor::Extractor;
use rain::model::{ModelConfig, Rain};
use rain::nn::layer::Pass;
use rain::nn::tape::Value;
use rain::train::config::{LossConfig, OptimConfig};
use rain::train::learner::{Batch, Learner};

#[global_allocator]
static ALLOCATOR: rain::memory::Allocator = rain::memory::ALLOCATOR;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

struct Ours {
    ready: Extractor,
    learner: Learner,
    f_alone: Learner,
    batch: Batch,
    alone: Batch,
}

impl Ours {
    fn new(batch: usize) -> Self {
        let config = ModelConfig { classes: 100, ..ModelConfig::default() };
        let x = |n| Tensor::randn(0f32, 1.0, (n, 3, 256, 128), &Device::Cpu).expect("memory");
        let labels: Vec<i64> = (0..batch as i64).map(|i| i / 2).collect();
        let triplets: Vec<_> = (0..batch as u32).map(|i| (i, i ^ 1, (i + 2) % batch as u32)).collect();
        let model = || Rain::new(config.clone(), 1, &Device::Cpu).expect("a model");
        let off = LossConfig { adv: 0.0, rec: 0.0, cls: 0.0, ..LossConfig::default() };
        Self {
            ready: model().extractor.prepare().expect("memory"),
            learner: Learner::new(model(), LossConfig::default(), OptimConfig::default()).expect("a learner"),
            f_alone: Learner::new(model(), off, OptimConfig::default()).expect("a learner"),
            batch: Batch {
                x_h: x(batch),
                x_l: Some(x(batch)),
                target: None,
                labels: labels.clone(),
                triplets: triplets.clone(),
            },
            alone: Batch { x_h: x(batch), x_l: None, target: None, labels, triplets },
        }
    }

    fn once(&mut self, what: &str) {
        match what {
            "forward" => {
                let x = Value::constant(self.batch.x_h.clone());
                self.learner.model().extractor.forward(&Pass::evaluation(), &x).expect("a pass");
            }
            "prepared" => drop(self.ready.embed(&self.batch.x_h).expect("a pass")),
            "train" => drop(self.f_alone.step(&self.alone, 1e-4, 1e-4).expect("a step")),
            _ => drop(self.learner.step(&self.batch, 1e-4, 1e-4).expect("a step")),
        }
    }
}

/// The last line of a program's output, as JSON.
fn json(command: &mut Command) -> Option<serde_json::Value> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = serde_json::from_str(&text).ok().or_else(|| serde_json::from_str(text.lines().last()?).ok());
    if result.is_none() {
        eprintln!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    result
}

/// PyTorch's figures for the same work.
fn peer(python: &str, what: &str, batch: usize) -> Option<serde_json::Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer/rain_torch.py");
    let threads = rayon::current_num_threads().to_string();
    json(Command::new(python).args([
        script,
        what,
        "--batch",
        &batch.to_string(),
        "--threads",
        &threads,
        "--repeats",
        "3",
    ]))
}

/// Peak MiB of a process of ours that takes a few whole steps.
fn our_memory(batch: usize) -> Option<f64> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(["--threads", &rayon::current_num_threads().to_string(), "bench", "step", "--json"]);
    json(command.args(["--repeats", "3", "--batch", &batch.to_string()]))?["peak_memory_mib"].as_f64()
}

fn show(what: &str, unit: &str, ours: Vec<f64>, theirs: Vec<f64>) {
    let mine = Spread::of(ours).median;
    if theirs.is_empty() {
        println!("{what:14} {mine:9.3} {unit}");
    } else {
        let theirs = Spread::of(theirs).median;
        println!("{what:14} {mine:9.3} {unit}  PyTorch {theirs:9.3} {unit}  ratio {:.2}", mine / theirs);
    }
}

fn main() {
    rain::memory::keep_for_the_next_step();
    let (batch, rounds) = (setting("RAIN_BENCH_BATCH", 8), setting("RAIN_BENCH_ROUNDS", 5));
    let python = std::env::var("RAIN_PEER_PYTHON").ok();
    let peer = |what: &str| python.as_deref().and_then(|python| peer(python, what, batch));
    let mut ours = Ours::new(batch);
    println!(
        "ResNet-50, 256x128, f32, batch {batch}, {} threads, {} kernels; medians",
        rayon::current_num_threads(),
        rain::nn::kernel::Isa::current().name()
    );
    for what in ["forward", "prepared", "train", "step"] {
        ours.once(what);
        let (mut cpu, mut wall) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for _ in 0..rounds {
            for _ in 0..3 {
                let cost = once(&mut || {
                    ours.once(what);
                    Ok(())
                });
                let cost = cost.expect("a run");
                cpu.0.extend(cost.cpu);
                wall.0.push(cost.wall);
            }
            // PyTorch has one forward pass; ours is timed as training calls it, and as a gallery is embedded.
            if let Some(result) = peer(if what == "prepared" { "forward" } else { what }) {
                cpu.1.extend(result["cpu_s"].as_f64());
                wall.1.extend(result["wall_s"].as_f64());
            }
        }
        show(&format!("{what}, CPU"), "s", cpu.0, cpu.1);
        show(&format!("{what}, wall"), "s", wall.0, wall.1);
    }
    drop(ours);
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        mine.extend(our_memory(batch));
        theirs.extend(peer("step").and_then(|result| result["peak_mib"].as_f64()));
    }
    show("step, memory", "MiB", mine, theirs);
    if let Some(empty) = peer("nothing").and_then(|result| result["peak_mib"].as_f64()) {
        println!("{:14} {empty:9.3} MiB of PyTorch's are there before it has built anything", "");
    }
}
