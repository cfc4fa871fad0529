//! The one error type of the library.
//!
//! Every message says three things: what happened, to which file, and what to do now. Code that meets an error either
//! handles it or passes it up; it is shown once, at the edge (the command line's last line, or the window's error card).

use std::io;
use std::path::{Path, PathBuf};

/// What every fallible function of Rain returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, each with its file and its remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something: a missing file, a read-only folder, a full disk.
    #[error("Could not {action} {}: {source}. {}", path.display(), io_remedy(source))]
    Io {
        /// What was tried, as a verb: "read", "create", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's own words.
        source: io::Error,
    },
    /// A file or folder was read, but it does not hold what it should.
    #[error("{}: {problem}. {remedy}.", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, without a full stop.
        problem: String,
        /// What the user can do now, without a full stop.
        remedy: String,
    },
    /// A setting, an argument or a combination of them cannot work.
    #[error("{problem}. {remedy}.")]
    Input {
        /// What is wrong, without a full stop.
        problem: String,
        /// What the user can do now, without a full stop.
        remedy: String,
    },
    /// Training left the range of finite numbers, or the loss exploded.
    #[error(
        "Training stopped at step {step}: the {term} loss became {value}. {} Lower the learning rate, or the weight of the {term} term, and resume.",
        match checkpoint { Some(p) => format!("The last good checkpoint is {}.", p.display()), None => "No checkpoint had been written yet.".into() }
    )]
    Diverged {
        /// The step whose loss was not usable.
        step: u64,
        /// The loss term: `rec`, `cls`, `tri`, `adv`, `disc`.
        term: String,
        /// The value it took.
        value: f64,
        /// The newest checkpoint written before.
        checkpoint: Option<PathBuf>,
    },
    /// The user asked a job to stop.
    #[error("Cancelled.")]
    Cancelled,
    /// A failure inside the compute layer: always a bug of ours or a machine out of memory.
    #[error(
        "The computation failed: {0}. This is a fault in Rain, not in your data; please report it with the command you ran."
    )]
    Compute(#[from] candle_core::Error),
}

impl Error {
    /// An [`Error::Io`]; `action` is a verb that fits after "Could not".
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_path_buf(), source }
    }

    /// An [`Error::File`]; neither text ends in a full stop.
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), problem: problem.into(), remedy: remedy.into() }
    }

    /// An [`Error::Input`]; neither text ends in a full stop.
    pub fn input(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Input { problem: problem.into(), remedy: remedy.into() }
    }
}

fn io_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "Check the path for a typing mistake, or whether the disk is connected.",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "Choose a folder that you may write to, or change its permissions."
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "Free some space on that disk, or choose another; what was saved before is intact."
        }
        io::ErrorKind::IsADirectory => "Name a file, not a folder.",
        io::ErrorKind::NotADirectory => "Name a folder, not a file.",
        _ => "Check the disk, then try again.",
    }
}
