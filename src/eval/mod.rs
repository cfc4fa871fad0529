//! CMC, mAP and the protocols that use them.

pub mod protocol;
pub mod ranking;
