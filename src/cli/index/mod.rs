//! `rain index`: galleries on disk, from a hundred images to millions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::console::{Progress, print, print_json};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::features::file_hash;
use crate::gallery::store::{self, Maker, Store, exchange};
use crate::model::rain::Rain;

mod add;
mod approximate;
mod search;

/// Keep a gallery on disk: embedded once, opened in an instant, searched by the thousand or the million
///
/// A gallery is a folder of its own, made by one model. It grows by `add`, and a run that is stopped or killed goes on
/// where it was. Candidates are for a person to judge.
#[derive(Debug, Clone, clap::Args)]
pub struct IndexArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    Build(add::BuildArgs),
    Add(add::AddArgs),
    Search(search::SearchArgs),
    Approximate(approximate::ApproximateArgs),
    /// Check every byte of a gallery
    ///
    /// Reads embeddings and codes against their checksums and each other, and the database against both. Fails where
    /// anything is wrong.
    Verify(OneGallery),
    /// Say what a gallery holds
    Info(OneGallery),
    /// Write a gallery's embeddings to a file of another program's format
    ///
    /// A .safetensors file as `rain embed` writes it, or .npy with a .csv table beside it.
    Export(ExportArgs),
}

/// A subcommand that needs a gallery alone.
#[derive(Debug, Clone, clap::Args)]
struct OneGallery {
    /// The gallery's folder
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct ExportArgs {
    /// The gallery's folder
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// The file to write: .safetensors or .npy
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &IndexArgs, device: DeviceChoice) -> Result<()> {
    match &args.command {
        Command::Build(args) => add::build(args, device),
        Command::Add(args) => add::add(args, device),
        Command::Search(args) => search::run(args, device),
        Command::Approximate(args) => approximate::run(args),
        Command::Verify(args) => verify(args),
        Command::Info(args) => info(args),
        Command::Export(args) => export(args),
    }
}

/// Who a model's embeddings are by.
fn maker_of(model: &Rain, path: &Path) -> Result<Maker> {
    let config = model.config();
    Ok(Maker { model: file_hash(path)?, height: config.height, width: config.width, columns: config.embedding() })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The first Ctrl+C asks the work to stop; the second ends the program.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nStopping; what is done is kept. Press Ctrl+C again to end at once…");
    })
    .map_err(|e| Error::input(format!("Ctrl+C cannot be caught: {e}"), "Start Rain from another terminal"))?;
    Ok(stop)
}

fn verify(args: &OneGallery) -> Result<()> {
    let mut progress = Progress::new("Checking row");
    let found = store::verify(&args.gallery, &mut |done, total| progress.step(done, total))?;
    drop(progress);
    if args.json {
        print_json(&found)?;
    } else if found.problems.is_empty() {
        let gone =
            if found.gone > 0 { format!(", {} of them for files that are gone", found.gone) } else { String::new() };
        print(&format!("The gallery is sound: {} rows in {} segments{gone}", found.rows, found.segments))?;
    } else {
        print(&found.problems.join("\n"))?;
    }
    match found.problems.len() {
        0 => Ok(()),
        n => Err(Error::file(
            &args.gallery,
            format!("this gallery is damaged ({n} problem{})", if n == 1 { "" } else { "s" }),
            "Restore its folder from a copy, or build it anew",
        )),
    }
}

fn info(args: &OneGallery) -> Result<()> {
    let store = Store::open(&args.gallery)?;
    let labels = store.labels()?;
    let live = || store.live().iter_in(0..store.rows());
    let distinct = |of: &[i64]| {
        let known: std::collections::BTreeSet<i64> = live().map(|row| of[row]).filter(|&x| x >= 0).collect();
        known.len()
    };
    let times: Vec<i64> = live().map(|row| labels.time[row]).filter(|&t| t != store::NO_TIME).collect();
    let span = times.iter().min().zip(times.iter().max());
    let [vectors, codes, scales] = store.mapped_bytes();
    let header = store.header();
    let (images, identities, cameras) = (store.live().count(), distinct(&labels.identity), distinct(&labels.camera));
    if args.json {
        return print_json(&json!({
            "gallery": args.gallery, "images": images, "rows": store.rows(), "model": store.model_name(),
            "header": header, "identities": identities, "cameras": cameras, "time": span,
            "bytes": { "embeddings": vectors, "codes": codes, "scales": scales },
            "folders": store.folders()?, "broken": store.broken()?,
        }));
    }
    let mib = |bytes: usize| format!("{:.1} MiB", crate::bench::measure::mib(bytes as u64));
    let mut lines = vec![
        format!("{images} images, {} rows of {} numbers", store.rows(), store.columns()),
        format!(
            "model {} ({}), {}x{} pixels (height x width)",
            store.model_name(),
            header.maker.model,
            header.maker.height,
            header.maker.width
        ),
        format!("{identities} identities, {cameras} cameras"),
        format!("embeddings {}, codes {}", mib(vectors), mib(codes + scales)),
    ];
    if let Some((first, last)) = span {
        let say = |t: i64| jiff::Timestamp::from_second(t).map_or_else(|_| t.to_string(), |t| t.to_string());
        lines.push(format!("taken from {} to {}", say(*first), say(*last)));
    }
    lines.extend(store.folders()?.iter().map(|folder| format!("folder {}", folder.display())));
    let broken = store.broken()?;
    if !broken.is_empty() {
        lines.push(format!("{} files could not be used", broken.len()));
    }
    print(&lines.join("\n"))
}

fn export(args: &ExportArgs) -> Result<()> {
    exchange::Kind::of(&args.out)?;
    let store = Store::open(&args.gallery)?;
    let stop = stop_on_ctrl_c()?;
    let mut progress = Progress::new("Writing row");
    let rows = exchange::export(&store, &args.out, &mut |done, total| {
        progress.step(done, total);
        if stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
    })?;
    drop(progress);
    if args.json {
        return print_json(&json!({ "out": args.out, "rows": rows, "dimensions": store.columns() }));
    }
    print(&format!("Wrote {rows} embeddings of {} numbers to {}", store.columns(), args.out.display()))
}
