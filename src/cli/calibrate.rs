//! `rain calibrate`: what a model's distances mean, measured on a labelled set.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::json;

use super::console::{Progress, print, print_json, tell_broken};
use super::eval::{check_rate, warn_of_leaks};
use crate::data::dataset::Format;
use crate::data::formats;
use crate::data::split::{everyone, split};
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::eval::calibration::{Calibration, KIND, Set, beside, calibrate};
use crate::gallery::distance::Measure;
use crate::gallery::features::file_hash;
use crate::model::rain::Rain;
use crate::model::weights;

/// Measure on a labelled set what a model's distances mean, for the window's warnings
///
/// The nearest image of the same person and the nearest of anybody else, for queries of several resolutions and galleries
/// of several sizes. The result is a small file beside the model; without it the window warns of nothing.
#[derive(Debug, Clone, clap::Args)]
pub struct CalibrateArgs {
    /// A model file written by Rain
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The labelled set's folder: people the model was not trained on
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Its layout; recognised where not given
    #[arg(long)]
    format: Option<Format>,
    /// Down-sampling rates of the queries; 1 leaves them as they are
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', default_value = "1,2,3,4,6,8")]
    rates: Vec<f64>,
    /// Measure on everyone, not only on the test half
    #[arg(long)]
    all: bool,
    /// Seed of the split [default: the one in the model file, else 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// The file to write [default: beside the model, where the window looks for it]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the calibration as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &CalibrateArgs, device: DeviceChoice) -> Result<()> {
    args.rates.iter().try_for_each(|rate| check_rate(*rate))?;
    let device = device.open()?;
    let model = Rain::open(&args.model, &device)?;
    let card = weights::read_model(&args.model)?.card;
    let seed = args.seed.or_else(|| card["seed"].as_u64()).unwrap_or(0);
    let dataset = formats::read(&args.data, args.format)?;
    let split = if args.all { everyone(&dataset, seed)? } else { split(&dataset, seed)? };
    warn_of_leaks(&card, &args.data, &[&split.hash], args.all);
    let mut progress = Progress::new("Embedding image");
    let on = &mut |done, total| progress.step(done, total);
    let found = calibrate(&model, &split.query, &split.gallery, &args.rates, seed, &device, on)?;
    drop(progress);
    tell_broken(&dataset.broken);
    tell_broken(&found.broken);
    let mut who: Vec<i64> = split.query.iter().map(|photo| photo.identity).collect();
    who.sort_unstable();
    who.dedup();
    let name = args.data.canonicalize().unwrap_or_else(|_| args.data.clone());
    let calibration = Calibration {
        kind: KIND.into(),
        model: file_hash(&args.model)?,
        set: Set {
            name: name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned(),
            split: split.hash,
            identities: who.len(),
            queries: found.queries,
            gallery: found.gallery,
        },
        bands: found.bands,
    };
    let out = args.out.clone().unwrap_or_else(|| beside(&args.model));
    calibration.write(&out)?;
    if args.json {
        return print_json(&json!({ "out": out, "calibration": calibration }));
    }
    print(&format!("{}\nWrote {}", as_text(&calibration), out.display()))
}

fn as_text(calibration: &Calibration) -> String {
    let set = &calibration.set;
    let mut text = format!(
        "{}: {} people, {} queries at each rate, {} gallery images, cosine distance; split {}\n",
        set.name, set.identities, set.queries, set.gallery, set.split
    );
    let _ = writeln!(
        text,
        "  rate  height  nearest of the same person  nearest of anybody else  warned beyond  rightly  wrongly"
    );
    for band in calibration.bands.iter().filter(|band| band.measure == Measure::Cosine) {
        let Some(whole) = band.strangers.last() else { continue };
        let spread = |q: &[f32]| match q {
            [_, low, .., high, _] => format!("{:.3} ({low:.3}-{high:.3})", q[q.len() / 2]),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "  {:>4}  {:>3.0} px  {:<26}  {:<23}  {:>13.3}  {:>5.1} %  {:>5.1} %",
            band.rate,
            band.height,
            spread(&band.same),
            spread(&whole.best),
            whole.threshold,
            100.0 * whole.caught,
            100.0 * whole.false_alarms
        );
    }
    let _ = writeln!(
        text,
        "  Medians, with the span from 5 to 95 percent of the queries. Warned are queries whose best distance is beyond the threshold:"
    );
    let _ =
        writeln!(text, "  rightly, of those whose person is not in the gallery; wrongly, of those whose person is.");
    text
}
