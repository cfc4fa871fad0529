//! A case: what an analyst decided, in one SQLite file.
//!
//! An append-only, hash-chained log holds every change (who, when, what, from → to); the table of facts holds what the
//! changes add up to; pictures are kept by their hash. One change is one transaction. Nothing is ever overwritten in the
//! log: undoing writes the inverse change. [`audit::verify`] replays the log and compares.
//!
//! | file | holds |
//! |---|---|
//! | [`record`] | what a fact can be: query, search, verdict, review, … |
//! | [`change`] | one change, its inverse, its words |
//! | [`state`] | all changes folded: what is in force, what can be undone |
//! | [`store`] | the file: open, create, commit |
//! | [`act`] | what people do, as changes |
//! | [`audit`] | the chain, and the check of a whole file |
//! | [`report`] | HTML, PDF, CSV, JSON, and the rank list as a picture |

pub mod act;
pub mod audit;
pub mod change;
pub mod name;
pub mod record;
pub mod report;
pub mod state;
pub mod store;
mod summary;

pub use change::{Change, Edit, Entry, Origin, Subject};
pub use record::{Judgement, Query, Review, Search, Verdict};
pub use state::State;
pub use store::Case;
pub use summary::summary;

/// The ending of case files, without the dot.
pub const EXTENSION: &str = "raincase";

/// Now, in UTC: `2026-11-25T10:31:07.412Z`. Texts of this form sort by time.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `2026-11-25 10:31:07 UTC`, for people.
pub fn readable_time(at: &str) -> String {
    match (at.get(..10), at.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => at.to_owned(),
    }
}

/// The BLAKE3 hash of `bytes`, in hex digits.
pub fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The name of whoever is logged in, until people give theirs.
pub fn user_name() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("USER").or_else(|| set("LOGNAME")).or_else(|| set("USERNAME")).unwrap_or_else(|| "analyst".into())
}
