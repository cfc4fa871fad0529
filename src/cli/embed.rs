//! `rain embed`: a folder of images to a features file.

use std::path::PathBuf;

use serde_json::json;

use super::console::{Progress, print, print_json, tell_broken};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::gallery::embed::embed;
use crate::gallery::features::{Features, Origin, file_hash};
use crate::gallery::photos;
use crate::model::rain::Rain;

/// Embed a folder of images into a features file
///
/// The file is safetensors with `features [n, d] f32`, `identity [n] i64` and `camera [n] i64` (-1 is unknown); the
/// metadata key `rain` holds the paths as JSON.
#[derive(Debug, Clone, clap::Args)]
pub struct EmbedArgs {
    /// A model file written by Rain
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// A folder: a data set of any layout, or loose images
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// The features file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Degrade the images by this down-sampling rate first
    #[arg(long, value_name = "R", default_value_t = 1.0)]
    rate: f64,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &EmbedArgs, device: DeviceChoice) -> Result<()> {
    super::eval::check_rate(args.rate)?;
    let device = device.open()?;
    let model = Rain::open(&args.model, &device)?;
    let listing = photos::all(&args.images)?;
    let paths: Vec<PathBuf> = listing.photos.iter().map(|photo| photo.path.clone()).collect();
    let mut progress = Progress::new("Embedding image");
    let embedded = embed(&model, &paths, args.rate, &device, &mut |done, total| progress.step(done, total))?;
    drop(progress);
    let broken = [listing.broken, embedded.broken].concat();
    tell_broken(&broken);
    if embedded.kept.is_empty() {
        return Err(Error::file(&args.images, "none of its images can be read", "Choose a folder with intact photos"));
    }
    let kept = || embedded.kept.iter().map(|&i| &listing.photos[i]);
    let features = Features {
        identity: kept().map(|photo| photo.identity).collect(),
        camera: kept().map(|photo| photo.camera).collect(),
        origin: Origin {
            paths: kept().map(|photo| photo.path.to_string_lossy().into_owned()).collect(),
            model: file_hash(&args.model)?,
            height: model.config().height,
            width: model.config().width,
        },
        matrix: embedded.matrix,
    };
    features.write(&args.out)?;
    let (n, d) = (features.matrix.rows(), features.matrix.columns);
    if args.json {
        let model = &features.origin.model;
        return print_json(&json!({ "out": args.out, "images": n, "dimensions": d, "model": model, "broken": broken }));
    }
    print(&format!("Wrote {n} embeddings of {d} numbers to {}", args.out.display()))
}
