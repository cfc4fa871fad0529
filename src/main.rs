//! The binary: parse the command line, run, and print one readable error.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: rain::memory::Allocator = rain::memory::ALLOCATOR;

fn main() -> ExitCode {
    rain::memory::keep_for_the_next_step();
    match rain::cli::run(rain::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}
