//! The report as pages: drawings that text and pictures flow onto, written by krilla with Inter inside.

use std::collections::HashMap;
use std::sync::Arc;

use image::RgbImage;
use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};

use super::drawing::{Area, Colour, Drawing, FAINT, INK, LINE, Mark, colour};
use super::typeface::{Cut, fit, printable, wrap};
use super::{CandidateRow, DECIDES, NOT_EVIDENCE, QueryRow, Report, review_words, verdict_words};
use crate::case::change::short;
use crate::case::name::file_name;
use crate::case::readable_time;
use crate::error::{Error, Result};

/// A4, in points.
const PAGE: (f32, f32) = (595.0, 842.0);
const MARGIN: f32 = 42.0;
const WIDTH: f32 = PAGE.0 - 2.0 * MARGIN;
const BODY: f32 = 9.0;
/// Candidates side by side.
const COLUMNS: usize = 6;

/// The PDF file.
pub(super) fn pdf(report: &Report) -> Result<Vec<u8>> {
    let mut flow = Flow::default();
    flow.paragraph(report.title(), 18.0, Cut::SemiBold, INK);
    let made = format!("Report of {} · Rain {}", readable_time(&report.at), env!("CARGO_PKG_VERSION"));
    flow.paragraph(&made, BODY, Cut::Regular, FAINT);
    flow.paragraph(DECIDES, BODY, Cut::Regular, INK);
    about(&mut flow, report);
    for row in &report.rows {
        query(&mut flow, row);
    }
    models(&mut flow, report);
    log(&mut flow, report);
    flow.space(14.0);
    flow.paragraph(
        "Characters that the report's typeface lacks are written by their Unicode numbers, as [U+05D0]; the web page, the \
         table and the JSON report have them as they are.",
        8.0,
        Cut::Regular,
        FAINT,
    );
    write(report, flow.pages)
}

fn about(flow: &mut Flow, report: &Report) {
    let counts: Vec<String> =
        report.counts().iter().map(|(judgement, n)| format!("{n} {}", judgement.words())).collect();
    flow.heading("Case");
    flow.fact("Queries", &report.rows.len().to_string());
    flow.fact("Verdicts", &counts.join(", "));
    flow.fact("Case number", &report.state.about.id);
    flow.fact("Audit log", &format!("{} entries, last link {}", report.state.log.len(), report.state.head()));
}

fn query(flow: &mut Flow, row: &QueryRow) {
    let q = &row.query;
    // The heading never stands alone at the foot of a page.
    flow.need(170.0);
    flow.heading(&format!("Query {}: {}", row.id, q.name()));
    let top = flow.take(112.0);
    let area = Area { x: MARGIN, y: top, w: 50.0, h: 100.0 };
    let page = flow.page();
    match &row.image {
        Some(image) => page.picture(area, image, true),
        None => page.marks.push(Mark::Border(area, 0.75, LINE)),
    }
    if let Some(image) = &row.reconstruction {
        page.picture(Area { x: MARGIN + 62.0, ..area }, image, false);
        page.text(MARGIN + 62.0, top + 109.0, 8.0, Cut::SemiBold, INK, NOT_EVIDENCE);
    }
    page.text(MARGIN, top + 109.0, 8.0, Cut::Regular, FAINT, format!("{}×{} px", q.width, q.height));
    let known = |n: Option<i64>| n.map_or("unknown".to_owned(), |n| n.to_string());
    flow.fact("File", &(q.path.clone() + &q.place()));
    flow.fact("BLAKE3", &q.hash);
    flow.fact("Camera", &known(q.camera));
    flow.fact("File modified", &q.time.as_deref().map_or("unknown".into(), readable_time));
    if let Some((number, search)) = &row.search {
        let settings: String = search.settings.iter().map(|(name, value)| format!(" · {name} {value}")).collect();
        let (shown, all) = (search.candidates.len(), search.gallery_images);
        flow.fact(
            &format!("Ranking {number}"),
            &format!("{shown} of {all} candidates by {}{settings}", search.measure),
        );
        flow.fact("Model", &search.model);
        flow.fact("Gallery", &search.gallery);
    }
    if row.marks.bookmarked {
        flow.fact("Bookmark", "set");
    }
    if !row.marks.tags.is_empty() {
        flow.fact("Tags", &row.marks.tags.join(", "));
    }
    if let Some(note) = &row.marks.note {
        flow.fact("Note", &format!("{} ({}, {})", note.text, note.by, readable_time(&note.at)));
    }
    candidates(flow, "Candidates in the order seen", &row.candidates);
    candidates(flow, "Judged or marked, but not in that ranking", &row.elsewhere);
}

fn candidates(flow: &mut Flow, title: &str, rows: &[CandidateRow]) {
    if rows.is_empty() {
        return;
    }
    flow.need(150.0);
    flow.space(4.0);
    flow.paragraph(title, BODY, Cut::Regular, FAINT);
    let cell = WIDTH / COLUMNS as f32;
    for line in rows.chunks(COLUMNS) {
        let top = flow.take(138.0);
        for (i, row) in line.iter().enumerate() {
            candidate(flow.page(), row, MARGIN + i as f32 * cell, top + 4.0, cell - 8.0);
        }
    }
    // The full names, and all that was said.
    for row in rows {
        let c = &row.candidate;
        let mut parts = vec![c.path.clone()];
        parts.extend(c.hash.as_deref().map(|hash| format!("BLAKE3 {}", short(hash))));
        parts.extend(c.camera.map(|camera| format!("camera {camera}")));
        parts.extend(row.verdict.as_ref().map(verdict_words));
        parts.extend(row.reviews.iter().map(|(by, review)| review_words(by, review)));
        parts.extend(row.marks.bookmarked.then(|| "bookmarked".to_owned()));
        parts.extend(row.marks.tags.iter().map(|tag| format!("tag {tag}")));
        parts.extend(row.marks.note.as_ref().map(|note| format!("note by {}: {}", note.by, note.text)));
        let name = if c.rank > 0 { format!("Rank {}, {:.4}", c.rank, c.distance) } else { "In no ranking".to_owned() };
        flow.fact(&name, &parts.join(" · "));
    }
}

fn candidate(page: &mut Drawing, row: &CandidateRow, x: f32, y: f32, width: f32) {
    let area = Area { x, y, w: 50.0, h: 100.0 };
    match &row.image {
        Some(image) => page.picture(area, image, false),
        None => page.text(x + 4.0, y + 50.0, 8.0, Cut::Regular, FAINT, "no picture"),
    }
    match row.verdict.as_ref().map(|verdict| verdict.judgement) {
        Some(judgement) => {
            page.marks.push(Mark::Border(area, 2.0, colour(judgement)));
            page.glyph(x + area.w - 13.0, y, 13.0, judgement);
        }
        None => page.marks.push(Mark::Border(area, 0.75, LINE)),
    }
    let place = if row.candidate.rank > 0 { format!("{}", row.candidate.rank) } else { "–".to_owned() };
    page.text(x, y + 112.0, BODY, Cut::SemiBold, INK, place);
    let name = fit(&printable(file_name(&row.candidate.path)), Cut::Regular, 8.0, width);
    page.text(x, y + 122.0, 8.0, Cut::Regular, FAINT, name);
}

fn models(flow: &mut Flow, report: &Report) {
    for model in report.state.models.values() {
        flow.heading(&format!("Model {}", file_name(&model.path)));
        flow.fact("File", &model.path);
        flow.fact("BLAKE3", &model.hash);
        flow.fact("Input", &format!("{}×{} px", model.width, model.height));
        flow.fact("Model card", &model.card.to_string());
    }
    for (folder, gallery) in &report.state.galleries {
        flow.heading(&format!("Gallery {}", file_name(folder)));
        flow.fact("Folder", folder);
        flow.fact("Images", &gallery.images.to_string());
        flow.fact("BLAKE3", gallery.hash.as_deref().unwrap_or("not computed"));
    }
}

fn log(flow: &mut Flow, report: &Report) {
    flow.heading("Audit log");
    for entry in report.log() {
        let words = entry.change.words();
        let why = entry.origin.words();
        let text = format!(
            "{} · {} · {}{why}: {} → {} · link {}",
            readable_time(&entry.at),
            entry.who,
            words.what,
            words.from,
            words.to,
            short(&entry.hash)
        );
        flow.fact(&entry.seq.to_string(), &text);
    }
}

/// Pages that fill from the top.
#[derive(Default)]
struct Flow {
    pages: Vec<Drawing>,
    y: f32,
}

impl Flow {
    /// The page that is being filled.
    fn page(&mut self) -> &mut Drawing {
        if self.pages.is_empty() {
            self.turn();
        }
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    fn turn(&mut self) {
        self.pages.push(Drawing::new(PAGE.0, PAGE.1));
        self.y = MARGIN;
    }

    /// Turns the page where less than `height` is left.
    fn need(&mut self, height: f32) {
        if self.pages.is_empty() || self.y + height > PAGE.1 - MARGIN - 14.0 {
            self.turn();
        }
    }

    /// Takes room of that height; returns its upper edge.
    fn take(&mut self, height: f32) -> f32 {
        self.need(height);
        self.y += height;
        self.y - height
    }

    fn space(&mut self, height: f32) {
        self.y += height;
    }

    fn heading(&mut self, text: &str) {
        self.need(60.0);
        self.space(12.0);
        self.paragraph(text, 12.0, Cut::SemiBold, INK);
        self.space(2.0);
    }

    fn paragraph(&mut self, text: &str, size: f32, cut: Cut, colour: Colour) {
        for line in wrap(&printable(text), cut, size, WIDTH) {
            let top = self.take(size * 1.45);
            self.page().text(MARGIN, top + size, size, cut, colour, line);
        }
    }

    /// A name, and its value beside it in as many lines as it needs.
    fn fact(&mut self, name: &str, value: &str) {
        let column = 92.0;
        let lines = wrap(&printable(value), Cut::Regular, BODY, WIDTH - column);
        for (i, line) in lines.into_iter().enumerate() {
            let top = self.take(BODY * 1.45);
            if i == 0 {
                let name = fit(&printable(name), Cut::Regular, BODY, column - 8.0);
                self.page().text(MARGIN, top + BODY, BODY, Cut::Regular, FAINT, name);
            }
            self.page().text(MARGIN + column, top + BODY, BODY, Cut::Regular, INK, line);
        }
    }
}

fn write(report: &Report, mut pages: Vec<Drawing>) -> Result<Vec<u8>> {
    let failed = |what: &str| {
        Error::input(format!("The PDF could not be written ({what})"), "Write the report as a web page (HTML) instead")
    };
    let font = |cut: Cut| Font::new(cut.bytes().into(), 0).ok_or_else(|| failed("its typeface is not readable"));
    let mut ink = Ink { regular: font(Cut::Regular)?, semibold: font(Cut::SemiBold)?, images: HashMap::new() };
    let count = pages.len();
    let title = printable(report.title());
    for (i, page) in pages.iter_mut().enumerate() {
        let number = format!("{} · page {} of {count}", fit(&title, Cut::Regular, 8.0, WIDTH - 90.0), i + 1);
        page.text(MARGIN, PAGE.1 - MARGIN + 8.0, 8.0, Cut::Regular, FAINT, number);
    }
    let mut document = Document::new();
    document.set_metadata(Metadata::new().title(title).creator("Rain".into()).language("en".into()));
    let settings = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| failed("its page has no size"))?;
    for page in &pages {
        let mut sheet = document.start_page_with(settings.clone());
        let mut surface = sheet.surface();
        page.marks.iter().for_each(|mark| ink.draw(&mut surface, mark));
        surface.finish();
        sheet.finish();
    }
    document.finish().map_err(|e| failed(&format!("{e:?}")))
}

/// What marks are drawn with.
struct Ink {
    regular: Font,
    semibold: Font,
    /// One image of the file for a picture that stands in it more than once.
    images: HashMap<usize, Image>,
}

impl Ink {
    fn draw(&mut self, surface: &mut Surface<'_>, mark: &Mark) {
        match mark {
            Mark::Fill(area, colour) => path(surface, *area, Some(fill(*colour)), None),
            Mark::Border(area, width, colour) => {
                let half = width / 2.0;
                let outer = Area { x: area.x - half, y: area.y - half, w: area.w + width, h: area.h + width };
                path(surface, outer, None, Some(stroke(*colour, *width)));
            }
            Mark::Line(points, width, colour) => {
                let mut builder = PathBuilder::new();
                for (i, (x, y)) in points.iter().enumerate() {
                    if i == 0 { builder.move_to(*x, *y) } else { builder.line_to(*x, *y) }
                }
                surface.set_fill(None);
                surface.set_stroke(Some(stroke(*colour, *width)));
                if let Some(path) = builder.finish() {
                    surface.draw_path(&path);
                }
            }
            Mark::Picture(area, picture, _) => {
                let image = self.image(picture);
                if let Some(size) = Size::from_wh(area.w, area.h) {
                    surface.push_transform(&Transform::from_translate(area.x, area.y));
                    surface.draw_image(image, size);
                    surface.pop();
                }
            }
            Mark::Text { x, y, size, cut, colour, text } => {
                surface.set_stroke(None);
                surface.set_fill(Some(fill(*colour)));
                let font = if *cut == Cut::SemiBold { &self.semibold } else { &self.regular };
                let glyphs: Vec<KrillaGlyph> = text
                    .char_indices()
                    .filter_map(|(at, c)| {
                        let (glyph, advance) = cut.glyph(c)?;
                        let range = at..at + c.len_utf8();
                        Some(KrillaGlyph::new(GlyphId::new(glyph.into()), advance, 0.0, 0.0, 0.0, range, None))
                    })
                    .collect();
                surface.draw_glyphs(Point::from_xy(*x, *y), &glyphs, font.clone(), text, *size, false);
            }
        }
    }

    fn image(&mut self, picture: &Arc<RgbImage>) -> Image {
        let made = || {
            let rgba = picture.pixels().flat_map(|p| [p.0[0], p.0[1], p.0[2], 255]).collect();
            Image::from_rgba8(rgba, picture.width(), picture.height())
        };
        self.images.entry(Arc::as_ptr(picture) as usize).or_insert_with(made).clone()
    }
}

fn fill([r, g, b]: Colour) -> Fill {
    Fill { paint: rgb::Color::new(r, g, b).into(), ..Fill::default() }
}

fn stroke([r, g, b]: Colour, width: f32) -> Stroke {
    Stroke { paint: rgb::Color::new(r, g, b).into(), width, ..Stroke::default() }
}

fn path(surface: &mut Surface<'_>, area: Area, fill: Option<Fill>, stroke: Option<Stroke>) {
    surface.set_fill(fill);
    surface.set_stroke(stroke);
    let mut builder = PathBuilder::new();
    if let Some(rect) = Rect::from_xywh(area.x, area.y, area.w, area.h) {
        builder.push_rect(rect);
    }
    if let Some(path) = builder.finish() {
        surface.draw_path(&path);
    }
}
