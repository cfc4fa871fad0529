//! CMC, mAP and mINP, the protocols that use them, re-ranking, and how sure a figure is.

pub mod distances;
pub mod interval;
pub mod judgement;
pub mod paper;
pub mod plan;
pub mod protocol;
pub mod ranking;
pub mod rerank;
