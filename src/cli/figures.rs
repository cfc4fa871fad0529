//! `rain figures`: the paper's figures 3a, 3b and 4, of a model on rendered people or on a data set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use image::RgbImage;
use serde_json::json;

use super::console::{Progress, print, print_json};
use super::project::{embed, lay, look};
use crate::data::dataset::{Part, Photo};
use crate::data::image_io::{load, resize};
use crate::data::pedestrians::{CrowdSettings, render_crowd};
use crate::data::resolution::reduced;
use crate::data::seeded;
use crate::device::DeviceChoice;
use crate::engine::desk::Model;
use crate::error::{Error, Result};
use crate::figure::scatter::figure;
use crate::figure::{LIGHT, ranks};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::gallery::photos;
use crate::gallery::search::{Index, nearest};
use crate::projection::Settings;
use crate::projection::groups::{Colouring, rate_name};
use crate::projection::people::People;

/// The crowd of the bundled model's own seed; only its people for testing are shown.
const CROWD: CrowdSettings = CrowdSettings { identities: 80, cameras: 4, images: 8, seed: 7 };
/// Rates of the rows of figure 4.
const ROWS: [f64; 6] = [2.0, 2.0, 4.0, 4.0, 8.0, 8.0];
/// Candidates of a row.
const TOP: usize = 8;

/// Draw the paper's figures 3a, 3b and 4: the map by person, the map by resolution, and rankings of tiny queries
///
/// Without --data people are rendered, always the same ones, whom the bundled model has not seen in training. Which people and
/// queries are shown is drawn by the seed.
#[derive(Debug, Clone, clap::Args)]
pub struct FiguresArgs {
    /// A model file written by Rain
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The folder to write into: figure3a, figure3b and figure4 as .png and .svg, and the map
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A data set of known people instead of rendered ones
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seed of all draws
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &FiguresArgs, device: DeviceChoice) -> Result<()> {
    let device = device.open()?;
    let model = Model::open(&args.model, &device)?;
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    let rendered = match &args.data {
        Some(_) => None,
        None => Some(render()?),
    };
    let data = args.data.as_deref().or(rendered.as_ref().map(|folder| folder.path())).unwrap_or(Path::new("."));
    let whose = if rendered.is_some() { "rendered people" } else { "people" };

    let people = People { seed: args.seed, ..People::figure3(data.to_path_buf()) };
    let mut subject = embed(&people, &model, &device)?;
    subject.title = format!("{} {whose}, r in {{1, 2, 4, 8}}", people.identities);
    let map = lay(subject, Measure::Cosine, &Settings { seed: args.seed, every: 0, ..Settings::default() })?;
    let mut written = Vec::new();
    let mut put = |name: &str, figure: &crate::figure::Figure| {
        for ending in ["png", "svg"] {
            let path = args.out.join(format!("{name}.{ending}"));
            figure.write(&path)?;
            written.push(path);
        }
        Ok::<(), Error>(())
    };
    let title = |letter: &str, by: &str| format!("Figure 3{letter}: {}, coloured by {by}", map.title);
    put("figure3a", &figure(&map, &look(&map, Colouring::Identity, false, &title("a", "person"))))?;
    put("figure3b", &figure(&map, &look(&map, Colouring::Rate, false, &title("b", "resolution r"))))?;
    let (rows, gallery) = rankings(&model, data, args.seed, &device)?;
    let hits = rows.iter().filter(|row| row.candidates.first().is_some_and(|c| c.1 == Some(true))).count();
    let words = [
        format!(
            "Each query is searched for among {gallery} gallery images; its own camera's images of the same person do not count."
        ),
        format!(
            "✓ same person, ✗ somebody else. People and queries are drawn by seed {}, not chosen. Cosine distance.",
            args.seed
        ),
        "* The decoder's image of the query: a reconstruction, not evidence.".to_string(),
    ];
    put(
        "figure4",
        &ranks::figure(
            &format!("Figure 4: the nearest gallery images of tiny queries ({whose})"),
            &rows,
            &LIGHT,
            &words,
        ),
    )?;
    let path = args.out.join("map.safetensors");
    if rendered.is_none() {
        // The files of rendered people are gone when this command ends.
        map.write(&path)?;
        written.push(path);
    }
    if args.json {
        return print_json(
            &json!({ "images": map.points.len(), "made": map.made, "figure4": { "queries": rows.len(), "rank1": hits, "gallery": gallery }, "out": written }),
        );
    }
    let mut text = crate::figure::scatter::words(&map).join("\n");
    text += &format!("\nFigure 4: {hits} of {} queries have the right person first", rows.len());
    written.iter().for_each(|path| text += &format!("\nWrote {}", path.display()));
    print(&text)
}

/// Renders the crowd into a folder that goes when it is dropped.
fn render() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir().map_err(|e| Error::io("create", std::env::temp_dir(), e))?;
    let mut progress = Progress::new("Rendering image");
    render_crowd(&CROWD, folder.path(), &mut |done, total| progress.step(done, total) == Flow::Continue)?;
    Ok(folder)
}

/// The rows of figure 4, and the size of the gallery.
fn rankings(model: &Model, folder: &Path, seed: u64, device: &Device) -> Result<(Vec<ranks::Row>, usize)> {
    let listing = photos::all(folder)?;
    let published = listing.photos.iter().any(|photo| photo.part == Part::Gallery);
    let of =
        |part: Part| listing.photos.iter().filter(move |p| p.identity >= 0 && (!published || p.part == part)).cloned();
    let (queries, stills): (Vec<Photo>, Vec<Photo>) = (of(Part::Query).collect(), of(Part::Gallery).collect());
    let mut progress = Progress::new("Embedding image");
    let paths: Vec<PathBuf> = stills.iter().map(|photo| photo.path.clone()).collect();
    let embedded = model.embed_files(&paths, 1.0, device, &mut |done, total| progress.step(done, total))?;
    drop(progress);
    let stills: Vec<Photo> = embedded.kept.iter().map(|&i| stills[i].clone()).collect();
    let index = Index::new(&embedded.matrix);
    // Different people, each with somebody to be found on another camera.
    let found = |q: &Photo| {
        stills.iter().any(|p| p.identity == q.identity && (p.camera != q.camera || q.camera < 0) && p.path != q.path)
    };
    let mut rows = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let order = rand::seq::index::sample(&mut seeded::rng(seed, "figure 4", &[]), queries.len(), queries.len());
    let drawn = order.into_iter().map(|i| &queries[i]).filter(|q| found(q) && seen.insert(q.identity));
    for (query, rate) in drawn.zip(ROWS) {
        let sharp = load(&query.path)?;
        let side = |side: u32| reduced(side as usize, rate);
        let tiny = Arc::new(resize(&sharp, side(sharp.height()), side(sharp.width())));
        let embedding = model.embed_images(std::slice::from_ref(&tiny), device, &mut |_, _| Flow::Continue)?;
        let mut distances = index.distances(&embedding.concat(), Measure::Cosine);
        for (distance, still) in distances.iter_mut().zip(&stills) {
            let own = still.identity == query.identity && still.camera == query.camera && still.camera >= 0;
            if own || still.path == query.path {
                *distance = f32::INFINITY;
            }
        }
        let mut candidates = Vec::with_capacity(TOP);
        for hit in nearest(&distances, TOP) {
            let still = &stills[hit.entry];
            candidates.push((Arc::new(load(&still.path)?), Some(still.identity == query.identity)));
        }
        let reconstruction: Option<RgbImage> =
            if model.info.decoder { Some(model.reconstruct(&tiny, device)?) } else { None };
        let note = format!("{}: {}×{} px", rate_name(rate as f32), tiny.width(), tiny.height());
        rows.push(ranks::Row { query: tiny, note, reconstruction: reconstruction.map(Arc::new), candidates });
    }
    if rows.is_empty() {
        return Err(Error::file(
            folder,
            "nobody in it can be searched for on another camera",
            "Choose a data set with several cameras",
        ));
    }
    Ok((rows, stills.len()))
}
