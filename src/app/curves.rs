//! Curves over steps: several charts that share one horizontal axis, raw and faint under smoothed.
//!
//! A frame costs the same whatever the length of a run: each point across a chart shows the least and the greatest of the
//! steps that fall on it, which [`super::state::history`] knows without looking at them all.

mod axis;
mod chart;
mod smooth;

use std::collections::{HashMap, HashSet};

use egui::{Color32, Slider, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_FAST_FORWARD, ICON_ZOOM_IN, ICON_ZOOM_OUT};

use super::state::history::Table;
use super::theme::{SMALL, medium, palette, small};
use super::widgets::{icon_button, plain_button};
pub use axis::figure;
use smooth::Smooth;

/// Values that are smoothed in a frame at most: a quarter of a second's patience for a million, and no frame is late.
const BUDGET: usize = 100_000;
/// Least width of a chart.
const LEAST: f32 = 240.0;

/// One curve of a chart.
#[derive(Debug, Clone)]
pub struct Curve<'a> {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub colour: Color32,
    /// Where its figures lie.
    pub table: &'a Table,
    /// Which column of them.
    pub column: usize,
    /// Drawn with gaps, to tell it from another of its colour.
    pub dashed: bool,
}

/// One chart.
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    /// Its title.
    pub title: &'static str,
    /// What its figures are.
    pub unit: &'static str,
    /// What lies across: "step", "rank".
    pub across: &'static str,
    /// Its curves.
    pub curves: Vec<Curve<'a>>,
    /// Figures are few: each is drawn as a point, and none is smoothed.
    pub points: bool,
    /// Shares that run from 0 to 100: never by logarithm.
    pub percent: bool,
}

/// What of the steps is seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum View {
    /// All of them, and the new ones as they come.
    #[default]
    All,
    /// The last so many, and the new ones as they come.
    Tail(f64),
    /// From here to there: the user has panned.
    Fixed(f64, f64),
}

/// The charts' common state.
#[derive(Debug)]
pub struct Board {
    /// What is seen.
    pub view: View,
    /// Weight of the value before, `0..1`.
    pub smoothing: f64,
    /// Losses by their logarithm.
    pub log: bool,
    /// Curves that were clicked away, by chart and name.
    hidden: HashSet<(String, String)>,
    /// Smoothed columns by table and column.
    smooth: HashMap<(u64, usize), Smooth>,
    /// The step under the pointer.
    hover: Option<f64>,
    /// The steps that there are, first and last.
    extent: [f64; 2],
}

impl Default for Board {
    fn default() -> Self {
        Self {
            view: View::All,
            smoothing: 0.9,
            log: false,
            hidden: HashSet::new(),
            smooth: HashMap::new(),
            hover: None,
            extent: [0.0, 1.0],
        }
    }
}

/// Charts in a row at `width` points.
pub fn columns(width: f32) -> usize {
    match (width / LEAST) as usize {
        0 | 1 => 1,
        2 => 2,
        3 => 3,
        _ => 4,
    }
}

impl Board {
    /// Smoothing, scale, and the way back to the newest steps.
    pub fn toolbar(&mut self, ui: &mut Ui) {
        let p = palette(ui.visuals());
        ui.label(medium("Smoothing", SMALL).color(p.weak));
        // Even steps of the slider are even steps of the span that is averaged: 1 / (1 - w).
        let mut span = (1.0 / (1.0 - self.smoothing)).log10();
        let slider = ui.add(Slider::new(&mut span, 0.0..=3.0).show_value(false)).on_hover_text(
            "How many steps a curve is averaged over; the curve as it was measured stays behind it, faint",
        );
        slider.widget_info(|| WidgetInfo::slider(true, 10f64.powf(span), "Smoothing in steps"));
        if slider.changed() {
            self.smoothing = 1.0 - 10f64.powf(-span);
        }
        let steps = 10f64.powf(span).round();
        ui.label(small(if steps <= 1.0 { "none".to_owned() } else { format!("{steps:.0} steps") }).color(p.weak));
        let log = ui.checkbox(&mut self.log, "Log scale");
        log.on_hover_text("Losses, gradients and learning rates by their logarithm");
        if icon_button(ui, ICON_ZOOM_IN, "Zoom in on the steps").clicked() {
            self.zoom(2.0, None);
        }
        if icon_button(ui, ICON_ZOOM_OUT, "Zoom out of the steps").clicked() {
            self.zoom(0.5, None);
        }
        match self.view {
            View::All => {
                ui.label(small("following, whole run").color(p.weak));
            }
            View::Tail(_) => {
                ui.label(small("following").color(p.weak));
                if plain_button(ui, ICON_FAST_FORWARD, "Whole run").clicked() {
                    self.view = View::All;
                }
            }
            View::Fixed(..) => {
                if plain_button(ui, ICON_FAST_FORWARD, "Follow new steps").clicked() {
                    self.view = View::All;
                }
            }
        }
    }

    /// Draws the charts, so many in a row, each `height` points high in all.
    pub fn show(&mut self, ui: &mut Ui, charts: &[Chart<'_>], columns: usize, height: f32) {
        self.extent = extent(charts);
        if self.advance(charts) {
            ui.ctx().request_repaint();
        }
        let hover = self.hover.take();
        let width = ui.available_width() / columns as f32 - ui.spacing().item_spacing.x;
        // The longest legend decides for a row, so that its charts stand level.
        for row in charts.chunks(columns) {
            let lines = row.iter().map(|chart| chart::legend_lines(ui, chart, width)).max().unwrap_or(1);
            ui.columns(columns, |slots| {
                for (slot, chart) in slots.iter_mut().zip(row) {
                    chart::show(slot, self, chart, height, lines, hover);
                }
            });
        }
        if self.hover != hover {
            ui.ctx().request_repaint(); // the other charts mark the step, too
        }
    }

    /// The steps that are seen.
    pub fn range(&self) -> [f64; 2] {
        let [first, last] = self.extent;
        match self.view {
            View::All => [first, last.max(first + 1.0)],
            View::Tail(width) => [last - width, last],
            View::Fixed(a, b) => [a, b],
        }
    }

    /// Shows a range that the user asked for; one that reaches the newest step follows it from then on.
    fn set_range(&mut self, [a, b]: [f64; 2]) {
        let [first, last] = self.extent;
        let width = (b - a).max(2.0);
        self.view = match (a <= first, b >= last) {
            (true, true) => View::All,
            (false, true) => View::Tail(width.min(last - first)),
            _ => View::Fixed(a, a + width),
        };
    }

    /// Zooms by a factor, about a step or the newest one seen.
    fn zoom(&mut self, factor: f64, about: Option<f64>) {
        let [a, b] = self.range();
        let about = about.unwrap_or(if matches!(self.view, View::Fixed(..)) { (a + b) / 2.0 } else { b });
        self.set_range([about - (about - a) / factor, about + (b - about) / factor]);
    }

    /// Moves what is seen by so many steps; towards older ones below 0.
    fn pan(&mut self, steps: f64) {
        let ([a, b], [first, last]) = (self.range(), self.extent);
        let steps = steps.clamp((first - b).min(0.0), (last - a).max(0.0));
        self.set_range([a + steps, b + steps]);
    }

    fn shown(&self, chart: &Chart<'_>, curve: &Curve<'_>) -> bool {
        !self.hidden.contains(&(chart.title.to_owned(), curve.name.clone()))
    }

    fn toggle(&mut self, chart: &Chart<'_>, curve: &Curve<'_>) {
        let key = (chart.title.to_owned(), curve.name.clone());
        if !self.hidden.remove(&key) {
            self.hidden.insert(key);
        }
    }

    /// The smoothed form of a curve, as far as it is done.
    fn smoothed(&self, curve: &Curve<'_>) -> Option<&super::state::history::Column> {
        self.smooth.get(&(curve.table.id, curve.column)).map(Smooth::column)
    }

    /// Brings the smoothed curves up to date, within a frame's patience; whether there is more to do.
    fn advance(&mut self, charts: &[Chart<'_>]) -> bool {
        let (weight, mut budget, mut unfinished) = (self.smoothing, BUDGET, false);
        let mut seen = HashSet::new();
        for curve in charts.iter().filter(|chart| !chart.points).flat_map(|chart| &chart.curves) {
            let key = (curve.table.id, curve.column);
            seen.insert(key);
            let smooth = self.smooth.entry(key).or_insert_with(|| Smooth::new(weight));
            if smooth.weight() != weight {
                *smooth = Smooth::new(weight);
            }
            budget -= smooth.advance(curve.table, curve.column, budget);
            unfinished |= smooth.column().values().len() < curve.table.steps().len();
        }
        self.smooth.retain(|key, _| seen.contains(key));
        unfinished
    }
}

/// The first and the last step of all curves.
fn extent(charts: &[Chart<'_>]) -> [f64; 2] {
    let tables = || charts.iter().flat_map(|chart| &chart.curves).map(|curve| curve.table.steps());
    let first = tables().filter_map(|steps| steps.first()).copied().fold(f64::INFINITY, f64::min);
    let last = tables().filter_map(|steps| steps.last()).copied().fold(f64::NEG_INFINITY, f64::max);
    if first <= last { [first, last] } else { [0.0, 1.0] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(first: f64, last: f64) -> Board {
        Board { extent: [first, last], ..Board::default() }
    }

    #[test]
    fn the_view_follows_until_the_user_pans_away_and_again_at_the_end() {
        let mut board = board(0.0, 1000.0);
        board.zoom(4.0, None);
        assert_eq!((board.view, board.range()), (View::Tail(250.0), [750.0, 1000.0]));
        board.extent[1] = 1100.0;
        assert_eq!(board.range(), [850.0, 1100.0]);
        board.pan(-200.0);
        assert_eq!(board.view, View::Fixed(650.0, 900.0));
        board.extent[1] = 5000.0;
        assert_eq!(board.range(), [650.0, 900.0]);
        board.pan(1e9);
        board.zoom(0.001, None);
        assert_eq!(board.view, View::All);
    }

    #[test]
    fn a_zoom_keeps_what_is_under_the_pointer() {
        let mut board = board(0.0, 1000.0);
        board.zoom(2.0, Some(200.0));
        assert_eq!(board.range(), [100.0, 600.0]);
        (0..60).for_each(|_| board.zoom(2.0, Some(200.0)));
        let [a, b] = board.range();
        assert!(b - a >= 2.0);
    }

    #[test]
    fn smoothing_a_long_curve_takes_several_frames_and_a_new_weight_begins_again() {
        let mut table = Table::new(1);
        (0..250_000).for_each(|i| table.push(f64::from(i), [1.0]));
        let curve = Curve { name: "a".into(), colour: Color32::RED, table: &table, column: 0, dashed: false };
        let chart = Chart { title: "t", unit: "u", across: "step", curves: vec![curve], points: false, percent: false };
        let mut board = Board::default();
        let charts = [chart];
        assert_eq!((board.advance(&charts), board.advance(&charts), board.advance(&charts)), (true, true, false));
        assert!(!board.advance(&charts));
        board.smoothing = 0.5;
        assert!(board.advance(&charts));
    }
}
