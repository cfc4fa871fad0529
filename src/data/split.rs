//! Who is trained on and who is searched for.
//!
//! Published parts are kept where there are any; else half of the people, drawn by the seed. The hash names the
//! outcome, so that two figures can be compared only where their splits are the same.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;

use super::dataset::{Dataset, Format, Part, Photo, UNKNOWN};
use super::seeded;
use crate::{Error, Result};

/// The three parts of a data set, each sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Images to train on.
    pub train: Vec<Photo>,
    /// Images to search for.
    pub query: Vec<Photo>,
    /// Images to search in.
    pub gallery: Vec<Photo>,
    /// 16 hex digits: BLAKE3 over the sorted identities of each part.
    pub hash: String,
}

/// Splits a data set; a pure function of its list of images and the seed. No identity is in both training and test.
///
/// - Market-1501: the published parts. Junk (identity -1) is dropped, distractors (0) stay in the gallery only.
/// - VIPeR: half of the people who were seen by both cameras are the test; camera b (1) asks, camera a (0) answers.
/// - Folder: half of the people with two images or more are the test. Of each, the images of the lowest-numbered camera
///   are the gallery and the others' ask (those of no known camera are left out); where fewer than two cameras are known, half of the images (rounded up, drawn
///   by the seed) are the gallery.
///
/// Whoever cannot be both query and gallery is trained on. With an odd number the extra person is trained on.
///
/// # Errors
/// [`Error::File`] where fewer than two people of an unpublished split could be searched for.
pub fn split(dataset: &Dataset, seed: u64) -> Result<Split> {
    parts(dataset, seed, |people| people / 2)
}

/// As [`split`], but everyone who can be searched for is in the test: for a model that was trained elsewhere. Published
/// parts stay as they are.
///
/// # Errors
/// Those of [`split`].
pub fn everyone(dataset: &Dataset, seed: u64) -> Result<Split> {
    parts(dataset, seed, |people| people)
}

/// `tested` tells how many of the people that could be searched for are.
fn parts(dataset: &Dataset, seed: u64, tested: fn(usize) -> usize) -> Result<Split> {
    let mut parts = match dataset.format {
        Format::Market1501 => published(&dataset.photos),
        Format::Viper => halves(dataset, seed, tested, by_camera)?,
        Format::Folder => {
            halves(dataset, seed, tested, |photos, seed| by_camera(photos, seed).or_else(|| by_chance(photos, seed)))?
        }
    };
    for part in &mut parts {
        part.sort_by(|a, b| a.path.cmp(&b.path));
    }
    let hash = hash(&parts);
    let [train, query, gallery] = parts;
    Ok(Split { train, query, gallery, hash })
}

/// Train, query, gallery.
type Parts = [Vec<Photo>; 3];

/// The query and the gallery images of one person, where there are both.
type Halved<'a> = Option<(Vec<&'a Photo>, Vec<&'a Photo>)>;

fn published(photos: &[Photo]) -> Parts {
    let of = |part, least| photos.iter().filter(|p| p.part == part && p.identity >= least).cloned().collect::<Vec<_>>();
    [of(Part::Train, 1), of(Part::Query, 1), of(Part::Gallery, 0)]
}

fn halves(
    dataset: &Dataset,
    seed: u64,
    tested: fn(usize) -> usize,
    halve: impl for<'a> Fn(&[&'a Photo], u64) -> Halved<'a>,
) -> Result<Parts> {
    let mut people = BTreeMap::<i64, Vec<&Photo>>::new();
    for photo in dataset.photos.iter().filter(|p| p.identity != UNKNOWN) {
        people.entry(photo.identity).or_default().push(photo);
    }
    let mut searchable: Vec<i64> =
        people.iter().filter(|(_, photos)| halve(photos, seed).is_some()).map(|(who, _)| *who).collect();
    if searchable.len() < 2 {
        let needed = match dataset.format {
            Format::Viper => "an image from both cameras",
            _ => "two images",
        };
        return Err(Error::file(
            &dataset.root,
            format!(
                "cannot be split into training and test: {} of {} people have {needed}, and it takes two such people",
                searchable.len(),
                people.len()
            ),
            "Add images of more people",
        ));
    }
    searchable.shuffle(&mut seeded::rng(seed, "split/people", &[]));
    searchable.truncate(tested(searchable.len()));
    let test: BTreeSet<i64> = searchable.into_iter().collect();
    let [mut train, mut query, mut gallery] = Parts::default();
    for (who, photos) in people {
        match halve(&photos, seed).filter(|_| test.contains(&who)) {
            Some((asks, answers)) => {
                query.extend(asks.into_iter().cloned());
                gallery.extend(answers.into_iter().cloned());
            }
            None => train.extend(photos.into_iter().cloned()),
        }
    }
    Ok([train, query, gallery])
}

/// The lowest-numbered camera answers, all others ask.
fn by_camera<'a>(photos: &[&'a Photo], _seed: u64) -> Halved<'a> {
    let first = photos.iter().map(|p| p.camera).filter(|c| *c != UNKNOWN).min()?;
    let known = photos.iter().copied().filter(|p| p.camera != UNKNOWN);
    let (answers, asks): (Vec<_>, Vec<_>) = known.partition(|p| p.camera == first);
    (!asks.is_empty()).then_some((asks, answers))
}

/// Half of the images answer, the others ask.
fn by_chance<'a>(photos: &[&'a Photo], seed: u64) -> Halved<'a> {
    if photos.len() < 2 {
        return None;
    }
    let mut answers = photos.to_vec();
    answers.shuffle(&mut seeded::rng(seed, "split/images", &[photos[0].identity as u64]));
    let asks = answers.split_off(photos.len().div_ceil(2));
    Some((asks, answers))
}

fn hash(parts: &Parts) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, photos) in ["train", "query", "gallery"].iter().zip(parts) {
        hasher.update(name.as_bytes());
        for identity in photos.iter().map(|p| p.identity).collect::<BTreeSet<_>>() {
            hasher.update(format!(" {identity}").as_bytes());
        }
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex()[..16].to_string()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn photo(name: &str, identity: i64, camera: i64, part: Part) -> Photo {
        Photo { path: PathBuf::from(name), identity, camera, part }
    }

    fn set(format: Format, photos: Vec<Photo>) -> Dataset {
        Dataset { format, root: PathBuf::from("set"), photos, broken: Vec::new() }
    }

    fn people(photos: &[Photo]) -> BTreeSet<i64> {
        photos.iter().map(|p| p.identity).collect()
    }

    fn viper(n: i64) -> Dataset {
        let pair = |i| [0, 1].map(|c| photo(&format!("{c}/{i:03}"), i, c, Part::Any));
        set(Format::Viper, (0..n).flat_map(pair).collect())
    }

    #[test]
    fn published_parts_are_kept_without_junk() {
        let set = set(
            Format::Market1501,
            vec![
                photo("a", UNKNOWN, 1, Part::Gallery),
                photo("b", 0, 1, Part::Gallery),
                photo("c", 1, 2, Part::Gallery),
                photo("d", 0, 2, Part::Train),
                photo("e", 2, 2, Part::Train),
                photo("f", 1, 1, Part::Query),
                photo("g", 0, 1, Part::Query),
            ],
        );
        let split = split(&set, 7).expect("splits");
        assert_eq!((people(&split.train), people(&split.query)), ([2].into(), [1].into()));
        assert_eq!(people(&split.gallery), [0, 1].into());
    }

    #[test]
    fn viper_is_halved_by_the_seed() {
        let set = viper(632);
        let one = split(&set, 1).expect("splits");
        assert_eq!((one.train.len(), one.query.len(), one.gallery.len()), (632, 316, 316));
        assert!(one.query.iter().all(|p| p.camera == 1) && one.gallery.iter().all(|p| p.camera == 0));
        assert_eq!(people(&one.query), people(&one.gallery));
        assert!(people(&one.train).is_disjoint(&people(&one.query)));
        assert_eq!(one, split(&set, 1).expect("splits"));
        let other = split(&set, 2).expect("splits");
        assert!(other.hash != one.hash && other.hash.len() == 16);
        // The split of a seed is a promise to every figure that names it: a change here breaks them all.
        assert_eq!(one.hash, "e5b4f46144aa0152");
    }

    #[test]
    fn who_was_seen_once_is_trained_on() {
        let mut set = viper(4);
        set.photos.push(photo("0/900", 900, 0, Part::Any));
        for seed in 0..8 {
            let split = split(&set, seed).expect("splits");
            assert!(people(&split.train).contains(&900));
            assert_eq!((split.query.len(), split.train.len()), (2, 5));
        }
    }

    #[test]
    fn folders_ask_across_cameras_where_they_are_known() {
        let mut photos = Vec::new();
        for who in 0..6 {
            for image in 0..5 {
                let camera = if who % 2 == 0 { UNKNOWN } else { image % 3 };
                photos.push(photo(&format!("{who}/{image}"), who, camera, Part::Any));
            }
        }
        let mut tested = BTreeSet::new();
        for seed in 0..8 {
            let split = split(&set(Format::Folder, photos.clone()), seed).expect("splits");
            assert_eq!((people(&split.train).len(), people(&split.query).len()), (3, 3));
            assert!(split.query.iter().all(|q| !split.gallery.contains(q)));
            for who in people(&split.query) {
                let of = |part: &[Photo]| part.iter().filter(|p| p.identity == who).cloned().collect::<Vec<_>>();
                let (asks, answers) = (of(&split.query), of(&split.gallery));
                assert_eq!(asks.len() + answers.len(), 5);
                if who % 2 == 0 {
                    assert_eq!(answers.len(), 3);
                } else {
                    assert!(answers.iter().all(|p| p.camera == 0) && asks.iter().all(|p| p.camera > 0));
                }
            }
            tested.extend(people(&split.query));
        }
        assert_eq!(tested.len(), 6, "every person is in the test for some seed");
    }

    #[test]
    fn too_few_people_are_told_with_a_remedy() {
        let text = split(&viper(1), 0).unwrap_err().to_string();
        assert!(text.contains("1 of 1 people") && text.contains("Add images"), "{text}");
    }
}
