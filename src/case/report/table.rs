//! The report for programs: CSV and JSON.

use serde_json::json;

use super::text::cell;
use super::{CandidateRow, QueryRow, Report, review_words};
use crate::case::summary;
use crate::error::{Error, Result};

const HEADER: [&str; 22] = [
    "query",
    "query_path",
    "query_hash",
    "query_width",
    "query_height",
    "search",
    "model",
    "gallery",
    "measure",
    "rank",
    "distance",
    "candidate_path",
    "candidate_hash",
    "camera",
    "verdict",
    "by",
    "at",
    "reviews",
    "bookmarked",
    "tags",
    "note",
    "in_last_ranking",
];

/// A row a candidate; a query without candidates has a row without one.
pub(super) fn csv(report: &Report) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::input(format!("The table could not be written ({e})"), "Try again");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(failed)?;
    for row in &report.rows {
        let all = row.candidates.iter().map(|c| (c, true)).chain(row.elsewhere.iter().map(|c| (c, false)));
        for (candidate, in_ranking) in all {
            writer.write_record(record(row, Some((candidate, in_ranking)))).map_err(failed)?;
        }
        if row.candidates.is_empty() && row.elsewhere.is_empty() {
            writer.write_record(record(row, None)).map_err(failed)?;
        }
    }
    writer.into_inner().map_err(|e| Error::input(format!("The table could not be written ({e})"), "Try again"))
}

fn record(row: &QueryRow, candidate: Option<(&CandidateRow, bool)>) -> Vec<String> {
    let search = row.search.as_ref();
    let (number, search) = (search.map(|(n, _)| n.to_string()), search.map(|(_, s)| s.as_ref()));
    let text = |text: Option<&str>| cell(text.unwrap_or_default());
    let (c, in_ranking) = (candidate.map(|(c, _)| c), candidate.is_some_and(|(_, inside)| inside));
    let verdict = c.and_then(|c| c.verdict.as_ref());
    let reviews: Vec<String> =
        c.iter().flat_map(|c| c.reviews.iter().map(|(by, review)| review_words(by, review))).collect();
    let ranked = c.filter(|c| c.candidate.rank > 0);
    vec![
        row.id.to_string(),
        cell(&row.query.path),
        row.query.hash.clone(),
        row.query.width.to_string(),
        row.query.height.to_string(),
        number.unwrap_or_default(),
        text(search.map(|s| s.model.as_str())),
        text(search.map(|s| s.gallery.as_str())),
        text(search.map(|s| s.measure.as_str())),
        ranked.map(|c| c.candidate.rank.to_string()).unwrap_or_default(),
        ranked.map(|c| c.candidate.distance.to_string()).unwrap_or_default(),
        text(c.map(|c| c.candidate.path.as_str())),
        text(c.and_then(|c| c.candidate.hash.as_deref())),
        c.and_then(|c| c.candidate.camera).map(|n| n.to_string()).unwrap_or_default(),
        verdict.map(|v| v.judgement.words().to_owned()).unwrap_or_default(),
        text(verdict.map(|v| v.by.as_str())),
        verdict.map(|v| v.at.clone()).unwrap_or_default(),
        cell(&reviews.join("; ")),
        c.map(|c| if c.marks.bookmarked { "yes" } else { "no" }.to_owned()).unwrap_or_default(),
        cell(&c.map(|c| c.marks.tags.join("; ")).unwrap_or_default()),
        text(c.and_then(|c| c.marks.note.as_ref()).map(|n| n.text.as_str())),
        c.map(|_| if in_ranking { "yes" } else { "no" }.to_owned()).unwrap_or_default(),
    ]
}

/// Everything, the log included.
pub(super) fn json(report: &Report) -> Result<Vec<u8>> {
    let mut value = summary(&report.state, true);
    if let Some(object) = value.as_object_mut() {
        object.insert("made".into(), json!({ "at": report.at, "rain": env!("CARGO_PKG_VERSION") }));
    }
    serde_json::to_vec_pretty(&value)
        .map_err(|e| Error::input(format!("The report could not be written as JSON ({e})"), "Try again"))
}
