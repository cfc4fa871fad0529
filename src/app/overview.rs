//! The best candidate of every query in one list, and the job that ranks them all.

use egui::{Align2, FontId, Id, Modal, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use egui_material_icons::icons::{ICON_CHECKLIST, ICON_CLOSE, ICON_CONTENT_COPY, ICON_STOP};

use super::matches::{distance, measure_name, verdict};
use super::shell::Cx;
use super::state::{Action, Query, file_name};
use super::theme::{BODY, SMALL, medium_font, palette, small};
use super::widgets::{self, danger_button, draw, empty, header, icon_button, main_button, plain_button};
use super::{jobs, text, verdicts};
use crate::engine::event::{Candidate, JobKind};

/// Height of a row in points.
const ROW: f32 = 62.0;

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As the queries stand in their list.
    #[default]
    Arrival,
    /// The surest first: by the distance of the best candidate.
    Distance,
    /// By how far the best candidate is ahead of the second.
    Lead,
}

/// What the window remembers of the list.
#[derive(Debug, Default)]
pub struct Overview {
    order: Order,
}

/// Draws the sheet; true when it is to be closed.
pub fn sheet(ui: &mut Ui, cx: &mut Cx<'_>) -> bool {
    let room = ui.ctx().content_rect().size() - vec2(100.0, 90.0);
    let mut done = false;
    let modal = Modal::new(Id::unique("overview")).frame(widgets::sheet(ui.ctx())).show(ui.ctx(), |ui| {
        ui.set_width(room.x.min(980.0));
        ui.set_height(room.y);
        header(ui, ICON_CHECKLIST, "Best candidates of all queries", |ui| {
            if icon_button(ui, ICON_CLOSE, "Close the list").clicked() {
                ui.close();
            }
        });
        if cx.state.queries.is_empty() {
            empty(ui, ICON_CHECKLIST, "No queries yet", "Drop blurred crops on the window, or press Ctrl+O");
            return;
        }
        controls(ui, cx);
        ui.add_space(4.0);
        let rows = rows(cx, cx.view.overview.order);
        ScrollArea::vertical().auto_shrink(false).id_salt("overview").show_rows(ui, ROW, rows.len(), |ui, range| {
            for at in range {
                done |= row(ui, cx, &cx.state.queries[rows[at]]);
            }
        });
    });
    done || modal.should_close()
}

fn controls(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let state = cx.state;
    let found = state.queries.iter().filter(|q| state.is_current(q)).count();
    ui.horizontal_wrapped(|ui| {
        let job = state.jobs.iter().find(|j| j.kind == JobKind::Search && j.end.is_none());
        match job {
            Some(job) => {
                if danger_button(ui, ICON_STOP, "Stop the search").clicked() {
                    cx.wishes.push(Action::Cancel(job.id).into());
                }
                if let Some(progress) = &job.progress {
                    jobs::bar(ui, progress, 140.0);
                    ui.label(small(jobs::describe(progress)).color(p.weak));
                }
            }
            None => {
                let ready = state.gallery.is_some();
                let hint = "Ranks the gallery against every query, with the filters in force";
                let button = ui.add_enabled_ui(ready, |ui| main_button(ui, None, "Search all queries")).inner;
                if button.on_hover_text(hint).clicked() {
                    cx.wishes.push(Action::SearchAll.into());
                }
            }
        }
        ui.label(small(format!("{found} of {} queries ranked", state.queries.len())).color(p.weak));
        ui.separator();
        for (order, name) in
            [(Order::Arrival, "As they came"), (Order::Distance, "By distance"), (Order::Lead, "By lead")]
        {
            let response = ui.selectable_label(cx.view.overview.order == order, name);
            let hint = match order {
                Order::Arrival => "The order of the list of queries",
                Order::Distance => "The least distance of the best candidate first",
                Order::Lead => "First where the best candidate is furthest ahead of the second",
            };
            if response.on_hover_text(hint).clicked() {
                cx.view.overview.order = order;
            }
        }
        if plain_button(ui, ICON_CONTENT_COPY, "Copy as a table").clicked() {
            ui.ctx().copy_text(table(cx));
        }
    });
}

fn best(query: &Query) -> Option<&Candidate> {
    query.result.as_ref()?.candidates.first()
}

/// How far the best is ahead of the second.
fn lead(query: &Query) -> Option<f32> {
    match query.result.as_ref()?.candidates.as_slice() {
        [first, second, ..] => Some(second.distance - first.distance),
        _ => None,
    }
}

/// The queries' indices in the order of the list; those without a ranking come last.
fn rows(cx: &Cx<'_>, order: Order) -> Vec<usize> {
    let queries = &cx.state.queries;
    let mut rows: Vec<usize> = (0..queries.len()).collect();
    let key = |i: usize| match order {
        Order::Arrival => 0.0,
        Order::Distance => best(&queries[i]).map_or(f32::INFINITY, |c| c.distance),
        Order::Lead => lead(&queries[i]).map_or(f32::INFINITY, |lead| -lead),
    };
    rows.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
    rows
}

/// A row; true when it was chosen.
fn row(ui: &mut Ui, cx: &mut Cx<'_>, query: &Query) -> bool {
    let p = palette(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW - 4.0), Sense::click());
    let candidate = best(query).copied();
    let entry = candidate.and_then(|c| cx.state.entry(&c).cloned());
    let measure = query.result.as_ref().map_or(cx.state.settings.measure, |r| r.measure);
    let told = match candidate {
        Some(c) => format!("{} {}", measure_name(measure), distance(c.distance)),
        None if query.result.is_some() => "nothing passes the filters".to_owned(),
        None => "not ranked yet".to_owned(),
    };
    let name = query.name();
    response.widget_info(|| WidgetInfo::labeled(Role::ListBoxOption, true, format!("{}: {told}", text::short(&name))));
    let fill = if response.hovered() { p.hover } else { p.raised };
    ui.painter().rect_filled(rect, 6.0, fill);
    if response.has_focus() {
        let stroke = egui::Stroke::new(1.5, p.accent);
        ui.painter().rect_stroke(rect, 6.0, stroke, egui::StrokeKind::Inside);
    }
    let picture = |x: f32| Rect::from_min_size(pos2(x, rect.top() + 4.0), vec2(25.0, ROW - 12.0));
    let crop = cx.thumbs.memory(ui.ctx(), &query.info.image, true);
    draw(ui, picture(rect.left() + 6.0), &crop, 3.0);
    let half = rect.left() + (rect.width() * 0.46).floor();
    let middle = rect.center().y;
    let line = |x: f32, y: f32, text: &str, font: FontId, colour, right: f32| {
        let text = text::line(ui.painter(), text, font.clone(), right - x);
        ui.painter().text(pos2(x, y), Align2::LEFT_CENTER, text, font, colour);
    };
    let left = rect.left() + 42.0;
    line(left, middle - 9.0, &name, medium_font(BODY), p.strong, half - 8.0);
    let (w, h) = query.info.image.dimensions();
    line(left, middle + 10.0, &format!("{w}×{h} px"), FontId::proportional(SMALL), p.weak, half - 8.0);
    if let (Some(candidate), Some(entry)) = (candidate, entry) {
        let thumb = cx.thumbs.file(&entry.path);
        draw(ui, picture(half), &thumb, 3.0);
        let x = half + 36.0;
        let mut more = String::new();
        if cx.state.settings.ground_truth && candidate.same.is_some() {
            let sign = if candidate.same == Some(true) { "✓" } else { "✗" };
            more.push_str(&format!("  ·  {sign} {}", verdict(candidate.same)));
        }
        more.push_str(&verdicts::spoken(cx.state, query.info.id, &entry.path).replace(", ", "  ·  "));
        // Where there is little room the figures stay, and words go.
        let short = format!("{}{more}", distance(candidate.distance));
        let ways = match lead(query).map(distance) {
            Some(lead) => vec![
                format!("{told}  ·  {lead} ahead of the second{more}"),
                format!("{told}  ·  {lead} ahead{more}"),
                format!("{told}{more}"),
                short,
            ],
            None => vec![format!("{told}{more}"), short],
        };
        let font = FontId::proportional(SMALL);
        let second = text::first_that_fits(ui.painter(), &ways, font, rect.right() - 8.0 - x);
        line(x, middle - 9.0, &file_name(&entry.path), medium_font(BODY), p.strong, rect.right() - 8.0);
        line(x, middle + 10.0, &second, FontId::proportional(SMALL), p.text, rect.right() - 8.0);
    } else {
        line(half, middle, &told, FontId::proportional(SMALL), p.weak, rect.right() - 8.0);
    }
    let clicked = response.clicked();
    if clicked {
        cx.wishes.push(Action::SelectQuery(query.info.id).into());
    }
    clicked
}

/// The list as a table for a spreadsheet, columns by tabs.
fn table(cx: &Cx<'_>) -> String {
    let plain = |text: &str| text::visible(text).replace('\t', " ");
    let mut out = String::from("query\tbest candidate\tdistance\tmeasure\tlead over the second\n");
    for query in &cx.state.queries {
        let name = plain(&query.info.path.display().to_string());
        let Some((candidate, result)) = best(query).zip(query.result.as_ref()) else {
            out.push_str(&format!("{name}\t\t\t\t\n"));
            continue;
        };
        let file = cx.state.entry(candidate).map(|e| plain(&e.path.display().to_string())).unwrap_or_default();
        let ahead = lead(query).map(|lead| format!("{lead:.4}")).unwrap_or_default();
        let measure = measure_name(result.measure);
        out.push_str(&format!("{name}\t{file}\t{:.4}\t{measure}\t{ahead}\n", candidate.distance));
    }
    out
}
