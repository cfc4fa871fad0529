//! All runs in a folder: a table, what can be done with one, and the curves of those that are chosen.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use egui::{Align, Button, Color32, Layout, Role, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, vec2};
use egui_extras::{Column, TableBuilder};
use egui_material_icons::icons::{
    ICON_DELETE, ICON_DOWNLOAD_DONE, ICON_FOLDER_ZIP, ICON_INFO, ICON_PLAY_ARROW, ICON_REFRESH, ICON_TABLE_ROWS,
    ICON_UNARCHIVE, ICON_UNDO,
};

use super::{Part, ask, bytes, overlay, resume};
use crate::app::jobs::duration;
use crate::app::matches::thousands;
use crate::app::shell::{Cx, Wish};
use crate::app::state::{Action, file_name};
use crate::app::target::Target;
use crate::app::theme::{BODY, SMALL, medium, palette, semibold, small};
use crate::app::widgets::{danger_button, empty, main_button, path_field, plain_button, text_button};
use crate::engine::room::RoomCommand;
use crate::train::runs::{Note, Run, State, differing};

/// Settings that get a column of their own, at most.
const SETTINGS: usize = 6;
/// Height of a row.
const ROW: f32 = 26.0;

/// Draws the runs.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    let typed = cx.view.room.folder.trim().to_owned();
    if cx.view.room.asked.folder.as_ref() != Some(&typed) && !typed.is_empty() {
        cx.view.room.asked.folder = Some(typed.clone());
        cx.wishes.push(ask(RoomCommand::ListRuns(PathBuf::from(&typed))));
    }
    ScrollArea::vertical().auto_shrink(false).id_salt("runs").show(ui, |ui| {
        bar(ui, cx);
        if cx.state.room.runs.is_empty() {
            let help = "Runs that are started here or by `rain train` appear in this table";
            empty(ui, ICON_TABLE_ROWS, "No runs in this folder", help);
            return;
        }
        table(ui, cx);
        ui.add_space(4.0);
        detail(ui, cx);
        overlay::ui(ui, cx);
    });
}

/// The folder, reading again, importing, and the way back from the trash.
fn bar(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ui.horizontal_wrapped(|ui| {
        ui.allocate_ui(vec2(320.0_f32.min(ui.available_width()), 0.0), |ui| {
            let pressed = path_field(ui, "Folder of runs", &mut cx.view.room.folder, "runs", None, false);
            if pressed.browse {
                cx.wishes.push(Wish::Ask(Target::Runs));
            }
        });
        ui.vertical(|ui| {
            ui.add_space(18.0);
            ui.horizontal(|ui| {
                if plain_button(ui, ICON_REFRESH, "Read again").clicked() {
                    (cx.view.room.asked.folder, cx.view.room.asked.curves) = (None, Default::default());
                }
                if plain_button(ui, ICON_UNARCHIVE, "Import a run…").clicked() {
                    cx.wishes.push(Wish::Ask(Target::RunArchive));
                }
                if let Some(last) = cx.state.room.discarded.last() {
                    ui.label(small(format!("{} lies in the trash", file_name(&last.run))).color(p.weak))
                        .on_hover_text(last.trashed.display().to_string());
                    if plain_button(ui, ICON_UNDO, "Bring the run back").clicked() {
                        let (trashed, run) = (last.trashed.clone(), last.run.clone());
                        cx.wishes.push(ask(RoomCommand::Restore { trashed, run }));
                    }
                } else if let Some(said) = &cx.state.room.said {
                    ui.label(small(format!("✓ {said}")).color(p.same));
                }
            });
        });
    });
    ui.add_space(4.0);
}

/// The colour of a run on the curves.
pub fn colour(cx: &Cx<'_>, ui: &Ui, run: &Run) -> Color32 {
    let series = palette(ui.visuals()).series;
    let place = cx.state.room.runs.iter().position(|r| r.folder == run.folder).unwrap_or(0);
    series[run.note.colour.unwrap_or(place) % series.len()]
}

fn table(ui: &mut Ui, cx: &mut Cx<'_>) {
    let runs = cx.state.room.runs.clone();
    let keys: Vec<String> = differing(&runs.iter().collect::<Vec<_>>());
    let (keys, more) = (&keys[..keys.len().min(SETTINGS)], keys.len().saturating_sub(SETTINGS));
    // What the others are compared with: the run that is looked at, or the first.
    let looked_at = cx.view.room.looked_at.clone();
    let reference = runs.iter().find(|run| Some(&run.folder) == looked_at.as_ref()).or(runs.first()).cloned();
    let heads = ["Curves", "Run", "State", "Steps", "Rank-1", "Best", "mAP", "Size", "Changed"];
    let p = palette(ui.visuals());
    let mut builder = TableBuilder::new(ui)
        .id_salt("runs table")
        .striped(false)
        .sense(Sense::click())
        .cell_layout(Layout::left_to_right(Align::Center))
        .vscroll(true)
        .max_scroll_height(300.0)
        .min_scrolled_height(120.0)
        .auto_shrink([false, true])
        .column(Column::exact(54.0))
        .column(Column::initial(150.0).at_least(90.0).resizable(true).clip(true));
    for width in [72.0, 104.0, 58.0, 58.0, 58.0, 70.0, 92.0] {
        builder = builder.column(Column::initial(width).at_least(48.0).resizable(true).clip(true));
    }
    builder = builder.columns(Column::initial(118.0).at_least(60.0).resizable(true).clip(true), keys.len());
    builder = builder.column(Column::remainder().at_least(80.0).clip(true));
    builder
        .header(24.0, |mut row| {
            for head in heads {
                row.col(|ui| drop(ui.label(medium(head, SMALL).color(p.weak))));
            }
            for key in keys {
                row.col(|ui| drop(ui.label(medium(key, SMALL).color(p.weak)).on_hover_text(key)));
            }
            row.col(|ui| drop(ui.label(medium("Note", SMALL).color(p.weak))));
        })
        .body(|body| {
            body.rows(ROW, runs.len(), |mut row| {
                let run = &runs[row.index()];
                row.set_selected(Some(&run.folder) == looked_at.as_ref());
                row.col(|ui| check(ui, cx, run));
                for text in cells(run) {
                    row.col(|ui| {
                        ui.add(egui::Label::new(small(text).color(p.text)).truncate().selectable(false));
                    });
                }
                for key in keys {
                    let value = |run: &Run| run.settings.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
                    let (own, other) = (value(run), reference.as_ref().and_then(value));
                    let text = own.clone().unwrap_or_else(|| "none".into());
                    row.col(|ui| {
                        let text =
                            if own == other { small(text).color(p.weak) } else { medium(text, SMALL).color(p.accent) };
                        ui.add(egui::Label::new(text).truncate().selectable(false));
                    });
                }
                row.col(|ui| {
                    let note = run.note.text.lines().next().unwrap_or_default();
                    ui.add(egui::Label::new(small(note).color(p.weak)).truncate().selectable(false));
                });
                row.response().widget_info(|| WidgetInfo::labeled(Role::Row, true, format!("Run {}", run.name)));
                if row.response().clicked() {
                    look_at(cx, run);
                }
            });
        });
    if more > 0 {
        ui.label(small(format!("{more} more settings differ; `rain runs` lists them all")).color(p.weak));
    }
}

/// Name, state, steps, figures, size and age.
fn cells(run: &Run) -> [String; 8] {
    let state = match run.state {
        State::Training => "training",
        State::Stopped => "stopped",
        State::Finished => "✓ finished",
    };
    let step = run.last.as_ref().map_or(0, |last| last.step);
    let steps = match run.total_steps {
        Some(total) => format!("{} of {}", thousands(step), thousands(total)),
        None => thousands(step),
    };
    let percent = |value: Option<f64>| value.map_or("–".to_owned(), |v| format!("{v:.1} %"));
    let last = run.validation.last();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
    [
        run.name.clone(),
        state.into(),
        steps,
        percent(last.map(|v| v.rank1)),
        percent(run.best().map(|v| v.rank1)),
        percent(last.map(|v| v.map)),
        bytes(run.bytes),
        format!("{} ago", duration(now.saturating_sub(run.changed) as f64)),
    ]
}

/// Whether the run's curves are shown, in its colour.
fn check(ui: &mut Ui, cx: &mut Cx<'_>, run: &Run) {
    let colour = colour(cx, ui, run);
    let mut on = cx.view.room.chosen.contains(&run.folder);
    let response = ui.checkbox(&mut on, "");
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, on, format!("Curves of {}", run.name)));
    let (rect, _) = ui.allocate_exact_size(vec2(14.0, 4.0), Sense::hover());
    ui.painter().rect_filled(rect, 2.0, colour);
    if !response.changed() {
        return;
    }
    if on {
        cx.view.room.chosen.insert(run.folder.clone());
    } else {
        cx.view.room.chosen.remove(&run.folder);
    }
}

fn look_at(cx: &mut Cx<'_>, run: &Run) {
    let room = &mut cx.view.room;
    (room.looked_at, room.note) = (Some(run.folder.clone()), run.note.text.clone());
    room.archive = run.folder.with_extension("zip").display().to_string();
    if run.folder.extension().is_some() {
        room.archive = format!("{}.zip", run.folder.display());
    }
}

/// What can be done with the run that is looked at.
fn detail(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let runs = cx.state.room.runs.clone();
    let Some(run) = runs.iter().find(|run| Some(&run.folder) == cx.view.room.looked_at.as_ref()) else {
        ui.label(small("Choose a run in the table to see what can be done with it").color(p.weak));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(semibold(&run.name, BODY).color(p.strong)).on_hover_text(run.folder.display().to_string());
        let busy = cx.state.run.phase.active();
        if let Some(model) = &run.model
            && main_button(ui, Some(ICON_DOWNLOAD_DONE), "Search with its model").clicked()
        {
            cx.wishes.push(Action::OpenModel(model.clone()).into());
            cx.wishes.push(Wish::Show(crate::app::shell::Page::Investigate));
        }
        if run.state == State::Stopped {
            let button = ui.add_enabled_ui(!busy, |ui| plain_button(ui, ICON_PLAY_ARROW, "Resume this run")).inner;
            if button.clicked() {
                (cx.view.room.part, cx.view.new_run) = (Part::Run, false);
                cx.wishes.push(resume(run.folder.clone()));
            }
        }
        if let Some(model) = &run.model
            && plain_button(ui, ICON_INFO, "Its model's page").clicked()
        {
            cx.view.room.page = model.display().to_string();
            cx.view.room.part = Part::Model;
        }
        let idle = run.state != State::Training;
        if ui.add_enabled_ui(idle, |ui| danger_button(ui, ICON_DELETE, "Delete the run")).inner.clicked() {
            cx.wishes.push(ask(RoomCommand::Discard(run.folder.clone())));
            cx.view.room.chosen.remove(&run.folder);
            cx.view.room.looked_at = None;
        }
    });
    if let Some(problem) = &run.problem {
        ui.label(small(format!("✗ {problem}")).color(p.other));
    }
    ui.horizontal_wrapped(|ui| {
        ui.label(medium("Archive", SMALL).color(p.weak));
        let field = TextEdit::singleline(&mut cx.view.room.archive).id_salt("archive").desired_width(260.0);
        ui.add(field).widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Archive"));
        let idle = run.state != State::Training && !cx.view.room.archive.trim().is_empty();
        let button = ui.add_enabled_ui(idle, |ui| plain_button(ui, ICON_FOLDER_ZIP, "Export the run")).inner;
        if button.clicked() {
            let out = PathBuf::from(cx.view.room.archive.trim());
            cx.wishes.push(ask(RoomCommand::Pack { run: run.folder.clone(), out }));
        }
        colours(ui, cx, run);
    });
    note(ui, cx, run);
}

/// The colours that a run can have.
fn colours(ui: &mut Ui, cx: &mut Cx<'_>, run: &Run) {
    let p = palette(ui.visuals());
    ui.label(medium("Colour", SMALL).color(p.weak));
    let now = colour(cx, ui, run);
    for (number, (colour, name)) in p.series.iter().zip(["blue", "amber", "green", "orange", "pink"]).enumerate() {
        let stroke = if *colour == now { egui::Stroke::new(2.0, p.strong) } else { egui::Stroke::new(1.0, p.line) };
        let button = Button::new("").fill(*colour).stroke(stroke).min_size(vec2(22.0, 18.0));
        let response = ui.add(button);
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, *colour == now, name));
        if response.clicked() {
            let note = Note { colour: Some(number), text: cx.view.room.note.clone() };
            cx.wishes.push(ask(RoomCommand::Note { run: run.folder.clone(), note }));
        }
    }
}

fn note(ui: &mut Ui, cx: &mut Cx<'_>, run: &Run) {
    let p = palette(ui.visuals());
    ui.horizontal_top(|ui| {
        ui.label(medium("Note", SMALL).color(p.weak));
        let width = (ui.available_width() - 120.0).clamp(120.0, 700.0);
        let field = TextEdit::multiline(&mut cx.view.room.note).id_salt("note").desired_rows(2).desired_width(width);
        ui.add(field).widget_info(|| WidgetInfo::labeled(Role::MultilineTextInput, true, "Note"));
        if cx.view.room.note != run.note.text && text_button(ui, "Keep the note").clicked() {
            let note = Note { text: cx.view.room.note.clone(), colour: run.note.colour };
            cx.wishes.push(ask(RoomCommand::Note { run: run.folder.clone(), note }));
        }
    });
}

/// Asks for the curves of a run, once.
pub fn read_once(cx: &mut Cx<'_>, run: &Path) {
    if cx.view.room.asked.curves.insert(run.to_path_buf()) {
        cx.wishes.push(ask(RoomCommand::ReadCurves(run.to_path_buf())));
    }
}
