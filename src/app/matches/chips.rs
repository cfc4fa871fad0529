//! The conditions in force, each with a way to take it away, and the sheet that sets them.

use egui::style::StyleModifier;
use egui::{Button, Popup, PopupCloseBehavior, Role, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{
    ICON_BOOKMARK, ICON_CLOSE, ICON_FACT_CHECK, ICON_FILTER_ALT, ICON_LABEL, ICON_PLAYLIST_ADD, ICON_SORT,
};

use super::{measure_name, said, thousands};
use crate::app::shell::Cx;
use crate::app::state::{Action, Chip, Refinement};
use crate::app::text;
use crate::app::theme::{SMALL, icon, medium, palette, semibold, small, tint};
use crate::app::widgets::{number_field, text_button};
use crate::data::clock;
use crate::engine::event::GalleryEntry;
use crate::gallery::filter::Filter;

/// What is typed in the sheet, and what the gallery has to choose from.
#[derive(Debug, Default)]
pub struct FilterForm {
    from: String,
    to: String,
    least: String,
    most: String,
    distance: String,
    choices: Choices,
}

/// What the images of a gallery have.
#[derive(Debug, Default)]
struct Choices {
    /// The gallery's images; compared by address.
    of: usize,
    cameras: Vec<(i64, usize)>,
    times: Option<(i64, i64)>,
    heights: Option<(u32, u32)>,
}

impl Choices {
    fn new(entries: &[GalleryEntry]) -> Self {
        let mut cameras = std::collections::BTreeMap::new();
        for entry in entries.iter().filter(|e| e.camera != crate::data::dataset::UNKNOWN) {
            *cameras.entry(entry.camera).or_insert(0) += 1;
        }
        let times = entries.iter().filter_map(|e| e.taken.time);
        let heights = || entries.iter().filter_map(|e| e.size.map(|[_, height]| height));
        Self {
            of: entries.as_ptr() as usize,
            cameras: cameras.into_iter().collect(),
            times: times.clone().min().zip(times.max()),
            heights: heights().min().zip(heights().max()),
        }
    }
}

/// The chips; nothing where no condition is in force.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let chips = cx.state.chips();
    if chips.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 4.0);
        let count = chips.len();
        for (chip, words) in chips {
            if one(ui, &chip, &words) {
                cx.wishes.push(Action::Refine(Refinement::Remove(chip)).into());
            }
        }
        if count > 1 && cx.state.narrowed() {
            let clear = text_button(ui, "Clear filters").on_hover_text("Search the whole gallery again");
            if clear.clicked() {
                cx.wishes.push(Action::Refine(Refinement::Clear).into());
            }
        }
    });
}

/// A chip; true when it is to be taken away.
fn one(ui: &mut Ui, chip: &Chip, words: &str) -> bool {
    let p = palette(ui.visuals());
    let sign = match chip {
        Chip::Rerank => ICON_SORT,
        Chip::Confirmed(_) => ICON_PLAYLIST_ADD,
        Chip::Verdicts => ICON_FACT_CHECK,
        Chip::Tags => ICON_LABEL,
        Chip::Bookmarked => ICON_BOOKMARK,
        _ => ICON_FILTER_ALT,
    };
    let shown = text::middle(words, |text| text.chars().count() <= 44);
    let button = Button::new((
        icon(sign, 14.0).color(p.accent),
        medium(&shown, SMALL).color(p.strong),
        icon(ICON_CLOSE, 13.0).color(p.weak),
    ))
    .corner_radius(20.0)
    .fill(tint(p.pane, p.accent, 0.12))
    .stroke(egui::Stroke::new(1.0, tint(p.pane, p.accent, 0.45)));
    let name = match chip {
        Chip::Rerank => "Stop re-ranking".to_owned(),
        Chip::Confirmed(_) => format!("Search without {}", words.trim_start_matches("Query and ")),
        _ => format!("Remove filter {words}"),
    };
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    response.on_hover_text(text::short(&name)).clicked()
}

/// The button that opens the sheet.
pub fn button(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let on = cx.state.narrowed();
    let colour = if on { p.accent } else { p.text };
    let button = Button::new((icon(ICON_FILTER_ALT, 16.0).color(colour), medium("Filters", 13.0).color(colour)));
    let response = ui.add(button).on_hover_text("Search only a part of the gallery");
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Filters"));
    if std::mem::take(&mut cx.view.open_filters) {
        // From here Tab leads into the sheet.
        response.request_focus();
        Popup::open_id(ui.ctx(), Popup::default_response_id(&response));
    }
    // A menu's own style would undress its fields and boxes.
    Popup::menu(&response)
        .style(StyleModifier::default())
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| {
            // In a low window, or under a large zoom, the sheet scrolls.
            let most = (ui.ctx().content_rect().height() - 60.0).max(120.0);
            let area = egui::ScrollArea::vertical().id_salt("filters").max_height(most).min_scrolled_height(most);
            area.show(ui, |ui| sheet(ui, cx));
        });
}

fn sheet(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(gallery) = &cx.state.gallery else { return };
    if cx.view.filters.choices.of != gallery.entries.as_ptr() as usize {
        cx.view.filters.choices = Choices::new(&gallery.entries);
    }
    let p = palette(ui.visuals());
    ui.set_width(300.0);
    let mut filter = cx.state.refine.filter.clone();
    ui.label(semibold("Search only", 14.0).color(p.strong));
    cameras(ui, &cx.view.filters.choices, &mut filter);
    let form = &mut cx.view.filters;

    ui.add_space(4.0);
    match form.choices.times {
        None => drop(ui.label(small("No times are known in this gallery").color(p.weak))),
        Some((first, last)) => {
            ui.label(small(format!("Times from {} to {}", clock::show(first), clock::show(last))).color(p.weak));
            ui.columns(2, |columns| {
                let read = |text: &str| clock::parse(text).ok_or("A time such as 2024-01-31 14:05");
                typed(&mut columns[0], "Time from", &mut form.from, &mut filter.time.from, clock::show, read);
                typed(&mut columns[1], "Time to", &mut form.to, &mut filter.time.to, clock::show, read);
            });
        }
    }
    ui.add_space(4.0);
    match form.choices.heights {
        None => drop(ui.label(small("No image sizes are known in this gallery").color(p.weak))),
        Some((least, most)) => {
            ui.label(small(format!("Heights from {least} to {most} pixels")).color(p.weak));
            ui.columns(2, |columns| {
                let read = |text: &str| text.parse::<u32>().map_err(|_| "A whole number of pixels");
                let show = |height: u32| height.to_string();
                typed(&mut columns[0], "Height from, pixels", &mut form.least, &mut filter.height.from, show, read);
                typed(&mut columns[1], "Height to, pixels", &mut form.most, &mut filter.height.to, show, read);
            });
        }
    }
    ui.add_space(4.0);
    let name = format!("Largest {}", measure_name(cx.state.settings.measure));
    let read = |text: &str| {
        text.replace(',', ".").parse::<f32>().ok().filter(|d| d.is_finite() && *d >= 0.0).ok_or("A number of 0 or more")
    };
    typed(ui, &name, &mut form.distance, &mut filter.distance, |d| d.to_string(), read);
    if filter != cx.state.refine.filter {
        cx.wishes.push(Action::Refine(Refinement::Filter(filter)).into());
    }
    ui.add_space(4.0);
    said::ui(ui, cx);
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        let reset = ui.add_enabled_ui(cx.state.narrowed(), |ui| text_button(ui, "Clear all filters")).inner;
        if reset.clicked() {
            cx.wishes.push(Action::Refine(Refinement::Clear).into());
        }
        if text_button(ui, "Done").clicked() {
            ui.close();
        }
    });
}

fn cameras(ui: &mut Ui, choices: &Choices, filter: &mut Filter) {
    let p = palette(ui.visuals());
    if choices.cameras.is_empty() {
        ui.label(small("No cameras are known in this gallery").color(p.weak));
        return;
    }
    ui.label(small("Cameras; none ticked means all").color(p.weak));
    egui::ScrollArea::vertical().max_height(120.0).id_salt("cameras").show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            for (camera, count) in &choices.cameras {
                let mut on = filter.cameras.contains(camera);
                let text = format!("Camera {camera} ({})", thousands(*count as u64));
                if ui.checkbox(&mut on, text).changed() {
                    filter.cameras.retain(|c| c != camera);
                    if on {
                        filter.cameras.push(*camera);
                        filter.cameras.sort_unstable();
                    }
                }
            }
        });
    });
}

/// A field whose content is in force as soon as it can be read; an empty one means no condition.
fn typed<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    typed: &mut String,
    value: &mut Option<T>,
    show: impl Fn(T) -> String,
    read: impl Fn(&str) -> Result<T, &'static str>,
) {
    let meaning = |text: &str| if text.trim().is_empty() { Ok(None) } else { read(text.trim()).map(Some) };
    // Taken away by its chip, or set from elsewhere: then the field follows.
    if meaning(typed).is_ok_and(|meant| meant != *value) {
        *typed = value.map_or_else(String::new, &show);
    }
    let before = typed.clone();
    let problem = meaning(typed).err();
    number_field(ui, name, typed, problem);
    if *typed != before
        && let Ok(meant) = meaning(typed)
    {
        *value = meant;
    }
}
