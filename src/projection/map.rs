//! A map: what lies on it, where, and how good it is. It is kept in a file, so that it need not be made again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::groups::rate_key;
use super::{Basis, Layout, Progress, Settings, project_from, quality};
use crate::flow::Flow;
use crate::gallery::distance::Measure;
use crate::gallery::features::Features;
use crate::gallery::matrix::Matrix;
use crate::{Error, Result};

/// Up to how many points trustworthiness is measured: the work grows with their number times that of the sample.
const TRUSTED_UP_TO: usize = 20_000;

/// What an image on the map is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Role {
    /// It is searched in.
    Gallery = 0,
    /// It is searched for.
    Query = 1,
}

/// One image on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// Its file.
    pub path: PathBuf,
    /// Identity, or -1 where unknown.
    pub identity: i64,
    /// Camera, or -1 where unknown.
    pub camera: i64,
    /// How many times smaller than a sharp image it was when it was embedded; 1 is sharp.
    pub rate: f32,
    /// What it is for.
    pub role: Role,
}

/// Everything that is laid out, before it is.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What it is, for the screen: "Gallery demo with 30 queries".
    pub title: String,
    /// The images.
    pub spots: Arc<Vec<Spot>>,
    /// Their raw embeddings, one a row.
    pub features: Matrix,
    /// First hex digits of the model's hash; empty where unknown.
    pub model: String,
    /// The rates that the model was trained with; empty where unknown.
    pub trained: Vec<f64>,
    /// What the user should know about the choice of images. Sentences without a full stop.
    pub notes: Vec<String>,
}

impl Subject {
    /// The rows of a features file.
    ///
    /// # Errors
    /// As [`Features::read`].
    pub fn of_features(path: &Path) -> Result<Self> {
        let Features { matrix, identity, camera, origin } = Features::read(path)?;
        let spot = |i: usize| Spot {
            path: origin.paths.get(i).map_or_else(|| format!("row {i}").into(), Into::into),
            identity: identity[i],
            camera: camera[i],
            rate: 1.0,
            role: Role::Gallery,
        };
        Ok(Self {
            title: super::people::name(path),
            spots: Arc::new((0..matrix.rows()).map(spot).collect()),
            features: matrix,
            model: origin.model.clone(),
            trained: Vec::new(),
            notes: Vec::new(),
        })
    }
}

/// What labels a figure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Who it is.
    Identity,
    /// Its resolution.
    Rate,
    /// Which camera took it.
    Camera,
}

/// How well the groups of one label separate, or mix.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// The label.
    pub label: Label,
    /// Groups that it makes.
    pub groups: usize,
    /// Mean silhouette among the features, -1 to 1.
    pub silhouette: f64,
    /// The same on the map.
    pub silhouette_map: f64,
    /// Share of the nearest neighbours among the features that bear a point's own label, 0 to 1. Of each point at most as many
    /// neighbours count as there are others of its label.
    pub purity: f64,
    /// The same on the map.
    pub purity_map: f64,
    /// What the purity would be if the labels lay anywhere.
    pub chance: f64,
}

/// Figures beside the picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Neighbours that a purity looks at.
    pub neighbours: usize,
    /// One entry for each label that makes at least two groups.
    pub separation: Vec<Separation>,
    /// Trustworthiness of the map at 12 neighbours, 0 to 1; `None` for too few points, and for too many to measure in passing.
    pub trustworthiness: Option<f64>,
}

/// A finished map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// What it shows.
    pub title: String,
    /// The images.
    pub spots: Arc<Vec<Spot>>,
    /// Where each lies.
    pub points: Arc<Vec<[f32; 2]>>,
    /// Neighbours kept of each image.
    pub kept: usize,
    /// The nearest neighbours of each image by its features, nearest first, `[n, kept]`.
    pub near: Arc<Vec<u32>>,
    /// How it was made.
    pub made: Made,
}

/// How a map was made, and how good it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// First hex digits of the model's hash; empty where unknown.
    pub model: String,
    /// The rates that the model was trained with; empty where unknown.
    #[serde(default)]
    pub trained: Vec<f64>,
    /// How features were compared.
    pub measure: Measure,
    /// With what settings.
    pub settings: Settings,
    /// Iterations done.
    pub iterations: u32,
    /// The perplexity that was used.
    pub perplexity: f64,
    /// Dimensions in which neighbours were searched.
    pub components: usize,
    /// Kullback-Leibler divergence, in nats.
    pub divergence: f64,
    /// Figures beside the picture.
    #[serde(default)]
    pub figures: Figures,
    /// What the user should know. Sentences without a full stop.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Map {
    /// Lays `subject` out. Under the cosine measure the rows are brought to length 1 first.
    ///
    /// # Errors
    /// As [`super::project`]; [`Error::Input`] where there is not one row for each image.
    pub fn make(
        subject: Subject,
        measure: Measure,
        settings: &Settings,
        on: &mut dyn FnMut(&Progress) -> Flow,
    ) -> Result<Self> {
        let Subject { title, spots, features, model, trained, mut notes } = subject;
        if features.rows() != spots.len() {
            return Err(Error::input(
                format!("There are {} embeddings of {} images", features.rows(), spots.len()),
                "Embed the images again",
            ));
        }
        let features = if measure == Measure::Cosine { normalised(features) } else { features };
        let (layout, basis) = project_from(&features.data, features.columns, settings, on)?;
        drop(features);
        let Layout { points, divergence, iterations, perplexity, components, notes: more } = layout;
        let divergence = kept_digits(divergence);
        notes.extend(more);
        let figures = figures(&spots, &points, &basis, settings.seed)?;
        let settings = settings.clone();
        let made =
            Made { model, trained, measure, settings, iterations, perplexity, components, divergence, figures, notes };
        Ok(Self { title, spots, points: Arc::new(points), kept: basis.kept, near: Arc::new(basis.near), made })
    }

    /// The images nearest to image `i` by their features, nearest first.
    pub fn neighbours(&self, i: usize) -> &[u32] {
        self.near.get(i * self.kept..(i + 1) * self.kept).unwrap_or_default()
    }
}

/// Rows of length 1, without a copy.
fn normalised(mut features: Matrix) -> Matrix {
    for row in features.data.chunks_exact_mut(features.columns.max(1)) {
        let length = crate::gallery::distance::dot(row, row).sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    features
}

/// The labels of `spots`.
pub fn labels(spots: &[Spot], label: Label) -> Vec<i64> {
    let of = |spot: &Spot| match label {
        Label::Identity => spot.identity,
        Label::Camera => spot.camera,
        Label::Rate => rate_key(spot.rate),
    };
    spots.iter().map(of).collect()
}

/// Nine decimals: as many as a file gives back to the bit.
fn kept_digits(figure: f64) -> f64 {
    (figure * 1e9).round() / 1e9
}

/// Figures of a layout and of the features that it was made from.
fn figures(spots: &[Spot], points: &[[f32; 2]], basis: &Basis, seed: u64) -> Result<Figures> {
    let n = points.len();
    let neighbours = basis.kept.min(10);
    let mut separation = Vec::new();
    for label in [Label::Identity, Label::Rate, Label::Camera] {
        let of = labels(spots, label);
        let (groups, chance) = chance(&of);
        if groups < 2 || neighbours == 0 {
            continue;
        }
        let flat = points.as_flattened();
        let silhouette = |values: &[f32], dims: usize| quality::silhouette(values, dims, &of, seed);
        let labelled = of.iter().filter(|&&l| l >= 0).count();
        let purity_map = quality::purity_to_size(flat, 2, &of, neighbours.min(labelled - 1), seed)?;
        let parts = (silhouette(&basis.rows, basis.components)?, silhouette(flat, 2)?, purity_map);
        if let (Some(silhouette), Some(silhouette_map), Some(purity_map)) = parts {
            let purity = purity(&of, basis, neighbours);
            let [silhouette, silhouette_map] = [silhouette, silhouette_map].map(kept_digits);
            let [purity, purity_map, chance] = [purity, purity_map, chance].map(kept_digits);
            separation.push(Separation { label, groups, silhouette, silhouette_map, purity, purity_map, chance });
        }
    }
    let trustworthiness = if (26..=TRUSTED_UP_TO).contains(&n) {
        Some(kept_digits(quality::trustworthiness(&basis.rows, basis.components, points, 12, seed)?))
    } else {
        None
    };
    Ok(Figures { neighbours, separation, trustworthiness })
}

/// Groups among the known labels, and the mean share of a point's own label among the others, if labels lay anywhere. Points that
/// are alone in their group do not count.
fn chance(labels: &[i64]) -> (usize, f64) {
    let sizes = quality::sizes(labels);
    let n: usize = sizes.values().sum();
    let (counted, pairs) =
        sizes.values().filter(|&&s| s > 1).fold((0, 0.0), |(c, p), &s| (c + s, p + (s * (s - 1)) as f64));
    (sizes.len(), if counted > 0 { pairs / (counted as f64 * (n - 1) as f64) } else { 0.0 })
}

/// The purity among the features: see [`Separation::purity`].
fn purity(labels: &[i64], basis: &Basis, k: usize) -> f64 {
    let sizes = quality::sizes(labels);
    let (mut sum, mut points) = (0.0, 0usize);
    for (row, label) in basis.near.chunks_exact(basis.kept.max(1)).zip(labels) {
        let counted = sizes.get(label).map_or(0, |&size| k.min(size - 1));
        let near: Vec<i64> = row.iter().map(|&j| labels[j as usize]).filter(|&l| l >= 0).take(counted).collect();
        if !near.is_empty() {
            points += 1;
            sum += near.iter().filter(|l| *l == label).count() as f64 / near.len() as f64;
        }
    }
    if points > 0 { sum / points as f64 } else { 0.0 }
}

impl Separation {
    /// What the figure says, for a newcomer.
    pub fn words(&self) -> &'static str {
        // 0 where neighbours share the label no more often than by chance, 1 where all that could do.
        let excess = (self.purity - self.chance) / (1.0 - self.chance).max(1e-9);
        match self.label {
            Label::Identity => match excess {
                0.8.. => "People lie apart: an image's nearest are mostly of the same person",
                0.5.. => "Most people lie apart",
                0.2.. => "People overlap: many near images are of somebody else",
                _ => "People are mixed: this model hardly tells them apart",
            },
            Label::Rate => match excess {
                0.3.. => "Resolutions lie apart: the model sees the blur",
                0.1.. => "Resolutions are partly mixed: the blur leaves a trace",
                _ => "Resolutions are well mixed: the blur leaves hardly a trace",
            },
            Label::Camera => match excess {
                0.3.. => "Cameras lie apart: the model sees the scene",
                0.1.. => "Cameras are partly mixed: the scene leaves a trace",
                _ => "Cameras are well mixed: the scene leaves hardly a trace",
            },
        }
    }
}

impl Label {
    /// The label in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "Identity",
            Self::Rate => "Resolution",
            Self::Camera => "Camera",
        }
    }
}

#[path = "file.rs"]
mod file;

#[cfg(test)]
pub(crate) mod tests {
    use rand::RngExt;

    use super::*;
    use crate::data::seeded;

    /// A map of `people` people, each at rates 1, 2 and 8, their features near one centre a person.
    pub(crate) fn small(people: usize) -> Map {
        let mut rng = seeded::rng(5, "test map", &[]);
        let (mut spots, mut data) = (Vec::new(), Vec::new());
        for identity in 0..people {
            let centre: Vec<f32> = (0..8).map(|_| rng.random_range(-1.0f32..1.0)).collect();
            for image in 0..9 {
                let rate = [1.0, 2.0, 8.0][image % 3];
                let path = format!("/people/{identity:04}_c{}_{image}.png", image % 2 + 1).into();
                let role = if image % 3 == 0 { Role::Gallery } else { Role::Query };
                spots.push(Spot { path, identity: identity as i64, camera: (image % 2 + 1) as i64, rate, role });
                data.extend(centre.iter().map(|c| c + rng.random_range(-0.1f32..0.1)));
            }
        }
        let subject = Subject {
            title: "Test".into(),
            spots: Arc::new(spots),
            features: Matrix::new(8, data),
            model: "0123456789ab".into(),
            trained: vec![2.0],
            notes: Vec::new(),
        };
        let settings = Settings { perplexity: 5.0, iterations: 150, early_iterations: 60, ..Settings::default() };
        Map::make(subject, Measure::Cosine, &settings, &mut |_| Flow::Continue).unwrap()
    }

    #[test]
    fn people_separate_and_resolutions_mix() {
        let map = small(12);
        assert_eq!((map.points.len(), map.near.len(), map.kept), (108, 108 * 12, 12));
        let of = |label| *map.made.figures.separation.iter().find(|s| s.label == label).unwrap();
        let (identity, rate) = (of(Label::Identity), of(Label::Rate));
        assert!(identity.purity > 0.9 && identity.purity_map > 0.9, "{identity:?}");
        assert!(identity.words().starts_with("People lie apart") && rate.words().contains("well mixed"));
        assert!(identity.silhouette > 0.5 && identity.silhouette_map > 0.5, "{identity:?}");
        assert!((rate.purity - rate.chance).abs() < 0.08 && rate.silhouette.abs() < 0.1, "{rate:?}");
        assert!((rate.chance - 35.0 / 107.0).abs() < 1e-8);
        assert!(map.made.figures.trustworthiness.unwrap() > 0.8);
        for i in 0..map.points.len() {
            let own = map.spots[i].identity;
            assert!(map.neighbours(i)[..4].iter().all(|&j| map.spots[j as usize].identity == own));
        }
        assert_eq!(map, small(12), "the same seed gives the same map");
    }

    #[test]
    fn unknown_labels_make_no_figures_and_rows_must_fit() {
        let spot = Spot { path: "a".into(), identity: -1, camera: -1, rate: 1.0, role: Role::Gallery };
        let subject = |n: usize| Subject {
            title: String::new(),
            spots: Arc::new(vec![spot.clone(); n]),
            features: Matrix::new(2, (0..60).map(|i| (i * i % 31) as f32).collect()),
            model: String::new(),
            trained: Vec::new(),
            notes: Vec::new(),
        };
        let settings = Settings { iterations: 5, early_iterations: 5, ..Settings::default() };
        let map = Map::make(subject(30), Measure::Euclidean, &settings, &mut |_| Flow::Continue).unwrap();
        assert!(map.made.figures.separation.is_empty());
        assert!(!map.made.notes.is_empty(), "the perplexity was lowered");
        assert!(Map::make(subject(29), Measure::Euclidean, &settings, &mut |_| Flow::Continue).is_err());
    }
}
