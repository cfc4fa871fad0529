//! `rain data`: what a folder holds, and why it is not recognised.

use std::fmt::Write;
use std::path::PathBuf;

use super::console::{print, print_json, tell_broken};
use crate::data::dataset::Format;
use crate::data::formats::summary::{CLASS, Summary, summary};
use crate::data::formats::{self, attempts, extract};
use crate::error::Result;

/// Say what a data set holds: its layout, people, cameras, sizes, duplicates and unusable files
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    /// The data set's folder
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Its layout; recognised where not given
    #[arg(long)]
    format: Option<Format>,
    /// Copy the images of CUHK03's MATLAB file (cuhk-03.mat in DIR) into this folder first
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &DataArgs) -> Result<()> {
    let root = match &args.extract {
        None => &args.data,
        Some(out) => {
            let done = extract(&args.data, out, &mut |written| {
                if written.is_multiple_of(1000) {
                    eprintln!("Extracted {written} images");
                }
            })?;
            eprintln!(
                "Extracted {} labeled and {} detected images and {} test sets into {}",
                done.labeled,
                done.detected,
                done.test_sets,
                out.display()
            );
            out
        }
    };
    let dataset = formats::read(root, args.format).inspect_err(|_| {
        if root.is_dir() {
            eprintln!("{} was compared with every layout that Rain knows:", root.display());
            for attempt in attempts(root) {
                eprintln!("  {}: {}", attempt.looked_for, attempt.found);
            }
        }
    })?;
    let summary = summary(&dataset);
    if args.json {
        return print_json(&summary);
    }
    tell_broken(&summary.broken);
    print(&as_text(&summary))
}

fn as_text(summary: &Summary) -> String {
    let mut text = String::new();
    let list = |counts: &mut dyn Iterator<Item = String>| counts.collect::<Vec<_>>().join(", ");
    let camera = |(camera, n): (&i64, &usize)| format!("{}: {n}", super::console::label(*camera));
    let _ = writeln!(text, "{:?} layout in {}", summary.format, summary.root.display());
    let _ = writeln!(text, "{} images of {} people", summary.images, summary.identities);
    if summary.single_image_identities > 0 {
        let _ = writeln!(text, "{} people have one image only", summary.single_image_identities);
    }
    if summary.junk > 0 {
        let _ = writeln!(text, "{} images of nobody known", summary.junk);
    }
    let _ = writeln!(text, "Images by camera: {}", list(&mut summary.cameras.iter().map(camera)));
    let _ =
        writeln!(text, "Images by part: {}", list(&mut summary.parts.iter().map(|(part, n)| format!("{part} {n}"))));
    let [(w, h), (wide, high)] = summary.sizes;
    let _ = writeln!(text, "Sizes from {w}x{h} to {wide}x{high} pixels; images by height:");
    let most = summary.heights.values().copied().max().unwrap_or(1);
    for (from, n) in &summary.heights {
        let bar = "#".repeat((40 * n).div_ceil(most));
        let _ = writeln!(text, "  {from:>4} to {:>4}  {n:>7}  {bar}", from + CLASS - 1);
    }
    if summary.test_sets > 0 {
        let _ = writeln!(text, "{} published test sets", summary.test_sets);
    }
    match &summary.split {
        Some(hash) => drop(writeln!(text, "Split of seed 0: {hash}")),
        None => drop(writeln!(text, "It cannot be split into training and test")),
    }
    if !summary.duplicates.is_empty() {
        let _ = writeln!(text, "{} groups of files hold the very same bytes, for example:", summary.duplicates.len());
        for group in summary.duplicates.iter().take(3) {
            let _ = writeln!(text, "  {}", list(&mut group.iter().map(|path| path.display().to_string())));
        }
    }
    let _ = writeln!(text, "{} unusable files", summary.broken.len());
    text
}
