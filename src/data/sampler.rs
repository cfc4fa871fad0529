//! Which images make up a batch: P identities with K images each, and the triplets among them.

use std::collections::BTreeMap;

use rand::Rng;
use rand::RngExt;
use rand::seq::SliceRandom;

use super::dataset::UNKNOWN;
use super::seeded;
use crate::{Error, Result};

/// P identities x K images a batch; each identity once an epoch.
///
/// Its only state is the step: [`IdentitySampler::batch`] is a pure function of the seed and the step. An identity with
/// fewer than K images repeats them. Unlabelled images ([`UNKNOWN`]) are shuffled each epoch and dealt out K at a time; such
/// a hand takes the place of an identity.
#[derive(Debug, Clone)]
pub struct IdentitySampler {
    /// Images of each identity, by index.
    groups: Vec<Vec<usize>>,
    /// Images without a label, by index.
    unlabelled: Vec<usize>,
    identities: usize,
    images: usize,
    seed: u64,
}

impl IdentitySampler {
    /// A sampler over images whose identities are `labels`; batches hold `identities` x `images` of them.
    ///
    /// # Errors
    /// [`Error::Input`] where a batch would be empty, or asks for more identities than there are.
    pub fn new(labels: &[i64], identities: usize, images: usize, seed: u64) -> Result<Self> {
        if identities == 0 || images == 0 {
            return Err(Error::input(
                format!("A batch of {identities} identities with {images} images each is empty"),
                "Set data.identities and data.images to 1 or more",
            ));
        }
        let mut by_label = BTreeMap::<i64, Vec<usize>>::new();
        for (index, label) in labels.iter().enumerate() {
            by_label.entry(*label).or_default().push(index);
        }
        let unlabelled = by_label.remove(&UNKNOWN).unwrap_or_default();
        let sampler = Self { groups: by_label.into_values().collect(), unlabelled, identities, images, seed };
        let found = sampler.group_count();
        if found == 0 {
            return Err(Error::input(
                "There is no image to train on",
                "Check that the data folder holds training images",
            ));
        }
        if found < identities {
            return Err(Error::input(
                format!("A batch asks for {identities} identities, but there are only {found} to train on"),
                format!("Set data.identities to {found} or less, or add images of more people"),
            ));
        }
        Ok(sampler)
    }

    /// Steps in which every identity appears at least once.
    pub fn steps_per_epoch(&self) -> u64 {
        self.group_count().div_ceil(self.identities) as u64
    }

    /// How many images a batch has.
    pub fn batch_size(&self) -> usize {
        self.identities * self.images
    }

    /// The batch of a step, counted from 0: image indices, those of one identity side by side.
    pub fn batch(&self, step: u64) -> Vec<usize> {
        let (epoch, place) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let mut order: Vec<usize> = (0..self.group_count()).collect();
        order.shuffle(&mut seeded::rng(self.seed, "sampler/identities", &[epoch]));
        // The last batch of an epoch is filled up from its beginning; no identity comes twice in a batch.
        let chosen = order.iter().cycle().skip(place as usize * self.identities).take(self.identities);
        chosen.flat_map(|&group| self.images_of(group, epoch, step)).collect()
    }

    fn images_of(&self, group: usize, epoch: u64, step: u64) -> Vec<usize> {
        if let Some(images) = self.groups.get(group) {
            let mut rng = seeded::rng(self.seed, "sampler/images", &[step, group as u64]);
            let mut pool = images.clone();
            let mut chosen = Vec::with_capacity(self.images);
            while chosen.len() < self.images {
                pool.shuffle(&mut rng);
                chosen.extend(pool.iter().take(self.images - chosen.len()));
            }
            return chosen;
        }
        let mut pool = self.unlabelled.clone();
        pool.shuffle(&mut seeded::rng(self.seed, "sampler/unlabelled", &[epoch]));
        let hand = group - self.groups.len();
        pool.iter().copied().cycle().skip(hand * self.images).take(self.images).collect()
    }

    /// Identities, then hands of unlabelled images.
    fn group_count(&self) -> usize {
        self.groups.len() + self.unlabelled.len().div_ceil(self.images)
    }
}

/// One (anchor, positive, negative) of batch indices for each labelled anchor: the positive is another image of the
/// identity where the batch has one, else the anchor itself; the negative is an image of another known identity.
/// Anchors for which the batch holds no negative are left out.
pub fn triplets(labels: &[i64], seed: u64, step: u64) -> Vec<(u32, u32, u32)> {
    let mut rng = seeded::rng(seed, "triplets", &[step]);
    let known: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] != UNKNOWN).collect();
    let mut out = Vec::with_capacity(known.len());
    for &anchor in &known {
        let same = known.iter().copied().filter(|&i| labels[i] == labels[anchor] && i != anchor);
        let other = known.iter().copied().filter(|&i| labels[i] != labels[anchor]);
        let positive = pick(same, &mut rng).unwrap_or(anchor);
        if let Some(negative) = pick(other, &mut rng) {
            out.push((anchor as u32, positive as u32, negative as u32));
        }
    }
    out
}

fn pick(from: impl Iterator<Item = usize>, rng: &mut impl Rng) -> Option<usize> {
    let from: Vec<usize> = from.collect();
    (!from.is_empty()).then(|| from[rng.random_range(0..from.len() as u64) as usize])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn an_epoch_holds_every_identity_in_batches_of_p_by_k(
            counts in proptest::collection::vec(1usize..6, 1..20), unlabelled in 0usize..12, p in 1usize..6, k in 1usize..5, seed: u64
        ) {
            let mut labels: Vec<i64> = counts.iter().enumerate().flat_map(|(i, n)| vec![i as i64 * 7; *n]).collect();
            labels.extend(vec![UNKNOWN; unlabelled]);
            let groups = counts.len() + unlabelled.div_ceil(k);
            let Ok(sampler) = IdentitySampler::new(&labels, p, k, seed) else {
                prop_assert!(p > groups);
                return Ok(());
            };
            let mut seen = BTreeSet::new();
            for step in 0..sampler.steps_per_epoch() {
                let batch = sampler.batch(step);
                prop_assert_eq!(batch.len(), sampler.batch_size());
                prop_assert_eq!(&batch, &sampler.clone().batch(step));
                let mut identities = BTreeSet::new();
                for hand in batch.chunks(k) {
                    let label = labels[hand[0]];
                    prop_assert!(hand.iter().all(|&i| labels[i] == label));
                    let distinct = hand.iter().collect::<BTreeSet<_>>().len();
                    let there = labels.iter().filter(|&&l| l == label).count();
                    prop_assert_eq!(distinct, k.min(there), "images repeat only where there are too few");
                    prop_assert!(label == UNKNOWN || identities.insert(label), "an identity twice in a batch");
                }
                seen.extend(batch);
            }
            prop_assert!(seen.iter().map(|&i| labels[i]).collect::<BTreeSet<_>>() == labels.iter().copied().collect());
            // Unlabelled images all come by in an epoch.
            prop_assert!((labels.len() - unlabelled..labels.len()).all(|i| seen.contains(&i)));
        }

        #[test]
        fn triplets_are_well_formed(labels in proptest::collection::vec(-1i64..4, 0..20), seed: u64, step: u64) {
            let drawn = triplets(&labels, seed, step);
            prop_assert_eq!(&drawn, &triplets(&labels, seed, step));
            let known: BTreeSet<i64> = labels.iter().copied().filter(|&l| l != UNKNOWN).collect();
            let expected = if known.len() < 2 { 0 } else { labels.iter().filter(|&&l| l != UNKNOWN).count() };
            prop_assert_eq!(drawn.len(), expected);
            for (a, p, n) in drawn {
                let of = |i: u32| labels[i as usize];
                prop_assert!(of(a) != UNKNOWN && of(n) != UNKNOWN);
                prop_assert_eq!(of(a), of(p));
                prop_assert_ne!(of(a), of(n));
                prop_assert!(a != p || labels.iter().filter(|&&l| l == of(a)).count() == 1);
            }
        }
    }

    #[test]
    fn steps_and_seeds_differ() {
        let labels: Vec<i64> = (0..40).map(|i| i / 4).collect();
        let sampler = IdentitySampler::new(&labels, 4, 2, 1).expect("enough identities");
        assert_eq!(sampler.steps_per_epoch(), 3);
        assert_ne!(sampler.batch(0), sampler.batch(3));
        assert_ne!(sampler.batch(0), IdentitySampler::new(&labels, 4, 2, 2).expect("enough").batch(0));
        assert_ne!(triplets(&labels, 1, 0), triplets(&labels, 1, 1));
    }

    #[test]
    fn impossible_batches_are_told_with_a_remedy() {
        for (labels, p, k, words) in [
            (vec![1, 1, 2], 0, 4, "data.identities"),
            (vec![], 1, 1, "no image to train on"),
            (vec![1, 1, 2], 3, 1, "Set data.identities to 2 or less"),
        ] {
            let text = IdentitySampler::new(&labels, p, k, 0).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
