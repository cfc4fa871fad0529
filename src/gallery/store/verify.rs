//! Whether a gallery holds what was written to it.

use std::path::Path;

use rayon::prelude::*;

use super::catalogue::Counts;
use super::header::{Header, Precision};
use super::stream::{self, Mapped};
use super::{CONTENTS, check_counts, open_catalogue, place};
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::block::{Block, Rows};
use crate::gallery::codes::{Scale, encode, stride};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Rows, those included whose file is gone.
    pub rows: usize,
    /// Rows whose file is gone: they are not searched.
    pub gone: usize,
    /// Segments.
    pub segments: usize,
    /// Bytes behind the committed rows, left from a write that was cut off. They do no harm; the next `add` removes them.
    pub left_over: u64,
    /// What is wrong; empty for a sound gallery.
    pub problems: Vec<String>,
}

/// Reads the whole gallery in `folder`: each file against its checksum, the codes against the embeddings they were made of,
/// the database against both. `on` hears of rows done and rows in all.
///
/// # Errors
/// Where there is no gallery at all, its database cannot be opened, or `on` says stop. What is wrong inside is among
/// [`Verified::problems`].
pub fn verify(folder: &Path, on: &mut dyn FnMut(u64, u64) -> Flow) -> Result<Verified> {
    let catalogue = open_catalogue(folder, false)?;
    let (header, _) = catalogue.about()?;
    let counts = catalogue.counts()?;
    let rows: usize = counts.iter().map(|c| c[0].records).sum();
    let mut found = Verified {
        rows,
        gone: catalogue.gone()?.len(),
        segments: counts.len(),
        left_over: 0,
        problems: catalogue.problems(rows)?,
    };
    if let Err(error) = check_counts(folder, &header, &counts) {
        found.problems.push(error.to_string());
    }
    let mut done = 0;
    for (segment, counts) in counts.iter().enumerate() {
        if on(done, rows as u64) == Flow::Stop {
            return Err(Error::Cancelled);
        }
        if let Err(error) = check_segment(folder, &header, segment, counts, &mut found) {
            found.problems.push(error.to_string());
        }
        done += counts[0].records as u64;
    }
    on(rows as u64, rows as u64);
    Ok(found)
}

fn check_segment(folder: &Path, header: &Header, segment: usize, counts: &Counts, found: &mut Verified) -> Result<()> {
    let mut maps = Vec::new();
    for (content, committed) in CONTENTS.into_iter().zip(counts) {
        let place = place(folder, header, segment, content);
        maps.push(Mapped::open(&place, header, committed.records)?);
        let (sum, behind) = stream::checksum(&place.path, place.record, committed.records)?;
        found.left_over += behind;
        if sum != committed.checksum {
            found.problems.push(format!("{}: the checksum of its rows is wrong", place.path.display()));
        }
    }
    let columns = header.maker.columns;
    let block = Block {
        first: segment * header.segment_rows,
        columns,
        rows: match header.precision {
            Precision::F32 => Rows::F32(maps[0].numbers()),
            Precision::F16 => Rows::F16(maps[0].numbers()),
        },
        codes: maps[1].bytes(),
        scales: maps[2].numbers::<Scale>(),
    };
    let stride = stride(columns);
    let wrong = (0..block.len()).into_par_iter().map_init(
        || (vec![0f32; columns], vec![0u8; stride]),
        |(row, codes), index| {
            block.read(index, row);
            let scale = encode(row, codes);
            let kept = &block.codes[index * stride..][..stride];
            if kept == codes.as_slice() && scale == block.scales[index] { None } else { Some(index) }
        },
    );
    if let Some(index) = wrong.flatten_iter().min() {
        found.problems.push(format!("the codes of row {} do not belong to its embedding", block.first + index));
    }
    Ok(())
}
