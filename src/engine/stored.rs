//! A gallery that was built on disk, on the desk: opened, not embedded.

use std::path::Path;
use std::sync::Arc;

use super::command::Measure;
use super::desk::{Desk, Gallery, Model, Step};
use super::event::{GalleryEntry, GalleryInfo, ModelInfo};
use crate::data::taken::Taken;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::shelf::{OnDisk, Shelf, no_graph};
use crate::gallery::store::{Maker, Record, Store};

/// Images that are read between two words about how far it is.
const TOLD: usize = 4096;

impl Model {
    /// Who the embeddings of this model are by.
    pub fn maker(&self) -> Maker {
        (&self.info).into()
    }

    /// Opens a gallery that was built on disk; refuses one that another model made.
    pub fn stored(&self, folder: &Path, step: Step<'_>) -> Result<Gallery> {
        let store = Store::open(folder)?;
        store.check_maker(&self.maker())?;
        let images = store.live().count();
        if images == 0 {
            return Err(Error::file(
                folder,
                "this gallery has no image whose file is there",
                "Add a folder of images to it: `rain index add`, or the page Gallery",
            ));
        }
        let (mut rows, mut entries) = (Vec::with_capacity(images), Vec::with_capacity(images));
        store.each(&mut |row, record| {
            if rows.len() % TOLD == 0 && step(rows.len() as u64, images as u64) == Flow::Stop {
                return Err(Error::Cancelled);
            }
            rows.push(u32::try_from(row).map_err(|_| too_large(folder))?);
            entries.push(entry(record));
            Ok(())
        })?;
        step(images as u64, images as u64);
        let broken = store.broken()?;
        Ok(Gallery {
            info: GalleryInfo { path: folder.to_path_buf(), entries: Arc::new(entries), broken: Arc::new(broken) },
            index: Arc::new(Shelf::Disk(OnDisk::new(Arc::new(store), rows))),
        })
    }
}

fn too_large(folder: &Path) -> Error {
    Error::file(
        folder,
        "this gallery has more rows than can be searched here",
        "Send it to a server: `rain remote upload`",
    )
}

fn entry(record: Record) -> GalleryEntry {
    let Record { path, identity, camera, time, width, height, .. } = record;
    let taken = Taken { time: time.map(|seconds| seconds.saturating_mul(1000)), ..Taken::in_name(&path) };
    GalleryEntry { path, identity, camera, taken, size: (width > 0 && height > 0).then_some([width, height]) }
}

impl From<&ModelInfo> for Maker {
    fn from(info: &ModelInfo) -> Self {
        let config = &info.config;
        Self { model: info.hash.clone(), height: config.height, width: config.width, columns: config.embedding() }
    }
}

impl Desk {
    /// The share of the ten nearest that a search by the open gallery's graph finds, as it was measured.
    ///
    /// # Errors
    /// Where there is no such graph; what to do then.
    pub fn recall(&self, measure: Measure) -> Result<f64> {
        let gallery =
            self.gallery.as_ref().ok_or_else(|| Error::input("No gallery is open", "Open a gallery first"))?;
        let Some(disk) = gallery.index.disk() else {
            return Err(Error::file(
                &gallery.info.path,
                "only a gallery that was built on disk can be searched approximately",
                "Build one with `rain index build`, or search exactly",
            ));
        };
        let graph = disk.graph(measure).ok_or_else(|| no_graph(&gallery.info.path, measure))?;
        Ok(graph.about().recall)
    }
}

impl Gallery {
    /// Whether it lies on disk and was made by this model.
    pub fn is_by(&self, model: &Model) -> bool {
        self.index.disk().is_some_and(|disk| disk.store().check_maker(&model.maker()).is_ok())
    }
}
