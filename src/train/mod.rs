//! Training: the losses, the two-phase step, and the run that repeats it.

pub mod archive;
pub mod check;
pub mod checkpoint;
pub mod config;
pub mod estimate;
pub mod event;
pub mod feed;
pub mod fingerprint;
pub mod folder;
mod gauges;
pub mod golden;
pub mod guard;
pub mod hints;
pub mod history;
pub mod learner;
pub mod losses;
pub mod page;
pub mod preset;
pub mod runs;
pub mod samples;
pub mod schedule;
pub mod tensorboard;
pub mod trainer;
