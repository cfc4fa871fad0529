//! The one order in which gallery images stand: by distance, ties by gallery index, a NaN distance last. Search results
//! and figures share it, so that a rank means the same everywhere and on every machine.

/// A number that orders as the gallery image `index` at `distance` does. Galleries stay below 2^32 images.
pub fn key(distance: f32, index: usize) -> u64 {
    // Adding zero makes -0 equal to 0.
    let bits = if distance.is_nan() { u32::MAX } else { ordered(distance + 0.0) };
    (u64::from(bits) << 32) | (index as u64 & 0xffff_ffff)
}

/// IEEE 754 floats order like integers once the sign is folded in.
fn ordered(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | (1 << 31) }
}

/// Ranks of `positives` among `candidates`, both gallery indices, from 1 and ascending. Every positive is a candidate.
///
/// Each positive is ranked by counting the candidates in front of it, which needs no sort: with few positives and a
/// long gallery that is one linear pass a positive.
pub fn ranks(distances: &[f32], candidates: &[usize], positives: &[usize]) -> Vec<usize> {
    let keys: Vec<u64> = candidates.iter().map(|&i| key(distances[i], i)).collect();
    let mut ranks: Vec<usize> = positives
        .iter()
        .map(|&i| {
            let own = key(distances[i], i);
            1 + keys.iter().filter(|&&other| other < own).count()
        })
        .collect();
    ranks.sort_unstable();
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_like_distances() {
        let ascending = [f32::NEG_INFINITY, -1.0, -1e-30, 0.0, 1e-30, 1.0, f32::INFINITY, f32::NAN];
        assert!(ascending.windows(2).all(|pair| key(pair[0], 9) < key(pair[1], 0)));
        assert!(key(0.0, 1) < key(-0.0, 2) && key(-0.0, 1) < key(0.0, 2));
        assert_eq!(key(f32::NAN, 3), key(-f32::NAN, 3));
    }
}
