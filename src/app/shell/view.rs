//! What belongs to the window alone, and what a panel gets.

use egui::Id;

use super::{Page, Sheet, Wish};
use crate::app::dialogs::PathSheet;
use crate::app::dock::{Dock, Pane};
use crate::app::finder::Finder;
use crate::app::gallery_page::GalleryView;
use crate::app::map::MapView;
use crate::app::remember::Look;
use crate::app::state::{PaperForm, TrainForm, ViewState};
use crate::app::thumbs::Thumbs;
use crate::app::toasts::Toasts;
use crate::app::training::RoomView;
use crate::app::verdicts::CasePanels;
use crate::app::{compare, crop, matches, overview};

/// What belongs to the window alone and is gone when it closes.
#[derive(Default)]
pub struct View {
    /// The form that starts a run.
    pub form: TrainForm,
    /// Whether the form is shown although there is a run.
    pub new_run: bool,
    /// The paper's experiments.
    pub paper: PaperView,
    /// What the training room remembers.
    pub room: RoomView,
    /// Put the keyboard into the form's first field in the next frame.
    pub focus_form: bool,
    /// How far the list of queries is scrolled.
    pub queries_scroll: f32,
    /// How long the list of queries was in the last frame.
    pub queries_seen: usize,
    /// A query has the keyboard: it goes along with the selection.
    pub queries_focus: bool,
    /// Bring the selected query into view in the next frame.
    pub queries_reveal: bool,
    /// The list or grid item that has the keyboard: the arrows are the lists' then.
    pub arrows_at: Option<Id>,
    /// The map of embeddings.
    pub map: MapView,
    /// The page that is seen.
    pub page: Page,
    /// The gallery page's own things.
    pub gallery: GalleryView,
    /// The grid of cards: where it is scrolled to.
    pub grid: matches::GridView,
    /// A card has the keyboard: it goes along with the selection.
    pub grid_focus: bool,
    /// What is typed into the filters.
    pub filters: matches::FilterForm,
    /// Open the filters in the next frame.
    pub open_filters: bool,
    /// How the pair is looked at.
    pub compare: compare::CompareView,
    /// The tool that cuts people out of a frame, while it is open.
    pub crop: Option<crop::CropTool>,
    /// How the list of the best candidates is shown.
    pub overview: overview::Overview,
    /// The case's panels.
    pub case: CasePanels,
    /// The panes of the Investigate page.
    pub dock: Dock,
    /// The panes that stand in tabs with others.
    pub tabbed: Vec<Pane>,
    /// How the window looks.
    pub look: Look,
    /// What finished.
    pub toasts: Toasts,
    /// What lies over the window.
    pub(super) over: Option<Sheet>,
    pub(super) finder: Finder,
    pub(super) large: bool,
    pub(super) sheet: Option<PathSheet>,
    pub(super) undo_since: Option<(String, f64)>,
}

/// The paper's experiments on the training page.
#[derive(Default)]
pub struct PaperView {
    /// Whether they take the place of the training.
    pub open: bool,
    /// What is typed.
    pub form: PaperForm,
}

/// What a panel gets: the state to read, the pictures, the window's own things, and a list for its wishes.
pub struct Cx<'a> {
    /// What to show.
    pub state: &'a ViewState,
    /// Textures.
    pub thumbs: &'a mut Thumbs,
    /// The window's own things.
    pub view: &'a mut View,
    /// What the user wants.
    pub wishes: &'a mut Vec<Wish>,
    /// A key moved the selection in this frame: bring it into view.
    pub reveal: bool,
}
