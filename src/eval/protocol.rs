//! How a model is judged: degraded queries against a sharp gallery.

use candle_core::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::distances::Pairwise;
use super::interval::{Interval, METRICS, Method, bootstrap};
use super::ranking::{Figures, Labels, QueryScore, SameCamera, Scorer, tally};
use super::rerank::{Reranked, Settings};
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
    /// What the draws, and the resamples of the intervals, are drawn from.
    fn seed(self) -> u64 {
        match self {
            Self::SingleShot { seed, .. } => seed,
            Self::MultiShot => 0,
        }
    }

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

/// CMC, mAP and mINP in percent, each with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Rank-1.
    pub rank1: Interval,
    /// Rank-5.
    pub rank5: Interval,
    /// Rank-10.
    pub rank10: Interval,
    /// Rank-20.
    pub rank20: Interval,
    /// Mean average precision.
    pub map: Interval,
    /// Mean inverse negative penalty.
    pub minp: Interval,
}

impl From<[Interval; METRICS]> for Summary {
    fn from([rank1, rank5, rank10, rank20, map, minp]: [Interval; METRICS]) -> Self {
        Self { rank1, rank5, rank10, rank20, map, minp }
    }
}

impl Summary {
    /// The means and Student's t-intervals of several independent results: splits, or runs of several seeds.
    pub fn over(all: &[Summary]) -> Self {
        let of = |figure: fn(&Summary) -> Interval| {
            Interval::of(&all.iter().map(|one| figure(one).mean).collect::<Vec<_>>())
        };
        Self {
            rank1: of(|s| s.rank1),
            rank5: of(|s| s.rank5),
            rank10: of(|s| s.rank10),
            rank20: of(|s| s.rank20),
            map: of(|s| s.map),
            minp: of(|s| s.minp),
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
    /// The same with mINP and 95% intervals, one entry a rate.
    pub intervals: Vec<Summary>,
    /// How the intervals were computed.
    pub method: Method,
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
    Ok(evaluate_with(model, query, gallery, rates, Protocol::of(gallery), None, device, on)?.rates)
}

/// [`evaluate`] by a protocol of choice, re-ranked where asked for, with everything there is to tell.
#[allow(clippy::too_many_arguments)] // what is judged, how, and where
pub fn evaluate_with(
    model: &Rain,
    query: &[Photo],
    gallery: &[Photo],
    rates: &[f64],
    protocol: Protocol,
    rerank: Option<Settings>,
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
        intervals: Vec::with_capacity(rates.len()),
        method: Method::Bootstrap,
        broken: sharp.broken.clone(),
    };
    for (position, &rate) in rates.iter().enumerate() {
        let queries = embed_side(query, rate)?;
        let trials = judge(&queries, &sharp, protocol, rerank)?;
        let figures = trials.figures(sharp.identity.len())?;
        if position == 0 {
            out.broken.extend(queries.broken.iter().cloned());
            out.queries = queries.identity.len();
            out.unmatched = figures.unmatched;
        }
        out.rates.push(in_percent(rate, &figures));
        out.intervals.push(trials.intervals(protocol.seed()));
    }
    Ok(out)
}

/// One side of the comparison, without its broken images.
pub(super) struct Side {
    pub matrix: Matrix,
    pub identity: Vec<i64>,
    pub camera: Vec<i64>,
    pub broken: Vec<Broken>,
}

impl Side {
    /// The images `places` alone.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        Self {
            matrix: self.matrix.select(places),
            identity: places.iter().map(|&i| self.identity[i]).collect(),
            camera: places.iter().map(|&i| self.camera[i]).collect(),
            broken: Vec::new(),
        }
    }

    pub(super) fn new(photos: &[Photo], embedded: Embedded) -> Self {
        Self {
            identity: embedded.kept.iter().map(|&i| photos[i].identity).collect(),
            camera: embedded.kept.iter().map(|&i| photos[i].camera).collect(),
            matrix: embedded.matrix,
            broken: embedded.broken,
        }
    }

    pub(super) fn labels(&self) -> Labels<'_> {
        Labels { identity: &self.identity, camera: &self.camera }
    }
}

/// The scores of every query against each gallery that the protocol makes of one.
pub(super) fn judge(query: &Side, gallery: &Side, protocol: Protocol, rerank: Option<Settings>) -> Result<Trials> {
    match protocol {
        Protocol::MultiShot => Trials::new(query, [gallery], SameCamera::LeaveOut, rerank),
        Protocol::SingleShot { draws, seed } => {
            let draws = draw_galleries(&gallery.identity, draws, seed);
            let drawn: Vec<Side> = draws.iter().map(|places| gallery.select(places)).collect();
            Trials::new(query, &drawn, SameCamera::Keep, rerank)
        }
    }
}

/// Query scores against one or several galleries.
#[derive(Debug)]
pub(super) struct Trials {
    /// Of each query.
    pub identity: Vec<i64>,
    /// `[gallery][query]`.
    pub scores: Vec<Vec<Option<QueryScore>>>,
}

impl Trials {
    pub(super) fn new<'a>(
        query: &Side,
        galleries: impl IntoIterator<Item = &'a Side>,
        rule: SameCamera,
        rerank: Option<Settings>,
    ) -> Result<Self> {
        let one = |gallery: &Side| {
            let scorer = Scorer::new(gallery.labels(), rule);
            let (query_features, measure) = (&query.matrix, Measure::Cosine);
            Ok(match rerank {
                None => scorer.score_all(query.labels(), &Pairwise::new(query_features, &gallery.matrix, measure)),
                Some(settings) => {
                    let distances = Reranked::new(query_features, &gallery.matrix, measure, settings)?;
                    scorer.score_all(query.labels(), &distances)
                }
            })
        };
        let scores = galleries.into_iter().map(one).collect::<Result<_>>()?;
        Ok(Self { identity: query.identity.clone(), scores })
    }

    /// The same scores of the queries `places` alone.
    pub(super) fn of(&self, places: &[usize]) -> Self {
        Self {
            identity: places.iter().map(|&q| self.identity[q]).collect(),
            scores: self.scores.iter().map(|row| places.iter().map(|&q| row[q]).collect()).collect(),
        }
    }

    /// Means over the queries, then over the galleries.
    ///
    /// # Errors
    /// [`Error::Input`] where no query has a positive.
    pub(super) fn figures(&self, gallery: usize) -> Result<Figures> {
        mean(&self.scores.iter().map(|scores| tally(scores, gallery)).collect::<Result<Vec<_>>>()?)
    }

    /// CMC, mAP and mINP with their bootstrap intervals, in percent.
    pub(super) fn intervals(&self, seed: u64) -> Summary {
        Summary::from(bootstrap(&self.scores, &self.identity, seed).map(|share| share.scaled(100.0)))
    }
}

/// The places of each drawn single-shot gallery, one image an identity: one draw where there is nothing to choose.
pub(super) fn draw_galleries(identities: &[i64], draws: usize, seed: u64) -> Vec<Vec<usize>> {
    let shots = Shots::new(identities);
    let draws = if shots.trivial() { 1 } else { draws.max(1) };
    (0..draws as u64).map(|number| shots.draw(seed, number)).collect()
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
        let got = judge(&query, &gallery, protocol, None).unwrap().figures(3).unwrap();
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
        let got = judge(&query, &gallery, Protocol::MultiShot, None).unwrap().figures(4).unwrap();
        assert_eq!((got.cmc[0], got.cmc[1], got.map), (0.0, 1.0, 0.5));
    }
}
