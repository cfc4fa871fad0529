//! What lies on the desk: the model that searches, the gallery, and the queries.
//!
//! Embeddings of two models never meet: a new model replaces the old one only together with all embeddings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use image::RgbImage;
use rayon::prelude::*;

use super::case::StoredQuery;
use super::command::{Measure, QueryId, Still};
use super::event::{GalleryEntry, GalleryInfo, ModelInfo, QueryInfo, SearchResult, Source};
use crate::data::dataset::{Broken, Photo, UNKNOWN};
use crate::data::taken::Taken;
use crate::data::{clock, effective, formats, image_io};
use crate::error::{Error, Result};
use crate::gallery::embed::{BATCH, embed, embed_batch, reconstruct_batch};
use crate::gallery::features::file_hash;
use crate::gallery::matrix::Matrix;
use crate::gallery::photos::{self, Listing};
use crate::gallery::regions::{Regions, regions};
use crate::gallery::search::Index;
use crate::gallery::shelf::Shelf;
use crate::gallery::store;
use crate::model::rain::Rain;
use crate::train::event::Flow;

#[path = "subject.rs"]
mod subject;

/// Hears of units done and units in all; answers whether to go on.
pub(crate) type Step<'a> = &'a mut dyn FnMut(u64, u64) -> Flow;

/// A model that searches.
pub(crate) struct Model {
    pub info: ModelInfo,
    rain: Rain,
}

/// A gallery, embedded by the model on the desk.
pub(crate) struct Gallery {
    pub info: GalleryInfo,
    /// What is searched.
    pub index: Arc<Shelf>,
}

impl Gallery {
    /// A gallery whose images have the raw embeddings `matrix`.
    pub fn of(info: GalleryInfo, matrix: &Matrix) -> Self {
        Self { info, index: Arc::new(Shelf::Memory(Index::new(matrix))) }
    }
}

/// A query, embedded by the model on the desk.
pub(crate) struct Query {
    pub info: QueryInfo,
    pub embedding: Vec<f32>,
}

impl Query {
    /// The raw embedding, `[d]`.
    pub fn embedding(&self) -> &[f32] {
        &self.embedding
    }
}

/// Model, gallery and queries; also what the command line works with, in its own thread.
#[derive(Default)]
pub(crate) struct Desk {
    pub model: Option<Model>,
    pub gallery: Option<Gallery>,
    pub queries: BTreeMap<QueryId, Query>,
    /// Whether a gallery on disk is searched by its graph.
    pub approximate: bool,
    last_query: u64,
}

impl Model {
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let hash = file_hash(path)?;
        let rain = Rain::open(path, device)?;
        let info =
            ModelInfo { path: path.to_path_buf(), config: rain.config().clone(), hash, decoder: rain.has_decoder() };
        Ok(Self { info, rain })
    }

    /// Reads and embeds a gallery folder; one that was built on disk is opened.
    pub fn gallery(&self, folder: &Path, device: &Device, step: Step<'_>) -> Result<Gallery> {
        if store::is_gallery(folder) {
            return self.stored(folder, step);
        }
        let Listing { photos, broken } = photos::gallery(folder)?;
        self.embed_gallery(folder, &photos, broken, device, step)
    }

    fn embed_gallery(
        &self,
        folder: &Path,
        photos: &[Photo],
        mut broken: Vec<Broken>,
        device: &Device,
        step: Step<'_>,
    ) -> Result<Gallery> {
        let paths: Vec<PathBuf> = photos.iter().map(|photo| photo.path.clone()).collect();
        let embedded = embed(&self.rain, &paths, 1.0, device, step)?;
        broken.extend(embedded.broken);
        if let (true, Some(first)) = (embedded.kept.is_empty(), broken.first()) {
            return Err(Error::file(
                folder,
                format!(
                    "none of its {} images can be read; the first: {}",
                    broken.len(),
                    first.reason.trim_end_matches('.')
                ),
                "Choose a folder with intact photos",
            ));
        }
        broken.sort_by(|a, b| a.path.cmp(&b.path));
        let entry = |&i: &usize| {
            let Photo { path, identity, camera, mut taken, .. } = photos[i].clone();
            taken.time = taken.time.or_else(|| clock::in_name(&path));
            let size = image_io::size(&path);
            GalleryEntry { path, identity, camera, taken, size }
        };
        let entries: Vec<GalleryEntry> = embedded.kept.par_iter().map(entry).collect();
        let info = GalleryInfo { path: folder.to_path_buf(), entries: Arc::new(entries), broken: Arc::new(broken) };
        Ok(Gallery::of(info, &embedded.matrix))
    }

    /// Embeds crops that are in memory; the answer has one embedding an image.
    pub fn embed_images(&self, images: &[Arc<RgbImage>], device: &Device, step: Step<'_>) -> Result<Vec<Vec<f32>>> {
        let mut embeddings = Vec::with_capacity(images.len());
        for batch in images.chunks(BATCH) {
            if step(embeddings.len() as u64, images.len() as u64) == Flow::Stop {
                return Err(Error::Cancelled);
            }
            let pixels: Vec<f32> = batch.iter().flat_map(|image| self.input(image)).collect();
            let rows = embed_batch(&self.rain, &pixels, device)?;
            embeddings.extend(rows.chunks_exact(self.info.config.embedding().max(1)).map(<[f32]>::to_vec));
        }
        step(images.len() as u64, images.len() as u64);
        Ok(embeddings)
    }

    /// Which regions of two images make them alike.
    pub fn explain(&self, first: &RgbImage, second: &RgbImage, device: &Device) -> Result<Regions> {
        regions(&self.rain, &self.input(first), &self.input(second), device)
    }

    /// The decoder's image of a crop.
    pub fn reconstruct(&self, image: &RgbImage, device: &Device) -> Result<RgbImage> {
        if !self.info.decoder {
            return Err(Error::file(
                &self.info.path,
                "this model was saved without a decoder, so it cannot reconstruct",
                "Open a model that was trained with the reconstruction loss (loss.rec above 0)",
            ));
        }
        let planar = reconstruct_batch(&self.rain, &self.input(image), device)?;
        Ok(image_io::denormalise(&planar, self.info.config.height, self.info.config.width))
    }

    fn input(&self, image: &RgbImage) -> Vec<f32> {
        image_io::normalise(&image_io::resize(image, self.info.config.height, self.info.config.width))
    }
}

impl Desk {
    /// A desk that is ready for queries.
    pub fn new(model: Model, gallery: Gallery) -> Self {
        Self { model: Some(model), gallery: Some(gallery), ..Self::default() }
    }

    pub fn model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or_else(|| Error::input("No model is open", "Open a model first"))
    }

    /// The gallery's images; empty where none is open.
    pub fn entries(&self) -> &[GalleryEntry] {
        self.gallery.as_ref().map_or(&[], |gallery| gallery.info.entries.as_slice())
    }

    pub fn query(&self, id: QueryId) -> Result<&Query> {
        let missing = || Error::input("This query was removed", "Add the crop again");
        self.queries.get(&id).ok_or_else(missing)
    }

    /// Reads and embeds crops as queries; a broken one is added to `broken` instead.
    pub fn add_crops(&mut self, photos: &[Photo], device: &Device, broken: &mut Vec<Broken>) -> Result<Vec<QueryInfo>> {
        let mut crops = Vec::new();
        for photo in photos {
            let Photo { path, identity, camera, taken, .. } = photo.clone();
            match image_io::load(&path) {
                Ok(image) => {
                    let image = Arc::new(image);
                    crops.push(QueryInfo { path, identity, camera, taken, image, ..QueryInfo::default() });
                }
                Err(error) => broken.push(image_io::broken(&path, &error)),
            }
        }
        self.add(crops, device)
    }

    /// Puts crops out of a case on the desk. Without a model they wait for one: opening it embeds them.
    pub fn restore(&mut self, queries: &[StoredQuery], device: &Device) -> Result<Vec<QueryInfo>> {
        let crop = |query: &StoredQuery| {
            let StoredQuery { path, identity, camera, source, image } = query.clone();
            let taken = Taken::in_name(&path);
            QueryInfo { path, identity, camera, taken, source, image, ..QueryInfo::default() }
        };
        let crops: Vec<QueryInfo> = queries.iter().map(crop).collect();
        let embeddings = match &self.model {
            Some(model) => model.embed_images(&images(&crops), device, &mut |_, _| Flow::Continue)?,
            None => vec![Vec::new(); crops.len()],
        };
        Ok(self.keep(crops, embeddings))
    }

    /// Embeds crops that are in memory as queries.
    pub fn add_stills(&mut self, stills: Vec<Still>, device: &Device) -> Result<Vec<QueryInfo>> {
        let crop = |Still { path, source, image }| {
            let (named, camera) = formats::identity_and_camera(&path);
            // The name of a frame tells its camera, but not who stands where in it.
            let identity = if source == Source::File { named } else { UNKNOWN };
            let taken = Taken::in_name(&path);
            QueryInfo { path, identity, camera, taken, image, source, ..QueryInfo::default() }
        };
        self.add(stills.into_iter().map(crop).collect(), device)
    }

    fn add(&mut self, crops: Vec<QueryInfo>, device: &Device) -> Result<Vec<QueryInfo>> {
        let embeddings = self.model()?.embed_images(&images(&crops), device, &mut |_, _| Flow::Continue)?;
        Ok(self.keep(crops, embeddings))
    }

    /// Numbers and keeps crops; each is looked at for its effective resolution.
    fn keep(&mut self, mut crops: Vec<QueryInfo>, embeddings: Vec<Vec<f32>>) -> Vec<QueryInfo> {
        crops.par_iter_mut().for_each(|crop| crop.effective = Some(effective::effective_size(&crop.image)));
        for (crop, embedding) in crops.iter_mut().zip(embeddings) {
            self.last_query += 1;
            crop.id = QueryId(self.last_query);
            self.put(crop.clone(), embedding);
        }
        crops
    }

    /// Keeps a query under its number.
    pub fn put(&mut self, info: QueryInfo, embedding: Vec<f32>) {
        self.queries.insert(info.id, Query { info, embedding });
    }

    /// Swaps in a model together with fresh embeddings of everything on the desk; nothing changes where that fails.
    pub fn replace_model(&mut self, model: Model, device: &Device, step: Step<'_>) -> Result<()> {
        let images: Vec<Arc<RgbImage>> = self.queries.values().map(|query| query.info.image.clone()).collect();
        let crops = images.len() as u64;
        // A gallery on disk stays where this model made it, and is closed where another did.
        let (anew, stays) = match &self.gallery {
            Some(gallery) if gallery.index.disk().is_none() => (Some(&gallery.info), false),
            Some(gallery) => (None, gallery.is_by(&model)),
            None => (None, false),
        };
        let stills = anew.map_or(0, |info| info.entries.len() as u64);
        let embeddings = model.embed_images(&images, device, &mut |done, _| step(done, crops + stills))?;
        let gallery = match anew {
            None => None,
            Some(info) => {
                let photos: Vec<Photo> = info.entries.iter().map(photo).collect();
                let broken = info.broken.to_vec();
                let mut step = |done, _| step(crops + done, crops + stills);
                Some(model.embed_gallery(&info.path, &photos, broken, device, &mut step)?)
            }
        };
        self.queries.values_mut().zip(embeddings).for_each(|(query, embedding)| query.embedding = embedding);
        if !stays {
            self.gallery = gallery;
        }
        self.model = Some(model);
        Ok(())
    }

    /// Distances of an embedding to every gallery image.
    pub fn distances(&self, embedding: &[f32], measure: Measure) -> Result<Vec<f32>> {
        let missing = || Error::input("No gallery is open", "Open a gallery first");
        Ok(self.gallery.as_ref().ok_or_else(missing)?.index.distances(embedding, measure))
    }

    /// Ranks the whole gallery against a query.
    pub fn search(&self, id: QueryId, top: usize, measure: Measure) -> Result<SearchResult> {
        self.search_refined(id, top, measure, &Arc::default())
    }
}

fn images(crops: &[QueryInfo]) -> Vec<Arc<RgbImage>> {
    crops.iter().map(|crop| crop.image.clone()).collect()
}

fn photo(entry: &GalleryEntry) -> Photo {
    Photo {
        path: entry.path.clone(),
        identity: entry.identity,
        camera: entry.camera,
        part: crate::data::dataset::Part::Any,
        taken: entry.taken,
    }
}
