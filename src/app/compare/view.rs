//! How the pair is looked at: what the window remembers, and the row of buttons that changes it.

use std::sync::Arc;

use egui::style::StyleModifier;
use egui::{Align, Button, Layout, Popup, PopupCloseBehavior, Role, Slider, TextureHandle, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_COMPARE, ICON_CONTRAST, ICON_GRID_ON, ICON_LOCAL_FIRE_DEPARTMENT, ICON_REPEAT, ICON_RESTART_ALT,
    ICON_VIEW_COLUMN,
};

use super::lens::Lens;
use crate::app::keys;
use crate::app::shell::Cx;
use crate::app::theme::{icon, palette, semibold, small, tint};
use crate::app::thumbs::{Look, Tone};
use crate::app::widgets::{icon_button, text_button};
use crate::gallery::regions::Regions;

/// How the pictures stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// All three beside each other.
    #[default]
    Side,
    /// One after the other in one place.
    Blink,
    /// One over the other, divided by a slider.
    Wipe,
}

impl Mode {
    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Mode::Side => Mode::Blink,
            Mode::Blink => Mode::Wipe,
            Mode::Wipe => Mode::Side,
        }
    }
}

/// How the pair is looked at.
pub struct CompareView {
    /// How the pictures stand.
    pub mode: Mode,
    /// Which part is seen.
    pub lens: Lens,
    /// Show pixels as squares, or smooth.
    pub crisp: bool,
    /// Show which regions drive the similarity.
    pub heat: bool,
    /// Brightness, contrast, gamma.
    pub tone: Tone,
    /// In place of the query, show its reconstruction against the candidate.
    pub reconstruction: bool,
    /// Where the slider divides, 0..1.
    pub wipe: f32,
    /// The heat maps as textures: the query's and the candidate's.
    pub(super) heats: Option<(Arc<Regions>, [TextureHandle; 2])>,
}

impl Default for CompareView {
    fn default() -> Self {
        Self {
            mode: Mode::Side,
            lens: Lens::default(),
            crisp: true,
            heat: false,
            tone: Tone::default(),
            reconstruction: false,
            wipe: 0.5,
            heats: None,
        }
    }
}

impl CompareView {
    /// How images in memory are shown.
    pub fn look(&self) -> Look {
        Look { crisp: self.crisp, tone: self.tone }
    }

    /// Whether the pictures are shown whole, and as they are.
    pub fn is_plain(&self) -> bool {
        self.lens == Lens::default() && self.tone.is_plain()
    }

    /// Shows everything as it is again.
    pub fn reset(&mut self) {
        (self.lens, self.tone) = (Lens::default(), Tone::default());
    }
}

/// What can be changed by a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// The next way of comparing.
    Mode,
    /// Squares or smooth.
    Crisp,
    /// The heat map.
    Heat,
    /// Closer by this factor.
    Zoom(f32),
    /// Along by this share of the view.
    Pan(f32, f32),
    /// Everything as it is.
    Reset,
}

impl CompareView {
    /// Does what a key asked for.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Mode => self.mode = self.mode.next(),
            Change::Crisp => self.crisp = !self.crisp,
            Change::Heat => self.heat = !self.heat,
            Change::Zoom(factor) => self.lens.zoom_by(factor),
            Change::Pan(x, y) => self.lens.step(egui::vec2(x, y)),
            Change::Reset => self.reset(),
        }
    }
}

/// The row of buttons.
pub fn controls(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let view = &mut cx.view.compare;
        for (mode, sign, name) in [
            (Mode::Side, ICON_VIEW_COLUMN, "Side by side"),
            (Mode::Blink, ICON_REPEAT, "Blink"),
            (Mode::Wipe, ICON_COMPARE, "Slider"),
        ] {
            if toggle(ui, sign, name, Some(keys::Command::CompareMode), view.mode == mode) {
                view.mode = mode;
            }
        }
        ui.separator();
        if toggle(ui, ICON_GRID_ON, "Pixels as squares", Some(keys::Command::Pixels), view.crisp) {
            view.crisp = !view.crisp;
        }
        if toggle(
            ui,
            ICON_LOCAL_FIRE_DEPARTMENT,
            "Regions that drive the similarity",
            Some(keys::Command::Heat),
            view.heat,
        ) {
            view.heat = !view.heat;
        }
        tone(ui, view);
        let name = keys::tooltip(keys::Command::LensOff);
        let reset = ui.add_enabled_ui(!view.is_plain(), |ui| icon_button(ui, ICON_RESTART_ALT, &name)).inner;
        if reset.clicked() {
            view.reset();
        }
        if view.lens.zoom > 1.0 {
            let p = palette(ui.visuals());
            ui.label(small(format!("{:.1}×", view.lens.zoom)).color(p.weak)).on_hover_text("Zoom");
        }
    });
}

fn toggle(ui: &mut Ui, sign: MaterialIcon, name: &str, key: Option<keys::Command>, on: bool) -> bool {
    let p = palette(ui.visuals());
    let colour = if on { p.accent } else { p.text };
    let mut button = Button::new(icon(sign, 16.0).color(colour)).min_size(egui::vec2(28.0, 26.0));
    if on {
        button = button.fill(tint(p.pane, p.accent, 0.16)).stroke(egui::Stroke::new(1.0, tint(p.pane, p.accent, 0.5)));
    }
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().button_padding.x = 5.0;
            ui.add(button)
        })
        .inner;
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, name));
    let hint = key.map_or_else(|| name.to_owned(), |key| format!("{name} ({})", keys::of(key).keys));
    response.on_hover_text(hint).clicked()
}

fn tone(ui: &mut Ui, view: &mut CompareView) {
    let p = palette(ui.visuals());
    let colour = if view.tone.is_plain() { p.text } else { p.accent };
    let name = "Brightness, contrast, gamma";
    let button = Button::new(icon(ICON_CONTRAST, 16.0).color(colour)).min_size(egui::vec2(28.0, 26.0));
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().button_padding.x = 5.0;
            ui.add(button)
        })
        .inner;
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    let response = response.on_hover_text(format!("{name}, for the view only"));
    let popup = Popup::menu(&response).style(StyleModifier::default());
    popup.close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
        // A menu stretches what stands in it, words too.
        ui.with_layout(Layout::top_down(Align::LEFT), |ui| toning(ui, &mut view.tone));
    });
}

fn toning(ui: &mut Ui, tone: &mut Tone) {
    let p = palette(ui.visuals());
    ui.set_width(250.0);
    ui.label(semibold("For the view only", 14.0).color(p.strong));
    let hint = "Changes how these pictures are shown. What is searched, stored and exported stays as it is";
    ui.add(egui::Label::new(small(hint).color(p.weak)).wrap());
    ui.add_space(4.0);
    for (name, value, range, log) in [
        ("Brightness", &mut tone.brightness, -0.8..=0.8, false),
        ("Contrast", &mut tone.contrast, 0.25..=4.0, true),
        ("Gamma", &mut tone.gamma, 0.25..=4.0, true),
    ] {
        ui.horizontal(|ui| {
            let (room, left) = (egui::vec2(76.0, 20.0), Layout::left_to_right(Align::Center));
            ui.allocate_ui_with_layout(room, left, |ui| {
                ui.set_min_width(room.x);
                ui.label(small(name).color(p.text));
            });
            let shown = f64::from(*value);
            let slider = ui.add(Slider::new(value, range).logarithmic(log).fixed_decimals(2));
            slider.widget_info(|| WidgetInfo::slider(true, shown, name));
        });
    }
    if text_button(ui, "Reset").clicked() {
        *tone = Tone::default();
    }
}
