//! Whether an image file is all there.
//!
//! Decoders disagree about a file that ends early: some fail, some (JPEG above all) fill the rest with grey and say
//! nothing. A half-grey crop would be trained on and ranked like any other, so Rain looks for the end itself.

use image::ImageFormat;

/// False where the file certainly ends before its last piece. Formats without an end mark answer true: their decoders
/// notice.
pub fn is_complete(format: ImageFormat, bytes: &[u8]) -> bool {
    match format {
        ImageFormat::Jpeg => jpeg_reaches_its_end(bytes),
        ImageFormat::Png => png_reaches_its_end(bytes),
        _ => true,
    }
}

/// Walks the marker segments to the end-of-image marker. Searching for its two bytes alone would be fooled by the
/// thumbnail that a camera hides inside the header.
fn jpeg_reaches_its_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    let mut scanned = false;
    loop {
        // To the next marker: 0xFF, then neither a stuffed zero, nor filling, nor (inside a scan) a restart.
        let Some(skip) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xFF)) else {
            return false;
        };
        at += skip + 1;
        match bytes.get(at) {
            None => return false,
            Some(0xFF) => {}
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 1,
            Some(0xD9) => return scanned,
            Some(&marker) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else {
                    return false;
                };
                scanned |= marker == 0xDA;
                at += 1 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
}

/// Walks the chunks to `IEND`.
fn png_reaches_its_end(bytes: &[u8]) -> bool {
    let mut at = 8;
    while let Some(&[a, b, c, d, ref name @ ..]) = bytes.get(at..at + 8) {
        if name == b"IEND" {
            return true;
        }
        // Length, name, data and checksum.
        at = at.saturating_add(u32::from_be_bytes([a, b, c, d]) as usize).saturating_add(12);
        if at >= bytes.len() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::RgbImage;
    use proptest::prelude::*;

    use super::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(24, 48, |x, y| image::Rgb([x as u8 * 9, y as u8 * 5, 77]));
        let mut out = Cursor::new(Vec::new());
        image.write_to(&mut out, format).expect("encodes");
        out.into_inner()
    }

    #[test]
    fn whole_files_are_complete_and_every_shorter_one_is_not() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = encoded(format);
            assert!(is_complete(format, &bytes));
            // The last chunk of a PNG has no content: its checksum may be missing.
            let needed = if format == ImageFormat::Png { bytes.len() - 4 } else { bytes.len() };
            for end in 0..needed {
                assert!(!is_complete(format, &bytes[..end]), "{format:?} cut to {end}");
            }
        }
    }

    #[test]
    fn a_thumbnail_does_not_stand_in_for_the_end() {
        let whole = encoded(ImageFormat::Jpeg);
        let mut with_thumbnail = vec![0xFF, 0xD8, 0xFF, 0xE1];
        with_thumbnail.extend(u16::try_from(whole.len() + 2).expect("small").to_be_bytes());
        with_thumbnail.extend(&whole);
        with_thumbnail.extend(&whole[2..]);
        assert!(is_complete(ImageFormat::Jpeg, &with_thumbnail));
        let cut = with_thumbnail.len() - whole.len() / 2;
        assert!(!is_complete(ImageFormat::Jpeg, &with_thumbnail[..cut]));
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            is_complete(ImageFormat::Jpeg, &bytes);
            is_complete(ImageFormat::Png, &bytes);
        }

        #[test]
        fn any_markers_get_an_answer(bytes in proptest::collection::vec(
            prop_oneof![Just(0xFFu8), Just(0xDA), Just(0xD9), Just(0), any::<u8>()], 0..300)) {
            is_complete(ImageFormat::Jpeg, &bytes);
        }
    }
}
