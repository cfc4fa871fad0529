//! The panes of the Investigate page: docked, dragged, resized, and remembered.
//!
//! A new pane is a variant of [`Pane`] and a row of [`PANES`]; it takes its place in [`arrange`], and where a remembered
//! layout does not know it yet, in the tabs at its side.

use egui::{
    Color32, CursorIcon, EventFilter, Id, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, WidgetText,
    vec2,
};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_CLOSE_FULLSCREEN, ICON_COMPARE, ICON_FACT_CHECK, ICON_GRID_VIEW, ICON_HISTORY, ICON_LIST, ICON_MODEL_TRAINING,
    ICON_OPEN_IN_FULL, ICON_QUERY_STATS,
};
use egui_tiles::{
    Behavior, Container, EditAction, Linear, LinearDir, SimplificationOptions, TabState, Tabs, Tile, TileId, Tiles,
    Tree, UiResponse,
};
use serde::{Deserialize, Serialize};

use super::shell::{Cx, Wish};
use super::theme::{BODY, GAP, medium, palette, tint};
use super::widgets::{header, icon_button, pane};
use super::{certainty, compare, history, jobs, matches, queries, training, welcome};

/// A pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pane {
    /// The list of queries.
    Queries,
    /// The ranked candidates.
    Matches,
    /// Query, reconstruction and candidate.
    Compare,
    /// What the distances mean.
    Certainty,
    /// The training run.
    Training,
    /// The list of jobs.
    Jobs,
    /// The history of the case.
    History,
}

/// One row of the table of panes.
pub struct Row {
    /// The pane.
    pub pane: Pane,
    /// Its icon.
    pub sign: MaterialIcon,
    /// Its title.
    pub title: &'static str,
    /// Whether it draws a header of its own.
    pub headed: bool,
    /// What it holds.
    pub ui: fn(&mut Ui, &mut Cx<'_>),
}

/// Every pane, in the order in which F6 visits them.
#[rustfmt::skip] // a table reads best with a row a line
pub const PANES: &[Row] = &[
    Row { pane: Pane::Queries, sign: ICON_LIST, title: "Queries", headed: true, ui: queries::ui },
    Row { pane: Pane::Matches, sign: ICON_GRID_VIEW, title: "Matches", headed: true, ui: matches::ui },
    Row { pane: Pane::Compare, sign: ICON_COMPARE, title: "Compare", headed: true, ui: compare::ui },
    Row { pane: Pane::Certainty, sign: ICON_QUERY_STATS, title: "How sure is this?", headed: false, ui: certainty::ui },
    Row { pane: Pane::Training, sign: ICON_MODEL_TRAINING, title: "Training", headed: false, ui: training::ui },
    Row { pane: Pane::Jobs, sign: ICON_HISTORY, title: "Jobs", headed: false, ui: jobs::ui },
    Row { pane: Pane::History, sign: ICON_FACT_CHECK, title: "History", headed: false, ui: history::ui },
];

/// Height of a tab bar, and of the strip by which a pane is dragged.
const BAR: f32 = 30.0;

/// Where the panes lie, and which of them is looked at.
#[derive(Default)]
pub struct Dock {
    /// The panes; `None` until the first frame tells how much room there is.
    pub tree: Option<Tree<Pane>>,
    /// The pane that takes the whole page.
    pub full: Option<Pane>,
    /// The user changed the layout: it is to be saved.
    pub changed: bool,
    /// The pane that F6 moved to last.
    at: Option<Pane>,
    /// The pane that is to get the keyboard in the next frame.
    focus: Option<Pane>,
}

impl Dock {
    /// The layout of last time, unless it lacks a pane.
    pub fn restore(&mut self, mut tree: Tree<Pane>) {
        let missing: Vec<Pane> =
            PANES.iter().map(|row| row.pane).filter(|pane| tree.tiles.find_pane(pane).is_none()).collect();
        if missing.is_empty() {
            tree.simplify(&options());
            self.tree = Some(tree);
        }
    }

    /// Back to the layout of the first start.
    pub fn reset(&mut self) {
        *self = Self { changed: true, ..Self::default() };
    }

    /// Brings a pane into view and gives it the keyboard.
    pub fn show(&mut self, pane: Pane) {
        if let Some(tree) = &mut self.tree {
            tree.make_active(|_, tile| matches!(tile, Tile::Pane(other) if *other == pane));
        }
        if self.full.is_some() {
            self.full = Some(pane);
        }
        (self.at, self.focus) = (Some(pane), Some(pane));
    }

    /// The pane after, or before, the one that was visited last.
    pub fn next(&mut self, forward: bool) {
        let at = self.at.and_then(|pane| PANES.iter().position(|row| row.pane == pane));
        let n = PANES.len();
        let to = match (at, forward) {
            (None, true) => 0,
            (None, false) => n - 1,
            (Some(at), true) => (at + 1) % n,
            (Some(at), false) => (at + n - 1) % n,
        };
        self.show(PANES[to].pane);
    }

    /// One pane takes the page, or all come back.
    pub fn enlarge(&mut self, pane: Option<Pane>) {
        self.full = if self.full.is_some() { None } else { pane.or(self.at).or(Some(Pane::Matches)) };
    }
}

/// The row of a pane.
pub fn of(pane: Pane) -> &'static Row {
    // Every pane has a row; a test holds the table to it.
    PANES.iter().find(|row| row.pane == pane).unwrap_or(&PANES[0])
}

/// The layout of the first start, in `room` points: queries, matches above training and jobs, comparison above certainty.
fn arrange(room: egui::Vec2) -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let [queries, matches, compare, certainty, training, jobs, history] =
        [Pane::Queries, Pane::Matches, Pane::Compare, Pane::Certainty, Pane::Training, Pane::Jobs, Pane::History]
            .map(|pane| tiles.insert_pane(pane));
    let lower = tiles.insert_tab_tile(vec![training, jobs, history]);
    let mut split = |dir, children: &[(TileId, f32)]| {
        let mut linear = Linear::new(dir, children.iter().map(|(id, _)| *id).collect());
        children.iter().for_each(|(id, share)| linear.shares.set_share(*id, *share));
        tiles.insert_container(linear)
    };
    let below = if room.y > 600.0 { 0.42 } else { 0.38 };
    let middle = split(LinearDir::Vertical, &[(matches, 1.0 - below), (lower, below)]);
    let right = split(LinearDir::Vertical, &[(compare, 0.58), (certainty, 0.42)]);
    let (left_width, right_width) = ((room.x * 0.17).clamp(220.0, 270.0), (room.x * 0.25).clamp(350.0, 400.0));
    let middle_width = (room.x - left_width - right_width).max(300.0);
    let root = split(LinearDir::Horizontal, &[(queries, left_width), (middle, middle_width), (right, right_width)]);
    Tree::new(Id::unique("investigate"), root, tiles)
}

fn options() -> SimplificationOptions {
    SimplificationOptions { prune_single_child_tabs: true, all_panes_must_have_tabs: false, ..Default::default() }
}

/// Draws the page.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    if welcome::wanted(cx) {
        return welcome::ui(ui, cx);
    }
    let room = ui.available_rect_before_wrap().shrink(GAP);
    let ui = &mut ui.new_child(egui::UiBuilder::new().max_rect(room));
    let mut dock = std::mem::take(&mut cx.view.dock);
    if let Some(full) = dock.full {
        whole_page(ui, cx, full);
    } else {
        let mut tree = dock.tree.take().unwrap_or_else(|| arrange(room.size()));
        cx.view.tabbed = tabbed(&tree);
        let mut panes = Panes { cx, focus: dock.focus.take(), visited: None, changed: false };
        tree.ui(&mut panes, ui);
        (dock.at, dock.changed) = (panes.visited.or(dock.at), dock.changed || panes.changed);
        dock.tree = Some(tree);
    }
    cx.view.dock = dock;
}

/// One pane alone, with the way back.
fn whole_page(ui: &mut Ui, cx: &mut Cx<'_>, full: Pane) {
    let row = of(full);
    filled(ui, |ui| {
        header(ui, row.sign, row.title, |ui| {
            if icon_button(ui, ICON_CLOSE_FULLSCREEN, "Show all panes").clicked() {
                cx.wishes.push(Wish::EnlargePane(None));
            }
        });
        (row.ui)(ui, cx);
    });
}

/// A pane that fills its room.
pub fn filled(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    pane(ui).show(ui, |ui| {
        let size = ui.available_size();
        ui.set_min_size(size);
        ui.set_max_size(size);
        contents(ui);
    });
}

/// What the tree of panes asks while it is drawn.
struct Panes<'a, 'b> {
    cx: &'a mut Cx<'b>,
    /// The pane that gets the keyboard in this frame.
    focus: Option<Pane>,
    /// The pane that has it.
    visited: Option<Pane>,
    changed: bool,
}

impl Panes<'_, '_> {
    /// The strip by which a pane is dragged: below the buttons of its header, so that they win.
    fn handle(&mut self, ui: &Ui, row: &Row, rect: Rect) -> Response {
        let strip = Rect::from_min_size(rect.min, vec2(rect.width(), BAR + 8.0));
        let handle = ui.interact(strip, ui.scope_id().with("handle"), Sense::click_and_drag());
        handle.widget_info(|| WidgetInfo::labeled(Role::Group, true, format!("Pane {}", row.title)));
        if self.focus == Some(row.pane) {
            handle.request_focus();
            handle.scroll_to_me(None);
        }
        if handle.has_focus() {
            self.visited = Some(row.pane);
            // The arrows are still the commands' own: they move the selection, not the keyboard focus.
            let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
            ui.memory_mut(|m| m.set_focus_lock_filter(handle.id, filter));
            self.cx.view.arrows_at = Some(handle.id);
        }
        if handle.double_clicked() {
            self.cx.wishes.push(Wish::EnlargePane(Some(row.pane)));
        }
        handle
    }
}

impl Behavior<Pane> for Panes<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        let row = of(*pane);
        let rect = ui.max_rect();
        let handle = self.handle(ui, row, rect);
        // A pane in tabs has its title there.
        let tabbed = self.cx.view.tabbed.contains(pane);
        filled(ui, |ui| {
            if !row.headed && !tabbed {
                header(ui, row.sign, row.title, |_| {});
            }
            (row.ui)(ui, self.cx);
        });
        if handle.has_focus() {
            let p = palette(ui.visuals());
            ui.painter().rect_stroke(rect, 8.0, Stroke::new(2.0, p.accent), StrokeKind::Inside);
        }
        if handle.dragged() {
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
        }
        if handle.drag_started() { UiResponse::DragStarted } else { UiResponse::None }
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        let running = self.cx.state.jobs.iter().filter(|job| job.end.is_none()).count();
        let title = match pane {
            Pane::Jobs if running > 0 => format!("Jobs ({running})"),
            pane => of(*pane).title.to_owned(),
        };
        medium(title, BODY).into()
    }

    fn top_bar_right_ui(&mut self, tiles: &Tiles<Pane>, ui: &mut Ui, _tile: TileId, tabs: &Tabs, _scroll: &mut f32) {
        if let Some(Tile::Pane(pane)) = tabs.active.and_then(|id| tiles.get(id))
            && icon_button(ui, ICON_OPEN_IN_FULL, "Enlarge this pane").clicked()
        {
            self.cx.wishes.push(Wish::EnlargePane(Some(*pane)));
        }
    }

    fn on_tab_button(&mut self, tiles: &mut Tiles<Pane>, tile: TileId, response: Response) -> Response {
        if response.has_focus() {
            let p = palette(&response.ctx.global_style().visuals);
            let painter = response.ctx.layer_painter(response.layer_id);
            painter.rect_stroke(response.rect.shrink(2.0), 5.0, Stroke::new(1.5, p.accent), StrokeKind::Inside);
        }
        if response.double_clicked()
            && let Some(Tile::Pane(pane)) = tiles.get(tile)
        {
            self.cx.wishes.push(Wish::EnlargePane(Some(*pane)));
        }
        response
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        BAR
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        GAP
    }

    fn min_size(&self) -> f32 {
        120.0
    }

    fn simplification_options(&self) -> SimplificationOptions {
        options()
    }

    fn tab_bar_color(&self, visuals: &egui::Visuals) -> Color32 {
        palette(visuals).ground
    }

    fn tab_bg_color(&self, visuals: &egui::Visuals, _: &Tiles<Pane>, _: TileId, state: &TabState) -> Color32 {
        let p = palette(visuals);
        if state.active { p.pane } else { p.ground }
    }

    fn tab_outline_stroke(&self, visuals: &egui::Visuals, _: &Tiles<Pane>, _: TileId, state: &TabState) -> Stroke {
        if state.active { Stroke::new(1.0, palette(visuals).line) } else { Stroke::NONE }
    }

    fn tab_bar_hline_stroke(&self, _visuals: &egui::Visuals) -> Stroke {
        Stroke::NONE
    }

    fn tab_text_color(&self, visuals: &egui::Visuals, _: &Tiles<Pane>, _: TileId, state: &TabState) -> Color32 {
        let p = palette(visuals);
        if state.active { p.strong } else { p.weak }
    }

    fn drag_preview_color(&self, visuals: &egui::Visuals) -> Color32 {
        let p = palette(visuals);
        tint(p.pane, p.accent, 0.3)
    }

    fn resize_stroke(&self, style: &egui::Style, state: egui_tiles::ResizeState) -> Stroke {
        let p = palette(&style.visuals);
        match state {
            egui_tiles::ResizeState::Idle => Stroke::NONE,
            _ => Stroke::new(2.0, p.accent),
        }
    }

    fn on_edit(&mut self, _action: EditAction) {
        self.changed = true;
    }
}

/// The panes that stand in tabs with others.
fn tabbed(tree: &Tree<Pane>) -> Vec<Pane> {
    let tabs = tree.tiles.tiles().filter_map(|tile| match tile {
        Tile::Container(Container::Tabs(tabs)) => Some(&tabs.children),
        _ => None,
    });
    tabs.flatten().filter_map(|id| tree.tiles.get_pane(id)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pane_has_a_row_and_a_place() {
        let tree = arrange(vec2(1440.0, 800.0));
        for row in PANES {
            assert_eq!(of(row.pane).title, row.title);
            assert!(tree.tiles.find_pane(&row.pane).is_some(), "{}", row.title);
        }
        assert_eq!(tabbed(&tree), [Pane::Training, Pane::Jobs, Pane::History]);
    }

    #[test]
    fn a_layout_is_written_and_read_and_refused_where_a_pane_is_missing() {
        let tree = arrange(vec2(1440.0, 800.0));
        let text = serde_json::to_string(&tree).unwrap();
        let mut dock = Dock::default();
        dock.restore(serde_json::from_str(&text).unwrap());
        assert!(dock.tree.as_ref().is_some_and(|back| back.tiles.len() == tree.tiles.len()));
        let mut less = tree;
        let jobs = less.tiles.find_pane(&Pane::Jobs).unwrap();
        less.tiles.remove(jobs);
        let mut dock = Dock::default();
        dock.restore(less);
        assert!(dock.tree.is_none());
    }

    #[test]
    fn f6_visits_every_pane_and_comes_back() {
        let mut dock = Dock { tree: Some(arrange(vec2(1440.0, 800.0))), ..Dock::default() };
        let round: Vec<Pane> = (0..PANES.len())
            .filter_map(|_| {
                dock.next(true);
                dock.focus.take()
            })
            .collect();
        assert_eq!(round, PANES.iter().map(|row| row.pane).collect::<Vec<_>>());
        dock.next(true);
        dock.next(false);
        assert_eq!(dock.focus, Some(Pane::History));
    }
}
