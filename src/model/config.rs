//! The numbers that fix the shape of a RAIN model.

use serde::{Deserialize, Serialize};

/// Everything that decides which tensors a model has. It is stored in the header of every model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// ResNet depth: 18, 34, 50 or 101.
    pub depth: usize,
    /// Channels of the first residual stage, w (64 in the published ResNets).
    pub base_width: usize,
    /// Channels of the stem; w where not given.
    pub stem_width: Option<usize>,
    /// Stride of the last stage, 2 or 1.
    pub last_stride: usize,
    /// Weights from Caffe: the stride sits in a bottleneck's first 1x1 convolution.
    pub stride_in_1x1: bool,
    /// Weights from Caffe: the stem's max-pool has no padding and rounds its size up.
    pub pool_ceil_mode: bool,
    /// The feature levels that a discriminator watches, any of 1..=5.
    pub levels: Vec<usize>,
    /// Identities that the classifier tells apart.
    pub classes: usize,
    /// Input height in pixels.
    pub height: usize,
    /// Input width in pixels.
    pub width: usize,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            depth: 50,
            base_width: 64,
            stem_width: None,
            last_stride: 2,
            stride_in_1x1: false,
            pool_ceil_mode: false,
            levels: vec![4, 5],
            classes: 1,
            height: 256,
            width: 128,
        }
    }
}

impl ModelConfig {
    /// Channels of the stem.
    pub fn stem(&self) -> usize {
        self.stem_width.unwrap_or(self.base_width)
    }

    /// Length of the embedding v: 32w with bottlenecks (50, 101), 8w with basic blocks (18, 34).
    pub fn embedding(&self) -> usize {
        self.base_width * if self.depth >= 50 { 32 } else { 8 }
    }
}
