//! The demo's report: one HTML file with every image inside, and the same figures as JSON.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

use super::console::label;
use super::reconstruct::NOT_EVIDENCE;
use super::search::as_json;
use crate::engine::event::{Candidate, GalleryEntry, QueryInfo, SearchResult};
use crate::error::{Error, Result};
use crate::eval::ranking::RANKS;
use crate::fs::write_atomic;
use crate::markup::{base64, escape};

/// Gallery images are stored at most this many pixels high.
pub(super) const CANDIDATE_HEIGHT: usize = 128;

/// What the report says at its head.
pub(super) struct About {
    /// Model file and hash.
    pub model: String,
    /// The device in words.
    pub device: String,
    /// Images that were compared.
    pub gallery_size: usize,
    /// CMC shares at the usual ranks, where identities are known.
    pub cmc: Option<[f64; RANKS.len()]>,
    /// Seconds that the whole job took.
    pub seconds: f64,
}

/// One query and what was found.
pub(super) struct Row {
    pub query: QueryInfo,
    pub result: SearchResult,
    /// The decoder's image; a reconstruction, not evidence.
    pub reconstruction: Option<RgbImage>,
    /// One image a candidate.
    pub images: Vec<RgbImage>,
}

/// Writes `index.html` and `report.json` into `folder`; returns the page.
pub(super) fn write(folder: &Path, about: &About, rows: &[Row], entries: &[GalleryEntry]) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    let page = folder.join("index.html");
    let html = page_html(about, rows, entries)?;
    write_atomic(&page, |file| file.write_all(html.as_bytes()))?;
    let summary = format!("{:#}\n", summary(about, rows, entries));
    write_atomic(&folder.join("report.json"), |file| file.write_all(summary.as_bytes()))?;
    Ok(page)
}

/// The report's content without its images.
pub(super) fn summary(about: &About, rows: &[Row], entries: &[GalleryEntry]) -> Value {
    let queries: Vec<Value> = rows.iter().map(|row| as_json(&row.query, &row.result, entries)).collect();
    let cmc = about.cmc.map(|cmc| RANKS.iter().zip(cmc).map(|(r, share)| (r.to_string(), json!(share))).collect());
    json!({
        "note": "Candidates are ranked; a person decides.", "model": about.model, "device": about.device,
        "gallery_size": about.gallery_size, "measure": "cosine", "cmc": cmc.map(Value::Object), "seconds": about.seconds,
        "queries": queries,
    })
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f3f4f6;--card:#fff;--line:#dfe2e7;--text:#1c2127;--faint:#5d6672;--yes:#0b7a5b;--no:#b3541e}\
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1d2127;--line:#31373f;--text:#e6e9ed;--faint:#9aa4b0;--yes:#2fc294;--no:#ee7a3b}}\
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--text);font:14px/1.5 Inter,system-ui,sans-serif}\
main{max-width:1500px;margin:0 auto;padding:32px 24px}h1{font-size:24px;margin:0 0 4px}p{margin:0 0 8px;max-width:80ch}\
.faint,figcaption{color:var(--faint)}.figures{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}\
.figure{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 16px;min-width:104px}\
.figure b{display:block;font-size:20px;font-variant-numeric:tabular-nums}.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px}\
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;color:var(--faint);font-size:12px}\
th,td{padding:12px;border-bottom:1px solid var(--line);vertical-align:top}tr:last-child td{border-bottom:0}\
figure{margin:0;width:max-content;max-width:148px;font-size:12px}figcaption{margin-top:4px;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}\
img{display:block;height:136px;border-radius:6px}.query img{image-rendering:pixelated}\
.candidates{display:flex;gap:8px}.candidates figure{flex:0 0 94px;border:1px solid var(--line);border-radius:8px;padding:4px}.candidates img{max-width:100%;object-fit:contain}\
.candidates figure.yes{border-color:var(--yes);box-shadow:inset 0 0 0 1px var(--yes)}.yes b{color:var(--yes)}.no b{color:var(--no)}";

fn page_html(about: &About, rows: &[Row], entries: &[GalleryEntry]) -> Result<String> {
    let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = write!(
        html,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Rain: demo report</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Rain: demo report</h1>\n\
         <p>Each tiny crop was compared with {} sharp gallery images; the nearest candidates stand in order. Candidates are \
         ranked, a person decides: ✓ marks the same person, ✗ another, by the labels of this demo.</p>\n\
         <p class=\"faint\">Model {} · {} · cosine distance (0 is alike, 2 is opposite) · {:.1} s · all people in this demo \
         are drawn by a program.</p>\n<div class=\"figures\">",
        about.gallery_size,
        escape(&about.model),
        escape(&about.device),
        about.seconds
    );
    for (rank, share) in RANKS.iter().zip(about.cmc.into_iter().flatten()) {
        let _ = write!(html, "<div class=\"figure\">rank-{rank}<b>{:.1} %</b></div>", 100.0 * share);
    }
    let _ = write!(
        html,
        "<div class=\"figure\">queries<b>{}</b></div></div>\n<div class=\"wide\"><table>\n<thead><tr><th>Query</th>\
         <th>Decoder’s {NOT_EVIDENCE}</th><th>First ✓ at rank</th><th>Nearest candidates</th></tr></thead>\n<tbody>\n",
        rows.len()
    );
    for row in rows {
        html.push_str(&row_html(row, entries)?);
    }
    html.push_str("</tbody>\n</table></div>\n</main>\n</body>\n</html>\n");
    Ok(html)
}

fn row_html(row: &Row, entries: &[GalleryEntry]) -> Result<String> {
    let name = file_name(&row.query.path);
    let (width, height) = row.query.image.dimensions();
    let mut html = format!(
        "<tr><td class=\"query\"><figure>{}<figcaption>{}<br>{width} × {height} pixels</figcaption></figure></td><td>",
        img(&row.query.image, &format!("Query {name}"))?,
        escape(&name)
    );
    match &row.reconstruction {
        Some(image) => {
            let picture = img(image, &format!("Reconstruction of {name}, not evidence"))?;
            let _ = write!(html, "<figure>{picture}<figcaption>{NOT_EVIDENCE}</figcaption></figure>");
        }
        None => html.push_str("<span class=\"faint\">none: the model has no decoder</span>"),
    }
    let first = row.result.first_same.map_or("–".to_string(), |rank| rank.to_string());
    let _ = write!(html, "</td><td>{first}</td><td><div class=\"candidates\">");
    for (candidate, image) in row.result.candidates.iter().zip(&row.images) {
        html.push_str(&candidate_html(candidate, image, &entries[candidate.entry])?);
    }
    html.push_str("</div></td></tr>\n");
    Ok(html)
}

fn candidate_html(candidate: &Candidate, image: &RgbImage, entry: &GalleryEntry) -> Result<String> {
    let (class, verdict) = match candidate.same {
        Some(true) => ("yes", "<b>✓ same</b>"),
        Some(false) => ("no", "<b>✗ other</b>"),
        None => ("", "unknown"),
    };
    let name = file_name(&entry.path);
    Ok(format!(
        "<figure class=\"{class}\" title=\"{}\">{}<figcaption>#{} · {:.3}<br>{verdict}<br>person {}<br>camera {}</figcaption></figure>",
        escape(&name),
        img(image, &format!("Candidate {}", candidate.rank))?,
        candidate.rank,
        candidate.distance,
        label(entry.identity),
        label(entry.camera)
    ))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn img(image: &RgbImage, alt: &str) -> Result<String> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::input(format!("An image of the report could not be encoded ({e})"), "Try again"))?;
    Ok(format!("<img alt=\"{}\" src=\"data:image/png;base64,{}\">", escape(alt), base64(bytes.get_ref())))
}
