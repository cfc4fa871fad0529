//! C: tells the training identities apart.

use candle_core::Result;

use super::config::ModelConfig;
use crate::nn::layer::{Linear, Pass};
use crate::nn::parameter::Scope;
use crate::nn::tape::Value;

/// One linear layer.
pub struct Classifier(Linear);

impl Classifier {
    /// Random weights under `scope`.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn new(config: &ModelConfig, scope: &Scope) -> Result<Self> {
        Ok(Self(Linear::new(scope, config.embedding(), config.classes)?))
    }

    /// `v [b,d]` to logits `[b,K]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, pass: &Pass, v: &Value) -> Result<Value> {
        self.0.forward(pass, v)
    }
}
