//! What a case keeps of files: the bytes of queries, hashes and small pictures of candidates, the hash of a gallery.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};

use super::super::event::{GalleryInfo, ModelInfo, QueryInfo};
use crate::case::record::{Model, Query};
use crate::case::{hash, name};
use crate::data::dataset::UNKNOWN;
use crate::data::image_io;
use crate::error::{Error, Result};
use crate::gallery::store::{Record, Store, is_gallery};

/// Longest side of the small pictures of candidates, in pixels.
const SIDE: u32 = 160;
/// Quality of the small pictures.
const QUALITY: u8 = 85;
/// Candidates whose hash and picture are remembered.
const REMEMBERED: usize = 4096;

/// A number that may be unknown.
pub fn known(number: i64) -> Option<i64> {
    (number != UNKNOWN).then_some(number)
}

/// A query as a case keeps it, with its bytes: the file as it lies on the disk where that is what was opened, else (a crop
/// out of a larger image, or out of the clipboard) a PNG of its pixels.
pub fn query(info: &QueryInfo) -> Result<(Query, Vec<u8>)> {
    let whole = std::fs::read(&info.path)
        .ok()
        .filter(|bytes| image_io::decode(&info.path, bytes).is_ok_and(|image| image == *info.image));
    let bytes = match whole {
        Some(bytes) => bytes,
        None => png(&info.image)?,
    };
    let modified = std::fs::metadata(&info.path).and_then(|about| about.modified()).ok();
    let query = Query {
        path: name::to_text(&info.path),
        hash: hash(&bytes),
        bytes: bytes.len() as u64,
        width: info.image.width(),
        height: info.image.height(),
        camera: known(info.camera),
        identity: known(info.identity),
        time: modified.and_then(time),
        cut: info.source.cut(),
    };
    Ok((query, bytes))
}

fn time(time: SystemTime) -> Option<String> {
    Some(jiff::Timestamp::try_from(time).ok()?.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::input(format!("The query could not be kept as PNG ({e})"), "Try again"))?;
    Ok(bytes.into_inner())
}

/// A model as a case keeps it.
pub fn model(info: &ModelInfo) -> Result<Model> {
    let mut hasher = blake3::Hasher::new();
    let file = std::fs::File::open(&info.path).map_err(|e| Error::io("read", &info.path, e))?;
    hasher.update_reader(file).map_err(|e| Error::io("read", &info.path, e))?;
    Ok(Model {
        path: name::to_text(&info.path),
        hash: hasher.finalize().to_hex().to_string(),
        height: info.config.height,
        width: info.config.width,
        card: card(&info.path).unwrap_or(serde_json::Value::Null),
    })
}

/// What the header of a model file notes, without reading its tensors.
fn card(path: &Path) -> Option<serde_json::Value> {
    let mut file = std::fs::File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let mut header = Vec::new();
    file.take(length.min(64 << 20)).read_to_end(&mut header).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let rain = header.get("__metadata__")?.get(crate::model::weights::HEADER)?.as_str()?;
    let mut rain: serde_json::Value = serde_json::from_str(rain).ok()?;
    Some(rain.get_mut("card")?.take())
}

/// What is known of a candidate's file.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// BLAKE3 of the file; none where it cannot be read.
    pub hash: Option<String>,
    /// Hash and bytes of its small picture; none where it cannot be decoded.
    pub picture: Option<(String, Arc<Vec<u8>>)>,
}

/// Reads candidates, each file once for as long as it does not change.
#[derive(Default)]
pub struct Reader {
    known: HashMap<(PathBuf, u64, Option<SystemTime>), Evidence>,
}

impl Reader {
    /// Hash and small picture of a file.
    pub fn read(&mut self, path: &Path) -> Evidence {
        let Ok(about) = std::fs::metadata(path) else { return Evidence::default() };
        let key = (path.to_path_buf(), about.len(), about.modified().ok());
        if let Some(evidence) = self.known.get(&key) {
            return evidence.clone();
        }
        let Ok(bytes) = std::fs::read(path) else { return Evidence::default() };
        let picture = image_io::decode(path, &bytes).ok().and_then(|image| small(&image));
        let picture = picture.map(|bytes| (hash(&bytes), Arc::new(bytes)));
        let evidence = Evidence { hash: Some(hash(&bytes)), picture };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, evidence.clone());
        evidence
    }
}

fn small(image: &RgbImage) -> Option<Vec<u8>> {
    let longest = image.width().max(image.height());
    let scale = (f64::from(SIDE) / f64::from(longest)).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as usize).max(1);
    let image = image_io::resize(image, side(image.height()), side(image.width()));
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&image).ok()?;
    Some(bytes)
}

/// BLAKE3 over the relative paths and contents of a gallery's images, in hex digits; none where one cannot be read or
/// `stop` was set. A gallery on disk knows what its files hold, so they are not read again.
pub fn gallery_hash(gallery: &GalleryInfo, stop: &AtomicBool) -> Option<String> {
    if is_gallery(&gallery.path) {
        return stored_hash(&gallery.path, stop);
    }
    let mut whole = blake3::Hasher::new_derive_key("rain gallery, version 1");
    for entry in gallery.entries.iter() {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let relative = entry.path.strip_prefix(&gallery.path).unwrap_or(&entry.path);
        let bytes = std::fs::read(&entry.path).ok()?;
        let relative = name::to_text(relative);
        whole.update(&(relative.len() as u64).to_le_bytes()).update(relative.as_bytes());
        whole.update(blake3::hash(&bytes).as_bytes());
    }
    Some(whole.finalize().to_hex().to_string())
}

fn stored_hash(folder: &Path, stop: &AtomicBool) -> Option<String> {
    let mut whole = blake3::Hasher::new_derive_key("rain gallery on disk, version 1");
    let mut take = |_, record: Record| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let path = name::to_text(&record.path);
        whole.update(&(path.len() as u64).to_le_bytes()).update(path.as_bytes()).update(&record.hash.0);
        Ok(())
    };
    Store::open(folder).and_then(|store| store.each(&mut take)).ok()?;
    Some(whole.finalize().to_hex().to_string())
}
