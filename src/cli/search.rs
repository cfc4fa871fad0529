//! `rain search`: the nearest gallery images of each query.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::Device;
use serde_json::{Value, json};

use super::console::{Progress, glyph, label, print, print_json, tell_broken};
use crate::data::clock;
use crate::data::dataset::Broken;
use crate::device::DeviceChoice;
use crate::engine::desk::{Desk, Model};
use crate::engine::event::{GalleryEntry, QueryInfo, SearchResult};
use crate::engine::refine::Refine;
use crate::error::{Error, Result};
use crate::gallery::distance::Measure;
use crate::gallery::filter::{Filter, Span};
use crate::gallery::photos;

/// Rank a gallery against query crops
///
/// Prints the nearest gallery images of each query: candidates, for a person to judge.
#[derive(Debug, Clone, clap::Args)]
pub struct SearchArgs {
    /// A model file written by Rain
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// A folder of sharp images: a data set of any layout, loose images, or a gallery that `rain index build` made
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// Crops to search for: files, or folders of them
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    query: Vec<PathBuf>,
    /// Candidates of each query
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    top: usize,
    /// How embeddings are compared
    #[arg(long, value_enum, default_value_t)]
    measure: Measure,
    /// Rank the nearest again by the neighbours that they share with the query (k-reciprocal)
    #[arg(long)]
    rerank: bool,
    /// Search by the index of `rain index approximate`: faster, and a few candidates may be missed
    #[arg(long)]
    approximate: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Search only a part of the gallery
#[derive(Debug, Clone, clap::Args)]
struct FilterArgs {
    /// Only these cameras, such as 1,3
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    camera: Vec<i64>,
    /// Only from this time on, by the camera's clock, such as "2024-01-31 14:05"
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<i64>,
    /// Only up to this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<i64>,
    /// Only images at least this high, in pixels
    #[arg(long, value_name = "PIXELS")]
    min_height: Option<u32>,
    /// Only images at most this high, in pixels
    #[arg(long, value_name = "PIXELS")]
    max_height: Option<u32>,
    /// Only images up to this distance by the measure
    #[arg(long, value_name = "D")]
    max_distance: Option<f32>,
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        Filter {
            cameras: self.camera.clone(),
            time: Span { from: self.from, to: self.to },
            height: Span { from: self.min_height, to: self.max_height },
            distance: self.max_distance,
        }
    }
}

fn time(text: &str) -> Result<i64, &'static str> {
    clock::parse(text).ok_or("a time looks like 2024-01-31 14:05:07, or is a number of seconds")
}

/// Runs the subcommand.
pub(super) fn run(args: &SearchArgs, device: DeviceChoice) -> Result<()> {
    let device = device.open()?;
    let model = Model::open(&args.model, &device)?;
    let hash = model.info.hash.clone();
    let (mut desk, queries, broken) = lay_out(model, &args.gallery, &args.query, &device)?;
    desk.approximate = args.approximate;
    let recall = args.approximate.then(|| desk.recall(args.measure)).transpose()?;
    tell_broken(&broken);
    let entries = desk.entries();
    let mut results = Vec::with_capacity(queries.len());
    let refine = Arc::new(Refine { filter: args.filter.filter(), rerank: args.rerank, ..Refine::default() });
    for query in &queries {
        results.push((query, desk.search_refined(query.id, args.top, args.measure, &refine)?));
    }
    if args.json {
        let queries: Vec<Value> = results.iter().map(|(query, result)| as_json(query, result, entries)).collect();
        return print_json(&json!({
            "model": { "path": args.model, "hash": hash },
            "gallery": args.gallery,
            "gallery_size": entries.len(),
            "measure": args.measure,
            "filter": refine.filter,
            "reranked": refine.rerank,
            "exact": !args.approximate,
            "recall": recall,
            "queries": queries,
            "broken": broken,
        }));
    }
    let mut text = String::new();
    for (query, result) in &results {
        as_text(query, result, entries, &mut text);
    }
    if let Some(recall) = recall {
        let _ = writeln!(text, "Approximate: this index finds {:.1} % of the ten nearest", 100.0 * recall);
    }
    print(&text)
}

/// Embeds a gallery and crops; fails where no crop is usable. The answer's last part lists the skipped files.
pub(super) fn lay_out(
    model: Model,
    gallery: &std::path::Path,
    crops: &[PathBuf],
    device: &Device,
) -> Result<(Desk, Vec<QueryInfo>, Vec<Broken>)> {
    let listing = photos::crops(crops);
    let mut broken = listing.broken;
    let mut progress = Progress::new("Embedding gallery image");
    let gallery = model.gallery(gallery, device, &mut |done, total| progress.step(done, total))?;
    drop(progress);
    let skipped = gallery.info.broken.to_vec();
    let mut desk = Desk::new(model, gallery);
    let queries = desk.add_crops(&listing.photos, device, &mut broken)?;
    if queries.is_empty() {
        return Err(no_crop(&broken));
    }
    Ok((desk, queries, [broken, skipped].concat()))
}

/// The error of a call none of whose crops is usable.
pub(super) fn no_crop(broken: &[Broken]) -> Error {
    let remedy = "Name intact image files (PNG, JPEG, BMP, WebP or TIFF)";
    match broken {
        [] => Error::input("There is no image to work on", remedy),
        [first, rest @ ..] => {
            let others =
                if rest.is_empty() { String::new() } else { format!(" ({} more files failed too)", rest.len()) };
            Error::file(&first.path, format!("{}{others}", first.reason.trim_end_matches('.')), remedy)
        }
    }
}

pub(super) fn as_json(query: &QueryInfo, result: &SearchResult, entries: &[GalleryEntry]) -> Value {
    let candidates: Vec<Value> = result
        .candidates
        .iter()
        .map(|candidate| {
            let GalleryEntry { path, identity, camera, taken, .. } = &entries[candidate.entry];
            json!({
                "rank": candidate.rank, "path": path, "distance": candidate.distance, "identity": identity,
                "camera": camera, "same": candidate.same, "taken": taken,
            })
        })
        .collect();
    json!({
        "query": query.path, "identity": query.identity, "camera": query.camera,
        "first_same": result.first_same, "passing": result.admitted, "candidates": candidates,
    })
}

fn as_text(query: &QueryInfo, result: &SearchResult, entries: &[GalleryEntry], out: &mut String) {
    let measure = match result.measure {
        Measure::Cosine => "cosine",
        Measure::Euclidean => "Euclidean",
    };
    let (shown, all) = (result.candidates.len(), result.gallery_size);
    let passing =
        if result.admitted < all { format!(", {} of which pass the filter", result.admitted) } else { String::new() };
    let again = if result.refine.rerank { ", re-ranked" } else { "" };
    let path = query.path.display();
    let _ = writeln!(out, "{path}: the nearest {shown} of {all} gallery images{passing} ({measure} distance{again})");
    let _ = writeln!(out, "  rank  distance  same  identity  camera  image");
    for candidate in &result.candidates {
        let GalleryEntry { path, identity, camera, .. } = &entries[candidate.entry];
        let (distance, same) = (candidate.distance, glyph(candidate.same));
        let (identity, camera) = (label(*identity), label(*camera));
        let _ = writeln!(
            out,
            "  {:>4}  {distance:>8.4}  {same:^4}  {identity:>8}  {camera:>6}  {}",
            candidate.rank,
            path.display()
        );
    }
    out.push('\n');
}
