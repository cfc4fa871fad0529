//! The two plots of the pane: distances to the gallery, and ranks with less detail. Axes have names, colours have glyphs.

use egui::{Align2, Color32, FontId, Rangef, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::matches::{distance, measure_name, thousands};
use crate::app::shell::Cx;
use crate::app::theme::{SMALL, palette, tint};
use crate::engine::certainty::{Certainty, Standing, Sweep};

/// Height of a plot in points, without what stands below its axis.
const HEIGHT: f32 = 96.0;
/// Room for the figures left of an axis, and for those below.
const LEFT: f32 = 44.0;
const BELOW: f32 = 32.0;

/// The area of a plot, with the names of its axes.
struct Area {
    rect: Rect,
    weak: Color32,
}

impl Area {
    fn new(ui: &mut Ui, height: f32, name: &str, x: &str, y: &str) -> Self {
        let p = palette(ui.visuals());
        let (all, response) = ui.allocate_exact_size(vec2(ui.available_width(), height + BELOW + 24.0), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, name));
        let rect = Rect::from_min_max(
            pos2(all.left() + LEFT, all.top() + 26.0),
            pos2(all.right() - 6.0, all.bottom() - BELOW),
        );
        let area = Self { rect, weak: p.weak };
        area.text(ui, pos2(all.left(), all.top()), Align2::LEFT_TOP, y, p.weak);
        area.text(ui, pos2(rect.right(), all.bottom()), Align2::RIGHT_BOTTOM, x, p.weak);
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, tint(p.pane, p.weak, 0.5)));
        area
    }

    fn text(&self, ui: &Ui, at: egui::Pos2, align: Align2, text: &str, colour: Color32) {
        ui.painter().text(at, align, text, FontId::proportional(SMALL), colour);
    }

    /// A figure below the axis.
    fn below(&self, ui: &Ui, x: f32, align: Align2, text: &str) {
        self.text(ui, pos2(x, self.rect.bottom() + 2.0), align, text, self.weak);
    }

    /// A figure left of the axis, with a faint line.
    fn left(&self, ui: &Ui, y: f32, text: &str) {
        self.text(ui, pos2(self.rect.left() - 6.0, y), Align2::RIGHT_CENTER, text, self.weak);
        let p = palette(ui.visuals());
        ui.painter().hline(self.rect.x_range(), y, Stroke::new(1.0, tint(p.pane, p.weak, 0.15)));
    }
}

/// The distances to all gallery images, with the candidates as marks and the calibration's spans below.
pub fn histogram(ui: &mut Ui, cx: &Cx<'_>, certainty: &Certainty) {
    let p = palette(ui.visuals());
    let histogram = &certainty.histogram;
    let spans = spans(certainty);
    let candidates = cx.state.candidates();
    let (low, high) = (histogram.low, histogram.high.max(histogram.low + f32::MIN_POSITIVE));
    // The spans may begin before the nearest image.
    let from = spans.iter().map(|(_, span, _)| span.min).fold(low, f32::min);
    let to = high;
    let total: u32 = histogram.counts.iter().sum();
    let name = format!(
        "{} to {} gallery images, from {} to {}, {} candidates marked",
        measure_name(certainty.measure),
        thousands(u64::from(total)),
        distance(low),
        distance(high),
        candidates.len()
    );
    let area = Area::new(ui, HEIGHT, &name, measure_name(certainty.measure), "gallery images");
    let rect = area.rect;
    let x = |d: f32| egui::remap(d, from..=to, rect.x_range());
    let most = histogram.counts.iter().copied().max().unwrap_or(1).max(1);
    area.left(ui, rect.top(), &thousands(u64::from(most)));
    area.left(ui, rect.bottom(), "0");
    let width = (high - low) / histogram.counts.len().max(1) as f32;
    for (i, &count) in histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let left = low + i as f32 * width;
        // One image among thousands is still seen.
        let top = (rect.bottom() - rect.height() * count as f32 / most as f32).min(rect.bottom() - 1.5);
        let bar = Rect::from_min_max(
            pos2(x(left) + 0.5, top),
            pos2((x(left + width) - 0.5).max(x(left) + 1.0), rect.bottom()),
        );
        ui.painter().rect_filled(bar, 1.0, tint(p.pane, p.weak, 0.45));
    }
    area.below(ui, rect.left(), Align2::LEFT_TOP, &distance(from));
    area.below(ui, rect.right(), Align2::RIGHT_TOP, &distance(to));
    // Candidates stand as ticks on the axis, the chosen one across the plot.
    for (i, candidate) in candidates.iter().enumerate() {
        let chosen = i == cx.state.candidate;
        let (top, stroke) = if chosen {
            (rect.top(), Stroke::new(2.0, p.accent))
        } else {
            (rect.bottom() - 12.0, Stroke::new(1.0, p.accent))
        };
        ui.painter().vline(x(candidate.distance), Rangef::new(top, rect.bottom()), stroke);
        if chosen {
            let right = x(candidate.distance) > rect.center().x;
            let align = if right { Align2::RIGHT_TOP } else { Align2::LEFT_TOP };
            let at = pos2(x(candidate.distance) + if right { -4.0 } else { 4.0 }, rect.top() - 2.0);
            area.text(ui, at, align, &format!("rank {}", candidate.rank), p.accent);
        }
    }
    for (text, span, colour) in spans {
        strip(ui, rect, x(span.min), x(span.max), text, colour);
    }
}

/// Where the calibration's nearest images stand: from 5 to 95 percent of its queries.
fn spans(certainty: &Certainty) -> Vec<(&'static str, Rangef, usize)> {
    let Standing::Calibrated(reading) = &certainty.standing else { return Vec::new() };
    let span = |q: &[f32]| match q {
        [_, low, .., high, _] => Rangef::new(*low, *high),
        _ => Rangef::NOTHING,
    };
    vec![
        ("✓ nearest of the same person", span(&reading.same), 0),
        ("✗ nearest of a different person", span(&reading.strangers.best), 1),
    ]
}

/// A span of the axis, with its name.
fn strip(ui: &mut Ui, area: Rect, from: f32, to: f32, text: &str, kind: usize) {
    let p = palette(ui.visuals());
    let colour = if kind == 0 { p.same } else { p.other };
    let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
    let (from, to) = (from.clamp(area.left(), area.right()), to.clamp(area.left(), area.right()));
    let bar = Rect::from_min_max(pos2(from, row.top() + 1.0), pos2(to.max(from + 2.0), row.top() + 4.0));
    ui.painter().rect_filled(bar, 1.5, colour);
    // The name stands under its bar, as far as there is room to its right.
    let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(SMALL), colour);
    let left = from.min(area.right() - galley.size().x).max(row.left());
    ui.painter().galley(pos2(left, row.top() + 4.0), galley, colour);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    response.on_hover_text(format!("{text}: 5 to 95 percent of the calibration's queries"));
}

/// The rank of the chosen candidate, and how many of the first ten are kept, at each rate.
pub fn sweep(ui: &mut Ui, cx: &Cx<'_>, sweep: &Sweep) {
    let p = palette(ui.visuals());
    let chosen = cx.state.candidate;
    let rank_now = chosen + 1;
    let ranks: Vec<(f64, Option<usize>)> =
        sweep.steps.iter().map(|step| (step.rate, step.ranks.get(chosen).copied())).collect();
    let told: Vec<String> =
        ranks.iter().filter_map(|(rate, rank)| Some(format!("{} at r = {rate}", (*rank)?))).collect();
    let y_name = format!("rank of candidate {rank_now} (1 is best)");
    let area = Area::new(ui, HEIGHT, &format!("{y_name}: {}", told.join(", ")), "further down-sampling r", &y_name);
    let rect = area.rect.shrink2(vec2(10.0, 6.0));
    // Ranks are compared by ratio: from 1 to 2 is as far as from 50 to 100.
    let worst = ranks.iter().filter_map(|(_, rank)| *rank).max().unwrap_or(1).max(10) as f32;
    let y = |rank: usize| egui::remap((rank.max(1) as f32).ln(), 0.0..=worst.ln(), rect.top()..=rect.bottom());
    let x = |i: usize| egui::remap(i as f32, 0.0..=(sweep.steps.len().max(2) - 1) as f32, rect.x_range());
    area.left(ui, y(1), "1");
    for tenfold in [10_usize, 100, 1_000, 10_000, 100_000].into_iter().filter(|&rank| rank as f32 <= worst) {
        area.left(ui, y(tenfold), &thousands(tenfold as u64));
    }
    let points: Vec<egui::Pos2> =
        ranks.iter().enumerate().filter_map(|(i, (_, rank))| rank.map(|rank| pos2(x(i), y(rank)))).collect();
    ui.painter().line(points.clone(), Stroke::new(2.0, p.accent));
    for at in points {
        ui.painter().circle_filled(at, 3.5, p.accent);
    }
    for (i, step) in sweep.steps.iter().enumerate() {
        area.below(ui, x(i), Align2::CENTER_TOP, &format!("{}", step.rate));
    }
    if told.is_empty() {
        area.text(ui, rect.center(), Align2::CENTER_CENTER, "Only the first 50 candidates are followed", p.weak);
    }
    kept(ui, sweep, &|i| x(i));
}

/// How many of the first ten stay among them, as a row of bars with their figures.
fn kept(ui: &mut Ui, sweep: &Sweep, x: &dyn Fn(usize) -> f32) {
    let p = palette(ui.visuals());
    let told: Vec<String> = sweep.steps.iter().map(|step| format!("{} at r = {}", step.kept, step.rate)).collect();
    let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), 58.0), Sense::hover());
    response
        .widget_info(|| WidgetInfo::labeled(Role::Figure, true, format!("Of the first ten kept: {}", told.join(", "))));
    let font = || FontId::proportional(SMALL);
    ui.painter().text(row.left_top(), Align2::LEFT_TOP, "of the first ten kept", font(), p.weak);
    for (i, step) in sweep.steps.iter().enumerate() {
        let height = 24.0 * step.kept as f32 / 10.0;
        let foot = row.bottom() - 16.0;
        let bar = Rect::from_min_max(pos2(x(i) - 6.0, foot - height.max(1.0)), pos2(x(i) + 6.0, foot));
        ui.painter().rect_filled(bar, 2.0, tint(p.pane, p.accent, 0.6));
        ui.painter().text(pos2(x(i), foot + 1.0), Align2::CENTER_TOP, step.kept.to_string(), font(), p.text);
    }
}
