//! D_j: says, patch by patch, whether a feature map of level j came from a high-resolution image.

use candle_core::Result;

use super::config::ModelConfig;
use super::extractor::channels;
use crate::nn::activation::leaky_relu;
use crate::nn::layer::{Conv, Pass};
use crate::nn::parameter::Scope;
use crate::nn::tape::Value;

/// Slope of the LeakyReLUs.
const SLOPE: f32 = 0.2;

/// A resolution discriminator.
pub struct Discriminator {
    convolutions: [Conv; 3],
}

impl Discriminator {
    /// Random weights under `scope`, for level `j`.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn new(config: &ModelConfig, j: usize, scope: &Scope) -> Result<Self> {
        let width = 4 * config.base_width;
        Ok(Self {
            convolutions: [
                Conv::new(&scope.pp("conv1"), channels(config, j), width, 3, 1)?,
                Conv::new(&scope.pp("conv2"), width, width, 3, 2)?,
                Conv::new(&scope.pp("conv3"), width, 1, 1, 1)?,
            ],
        })
    }

    /// `f [b,c_j,h,w]` to a logit a patch `[b,1,h/2,w/2]`: positive for HR. Held `fixed`, D passes the gradient on to F
    /// and takes none itself.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, pass: &Pass, f: &Value, fixed: bool) -> Result<Value> {
        let [first, second, last] = &self.convolutions;
        let x = leaky_relu(&pass.tape, &first.forward(pass, f, fixed)?, SLOPE)?;
        let x = leaky_relu(&pass.tape, &second.forward(pass, &x, fixed)?, SLOPE)?;
        last.forward(pass, &x, fixed)
    }
}
