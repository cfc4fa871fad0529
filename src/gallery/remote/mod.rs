//! Galleries past one machine: the same rows on a server that many machines share.
//!
//! A server holds rows of embeddings with path, camera, identity and time, and answers with the nearest of them. Queries,
//! verdicts and cases never leave this machine, and no connection is opened unless the user names a server.
//!
//! Two kinds of server are spoken to: [PostgreSQL with pgvector](postgres) and [Milvus](milvus). What they share stands here
//! and in [`upload`] (batches, resume) and [`rescore`](mod@rescore) (the order that the user sees is computed here,
//! from the rows that the server sends).

pub mod address;
pub mod fault;
mod line;
pub mod milvus;
pub mod postgres;
pub mod rescore;
pub mod secret;
pub mod source;
mod stored;
pub mod upload;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::gallery::distance::Measure;

pub use address::{Address, Kind, Name};
pub use fault::{Fault, Patience};
pub use rescore::search;
pub use secret::Secret;
pub use source::Source;
pub use stored::Stored;
pub use upload::{Sent, upload};

/// What names a row: 16 bytes of the BLAKE3 hash of the image file's content, or of its path where only that is known.
/// A row that is sent twice is one row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The key of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = blake3::hash(bytes);
        Self(std::array::from_fn(|i| hash.as_bytes()[i]))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad =
            || Error::input("A row's key is not 32 hexadecimal digits", "Upload the gallery again under another name");
        if text.len() != 32 || !text.is_ascii() {
            return Err(bad());
        }
        let mut key = [0; 16];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| bad())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(Self(key))
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One gallery image on its way to a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub key: Key,
    /// Its file, as it was named when the gallery was built.
    pub path: String,
    /// Camera, or -1 where unknown.
    pub camera: i64,
    /// Identity, or -1 where unknown.
    pub identity: i64,
    /// When it was taken, in seconds since 1970 (UTC, or the set's own clock).
    pub time: Option<i64>,
    /// Its raw embedding, `[d]`.
    pub embedding: Vec<f32>,
}

/// How exact a server keeps and searches its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 16 bits a number. Half the memory; distances are off by about a two-thousandth.
    #[default]
    Half,
    /// 32 bits a number, as they were computed.
    Single,
}

/// What a gallery on a server is made of; fixed when it is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// First 12 hex digits of the model file's BLAKE3 hash.
    pub model: String,
    /// Length of an embedding, d.
    pub columns: usize,
    /// The measure that the server searches by.
    pub measure: Measure,
    /// Numbers of 16 or 32 bits. Milvus keeps 32 always.
    pub precision: Precision,
    /// Whether the server searches approximately, by an HNSW index.
    pub approximate: bool,
}

/// A gallery as a server has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What it is made of.
    #[serde(flatten)]
    pub spec: Spec,
    /// Its rows.
    pub rows: u64,
    /// Bytes on the server's disk, where it tells.
    pub bytes: Option<u64>,
}

/// Which rows are searched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only these cameras; all where empty.
    pub cameras: Vec<i64>,
    /// Not these cameras.
    pub not_cameras: Vec<i64>,
    /// Not before this second since 1970. A row without a time is left out then.
    pub from: Option<i64>,
    /// Not after this second since 1970. A row without a time is left out then.
    pub to: Option<i64>,
    /// Not these rows.
    pub exclude: Vec<Key>,
}

/// One question to a server.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The raw embedding of the query, `[d]`.
    pub query: &'a [f32],
    /// How many rows to return.
    pub top: usize,
    /// Which rows to search.
    pub filter: &'a Filter,
}

/// A row that a server found, with the distance it computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The row, embedding and all.
    pub row: Row,
    /// Distance as the server reckons it, in the measure of the gallery.
    pub distance: f32,
}

/// Asked between two pieces of work whether to go on.
pub type GoOn<'a> = &'a mut dyn FnMut() -> Flow;

/// A gallery on a server. Each call is one exchange; [`Fault::Away`] means that the same call may succeed later, and a call
/// after it connects anew. Nothing here waits longer than its [`Patience`] says.
pub trait RemoteGallery: Send {
    /// Where it is, for errors.
    fn address(&self) -> &Address;

    /// What the server is: "PostgreSQL 18.4, pgvector 0.8.5".
    fn greet(&mut self) -> Result<String, Fault>;

    /// The gallery as the server has it; `None` where there is none of that name.
    fn status(&mut self) -> Result<Option<Status>, Fault>;

    /// Makes the gallery, empty. One that exists already is left as it is.
    fn create(&mut self, spec: &Spec) -> Result<(), Fault>;

    /// Which of `keys` the server has.
    fn present(&mut self, keys: &[Key]) -> Result<Vec<Key>, Fault>;

    /// Puts rows of different keys: all of them or, where it fails, perhaps some. A row whose key is there is replaced.
    fn put(&mut self, spec: &Spec, rows: &[Row]) -> Result<(), Fault>;

    /// Ends an upload: after it every row that was put is found.
    fn settle(&mut self, spec: &Spec) -> Result<(), Fault>;

    /// The nearest rows, nearest first by the server's own reckoning.
    fn nearest(&mut self, spec: &Spec, question: &Question<'_>) -> Result<Vec<Found>, Fault>;

    /// Removes rows.
    fn remove(&mut self, keys: &[Key]) -> Result<(), Fault>;

    /// Removes the gallery from the server. None there is no error.
    fn drop_gallery(&mut self) -> Result<(), Fault>;

    /// How far the server's distance may be from the true one, for reasons of precision, for this query.
    fn slack(&self, spec: &Spec, query: &[f32]) -> f32;
}

/// Prepares to speak to a server about one gallery; the connection itself is opened by the first call.
///
/// # Errors
/// [`Error::Input`] or [`Error::File`] where the address would send in the clear, or its certificate cannot be read.
pub fn open(address: &Address, name: &Name, key: Option<Secret>, patience: Patience) -> Result<Box<dyn RemoteGallery>> {
    address.check()?;
    Ok(match address.kind {
        Kind::Postgres => Box::new(postgres::Postgres::new(address, name, key, patience)?),
        Kind::Milvus => Box::new(milvus::Milvus::new(address, name, key, patience)?),
    })
}

/// The gallery's state, insisting as `patience` allows.
///
/// # Errors
/// Whatever keeps the server from answering; [`Error::Input`] where it has no gallery of that name.
pub fn status(gallery: &mut dyn RemoteGallery, name: &Name, patience: &Patience, go_on: GoOn<'_>) -> Result<Status> {
    let found = patience.insist(go_on, || gallery.status()).map_err(|fault| fault.tell(gallery.address()))?;
    let address = gallery.address();
    found.ok_or_else(|| {
        Error::input(format!("There is no gallery '{name}' on {address}"), "Check its --name, or upload it first")
    })
}

/// Refuses a gallery of another model.
///
/// # Errors
/// [`Error::Input`] with the way out.
pub fn check_model(spec: &Spec, model: &str, columns: usize, name: &Name) -> Result<()> {
    let differ = !model.is_empty() && !spec.model.is_empty() && spec.model != model;
    if spec.columns == columns && !differ {
        return Ok(());
    }
    let of = |model: &str| if model.is_empty() { "unknown".to_string() } else { model.to_string() };
    Err(Error::input(
        format!(
            "The gallery '{name}' on the server was made by model {} ({} numbers an image), not by {} ({columns})",
            of(&spec.model),
            spec.columns,
            of(model)
        ),
        "Use that model, or upload under another --name",
    ))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
