//! From a folder of JPEG files to embeddings of a ResNet-50, against ONNX Runtime in the same run.
//!
//!     cargo bench --bench embed                                          ours alone
//!     RAIN_PEER_PYTHON=venv/bin/python cargo bench --bench embed         alternated with ONNX Runtime; prints the ratios
//!
//! Both read the same files, compute with the same weights and on as many threads; starting up, loading the network and one
//! warm-up are not counted. The embeddings are compared. `benches/peer/embed_onnx.py` says what the Python needs. Options
//! through the environment: `RAIN_BENCH_IMAGES` (a folder; without it pedestrians are rendered), `RAIN_BENCH_COUNT` (128 of
//! them), `RAIN_BENCH_ROUNDS` (5), `RAIN_BENCH_PEER_BATCH` (8), `RAYON_NUM_THREADS`.

use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::Device;
use rain::bench::measure::{Spread, once};
use rain::data::pedestrians::{CrowdSettings, render_crowd};
use rain::flow::Flow;
use rain::gallery::embed::{Embedded, embed};
use rain::gallery::features::{Features, Origin};
use rain::gallery::photos;
use rain::model::{ModelConfig, Rain};

#[global_allocator]
static ALLOCATOR: rain::memory::Allocator = rain::memory::ALLOCATOR;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn run(model: &Rain, paths: &[PathBuf]) -> Embedded {
    embed(model, paths, 1.0, &Device::Cpu, &mut |_, _| Flow::Continue).expect("images")
}

/// What the peer's script says of one run.
fn peer(python: &str, folder: &Path, scratch: &Path, compare: bool) -> Option<serde_json::Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer/embed_onnx.py");
    let mut command = Command::new(python);
    command.arg(script).arg("--model").arg(scratch.join("model.safetensors")).arg("--images").arg(folder);
    command.arg("--onnx").arg(scratch.join("onnx"));
    command.args(["--threads", &rayon::current_num_threads().to_string()]);
    command.args(["--batch", &setting("RAIN_BENCH_PEER_BATCH", 8).to_string()]);
    if compare {
        command.arg("--against").arg(scratch.join("ours.safetensors"));
    }
    let output = command.output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let result = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    if result.is_none() {
        eprintln!("The peer failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    result
}

fn main() {
    rain::memory::keep_for_the_next_step();
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let count = setting("RAIN_BENCH_COUNT", 128);
    let folder = std::env::var_os("RAIN_BENCH_IMAGES").map(PathBuf::from).unwrap_or_else(|| {
        let folder = scratch.path().join("crowd");
        let crowd = CrowdSettings { identities: count.div_ceil(4).max(2), cameras: 2, images: 4, seed: 1 };
        render_crowd(&crowd, &folder, &mut |_, _| true).expect("a crowd");
        folder
    });
    let paths: Vec<PathBuf> = photos::all(&folder).expect("images").photos.into_iter().map(|p| p.path).collect();
    let model = Rain::new(ModelConfig::default(), 1, &Device::Cpu).expect("a model");
    model.save(&scratch.path().join("model.safetensors"), &serde_json::Value::Null).expect("a file");

    let first = run(&model, &paths);
    let kept: Vec<String> = first.kept.iter().map(|i| paths[*i].display().to_string()).collect();
    let images = kept.len() as f64;
    let features = Features {
        identity: vec![-1; kept.len()],
        camera: vec![-1; kept.len()],
        origin: Origin { paths: kept, ..Origin::default() },
        matrix: first.matrix,
    };
    features.write(&scratch.path().join("ours.safetensors")).expect("a file");
    println!(
        "{images} images, ResNet-50 at 256x128, f32, {} threads, {} kernels; medians",
        rayon::current_num_threads(),
        rain::nn::kernel::Isa::current().name()
    );

    let python = std::env::var("RAIN_PEER_PYTHON").ok();
    let (mut ours, mut theirs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..setting("RAIN_BENCH_ROUNDS", 5) {
        let cost = once(&mut || {
            run(&model, &paths);
            Ok(())
        });
        let cost = cost.expect("images");
        ours[0].push(images / cost.wall);
        ours[1].push(cost.cpu.unwrap_or(0.0) / images);
        let Some(python) = &python else { continue };
        let Some(result) = peer(python, &folder, scratch.path(), round == 0) else { return };
        if round == 0 {
            println!("cosine of our embeddings with ONNX Runtime's: at least {}", result["cosine_least"]);
        }
        theirs[0].push(result["images_per_s"].as_f64().unwrap_or(0.0));
        theirs[1].push(result["cpu_s"].as_f64().unwrap_or(0.0) / images);
    }
    let [ours, theirs] = [ours, theirs].map(|figures| figures.map(|f| Spread::of(f).median));
    for (i, what) in ["images a second", "processor seconds an image"].into_iter().enumerate() {
        if python.is_none() {
            println!("{what:28} ours {:.3}", ours[i]);
        } else {
            println!("{what:28} ours {:.3}  ONNX Runtime {:.3}  ratio {:.2}", ours[i], theirs[i], ours[i] / theirs[i]);
        }
    }
}
