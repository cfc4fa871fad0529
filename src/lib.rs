//! Rain finds the sharp gallery image of the person in a blurred, tiny crop.
//!
//! It implements RAIN ("Learning Resolution-Invariant Deep Representations for Person Re-Identification") on Candle.
//! Floors, ground first; a floor may use only those below it:
//! `nn` → `model`, `data` → `train`, `eval`, `gallery`, `projection`, `figure`, `case` → `engine` → `cli`, `app`. `ARCHITECTURE.md` tells why.

pub mod app;
pub mod bench;
pub mod case;
pub mod cli;
pub mod data;
pub mod device;
pub mod engine;
pub mod error;
pub mod eval;
pub mod figure;
pub mod flow;
pub mod fs;
pub mod gallery;
mod markup;
pub mod memory;
pub mod model;
pub mod nn;
pub mod projection;
pub mod train;

pub use error::{Error, Result};

// The ops' tests are shared with tests/cuda.rs, which sees this crate from outside.
#[cfg(test)]
extern crate self as rain;
#[cfg(test)]
#[path = "../tests/ops/mod.rs"]
mod ops;
