//! A model judged by a published protocol: what `rain eval --protocol` and the paper's tables are made of.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::interval::Method;
use super::plan::{Choices, Names, Plan, Published, Round};
use super::protocol::{Side, Summary, Trials};
use super::rerank::Settings;
use crate::data::dataset::{Broken, Dataset, Format, Photo};
use crate::data::formats;
use crate::error::{Error, Result};
use crate::gallery::embed::embed;
use crate::gallery::matrix::Matrix;
use crate::model::rain::Rain;
use crate::model::weights;
use crate::train::event::Flow;

/// What an evaluation by a protocol found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judgement {
    /// The protocol.
    pub protocol: Published,
    /// Seed of splits, rates and galleries.
    pub seed: u64,
    /// Hash of the [`Plan`]: figures are comparable where it is the same.
    pub plan: String,
    /// Hash of each split.
    pub splits: Vec<String>,
    /// Single-shot galleries a split; 0 where the whole gallery is searched.
    pub draws: usize,
    /// Query images of the first split.
    pub queries: usize,
    /// Images that galleries are made of, of the first split.
    pub gallery: usize,
    /// Whether the figures are re-ranked, and how.
    pub rerank: Option<Settings>,
    /// How the intervals were computed.
    pub method: Method,
    /// The figures.
    pub rows: Vec<Row>,
    /// Images that could not be read and were left out.
    pub broken: Vec<Broken>,
}

/// Figures of one kind of query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// The rate of the queries; `None` for the row of the protocol itself, in which each query has the rate drawn for it.
    pub rate: Option<f64>,
    /// Whether these are only the queries for which the rate was drawn; else all queries, at this rate.
    pub drawn: bool,
    /// Queries a split, on average.
    pub queries: f64,
    /// Figures in percent.
    pub figures: Summary,
}

/// Judges a model file; its own split is found by the seed in its header. What the paper's tables call for each run.
///
/// `also` are rates at which all queries are judged besides (8, say, which no training saw).
///
/// # Errors
/// Those of reading the model and the data, of [`Plan::new`] and of [`judge`].
#[allow(clippy::too_many_arguments)] // what is judged, how, and where
pub fn judge_file(
    model: &Path,
    data: &Path,
    format: Option<Format>,
    protocol: Published,
    choices: &Choices,
    also: &[f64],
    device: &Device,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Judgement> {
    let seed = weights::read_model(model)?.card["seed"].as_u64().unwrap_or(0);
    let dataset = formats::read(data, format)?;
    let own = Choices { splits: choices.splits.or(Some(1)), ..choices.clone() };
    let plan = Plan::new(&dataset, protocol, seed, &own)?;
    judge(&Rain::open(model, device)?, &dataset, &plan, also, None, device, on)
}

/// Judges a model by a plan.
///
/// # Errors
/// [`Error::File`] where the plan is of another set, [`Error::Input`] where nothing can be ranked, [`Error::Cancelled`].
pub fn judge(
    model: &Rain,
    dataset: &Dataset,
    plan: &Plan,
    also: &[f64],
    rerank: Option<Settings>,
    device: &Device,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Judgement> {
    let names = Names::new(dataset);
    let mut rounds = Vec::with_capacity(plan.splits.len());
    for round in &plan.splits {
        let queries = names.find(round.queries.iter().map(|q| &q.image), &dataset.root)?;
        let gallery = names.find(round.gallery.iter(), &dataset.root)?;
        rounds.push((round, queries, gallery));
    }
    let total = rounds.iter().map(|(_, q, g)| (g.len() + q.len() * (1 + also.len())) as u64).sum();
    let mut embedder = Embedder { model, device, on, before: 0, total };
    let mut broken = Vec::new();
    let mut found = Vec::with_capacity(rounds.len());
    for (round, queries, gallery) in &rounds {
        found.push(one_split(round, queries, gallery, also, rerank, &mut embedder, &mut broken)?);
    }
    broken.sort_by(|a: &Broken, b| a.path.cmp(&b.path));
    broken.dedup();

    // The rows of a split, each with its figures; a split in which no query drew some rate lacks that row.
    let drawn_rates = if plan.rates.len() > 1 { plan.rates.as_slice() } else { &[] };
    let kinds = [(if plan.rates.len() == 1 { Some(plan.rates[0]) } else { None }, true)];
    let kinds = kinds.into_iter().chain(drawn_rates.iter().map(|r| (Some(*r), true)));
    let mut rows = Vec::new();
    for kind in kinds.chain(also.iter().map(|r| (Some(*r), false))) {
        let key = Key::of(kind.0, kind.1);
        let of_kind: Vec<&Trials> = found.iter().filter_map(|rows| rows.get(&key)).collect();
        if of_kind.is_empty() {
            continue;
        }
        let queries = of_kind.iter().map(|trials| trials.identity.len()).sum::<usize>() as f64 / of_kind.len() as f64;
        let each: Vec<Summary> = of_kind.iter().map(|trials| trials.intervals(plan.seed)).collect();
        let figures = if each.len() == 1 { each[0] } else { Summary::over(&each) };
        rows.push(Row { rate: kind.0, drawn: kind.1, queries, figures });
    }
    let first = plan.splits.first();
    Ok(Judgement {
        protocol: plan.protocol,
        seed: plan.seed,
        plan: plan.hash.clone(),
        splits: plan.splits.iter().map(|round| round.split.clone()).collect(),
        draws: first.map_or(0, |round| round.draws.len()),
        queries: first.map_or(0, |round| round.queries.len()),
        gallery: first.map_or(0, |round| round.gallery.len()),
        rerank,
        method: if plan.splits.len() > 1 { Method::Splits } else { Method::Bootstrap },
        rows,
        broken,
    })
}

/// The row of a rate: floats as bits, so that they can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Option<u64>, bool);

impl Key {
    fn of(rate: Option<f64>, drawn: bool) -> Self {
        Self(rate.map(f64::to_bits), drawn)
    }
}

/// The scores of every row of one split.
fn one_split(
    round: &Round,
    queries: &[Photo],
    gallery: &[Photo],
    also: &[f64],
    rerank: Option<Settings>,
    embedder: &mut Embedder,
    broken: &mut Vec<Broken>,
) -> Result<BTreeMap<Key, Trials>> {
    let (sharp, kept) = embedder.side(gallery, 1.0)?;
    broken.extend(sharp.broken.iter().cloned());
    // A broken image leaves its place in every draw.
    let place: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(row, index)| (*index, row)).collect();
    let galleries: Vec<Side> = if round.draws.is_empty() {
        vec![sharp]
    } else {
        let rows = |draw: &Vec<usize>| draw.iter().filter_map(|i| place.get(i).copied()).collect::<Vec<_>>();
        round.draws.iter().map(|draw| sharp.select(&rows(draw))).collect()
    };
    let images = galleries.iter().map(|side| side.identity.len()).max().unwrap_or(0);
    let trials = |side: &Side| -> Result<Trials> {
        let trials = Trials::new(side, &galleries, round.rule(), rerank)?;
        trials.figures(images)?; // says so where nothing can be ranked
        Ok(trials)
    };

    // Each query at its drawn rate.
    let mut rates: Vec<f64> = round.queries.iter().map(|q| q.rate).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let mut all = Side::empty(embedder.model.config().embedding());
    let mut rate_of = Vec::new();
    for &rate in &rates {
        let asked = queries.iter().zip(&round.queries).filter(|(_, q)| q.rate == rate);
        let asked: Vec<Photo> = asked.map(|(photo, _)| photo.clone()).collect();
        let (side, _) = embedder.side(&asked, rate)?;
        broken.extend(side.broken.iter().cloned());
        rate_of.resize(rate_of.len() + side.identity.len(), rate);
        all.append(side);
    }
    let whole = trials(&all)?;
    let mut rows = BTreeMap::new();
    for &rate in &rates {
        let places: Vec<usize> = (0..rate_of.len()).filter(|&q| rate_of[q] == rate).collect();
        rows.insert(Key::of(Some(rate), true), whole.of(&places));
    }
    rows.insert(Key::of(None, true), whole);
    for &rate in also {
        let (side, _) = embedder.side(queries, rate)?;
        rows.insert(Key::of(Some(rate), false), trials(&side)?);
    }
    Ok(rows)
}

/// Embeds one list of images after the other, with one count of progress.
struct Embedder<'a> {
    model: &'a Rain,
    device: &'a Device,
    on: &'a mut dyn FnMut(u64, u64) -> Flow,
    before: u64,
    total: u64,
}

impl Embedder<'_> {
    /// The images that could be read, and their indices.
    fn side(&mut self, photos: &[Photo], rate: f64) -> Result<(Side, Vec<usize>)> {
        let paths: Vec<_> = photos.iter().map(|photo| photo.path.clone()).collect();
        let (before, total) = (self.before, self.total);
        let embedded = embed(self.model, &paths, rate, self.device, &mut |done, _| (self.on)(before + done, total))?;
        self.before += photos.len() as u64;
        let kept = embedded.kept.clone();
        if kept.is_empty() && !photos.is_empty() {
            let problem = format!("None of the {} images, {} first, can be read", photos.len(), paths[0].display());
            return Err(Error::input(problem, "Check the data set's files"));
        }
        Ok((Side::new(photos, embedded), kept))
    }
}

impl Side {
    fn empty(columns: usize) -> Self {
        Self { matrix: Matrix::new(columns, Vec::new()), identity: Vec::new(), camera: Vec::new(), broken: Vec::new() }
    }

    fn append(&mut self, other: Self) {
        self.matrix.data.extend(other.matrix.data);
        self.identity.extend(other.identity);
        self.camera.extend(other.camera);
    }
}
