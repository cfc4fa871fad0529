//! Every kind of image that must load, every kind of bad file that must be named, and the way back.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageBuffer, Luma, Rgb, Rgba};
use proptest::prelude::*;

use super::*;

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, ((x + y) % 256) as u8])
    })
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(image).expect("encodes");
    bytes
}

/// Both readers refuse `bytes`, with one paragraph that names the file and holds `words`.
fn refused(name: &str, bytes: &[u8], words: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("writes");
    for error in [check(&path).map(|_| ()).unwrap_err(), load(&path).map(|_| ()).unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(words), "{text}");
        assert!(!text.contains('\n') && text.ends_with('.'), "{text}");
        let broken = broken(&path, &error);
        assert!(broken.reason.contains(words) && !broken.reason.contains(name), "{broken:?}");
    }
}

/// The signature and header of a PNG of 8-bit RGB, and where `whole` an empty body and an end.
fn png_header(width: u32, height: u32, whole: bool) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        let body = [name.as_slice(), data].concat();
        bytes.extend(&body);
        bytes.extend(crc32(&body).to_be_bytes());
    };
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    chunk(b"IHDR", &header);
    if whole {
        chunk(b"IDAT", &[]);
        chunk(b"IEND", &[]);
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| (c >> 1) ^ (0xEDB8_8320 & (c & 1).wrapping_neg()))
    })
}

#[test]
fn bad_files_are_named_with_a_reason() {
    let whole = jpeg(&picture(48, 128));
    refused("text.jpg", b"these are words, not pixels", "not an image");
    refused("empty.jpg", b"", "empty");
    refused("half.jpg", &whole[..whole.len() / 2], "cut short");
    refused("head.jpg", &whole[..10], "cut short");
    refused("last.jpg", &whole[..whole.len() - 2], "cut short");
    refused("huge.png", &png_header(20_000, 20_000, true), "20000x20000");
    refused("huge-cut.png", &png_header(20_000, 20_000, false), "cut short");
    let mut dot = Cursor::new(Vec::new());
    picture(1, 1).write_to(&mut dot, ImageFormat::Png).expect("encodes");
    refused("dot.png", dot.get_ref(), "only 1x1 pixels");
    refused("moving.gif", b"GIF89a\x08\0\x08\0\0\0\0;", "does not read");
}

#[test]
fn what_is_no_file_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(load(folder.path()).unwrap_err().to_string().contains("is a folder"));
    let text = load(&folder.path().join("none.png")).unwrap_err().to_string();
    assert!(text.contains("none.png") && text.contains("Check the path"), "{text}");
}

#[test]
fn grey_deep_and_alpha_images_become_rgb() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.png");
    ImageBuffer::from_pixel(8, 8, Luma([200u8])).save(&path).expect("saves");
    assert_eq!(load(&path).expect("grey").get_pixel(3, 3), &Rgb([200, 200, 200]));
    ImageBuffer::from_pixel(8, 8, Luma([0xFFFFu16])).save(&path).expect("saves");
    assert_eq!(load(&path).expect("16-bit grey").get_pixel(3, 3), &Rgb([255, 255, 255]));
    ImageBuffer::from_pixel(8, 8, Rgb([0x8080u16, 0, 0xFFFF])).save(&path).expect("saves");
    assert_eq!(load(&path).expect("16-bit").get_pixel(3, 3), &Rgb([128, 0, 255]));
    ImageBuffer::from_pixel(8, 8, Rgba([10u8, 20, 30, 0])).save(&path).expect("saves");
    assert_eq!(load(&path).expect("alpha").get_pixel(3, 3), &Rgb([10, 20, 30]));
}

#[test]
fn cmyk_becomes_rgb() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("print.jpg");
    // 16x16 pixels: the left half (200, 40, 90), the right half (30, 160, 220), as inverted CMYK, as Adobe writes it.
    fs::write(&path, include_bytes!("cmyk.jpg")).expect("writes");
    let image = load(&path).expect("loads");
    for (x, expected) in [(2, [200u8, 40, 90]), (13, [30, 160, 220])] {
        let found = image.get_pixel(x, 2).0;
        assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3), "{found:?}");
    }
}

#[test]
fn the_content_decides_the_format_not_the_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("really-a-png.JPG");
    picture(8, 8).save_with_format(&path, ImageFormat::Png).expect("saves");
    assert_eq!(load(&path).expect("loads"), picture(8, 8));
}

#[test]
fn exif_orientation_is_applied() {
    let whole = jpeg(&picture(48, 128));
    // An APP1 segment with one TIFF entry: orientation 6, turned by 90 degrees.
    let tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
    bytes.extend((tiff.len() as u16 + 2).to_be_bytes());
    bytes.extend(tiff);
    bytes.extend(&whole[2..]);
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, turned) = (folder.path().join("plain.jpg"), folder.path().join("turned.jpg"));
    fs::write(&plain, whole).expect("writes");
    fs::write(&turned, bytes).expect("writes");
    let (plain, turned) = (load(&plain).expect("loads"), load(&turned).expect("loads"));
    assert_eq!(turned, image::imageops::rotate90(&plain));
}

#[test]
fn resizing_is_antialiased_and_keeps_a_flat_colour() {
    // One-pixel stripes: without antialiasing they would come out black or white.
    let stripes = RgbImage::from_fn(64, 64, |x, _| Rgb([(x % 2) as u8 * 255; 3]));
    for pixel in resize(&stripes, 16, 16).pixels() {
        assert!((96..=160).contains(&pixel[0]), "{pixel:?}");
    }
    let flat = RgbImage::from_pixel(13, 7, Rgb([9, 99, 199]));
    assert_eq!(resize(&flat, 256, 128), RgbImage::from_pixel(128, 256, Rgb([9, 99, 199])));
}

#[test]
fn normalising_and_back_is_the_same_image() {
    let image = RgbImage::from_fn(16, 16, |x, y| Rgb([(y * 16 + x) as u8; 3]));
    let planar = normalise(&image);
    assert_eq!(planar.len(), 3 * 16 * 16);
    assert!((planar[256 + 255] - (1.0 - 0.456) / 0.224).abs() < 1e-6);
    assert_eq!(denormalise(&planar, 16, 16), image);
    assert_eq!(denormalise(&[9.0, -9.0, f32::NAN], 1, 1).as_raw(), &vec![255, 0, 0]);
}

#[test]
fn a_saved_png_comes_back_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.png");
    save_png(&picture(9, 9), &path).expect("saves");
    save_png(&picture(12, 20), &path).expect("saves again");
    assert_eq!(load(&path).expect("loads"), picture(12, 20));
    assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1);
    let text = save_png(&picture(9, 9), &folder.path().join("no/out.png")).unwrap_err().to_string();
    assert!(text.contains("out.png"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// A damaged file is an image or an error, never a panic.
    #[test]
    fn damaged_files_get_an_answer(png in any::<bool>(), damage in proptest::collection::vec((0usize..2000, any::<u8>()), 1..20)) {
        let mut bytes = if png {
            let mut out = Cursor::new(Vec::new());
            picture(16, 32).write_to(&mut out, ImageFormat::Png).expect("encodes");
            out.into_inner()
        } else {
            jpeg(&picture(16, 32))
        };
        for (at, value) in damage {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.jpg");
        fs::write(&path, bytes).expect("writes");
        if let Ok(image) = load(&path) {
            prop_assert!(image.width() >= SMALLEST_SIDE);
        }
    }
}
