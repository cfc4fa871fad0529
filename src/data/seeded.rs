//! Randomness without state: every draw names what it is for, so that nothing depends on the order of threads and a
//! resumed run draws what an uninterrupted one would have drawn.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator of one purpose: a pure function of the run's seed, the purpose and the indices (step, slot, …).
pub fn rng(seed: u64, purpose: &str, index: &[u64]) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&(purpose.len() as u64).to_le_bytes());
    hasher.update(purpose.as_bytes());
    for i in index {
        hasher.update(&i.to_le_bytes());
    }
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn each_part_of_the_name_matters() {
        let draw = |seed, purpose, index: &[u64]| rng(seed, purpose, index).next_u64();
        let base = draw(1, "flip", &[2, 3]);
        assert_eq!(base, draw(1, "flip", &[2, 3]));
        for other in
            [draw(2, "flip", &[2, 3]), draw(1, "rate", &[2, 3]), draw(1, "flip", &[3, 2]), draw(1, "flip", &[2])]
        {
            assert_ne!(base, other);
        }
    }
}
