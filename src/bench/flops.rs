//! How much arithmetic the network asks for, counted from its shape.
//!
//! Counted are the multiply-adds of convolutions and linear layers, as publications count them; a multiply-add is two
//! floating-point operations. Normalisation, pooling and the losses are a few percent more.

use crate::model::config::ModelConfig;
use crate::model::extractor::channels;
use crate::nn::pool::Border;

/// Multiply-adds of one image through each part of a model, forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// F.
    pub extractor: u64,
    /// The part of F that is its first convolution.
    pub stem: u64,
    /// G.
    pub decoder: u64,
    /// All D_j.
    pub discriminators: u64,
    /// The part of the D_j that is their first convolutions.
    pub first_of_discriminators: u64,
    /// C.
    pub classifier: u64,
}

fn conv(inputs: usize, outputs: usize, kernel: usize, (height, width): (usize, usize)) -> u64 {
    (inputs * outputs * kernel * kernel * height * width) as u64
}

fn strided((height, width): (usize, usize), stride: usize) -> (usize, usize) {
    (height.div_ceil(stride), width.div_ceil(stride))
}

/// Counts the work of one image of the model's input size.
pub fn count(config: &ModelConfig) -> Work {
    let w = config.base_width;
    let mut size = strided((config.height, config.width), 2);
    let mut sizes = vec![size];
    let stem = conv(3, config.stem(), 7, size);
    let border = if config.pool_ceil_mode { Border::Ceil } else { Border::Padded };
    size = (border.size(size.0), border.size(size.1));
    let (mut extractor, mut inputs) = (stem, config.stem());
    let blocks = match config.depth {
        18 => [2, 2, 2, 2],
        101 => [3, 4, 23, 3],
        _ => [3, 4, 6, 3],
    };
    for (stage, count) in blocks.into_iter().enumerate() {
        let (width, outputs) = (w << stage, channels(config, stage + 2));
        for block in 0..count {
            let stride = match (block, stage) {
                (0, 3) => config.last_stride,
                (0, 1 | 2) => 2,
                _ => 1,
            };
            let out = strided(size, stride);
            extractor += if config.depth >= 50 {
                let first = if config.stride_in_1x1 { out } else { size };
                conv(inputs, width, 1, first) + conv(width, width, 3, out) + conv(width, outputs, 1, out)
            } else {
                conv(inputs, width, 3, out) + conv(width, width, 3, out)
            };
            if stride != 1 || inputs != outputs {
                extractor += conv(inputs, outputs, 1, out);
            }
            (size, inputs) = (out, outputs);
        }
        sizes.push(size);
    }
    let mut decoder = conv(inputs, 8 * w, 1, size) + 4 * conv(8 * w, 8 * w, 3, size);
    let mut from = 8 * w;
    for up in 1..=if config.last_stride == 2 { 5 } else { 4 } {
        size = (2 * size.0, 2 * size.1);
        let to = ((8 * w) >> up).max(4);
        decoder += conv(from, to, 3, size);
        from = to;
    }
    decoder += conv(from, 3, 3, size);
    let (mut discriminators, mut first_of_discriminators) = (0, 0);
    for &level in &config.levels {
        let (size, width) = (sizes[level - 1], 4 * w);
        let half = strided(size, 2);
        let first = conv(channels(config, level), width, 3, size);
        first_of_discriminators += first;
        discriminators += first + conv(width, width, 3, half) + conv(width, 1, 1, half);
    }
    let classifier = (inputs * config.classes) as u64;
    Work { extractor, stem, decoder, discriminators, first_of_discriminators, classifier }
}

impl Work {
    /// Floating-point operations of F, forward, for `batch` images.
    pub fn forward(&self, batch: usize) -> f64 {
        2.0 * batch as f64 * self.extractor as f64
    }

    /// Floating-point operations of RAIN's whole step on `batch` pairs.
    ///
    /// A layer that learns costs three times its forward pass: itself, the gradient of its input and that of its weights.
    /// Less where nobody asks for a gradient: of an image, of the maps D_j learn from, of D_j held fixed.
    pub fn step(&self, batch: usize) -> f64 {
        let images = 2 * (3 * (self.extractor + self.decoder + self.classifier) - self.stem);
        let learning = 2 * (3 * self.discriminators - self.first_of_discriminators);
        let deceived = 2 * self.discriminators; // LR images only: forward, and the gradient of the input
        2.0 * batch as f64 * (images + learning + deceived) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(depth: usize, side: usize) -> ModelConfig {
        ModelConfig { depth, height: side, width: side, classes: 1000, ..ModelConfig::default() }
    }

    #[test]
    fn published_figures() {
        // With the classifier of ImageNet's 1000 classes, at 224x224: torchvision's table says 1.81, 3.66, 4.09 and 7.80.
        for (depth, expected) in [(18, 1.81), (34, 3.66), (50, 4.09), (101, 7.80)] {
            let work = count(&model(depth, 224));
            let billions = (work.extractor + work.classifier) as f64 / 1e9;
            assert!((billions - expected).abs() < 0.01, "ResNet-{depth}: {billions}");
        }
        // The stride in the first 1x1 convolution is the original ResNet-50's, published with 3.8.
        let original = count(&ModelConfig { stride_in_1x1: true, ..model(50, 224) });
        assert!((3.8..3.9).contains(&(original.extractor as f64 / 1e9)), "{original:?}");
    }

    #[test]
    fn the_other_parts_by_hand() {
        let config = ModelConfig {
            depth: 18,
            base_width: 2,
            height: 32,
            width: 32,
            classes: 7,
            levels: vec![5],
            ..model(18, 32)
        };
        let work = count(&config);
        assert_eq!(work.stem, 3 * 2 * 49 * 16 * 16);
        assert_eq!(work.classifier, 16 * 7);
        // D_5 on a map of one position: 3x3 from 16 to 8 channels, 3x3 from 8 to 8, 1x1 from 8 to 1.
        assert_eq!((work.first_of_discriminators, work.discriminators), (16 * 8 * 9, 16 * 8 * 9 + 8 * 8 * 9 + 8));
        // G: 1x1 16 to 16, four 3x3, then 16→8 at 2x2, 8→4 at 4x4, 4→4 at 8, 16 and 32, and 3x3 from 4 to 3.
        let ups = 16 * 8 * 4 + 8 * 4 * 16 + 4 * 4 * (64 + 256 + 1024) + 4 * 3 * 1024;
        assert_eq!(work.decoder, 16 * 16 + 4 * 16 * 16 * 9 + 9 * ups);
    }

    #[test]
    fn work_grows_with_batch_and_area() {
        let work = count(&ModelConfig::default());
        let double = count(&ModelConfig { height: 512, ..ModelConfig::default() });
        assert_eq!(double.extractor, 2 * work.extractor);
        assert_eq!(work.forward(6), 3.0 * work.forward(2));
        assert_eq!(work.step(6), 3.0 * work.step(2));
        assert!(work.step(1) > 6.0 * work.forward(1));
    }
}
