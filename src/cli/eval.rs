//! `rain eval`: a model, or the weights of an extractor, judged on a data set.

use std::fmt::Write;
use std::path::PathBuf;

use candle_core::Device;
use serde_json::{Value, json};

use super::console::{Progress, print, print_json, tell_broken};
use super::rank::RerankArgs;
use crate::data::dataset::{Dataset, Format};
use crate::data::formats;
use crate::data::split::{everyone, split};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::eval::judgement::{Judgement, judge};
use crate::eval::plan::{Choices, Plan, Published};
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
    /// Search with the mirror image of each image too, or not, whatever the model says
    #[arg(long, value_name = "BOOL")]
    mirror: Option<bool>,
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
    /// Judge by a published protocol: its splits, 100 gallery draws, a rate drawn for each query, 95% intervals
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all", "rates"])]
    protocol: Option<Published>,
    /// Splits of the protocol [default: 1 for a model (its own), the protocol's number for --weights]
    #[arg(long, value_name = "N", requires = "protocol")]
    splits: Option<usize>,
    /// Gallery draws a split [default: 100]
    #[arg(long, value_name = "N", requires = "protocol")]
    draws: Option<usize>,
    /// Rates that the queries' are drawn from [default: the protocol's]
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', requires = "protocol")]
    draw_rates: Option<Vec<f64>>,
    /// Rates at which all queries are judged besides
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', requires = "protocol")]
    also: Vec<f64>,
    /// Write the splits and draws to this file
    #[arg(long, value_name = "FILE", requires = "protocol")]
    save_plan: Option<PathBuf>,
    /// Judge by the splits and draws in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "rates", "protocol", "seed"])]
    plan: Option<PathBuf>,
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
    let (mut model, card) = open(args, &device)?;
    if let Some(mirror) = args.mirror {
        model = model.with_mirror(mirror);
    }
    let seed = args.seed.or_else(|| card["seed"].as_u64()).unwrap_or(0);
    let dataset = formats::read(&args.data, args.format)?;
    tell_broken(&dataset.broken);
    if args.protocol.is_some() || args.plan.is_some() {
        return by_protocol(args, &model, &card, &dataset, seed, &device);
    }
    let split = if args.all { everyone(&dataset, seed)? } else { split(&dataset, seed)? };
    warn_of_leaks(&card, &args.data, &[&split.hash], args.all);
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
            "split": split.hash, "all": args.all, "rerank": rerank, "evaluation": evaluation,
        }));
    }
    print(&as_text(&evaluation, &split.hash, rerank.is_some()))
}

/// Splits, draws and rates of a published protocol.
fn by_protocol(
    args: &EvalArgs,
    model: &Rain,
    card: &Value,
    dataset: &Dataset,
    seed: u64,
    device: &Device,
) -> Result<()> {
    let rates = args.also.iter().chain(args.draw_rates.iter().flatten());
    rates.into_iter().try_for_each(|rate| check_rate(*rate))?;
    let plan = match (&args.plan, args.protocol) {
        (Some(file), _) => Plan::read(file)?,
        (None, protocol) => {
            let own = args.weights.is_none().then_some(1);
            let choices = Choices { splits: args.splits.or(own), draws: args.draws, rates: args.draw_rates.clone() };
            Plan::new(dataset, protocol.unwrap_or(Published::Generic), seed, &choices)?
        }
    };
    if let Some(file) = &args.save_plan {
        plan.write(file)?;
    }
    let splits: Vec<&String> = plan.splits.iter().map(|round| &round.split).collect();
    warn_of_leaks(card, &args.data, &splits, false);
    let mut progress = Progress::new("Embedding image");
    let on = &mut |done, total| progress.step(done, total);
    let judgement = judge(model, dataset, &plan, &args.also, args.rerank.settings(), device, on)?;
    drop(progress);
    tell_broken(&judgement.broken);
    if args.json {
        return print_json(&json!({
            "model": args.model, "weights": args.weights, "data": args.data, "format": dataset.format,
            "judgement": judgement,
        }));
    }
    print(&judged(&judgement))
}

fn judged(judgement: &Judgement) -> String {
    let rule = match judgement.draws {
        0 => "multi-shot, own camera and junk left out".to_string(),
        draws => format!("single-shot, {draws} gallery draws"),
    };
    let mut text = format!(
        "{}: {} queries, {} gallery images, {} splits, cosine distance{}, {rule}; seed {}, plan {}\n",
        judgement.protocol.name(),
        judgement.queries,
        judgement.gallery,
        judgement.splits.len(),
        if judgement.rerank.is_some() { ", re-ranked" } else { "" },
        judgement.seed,
        judgement.plan
    );
    let _ = writeln!(
        text,
        "  {:<9} {:>7}  {:<19} {:<19} {:<19} {:<19} {:<19} {:<19}",
        "rate", "queries", "rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP"
    );
    for row in &judgement.rows {
        let rate =
            row.rate.map_or("as drawn".to_string(), |rate| format!("{}{rate}", if row.drawn { "" } else { "all at " }));
        let _ = write!(text, "  {rate:<9} {:>7}", row.queries);
        let f = &row.figures;
        for i in [f.rank1, f.rank5, f.rank10, f.rank20, f.map, f.minp] {
            let _ = write!(text, "  {:<19}", format!("{:.2} ({:.2}-{:.2})", i.mean, i.low, i.high));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "  percent, with 95% intervals: {}", judgement.method.words());
    text
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
pub(super) fn warn_of_leaks(card: &Value, data: &std::path::Path, splits: &[&String], all: bool) {
    let same_set = card["data"]["name"].as_str() == data.file_name().and_then(|name| name.to_str());
    let same_split = splits.iter().all(|hash| card["data"]["split"].as_str() == Some(hash.as_str()));
    if same_set && (all || !same_split) {
        eprintln!(
            "Warning: the model was trained on a data set of this name with another split ({}); it may have seen the people \
             whom it is tested on. Leave out --all and --seed to use its own split.",
            card["data"]["split"].as_str().unwrap_or("unknown")
        );
    }
}

fn as_text(evaluation: &Evaluation, hash: &str, reranked: bool) -> String {
    let rule = match evaluation.protocol {
        Protocol::MultiShot => "multi-shot, own camera and junk left out".to_string(),
        Protocol::SingleShot { draws, .. } => format!("single-shot, up to {draws} draws"),
    };
    let rule = if reranked { format!("{rule}, re-ranked") } else { rule };
    let mut text = format!(
        "{} queries, {} gallery images, cosine distance, {rule}; split {hash}\n",
        evaluation.queries, evaluation.gallery
    );
    if evaluation.unmatched > 0 {
        let _ = writeln!(text, "{} queries without the same person in the gallery are left out", evaluation.unmatched);
    }
    let _ =
        writeln!(text, "  rate  rank-1  rank-5  rank-10  rank-20     mAP    mINP   95% interval of rank-1   (percent)");
    for (f, all) in evaluation.rates.iter().zip(&evaluation.intervals) {
        let _ = writeln!(
            text,
            "  {:>4}  {:>6.2}  {:>6.2}  {:>7.2}  {:>7.2}  {:>6.2}  {:>6.2}   {:.2} to {:.2}",
            f.rate, f.rank1, f.rank5, f.rank10, f.rank20, f.map, all.minp.mean, all.rank1.low, all.rank1.high
        );
    }
    let _ = writeln!(text, "  Intervals: {}", evaluation.method.words());
    text
}
