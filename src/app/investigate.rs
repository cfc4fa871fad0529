//! What the keys and buttons of the investigation mean, and what is pasted.

use egui::Context;

use super::clipboard::{self, Pasted};
use super::compare::Change;
use super::crop;
use super::shell::{Page, View, Wish};
use super::state::{Action, Gravity, Move, Refinement, ViewState};
use crate::engine::event::Source;

/// What a key or a button of the investigation asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Look at the pair in another way.
    Compare(Change),
    /// Some pages of cards on, or back.
    Page(i8),
    /// Search with the chosen candidate too, or no longer.
    Confirm,
    /// Open the filters.
    Filters,
    /// Cut people out of the image that the selected query is.
    CropQuery,
}

/// Does what only the window knows of, and returns what is to be done with the data.
pub fn carry_out(intent: Intent, state: &ViewState, view: &mut View) -> Option<Wish> {
    match intent {
        Intent::Compare(change) => {
            view.compare.change(change);
            None
        }
        Intent::Page(pages) => {
            let places = view.grid.page.max(1);
            let step = if pages < 0 { Move::Back(places) } else { Move::On(places) };
            Some(Action::MoveCandidate(step).into())
        }
        Intent::Filters => {
            (view.page, view.open_filters) = (Page::Investigate, true);
            None
        }
        Intent::Confirm => {
            let (candidate, _) = state.chosen()?;
            let on = !state.query()?.confirmed.contains(&candidate.entry);
            Some(Action::Refine(Refinement::Confirm { entry: candidate.entry, on }).into())
        }
        Intent::CropQuery => {
            let query = state.query().filter(|q| q.info.source != Source::Memory)?;
            Some(crop::open(query.info.path.clone(), &mut view.crop))
        }
    }
}

/// Takes what was pasted in this frame.
pub fn paste(ctx: &Context, state: &mut ViewState) -> Vec<Action> {
    let mut actions = Vec::new();
    for pasted in clipboard::take(ctx) {
        match pasted {
            Pasted::Image(image) => actions.push(state.paste(image)),
            Pasted::Files(paths) => actions.push(Action::AddQueries(paths)),
            Pasted::Words => {
                let message = "The clipboard holds text that names no file. Copy an image, or files, and paste again";
                state.notify(Gravity::Note, "Paste", message, Vec::new());
            }
        }
    }
    actions
}
