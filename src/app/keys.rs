//! The one table of commands: menus, keys, tooltips, the sheet of keys and the finder (Ctrl+K) all read it.
//!
//! A new command is a variant of [`Command`] and a row of [`TABLE`]. The row says where it stands, which keys it has, and
//! what it does now, or why it cannot.

use egui::{Event, Key, KeyboardShortcut, Modifiers};

use super::dock::Pane;
use super::shell::{Page, Sheet, View, Wish, Zoom};
use super::state::{Action, CaseAction, Move, ViewState};
use super::target::Target;
use super::theme::Choice;
use crate::case::Judgement;
use crate::engine::command::Measure;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Ask for crops.
    OpenQueries,
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
    /// How things are shown.
    View,
    /// What is looked at.
    Go,
    /// What helps.
    Help,
}

impl Group {
    /// All, in the order of the menu bar.
    pub const ALL: [Self; 5] = [Self::File, Self::Edit, Self::View, Self::Go, Self::Help];

    /// The menu's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Edit => "Edit",
            Self::View => "View",
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

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn control(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn control_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers { shift: true, ..Modifiers::COMMAND }, key)
}

const fn row(
    group: Group,
    command: Command,
    label: &'static str,
    keys: &'static str,
    shortcuts: &'static [KeyboardShortcut],
    wish: fn(Situation<'_>) -> Possible,
) -> Row {
    Row { command, group, label, keys, shortcuts, wish }
}

/// Every command, in the order of menus and sheet.
#[rustfmt::skip] // a table reads best with a row a line
pub const TABLE: &[Row] = &[
    row(Group::File, Command::NewCase, "New case…", "Ctrl+N", &[control(Key::N)], |_| Ok(Wish::Ask(Target::NewCase))),
    row(Group::File, Command::OpenCase, "Open case…", "Ctrl+Shift+O", &[control_shift(Key::O)], |_| Ok(Wish::Ask(Target::OpenCase))),
    row(Group::File, Command::OpenQueries, "Open queries…", "Ctrl+O", &[control(Key::O)], |_| Ok(Wish::Ask(Target::Queries))),
    row(Group::File, Command::OpenGallery, "Open gallery…", "Ctrl+G", &[control(Key::G)], |_| Ok(Wish::Ask(Target::Gallery))),
    row(Group::File, Command::OpenModel, "Open model…", "Ctrl+M", &[control(Key::M)], |_| Ok(Wish::Ask(Target::Model))),
    row(Group::File, Command::ResumeRun, "Resume a run…", "", &[], |s| idle(s).map(|()| Wish::Ask(Target::Resume))),
    row(Group::File, Command::Export, "Export report…", "Ctrl+E", &[control(Key::E)], |_| Ok(Wish::Export)),
    row(Group::File, Command::Quit, "Quit", "Ctrl+Q", &[control(Key::Q)], |_| Ok(Wish::Quit)),
    row(Group::Edit, Command::Same, "Same person", "S", &[plain(Key::S)], |s| in_case(s, CaseAction::Judge(Judgement::Same))),
    row(Group::Edit, Command::Different, "Different person", "D", &[plain(Key::D)], |s| in_case(s, CaseAction::Judge(Judgement::Different))),
    row(Group::Edit, Command::Unsure, "Unsure", "U", &[plain(Key::U)], |s| in_case(s, CaseAction::Judge(Judgement::Unsure))),
    row(Group::Edit, Command::Bookmark, "Bookmark", "B", &[plain(Key::B)], |s| in_case(s, CaseAction::Bookmark)),
    row(Group::Edit, Command::Undo, "Undo", "Ctrl+Z", &[control(Key::Z)], |s| if s.state.case.open.is_some() || s.state.can_undo() { Ok(Action::UndoRemove.into()) } else { Err("Nothing was done yet") }),
    row(Group::Edit, Command::Redo, "Do it again", "Ctrl+Shift+Z or Ctrl+Y", &[control_shift(Key::Z), control(Key::Y)], |s| in_case(s, CaseAction::Redo)),
    row(Group::Edit, Command::RemoveQuery, "Remove the query", "Delete", &[plain(Key::Delete)], |s| s.state.selected.map(|id| Action::RemoveQuery(id).into()).ok_or(NO_QUERY)),
    row(Group::View, Command::Enlarge, "Enlarge the comparison", "E", &[plain(Key::E)], |s| s.state.query().map(|_| Wish::Enlarge).ok_or(NO_QUERY)),
    row(Group::View, Command::GroundTruth, "Show or hide ground truth", "", &[], |s| Ok(Action::SetGroundTruth(!s.state.settings.ground_truth).into())),
    row(Group::View, Command::Cosine, "Compare by cosine distance", "", &[], |_| Ok(Action::SetMeasure(Measure::Cosine).into())),
    row(Group::View, Command::Euclidean, "Compare by Euclidean distance", "", &[], |_| Ok(Action::SetMeasure(Measure::Euclidean).into())),
    row(Group::View, Command::Theme(Choice::System), "Theme as the system", "", &[], |_| Ok(Wish::Theme(Choice::System))),
    row(Group::View, Command::Theme(Choice::Dark), "Dark theme", "", &[], |_| Ok(Wish::Theme(Choice::Dark))),
    row(Group::View, Command::Theme(Choice::Light), "Light theme", "", &[], |_| Ok(Wish::Theme(Choice::Light))),
    row(Group::View, Command::Theme(Choice::HighContrast), "High-contrast theme", "", &[], |_| Ok(Wish::Theme(Choice::HighContrast))),
    row(Group::View, Command::NextTheme, "Next theme", "Ctrl+L", &[control(Key::L)], |_| Ok(Wish::NextTheme)),
    row(Group::View, Command::ZoomIn, "Zoom in", "Ctrl++", &[control(Key::Plus), control(Key::Equals), control_shift(Key::Plus), control_shift(Key::Equals)], |_| Ok(Wish::Zoom(Zoom::In))),
    row(Group::View, Command::ZoomOut, "Zoom out", "Ctrl+−", &[control(Key::Minus)], |_| Ok(Wish::Zoom(Zoom::Out))),
    row(Group::View, Command::ZoomOff, "Original size", "Ctrl+0", &[control(Key::Num0)], |s| if s.view.look.zoom == 1.0 { Err("It has its original size") } else { Ok(Wish::Zoom(Zoom::Off)) }),
    row(Group::View, Command::EnlargePane, "Enlarge the pane, or show all", "F11", &[plain(Key::F11)], |_| Ok(Wish::EnlargePane(None))),
    row(Group::View, Command::ResetLayout, "Reset layout", "", &[], |_| Ok(Wish::ResetLayout)),
    row(Group::Go, Command::Investigate, "Investigate", "Ctrl+1", &[control(Key::Num1)], |_| Ok(Wish::Show(Page::Investigate))),
    row(Group::Go, Command::Gallery, "Gallery", "Ctrl+2", &[control(Key::Num2)], |_| Ok(Wish::Show(Page::Gallery))),
    row(Group::Go, Command::Map, "Map", "Ctrl+3", &[control(Key::Num3)], |_| Ok(Wish::Show(Page::Map))),
    row(Group::Go, Command::Train, "Train", "Ctrl+4 or Ctrl+T", &[control(Key::Num4), control(Key::T)], |_| Ok(Wish::Show(Page::Train))),
    row(Group::Go, Command::NextPane, "Next pane", "F6", &[plain(Key::F6)], |_| Ok(Wish::NextPane(true))),
    row(Group::Go, Command::PreviousPane, "Previous pane", "Shift+F6", &[shift(Key::F6)], |_| Ok(Wish::NextPane(false))),
    row(Group::Go, Command::Pane(Pane::Queries), "Queries pane", "", &[], |_| Ok(Wish::Pane(Pane::Queries))),
    row(Group::Go, Command::Pane(Pane::Matches), "Matches pane", "", &[], |_| Ok(Wish::Pane(Pane::Matches))),
    row(Group::Go, Command::Pane(Pane::Compare), "Compare pane", "", &[], |_| Ok(Wish::Pane(Pane::Compare))),
    row(Group::Go, Command::Pane(Pane::Certainty), "How sure is this?", "", &[], |_| Ok(Wish::Pane(Pane::Certainty))),
    row(Group::Go, Command::Pane(Pane::Training), "Training pane", "", &[], |_| Ok(Wish::Pane(Pane::Training))),
    row(Group::Go, Command::Pane(Pane::Jobs), "Jobs pane", "Ctrl+J", &[control(Key::J)], |_| Ok(Wish::Pane(Pane::Jobs))),
    row(Group::Go, Command::Pane(Pane::History), "History of the case", "Ctrl+H", &[control(Key::H)], |_| Ok(Wish::History)),
    row(Group::Go, Command::PreviousQuery, "Previous query", "↑", &[plain(Key::ArrowUp)], |s| to_query(s, Move::Previous)),
    row(Group::Go, Command::NextQuery, "Next query", "↓", &[plain(Key::ArrowDown)], |s| to_query(s, Move::Next)),
    row(Group::Go, Command::PreviousCandidate, "Previous candidate", "←", &[plain(Key::ArrowLeft)], |s| to_candidate(s, Move::Previous)),
    row(Group::Go, Command::NextCandidate, "Next candidate", "→", &[plain(Key::ArrowRight)], |s| to_candidate(s, Move::Next)),
    row(Group::Go, Command::FirstCandidate, "First candidate", "Home", &[plain(Key::Home)], |s| to_candidate(s, Move::First)),
    row(Group::Go, Command::LastCandidate, "Last candidate", "End", &[plain(Key::End)], |s| to_candidate(s, Move::Last)),
    row(Group::Go, Command::StopRun, "Stop the training run", "", &[], |s| s.state.run.job.filter(|_| s.state.run.phase.active()).map(|job| Action::Cancel(job).into()).ok_or("No run is training")),
    row(Group::Help, Command::Find, "Find a command…", "Ctrl+K", &[control(Key::K)], |_| Ok(Wish::Toggle(Sheet::Finder))),
    row(Group::Help, Command::Keys, "Keys", "F1 or ?", &[plain(Key::F1), plain(Key::Questionmark), shift(Key::Questionmark)], |_| Ok(Wish::Toggle(Sheet::Keys))),
    row(Group::Help, Command::Notices, "Errors and notes", "", &[], |_| Ok(Wish::Toggle(Sheet::Notices))),
    row(Group::Help, Command::About, "About Rain", "", &[], |_| Ok(Wish::Toggle(Sheet::About))),
];

const NO_QUERY: &str = "No query is selected";

/// Keys that egui itself handles, for the sheet.
pub const BUILT_IN: &[(&str, &str)] =
    &[("Tab", "Next button or field"), ("Space or Enter", "Press it"), ("Esc", "Close a sheet, leave a field")];

fn idle(s: Situation<'_>) -> Result<(), &'static str> {
    if s.state.run.phase.active() { Err("A run is training; stop it first") } else { Ok(()) }
}

fn in_case(_: Situation<'_>, action: CaseAction) -> Possible {
    Ok(action.into())
}

fn to_query(s: Situation<'_>, step: Move) -> Possible {
    if s.state.queries.is_empty() { Err("There is no query yet") } else { Ok(Action::MoveQuery(step).into()) }
}

fn to_candidate(s: Situation<'_>, step: Move) -> Possible {
    if s.state.candidates().is_empty() {
        Err("There is no candidate yet")
    } else {
        Ok(Action::MoveCandidate(step).into())
    }
}

impl Command {
    /// Whether it moves along queries or candidates: what is moved to is brought into view, and a key held down repeats it.
    pub fn moves(self) -> bool {
        use Command::{FirstCandidate, LastCandidate, NextCandidate, NextQuery, PreviousCandidate, PreviousQuery};
        matches!(self, FirstCandidate | LastCandidate | NextCandidate | NextQuery | PreviousCandidate | PreviousQuery)
    }

    /// Whether it says something about the candidate: such keys mean the same wherever a candidate is seen.
    pub fn decides(self) -> bool {
        use Command::{Bookmark, Different, Redo, Same, Undo, Unsure};
        matches!(self, Same | Different | Unsure | Bookmark | Undo | Redo)
    }

    /// Whether its keys work while the enlarged comparison lies over the window.
    pub fn over_comparison(self) -> bool {
        self.moves() || self.decides() || self == Self::Enlarge
    }
}

impl Row {
    /// Whether a key of it means the command also while text is typed: keys that neither write nor edit.
    fn leaves_text(&self, key: Key) -> bool {
        let digit = matches!(key, Key::Num0 | Key::Num1 | Key::Num2 | Key::Num3 | Key::Num4 | Key::Num5);
        let zoom = matches!(self.command, Command::ZoomIn | Command::ZoomOut);
        digit || zoom || self.command == Command::Find || is_function(key)
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
/// or edit text count.
pub fn pressed(ctx: &egui::Context, keyboard: Keyboard) -> Vec<Command> {
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        input.events.retain(|event| {
            let Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
            let found = TABLE.iter().find(|row| row.shortcuts.iter().any(|s| means(s, *key, *modifiers)));
            let Some(row) = found else { return true };
            let mine = match keyboard {
                Keyboard::Window => true,
                Keyboard::Widget => !moves_focus(*key),
                Keyboard::Text => row.leaves_text(*key) && (modifiers.command || is_function(*key)),
            };
            if mine && (!repeat || row.command.moves()) {
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
            for s in row.shortcuts.iter().filter(|s| row.leaves_text(s.logical_key)) {
                assert!(s.modifiers.command || is_function(s.logical_key), "{}", row.label);
                let edits = [Key::A, Key::C, Key::V, Key::X, Key::Y, Key::Z].contains(&s.logical_key);
                assert!(!edits, "{}", row.label);
            }
        }
    }
}
