//! One chart: title, legend, axes and curves.

use egui::emath::GuiRounding;
use egui::{
    Align2, Color32, CursorIcon, FontId, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo, pos2,
    vec2,
};

use super::axis::{Axis, Scale, figure, mark};
use super::{Board, Chart, Curve};
use crate::app::state::history::Column;
use crate::app::theme::{SMALL, medium_font, palette, semibold, small, tint};

/// Height of a line of the legend.
const LINE: f32 = 18.0;
/// Room for the figures at the left, and for the steps below.
const LEFT: f32 = 40.0;
const BELOW: f32 = 16.0;
/// A logarithmic axis spans no more than this: what lies below is nearly 0.
const DECADES: f64 = 6.0;

/// Draws a chart; `hover` is the step under the pointer, in whichever chart it is.
pub fn show(ui: &mut Ui, board: &mut Board, chart: &Chart<'_>, height: f32, lines: usize, hover: Option<f64>) {
    let p = palette(ui.visuals());
    ui.spacing_mut().item_spacing = vec2(6.0, 2.0);
    ui.horizontal(|ui| {
        ui.label(semibold(chart.title, SMALL).color(p.text));
        ui.label(small(chart.unit).color(p.weak));
    });
    legend(ui, board, chart, lines as f32 * LINE, hover);
    let size = vec2(ui.available_width(), (height - 22.0 - lines as f32 * LINE).max(70.0));
    if chart.curves.iter().all(|curve| !column(curve).is_some()) {
        ui.allocate_ui(size, |ui| {
            ui.centered_and_justified(|ui| ui.label(small("No figures yet").color(p.weak)));
        });
        return;
    }
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, told(chart)));
    if ui.is_rect_visible(rect) {
        let inner = Rect::from_min_max(rect.min + vec2(LEFT, 4.0), rect.max - vec2(4.0, BELOW));
        let [from, to] = board.range();
        let x = Axis { scale: Scale::Linear, places: [from, to], points: [inner.left(), inner.right()] };
        let scale = if board.log && !chart.percent { Scale::Log } else { Scale::Linear };
        let places = vertical(board, chart, [from, to], scale);
        let y = Axis { scale, places, points: [inner.bottom(), inner.top()] };
        let frame = Frame { inner, x, y };
        frame.axes(ui, chart.across);
        let painter = ui.painter().with_clip_rect(inner.expand(1.5));
        for curve in chart.curves.iter().filter(|curve| board.shown(chart, curve)) {
            let columns = frame.columns(curve.table.steps());
            if chart.points {
                frame.dots(&painter, curve, column(curve));
                frame.line(&painter, &columns, curve, column(curve), Stroke::new(1.5, curve.colour));
                continue;
            }
            let smoothed = board.smoothed(curve).filter(|_| board.smoothing > 0.0);
            let raw = if smoothed.is_some() { tint(p.pane, curve.colour, 0.34) } else { curve.colour };
            frame.line(&painter, &columns, curve, column(curve), Stroke::new(1.0, raw));
        }
        for curve in chart.curves.iter().filter(|curve| !chart.points && board.shown(chart, curve)) {
            if let Some(smoothed) = board.smoothed(curve).filter(|_| board.smoothing > 0.0) {
                let columns = frame.columns(curve.table.steps());
                frame.line(&painter, &columns, curve, smoothed, Stroke::new(1.8, curve.colour));
            }
        }
        if let Some(step) = hover.filter(|step| (from..=to).contains(step)) {
            let at = x.point(step).round_ui();
            painter.vline(at, inner.y_range(), Stroke::new(1.0, tint(p.pane, p.weak, 0.7)));
        }
        interact(ui, board, &response, &frame);
    }
}

/// Drag to pan, pinch or Ctrl and wheel to zoom, double click for the whole run.
fn interact(ui: &Ui, board: &mut Board, response: &Response, frame: &Frame) {
    let steps_a_point = (frame.x.places[1] - frame.x.places[0]) / f64::from(frame.inner.width().max(1.0));
    if response.dragged() {
        board.pan(-f64::from(response.drag_delta().x) * steps_a_point);
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
    }
    if response.double_clicked() {
        board.view = super::View::All;
    }
    if let Some(at) = response.hover_pos().filter(|at| frame.inner.x_range().contains(at.x)) {
        let step = frame.x.figure(at.x);
        board.hover = Some(step.round());
        let zoom = ui.input(|input| input.zoom_delta());
        if zoom != 1.0 {
            board.zoom(f64::from(zoom), Some(step));
        }
        let slide = ui.input(|input| input.smooth_scroll_delta().x);
        if slide != 0.0 {
            board.pan(-f64::from(slide) * steps_a_point);
        }
    }
}

fn column<'a>(curve: &Curve<'a>) -> &'a Column {
    curve.table.column(curve.column)
}

/// The chart in words: its newest figures.
fn told(chart: &Chart<'_>) -> String {
    let figures: Vec<String> = chart
        .curves
        .iter()
        .map(|curve| {
            format!("{} {}", curve.name, column(curve).last().map_or("none yet".into(), |v| figure(f64::from(v))))
        })
        .collect();
    format!("{}: {}", chart.title, figures.join(", "))
}

/// The range of places that holds all that is seen, with a little air.
fn vertical(board: &Board, chart: &Chart<'_>, [from, to]: [f64; 2], scale: Scale) -> [f64; 2] {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for curve in chart.curves.iter().filter(|curve| board.shown(chart, curve)) {
        let steps = curve.table.steps();
        let range = (steps.partition_point(|s| *s < from), steps.partition_point(|s| *s <= to));
        if let Some([a, b]) = column(curve).extremes(range.0, range.1) {
            (low, high) = (low.min(f64::from(a)), high.max(f64::from(b)));
        }
    }
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    if chart.percent {
        return [0.0, (high * 1.06).clamp(1.0, 102.0)];
    }
    match scale {
        Scale::Linear => {
            let low = low.min(0.0);
            [low, high + (high - low).max(1e-12) * 0.06]
        }
        Scale::Log => {
            let high = scale.of(high.max(1e-12)) + 0.05;
            let low = if low > 0.0 { scale.of(low) - 0.05 } else { high - DECADES };
            [low.max(high - DECADES).min(high - 0.1), high]
        }
    }
}

/// Where a chart's curves lie.
struct Frame {
    inner: Rect,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn axes(&self, ui: &Ui, across: &str) {
        let p = palette(ui.visuals());
        let (painter, font) = (ui.painter(), FontId::proportional(SMALL));
        let grid = Stroke::new(1.0, tint(p.pane, p.weak, 0.22));
        let rows = (self.inner.height() / 34.0).clamp(2.0, 6.0);
        for value in self.y.marks(f64::from(rows)) {
            let at = self.y.point(value).round_ui();
            painter.hline(self.inner.x_range(), at, grid);
            painter.text(pos2(self.inner.left() - 5.0, at), Align2::RIGHT_CENTER, mark(value), font.clone(), p.weak);
        }
        let columns = (self.inner.width() / 70.0).clamp(1.0, 8.0);
        for value in self.x.marks(f64::from(columns)).into_iter().filter(|v| v.fract() == 0.0) {
            let at = self.x.point(value).round_ui();
            painter.vline(at, self.inner.y_range(), grid);
            // The outer ones stay inside.
            let at = at.clamp(self.inner.left() + 4.0, self.inner.right() - 12.0);
            painter.text(pos2(at, self.inner.bottom() + 2.0), Align2::CENTER_TOP, mark(value), font.clone(), p.weak);
        }
        let corner = pos2(self.inner.left() - 8.0, self.inner.bottom() + 2.0);
        painter.text(corner, Align2::RIGHT_TOP, across, font, p.weak);
    }

    /// The rows that fall on each point across the chart: row `bounds[i]` is the first of point i.
    fn columns(&self, steps: &[f64]) -> Vec<usize> {
        let points = self.inner.width().max(1.0) as usize;
        let [from, to] = self.x.places;
        let mut bounds = Vec::with_capacity(points + 1);
        let mut at = 0;
        for point in 0..=points {
            let step = from + (to - from) * point as f64 / points as f64;
            at += near(&steps[at..], step);
            bounds.push(at);
        }
        // The newest step lies on the last bound.
        if let Some(last) = bounds.last_mut() {
            *last += usize::from(steps.get(*last).is_some_and(|step| *step <= to));
        }
        bounds
    }

    /// One line through the least and the greatest of each point across; where rows are fewer than points, through the rows.
    fn line(&self, painter: &egui::Painter, columns: &[usize], curve: &Curve<'_>, of: &Column, stroke: Stroke) {
        let (steps, values) = (curve.table.steps(), of.values());
        let (first, last) = (columns[0].min(values.len()), columns[columns.len() - 1].min(values.len()));
        let mut points: Vec<Pos2> = Vec::with_capacity(2 * columns.len());
        let place = |step: f64, value: f32| pos2(self.x.point(step), self.y.point(f64::from(value)));
        if last - first <= 2 * columns.len() {
            // One more at each side, so that the line leaves the chart and does not end in it.
            let (first, last) = (first.saturating_sub(1), (last + 1).min(values.len()));
            let rows = steps[first..last].iter().zip(&values[first..last]).filter(|(_, v)| v.is_finite());
            points.extend(rows.map(|(step, value)| place(*step, *value)));
        } else {
            let mut down = true;
            for (i, bounds) in columns.windows(2).enumerate() {
                if let Some([low, high]) = of.extremes(bounds[0], bounds[1]) {
                    let x = self.inner.left() + i as f32 + 0.5;
                    let (low, high) = (self.y.point(f64::from(low)), self.y.point(f64::from(high)));
                    if low - high < 0.7 {
                        points.push(pos2(x, (low + high) / 2.0));
                    } else {
                        // On from where the point before ended, so that the line does not cross each of them twice.
                        points.extend(if down { [pos2(x, high), pos2(x, low)] } else { [pos2(x, low), pos2(x, high)] });
                        down = !down;
                    }
                }
            }
        }
        if points.len() == 1 {
            painter.circle_filled(points[0], 2.0, stroke.color);
        } else if curve.dashed {
            painter.extend(Shape::dashed_line(&points, stroke, 5.0, 3.0));
        } else {
            painter.line(points, stroke);
        }
    }

    fn dots(&self, painter: &egui::Painter, curve: &Curve<'_>, of: &Column) {
        // A point for each, as long as they do not run into one another.
        let rows = curve.table.steps().iter().zip(of.values());
        if of.values().len() as f32 * 4.0 > self.inner.width() {
            return;
        }
        for (step, value) in rows.filter(|(_, v)| v.is_finite()) {
            painter.circle_filled(pos2(self.x.point(*step), self.y.point(f64::from(*value))), 2.5, curve.colour);
        }
    }
}

/// How many of the rising `steps` lie before `step`; looks near the front first, where it nearly always is.
fn near(steps: &[f64], step: f64) -> usize {
    let mut reach = 1;
    while reach < steps.len() && steps[reach] < step {
        reach *= 4;
    }
    let upper = reach.saturating_add(1).min(steps.len());
    steps[..upper].partition_point(|s| *s < step)
}

/// A name and its figure, which stay together on a line of the legend.
fn items(ui: &Ui, chart: &Chart<'_>, width: f32) -> (Vec<Vec2>, usize) {
    let mut at = Vec2::ZERO;
    let places = chart.curves.iter().map(|curve| {
        let length = item_width(ui, &curve.name);
        if at.x > 0.0 && at.x + length > width {
            at = vec2(0.0, at.y + LINE);
        }
        let place = at;
        at.x += length + 10.0;
        place
    });
    let places: Vec<Vec2> = places.collect();
    let lines = places.last().map_or(1, |place| (place.y / LINE) as usize + 1);
    (places, lines)
}

fn item_width(ui: &Ui, name: &str) -> f32 {
    let name = ui.painter().layout_no_wrap(name.to_owned(), FontId::proportional(SMALL), Color32::PLACEHOLDER);
    // Room for any figure, so that the legend does not jump as they change.
    name.size().x + 23.0 + 38.0
}

/// Lines of a chart's legend in that width.
pub fn legend_lines(ui: &Ui, chart: &Chart<'_>, width: f32) -> usize {
    items(ui, chart, width).1
}

/// Names with their figures: the newest, or those under the pointer. A click on one hides its curve.
fn legend(ui: &mut Ui, board: &mut Board, chart: &Chart<'_>, height: f32, hover: Option<f64>) {
    let p = palette(ui.visuals());
    let size = vec2(ui.available_width(), height);
    let (places, _) = items(ui, chart, size.x);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    for (curve, place) in chart.curves.iter().zip(places) {
        let shown = board.shown(chart, curve);
        let start = rect.min + place;
        let area = Rect::from_min_size(start, vec2(item_width(ui, &curve.name).min(size.x), LINE));
        let id = ui.scope_id().with(("legend", chart.title, &curve.name));
        let response = ui.interact(area, id, Sense::click());
        let name = format!("{} of {}", curve.name, chart.title);
        response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, shown, &name));
        if response.on_hover_cursor(CursorIcon::PointingHand).clicked() {
            board.toggle(chart, curve);
        }
        let (line, weak) = if shown { (curve.colour, p.weak) } else { (p.line, tint(p.pane, p.weak, 0.5)) };
        let middle = start.y + LINE / 2.0 - 1.0;
        let x = start.x..=start.x + 13.0;
        if curve.dashed {
            let ends = [pos2(*x.start(), middle), pos2(*x.end(), middle)];
            ui.painter().extend(Shape::dashed_line(&ends, Stroke::new(2.5, line), 5.0, 3.0));
        } else {
            ui.painter().hline(x, middle, Stroke::new(2.5, line));
        }
        let at = pos2(start.x + 18.0, middle);
        let text = ui.painter().text(at, Align2::LEFT_CENTER, &curve.name, FontId::proportional(SMALL), weak);
        let value = match hover {
            Some(step) => at_step(board, chart, curve, step),
            None if chart.points || board.smoothing == 0.0 => column(curve).last(),
            None => board.smoothed(curve).unwrap_or(column(curve)).last(),
        };
        let value = value.filter(|_| shown).map_or("–".to_owned(), |v| match chart.percent {
            true => format!("{v:.1} %"),
            false => figure(f64::from(v)),
        });
        let at = pos2(text.right() + 5.0, middle);
        ui.painter().text(at, Align2::LEFT_CENTER, value, medium_font(SMALL), if shown { p.strong } else { weak });
    }
    if let Some(step) = hover {
        ui.painter().text(
            rect.right_top() - vec2(0.0, 12.0),
            Align2::RIGHT_CENTER,
            format!("{} {step:.0}", chart.across),
            FontId::proportional(SMALL),
            p.weak,
        );
    }
}

/// A curve's figure at a step, or at the one before it.
fn at_step(board: &Board, chart: &Chart<'_>, curve: &Curve<'_>, step: f64) -> Option<f32> {
    let of = if chart.points || board.smoothing == 0.0 { column(curve) } else { board.smoothed(curve)? };
    let row = curve.table.steps().partition_point(|s| *s <= step);
    of.values().get(row.checked_sub(1)?).copied().filter(|v| v.is_finite())
}
