//! `rain export`: a model in a form that other programs open.

use std::path::PathBuf;

use super::console::{print, print_json};
use crate::error::Result;
use crate::model::export::{Exported, Format, export};

/// Write a model for other programs: ONNX, or safetensors under torchvision's names
///
/// ONNX holds the extractor: images in, embeddings out. torchvision's form holds extractor and classifier and loads with
/// strict=True; where torchvision's own ResNet differs from the model, that is said, and Python that builds the right
/// network is printed.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// A model file written by Rain
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// What to write
    #[arg(long)]
    format: Format,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &ExportArgs) -> Result<()> {
    let exported = export(&args.model, args.format, &args.out)?;
    if args.json {
        return print_json(&exported);
    }
    let Exported { format, path, bytes, notes, recipe, .. } = &exported;
    let size = *bytes as f64 / f64::from(1 << 20);
    let notes: String = notes.iter().map(|note| format!("  {note}\n")).collect();
    let recipe = recipe.replace('\n', "\n  ");
    print(&format!("Wrote {} ({format}, {size:.1} MiB)\n{notes}\nIn Python:\n  {recipe}", path.display()))
}
