//! What a map is to be made of, as typed.

use std::path::PathBuf;

use egui::{CollapsingHeader, ComboBox, Role, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_SCATTER_PLOT, ICON_STOP};

use crate::app::shell::{Cx, Wish};
use crate::app::state::{Action, ViewState};
use crate::app::target::Target;
use crate::app::theme::{SMALL, medium, palette, small};
use crate::app::widgets::{danger_button, main_button, number_field, path_field, text_button};
use crate::engine::map::Source;
use crate::projection::Settings;
use crate::projection::groups::Colouring;
use crate::projection::people::People;

/// Which images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// The open gallery with the queries.
    #[default]
    Desk,
    /// Some people at several resolutions.
    People,
    /// A features file.
    Features,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Desk, Self::People, Self::Features];

    fn name(self) -> &'static str {
        match self {
            Self::Desk => "Gallery and queries",
            Self::People => "People at several resolutions",
            Self::Features => "A features file",
        }
    }
}

/// The form.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Which images.
    pub kind: Kind,
    /// A data set's folder.
    pub folder: String,
    /// A features file.
    pub file: String,
    identities: String,
    rates: String,
    perplexity: String,
    exaggeration: String,
    iterations: String,
    seed: String,
    tried: bool,
}

impl Default for Form {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            kind: Kind::Desk,
            folder: String::new(),
            file: String::new(),
            identities: "35".into(),
            rates: "1, 2, 4, 8".into(),
            perplexity: settings.perplexity.to_string(),
            exaggeration: settings.early_exaggeration.to_string(),
            iterations: settings.iterations.to_string(),
            seed: settings.seed.to_string(),
            tried: false,
        }
    }
}

/// Why a field cannot be used.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Problems {
    folder: Option<String>,
    file: Option<String>,
    identities: Option<String>,
    rates: Option<String>,
    perplexity: Option<String>,
    exaggeration: Option<String>,
    iterations: Option<String>,
    seed: Option<String>,
}

impl Problems {
    fn any(&self) -> bool {
        *self != Self::default()
    }
}

fn number<T: std::str::FromStr>(
    text: &str,
    holds: impl Fn(&T) -> bool,
    hint: &str,
    problem: &mut Option<String>,
) -> Option<T> {
    let value = text.trim().parse().ok().filter(holds);
    if value.is_none() {
        *problem = Some(hint.into());
    }
    value
}

impl Form {
    /// What was typed, or why it cannot be used.
    #[expect(clippy::result_large_err, reason = "a form is read once a frame")]
    pub fn read(&self) -> Result<(Source, Settings), Problems> {
        let mut bad = Problems::default();
        let source = match self.kind {
            Kind::Desk => Some(Source::Desk),
            Kind::Features => match self.file.trim() {
                "" => {
                    bad.file = Some("Name a features file".into());
                    None
                }
                file => Some(Source::Features(PathBuf::from(file))),
            },
            Kind::People => {
                if self.folder.trim().is_empty() {
                    bad.folder = Some("Name the data set's folder".into());
                }
                let identities =
                    number(&self.identities, |n: &usize| *n > 0, "A whole number above 0", &mut bad.identities);
                let rates = self.rates.split([',', ' ']).filter(|r| !r.is_empty()).map(str::parse);
                let rates: Result<Vec<f64>, _> = rates.collect();
                let rates = rates.ok().filter(|r| !r.is_empty() && r.iter().all(|r| (1.0..=64.0).contains(r)));
                if rates.is_none() {
                    bad.rates = Some("Numbers from 1 to 64, with commas".into());
                }
                identities.zip(rates).map(|(identities, rates)| {
                    let folder = PathBuf::from(self.folder.trim());
                    Source::People(People { identities, rates, ..People::figure3(folder) })
                })
            }
        };
        let perplexity =
            number(&self.perplexity, |p: &f64| (1.0..=1e4).contains(p), "A number from 1 up", &mut bad.perplexity);
        let exaggeration =
            number(&self.exaggeration, |p: &f64| (1.0..=1e6).contains(p), "A number from 1 up", &mut bad.exaggeration);
        let iterations =
            number(&self.iterations, |n: &u32| *n <= 100_000, "A whole number up to 100000", &mut bad.iterations);
        let seed = number(&self.seed, |_: &u64| true, "A whole number", &mut bad.seed);
        match (source, perplexity, exaggeration, iterations, seed) {
            (Some(source), Some(perplexity), Some(early_exaggeration), Some(iterations), Some(seed)) if !bad.any() => {
                Ok((source, Settings { perplexity, early_exaggeration, iterations, seed, ..Settings::default() }))
            }
            _ => Err(bad),
        }
    }

    /// The paper's figures 3a and 3b.
    fn preset(&mut self, gallery: Option<String>) {
        let folder =
            if self.folder.is_empty() { gallery.unwrap_or_default() } else { std::mem::take(&mut self.folder) };
        *self = Self { kind: Kind::People, folder, file: std::mem::take(&mut self.file), ..Self::default() };
    }
}

/// Draws the form, and below it how far the map is.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let state = cx.state;
    let view = &mut cx.view.map;
    let form = &mut view.form;
    ui.label(medium("What to lay out", SMALL).color(p.weak));
    let combo = ComboBox::from_id_salt("map source").selected_text(form.kind.name()).width(ui.available_width() - 8.0);
    let source = combo.show_ui(ui, |ui| {
        for kind in Kind::ALL {
            ui.selectable_value(&mut form.kind, kind, kind.name());
        }
    });
    source.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "What to lay out"));
    let bad = if form.tried { form.read().err().unwrap_or_default() } else { Problems::default() };
    match form.kind {
        Kind::Desk => drop(ui.label(small(desk_words(state)).color(p.weak))),
        Kind::People => {
            let hint = "A labelled data set";
            if path_field(ui, "Data set folder", &mut form.folder, hint, bad.folder.as_deref(), false).browse {
                cx.wishes.push(Wish::Ask(Target::MapPeople));
            }
            ui.columns(2, |columns| {
                number_field(&mut columns[0], "People", &mut form.identities, bad.identities.as_deref());
                number_field(&mut columns[1], "Resolutions r", &mut form.rates, bad.rates.as_deref());
            });
        }
        Kind::Features => {
            let hint = "Written by rain embed";
            if path_field(ui, "Features file", &mut form.file, hint, bad.file.as_deref(), false).browse {
                cx.wishes.push(Wish::Ask(Target::MapFeatures));
            }
        }
    }
    CollapsingHeader::new("Settings").id_salt("map settings").show(ui, |ui| {
        ui.columns(2, |columns| {
            number_field(&mut columns[0], "Perplexity", &mut form.perplexity, bad.perplexity.as_deref());
            number_field(&mut columns[1], "Early exaggeration", &mut form.exaggeration, bad.exaggeration.as_deref());
        });
        ui.columns(2, |columns| {
            number_field(&mut columns[0], "Iterations", &mut form.iterations, bad.iterations.as_deref());
            number_field(&mut columns[1], "Seed", &mut form.seed, bad.seed.as_deref());
        });
        ui.label(
            small("Perplexity: how many neighbours each image stays close to. The same seed gives the same map")
                .color(p.weak),
        );
    });
    let mut preset = None;
    ui.horizontal(|ui| {
        ui.label(small("As in the paper").color(p.weak));
        for (name, by, words) in [
            ("Figure 3a", Colouring::Identity, "35 people at r = 1, 2, 4 and 8, coloured by identity"),
            ("Figure 3b", Colouring::Rate, "The same, coloured by resolution; r = 8 is usually unseen in training"),
        ] {
            if text_button(ui, name).on_hover_text(words).clicked() {
                preset = Some(by);
            }
        }
    });
    if let Some(by) = preset {
        form.preset(state.gallery.as_ref().map(|g| g.path.display().to_string()));
        view.colouring = by;
        start(cx);
    }
    ui.add_space(2.0);
    making(ui, cx);
}

fn desk_words(state: &ViewState) -> String {
    match &state.gallery {
        None => "No gallery is open yet (Ctrl+G)".into(),
        Some(gallery) => {
            let (images, queries) = (gallery.entries.len(), state.queries.len());
            let queries = if queries == 1 { "1 query".into() } else { format!("{queries} queries") };
            format!("{} gallery images and {queries}", crate::app::matches::thousands(images as u64))
        }
    }
}

/// Starts with what was typed.
pub fn start(cx: &mut Cx<'_>) {
    cx.view.map.form.tried = true;
    cx.wishes.push(match cx.view.map.wanted(cx.state) {
        Ok(action) => action.into(),
        Err(why) => Wish::Say(why.to_owned()),
    });
}

/// The button, or how far the map is.
fn making(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let map = &cx.state.map;
    if !map.busy() {
        if main_button(ui, Some(ICON_SCATTER_PLOT), "Make map").clicked() {
            start(cx);
        }
        return;
    }
    let job = map.job.and_then(|id| cx.state.jobs.iter().find(|job| job.id == id));
    let (fraction, words) = match (&map.making, job.and_then(|job| job.progress.as_ref())) {
        (Some(making), _) => {
            let left =
                making.seconds_left.map(|s| format!(", {} left", crate::app::jobs::duration(s))).unwrap_or_default();
            let done = if making.iteration > 0 {
                format!(" {} of {}", making.iteration, making.iterations)
            } else {
                String::new()
            };
            (making.fraction as f32, format!("{}{done}{left}", making.stage.name()))
        }
        (None, Some(progress)) => (
            progress.done as f32 / progress.total.max(1) as f32,
            format!("Embedding: {}", crate::app::jobs::describe(progress)),
        ),
        _ => (0.0, "Starting…".into()),
    };
    let bar = egui::ProgressBar::new(fraction).desired_height(6.0).fill(p.accent);
    ui.add(bar).widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, words.clone()));
    ui.label(small(&words).color(p.weak));
    let Some(job) = job else { return };
    let text = if job.stopping { "Stopping…" } else { "Cancel" };
    let stop = ui.add_enabled_ui(!job.stopping, |ui| danger_button(ui, ICON_STOP, text)).inner;
    stop.widget_info(|| WidgetInfo::labeled(Role::Button, !job.stopping, "Cancel the map"));
    if stop.clicked() {
        cx.wishes.push(Action::Cancel(job.id).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_and_every_fault_has_its_words() {
        assert_eq!(Form::default().read(), Ok((Source::Desk, Settings::default())));
        let form = Form {
            kind: Kind::People,
            folder: " /x ".into(),
            rates: "1,2 8".into(),
            seed: "7".into(),
            ..Form::default()
        };
        let (source, settings) = form.read().unwrap();
        let people = People { rates: vec![1.0, 2.0, 8.0], ..People::figure3("/x".into()) };
        assert_eq!((source, settings.seed), (Source::People(people), 7));
        let bad = Form {
            folder: String::new(),
            rates: "0".into(),
            identities: "x".into(),
            perplexity: "NaN".into(),
            iterations: "-1".into(),
            ..form
        };
        let bad = bad.read().unwrap_err();
        for problem in [&bad.folder, &bad.rates, &bad.identities, &bad.perplexity, &bad.iterations] {
            assert!(problem.is_some(), "{bad:?}");
        }
        assert!(bad.seed.is_none());
        assert!(Form { kind: Kind::Features, ..Form::default() }.read().is_err());
    }

    #[test]
    fn a_preset_takes_the_gallery_where_no_folder_was_named() {
        let mut form = Form { perplexity: "5".into(), ..Form::default() };
        form.preset(Some("/gallery".into()));
        assert_eq!((form.folder.as_str(), form.kind, form.perplexity.as_str()), ("/gallery", Kind::People, "30"));
        form.folder = "/mine".into();
        form.preset(Some("/gallery".into()));
        assert_eq!(form.folder, "/mine");
    }
}
