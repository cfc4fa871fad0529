//! Batches as pure functions of the step, broken files in mid-run, and the order of a stream.

use std::fs;
use std::path::Path;

use image::Rgb;
use tempfile::TempDir;

use super::*;
use crate::data::dataset::Part;
use crate::data::image_io::denormalise;

const HEIGHT: usize = 32;
const WIDTH: usize = 16;

/// Four people with three images each: noise, so that no two are alike.
fn images(root: &Path) -> Vec<Photo> {
    let make = |i: usize| {
        use rand::Rng;
        let mut pixels = vec![0; 20 * 40 * 3];
        seeded::rng(i as u64, "test", &[]).fill_bytes(&mut pixels);
        let path = root.join(format!("{i:02}.png"));
        RgbImage::from_raw(20, 40, pixels).expect("fits").save(&path).expect("saves");
        Photo { path, identity: i as i64 / 3, camera: 0, part: Part::Train, taken: Default::default() }
    };
    (0..12).map(make).collect()
}

fn settings(workers: usize) -> PairSettings {
    PairSettings {
        height: HEIGHT,
        width: WIDTH,
        rates: vec![2.0, 3.0, 4.0],
        flip: true,
        pad: 2,
        erasing: 0.5,
        workers,
        seed: 11,
    }
}

struct Fixture {
    folder: TempDir,
    photos: Arc<Vec<Photo>>,
    labels: Arc<Vec<i64>>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let photos = Arc::new(images(folder.path()));
        let labels = Arc::new(photos.iter().map(|p| p.identity).collect());
        Self { folder, photos, labels }
    }

    fn loader(&self, settings: PairSettings, first_step: u64, cache: usize) -> PairLoader {
        let sampler = IdentitySampler::new(&self.labels, 3, 2, settings.seed).expect("enough identities");
        PairLoader::with_cache(self.photos.clone(), self.labels.clone(), sampler, settings, first_step, cache)
    }

    fn batches(&self, settings: PairSettings, first_step: u64, cache: usize) -> Vec<PairBatch> {
        let mut loader = self.loader(settings, first_step, cache);
        (0..6).map(|_| loader.next().expect("a batch")).collect()
    }
}

fn image_of(values: &[f32], slot: usize) -> RgbImage {
    let size = 3 * HEIGHT * WIDTH;
    denormalise(&values[slot * size..(slot + 1) * size], HEIGHT, WIDTH)
}

#[test]
fn a_batch_depends_on_seed_and_step_alone() {
    let fixture = Fixture::new();
    let reference = fixture.batches(settings(1), 0, CACHE_BYTES);
    assert!(reference.iter().enumerate().all(|(i, b)| b.step == i as u64));
    assert_eq!(reference, fixture.batches(settings(3), 0, CACHE_BYTES), "three workers");
    assert_eq!(reference, fixture.batches(settings(2), 0, 0), "nothing kept");
    assert_eq!(reference, fixture.batches(settings(2), 0, 3 * HEIGHT * WIDTH * 5), "five images kept");
    assert_eq!(reference[5], fixture.batches(settings(2), 5, CACHE_BYTES)[0], "started at step 5");
    assert_ne!(reference[0].x_h, reference[1].x_h);
    assert_ne!(reference, fixture.batches(PairSettings { seed: 12, ..settings(1) }, 0, CACHE_BYTES));
}

#[test]
fn pairs_are_degraded_targets_and_erasing_spares_them() {
    let fixture = Fixture::new();
    let mut erased = 0;
    for batch in fixture.batches(settings(2), 0, CACHE_BYTES) {
        let target = batch.target.as_ref().expect("erasing is on");
        assert_eq!(
            (batch.x_h.len(), batch.x_l.len(), target.len()),
            (6 * 3 * HEIGHT * WIDTH, batch.x_h.len(), batch.x_h.len())
        );
        assert_eq!(batch.labels.len(), 6);
        for slot in 0..6 {
            let (h, l, t) = (image_of(&batch.x_h, slot), image_of(&batch.x_l, slot), image_of(target, slot));
            let degraded = [2.0, 3.0, 4.0].map(|r| degrade(&t, r));
            // Erased pixels are the mean colour (124, 116, 104) in both; all others are the target's, or its LR form's.
            let mean = Rgb([124, 116, 104]);
            let fits = |l: &RgbImage, d: &RgbImage| l.pixels().zip(d.pixels()).all(|(l, d)| l == d || *l == mean);
            assert!(degraded.iter().any(|d| fits(&l, d)), "the LR image is the target at one of the rates");
            assert!(fits(&h, &t));
            erased += usize::from(h != t);
            for ((h, t), l) in h.pixels().zip(t.pixels()).zip(l.pixels()) {
                assert!(h == t || *l == mean, "the same rectangle in both");
            }
        }
    }
    assert!((8..28).contains(&erased), "{erased} of 36");
}

#[test]
fn without_rates_and_erasing_there_is_only_the_sharp_image() {
    let fixture = Fixture::new();
    let plain = PairSettings { rates: vec![], erasing: 0.0, flip: false, pad: 0, ..settings(1) };
    let batch = fixture.loader(plain, 0, CACHE_BYTES).next().expect("a batch");
    assert!(batch.x_l.is_empty() && batch.target.is_none());
    let path = |label| &fixture.photos.iter().find(|p| p.identity == label).expect("there").path;
    let all = (0..12).map(|i| load_at(&fixture.photos[i].path, HEIGHT, WIDTH).expect("loads")).collect::<Vec<_>>();
    for (slot, label) in batch.labels.iter().enumerate() {
        let at = all.iter().position(|i| *i == image_of(&batch.x_h, slot)).expect("one of the images");
        assert_eq!(at as i64 / 3, *label, "{}", path(*label).display());
    }
}

#[test]
fn a_file_that_breaks_is_replaced_by_its_identity_and_told_once() {
    let fixture = Fixture::new();
    for i in [0, 5] {
        fs::write(&fixture.photos[i].path, b"no pixels").expect("writes");
    }
    let mut loader = fixture.loader(settings(2), 0, 0);
    let batches: Vec<_> = (0..20).map(|_| loader.next().expect("a batch")).collect();
    let intact = Fixture::new();
    let labels: Vec<_> = intact.batches(settings(2), 0, 0).into_iter().map(|b| b.labels).collect();
    assert_eq!(labels, batches.iter().take(6).map(|b| b.labels.clone()).collect::<Vec<_>>());
    assert_eq!(batches[..6], fixture.batches(settings(1), 0, CACHE_BYTES)[..]);
    let told = loader.take_broken();
    assert_eq!(told.iter().map(|b| &b.path).collect::<Vec<_>>(), [&fixture.photos[0].path, &fixture.photos[5].path]);
    assert!(told[0].reason.contains("not an image"));
    loader.next().expect("a batch");
    assert!(loader.take_broken().is_empty());
}

#[test]
fn a_person_without_a_usable_image_is_replaced_and_the_labels_follow() {
    let fixture = Fixture::new();
    for i in 0..3 {
        fs::remove_file(&fixture.photos[i].path).expect("removes");
    }
    let mut loader = fixture.loader(settings(2), 0, CACHE_BYTES);
    for _ in 0..6 {
        assert!(loader.next().expect("a batch").labels.iter().all(|l| *l != 0));
    }
    assert_eq!(loader.take_broken().len(), 3);
}

#[test]
fn nothing_left_to_decode_is_an_error() {
    let mut fixture = Fixture::new();
    fixture.folder = tempfile::tempdir().expect("another folder, the first is gone");
    let mut loader = fixture.loader(settings(2), 0, CACHE_BYTES);
    let text = loader.next().unwrap_err().to_string();
    assert!(text.contains("None of the training images"), "{text}");
}

#[test]
fn senseless_settings_are_told_by_name() {
    let fixture = Fixture::new();
    for (wrong, words) in [
        (PairSettings { height: 0, ..settings(1) }, "model.height"),
        (PairSettings { rates: vec![2.0, 0.5], ..settings(1) }, "data.rates"),
        (PairSettings { rates: vec![f64::NAN], ..settings(1) }, "data.rates"),
        (PairSettings { erasing: 1.5, ..settings(1) }, "data.erasing"),
        (PairSettings { pad: 9, ..settings(1) }, "data.pad"),
    ] {
        let text = fixture.loader(wrong, 0, CACHE_BYTES).next().unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn dropping_in_the_middle_ends_the_threads() {
    let fixture = Fixture::new();
    for taken in 0..4 {
        let mut loader = fixture.loader(settings(3), 0, CACHE_BYTES);
        for _ in 0..taken {
            loader.next().expect("a batch");
        }
        let source = loader.source.clone();
        drop(loader);
        assert_eq!(Arc::strong_count(&source), 1, "no thread holds on to it");
    }
}

#[test]
fn a_stream_is_in_order_and_goes_on_after_a_broken_file() {
    let fixture = Fixture::new();
    fs::write(&fixture.photos[4].path, b"no pixels").expect("writes");
    let paths: Vec<_> = fixture.photos.iter().map(|p| p.path.clone()).collect();
    for (workers, rate) in [(1, 1.0), (3, 2.0)] {
        let all: Vec<_> = ImageStream::new(paths.clone(), HEIGHT, WIDTH, rate, workers).collect();
        assert_eq!(all.len(), 12);
        for (i, (index, image)) in all.iter().enumerate() {
            assert_eq!(*index, i);
            match image {
                Ok(values) => {
                    let expected = degrade(&load_at(&paths[i], HEIGHT, WIDTH).expect("loads"), rate);
                    assert_eq!(values, &normalise(&expected));
                }
                Err(e) => assert!(i == 4 && e.to_string().contains("04.png"), "{e}"),
            }
        }
    }
    let mut stopped = ImageStream::new(paths, HEIGHT, WIDTH, 1.0, 2);
    assert_eq!(stopped.next().map(|(i, _)| i), Some(0));
    drop(stopped);
    assert_eq!(ImageStream::new(Vec::new(), HEIGHT, WIDTH, 1.0, 2).count(), 0);
}
