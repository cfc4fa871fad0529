//! Time of a ResNet-50 forward pass, a training step of F alone, and RAIN's whole step, against PyTorch in the same run.
//!
//!     cargo bench --bench step                                           ours alone
//!     RAIN_PEER_PYTHON=venv/bin/python cargo bench --bench step          alternated with PyTorch; prints the ratios
//!
//! CPU seconds of the whole process (all threads) a repeat, medians of alternated runs. `benches/peer/rain_torch.py`
//! says what the Python needs. Options through the environment: `RAIN_BENCH_BATCH` (8), `RAIN_BENCH_ROUNDS` (5).

use std::process::Command;

use candle_core::{Device, Tensor};
use rain::model::{ModelConfig, Rain};
use rain::nn::layer::Pass;
use rain::nn::tape::Value;
use rain::train::config::{LossConfig, OptimConfig};
use rain::train::learner::{Batch, Learner};

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// User and system seconds of this process so far, from Linux's accounting (hundredths of a second).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after_name.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    if fields.len() > 12 { (fields[11] + fields[12]) / 100.0 } else { 0.0 }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

struct Ours {
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
            "train" => drop(self.f_alone.step(&self.alone, 1e-4, 1e-4).expect("a step")),
            _ => drop(self.learner.step(&self.batch, 1e-4, 1e-4).expect("a step")),
        }
    }
}

/// Median CPU seconds of PyTorch for the same work.
fn peer(python: &str, what: &str, batch: usize) -> Option<f64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer/rain_torch.py");
    let threads = rayon::current_num_threads().to_string();
    let output = Command::new(python)
        .args([script, what, "--batch", &batch.to_string(), "--threads", &threads, "--repeats", "3"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    result["cpu_s"].as_f64()
}

fn main() {
    let (batch, rounds) = (setting("RAIN_BENCH_BATCH", 8), setting("RAIN_BENCH_ROUNDS", 5));
    let python = std::env::var("RAIN_PEER_PYTHON").ok();
    let mut ours = Ours::new(batch);
    println!(
        "ResNet-50, 256x128, f32, batch {batch}, {} threads, {} kernels; CPU seconds",
        rayon::current_num_threads(),
        rain::nn::kernel::Isa::current().name()
    );
    for what in ["forward", "train", "step"] {
        ours.once(what);
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            for _ in 0..3 {
                let start = cpu_seconds();
                ours.once(what);
                mine.push(cpu_seconds() - start);
            }
            theirs.extend(python.as_deref().and_then(|p| peer(p, what, batch)));
        }
        let mine = median(mine);
        if theirs.is_empty() {
            println!("{what:8} ours {mine:.3}");
        } else {
            let theirs = median(theirs);
            println!("{what:8} ours {mine:.3}  PyTorch {theirs:.3}  ratio {:.2}", mine / theirs);
        }
    }
}
