//! What the gallery page knows: the survey of the files, the server, and the form that names it.

mod disk;

use std::path::PathBuf;
use std::sync::Arc;

pub use disk::{DiskForm, DiskPage};

use crate::engine::command::{Measure, QueryId, ServerChoice};
use crate::engine::event::{GalleryEvent, ServerAnswer};
use crate::gallery::remote::rescore::Answer;
use crate::gallery::remote::{Address, Name, Secret, Sent};
use crate::gallery::survey::Survey;

/// A server's ranking for a query.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which query.
    pub query: QueryId,
    /// How it was compared.
    pub measure: Measure,
    /// Rows of the gallery there.
    pub rows: u64,
    /// Candidates, nearest first.
    pub answer: Arc<Answer>,
}

/// What was learned about the gallery's files and about a server.
#[derive(Debug, Default)]
pub struct GalleryPage {
    /// The newest survey of the open gallery.
    pub survey: Option<Arc<Survey>>,
    /// What the server said last.
    pub server: Option<ServerAnswer>,
    /// What was sent last.
    pub sent: Option<Sent>,
    /// The server's ranking that was asked for last.
    pub found: Option<Found>,
    /// What is known of the open gallery, where it lies on disk, and of galleries on disk that grow.
    pub disk: DiskPage,
}

impl GalleryPage {
    /// Takes one event in.
    pub fn apply(&mut self, event: GalleryEvent) {
        match event {
            GalleryEvent::Surveyed(survey) => self.survey = Some(survey),
            GalleryEvent::Connected(answer) => self.server = Some(answer),
            GalleryEvent::Uploaded(sent) => self.sent = Some(sent),
            GalleryEvent::Found { query, measure, rows, answer } => {
                self.found = Some(Found { query, measure, rows, answer });
            }
            GalleryEvent::Disk(event) => self.disk.apply(event),
        }
    }

    /// Another gallery is open: what is known of the last one's files no longer counts.
    pub fn forget_files(&mut self) {
        self.survey = None;
        self.sent = None;
        self.disk.forget();
    }
}

/// What is typed to name a server. The key is never stored.
#[derive(Debug, Clone)]
pub struct ServerForm {
    /// The URL.
    pub url: String,
    /// The gallery's name there.
    pub name: String,
    /// The key or password.
    pub key: String,
    /// A PEM file with the certificates to trust; empty for the public ones.
    pub authority: String,
    /// Whether a connection to another machine may be unencrypted.
    pub plaintext: bool,
    /// Whether the server may search approximately, where a gallery is made.
    pub approximate: bool,
    /// Why it was refused.
    pub problem: Option<String>,
}

impl Default for ServerForm {
    fn default() -> Self {
        Self {
            url: String::new(),
            name: "gallery".into(),
            key: String::new(),
            authority: String::new(),
            plaintext: false,
            approximate: false,
            problem: None,
        }
    }
}

impl ServerForm {
    /// The server that is named, or `None` with the reason in [`Self::problem`].
    pub fn submit(&mut self) -> Option<ServerChoice> {
        match self.read() {
            Ok(choice) => {
                self.problem = None;
                Some(choice)
            }
            Err(error) => {
                self.problem = Some(error.to_string());
                None
            }
        }
    }

    fn read(&self) -> crate::Result<ServerChoice> {
        let mut address: Address = self.url.parse()?;
        let authority = self.authority.trim();
        address.authority = (!authority.is_empty()).then(|| PathBuf::from(authority));
        address.plaintext = self.plaintext;
        address.check()?;
        let name: Name = self.name.trim().parse()?;
        Ok(ServerChoice { address, name, key: Secret::new(self.key.as_str()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_a_server_or_says_why_not() {
        let mut form =
            ServerForm { url: "milvus+http://127.0.0.1:19530".into(), key: "k3y".into(), ..ServerForm::default() };
        let choice = form.submit().unwrap();
        assert_eq!((choice.address.port, choice.name.to_string()), (19530, "gallery".into()));
        assert!(choice.key.is_some() && form.problem.is_none());
        for (url, name, expected) in [
            ("", "gallery", "no scheme"),
            ("http://far.example", "gallery", "not be encrypted"),
            ("http://localhost", "My gallery", "a-z"),
            ("postgres://a:secret@localhost", "gallery", "password"),
        ] {
            (form.url, form.name) = (url.into(), name.into());
            assert!(form.submit().is_none());
            let problem = form.problem.clone().unwrap();
            assert!(problem.contains(expected) && !problem.contains("secret"), "{problem}");
        }
    }
}
