//! The report as one web page: pictures inside, no script, nothing loaded from anywhere.

use std::fmt::Write as _;
use std::sync::Arc;

use image::RgbImage;

use super::{CandidateRow, DECIDES, Marks, NOT_EVIDENCE, QueryRow, Report, png, review_words, verdict_words};
use crate::case::change::short;
use crate::case::name::file_name;
use crate::case::{Judgement, readable_time};
use crate::error::Result;
use crate::markup::{base64, escape};

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f3f4f6;--card:#fff;--line:#dfe2e7;--text:#1c2127;--faint:#5d6672;--yes:#0b7351;--no:#ae400a;--maybe:#8f6200}\
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1d2127;--line:#31373f;--text:#e6e9ed;--faint:#9aa4b0;--yes:#2fc294;--no:#ee7a3b;--maybe:#e6a21a}}\
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--text);font:14px/1.5 Inter,system-ui,sans-serif}\
main{max-width:1180px;margin:0 auto;padding:24px}h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:0 0 8px}\
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px;margin:16px 0;break-inside:avoid}\
p{margin:4px 0}.faint{color:var(--faint)}h1,h2,td,p,dd,figcaption{overflow-wrap:anywhere}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:4px 8px;border-bottom:1px solid var(--line)}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:0}dt{color:var(--faint)}dd{margin:0}\
.row{display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start}figure{margin:0;width:112px}\
img{display:block;max-width:100%;height:160px;object-fit:contain;border:3px solid var(--line);border-radius:6px}\
.crisp img{image-rendering:pixelated}.same img{border-color:var(--yes)}.different img{border-color:var(--no)}.unsure img{border-color:var(--maybe)}\
.same b{color:var(--yes)}.different b{color:var(--no)}.unsure b{color:var(--maybe)}figcaption{font-size:12px}\
.none{width:106px;height:160px;border:1px dashed var(--line);border-radius:6px;padding:8px;color:var(--faint);font-size:12px}\
code{font:12px ui-monospace,monospace}@media print{section{border:0;padding:0}}";

/// The page.
pub(super) fn html(report: &Report) -> Result<String> {
    let title = bdi(report.title());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"faint\">Report of {} · Rain {}</p>\n<p>{DECIDES}</p>\n",
        escape(report.title()),
        readable_time(&report.at),
        env!("CARGO_PKG_VERSION")
    );
    about(report, &mut out);
    for row in &report.rows {
        query(row, &mut out)?;
    }
    models(report, &mut out);
    log(report, &mut out);
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(out)
}

/// Text that keeps its direction to itself.
fn bdi(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

fn about(report: &Report, out: &mut String) {
    let counts: Vec<String> = report
        .counts()
        .iter()
        .map(|(judgement, n)| format!("{} {n} {}", judgement.glyph(), judgement.words()))
        .collect();
    let state = &report.state;
    let _ = writeln!(
        out,
        "<section><h2>Case</h2><dl><dt>Queries</dt><dd>{}</dd><dt>Verdicts</dt><dd>{}</dd><dt>Case number</dt><dd><code>{}</code></dd>\
         <dt>Audit log</dt><dd>{} entries, last link <code>{}</code></dd></dl></section>",
        report.rows.len(),
        counts.join(" · "),
        escape(&state.about.id),
        state.log.len(),
        state.head()
    );
}

fn query(row: &QueryRow, out: &mut String) -> Result<()> {
    let q = &row.query;
    let _ = write!(
        out,
        "<section><h2>Query {}: {}</h2>\n<div class=\"row\"><div class=\"row crisp\">",
        row.id,
        bdi(&q.name())
    );
    figure(
        out,
        "",
        row.image.as_ref(),
        "The query",
        &format!("Query<br>{}×{} px", q.width, q.height),
        "cannot be decoded",
    )?;
    if let Some(image) = &row.reconstruction {
        figure(out, "", Some(image), "Reconstruction, not evidence", NOT_EVIDENCE, "")?;
    }
    let known = |n: Option<i64>| n.map_or("unknown".to_owned(), |n| n.to_string());
    let _ = write!(
        out,
        "</div><dl><dt>File</dt><dd>{}{}</dd><dt>BLAKE3</dt><dd><code>{}</code></dd><dt>Camera</dt><dd>{}</dd>\
         <dt>File modified</dt><dd>{}</dd>",
        bdi(&q.path),
        q.place(),
        escape(&q.hash),
        known(q.camera),
        q.time.as_deref().map_or("unknown".into(), readable_time)
    );
    if let Some((number, search)) = &row.search {
        let settings: String =
            search.settings.iter().map(|(name, value)| format!(" · {} {}", escape(name), escape(value))).collect();
        let _ = write!(
            out,
            "<dt>Ranking {number}</dt><dd>{} of {} candidates by {}{settings}</dd><dt>Model</dt><dd><code>{}</code></dd>\
             <dt>Gallery</dt><dd>{}</dd>",
            search.candidates.len(),
            search.gallery_images,
            escape(&search.measure),
            escape(&search.model),
            bdi(&search.gallery)
        );
        if row.earlier > 0 {
            let _ =
                write!(out, "<dt>Before it</dt><dd>{} other rankings were seen (in the log below)</dd>", row.earlier);
        }
    }
    marks(out, &row.marks);
    out.push_str("</dl></div>\n");
    candidates(out, "Candidates in the order seen", &row.candidates)?;
    candidates(out, "Judged or marked, but not in that ranking", &row.elsewhere)?;
    out.push_str("</section>\n");
    Ok(())
}

fn candidates(out: &mut String, title: &str, rows: &[CandidateRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let _ = write!(out, "<p class=\"faint\">{title}</p>\n<div class=\"row\">");
    for row in rows {
        let c = &row.candidate;
        let class = match row.verdict.as_ref().map(|v| v.judgement) {
            Some(Judgement::Same) => "same",
            Some(Judgement::Different) => "different",
            Some(Judgement::Unsure) => "unsure",
            None => "",
        };
        let place = if c.rank > 0 { format!("Rank {} · {:.4}", c.rank, c.distance) } else { "In no ranking".into() };
        let mut caption = format!("{place}<br>{}", bdi(file_name(&c.path)));
        if let Some(camera) = c.camera {
            let _ = write!(caption, "<br>Camera {camera}");
        }
        if row.marks.bookmarked {
            caption.push_str("<br>Bookmarked");
        }
        match &row.verdict {
            Some(v) => {
                let _ = write!(caption, "<br><b>{} {}</b>", v.judgement.glyph(), bdi(&verdict_words(v)));
            }
            None => caption.push_str("<br>no verdict"),
        }
        for (by, review) in &row.reviews {
            let _ = write!(caption, "<br>{}", bdi(&review_words(by, review)));
        }
        for tag in &row.marks.tags {
            let _ = write!(caption, "<br>Tag {}", bdi(tag));
        }
        if let Some(note) = &row.marks.note {
            let _ = write!(caption, "<br>Note by {}: {}", bdi(&note.by), bdi(&note.text));
        }
        if let Some(hash) = &c.hash {
            let _ = write!(caption, "<br><code title=\"BLAKE3 {}\">{}</code>", escape(hash), escape(short(hash)));
        }
        figure(out, class, row.image.as_ref(), &format!("Candidate {}", c.rank), &caption, "no picture in the case")?;
    }
    out.push_str("</div>\n");
    Ok(())
}

fn marks(out: &mut String, marks: &Marks) {
    if marks.bookmarked {
        out.push_str("<dt>Bookmark</dt><dd>set</dd>");
    }
    if !marks.tags.is_empty() {
        let tags: Vec<String> = marks.tags.iter().map(|tag| bdi(tag)).collect();
        let _ = write!(out, "<dt>Tags</dt><dd>{}</dd>", tags.join(", "));
    }
    if let Some(note) = &marks.note {
        let _ =
            write!(out, "<dt>Note</dt><dd>{} ({}, {})</dd>", bdi(&note.text), bdi(&note.by), readable_time(&note.at));
    }
}

/// A picture with its caption, which is HTML already.
fn figure(
    out: &mut String,
    class: &str,
    image: Option<&Arc<RgbImage>>,
    alt: &str,
    caption: &str,
    missing: &str,
) -> Result<()> {
    let _ = write!(out, "<figure class=\"{class}\">");
    match image {
        Some(image) => {
            let _ = write!(out, "<img alt=\"{}\" src=\"data:image/png;base64,{}\">", escape(alt), base64(&png(image)?));
        }
        None => {
            let _ = write!(out, "<div class=\"none\">{missing}</div>");
        }
    }
    let _ = writeln!(out, "<figcaption>{caption}</figcaption></figure>");
    Ok(())
}

fn models(report: &Report, out: &mut String) {
    for model in report.state.models.values() {
        let _ = writeln!(
            out,
            "<section><h2>Model {}</h2><dl><dt>File</dt><dd>{}</dd><dt>BLAKE3</dt><dd><code>{}</code></dd>\
             <dt>Input</dt><dd>{}×{} px</dd></dl><p class=\"faint\">Model card</p><pre class=\"wide\">{}</pre></section>",
            bdi(file_name(&model.path)),
            bdi(&model.path),
            escape(&model.hash),
            model.width,
            model.height,
            escape(&format!("{:#}", model.card))
        );
    }
    for (folder, gallery) in &report.state.galleries {
        let _ = writeln!(
            out,
            "<section><h2>Gallery {}</h2><dl><dt>Folder</dt><dd>{}</dd><dt>Images</dt><dd>{}</dd><dt>BLAKE3</dt><dd><code>{}</code></dd></dl></section>",
            bdi(file_name(folder)),
            bdi(folder),
            gallery.images,
            escape(gallery.hash.as_deref().unwrap_or("not computed"))
        );
    }
}

fn log(report: &Report, out: &mut String) {
    out.push_str(
        "<section><h2>Audit log</h2><div class=\"wide\"><table>\n<thead><tr><th>Entry</th><th>When</th><th>Who</th><th>What</th>\
         <th>From</th><th>To</th><th>Link</th></tr></thead>\n<tbody>\n",
    );
    for entry in report.log() {
        let words = entry.change.words();
        let why = entry.origin.words();
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}{why}</td><td>{}</td><td>{}</td><td><code title=\"{}\">{}</code></td></tr>",
            entry.seq,
            readable_time(&entry.at),
            bdi(&entry.who),
            bdi(&words.what),
            bdi(&words.from),
            bdi(&words.to),
            entry.hash,
            short(&entry.hash)
        );
    }
    out.push_str("</tbody>\n</table></div></section>\n");
}
