//! A gallery on disk as the source of an upload.

use std::ops::Range;
use std::sync::Arc;

use super::{Key, Row, Source};
use crate::error::Result;
use crate::gallery::store::{Record, Store};

/// The rows of a gallery on disk whose file is there. They are named by the content of the files, which are not read again.
pub struct Stored {
    store: Arc<Store>,
    rows: Vec<usize>,
}

impl Stored {
    /// All rows that are searched.
    pub fn new(store: Arc<Store>) -> Self {
        let rows = store.live().iter_in(0..store.rows()).collect();
        Self { store, rows }
    }
}

impl Source for Stored {
    fn model(&self) -> &str {
        &self.store.header().maker.model
    }

    fn columns(&self) -> usize {
        self.store.columns()
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn keys(&self, range: Range<usize>) -> Result<Vec<Key>> {
        Ok(self.store.records(&self.rows[range])?.iter().map(|record| Key(record.hash.0)).collect())
    }

    fn row(&self, index: usize) -> Result<Row> {
        let row = self.rows[index];
        let Record { path, hash, identity, camera, time, .. } = self.store.record(row)?;
        let (key, path) = (Key(hash.0), path.to_string_lossy().into_owned());
        Ok(Row { key, path, camera, identity, time, embedding: self.store.vector(row)? })
    }
}
