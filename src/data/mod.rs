//! Pixels and labels: reading data sets, making low-resolution images, and feeding batches to the trainer.

pub mod augment;
mod cache;
pub mod clock;
pub mod dataset;
pub mod effective;
pub mod formats;
pub mod image_io;
pub mod loader;
pub mod mlr;
pub mod pedestrians;
pub(crate) mod prefetch;
pub mod resolution;
pub mod sampler;
pub mod seeded;
pub mod split;
pub mod taken;
mod truncation;
