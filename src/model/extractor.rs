//! F: a ResNet that keeps its feature maps. torchvision's arrangement (v1.5) and names, so that published weights load.

use candle_core::{Result, Tensor};

use super::config::ModelConfig;
use super::neck::Neck;
use crate::nn::layer::{ConvBn, Finish, Pass};
use crate::nn::parameter::Scope;
use crate::nn::pool::{Border, global_average, max_pool};
use crate::nn::tape::Value;

/// What F makes of a batch.
pub struct Features {
    /// f1..f5, each `[b, c_j, h_j, w_j]`; [`Features::level`] counts from 1.
    maps: Vec<Value>,
    /// v = GAP(f5), `[b, d]`: the embedding, where there is no neck.
    pub v: Value,
    /// What the classifier sees, `[b, d]`: v, or what the neck makes of it.
    pub behind_neck: Value,
}

impl Features {
    /// f_j, for j in 1..=5.
    pub fn level(&self, j: usize) -> &Value {
        &self.maps[j - 1]
    }
}

/// Channels of f_j for j in 1..=5.
pub fn channels(config: &ModelConfig, j: usize) -> usize {
    let expansion = if config.depth >= 50 { 4 } else { 1 };
    if j == 1 { config.stem() } else { (config.base_width * expansion) << (j - 2) }
}

/// The extractor.
pub struct Extractor {
    stem: ConvBn,
    border: Border,
    stages: Vec<Vec<Block>>,
    neck: Option<Neck>,
    /// Whether [`Self::embed`] looks at the mirror image too.
    pub(super) mirror: bool,
    /// Whether the weights were made ready.
    prepared: bool,
}

impl Extractor {
    /// Random weights under `scope`.
    ///
    /// # Errors
    /// When the depth is not 18, 34, 50 or 101, or the device is out of memory.
    pub fn new(config: &ModelConfig, scope: &Scope) -> Result<Self> {
        let blocks: [usize; 4] = match config.depth {
            18 => [2, 2, 2, 2],
            34 | 50 => [3, 4, 6, 3],
            101 => [3, 4, 23, 3],
            depth => candle_core::bail!("there is no ResNet-{depth} here: depth is 18, 34, 50 or 101"),
        };
        let stem = ConvBn::new(&scope.pp("conv1"), &scope.pp("bn1"), 3, config.stem(), 7, 2)?;
        let mut inputs = config.stem();
        let mut stages = Vec::new();
        for (stage, count) in blocks.into_iter().enumerate() {
            let scope = scope.pp(format!("layer{}", stage + 1));
            let stride = match stage {
                0 => 1,
                3 => config.last_stride,
                _ => 2,
            };
            let mut row = Vec::new();
            for block in 0..count {
                let stride = if block == 0 { stride } else { 1 };
                row.push(Block::new(config, &scope.pp(block), inputs, config.base_width << stage, stride)?);
                inputs = channels(config, stage + 2);
            }
            stages.push(row);
        }
        let border = if config.pool_ceil_mode { Border::Ceil } else { Border::Padded };
        let neck = config.neck.then(|| Neck::new(&scope.pp("neck"), config.embedding())).transpose()?;
        Ok(Self { stem, border, stages, neck, mirror: config.mirror, prepared: false })
    }

    /// `x [b,3,H,W]`, normalised, to f1..f5 and v.
    ///
    /// # Errors
    /// When the image is too small for the network.
    pub fn forward(&self, pass: &Pass, x: &Value) -> Result<Features> {
        let f1 = self.stem.forward(pass, x, Finish::Relu)?; // [b, stem, H/2, W/2]
        let mut f = max_pool(&pass.tape, &f1, self.border)?; // [b, stem, H/4, W/4]
        let mut maps = vec![f1];
        for stage in &self.stages {
            for block in stage {
                f = block.forward(pass, &f)?;
            }
            maps.push(f.clone()); // [b, c_j, H/2^j, W/2^j]
        }
        let v = global_average(&pass.tape, &f)?;
        let behind_neck = match &self.neck {
            Some(neck) => neck.forward(pass, &v)?,
            None => v.clone(),
        };
        Ok(Features { maps, v, behind_neck })
    }
}

impl Extractor {
    /// The same extractor with its weights made ready to look at many images: folded, and packed as the kernels read them.
    /// Training the original later does not reach it.
    ///
    /// # Errors
    /// When there is no memory for the second copy of the weights.
    pub fn prepare(&self) -> Result<Self> {
        let stage = |stage: &Vec<Block>| stage.iter().map(Block::prepare).collect::<Result<_>>();
        let stages = self.stages.iter().map(stage).collect::<Result<_>>()?;
        let (stem, neck) = (self.stem.prepare()?, self.neck.clone());
        Ok(Self { stem, border: self.border, stages, neck, mirror: self.mirror, prepared: true })
    }

    /// `x [b,3,H,W]`, normalised, to the embedding `[b,d]`, in evaluation mode: v, behind the neck where there is one. Where
    /// the model says so, the mean of that and of the same of the mirror image, (v(x) + v(x mirrored)) / 2.
    ///
    /// # Errors
    /// When the image is too small for the network.
    pub fn embed(&self, x: &Tensor) -> Result<Tensor> {
        let v = self.look(x)?;
        if !self.mirror {
            return Ok(v);
        }
        (v + self.look(&x.flip(&[3])?)?)? * 0.5
    }

    /// [`Self::forward`] without what only training asks for: `x [b,3,H,W]` to `[b,d]`.
    fn look(&self, x: &Tensor) -> Result<Tensor> {
        let pass = Pass::evaluation();
        let (images, (early, late)) = (x.dim(0)?, self.stages.split_at(EARLY));
        let few = if self.prepared && x.device().is_cpu() { FEW } else { images.max(1) };
        let run =
            |stages: &[Vec<Block>], f: Value| stages.iter().flatten().try_fold(f, |f, block| block.forward(&pass, &f));
        // Weights that are not ready would be packed anew for each part.
        let mut parts = Vec::new();
        for start in (0..images).step_by(few) {
            let x = Value::constant(x.narrow(0, start, few.min(images - start))?);
            let f = max_pool(&pass.tape, &self.stem.forward(&pass, &x, Finish::Relu)?, self.border)?;
            parts.push(run(early, f)?.tensor().clone());
        }
        let f = run(late, Value::constant(Tensor::cat(&parts, 0)?))?;
        let v = global_average(&pass.tape, &f)?;
        match &self.neck {
            Some(neck) => neck.apply(v.tensor()),
            None => Ok(v.tensor().clone()),
        }
    }
}

/// Stages whose maps are large and whose weights are small: a few images at a time keep the maps in the cache.
const EARLY: usize = 2;
/// Images that the early stages take at a time; the late ones take all, since their weights outweigh their maps.
const FEW: usize = 1;

/// A residual block: two 3x3 convolutions (basic), or 1x1, 3x3, 1x1 with four times the channels at the end (bottleneck).
struct Block {
    convolutions: Vec<ConvBn>,
    /// 1x1 convolution on the shortcut where the shape changes.
    downsample: Option<ConvBn>,
}

impl Block {
    fn new(config: &ModelConfig, scope: &Scope, inputs: usize, width: usize, stride: usize) -> Result<Self> {
        let conv = |n: usize, inputs, outputs, kernel, stride| {
            ConvBn::new(&scope.pp(format!("conv{n}")), &scope.pp(format!("bn{n}")), inputs, outputs, kernel, stride)
        };
        let (convolutions, outputs) = if config.depth >= 50 {
            let (first, second) = if config.stride_in_1x1 { (stride, 1) } else { (1, stride) };
            let outputs = 4 * width;
            (
                vec![
                    conv(1, inputs, width, 1, first)?,
                    conv(2, width, width, 3, second)?,
                    conv(3, width, outputs, 1, 1)?,
                ],
                outputs,
            )
        } else {
            (vec![conv(1, inputs, width, 3, stride)?, conv(2, width, width, 3, 1)?], width)
        };
        let downsample = if stride != 1 || inputs != outputs {
            let scope = scope.pp("downsample");
            Some(ConvBn::new(&scope.pp(0), &scope.pp(1), inputs, outputs, 1, stride)?)
        } else {
            None
        };
        Ok(Self { convolutions, downsample })
    }

    fn prepare(&self) -> Result<Self> {
        Ok(Self {
            convolutions: self.convolutions.iter().map(ConvBn::prepare).collect::<Result<_>>()?,
            downsample: self.downsample.as_ref().map(ConvBn::prepare).transpose()?,
        })
    }

    fn forward(&self, pass: &Pass, x: &Value) -> Result<Value> {
        let shortcut = match &self.downsample {
            Some(conv) => conv.forward(pass, x, Finish::Plain)?,
            None => x.clone(),
        };
        let mut y = x.clone();
        let last = self.convolutions.len() - 1;
        for (i, conv) in self.convolutions.iter().enumerate() {
            y = conv.forward(pass, &y, if i == last { Finish::AddRelu(&shortcut) } else { Finish::Relu })?;
        }
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::Rain;
    use crate::nn::testing::{close, noise};

    #[test]
    fn embedding_with_ready_weights_is_the_forward_pass() {
        // Wide enough for Winograd's detour, an odd number of images, and switches that change shapes.
        for (depth, last_stride, stride_in_1x1) in [(18, 2, false), (50, 1, true)] {
            let shape = ModelConfig {
                depth,
                last_stride,
                stride_in_1x1,
                pool_ceil_mode: stride_in_1x1,
                ..ModelConfig::default()
            };
            let config = ModelConfig { base_width: 32, height: 64, width: 32, neck: stride_in_1x1, ..shape };
            let model = Rain::new(config, 1, &Device::Cpu).unwrap();
            let x = noise(2, &[3, 3, 64, 32]);
            let expected =
                model.extractor.forward(&Pass::evaluation(), &Value::constant(x.clone())).unwrap().behind_neck;
            let expected: Vec<f32> = expected.tensor().flatten_all().unwrap().to_vec1().unwrap();
            let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
            close(&model.embed(&x).unwrap(), &expected, 1e-6, "v");
            close(&model.extractor.prepare().unwrap().embed(&x).unwrap(), &expected, 1e-5, "v of ready weights");
        }
    }

    #[test]
    fn with_the_mirror_image_left_and_right_weigh_the_same() {
        let config = ModelConfig { depth: 18, base_width: 4, height: 64, width: 32, ..ModelConfig::default() };
        let model = |mirror| Rain::new(ModelConfig { mirror, neck: true, ..config.clone() }, 1, &Device::Cpu).unwrap();
        let (plain, both, x) = (model(false), model(true), noise(2, &[3, 3, 64, 32]));
        let mirrored = x.flip(&[3]).unwrap();
        let numbers = |v: Tensor| v.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (left, right) = (numbers(plain.embed(&x).unwrap()), numbers(plain.embed(&mirrored).unwrap()));
        assert_ne!(left, right);
        let mean: Vec<f64> = left.iter().zip(&right).map(|(a, b)| f64::from(a + b) / 2.0).collect();
        for x in [&x, &mirrored] {
            close(&both.embed(x).unwrap(), &mean, 1e-6, "v of both");
            close(&both.extractor.prepare().unwrap().embed(x).unwrap(), &mean, 1e-5, "v of both by ready weights");
        }
    }
}
