//! The one table of pages. A new page is a variant of [`Page`], a row here, and a row of the table of commands that shows it.

use egui::{CentralPanel, Frame, Margin, Role, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_IMAGE_SEARCH, ICON_MODEL_TRAINING, ICON_PHOTO_LIBRARY, ICON_SCATTER_PLOT};

use super::dock::{self, filled};
use super::keys::{self, Command};
use super::shell::{Cx, Page, Wish};
use super::theme::{BODY, GAP, icon, medium, palette};
use super::{gallery_page, map, training};

/// One row of the table.
pub struct Row {
    /// The page.
    pub page: Page,
    /// Its icon.
    pub sign: MaterialIcon,
    /// Its title.
    pub title: &'static str,
    /// The command that shows it.
    pub command: Command,
    /// What lies between the bars.
    pub ui: fn(&mut Ui, &mut Cx<'_>),
}

/// Every page, in the order of its keys.
#[rustfmt::skip] // a table reads best with a row a line
pub const PAGES: &[Row] = &[
    Row { page: Page::Investigate, sign: ICON_IMAGE_SEARCH, title: "Investigate", command: Command::Investigate, ui: dock::ui },
    Row { page: Page::Gallery, sign: ICON_PHOTO_LIBRARY, title: "Gallery", command: Command::Gallery, ui: gallery_page::ui },
    Row { page: Page::Map, sign: ICON_SCATTER_PLOT, title: "Map", command: Command::Map, ui: map::ui },
    Row { page: Page::Train, sign: ICON_MODEL_TRAINING, title: "Train", command: Command::Train, ui: |ui, cx| one_pane(ui, cx, training::ui) },
];

/// Draws the page that is seen.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    // Every page has a row; a test holds the table to it.
    if let Some(row) = PAGES.iter().find(|row| row.page == cx.view.page) {
        (row.ui)(ui, cx);
    }
}

/// A page of one pane.
pub fn one_pane(ui: &mut Ui, cx: &mut Cx<'_>, contents: fn(&mut Ui, &mut Cx<'_>)) {
    let frame = Frame::new().inner_margin(Margin::same(GAP as i8));
    CentralPanel::default().frame(frame).show(ui, |ui| filled(ui, |ui| contents(ui, cx)));
}

/// The way to each page; in a narrow window by icons alone.
pub fn tabs(ui: &mut Ui, cx: &mut Cx<'_>, narrow: bool) {
    let p = palette(ui.visuals());
    for row in PAGES {
        let on = cx.view.page == row.page;
        let colour = if on { p.strong } else { p.weak };
        let sign = icon(row.sign, 16.0).color(colour);
        let button = if narrow {
            egui::Button::selectable(on, sign)
        } else {
            egui::Button::selectable(on, (sign, medium(row.title, BODY).color(colour)))
        };
        let response = ui.add(button).on_hover_text(keys::tooltip(row.command));
        response.widget_info(|| WidgetInfo::selected(Role::Tab, true, on, row.title));
        if response.clicked() {
            cx.wishes.push(Wish::Show(row.page));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::shell::View;
    use crate::app::state::ViewState;

    #[test]
    fn every_page_is_shown_by_its_command() {
        let (state, view) = (ViewState::default(), View::default());
        for row in PAGES {
            let wish = (keys::of(row.command).wish)(keys::Situation { state: &state, view: &view });
            assert!(matches!(wish, Ok(Wish::Show(page)) if page == row.page), "{}", row.title);
        }
    }
}
