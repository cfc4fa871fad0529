//! The curves of a run: every loss and the validation figures, raw and faint under smoothed.
//!
//! The plots are recomputed only when the history grows: a few hundred points each, whatever the length of the run.

use std::sync::Arc;

use egui::{Color32, FontId, Galley, Rangef, Role, Stroke, Ui, Vec2, WidgetInfo, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, HoverPosition, Line, Plot, PlotPoints, Points};

use super::state::Run;
use super::theme::{SMALL, medium_font, palette, semibold, small, tint};
use crate::train::event::{StepRecord, ValidationRecord};

/// Columns of raw points kept for a curve; each holds its lowest and its highest.
const COLUMNS: usize = 240;
/// Least width of a plot.
const LEAST: f32 = 165.0;

/// One curve.
#[derive(Debug, Default)]
struct Curve {
    name: &'static str,
    raw: Vec<[f64; 2]>,
    smooth: Vec<[f64; 2]>,
    last: Option<f64>,
}

/// One plot.
#[derive(Debug, Default)]
struct Group {
    title: &'static str,
    unit: &'static str,
    curves: Vec<Curve>,
    /// Figures are few and each is drawn as a point.
    points: bool,
}

impl Group {
    /// A curve's newest figure as text: percentages with one decimal.
    fn figure(&self, value: Option<f64>) -> String {
        match value {
            None => "–".to_owned(),
            Some(v) if self.points => format!("{v:.1} %"),
            Some(v) => figure(v),
        }
    }
}

/// The plots, and the length of the history they were made from.
#[derive(Debug, Default)]
pub struct Curves {
    made_from: (u64, usize, usize),
    groups: Vec<Group>,
}

/// Plots in a row at `width` points.
pub fn layout(width: f32) -> usize {
    match (width / LEAST) as usize {
        0 | 1 => 1,
        2 | 3 => 2,
        _ => 4,
    }
}

/// Draws the plots, `columns` in a row, each `height` points high in all.
pub fn ui(ui: &mut Ui, curves: &mut Curves, run: &Run, columns: usize, height: f32) {
    let key = (run.step, run.history.len(), run.validation.len());
    if curves.made_from != key || curves.groups.is_empty() {
        *curves = Curves { made_from: key, groups: groups(&run.history, &run.validation) };
    }
    let colours = palette(ui.visuals()).series;
    // The longest legend decides for all, so that the plots stand level.
    let width = ui.available_width() / columns as f32 - ui.spacing().item_spacing.x;
    let lines = curves.groups.iter().map(|g| legend_items(ui, g, width).1).max();
    let legend_height = lines.unwrap_or(1) as f32 * LINE;
    let mut first = 0;
    for row in curves.groups.chunks(columns) {
        ui.columns(columns, |slots| {
            for (i, (slot, group)) in slots.iter_mut().zip(row).enumerate() {
                plot(slot, group, &colours, first + i, height, legend_height);
            }
        });
        first += row.len();
    }
}

fn plot(ui: &mut Ui, group: &Group, colours: &[Color32; 5], number: usize, height: f32, legend_height: f32) {
    let p = palette(ui.visuals());
    // Each plot begins at another colour, so that a colour means one curve in the whole panel, as far as it goes.
    let colour = |i: usize| colours[(i + [0, 1, 3, 2][number % 4]) % colours.len()];
    ui.spacing_mut().item_spacing = vec2(6.0, 2.0);
    ui.label(semibold(group.title, SMALL).color(p.text));
    let items = legend_items(ui, group, ui.available_width()).0;
    legend(ui, items, colour, legend_height);
    if group.curves.iter().all(|c| c.raw.is_empty()) {
        let room = vec2(ui.available_width(), (height - 22.0 - legend_height).max(70.0));
        ui.allocate_ui(room, |ui| {
            ui.centered_and_justified(|ui| ui.label(small("No figures yet").color(p.weak)));
        });
        return;
    }
    let response = Plot::new(("curves", group.title))
        .height((height - 22.0 - legend_height).max(70.0))
        .width(ui.available_width())
        .show_background(false)
        .show_crosshair(false)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .grid_color(tint(p.pane, p.weak, 0.35))
        .set_margin_fraction(vec2(0.01, 0.06))
        .x_grid_spacer(|input| marks(input, 4.0, 1.0))
        .y_grid_spacer(|input| marks(input, 3.0, 0.0))
        .custom_x_axes(vec![
            AxisHints::new_x()
                .label(small("step").color(p.weak))
                .label_spacing(Rangef::new(8.0, 12.0))
                .tick_label_color(p.weak)
                .formatter(|mark, _| axis_figure(mark.value)),
        ])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .label(small(group.unit).color(p.weak))
                .min_thickness(34.0)
                .label_spacing(Rangef::new(8.0, 12.0))
                .tick_label_color(p.weak),
        ])
        .label_formatter(|at| match at {
            HoverPosition::NearDataPoint { plot_name, position, .. } => {
                Some(format!("{plot_name} {}\nstep {:.0}", figure(position.y), position.x))
            }
            HoverPosition::Elsewhere { .. } => None,
        })
        .include_y(0.0)
        .show(ui, |plot| {
            for (i, curve) in group.curves.iter().enumerate() {
                let raw = PlotPoints::from(curve.raw.clone());
                if group.points {
                    plot.points(Points::new(curve.name, raw).color(colour(i)).radius(2.5).allow_hover(false));
                } else {
                    let faint = tint(p.pane, colour(i), 0.38);
                    plot.line(Line::new(curve.name, raw).color(faint).width(1.0).allow_hover(false));
                }
            }
            for (i, curve) in group.curves.iter().enumerate() {
                let smooth = PlotPoints::from(curve.smooth.clone());
                plot.line(Line::new(curve.name, smooth).color(colour(i)).width(2.0));
            }
        })
        .response;
    let told: Vec<String> =
        group.curves.iter().map(|c| format!("{} {}", c.name, c.last.map_or("none yet".into(), figure))).collect();
    let name = format!("{}: {}", group.title, told.join(", "));
    response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &name));
}

/// Height of a line of the legend.
const LINE: f32 = 18.0;

/// A name and its figure, which stay together on a line of the legend.
struct Item {
    at: Vec2,
    name: Arc<Galley>,
    value: Arc<Galley>,
}

/// The legend of a plot as laid out in that width, and the number of its lines.
fn legend_items(ui: &Ui, group: &Group, width: f32) -> (Vec<Item>, usize) {
    let p = palette(ui.visuals());
    let mut at = Vec2::ZERO;
    let items = group.curves.iter().map(|curve| {
        let text = |text: String, font, colour| ui.painter().layout_no_wrap(text, font, colour);
        let name = text(curve.name.into(), FontId::proportional(SMALL), p.weak);
        let value = text(group.figure(curve.last), medium_font(SMALL), p.strong);
        let length = 23.0 + name.size().x + value.size().x;
        if at.x > 0.0 && at.x + length > width {
            at = vec2(0.0, at.y + LINE);
        }
        let item = Item { at, name, value };
        at.x += length + 12.0;
        item
    });
    let items: Vec<Item> = items.collect();
    let lines = items.last().map_or(1, |i| (i.at.y / LINE) as usize + 1);
    (items, lines)
}

fn legend(ui: &mut Ui, items: Vec<Item>, colour: impl Fn(usize) -> Color32, height: f32) {
    let p = palette(ui.visuals());
    let size = vec2(ui.available_width(), height);
    let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
    for (i, item) in items.into_iter().enumerate() {
        let start = rect.min + item.at + vec2(0.0, LINE / 2.0 - 1.0);
        ui.painter().hline(start.x..=start.x + 13.0, start.y, Stroke::new(2.5, colour(i)));
        let name = start + vec2(18.0, -item.name.size().y / 2.0);
        let value = start + vec2(23.0 + item.name.size().x, -item.value.size().y / 2.0);
        ui.painter().galley(name, item.name, p.weak);
        ui.painter().galley(value, item.value, p.strong);
    }
}

fn groups(history: &[StepRecord], validation: &[ValidationRecord]) -> Vec<Group> {
    let loss = |name, value: fn(&StepRecord) -> f64| {
        let all: Vec<[f64; 2]> =
            history.iter().map(|r| [r.step as f64, value(r)]).filter(|p| p[1].is_finite()).collect();
        curve(name, &all)
    };
    let figures = |name, value: &dyn Fn(&ValidationRecord) -> Option<f64>| {
        let raw: Vec<[f64; 2]> = validation.iter().filter_map(|r| Some([r.step as f64, value(r)?])).collect();
        Curve { name, last: raw.last().map(|p| p[1]), smooth: raw.clone(), raw }
    };
    // The hardest rate apart: where it was not trained on, it tells whether the model has learned resolution or rates.
    let hardest = |r: &ValidationRecord| r.by_rate.iter().max_by(|a, b| a.rate.total_cmp(&b.rate)).map(|f| f.rank1);
    vec![
        Group {
            title: "Identity",
            unit: "loss",
            curves: vec![loss("classification", |r| r.cls), loss("triplet", |r| r.tri), loss("total", |r| r.total)],
            points: false,
        },
        Group {
            title: "Reconstruction",
            unit: "mean abs. error",
            curves: vec![loss("HR + LR", |r| r.rec)],
            points: false,
        },
        Group {
            title: "Adversarial",
            unit: "loss",
            curves: vec![loss("extractor", |r| r.adv), loss("discriminator", |r| r.disc)],
            points: false,
        },
        Group {
            title: "Validation rank-1",
            unit: "percent",
            curves: vec![figures("mean", &|r| Some(r.rank1)), figures("hardest rate", &hardest)],
            points: true,
        },
    ]
}

fn curve(name: &'static str, all: &[[f64; 2]]) -> Curve {
    let smooth = smooth(all);
    Curve { name, last: smooth.last().map(|p| p[1]), raw: decimate(all), smooth }
}

/// The lowest and the highest point of each of [`COLUMNS`] stretches: no spike is lost.
fn decimate(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let mut out = Vec::with_capacity(2 * COLUMNS);
    for stretch in points.chunks(points.len().div_ceil(COLUMNS)) {
        let (mut low, mut high) = (0, 0);
        for (i, point) in stretch.iter().enumerate() {
            if point[1] < stretch[low][1] {
                low = i;
            }
            if point[1] > stretch[high][1] {
                high = i;
            }
        }
        out.push(stretch[low.min(high)]);
        if low != high {
            out.push(stretch[low.max(high)]);
        }
    }
    out
}

/// A centred mean over a fortieth of the run (less near its ends, so that the curve does not lag), at most [`COLUMNS`]
/// points of it.
fn smooth(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let Some(last) = points.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut sums = vec![0.0];
    for point in points {
        sums.push(sums[sums.len() - 1] + point[1]);
    }
    let half = points.len() / 40;
    let step = points.len().div_ceil(COLUMNS);
    (0..=last)
        .step_by(step)
        .chain((last % step != 0).then_some(last))
        .map(|i| {
            // At the end there is nothing to the right: take as much as is there to the left.
            let (from, to) = (i.saturating_sub(half), (i + half).min(last));
            [points[i][0], (sums[to + 1] - sums[from]) / (to + 1 - from) as f64]
        })
        .collect()
}

/// Marks at multiples of 1, 2 or 5 times a power of ten, about `parts` of them; not closer than `least`.
fn marks(input: GridInput, parts: f64, least: f64) -> Vec<GridMark> {
    let (from, to) = input.bounds;
    let rough = (to - from) / parts;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough);
    let step = step.unwrap_or(rough).max(least);
    ((from / step).ceil() as i64..=(to / step).floor() as i64)
        .map(|i| GridMark { value: i as f64 * step, step_size: step })
        .collect()
}

/// A figure in a legend.
fn figure(v: f64) -> String {
    match v.abs() {
        x if x >= 100.0 => format!("{v:.0}"),
        x if x >= 10.0 => format!("{v:.1}"),
        _ => format!("{v:.3}"),
    }
}

/// A step on the axis: 1500 as "1.5k".
fn axis_figure(v: f64) -> String {
    if v.abs() >= 1000.0 {
        let text = format!("{:.1}", v / 1000.0);
        format!("{}k", text.trim_end_matches(".0"))
    } else {
        // Marks between whole steps would repeat the same figure.
        if (v - v.round()).abs() < 1e-6 { format!("{v:.0}") } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize) -> Vec<[f64; 2]> {
        (0..n).map(|i| [i as f64, i as f64]).collect()
    }

    #[test]
    fn decimation_keeps_a_single_spike() {
        let mut points = line(10_000);
        points[7_777][1] = -500.0;
        let few = decimate(&points);
        assert!(few.len() <= 2 * COLUMNS);
        assert!(few.contains(&[7_777.0, -500.0]));
        assert!(few.windows(2).all(|w| w[0][0] < w[1][0]));
    }

    #[test]
    fn smoothing_keeps_a_constant_and_ends_at_the_last_step() {
        for n in [1, 2, 39, 40, 241, 5_000] {
            let points: Vec<[f64; 2]> = (0..n).map(|i| [i as f64, 2.5]).collect();
            let curve = smooth(&points);
            assert!(curve.iter().all(|p| (p[1] - 2.5).abs() < 1e-9), "{n}");
            assert_eq!(curve.last().unwrap()[0], (n - 1) as f64);
            assert!(curve.len() <= COLUMNS + 1, "{n}: {}", curve.len());
        }
        assert!(smooth(&[]).is_empty());
    }

    #[test]
    fn a_nan_does_not_reach_a_plot() {
        let bad = StepRecord { step: 1, rec: f64::NAN, ..StepRecord::default() };
        assert!(groups(&[bad], &[])[1].curves[0].raw.is_empty());
    }

    #[test]
    fn marks_are_round_and_few_at_any_range() {
        for (from, to) in [(0.0, 60.0), (1.0, 3.0), (0.0, 1401.0), (-0.02, 2.1), (0.0, 1e-3)] {
            let input = GridInput { bounds: (from, to), base_step_size: 1.0 };
            let found = marks(input, 4.0, 0.0);
            assert!((2..=6).contains(&found.len()), "{from}..{to}: {found:?}");
        }
    }

    #[test]
    fn axis_figures_are_short() {
        assert_eq!(
            (axis_figure(1500.0), axis_figure(2000.0), axis_figure(40.0), axis_figure(0.5)),
            ("1.5k".into(), "2k".into(), "40".into(), String::new())
        );
    }
}
