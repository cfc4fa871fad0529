//! `rain figures`: the paper's figures 3a, 3b and 4, of a model on rendered people or on a data set.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use image::RgbImage;
use serde::Serialize;
use serde_json::json;

use super::console::{Progress, print, print_json};
use super::project::{embed, lay, look};
use crate::data::dataset::{Part, Photo};
use crate::data::formats;
use crate::data::image_io::{load, resize};
use crate::data::pedestrians::{CrowdSettings, render_crowd};
use crate::data::resolution::reduced;
use crate::data::seeded;
use crate::data::split::Split;
use crate::device::DeviceChoice;
use crate::engine::desk::Model;
use crate::error::{Error, Result};
use crate::figure::scatter::figure;
use crate::figure::{LIGHT, ranks};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::gallery::photos;
use crate::gallery::search::{Index, nearest};
use crate::model::weights;
use crate::projection::Settings;
use crate::projection::groups::{Colouring, rate_name};
use crate::projection::map::Map;
use crate::projection::people::{self, People};
use crate::train::fingerprint::own_split;

/// The crowd of the bundled model's own seed; only its people for testing are shown.
const CROWD: CrowdSettings = CrowdSettings { identities: 80, cameras: 4, images: 8, seed: 7 };
/// Rates of the rows of figure 4.
const ROWS: [f64; 6] = [2.0, 2.0, 4.0, 4.0, 8.0, 8.0];
/// Candidates of a row.
const TOP: usize = 8;

/// Draw the paper's figures 3a, 3b and 4: the map by person, the map by resolution, and rankings of tiny queries
///
/// Without --data people are rendered, always the same ones, whom the bundled model has not seen in training. Of a set that the
/// model was trained on, only the people for testing are shown. Which people and queries are shown is drawn by the seed.
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
    let order = Drawing {
        model: &args.model,
        data: args.data.as_deref(),
        out: &args.out,
        seed: args.seed,
        figures: &[Which::Figure3, Which::Figure4],
    };
    let drawn = order.carry_out(&device)?;
    if args.json {
        return print_json(&json!({
            "images": drawn.map.as_ref().map(|map| map.points.len()),
            "made": drawn.map.as_ref().map(|map| &map.made),
            "figure4": drawn.ranks, "notes": drawn.notes, "out": drawn.written,
        }));
    }
    let mut text = drawn.words().join("\n");
    drawn.written.iter().for_each(|path| text += &format!("\nWrote {}", path.display()));
    print(&text)
}

/// One of the paper's figures that show one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The map by person (3a) and by resolution (3b).
    Figure3,
    /// Rankings of tiny queries.
    Figure4,
}

/// What is to be drawn, of which model.
pub(super) struct Drawing<'a> {
    /// A model file.
    pub model: &'a Path,
    /// A set of known people; rendered ones where there is none.
    pub data: Option<&'a Path>,
    /// Where the pictures go.
    pub out: &'a Path,
    /// Seed of all draws.
    pub seed: u64,
    /// The figures.
    pub figures: &'a [Which],
}

/// What was drawn.
pub(super) struct Drawn {
    /// The map of figure 3.
    pub map: Option<Map>,
    /// The figures of figure 4.
    pub ranks: Option<Ranks>,
    /// Worth telling.
    pub notes: Vec<String>,
    /// The files.
    pub written: Vec<PathBuf>,
}

/// What figure 4 comes to.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Ranks {
    /// Queries that are shown.
    queries: usize,
    /// Those whose nearest image shows the right person.
    rank1: usize,
    /// Images that were searched.
    gallery: usize,
}

impl Drawing<'_> {
    /// Draws them, each as PNG and as SVG.
    ///
    /// # Errors
    /// For a model or a set that cannot be used, and a disk that refuses.
    pub fn carry_out(&self, device: &Device) -> Result<Drawn> {
        let model = Model::open(self.model, device)?;
        std::fs::create_dir_all(self.out).map_err(|e| Error::io("create", self.out, e))?;
        let rendered = match self.data {
            Some(_) => None,
            None => Some(render()?),
        };
        let data = self.data.or(rendered.as_ref().map(|folder| folder.path())).unwrap_or(Path::new("."));
        let whose = if rendered.is_some() { "rendered people" } else { "people" };
        let cast = Cast::of(&model, data)?;
        let mut drawn = Drawn { map: None, ranks: None, notes: cast.notes.clone(), written: Vec::new() };
        if self.figures.contains(&Which::Figure3) {
            self.maps(&model, &cast, data, whose, device, &mut drawn)?;
            if let (None, Some(map)) = (&rendered, &drawn.map) {
                // The files of rendered people are gone when this command ends.
                let path = self.out.join("map.safetensors");
                map.write(&path)?;
                drawn.written.push(path);
            }
        }
        if self.figures.contains(&Which::Figure4) {
            self.rankings(&model, &cast, data, device, &mut drawn)?;
        }
        Ok(drawn)
    }

    fn maps(
        &self,
        model: &Model,
        cast: &Cast,
        data: &Path,
        whose: &str,
        device: &Device,
        drawn: &mut Drawn,
    ) -> Result<()> {
        let people = People { seed: self.seed, ..People::figure3(data.to_path_buf()) };
        let chosen = people.draw(cast.people.clone())?;
        let shown = chosen.0.iter().map(|photo| photo.identity).collect::<BTreeSet<_>>().len();
        let mut subject = embed(&people, chosen, model, device)?;
        subject.title = format!("{shown} {whose}, r in {{1, 2, 4, 8}}");
        let map = lay(subject, Measure::Cosine, &Settings { seed: self.seed, every: 0, ..Settings::default() })?;
        for (name, by, words) in [("3a", Colouring::Identity, "person"), ("3b", Colouring::Rate, "resolution r")] {
            let title = format!("Figure {name}: {}, coloured by {words}", map.title);
            self.put(&format!("figure{name}"), &figure(&map, &look(&map, by, false, &title)), drawn)?;
        }
        drawn.map = Some(map);
        Ok(())
    }

    fn rankings(&self, model: &Model, cast: &Cast, data: &Path, device: &Device, drawn: &mut Drawn) -> Result<()> {
        let (rows, gallery) = rankings(model, cast, data, self.seed, device)?;
        let rank1 = rows.iter().filter(|row| row.candidates.first().is_some_and(|c| c.1 == Some(true))).count();
        let words = [
            format!(
                "Each query is searched for among {gallery} gallery images; its own camera's images of the same person do not count."
            ),
            format!(
                "✓ same person, ✗ somebody else. People and queries are drawn by seed {}, not chosen. Cosine distance.",
                self.seed
            ),
            "* The decoder's image of the query: a reconstruction, not evidence.".to_string(),
        ];
        let title = match self.data {
            Some(folder) => format!("Figure 4: the nearest gallery images of tiny queries, {}", people::name(folder)),
            None => "Figure 4: the nearest gallery images of tiny queries, rendered people".to_string(),
        };
        self.put("figure4", &ranks::figure(&title, &rows, &LIGHT, &words), drawn)?;
        drawn.ranks = Some(Ranks { queries: rows.len(), rank1, gallery });
        Ok(())
    }

    fn put(&self, name: &str, figure: &crate::figure::Figure, drawn: &mut Drawn) -> Result<()> {
        for ending in ["png", "svg"] {
            let path = self.out.join(format!("{name}.{ending}"));
            figure.write(&path)?;
            drawn.written.push(path);
        }
        Ok(())
    }
}

impl Drawn {
    /// What there is to say, line by line.
    pub fn words(&self) -> Vec<String> {
        let mut lines = self.map.as_ref().map(crate::figure::scatter::words).unwrap_or_default();
        if let Some(Ranks { queries, rank1, gallery }) = self.ranks {
            lines.push(format!(
                "Figure 4: {rank1} of {queries} queries have the right person first, among {gallery} gallery images"
            ));
        }
        lines.extend(self.notes.iter().map(|note| format!("Note: {note}.")));
        lines
    }
}

/// Who is shown.
struct Cast {
    /// For the map.
    people: Vec<Photo>,
    /// For the rankings.
    queries: Vec<Photo>,
    /// What they are searched for in.
    stills: Vec<Photo>,
    notes: Vec<String>,
}

impl Cast {
    /// People whom the model was not trained on, where it says whom it was trained on or the set says who is for testing;
    /// else everyone, with a note.
    fn of(model: &Model, folder: &Path) -> Result<Self> {
        let card = weights::read_model(&model.info.path)?.card;
        let own = match formats::read(folder, None) {
            Ok(dataset) => own_split(&card, &dataset)?,
            Err(_) => None, // no layout: the loose images, whose error, if any, is the one to tell
        };
        if let Some(Split { query, gallery, .. }) = own {
            let people = query.iter().chain(&gallery).cloned().collect();
            return Ok(Self { people, queries: query, stills: gallery, notes: Vec::new() });
        }
        let photos = photos::all(folder)?.photos;
        let published = photos.iter().any(|photo| photo.part == Part::Gallery);
        let of = |part: Part| {
            photos.iter().filter(|p| p.identity >= 0 && (!published || p.part == part)).cloned().collect::<Vec<_>>()
        };
        let notes = if published {
            Vec::new()
        } else {
            vec!["The set does not say who is for testing, so people may be shown whom the model was trained on".into()]
        };
        Ok(Self { queries: of(Part::Query), stills: of(Part::Gallery), people: photos, notes })
    }
}

/// Renders the crowd into a folder that goes when it is dropped.
fn render() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir().map_err(|e| Error::io("create", std::env::temp_dir(), e))?;
    let mut progress = Progress::new("Rendering image");
    render_crowd(&CROWD, folder.path(), &mut |done, total| progress.step(done, total) == Flow::Continue)?;
    Ok(folder)
}

/// The rows of figure 4, and the size of the gallery.
fn rankings(model: &Model, cast: &Cast, folder: &Path, seed: u64, device: &Device) -> Result<(Vec<ranks::Row>, usize)> {
    let Cast { queries, stills, .. } = cast;
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
    let mut seen = BTreeSet::new();
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
