//! Verdicts, bookmark, tags and note on the candidate being looked at, and their marks on cards.

use std::path::{Path, PathBuf};

use egui::{Align2, Button, Color32, Key, Rect, Role, Stroke, TextEdit, Ui, WidgetInfo, pos2, vec2};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_BOOKMARK, ICON_CHECK, ICON_CLOSE, ICON_FACT_CHECK, ICON_QUESTION_MARK, ICON_UNDO,
};

use super::export::ExportSheet;
use super::keys;
use super::shell::Cx;
use super::state::{CaseAction, ViewState};
use super::theme::{Palette, SMALL, icon, icon_font, medium, palette, small, tint};
use super::welcome;
use super::widgets::{header, icon_button, text_button};
use crate::case::{Judgement, readable_time};
use crate::engine::command::QueryId;

/// What the case's panels keep for the window alone.
#[derive(Default)]
pub struct CasePanels {
    /// The first screen was left without opening anything.
    pub past_welcome: bool,
    /// The name being typed into the reviewer's sheet, while it is open.
    pub reviewer: Option<String>,
    /// The export sheet, while it is open.
    pub export: Option<ExportSheet>,
    tag: String,
    /// The note being written: on what, and its text.
    note: Option<(QueryId, PathBuf, String)>,
}

impl CasePanels {
    /// Whether a sheet lies over the window, which has the keys then.
    pub fn sheet_open(&self) -> bool {
        self.reviewer.is_some() || self.export.is_some()
    }
}

/// The sheets that may lie over the window.
pub fn sheets(ui: &mut Ui, cx: &mut Cx<'_>) {
    welcome::reviewer_sheet(ui, cx);
    super::export::sheet(ui, cx);
}

/// Icon and colour of a verdict.
pub fn look(judgement: Judgement, p: &Palette) -> (MaterialIcon, Color32) {
    match judgement {
        Judgement::Same => (ICON_CHECK, p.same),
        Judgement::Different => (ICON_CLOSE, p.other),
        Judgement::Unsure => (ICON_QUESTION_MARK, p.weak),
    }
}

/// What was said about a card, for its accessible name: ", judged same person, bookmarked".
pub fn spoken(state: &ViewState, query: QueryId, image: &Path) -> String {
    let mut text = String::new();
    if let Some(verdict) = state.case.verdict(query, image) {
        text.push_str(&format!(", judged {}", verdict.judgement.words()));
    }
    if state.case.bookmarked(query, image) {
        text.push_str(", bookmarked");
    }
    text
}

/// Draws what was said about a card onto its picture: the verdict below at the right, the bookmark below at the left.
pub fn mark(ui: &Ui, state: &ViewState, query: QueryId, image: &Path, picture: Rect) {
    let p = palette(ui.visuals());
    if let Some(verdict) = state.case.verdict(query, image) {
        let (sign, colour) = look(verdict.judgement, p);
        let badge = Rect::from_min_size(pos2(picture.right() - 27.0, picture.bottom() - 27.0), vec2(24.0, 24.0));
        ui.painter().circle_filled(badge.center(), 12.0, colour);
        ui.painter().circle_stroke(badge.center(), 12.0, Stroke::new(1.5, p.pane));
        ui.painter().text(badge.center(), Align2::CENTER_CENTER, sign.codepoint, icon_font(18.0), p.pane);
    }
    if state.case.bookmarked(query, image) {
        let at = pos2(picture.left() + 14.0, picture.bottom() - 15.0);
        ui.painter().circle_filled(at, 11.0, p.pane);
        ui.painter().text(at, Align2::CENTER_CENTER, ICON_BOOKMARK.codepoint, icon_font(16.0), p.accent);
    }
}

/// Draws the pane's part: buttons, what was said, tags, note.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some((_, entry)) = cx.state.chosen() else { return };
    let (Some(query), image) = (cx.state.selected, entry.path.clone()) else { return };
    let p = palette(ui.visuals());
    header(ui, ICON_FACT_CHECK, "Verdict", |ui| {
        let marked = cx.state.case.bookmarked(query, &image);
        let name = keys::tooltip(keys::Command::Bookmark);
        let colour = if marked { p.accent } else { p.text };
        let button =
            ui.add(Button::new(icon(ICON_BOOKMARK, 16.0).color(colour)).selected(marked).min_size(vec2(28.0, 26.0)));
        button.widget_info(|| WidgetInfo::selected(Role::Button, true, marked, &name));
        if button.on_hover_text(&name).clicked() {
            cx.wishes.push(CaseAction::Bookmark.into());
        }
    });
    buttons(ui, cx, query, &image);
    if !cx.state.case.is_open() {
        welcome::no_case(ui, cx);
        return;
    }
    said(ui, cx, query, &image);
    tags(ui, cx, query, &image);
    note(ui, cx, query, &image);
}

/// The three verdicts, the reviewer's own word marked.
pub fn buttons(ui: &mut Ui, cx: &mut Cx<'_>, query: QueryId, image: &Path) {
    let p = palette(ui.visuals());
    let own = cx.state.case.word(&cx.state.who(), query, image);
    ui.horizontal_wrapped(|ui| {
        for (judgement, text, command) in [
            (Judgement::Same, "Same", keys::Command::Same),
            (Judgement::Different, "Different", keys::Command::Different),
            (Judgement::Unsure, "Unsure", keys::Command::Unsure),
        ] {
            let on = own == Some(judgement);
            let (sign, colour) = look(judgement, p);
            let (fill, ink) = if on { (tint(p.pane, colour, 0.22), colour) } else { (p.raised, p.text) };
            let stroke = Stroke::new(1.0, if on { colour } else { p.line });
            let label = (icon(sign, 16.0).color(if on { ink } else { colour }), medium(text, 13.0).color(ink));
            let name = keys::tooltip(command);
            let button = ui.add(Button::new(label).fill(fill).stroke(stroke));
            button.widget_info(|| WidgetInfo::selected(Role::Button, true, on, &name));
            let hint = if on { format!("{name}. Press again to take it back") } else { name };
            if button.on_hover_text(hint).clicked() {
                cx.wishes.push(if on { CaseAction::Unjudge } else { CaseAction::Judge(judgement) }.into());
            }
        }
    });
}

/// Who said what.
fn said(ui: &mut Ui, cx: &Cx<'_>, query: QueryId, image: &Path) {
    let p = palette(ui.visuals());
    let case = &cx.state.case;
    let Some((state, subject)) = case.state().zip(case.subject(query, image)) else { return };
    let Some(verdict) = state.verdicts.get(&subject) else { return };
    let line = |ui: &mut Ui, judgement: Judgement, text: String| {
        let (sign, colour) = look(judgement, p);
        ui.horizontal_wrapped(|ui| {
            ui.label(icon(sign, 14.0).color(colour));
            ui.label(small(text).color(p.text));
        });
    };
    let text = format!("{} says {}, {}", verdict.by, verdict.judgement.words(), readable_time(&verdict.at));
    line(ui, verdict.judgement, text);
    for (by, review) in state.reviews_of(&subject) {
        let text = format!("{by} {}: {}, {}", review.words(), review.judgement.words(), readable_time(&review.at));
        line(ui, review.judgement, text);
    }
    if verdict.by != cx.state.who() {
        let text = format!("Your verdict is kept beside {}'s, as a review of it", verdict.by);
        ui.label(small(text).color(p.weak));
    }
}

fn tags(ui: &mut Ui, cx: &mut Cx<'_>, query: QueryId, image: &Path) {
    let p = palette(ui.visuals());
    let case = &cx.state.case;
    let Some((state, subject)) = case.state().zip(case.subject(query, image)) else { return };
    let tags: Vec<String> = state.tags_of(&subject).map(str::to_owned).collect();
    ui.horizontal_wrapped(|ui| {
        for tag in &tags {
            let name = format!("Remove tag {tag}");
            let label = (medium(tag, SMALL).color(p.text), icon(ICON_CLOSE, 14.0).color(p.weak));
            let chip = ui.add(Button::new(label).corner_radius(12.0).truncate());
            chip.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
            if chip.on_hover_text(name).clicked() {
                cx.wishes.push(CaseAction::Tag(tag.clone(), false).into());
            }
        }
        let field =
            TextEdit::singleline(&mut cx.view.case.tag).id_salt("tag").hint_text("Add a tag").desired_width(110.0);
        let field = ui.add(field.margin(egui::Margin::symmetric(8, 3)));
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Add a tag"));
        if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) && !cx.view.case.tag.trim().is_empty() {
            cx.wishes.push(CaseAction::Tag(std::mem::take(&mut cx.view.case.tag), true).into());
        }
    });
}

fn note(ui: &mut Ui, cx: &mut Cx<'_>, query: QueryId, image: &Path) {
    let p = palette(ui.visuals());
    let case = &cx.state.case;
    let stored = case
        .state()
        .zip(case.subject(query, image))
        .and_then(|(state, subject)| state.notes.get(&subject))
        .map(|note| note.text.clone())
        .unwrap_or_default();
    // A note that was begun on another candidate is written there before this one's is shown.
    if let Some((of, on, text)) = cx.view.case.note.take_if(|(of, on, _)| *of != query || on != image) {
        cx.wishes.push(CaseAction::Note(of, on, text).into());
    }
    let writing = cx.view.case.note.is_some();
    let (_, _, text) = cx.view.case.note.get_or_insert_with(|| (query, image.to_path_buf(), stored.clone()));
    let rows = if text.is_empty() && !writing { 1 } else { 2 };
    let field =
        TextEdit::multiline(text).id_salt("note").hint_text("Note").desired_width(f32::INFINITY).desired_rows(rows);
    let field = ui.add(field.margin(egui::Margin::symmetric(8, 4)));
    field.widget_info(|| WidgetInfo::labeled(Role::MultilineTextInput, true, "Note"));
    let changed = text.trim() != stored;
    let typed = text.clone();
    if field.lost_focus() && changed {
        cx.wishes.push(CaseAction::Note(query, image.to_path_buf(), typed).into());
    } else if !field.has_focus() && !field.lost_focus() {
        // What is in the case is shown; it may have changed by undoing.
        cx.view.case.note = None;
    } else if changed {
        ui.horizontal(|ui| {
            ui.label(small("Kept when you leave the field").color(p.weak));
            if text_button(ui, "Keep").clicked() {
                cx.wishes.push(CaseAction::Note(query, image.to_path_buf(), typed).into());
            }
            if icon_button(ui, ICON_UNDO, "Take the note's changes back").clicked() {
                cx.view.case.note = None;
            }
        });
    }
}
