//! The one table of commands: keys, tooltips and the sheet of keys all read it.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::shell::{Page, Wish};
use super::state::{Action, CaseAction, Move};
use super::target::Target;
use crate::case::Judgement;

/// A command that has keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Ask for crops.
    OpenQueries,
    /// Ask for a gallery.
    OpenGallery,
    /// Ask for a model.
    OpenModel,
    /// Look at the query before.
    PreviousQuery,
    /// Look at the next query.
    NextQuery,
    /// Look at the candidate before.
    PreviousCandidate,
    /// Look at the next candidate.
    NextCandidate,
    /// Look at the first candidate.
    FirstCandidate,
    /// Look at the last candidate.
    LastCandidate,
    /// Remove the query.
    RemoveQuery,
    /// Undo the removal.
    Undo,
    /// The candidate is the same person.
    Same,
    /// The candidate is a different person.
    Different,
    /// It cannot be told.
    Unsure,
    /// Set or take away a bookmark.
    Bookmark,
    /// Do again what was undone.
    Redo,
    /// Make a case.
    NewCase,
    /// Open a case.
    OpenCase,
    /// Write reports.
    Export,
    /// Show the audit log.
    History,
    /// Enlarge the comparison.
    Enlarge,
    /// Show queries, candidates and comparison.
    Investigate,
    /// Show the training room.
    Train,
    /// Light or dark.
    Theme,
    /// The sheet of keys.
    Keys,
}

impl Command {
    /// Whether it says something about the candidate: such keys mean the same wherever a candidate is seen.
    pub fn decides(self) -> bool {
        matches!(
            self,
            Command::Same | Command::Different | Command::Unsure | Command::Bookmark | Command::Undo | Command::Redo
        )
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The command.
    pub command: Command,
    /// What it does, for the sheet and the tooltip.
    pub label: &'static str,
    /// Its keys as shown.
    pub keys: &'static str,
    /// Its keys as pressed.
    pub shortcuts: &'static [KeyboardShortcut],
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn control(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn control_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

const fn row(command: Command, label: &'static str, keys: &'static str, shortcuts: &'static [KeyboardShortcut]) -> Row {
    Row { command, label, keys, shortcuts }
}

/// Every command with its keys, in the order of the sheet.
pub const TABLE: &[Row] = &[
    row(Command::NewCase, "New case", "Ctrl+N", &[control(Key::N)]),
    // Before Ctrl+O, which would take its key.
    row(Command::OpenCase, "Open case", "Ctrl+Shift+O", &[control_shift(Key::O)]),
    row(Command::OpenQueries, "Open queries", "Ctrl+O", &[control(Key::O)]),
    row(Command::OpenGallery, "Open gallery", "Ctrl+G", &[control(Key::G)]),
    row(Command::OpenModel, "Open model", "Ctrl+M", &[control(Key::M)]),
    row(Command::PreviousQuery, "Previous query", "↑", &[plain(Key::ArrowUp)]),
    row(Command::NextQuery, "Next query", "↓", &[plain(Key::ArrowDown)]),
    row(Command::PreviousCandidate, "Previous candidate", "←", &[plain(Key::ArrowLeft)]),
    row(Command::NextCandidate, "Next candidate", "→", &[plain(Key::ArrowRight)]),
    row(Command::FirstCandidate, "First candidate", "Home", &[plain(Key::Home)]),
    row(Command::LastCandidate, "Last candidate", "End", &[plain(Key::End)]),
    row(Command::Same, "Same person", "S", &[plain(Key::S)]),
    row(Command::Different, "Different person", "D", &[plain(Key::D)]),
    row(Command::Unsure, "Unsure", "U", &[plain(Key::U)]),
    row(Command::Bookmark, "Bookmark", "B", &[plain(Key::B)]),
    row(Command::Enlarge, "Enlarge the comparison", "E", &[plain(Key::E)]),
    row(Command::RemoveQuery, "Remove the query", "Delete", &[plain(Key::Delete)]),
    // Before Ctrl+Z, which would take its key.
    row(Command::Redo, "Do it again", "Ctrl+Shift+Z or Ctrl+Y", &[control_shift(Key::Z), control(Key::Y)]),
    row(Command::Undo, "Undo", "Ctrl+Z", &[control(Key::Z)]),
    row(Command::History, "History of the case", "Ctrl+H", &[control(Key::H)]),
    row(Command::Export, "Export report", "Ctrl+E", &[control(Key::E)]),
    row(Command::Investigate, "Investigate", "Ctrl+1", &[control(Key::Num1)]),
    row(Command::Train, "Train", "Ctrl+2 or Ctrl+T", &[control(Key::Num2), control(Key::T)]),
    row(Command::Theme, "Light or dark", "Ctrl+L", &[control(Key::L)]),
    row(
        Command::Keys,
        "This sheet",
        "F1 or ?",
        &[plain(Key::F1), plain(Key::Questionmark), KeyboardShortcut::new(Modifiers::SHIFT, Key::Questionmark)],
    ),
];

/// Keys that egui itself handles, for the sheet.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("Ctrl + and Ctrl −", "Zoom in and out"),
    ("Ctrl+0", "Original size"),
    ("Tab", "Next button or field"),
    ("Esc", "Close a sheet"),
];

/// The row of a command.
pub fn of(command: Command) -> &'static Row {
    // Every command has a row; a test holds the table to it.
    TABLE.iter().find(|r| r.command == command).unwrap_or(&TABLE[0])
}

/// "Open queries (Ctrl+O)".
pub fn tooltip(command: Command) -> String {
    let row = of(command);
    format!("{} ({})", row.label, row.keys)
}

/// The commands whose keys were pressed in this frame. Plain arrows are left alone unless `arrows`, when another widget
/// (a slider, a menu) has the keyboard and needs them itself.
pub fn pressed(ctx: &egui::Context, arrows: bool) -> Vec<Command> {
    let is_arrow = |s: &KeyboardShortcut| {
        matches!(s.logical_key, Key::ArrowUp | Key::ArrowDown | Key::ArrowLeft | Key::ArrowRight | Key::Home | Key::End)
    };
    ctx.input_mut(|input| {
        TABLE
            .iter()
            .filter(|row| row.shortcuts.iter().any(|s| (arrows || !is_arrow(s)) && input.consume_shortcut(s)))
            .map(|row| row.command)
            .collect()
    })
}

/// What a command means; `None` where there is nothing to do it to.
pub fn wish(command: Command, selected: Option<crate::engine::command::QueryId>) -> Option<Wish> {
    Some(match command {
        Command::OpenQueries => Wish::Ask(Target::Queries),
        Command::OpenGallery => Wish::Ask(Target::Gallery),
        Command::OpenModel => Wish::Ask(Target::Model),
        Command::PreviousQuery => Action::MoveQuery(Move::Previous).into(),
        Command::NextQuery => Action::MoveQuery(Move::Next).into(),
        Command::PreviousCandidate => Action::MoveCandidate(Move::Previous).into(),
        Command::NextCandidate => Action::MoveCandidate(Move::Next).into(),
        Command::FirstCandidate => Action::MoveCandidate(Move::First).into(),
        Command::LastCandidate => Action::MoveCandidate(Move::Last).into(),
        Command::RemoveQuery => Action::RemoveQuery(selected?).into(),
        Command::Undo => Action::UndoRemove.into(),
        Command::Same => CaseAction::Judge(Judgement::Same).into(),
        Command::Different => CaseAction::Judge(Judgement::Different).into(),
        Command::Unsure => CaseAction::Judge(Judgement::Unsure).into(),
        Command::Bookmark => CaseAction::Bookmark.into(),
        Command::Redo => CaseAction::Redo.into(),
        Command::NewCase => Wish::Ask(Target::NewCase),
        Command::OpenCase => Wish::Ask(Target::OpenCase),
        Command::Export => Wish::Export,
        Command::History => Wish::History,
        Command::Enlarge => Wish::Enlarge,
        Command::Investigate => Wish::Show(Page::Investigate),
        Command::Train => Wish::Show(Page::Train),
        Command::Theme => Wish::ToggleTheme,
        Command::Keys => Wish::ToggleKeys,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let all: Vec<_> = TABLE.iter().flat_map(|r| r.shortcuts).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(a), "{a:?}");
        }
    }

    #[test]
    fn every_command_has_its_row() {
        for row in TABLE {
            assert_eq!(of(row.command).label, row.label);
        }
    }
}
