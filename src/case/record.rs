//! What a fact can be. Each is written to the file as JSON; the names of the fields are the file's format.

use serde::{Deserialize, Serialize};

use super::name::file_name;

/// What the case is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// A random number in hex digits that tells this case from every other.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The version of Rain that made it.
    pub version: String,
}

/// A model that candidates were ranked with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its file.
    pub path: String,
    /// BLAKE3 of the whole file, in hex digits.
    pub hash: String,
    /// Input height in pixels.
    pub height: usize,
    /// Input width in pixels.
    pub width: usize,
    /// What its maker noted in its header: data, command, seed, figures.
    pub card: serde_json::Value,
}

/// A gallery that was searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gallery {
    /// Usable images.
    pub images: usize,
    /// BLAKE3 over the images' relative paths and contents, in hex digits; none where it was not computed.
    pub hash: Option<String>,
}

/// Begins the name that an image from the clipboard is given: it lies in no folder, and a number follows.
const PASTED: &str = "Pasted image ";

/// The name of the `number`th image from the clipboard.
pub fn pasted_name(number: usize) -> String {
    format!("{PASTED}{number}")
}

/// Which image from the clipboard this is, where the path is the name of one.
pub fn pasted_number(path: &str) -> Option<usize> {
    path.strip_prefix(PASTED)?.parse().ok()
}

/// A query crop. Its bytes lie in the case, under `hash`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Where it came from.
    pub path: String,
    /// BLAKE3 of its bytes, in hex digits.
    pub hash: String,
    /// How many bytes.
    pub bytes: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Camera, where known.
    pub camera: Option<i64>,
    /// Identity, where the file name or the data set tells it.
    pub identity: Option<i64>,
    /// When the file was last modified, in UTC, where known.
    pub time: Option<String>,
    /// Where in the file it was cut out: x, y, width and height in pixels; none where it was not cut out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<[u32; 4]>,
}

impl Query {
    /// Its file name and what of the file it is: "hall.png, cut out at 100, 20".
    pub fn name(&self) -> String {
        format!("{}{}", file_name(&self.path), self.place())
    }

    /// ", cut out at 100, 20" or ", from the clipboard"; nothing where it is the whole of a file.
    pub fn place(&self) -> String {
        match self.cut {
            Some([x, y, ..]) => format!(", cut out at {x}, {y}"),
            None if pasted_number(&self.path).is_some() => ", from the clipboard".to_owned(),
            None => String::new(),
        }
    }
}

/// A ranking as it was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// The query's number in the case.
    pub query: u64,
    /// First hex digits of the model file's hash.
    pub model: String,
    /// The gallery's folder.
    pub gallery: String,
    /// Images that were compared.
    pub gallery_images: usize,
    /// How distances were measured: `cosine distance`.
    pub measure: String,
    /// Whatever else decided the order: name and value.
    pub settings: Vec<(String, String)>,
    /// The candidates in the order seen.
    pub candidates: Vec<Candidate>,
}

/// One candidate of a ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Place in the ranking, from 1.
    pub rank: usize,
    /// Its file.
    pub path: String,
    /// BLAKE3 of the file, in hex digits; none where it could not be read.
    pub hash: Option<String>,
    /// The small picture of it that lies in the case.
    pub picture: Option<String>,
    /// Distance by the search's measure.
    pub distance: f32,
    /// Camera, where known.
    pub camera: Option<i64>,
    /// Identity, where the file name or the data set tells it.
    pub identity: Option<i64>,
}

/// What a person says about a query and a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// The same person.
    Same,
    /// A different person.
    Different,
    /// It cannot be told.
    Unsure,
}

impl Judgement {
    /// All, in the order of their keys.
    pub const ALL: [Judgement; 3] = [Judgement::Same, Judgement::Different, Judgement::Unsure];

    /// "same person".
    pub fn words(self) -> &'static str {
        match self {
            Judgement::Same => "same person",
            Judgement::Different => "different person",
            Judgement::Unsure => "unsure",
        }
    }

    /// ✓, ✗ or ?.
    pub fn glyph(self) -> &'static str {
        match self {
            Judgement::Same => "✓",
            Judgement::Different => "✗",
            Judgement::Unsure => "?",
        }
    }
}

/// The first verdict on a query and a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was said.
    pub judgement: Judgement,
    /// By whom.
    pub by: String,
    /// When, in UTC.
    pub at: String,
    /// BLAKE3 of the candidate's file when it was judged; none where it could not be read.
    pub hash: Option<String>,
    /// Where the candidate stood when it was judged; none where it was in no ranking.
    pub seen: Option<Sight>,
}

/// Where a candidate stood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    /// The search's number in the case.
    pub search: u64,
    /// Its rank in it.
    pub rank: usize,
    /// Its distance in it.
    pub distance: f32,
}

/// What a second person says about a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// What the reviewer says.
    pub judgement: Judgement,
    /// The verdict that was reviewed.
    pub of: Judgement,
    /// When, in UTC.
    pub at: String,
}

impl Review {
    /// "confirms" or "contradicts".
    pub fn words(&self) -> &'static str {
        if self.judgement == self.of { "confirms" } else { "contradicts" }
    }
}

/// A text by somebody: a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The text.
    pub text: String,
    /// By whom.
    pub by: String,
    /// When, in UTC.
    pub at: String,
}

/// A mark by somebody: a bookmark or a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// By whom.
    pub by: String,
    /// When, in UTC.
    pub at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_of_its_file_a_query_is_is_told() {
        let query = |path: &str, cut| Query {
            path: path.into(),
            hash: String::new(),
            bytes: 1,
            width: 4,
            height: 8,
            camera: None,
            identity: None,
            time: None,
            cut,
        };
        assert_eq!(query("/crops/1.png", None).name(), "1.png");
        assert_eq!(query("/f/hall.png", Some([100, 20, 4, 8])).name(), "hall.png, cut out at 100, 20");
        assert_eq!(query(&pasted_name(2), None).name(), "Pasted image 2, from the clipboard");
        assert_eq!(query("Pasted image.png", None).place(), "", "a file may be called nearly so");
    }
}
