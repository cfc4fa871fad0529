//! The sheet of keys and the sheet about the program.

use egui::{Context, Grid, Id, Modal, ScrollArea, Ui, vec2};
use egui_material_icons::icons::{ICON_CLOSE, ICON_CONTENT_COPY, ICON_INFO, ICON_KEYBOARD};

use super::keys::{self, Command, Group};
use super::shell::Cx;
use super::theme::{BODY, medium, palette, semibold, small};
use super::widgets::{header, icon_button, plain_button, sheet, text_button};

/// Width of a column of the sheet of keys.
const COLUMN: f32 = 420.0;

/// The sheet of keys; true when it is to be closed.
pub fn keys(ctx: &Context) -> bool {
    let modal = Modal::new(Id::unique("keys")).frame(sheet(ctx)).show(ctx, |ui| {
        let room = ctx.content_rect().size();
        let columns = (((room.x - 120.0) / COLUMN) as usize).clamp(1, 3);
        ui.set_width((COLUMN * columns as f32 + 24.0).min(room.x - 60.0));
        header(ui, ICON_KEYBOARD, "Keys", |ui| {
            if icon_button(ui, ICON_CLOSE, "Close keys").clicked() {
                ui.close();
            }
        });
        let height = (room.y - 160.0).max(120.0);
        ScrollArea::vertical().max_height(height).min_scrolled_height(height).show(ui, |ui| {
            ui.columns(columns, |slots| {
                // Lists stand in their order; a column is full when it has its share of all rows.
                let all: usize = Group::ALL.into_iter().map(|group| rows(group).count()).sum();
                let mut before = 0;
                for (i, group) in Group::ALL.into_iter().enumerate() {
                    let middle = before + rows(group).count() / 2;
                    list(&mut slots[(middle * columns / all.max(1)).min(columns - 1)], i, group.title(), rows(group));
                    before += rows(group).count();
                }
                // What is left stands where there is most room.
                let lowest = |a: &usize, b: &usize| slots[*a].cursor().top().total_cmp(&slots[*b].cursor().top());
                let free = (0..columns).min_by(lowest).unwrap_or(0);
                list(&mut slots[free], Group::ALL.len(), "Everywhere", keys::BUILT_IN.iter().copied());
            });
            let find = keys::of(Command::Find).keys;
            let p = palette(ui.visuals());
            ui.label(small(format!("{find} finds every command by its name, also those without a key")).color(p.weak));
        });
        ui.add_space(4.0);
        if text_button(ui, "Close").clicked() {
            ui.close();
        }
    });
    modal.should_close()
}

fn rows(group: Group) -> impl Iterator<Item = (&'static str, &'static str)> {
    let with_keys = keys::TABLE.iter().filter(move |row| row.group == group && !row.keys.is_empty());
    with_keys.map(|row| (row.keys, row.label.trim_end_matches('…')))
}

fn list(ui: &mut Ui, number: usize, title: &str, rows: impl Iterator<Item = (&'static str, &'static str)>) {
    let p = palette(ui.visuals());
    ui.label(semibold(title, BODY).color(p.strong));
    Grid::new(("keys", number)).num_columns(2).spacing(vec2(20.0, 5.0)).min_col_width(156.0).show(ui, |ui| {
        for (keys, label) in rows {
            ui.label(medium(keys, BODY).color(p.accent));
            ui.label(label);
            ui.end_row();
        }
    });
    ui.add_space(8.0);
}

/// What this program is, on what it runs; true when the sheet is to be closed.
pub fn about(ctx: &Context, cx: &Cx<'_>) -> bool {
    let device = cx.state.device.as_deref().unwrap_or("not started");
    let model =
        cx.state.model.as_ref().map_or_else(|| "none".to_owned(), |m| format!("{} ({})", m.path.display(), m.hash));
    let facts = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Computes on", device.to_owned()),
        ("Model", model),
        ("System", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
    ];
    let modal = Modal::new(Id::unique("about")).frame(sheet(ctx)).show(ctx, |ui| {
        let p = palette(ui.visuals());
        ui.set_width(460.0_f32.min(ctx.content_rect().width() - 60.0));
        header(ui, ICON_INFO, "About Rain", |ui| {
            if icon_button(ui, ICON_CLOSE, "Close about").clicked() {
                ui.close();
            }
        });
        ui.label("Rain finds the sharp gallery image of the person in a blurred, tiny crop.");
        ui.label("It ranks candidates; a person decides. A reconstruction is not evidence.");
        ui.add_space(6.0);
        Grid::new("about").num_columns(2).spacing(vec2(16.0, 5.0)).show(ui, |ui| {
            for (name, value) in &facts {
                ui.label(small(*name).color(p.weak));
                ui.add(egui::Label::new(value).wrap());
                ui.end_row();
            }
        });
        ui.add_space(6.0);
        ui.label(small("Rain opens no network connection unless you ask it to").color(p.weak));
        ui.horizontal(|ui| {
            if plain_button(ui, ICON_CONTENT_COPY, "Copy these facts").clicked() {
                let lines: Vec<String> = facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                ui.ctx().copy_text(lines.join("\n"));
            }
            if text_button(ui, "Close").clicked() {
                ui.close();
            }
        });
    });
    modal.should_close()
}
