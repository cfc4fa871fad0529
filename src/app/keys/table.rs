//! The table itself, and what its rows look at.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::{Command, Group, Possible, Row, Situation};
use crate::app::compare::Change;
use crate::app::dock::Pane;
use crate::app::investigate::Intent;
use crate::app::shell::{Page, Sheet, Wish, Zoom};
use crate::app::state::{Action, CaseAction, Move, Refinement};
use crate::app::target::Target;
use crate::app::theme::Choice;
use crate::case::Judgement;
use crate::engine::command::Measure;
use crate::engine::event::JobKind;

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
    row(Group::File, Command::OpenFrame, "Cut people out of a frame…", "Ctrl+F", &[control(Key::F)], |_| Ok(Wish::Ask(Target::Frame))),
    row(Group::File, Command::OpenGallery, "Open gallery…", "Ctrl+G", &[control(Key::G)], |_| Ok(Wish::Ask(Target::Gallery))),
    row(Group::File, Command::OpenModel, "Open model…", "Ctrl+M", &[control(Key::M)], |_| Ok(Wish::Ask(Target::Model))),
    row(Group::File, Command::ResumeRun, "Resume a run…", "", &[], |s| idle(s).map(|()| Wish::Ask(Target::Resume))),
    row(Group::File, Command::Export, "Export report…", "Ctrl+E", &[control(Key::E)], |_| Ok(Wish::Export)),
    row(Group::File, Command::Quit, "Quit", "Ctrl+Q", &[control(Key::Q)], |_| Ok(Wish::Quit)),
    row(Group::Edit, Command::Same, "Same person", "S", &[plain(Key::S)], |s| decide(s, CaseAction::Judge(Judgement::Same))),
    row(Group::Edit, Command::Different, "Different person", "D", &[plain(Key::D)], |s| decide(s, CaseAction::Judge(Judgement::Different))),
    row(Group::Edit, Command::Unsure, "Unsure", "U", &[plain(Key::U)], |s| decide(s, CaseAction::Judge(Judgement::Unsure))),
    row(Group::Edit, Command::Bookmark, "Bookmark", "B", &[plain(Key::B)], |s| decide(s, CaseAction::Bookmark)),
    row(Group::Edit, Command::Undo, "Undo", "Ctrl+Z", &[control(Key::Z)], |s| if s.state.case.open.is_some() || s.state.can_undo() { Ok(Action::UndoRemove.into()) } else { Err("Nothing was done yet") }),
    row(Group::Edit, Command::Redo, "Do it again", "Ctrl+Shift+Z or Ctrl+Y", &[control_shift(Key::Z), control(Key::Y)], |_| Ok(CaseAction::Redo.into())),
    row(Group::Edit, Command::RemoveQuery, "Remove the query", "Delete", &[plain(Key::Delete)], |s| s.state.selected.map(|id| Action::RemoveQuery(id).into()).ok_or(NO_QUERY)),
    row(Group::Edit, Command::Paste, "Paste an image or files", "Ctrl+V", &[control(Key::V)], |_| Ok(Wish::Paste)),
    row(Group::Edit, Command::Confirm, "Search with this match too, or no longer", "M", &[plain(Key::M)], confirm),
    row(Group::Edit, Command::Rerank, "Re-rank, or do not", "", &[], |s| Ok(Action::Refine(Refinement::Rerank(!s.state.refine.rerank)).into())),
    row(Group::Edit, Command::Filters, "Filters…", "", &[], |s| if s.state.gallery.is_some() { Ok(Wish::Investigate(Intent::Filters)) } else { Err("No gallery is open") }),
    row(Group::Edit, Command::ClearFilters, "Clear filters", "", &[], |s| if s.state.narrowed() { Ok(Action::Refine(Refinement::Clear).into()) } else { Err("No filter is set") }),
    row(Group::View, Command::GroundTruth, "Show or hide ground truth", "", &[], |s| Ok(Action::SetGroundTruth(!s.state.settings.ground_truth).into())),
    row(Group::View, Command::Grouped, "Group by identity, or do not", "", &[], |s| Ok(Action::SetGrouped(!s.state.settings.grouped).into())),
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
    row(Group::Compare, Command::Enlarge, "Enlarge the comparison", "E", &[plain(Key::E)], |s| s.state.query().map(|_| Wish::Enlarge).ok_or(NO_QUERY)),
    row(Group::Compare, Command::CompareMode, "Side by side, blink or slider", "V", &[plain(Key::V)], |s| look(s, Change::Mode)),
    row(Group::Compare, Command::Pixels, "Pixels as squares, or smooth", "P", &[plain(Key::P)], |s| look(s, Change::Crisp)),
    row(Group::Compare, Command::Heat, "Regions that drive the similarity", "H", &[plain(Key::H)], |s| look(s, Change::Heat)),
    row(Group::Compare, Command::LensIn, "Zoom the pictures in", "+", &[plain(Key::Plus), plain(Key::Equals), shift(Key::Plus), shift(Key::Equals)], |s| look(s, Change::Zoom(1.25))),
    row(Group::Compare, Command::LensOut, "Zoom the pictures out", "−", &[plain(Key::Minus)], |s| look(s, Change::Zoom(0.8))),
    row(Group::Compare, Command::LensOff, "Show the pictures as they are", "0", &[plain(Key::Num0)], |s| if s.view.compare.is_plain() { Err("They are shown whole and as they are") } else { look(s, Change::Reset) }),
    row(Group::Compare, Command::PanLeft, "Move the view left", "Shift+←", &[shift(Key::ArrowLeft)], |s| pan(s, -0.1, 0.0)),
    row(Group::Compare, Command::PanRight, "Move the view right", "Shift+→", &[shift(Key::ArrowRight)], |s| pan(s, 0.1, 0.0)),
    row(Group::Compare, Command::PanUp, "Move the view up", "Shift+↑", &[shift(Key::ArrowUp)], |s| pan(s, 0.0, -0.1)),
    row(Group::Compare, Command::PanDown, "Move the view down", "Shift+↓", &[shift(Key::ArrowDown)], |s| pan(s, 0.0, 0.1)),
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
    row(Group::Go, Command::PageUp, "A page of candidates back", "Page Up", &[plain(Key::PageUp)], |s| candidates(s).map(|()| Wish::Investigate(Intent::Page(-1)))),
    row(Group::Go, Command::PageDown, "A page of candidates on", "Page Down", &[plain(Key::PageDown)], |s| candidates(s).map(|()| Wish::Investigate(Intent::Page(1)))),
    row(Group::Go, Command::Overview, "Best candidates of all queries", "Ctrl+B", &[control(Key::B)], |_| Ok(Wish::Toggle(Sheet::Overview))),
    row(Group::Go, Command::SearchAll, "Search all queries", "", &[], search_all),
    row(Group::Go, Command::Sweep, "Rank with less detail", "", &[], sweep),
    row(Group::Go, Command::MakeMap, "Make a map", "", &[], make_map),
    row(Group::Go, Command::StopRun, "Stop the training run", "", &[], |s| s.state.run.job.filter(|_| s.state.run.phase.active()).map(|job| Action::Cancel(job).into()).ok_or("No run is training")),
    row(Group::Help, Command::Find, "Find a command…", "Ctrl+K", &[control(Key::K)], |_| Ok(Wish::Toggle(Sheet::Finder))),
    row(Group::Help, Command::Keys, "Keys", "F1 or ?", &[plain(Key::F1), plain(Key::Questionmark), shift(Key::Questionmark)], |_| Ok(Wish::Toggle(Sheet::Keys))),
    row(Group::Help, Command::Notices, "Errors and notes", "", &[], |_| Ok(Wish::Toggle(Sheet::Notices))),
    row(Group::Help, Command::About, "About Rain", "", &[], |_| Ok(Wish::Toggle(Sheet::About))),
];

const NO_QUERY: &str = "No query is selected";
const NO_QUERIES: &str = "There is no query yet";
const NO_CANDIDATE: &str = "There is no candidate yet";

fn idle(s: Situation<'_>) -> Result<(), &'static str> {
    if s.state.run.phase.active() { Err("A run is training; stop it first") } else { Ok(()) }
}

/// Whether the pair is seen that something is to be done to.
fn pair(s: Situation<'_>) -> Result<(), &'static str> {
    if s.view.page == Page::Investigate { Ok(()) } else { Err("The pair is on the page Investigate: Ctrl+1") }
}

/// A word about the pair, for the case. Without a case it is said that none is open, and how to make one.
fn decide(s: Situation<'_>, action: CaseAction) -> Possible {
    pair(s).map(|()| action.into())
}

fn confirm(s: Situation<'_>) -> Possible {
    pair(s)?;
    s.state.chosen().map(|_| Wish::Investigate(Intent::Confirm)).ok_or(NO_CANDIDATE)
}

fn to_query(s: Situation<'_>, step: Move) -> Possible {
    if s.state.queries.is_empty() { Err(NO_QUERIES) } else { Ok(Action::MoveQuery(step).into()) }
}

fn candidates(s: Situation<'_>) -> Result<(), &'static str> {
    if s.state.candidates().is_empty() { Err(NO_CANDIDATE) } else { Ok(()) }
}

fn to_candidate(s: Situation<'_>, step: Move) -> Possible {
    candidates(s).map(|()| Action::MoveCandidate(step).into())
}

fn search_all(s: Situation<'_>) -> Possible {
    match (&s.state.gallery, s.state.queries.is_empty()) {
        (_, true) => Err(NO_QUERIES),
        (None, _) => Err("No gallery is open"),
        _ if s.state.running(JobKind::Search) => Err("They are being searched"),
        _ => Ok(Action::SearchAll.into()),
    }
}

fn sweep(s: Situation<'_>) -> Possible {
    match s.state.query().map(|query| query.result.is_some()) {
        None => Err(NO_QUERY),
        Some(false) => Err(NO_CANDIDATE),
        Some(true) => Ok(Action::Sweep.into()),
    }
}

fn make_map(s: Situation<'_>) -> Possible {
    if s.state.map.busy() {
        return Err("A map is being made");
    }
    s.view.map.wanted(s.state).map(Wish::from)
}

/// Another look at the pair.
fn look(s: Situation<'_>, change: Change) -> Possible {
    pair(s)?;
    s.state.query().map(|_| Wish::Investigate(Intent::Compare(change))).ok_or(NO_QUERY)
}

fn pan(s: Situation<'_>, x: f32, y: f32) -> Possible {
    if s.view.compare.lens.zoom > 1.0 { look(s, Change::Pan(x, y)) } else { Err("Zoom the pictures in first: +") }
}
