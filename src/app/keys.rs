//! The one table of commands: keys, tooltips and the sheet of keys all read it.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::shell::{Page, Wish};
use super::state::{Action, Move};
use super::target::Target;

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
    /// Enlarge the comparison.
    Enlarge,
    /// Show queries, candidates and comparison.
    Investigate,
    /// Show the training room.
    Train,
    /// Show the gallery's files, and servers.
    Gallery,
    /// Light or dark.
    Theme,
    /// The sheet of keys.
    Keys,
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

const fn row(command: Command, label: &'static str, keys: &'static str, shortcuts: &'static [KeyboardShortcut]) -> Row {
    Row { command, label, keys, shortcuts }
}

/// Every command with its keys, in the order of the sheet.
pub const TABLE: &[Row] = &[
    row(Command::OpenQueries, "Open queries", "Ctrl+O", &[control(Key::O)]),
    row(Command::OpenGallery, "Open gallery", "Ctrl+G", &[control(Key::G)]),
    row(Command::OpenModel, "Open model", "Ctrl+M", &[control(Key::M)]),
    row(Command::PreviousQuery, "Previous query", "↑", &[plain(Key::ArrowUp)]),
    row(Command::NextQuery, "Next query", "↓", &[plain(Key::ArrowDown)]),
    row(Command::PreviousCandidate, "Previous candidate", "←", &[plain(Key::ArrowLeft)]),
    row(Command::NextCandidate, "Next candidate", "→", &[plain(Key::ArrowRight)]),
    row(Command::FirstCandidate, "First candidate", "Home", &[plain(Key::Home)]),
    row(Command::LastCandidate, "Last candidate", "End", &[plain(Key::End)]),
    row(Command::Enlarge, "Enlarge the comparison", "E", &[plain(Key::E)]),
    row(Command::RemoveQuery, "Remove the query", "Delete", &[plain(Key::Delete)]),
    row(Command::Undo, "Bring the removed query back", "Ctrl+Z", &[control(Key::Z)]),
    row(Command::Investigate, "Investigate", "Ctrl+1", &[control(Key::Num1)]),
    row(Command::Train, "Train", "Ctrl+2 or Ctrl+T", &[control(Key::Num2), control(Key::T)]),
    row(Command::Gallery, "Gallery", "Ctrl+3", &[control(Key::Num3)]),
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
        Command::Enlarge => Wish::Enlarge,
        Command::Investigate => Wish::Show(Page::Investigate),
        Command::Train => Wish::Show(Page::Train),
        Command::Gallery => Wish::Show(Page::Gallery),
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
