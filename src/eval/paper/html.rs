//! A report as one HTML page without anything outside of it.

use std::fmt::Write;

use super::report::{INTERVALS, Report, ours};
use crate::markup::escape;

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f3f4f6;--card:#fff;--line:#dfe2e7;--text:#1c2127;--faint:#5d6672;--ours:#0b6a9c;--first:#fff3d6;--firsttext:#5c4300}\
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1d2127;--line:#31373f;--text:#e6e9ed;--faint:#9aa4b0;--ours:#6ec1f5;--first:#3a2f12;--firsttext:#f3dca4}}\
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--text);font:14px/1.5 Inter,system-ui,sans-serif}\
main{max-width:1500px;margin:0 auto;padding:24px}h1{font-size:22px;margin:16px 0 4px}h2{font-size:16px;margin:28px 0 8px}p{margin:0 0 8px;max-width:95ch}\
.first{background:var(--first);color:var(--firsttext);border-radius:8px;padding:10px 14px;max-width:none;font-weight:600}\
.faint{color:var(--faint)}.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;margin:16px 0}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th{font-weight:600;color:var(--faint);font-size:12px}\
th,td{padding:9px 12px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;white-space:nowrap}tbody tr:last-child td{border-bottom:0}\
thead tr:first-child th[colspan]{border-left:1px solid var(--line)}b{color:var(--ours)}td small{display:block;color:var(--faint);font-size:12px}\
.quoted td{color:var(--faint)}.tag{font-size:12px;border:1px solid var(--line);border-radius:999px;padding:0 7px;margin-left:6px}\
img{max-width:100%;border:1px solid var(--line);border-radius:10px}svg{background:var(--card);border:1px solid var(--line);border-radius:10px;max-width:100%}svg text{fill:var(--faint);font:12px Inter,system-ui,sans-serif}\
svg .grid{stroke:var(--line)}svg .curve{stroke:var(--ours);fill:none;stroke-width:2}svg circle{fill:var(--ours)}svg .bar{stroke:var(--ours)}";

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut html = format!("<h1>{}</h1>\n<p>{}</p>\n", escape(&report.title), escape(&report.about));
    html.push_str(
        "<p class=\"faint\">Ours with its 95% interval; below it the paper’s. Rows marked “quoted” were published by others and \
         are not run here; a dash is a figure that is not known.</p>\n",
    );
    if report.curve.is_some() {
        curve(report, &mut html);
    }
    table(report, &mut html);
    let _ = writeln!(html, "<p class=\"faint\">{}.</p>", escape(INTERVALS));
    if !report.missing.is_empty() {
        let _ = writeln!(html, "<p>Not run yet: {}.</p>", escape(&report.missing.join("; ")));
    }
    for (what, why) in &report.failed {
        let _ = writeln!(html, "<p>Failed: {}: {}</p>", escape(what), escape(why));
    }
    if !report.runs.is_empty() {
        runs(report, &mut html);
    }
    frame(&report.title, report.reduction.as_deref(), &html)
}

/// A page of this look around `body`, which is HTML; `first` is said before anything else.
pub fn frame(title: &str, first: Option<&str>, body: &str) -> String {
    let first = first.map(|words| format!("<p class=\"first\">{}</p>\n", escape(words))).unwrap_or_default();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Rain: {}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{first}{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

fn table(report: &Report, html: &mut String) {
    html.push_str("<div class=\"wide\"><table>\n<thead>\n<tr><th></th>");
    let mut at = 0;
    while let Some(first) = report.columns.get(at) {
        let group = first.group();
        let wide = report.columns[at..].iter().take_while(|column| column.group() == group).count();
        let _ = write!(html, "<th colspan=\"{wide}\">{}</th>", escape(&group));
        at += wide;
    }
    html.push_str("</tr>\n<tr><th></th>");
    for column in &report.columns {
        let _ = write!(html, "<th>{}</th>", column.metric.title());
    }
    html.push_str("</tr>\n</thead>\n<tbody>\n");
    for line in &report.lines {
        let (class, tag) =
            if line.quoted { (" class=\"quoted\"", "<span class=\"tag\">quoted</span>") } else { ("", "") };
        let _ = write!(html, "<tr{class}><td>{}{tag}</td>", escape(&line.name));
        for cell in &line.cells {
            let published = cell.published.map(|p| format!("{p:.1}"));
            let text = match (ours(cell), published) {
                (None, None) => "–".to_string(),
                (None, Some(paper)) if line.quoted => paper,
                (None, Some(paper)) => format!("–<small>paper {paper}</small>"),
                (Some(ours), paper) => {
                    let (mean, rest) = ours.split_once(' ').unwrap_or((&ours, ""));
                    let paper = paper.map_or(String::new(), |paper| format!("<small>paper {paper}</small>"));
                    format!("<b>{mean}</b> {rest}{paper}")
                }
            };
            let _ = write!(html, "<td>{text}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
}

fn runs(report: &Report, html: &mut String) {
    html.push_str(
        "<h2>The runs behind it</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Run</th><th>Set</th><th>Seed</th><th>Rank-1</th>\
         <th>Epochs</th><th>Steps</th><th>Split</th><th>Plan</th><th>Settings</th><th>Model</th><th>Data</th><th>Note</th></tr></thead>\n<tbody>\n",
    );
    for run in &report.runs {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&run.preset),
            run.set.title(),
            run.seed,
            run.rank1,
            run.epochs,
            run.steps,
            escape(&run.split),
            escape(&run.plan),
            escape(&run.recipe),
            escape(&run.model),
            escape(&run.data),
            escape(&run.note)
        );
    }
    html.push_str(
        "</tbody>\n</table></div>\n<p class=\"faint\">Figures can be compared where the plan is the same: it names the split, the rate of each \
         query and the galleries. Settings, model and data are named by their hashes.</p>\n",
    );
}

/// The first column over the rows' `x`, with its intervals; 0 to 100 percent across, from 0 to a round number up.
fn curve(report: &Report, html: &mut String) {
    const W: f64 = 640.0;
    const H: f64 = 300.0;
    const LEFT: f64 = 48.0;
    const RIGHT: f64 = 16.0;
    const TOP: f64 = 24.0;
    const BOTTOM: f64 = 44.0;
    for (place, column) in report.columns.iter().enumerate() {
        let points: Vec<(f64, crate::eval::interval::Interval)> =
            report.lines.iter().filter_map(|line| Some((line.x?, line.cells.get(place)?.ours?))).collect();
        if points.is_empty() {
            continue;
        }
        let highest = points.iter().map(|(_, i)| i.high).fold(0.0, f64::max);
        let top = ((highest / 10.0).ceil() * 10.0).clamp(10.0, 100.0);
        let x = |v: f64| LEFT + v / 100.0 * (W - LEFT - RIGHT);
        let y = |v: f64| TOP + (1.0 - v / top) * (H - TOP - BOTTOM);
        let _ = writeln!(
            html,
            "<svg viewBox=\"0 0 {W} {H}\" width=\"{W}\" role=\"img\" aria-label=\"{}: {} over {}\">",
            escape(&column.group()),
            column.metric.title(),
            escape(report.curve.as_deref().unwrap_or_default())
        );
        for step in 0..=5 {
            let (share, level) = (20.0 * f64::from(step), top / 5.0 * f64::from(step));
            let (gx, gy) = (x(share), y(level));
            let _ = writeln!(
                html,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{gy:.1}\" y2=\"{gy:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{level:.0}</text>\
                 <text x=\"{gx:.1}\" y=\"{}\" text-anchor=\"middle\">{share:.0}</text>",
                W - RIGHT,
                LEFT - 8.0,
                gy + 4.0,
                H - BOTTOM + 18.0
            );
        }
        let path: Vec<String> = points.iter().map(|(v, i)| format!("{:.1},{:.1}", x(*v), y(i.mean))).collect();
        let _ = writeln!(html, "<polyline class=\"curve\" points=\"{}\"/>", path.join(" "));
        for (v, i) in &points {
            let (px, low, high) = (x(*v), y(i.low.max(0.0)), y(i.high.min(top)));
            let _ = writeln!(
                html,
                "<line class=\"bar\" x1=\"{px:.1}\" x2=\"{px:.1}\" y1=\"{low:.1}\" y2=\"{high:.1}\"/>\
                 <circle cx=\"{px:.1}\" cy=\"{:.1}\" r=\"4\"><title>{v}%: {:.1} ({:.1} to {:.1})</title></circle>",
                y(i.mean),
                i.mean,
                i.low,
                i.high
            );
        }
        let _ = writeln!(
            html,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text><text x=\"{LEFT}\" y=\"12\">{}, {}, percent</text>\n</svg>",
            (W + LEFT - RIGHT) / 2.0,
            H - 6.0,
            escape(report.curve.as_deref().unwrap_or_default()),
            escape(&column.group()),
            column.metric.title()
        );
    }
}
