//! `rain info`: what a weight file is.

use std::fmt::Write;
use std::path::PathBuf;

use super::console::{print, print_json};
use crate::error::Result;
use crate::train::page::{self, Page};

/// Tell what a model file is: architecture, training data, figures, licence
#[derive(Debug, Clone, clap::Args)]
pub struct InfoArgs {
    /// A model file written by Rain, or published ResNet weights
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Print the page as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &InfoArgs) -> Result<()> {
    let page = page::read(&args.model)?;
    if args.json { print_json(&page) } else { print(&as_text(&page)) }
}

fn as_text(page: &Page) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<13} {value}"); // into a string: cannot fail
    };
    line("File", &page.path.display().to_string());
    line("Size", &format!("{:.1} MiB", page.bytes as f64 / f64::from(1 << 20)));
    line("Hash", &format!("BLAKE3 {}", page.hash));
    line("Network", &page.architecture);
    let parts: Vec<String> =
        page.parameters.iter().map(|(part, n)| format!("{part} {:.2} M", *n as f64 / 1e6)).collect();
    line("Numbers", &parts.join(", "));
    if let Some(data) = &page.data {
        line("Trained on", &format!("{}: {} images of {} people", data.name, data.images, data.identities));
        line("Data hash", &data.hash);
        line("Split hash", &data.split);
    }
    if let Some(command) = &page.command {
        line("Command", command);
    }
    let making = [
        page.trained_with.clone(),
        page.seed.map(|seed| format!("seed {seed}")),
        page.steps.map(|steps| format!("{steps} steps")),
    ];
    let making: Vec<String> = making.into_iter().flatten().collect();
    if !making.is_empty() {
        line("Made by", &making.join(", "));
    }
    line("Licence", &page.licence);
    match &page.figures {
        Some(v) => {
            let _ = writeln!(out, "\nLast validation on held-out people, percent (step {}):", v.step);
            let _ = writeln!(out, "  r     rank-1  rank-5  rank-10  rank-20     mAP");
            for f in &v.by_rate {
                let _ = writeln!(
                    out,
                    "  {:<4} {:>7.1} {:>7.1} {:>8.1} {:>8.1} {:>7.1}",
                    f.rate, f.rank1, f.rank5, f.rank10, f.rank20, f.map
                );
            }
        }
        None => {
            let _ = writeln!(out, "\nThe file holds no figures; `rain eval` measures them.");
        }
    }
    out
}
