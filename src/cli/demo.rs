//! `rain demo`: the main job on the bundled images, in the window or without one.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Device;

use super::console::{glyph, print, print_json, tell_broken};
use super::reconstruct::NOT_EVIDENCE;
use super::report::{self, Row};
use super::search::lay_out;
use crate::app::{self, Demo};
use crate::data::image_io;
use crate::device::{DeviceChoice, describe};
use crate::engine::desk::{Desk, Model};
use crate::engine::event::QueryInfo;
use crate::error::{Error, Result};
use crate::eval::ranking::RANKS;
use crate::gallery::distance::Measure;

/// Candidates of each query in the report.
const TOP: usize = 10;

/// Show the main job on the bundled images: tiny crops searched for in a sharp gallery
///
/// Opens the window; where there is no display, or with --headless, the same job runs without one and writes a report.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Run without a window and write a report
    #[arg(long)]
    headless: bool,
    /// Folder of the report
    #[arg(long, value_name = "DIR", default_value = "rain-demo-report")]
    out: PathBuf,
    /// Print the result as JSON (with --headless)
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &DemoArgs, device: DeviceChoice) -> Result<()> {
    let demo = bundled()?;
    let display = super::has_display();
    if display && !args.headless {
        return app::run(device, app::Start { demo: Some(demo), at_once: true, case: None });
    }
    if !display && !args.headless {
        eprintln!("There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): the demo runs without a window.");
    }
    headless(args, &demo, &device.open()?)
}

/// The bundled demo: beside the executable or above it, in the source folder, or in the current folder.
pub(super) fn bundled() -> Result<Demo> {
    let executable = std::env::current_exe().ok();
    let beside = executable.iter().flat_map(|path| path.ancestors().skip(1).map(Path::to_path_buf));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let roots = beside.chain([source, PathBuf::from(".")]);
    let found = roots
        .map(|root| in_folder(&root))
        .find(|demo| demo.model.is_file() && demo.gallery.is_dir() && demo.queries.is_dir());
    found.ok_or_else(|| {
        let expected = in_folder(Path::new("."));
        Error::file(
            &expected.model,
            format!(
                "the demo's files (this one, {} and {}) were not found",
                expected.gallery.display(),
                expected.queries.display()
            ),
            "Run `rain demo` in the folder of Rain's source code",
        )
    })
}

fn in_folder(root: &Path) -> Demo {
    Demo {
        path: case_file(),
        model: root.join("models/demo.safetensors"),
        gallery: root.join("assets/demo/gallery"),
        queries: root.join("assets/demo/queries"),
    }
}

/// Where the demo's case is kept: beside what else the window remembers.
fn case_file() -> PathBuf {
    app::data_folder().unwrap_or_else(std::env::temp_dir).join("demo.raincase")
}

fn headless(args: &DemoArgs, demo: &Demo, device: &Device) -> Result<()> {
    let started = Instant::now();
    let model = Model::open(&demo.model, device)?;
    let info = model.info.clone();
    let (desk, queries, broken) = lay_out(model, &demo.gallery, std::slice::from_ref(&demo.queries), device)?;
    tell_broken(&broken);
    let mut rows = Vec::with_capacity(queries.len());
    for query in queries {
        rows.push(row(&desk, query, device)?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let about = report::About {
        model: format!("{} ({})", info.path.file_name().unwrap_or_default().to_string_lossy(), info.hash),
        device: describe(device),
        gallery_size: desk.entries().len(),
        cmc: cmc(&rows),
        seconds,
    };
    let page = report::write(&args.out, &about, &rows, desk.entries())?;
    if args.json {
        return print_json(&report::summary(&about, &rows, desk.entries()));
    }
    print(&as_text(&about, &rows, &page))
}

fn row(desk: &Desk, query: QueryInfo, device: &Device) -> Result<Row> {
    let model = desk.model()?;
    let result = desk.search(query.id, TOP, Measure::Cosine)?;
    let reconstruction = if model.info.decoder { Some(model.reconstruct(&query.image, device)?) } else { None };
    let load = |entry: usize| {
        let image = image_io::load(&desk.entries()[entry].path)?;
        let height = report::CANDIDATE_HEIGHT.min(image.height() as usize);
        let width = (image.width() as usize * height / (image.height() as usize).max(1)).max(1);
        Ok(image_io::resize(&image, height, width))
    };
    let images = result.candidates.iter().map(|candidate| load(candidate.entry)).collect::<Result<_>>()?;
    Ok(Row { query, result, reconstruction, images })
}

/// Shares of the queries with a known person in the gallery whose first right candidate is within each of [`RANKS`].
fn cmc(rows: &[Row]) -> Option<[f64; RANKS.len()]> {
    let first: Vec<usize> = rows.iter().filter_map(|row| row.result.first_same).collect();
    let within = |rank| first.iter().filter(|first| **first <= rank).count() as f64 / first.len() as f64;
    (!first.is_empty()).then(|| RANKS.map(within))
}

fn as_text(about: &report::About, rows: &[Row], page: &Path) -> String {
    let mut text = format!(
        "{} tiny crops searched for among {} gallery images in {:.1} s ({})\n\n",
        rows.len(),
        about.gallery_size,
        about.seconds,
        about.device
    );
    let _ = writeln!(text, "  {:<34} {:>7}  nearest  distance  the right person's rank", "query", "pixels");
    for Row { query, result, .. } in rows {
        let name = query.path.file_name().unwrap_or_default().to_string_lossy();
        let size = format!("{}x{}", query.image.width(), query.image.height());
        let nearest = result.candidates.first();
        let rank = result.first_same.map_or("-".to_string(), |rank| rank.to_string());
        let _ = writeln!(
            text,
            "  {name:<34} {size:>7}  {:^7}  {:>8.4}  {rank:>4}",
            glyph(nearest.and_then(|candidate| candidate.same)),
            nearest.map_or(0.0, |candidate| candidate.distance),
        );
    }
    if let Some(cmc) = about.cmc {
        let shares: Vec<String> =
            RANKS.iter().zip(cmc).map(|(rank, share)| format!("rank-{rank} {:.1} %", 100.0 * share)).collect();
        let _ = writeln!(text, "\n{}", shares.join(", "));
    }
    let _ = writeln!(text, "\nCandidates are ranked; a person decides. Images from the decoder are a {NOT_EVIDENCE}.");
    let _ = writeln!(text, "Report: {}", page.display());
    text
}
