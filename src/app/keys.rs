//! The one table of commands: menus, keys, tooltips, the sheet of keys and the finder (Ctrl+K) all read it.
//!
//! A new command is a variant of [`Command`] and a row of [`TABLE`]. The row says where it stands, which keys it has, and
//! what it does now, or why it cannot.

mod table;

use egui::{Event, Key, KeyboardShortcut, Modifiers};

use super::dock::Pane;
use super::shell::{View, Wish};
use super::state::ViewState;
use super::theme::Choice;

pub use table::TABLE;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Ask for crops.
    OpenQueries,
    /// Ask for a frame to cut people out of.
    OpenFrame,
    /// Take what is on the clipboard.
    Paste,
    /// Ask for a gallery.
    OpenGallery,
    /// Ask for a model.
    OpenModel,
    /// Ask for a run to go on with.
    ResumeRun,
    /// Close the window.
    Quit,
    /// Undo the removal.
    Undo,
    /// Remove the query.
    RemoveQuery,
    /// Enlarge the comparison.
    Enlarge,
    /// Show or hide what is known about identities.
    GroundTruth,
    /// Measure by the cosine distance.
    Cosine,
    /// Measure by the Euclidean distance.
    Euclidean,
    /// Bring a pane into view.
    Pane(Pane),
    /// Give the keyboard to the next pane.
    NextPane,
    /// Give the keyboard to the pane before.
    PreviousPane,
    /// One pane takes the page, or all come back.
    EnlargePane,
    /// The panes as at the first start.
    ResetLayout,
    /// The next theme.
    NextTheme,
    /// A theme.
    Theme(Choice),
    /// Larger.
    ZoomIn,
    /// Smaller.
    ZoomOut,
    /// As large as at first.
    ZoomOff,
    /// Show queries, candidates and comparison.
    Investigate,
    /// Show the gallery's files, and servers.
    Gallery,
    /// Show the map of embeddings.
    Map,
    /// Show the training room.
    Train,
    /// Stop the run.
    StopRun,
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
    /// Rank the nearest again by their neighbours, or do not.
    Rerank,
    /// Choose which part of the gallery is searched.
    Filters,
    /// Search the whole gallery again.
    ClearFilters,
    /// Group the candidates by identity, or do not.
    Grouped,
    /// The best candidates of all queries.
    Overview,
    /// Rank the gallery against every query.
    SearchAll,
    /// Rank the query with less and less of its detail.
    Sweep,
    /// Lay out a map as its form says.
    MakeMap,
    /// The next way of comparing.
    CompareMode,
    /// Pixels as squares, or smooth.
    Pixels,
    /// The regions that drive the similarity.
    Heat,
    /// The pictures closer.
    LensIn,
    /// The pictures farther.
    LensOut,
    /// The pictures whole, and as they are.
    LensOff,
    /// Look further left on the pictures.
    PanLeft,
    /// Look further right on the pictures.
    PanRight,
    /// Look further up on the pictures.
    PanUp,
    /// Look further down on the pictures.
    PanDown,
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
    /// Find a command by its name.
    Find,
    /// The sheet of keys.
    Keys,
    /// Everything that went wrong.
    Notices,
    /// What this program is.
    About,
}

/// Where a command stands: a menu, and a heading of the sheet of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What is opened and closed.
    File,
    /// What is changed.
    Edit,
    /// How the window looks.
    View,
    /// How a pair is looked at.
    Compare,
    /// What is looked at.
    Go,
    /// What helps.
    Help,
}

impl Group {
    /// All, in the order of the menu bar.
    pub const ALL: [Self; 6] = [Self::File, Self::Edit, Self::View, Self::Compare, Self::Go, Self::Help];

    /// The menu's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Edit => "Edit",
            Self::View => "View",
            Self::Compare => "Compare",
            Self::Go => "Go",
            Self::Help => "Help",
        }
    }
}

/// What a command looks at to say what it would do now.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The data.
    pub state: &'a ViewState,
    /// The window.
    pub view: &'a View,
}

/// What a command would do now, or why it cannot be done: a sentence for the tooltip.
pub type Possible = Result<Wish, &'static str>;

/// One row of the table.
pub struct Row {
    /// The command.
    pub command: Command,
    /// Its menu.
    pub group: Group,
    /// What it does, in the words of the menu; it ends in "…" where it asks for more.
    pub label: &'static str,
    /// Its keys as shown; empty where it has none.
    pub keys: &'static str,
    /// Its keys as pressed.
    pub shortcuts: &'static [KeyboardShortcut],
    /// What it does now.
    pub wish: fn(Situation<'_>) -> Possible,
}

/// Keys that egui itself handles, for the sheet.
pub const BUILT_IN: &[(&str, &str)] =
    &[("Tab", "Next button or field"), ("Space or Enter", "Press it"), ("Esc", "Close a sheet, leave a field")];

impl Command {
    /// Whether it moves along queries or candidates: what is moved to is brought into view.
    pub fn moves(self) -> bool {
        use Command::*;
        matches!(
            self,
            FirstCandidate
                | LastCandidate
                | NextCandidate
                | NextQuery
                | PreviousCandidate
                | PreviousQuery
                | PageUp
                | PageDown
        )
    }

    /// Whether it changes only how the pair is looked at.
    pub fn looks(self) -> bool {
        use Command::*;
        self.glides() || matches!(self, CompareMode | Pixels | Heat | LensOff)
    }

    /// Whether it moves the view of the pictures.
    fn glides(self) -> bool {
        use Command::*;
        matches!(self, LensIn | LensOut | PanLeft | PanRight | PanUp | PanDown)
    }

    /// Whether it does something to the pair that is looked at, which must be seen then.
    pub fn of_pair(self) -> bool {
        use Command::*;
        self.looks() || matches!(self, Same | Different | Unsure | Bookmark | Confirm)
    }

    /// Whether a key held down repeats it.
    pub fn repeats(self) -> bool {
        self.moves() || self.glides() || matches!(self, Self::ZoomIn | Self::ZoomOut)
    }

    /// Whether it says something about the candidate: such keys mean the same wherever a candidate is seen.
    pub fn decides(self) -> bool {
        use Command::{Bookmark, Different, Redo, Same, Undo, Unsure};
        matches!(self, Same | Different | Unsure | Bookmark | Undo | Redo)
    }

    /// Whether it is done while the enlarged comparison stays over the window; for any other command the comparison closes
    /// first, so that what the command shows is seen.
    pub fn over_comparison(self) -> bool {
        use Command::*;
        let here = self.moves() || self.decides() || self.looks();
        here || matches!(self, Enlarge | Confirm | NextTheme | Theme(_) | ZoomIn | ZoomOut | ZoomOff)
    }
}

impl Row {
    /// Whether keys of it mean the command also while text is typed: those that neither write nor edit.
    fn leaves_text(&self, key: Key, modifiers: Modifiers) -> bool {
        let digit = matches!(key, Key::Num0 | Key::Num1 | Key::Num2 | Key::Num3 | Key::Num4 | Key::Num5);
        let zoom = matches!(self.command, Command::ZoomIn | Command::ZoomOut);
        is_function(key) || (modifiers.command && (digit || zoom || self.command == Command::Find))
    }
}

/// The row of a command.
pub fn of(command: Command) -> &'static Row {
    // Every command has a row; a test holds the table to it.
    TABLE.iter().find(|r| r.command == command).unwrap_or(&TABLE[0])
}

/// "Open queries (Ctrl+O)".
pub fn tooltip(command: Command) -> String {
    let row = of(command);
    let label = row.label.trim_end_matches('…');
    if row.keys.is_empty() { label.to_owned() } else { format!("{label} ({})", row.keys) }
}

/// Who has the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyboard {
    /// Nobody, or a list that leaves the arrows to the commands.
    Window,
    /// A widget that needs the arrows itself: a slider, a menu.
    Widget,
    /// A text field.
    Text,
}

/// Takes the commands whose keys were pressed in this frame out of the input. While text is typed only keys that cannot write
/// or edit text count, and while no pair is seen (`pair_seen`) only keys that do nothing to one: a page that shows none has them.
pub fn pressed(ctx: &egui::Context, keyboard: Keyboard, pair_seen: bool) -> Vec<Command> {
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        // A sign that is written with Shift counts as held for ever where Shift is let go first: what is let go then is "=",
        // not "+". The next press would pass for a repeat.
        if input.events.iter().any(|event| matches!(event, Event::Key { pressed: false, .. })) {
            input.keys_down.retain(|key| !matches!(key, Key::Plus | Key::Questionmark));
        }
        input.events.retain(|event| {
            let Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
            let found = TABLE.iter().find(|row| row.shortcuts.iter().any(|s| means(s, *key, *modifiers)));
            let Some(row) = found.filter(|row| pair_seen || !row.command.of_pair()) else { return true };
            let mine = match keyboard {
                Keyboard::Window => true,
                Keyboard::Widget => !moves_focus(*key),
                Keyboard::Text => row.leaves_text(*key, *modifiers),
            };
            if mine && (!repeat || row.command.repeats()) {
                commands.push(row.command);
            }
            !mine
        });
    });
    commands
}

/// Exactly these keys: Ctrl+E and Alt+E are not E.
fn means(shortcut: &KeyboardShortcut, key: Key, modifiers: Modifiers) -> bool {
    shortcut.logical_key == key && modifiers.matches_exact(shortcut.modifiers)
}

fn moves_focus(key: Key) -> bool {
    matches!(key, Key::ArrowUp | Key::ArrowDown | Key::ArrowLeft | Key::ArrowRight | Key::Home | Key::End)
}

fn is_function(key: Key) -> bool {
    matches!(key, Key::F1 | Key::F2 | Key::F3 | Key::F4 | Key::F5 | Key::F6 | Key::F11)
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
    fn every_command_has_one_row_and_every_row_says_its_keys() {
        for row in TABLE {
            assert_eq!(of(row.command).label, row.label, "a command has one row");
            assert_eq!(row.keys.is_empty(), row.shortcuts.is_empty(), "{}", row.label);
            for s in row.shortcuts {
                let key = match s.logical_key {
                    Key::ArrowUp => "↑",
                    Key::ArrowDown => "↓",
                    Key::ArrowLeft => "←",
                    Key::ArrowRight => "→",
                    Key::Questionmark => "?",
                    Key::Plus | Key::Equals => "", // "Ctrl++" ends in the sign that parts it
                    Key::PageUp => "Page Up",
                    Key::PageDown => "Page Down",
                    Key::Minus => "−",
                    Key::Num0 => "0",
                    Key::Num1 => "1",
                    Key::Num4 => "4",
                    key => key.name(),
                };
                let said = row.keys.split(" or ").any(|keys| keys.split('+').next_back() == Some(key));
                assert!(said, "{} has the key {key} and does not say so: {}", row.label, row.keys);
                assert_eq!(
                    row.keys.contains("Ctrl"),
                    row.shortcuts.iter().any(|s| s.modifiers.command),
                    "{}",
                    row.label
                );
            }
        }
    }

    #[test]
    fn keys_that_are_typed_or_edit_stay_in_a_text_field() {
        for row in TABLE {
            for s in row.shortcuts.iter().filter(|s| row.leaves_text(s.logical_key, s.modifiers)) {
                assert!(s.modifiers.command || is_function(s.logical_key), "{}", row.label);
                let edits = [Key::A, Key::C, Key::V, Key::X, Key::Y, Key::Z].contains(&s.logical_key);
                assert!(!edits, "{}", row.label);
            }
        }
    }
}
