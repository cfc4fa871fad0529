//! `rain search`: the nearest gallery images of each query.

use std::fmt::Write;
use std::path::PathBuf;

use candle_core::Device;
use serde_json::{Value, json};

use super::console::{Progress, glyph, label, print, print_json, tell_broken};
use crate::data::dataset::Broken;
use crate::device::DeviceChoice;
use crate::engine::desk::{Desk, Model};
use crate::engine::event::{GalleryEntry, QueryInfo, SearchResult};
use crate::error::{Error, Result};
use crate::gallery::distance::Measure;
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
    /// Search by the index of `rain index approximate`: faster, and a few candidates may be missed
    #[arg(long)]
    approximate: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
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
    for query in &queries {
        results.push((query, desk.search(query.id, args.top, args.measure)?));
    }
    if args.json {
        let queries: Vec<Value> = results.iter().map(|(query, result)| as_json(query, result, entries)).collect();
        return print_json(&json!({
            "model": { "path": args.model, "hash": hash },
            "gallery": args.gallery,
            "gallery_size": entries.len(),
            "measure": args.measure,
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
            let GalleryEntry { path, identity, camera, taken } = &entries[candidate.entry];
            json!({
                "rank": candidate.rank, "path": path, "distance": candidate.distance, "identity": identity,
                "camera": camera, "same": candidate.same, "taken": taken,
            })
        })
        .collect();
    json!({
        "query": query.path, "identity": query.identity, "camera": query.camera,
        "first_same": result.first_same, "candidates": candidates,
    })
}

fn as_text(query: &QueryInfo, result: &SearchResult, entries: &[GalleryEntry], out: &mut String) {
    let measure = match result.measure {
        Measure::Cosine => "cosine",
        Measure::Euclidean => "Euclidean",
    };
    let (shown, all) = (result.candidates.len(), result.gallery_size);
    let _ = writeln!(out, "{}: the nearest {shown} of {all} gallery images ({measure} distance)", query.path.display());
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
