//! What a gallery was made with: written once into every file of it, and never changed.

use std::path::Path;

use crate::error::{Error, Result};

/// How pixels become the network's input: RGB, resized bilinearly with antialiasing, ImageNet's mean and deviation. A change
/// of that gets a number of its own, because embeddings of two kinds cannot be compared.
pub const PREPROCESSING: u32 = 1;

/// Bytes before the first record of a file: a page, so that mapped rows are aligned for any kernel.
pub const HEADER_BYTES: usize = 4096;
const MAGIC: &[u8; 8] = b"RAINGLRY";
const VERSION: u32 = 1;
/// Where the header's checksum stands; what lies before it is what it sums up.
const CHECKSUM_AT: usize = 124;

/// How rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 16 bits a number: half the disk, and 11 bits of each number's leading digits.
    #[default]
    F16,
    /// 32 bits a number: the embeddings as they come from the model.
    F32,
}

impl Precision {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// The model that made the embeddings, and what it was fed with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Maker {
    /// First 12 hex digits of the model file's BLAKE3 hash (see [`crate::gallery::features::file_hash`]).
    pub model: String,
    /// Input height in pixels.
    pub height: usize,
    /// Input width in pixels.
    pub width: usize,
    /// Length of an embedding.
    pub columns: usize,
}

impl Maker {
    /// Whether embeddings of `self` and of `other` can be compared.
    pub fn agrees(&self, other: &Maker) -> bool {
        self == other
    }
}

/// What every file of a gallery begins with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Header {
    /// Who made the embeddings.
    pub maker: Maker,
    /// How they are kept.
    pub precision: Precision,
    /// Rows of a full segment.
    pub segment_rows: usize,
}

/// What a file of a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The embeddings.
    Vectors = 1,
    /// Their codes, see [`crate::gallery::codes`].
    Codes = 2,
    /// Their scales, see [`crate::gallery::codes::Scale`].
    Scales = 3,
}

impl Header {
    /// The first [`HEADER_BYTES`] of the file of `content` in segment `segment`.
    pub(super) fn to_bytes(&self, content: Content, segment: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        let Maker { model, height, width, columns } = &self.maker;
        let numbers = [
            VERSION,
            content as u32,
            segment as u32,
            self.segment_rows as u32,
            *columns as u32,
            self.precision.bytes() as u32,
            *height as u32,
            *width as u32,
            PREPROCESSING,
        ];
        numbers.iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
        let hash = &model.as_bytes()[..model.len().min(64)];
        bytes.extend_from_slice(hash);
        bytes.resize(CHECKSUM_AT, 0);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes
    }

    /// Checks that `bytes` begin as this header does.
    ///
    /// # Errors
    /// [`Error::File`] that says whether `path` is damaged, of a later version, or of another gallery.
    pub(super) fn check(&self, bytes: &[u8], content: Content, segment: usize, path: &Path) -> Result<()> {
        let expected = self.to_bytes(content, segment);
        if bytes.get(..HEADER_BYTES) == Some(&expected[..]) {
            return Ok(());
        }
        let number = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let intact = bytes.len() >= HEADER_BYTES && number(CHECKSUM_AT) == bytes.get(..CHECKSUM_AT).map(crc32c::crc32c);
        let problem = match (bytes.get(..8) == Some(&MAGIC[..]) && intact, number(8)) {
            (false, _) => "its header is damaged".to_string(),
            (true, Some(version)) if version > VERSION => format!("it was written by a later Rain (format {version})"),
            _ => "it belongs to another gallery, or to another place in this one".to_string(),
        };
        Err(Error::file(path, problem, "Restore the gallery's folder from a copy, or build the gallery anew"))
    }

    /// Refuses a model that did not make this gallery.
    ///
    /// # Errors
    /// [`Error::File`] with the ways out.
    pub fn check_maker(&self, gallery: &Path, asked: &Maker) -> Result<()> {
        if self.maker.agrees(asked) {
            return Ok(());
        }
        let say = |m: &Maker| format!("model {}, {}x{} pixels, {} numbers", m.model, m.height, m.width, m.columns);
        Err(Error::file(
            gallery,
            format!(
                "this gallery was made by another model ({}) than the one asked for ({}), and their embeddings cannot be compared",
                say(&self.maker),
                say(asked)
            ),
            "Open the model that made it, or build a gallery with this model in a folder of its own: `rain index build`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let maker = Maker { model: "0123456789ab".into(), height: 256, width: 128, columns: 2048 };
        Header { maker, precision: Precision::F16, segment_rows: 1000 }
    }

    #[test]
    fn every_difference_is_noticed_and_named() {
        let path = Path::new("g/000000.rows");
        let bytes = header().to_bytes(Content::Vectors, 3);
        assert_eq!(bytes.len(), HEADER_BYTES);
        header().check(&bytes, Content::Vectors, 3, path).unwrap();
        let refused = |bytes: &[u8], content, segment| header().check(bytes, content, segment, path).unwrap_err();
        assert!(refused(&bytes, Content::Codes, 3).to_string().contains("another place"));
        assert!(refused(&bytes, Content::Vectors, 4).to_string().contains("another place"));
        assert!(refused(&bytes[..100], Content::Vectors, 3).to_string().contains("damaged"));
        for at in 0..CHECKSUM_AT + 4 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(refused(&flipped, Content::Vectors, 3).to_string().contains("damaged"), "byte {at}");
        }
        let mut later = bytes.clone();
        later[8] = 9;
        let sum = crc32c::crc32c(&later[..CHECKSUM_AT]);
        later[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
        assert!(refused(&later, Content::Vectors, 3).to_string().contains("later Rain"));
    }

    #[test]
    fn another_model_is_refused_with_the_way_out() {
        let mut other = header().maker;
        header().check_maker(Path::new("g"), &other).unwrap();
        other.model = "ffffffffffff".into();
        let message = header().check_maker(Path::new("g"), &other).unwrap_err().to_string();
        assert!(message.contains("0123456789ab") && message.contains("ffffffffffff"), "{message}");
        assert!(message.contains("rain index build"), "{message}");
    }
}
