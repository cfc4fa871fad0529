//! The paper's experiments, run again: its tables and figures with our own figures beside the published ones.
//!
//! [`published`] is what the paper says, as data; [`recipe`] turns a row into the settings of a run, and [`task`] carries a run
//! out; [`sitting`] does what is still missing, as far as one sitting goes; [`results`] is what is known so far; [`report`] is
//! the page.

pub(crate) mod html;
mod progress;
pub mod published;
pub mod recipe;
pub mod report;
pub mod results;
pub mod sitting;
mod task;

pub use published::{Experiment, Metric, Set, Which};
pub use recipe::Budget;
pub use report::Report;
pub use sitting::{Heard, Order, Outcome, Watcher, carry_out, models};
