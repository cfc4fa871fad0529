//! Low-resolution images made from sharp ones, as the paper makes them.

use image::RgbImage;

use super::image_io::resize;

/// What a camera `rate` times as far away would have seen, at the size of `image`: an antialiased bilinear reduction to
/// round(H / rate) x round(W / rate) pixels (at least one), then a bilinear enlargement back to H x W, both on 8-bit
/// values. A rate of 1 is the identity; so is a rate below 1 or one that is not a number, which mean nothing here.
pub fn degrade(image: &RgbImage, rate: f64) -> RgbImage {
    if rate.is_nan() || rate <= 1.0 {
        return image.clone();
    }
    let (height, width) = (image.height() as usize, image.width() as usize);
    resize(&resize(image, reduced(height, rate), reduced(width, rate)), height, width)
}

/// Pixels along a side that is `side` long at full resolution; halves are rounded up.
pub fn reduced(side: usize, rate: f64) -> usize {
    ((side as f64 / rate).round() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use image::imageops::flip_horizontal;
    use proptest::prelude::*;

    use super::*;

    fn noise(width: u32, height: u32, seed: u64) -> RgbImage {
        use rand::Rng;
        let mut pixels = vec![0; (width * height * 3) as usize];
        super::super::seeded::rng(seed, "noise", &[]).fill_bytes(&mut pixels);
        RgbImage::from_raw(width, height, pixels).expect("the size fits")
    }

    fn variance(image: &RgbImage) -> f64 {
        let n = image.as_raw().len() as f64;
        let mean = image.as_raw().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        image.as_raw().iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n
    }

    #[test]
    fn sizes_are_rounded() {
        assert_eq!([reduced(256, 3.0), reduced(128, 3.0), reduced(128, 4.0), reduced(3, 8.0)], [85, 43, 32, 1]);
    }

    #[test]
    fn detail_is_lost_and_more_of_it_at_a_higher_rate() {
        let image = noise(64, 128, 1);
        let left = [1.0, 2.0, 4.0, 8.0].map(|r| variance(&degrade(&image, r)));
        assert!(left.windows(2).all(|w| w[1] < 0.6 * w[0]), "{left:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

        #[test]
        fn size_is_kept_and_a_call_repeats(w in 1u32..70, h in 1u32..70, rate in 1.0f64..20.0, seed: u64) {
            let image = noise(w, h, seed);
            let low = degrade(&image, rate);
            prop_assert_eq!(low.dimensions(), (w, h));
            prop_assert_eq!(low, degrade(&image, rate));
        }

        #[test]
        fn rate_one_and_senseless_rates_change_nothing(seed: u64) {
            let image = noise(12, 24, seed);
            for rate in [1.0, 0.5, 0.0, -3.0, f64::NAN] {
                prop_assert_eq!(&degrade(&image, rate), &image);
            }
        }

        #[test]
        fn mirroring_before_or_after_is_the_same(seed: u64, rate in 1.0f64..8.0) {
            let image = noise(24, 48, seed);
            let (a, b) = (degrade(&flip_horizontal(&image), rate), flip_horizontal(&degrade(&image, rate)));
            for (a, b) in a.as_raw().iter().zip(b.as_raw()) {
                prop_assert!(a.abs_diff(*b) <= 1, "{} {}", a, b);
            }
        }
    }
}
