//! The binary: parse the command line, run, and print one readable error.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match rain::cli::run(rain::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}
