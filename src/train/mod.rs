//! Training: the losses, the two-phase step, and the run that repeats it.

pub mod checkpoint;
pub mod config;
pub mod event;
pub mod folder;
pub mod guard;
pub mod history;
pub mod preset;
pub mod schedule;
pub mod tensorboard;
