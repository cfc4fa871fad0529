//! How near rows are to a query, or to another row, as their 8-bit codes tell it.
//!
//! A row's codes are a query's too: u - 128 is a signed code, for which nothing has to be looked at but the codes themselves.

use crate::gallery::block::Block;
use crate::gallery::codes::{ALIGN, Scale, stride};
use crate::gallery::distance::Measure;
use crate::gallery::exact::kernel::{self, Kernel, ROWS, fetch};

/// The codes of a gallery, whatever blocks they lie in.
pub struct Codes<'a> {
    blocks: &'a [Block<'a>],
    /// Rows of every block but the last, where all have as many: finding a row is a division then.
    even: usize,
    stride: usize,
    measure: Measure,
    kernel: Kernel,
}

/// A query, ready to be compared with rows. Scores grow with nearness and are the same from either side: the cosine
/// similarity, or minus half the squared Euclidean distance.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    codes: Vec<i8>,
    step: f32,
    sum: f32,
    centre: f32,
    /// What is subtracted for the query's own length.
    less: f32,
}

impl<'a> Codes<'a> {
    /// The rows of `blocks`, which stand in ascending order without gaps.
    pub fn new(blocks: &'a [Block<'a>], measure: Measure) -> Self {
        let columns = blocks.first().map_or(0, |block| block.columns);
        let even = blocks.first().map_or(1, Block::len).max(1);
        Self { blocks, even, stride: stride(columns), measure, kernel: kernel::current() }
    }

    #[inline]
    fn place(&self, row: usize) -> (&Block<'a>, usize) {
        (&self.blocks[row / self.even], row % self.even)
    }

    /// The codes of a row.
    #[inline]
    pub fn codes(&self, row: usize) -> &[u8] {
        let (block, place) = self.place(row);
        &block.codes[place * self.stride..][..self.stride]
    }

    #[inline]
    fn scale(&self, row: usize) -> &Scale {
        let (block, place) = self.place(row);
        &block.scales[place]
    }

    /// Asks for a row to be brought near.
    #[inline]
    pub fn fetch(&self, row: usize) {
        // A long row is read in order, which the processor foresees once it has begun.
        self.codes(row).chunks(ALIGN).take(8).for_each(|line| fetch(line.as_ptr()));
        fetch(self.scale(row));
    }

    /// Makes `probe` that of a row.
    pub fn aim(&self, row: usize, probe: &mut Probe) {
        let s = self.scale(row);
        probe.codes.clear();
        probe.codes.extend(self.codes(row).iter().map(|code| (code ^ 0x80) as i8));
        let columns = self.blocks[0].columns as f32;
        let factor = if self.measure == Measure::Cosine { s.inverse } else { 1.0 };
        // x' = s u + z = s v + (z + 128 s), and the padding's codes meet zeros.
        probe.step = factor * s.scale;
        probe.sum = factor * (s.sum - columns * (s.zero + 128.0 * s.scale));
        probe.centre = factor * (s.zero + 128.0 * s.scale);
        probe.less = if self.measure == Measure::Cosine { 0.0 } else { s.norm * s.norm / 2.0 };
    }

    /// The probe of a raw query `[d]`.
    pub fn query(&self, query: &[f32]) -> Probe {
        let mut codes = vec![0; self.stride];
        let s = crate::gallery::codes::encode(query, &mut codes);
        let factor = if self.measure == Measure::Cosine { s.inverse } else { 1.0 };
        let centre = s.zero + 128.0 * s.scale;
        Probe {
            codes: codes.iter().map(|code| (code ^ 0x80) as i8).collect(),
            step: factor * s.scale,
            sum: factor * (s.sum - query.len() as f32 * centre),
            centre: factor * centre,
            less: if self.measure == Measure::Cosine { 0.0 } else { s.norm * s.norm / 2.0 },
        }
    }

    /// The scores of up to [`ROWS`] rows; those behind `rows.len()` mean nothing.
    #[inline]
    pub fn scores(&self, probe: &Probe, rows: &[u32]) -> [f32; ROWS] {
        let rows: [usize; ROWS] = std::array::from_fn(|i| rows[i.min(rows.len() - 1)] as usize);
        let codes = rows.map(|row| self.codes(row).as_ptr());
        assert!(probe.codes.len() == self.stride, "the probe is of this gallery");
        let mut products = [0; ROWS];
        // Nothing is fetched ahead here: a walk does that as soon as it knows where it goes ([`Codes::fetch`]).
        // SAFETY: `Kernel` is only had for an available instruction set; each row and the probe hold `stride` codes.
        unsafe { (self.kernel.products)(codes, None, probe.codes.as_ptr(), 1, self.stride, products.as_mut_ptr()) };
        std::array::from_fn(|i| {
            let s = self.scale(rows[i]);
            let product = products[i] as f32 * probe.step * s.scale + probe.sum * s.zero + probe.centre * s.sum;
            match self.measure {
                Measure::Cosine => product * s.inverse,
                Measure::Euclidean => product - s.norm * s.norm / 2.0 - probe.less,
            }
        })
    }
}
