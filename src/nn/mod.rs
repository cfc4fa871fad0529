//! The compute layer: every op of RAIN with a correct gradient, over Candle's tensors.
//!
//! [`tape`] differentiates; [`conv`] and the files beside it are the ops; [`kernel`] is the processor's part, [`cuda`] the GPU's.

pub mod activation;
pub mod buffer;
pub mod conv;
pub mod cuda;
pub mod kernel;
pub mod layer;
pub mod linear;
pub mod loss;
pub mod norm;
pub mod optim;
pub mod parameter;
pub mod pool;
pub mod tape;
#[cfg(test)]
pub(crate) mod testing;
pub mod upsample;
