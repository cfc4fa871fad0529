//! Brightness, contrast and gamma: for the eye alone, never for what is searched or exported.

use image::RgbImage;

/// How a picture's values are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Added, -1..1.
    pub brightness: f32,
    /// Multiplies the distance from the middle, 0.2..5.
    pub contrast: f32,
    /// The power curve: above 1 lifts the shadows, 0.2..5.
    pub gamma: f32,
}

impl Default for Tone {
    fn default() -> Self {
        Self { brightness: 0.0, contrast: 1.0, gamma: 1.0 }
    }
}

impl Tone {
    /// Whether values are shown as they are.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// What each 8-bit value becomes.
    pub fn table(&self) -> [u8; 256] {
        std::array::from_fn(|v| {
            let curved = (v as f32 / 255.0).powf(1.0 / self.gamma.max(0.01));
            (((curved - 0.5) * self.contrast + 0.5 + self.brightness) * 255.0).round() as u8 // `as` saturates
        })
    }

    /// A number that differs where the tone does, for the cache of textures.
    pub fn key(&self) -> [i32; 3] {
        [self.brightness, self.contrast, self.gamma].map(|x| (x * 1000.0).round() as i32)
    }

    /// The image as it is shown.
    pub fn apply(&self, image: &RgbImage) -> RgbImage {
        let (table, mut image) = (self.table(), image.clone());
        image.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_changes_nothing_and_each_setting_does_what_it_says() {
        assert!(Tone::default().table().iter().enumerate().all(|(v, shown)| v == usize::from(*shown)));
        let bright = Tone { brightness: 0.2, ..Tone::default() }.table();
        assert_eq!((bright[0], bright[100], bright[250]), (51, 151, 255));
        let hard = Tone { contrast: 2.0, ..Tone::default() }.table();
        assert!(hard[60] < 10 && hard[200] > 250);
        let lifted = Tone { gamma: 2.0, ..Tone::default() }.table();
        assert!(lifted[64] > 120 && lifted[255] == 255 && lifted[0] == 0);
        assert_ne!(Tone { gamma: 2.0, ..Tone::default() }.key(), Tone::default().key());
    }
}
