//! Walking folders: what is there, by name only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::data::dataset::Broken;
use crate::{Error, Result};

/// Extensions of formats that Rain reads, in lower case.
const READ: [&str; 10] = ["jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "tif", "tiff", "webp"];
/// Extensions of images and raw files that it does not read: named as broken, so that nobody wonders where they went.
const NOT_READ: [&str; 19] = [
    "gif", "heic", "heif", "avif", "jp2", "j2k", "jxl", "ppm", "pgm", "pnm", "tga", "psd", "ico", "svg", "dng", "cr2",
    "nef", "arw", "raw",
];

/// What lies in a folder and the folders inside it.
#[derive(Debug, Default)]
pub struct Found {
    /// Files with an extension that Rain reads, sorted.
    pub images: Vec<PathBuf>,
    /// Images of other formats, folders that cannot be read, links that lead nowhere.
    pub broken: Vec<Broken>,
}

/// Lists a folder and the folders inside it. Each real folder is entered once, however many links lead to it. Hidden
/// entries and files that do not look like images are passed over.
///
/// # Errors
/// [`Error::Io`] where `root` itself cannot be read.
pub fn walk(root: &Path) -> Result<Found> {
    let mut found = Found::default();
    let mut entered = BTreeSet::new();
    let mut to_enter = vec![root.to_path_buf()];
    while let Some(folder) = to_enter.pop() {
        let entries = fs::canonicalize(&folder)
            .and_then(|real| if entered.insert(real) { children(&folder) } else { Ok(Vec::new()) });
        let entries = match entries {
            Ok(entries) => entries,
            Err(e) if folder == root => return Err(Error::io("read", root, e)),
            Err(e) => {
                found.broken.push(Broken { path: folder, reason: format!("could not list this folder: {e}") });
                continue;
            }
        };
        // Taken from the end: the folders of a folder are entered in sorted order.
        for path in entries.into_iter().rev() {
            match fs::metadata(&path) {
                Ok(about) if about.is_dir() => to_enter.push(path),
                Ok(_) => match kind(&path) {
                    Kind::Image => found.images.push(path),
                    Kind::Foreign(reason) => found.broken.push(Broken { path, reason }),
                    Kind::Other => {}
                },
                Err(e) if !matches!(kind(&path), Kind::Other) => {
                    found.broken.push(Broken { path, reason: format!("could not read it: {e}") });
                }
                Err(_) => {}
            }
        }
    }
    found.images.sort();
    found.broken.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The folders directly inside a folder, sorted, without hidden ones.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read.
pub fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut all = children(root).map_err(|e| Error::io("read", root, e))?;
    all.retain(|p| p.is_dir());
    Ok(all)
}

/// The names of what lies directly inside a folder; none where it cannot be listed.
pub fn names(root: &Path) -> impl Iterator<Item = String> {
    let all = children(root).unwrap_or_default();
    all.into_iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
}

/// The files directly inside a folder, sorted; none where it cannot be listed.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut all = children(root).unwrap_or_default();
    all.retain(|path| path.is_file());
    all
}

/// The images directly inside a folder, sorted: those that lie beside the folders of a layout.
pub fn loose_images(root: &Path) -> Vec<PathBuf> {
    let mut all = children(root).unwrap_or_default();
    all.retain(|p| p.is_file() && !matches!(kind(p), Kind::Other));
    all
}

/// What a folder holds, in words, for the message that it is not what was looked for.
pub fn describe(root: &Path) -> String {
    let Ok(all) = children(root) else {
        return "a folder that cannot be listed".to_string();
    };
    let (folders, files): (Vec<_>, Vec<_>) = all.into_iter().partition(|p| p.is_dir());
    let images = files.iter().filter(|p| matches!(kind(p), Kind::Image)).count();
    let others = files.len() - images;
    let mut parts = Vec::new();
    if !folders.is_empty() {
        let names: Vec<_> =
            folders.iter().take(3).filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect();
        let more = if folders.len() > 3 { ", …" } else { "" };
        parts.push(format!("{} ({}{more})", count(folders.len(), "folder"), names.join(", ")));
    }
    if images > 0 {
        parts.push(format!("{} outside of any folder", count(images, "image")));
    }
    if others > 0 {
        let are = if others == 1 { "that is no image" } else { "that are no images" };
        parts.push(format!("{} {are}", count(others, "file")));
    }
    if parts.is_empty() { "an empty folder".to_string() } else { parts.join(" and ") }
}

/// "1 folder", "3 folders".
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The entries of a folder, sorted, without hidden ones.
fn children(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}

enum Kind {
    Image,
    Foreign(String),
    Other,
}

fn kind(path: &Path) -> Kind {
    let Some(extension) = path.extension() else {
        return Kind::Other;
    };
    let extension = extension.to_string_lossy().to_lowercase();
    if READ.contains(&extension.as_str()) {
        Kind::Image
    } else if NOT_READ.contains(&extension.as_str()) {
        Kind::Foreign(format!("is a .{extension} file, which Rain does not read; save it as PNG or JPEG"))
    } else {
        Kind::Other
    }
}
