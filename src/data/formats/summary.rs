//! What a data set holds, for a person who wants to know whether it is all there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rayon::prelude::*;
use serde::Serialize;

use crate::data::dataset::{Broken, Dataset, Format, Part, Photo, UNKNOWN};
use crate::data::{image_io, split};

/// What `rain data` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The layout.
    pub format: Format,
    /// Where it begins.
    pub root: PathBuf,
    /// Usable images.
    pub images: usize,
    /// People (junk and Market-1501's distractors are none).
    pub identities: usize,
    /// People with one image only.
    pub single_image_identities: usize,
    /// Images of nobody known.
    pub junk: usize,
    /// Images by camera; -1 is unknown.
    pub cameras: BTreeMap<i64, usize>,
    /// Images by the publishers' part.
    pub parts: BTreeMap<&'static str, usize>,
    /// Images by height in pixels: the lower end of each class of 32, and how many.
    pub heights: BTreeMap<u32, usize>,
    /// Smallest and largest size, width x height.
    pub sizes: [(u32, u32); 2],
    /// Groups of files with the very same bytes.
    pub duplicates: Vec<Vec<PathBuf>>,
    /// Published test sets.
    pub test_sets: usize,
    /// Hash of the split of seed 0, where the set can be split.
    pub split: Option<String>,
    /// Files that cannot be used.
    pub broken: Vec<Broken>,
}

/// Width of a class of the histogram, in pixels.
pub const CLASS: u32 = 32;

/// Looks at every image once more.
pub fn summary(dataset: &Dataset) -> Summary {
    let about: Vec<(Option<(u32, u32)>, _)> = dataset
        .photos
        .par_iter()
        .map(|photo| {
            let hash = std::fs::read(&photo.path).ok().map(|bytes| blake3::hash(&bytes));
            (image_io::check(&photo.path).ok(), hash)
        })
        .collect();
    let count = |of: &dyn Fn(&Photo) -> i64| {
        let mut counts = BTreeMap::new();
        dataset.photos.iter().for_each(|photo| *counts.entry(of(photo)).or_insert(0) += 1);
        counts
    };
    let is_person = |who: i64| who != UNKNOWN && !(dataset.format == Format::Market1501 && who == 0);
    let mut people = count(&|photo| photo.identity);
    let junk = people.remove(&UNKNOWN).unwrap_or(0);
    people.retain(|who, _| is_person(*who));
    let (mut heights, mut parts) = (BTreeMap::new(), BTreeMap::new());
    let sizes: BTreeSet<(u32, u32)> = about.iter().filter_map(|(size, _)| *size).collect();
    about.iter().filter_map(|(size, _)| *size).for_each(|(_, h)| *heights.entry(h / CLASS * CLASS).or_insert(0) += 1);
    for photo in &dataset.photos {
        let name = match photo.part {
            Part::Train => "train",
            Part::Query => "query",
            Part::Gallery => "gallery",
            Part::Any => "unassigned",
        };
        *parts.entry(name).or_insert(0) += 1;
    }
    let mut same = BTreeMap::<[u8; 32], Vec<PathBuf>>::new();
    for (photo, (_, hash)) in dataset.photos.iter().zip(&about) {
        if let Some(hash) = hash {
            same.entry(*hash.as_bytes()).or_default().push(photo.path.clone());
        }
    }
    let mut duplicates: Vec<Vec<PathBuf>> = same.into_values().filter(|paths| paths.len() > 1).collect();
    duplicates.sort();
    let area = |(w, h): &&(u32, u32)| (u64::from(*w) * u64::from(*h), *w);
    let ends = [sizes.iter().min_by_key(area), sizes.iter().max_by_key(area)];
    Summary {
        format: dataset.format,
        root: dataset.root.clone(),
        images: dataset.photos.len(),
        identities: people.len(),
        single_image_identities: people.values().filter(|n| **n == 1).count(),
        junk,
        cameras: count(&|photo| photo.camera),
        parts,
        heights,
        sizes: ends.map(|size| size.copied().unwrap_or_default()),
        duplicates,
        test_sets: dataset.test_sets.len(),
        split: split::split(dataset, 0).ok().map(|split| split.hash),
        broken: dataset.broken.clone(),
    }
}
