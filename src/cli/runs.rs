//! `rain runs`: the runs in a folder, and runs as archives.

use std::path::PathBuf;

use serde_json::json;

use super::console::{Progress, print, print_json};
use crate::error::Result;
use crate::train::archive;
use crate::train::runs::{Run, State, differing, list};

/// List runs, and move them between machines as archives
#[derive(Debug, Clone, clap::Args)]
pub struct RunsArgs {
    /// The folder of runs
    #[arg(long, value_name = "DIR", default_value = "runs", global = true)]
    folder: PathBuf,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Act {
    /// Write a run as one .zip archive
    Export {
        /// The run's folder
        run: PathBuf,
        /// The archive to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Bring an archived run into the folder of runs
    Import {
        /// The archive
        archive: PathBuf,
    },
}

/// Runs the subcommand.
pub(super) fn run(args: &RunsArgs) -> Result<()> {
    let (key, path, said) = match &args.act {
        None => return table(args),
        Some(Act::Export { run, out }) => {
            let mut progress = Progress::new("Packing byte");
            archive::pack(run, out, &mut |done, total| progress.step(done, total))?;
            ("out", out.clone(), "Wrote")
        }
        Some(Act::Import { archive }) => {
            let mut progress = Progress::new("Unpacking byte");
            let run = archive::unpack(archive, &args.folder, &mut |done, total| progress.step(done, total))?;
            ("run", run, "Brought in")
        }
    };
    if args.json { print_json(&json!({ key: path })) } else { print(&format!("{said} {}", path.display())) }
}

fn table(args: &RunsArgs) -> Result<()> {
    let runs = list(&args.folder)?;
    if args.json {
        return print_json(&runs);
    }
    if runs.is_empty() {
        return print(&format!("No runs in {}", args.folder.display()));
    }
    let differing = differing(&runs.iter().collect::<Vec<_>>());
    let lines: Vec<String> = runs.iter().map(|run| line(run, &differing)).collect();
    print(&lines.join("\n"))
}

/// "demo-1  finished  step 400 of 400  rank-1 41.2 %, best 43.0 %  optim.lr = 0.001".
fn line(run: &Run, differing: &[String]) -> String {
    let state = match run.state {
        State::Training => "training",
        State::Stopped => "stopped",
        State::Finished => "finished",
    };
    let step = run.last.as_ref().map_or(0, |last| last.step);
    let of = run.total_steps.map(|total| format!(" of {total}")).unwrap_or_default();
    let mut parts = vec![run.name.clone(), state.into(), format!("step {step}{of}")];
    if let (Some(last), Some(best)) = (run.validation.last(), run.best()) {
        parts.push(format!("rank-1 {:.1} %, best {:.1} %", last.rank1, best.rank1));
    }
    let value = |key: &String| run.settings.iter().find(|(k, _)| k == key).map_or("none", |(_, v)| v.as_str());
    parts.extend(differing.iter().map(|key| format!("{key} = {}", value(key))));
    parts.extend(run.problem.clone());
    if !run.note.text.is_empty() {
        parts.push(run.note.text.replace('\n', " "));
    }
    parts.join("  ")
}
