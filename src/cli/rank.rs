//! `rain rank`: CMC and mAP from two features files.

use std::path::PathBuf;

use serde_json::json;

use super::console::{print, print_json};
use crate::error::{Error, Result};
use crate::eval::distances::Pairwise;
use crate::eval::ranking::{Labels, RANKS, SameCamera, rank};
use crate::gallery::distance::Measure;
use crate::gallery::features::Features;

/// Print CMC and mAP from two features files
///
/// Gallery images of the query's own person and camera are left out, as is junk (identity -1), by Market-1501's rule.
#[derive(Debug, Clone, clap::Args)]
pub struct RankArgs {
    /// Features of the queries
    #[arg(long, value_name = "FILE")]
    query_features: PathBuf,
    /// Features of the gallery
    #[arg(long, value_name = "FILE")]
    gallery_features: PathBuf,
    /// How embeddings are compared
    #[arg(long, value_enum, default_value_t)]
    measure: Measure,
    /// Keep gallery images of the query's own person and camera
    #[arg(long)]
    keep_same_camera: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &RankArgs) -> Result<()> {
    let query = Features::read(&args.query_features)?;
    let gallery = Features::read(&args.gallery_features)?;
    let (d, expected) = (query.matrix.columns, gallery.matrix.columns);
    let (ours, theirs) = (&query.origin.model, &gallery.origin.model);
    if d != expected || (ours != theirs && !ours.is_empty() && !theirs.is_empty()) {
        let of = |model: &str| if model.is_empty() { "unknown".to_string() } else { model.to_string() };
        return Err(Error::file(
            &args.query_features,
            format!(
                "its {d} numbers an image (model {}) cannot be compared with {expected} in {} (model {})",
                of(ours),
                args.gallery_features.display(),
                of(theirs)
            ),
            "Embed both with one model",
        ));
    }
    let distances = Pairwise::new(&query.matrix, &gallery.matrix, args.measure);
    let rule = if args.keep_same_camera { SameCamera::Keep } else { SameCamera::LeaveOut };
    let labels = |side: &'_ Features| (side.identity.clone(), side.camera.clone());
    let ((qi, qc), (gi, gc)) = (labels(&query), labels(&gallery));
    let figures = rank(Labels { identity: &qi, camera: &qc }, Labels { identity: &gi, camera: &gc }, rule, &distances)?;
    if args.json {
        let cmc: serde_json::Map<_, _> =
            RANKS.iter().zip(figures.cmc).map(|(rank, share)| (rank.to_string(), json!(share))).collect();
        return print_json(&json!({
            "cmc": cmc, "map": figures.map, "minp": figures.minp, "queries": figures.queries,
            "unmatched": figures.unmatched, "gallery": gallery.matrix.rows(), "measure": args.measure,
        }));
    }
    let mut text = format!(
        "{} queries ranked against {} gallery images; {} queries without the same person in the gallery are left out\n",
        figures.queries,
        gallery.matrix.rows(),
        figures.unmatched
    );
    for (rank, share) in RANKS.iter().zip(figures.cmc) {
        text += &format!("  rank-{rank:<2}  {:6.2} %\n", 100.0 * share);
    }
    text += &format!("  mAP      {:6.2} %\n  mINP     {:6.2} %", 100.0 * figures.map, 100.0 * figures.minp);
    print(&text)
}
