//! The command line: one file a subcommand, the same library calls as the window.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::app;
use crate::device::DeviceChoice;
use crate::error::{Error, Result};

mod bench;
mod calibrate;
mod case;
mod console;
mod data;
mod demo;
pub mod doctor;
mod embed;
mod eval;
mod export;
mod figures;
mod index;
mod info;
mod mlr;
mod paper;
pub mod pedestrians;
mod project;
mod rank;
mod reconstruct;
mod remote;
mod report;
mod runs;
mod search;
pub mod train;

/// Finds the sharp gallery image of the person in a blurred, tiny crop.
///
/// Without a subcommand the window opens. Rain ranks candidates; a person decides.
#[derive(Debug, Parser)]
#[command(name = "rain", version, propagate_version = true)]
pub struct Cli {
    /// Where to compute: auto, cpu or cuda:N
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Threads that compute [default: one a core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Open this case in the window
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Pedestrians(pedestrians::PedestriansArgs),
    Train(train::TrainArgs),
    Embed(embed::EmbedArgs),
    Search(search::SearchArgs),
    Index(index::IndexArgs),
    Reconstruct(reconstruct::ReconstructArgs),
    Data(data::DataArgs),
    Mlr(mlr::MlrArgs),
    Eval(eval::EvalArgs),
    Calibrate(calibrate::CalibrateArgs),
    Rank(rank::RankArgs),
    Paper(paper::PaperArgs),
    Runs(runs::RunsArgs),
    Info(info::InfoArgs),
    Export(export::ExportArgs),
    Project(project::ProjectArgs),
    Figures(figures::FiguresArgs),
    Remote(remote::RemoteArgs),
    Bench(bench::BenchArgs),
    Doctor(doctor::DoctorArgs),
    Case(case::CaseArgs),
}

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> Result<()> {
    if let Some(threads) = cli.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
        pool.map_err(|e| Error::input(format!("{threads} threads could not start ({e})"), "Use a smaller --threads"))?;
    }
    if let (Some(case), Some(_)) = (&cli.case, &cli.command) {
        return Err(Error::file(
            case,
            "a case is opened in the window, and a subcommand opens none",
            "Use `rain --case FILE` alone, or `rain case --help`",
        ));
    }
    let device = cli.device;
    match cli.command {
        None => window(device, cli.case),
        Some(Command::Demo(args)) => demo::run(&args, device),
        Some(Command::Pedestrians(args)) => pedestrians::run(&args),
        Some(Command::Train(args)) => train::run(&args, device),
        Some(Command::Embed(args)) => embed::run(&args, device),
        Some(Command::Search(args)) => search::run(&args, device),
        Some(Command::Index(args)) => index::run(&args, device),
        Some(Command::Reconstruct(args)) => reconstruct::run(&args, device),
        Some(Command::Data(args)) => data::run(&args),
        Some(Command::Mlr(args)) => mlr::run(&args),
        Some(Command::Eval(args)) => eval::run(&args, device),
        Some(Command::Calibrate(args)) => calibrate::run(&args, device),
        Some(Command::Rank(args)) => rank::run(&args),
        Some(Command::Paper(args)) => paper::run(&args, device),
        Some(Command::Runs(args)) => runs::run(&args),
        Some(Command::Info(args)) => info::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Project(args)) => project::run(&args, device),
        Some(Command::Figures(args)) => figures::run(&args, device),
        Some(Command::Remote(args)) => remote::run(&args, device),
        Some(Command::Bench(args)) => bench::run(&args, device),
        Some(Command::Doctor(args)) => doctor::run(&args, device),
        Some(Command::Case(args)) => case::run(&args, device),
    }
}

fn window(device: DeviceChoice, case: Option<PathBuf>) -> Result<()> {
    if !has_display() {
        return Err(Error::input(
            "There is no display to open the window on (neither DISPLAY nor WAYLAND_DISPLAY is set)",
            "Start Rain in a desktop session, or try `rain demo --headless`; `rain --help` lists what works without a window",
        ));
    }
    app::run(device, app::Start { demo: demo::bundled().ok(), at_once: false, case })
}

/// Whether a window could open; elsewhere than on Unix desktops one always can.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_fit_together() {
        super::Cli::command().debug_assert();
    }
}
