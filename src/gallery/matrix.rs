//! Rows of embeddings.

/// Embeddings v, one a row: `[rows, columns]`, row-major, raw (not L2-normalised).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// Length of one embedding, d.
    pub columns: usize,
    /// The numbers, row after row.
    pub data: Vec<f32>,
}

impl Matrix {
    /// A matrix of `data`, whose length must be a multiple of `columns`; the rest of a broken row is cut off.
    pub fn new(columns: usize, mut data: Vec<f32>) -> Self {
        data.truncate(data.len() / columns.max(1) * columns);
        Self { columns, data }
    }

    /// Number of embeddings.
    pub fn rows(&self) -> usize {
        self.data.len().checked_div(self.columns).unwrap_or(0)
    }

    /// Embedding `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.columns..(index + 1) * self.columns]
    }

    /// The embeddings `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut data = Vec::with_capacity(indices.len() * self.columns);
        for &index in indices {
            data.extend_from_slice(self.row(index));
        }
        Self { columns: self.columns, data }
    }

    /// A copy whose rows have length 1 (a row of zeros stays as it is): what the cosine distance compares.
    pub fn normalised(&self) -> Self {
        let mut copy = self.clone();
        for row in copy.data.chunks_exact_mut(self.columns.max(1)) {
            let length = super::distance::dot(row, row).sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|x| *x /= length);
            }
        }
        copy
    }
}
