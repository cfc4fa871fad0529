use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::RngExt;

use super::*;

fn silent(_: &Progress) -> Flow {
    Flow::Continue
}

/// `n` points around `groups` centres, and their groups.
fn clustered(n: usize, dims: usize, groups: usize) -> (Vec<f32>, Vec<i64>) {
    let mut rng = seeded::rng(3, "test project", &[]);
    let centres: Vec<f32> = (0..groups * dims).map(|_| rng.random_range(-1.0..1.0)).collect();
    let features =
        (0..n * dims).map(|e| centres[e / dims % groups * dims + e % dims] + rng.random_range(-0.3f32..0.3)).collect();
    (features, (0..n).map(|i| (i % groups) as i64).collect())
}

fn short() -> Settings {
    Settings { iterations: 60, early_iterations: 40, perplexity: 10.0, ..Settings::default() }
}

#[test]
fn clusters_separate_and_neighbours_stay_neighbours() {
    for n in [600, 2500] {
        let (features, labels) = clustered(n, 64, 8);
        let settings = Settings { iterations: 250, early_iterations: 100, ..Settings::default() };
        let layout = project(&features, 64, &settings, &mut silent).unwrap();
        assert_eq!((layout.points.len(), layout.iterations, layout.components), (n, 350, 50));
        let flat = layout.points.as_flattened();
        let apart = quality::silhouette(flat, 2, &labels, 0).unwrap().unwrap();
        let pure = quality::purity(flat, 2, &labels, 10, 0).unwrap().unwrap();
        let trust = quality::trustworthiness(&features, 64, &layout.points, 12, 0).unwrap();
        println!(
            "{n}: KL {:.3}, silhouette {apart:.3}, purity {pure:.3}, trustworthiness {trust:.3}",
            layout.divergence
        );
        assert!(apart > 0.6 && pure > 0.99, "silhouette {apart}, purity {pure}");
        assert!(trust > 0.85, "{trust}");
        assert!(layout.divergence > 0.0 && layout.notes.is_empty());
        let mean = layout.points.iter().fold([0.0f64; 2], |m, p| [m[0] + f64::from(p[0]), m[1] + f64::from(p[1])]);
        assert!(mean.iter().all(|m| m.abs() / (n as f64) < 1e-3));
    }
}

#[test]
fn the_divergence_falls_and_progress_is_told_in_order() {
    let (features, _) = clustered(1500, 20, 5);
    let settings = Settings { every: 7, ..short() };
    let (mut stages, mut fraction, mut told) = (Vec::new(), 0.0, Vec::new());
    let layout = project(&features, 20, &settings, &mut |p: &Progress| {
        if stages.last() != Some(&p.stage) {
            stages.push(p.stage);
        }
        assert!(p.fraction >= fraction && p.fraction <= 1.0, "{} after {fraction}", p.fraction);
        assert_eq!(p.iterations, 100);
        fraction = p.fraction;
        if let (Some(points), Some(divergence)) = (p.points, p.divergence) {
            assert_eq!(points.len(), 1500);
            told.push((p.iteration, divergence));
        }
        assert_eq!(p.left.is_some(), p.iteration > 1);
        Flow::Continue
    })
    .unwrap();
    assert_eq!(stages, [Stage::Pca, Stage::Neighbours, Stage::EarlyExaggeration, Stage::Optimisation]);
    let expected: Vec<u32> = (1..=14).map(|i| i * 7).chain([100]).collect();
    assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), expected);
    assert_eq!(told.last().unwrap().1, layout.divergence);
    let late = told.iter().filter(|t| t.0 > 60).map(|t| t.1).collect::<Vec<_>>();
    assert!(late.windows(2).all(|w| w[1] < w[0] + 1e-3), "{late:?}");
    assert!(layout.divergence < told[0].1);
    assert_eq!(fraction, 1.0);
}

#[test]
fn streaming_and_threads_do_not_change_a_bit_and_the_seed_does() {
    let (features, _) = clustered(1800, 120, 6);
    let run = |threads: usize, settings: &Settings| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let layout = pool.install(|| project(&features, 120, settings, &mut silent)).unwrap();
        (layout.points.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>(), layout.divergence.to_bits())
    };
    let one = run(1, &short());
    assert_eq!(one, run(2, &short()));
    assert_eq!(one, run(3, &Settings { every: 1, ..short() }));
    assert_ne!(one, run(2, &Settings { seed: 1, ..short() }));
}

#[test]
fn a_stop_is_heard_in_every_stage() {
    let (features, _) = clustered(4000, 200, 6);
    for stage in [Stage::Pca, Stage::Neighbours, Stage::EarlyExaggeration, Stage::Optimisation] {
        for later in [0, 1, 5] {
            let (mut calls, mut since, mut waits) = (0, Instant::now(), Vec::new());
            let mut stopped = false;
            let result = project(&features, 200, &short(), &mut |p: &Progress| {
                assert!(!stopped, "called again after the stop");
                waits.push(since.elapsed());
                since = Instant::now();
                calls += usize::from(p.stage == stage);
                stopped = calls > later;
                if stopped { Flow::Stop } else { Flow::Continue }
            });
            assert!(matches!(result, Err(Error::Cancelled)), "{stage:?}: {result:?}");
            // The median: tests share their processors, and one wait may be another's work.
            waits.sort_unstable();
            let usual = waits[waits.len() / 2];
            assert!(usual < Duration::from_millis(100), "{stage:?}: {usual:?} between two calls");
        }
    }
}

#[test]
fn few_points_and_none() {
    for n in 1..=12 {
        let (features, _) = clustered(n, 3, 2);
        let layout = project(&features, 3, &short(), &mut silent).unwrap();
        assert_eq!(layout.points.len(), n);
        assert!(layout.points.iter().flatten().all(|x| x.is_finite()) && layout.divergence.is_finite(), "{n}");
        assert_ne!(layout.notes.is_empty(), n <= 10, "{n}: {:?}", layout.notes);
        assert!(layout.divergence > -1e-6, "{n}: {}", layout.divergence);
    }
    for (features, dims, words) in [
        (vec![], 3, "no features"),
        (vec![1.0], 0, "no features"),
        (vec![1.0; 7], 3, "7 numbers"),
        (vec![0.0, 1.0, 2.0, f32::NAN], 2, "Feature 1 of row 1 is NaN"),
        (vec![f32::INFINITY, 1.0], 2, "Feature 0 of row 0 is inf"),
    ] {
        let error = project(&features, dims, &short(), &mut silent).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = project(&[1.0; 8], 2, &Settings { perplexity: 0.0, ..short() }, &mut silent).unwrap_err();
    assert!(error.to_string().contains("perplexity"), "{error}");
}

#[test]
fn a_perplexity_too_large_is_lowered_and_said() {
    assert_eq!(neighbourhood(1000, 30.0), (90, 30.0));
    assert_eq!(neighbourhood(50, 30.0), (49, 30.0));
    assert_eq!(neighbourhood(31, 30.0), (30, 30.0));
    assert_eq!(neighbourhood(28, 30.0), (27, 9.0));
    assert_eq!(neighbourhood(2, 30.0), (1, 1.0));
    let (features, _) = clustered(28, 4, 2);
    let layout = project(&features, 4, &Settings { perplexity: 30.0, ..short() }, &mut silent).unwrap();
    assert_eq!(layout.perplexity, 9.0);
    assert!(layout.notes[0].contains("lowered from 30 to 9.00"), "{:?}", layout.notes);
}

#[test]
fn duplicates_constants_and_extremes() {
    let (mut features, _) = clustered(300, 6, 3);
    features.copy_within(0..6 * 100, 6 * 100);
    for scale in [1.0, 1e-30, 1e30] {
        let scaled: Vec<f32> = features.iter().map(|x| x * scale).collect();
        let layout = project(&scaled, 6, &short(), &mut silent).unwrap();
        assert!(layout.points.iter().flatten().all(|x| x.is_finite()) && layout.divergence.is_finite());
    }
    let equal = project(&[0.25; 4 * 200], 4, &short(), &mut silent).unwrap();
    assert!(equal.points.iter().flatten().all(|x| x.is_finite()));
    assert!(equal.notes[0].contains("All 200 rows of the features are equal"));
    let none = Settings { iterations: 0, early_iterations: 0, ..short() };
    assert_eq!(project(&features, 6, &none, &mut silent).unwrap().iterations, 0);
    // No reduction, and reduction to fewer axes than a layout has.
    for components in [0, 1, 2, 5, 6, 7] {
        let layout = project(&features, 6, &Settings { components, ..short() }, &mut silent).unwrap();
        assert_eq!(layout.components, if components == 0 { 6 } else { components.min(6) });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn anything_finite_is_laid_out(
        data in prop::collection::vec(prop_oneof![-3.0f32..3.0, -1e30f32..1e30, Just(0.0f32), Just(f32::MIN_POSITIVE)], 1..160),
        dims in 1usize..5,
        perplexity in 1.0f64..60.0,
        components in 0usize..4,
    ) {
        let features = &data[..data.len() / dims * dims];
        prop_assume!(!features.is_empty());
        let settings = Settings { perplexity, components, iterations: 12, early_iterations: 8, every: 3, ..Settings::default() };
        let layout = project(features, dims, &settings, &mut silent).unwrap();
        prop_assert_eq!(layout.points.len(), features.len() / dims);
        prop_assert!(layout.points.iter().flatten().all(|x| x.is_finite()));
        prop_assert!(layout.divergence.is_finite());
    }
}
