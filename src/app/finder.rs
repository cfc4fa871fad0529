//! The finder: every command by its name, with its keys, and why it cannot be done where it cannot.

use egui::text::{LayoutJob, TextFormat};
use egui::{Align2, FontId, Id, Key, Modal, Modifiers, Role, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, pos2, vec2};

use super::fuzzy;
use super::keys::{self, Possible, Row, Situation};
use super::shell::Wish;
use super::theme::{BODY, SMALL, medium_font, palette, small, tint};
use super::widgets::sheet;

/// Height of a row in points.
const ROW: f32 = 30.0;

/// What was typed, and the row that Enter runs.
#[derive(Debug, Default)]
pub struct Finder {
    typed: String,
    at: usize,
    open: bool,
}

/// How the finder was left.
pub enum Answer {
    /// With a command.
    Run(Wish),
    /// Without.
    Nothing,
}

struct Found {
    row: &'static Row,
    places: Vec<usize>,
    possible: Possible,
}

impl Finder {
    /// Draws the finder; `Some` when it is to be closed.
    pub fn show(&mut self, ctx: &egui::Context, situation: Situation<'_>) -> Option<Answer> {
        let first = !std::mem::replace(&mut self.open, true);
        let found = self.found(situation);
        let mut answer = None;
        let modal = Modal::new(Id::unique("finder")).frame(sheet(ctx)).show(ctx, |ui| {
            let room = ctx.content_rect().size();
            ui.set_width(520.0_f32.min(room.x - 60.0));
            let moved = self.keys(ui, found.len());
            let enter = ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
            let hint = "Type some letters of a command";
            let field = TextEdit::singleline(&mut self.typed)
                .id_salt("find a command")
                .hint_text(hint)
                .desired_width(f32::INFINITY);
            let field = ui.add(field.margin(egui::Margin::symmetric(10, 6)));
            field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Find a command"));
            if first {
                field.request_focus();
            }
            if field.changed() {
                self.at = 0;
            }
            ui.add_space(4.0);
            if found.is_empty() {
                ui.label(small("No command has these letters").color(palette(ui.visuals()).weak));
            }
            let height = (room.y - 160.0).clamp(90.0, 420.0);
            // As high as it may be: else it stays as low as it was when little was found.
            ScrollArea::vertical().max_height(height).min_scrolled_height(height).id_salt("commands").show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                for (i, found) in found.iter().enumerate() {
                    let chosen = i == self.at;
                    if line(ui, found, chosen, moved && chosen) || (enter && chosen) {
                        match &found.possible {
                            Ok(wish) => answer = Some(Answer::Run(wish.clone())),
                            Err(_) => self.at = i,
                        }
                    }
                }
            });
        });
        if modal.should_close() && answer.is_none() {
            answer = Some(Answer::Nothing);
        }
        if answer.is_some() {
            *self = Self::default();
        }
        answer
    }

    /// Up and down; true where they moved.
    fn keys(&mut self, ui: &Ui, len: usize) -> bool {
        let (up, down) = ui.input_mut(|i| {
            (i.consume_key(Modifiers::NONE, Key::ArrowUp), i.consume_key(Modifiers::NONE, Key::ArrowDown))
        });
        if len > 0 {
            self.at = match (up, down) {
                (true, _) => (self.at + len - 1) % len,
                (_, true) => (self.at + 1) % len,
                _ => self.at.min(len - 1),
            };
        }
        up || down
    }

    /// What fits, best first; with nothing typed, everything in the order of the table.
    fn found(&self, situation: Situation<'_>) -> Vec<Found> {
        let rows = keys::TABLE.iter().filter(|row| row.command != keys::Command::Find);
        let mut found: Vec<(i32, Found)> = rows
            .filter_map(|row| {
                let (points, places) = fuzzy::find(row.label, &self.typed)?;
                Some((points, Found { row, places, possible: (row.wish)(situation) }))
            })
            .collect();
        if !self.typed.trim().is_empty() {
            found.sort_by_key(|(points, _)| std::cmp::Reverse(*points));
        }
        found.into_iter().map(|(_, found)| found).collect()
    }
}

/// One command; true when it was clicked.
fn line(ui: &mut Ui, found: &Found, chosen: bool, reveal: bool) -> bool {
    let p = palette(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let reason = found.possible.as_ref().err().copied();
    let name = match (found.row.keys, reason) {
        (_, Some(reason)) => format!("{}: {reason}", found.row.label),
        ("", None) => found.row.label.to_owned(),
        (keys, None) => format!("{}, {keys}", found.row.label),
    };
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, reason.is_none(), chosen, &name));
    if reveal {
        ui.scroll_to_rect(rect, None);
    }
    if ui.is_rect_visible(rect) {
        if chosen || response.hovered() {
            let fill = if chosen { tint(p.pane, p.accent, 0.14) } else { p.raised };
            ui.painter().rect_filled(rect, 6.0, fill);
        }
        let usual = if reason.is_some() { p.weak } else { p.text };
        let mut job = LayoutJob::default();
        for (i, letter) in found.row.label.chars().enumerate() {
            let hit = found.places.contains(&i);
            let (font, colour) = if hit { (medium_font(BODY), p.accent) } else { (FontId::proportional(BODY), usual) };
            job.append(letter.encode_utf8(&mut [0; 4]), 0.0, TextFormat::simple(font, colour));
        }
        let label = ui.painter().layout_job(job);
        ui.painter().galley(pos2(rect.left() + 10.0, rect.center().y - label.size().y / 2.0), label, usual);
        let right = reason.unwrap_or(found.row.keys);
        let at = pos2(rect.right() - 10.0, rect.center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, right, FontId::proportional(SMALL), p.weak);
    }
    response.clicked()
}
