//! Which regions of two images make them alike.
//!
//! The embedding is the mean of f5 over its places p, `v = 1/n Σ f5(p)`, so the cosine similarity of two images is a sum over
//! the places of either: `cos = Σ_p f5(p)·u / (n |v|)`, with u the other's embedding at length 1. Each summand is the
//! contribution of one region, exactly; nothing is approximated, and nothing more is claimed. f5 is coarse (8 x 4 places for an
//! input of 256 x 128), and each place sees much of the image.

use candle_core::{Device, Tensor};

use super::distance::dot;
use crate::error::Result;
use crate::model::rain::Rain;
use crate::nn::layer::Pass;
use crate::nn::tape::Value;

/// Contributions to the cosine similarity of two images, place by place.
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// Places along the height of f5.
    pub rows: usize,
    /// Places along its width.
    pub columns: usize,
    /// Contributions of the first image's places, `[rows, columns]`; they sum to the similarity.
    pub first: Vec<f32>,
    /// Contributions of the second image's.
    pub second: Vec<f32>,
    /// The cosine similarity, -1..1.
    pub similarity: f32,
}

/// Takes the similarity of two normalised images `[3, H, W]` apart.
///
/// # Errors
/// Where the pixels do not have the model's input size.
pub fn regions(model: &Rain, first: &[f32], second: &[f32], device: &Device) -> Result<Regions> {
    let (height, width) = (model.config().height, model.config().width);
    let pixels = [first, second].concat();
    let x = Tensor::from_vec(pixels, (2, 3, height, width), device)?;
    let f5 = model.extractor.forward(&Pass::evaluation(), &Value::constant(x))?.level(5).tensor().clone();
    let (_, channels, rows, columns) = f5.dims4()?;
    let places = rows * columns;
    let maps: Vec<f32> = f5.flatten_all()?.to_vec1()?; // [2, channels, places]
    let (a, b) = maps.split_at(channels * places);
    let mean = |map: &[f32]| -> Vec<f32> {
        map.chunks_exact(places.max(1)).map(|channel| channel.iter().sum::<f32>() / places as f32).collect()
    };
    let (va, vb) = (mean(a), mean(b));
    let length = |v: &[f32]| dot(v, v).sqrt().max(f32::MIN_POSITIVE);
    let scale = 1.0 / (length(&va) * length(&vb) * places as f32);
    let contributions = |map: &[f32], other: &[f32]| -> Vec<f32> {
        let mut out = vec![0.0; places];
        for (channel, weight) in map.chunks_exact(places.max(1)).zip(other) {
            out.iter_mut().zip(channel).for_each(|(sum, value)| *sum += value * weight * scale);
        }
        out
    };
    Ok(Regions {
        rows,
        columns,
        first: contributions(a, &vb),
        second: contributions(b, &va),
        similarity: dot(&va, &vb) / (length(&va) * length(&vb)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::embed::embed_batch;
    use crate::model::ModelConfig;
    use crate::nn::testing::noise;

    #[test]
    fn contributions_of_either_image_sum_to_the_similarity_of_the_embeddings() {
        let config = ModelConfig { depth: 18, base_width: 4, height: 128, width: 64, ..ModelConfig::default() };
        let model = Rain::new(config, 5, &Device::Cpu).unwrap();
        let pixels: Vec<f32> = noise(3, &[2, 3, 128, 64]).flatten_all().unwrap().to_vec1().unwrap();
        let (a, b) = pixels.split_at(3 * 128 * 64);
        let found = regions(&model, a, b, &Device::Cpu).unwrap();
        assert_eq!((found.rows, found.columns, found.first.len()), (4, 2, 8));
        let v = embed_batch(&model, &pixels, &Device::Cpu).unwrap();
        let (va, vb) = v.split_at(v.len() / 2);
        let cosine = dot(va, vb) / (dot(va, va) * dot(vb, vb)).sqrt();
        for sum in [found.similarity, found.first.iter().sum(), found.second.iter().sum()] {
            assert!((sum - cosine).abs() < 1e-4, "{sum} against {cosine}");
        }
        // The first map is the one that the first image has: swapped images swap maps.
        let swapped = regions(&model, b, a, &Device::Cpu).unwrap();
        assert!(swapped.second.iter().zip(&found.first).all(|(x, y)| (x - y).abs() < 1e-5));
    }
}
