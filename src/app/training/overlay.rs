//! The curves of several runs over one another, and their CMC curves.

use egui::{Color32, ComboBox, Role, Ui, WidgetInfo};

use super::{charts, runs};
use crate::app::curves::{self, Board, Chart, Curve};
use crate::app::shell::Cx;
use crate::app::state::history::{History, Table};
use crate::app::theme::{BODY, SMALL, medium, palette, semibold, small};
use crate::train::event::RateFigures;

/// Height of a chart.
const HEIGHT: f32 = 220.0;

/// Draws the curves of the chosen runs.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let all = cx.state.room.runs.clone();
    let chosen: Vec<_> = all.iter().filter(|run| cx.view.room.chosen.contains(&run.folder)).collect();
    // One that was unticked, deleted or left behind in another folder is read anew when it is back.
    cx.view.room.asked.curves.retain(|folder| chosen.iter().any(|run| run.folder == *folder));
    if chosen.is_empty() {
        ui.label(small("Tick runs in the table to lay their curves over one another").color(p.weak));
        return;
    }
    ui.add_space(6.0);
    ui.label(semibold("Curves of the ticked runs", BODY).color(p.strong));
    chosen.iter().for_each(|run| runs::read_once(cx, &run.folder));
    let state = cx.state;
    let histories: Vec<(String, Color32, &History)> = chosen
        .iter()
        .filter_map(|run| {
            let overlay = state.room.curves.get(&run.folder)?;
            Some((run.name.clone(), runs::colour(cx, ui, run), &overlay.history))
        })
        .collect();
    if histories.is_empty() {
        ui.label(small("Reading…").color(p.weak));
        return;
    }
    ui.horizontal_wrapped(|ui| cx.view.room.overlay.toolbar(ui));
    let charts = charts::of_runs(&histories);
    cx.view.room.overlay.show(ui, &charts, curves::columns(ui.available_width()), HEIGHT);

    let sources: Vec<Source<'_>> = chosen.iter().flat_map(|run| sources(run, runs::colour(cx, ui, run))).collect();
    cmc(ui, cx, &sources);
}

/// Figures that a CMC curve can be drawn of.
struct Source<'a> {
    name: String,
    colour: Color32,
    rates: &'a [RateFigures],
    /// Of an evaluation, not of the last validation.
    evaluated: bool,
}

fn sources(run: &crate::train::runs::Run, colour: Color32) -> Vec<Source<'_>> {
    let last =
        run.validation.last().map(|v| Source { name: run.name.clone(), colour, rates: &v.by_rate, evaluated: false });
    let evaluations = run.evaluations.iter().map(|(name, rates)| Source {
        name: format!("{}, {name}", run.name),
        colour,
        rates,
        evaluated: true,
    });
    last.into_iter().chain(evaluations).collect()
}

/// Share of the queries whose person is among the first k candidates.
fn cmc(ui: &mut Ui, cx: &mut Cx<'_>, sources: &[Source<'_>]) {
    let p = palette(ui.visuals());
    let mut rates: Vec<f64> = sources.iter().flat_map(|source| source.rates.iter().map(|f| f.rate)).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let Some(rate) = cx.view.room.rate.filter(|rate| rates.contains(rate)).or(rates.first().copied()) else {
        return;
    };
    ui.horizontal(|ui| {
        ui.label(semibold("CMC", BODY).color(p.strong));
        ui.label(medium("Queries down-sampled by", SMALL).color(p.weak));
        let combo = ComboBox::from_id_salt("cmc rate").selected_text(format!("r = {rate}")).show_ui(ui, |ui| {
            for one in &rates {
                if ui.selectable_label(*one == rate, format!("r = {one}")).clicked() {
                    cx.view.room.rate = Some(*one);
                }
            }
        });
        combo
            .response
            .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Down-sampling rate of the CMC curves"));
        ui.label(small("solid: last validation; dashed: an evaluation in the run's folder").color(p.weak));
    });
    let tables: Vec<(&Source<'_>, Table)> = sources
        .iter()
        .filter_map(|source| {
            let f = source.rates.iter().find(|f| f.rate == rate)?;
            let mut table = Table::new(1);
            [(1.0, f.rank1), (5.0, f.rank5), (10.0, f.rank10), (20.0, f.rank20)]
                .into_iter()
                .for_each(|(rank, share)| table.push(rank, [share]));
            Some((source, table))
        })
        .collect();
    let curves = tables.iter().map(|(source, table)| Curve {
        name: source.name.clone(),
        colour: source.colour,
        table,
        column: 0,
        dashed: source.evaluated,
    });
    let chart = Chart {
        title: "Person among the first k candidates",
        unit: "percent of the queries",
        across: "rank k",
        curves: curves.collect(),
        points: true,
        percent: true,
    };
    // It shares no axis with the steps.
    Board::default().show(ui, &[chart], 1, HEIGHT + 20.0);
}
