//! `rain eval`: a model, or the weights of an extractor, judged on a data set.

use std::fmt::Write;
use std::path::PathBuf;

use candle_core::Device;
use serde_json::{Value, json};

use super::console::{Progress, print, print_json, tell_broken};
use super::rank::RerankArgs;
use crate::data::dataset::Format;
use crate::data::formats;
use crate::data::split::{Split, everyone, split};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::eval::protocol::{Evaluation, Protocol, evaluate_with};
use crate::model::rain::Rain;
use crate::model::weights;
use crate::train::config::RunConfig;
use crate::train::preset;

/// Measure rank-1 to rank-20 and mAP on a data set, at several down-sampling rates
///
/// Queries are degraded, the gallery stays sharp. A set with published parts is ranked by Market-1501's rule; any other
/// is split into halves by the seed, and its gallery has one image a person, drawn ten times. The model's own split is
/// found by the seed in its file, so that nobody it was trained on is searched for.
#[derive(Debug, Clone, clap::Args)]
pub struct EvalArgs {
    /// A model file written by Rain
    #[arg(long, value_name = "FILE", required_unless_present = "weights")]
    model: Option<PathBuf>,
    /// Or published weights of an extractor (safetensors or .pth, torchvision names), evaluated without training
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    weights: Option<PathBuf>,
    /// The preset that gives the shape for --weights
    #[arg(long, value_name = "NAME", requires = "weights", value_parser = clap::builder::PossibleValuesParser::new(preset::names()))]
    preset: Option<String>,
    /// One setting of the shape for --weights, for example depth=50 or model.last_stride=1
    #[arg(long, value_name = "KEY=VALUE", requires = "weights")]
    set: Vec<String>,
    /// The data set's folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Its layout; recognised where not given
    #[arg(long)]
    format: Option<Format>,
    /// Down-sampling rates of the queries; 1 leaves them as they are
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', default_value = "1,2,3,4,8")]
    rates: Vec<f64>,
    /// Search for everyone, not only for the test half
    #[arg(long)]
    all: bool,
    /// Seed of the split [default: the one in the model file, else 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    #[command(flatten)]
    rerank: RerankArgs,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Fails on a rate that is no down-sampling rate.
pub(super) fn check_rate(rate: f64) -> Result<()> {
    if rate.is_finite() && rate >= 1.0 {
        return Ok(());
    }
    Err(Error::input(format!("{rate} is no down-sampling rate"), "Use 1 for images as they are, or a larger number"))
}

/// Runs the subcommand.
pub(super) fn run(args: &EvalArgs, device: DeviceChoice) -> Result<()> {
    args.rates.iter().try_for_each(|rate| check_rate(*rate))?;
    let device = device.open()?;
    let (model, card) = open(args, &device)?;
    let seed = args.seed.or_else(|| card["seed"].as_u64()).unwrap_or(0);
    let dataset = formats::read(&args.data, args.format)?;
    tell_broken(&dataset.broken);
    let split = if args.all { everyone(&dataset, seed)? } else { split(&dataset, seed)? };
    warn_of_leaks(&card, &args.data, &split, args.all);
    let mut protocol = Protocol::of(&split.gallery);
    if let Protocol::SingleShot { seed: drawn, .. } = &mut protocol {
        *drawn = seed;
    }
    let mut progress = Progress::new("Embedding image");
    let on = &mut |done, total| progress.step(done, total);
    let rerank = args.rerank.settings();
    let evaluation = evaluate_with(&model, &split.query, &split.gallery, &args.rates, protocol, rerank, &device, on)?;
    drop(progress);
    tell_broken(&evaluation.broken);
    if args.json {
        return print_json(&json!({
            "model": args.model, "weights": args.weights, "data": args.data, "format": dataset.format, "seed": seed,
            "split": split.hash, "all": args.all, "evaluation": evaluation,
        }));
    }
    print(&as_text(&evaluation, &split.hash))
}

/// The model and its card (null for bare weights).
fn open(args: &EvalArgs, device: &Device) -> Result<(Rain, Value)> {
    let Some(path) = &args.weights else {
        let path = args.model.clone().unwrap_or_default();
        return Ok((Rain::open(&path, device)?, weights::read_model(&path)?.card));
    };
    let mut config = match &args.preset {
        Some(name) => preset::load(name)?,
        None => RunConfig::default(),
    };
    for assignment in &args.set {
        let key = assignment.split('=').next().unwrap_or_default();
        let prefix = if key.contains('.') { "" } else { "model." };
        preset::set(&mut config, &format!("{prefix}{assignment}"))?;
    }
    let mut model = Rain::new(config.model.shape, 0, device)?;
    eprintln!("{}", model.load_extractor(path)?);
    Ok((model, Value::Null))
}

/// A model that has seen the people it is tested on shows figures that mean nothing: say so.
fn warn_of_leaks(card: &Value, data: &std::path::Path, split: &Split, all: bool) {
    let same_set = card["data"]["name"].as_str() == data.file_name().and_then(|name| name.to_str());
    let same_split = card["data"]["split"].as_str() == Some(split.hash.as_str());
    if same_set && (all || !same_split) {
        eprintln!(
            "Warning: the model was trained on a data set of this name with another split ({}); it may have seen the people \
             whom it is tested on. Leave out --all and --seed to use its own split.",
            card["data"]["split"].as_str().unwrap_or("unknown")
        );
    }
}

fn as_text(evaluation: &Evaluation, hash: &str) -> String {
    let rule = match evaluation.protocol {
        Protocol::MultiShot => "multi-shot, own camera and junk left out".to_string(),
        Protocol::SingleShot { draws, .. } => format!("single-shot, up to {draws} draws"),
    };
    let mut text = format!(
        "{} queries, {} gallery images, cosine distance, {rule}; split {hash}\n",
        evaluation.queries, evaluation.gallery
    );
    if evaluation.unmatched > 0 {
        let _ = writeln!(text, "{} queries without the same person in the gallery are left out", evaluation.unmatched);
    }
    let _ = writeln!(text, "  rate  rank-1  rank-5  rank-10  rank-20     mAP   (percent)");
    for f in &evaluation.rates {
        let _ = writeln!(
            text,
            "  {:>4}  {:>6.2}  {:>6.2}  {:>7.2}  {:>7.2}  {:>6.2}",
            f.rate, f.rank1, f.rank5, f.rank10, f.rank20, f.map
        );
    }
    text
}
