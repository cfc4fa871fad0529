//! Figures that say how good a map is, and how well groups separate or mix on it.
//!
//! All compare rows of numbers, `[n, dims]`, by Euclidean distance: the points of a layout (dims 2) or the features
//! themselves. Labels are identities, cameras or rates; a negative label ([`UNKNOWN`]) is left out of the figure.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::neighbours::distance;
use crate::data::dataset::UNKNOWN;
use crate::data::seeded;
use crate::gallery::order::key;
use crate::{Error, Result};

/// Up to how many rows a figure looks at every row; above, at a sample of so many, drawn by the seed.
pub const SAMPLE_ABOVE: usize = 5000;

/// Trustworthiness of a layout at `k` neighbours, 0 to 1: 1 where the `k` nearest points of every point are among its `k`
/// nearest features too, less the further down the order of the features they are (Venna and Kaski, 2001).
///
/// Above [`SAMPLE_ABOVE`] points it is the mean over a sample of them, each against all points.
///
/// # Errors
/// [`Error::Input`] where rows do not match, or `k` is not from 1 to below half of the points.
pub fn trustworthiness(features: &[f32], dims: usize, points: &[[f32; 2]], k: usize, seed: u64) -> Result<f64> {
    let n = points.len();
    if n * dims != features.len() {
        return Err(Error::input(
            format!("A layout of {n} points is not that of {} features of length {dims}", features.len()),
            "Lay the features out again",
        ));
    }
    neighbours_fit(k, n / 2)?;
    let chosen = sample(n, seed, "trustworthiness");
    let loss: u64 = chosen
        .par_iter()
        .map(|&i| {
            let near = nearest(points.as_flattened(), 2, i, k);
            let row = |j: usize| &features[j * dims..(j + 1) * dims];
            let order = |j: usize| key(distance(row(i), row(j)), j);
            let keys: Vec<u64> = (0..n).filter(|&j| j != i).map(order).collect();
            // Each is ranked by counting what lies in front of it.
            let rank = |j: usize| 1 + keys.iter().filter(|&&other| other < order(j)).count();
            near.iter().map(|&j| rank(j).saturating_sub(k) as u64).sum::<u64>()
        })
        .sum();
    let worst = (chosen.len() * k * (2 * n - 3 * k - 1)) as f64 / 2.0;
    Ok(1.0 - loss as f64 / worst)
}

/// Mean silhouette of `values` by `labels`, -1 to 1: near 1 where groups lie apart, near 0 where they are well mixed, below
/// 0 where points lie nearer to another group than to their own (Rousseeuw, 1987). A group of one counts 0. `None` with
/// fewer than two groups.
///
/// Above [`SAMPLE_ABOVE`] labelled rows it is that of a sample of them.
///
/// # Errors
/// [`Error::Input`] where there is not one label a row.
pub fn silhouette(values: &[f32], dims: usize, labels: &[i64], seed: u64) -> Result<Option<f64>> {
    let rows = labelled(values, dims, labels)?;
    let rows: Vec<usize> = sample(rows.len(), seed, "silhouette").into_iter().map(|i| rows[i]).collect();
    let mut groups: BTreeMap<i64, usize> = BTreeMap::new();
    rows.iter().for_each(|&i| *groups.entry(labels[i]).or_default() += 1);
    if groups.len() < 2 {
        return Ok(None);
    }
    let sizes: Vec<usize> = groups.values().copied().collect();
    let group_of: BTreeMap<i64, usize> = groups.keys().enumerate().map(|(g, &label)| (label, g)).collect();
    let members: Vec<(usize, usize)> = rows.iter().map(|&i| (i, group_of[&labels[i]])).collect();
    let row = |i: usize| &values[i * dims..(i + 1) * dims];
    let widths: Vec<f64> = members
        .par_iter()
        .map(|&(i, own)| {
            if sizes[own] == 1 {
                return 0.0;
            }
            let mut sums = vec![0.0; sizes.len()];
            members.iter().for_each(|&(j, group)| sums[group] += f64::from(distance(row(i), row(j))).sqrt());
            let within = sums[own] / (sizes[own] - 1) as f64;
            let others = (0..sizes.len()).filter(|&g| g != own).map(|g| sums[g] / sizes[g] as f64);
            let between = others.fold(f64::INFINITY, f64::min);
            let larger = within.max(between);
            if larger > 0.0 { (between - within) / larger } else { 0.0 }
        })
        .collect();
    Ok(Some(widths.iter().sum::<f64>() / widths.len() as f64))
}

/// Share of the `k` nearest labelled neighbours that bear a row's own label, mean over the rows, 0 to 1: 1 where groups lie
/// apart, and the groups' share of one another's neighbourhoods where they are mixed. `None` with no two labelled rows.
///
/// Above [`SAMPLE_ABOVE`] labelled rows it is the mean over a sample of them, each against all.
///
/// # Errors
/// [`Error::Input`] where there is not one label a row, or `k` is 0 or not below the number of labelled rows.
pub fn purity(values: &[f32], dims: usize, labels: &[i64], k: usize, seed: u64) -> Result<Option<f64>> {
    let rows = labelled(values, dims, labels)?;
    if rows.len() < 2 {
        return Ok(None);
    }
    neighbours_fit(k, rows.len())?;
    let same = |_| k;
    Ok(Some(shared(values, dims, labels, &rows, &same, seed)))
}

/// As [`purity`], but of each row at most as many neighbours count as there are other rows of its label: so 1 can be reached by
/// small groups too. Rows whose label nobody else bears are left out; `None` where all are.
///
/// # Errors
/// As [`purity`].
pub fn purity_to_size(values: &[f32], dims: usize, labels: &[i64], k: usize, seed: u64) -> Result<Option<f64>> {
    let sizes = sizes(labels);
    let mut rows = labelled(values, dims, labels)?;
    if rows.len() < 2 {
        return Ok(None);
    }
    neighbours_fit(k, rows.len())?;
    rows.retain(|&i| sizes[&labels[i]] > 1);
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(shared(values, dims, labels, &rows, &|i| k.min(sizes[&labels[i]] - 1), seed)))
}

/// How many rows bear each label.
pub fn sizes(labels: &[i64]) -> BTreeMap<i64, usize> {
    let mut sizes = BTreeMap::new();
    labels.iter().filter(|&&l| l > UNKNOWN).for_each(|&l| *sizes.entry(l).or_default() += 1);
    sizes
}

/// The mean share of the neighbours of `rows` among them that bear their label; `k` says how many count.
fn shared(
    values: &[f32],
    dims: usize,
    labels: &[i64],
    rows: &[usize],
    k: &(dyn Fn(usize) -> usize + Sync),
    seed: u64,
) -> f64 {
    let compact: Vec<f32> = rows.iter().flat_map(|&i| values[i * dims..(i + 1) * dims].iter().copied()).collect();
    let chosen = sample(rows.len(), seed, "purity");
    let share = |&i: &usize| {
        let k = k(rows[i]).min(rows.len() - 1);
        let near = nearest(&compact, dims, i, k);
        near.iter().filter(|&&j| labels[rows[j]] == labels[rows[i]]).count() as f64 / k as f64
    };
    // Collected first: a sum in parallel would depend on the threads.
    let shares: Vec<f64> = chosen.par_iter().map(share).collect();
    shares.iter().sum::<f64>() / shares.len() as f64
}

/// The `k` rows nearest to row `i`, itself not among them; ties by index.
fn nearest(values: &[f32], dims: usize, i: usize, k: usize) -> Vec<usize> {
    let row = |j: usize| &values[j * dims..(j + 1) * dims];
    let mut keys: Vec<u64> =
        (0..values.len() / dims).filter(|&j| j != i).map(|j| key(distance(row(i), row(j)), j)).collect();
    keys.select_nth_unstable(k - 1);
    keys[..k].iter().map(|&key| (key & 0xffff_ffff) as usize).collect()
}

/// All of `n` where they are few, else a sample; ascending.
fn sample(n: usize, seed: u64, purpose: &str) -> Vec<usize> {
    if n <= SAMPLE_ABOVE {
        return (0..n).collect();
    }
    let mut chosen = rand::seq::index::sample(&mut seeded::rng(seed, purpose, &[]), n, SAMPLE_ABOVE).into_vec();
    chosen.sort_unstable();
    chosen
}

/// Rows that bear a label.
fn labelled(values: &[f32], dims: usize, labels: &[i64]) -> Result<Vec<usize>> {
    if labels.len() * dims != values.len() || dims == 0 {
        return Err(Error::input(
            format!("{} labels do not fit {} numbers in rows of {dims}", labels.len(), values.len()),
            "Give one label for each row",
        ));
    }
    Ok((0..labels.len()).filter(|&i| labels[i] > UNKNOWN).collect())
}

fn neighbours_fit(k: usize, below: usize) -> Result<()> {
    if k >= 1 && k < below {
        return Ok(());
    }
    let remedy = if below > 1 { format!("Choose 1 to {}", below - 1) } else { "Choose more points".into() };
    Err(Error::input(format!("The figure cannot be taken at {k} neighbours of so few points"), remedy))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;

    #[test]
    fn trustworthiness_worked_by_hand() {
        // Features on a line: 0 1 2 3 4. In the layout, 1 and 3 have changed places: 0 3 2 1 4, k = 1.
        let features = [0.0, 1.0, 2.0, 3.0, 4.0];
        let faithful = [0.0, 1.0, 2.0, 3.0, 4.0].map(|x| [x, 0.0]);
        assert_eq!(trustworthiness(&features, 1, &faithful, 1, 0).unwrap(), 1.0);
        let changed = [0.0, 3.0, 2.0, 1.0, 4.0].map(|x| [x, 0.0]);
        // Nearest in the layout: 0 -> 3 (rank 3), 1 -> 2 (rank 2 after 0), 2 -> 1 (rank 1), 3 -> 0 (rank 4), 4 -> 1 (rank 3).
        // Losses 2 + 1 + 0 + 3 + 2 = 8; T = 1 - 2 * 8 / (5 * 1 * (10 - 3 - 1)).
        let expected = 1.0 - 16.0 / 30.0;
        assert!((trustworthiness(&features, 1, &changed, 1, 0).unwrap() - expected).abs() < 1e-12);
        for k in [0, 2, 9] {
            assert!(trustworthiness(&features, 1, &changed, k, 0).is_err(), "{k}");
        }
        assert!(trustworthiness(&features, 2, &changed, 1, 0).is_err());
    }

    #[test]
    fn silhouette_worked_by_hand() {
        // Groups {0, 1} and {5, 7}, and two strangers.
        let values = [0.0, 1.0, 5.0, 7.0, 3.0, 3.0];
        let labels = [4, 4, 9, 9, UNKNOWN, UNKNOWN];
        let parts = [(6.0 - 1.0) / 6.0, (5.0 - 1.0) / 5.0, (4.5 - 2.0) / 4.5, (6.5 - 2.0) / 6.5];
        let expected = parts.iter().sum::<f64>() / 4.0;
        assert!((silhouette(&values, 1, &labels, 0).unwrap().unwrap() - expected).abs() < 1e-7);
        // A group of one counts nothing; one group has no silhouette; points that coincide have none to speak of.
        let alone = silhouette(&[0.0, 1.0, 5.0], 1, &[1, 1, 2], 0).unwrap().unwrap();
        assert!((alone - ((5.0 - 1.0) / 5.0 + (4.0 - 1.0) / 4.0) / 3.0).abs() < 1e-7);
        assert_eq!(silhouette(&[0.0, 1.0], 1, &[1, 1], 0).unwrap(), None);
        assert_eq!(silhouette(&[], 2, &[], 0).unwrap(), None);
        assert_eq!(silhouette(&[1.0; 4], 1, &[1, 1, 2, 2], 0).unwrap(), Some(0.0));
        assert!(silhouette(&[0.0; 3], 1, &[1, 1], 0).is_err());
    }

    #[test]
    fn purity_worked_by_hand() {
        let values = [0.0, 1.0, 5.0, 7.0, 0.5];
        let labels = [4, 4, 9, 4, UNKNOWN];
        // Nearest: 0 -> 1 (same), 1 -> 0 (same), 5 -> 7 (other), 7 -> 5 (other).
        assert_eq!(purity(&values, 1, &labels, 1, 0).unwrap(), Some(0.5));
        assert_eq!(purity(&values, 1, &labels, 3, 0).unwrap(), Some(0.5));
        assert!(purity(&values, 1, &labels, 4, 0).is_err());
        assert!(purity(&values, 1, &labels, 0, 0).is_err());
        assert_eq!(purity(&values, 1, &[UNKNOWN; 5], 1, 0).unwrap(), None);
    }

    #[test]
    fn a_sample_comes_near_the_whole_and_is_drawn_by_the_seed() {
        let n = SAMPLE_ABOVE + 3000;
        let mut rng = seeded::rng(1, "test", &[]);
        let values: Vec<f32> = (0..n).map(|i| (i % 2) as f32 * 3.0 + rng.random_range(0.0f32..4.0)).collect();
        let labels: Vec<i64> = (0..n as i64).map(|i| i % 2).collect();
        let figure = |seed| silhouette(&values, 1, &labels, seed).unwrap().unwrap();
        assert_eq!(figure(1), figure(1));
        assert!(figure(1) != figure(2) && (figure(1) - figure(2)).abs() < 0.02);
        let pure = |seed| purity(&values, 1, &labels, 10, seed).unwrap().unwrap();
        assert!(pure(1) == pure(1) && (pure(1) - pure(2)).abs() < 0.02);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn figures_stay_in_their_ranges(data in prop::collection::vec((-9i8..9, -9i8..9, -1i64..4), 8..60), k in 1usize..4) {
            let points: Vec<[f32; 2]> = data.iter().map(|d| [f32::from(d.0), f32::from(d.1)]).collect();
            let labels: Vec<i64> = data.iter().map(|d| d.2).collect();
            let values = points.as_flattened();
            // Ties aside, a layout is faithful to itself.
            prop_assert!((trustworthiness(values, 2, &points, k.min(points.len() / 2 - 1), 0).unwrap() - 1.0).abs() < 1e-12);
            if let Some(s) = silhouette(values, 2, &labels, 0).unwrap() {
                prop_assert!((-1.0..=1.0).contains(&s));
            }
            if let Ok(Some(p)) = purity(values, 2, &labels, k, 0) {
                prop_assert!((0.0..=1.0).contains(&p));
            }
        }
    }
}
