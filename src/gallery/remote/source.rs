//! Where the rows of an upload come from.

use std::ops::Range;

use super::{Key, Row};
use crate::error::Result;
use crate::gallery::features::Features;

/// Rows that can be sent, in an order that does not change.
pub trait Source {
    /// First 12 hex digits of the hash of the model that embedded them; empty where unknown.
    fn model(&self) -> &str;
    /// Length of an embedding, d.
    fn columns(&self) -> usize;
    /// How many rows there are.
    fn rows(&self) -> usize;
    /// The keys of some rows.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn keys(&self, range: Range<usize>) -> Result<Vec<Key>>;
    /// One row.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn row(&self, index: usize) -> Result<Row>;
}

impl Source for Features {
    fn model(&self) -> &str {
        &self.origin.model
    }

    fn columns(&self) -> usize {
        self.matrix.columns
    }

    fn rows(&self) -> usize {
        self.matrix.rows()
    }

    fn keys(&self, range: Range<usize>) -> Result<Vec<Key>> {
        Ok(range.map(|index| key(self, index)).collect())
    }

    fn row(&self, index: usize) -> Result<Row> {
        Ok(Row {
            key: key(self, index),
            path: self.origin.paths.get(index).cloned().unwrap_or_default(),
            camera: self.camera[index],
            identity: self.identity[index],
            time: None,
            embedding: self.matrix.row(index).to_vec(),
        })
    }
}

/// A features file knows no content hashes: the path names the row, or the numbers where there is no path.
fn key(features: &Features, index: usize) -> Key {
    match features.origin.paths.get(index) {
        Some(path) => Key::of(path.as_bytes()),
        None => Key::of(&features.matrix.row(index).iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()),
    }
}
