//! A case as a report: HTML, PDF, CSV, JSON, and the rank list as SVG and PNG.
//!
//! Everything comes from the case's file, pictures included, so a report can be made when gallery and model are long gone.
//! Only reconstructions are handed in, and carry [`NOT_EVIDENCE`] wherever they stand.

mod drawing;
mod html;
mod pdf;
mod ranklist;
mod raster;
mod svg;
mod table;
pub(crate) mod text;
mod typeface;

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

use image::{ImageFormat, RgbImage};

use super::change::{Entry, Subject};
use super::record::{Candidate, Query, Review, Search, Verdict};
use super::state::State;
use super::store::Case;
use crate::error::{Error, Result};
use crate::fs::write_atomic;

/// Stands by every reconstruction.
pub const NOT_EVIDENCE: &str = "reconstruction, not evidence";
/// Stands on every report.
pub const DECIDES: &str = "Rain ranks candidates. Whether two images show the same person is for a person to decide.";

/// A kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Format {
    /// One web page with everything inside.
    Html,
    /// Pages to print and to sign.
    Pdf,
    /// A table, a row a candidate.
    Csv,
    /// Everything, for programs.
    Json,
    /// The rank list as a drawing.
    Svg,
    /// The rank list as a picture.
    Png,
}

impl Format {
    /// All, in the order of the dialog.
    pub const ALL: [Format; 6] = [Format::Html, Format::Pdf, Format::Csv, Format::Json, Format::Svg, Format::Png];

    /// Its file ending, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Html => "html",
            Format::Pdf => "pdf",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Svg => "svg",
            Format::Png => "png",
        }
    }

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Format::Html => "Web page, self-contained (HTML)",
            Format::Pdf => "Document to print (PDF)",
            Format::Csv => "Table, a row a candidate (CSV)",
            Format::Json => "Everything, for programs (JSON)",
            Format::Svg => "Rank list as a drawing (SVG)",
            Format::Png => "Rank list as a picture (PNG)",
        }
    }

    /// The format that a file's ending asks for.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| format.extension() == ending || (ending == "htm" && *format == Format::Html))
    }
}

/// All that a report shows.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the case holds.
    pub state: State,
    /// The queries, by number.
    pub rows: Vec<QueryRow>,
    /// When the report was made, in UTC.
    pub at: String,
}

/// A query and what was found and said.
#[derive(Debug, Clone)]
pub struct QueryRow {
    /// Its number in the case.
    pub id: u64,
    /// Its file.
    pub query: Query,
    /// Its pixels; none where they cannot be decoded.
    pub image: Option<Arc<RgbImage>>,
    /// What the decoder made of it. A reconstruction, not evidence.
    pub reconstruction: Option<Arc<RgbImage>>,
    /// The ranking that was seen last.
    pub search: Option<(u64, Arc<Search>)>,
    /// How many rankings were seen before it.
    pub earlier: usize,
    /// The candidates in the order seen.
    pub candidates: Vec<CandidateRow>,
    /// Those that were judged or marked, but are not in the last ranking.
    pub elsewhere: Vec<CandidateRow>,
    /// Tags, bookmark and note of the query itself.
    pub marks: Marks,
}

/// A candidate and what was said about it.
#[derive(Debug, Clone)]
pub struct CandidateRow {
    /// Where it stood. Its rank is 0 where it was in no ranking.
    pub candidate: Candidate,
    /// Its small picture, where the case has one.
    pub image: Option<Arc<RgbImage>>,
    /// The first verdict.
    pub verdict: Option<Verdict>,
    /// What others say about it, by name.
    pub reviews: Vec<(String, Review)>,
    /// Tags, bookmark and note.
    pub marks: Marks,
}

/// Tags, bookmark and note of a query or a candidate.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// Whether it is bookmarked.
    pub bookmarked: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its note: text, by whom, when.
    pub note: Option<super::record::Note>,
}

impl Report {
    /// Gathers everything from a case. `reconstructions` by the query's number.
    ///
    /// # Errors
    /// Where the case cannot be read or one of its pictures is damaged.
    pub fn gather(case: &Case, reconstructions: &BTreeMap<u64, Arc<RgbImage>>) -> Result<Self> {
        let state = case.state().clone();
        let mut rows = Vec::with_capacity(state.queries.len());
        for (&id, query) in &state.queries {
            let search = state.latest_search(id).map(|(number, search)| (number, search.clone()));
            let mut candidates = Vec::new();
            for candidate in search.iter().flat_map(|(_, search)| &search.candidates) {
                candidates.push(candidate_row(case, &state, id, candidate.clone())?);
            }
            let mut elsewhere = Vec::new();
            for path in spoken_of(&state, id) {
                if !candidates.iter().any(|row| row.candidate.path == path) {
                    elsewhere.push(candidate_row(case, &state, id, last_seen(&state, id, &path))?);
                }
            }
            let earlier = state.searches.values().filter(|s| s.query == id).count().saturating_sub(1);
            rows.push(QueryRow {
                id,
                image: picture(case, Some(&query.hash))?,
                query: query.clone(),
                reconstruction: reconstructions.get(&id).cloned(),
                search,
                earlier,
                candidates,
                elsewhere,
                marks: marks(&state, &Subject::query(id)),
            });
        }
        Ok(Self { state, rows, at: super::now() })
    }

    /// The report in one format.
    ///
    /// # Errors
    /// Where a picture cannot be encoded.
    pub fn render(&self, format: Format) -> Result<Vec<u8>> {
        Ok(match format {
            Format::Html => html::html(self)?.into_bytes(),
            Format::Pdf => pdf::pdf(self)?,
            Format::Csv => table::csv(self)?,
            Format::Json => table::json(self)?,
            Format::Svg => svg::svg(&ranklist::ranklist(self))?.into_bytes(),
            Format::Png => {
                let drawing = ranklist::ranklist(self);
                // Twice as fine as the screen, unless that would be a picture too large to open.
                let scale = (24_000.0 / drawing.height).clamp(0.1, 2.0);
                png(&raster::raster(&drawing, scale))?
            }
        })
    }

    /// Writes the report, whole or not at all.
    ///
    /// # Errors
    /// As [`Report::render`], and where the file cannot be written.
    pub fn write(&self, format: Format, path: &Path) -> Result<()> {
        let bytes = self.render(format)?;
        write_atomic(path, |file| file.write_all(&bytes))
    }

    /// The case's title, or words that stand for one.
    fn title(&self) -> &str {
        if self.state.about.title.is_empty() { "Untitled case" } else { &self.state.about.title }
    }

    /// How many verdicts are in force, of each kind.
    fn counts(&self) -> [(super::Judgement, usize); 3] {
        super::Judgement::ALL.map(|judgement| {
            (judgement, self.state.verdicts.values().filter(|verdict| verdict.judgement == judgement).count())
        })
    }

    fn log(&self) -> impl Iterator<Item = &Entry> {
        self.state.log.iter().map(Arc::as_ref)
    }
}

/// The candidates of a query that something was said about, in the order of their paths.
fn spoken_of(state: &State, query: u64) -> Vec<String> {
    let verdicts = state.verdicts.keys();
    let rest = state.bookmarks.keys().chain(state.notes.keys()).chain(state.tags.keys().map(|(subject, _)| subject));
    let mut paths: Vec<String> =
        verdicts.chain(rest).filter(|s| s.query == query).filter_map(|s| s.image.clone()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// The candidate as it stood in the last ranking that has it; with rank 0 where none has.
fn last_seen(state: &State, query: u64, path: &str) -> Candidate {
    let seen = state.searches.values().rev().filter(|search| search.query == query);
    seen.flat_map(|search| search.candidates.iter().find(|c| c.path == path)).next().cloned().unwrap_or(Candidate {
        rank: 0,
        path: path.to_owned(),
        hash: None,
        picture: None,
        distance: 0.0,
        camera: None,
        identity: None,
    })
}

fn candidate_row(case: &Case, state: &State, query: u64, candidate: Candidate) -> Result<CandidateRow> {
    let subject = Subject::pair(query, candidate.path.clone());
    Ok(CandidateRow {
        image: picture(case, candidate.picture.as_deref())?,
        candidate,
        verdict: state.verdicts.get(&subject).cloned(),
        reviews: state.reviews_of(&subject).map(|(by, review)| (by.to_owned(), review.clone())).collect(),
        marks: marks(state, &subject),
    })
}

fn marks(state: &State, subject: &Subject) -> Marks {
    Marks {
        bookmarked: state.bookmarks.contains_key(subject),
        tags: state.tags_of(subject).map(str::to_owned).collect(),
        note: state.notes.get(subject).cloned(),
    }
}

fn picture(case: &Case, hash: Option<&str>) -> Result<Option<Arc<RgbImage>>> {
    let Some(bytes) = hash.map(|hash| case.picture(hash)).transpose()?.flatten() else { return Ok(None) };
    // A query is kept as it came, and may be of a kind that this build cannot decode: then the report says so.
    Ok(crate::data::image_io::decode(case.path(), &bytes).ok().map(Arc::new))
}

/// An image as PNG.
fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::input(format!("An image of the report could not be encoded ({e})"), "Try again"))?;
    Ok(bytes.into_inner())
}

/// "same person, by Ada, 2026-11-25 10:31:07 UTC".
fn verdict_words(verdict: &Verdict) -> String {
    format!("{}, by {}, {}", verdict.judgement.words(), verdict.by, super::readable_time(&verdict.at))
}

/// "Bo contradicts (different person), 2026-11-25 10:33:00 UTC".
fn review_words(by: &str, review: &Review) -> String {
    format!("{by} {} ({}), {}", review.words(), review.judgement.words(), super::readable_time(&review.at))
}
