//! What the map page keeps: what is seen, what is selected, and what is derived from the map.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use egui::{Key, Pos2, Rect, Vec2};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_HIGHLIGHT_ALT, ICON_LASSO_SELECT, ICON_PAN_TOOL};

use super::camera::Camera;
use super::far::Far;
use super::form::Form;
use super::legend::Choice;
use super::plot::{self, Plot};
use super::region::Drawn;
use crate::app::state::{Action, MapState, ViewState};
use crate::data::dataset::UNKNOWN;
use crate::engine::command::{Command, MapCommand};
use crate::engine::map::Source;
use crate::figure::raster::mixed_order;
use crate::figure::scatter::{Look, radius_for};
use crate::figure::{DARK, LIGHT};
use crate::projection::groups::{Colouring, Groups, Verdict};
use crate::projection::lookup::{Lookup, bounds};
use crate::projection::map::Spot;

/// What the pointer does on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tool {
    /// Moves the map.
    #[default]
    Pan,
    /// Selects what it encircles.
    Lasso,
    /// Selects what lies in a rectangle.
    Box,
}

impl Tool {
    pub(super) const ALL: [Self; 3] = [Self::Pan, Self::Lasso, Self::Box];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pan => "Pan",
            Self::Lasso => "Lasso",
            Self::Box => "Box",
        }
    }

    pub(super) fn key(self) -> Key {
        match self {
            Self::Pan => Key::G,
            Self::Lasso => Key::L,
            Self::Box => Key::R,
        }
    }

    pub(super) fn sign(self) -> MaterialIcon {
        match self {
            Self::Pan => ICON_PAN_TOOL,
            Self::Lasso => ICON_LASSO_SELECT,
            Self::Box => ICON_HIGHLIGHT_ALT,
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Pan => "Pan: drag moves the map (G)",
            Self::Lasso => "Lasso: drag around images to select them; Shift adds, Alt takes away (L)",
            Self::Box => "Box: drag a rectangle to select what is in it; Shift adds, Alt takes away (R)",
        }
    }
}

/// Where verdicts come from: the answer of the open case about a file.
pub type VerdictOf = Rc<dyn Fn(&Path) -> Option<Verdict>>;

/// What belongs to the map page alone.
pub struct MapView {
    pub(super) form: Form,
    pub(super) far: Far,
    pub(super) plot: Plot,
    pub(super) known: Known,
    pub(super) camera: Camera,
    pub(super) rect: Rect,
    /// The user has moved the map: a new layout does not.
    pub(super) moved: bool,
    pub(super) tool: Tool,
    pub(super) colouring: Colouring,
    pub(super) choice: Choice,
    pub(super) marked: Vec<bool>,
    pub(super) marked_version: u64,
    /// The image that is looked at.
    pub(super) at: Option<usize>,
    /// The image under the pointer, and since when.
    pub(super) hover: Option<(usize, f64)>,
    pub(super) drawn: Option<Drawn>,
    /// Show pictures instead of points where there is room.
    pub(super) pictures: bool,
    pub(super) shown_pictures: Vec<(usize, Rect)>,
    pub(super) radius: Option<f32>,
    verdicts: Option<(u64, VerdictOf)>,
    pub(super) chosen_before: Option<PathBuf>,
}

impl Default for MapView {
    fn default() -> Self {
        Self {
            form: Form::default(),
            far: Far::default(),
            plot: Plot::default(),
            known: Known::default(),
            camera: Camera::default(),
            rect: Rect::ZERO,
            moved: false,
            tool: Tool::default(),
            colouring: Colouring::default(),
            choice: Choice::default(),
            marked: Vec::new(),
            marked_version: 0,
            at: None,
            hover: None,
            drawn: None,
            pictures: true,
            shown_pictures: Vec::new(),
            radius: None,
            verdicts: None,
            chosen_before: None,
        }
    }
}

/// The images that are selected, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The images, in their order.
    pub images: Vec<usize>,
    /// How many are of whom, most first; those of unknown people are left out.
    pub people: Vec<(usize, i64)>,
}

/// What is derived from the map, and from which version of it.
#[derive(Default)]
pub(super) struct Known {
    spots_version: Option<u64>,
    points_version: Option<u64>,
    groups_from: Option<(u64, Colouring, bool, u64)>,
    pub(super) groups_version: u64,
    groups: Arc<Groups>,
    pub(super) lookup: Lookup,
    bounds: Option<[[f32; 2]; 2]>,
    pub(super) order: Vec<u32>,
    by_path: HashMap<PathBuf, Vec<u32>>,
    selection: (u64, Rc<Selection>),
}

impl MapView {
    /// Takes verdicts from a case; `version` changes whenever one of them does.
    pub fn set_verdicts(&mut self, version: u64, of: VerdictOf) {
        self.verdicts = Some((version, of));
    }

    /// An image as it looks from far away has arrived.
    pub fn arrived(
        &mut self,
        ctx: &egui::Context,
        path: PathBuf,
        rate: u32,
        image: Result<Arc<image::RgbImage>, String>,
    ) {
        self.far.arrived(ctx, path, rate, image);
    }

    /// What makes the map that the form describes, or why nothing can.
    pub fn wanted(&self, state: &ViewState) -> Result<Action, &'static str> {
        let (source, settings) = self.form.read().map_err(|_| "Not all fields of the map's form can be used")?;
        if matches!(source, Source::Desk) && state.gallery.is_none() {
            return Err("No gallery is open");
        }
        Ok(Action::Map(MapCommand::Project { source, measure: state.settings.measure, settings }))
    }

    /// What is to be asked of the engine.
    pub fn requests(&mut self) -> Vec<Command> {
        self.far.requests()
    }

    /// Brings what is derived up to date.
    pub(super) fn know(&mut self, map: &MapState) {
        if self.known.points_version != Some(map.points_version) {
            self.known.points_version = Some(map.points_version);
            self.known.lookup = Lookup::new(&map.points);
            self.known.bounds = bounds(&map.points);
            if self.known.order.len() != map.points.len() {
                self.known.order = mixed_order(map.points.len());
            }
        }
    }

    /// The groups by the colouring in force; other images end what was selected among the old ones.
    pub(super) fn groups(&mut self, map: &MapState, dark: bool) -> Arc<Groups> {
        if self.known.spots_version != Some(map.spots_version) {
            self.known.spots_version = Some(map.spots_version);
            (self.at, self.hover, self.moved) = (None, None, false);
            self.choice = Choice::default();
            self.clear_marks();
            self.known.by_path.clear();
            for (i, spot) in map.spots.iter().enumerate() {
                self.known.by_path.entry(spot.path.clone()).or_default().push(i as u32);
            }
        }
        let verdicts = self.verdicts.as_ref().map_or(0, |(version, _)| *version);
        let trained = map.map.as_ref().map_or(&[][..], |map| &map.made.trained);
        let from = (map.spots_version * 2 + u64::from(!trained.is_empty()), self.colouring, dark, verdicts);
        if self.known.groups_from != Some(from) {
            let of = |path: &Path| self.verdicts.as_ref().and_then(|(_, of)| of(path));
            self.known.groups = Arc::new(Groups::new(&map.spots, self.colouring, trained, &of, dark));
            self.known.groups_from = Some(from);
            self.known.groups_version += 1;
        }
        self.known.groups.clone()
    }

    pub(super) fn fit(&mut self) {
        if let Some(bounds) = self.known.bounds {
            self.camera = Camera::fit(bounds, self.rect);
        }
    }

    pub(super) fn zoom(&mut self, at: Pos2, factor: f32) {
        self.camera.zoom(self.rect, at, factor);
        self.moved = true;
    }

    pub(super) fn pan(&mut self, by: Vec2) {
        if by != Vec2::ZERO {
            self.camera.pan(by);
            self.moved = true;
        }
    }

    /// Goes to the nearest image in a direction, from the one that is looked at or from the middle.
    pub(super) fn walk(&mut self, direction: Vec2, n: usize) {
        let groups = self.known.groups.clone();
        let from = self.at.filter(|&at| at < n).map(|at| self.known.lookup.place(at));
        let Some([x, y]) = from else {
            let middle = self.camera.unplace(self.rect, self.rect.center());
            self.at = self.known.lookup.nearest(middle, f32::MAX.sqrt(), |i| self.choice.meant(groups.of[i]));
            return;
        };
        // Within a quarter to both sides; sideways counts double.
        let mut best: Option<(f32, usize)> = None;
        let mut reach = 40.0 / self.camera.scale;
        let [low, high] = self.known.bounds.unwrap_or_default();
        let all = (high[0] - low[0]).max(high[1] - low[1]);
        while best.is_none() && reach < 4.0 * all + 1e-6 {
            self.known.lookup.within([[x - reach, y - reach], [x + reach, y + reach]], |i| {
                let [px, py] = self.known.lookup.place(i);
                let along = (px - x) * direction.x + (py - y) * direction.y;
                let across = ((px - x) * direction.y - (py - y) * direction.x).abs();
                let cost = along + 2.0 * across;
                let ahead = along > 0.0 && across <= along;
                if ahead && best.is_none_or(|b| (cost, i) < b) && self.choice.meant(groups.of[i]) {
                    best = Some((cost, i));
                }
            });
            reach *= 2.0;
        }
        if let Some((_, i)) = best {
            self.look_at(i);
        }
    }

    /// Looks at an image and brings it into view.
    pub(super) fn look_at(&mut self, i: usize) {
        self.at = Some(i);
        let before = self.camera;
        self.camera.reveal(self.rect, self.known.lookup.place(i));
        self.moved |= before != self.camera;
    }

    /// The topmost picture at a place of the screen.
    pub(super) fn pictured(&self, at: Pos2) -> Option<usize> {
        self.shown_pictures.iter().rev().find(|(_, rect)| rect.contains(at)).map(|(i, _)| *i)
    }

    /// Selects `chosen`: instead of what is selected, besides it, or the other way round.
    pub(super) fn mark(&mut self, n: usize, chosen: Vec<usize>, more: bool, less: bool) {
        if !(more || less) || self.marked.len() != n {
            self.marked = vec![false; n];
        }
        chosen.into_iter().for_each(|i| self.marked[i] = !less);
        self.marked_version += 1;
    }

    pub(super) fn toggle_mark(&mut self, n: usize, i: usize) {
        let on = self.marked.get(i).copied().unwrap_or(false);
        self.mark(n, vec![i], true, on);
    }

    /// What is selected of `spots`.
    pub(super) fn selection(&mut self, spots: &[Spot]) -> Rc<Selection> {
        if self.known.selection.0 != self.marked_version {
            let marked = |i: &usize| self.marked.get(*i) == Some(&true);
            let images: Vec<usize> = (0..spots.len()).filter(marked).collect();
            let mut people: BTreeMap<i64, usize> = BTreeMap::new();
            images.iter().for_each(|&i| *people.entry(spots[i].identity).or_default() += 1);
            people.remove(&UNKNOWN);
            let mut people: Vec<(usize, i64)> = people.into_iter().map(|(identity, n)| (n, identity)).collect();
            people.sort_by_key(|&(n, identity)| (Reverse(n), identity));
            self.known.selection = (self.marked_version, Rc::new(Selection { images, people }));
        }
        self.known.selection.1.clone()
    }

    /// Ends the selection; whether there was one.
    pub(super) fn clear_marks(&mut self) -> bool {
        let any = self.marked.contains(&true);
        self.marked.clear();
        self.marked_version += 1;
        any
    }

    /// The places of the query and of the candidate that the match grid shows.
    pub(super) fn linked(&self, state: &ViewState) -> Vec<usize> {
        let query = state.query().map(|query| &query.info.path);
        let candidate = state.chosen().map(|(_, entry)| &entry.path);
        let spots = |path: Option<&PathBuf>| path.and_then(|path| self.known.by_path.get(path)).into_iter().flatten();
        spots(query).chain(spots(candidate)).map(|&i| i as usize).filter(|&i| i < state.map.points.len()).collect()
    }

    /// Follows the match grid: another candidate there is looked at here.
    pub(super) fn follow(&mut self, state: &ViewState) {
        let chosen = state.chosen().map(|(_, entry)| entry.path.clone());
        if chosen != self.chosen_before {
            let first = self.chosen_before.is_none();
            let spot = chosen.as_ref().and_then(|path| self.known.by_path.get(path)).and_then(|spots| spots.first());
            if let (Some(&i), false) = (spot, first || state.map.points.is_empty()) {
                self.look_at(i as usize);
            }
            self.chosen_before = chosen;
        }
    }

    /// How the map is shown, for a figure.
    pub(super) fn look(&self, state: &ViewState, dark: bool) -> Look {
        let (hidden, isolated) = plot::lists(&self.choice);
        Look {
            title: format!("{}, by {}", state.map.title, self.colouring.name().to_lowercase()),
            paper: if dark { DARK } else { LIGHT },
            groups: (*self.known.groups).clone(),
            hidden,
            isolated,
            view: self.moved.then(|| self.camera.view(self.rect)),
            radius: self.radius.unwrap_or_else(|| radius_for(state.map.points.len())),
        }
    }
}
