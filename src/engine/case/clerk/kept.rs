//! What the engine tells, and what of it a case keeps: queries, models, galleries, and searches as they were seen.

use std::path::Path;
use std::sync::Arc;

use super::{Clerk, OnDesk};
use crate::case::record::{Candidate, Gallery};
use crate::case::{Search, name};
use crate::engine::case::evidence::{self, known};
use crate::engine::case::{CaseEvent, Message, Shown, Told};
use crate::engine::command::Measure;
use crate::engine::event::QueryInfo;
use crate::error::Result;

impl Clerk {
    pub(super) fn told(&mut self, told: Told) -> Result<()> {
        match told {
            Told::Model(model) => {
                self.model = Some(model);
                self.keep_model()
            }
            Told::Gallery(gallery) => {
                self.gallery = Some(gallery);
                self.keep_gallery();
                Ok(())
            }
            Told::Query(info) => {
                let restored = self.restoring.iter().position(|(image, _)| Arc::ptr_eq(image, &info.image));
                match restored {
                    Some(at) => {
                        let (_, number) = self.restoring.swap_remove(at);
                        self.on_desk(&info, Some(number));
                        Ok(())
                    }
                    None => {
                        self.on_desk(&info, None);
                        self.keep_query(&info)
                    }
                }
            }
            Told::Removed(id) => match self.desk.remove(&id).and_then(|query| query.number) {
                Some(number) if self.case.is_some() => self.change(|case, who| case.remove_query(who, number)),
                _ => Ok(()),
            },
        }
    }

    fn on_desk(&mut self, info: &QueryInfo, number: Option<u64>) {
        if let Some(number) = number {
            self.tell(CaseEvent::Query { id: info.id, number });
        }
        self.desk.insert(info.id, OnDesk { info: info.clone(), number });
    }

    pub(super) fn keep_query(&mut self, info: &QueryInfo) -> Result<()> {
        if self.case.is_none() {
            return Ok(());
        }
        let (query, bytes) = evidence::query(info)?;
        let mut number = 0;
        self.change(|case, who| {
            let (new, entry) = case.add_query(who, query, &bytes)?;
            number = new;
            Ok(entry)
        })?;
        self.on_desk(info, Some(number));
        Ok(())
    }

    pub(super) fn keep_model(&mut self) -> Result<()> {
        let (Some(info), Some(case)) = (&self.model, &self.case) else { return Ok(()) };
        if !case.writable() {
            return Ok(());
        }
        let model = evidence::model(info)?;
        self.change(|case, who| case.use_model(who, model))
    }

    /// Computes the gallery's hash on a thread of its own: it reads every image.
    pub(super) fn keep_gallery(&mut self) {
        let (Some(gallery), Some(case)) = (self.gallery.clone(), &self.case) else { return };
        if !case.writable() {
            return;
        }
        let (own, stop) = (self.own.clone(), self.stop.clone());
        let body = move || {
            if let Some(hash) = evidence::gallery_hash(&gallery, &stop) {
                let (folder, images) = (gallery.path.clone(), gallery.entries.len());
                let _ = own.send(Message::Hashed { folder, images, hash }); // the thread may have ended meanwhile
            }
        };
        if let Ok(helper) = std::thread::Builder::new().name("gallery hash".into()).spawn(body) {
            self.helpers.push(helper);
        }
    }

    pub(super) fn hashed(&mut self, folder: &Path, images: usize, hash: String) -> Result<()> {
        if self.case.is_none() {
            return Ok(());
        }
        let folder = name::to_text(folder);
        self.change(|case, who| case.use_gallery(who, &folder, Gallery { images, hash: Some(hash) }))
    }

    pub(super) fn saw(&mut self, shown: &Shown) -> Result<()> {
        let number = self.desk.get(&shown.query).and_then(|q| q.number);
        let (Some(case), Some(number)) = (&self.case, number) else { return Ok(()) };
        if !case.writable() {
            return Ok(());
        }
        let mut pictures = Vec::new();
        let mut candidates = Vec::with_capacity(shown.candidates.len());
        for candidate in &shown.candidates {
            let evidence = self.reader.read(&candidate.path);
            candidates.push(Candidate {
                rank: candidate.rank,
                path: name::to_text(&candidate.path),
                hash: evidence.hash,
                picture: evidence.picture.as_ref().map(|(hash, _)| hash.clone()),
                // JSON has no word for what is not finite.
                distance: if candidate.distance.is_finite() { candidate.distance } else { f32::MAX },
                camera: known(candidate.camera),
                identity: known(candidate.identity),
            });
            pictures.extend(evidence.picture);
        }
        let search = Search {
            query: number,
            model: self.model.as_ref().map(|m| m.hash.clone()).unwrap_or_default(),
            gallery: name::to_text(&shown.gallery),
            gallery_images: shown.gallery_images,
            measure: match shown.measure {
                Measure::Cosine => "cosine distance".into(),
                Measure::Euclidean => "Euclidean distance".into(),
            },
            settings: shown.settings.clone(),
            candidates,
        };
        let pictures: Vec<(&str, &[u8])> =
            pictures.iter().map(|(hash, bytes)| (hash.as_str(), bytes.as_slice())).collect();
        self.change(|case, who| case.saw(who, search, &pictures))
    }
}
