//! The gallery: embeddings, the distances between them, and the files behind them, on disk and in memory.

pub mod distance;
pub mod embed;
pub mod features;
pub mod matrix;
pub mod order;
pub mod photos;
pub mod remote;
pub mod search;
pub mod survey;
