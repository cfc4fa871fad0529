//! The one table of commands: keys, tooltips and the sheet of keys all read it.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::compare::Change;
use super::investigate::Intent;
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
    /// Look at a candidate a page back.
    PageUp,
    /// Look at a candidate a page on.
    PageDown,
    /// Search with the candidate too, or no longer.
    Confirm,
    /// The best candidates of all queries.
    Overview,
    /// Ask for a frame to cut people out of.
    OpenFrame,
    /// The next way of comparing.
    CompareMode,
    /// Pixels as squares, or smooth.
    Pixels,
    /// The regions that drive the similarity.
    Heat,
    /// Closer.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// The whole pictures.
    ZoomReset,
    /// Look further left.
    PanLeft,
    /// Look further right.
    PanRight,
    /// Look further up.
    PanUp,
    /// Look further down.
    PanDown,
    /// Remove the query.
    RemoveQuery,
    /// Undo the removal.
    Undo,
    /// Enlarge the comparison.
    Enlarge,
    /// Show queries, candidates and comparison.
    Investigate,
    /// Show the map of embeddings.
    Map,
    /// Show the training room.
    Train,
    /// Light or dark.
    Theme,
    /// The sheet of keys.
    Keys,
}

impl Command {
    /// Whether it changes only how the pair is looked at.
    pub fn is_look(self) -> bool {
        use Command::*;
        matches!(
            self,
            CompareMode | Pixels | Heat | ZoomIn | ZoomOut | ZoomReset | PanLeft | PanRight | PanUp | PanDown
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

const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
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
    row(Command::PageUp, "A page of candidates back", "Page Up", &[plain(Key::PageUp)]),
    row(Command::PageDown, "A page of candidates on", "Page Down", &[plain(Key::PageDown)]),
    row(Command::Confirm, "Search with this match too, or no longer", "M", &[plain(Key::M)]),
    row(Command::Overview, "Best candidates of all queries", "Ctrl+B", &[control(Key::B)]),
    row(
        Command::OpenFrame,
        "Cut people out of a frame",
        "Ctrl+Shift+O",
        &[KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::O)],
    ),
    row(Command::CompareMode, "Side by side, blink or slider", "V", &[plain(Key::V)]),
    row(Command::Pixels, "Pixels as squares, or smooth", "P", &[plain(Key::P)]),
    row(Command::Heat, "Regions that drive the similarity", "H", &[plain(Key::H)]),
    row(Command::ZoomIn, "Zoom the pictures in", "+", &[plain(Key::Plus), plain(Key::Equals), shift(Key::Plus)]),
    row(Command::ZoomOut, "Zoom the pictures out", "−", &[plain(Key::Minus)]),
    row(Command::ZoomReset, "Reset the view of the pictures", "0", &[plain(Key::Num0)]),
    row(Command::PanLeft, "Move the view left", "Shift+←", &[shift(Key::ArrowLeft)]),
    row(Command::PanRight, "Move the view right", "Shift+→", &[shift(Key::ArrowRight)]),
    row(Command::PanUp, "Move the view up", "Shift+↑", &[shift(Key::ArrowUp)]),
    row(Command::PanDown, "Move the view down", "Shift+↓", &[shift(Key::ArrowDown)]),
    row(Command::Enlarge, "Enlarge the comparison", "E", &[plain(Key::E)]),
    row(Command::RemoveQuery, "Remove the query", "Delete", &[plain(Key::Delete)]),
    row(Command::Undo, "Bring the removed query back", "Ctrl+Z", &[control(Key::Z)]),
    row(Command::Investigate, "Investigate", "Ctrl+1", &[control(Key::Num1)]),
    row(Command::Map, "Map", "Ctrl+3", &[control(Key::Num3)]),
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
        // A plain key also answers to the key with Shift: those that ask for it come first.
        let mut hit = |shift: bool| -> Vec<Command> {
            let mut pressed = |s: &KeyboardShortcut| {
                s.modifiers.shift == shift && (arrows || !is_arrow(s)) && input.consume_shortcut(s)
            };
            TABLE.iter().filter(|row| row.shortcuts.iter().any(&mut pressed)).map(|row| row.command).collect()
        };
        let mut commands = hit(true);
        commands.extend(hit(false));
        commands
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
        Command::PageUp => Wish::Investigate(Intent::Page(-1)),
        Command::PageDown => Wish::Investigate(Intent::Page(1)),
        Command::Confirm => Wish::Investigate(Intent::Confirm),
        Command::Overview => Wish::Investigate(Intent::Overview),
        Command::OpenFrame => Wish::Ask(Target::Frame),
        Command::CompareMode => look(Change::Mode),
        Command::Pixels => look(Change::Crisp),
        Command::Heat => look(Change::Heat),
        Command::ZoomIn => look(Change::Zoom(1.25)),
        Command::ZoomOut => look(Change::Zoom(0.8)),
        Command::ZoomReset => look(Change::Reset),
        Command::PanLeft => look(Change::Pan(-0.1, 0.0)),
        Command::PanRight => look(Change::Pan(0.1, 0.0)),
        Command::PanUp => look(Change::Pan(0.0, -0.1)),
        Command::PanDown => look(Change::Pan(0.0, 0.1)),
        Command::RemoveQuery => Action::RemoveQuery(selected?).into(),
        Command::Undo => Action::UndoRemove.into(),
        Command::Enlarge => Wish::Enlarge,
        Command::Investigate => Wish::Show(Page::Investigate),
        Command::Map => Wish::Show(Page::Map),
        Command::Train => Wish::Show(Page::Train),
        Command::Theme => Wish::ToggleTheme,
        Command::Keys => Wish::ToggleKeys,
    })
}

fn look(change: Change) -> Wish {
    Wish::Investigate(Intent::Compare(change))
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
