//! `rain pedestrians`: renders a crowd in Market-1501's layout.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::data::formats::list_images;
use crate::data::image_io;
use crate::data::pedestrians::layout::QUERY;
use crate::data::pedestrians::{CrowdSettings, encode, render_crowd};
use crate::data::resolution::reduced;
use crate::{Error, Result};

/// Render varied pedestrians into a folder in Market-1501 layout, for demos, tests and scale runs
#[derive(Debug, Clone, clap::Args)]
pub struct PedestriansArgs {
    /// People; half of them are for training, the others for testing
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub identities: usize,
    /// Cameras, each with its own place, light and colours
    #[arg(long, value_name = "C", default_value_t = 4)]
    pub cameras: usize,
    /// Images of each person, spread over the cameras
    #[arg(long, value_name = "M", default_value_t = 8)]
    pub images: usize,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What everything random is drawn from: equal seeds give equal files
    #[arg(long, value_name = "S", default_value_t = 7)]
    pub seed: u64,
    /// Shrink the query images by these rates in turn, for example 2,3,4,8
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', value_parser = rate)]
    pub query_rates: Vec<f64>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the subcommand: progress on standard error, a summary on standard output.
///
/// # Errors
/// Those of [`render_crowd`], and [`Error::Io`] where standard output is closed.
pub fn run(args: &PedestriansArgs) -> Result<()> {
    let settings =
        CrowdSettings { identities: args.identities, cameras: args.cameras, images: args.images, seed: args.seed };
    let start = Instant::now();
    let mut shown = start;
    // A terminal gets one line that changes; a log file a line now and then.
    let terminal = std::io::stderr().is_terminal();
    let pause = Duration::from_millis(if terminal { 100 } else { 5000 });
    let count = render_crowd(&settings, &args.out, &mut |done, total| {
        if shown.elapsed() >= pause || (terminal && done == total) {
            shown = Instant::now();
            let end = if terminal && done < total { "\r" } else { "\n" };
            eprint!("Rendering {done} of {total} images{end}");
        }
        true
    })?;
    if !args.query_rates.is_empty() {
        shrink_queries(&args.out.join(QUERY), &args.query_rates)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let summary = if args.json {
        serde_json::json!({
            "out": args.out, "format": "market1501", "images": count, "identities": args.identities,
            "cameras": args.cameras, "seed": args.seed, "seconds": seconds,
        })
        .to_string()
    } else {
        format!(
            "Rendered {count} images of {} identities on {} cameras into {} in {seconds:.1} s",
            args.identities,
            args.cameras,
            args.out.display()
        )
    };
    writeln!(std::io::stdout(), "{summary}").map_err(|e| Error::io("write", "standard output", e))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|r| (1.0..=16.0).contains(r));
    rate.ok_or_else(|| "a rate is a number from 1 to 16".into())
}

/// Turns sharp query images into the tiny crops that an analyst has: image i at rate i of `rates`, in turn.
fn shrink_queries(folder: &Path, rates: &[f64]) -> Result<()> {
    const QUALITY: u8 = 95;
    let (paths, _) = list_images(folder)?;
    for (path, rate) in paths.iter().zip(rates.iter().cycle()) {
        let image = image_io::load(path)?;
        let side = |n: u32| reduced(n as usize, *rate).max(image_io::SMALLEST_SIDE as usize);
        let small = image_io::resize(&image, side(image.height()), side(image.width()));
        let bytes = encode(&small, QUALITY).map_err(|e| Error::file(path, e.to_string(), "Render the crowd again"))?;
        crate::fs::write_atomic(path, |file| file.write_all(&bytes))?;
    }
    Ok(())
}
