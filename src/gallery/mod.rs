//! The gallery: embeddings, the distances between them, and the files behind them, on disk and in memory.

pub mod approximate;
pub mod block;
pub mod codes;
pub mod distance;
pub mod embed;
pub mod exact;
pub mod features;
pub mod filter;
pub mod ingest;
pub mod mask;
pub mod matrix;
pub mod order;
pub mod photos;
pub mod regions;
pub mod remote;
pub mod search;
pub mod shelf;
pub mod store;
pub mod survey;
