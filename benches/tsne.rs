//! Layouts of clustered points, and where a Python with openTSNE is named, openTSNE's beside them, alternated.
//!
//! ```text
//! cargo bench --bench tsne
//! python3 -m venv venv && venv/bin/pip install openTSNE scikit-learn
//! RAIN_PEER_PYTHON=venv/bin/python cargo bench --bench tsne
//! ```
//! `RAIN_BENCH_POINTS` (10000,50000), `RAIN_BENCH_ROUNDS` (3) and `RAYON_NUM_THREADS` change the sizes, the repeats and the
//! threads. Divergence and trustworthiness of both layouts are measured by the same independent code, in the Python script.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rain::data::seeded;
use rain::flow::Flow;
use rain::projection::{Settings, project};
use rand::RngExt;

const DIMS: usize = 50;

/// Points around 200 centres, both Gaussian; the centres lie 1.5 times as far apart as the points of a cluster.
fn clustered(n: usize) -> Vec<f32> {
    let normal = |rng: &mut rand_chacha::ChaCha8Rng| {
        let (u, v): (f64, f64) = (rng.random_range(1e-300..1.0), rng.random_range(0.0..std::f64::consts::TAU));
        ((-2.0 * u.ln()).sqrt() * v.cos()) as f32
    };
    let mut rng = seeded::rng(1, "bench centres", &[]);
    let centres: Vec<f32> = (0..200 * DIMS).map(|_| 1.5 * normal(&mut rng)).collect();
    let mut rng = seeded::rng(1, "bench points", &[]);
    let mut points = Vec::with_capacity(n * DIMS);
    for _ in 0..n {
        let centre = rng.random_range(0..200);
        points.extend(centres[centre * DIMS..][..DIMS].iter().map(|c| c + normal(&mut rng)));
    }
    points
}

/// Processor seconds of this process so far, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<f64> = after.split(' ').map(|f| f.parse().unwrap_or(0.0)).collect();
    // User and system time, in hundredths of a second.
    (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / 100.0
}

fn write(path: &Path, numbers: impl Iterator<Item = f32>) {
    std::fs::write(path, numbers.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()).expect("a file to write");
}

fn python(python: &str, arguments: &[&str]) -> serde_json::Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer/tsne_opentsne.py");
    let output = Command::new(python).arg(script).args(arguments).output().expect("Python");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.lines().last().unwrap_or_default()).expect("a line of JSON")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds to make a layout, wall and processor.
#[derive(Default)]
struct Times(Vec<f64>, Vec<f64>);

impl Times {
    fn show(self, name: &str, kl: f64) -> (f64, f64) {
        let (wall, cpu) = (median(self.0), median(self.1));
        println!("  {name:9} wall {wall:7.2} s  CPU {cpu:7.2} s  KL as it says {kl:.4}");
        (wall, cpu)
    }
}

fn main() {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.into());
    let rounds: usize = setting("RAIN_BENCH_ROUNDS", "3").parse().unwrap_or(3);
    let peer = std::env::var("RAIN_PEER_PYTHON").ok();
    let threads = rayon::current_num_threads().to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for n in setting("RAIN_BENCH_POINTS", "10000,50000").split(',').filter_map(|n| n.parse::<usize>().ok()) {
        let points = clustered(n);
        let [input, ours, theirs] = ["points", "ours", "theirs"].map(|name| folder.path().join(name));
        write(&input, points.iter().copied());
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let settings = Settings { every: 0, ..Settings::default() };
        println!("{n} x {DIMS}, perplexity 30, 250 + 500 iterations, {threads} threads");
        let (mut mine, mut peers, mut kl, mut peer_kl) = (Times::default(), Times::default(), 0.0, 0.0);
        for _ in 0..rounds {
            let (wall, cpu) = (Instant::now(), cpu_seconds());
            let mut stages = Vec::new();
            let layout = project(&points, DIMS, &settings, &mut |progress| {
                if stages.last().is_none_or(|(stage, _)| *stage != progress.stage) {
                    stages.push((progress.stage, Instant::now()));
                }
                Flow::Continue
            })
            .expect("a layout");
            mine.0.push(wall.elapsed().as_secs_f64());
            mine.1.push(cpu_seconds() - cpu);
            let ends = stages.iter().skip(1).map(|s| s.1).chain([Instant::now()]);
            for ((stage, start), end) in stages.iter().zip(ends) {
                print!("    {} {:.2} s", stage.name(), (end - *start).as_secs_f64());
            }
            println!();
            kl = layout.divergence;
            write(&ours, layout.points.into_iter().flatten());
            if let Some(peer) = &peer {
                let result = python(peer, &["fit", &text(&input), &text(&theirs), "--threads", &threads]);
                let number = |key: &str| result[key].as_f64().unwrap_or(f64::NAN);
                peers.0.push(number("wall_s"));
                peers.1.push(number("cpu_s"));
                peer_kl = number("kl");
            }
        }
        let mine = mine.show("ours", kl);
        if let Some(peer) = &peer {
            let peers = peers.show("openTSNE", peer_kl);
            println!("  ratio     wall {:7.2}    CPU {:7.2}", mine.0 / peers.0, mine.1 / peers.1);
            let judged = python(peer, &["judge", &text(&input), &text(&ours), &text(&theirs)]);
            for (at, name) in ["ours", "openTSNE"].iter().enumerate() {
                let number = |key: &str| judged[key][at].as_f64().unwrap_or(f64::NAN);
                println!("  {name:9} KL {:.4}  trustworthiness at 12 {:.4}", number("kl"), number("trustworthiness"));
            }
        }
    }
}
