//! G: from f5 back to an image. What it makes is a reconstruction, not evidence.

use candle_core::Result;

use super::config::ModelConfig;
use super::extractor::channels;
use crate::nn::layer::{Conv, ConvBn, Finish, Pass};
use crate::nn::parameter::Scope;
use crate::nn::tape::Value;
use crate::nn::upsample::nearest2x;

/// The high-resolution decoder.
pub struct Decoder {
    stem: ConvBn,
    blocks: Vec<[ConvBn; 2]>,
    ups: Vec<ConvBn>,
    out: Conv,
}

impl Decoder {
    /// Random weights under `scope`. Five enlargements by two, or four when F's last stage keeps its size.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn new(config: &ModelConfig, scope: &Scope) -> Result<Self> {
        let width = 8 * config.base_width;
        let pair = |scope: &Scope, inputs, outputs, kernel| {
            ConvBn::new(&scope.pp("conv"), &scope.pp("bn"), inputs, outputs, kernel, 1)
        };
        let stem = pair(&scope.pp("stem"), channels(config, 5), width, 1)?;
        let mut blocks = Vec::new();
        for i in 0..2 {
            let scope = scope.pp("blocks").pp(i);
            let conv = |n| ConvBn::new(&scope.pp(format!("conv{n}")), &scope.pp(format!("bn{n}")), width, width, 3, 1);
            blocks.push([conv(1)?, conv(2)?]);
        }
        let (mut ups, mut inputs) = (Vec::new(), width);
        for i in 0..if config.last_stride == 2 { 5 } else { 4 } {
            let outputs = (width >> (i + 1)).max(4);
            ups.push(pair(&scope.pp("ups").pp(i), inputs, outputs, 3)?);
            inputs = outputs;
        }
        Ok(Self { stem, blocks, ups, out: Conv::new(&scope.pp("out"), inputs, 3, 3, 1)? })
    }

    /// `f5 [b, c5, H/32, W/32]` (H/16 when F's last stride is 1) to `[b, 3, H, W]` in the normalised input space.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, pass: &Pass, f5: &Value) -> Result<Value> {
        let mut x = self.stem.forward(pass, f5, Finish::Relu)?; // [b, 8w, H/32, W/32]
        for [first, second] in &self.blocks {
            let y = first.forward(pass, &x, Finish::Relu)?;
            x = second.forward(pass, &y, Finish::Add(&x))?; // no ReLU after the sum
        }
        for up in &self.ups {
            x = up.forward(pass, &nearest2x(&pass.tape, &x)?, Finish::Relu)?; // half the channels, twice the size
        }
        self.out.forward(pass, &x, false)
    }
}
