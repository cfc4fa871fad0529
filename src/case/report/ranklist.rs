//! The rank list, as papers show it: a row a query, the candidates in the order seen, ticks and crosses by verdict.

use super::drawing::{Area, Drawing, FAINT, INK, LINE, Mark, colour};
use super::typeface::{Cut, fit, printable};
use super::{CandidateRow, QueryRow, Report};
use crate::case::name::file_name;

/// Candidates in a row; the rest are in the other reports.
const COLUMNS: usize = 10;
const MARGIN: f32 = 24.0;
const CELL: f32 = 64.0;
const HEIGHT: f32 = 128.0;
const GAP: f32 = 12.0;
/// Between the query and its candidates.
const GUTTER: f32 = 28.0;
/// Text above and below the pictures of a row.
const HEAD: f32 = 22.0;
const FOOT: f32 = 38.0;

/// Draws it.
pub(super) fn ranklist(report: &Report) -> Drawing {
    let columns = report.rows.iter().map(|row| row.candidates.len().min(COLUMNS)).max().unwrap_or(0).max(4);
    let width = 2.0 * MARGIN + CELL + GUTTER + columns as f32 * (CELL + GAP);
    let top = MARGIN + 62.0;
    let row_height = HEAD + HEIGHT + FOOT;
    let mut drawing = Drawing::new(width, top + report.rows.len() as f32 * row_height + 30.0);

    let room = width - 2.0 * MARGIN;
    let line = |text: &str, cut, size| fit(&printable(text), cut, size, room);
    drawing.text(MARGIN, MARGIN + 14.0, 17.0, Cut::SemiBold, INK, line(report.title(), Cut::SemiBold, 17.0));
    drawing.text(MARGIN, MARGIN + 34.0, 12.0, Cut::Regular, FAINT, line(&settings(report), Cut::Regular, 12.0));
    for (i, row) in report.rows.iter().enumerate() {
        query(&mut drawing, row, top + i as f32 * row_height);
    }
    let end = drawing.height - MARGIN + 6.0;
    drawing.text(MARGIN, end, 12.0, Cut::Regular, FAINT, line(super::DECIDES, Cut::Regular, 12.0));
    drawing
}

/// What the rankings were made with; one text where all agree.
fn settings(report: &Report) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (_, search) in report.rows.iter().filter_map(|row| row.search.as_ref()) {
        let part = format!(
            "{} · model {} · gallery {} ({} images)",
            search.measure,
            search.model,
            file_name(&search.gallery),
            search.gallery_images
        );
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    match parts.len() {
        0 => "No ranking was seen yet".into(),
        1 => parts.remove(0),
        n => format!("{n} different settings; the full report lists them"),
    }
}

fn query(drawing: &mut Drawing, row: &QueryRow, top: f32) {
    let room = drawing.width - 2.0 * MARGIN;
    let more = row.candidates.len().saturating_sub(COLUMNS);
    let more = if more > 0 { format!("  ·  {COLUMNS} of {} candidates", row.candidates.len()) } else { String::new() };
    let name = format!("{}. {}{more}", row.id, row.query.name());
    drawing.text(MARGIN, top + 12.0, 12.0, Cut::SemiBold, INK, fit(&printable(&name), Cut::SemiBold, 12.0, room));

    let y = top + HEAD;
    let area = Area { x: MARGIN, y, w: CELL, h: HEIGHT };
    match &row.image {
        Some(image) => drawing.picture(area, image, true),
        None => drawing.marks.push(Mark::Border(area, 1.0, LINE)),
    }
    drawing.text(MARGIN, y + HEIGHT + 15.0, 12.0, Cut::SemiBold, INK, "Query");
    let size = format!("{}×{} px", row.query.width, row.query.height);
    drawing.text(MARGIN, y + HEIGHT + 30.0, 11.0, Cut::Regular, FAINT, size);

    for (i, candidate) in row.candidates.iter().take(COLUMNS).enumerate() {
        let x = MARGIN + CELL + GUTTER + i as f32 * (CELL + GAP);
        self::candidate(drawing, candidate, x, y);
    }
}

fn candidate(drawing: &mut Drawing, row: &CandidateRow, x: f32, y: f32) {
    let area = Area { x, y, w: CELL, h: HEIGHT };
    match &row.image {
        Some(image) => drawing.picture(area, image, false),
        None => drawing.text(x + 8.0, y + HEIGHT / 2.0, 11.0, Cut::Regular, FAINT, "no picture"),
    }
    let judgement = row.verdict.as_ref().map(|verdict| verdict.judgement);
    match judgement {
        Some(judgement) => {
            drawing.marks.push(Mark::Border(area, 3.0, colour(judgement)));
            drawing.glyph(x + CELL - 18.0, y, 18.0, judgement);
        }
        None => drawing.marks.push(Mark::Border(area, 1.0, LINE)),
    }
    drawing.text(x, y + HEIGHT + 15.0, 12.0, Cut::SemiBold, INK, row.candidate.rank.to_string());
    drawing.text(x, y + HEIGHT + 30.0, 11.0, Cut::Regular, FAINT, format!("{:.3}", row.candidate.distance));
}
