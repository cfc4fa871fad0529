//! The menu bar, made from the table of commands.

use egui::containers::menu::{MenuButton, SubMenuButton};
use egui::{Button, Role, Ui, WidgetInfo};
use egui_material_icons::icons::ICON_MENU;

use super::keys::{self, Group, Situation};
use super::shell::{Cx, Wish};
use super::theme::{BODY, icon, medium, palette};

/// Draws the menus; in a narrow window one that holds the others.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>, narrow: bool) {
    let colour = palette(ui.visuals()).text;
    let situation = Situation { state: cx.state, view: &*cx.view };
    let mut chosen = None;
    if narrow {
        let button = Button::new(icon(ICON_MENU, 18.0).color(colour)).frame_when_inactive(false);
        let (response, _) = MenuButton::from_button(button).ui(ui, |ui| {
            for group in Group::ALL {
                SubMenuButton::new(group.title()).ui(ui, |ui| items(ui, group, situation, &mut chosen));
            }
        });
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Menu"));
    } else {
        ui.spacing_mut().item_spacing.x = 0.0;
        for group in Group::ALL {
            let button = Button::new(medium(group.title(), BODY).color(colour)).frame_when_inactive(false);
            MenuButton::from_button(button).ui(ui, |ui| items(ui, group, situation, &mut chosen));
        }
    }
    cx.wishes.extend(chosen);
}

fn items(ui: &mut Ui, group: Group, situation: Situation<'_>, chosen: &mut Option<Wish>) {
    ui.set_min_width(220.0);
    for row in keys::TABLE.iter().filter(|row| row.group == group) {
        let possible = (row.wish)(situation);
        let item = ui.add_enabled(possible.is_ok(), Button::new(row.label).shortcut_text(row.keys));
        match possible {
            Ok(wish) if item.clicked() => *chosen = Some(wish),
            Ok(_) => {}
            Err(why) => drop(item.on_disabled_hover_text(why)),
        }
    }
}
