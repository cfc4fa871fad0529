//! The sheet that writes reports.

use std::path::{Path, PathBuf};

use egui::{Align, Key, Layout, Modal, Role, TextEdit, Ui, WidgetInfo};
use egui_material_icons::icons::{ICON_CLOSE, ICON_DESCRIPTION};

use super::compare::NOT_EVIDENCE;
use super::data_folder;
use super::shell::Cx;
use super::state::{CaseAction, ViewState};
use super::theme::{medium, palette, small};
use super::widgets::{header, icon_button, main_button, sheet as frame, text_button};
use crate::case::report::Format;

/// What the sheet holds while it is open.
#[derive(Debug, Clone)]
pub struct ExportSheet {
    base: String,
    chosen: Vec<Format>,
    reconstructions: bool,
    problem: Option<String>,
    /// Files that are there already, and were told: pressing the button again replaces them.
    replacing: bool,
    fresh: bool,
}

impl ExportSheet {
    /// A sheet for the open case; none where there is none.
    pub fn open(state: &ViewState) -> Option<Self> {
        let case = state.case.open.as_ref()?;
        Some(Self {
            base: beside(&case.path).with_extension("").display().to_string(),
            chosen: vec![Format::Html, Format::Pdf],
            reconstructions: false,
            problem: None,
            replacing: false,
            fresh: true,
        })
    }

    /// The files to write, or why not.
    fn files(&mut self) -> Result<Vec<(Format, PathBuf)>, String> {
        let base = self.base.trim();
        if base.is_empty() {
            return Err("Type where the reports go".into());
        }
        if self.chosen.is_empty() {
            return Err("Choose at least one kind of report".into());
        }
        let files: Vec<(Format, PathBuf)> = self
            .chosen
            .iter()
            .map(|format| (*format, PathBuf::from(format!("{base}.{}", format.extension()))))
            .collect();
        let there: Vec<String> =
            files.iter().filter(|(_, path)| path.exists()).map(|(_, path)| path.display().to_string()).collect();
        if !there.is_empty() && !self.replacing {
            self.replacing = true;
            return Err(format!("{} is there already. Press Export again to replace it", there.join(", ")));
        }
        Ok(files)
    }
}

/// Where the reports of a case are offered to go: beside it. The demo's case lies where nobody looks, so its reports go to the
/// user's own folder.
fn beside(case: &Path) -> PathBuf {
    let hidden = case.parent().is_some_and(|folder| Some(folder) == data_folder().as_deref());
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|_| hidden);
    match (home, case.file_name()) {
        (Some(home), Some(name)) => {
            let documents = home.join("Documents");
            (if documents.is_dir() { documents } else { home }).join(format!("rain-{}", name.to_string_lossy()))
        }
        _ => case.to_path_buf(),
    }
}

/// Draws the sheet, while it is open.
pub fn sheet(ui: &mut Ui, cx: &mut Cx<'_>) {
    let Some(mut form) = cx.view.case.export.take() else { return };
    let mut keep = true;
    let modal = Modal::new(egui::Id::unique("export")).frame(frame(ui.ctx())).show(ui.ctx(), |ui| {
        let p = palette(ui.visuals());
        ui.set_width(480.0_f32.min(ui.ctx().content_rect().width() - 60.0));
        header(ui, ICON_DESCRIPTION, "Export report", |ui| {
            if icon_button(ui, ICON_CLOSE, "Close export").clicked() {
                ui.close();
            }
        });
        ui.label(small("File, without its ending").color(p.weak));
        let field = TextEdit::singleline(&mut form.base).id_salt("file").desired_width(f32::INFINITY);
        let field = ui.add(field.margin(egui::Margin::symmetric(10, 6)));
        field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "File, without its ending"));
        if std::mem::take(&mut form.fresh) {
            field.request_focus();
        }
        let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if field.changed() {
            (form.problem, form.replacing) = (None, false);
        }
        ui.add_space(4.0);
        for format in Format::ALL {
            let mut on = form.chosen.contains(&format);
            if ui.checkbox(&mut on, medium(format.words(), 13.0)).changed() {
                form.chosen.retain(|chosen| *chosen != format);
                if on {
                    form.chosen.push(format);
                }
                (form.problem, form.replacing) = (None, false);
            }
        }
        ui.separator();
        let made = cx.state.queries.iter().filter(|q| q.reconstruction.is_some()).count();
        let name = match made {
            1 => "Show the reconstruction made so far".to_owned(),
            _ => format!("Show the {made} reconstructions made so far"),
        };
        ui.add_enabled_ui(made > 0, |ui| {
            ui.checkbox(&mut form.reconstructions, name)
                .on_hover_text("In the web page and the document, each under its label");
        });
        ui.label(small(format!("Each carries the words “{}”", NOT_EVIDENCE.to_lowercase())).color(p.weak));
        if let Some(problem) = &form.problem {
            ui.label(small(format!("✗ {problem}")).color(p.other));
        }
        ui.add_space(4.0);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if main_button(ui, None, "Export").clicked() || enter {
                match form.files() {
                    Ok(files) => {
                        let reconstructions = form.reconstructions;
                        cx.wishes.push(CaseAction::Export { files, reconstructions }.into());
                        keep = false;
                    }
                    Err(problem) => (form.problem, form.fresh) = (Some(problem), true),
                }
            }
            if text_button(ui, "Cancel").clicked() {
                keep = false;
            }
        });
    });
    if keep && !modal.should_close() {
        cx.view.case.export = Some(form);
    }
}
