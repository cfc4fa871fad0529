//! `rain index approximate`.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::json;

use super::stop_on_ctrl_c;
use crate::bench::report::in_words;
use crate::cli::console::{Progress, print, print_json};
use crate::error::Result;
use crate::flow::Flow;
use crate::gallery::approximate::Approximate;
use crate::gallery::distance::Measure;
use crate::gallery::shelf::no_graph;
use crate::gallery::store::Store;

/// Build the index for approximate search
///
/// A file beside the gallery, which links each row with its neighbours. How many of the ten nearest it finds is measured on the
/// gallery's own rows and told wherever it is used. Rows that are added later are compared one by one; build it again when they
/// have become many. Removing the folder `approximate` removes it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ApproximateArgs {
    /// The gallery's folder
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// The distance that it is for
    #[arg(long, value_enum, default_value_t)]
    measure: Measure,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ApproximateArgs) -> Result<()> {
    let store = Store::open(&args.gallery)?;
    let stop = stop_on_ctrl_c()?;
    let began = Instant::now();
    let mut progress = Progress::new("Linking row");
    let built = Approximate::build_for(&store, args.measure, &mut |done, total| {
        progress.step(done, total);
        if stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
    })?;
    drop(progress);
    let (seconds, about) = (began.elapsed().as_secs_f64(), built.about());
    if args.json {
        return print_json(&json!({
            "gallery": args.gallery, "rows": built.rows(), "measure": args.measure, "recall": about.recall,
            "sample": about.sample, "width": about.width, "bytes": built.bytes(), "seconds": seconds,
        }));
    }
    let found = match about.sample {
        0 => "so few that every row is compared all the same".to_string(),
        sample => format!("it finds {:.1} % of the ten nearest, measured on {sample} of them", 100.0 * about.recall),
    };
    print(&format!("Linked {} rows in {}: {found}", built.rows(), in_words(seconds)))
}

/// The index of a gallery for a measure.
///
/// # Errors
/// Where there is none, with the way to it; where it is damaged.
pub(super) fn open(store: &Store, measure: Measure) -> Result<Approximate> {
    Approximate::open(store, measure)?.ok_or_else(|| no_graph(store.folder(), measure))
}
