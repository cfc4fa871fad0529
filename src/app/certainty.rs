//! How sure is this? What the best distance means, where the distances stand, and what becomes of the ranking when the
//! query loses more of its detail.

mod plots;

use egui::{Color32, Role, ScrollArea, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_CHECK, ICON_HELP, ICON_QUERY_STATS, ICON_REMOVE, ICON_WARNING};

use super::matches::{distance, measure_name, thousands};
use super::shell::Cx;
use super::state::{Action, ViewState};
use super::theme::{BODY, medium, palette, semibold, small};
use super::widgets::{empty, pill, plain_button};
use crate::engine::certainty::{Certainty, Standing, Sweep};
use crate::eval::calibration::{Reading, Verdict};

/// Draws the pane.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(certainty) = cx.state.sureness.certainty.clone() else {
        empty(ui, ICON_QUERY_STATS, "Nothing ranked yet", "Choose a query to see what its distances mean");
        return;
    };
    ScrollArea::vertical().auto_shrink(false).id_salt("certainty").show(ui, |ui| {
        meaning(ui, &certainty);
        ui.add_space(8.0);
        plots::histogram(ui, cx, &certainty);
        ui.add_space(8.0);
        sweep(ui, cx);
    });
}

/// What is to be warned of in the ranking in view, for the pane of matches; nothing where all is well or unknown.
pub fn warning(ui: &mut Ui, state: &ViewState) {
    let p = palette(ui.visuals());
    if let Some(certainty) = &state.sureness.certainty
        && let Standing::Calibrated(reading) = &certainty.standing
        && reading.verdict == Verdict::Typical
    {
        let hint = sentence(certainty, reading);
        let response = pill(ui, ICON_WARNING, NOT_HERE, p.other).on_hover_text(hint);
        response.widget_info(|| WidgetInfo::labeled(Role::Status, true, NOT_HERE));
    }
}

const NOT_HERE: &str = "Probably not in this gallery";

fn headline(verdict: Verdict) -> (MaterialIcon, &'static str) {
    match verdict {
        Verdict::Typical => (ICON_WARNING, NOT_HERE),
        Verdict::Near => (ICON_CHECK, "Nearer than most strangers come"),
        Verdict::Blind => (ICON_REMOVE, "Too little detail to tell"),
    }
}

/// What the best distance means.
fn meaning(ui: &mut Ui, certainty: &Certainty) {
    let p = palette(ui.visuals());
    let wrapped =
        |ui: &mut Ui, text: String, colour: Color32| ui.add(egui::Label::new(small(text).color(colour)).wrap());
    match &certainty.standing {
        Standing::Unknown(why) => {
            let text = "Not calibrated";
            pill(ui, ICON_HELP, text, p.weak).widget_info(|| WidgetInfo::labeled(Role::Status, true, text));
            wrapped(ui, format!("{}.", why.trim_end_matches('.')), p.text);
        }
        Standing::Calibrated(reading) => {
            let (sign, text) = headline(reading.verdict);
            let colour = match reading.verdict {
                Verdict::Typical => p.other,
                Verdict::Near => p.same,
                Verdict::Blind => p.weak,
            };
            pill(ui, sign, text, colour).widget_info(|| WidgetInfo::labeled(Role::Status, true, text));
            wrapped(ui, sentence(certainty, reading), p.text);
            wrapped(ui, source(reading), p.weak);
        }
    }
}

/// "The best cosine distance is 0.213. Of that set's queries whose person …".
fn sentence(certainty: &Certainty, reading: &Reading) -> String {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let mut text = format!(
        "The best {} is {}. Of the calibration's queries, {} found a different person as near as this or nearer, and {} had \
         the right person as far away as this or farther.",
        measure_name(certainty.measure),
        distance(certainty.best),
        percent(reading.stranger_as_near),
        percent(reading.same_as_far),
    );
    if reading.verdict == Verdict::Typical {
        text.push_str(&format!(
            " The warning came up for {} of the queries whose person was not in the gallery, and wrongly for {} of those whose person was.",
            percent(reading.strangers.caught),
            percent(reading.strangers.false_alarms)
        ));
    }
    if reading.larger_gallery {
        text.push_str(&format!(
            " This gallery is larger than the {} images that were measured: here strangers come nearer than that.",
            thousands(reading.strangers.gallery as u64)
        ));
    }
    text
}

/// On what the calibration was made.
fn source(reading: &Reading) -> String {
    let set = &reading.set;
    format!(
        "Calibrated on {} (split {}): {} people, {} queries of about {:.0} px height, galleries of {} images. Shares of those queries, no probabilities for yours.",
        set.name,
        set.split,
        thousands(set.identities as u64),
        thousands(set.queries as u64),
        reading.height,
        thousands(reading.strangers.gallery as u64)
    )
}

/// What becomes of the ranking with less detail.
fn sweep(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ui.label(semibold("With less detail", BODY).color(p.strong));
    let sureness = &cx.state.sureness;
    let Some(sweep) = sureness.sweep.clone() else {
        let help = "Ranks the query again at up to an eighth of its size: a ranking that holds rests on more than a few pixels";
        ui.add(egui::Label::new(small(help).color(p.weak)).wrap());
        if sureness.sweeping() {
            ui.add(egui::Spinner::new().size(16.0))
                .widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, "Ranking with less detail"));
        } else if plain_button(ui, ICON_QUERY_STATS, "Rank with less detail").clicked() {
            cx.wishes.push(Action::Sweep.into());
        }
        return;
    };
    ui.add(egui::Label::new(medium(held(&sweep), BODY).color(p.text)).wrap());
    plots::sweep(ui, cx, &sweep);
}

/// "The first candidate stays first down to 12×25 px (r = 2)."
fn held(sweep: &Sweep) -> String {
    let stays = sweep.steps.iter().take_while(|step| step.same_first).last();
    match stays {
        Some(step) if step.rate > 1.0 => {
            let [width, height] = step.pixels;
            format!("The first candidate stays first down to {width}×{height} px (r = {})", step.rate)
        }
        _ => "The first candidate changes as soon as the query loses any detail".to_owned(),
    }
}
