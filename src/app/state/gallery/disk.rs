//! Galleries on disk, as the window knows them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::state::{Gravity, ViewState, file_name};
use crate::engine::command::{Command, DiskCommand, GalleryCommand, JobId};
use crate::engine::event::{DiskEvent, DiskInfo, GalleryEvent};
use crate::gallery::ingest::{Progress, Summary};
use crate::gallery::store::Verified;

/// What is known of the open gallery, where it lies on disk, and of the work on galleries on disk.
#[derive(Debug, Default)]
pub struct DiskPage {
    /// The open gallery, where it lies on disk.
    pub info: Option<Arc<DiskInfo>>,
    /// Whether searches go by the graph.
    pub approximate: bool,
    /// The gallery that grows, and how far it is.
    pub growing: Option<(JobId, Progress)>,
    /// Jobs that are held.
    pub held: BTreeSet<JobId>,
    /// What became of the gallery that grew last.
    pub grown: Option<(PathBuf, Arc<Summary>)>,
    /// What a check found last.
    pub verified: Option<(PathBuf, Arc<Verified>)>,
}

impl DiskPage {
    /// Takes one event in.
    pub(super) fn apply(&mut self, event: DiskEvent) {
        match event {
            DiskEvent::Opened(info) => self.info = Some(info),
            DiskEvent::Closed { .. } => self.info = None,
            DiskEvent::Growing { job, progress } => self.growing = Some((job, progress)),
            DiskEvent::Grown { folder, summary } => {
                self.growing = None;
                self.grown = Some((folder, summary));
            }
            DiskEvent::Verified { folder, found } => self.verified = Some((folder, found)),
            DiskEvent::Approximate(on) => self.approximate = on,
        }
    }

    /// Another gallery is open.
    pub(super) fn forget(&mut self) {
        self.info = None;
    }
}

impl ViewState {
    /// Takes an event about galleries in.
    pub(in crate::app::state) fn gallery_event(&mut self, event: GalleryEvent, send: &mut Vec<Command>) {
        self.gallery_page.apply(event.clone());
        let GalleryEvent::Disk(event) = event else { return };
        match event {
            DiskEvent::Closed { folder } => {
                self.gallery = None;
                self.gallery_page.forget_files();
                self.forget_rankings();
                let text = format!(
                    "Gallery {} was closed: another model made it, and embeddings of two models cannot be compared. Open \
                     its model to search it again, or build a gallery with this one on the page Gallery.",
                    file_name(&folder)
                );
                self.notify(Gravity::Note, "Open model", text, Vec::new());
            }
            // A ranking by the other way no longer counts.
            DiskEvent::Approximate(_) => {
                self.forget_rankings();
                self.refresh(send);
            }
            DiskEvent::Opened(_) if self.gallery_page.disk.approximate => {
                self.forget_rankings();
                self.refresh(send);
            }
            DiskEvent::Grown { folder, summary } => {
                self.skipped("Add images", "could not be used as a gallery image", &summary.broken);
                let open = self.gallery.as_ref().is_none_or(|gallery| gallery.path == folder);
                if open && !summary.stopped {
                    send.push(Command::OpenGallery { path: folder });
                }
            }
            _ => {}
        }
    }

    /// Passes a wish about galleries on.
    pub(in crate::app::state) fn gallery_asked(&mut self, command: GalleryCommand, send: &mut Vec<Command>) {
        if let GalleryCommand::Disk(DiskCommand::Hold { job, hold }) = command {
            let held = &mut self.gallery_page.disk.held;
            let _ = if hold { held.insert(job) } else { held.remove(&job) };
        }
        send.push(Command::Gallery(command));
    }

    /// The share of the ten nearest that searches find by now; `None` where they are exact.
    pub fn approximate(&self) -> Option<f64> {
        let disk = &self.gallery_page.disk;
        let graph = disk.info.as_ref()?.graph(self.settings.measure)?;
        (disk.approximate && graph.sample > 0).then_some(graph.recall)
    }
}

/// What is typed to make a gallery on disk.
#[derive(Debug, Clone, Default)]
pub struct DiskForm {
    /// The folder of images.
    pub images: String,
    /// The gallery's own folder.
    pub folder: String,
    /// Why it was refused.
    pub problem: Option<String>,
}

impl DiskForm {
    /// What to ask for, or `None` with the reason in [`Self::problem`].
    pub fn submit(&mut self) -> Option<GalleryCommand> {
        let (images, folder) = (self.images.trim(), self.folder.trim());
        self.problem = if images.is_empty() {
            Some("Name the folder of images".into())
        } else if folder.is_empty() {
            Some("Name a folder for the gallery".into())
        } else if Path::new(images).starts_with(folder) {
            Some("The gallery needs a folder of its own, not the one of the images".into())
        } else {
            None
        };
        let command = DiskCommand::Build { folder: folder.into(), images: vec![images.into()] };
        self.problem.is_none().then_some(GalleryCommand::Disk(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_both_folders_or_says_why_not() {
        let mut form = DiskForm::default();
        for (images, folder, expected) in [
            ("", "/g", "images"),
            ("/i", " ", "for the gallery"),
            ("/i", "/i", "of its own"),
            ("/i/sub", "/i", "of its own"),
        ] {
            (form.images, form.folder) = (images.into(), folder.into());
            assert!(form.submit().is_none());
            assert!(form.problem.as_ref().unwrap().contains(expected), "{form:?}");
        }
        (form.images, form.folder) = ("/i ".into(), "/g".into());
        let Some(GalleryCommand::Disk(DiskCommand::Build { folder, images })) = form.submit() else {
            panic!("{form:?}")
        };
        assert_eq!((folder, images), ("/g".into(), vec![PathBuf::from("/i")]));
        assert!(form.problem.is_none());
    }
}
