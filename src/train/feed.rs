//! From a folder of images to the batches of a run.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::config::RunConfig;
use super::fingerprint::fingerprint;
use super::learner::Batch;
use crate::data::dataset::{Broken, Dataset, UNKNOWN};
use crate::data::loader::{PairLoader, PairSettings};
use crate::data::sampler::{self, IdentitySampler};
use crate::data::split::{self, Split};
use crate::data::{formats, seeded};
use crate::{Error, Result};

/// A data set as a run sees it: what is trained on, and what is held out.
pub struct Data {
    /// Training, query and gallery images.
    pub split: Split,
    /// Class of each training image, [`UNKNOWN`] where its label is not used.
    pub labels: Vec<i64>,
    /// Training identities whose labels are used: what the classifier tells apart.
    pub classes: usize,
    /// Training identities in all.
    pub identities: usize,
    /// Fingerprint of the whole set.
    pub hash: String,
    /// Images that were skipped, with the reason.
    pub broken: Vec<Broken>,
    /// Which images make up each batch.
    pub sampler: IdentitySampler,
}

impl Data {
    /// Reads the data set of a run and splits it by the run's seed.
    ///
    /// # Errors
    /// [`Error::File`] where the folder holds no usable data set, [`Error::Input`] where the settings do not fit it.
    pub fn open(config: &RunConfig) -> Result<Self> {
        pair_settings(config).check()?;
        let dataset = formats::read(&config.data.root, config.data.format)?;
        let hash = fingerprint(&dataset)?;
        let split = split::split(&dataset, config.seed)?;
        let Dataset { broken, root, .. } = dataset;

        let identities: Vec<i64> = split.train.iter().map(|photo| photo.identity).collect();
        let (labels, known, classes) = classes(&identities, config.data.labelled, config.seed);
        if classes < 2 && config.data.labelled > 0.0 {
            let problem = format!("Only {classes} labelled people to train on; two are needed");
            return Err(Error::file(root, problem, "Add images of more people, or raise data.labelled"));
        }
        let (p, k) = (config.data.identities, config.data.images);
        let sampler = IdentitySampler::new(&labels, p, k, config.seed)?;
        // Without any label the classifier learns nothing, but it is still there.
        Ok(Self { split, labels, classes: classes.max(1), identities: known, hash, broken, sampler })
    }
}

/// The class of each image by its identity, the number of identities and the number of classes.
///
/// Classes are numbered in the order of the identities. Where only a share of the labels is used, the seed draws which
/// identities keep theirs (at least one, unless the share is 0); images of the others count as images of nobody known: they are
/// dealt into the batches at random and enter the unsupervised losses only.
fn classes(identities: &[i64], labelled: f64, seed: u64) -> (Vec<i64>, usize, usize) {
    use rand::seq::SliceRandom;
    let mut known: Vec<i64> = identities.iter().copied().filter(|&id| id != UNKNOWN).collect();
    known.sort_unstable();
    known.dedup();
    let least = usize::from(labelled > 0.0);
    let keep = ((known.len() as f64 * labelled).round() as usize).max(least).min(known.len());
    let mut kept = known.clone();
    kept.shuffle(&mut seeded::rng(seed, "labelled", &[]));
    kept.truncate(keep);
    kept.sort_unstable();
    let class = |id: &i64| kept.binary_search(id).map_or(UNKNOWN, |class| class as i64);
    (identities.iter().map(class).collect(), known.len(), kept.len())
}

/// The stream of batches, ready for the learner. The batch of a step depends on the seed and the step alone.
pub struct Feed {
    loader: PairLoader,
    device: Device,
    shape: (usize, usize),
    use_lr: bool,
    random_triplets: bool,
    seed: u64,
}

impl Feed {
    /// The batches from `first_step` (counted from 0) on.
    pub fn new(data: &Data, config: &RunConfig, first_step: u64, device: &Device) -> Self {
        let settings = pair_settings(config);
        let photos = Arc::new(data.split.train.clone());
        let labels = Arc::new(data.labels.clone());
        Self {
            loader: PairLoader::new(photos, labels, data.sampler.clone(), settings, first_step),
            device: device.clone(),
            shape: (config.model.shape.height, config.model.shape.width),
            use_lr: config.data.use_lr,
            random_triplets: config.loss.tri > 0.0 && !config.loss.batch_hard,
            seed: config.seed,
        }
    }

    /// Images that could not be decoded since the last call; others of the same identity took their places.
    pub fn take_broken(&mut self) -> Vec<Broken> {
        self.loader.take_broken()
    }

    /// The next batch; waits for the loader where it is behind.
    ///
    /// # Errors
    /// As the loader's, and [`Error::Compute`] where the device has no room.
    pub fn next_batch(&mut self) -> Result<Batch> {
        let pairs = self.loader.next()?;
        let (height, width) = self.shape;
        let images = pairs.labels.len();
        let tensor = |pixels: Vec<f32>| Tensor::from_vec(pixels, (images, 3, height, width), &self.device);
        let triplets =
            if self.random_triplets { sampler::triplets(&pairs.labels, self.seed, pairs.step) } else { Vec::new() };
        Ok(Batch {
            x_h: tensor(pairs.x_h)?,
            x_l: if self.use_lr { Some(tensor(pairs.x_l)?) } else { None },
            target: pairs.target.map(tensor).transpose()?,
            labels: pairs.labels,
            triplets,
        })
    }
}

fn pair_settings(config: &RunConfig) -> PairSettings {
    PairSettings {
        height: config.model.shape.height,
        width: config.model.shape.width,
        rates: if config.data.use_lr { config.data.rates.clone() } else { Vec::new() },
        flip: config.data.flip,
        pad: config.data.pad,
        erasing: config.data.erasing,
        workers: config.data.workers.max(1),
        seed: config.seed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_numbered_by_identity() {
        assert_eq!(classes(&[7, 3, 7, 9, -1], 1.0, 0), (vec![1, 0, 1, 2, -1], 3, 3));
    }

    #[test]
    fn a_share_of_the_labels_is_kept_by_seed() {
        let identities: Vec<i64> = (0..100).flat_map(|id| [id, id]).collect();
        let (labels, known, kept) = classes(&identities, 0.25, 5);
        assert_eq!((known, kept), (100, 25));
        assert_eq!(labels.iter().filter(|&&l| l != UNKNOWN).count(), 50);
        assert_eq!(labels.iter().max(), Some(&24));
        assert_eq!(classes(&identities, 0.25, 5).0, labels);
        assert_ne!(classes(&identities, 0.25, 6).0, labels);
        assert_eq!(classes(&identities, 1e-9, 5).2, 1);
        let (labels, known, kept) = classes(&identities, 0.0, 5);
        assert!((known, kept) == (100, 0) && labels.iter().all(|&l| l == UNKNOWN));
    }
}
