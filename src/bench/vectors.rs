//! Work on embeddings alone: search, evaluation and the map, on random vectors.

use rand::RngExt;
use serde_json::json;

use super::measure::measure;
use super::report::{Report, in_words};
use crate::data::seeded;
use crate::error::Result;
use crate::eval::ranking::{Labels, SameCamera, score_all};
use crate::flow::Flow;
use crate::gallery::distance::{Comparer, Measure};
use crate::gallery::matrix::Matrix;
use crate::gallery::search::{Index, nearest};
use crate::projection::{Settings, project};

/// Images of one identity in an evaluation's gallery.
const IMAGES_EACH: usize = 10;

fn embeddings(rows: usize, dims: usize, seed: u64, purpose: &str) -> Matrix {
    let mut rng = seeded::rng(seed, purpose, &[]);
    Matrix::new(dims, (0..rows * dims).map(|_| rng.random_range(0.0..1.0)).collect())
}

/// A gallery and what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// Embeddings in the gallery.
    pub rows: usize,
    /// Length of an embedding.
    pub dims: usize,
    /// Queries.
    pub queries: usize,
    /// How embeddings are compared.
    pub measure: Measure,
    /// Seed of the vectors.
    pub seed: u64,
}

impl Asked {
    fn settings(&self) -> serde_json::Value {
        let Self { rows, dims, queries, measure, seed } = self;
        json!({ "rows": rows, "dims": dims, "queries": queries, "measure": measure, "seed": seed })
    }
}

/// Exact search: each query against every row, the `top` nearest sorted.
///
/// # Errors
/// None of its own.
pub fn search(asked: Asked, top: usize, repeats: usize) -> Result<Report> {
    let index = Index::new(&embeddings(asked.rows, asked.dims, asked.seed, "bench/gallery"));
    let queries = embeddings(asked.queries, asked.dims, asked.seed, "bench/query");
    let measured = measure(repeats, &mut || {
        for query in 0..queries.rows() {
            std::hint::black_box(nearest(&index.distances(queries.row(query), asked.measure), top));
        }
        Ok(())
    })?;
    let Asked { rows, dims, queries, .. } = asked;
    let title = format!("Exact search for the {top} nearest of {rows} embeddings of {dims} numbers");
    let mut settings = asked.settings();
    settings["top"] = json!(top);
    let report = Report::new("search", title, measured, (queries as u64, "queries")).settings(settings);
    let each = in_words(1.0 / report.per_second);
    let report = report.operations(2.0 * (rows * dims * queries) as f64);
    Ok(report.note(format!("A query takes about {each}, embedding the crop not included.")))
}

/// An evaluation: CMC, mAP and mINP of the queries, the own camera left out.
///
/// # Errors
/// None of its own.
pub fn rank(asked: Asked, repeats: usize) -> Result<Report> {
    let Asked { rows, dims, queries, seed, .. } = asked;
    let gallery = embeddings(rows, dims, seed, "bench/gallery");
    let query = embeddings(queries, dims, seed, "bench/query");
    let people = rows.div_ceil(IMAGES_EACH).max(1) as i64;
    let labels = |count: usize, camera: i64| -> (Vec<i64>, Vec<i64>) {
        (0..count as i64).map(|i| (i % people, (i / people + camera) % 6)).unzip()
    };
    let ((query_identity, query_camera), (identity, camera)) = (labels(queries, 1), labels(rows, 0));
    let mut figures = None;
    let measured = measure(repeats, &mut || {
        let comparer = Comparer::new(&gallery, asked.measure);
        let [query_labels, gallery_labels] = [(&query_identity, &query_camera), (&identity, &camera)]
            .map(|(identity, camera)| Labels { identity, camera });
        let distances = |q: usize| comparer.distances(query.row(q));
        figures = Some(score_all(query_labels, gallery_labels, SameCamera::LeaveOut, distances)?);
        Ok(())
    })?;
    let title = format!("An evaluation of {queries} queries against {rows} gallery embeddings of {dims} numbers");
    let report = Report::new("rank", title, measured, (queries as u64, "queries"))
        .settings(asked.settings())
        .operations(2.0 * (rows * dims * queries) as f64)
        .detail("map", figures.map(|f| f.map));
    Ok(report.note("The vectors are random: the figures of the ranking mean nothing, the time does.".into()))
}

/// The map: t-SNE of embeddings that form clusters, ten of an identity, as those of a trained model do.
///
/// # Errors
/// [`crate::Error::Input`] where the settings cannot work.
pub fn tsne(points: usize, dims: usize, settings: &Settings, repeats: usize) -> Result<Report> {
    let people = points.div_ceil(IMAGES_EACH);
    let centres = embeddings(people, dims, settings.seed, "bench/centre");
    let mut features = embeddings(points, dims, settings.seed, "bench/point");
    for (row, point) in features.data.chunks_exact_mut(dims).enumerate() {
        point.iter_mut().zip(centres.row(row % people)).for_each(|(x, centre)| *x = centre + 0.3 * *x);
    }
    let mut layout = None;
    let measured = measure(repeats, &mut || {
        layout = Some(project(&features.data, dims, settings, &mut |_| Flow::Continue)?);
        Ok(())
    })?;
    let title = format!("A map (t-SNE) of {points} embeddings of {dims} numbers");
    let report = Report::new("tsne", title, measured, (points as u64, "points")).settings(json!({
        "points": points, "dims": dims, "perplexity": settings.perplexity, "iterations": settings.iterations,
        "components": settings.components, "seed": settings.seed,
    }));
    let Some(layout) = layout else { return Ok(report) };
    let report = report.detail("divergence", layout.divergence).detail("iterations", layout.iterations);
    Ok(layout.notes.into_iter().fold(report, |report, note| report.note(note + ".")))
}
