//! `rain project`: a map of embeddings, without the window.

use std::path::PathBuf;

use candle_core::Device;
use serde_json::json;

use super::console::{print, print_json, tell_broken};
use super::search::lay_out;
use crate::data::dataset::Photo;
use crate::device::DeviceChoice;
use crate::engine::desk::{Desk, Model};
use crate::error::{Error, Result};
use crate::figure::scatter::{Look, radius_for, save, words};
use crate::figure::{DARK, LIGHT, ending};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::projection::groups::{Colouring, Groups};
use crate::projection::map::{Map, Subject};
use crate::projection::people::{People, trained_rates};
use crate::projection::{Progress, Settings};

/// Lay embeddings out as a map (PCA, then t-SNE) and write it as a map, a table or a picture
///
/// Near points look alike to the model. Beside the map stand figures: how far people lie apart, and how well resolutions mix.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["features", "gallery", "people", "map"])))]
pub struct ProjectArgs {
    /// A features file, as `rain embed` writes it
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// A folder of sharp images
    #[arg(long, value_name = "DIR", requires = "model")]
    gallery: Option<PathBuf>,
    /// A labelled data set, some people of which are laid out at several resolutions
    #[arg(long, value_name = "DIR", requires = "model")]
    people: Option<PathBuf>,
    /// A map that was made before: write it anew, say in other colours
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// A model file written by Rain
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Crops that are laid out with the gallery: files, or folders of them
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "gallery")]
    query: Vec<PathBuf>,
    /// People of the data set, drawn by the seed
    #[arg(long, value_name = "N", default_value_t = 35, requires = "people")]
    identities: usize,
    /// Images of each; 0 takes all
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    images: usize,
    /// Down-sampling rates of the people's images; 1 leaves them as they are
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', default_value = "1,2,4,8", requires = "people")]
    rates: Vec<f64>,
    /// Files to write; the ending decides: .safetensors (a map to open again), .csv, .svg, .png
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    out: Vec<PathBuf>,
    /// What decides a point's colour
    #[arg(long, value_enum, default_value_t)]
    colour: Colouring,
    /// Draw on a dark ground
    #[arg(long)]
    dark: bool,
    /// How embeddings are compared
    #[arg(long, value_enum, default_value_t)]
    measure: Measure,
    #[command(flatten)]
    layout: LayoutArgs,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// How points are laid out.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LayoutArgs {
    /// Neighbours that each image stays close to
    #[arg(long, value_name = "P", default_value_t = 30.0)]
    perplexity: f64,
    /// Factor on the attraction in the first iterations
    #[arg(long, value_name = "F", default_value_t = 12.0)]
    early_exaggeration: f64,
    /// Iterations with that factor
    #[arg(long, value_name = "N", default_value_t = 250)]
    early_iterations: u32,
    /// Iterations after those
    #[arg(long, value_name = "N", default_value_t = 500)]
    iterations: u32,
    /// Seed: the same gives the same map
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

impl LayoutArgs {
    fn settings(&self) -> Settings {
        Settings {
            perplexity: self.perplexity,
            early_exaggeration: self.early_exaggeration,
            early_iterations: self.early_iterations,
            iterations: self.iterations,
            seed: self.seed,
            every: 0,
            ..Settings::default()
        }
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &ProjectArgs, device: DeviceChoice) -> Result<()> {
    for path in &args.out {
        if !["safetensors", "csv", "svg", "png"].contains(&ending(path).as_str()) {
            return Err(Error::file(
                path,
                "a map is not written to such a file",
                "End its name in .safetensors, .csv, .svg or .png",
            ));
        }
    }
    let map = match &args.map {
        Some(path) => Map::read(path)?,
        None => {
            let settings = args.layout.settings();
            settings.check()?;
            lay(subject(args, device)?, args.measure, &settings)?
        }
    };
    let look = look(&map, args.colour, args.dark, &format!("{}, by {}", map.title, args.colour.name().to_lowercase()));
    for path in &args.out {
        save(&map, path, &look, &[])?;
    }
    if args.json {
        return print_json(
            &json!({ "title": map.title, "images": map.points.len(), "made": map.made, "out": args.out }),
        );
    }
    let mut text = words(&map).join("\n");
    map.made.notes.iter().for_each(|note| text += &format!("\nNote: {note}."));
    args.out.iter().for_each(|path| text += &format!("\nWrote {}", path.display()));
    print(&text)
}

/// Lays a subject out, with a line of progress.
pub(super) fn lay(subject: Subject, measure: Measure, settings: &Settings) -> Result<Map> {
    let mut line = super::console::Progress::new("Laying out: iteration");
    Map::make(subject, measure, settings, &mut |p: &Progress<'_>| {
        line.step(p.iteration.into(), p.iterations.into());
        Flow::Continue
    })
}

/// A map of everything, in its usual look.
pub(super) fn look(map: &Map, by: Colouring, dark: bool, title: &str) -> Look {
    Look {
        title: title.into(),
        paper: if dark { DARK } else { LIGHT },
        groups: Groups::new(&map.spots, by, &map.made.trained, &|_| None, dark),
        hidden: Vec::new(),
        isolated: Vec::new(),
        view: None,
        radius: radius_for(map.points.len()),
    }
}

fn subject(args: &ProjectArgs, device: DeviceChoice) -> Result<Subject> {
    if let Some(path) = &args.features {
        return Subject::of_features(path);
    }
    let device = device.open()?;
    // Clap has made sure of the model.
    let model = Model::open(&args.model.clone().unwrap_or_default(), &device)?;
    if let Some(folder) = &args.people {
        let people = People {
            folder: folder.clone(),
            identities: args.identities,
            images: args.images,
            rates: args.rates.clone(),
            seed: args.layout.seed,
        };
        return embed(&people, people.choose()?, &model, &device);
    }
    let folder = args.gallery.clone().unwrap_or_default();
    if args.query.is_empty() {
        let mut progress = super::console::Progress::new("Embedding image");
        let gallery = model.gallery(&folder, &device, &mut |done, total| progress.step(done, total))?;
        tell_broken(&gallery.info.broken);
        drop(progress);
        return Desk::new(model, gallery).subject();
    }
    let (desk, _, broken) = lay_out(model, &folder, &args.query, &device)?;
    tell_broken(&broken);
    desk.subject()
}

/// The chosen images at several resolutions, with the notes of the choice.
pub(super) fn embed(
    people: &People,
    (photos, notes): (Vec<Photo>, Vec<String>),
    model: &Model,
    device: &Device,
) -> Result<Subject> {
    let total = (photos.len() * people.rates.len()) as u64;
    let mut progress = super::console::Progress::new("Embedding image");
    let mut done = 0;
    let (mut subject, broken) = people.embed(&photos, notes, &mut |paths, rate| {
        let embedded = model.embed_files(paths, rate, device, &mut |within, _| progress.step(done + within, total))?;
        done += paths.len() as u64;
        Ok(embedded)
    })?;
    drop(progress);
    tell_broken(&broken);
    subject.model = model.info.hash.clone();
    subject.trained = trained_rates(&crate::model::weights::read_model(&model.info.path)?.card);
    Ok(subject)
}
