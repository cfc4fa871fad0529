use proptest::prelude::*;

use super::*;
use crate::gallery::matrix::Matrix;

fn side(identity: &[i64], camera: &[i64], rows: &[f32]) -> Side {
    Side {
        matrix: Matrix::new(1, rows.to_vec()),
        identity: identity.to_vec(),
        camera: camera.to_vec(),
        broken: Vec::new(),
    }
}

fn sample() -> Calibration {
    let strangers = |gallery, by: f32| Strangers {
        gallery,
        best: (0..21).map(|k| 0.5 - by + 0.01 * k as f32).collect(),
        threshold: 0.45 - by,
        caught: 0.9,
        false_alarms: 0.1,
    };
    let band = |rate: f64, shift: f32| Band {
        measure: Measure::Cosine,
        rate,
        height: 128.0 / rate,
        same: (0..21).map(|k| shift + 0.02 * k as f32).collect(),
        strangers: vec![strangers(100, 0.0), strangers(400, 0.1)],
    };
    Calibration {
        kind: KIND.into(),
        model: "abc".into(),
        set: Set { name: "crowd".into(), split: "0123".into(), identities: 20, queries: 80, gallery: 400 },
        bands: vec![band(1.0, 0.0), band(4.0, 0.1)],
    }
}

#[test]
fn own_camera_junk_and_unlabelled_images_do_not_count() {
    // The query, person 1 of camera 4, stands at 0.
    let query = side(&[1], &[4], &[0.0]);
    let gallery = side(&[1, 1, 2, UNKNOWN, 3], &[4, 5, 4, 5, 5], &[0.1, 0.4, 0.3, 0.05, 0.9]);
    let order: Vec<usize> = (0..5).collect();
    let (same, strangers) = nearest(&query, &gallery, Measure::Euclidean, &order);
    assert_eq!(same, [Some(0.4)]);
    assert_eq!(strangers, [(5, vec![Some(0.3)])]);
    // An unlabelled query says nothing.
    let (same, strangers) = nearest(&side(&[UNKNOWN], &[4], &[0.0]), &gallery, Measure::Euclidean, &order);
    assert_eq!((same, strangers[0].1.clone()), (vec![None], vec![None]));
}

#[test]
fn strangers_come_nearer_in_a_larger_gallery() {
    let n = 400;
    let places: Vec<f32> = (0..n).map(|i| (i as f32 * 0.618_034).fract()).collect();
    let gallery = side(&(1000..1000 + n as i64).collect::<Vec<_>>(), &vec![UNKNOWN; n], &places);
    let query = side(&[1, 2, 3, 4, 5, 6, 7, 8], &[UNKNOWN; 8], &[0.05, 0.2, 0.3, 0.45, 0.5, 0.6, 0.7, 0.9]);
    let (_, strangers) = nearest(&query, &gallery, Measure::Euclidean, &drawn(n, 7));
    assert_eq!(strangers.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [25, 50, 100, 200, 400]);
    let mean = |best: &[Option<f32>]| best.iter().flatten().sum::<f32>() / best.len() as f32;
    assert!(4.0 * mean(&strangers[4].1) < mean(&strangers[0].1), "{strangers:?}");
    assert_ne!(drawn(n, 7), drawn(n, 8));
}

#[test]
fn the_threshold_separates_what_can_be_separated() {
    // Never at the price of warning more than a tenth of those whose person is there.
    let present: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
    let (threshold, caught, false_alarms) = separation(&[0.85, 0.895, 0.92, 0.95], &present);
    assert!(
        threshold > 0.89 && threshold < 0.9 && (caught, false_alarms) == (0.75, 0.10),
        "{threshold} {caught} {false_alarms}"
    );
    // Of few, none.
    assert_eq!(separation(&[0.5, 0.9], &[0.1, 0.8]).2, 0.0);
    let (threshold, caught, false_alarms) = separation(&[0.5, 0.6, 0.7], &[0.1, 0.2, 0.3]);
    assert!(threshold > 0.3 && threshold < 0.5, "{threshold}");
    assert_eq!((caught, false_alarms), (1.0, 0.0));
    let (_, caught, false_alarms) = separation(&[0.1, 0.2, 0.9], &[0.1, 0.2, 0.3]);
    assert!((caught - 1.0 / 3.0).abs() < 1e-9 && false_alarms == 0.0);
    // Where the two are the same, nobody is warned.
    let (threshold, caught, false_alarms) = separation(&[0.1, 0.2], &[0.1, 0.2]);
    assert_eq!((threshold, caught, false_alarms), (0.2, 0.0, 0.0));
}

#[test]
fn a_reading_takes_the_band_and_the_gallery_that_are_nearest() {
    let calibration = sample();
    let near = calibration.reading(Measure::Cosine, 120.0, 90, 0.2).unwrap();
    assert_eq!((near.rate, near.strangers.gallery, near.verdict), (1.0, 100, Verdict::Near));
    assert!((near.same_as_far - 0.5).abs() < 1e-6 && near.stranger_as_near == 0.0);
    assert!(!near.larger_gallery);
    let far = calibration.reading(Measure::Cosine, 20.0, 5_000, 0.5).unwrap();
    assert_eq!((far.rate, far.strangers.gallery, far.verdict), (4.0, 400, Verdict::Typical));
    assert!((far.stranger_as_near - 0.5).abs() < 1e-6 && far.larger_gallery);
    assert!(calibration.reading(Measure::Euclidean, 20.0, 100, 0.5).is_none());
    let mut blind = sample();
    blind.bands[0].strangers[0].false_alarms = 0.8;
    assert_eq!(blind.reading(Measure::Cosine, 120.0, 100, 0.9).unwrap().verdict, Verdict::Blind);
}

#[test]
fn the_file_is_read_back_and_refused_where_it_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = beside(&folder.path().join("demo.safetensors"));
    assert!(path.ends_with("demo.calibration.json"));
    sample().write(&path).unwrap();
    assert_eq!(Calibration::read(&path, "abc").unwrap(), sample());
    let lines = std::fs::read_to_string(&path).unwrap().lines().count();
    assert!(lines < 80, "{lines} lines: a list of numbers is one");
    let said = |path: &Path| Calibration::read(path, "abd").unwrap_err().to_string();
    assert!(said(&path).contains("made for the model abc, not for abd"));
    let mut cut = sample();
    cut.bands[1].same.pop();
    cut.write(&path).unwrap();
    assert!(said(&path).contains("incomplete"));
    std::fs::write(&path, "{}").unwrap();
    assert!(said(&path).contains("not a calibration"));
}

proptest! {
    #[test]
    fn shares_and_quantiles_undo_each_other(values in prop::collection::vec(0.0f32..2.0, 1..60), x in -0.5f32..2.5) {
        let q = quantiles(values.iter().copied());
        prop_assert!(q.len() == QUANTILES && q.is_sorted());
        let share = share_below(&q, x);
        prop_assert!((0.0..=1.0).contains(&share));
        // Between neighbouring quantiles of so few values a share is known to a step.
        let truth = values.iter().filter(|v| **v < x).count() as f64 / values.len() as f64;
        prop_assert!((share - truth).abs() <= 1.0 / values.len() as f64 + 0.06, "{} {}", share, truth);
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        prop_assert!(Calibration::read(file.path(), "abc").is_err());
    }
}
