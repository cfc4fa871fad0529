//! The boxes of the paper's figure 2, one file each, and the way to and from weight files.

pub mod classifier;
pub mod config;
pub mod decoder;
pub mod discriminator;
pub mod export;
pub mod extractor;
pub mod neck;
pub mod rain;
pub mod weights;

pub use config::ModelConfig;
pub use rain::Rain;
