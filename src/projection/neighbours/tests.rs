use proptest::prelude::*;
use rand::RngExt;

use super::super::Progress;
use super::*;
use crate::flow::Flow;

fn go(_: &Progress) -> Flow {
    Flow::Continue
}

fn clustered(n: usize, dims: usize) -> Vec<f32> {
    let mut rng = seeded::rng(5, "test neighbours", &[]);
    let centres: Vec<f32> = (0..10 * dims).map(|_| rng.random_range(-1.0..1.0)).collect();
    (0..n * dims).map(|e| centres[e / dims % 10 * dims + e % dims] + rng.random_range(-0.5..0.5)).collect()
}

/// By definition, in double precision: squared distance and index, nearest first.
fn by_definition(points: &[f32], dims: usize, i: usize, k: usize) -> Vec<(f64, usize)> {
    let row = |i: usize| &points[i * dims..(i + 1) * dims];
    let d = |j: usize| row(i).iter().zip(row(j)).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
    let mut all: Vec<(f64, usize)> = (0..points.len() / dims).filter(|&j| j != i).map(|j| (d(j), j)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.truncate(k);
    all
}

fn agrees(points: &[f32], dims: usize, k: usize) {
    let mut on = go;
    let found = exact(points, dims, k, &mut Pace::new(0, &mut on)).unwrap();
    for i in 0..points.len() / dims {
        let expected = by_definition(points, dims, i, k);
        let (index, squared) = (&found.index[i * k..][..k], &found.squared[i * k..][..k]);
        assert!(!index.contains(&(i as u32)));
        let mut once = index.to_vec();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), k);
        for (s, e) in squared.iter().zip(&expected) {
            assert!((f64::from(*s) - e.0).abs() <= 1e-4 * (1.0 + e.0), "{s} {e:?}");
        }
    }
}

#[test]
fn points_on_a_line_and_ties_by_index() {
    let mut on = go;
    let found = find(&[0.0, 1.0, 3.0, 2.0, 1.0], 1, 2, 0, &mut Pace::new(0, &mut on)).unwrap();
    assert_eq!(found.index, [1, 4, 4, 0, 3, 1, 1, 2, 1, 0]);
    assert_eq!(found.squared, [1.0, 1.0, 0.0, 1.0, 1.0, 4.0, 1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn tiles_of_every_size_agree_with_the_definition() {
    for (n, dims, k) in [(2, 3, 1), (17, 1, 16), (130, 7, 5), (1100, 20, 90), (300, 50, 299)] {
        agrees(&clustered(n, dims), dims, k);
    }
}

#[test]
fn many_equal_points_are_each_others_neighbours() {
    let points = vec![0.5f32; 600 * 4];
    let mut on = go;
    let found = exact(&points, 4, 30, &mut Pace::new(0, &mut on)).unwrap();
    assert!(found.squared.iter().all(|&s| s == 0.0));
    agrees(&points, 4, 30);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_points_agree_with_the_definition(data in prop::collection::vec(-3i8..4, 12..200), dims in 1usize..6, k in 1usize..30) {
        let n = data.len() / dims;
        let points: Vec<f32> = data[..n * dims].iter().map(|&x| f32::from(x)).collect();
        prop_assume!(n > k);
        agrees(&points, dims, k);
    }
}

#[test]
fn cells_find_almost_all_and_do_not_depend_on_threads() {
    let (n, dims, k) = (30_000, 10, 30);
    let points = clustered(n, dims);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut on = go;
            in_cells(&points, dims, k, 100, 3, &mut Pace::new(0, &mut on)).unwrap()
        })
    };
    let found = run(2);
    let again = run(1);
    assert_eq!(found.index, again.index);
    let (mut hit, mut all) = (0, 0);
    for i in (0..n).step_by(997) {
        let expected = by_definition(&points, dims, i, k);
        let row = &found.index[i * k..][..k];
        assert!(!row.contains(&(i as u32)));
        hit += expected.iter().filter(|e| row.contains(&(e.1 as u32))).count();
        all += k;
    }
    let recall = hit as f64 / all as f64;
    println!("recall {recall:.4}");
    assert!(recall > 0.98, "recall {recall}");
}
