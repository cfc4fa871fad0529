//! The gallery: embeddings and the files behind them, on disk and in memory.
