//! The map of embeddings: principal components, then t-SNE in two dimensions.
//!
//! [`project`] goes from features to points in four stages, tells how far it is, streams the layout on its way, and can
//! be stopped within a tenth of a second. Work and memory grow linearly with the number of points (neighbours are
//! searched exactly, in quadratic time, up to 100,000). The same settings give the same bits on any number of threads.

mod affinity;
mod descent;
mod eigen;
mod grid;
pub mod groups;
pub mod lookup;
pub mod map;
mod neighbours;
mod pace;
mod pca;
pub mod people;
mod product;
pub mod quality;
mod repulsion;
mod settings;
mod spline;

use rand::RngExt;

use self::affinity::Affinities;
use self::descent::Descent;
use self::pace::Pace;
pub use self::pace::{Progress, Stage};
pub use self::pca::Pca;
pub use self::settings::Settings;
use crate::data::seeded;
use crate::flow::Flow;
use crate::{Error, Result};

/// Standard deviation of the first coordinate at the start, and that of the noise which parts points that coincide.
const START: f64 = 1e-4;
const JITTER: f64 = 1e-6;

/// A finished layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// One point for each row of the features, around the origin.
    pub points: Vec<[f32; 2]>,
    /// Kullback-Leibler divergence from the neighbourhoods of the features, in nats; 0 is perfect.
    pub divergence: f64,
    /// Iterations done.
    pub iterations: u32,
    /// The perplexity that was used.
    pub perplexity: f64,
    /// Dimensions in which neighbours were searched.
    pub components: usize,
    /// What the user should know: settings that were changed to fit the points. Sentences without a full stop.
    pub notes: Vec<String>,
}

/// What a layout was made from, for figures and for lists of neighbours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Basis {
    /// The features that neighbours were searched in, `[n, components]`: principal components, or the centred features.
    pub rows: Vec<f32>,
    /// Length of a row.
    pub components: usize,
    /// Neighbours kept of each point: [`NEAR`], or fewer where there are fewer points.
    pub kept: usize,
    /// The nearest neighbours of each point among [`Self::rows`], nearest first, `[n, kept]`.
    pub near: Vec<u32>,
}

/// Neighbours of each point that a [`Basis`] keeps.
pub const NEAR: usize = 12;

/// Lays out `features`, `[n, dims]` row-major, in two dimensions by Euclidean distance.
///
/// `on` hears of the progress, at least every tenth of a second or so; where it answers [`Flow::Stop`], the projection ends.
///
/// # Errors
/// [`Error::Input`] for settings that [`Settings::check`] refuses, no points, rows of unequal length, or a feature that is
/// not a finite number; [`Error::Cancelled`] where `on` said so.
pub fn project(
    features: &[f32],
    dims: usize,
    settings: &Settings,
    on: &mut dyn FnMut(&Progress) -> Flow,
) -> Result<Layout> {
    project_from(features, dims, settings, on).map(|(layout, _)| layout)
}

/// [`project`], with what the layout was made from.
///
/// # Errors
/// As [`project`].
pub fn project_from(
    features: &[f32],
    dims: usize,
    settings: &Settings,
    on: &mut dyn FnMut(&Progress) -> Flow,
) -> Result<(Layout, Basis)> {
    settings.check()?;
    check(features, dims)?;
    let n = features.len() / dims;
    let mut notes = Vec::new();
    let mut pace = Pace::new(settings.total(), on);

    pace.enter(Stage::Pca)?;
    let reduce = settings.components > 0 && settings.components < dims;
    let pca = pca::fit(features, dims, if reduce { settings.components.max(2) } else { 2 }, settings.seed, &mut pace)?;
    if pca.total == 0.0 && n > 1 {
        notes.push(format!("All {n} rows of the features are equal: their places on the map mean nothing"));
    }
    let components = if reduce { settings.components.min(pca.kept()).max(1) } else { dims };
    let points = if reduce && pca.kept() > 0 {
        pca.coordinates(features, components, &mut pace)?
    } else {
        pca.centred(features, &mut pace)?
    };
    let components = points.len() / n;
    let start = start(&pca, features, settings.seed, &mut pace)?;
    if n == 1 {
        notes.push("There is one point only".into());
        let layout = Layout { points: start, divergence: 0.0, iterations: 0, perplexity: 1.0, components, notes };
        return Ok((layout, Basis { rows: points, components, ..Basis::default() }));
    }

    pace.enter(Stage::Neighbours)?;
    let (k, perplexity) = neighbourhood(n, settings.perplexity);
    if perplexity < settings.perplexity {
        notes.push(format!(
            "The perplexity was lowered from {} to {perplexity:.2}: there are only {n} points",
            settings.perplexity
        ));
    }
    let near = neighbours::find(&points, components, k, settings.seed, &mut pace)?;
    let kept = NEAR.min(k);
    let nearest = near.index.chunks_exact(k).flat_map(|row| row[..kept].iter().copied()).collect();
    let basis = Basis { rows: points, components, kept, near: nearest };
    let affinities = Affinities::new(near, perplexity, &mut pace)?;

    let mut descent = Descent::new(&affinities, start);
    for iteration in 1..=settings.total() {
        let early = iteration <= settings.early_iterations;
        if iteration == 1 || iteration == settings.early_iterations + 1 {
            pace.enter(if early { Stage::EarlyExaggeration } else { Stage::Optimisation })?;
        }
        let exaggeration = if early { settings.early_exaggeration } else { 1.0 };
        let rate = settings.learning_rate.unwrap_or(n as f64 / exaggeration);
        descent.advance(exaggeration as f32, rate as f32);
        if settings.every > 0 && iteration.is_multiple_of(settings.every) && iteration < settings.total() {
            let divergence = descent.divergence();
            pace.iterated(iteration, Some(divergence), Some(descent.points()))?;
        } else {
            pace.iterated(iteration, None, None)?;
        }
    }
    let divergence = descent.divergence();
    if settings.total() > 0 {
        pace.iterated(settings.total(), Some(divergence), Some(descent.points()))?;
    }
    let points = descent.into_points();
    let layout = Layout { points, divergence, iterations: settings.total(), perplexity, components, notes };
    Ok((layout, basis))
}

/// Refuses what cannot be laid out.
fn check(features: &[f32], dims: usize) -> Result<()> {
    if features.is_empty() || dims == 0 {
        return Err(Error::input(
            "There are no features to lay out",
            "Choose a file or gallery with at least two images",
        ));
    }
    if !features.len().is_multiple_of(dims) || u32::try_from(features.len() / dims).is_err() {
        return Err(Error::input(
            format!("{} numbers are not rows of {dims} features", features.len()),
            "Embed the images again",
        ));
    }
    if let Some(at) = features.iter().position(|x| !x.is_finite()) {
        return Err(Error::input(
            format!(
                "Feature {} of row {} is {}, which is not a number to measure by",
                at % dims,
                at / dims,
                features[at]
            ),
            "Leave that row out, or embed its image again",
        ));
    }
    Ok(())
}

/// Neighbours to search for, and the perplexity that they allow: as openTSNE chooses, but never below 1.
fn neighbourhood(n: usize, perplexity: f64) -> (usize, f64) {
    let k = (n - 1).min(((3.0 * perplexity) as usize).max(1));
    let allowed = if perplexity > k as f64 { (k as f64 / 3.0).max(1.0) } else { perplexity };
    (k, allowed)
}

/// Where the points start: along the first two principal axes, very close together, with a little noise.
fn start(pca: &Pca, features: &[f32], seed: u64, pace: &mut Pace) -> Result<Vec<[f32; 2]>> {
    let axes = pca.kept().min(2);
    let along = pca.coordinates(features, axes, pace)?;
    let n = features.len() / pca.mean.len();
    let deviation = pca.variance.first().map_or(1.0, |v| (v / pca.total).sqrt());
    // Points that all coincide are parted by noise alone, which then is all there is to see.
    let noise = if axes == 0 && n > 1 { START } else { JITTER };
    let mut rng = seeded::rng(seed, "start", &[]);
    let mut normal = move || {
        // Box and Muller's transform.
        let (u, v): (f64, f64) =
            (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random_range(0.0..std::f64::consts::TAU));
        (-2.0 * u.ln()).sqrt() * v.cos()
    };
    Ok((0..n)
        .map(|i| {
            [0, 1].map(|a| {
                let place = if a < axes { f64::from(along[i * axes + a]) * START / deviation } else { 0.0 };
                (place + noise * normal()) as f32
            })
        })
        .collect())
}

#[cfg(test)]
mod tests;
