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
use crate::fs::write_atomic;
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
    decode(path, &read(path)?)
}

/// [`load`] of a file whose content has been [`read`] already; `path` is for messages.
///
/// # Errors
/// [`Error::File`], as [`load`].
pub fn decode(path: &Path, bytes: &[u8]) -> Result<RgbImage> {
    shielded(path, || {
        let (_, mut decoder) = open(path, bytes)?;
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

/// Width and height as [`load`] would give them, from the header alone; `None` where it cannot be read.
pub fn size(path: &Path) -> Option<[u32; 2]> {
    shielded(path, || {
        let file = fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
        let reader = ImageReader::new(io::BufReader::new(file)).with_guessed_format();
        let reader = reader.map_err(|e| Error::io("read", path, e))?;
        let mut decoder = reader.into_decoder().map_err(|e| undecodable(path, &e))?;
        let (width, height) = decoder.dimensions();
        use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        let turned = matches!(decoder.orientation(), Ok(Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH));
        Ok(if turned { [height, width] } else { [width, height] })
    })
    .ok()
}

/// A file that was skipped, with the reason that `error` gives, less the path that the entry names anyway.
pub fn broken(path: &Path, error: &Error) -> Broken {
    let reason = match error {
        Error::Io { action, source, .. } => format!("could not {action} it: {source}"),
        Error::File { problem, .. } | Error::Input { problem, .. } => problem.clone(),
        other => other.to_string(),
    };
    Broken { path: path.to_path_buf(), reason }
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
        let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3).ok()?;
        let mut target = Image::from_slice_u8(width, height, &mut out, PixelType::U8x3).ok()?;
        RESIZER.with_borrow_mut(|r| r.resize(&source, &mut target, &options)).ok()
    })();
    match resized {
        Some(()) => out,
        // The same filter, slower; its only use is that nothing here can fail.
        None => image::imageops::resize(image, width, height, image::imageops::FilterType::Triangle),
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
        out.extend(image.as_raw().chunks_exact(3).map(|p| table[usize::from(p[c])]));
    }
}

/// The inverse of [`normalise`], for planar `[3, height, width]`; values outside the range of colours are clamped.
/// Where `planar` is too short the rest stays black.
pub fn denormalise(planar: &[f32], height: usize, width: usize) -> RgbImage {
    let mut out = RgbImage::new(width as u32, height as u32);
    for (c, plane) in planar.chunks_exact((height * width).max(1)).take(3).enumerate() {
        for (pixel, v) in out.chunks_exact_mut(3).zip(plane) {
            // `as` saturates, and makes 0 of NaN.
            pixel[c] = ((v * DEVIATION[c] + MEAN[c]) * 255.0).round() as u8;
        }
    }
    out
}

/// Writes a PNG in one piece: `path` holds either what it held before or the whole image.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be written to or the disk is full.
pub fn save_png(image: &RgbImage, path: &Path) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|e| Error::io("write", path, io::Error::other(e)))?;
    write_atomic(path, |file| file.write_all(bytes.get_ref()))
}

/// The whole file. Refuses what is no regular file (reading a pipe would wait for ever) and what is absurdly large.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::File`] where it is refused.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |e| Error::io("read", path, e);
    let about = fs::metadata(path).map_err(failed)?;
    let refused = if about.is_dir() {
        Some(("is a folder, not an image".to_string(), "Name an image file"))
    } else if !about.is_file() {
        Some(("is a device or a pipe, not an image file".to_string(), "Name an image file"))
    } else if about.len() == 0 {
        Some(("the file is empty".to_string(), "Copy it again from its source"))
    } else if about.len() > MOST_BYTES {
        let mib = about.len() >> 20;
        Some((format!("the file is {mib} MiB large, too large for a crop"), "Cut the person out of it and save that"))
    } else {
        None
    };
    if let Some((problem, remedy)) = refused {
        return Err(Error::file(path, problem, remedy));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
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
            format!("is cut short: the end of the {} data is missing", name(format)),
            "Copy it again from its source",
        )
    };
    let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(|e| {
        // A header that cannot be read because it is not all there is told as that.
        if truncation::is_complete(format, bytes) { undecodable(path, &e) } else { cut_short() }
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
    Error::file(path, problem, "Leave it out, or save it anew as PNG or JPEG")
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        _ => "image",
    }
}

#[cfg(test)]
mod tests;
