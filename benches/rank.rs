//! Time and memory of an evaluation at the size of Market-1501 (3,368 queries, 15,913 gallery images, 2,048 dimensions):
//! distances, ranking, CMC, mAP and mINP, against numpy in the same run.
//!
//!     cargo bench --bench rank                                           ours alone
//!     RAIN_PEER_PYTHON=venv/bin/python cargo bench --bench rank          alternated with numpy; prints the ratios
//!
//! Medians of alternated repeats. Options through the environment: `RAIN_BENCH_ROUNDS` (3), `RAIN_BENCH_SCALE` (1; 0.1 is
//! a tenth of the queries and of the gallery).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use rain::data::seeded;
use rain::eval::distances::Pairwise;
use rain::eval::ranking::{Figures, Labels, SameCamera, rank};
use rain::gallery::distance::Measure;
use rain::gallery::matrix::Matrix;
use rand::{Rng, RngExt};

const DIMENSIONS: usize = 2048;
const PEOPLE: u64 = 750;
const CAMERAS: u64 = 6;

fn setting(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// User and system seconds of this process so far, from Linux's accounting (hundredths of a second).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after_name.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    if fields.len() > 12 { (fields[11] + fields[12]) / 100.0 } else { 0.0 }
}

/// Bytes of memory that this process has used at the most.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Side {
    matrix: Matrix,
    identity: Vec<i64>,
    camera: Vec<i64>,
}

impl Side {
    /// Each image is its person's centre and noise; a tenth of a gallery is junk.
    fn new(rows: usize, purpose: &str, junk: bool) -> Self {
        let mut rng = seeded::rng(7, purpose, &[]);
        let (mut identity, mut camera) = (Vec::new(), Vec::new());
        let mut data = Vec::with_capacity(rows * DIMENSIONS);
        for _ in 0..rows {
            let who = rng.random_range(0..PEOPLE);
            let mut centre = seeded::rng(7, "centre", &[who]);
            data.extend((0..DIMENSIONS).map(|_| {
                let (a, b) = (centre.next_u32() as f32, rng.next_u32() as f32);
                0.15 * (a / u32::MAX as f32 - 0.5) + b / u32::MAX as f32 - 0.5
            }));
            identity.push(if junk && rng.random_bool(0.1) { -1 } else { who as i64 });
            camera.push(rng.random_range(0..CAMERAS) as i64);
        }
        Self { matrix: Matrix::new(DIMENSIONS, data), identity, camera }
    }

    fn labels(&self) -> Labels<'_> {
        Labels { identity: &self.identity, camera: &self.camera }
    }
}

fn ours(query: &Side, gallery: &Side) -> Figures {
    let distances = Pairwise::new(&query.matrix, &gallery.matrix, Measure::Cosine);
    rank(query.labels(), gallery.labels(), SameCamera::LeaveOut, &distances).expect("figures")
}

/// numpy, kept running between repeats with its features loaded.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(python: &str, query: &Side, gallery: &Side) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        for (name, side) in [("q", query), ("g", gallery)] {
            let floats: Vec<u8> = side.matrix.data.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(folder.path().join(name), floats).ok()?;
            for (kind, labels) in [("i", &side.identity), ("c", &side.camera)] {
                let bytes: Vec<u8> = labels.iter().flat_map(|x| x.to_le_bytes()).collect();
                std::fs::write(folder.path().join(format!("{name}{kind}")), bytes).ok()?;
            }
        }
        let pack = format!(
            "import numpy as np, sys; f=lambda n,t: np.fromfile(sys.argv[1]+'/'+n, t); \
             np.savez(sys.argv[1]+'/f.npz', q=f('q','<f4').reshape(-1,{DIMENSIONS}), g=f('g','<f4').reshape(-1,{DIMENSIONS}), \
             qi=f('qi','<i8'), qc=f('qc','<i8'), gi=f('gi','<i8'), gc=f('gc','<i8'))"
        );
        Command::new(python).args(["-c", &pack]).arg(folder.path()).status().ok()?;
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer/rank_numpy.py"))
            .arg(folder.path().join("f.npz"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut peer = Self { child, input, output };
        let mut ready = String::new();
        peer.output.read_line(&mut ready).ok()?;
        (ready.trim() == "ready").then_some(peer)
    }

    /// Wall seconds, CPU seconds and figures of one repeat.
    fn once(&mut self) -> Option<(f64, f64, serde_json::Value)> {
        writeln!(self.input, "go").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        let result: serde_json::Value = serde_json::from_str(&line).ok()?;
        Some((result["wall_s"].as_f64()?, result["cpu_s"].as_f64()?, result["figures"].clone()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    let scale = setting("RAIN_BENCH_SCALE", 1.0);
    let rounds = setting("RAIN_BENCH_ROUNDS", 3.0) as usize;
    let size = |n: f64| (n * scale) as usize;
    let query = Side::new(size(3368.0), "query", false);
    let gallery = Side::new(size(15913.0), "gallery", true);
    println!(
        "{} queries x {} gallery images x {DIMENSIONS} dimensions, {} threads",
        query.identity.len(),
        gallery.identity.len(),
        rayon::current_num_threads()
    );
    let before = peak_bytes();
    let figures = ours(&query, &gallery);
    println!(
        "figures {:.6?}, mAP {:.6}, mINP {:.6}; {} MiB beyond the features",
        figures.cmc,
        figures.map,
        figures.minp,
        (peak_bytes() - before) >> 20
    );
    let mut peer = std::env::var("RAIN_PEER_PYTHON").ok().and_then(|p| Peer::start(&p, &query, &gallery));
    let (mut mine, mut theirs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..rounds {
        let (start, start_cpu) = (Instant::now(), cpu_seconds());
        ours(&query, &gallery);
        mine[0].push(start.elapsed().as_secs_f64());
        mine[1].push(cpu_seconds() - start_cpu);
        if let Some((wall, cpu, figures)) = peer.as_mut().and_then(Peer::once) {
            theirs[0].push(wall);
            theirs[1].push(cpu);
            if round == 0 {
                println!("numpy's figures {figures}");
            }
        }
    }
    for (what, mine, theirs) in
        [("wall", mine[0].clone(), theirs[0].clone()), ("CPU", mine[1].clone(), theirs[1].clone())]
    {
        let (mine, theirs) = (median(mine), median(theirs));
        println!("{what:4} seconds: ours {mine:.2}  numpy {theirs:.2}  ratio {:.2}", mine / theirs);
    }
}
