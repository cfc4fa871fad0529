//! Sending a gallery to a server in batches, going on where an earlier upload stopped.

use std::collections::HashSet;

use super::{GoOn, Key, Name, Patience, RemoteGallery, Row, Source, Spec, check_model};
use crate::error::{Error, Result};
use crate::flow::Flow;

/// Bytes of embeddings in a batch: large enough that the round trip does not count, small enough that a broken connection
/// costs little and that JSON of it stays below what servers accept.
const BATCH_BYTES: usize = 2 << 20;

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Sent {
    /// Rows that were sent now.
    pub sent: u64,
    /// Rows that the server had already.
    pub present: u64,
    /// Rows of the source that have the key of an earlier one: the same image twice.
    pub repeated: u64,
    /// Rows of the gallery on the server afterwards.
    pub rows: u64,
}

/// Sends every row of `source` that the server does not have; with `overwrite` those that it has too.
///
/// `spec` says what to make where the gallery does not exist; where it exists its own spec holds. `on` hears of the rows
/// done and those in all. An upload that was broken off is gone on with by doing the same again: rows are named by their
/// content, so nothing is there twice.
///
/// # Errors
/// A source that cannot be read, another model's gallery, or a server that stays away, refuses, or lets nobody in.
pub fn upload(
    gallery: &mut dyn RemoteGallery,
    name: &Name,
    source: &dyn Source,
    spec: &Spec,
    overwrite: bool,
    patience: &Patience,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<Sent> {
    let total = source.rows() as u64;
    let mut done = 0;
    if on(0, total) == Flow::Stop {
        return Err(Error::Cancelled);
    }
    let spec = prepare(gallery, name, source, spec, patience, &mut || on(0, total))?;
    let mut sent = Sent::default();
    let mut seen: HashSet<Key> = HashSet::with_capacity(source.rows());
    let batch = (BATCH_BYTES / (4 * source.columns().max(1))).clamp(1, 4096);
    for start in (0..source.rows()).step_by(batch) {
        let range = start..(start + batch).min(source.rows());
        let keys = source.keys(range.clone())?;
        let fresh: Vec<(usize, Key)> = range.clone().zip(keys).filter(|(_, key)| seen.insert(*key)).collect();
        sent.repeated += (range.len() - fresh.len()) as u64;
        let asked: Vec<Key> = fresh.iter().map(|(_, key)| *key).collect();
        let mut go_on = || on(done, total);
        let present: HashSet<Key> = if overwrite || asked.is_empty() {
            HashSet::new()
        } else {
            insist(gallery, patience, &mut go_on, |gallery| gallery.present(&asked))?.into_iter().collect()
        };
        let missing = fresh.iter().filter(|(_, key)| !present.contains(key));
        let rows: Vec<Row> = missing.map(|(index, _)| checked(source, *index)).collect::<Result<_>>()?;
        if !rows.is_empty() {
            insist(gallery, patience, &mut go_on, |gallery| gallery.put(&spec, &rows))?;
        }
        sent.sent += rows.len() as u64;
        sent.present += (fresh.len() - rows.len()) as u64;
        done = range.end as u64;
        if on(done, total) == Flow::Stop {
            return Err(Error::Cancelled);
        }
    }
    let mut go_on = || on(total, total);
    insist(gallery, patience, &mut go_on, |gallery| gallery.settle(&spec))?;
    sent.rows = insist(gallery, patience, &mut go_on, |gallery| gallery.status())?.map_or(0, |status| status.rows);
    Ok(sent)
}

/// Makes the gallery where it is missing; answers with what it is made of.
fn prepare(
    gallery: &mut dyn RemoteGallery,
    name: &Name,
    source: &dyn Source,
    spec: &Spec,
    patience: &Patience,
    go_on: GoOn<'_>,
) -> Result<Spec> {
    if let Some(status) = insist(gallery, patience, go_on, |gallery| gallery.status())? {
        check_model(&status.spec, source.model(), source.columns(), name)?;
        return Ok(status.spec);
    }
    insist(gallery, patience, go_on, |gallery| gallery.create(spec))?;
    Ok(spec.clone())
}

fn checked(source: &dyn Source, index: usize) -> Result<Row> {
    let row = source.row(index)?;
    if row.embedding.len() != source.columns() || row.embedding.iter().any(|x| !x.is_finite()) {
        return Err(Error::input(
            format!("Row {index} ({}) has no usable embedding", row.path),
            "Embed that image again, or remove it from the gallery",
        ));
    }
    Ok(row)
}

fn insist<T>(
    gallery: &mut dyn RemoteGallery,
    patience: &Patience,
    go_on: GoOn<'_>,
    mut work: impl FnMut(&mut dyn RemoteGallery) -> Result<T, super::Fault>,
) -> Result<T> {
    patience.insist(go_on, || work(gallery)).map_err(|fault| fault.tell(gallery.address()))
}
