//! What lies on the desk, as the subject of a map.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::Device;

use super::{Desk, Model, Step};
use crate::error::{Error, Result};
use crate::gallery::embed::{Embedded, embed};
use crate::gallery::matrix::Matrix;
use crate::projection::map::{Role, Spot, Subject};
use crate::projection::people::name;

/// Images of a gallery that are laid out, at most: their embeddings are in memory, and more dots than that tell nothing.
const LAID_OUT: usize = 200_000;

impl Model {
    /// Embeds image files, degraded by `rate`.
    pub fn embed_files(&self, paths: &[PathBuf], rate: f64, device: &Device, step: Step<'_>) -> Result<Embedded> {
        embed(&self.rain, paths, rate, device, step)
    }
}

impl Desk {
    /// The gallery's images, then the queries.
    ///
    /// # Errors
    /// [`Error::Input`] where no gallery is open.
    pub fn subject(&self) -> Result<Subject> {
        let model = self.model()?;
        let gallery =
            self.gallery.as_ref().ok_or_else(|| Error::input("No gallery is open", "Open a gallery first"))?;
        let stills = gallery.info.entries.iter().map(|entry| Spot {
            path: entry.path.clone(),
            identity: entry.identity,
            camera: entry.camera,
            rate: 1.0,
            role: Role::Gallery,
        });
        let queries = self.queries.values().map(|query| Spot {
            path: query.info.path.clone(),
            identity: query.info.identity,
            camera: query.info.camera,
            rate: coarseness(model.info.config.height, query.info.image.height() as usize),
            role: Role::Query,
        });
        let spots: Vec<Spot> = stills.chain(queries).collect();
        let columns = gallery.index.columns();
        if gallery.index.len() > LAID_OUT {
            return Err(Error::input(
                format!("A map of {} images would not fit into memory", gallery.index.len()),
                format!("Open a gallery of at most {LAID_OUT} images for a map"),
            ));
        }
        let everything: Vec<usize> = (0..gallery.index.len()).collect();
        let mut data = gallery.index.rows_of(&everything).data;
        self.queries.values().for_each(|query| data.extend_from_slice(&query.embedding));
        let title = match self.queries.len() {
            0 => name(&gallery.info.path),
            1 => format!("{} with 1 query", name(&gallery.info.path)),
            n => format!("{} with {n} queries", name(&gallery.info.path)),
        };
        Ok(Subject {
            title,
            spots: Arc::new(spots),
            features: Matrix::new(columns, data),
            model: model.info.hash.clone(),
            trained: Vec::new(),
            notes: Vec::new(),
        })
    }
}

/// The rate r of a crop: how many times fewer rows it has than the model takes, to a whole number.
fn coarseness(input: usize, rows: usize) -> f32 {
    (input as f32 / rows.max(1) as f32).round().max(1.0)
}
