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
/// - Market-1501, MSMT17, and a table with a column `split`: the published parts. Junk (identity -1) is dropped, Market's
///   distractors (0) stay in the gallery only.
/// - VIPeR, CUHK01: half of the people who were seen by both cameras are the test; the second camera asks, the first answers.
/// - CUHK03: 100 people, those of a published test set (number `seed` modulo how many there are) where the set has them;
///   of each pair of cameras the second asks, the first answers.
/// - CAVIAR: half of the people whom both cameras saw; the far camera asks, the near answers. The others are dropped.
/// - PRID 2011: half of the people whom both cameras saw; camera a asks, camera b answers, and whoever only b saw
///   stands in the gallery too.
/// - Folder, table without parts: half of the people with two images or more are the test. Of each, the images of the lowest-numbered camera
///   are the gallery and the others' ask (those of no known camera are left out); where fewer than two cameras are known, half of the images (rounded up, drawn
///   by the seed) are the gallery.
///
/// Whoever cannot be both query and gallery is trained on. With an odd number the extra person is trained on.
///
/// # Errors
/// [`Error::File`] where fewer than two people of an unpublished split could be searched for.
pub fn split(dataset: &Dataset, seed: u64) -> Result<Split> {
    numbered(dataset, seed, 0)
}

/// Split `number` of those that a protocol takes the mean over; the first is [`split`], that of a model trained by this seed.
///
/// # Errors
/// Those of [`split`].
pub fn numbered(dataset: &Dataset, seed: u64, number: u64) -> Result<Split> {
    use rand::Rng;
    let drawn = if number == 0 { seed } else { seeded::rng(seed, "split/number", &[number]).next_u64() };
    let sets = dataset.test_sets.len() as u64;
    // Published test sets are taken in turn.
    let chosen = if sets == 0 { None } else { dataset.test_sets.get(((seed % sets + number) % sets) as usize) };
    match (dataset.format, chosen) {
        (Format::Cuhk03, Some(test)) => parts(dataset, drawn, Test::These(test)),
        (Format::Cuhk03, None) => parts(dataset, drawn, Test::AtMost(CUHK03_TEST)),
        _ => parts(dataset, drawn, Test::Half),
    }
}

/// As [`split`], but everyone who can be searched for is in the test: for a model that was trained elsewhere. Published
/// parts stay as they are.
///
/// # Errors
/// Those of [`split`].
pub fn everyone(dataset: &Dataset, seed: u64) -> Result<Split> {
    parts(dataset, seed, Test::Everyone)
}

/// Whether the publishers of the set put each image into a part, so that nothing is left to a seed.
pub fn is_published(dataset: &Dataset) -> bool {
    match dataset.format {
        Format::Market1501 | Format::Msmt17 => true,
        Format::Csv => dataset.photos.iter().any(|photo| photo.part != Part::Any),
        _ => false,
    }
}

/// Test people of CUHK03.
const CUHK03_TEST: usize = 100;

/// Which of the people that could be searched for are.
#[derive(Clone, Copy)]
enum Test<'a> {
    Half,
    Everyone,
    /// So many, but never more than half.
    AtMost(usize),
    These(&'a [i64]),
}

fn parts(dataset: &Dataset, seed: u64, test: Test) -> Result<Split> {
    let mut parts = match dataset.format {
        _ if is_published(dataset) => {
            published(&dataset.photos, if dataset.format == Format::Market1501 { 1 } else { 0 })
        }
        Format::Folder | Format::Csv => {
            halves(dataset, seed, test, |photos, seed| by_camera(photos, seed).or_else(|| by_chance(photos, seed)))?
        }
        Format::Prid2011 => halves(dataset, seed, test, |photos, seed| {
            by_camera(photos, seed).map(|(asks, answers)| (answers, asks)) // camera a (0) asks here
        })?,
        _ => halves(dataset, seed, test, by_camera)?,
    };
    match dataset.format {
        Format::Caviar => {
            let both = |who: i64| {
                let cameras = dataset.photos.iter().filter(|p| p.identity == who).map(|p| p.camera);
                cameras.collect::<BTreeSet<_>>().len() > 1
            };
            parts[0].retain(|photo| both(photo.identity));
        }
        Format::Prid2011 => {
            let (alone, train) = std::mem::take(&mut parts[0])
                .into_iter()
                .partition(|photo| photo.camera == 1 && photo.identity >= super::formats::PRID_ONLY_B);
            parts[0] = train;
            parts[2].extend::<Vec<Photo>>(alone);
        }
        _ => {}
    }
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

/// `least` is the lowest identity of a person who can be searched for; those below it, junk aside, are distractors.
fn published(photos: &[Photo], least: i64) -> Parts {
    let of = |part, least| photos.iter().filter(|p| p.part == part && p.identity >= least).cloned().collect::<Vec<_>>();
    [of(Part::Train, least), of(Part::Query, least), of(Part::Gallery, 0)]
}

fn halves(
    dataset: &Dataset,
    seed: u64,
    test: Test,
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
            Format::Folder | Format::Csv => "two images",
            _ => "an image from both cameras",
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
    let half = searchable.len() / 2;
    if let Test::These(these) = test {
        searchable.retain(|who| these.contains(who));
    }
    searchable.shuffle(&mut seeded::rng(seed, "split/people", &[]));
    searchable.truncate(match test {
        Test::Half => half,
        Test::AtMost(most) => most.min(half),
        Test::Everyone | Test::These(_) => usize::MAX,
    });
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
        Photo { path: PathBuf::from(name), identity, camera, part, taken: Default::default() }
    }

    fn set(format: Format, photos: Vec<Photo>) -> Dataset {
        Dataset { format, root: PathBuf::from("set"), photos, broken: Vec::new(), test_sets: Vec::new() }
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
    fn numbered_splits_differ_and_begin_with_the_seeds_own() {
        let set = viper(40);
        let hashes: BTreeSet<String> = (0..10).map(|n| numbered(&set, 3, n).expect("splits").hash).collect();
        assert_eq!(hashes.len(), 10);
        assert_eq!(numbered(&set, 3, 0).expect("splits"), split(&set, 3).expect("splits"));
    }

    #[test]
    fn cuhk03_takes_its_published_test_sets_or_a_hundred_people() {
        let mut set = Dataset { format: Format::Cuhk03, ..viper(400) };
        let drawn = split(&set, 1).expect("splits");
        assert_eq!((people(&drawn.query).len(), people(&drawn.train).len()), (100, 300));
        set.test_sets = vec![vec![1, 2, 3], vec![7, 8], vec![9, 10, 11, 12]];
        assert_eq!(people(&split(&set, 4).expect("splits").query), [7, 8].into());
        assert_eq!(people(&numbered(&set, 4, 1).expect("splits").gallery), [9, 10, 11, 12].into());
        assert_eq!(split(&set, 1).expect("splits").train.len(), 2 * 398);
    }

    #[test]
    fn caviar_drops_whom_one_camera_saw() {
        let mut set = Dataset { format: Format::Caviar, ..viper(50) };
        set.photos.extend((100..122).map(|who| photo(&format!("n/{who}"), who, 0, Part::Any)));
        let split = split(&set, 2).expect("splits");
        assert_eq!((people(&split.train).len(), people(&split.query).len()), (25, 25));
        assert!(split.query.iter().all(|p| p.camera == 1) && split.gallery.iter().all(|p| p.camera == 0));
    }

    #[test]
    fn prid_asks_with_camera_a_among_strangers_of_camera_b() {
        let mut set = Dataset { format: Format::Prid2011, ..viper(20) };
        set.photos.push(photo("0/900", 900, 0, Part::Any));
        set.photos
            .extend((0..7).map(|i| photo(&format!("1/s{i}"), super::super::formats::PRID_ONLY_B + i, 1, Part::Any)));
        let split = split(&set, 2).expect("splits");
        assert_eq!((split.query.len(), split.gallery.len()), (10, 17));
        assert!(split.query.iter().all(|p| p.camera == 0) && split.gallery.iter().all(|p| p.camera == 1));
        assert!(people(&split.train).contains(&900));
    }

    #[test]
    fn a_table_with_parts_is_published() {
        let set = set(
            Format::Csv,
            vec![
                photo("a", 0, 1, Part::Train),
                photo("b", 1, 1, Part::Query),
                photo("c", 1, 2, Part::Gallery),
                photo("d", UNKNOWN, 2, Part::Gallery),
            ],
        );
        assert!(is_published(&set));
        let split = split(&set, 2).expect("splits");
        assert_eq!((split.train.len(), split.query.len(), split.gallery.len()), (1, 1, 1));
    }

    #[test]
    fn too_few_people_are_told_with_a_remedy() {
        let text = split(&viper(1), 0).unwrap_err().to_string();
        assert!(text.contains("1 of 1 people") && text.contains("Add images"), "{text}");
    }
}
