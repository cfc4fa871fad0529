//! The numbers that fix the shape of a RAIN model.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

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
    /// A batch norm between v and the classifier (BNNeck); retrieval uses what is behind it.
    pub neck: bool,
    /// Retrieval uses the mean of an image's features and its mirror image's: twice the work, and left and right weigh the same.
    /// Training takes no notice.
    #[serde(skip_serializing_if = "is_false")]
    pub mirror: bool,
    /// The feature levels that a discriminator watches, any of 1..=5.
    pub levels: Vec<usize>,
    /// Identities that the classifier tells apart.
    pub classes: usize,
    /// Input height in pixels.
    pub height: usize,
    /// Input width in pixels.
    pub width: usize,
}

/// A setting that is off is left out of headers and fingerprints, which are then those of before it existed.
fn is_false(setting: &bool) -> bool {
    !setting
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
            neck: false,
            mirror: false,
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

impl ModelConfig {
    /// Says what cannot be built.
    ///
    /// # Errors
    /// Names the setting and the values that it may take.
    pub fn check(&self) -> Result<()> {
        let refuse = |problem: String, remedy: &str| Err(Error::input(problem, remedy));
        if ![18, 34, 50, 101].contains(&self.depth) {
            return refuse(format!("There is no ResNet of depth {}", self.depth), "Set depth to 18, 34, 50 or 101");
        }
        if !(1..=512).contains(&self.base_width) || !(1..=512).contains(&self.stem()) {
            return refuse(
                format!("base_width {} or stem_width {} cannot be built", self.base_width, self.stem()),
                "Set both between 1 and 512",
            );
        }
        if ![1, 2].contains(&self.last_stride) {
            return refuse(format!("last_stride is {}", self.last_stride), "Set last_stride to 1 or 2");
        }
        if self.levels.iter().any(|j| !(1..=5).contains(j)) {
            return refuse(
                format!("There is no feature level among {:?} that a discriminator could watch", self.levels),
                "Set levels to any of 1 to 5",
            );
        }
        if self.classes == 0 {
            return refuse("The classifier has no identity to tell apart".into(), "Train on at least one identity");
        }
        // What the decoder's enlargements by two must add up to.
        let step = if self.last_stride == 2 { 32 } else { 16 };
        let fits = |n: usize| (step..=2048).contains(&n) && n.is_multiple_of(step);
        if !fits(self.height) || !fits(self.width) {
            return refuse(
                format!("The input size {}x{} (height x width) does not suit the network", self.height, self.width),
                "Set height and width to multiples of 32 (of 16 where last_stride is 1), up to 2048",
            );
        }
        Ok(())
    }
}
