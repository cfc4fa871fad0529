//! What a panel may want to happen.

use crate::app::dock::Pane;
use crate::app::investigate::Intent;
use crate::app::keys;
use crate::app::state::{Action, CaseAction};
use crate::app::target::Target;
use crate::app::theme::Choice;

/// What a panel wants to happen.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Something with the data.
    Do(Action),
    /// Ask for a path.
    Ask(Target),
    /// Something of the investigation.
    Investigate(Intent),
    /// Take what is on the clipboard.
    Paste,
    /// Enlarge the comparison, or close it.
    Enlarge,
    /// Open the demo case.
    Demo,
    /// Ask what reports to write.
    Export,
    /// Show the history of the case.
    History,
    /// Show a page.
    Show(Page),
    /// Bring a pane of the Investigate page into view.
    Pane(Pane),
    /// Give the keyboard to the next pane, or to the one before.
    NextPane(bool),
    /// A pane takes the whole page (the one that was visited last where none is named), or all come back.
    EnlargePane(Option<Pane>),
    /// The panes as at the first start.
    ResetLayout,
    /// Put a theme on.
    Theme(Choice),
    /// Put the next theme on.
    NextTheme,
    /// Change the size of everything.
    Zoom(Zoom),
    /// Say something in a toast.
    Say(String),
    /// Show or close what lies over the window.
    Toggle(Sheet),
    /// Close the window.
    Quit,
}

impl From<CaseAction> for Wish {
    fn from(action: CaseAction) -> Self {
        Wish::Do(Action::Case(action))
    }
}

impl From<Action> for Wish {
    fn from(action: Action) -> Self {
        Wish::Do(action)
    }
}

/// The pages of the window; one is seen at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// Queries, candidates, comparison.
    #[default]
    Investigate,
    /// The gallery's files, and galleries on servers.
    Gallery,
    /// The map of embeddings.
    Map,
    /// Starting and following a training run.
    Train,
}

/// A step of the size of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zoom {
    /// Larger.
    In,
    /// Smaller.
    Out,
    /// As at first.
    Off,
}

/// What can lie over the window, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// The keys.
    Keys,
    /// The finder of commands.
    Finder,
    /// What this program is.
    About,
    /// Everything that went wrong.
    Notices,
    /// The best candidates of all queries.
    Overview,
}

impl Sheet {
    /// The command that shows and closes it.
    pub(super) fn command(self) -> keys::Command {
        match self {
            Sheet::Keys => keys::Command::Keys,
            Sheet::Finder => keys::Command::Find,
            Sheet::About => keys::Command::About,
            Sheet::Notices => keys::Command::Notices,
            Sheet::Overview => keys::Command::Overview,
        }
    }
}
