//! How a model is judged: degraded queries against a sharp gallery.

use candle_core::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::distances::Pairwise;
use super::ranking::{Figures, Labels, SameCamera, rank};
use crate::data::dataset::{Broken, Part, Photo, UNKNOWN};
use crate::error::{Error, Result};
use crate::gallery::distance::Measure;
use crate::gallery::embed::{Embedded, embed};
use crate::gallery::matrix::Matrix;
use crate::model::rain::Rain;
use crate::train::event::{Flow, RateFigures};

/// The rule by which a gallery is made and ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Protocol {
    /// One gallery image an identity, drawn at random; figures are the mean over the draws. No camera is left out.
    SingleShot {
        /// Gallery draws; one is enough, and is made, where every identity has one image only.
        draws: usize,
        /// Seed of the draws.
        seed: u64,
    },
    /// The whole gallery; images of the query's own person and camera, and junk, are left out (Market-1501).
    MultiShot,
}

impl Protocol {
    /// The protocol that a gallery calls for: multi-shot where its publishers put it together, else single-shot with 10
    /// draws from seed 0.
    pub fn of(gallery: &[Photo]) -> Self {
        if gallery.iter().any(|photo| photo.part == Part::Gallery) {
            Self::MultiShot
        } else {
            Self::SingleShot { draws: 10, seed: 0 }
        }
    }
}

/// What an evaluation found.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// The rule.
    pub protocol: Protocol,
    /// Query images that were embedded.
    pub queries: usize,
    /// Queries whose person is not in the gallery: they enter no figure.
    pub unmatched: usize,
    /// Gallery images that were embedded (of which a single-shot draw takes one an identity).
    pub gallery: usize,
    /// Figures in percent, one entry a rate.
    pub rates: Vec<RateFigures>,
    /// Images that could not be read and were left out.
    pub broken: Vec<Broken>,
}

/// Figures in percent of `query` degraded by each of `rates`, against the sharp `gallery`, by the cosine distance and the
/// protocol of [`Protocol::of`].
///
/// `on` hears of images embedded and images in all; [`Flow::Stop`] ends with [`Error::Cancelled`].
pub fn evaluate(
    model: &Rain,
    query: &[Photo],
    gallery: &[Photo],
    rates: &[f64],
    device: &Device,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Vec<RateFigures>> {
    Ok(evaluate_with(model, query, gallery, rates, Protocol::of(gallery), device, on)?.rates)
}

/// [`evaluate`] by a protocol of choice, with everything there is to tell.
pub fn evaluate_with(
    model: &Rain,
    query: &[Photo],
    gallery: &[Photo],
    rates: &[f64],
    protocol: Protocol,
    device: &Device,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Evaluation> {
    let total = (gallery.len() + query.len() * rates.len()) as u64;
    let mut before = 0;
    let mut embed_side = |photos: &[Photo], rate: f64| -> Result<Side> {
        let paths: Vec<_> = photos.iter().map(|photo| photo.path.clone()).collect();
        let embedded = embed(model, &paths, rate, device, &mut |done, _| on(before + done, total))?;
        before += photos.len() as u64;
        Ok(Side::new(photos, embedded))
    };
    let sharp = embed_side(gallery, 1.0)?;
    let mut out = Evaluation {
        protocol,
        queries: 0,
        unmatched: 0,
        gallery: sharp.identity.len(),
        rates: Vec::with_capacity(rates.len()),
        broken: sharp.broken.clone(),
    };
    for (position, &rate) in rates.iter().enumerate() {
        let queries = embed_side(query, rate)?;
        let figures = judge(&queries, &sharp, protocol)?;
        if position == 0 {
            out.broken.extend(queries.broken.iter().cloned());
            out.queries = queries.identity.len();
            out.unmatched = figures.unmatched;
        }
        out.rates.push(in_percent(rate, &figures));
    }
    Ok(out)
}

/// One side of the comparison, without its broken images.
struct Side {
    matrix: Matrix,
    identity: Vec<i64>,
    camera: Vec<i64>,
    broken: Vec<Broken>,
}

impl Side {
    fn new(photos: &[Photo], embedded: Embedded) -> Self {
        Self {
            identity: embedded.kept.iter().map(|&i| photos[i].identity).collect(),
            camera: embedded.kept.iter().map(|&i| photos[i].camera).collect(),
            matrix: embedded.matrix,
            broken: embedded.broken,
        }
    }

    fn labels(&self) -> Labels<'_> {
        Labels { identity: &self.identity, camera: &self.camera }
    }
}

fn judge(query: &Side, gallery: &Side, protocol: Protocol) -> Result<Figures> {
    match protocol {
        Protocol::MultiShot => figures(query, gallery, SameCamera::LeaveOut),
        Protocol::SingleShot { draws, seed } => {
            let shots = Shots::new(&gallery.identity);
            let draws = if shots.trivial() { 1 } else { draws.max(1) };
            let mut all = Vec::with_capacity(draws);
            for number in 0..draws as u64 {
                let drawn = shots.draw(seed, number);
                let one = Side {
                    matrix: gallery.matrix.select(&drawn),
                    identity: drawn.iter().map(|&i| gallery.identity[i]).collect(),
                    camera: drawn.iter().map(|&i| gallery.camera[i]).collect(),
                    broken: Vec::new(),
                };
                all.push(figures(query, &one, SameCamera::Keep)?);
            }
            mean(&all)
        }
    }
}

fn figures(query: &Side, gallery: &Side, rule: SameCamera) -> Result<Figures> {
    let distances = Pairwise::new(&query.matrix, &gallery.matrix, Measure::Cosine);
    rank(query.labels(), gallery.labels(), rule, &distances)
}

/// The gallery images of each identity, from which single-shot galleries are drawn.
struct Shots(Vec<Vec<usize>>);

impl Shots {
    fn new(identities: &[i64]) -> Self {
        let mut by_identity = std::collections::BTreeMap::<i64, Vec<usize>>::new();
        for (index, &identity) in identities.iter().enumerate().filter(|(_, identity)| **identity != UNKNOWN) {
            by_identity.entry(identity).or_default().push(index);
        }
        Self(by_identity.into_values().collect())
    }

    fn trivial(&self) -> bool {
        self.0.iter().all(|images| images.len() == 1)
    }

    /// One image an identity, in ascending order of gallery index: a pure function of seed and draw.
    fn draw(&self, seed: u64, number: u64) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let mut drawn: Vec<usize> = self.0.iter().map(|images| images[rng.random_range(0..images.len())]).collect();
        drawn.sort_unstable();
        drawn
    }
}

fn mean(all: &[Figures]) -> Result<Figures> {
    let Some(first) = all.first() else {
        return Err(Error::input("No gallery was drawn", "Ask for at least one draw"));
    };
    let average = |value: &dyn Fn(&Figures) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
    Ok(Figures {
        cmc: std::array::from_fn(|rank| average(&|f| f.cmc[rank])),
        map: average(&|f| f.map),
        minp: average(&|f| f.minp),
        ..*first
    })
}

fn in_percent(rate: f64, figures: &Figures) -> RateFigures {
    let [rank1, rank5, rank10, rank20] = figures.cmc.map(|share| 100.0 * share);
    RateFigures { rate, rank1, rank5, rank10, rank20, map: 100.0 * figures.map }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(identity: &[i64], camera: &[i64], rows: &[f32]) -> Side {
        Side {
            matrix: Matrix::new(2, rows.to_vec()),
            identity: identity.to_vec(),
            camera: camera.to_vec(),
            broken: Vec::new(),
        }
    }

    #[test]
    fn draws_are_repeatable_and_vary() {
        let shots = Shots::new(&[3, 3, 3, UNKNOWN, 5, 5, 9]);
        assert!(!shots.trivial());
        let draws: Vec<_> = (0..20).map(|n| shots.draw(7, n)).collect();
        assert!(draws.iter().all(|d| d.len() == 3 && d[0] < 3 && (4..6).contains(&d[1]) && d[2] == 6));
        assert_eq!(draws, (0..20).map(|n| shots.draw(7, n)).collect::<Vec<_>>());
        assert!(draws.iter().any(|d| d != &draws[0]), "a draw of its own for every number");
        assert!((8..20).any(|seed| shots.draw(seed, 0) != draws[0]), "a draw of its own for every seed");
        assert!(Shots::new(&[1, 2, 3]).trivial());
    }

    #[test]
    fn single_shot_averages_the_draws() {
        // Person 1 has a near and a far gallery image, person 2 stands between them: rank 1 or rank 2 by the draw.
        let gallery = side(&[1, 1, 2], &[0, 0, 0], &[1.0, 0.0, -1.0, 0.0, 0.0, 1.0]);
        let query = side(&[1], &[0], &[1.0, 0.1]);
        let protocol = Protocol::SingleShot { draws: 10, seed: 1 };
        let got = judge(&query, &gallery, protocol).unwrap();
        let shots = Shots::new(&gallery.identity);
        let near = (0..10).filter(|&n| shots.draw(1, n)[0] == 0).count() as f64;
        assert!(near > 0.0 && near < 10.0);
        assert!((got.cmc[0] - near / 10.0).abs() < 1e-12);
        assert!((got.map - (near + (10.0 - near) / 2.0) / 10.0).abs() < 1e-12);
    }

    #[test]
    fn multi_shot_leaves_out_the_own_camera() {
        let gallery = side(&[1, 2, 1, -1], &[4, 4, 5, 5], &[1.0, 0.0, 0.9, 0.2, 0.5, 0.5, 1.0, 0.0]);
        let query = side(&[1], &[4], &[1.0, 0.0]);
        let got = judge(&query, &gallery, Protocol::MultiShot).unwrap();
        assert_eq!((got.cmc[0], got.cmc[1], got.map), (0.0, 1.0, 0.5));
    }
}
