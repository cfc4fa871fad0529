//! Image files to 8-bit RGB pixels and back, and pixels to what the network reads.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use super::dataset::Broken;
use super::truncation;
use crate::{Error, Result};

/// Images with fewer pixels than this along a side are unusable: there is nothing of a person in them.
pub const SMALLEST_SIDE: u32 = 4;
/// Images with more pixels than this in all are refused before anything is allocated for them.
pub const MOST_PIXELS: u64 = 64_000_000;
/// Files larger than this are refused before they are read.
const MOST_BYTES: u64 = 512 << 20;

/// Mean of R, G, B over ImageNet, for values in 0..1.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of R, G, B over ImageNet, for values in 0..1.
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Every 8-bit value of every channel, normalised.
const NORMALISED: [[f32; 256]; 3] = {
    let mut table = [[0.0; 256]; 3];
    let mut c = 0;
    while c < 3 {
        let mut v = 0;
        while v < 256 {
            table[c][v] = (v as f32 / 255.0 - MEAN[c]) / DEVIATION[c];
            v += 1;
        }
        c += 1;
    }
    table
};

/// Reads an image file as 8-bit RGB, turned upright by its EXIF orientation.
///
/// The format is told from the content, not from the file name. Grey, 16-bit and CMYK images are converted; an alpha
/// channel is dropped (the colours beneath it stay), as the usual training code does.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is not an image, ends early, has a side under
/// [`SMALLEST_SIDE`] or more than [`MOST_PIXELS`] pixels.
pub fn load(path: &Path) -> Result<RgbImage> {
    let bytes = read(path)?;
    shielded(path, || {
        let (_, mut decoder) = open(path, &bytes)?;
        let orientation = decoder.orientation().map_err(|e| undecodable(path, &e))?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(|e| undecodable(path, &e))?;
        image.apply_orientation(orientation);
        Ok(image.into_rgb8())
    })
}

/// Whether [`load`] has a fair chance: the header is read and the file's end looked for, no pixel is decoded.
/// Returns width and height as stored, before the EXIF orientation.
///
/// # Errors
/// As [`load`].
pub fn check(path: &Path) -> Result<(u32, u32)> {
    let bytes = read(path)?;
    shielded(path, || open(path, &bytes).map(|(size, _)| size))
}

/// A file that was skipped, with the reason that `error` gives, less the path that the entry names anyway.
pub fn broken(path: &Path, error: &Error) -> Broken {
    let reason = match error {
        Error::Io { action, source, .. } => format!("could not {action} it: {source}"),
        Error::File { problem, .. } | Error::Input { problem, .. } => problem.clone(),
        other => other.to_string(),
    };
    Broken {
        path: path.to_path_buf(),
        reason,
    }
}

/// Resizes to `height` x `width` pixels: bilinear, and antialiased when shrinking (the filter widens with the factor).
pub fn resize(image: &RgbImage, height: usize, width: usize) -> RgbImage {
    thread_local! {
        // It keeps its scratch buffers from call to call.
        static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
    }
    let (width, height) = (width as u32, height as u32);
    if image.dimensions() == (width, height) {
        return image.clone();
    }
    let mut out = RgbImage::new(width, height);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let resized = (|| {
        let source = ImageRef::new(
            image.width(),
            image.height(),
            image.as_raw(),
            PixelType::U8x3,
        )
        .ok()?;
        let mut target = Image::from_slice_u8(width, height, &mut out, PixelType::U8x3).ok()?;
        RESIZER
            .with_borrow_mut(|r| r.resize(&source, &mut target, &options))
            .ok()
    })();
    match resized {
        Some(()) => out,
        // The same filter, slower; its only use is that nothing here can fail.
        None => {
            image::imageops::resize(image, width, height, image::imageops::FilterType::Triangle)
        }
    }
}

/// What the network reads: planar `[3, H, W]`, scaled to 0..1, less [`MEAN`], over [`DEVIATION`].
pub fn normalise(image: &RgbImage) -> Vec<f32> {
    let mut out = Vec::new();
    normalise_into(image, &mut out);
    out
}

/// [`normalise`], appended to `out`: a batch is its images one after the other.
pub fn normalise_into(image: &RgbImage, out: &mut Vec<f32>) {
    out.reserve(image.as_raw().len());
    for (c, table) in NORMALISED.iter().enumerate() {
        out.extend(
            image
                .as_raw()
                .chunks_exact(3)
                .map(|p| table[usize::from(p[c])]),
        );
    }
}

/// The inverse of [`normalise`], for planar `[3, height, width]`; values outside the range of colours are clamped.
/// Where `planar` is too short the rest stays black.
pub fn denormalise(planar: &[f32], height: usize, width: usize) -> RgbImage {
    let mut out = RgbImage::new(width as u32, height as u32);
    for (c, plane) in planar
        .chunks_exact((height * width).max(1))
        .take(3)
        .enumerate()
    {
        for (pixel, v) in out.chunks_exact_mut(3).zip(plane) {
            // `as` saturates, and makes 0 of NaN.
            pixel[c] = ((v * DEVIATION[c] + MEAN[c]) * 255.0).round() as u8;
        }
    }
    out
}

/// Writes a PNG so that `path` holds either what it held before or the whole image: a temporary file beside it, synced,
/// renamed.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be written to or the disk is full.
pub fn save_png(image: &RgbImage, path: &Path) -> Result<()> {
    let failed = |e| Error::io("write", path, e);
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // What the user's umask makes of it, as for any file, instead of a temporary file's "owner only".
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder
        .prefix(".rain-")
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(failed)?;
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| failed(io::Error::other(e)))?;
    file.write_all(bytes.get_ref()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// The whole file. Refuses what is no regular file (reading a pipe would wait for ever) and what is absurdly large.
fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |e| Error::io("read", path, e);
    let about = fs::metadata(path).map_err(failed)?;
    let refused = if about.is_dir() {
        Some((
            "is a folder, not an image".to_string(),
            "Name an image file",
        ))
    } else if !about.is_file() {
        Some((
            "is a device or a pipe, not an image file".to_string(),
            "Name an image file",
        ))
    } else if about.len() == 0 {
        Some((
            "the file is empty".to_string(),
            "Copy it again from its source",
        ))
    } else if about.len() > MOST_BYTES {
        let mib = about.len() >> 20;
        Some((
            format!("the file is {mib} MiB large, too large for a crop"),
            "Cut the person out of it and save that",
        ))
    } else {
        None
    };
    if let Some((problem, remedy)) = refused {
        return Err(Error::file(path, problem, remedy));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

/// A decoder whose header has been read and found sane, with width and height.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<((u32, u32), impl ImageDecoder + 'a)> {
    let format = image::guess_format(bytes).map_err(|_| {
        Error::file(
            path,
            "is not an image: its content is of no image format that Rain knows",
            "Remove it, or save it as PNG or JPEG",
        )
    })?;
    let cut_short = || {
        Error::file(
            path,
            format!(
                "is cut short: the end of the {} data is missing",
                name(format)
            ),
            "Copy it again from its source",
        )
    };
    let decoder = ImageReader::with_format(Cursor::new(bytes), format)
        .into_decoder()
        .map_err(|e| {
            // A header that cannot be read because it is not all there is told as that.
            if truncation::is_complete(format, bytes) {
                undecodable(path, &e)
            } else {
                cut_short()
            }
        })?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < SMALLEST_SIDE {
        return Err(Error::file(
            path,
            format!("is only {width}x{height} pixels, less than {SMALLEST_SIDE} along a side"),
            "Leave it out, or use a larger crop",
        ));
    }
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Error::file(
            path,
            format!(
                "claims to be {width}x{height} pixels, more than the {} megapixels that Rain reads",
                MOST_PIXELS / 1_000_000
            ),
            "Cut the person out of it and save that",
        ));
    }
    if !truncation::is_complete(format, bytes) {
        return Err(cut_short());
    }
    Ok(((width, height), decoder))
}

/// Runs a decoder so that a panic inside of it, on a file made to provoke one, is an error like any other.
fn shielded<T>(path: &Path, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(Error::file(
            path,
            "cannot be decoded: its content makes the decoder fail",
            "Leave it out, or save it anew with another program",
        ))
    })
}

fn undecodable(path: &Path, error: &image::ImageError) -> Error {
    let problem = match error {
        image::ImageError::Unsupported(e) => format!("is of a kind that Rain does not read: {e}"),
        e => format!("cannot be decoded: {e}"),
    };
    let problem = problem.trim_end_matches('.').replace('\n', " ");
    Error::file(
        path,
        problem,
        "Leave it out, or save it anew as PNG or JPEG",
    )
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        _ => "image",
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ImageBuffer, Luma, Rgb, Rgba};
    use proptest::prelude::*;

    use super::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([
                (x * 255 / width) as u8,
                (y * 255 / height) as u8,
                ((x + y) % 256) as u8,
            ])
        })
    }

    fn jpeg(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95)
            .encode_image(image)
            .expect("encodes");
        bytes
    }

    /// Both readers refuse `bytes`, with one paragraph that names the file and holds `words`.
    fn refused(name: &str, bytes: &[u8], words: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("writes");
        for error in [
            check(&path).map(|_| ()).unwrap_err(),
            load(&path).map(|_| ()).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(words), "{text}");
            assert!(!text.contains('\n') && text.ends_with('.'), "{text}");
            let broken = broken(&path, &error);
            assert!(
                broken.reason.contains(words) && !broken.reason.contains(name),
                "{broken:?}"
            );
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
            (0..8).fold(crc ^ u32::from(b), |c, _| {
                (c >> 1) ^ (0xEDB8_8320 & (c & 1).wrapping_neg())
            })
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
        refused(
            "huge-cut.png",
            &png_header(20_000, 20_000, false),
            "cut short",
        );
        let mut dot = Cursor::new(Vec::new());
        picture(1, 1)
            .write_to(&mut dot, ImageFormat::Png)
            .expect("encodes");
        refused("dot.png", dot.get_ref(), "only 1x1 pixels");
        refused("moving.gif", b"GIF89a\x08\0\x08\0\0\0\0;", "does not read");
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(
            load(folder.path())
                .unwrap_err()
                .to_string()
                .contains("is a folder")
        );
        let text = load(&folder.path().join("none.png"))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("none.png") && text.contains("Check the path"),
            "{text}"
        );
    }

    #[test]
    fn grey_deep_and_alpha_images_become_rgb() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.png");
        ImageBuffer::from_pixel(8, 8, Luma([200u8]))
            .save(&path)
            .expect("saves");
        assert_eq!(
            load(&path).expect("grey").get_pixel(3, 3),
            &Rgb([200, 200, 200])
        );
        ImageBuffer::from_pixel(8, 8, Luma([0xFFFFu16]))
            .save(&path)
            .expect("saves");
        assert_eq!(
            load(&path).expect("16-bit grey").get_pixel(3, 3),
            &Rgb([255, 255, 255])
        );
        ImageBuffer::from_pixel(8, 8, Rgb([0x8080u16, 0, 0xFFFF]))
            .save(&path)
            .expect("saves");
        assert_eq!(
            load(&path).expect("16-bit").get_pixel(3, 3),
            &Rgb([128, 0, 255])
        );
        ImageBuffer::from_pixel(8, 8, Rgba([10u8, 20, 30, 0]))
            .save(&path)
            .expect("saves");
        assert_eq!(
            load(&path).expect("alpha").get_pixel(3, 3),
            &Rgb([10, 20, 30])
        );
    }

    #[test]
    fn the_content_decides_the_format_not_the_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("really-a-png.JPG");
        picture(8, 8)
            .save_with_format(&path, ImageFormat::Png)
            .expect("saves");
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
        let (plain, turned) = (
            folder.path().join("plain.jpg"),
            folder.path().join("turned.jpg"),
        );
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
        assert_eq!(
            resize(&flat, 256, 128),
            RgbImage::from_pixel(128, 256, Rgb([9, 99, 199]))
        );
    }

    #[test]
    fn normalising_and_back_is_the_same_image() {
        let image = RgbImage::from_fn(16, 16, |x, y| Rgb([(y * 16 + x) as u8; 3]));
        let planar = normalise(&image);
        assert_eq!(planar.len(), 3 * 16 * 16);
        assert!((planar[256 + 255] - (1.0 - 0.456) / 0.224).abs() < 1e-6);
        assert_eq!(denormalise(&planar, 16, 16), image);
        assert_eq!(
            denormalise(&[9.0, -9.0, f32::NAN], 1, 1).as_raw(),
            &vec![255, 0, 0]
        );
    }

    #[test]
    fn a_saved_png_comes_back_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.png");
        save_png(&picture(9, 9), &path).expect("saves");
        save_png(&picture(12, 20), &path).expect("saves again");
        assert_eq!(load(&path).expect("loads"), picture(12, 20));
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1);
        let text = save_png(&picture(9, 9), &folder.path().join("no/out.png"))
            .unwrap_err()
            .to_string();
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
}
