//! How a case comes onto the desk, and leaves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Clerk;
use crate::case::record::{Query, pasted_number};
use crate::case::{Case, Change, State, name};
use crate::data::dataset::UNKNOWN;
use crate::data::image_io;
use crate::engine::case::{CaseEvent, DemoCase, OpenedCase, Restore, StoredQuery};
use crate::engine::command::Command;
use crate::engine::event::{QueryInfo, Source};
use crate::error::{Error, Result};

impl Clerk {
    pub(super) fn create(&mut self, path: &Path, title: &str) -> Result<()> {
        let case = Case::create(path, title, &self.who)?;
        if self.case.is_some() {
            self.close();
        }
        self.adopt(case, true, false, Vec::new());
        // What lies on the desk belongs to it from now on.
        let unkept: Vec<QueryInfo> = self.desk.values().map(|q| q.info.clone()).collect();
        unkept.into_iter().try_for_each(|info| self.keep_query(&info))?;
        self.keep_model()?;
        self.keep_gallery();
        Ok(())
    }

    pub(super) fn open(&mut self, path: &Path) -> Result<()> {
        let case = Case::open(path)?;
        self.close();
        let (model, model_missing) = Self::model_of(case.state());
        let (gallery, gallery_missing) = Self::gallery_of(case.state());
        let missing = model_missing.into_iter().chain(gallery_missing).collect();
        let numbers: Vec<u64> = case.state().queries.keys().copied().collect();
        let another = gallery_used(case.state()).is_some_and(|folder| !self.gallery_is(&folder));
        self.adopt(case, false, another, missing);
        self.restore(&numbers, model, gallery, another)
    }

    pub(super) fn demo(&mut self, demo: &DemoCase) -> Result<()> {
        let there = std::fs::metadata(&demo.path).is_ok_and(|about| about.len() > 0);
        let case = if there {
            Case::open(&demo.path)?
        } else {
            if let Some(folder) = demo.path.parent() {
                std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
            }
            Case::create(&demo.path, "Demo", &self.who)?
        };
        self.close();
        let numbers: Vec<u64> = case.state().queries.keys().copied().collect();
        let fresh = case.state().next_query() == 1;
        let another = self.gallery.is_some() && !self.gallery_is(&demo.gallery);
        self.adopt(case, !there, another, Vec::new());
        self.restore(&numbers, Some(demo.model.clone()), Some(demo.gallery.clone()), another)?;
        if fresh {
            self.send(Command::AddQueries { paths: vec![demo.queries.clone()] });
        }
        Ok(())
    }

    fn gallery_is(&self, folder: &Path) -> bool {
        self.gallery.as_ref().is_some_and(|gallery| gallery.path == folder)
    }

    fn adopt(&mut self, case: Case, new: bool, drop_gallery: bool, missing: Vec<String>) {
        if drop_gallery {
            self.gallery = None;
        }
        self.tell(CaseEvent::Opened(Box::new(OpenedCase {
            path: case.path().to_path_buf(),
            writable: case.writable(),
            new,
            state: case.state().clone(),
            keeps_gallery: !drop_gallery,
            missing,
        })));
        self.case = Some(case);
    }

    /// Closes the case, and clears the desk of the queries.
    pub(super) fn close(&mut self) {
        self.case = None;
        self.restoring.clear();
        for id in std::mem::take(&mut self.desk).into_keys() {
            self.send(Command::RemoveQuery { query: id });
        }
    }

    /// The model used last, where it is still what it was; else what to say.
    fn model_of(state: &State) -> (Option<PathBuf>, Option<String>) {
        let last = state.log.iter().rev().find_map(|entry| match &entry.change {
            Change::Model(_, edit) => edit.to.as_ref(),
            _ => None,
        });
        let Some(model) = last else { return (None, None) };
        let path = name::to_path(&model.path);
        match crate::gallery::features::file_hash(&path) {
            Ok(hash) if model.hash.starts_with(&hash) => (Some(path), None),
            Ok(_) => {
                let text = format!(
                    "The model {} is another than the one this case was ranked with. Open it (or another) to search on; \
                     what was seen and decided stays as it was.",
                    path.display()
                );
                (None, Some(text))
            }
            Err(_) => {
                let text = format!(
                    "The model {} is not there. Open a model to search on; what was seen and decided can be read without it.",
                    path.display()
                );
                (None, Some(text))
            }
        }
    }

    /// The gallery used last, where its folder is still there; else what to say.
    fn gallery_of(state: &State) -> (Option<PathBuf>, Option<String>) {
        let Some(folder) = gallery_used(state) else { return (None, None) };
        if folder.is_dir() {
            return (Some(folder), None);
        }
        let text = format!(
            "The gallery {} is not there: connect its disk and open the gallery to search on. What was seen and decided can \
             be read without it.",
            folder.display()
        );
        (None, Some(text))
    }

    /// Sends queries out of the case to the desk, and opens model and gallery unless they are open.
    pub(super) fn restore(
        &mut self,
        numbers: &[u64],
        model: Option<PathBuf>,
        gallery: Option<PathBuf>,
        drop_gallery: bool,
    ) -> Result<()> {
        let Some(case) = &self.case else { return Ok(()) };
        let mut queries = Vec::with_capacity(numbers.len());
        let mut broken = None;
        for number in numbers {
            let Some(query) = case.state().queries.get(number) else { continue };
            let path = name::to_path(&query.path);
            let image = case.picture(&query.hash).and_then(|bytes| {
                let missing =
                    || Error::file(case.path(), "lacks the bytes of a query", "Go back to a copy of the case");
                image_io::decode(&path, &bytes.ok_or_else(missing)?)
            });
            match image {
                Ok(image) => {
                    let image = Arc::new(image);
                    self.restoring.push((image.clone(), *number));
                    let (identity, camera) = (query.identity.unwrap_or(UNKNOWN), query.camera.unwrap_or(UNKNOWN));
                    let source = source(query);
                    queries.push(StoredQuery { path, identity, camera, source, image });
                }
                Err(error) => broken = broken.or(Some(error)),
            }
        }
        let title = format!("Open case {}", name::file_name(&name::to_text(case.path())));
        let same_model = self.model.as_ref().map(|m| &m.path) == model.as_ref();
        let same_gallery = self.gallery.as_ref().map(|g| &g.path) == gallery.as_ref();
        let restore = Restore {
            title,
            model: model.filter(|_| !same_model),
            gallery: gallery.filter(|_| !same_gallery),
            drop_gallery,
            queries,
        };
        self.send(Command::Restore(Box::new(restore)));
        broken.map_or(Ok(()), Err)
    }
}

/// The folder of the gallery that was searched last.
fn gallery_used(state: &State) -> Option<PathBuf> {
    let last = state.log.iter().rev().find_map(|entry| match &entry.change {
        Change::Gallery(folder, edit) => edit.to.as_ref().map(|_| folder),
        Change::Search(_, edit) => edit.to.as_ref().map(|search| &search.gallery),
        _ => None,
    });
    last.map(|folder| name::to_path(folder))
}

/// What of its file a query is.
fn source(query: &Query) -> Source {
    match query.cut {
        Some(area) => Source::Crop(area),
        None if pasted_number(&query.path).is_some() => Source::Memory,
        None => Source::File,
    }
}
