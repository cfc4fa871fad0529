//! Multi-low-resolution data: which image is reduced by how much, as a pure function of the image and a seed.
//!
//! Nothing is written to disk for it: evaluation asks for the rate of an image and reduces the pixels when it reads them.

use std::path::Path;

use rand::RngExt;

use super::seeded;

/// The rate of the image `name` (see [`name`]), one of `rates`, drawn by the seed; 1 where there are none.
///
/// It depends on nothing but its arguments: not on the other images, their order, or the split.
pub fn rate(seed: u64, name: &str, rates: &[f64]) -> f64 {
    if rates.is_empty() {
        return 1.0;
    }
    let mut rng = seeded::rng(seed, &format!("mlr/{name}"), &[]);
    rates[rng.random_range(0..rates.len() as u64) as usize]
}

/// How an image is named in plans and draws: its path inside the data set, with `/` on every system.
pub fn name(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_drawn_by_image_and_seed() {
        let rates = [2.0, 3.0, 4.0];
        let draw = |seed| (0..300).map(|i| rate(seed, &format!("cam_b/{i}.bmp"), &rates)).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        for r in rates {
            let count = draw(1).iter().filter(|x| **x == r).count();
            assert!((70..130).contains(&count), "{r}: {count}");
        }
        // A promise to every published figure: the draws of a seed never change.
        assert_eq!(draw(0)[..6], [3.0, 4.0, 2.0, 4.0, 2.0, 4.0]);
        assert_eq!(rate(1, "a", &[]), 1.0);
    }

    #[test]
    fn names_are_inside_the_set() {
        assert_eq!(name(Path::new("/sets/viper"), Path::new("/sets/viper/cam_b/0.bmp")), "cam_b/0.bmp");
        assert_eq!(name(Path::new("/sets"), Path::new("other/0.bmp")), "other/0.bmp");
    }
}
