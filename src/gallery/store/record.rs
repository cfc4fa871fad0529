//! What a gallery knows of an image beside its embedding.

use std::path::PathBuf;

/// First 16 bytes of the BLAKE3 hash of a file's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let whole = blake3::hash(bytes);
        let mut short = [0; 16];
        short.copy_from_slice(&whole.as_bytes()[..16]);
        Self(short)
    }
}

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// One image of a gallery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Where the file lies.
    pub path: PathBuf,
    /// What it holds; two files of one content share their embedding.
    pub hash: ContentHash,
    /// Who is in it; [`crate::data::dataset::UNKNOWN`] where nobody said.
    pub identity: i64,
    /// Which camera took it; [`crate::data::dataset::UNKNOWN`] where nobody said.
    pub camera: i64,
    /// When it was taken, in seconds since 1970 (UTC, or the camera's own clock); `None` where nobody said.
    pub time: Option<i64>,
    /// Width in pixels, as it is shown.
    pub width: u32,
    /// Height in pixels, as it is shown.
    pub height: u32,
    /// Length of the file.
    pub bytes: u64,
    /// When the file was last changed, in nanoseconds since 1970: with [`Record::bytes`] it tells an untouched file without
    /// reading it.
    pub modified: i64,
}

/// Who, where and when of every row, for filters: a few numbers a row, read at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// Identities; unknown is -1.
    pub identity: Vec<i64>,
    /// Cameras; unknown is -1.
    pub camera: Vec<i64>,
    /// Times in seconds since 1970; unknown is [`NO_TIME`].
    pub time: Vec<i64>,
}

/// The time of a row of [`Labels`] where nobody said.
pub const NO_TIME: i64 = i64::MIN;

/// One step of changing a gallery. Steps that are committed together become visible together.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new row at the end.
    Add {
        /// What is known of the image.
        record: Record,
        /// Its raw embedding.
        vector: Vec<f32>,
        /// A small JPEG of it; may be empty.
        thumbnail: Vec<u8>,
    },
    /// Something else is known of a row: its file was moved, touched or labelled, or is there again.
    Update {
        /// Which row.
        row: usize,
        /// What is known now.
        record: Record,
    },
    /// The file of a row is gone, or holds something else: the row is no longer searched. Its embedding stays, and counts
    /// again by [`Change::Update`] should the same content come back.
    Remove {
        /// Which row.
        row: usize,
    },
}
