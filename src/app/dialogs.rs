//! Asking for a path: the system's file dialog, and beside it a field to type into.
//!
//! The system's dialog runs on a thread of its own and answers by channel, so that no frame waits for it. Where no portal
//! answers, it returns at once and empty-handed, just as a very quick Cancel would; the field is then what remains.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use egui::{Context, Id, Modal, TextEdit};

use super::state::PaperPath;
use super::target::Target;
use super::theme::{medium, palette, semibold, small};
use super::widgets::{main_button, sheet, text_button};

/// A dialog that says no within this time was not closed by a hand.
const NO_PORTAL: Duration = Duration::from_millis(700);

/// Opens the system's dialog; calls back the waker when it has answered.
pub type Picker = Arc<dyn Fn(Target) -> Option<Vec<PathBuf>> + Send + Sync>;

/// The sheet that asks for a path.
pub struct PathSheet {
    /// What is asked for.
    pub target: Target,
    typed: String,
    problem: Option<String>,
    native: Option<Native>,
    /// The system's dialog did not come up.
    no_portal: bool,
    fresh: bool,
}

struct Native {
    answer: Receiver<Option<Vec<PathBuf>>>,
    since: Instant,
}

/// How the sheet was left.
pub enum Answer {
    /// With paths.
    Paths(Vec<PathBuf>),
    /// Without.
    Nothing,
}

impl PathSheet {
    /// Opens the sheet, and the system's dialog where there is a `picker`.
    pub fn open(target: Target, picker: Option<&Picker>, ctx: &Context) -> Self {
        let native = picker.and_then(|pick| start(target, pick.clone(), ctx.clone()));
        Self { target, typed: String::new(), problem: None, native, no_portal: false, fresh: true }
    }

    /// Draws the sheet; `Some` when it is to be closed.
    pub fn show(&mut self, ctx: &Context, picker: Option<&Picker>) -> Option<Answer> {
        if let Some(answer) = self.native_answer() {
            return Some(answer);
        }
        let mut answer = None;
        let modal = Modal::new(Id::unique("path sheet")).frame(sheet(ctx)).show(ctx, |ui| {
            ui.set_width(480.0_f32.min(ui.ctx().content_rect().width() - 60.0));
            let p = palette(ui.visuals());
            ui.label(semibold(self.target.title(), 15.0).color(p.strong));
            ui.label(small(self.target.hint()).color(p.weak));
            ui.add_space(4.0);
            if self.native.is_some() {
                ui.horizontal(|ui| {
                    ui.add(egui::Spinner::new().size(14.0));
                    ui.label(medium("Choose in the file dialog, or type a path here", 13.0));
                });
            } else if self.no_portal {
                ui.label(
                    small("This system offers no file dialog. Type a path here, or drop files on the window")
                        .color(p.weak),
                );
            }
            let field = ui.add(
                TextEdit::singleline(&mut self.typed)
                    .id_salt("path")
                    .hint_text(self.target.example())
                    .desired_width(f32::INFINITY)
                    .margin(egui::Margin::symmetric(10, 6)),
            );
            field.widget_info(|| egui::WidgetInfo::text_edit(true, "", self.typed.clone(), self.target.example()));
            field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Path"));
            if std::mem::take(&mut self.fresh) {
                field.request_focus();
            }
            let enter = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
            if field.changed() {
                self.problem = None;
            }
            if let Some(problem) = &self.problem {
                ui.label(small(problem.clone()).color(p.other));
            }
            ui.add_space(4.0);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if main_button(ui, None, self.target.verb()).clicked() || enter {
                    match self.check() {
                        Ok(path) => answer = Some(Answer::Paths(vec![path])),
                        Err(problem) => {
                            self.problem = Some(problem);
                            self.fresh = true;
                        }
                    }
                }
                if text_button(ui, "Cancel").clicked() {
                    answer = Some(Answer::Nothing);
                }
                if let Some(pick) = picker
                    && self.native.is_none()
                    && text_button(ui, "Browse…").clicked()
                {
                    self.native = start(self.target, pick.clone(), ctx.clone());
                }
            });
        });
        if modal.should_close() && answer.is_none() {
            answer = Some(Answer::Nothing);
        }
        answer
    }

    /// Takes the answer of the system's dialog.
    fn native_answer(&mut self) -> Option<Answer> {
        let native = self.native.as_ref()?;
        let quick = native.since.elapsed() < NO_PORTAL;
        let chosen = match native.answer.try_recv() {
            Ok(chosen) => chosen,
            Err(crossbeam_channel::TryRecvError::Empty) => return None,
            Err(crossbeam_channel::TryRecvError::Disconnected) => None,
        };
        self.native = None;
        match chosen {
            Some(paths) if !paths.is_empty() => Some(Answer::Paths(paths)),
            // Something was typed meanwhile: keep it.
            _ if quick || !self.typed.is_empty() => {
                (self.no_portal, self.fresh) = (quick, true);
                None
            }
            _ => Some(Answer::Nothing),
        }
    }

    /// The typed path, where there is something of the right kind.
    fn check(&self) -> Result<PathBuf, String> {
        let text = self.typed.trim().trim_matches('"');
        if text.is_empty() {
            return Err("Type a path first".into());
        }
        let path = expand_home(text);
        if self.target.is_new_folder() || path.exists() {
            Ok(path)
        } else {
            Err(format!("There is nothing at {}", path.display()))
        }
    }
}

/// `~/x` in the user's home folder.
fn expand_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(text),
    }
}

fn start(target: Target, pick: Picker, ctx: Context) -> Option<Native> {
    let (tell, answer) = bounded(1);
    let thread = std::thread::Builder::new().name("file dialog".into()).spawn(move || {
        // The receiver is gone where the sheet was closed meanwhile: nobody wants the answer then.
        let _ = tell.send(pick(target));
        ctx.request_repaint();
    });
    thread.is_ok().then(|| Native { answer, since: Instant::now() })
}

/// The system's dialog, through the desktop portal.
pub fn system_picker() -> Picker {
    Arc::new(|target| {
        let dialog = rfd::FileDialog::new().set_title(target.title());
        match target {
            Target::RunArchive => dialog.add_filter("Archived run", &["zip"]).pick_file().map(|p| vec![p]),
            Target::Model | Target::TrainWeights | Target::PageModel | Target::Paper(PaperPath::Weights) => {
                let names: &[&str] =
                    if target == Target::Model { &["safetensors"] } else { &["safetensors", "pth", "pt"] };
                dialog.add_filter("Weights", names).pick_file().map(|p| vec![p])
            }
            Target::NewCase => dialog.set_file_name("case.raincase").save_file().map(|p| vec![p]),
            Target::OpenCase => dialog.add_filter("Cases", &[crate::case::EXTENSION]).pick_file().map(|p| vec![p]),
            Target::Queries => {
                dialog.add_filter("Images", &["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff"]).pick_files()
            }
            Target::Frame => dialog
                .add_filter("Images", &["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff"])
                .pick_file()
                .map(|p| vec![p]),
            Target::MapFeatures | Target::MapOpen => {
                dialog.add_filter("safetensors", &["safetensors"]).pick_file().map(|p| vec![p])
            }
            Target::MapSave => dialog.set_file_name("map.svg").save_file().map(|p| vec![p]),
            Target::MapPeople
            | Target::Gallery
            | Target::TrainData
            | Target::TrainRun
            | Target::Resume
            | Target::Runs
            | Target::GalleryImages
            | Target::GalleryFolder
            | Target::GalleryAdd
            | Target::Paper(_) => dialog.pick_folder().map(|p| vec![p]),
        }
    })
}
