//! `rain index build` and `rain index add`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use candle_core::Device;
use serde_json::json;

use super::{file_name, maker_of, stop_on_ctrl_c};
use crate::bench::report::in_words;
use crate::cli::console::{print, print_json, tell_broken};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::ingest::watch::Watch;
use crate::gallery::ingest::{self, Options, Progress, Summary};
use crate::gallery::store::{Header, Precision, SEGMENT_ROWS, Writer, exchange};
use crate::model::rain::Rain;

/// Make a gallery of folders of images, or of features that were embedded before
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("source").args(["images", "from"]).required(true)))]
pub(super) struct BuildArgs {
    /// The gallery's folder, which is made
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// A model file written by Rain
    #[arg(long, value_name = "FILE", required_unless_present = "from")]
    model: Option<PathBuf>,
    /// Folders of images: data sets of any layout, or loose images
    #[arg(long, value_name = "DIR", num_args = 1..)]
    images: Vec<PathBuf>,
    /// Features instead of images: .safetensors or .npy
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How embeddings are kept
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    #[command(flatten)]
    how: How,
}

/// Bring a gallery up to its folders
///
/// New images are embedded; changed, moved and deleted ones are recognised by what they hold. An image whose file is gone is
/// no longer searched; its embedding is kept and serves again should the file come back.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AddArgs {
    /// The gallery's folder
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// The model that made it
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Folders of images [default: those that were added before]
    #[arg(long, value_name = "DIR", num_args = 1..)]
    images: Vec<PathBuf>,
    /// Read every file again, also those that look untouched
    #[arg(long)]
    reread: bool,
    /// Keep searching images whose file is gone
    #[arg(long)]
    keep_missing: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct How {
    /// Take identity and camera from file names alone, whatever layout the folders have
    #[arg(long)]
    loose: bool,
    /// Go on watching the folders, and add what comes until Ctrl+C
    #[arg(long)]
    watch: bool,
    /// New images that are saved together; as many are embedded again after a kill
    #[arg(long, value_name = "N", default_value_t = Options::default().commit)]
    commit: usize,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn build(args: &BuildArgs, device: DeviceChoice) -> Result<()> {
    let stop = stop_on_ctrl_c()?;
    let device = device.open()?;
    let model = match &args.model {
        Some(path) => Some((Rain::open(path, &device)?, path)),
        None => None,
    };
    let maker = model.as_ref().map(|(model, path)| maker_of(model, path)).transpose()?;
    if let Some(from) = &args.from {
        let mut progress = crate::cli::console::Progress::new("Importing row");
        let rows = exchange::import(from, &args.gallery, maker.as_ref(), args.precision, &mut |done, total| {
            progress.step(done, total);
            if stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
        })?;
        drop(progress);
        if args.how.json {
            return print_json(&json!({ "gallery": args.gallery, "rows": rows, "from": from }));
        }
        return print(&format!("Made a gallery of {rows} embeddings in {}", args.gallery.display()));
    }
    let (Some((model, path)), Some(maker)) = (model, maker) else {
        return Err(Error::input("Images cannot be embedded without a model", "Name one with --model"));
    };
    let header = Header { maker, precision: args.precision, segment_rows: SEGMENT_ROWS };
    let mut writer = Writer::create(&args.gallery, &header, &file_name(path))?;
    let How { loose, commit, .. } = args.how;
    let options = Options { loose, commit, ..Options::default() };
    grow(&mut writer, &model, &args.images, &options, &args.how, &device, &stop)
}

pub(super) fn add(args: &AddArgs, device: DeviceChoice) -> Result<()> {
    let stop = stop_on_ctrl_c()?;
    let mut writer = Writer::open(&args.gallery)?;
    let folders = if args.images.is_empty() { writer.folders()? } else { args.images.clone() };
    if folders.is_empty() {
        return Err(Error::input("This gallery has no folder yet", "Name one with --images"));
    }
    let device = device.open()?;
    let model = Rain::open(&args.model, &device)?;
    writer.check_maker(&maker_of(&model, &args.model)?)?;
    let (How { loose, commit, .. }, reread, keep_missing) = (args.how, args.reread, args.keep_missing);
    let options = Options { loose, reread, keep_missing, commit };
    grow(&mut writer, &model, &folders, &options, &args.how, &device, &stop)
}

fn grow(
    writer: &mut Writer,
    model: &Rain,
    folders: &[PathBuf],
    options: &Options,
    how: &How,
    device: &Device,
    stop: &AtomicBool,
) -> Result<()> {
    // Before the first look, so that nothing falls in between.
    let watch = how.watch.then(|| Watch::new(folders)).transpose()?;
    loop {
        let mut line = Line::default();
        let summary = ingest::add(writer, model, folders, options, device, &mut |progress| {
            line.show(progress);
            if stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
        })?;
        drop(line);
        tell_broken(&summary.broken);
        tell(writer, &summary, how.json)?;
        let Some(watch) = &watch else { break };
        if stop.load(Ordering::Relaxed) {
            break;
        }
        eprintln!("Watching; Ctrl+C ends it.");
        if !watch.wait(&|| stop.load(Ordering::Relaxed)) {
            return Ok(());
        }
    }
    if writer.rows() == 0 && !stop.load(Ordering::Relaxed) {
        return Err(Error::file(
            writer.folder(),
            "none of the files could be used, so the gallery is empty",
            "Name a folder that holds photos (PNG, JPEG, BMP, WebP or TIFF): rain index add --images DIR",
        ));
    }
    Ok(())
}

fn tell(writer: &Writer, summary: &Summary, as_json: bool) -> Result<()> {
    let Summary { progress, removed, broken, stopped } = summary;
    if as_json {
        return print_json(&json!({
            "gallery": writer.folder(), "rows": writer.rows(), "embedded": progress.embedded,
            "recognised": progress.recognised, "unchanged": progress.unchanged, "removed": removed, "broken": broken,
            "images_per_second": progress.images_per_second, "stopped": stopped,
        }));
    }
    let mut said = format!(
        "{}: {} images embedded, {} recognised, {} unchanged, {removed} no longer there",
        writer.folder().display(),
        progress.embedded,
        progress.recognised,
        progress.unchanged,
    );
    if let Some(speed) = progress.images_per_second {
        said.push_str(&format!("; {speed:.0} images a second"));
    }
    if *stopped {
        said.push_str("\nStopped before the end; `rain index add` goes on from here");
    }
    print(&said)
}

/// A line of progress: it moves on a terminal, and comes once a minute in a log.
#[derive(Default)]
struct Line {
    shown: Option<Instant>,
}

impl Line {
    fn show(&mut self, progress: &Progress) {
        let terminal = std::io::stderr().is_terminal();
        let every = if terminal { Duration::from_millis(100) } else { Duration::from_secs(60) };
        let since = self.shown.get_or_insert_with(Instant::now);
        if since.elapsed() < every {
            return;
        }
        *since = Instant::now();
        let mut said = format!("{} of {} images", progress.done, progress.total);
        if let Some(speed) = progress.images_per_second {
            said.push_str(&format!(", {speed:.0} a second"));
        }
        if let Some(left) = progress.seconds_left {
            said.push_str(&format!(", {} left", in_words(left)));
        }
        if terminal { eprint!("\r\x1b[K{said}") } else { eprintln!("{said}") }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}
