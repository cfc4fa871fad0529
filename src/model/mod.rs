//! The boxes of the paper's figure 2, one file each.

pub mod config;
