//! What is done about a wish, about a path that was given, and about files that were dropped.

use std::path::PathBuf;

use egui::{Context, Theme};

use super::{App, Page, Wish, Zoom};
use crate::app::dialogs::PathSheet;
use crate::app::dock::Pane;
use crate::app::finder::Finder;
use crate::app::state::{Action, CaseAction};
use crate::app::target::Target;
use crate::app::theme::{self, Choice};
use crate::app::{crop, export, gallery_page, investigate, map, training};
use crate::engine::command::{CaseCommand, Command};

impl App {
    pub(super) fn take_drops(&mut self, ctx: &Context) {
        let paths: Vec<PathBuf> = ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_path_buf()).collect());
        if paths.is_empty() {
            return;
        }
        // One dropped file means what the open sheet asks for; one dropped folder is the gallery while there is none.
        if let Some(sheet) = &self.view.sheet {
            let target = sheet.target;
            self.view.sheet = None;
            return self.answered(target, paths, ctx);
        }
        let folder = |p: &PathBuf| p.is_dir();
        let weights = |p: &PathBuf| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
        let case = |p: &PathBuf| p.extension().is_some_and(|e| e.eq_ignore_ascii_case(crate::case::EXTENSION));
        let wish = match paths.as_slice() {
            [one] if weights(one) => Action::OpenModel(one.clone()),
            [one] if case(one) => Action::Case(CaseAction::Open(one.clone())),
            [one] if self.state.gallery.is_none() && folder(one) => Action::OpenGallery(one.clone()),
            _ => Action::AddQueries(paths),
        };
        self.fulfil(wish.into(), ctx);
    }

    pub(super) fn answered(&mut self, target: Target, paths: Vec<PathBuf>, ctx: &Context) {
        let Some(first) = paths.first().cloned() else {
            return;
        };
        let typed = first.display().to_string();
        match target {
            Target::Model => self.fulfil(Action::OpenModel(first).into(), ctx),
            Target::Gallery => self.fulfil(Action::OpenGallery(first).into(), ctx),
            Target::Queries => self.fulfil(Action::AddQueries(paths).into(), ctx),
            Target::Frame => {
                let wish = crop::open(first, &mut self.view.crop);
                self.fulfil(wish, ctx);
            }
            Target::MapFeatures | Target::MapPeople | Target::MapOpen | Target::MapSave => {
                let dark = ctx.theme() == Theme::Dark;
                if let Some(wish) = map::answered(target, first, &self.state, &mut self.view.map, dark) {
                    self.fulfil(wish, ctx);
                }
            }
            Target::GalleryImages | Target::GalleryFolder | Target::GalleryAdd => {
                if let Some(wish) = gallery_page::answered(target, first, &self.state, &mut self.view.gallery) {
                    self.fulfil(wish, ctx);
                }
            }
            Target::TrainData => self.view.form.data = typed,
            Target::TrainWeights => self.view.form.weights = typed,
            Target::TrainRun => self.view.form.run = typed,
            Target::NewCase => self.fulfil(CaseAction::New(first).into(), ctx),
            Target::OpenCase => self.fulfil(CaseAction::Open(first).into(), ctx),
            Target::Paper(path) => *self.view.paper.form.path_mut(path) = typed,
            Target::Runs => self.view.room.folder = typed,
            Target::PageModel => self.view.room.page = typed,
            Target::RunArchive => self.fulfil(training::import(first, &self.view.room), ctx),
            Target::Resume => {
                self.view.new_run = false;
                self.fulfil(training::resume(first), ctx);
            }
        }
    }

    pub(super) fn fulfil(&mut self, wish: Wish, ctx: &Context) {
        match wish {
            Wish::Do(action) => {
                let mut commands = Vec::new();
                self.state.act(action, &mut commands);
                commands.into_iter().for_each(&self.send);
            }
            Wish::Ask(target) => self.view.sheet = Some(PathSheet::open(target, self.picker.as_ref(), ctx)),
            Wish::Investigate(intent) => {
                if let Some(wish) = investigate::carry_out(intent, &self.state, &mut self.view) {
                    self.fulfil(wish, ctx);
                }
            }
            Wish::Paste => ctx.send_viewport_cmd(egui::ViewportCommand::RequestPaste),
            Wish::Enlarge => self.view.large = !self.view.large && self.state.query().is_some(),
            Wish::Demo => match &self.demo {
                Some(demo) => (self.send)(Command::Case(CaseCommand::Demo(Box::new(demo.clone())))),
                None => self.state.no_demo(),
            },
            Wish::Export => match export::ExportSheet::open(&self.state) {
                Some(sheet) => self.view.case.export = Some(sheet),
                None => self.fulfil(CaseAction::Undo.into(), ctx), // says that no case is open
            },
            Wish::History => {
                self.view.page = Page::Investigate;
                self.view.dock.show(Pane::History);
            }
            Wish::Show(page) => {
                self.view.page = page;
                self.view.focus_form = page == Page::Train;
            }
            Wish::Pane(pane) => {
                self.view.page = Page::Investigate;
                self.view.dock.show(pane);
            }
            Wish::NextPane(forward) => {
                self.view.page = Page::Investigate;
                self.view.dock.next(forward);
            }
            Wish::EnlargePane(pane) => {
                self.view.page = Page::Investigate;
                self.view.dock.enlarge(pane);
            }
            Wish::ResetLayout => {
                self.view.dock.reset();
                self.view.toasts.done("The panes are where they were at the first start");
            }
            Wish::Theme(choice) => self.put_on(choice, ctx),
            Wish::NextTheme => {
                let next = match self.view.look.theme {
                    Choice::System if ctx.theme() == Theme::Dark => Choice::Light,
                    Choice::System | Choice::HighContrast => Choice::Dark,
                    Choice::Dark => Choice::Light,
                    Choice::Light => Choice::HighContrast,
                };
                self.put_on(next, ctx);
            }
            Wish::Zoom(zoom) => {
                let now = self.view.look.zoom;
                let step = |by: f32| ((now * 10.0).round() / 10.0 + by).clamp(0.5, 3.0);
                let next = match zoom {
                    Zoom::In => step(0.1),
                    Zoom::Out => step(-0.1),
                    Zoom::Off => 1.0,
                };
                self.view.look.zoom = next;
                ctx.set_zoom_factor(next);
                self.view.toasts.note_about("zoom", format!("Zoom {:.0} %", 100.0 * next));
            }
            Wish::Say(text) => self.view.toasts.note(text),
            Wish::Toggle(sheet) => {
                self.view.over = if self.view.over == Some(sheet) { None } else { Some(sheet) };
                self.view.finder = Finder::default();
            }
            Wish::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
        }
    }

    fn put_on(&mut self, choice: Choice, ctx: &Context) {
        self.view.look.theme = choice;
        theme::choose(ctx, choice);
        self.view.toasts.note_about("theme", format!("Theme: {}", choice.name().to_lowercase()));
    }
}
