//! The legend: a click isolates a group, a double click hides it.

use std::collections::BTreeSet;

use egui::{Atom, Button, ComboBox, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_VISIBILITY, ICON_VISIBILITY_OFF};

use super::plot::marker;
use crate::app::matches::thousands;
use crate::app::shell::Cx;
use crate::app::theme::{BODY, SMALL, icon, medium, palette, small};
use crate::app::widgets::text_button;
use crate::projection::groups::{Colouring, Groups};
use crate::projection::map::Role as SpotRole;

/// Which groups are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Not shown.
    pub hidden: BTreeSet<u32>,
    /// Where there are any, the others are dimmed.
    pub isolated: BTreeSet<u32>,
}

impl Choice {
    /// A click: isolates a group, or ends that; shows a hidden one again. `more` keeps the others isolated as well.
    pub fn click(&mut self, group: u32, more: bool) {
        if self.hidden.remove(&group) {
            return;
        }
        let only = self.isolated.len() == 1 && self.isolated.contains(&group);
        if more {
            if !self.isolated.remove(&group) {
                self.isolated.insert(group);
            }
        } else {
            self.isolated.clear();
            if !only {
                self.isolated.insert(group);
            }
        }
    }

    /// Hides a group, or shows it again.
    pub fn hide(&mut self, group: u32) {
        self.isolated.remove(&group);
        if !self.hidden.remove(&group) {
            self.hidden.insert(group);
        }
    }

    /// Whether a group is shown and not dimmed.
    pub fn meant(&self, group: u32) -> bool {
        !self.hidden.contains(&group) && (self.isolated.is_empty() || self.isolated.contains(&group))
    }

    /// Whether anything is hidden or isolated.
    pub fn any(&self) -> bool {
        !(self.hidden.is_empty() && self.isolated.is_empty())
    }
}

/// Draws the legend.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>, groups: &Groups) {
    let p = palette(ui.visuals());
    let view = &mut cx.view.map;
    ui.label(medium("Colour by", SMALL).color(p.weak));
    ui.horizontal(|ui| {
        let combo = ComboBox::from_id_salt("map colouring").selected_text(view.colouring.name()).width(140.0);
        let before = view.colouring;
        let by = combo.show_ui(ui, |ui| {
            for by in Colouring::ALL {
                ui.selectable_value(&mut view.colouring, by, by.name());
            }
        });
        by.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Colour by"));
        if view.colouring != before {
            view.choice = Choice::default();
        }
        if view.choice.any() && text_button(ui, "Show all").clicked() {
            view.choice = Choice::default();
        }
    });
    if view.colouring == Colouring::Verdict && groups.list.len() == 1 && groups.list[0].name == "No verdict" {
        ui.label(small("Nobody has judged these images yet. Verdicts of the open case appear here").color(p.weak));
    }
    ui.label(small("Click to isolate, double-click to hide").color(p.weak));
    let has = |role| cx.state.map.spots.iter().any(|spot| spot.role == role);
    if has(SpotRole::Query) && has(SpotRole::Gallery) {
        ui.label(small("A point with a rim is a query").color(p.weak));
    }
    let height = 24.0;
    ui.spacing_mut().item_spacing.y = 2.0;
    ScrollArea::vertical().auto_shrink(false).id_salt("map legend").show_rows(
        ui,
        height,
        groups.list.len(),
        |ui, range| {
            for at in range {
                row(ui, cx, groups, at);
            }
        },
    );
}

fn row(ui: &mut Ui, cx: &mut Cx<'_>, groups: &Groups, at: usize) {
    let p = palette(ui.visuals());
    let group = &groups.list[at];
    let choice = &mut cx.view.map.choice;
    let number = at as u32;
    let (hidden, meant) = (choice.hidden.contains(&number), choice.meant(number));
    let count = thousands(group.size as u64);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        let colour = if meant { p.text } else { p.weak };
        let isolated = choice.isolated.contains(&number);
        let width = ui.available_width() - 34.0;
        let label = medium(format!("{}  ({count})", group.name), BODY).color(colour);
        let label = if hidden { label.strikethrough() } else { label };
        let button = Button::selectable(isolated, (label, Atom::grow())).truncate().min_size(vec2(width - 20.0, 24.0));
        let (spot, _) = ui.allocate_exact_size(vec2(18.0, 24.0), Sense::hover());
        let response = ui.add(button);
        marker(
            ui.painter(),
            Rect::from_center_size(spot.center(), vec2(11.0, 11.0)),
            group,
            if meant { 1.0 } else { 0.35 },
            p.pane,
        );
        let name = format!("{}, {count} {}", group.name, if group.size == 1 { "image" } else { "images" });
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, isolated, &name));
        let more = ui.input(|i| i.modifiers.command || i.modifiers.shift);
        if response.double_clicked() {
            // The first click has isolated it.
            choice.isolated.clear();
            choice.hide(number);
        } else if response.clicked() {
            choice.click(number, more);
        }
        let (sign, verb) = if hidden { (ICON_VISIBILITY_OFF, "Show") } else { (ICON_VISIBILITY, "Hide") };
        let eye = Button::new(icon(sign, 15.0).color(p.weak)).frame(false).min_size(vec2(26.0, 24.0));
        let eye = ui.add(eye).on_hover_text(verb);
        eye.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{verb} {}", group.name)));
        if eye.clicked() {
            choice.hide(number);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_isolates_a_second_one_ends_that_and_a_double_click_hides() {
        let mut choice = Choice::default();
        choice.click(3, false);
        assert!(choice.meant(3) && !choice.meant(1));
        choice.click(1, true);
        assert!(choice.meant(3) && choice.meant(1) && !choice.meant(0));
        choice.click(1, false);
        assert!(!choice.meant(3) && choice.meant(1));
        choice.click(1, false);
        assert!(!choice.any());
        choice.hide(2);
        assert!(!choice.meant(2) && choice.meant(0));
        choice.click(2, false);
        assert!(!choice.any(), "a click shows what is hidden");
    }
}
