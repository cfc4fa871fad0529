//! A data set's fingerprint, so that a run is never resumed on other images than it was started with.

use serde_json::Value;

use crate::data::dataset::{Dataset, Photo};
use crate::data::split::{Split, split};
use crate::{Error, Result};

/// Sets larger than this many bytes are told apart by their names and sizes alone: reading 100 GB to start is no help.
const CONTENTS_UP_TO: u64 = 1 << 30;

/// BLAKE3, as 64 hex digits, over the usable images in order: path relative to the set's folder, size in bytes and, in a
/// set of up to 1 GiB, the contents. Moving the folder leaves it unchanged.
///
/// # Errors
/// [`Error::Io`] where an image cannot be read.
pub fn fingerprint(dataset: &Dataset) -> Result<String> {
    let size = |photo: &Photo| match std::fs::metadata(&photo.path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) => Err(Error::io("read", &photo.path, error)),
    };
    let sizes = dataset.photos.iter().map(size).collect::<Result<Vec<u64>>>()?;
    let contents = sizes.iter().sum::<u64>() <= CONTENTS_UP_TO;

    let mut hasher = blake3::Hasher::new();
    for (photo, size) in dataset.photos.iter().zip(sizes) {
        let path = photo.path.strip_prefix(&dataset.root).unwrap_or(&photo.path);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/"); // the same on every system
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(&size.to_le_bytes());
        if contents {
            let bytes = std::fs::read(&photo.path).map_err(|e| Error::io("read", &photo.path, e))?;
            hasher.update(&bytes);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The split that a model was trained by, as its card tells: its queries and gallery show people whom the model has not seen in
/// training. `None` where it was trained on another set, or its card does not say.
///
/// # Errors
/// Those of [`fingerprint`] and [`split`].
pub fn own_split(card: &Value, dataset: &Dataset) -> Result<Option<Split>> {
    let (Some(hash), Some(seed)) = (card["data"]["hash"].as_str(), card["seed"].as_u64()) else { return Ok(None) };
    if fingerprint(dataset)? != hash {
        return Ok(None);
    }
    let own = split(dataset, seed)?;
    Ok((card["data"]["split"].as_str() == Some(own.hash.as_str())).then_some(own))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::dataset::{Format, Part};

    fn dataset(root: &Path, files: &[(&str, &str)]) -> Dataset {
        let photo = |(name, text): &(&str, &str)| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            Photo { path, identity: 1, camera: -1, part: Part::Any, taken: Default::default() }
        };
        let photos = files.iter().map(photo).collect();
        Dataset { format: Format::Folder, root: root.to_path_buf(), photos, broken: Vec::new(), test_sets: Vec::new() }
    }

    #[test]
    fn names_and_contents_count_and_the_place_does_not() {
        let hash = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            fingerprint(&dataset(folder.path(), files)).unwrap()
        };
        let first = hash(&[("1/a.png", "aa"), ("2/b.png", "bb")]);
        assert_eq!(first.len(), 64);
        assert_eq!(first, hash(&[("1/a.png", "aa"), ("2/b.png", "bb")]));
        assert_ne!(first, hash(&[("1/a.png", "aa"), ("2/b.png", "bc")]));
        assert_ne!(first, hash(&[("1/a.png", "aa"), ("2/c.png", "bb")]));
        assert_ne!(first, hash(&[("1/a.png", "aa")]));
    }

    #[test]
    fn a_vanished_image_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let set = dataset(folder.path(), &[("1/a.png", "aa")]);
        std::fs::remove_file(folder.path().join("1/a.png")).unwrap();
        assert!(fingerprint(&set).unwrap_err().to_string().contains("a.png"));
    }

    #[test]
    fn a_model_knows_whom_it_was_not_trained_on() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..16).map(|i| format!("{}/{}.png", i / 2, i % 2)).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let mut set = dataset(folder.path(), &files);
        for (i, photo) in set.photos.iter_mut().enumerate() {
            photo.identity = i as i64 / 2;
        }
        let of = |seed: u64| split(&set, seed).unwrap();
        let card = |hash: &str, seed: u64, by: &Split| serde_json::json!({ "seed": seed, "data": { "hash": hash, "split": by.hash } });
        let hash = fingerprint(&set).unwrap();
        assert_eq!(own_split(&card(&hash, 3, &of(3)), &set).unwrap(), Some(of(3)));
        assert_eq!(own_split(&card("another set", 3, &of(3)), &set).unwrap(), None);
        assert_eq!(own_split(&card(&hash, 4, &of(3)), &set).unwrap(), None, "split in another way");
        assert_eq!(own_split(&Value::Null, &set).unwrap(), None);
    }
}
