//! `rain reconstruct`: what the decoder makes of crops.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::console::{Progress, print, print_json, tell_broken};
use super::search::no_crop;
use crate::data::image_io;
use crate::device::DeviceChoice;
use crate::engine::desk::Model;
use crate::error::{Error, Result};
use crate::gallery::photos;

/// What a reconstruction is called wherever it is shown.
pub(super) const NOT_EVIDENCE: &str = "reconstruction, not evidence";

/// Run the decoder on crops (a reconstruction, not evidence)
///
/// Writes `<name>-reconstruction.png` of the model's input size for each. A reconstruction shows what the model makes of
/// a crop; its details are learnt from other people. It is not evidence.
#[derive(Debug, Clone, clap::Args)]
pub struct ReconstructArgs {
    /// A model file written by Rain
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Crops: files, or folders of them
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    images: Vec<PathBuf>,
    /// Folder for the reconstructions; it is made where it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &ReconstructArgs, device: DeviceChoice) -> Result<()> {
    let device = device.open()?;
    let model = Model::open(&args.model, &device)?;
    let listing = photos::crops(&args.images);
    let mut broken = listing.broken;
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    let mut progress = Progress::new("Reconstructing image");
    let (mut written, mut taken) = (Vec::new(), BTreeSet::new());
    for (done, photo) in listing.photos.iter().enumerate() {
        progress.step(done as u64, listing.photos.len() as u64);
        match image_io::load(&photo.path) {
            Ok(image) => {
                let path = args.out.join(free_name(&photo.path, &mut taken));
                image_io::save_png(&model.reconstruct(&image, &device)?, &path)?;
                written.push((photo.path.clone(), path));
            }
            Err(error) => broken.push(image_io::broken(&photo.path, &error)),
        }
    }
    drop(progress);
    if written.is_empty() {
        return Err(no_crop(&broken));
    }
    tell_broken(&broken);
    if args.json {
        let files: Vec<_> =
            written.iter().map(|(image, file)| json!({ "image": image, "reconstruction": file })).collect();
        return print_json(&json!({ "note": NOT_EVIDENCE, "files": files, "broken": broken }));
    }
    let names: Vec<String> = written.iter().map(|(_, file)| format!("{}  ({NOT_EVIDENCE})", file.display())).collect();
    print(&names.join("\n"))
}

/// `<name>-reconstruction.png`, numbered where two images of one call have one name.
fn free_name(image: &Path, taken: &mut BTreeSet<String>) -> String {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let plain = format!("{stem}-reconstruction.png");
    let numbered = (2u32..).map(|n| format!("{stem}-{n}-reconstruction.png"));
    let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(plain);
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_collide() {
        let mut taken = BTreeSet::new();
        let names = ["a/x.png", "b/x.jpg", "x-2.png", "x.bmp"].map(|path| free_name(Path::new(path), &mut taken));
        assert_eq!(taken.len(), 4, "{names:?}");
        assert_eq!(names[0], "x-reconstruction.png");
        assert!(names.iter().all(|name| name.ends_with("-reconstruction.png")));
    }
}
