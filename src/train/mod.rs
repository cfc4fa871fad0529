//! Training: the losses, the two-phase step, and the run that repeats it.

pub mod config;
pub mod event;
pub mod preset;
pub mod schedule;
