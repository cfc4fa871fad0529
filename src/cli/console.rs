//! What every subcommand prints: progress and notes on standard error, results on standard output.

use std::io::{ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::data::dataset::Broken;
use crate::error::{Error, Result};
use crate::train::event::Flow;

/// Prints a result to standard output; a reader that has gone (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output", e)),
        _ => Ok(()),
    }
}

/// Prints a result as JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::input(format!("The result cannot be written as JSON ({e})"), "Leave out --json"))?;
    print(&text)
}

/// Names the skipped files on standard error.
pub(super) fn tell_broken(broken: &[Broken]) {
    for Broken { path, reason } in broken {
        eprintln!("Skipped {}: {reason}", path.display());
    }
}

/// A progress line: it moves on a terminal and stays out of log files.
pub(super) struct Progress {
    what: &'static str,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// `what` reads well before "3 of 7": "Embedding image".
    pub fn new(what: &'static str) -> Self {
        Self { what, shown: None, terminal: std::io::stderr().is_terminal() }
    }

    /// Shows how far the work is, ten times a second at most.
    pub fn step(&mut self, done: u64, total: u64) -> Flow {
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= Duration::from_millis(100));
        if self.terminal && due {
            eprint!("\r\x1b[K{} {done} of {total}", self.what);
            self.shown = Some(Instant::now());
        }
        Flow::Continue
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Whether the candidate is the same person, as a glyph.
pub(super) fn glyph(same: Option<bool>) -> &'static str {
    match same {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "·",
    }
}

/// An identity or camera, or a dash where it is unknown.
pub(super) fn label(number: i64) -> String {
    if number == crate::data::dataset::UNKNOWN { "-".into() } else { number.to_string() }
}
