//! `rain bench`: how long each kind of work takes on this machine.

use std::fmt::Write;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use serde_json::json;

use super::console::{Progress, print, print_json};
use crate::bench::compute::{self, Network, Plan};
use crate::bench::images::{self, Files, Loading};
use crate::bench::report::{Report, in_words};
use crate::bench::sweep::{self, Sweep};
use crate::bench::vectors::{self, Asked};
use crate::device::{DeviceChoice, describe};
use crate::error::Result;
use crate::gallery::distance::Measure;
use crate::model::Rain;
use crate::projection::Settings;

/// Measure how long work takes on this machine: training, embedding, searching
///
/// Each measurement warms up once, repeats, and tells the median. Figures are true of an otherwise idle machine.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Clone, Subcommand)]
enum Work {
    /// A forward pass of the extractor, without reading images
    Forward(ForwardArgs),
    /// RAIN's whole training step, and what an epoch of your data will take
    Step(StepArgs),
    /// From image files to embeddings: decode, resize, compute
    Embed(EmbedArgs),
    /// Preparing training batches: decode, resize, augment, without computing on them
    Load(LoadArgs),
    /// Exact search of a gallery
    Search(SearchArgs),
    /// An evaluation: CMC and mAP of queries against a gallery
    Rank(RankArgs),
    /// A map of embeddings: principal components and t-SNE
    Tsne(TsneArgs),
}

#[derive(Debug, Clone, Args)]
struct Common {
    /// Runs that are measured, after one that is not
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count())]
    repeats: usize,
    /// What weights, images and vectors are drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Args)]
struct NetworkArgs {
    /// ResNet depth: 18, 34, 50 or 101
    #[arg(long, value_name = "N", default_value_t = 50)]
    depth: usize,
    /// Channels of the first residual stage
    #[arg(long, value_name = "W", default_value_t = 64)]
    base_width: usize,
    /// Height and width of the network's input in pixels
    #[arg(long, value_name = "HxW", default_value = "256x128", value_parser = size)]
    size: (usize, usize),
}

#[derive(Debug, Clone, Args)]
struct ForwardArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Images in a batch
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count())]
    batch: usize,
    /// Vary batch and image size, and show how the cost grows with them
    #[arg(long)]
    sweep: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct StepArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Pairs of a sharp and a blurred image in a batch
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count())]
    batch: usize,
    /// Images of an epoch that you have in mind
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    images: u64,
    /// Epochs that you have in mind
    #[arg(long, value_name = "E", default_value_t = 60.0)]
    epochs: f64,
    /// Take this many steps instead of --repeats, and tell whether the memory grew
    #[arg(long, value_name = "N", value_parser = count(), conflicts_with = "sweep")]
    steps: Option<usize>,
    /// Vary batch and image size, and show how the cost grows with them
    #[arg(long)]
    sweep: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct FilesArgs {
    /// A folder of images; without it pedestrians are rendered into a temporary one
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// How many images: of the folder at most so many, or rendered [default: all, or 128 rendered]
    #[arg(long, value_name = "N", value_parser = count())]
    count: Option<usize>,
}

#[derive(Debug, Clone, Args)]
struct EmbedArgs {
    #[command(flatten)]
    files: FilesArgs,
    /// A model file written by Rain; without it a network with random weights
    #[arg(long, value_name = "FILE", conflicts_with_all = ["depth", "base_width", "size"])]
    model: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct LoadArgs {
    #[command(flatten)]
    files: FilesArgs,
    /// Height and width of the network's input in pixels
    #[arg(long, value_name = "HxW", default_value = "256x128", value_parser = size)]
    size: (usize, usize),
    /// Pairs of a sharp and a blurred image in a batch
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count())]
    batch: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct VectorArgs {
    /// Numbers in an embedding
    #[arg(long, value_name = "D", default_value_t = 2048, value_parser = count())]
    dims: usize,
    /// How embeddings are compared
    #[arg(long, value_enum, default_value_t)]
    measure: Measure,
}

#[derive(Debug, Clone, Args)]
struct SearchArgs {
    /// Embeddings in the gallery
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = count())]
    rows: usize,
    /// Queries in a run
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count())]
    queries: usize,
    /// Candidates of each query
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = count())]
    top: usize,
    #[command(flatten)]
    vectors: VectorArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct RankArgs {
    /// Embeddings in the gallery
    #[arg(long, value_name = "N", default_value_t = 19_732, value_parser = count())]
    rows: usize,
    /// Queries
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count())]
    queries: usize,
    #[command(flatten)]
    vectors: VectorArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct TsneArgs {
    /// Embeddings on the map
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = count())]
    points: usize,
    /// Numbers in an embedding
    #[arg(long, value_name = "D", default_value_t = 2048, value_parser = count())]
    dims: usize,
    /// How many neighbours a point has, roughly
    #[arg(long, value_name = "P", default_value_t = Settings::default().perplexity)]
    perplexity: f64,
    /// Iterations [default: those of the map in Rain]
    #[arg(long, value_name = "N")]
    iterations: Option<u32>,
    #[command(flatten)]
    common: Common,
}

fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=100_000_000)
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let side = |text: &str| text.trim().parse().ok().filter(|n| (1..=4096).contains(n));
    let both = text.split_once(['x', 'X', '×']).and_then(|(height, width)| Some((side(height)?, side(width)?)));
    both.ok_or_else(|| "a size is height x width in pixels, such as 256x128".into())
}

impl NetworkArgs {
    fn with(&self, batch: usize, seed: u64) -> Network {
        let (height, width) = self.size;
        Network { depth: self.depth, base_width: self.base_width, batch, height, width, seed }
    }
}

impl FilesArgs {
    fn files(&self, seed: u64) -> Result<Files> {
        match &self.images {
            Some(folder) => Files::of(folder, self.count),
            None => Files::rendered(self.count.unwrap_or(128), seed),
        }
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &BenchArgs, device: DeviceChoice) -> Result<()> {
    let device = device.open()?;
    let (report, json) = match &args.work {
        Work::Forward(args) => {
            let network = args.network.with(args.batch, args.common.seed);
            if args.sweep {
                return show_sweep("forward", &network, &args.common, &mut |size| {
                    compute::time_forward(size, args.common.repeats, &device)
                });
            }
            (compute::forward(&network, args.common.repeats, &device)?, args.common.json)
        }
        Work::Step(args) => {
            let network = args.network.with(args.batch, args.common.seed);
            let plan = Plan { images: args.images, epochs: args.epochs };
            if args.sweep {
                return show_sweep("step", &network, &args.common, &mut |size| {
                    compute::time_step(size, args.common.repeats, &device)
                });
            }
            let report = match args.steps {
                Some(steps) => compute::growth(&network, plan, steps, &device)?,
                None => compute::step(&network, plan, args.common.repeats, &device)?,
            };
            (report, args.common.json)
        }
        Work::Embed(args) => {
            let model = match &args.model {
                Some(path) => Rain::open(path, &device)?,
                None => Rain::new(args.network.with(1, args.common.seed).config(), args.common.seed, &device)?,
            };
            let files = args.files.files(args.common.seed)?;
            (images::embed(&files, &model, args.common.repeats, &device)?, args.common.json)
        }
        Work::Load(args) => {
            let (height, width) = args.size;
            let workers = rayon::current_num_threads();
            let loading = Loading { batch: args.batch, height, width, workers, seed: args.common.seed };
            let files = args.files.files(args.common.seed)?;
            (images::load(&files, loading, args.common.repeats)?, args.common.json)
        }
        Work::Search(args) => {
            let asked = args.vectors.asked(args.rows, args.queries, args.common.seed);
            (vectors::search(asked, args.top, args.common.repeats)?, args.common.json)
        }
        Work::Rank(args) => {
            let asked = args.vectors.asked(args.rows, args.queries, args.common.seed);
            (vectors::rank(asked, args.common.repeats)?, args.common.json)
        }
        Work::Tsne(args) => {
            let usual = Settings { perplexity: args.perplexity, seed: args.common.seed, ..Settings::default() };
            let settings = Settings { iterations: args.iterations.unwrap_or(usual.iterations), ..usual };
            (vectors::tsne(args.points, args.dims, &settings, args.common.repeats)?, args.common.json)
        }
    };
    if json { print_json(&report) } else { print(&as_text(&report, &describe(&device))) }
}

impl VectorArgs {
    fn asked(&self, rows: usize, queries: usize, seed: u64) -> Asked {
        Asked { rows, dims: self.dims, queries, measure: self.measure, seed }
    }
}

fn as_text(report: &Report, device: &str) -> String {
    let mut text = format!("{}\n{device}; medians of {} runs\n\n", report.title, report.measured.repeats);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<22}  {value}");
    };
    let spread = |s: &crate::bench::measure::Spread| {
        format!("{:<10}  (fastest {}, slowest {})", in_words(s.median), in_words(s.least), in_words(s.most))
    };
    line("time of a run", spread(&report.measured.wall_s));
    if let Some(cpu) = &report.measured.cpu_s {
        line("processor time", spread(cpu));
    }
    if let Some(busy) = report.cores_busy {
        line("cores busy", format!("{:.0} %", 100.0 * busy));
    }
    line("speed", format!("{} {} a second", significant(report.per_second), report.unit));
    if let (Some(gflop), Some(gflops), Some(fraction)) = (report.gflop, report.gflops, report.peak_fraction) {
        let peak = report.machine.peak.gflops;
        line("arithmetic", format!("{} GFLOP a run", significant(gflop)));
        let share = 100.0 * fraction;
        line("", format!("{} GFLOP/s, {share:.0} % of this machine's {peak:.0}", significant(gflops)));
    }
    line("copying memory", format!("{:.1} GB/s at best", report.machine.peak.copy_gb_s));
    if let Some(peak) = report.measured.peak_memory_mib {
        line("peak memory", format!("{peak:.0} MiB, the whole program"));
    }
    for note in &report.notes {
        let _ = write!(text, "\n{note}");
    }
    text
}

/// Three digits that mean something.
fn significant(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

fn show_sweep(
    work: &'static str,
    network: &Network,
    common: &Common,
    time: &mut dyn FnMut(&Network) -> Result<crate::bench::measure::Measured>,
) -> Result<()> {
    let mut sizes = sweep::sizes(network);
    if work == "step" {
        sizes.retain(|size| size.batch >= compute::SMALLEST_STEP);
    }
    let mut progress = Progress::new("Measuring size");
    let all = sizes.len() as u64;
    let sweep = sweep::sweep(&sizes, time, &mut |done| {
        let _ = progress.step(done as u64 + 1, all);
    })?;
    drop(progress);
    if common.json {
        let Network { depth, base_width, seed, .. } = network;
        let threads = rayon::current_num_threads();
        return print_json(&json!({
            "work": work, "depth": depth, "base_width": base_width, "seed": seed, "threads": threads,
            "repeats": common.repeats, "sweep": sweep,
        }));
    }
    print(&sweep_as_text(&sweep))
}

/// A Markdown table, so that it can be pasted into a report.
fn sweep_as_text(sweep: &Sweep) -> String {
    let mut text = String::from(
        "| batch | height x width | megapixels |  wall, s | processor, s | s a megapixel | of the line |\n\
         |------:|---------------:|-----------:|---------:|-------------:|--------------:|------------:|\n",
    );
    for row in &sweep.rows {
        let size = format!("{} x {}", row.height, row.width);
        let _ = writeln!(
            text,
            "| {:>5} | {size:>14} | {:>10.4} | {:>8.4} | {:>12.4} | {:>13.3} | {:>10.0}% |",
            row.batch,
            row.megapixels(),
            row.wall_s,
            row.cpu_s,
            row.cpu_s / row.megapixels(),
            100.0 * row.cpu_s / row.line_s
        );
    }
    let _ = write!(
        text,
        "\nProcessor time is {:.4} s + {:.3} s for each million pixels, at most {:.0} % off this line.",
        sweep.fixed_s,
        sweep.per_megapixel_s,
        100.0 * sweep.largest_deviation
    );
    text
}
