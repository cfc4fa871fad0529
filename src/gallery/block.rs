//! Rows of embeddings as a search reads them: a few long blocks, in memory or mapped from a file.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::codes::{Scale, encode, stride};
use super::matrix::Matrix;

/// Raw embeddings, row after row.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// In 32 bits.
    F32(&'a [f32]),
    /// In 16 bits.
    F16(&'a [f16]),
}

/// Rows that lie one after the other, with their codes.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Gallery row of the first.
    pub first: usize,
    /// Length of an embedding, d.
    pub columns: usize,
    /// The embeddings, `[rows, d]`.
    pub rows: Rows<'a>,
    /// Their codes, `[rows, stride(d)]`.
    pub codes: &'a [u8],
    /// Their scales, `[rows]`.
    pub scales: &'a [Scale],
}

impl Block<'_> {
    /// Rows in the block.
    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// Writes row `index` of this block to `out` `[d]`.
    pub fn read(&self, index: usize, out: &mut [f32]) {
        self.read_many(index, out);
    }

    /// Writes the rows from `index` on to `out`, as many as fit.
    pub fn read_many(&self, index: usize, out: &mut [f32]) {
        let range = index * self.columns..index * self.columns + out.len();
        match self.rows {
            Rows::F32(rows) => out.copy_from_slice(&rows[range]),
            Rows::F16(rows) => rows[range].convert_to_f32_slice(out),
        }
    }

    /// Row `index` of this block in 32 bits; `scratch` `[d]` is used where it is kept in fewer.
    pub fn row<'s>(&'s self, index: usize, scratch: &'s mut [f32]) -> &'s [f32] {
        match self.rows {
            Rows::F32(rows) => &rows[index * self.columns..][..self.columns],
            Rows::F16(_) => {
                self.read(index, scratch);
                scratch
            }
        }
    }
}

/// The block and the place in it of gallery row `row`; blocks stand in ascending order.
pub fn find(blocks: &[Block<'_>], row: usize) -> Option<(usize, usize)> {
    let block = blocks.partition_point(|block| block.first <= row).checked_sub(1)?;
    let place = row - blocks[block].first;
    (place < blocks[block].len()).then_some((block, place))
}

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// Embeddings in memory with their codes: a gallery that is in no file.
#[derive(Debug)]
pub struct Coded {
    matrix: Matrix,
    /// From [`Coded::start`] on, so that no load of a kernel crosses a line of the cache: as in the files of a store.
    codes: Vec<u8>,
    start: usize,
    scales: Vec<Scale>,
}

impl Coded {
    /// Makes codes of the rows.
    pub fn new(matrix: Matrix) -> Self {
        use rayon::prelude::*;
        let stride = stride(matrix.columns).max(1);
        let mut codes = vec![0; matrix.rows() * stride + LINE - 1];
        let start = codes.as_ptr().align_offset(LINE).min(LINE - 1);
        let all = &mut codes[start..][..matrix.rows() * stride];
        let rows = matrix.data.par_chunks_exact(matrix.columns.max(1));
        let scales = all.par_chunks_exact_mut(stride).zip(rows).map(|(codes, row)| encode(row, codes)).collect();
        Self { matrix, codes, start, scales }
    }

    /// The embeddings.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// All rows as one block.
    pub fn block(&self) -> Block<'_> {
        let Self { matrix, codes, start, scales } = self;
        let codes = &codes[*start..][..codes.len() + 1 - LINE];
        Block { first: 0, columns: matrix.columns, rows: Rows::F32(&matrix.data), codes, scales }
    }
}
