//! `rain rank`: CMC, mAP and mINP from two features files.

use std::path::PathBuf;

use serde_json::json;

use super::console::{print, print_json};
use crate::error::{Error, Result};
use crate::eval::distances::{Distances, Pairwise};
use crate::eval::ranking::{Labels, RANKS, SameCamera, rank};
use crate::eval::rerank::{Reranked, Settings};
use crate::gallery::distance::Measure;
use crate::gallery::features::Features;

/// Print CMC, mAP and mINP from two features files
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
    #[command(flatten)]
    rerank: RerankArgs,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Re-ranking, the same for every subcommand that ranks.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RerankArgs {
    /// Re-rank by k-reciprocal neighbours (Zhong et al. 2017)
    #[arg(long)]
    rerank: bool,
    /// Neighbours that may be reciprocal
    #[arg(long, value_name = "K", default_value_t = 20, requires = "rerank")]
    k1: usize,
    /// Neighbours whose vectors are averaged
    #[arg(long, value_name = "K", default_value_t = 6, requires = "rerank")]
    k2: usize,
    /// Weight of the original distance, 0 to 1
    #[arg(long, value_name = "W", default_value_t = 0.3, requires = "rerank")]
    lambda: f32,
}

impl RerankArgs {
    /// `None` without --rerank.
    pub(super) fn settings(&self) -> Option<Settings> {
        self.rerank.then_some(Settings { k1: self.k1, k2: self.k2, lambda: self.lambda })
    }
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
    let distances: Box<dyn Distances> = match args.rerank.settings() {
        None => Box::new(Pairwise::new(&query.matrix, &gallery.matrix, args.measure)),
        Some(settings) => Box::new(Reranked::new(&query.matrix, &gallery.matrix, args.measure, settings)?),
    };
    let rule = if args.keep_same_camera { SameCamera::Keep } else { SameCamera::LeaveOut };
    let labels = |side: &'_ Features| (side.identity.clone(), side.camera.clone());
    let ((qi, qc), (gi, gc)) = (labels(&query), labels(&gallery));
    let labels = |identity, camera| Labels { identity, camera };
    let figures = rank(labels(&qi, &qc), labels(&gi, &gc), rule, &*distances)?;
    if args.json {
        let cmc: serde_json::Map<_, _> =
            RANKS.iter().zip(figures.cmc).map(|(rank, share)| (rank.to_string(), json!(share))).collect();
        return print_json(&json!({
            "cmc": cmc, "map": figures.map, "minp": figures.minp, "queries": figures.queries,
            "unmatched": figures.unmatched, "gallery": gallery.matrix.rows(), "measure": args.measure,
            "rerank": args.rerank.settings(),
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
