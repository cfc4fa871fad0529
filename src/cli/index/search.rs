//! `rain index search`.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{maker_of, stop_on_ctrl_c};
use crate::cli::console::{label, print, print_json, tell_broken};
use crate::cli::search::no_crop;
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::gallery::embed::embed;
use crate::gallery::exact::{Ask, search_on};
use crate::gallery::ingest::parse_time;
use crate::gallery::mask::Mask;
use crate::gallery::photos;
use crate::gallery::store::{NO_TIME, Record, Store};
use crate::model::rain::Rain;

/// Rank a gallery on disk against query crops
///
/// Every image of the gallery is compared; the result is exact, unless --approximate is given. Filters that are given must all
/// hold. Prints candidates, for a person to judge.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SearchArgs {
    /// The gallery's folder
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// The model that made it
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
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
    #[command(flatten)]
    filter: FilterArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct FilterArgs {
    /// Only images of these cameras
    #[arg(long, value_name = "N", value_delimiter = ',')]
    camera: Vec<i64>,
    /// No images of these cameras
    #[arg(long, value_name = "N", value_delimiter = ',')]
    not_camera: Vec<i64>,
    /// Only images taken at or after this time: 2026-01-31T18:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    after: Option<i64>,
    /// Only images taken before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<i64>,
    /// Leave these images out: paths as the gallery has them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    exclude: Vec<PathBuf>,
}

fn time(text: &str) -> Result<i64, String> {
    parse_time(text).ok_or_else(|| "not a time such as 2026-01-31T18:00:00Z".to_string())
}

impl FilterArgs {
    /// The rows that are left; labels are read only where a filter asks for them.
    fn mask(&self, store: &Store) -> Result<Mask> {
        let mut mask = store.live().clone();
        for path in &self.exclude {
            let path = std::path::absolute(path).map_err(|e| Error::io("find", path, e))?;
            let (row, _) = store.find(&path)?.ok_or_else(|| {
                Error::file(&path, "there is no such image in the gallery", "Name it as `rain index search` prints it")
            })?;
            mask.remove(row);
        }
        let Self { camera, not_camera, after, before, .. } = self;
        if camera.is_empty() && not_camera.is_empty() && after.is_none() && before.is_none() {
            return Ok(mask);
        }
        let labels = store.labels()?;
        let (only, not): (HashSet<i64>, HashSet<i64>) =
            (camera.iter().copied().collect(), not_camera.iter().copied().collect());
        let timed = after.is_some() || before.is_some();
        mask.intersect(&Mask::of(store.rows(), |row| {
            let (camera, time) = (labels.camera[row], labels.time[row]);
            (only.is_empty() || only.contains(&camera))
                && !not.contains(&camera)
                && (!timed || time != NO_TIME)
                && after.is_none_or(|after| time >= after)
                && before.is_none_or(|before| time < before)
        }));
        Ok(mask)
    }
}

pub(super) fn run(args: &SearchArgs, device: DeviceChoice) -> Result<()> {
    let store = Store::open(&args.gallery)?;
    let device = device.open()?;
    let model = Rain::open(&args.model, &device)?;
    store.check_maker(&maker_of(&model, &args.model)?)?;
    let mask = args.filter.mask(&store)?;
    let listing = photos::crops(&args.query);
    let paths: Vec<PathBuf> = listing.photos.iter().map(|photo| photo.path.clone()).collect();
    let embedded = embed(&model, &paths, 1.0, &device, &mut |_, _| Flow::Continue)?;
    let broken = [listing.broken, embedded.broken].concat();
    tell_broken(&broken);
    if embedded.kept.is_empty() {
        return Err(no_crop(&broken));
    }
    let stop = stop_on_ctrl_c()?;
    let ask = Ask { queries: &embedded.matrix, measure: args.measure, top: args.top, mask: Some(&mask) };
    let graph = args.approximate.then(|| super::approximate::open(&store, args.measure)).transpose()?;
    let answers = match &graph {
        Some(graph) => graph.search(&store.blocks(), &ask, &stop)?,
        None => search_on(&store.blocks(), &ask, &device, &stop)?,
    };
    let recall = graph.map(|graph| graph.about().recall);
    let searched = mask.count();
    let (mut text, mut queries) = (String::new(), Vec::new());
    for (&query, answer) in embedded.kept.iter().zip(&answers) {
        let photo = &listing.photos[query];
        let rows: Vec<usize> = answer.hits.iter().map(|hit| hit.entry).collect();
        let records = store.records(&rows)?;
        let candidates = || answer.hits.iter().zip(&records).enumerate();
        if args.json {
            let each = |(rank, (hit, record)): (usize, (_, &Record))| candidate(rank, hit, record);
            queries.push(json!({
                "query": photo.path, "compared": answer.compared, "candidates": candidates().map(each).collect::<Vec<Value>>(),
            }));
            continue;
        }
        let (path, shown) = (photo.path.display(), answer.hits.len());
        let measure = if args.measure == Measure::Cosine { "cosine" } else { "Euclidean" };
        let _ = writeln!(text, "{path}: the nearest {shown} of {searched} gallery images ({measure} distance)");
        let _ = writeln!(text, "  rank  distance  identity  camera  image");
        for (rank, (hit, record)) in candidates() {
            let (identity, camera) = (label(record.identity), label(record.camera));
            let place = record.path.display();
            let _ = writeln!(text, "  {:>4}  {:>8.4}  {identity:>8}  {camera:>6}  {place}", rank + 1, hit.distance);
        }
        text.push('\n');
    }
    if args.json {
        return print_json(&json!({
            "gallery": args.gallery, "rows": store.rows(), "searched": searched, "measure": args.measure,
            "exact": recall.is_none(), "recall": recall, "queries": queries, "broken": broken,
        }));
    }
    if let Some(recall) = recall {
        let _ = writeln!(text, "Approximate: this index finds {:.1} % of the ten nearest", 100.0 * recall);
    }
    print(&text)
}

fn candidate(rank: usize, hit: &crate::gallery::search::Hit, record: &Record) -> Value {
    let Record { path, identity, camera, time, .. } = record;
    json!({
        "rank": rank + 1, "row": hit.entry, "path": path, "distance": hit.distance, "identity": identity,
        "camera": camera, "time": time,
    })
}
