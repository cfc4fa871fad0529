//! Pixels and labels: reading data sets, making low-resolution images, and feeding batches to the trainer.

pub mod dataset;
