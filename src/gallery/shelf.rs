//! What a search runs over: embeddings in memory, or a gallery on disk. Either way an image is named by its place in the list
//! of images.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use rayon::prelude::*;

use super::approximate::Approximate;
use super::distance::{Measure, Prepared};
use super::exact::{self, Ask};
use super::filter::nearest_admitted;
use super::mask::Mask;
use super::matrix::Matrix;
use super::search::{Hit, Index};
use super::store::Store;
use crate::error::{Error, Result};

/// Rows that a thread compares at a time where all of them are compared.
const PIECE: usize = 1024;

/// A gallery that can be searched.
#[derive(Debug)]
pub enum Shelf {
    /// Its embeddings are in memory.
    Memory(Index),
    /// Its embeddings are in mapped files.
    Disk(OnDisk),
}

/// A gallery on disk. The images are those whose file is there, in the order of their rows.
#[derive(Debug)]
pub struct OnDisk {
    store: Arc<Store>,
    /// The row of each image, ascending.
    rows: Vec<u32>,
    /// One a measure; they are taken anew when one was built.
    graphs: RwLock<[Option<Arc<Approximate>>; 2]>,
}

impl Shelf {
    /// Images.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(index) => index.len(),
            Self::Disk(disk) => disk.rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of an embedding, d.
    pub fn columns(&self) -> usize {
        match self {
            Self::Memory(index) => index.columns(),
            Self::Disk(disk) => disk.store.columns(),
        }
    }

    /// The gallery on disk, if it is one.
    pub fn disk(&self) -> Option<&OnDisk> {
        match self {
            Self::Memory(_) => None,
            Self::Disk(disk) => Some(disk),
        }
    }

    /// Distances of a raw query embedding `[d]` to every image, `[n]`.
    pub fn distances(&self, query: &[f32], measure: Measure) -> Vec<f32> {
        match self {
            Self::Memory(index) => index.distances(query, measure),
            Self::Disk(disk) => disk.distances(query, measure),
        }
    }

    /// The raw embeddings of some images, `[images, d]`.
    pub fn rows_of(&self, images: &[usize]) -> Matrix {
        match self {
            Self::Memory(index) => index.matrix().select(images),
            Self::Disk(disk) => disk.rows_of(images),
        }
    }

    /// The `top` nearest images (of those that `among` keeps, one an image), nearest first, ties by place; with
    /// `approximate` by the graph of this measure where there is one.
    ///
    /// # Errors
    /// Where query and images differ in length.
    pub fn nearest(
        &self,
        query: &[f32],
        measure: Measure,
        top: usize,
        approximate: bool,
        among: Option<&[bool]>,
    ) -> Result<Vec<Hit>> {
        match self {
            Self::Memory(index) => {
                let kept = |image: usize, _| among.is_none_or(|among| among[image]);
                Ok(nearest_admitted(&index.distances(query, measure), top, kept).0)
            }
            Self::Disk(disk) => disk.nearest(query, measure, top, approximate, among),
        }
    }
}

impl OnDisk {
    /// `rows` are those of the images that are searched, ascending. Graphs for approximate search are taken along where they
    /// are whole and fit; a damaged one is as good as none.
    pub fn new(store: Arc<Store>, rows: Vec<u32>) -> Self {
        let disk = Self { store, rows, graphs: RwLock::default() };
        disk.look_for_graphs();
        disk
    }

    /// Takes the graphs from the disk, after one was built.
    pub fn look_for_graphs(&self) {
        let open = |measure| Approximate::open(&self.store, measure).ok().flatten().map(Arc::new);
        let graphs = [open(Measure::Cosine), open(Measure::Euclidean)];
        *self.graphs.write().unwrap_or_else(PoisonError::into_inner) = graphs;
    }

    /// The gallery itself.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The row of an image.
    pub fn row(&self, image: usize) -> usize {
        self.rows[image] as usize
    }

    /// The graph for a measure; `None` where there is none.
    pub fn graph(&self, measure: Measure) -> Option<Arc<Approximate>> {
        let graphs = self.graphs.read().unwrap_or_else(PoisonError::into_inner);
        graphs[usize::from(measure == Measure::Euclidean)].clone()
    }

    fn nearest(
        &self,
        query: &[f32],
        measure: Measure,
        top: usize,
        approximate: bool,
        among: Option<&[bool]>,
    ) -> Result<Vec<Hit>> {
        let (blocks, never) = (self.store.blocks(), AtomicBool::new(false));
        let queries = Matrix::new(query.len(), query.to_vec());
        let chosen = among.map(|among| self.rows_among(among));
        let ask = Ask { queries: &queries, measure, top, mask: chosen.as_ref().or_else(|| self.mask()) };
        let answers = match self.graph(measure).filter(|_| approximate) {
            Some(graph) => graph.search(&blocks, &ask, &never)?,
            None => exact::search(&blocks, &ask, &never)?,
        };
        let hits = answers.into_iter().next().unwrap_or_default().hits;
        Ok(hits.into_iter().filter_map(|hit| Some(Hit { entry: self.image(hit.entry)?, ..hit })).collect())
    }

    /// The rows that are searched; none is left out where every file is there.
    fn mask(&self) -> Option<&Mask> {
        (self.rows.len() < self.store.rows()).then(|| self.store.live())
    }

    /// The rows of the images that are kept.
    fn rows_among(&self, among: &[bool]) -> Mask {
        let mut mask = Mask::none(self.store.rows());
        self.rows.iter().zip(among).filter(|(_, keep)| **keep).for_each(|(&row, _)| mask.insert(row as usize));
        mask
    }

    /// The image of a row.
    fn image(&self, row: usize) -> Option<usize> {
        if self.rows.len() == self.store.rows() { Some(row) } else { self.rows.binary_search(&(row as u32)).ok() }
    }

    fn distances(&self, query: &[f32], measure: Measure) -> Vec<f32> {
        let (blocks, prepared) = (self.store.blocks(), Prepared::new(query, measure));
        let compare = |rows: &[u32]| {
            let mut scratch = vec![0.0; self.store.columns()];
            let distance = |&row: &u32| {
                super::block::find(&blocks, row as usize)
                    .map_or(f32::NAN, |(block, place)| prepared.distance(blocks[block].row(place, &mut scratch)))
            };
            rows.iter().map(distance).collect::<Vec<f32>>()
        };
        self.rows.par_chunks(PIECE).flat_map_iter(compare).collect()
    }

    fn rows_of(&self, images: &[usize]) -> Matrix {
        let (blocks, columns) = (self.store.blocks(), self.store.columns());
        let mut data = vec![0.0; images.len() * columns];
        for (&image, out) in images.iter().zip(data.chunks_exact_mut(columns.max(1))) {
            if let Some((block, place)) = super::block::find(&blocks, self.row(image)) {
                blocks[block].read(place, out);
            }
        }
        Matrix::new(columns, data)
    }
}

/// The error of a gallery on disk that has no graph for a measure, with the way to one.
pub fn no_graph(folder: &Path, measure: Measure) -> Error {
    let name = if measure == Measure::Cosine { "cosine" } else { "euclidean" };
    Error::file(
        folder,
        format!("this gallery has no index for approximate search by the {name} distance"),
        format!("Build it with `rain index approximate --measure {name}`, or search exactly"),
    )
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::data::seeded;
    use crate::gallery::store::{Change, Header, Maker, Precision, Record, Writer};

    #[test]
    fn a_gallery_on_disk_is_searched_as_one_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let (rows, columns) = (700, 24);
        let mut rng = seeded::rng(3, "shelf", &[]);
        let data: Vec<f32> = (0..rows * columns).map(|_| rng.random_range(-1.0..2.0)).collect();
        let all = Matrix::new(columns, data);
        let maker = Maker { model: "0123456789ab".into(), height: 64, width: 32, columns };
        let header = Header { maker, precision: Precision::F32, segment_rows: 300 };
        let mut writer = Writer::create(folder.path(), &header, "model").unwrap();
        let record = |row: usize| Record { path: format!("/crowd/{row:04}.jpg").into(), ..Record::default() };
        let add =
            |row: usize| Change::Add { record: record(row), vector: all.row(row).to_vec(), thumbnail: Vec::new() };
        writer.commit(&(0..rows).map(add).collect::<Vec<_>>()).unwrap();
        let gone = [0, 5, 299, 300, 699];
        writer.commit(&gone.map(|row| Change::Remove { row })).unwrap();
        drop(writer);

        let kept: Vec<usize> = (0..rows).filter(|row| !gone.contains(row)).collect();
        let memory = Shelf::Memory(Index::new(&all.select(&kept)));
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let disk = Shelf::Disk(OnDisk::new(store, kept.iter().map(|&row| row as u32).collect()));
        assert_eq!((disk.len(), disk.columns()), (memory.len(), memory.columns()));
        assert_eq!(disk.rows_of(&[3, 0, 694]).data, memory.rows_of(&[3, 0, 694]).data);
        for measure in [Measure::Cosine, Measure::Euclidean] {
            for query in [all.row(5), all.row(17)] {
                assert_eq!(disk.distances(query, measure), memory.distances(query, measure));
                let third: Vec<bool> = (0..kept.len()).map(|image| image % 3 == 0).collect();
                for (approximate, among) in
                    [(false, None), (true, None), (false, Some(third.as_slice())), (true, Some(third.as_slice()))]
                {
                    let nearest = |shelf: &Shelf| shelf.nearest(query, measure, 10, approximate, among).unwrap();
                    assert_eq!(nearest(&disk), nearest(&memory));
                    assert!(among.is_none() || nearest(&disk).iter().all(|hit| hit.entry % 3 == 0));
                }
            }
        }
    }
}
