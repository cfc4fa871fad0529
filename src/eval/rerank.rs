//! k-reciprocal re-ranking (Zhong, Zheng, Cao, Li, *Re-ranking Person Re-identification with k-reciprocal Encoding*, CVPR
//! 2017) in bounded memory.
//!
//! Of each image of both sides its k1 nearest are kept, and a sparse vector of weights over them; the matrix of all
//! distances passes by in tiles and is never whole. Beside the features this takes two tiles, `4 (k1 + 1)` bytes an image
//! for the neighbours and 8 bytes an entry of the sparse vectors: 60 to 200 entries an image by measure, at most
//! `k2 (k1 + 1) (k1 / 2 + 2)`, which is 1,512 with the defaults. The dense form takes 12 n² bytes.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::distances::{Distances, Pairwise, in_tiles};
use crate::error::{Error, Result};
use crate::gallery::distance::Measure;
use crate::gallery::matrix::Matrix;
use crate::gallery::order;

/// What the paper leaves to choose; the defaults are its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Neighbours that may be reciprocal.
    pub k1: usize,
    /// Neighbours whose vectors are averaged (local query expansion).
    pub k2: usize,
    /// Weight of the original distance, 0..1; the rest is the Jaccard distance.
    pub lambda: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { k1: 20, k2: 6, lambda: 0.3 }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        let sane = (1..=1000).contains(&self.k1) && (1..=self.k1 + 1).contains(&self.k2);
        if sane && (0.0..=1.0).contains(&self.lambda) {
            return Ok(());
        }
        Err(Error::input(
            format!("Re-ranking cannot work with k1 = {}, k2 = {}, lambda = {}", self.k1, self.k2, self.lambda),
            "Choose k1 from 1 to 1000, k2 from 1 to k1 + 1 and lambda from 0 to 1; the paper has 20, 6 and 0.3",
        ))
    }
}

/// Weights over the images of both sides, by ascending index.
type Sparse = Vec<(u32, f32)>;

/// Re-ranked distances of every query to every gallery image.
#[derive(Debug)]
pub struct Reranked<'a> {
    original: Original<'a>,
    /// Of each query, 1 / its largest original distance to anyone.
    scales: Vec<f32>,
    queries: Vec<Sparse>,
    gallery: Inverted,
    lambda: f32,
}

impl<'a> Reranked<'a> {
    /// Does all the work that looks at everyone: some 2 n² d operations for n images of both sides.
    ///
    /// # Errors
    /// [`Error::Input`] for settings that cannot work.
    pub fn new(query: &'a Matrix, gallery: &'a Matrix, measure: Measure, settings: Settings) -> Result<Self> {
        settings.check()?;
        let everyone = Everyone::new(query, gallery, measure);
        let n = everyone.len();
        let k1 = (settings.k1 + 1).min(n);
        let half = ((settings.k1 as f64 / 2.0).round_ties_even() as usize + 1).min(n);
        let (neighbours, scales) = everyone.neighbours(k1);
        let near = |i: usize, k: usize| &neighbours[i * k1..i * k1 + k];
        let reciprocal = |i: usize, k: usize| -> Vec<u32> {
            near(i, k).iter().copied().filter(|&j| near(j as usize, k).contains(&(i as u32))).collect()
        };
        let encode = |i: usize| -> Sparse {
            let own = reciprocal(i, k1);
            let mut chosen = own.clone();
            for &candidate in &own {
                let theirs = reciprocal(candidate as usize, half);
                let shared = theirs.iter().filter(|j| own.contains(j)).count();
                if 3 * shared > 2 * theirs.len() {
                    chosen.extend(theirs);
                }
            }
            chosen.sort_unstable();
            chosen.dedup();
            let weight = |j: u32| (-everyone.one(i, j as usize) * scales[i]).exp();
            let weights: Sparse = chosen.into_iter().map(|j| (j, weight(j))).collect();
            let sum: f32 = weights.iter().map(|(_, w)| w).sum();
            weights.into_iter().map(|(j, w)| (j, w / sum)).collect()
        };
        let codes: Vec<Sparse> = (0..n).into_par_iter().map(encode).collect();
        let k2 = settings.k2.min(k1);
        let expand = |i: usize| mean(near(i, k2).iter().map(|&j| &codes[j as usize]), k2);
        let codes: Vec<Sparse> = if k2 > 1 { (0..n).into_par_iter().map(expand).collect() } else { codes };

        let (queries, answers) = codes.split_at(query.rows());
        Ok(Self {
            original: Original(Pairwise::new(query, gallery, measure), measure),
            scales: scales[..query.rows()].to_vec(),
            queries: queries.to_vec(),
            gallery: Inverted::new(answers, n),
            lambda: settings.lambda,
        })
    }
}

impl Distances for Reranked<'_> {
    fn rows(&self) -> usize {
        self.original.rows()
    }

    fn columns(&self) -> usize {
        self.original.columns()
    }

    fn fill(&self, rows: Range<usize>, out: &mut [f32]) {
        self.original.fill(rows.clone(), out);
        out.par_chunks_exact_mut(self.columns().max(1)).zip(rows.into_par_iter()).for_each(|(row, q)| {
            let mut shared = vec![0f32; row.len()];
            for &(index, weight) in &self.queries[q] {
                for &(place, theirs) in self.gallery.of(index) {
                    shared[place as usize] += weight.min(theirs);
                }
            }
            for (distance, shared) in row.iter_mut().zip(shared) {
                let jaccard = 1.0 - shared / (2.0 - shared);
                *distance = (1.0 - self.lambda) * jaccard + self.lambda * *distance * self.scales[q];
            }
        });
    }
}

/// The mean of `count` sparse vectors.
fn mean<'v>(vectors: impl Iterator<Item = &'v Sparse>, count: usize) -> Sparse {
    let mut all: Sparse = vectors.flatten().copied().collect();
    all.sort_by_key(|(index, _)| *index); // stable: sums run in the order of the neighbours
    let mut out = Sparse::new();
    for (index, weight) in all {
        match out.last_mut() {
            Some((last, sum)) if *last == index => *sum += weight,
            _ => out.push((index, weight)),
        }
    }
    out.iter_mut().for_each(|(_, sum)| *sum /= count as f32);
    out
}

/// For each index, the gallery images whose vectors have a weight there.
#[derive(Debug)]
struct Inverted {
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl Inverted {
    fn new(vectors: &[Sparse], indices: usize) -> Self {
        let mut starts = vec![0; indices + 1];
        for (index, _) in vectors.iter().flatten() {
            starts[*index as usize + 1] += 1;
        }
        for i in 0..indices {
            starts[i + 1] += starts[i];
        }
        let (mut next, mut entries) = (starts.clone(), vec![(0, 0.0); starts[indices]]);
        for (place, vector) in vectors.iter().enumerate() {
            for &(index, weight) in vector {
                entries[next[index as usize]] = (place as u32, weight);
                next[index as usize] += 1;
            }
        }
        Self { starts, entries }
    }

    fn of(&self, index: u32) -> &[(u32, f32)] {
        &self.entries[self.starts[index as usize]..self.starts[index as usize + 1]]
    }
}

/// The original distance of the paper, up to a factor that its scaling takes out: squared Euclidean, of unit vectors where
/// the measure is the cosine (that is 2 - 2 cos).
#[derive(Debug)]
struct Original<'a>(Pairwise<'a>, Measure);

impl Original<'_> {
    fn one(&self, query: usize, gallery: usize) -> f32 {
        let mut distance = [self.0.one(query, gallery)];
        self.finish(&mut distance);
        distance[0]
    }

    fn finish(&self, distances: &mut [f32]) {
        match self.1 {
            Measure::Cosine => distances.iter_mut().for_each(|x| *x = x.max(0.0)),
            Measure::Euclidean => distances.iter_mut().for_each(|x| *x *= *x),
        }
    }
}

impl Distances for Original<'_> {
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn columns(&self) -> usize {
        self.0.columns()
    }

    fn fill(&self, rows: Range<usize>, out: &mut [f32]) {
        self.0.fill(rows, out);
        out.par_chunks_mut(1 << 14).for_each(|part| self.finish(part));
    }
}

/// The images of both sides, the queries first.
struct Everyone<'a> {
    queries: usize,
    /// Distances of the queries, then of the gallery, each to the queries and to the gallery.
    parts: [[Original<'a>; 2]; 2],
}

impl<'a> Everyone<'a> {
    fn new(query: &'a Matrix, gallery: &'a Matrix, measure: Measure) -> Self {
        let part = |a, b| Original(Pairwise::new(a, b, measure), measure);
        let parts = [[part(query, query), part(query, gallery)], [part(gallery, query), part(gallery, gallery)]];
        Self { queries: query.rows(), parts }
    }

    fn len(&self) -> usize {
        self.parts[0][0].columns() + self.parts[0][1].columns()
    }

    fn one(&self, i: usize, j: usize) -> f32 {
        let side = |i: usize| if i < self.queries { (0, i) } else { (1, i - self.queries) };
        let ((a, row), (b, column)) = (side(i), side(j));
        self.parts[a][b].one(row, column)
    }

    /// Of each image the `k` nearest of all, nearest first, and 1 / the largest distance.
    fn neighbours(&self, k: usize) -> (Vec<u32>, Vec<f32>) {
        let (mut near, mut scales) = (Vec::with_capacity(self.len() * k), Vec::with_capacity(self.len()));
        for [to_queries, to_gallery] in &self.parts {
            let (q, g) = (to_queries.columns(), to_gallery.columns());
            in_tiles(&Beside(to_queries, to_gallery), &mut |_, tile| {
                let rows: Vec<(Vec<u32>, f32)> = tile
                    .par_chunks_exact((q + g).max(1))
                    .map(|row| {
                        let mut keys: Vec<u64> = row.iter().enumerate().map(|(j, d)| order::key(*d, j)).collect();
                        if k < keys.len() {
                            keys.select_nth_unstable(k);
                            keys.truncate(k);
                        }
                        keys.sort_unstable();
                        let farthest = row.iter().copied().fold(0f32, f32::max);
                        (keys.into_iter().map(|key| key as u32).collect(), 1.0 / farthest.max(f32::MIN_POSITIVE))
                    })
                    .collect();
                for (row, scale) in rows {
                    near.extend(row);
                    scales.push(scale);
                }
            });
        }
        (near, scales)
    }
}

/// Two galleries side by side.
struct Beside<'a>(&'a Original<'a>, &'a Original<'a>);

impl Distances for Beside<'_> {
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn columns(&self) -> usize {
        self.0.columns() + self.1.columns()
    }

    fn fill(&self, rows: Range<usize>, out: &mut [f32]) {
        let columns = self.columns();
        for (part, first) in [(self.0, 0), (self.1, self.0.columns())] {
            let mut tile = vec![0.0; rows.len() * part.columns()];
            part.fill(rows.clone(), &mut tile);
            for (row, part_row) in out.chunks_exact_mut(columns).zip(tile.chunks_exact(part.columns().max(1))) {
                row[first..first + part_row.len()].copy_from_slice(part_row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::RngExt;

    use super::*;
    use crate::data::seeded;

    fn clustered(rows: usize, columns: usize, people: usize, seed: u64) -> Matrix {
        let mut rng = seeded::rng(seed, "clustered", &[]);
        let mut centre = seeded::rng(99, "centres", &[]);
        let centres: Vec<f32> = (0..people * columns).map(|_| centre.random_range(-1.0..1.0)).collect();
        let data = (0..rows * columns).map(|i| {
            let who = (i / columns) % people;
            centres[who * columns + i % columns] + rng.random_range(-0.6..0.6)
        });
        Matrix::new(columns, data.collect())
    }

    /// The paper's equations on dense matrices, in double precision.
    fn dense(query: &Matrix, gallery: &Matrix, measure: Measure, s: Settings) -> Vec<f64> {
        let unit = |m: &Matrix| if measure == Measure::Cosine { m.normalised() } else { m.clone() };
        let (a, b) = (unit(query), unit(gallery));
        let rows: Vec<Vec<f64>> = (0..a.rows())
            .map(|i| a.row(i))
            .chain((0..b.rows()).map(|i| b.row(i)))
            .map(|row| row.iter().map(|x| f64::from(*x)).collect())
            .collect();
        let n = rows.len();
        let mut d = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..n {
                d[i][j] = rows[i].iter().zip(&rows[j]).map(|(x, y)| (x - y) * (x - y)).sum();
            }
            let largest = d[i].iter().copied().fold(0.0, f64::max);
            d[i].iter_mut().for_each(|x| *x /= largest);
        }
        let ranked: Vec<Vec<usize>> = (0..n)
            .map(|i| {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&x, &y| d[i][x].total_cmp(&d[i][y]));
                order
            })
            .collect();
        let reciprocal = |i: usize, k: usize| -> BTreeSet<usize> {
            ranked[i][..=k].iter().copied().filter(|&j| ranked[j][..=k].contains(&i)).collect()
        };
        let mut v = vec![vec![0.0; n]; n];
        for i in 0..n {
            let own = reciprocal(i, s.k1);
            let mut all = own.clone();
            for &c in &own {
                let theirs = reciprocal(c, s.k1 / 2);
                if theirs.intersection(&own).count() as f64 > 2.0 / 3.0 * theirs.len() as f64 {
                    all.extend(theirs);
                }
            }
            let sum: f64 = all.iter().map(|&j| (-d[i][j]).exp()).sum();
            all.iter().for_each(|&j| v[i][j] = (-d[i][j]).exp() / sum);
        }
        let v: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|c| ranked[i][..s.k2].iter().map(|&j| v[j][c]).sum::<f64>() / s.k2 as f64).collect())
            .collect();
        let mut out = Vec::new();
        for i in 0..query.rows() {
            for j in query.rows()..n {
                let (mut least, mut most) = (0f64, 0f64);
                for (a, b) in v[i].iter().zip(&v[j]) {
                    least += a.min(*b);
                    most += a.max(*b);
                }
                out.push((1.0 - f64::from(s.lambda)) * (1.0 - least / most) + f64::from(s.lambda) * d[i][j]);
            }
        }
        out
    }

    #[test]
    fn tiles_and_sparse_vectors_agree_with_dense_matrices() {
        for (seed, measure) in [(1, Measure::Cosine), (2, Measure::Euclidean), (3, Measure::Cosine)] {
            let (query, gallery) = (clustered(40, 24, 12, seed), clustered(110, 24, 12, seed + 50));
            let settings = Settings { k1: 8, k2: 3, lambda: 0.3 };
            let got = Reranked::new(&query, &gallery, measure, settings).unwrap();
            let mut all = vec![0.0; 40 * 110];
            got.fill(0..40, &mut all);
            let worst = all
                .iter()
                .zip(dense(&query, &gallery, measure, settings))
                .map(|(a, b)| (f64::from(*a) - b).abs())
                .fold(0.0, f64::max);
            assert!(worst < 1e-5, "{measure:?}: {worst}");
            let mut part = vec![0.0; 3 * 110];
            got.fill(5..8, &mut part);
            assert_eq!(part, all[5 * 110..8 * 110]);
        }
    }

    #[test]
    fn few_images_and_senseless_settings() {
        let (query, gallery) = (clustered(1, 4, 1, 1), clustered(2, 4, 1, 2));
        let got = Reranked::new(&query, &gallery, Measure::Cosine, Settings::default()).unwrap();
        let mut row = vec![f32::NAN; 2];
        got.fill(0..1, &mut row);
        assert!(row.iter().all(|d| (0.0..=1.0).contains(d)), "{row:?}");
        for (k1, k2, lambda) in [(0, 1, 0.3), (20, 0, 0.3), (20, 22, 0.3), (20, 6, 1.5), (20, 6, f32::NAN)] {
            assert!(Reranked::new(&query, &gallery, Measure::Cosine, Settings { k1, k2, lambda }).is_err());
        }
    }
}
