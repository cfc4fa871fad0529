//! What the worker does with crops in memory, with full frames, and with many queries at once.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use image::imageops::crop_imm;

use super::command::{Measure, QueryId, Still};
use super::event::{Event, JobKind, Source};
use super::refine::Refine;
use super::worker::Worker;
use crate::data::dataset::Broken;
use crate::data::image_io::{self, SMALLEST_SIDE};
use crate::error::{Error, Result};
use crate::gallery::embed::BATCH;
use crate::train::event::Flow;

impl Worker {
    /// Embeds crops that are in memory as queries.
    pub(super) fn add_stills(&mut self, stills: Vec<Still>) -> Result<()> {
        self.desk.model()?;
        let title = match stills.as_slice() {
            [_] => "Add 1 query".to_owned(),
            many => format!("Add {} queries", many.len()),
        };
        self.job(JobKind::Queries, title, |worker, ticket| {
            let (usable, small): (Vec<Still>, Vec<Still>) =
                stills.into_iter().partition(|s| s.image.width().min(s.image.height()) >= SMALLEST_SIDE);
            let total = usable.len() as u64;
            for (number, batch) in usable.chunks(BATCH).enumerate() {
                if ticket.progress((number * BATCH) as u64, total, "images") == Flow::Stop {
                    return Err(Error::Cancelled);
                }
                for info in worker.desk.add_stills(batch.to_vec(), &worker.device)? {
                    worker.outbox.result(Event::QueryAdded(info));
                }
            }
            if !small.is_empty() {
                worker.outbox.result(Event::QueriesSkipped(small.iter().map(too_small).collect()));
            }
            Ok(())
        });
        Ok(())
    }

    /// Cuts boxes out of a frame and embeds them as queries.
    pub(super) fn add_crops(&mut self, path: &Path, boxes: &[[u32; 4]]) -> Result<()> {
        self.desk.model()?;
        let frame = image_io::load(path)?;
        let cut = |wanted: &[u32; 4]| {
            let [x, y, w, h] = within(*wanted, &frame);
            let image: RgbImage = crop_imm(&frame, x, y, w, h).to_image();
            Still { path: path.to_path_buf(), source: Source::Crop([x, y, w, h]), image: Arc::new(image) }
        };
        self.add_stills(boxes.iter().map(cut).collect())
    }

    /// Ranks the gallery against many queries; what the window asks meanwhile is answered in between.
    pub(super) fn search_all(
        &mut self,
        queries: &[(QueryId, Arc<Refine>)],
        top: usize,
        measure: Measure,
    ) -> Result<()> {
        let total = queries.len() as u64;
        self.job(JobKind::Search, format!("Search {total} queries"), |worker, ticket| {
            for (done, (query, refine)) in queries.iter().enumerate() {
                if ticket.progress(done as u64, total, "queries") == Flow::Stop {
                    return Err(Error::Cancelled);
                }
                worker.serve_waiting(ticket);
                // It may have been removed meanwhile.
                if worker.desk.queries.contains_key(query) {
                    worker.outbox.result(Event::Searched(worker.desk.search_refined(*query, top, measure, refine)?));
                }
            }
            ticket.progress(total, total, "queries");
            Ok(())
        });
        Ok(())
    }

    /// Tells which regions make a query and a gallery image alike.
    pub(super) fn explain(&mut self, query: QueryId, entry: usize) -> Result<()> {
        let missing = || Error::input("This gallery image is no longer there", "Choose another candidate");
        let candidate = image_io::load(&self.desk.entries().get(entry).ok_or_else(missing)?.path)?;
        let crop = &self.desk.query(query)?.info.image;
        let regions = Arc::new(self.desk.model()?.explain(crop, &candidate, &self.device)?);
        self.outbox.result(Event::Explained { query, entry, regions });
        Ok(())
    }
}

fn too_small(still: &Still) -> Broken {
    let (width, height) = still.image.dimensions();
    let reason = format!("the crop is only {width}x{height} pixels, less than {SMALLEST_SIDE} along a side");
    Broken { path: still.path.clone(), reason }
}

/// The part of a box that lies in the frame.
fn within([x, y, w, h]: [u32; 4], frame: &RgbImage) -> [u32; 4] {
    let (x, y) = (x.min(frame.width()), y.min(frame.height()));
    [x, y, w.min(frame.width() - x), h.min(frame.height() - y)]
}
