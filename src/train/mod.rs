//! Training: the losses, the two-phase step, and the run that repeats it.

pub mod check;
pub mod checkpoint;
pub mod config;
pub mod event;
pub mod feed;
pub mod fingerprint;
pub mod folder;
pub mod golden;
pub mod guard;
pub mod history;
pub mod learner;
pub mod losses;
pub mod preset;
pub mod samples;
pub mod schedule;
pub mod tensorboard;
pub mod trainer;
