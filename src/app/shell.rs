//! The window as a whole: what it holds, and where its panes lie.

use std::path::PathBuf;

use crossbeam_channel::Receiver;
use egui::{CentralPanel, Context, Frame, Id, ScrollArea, Theme, Ui, vec2};

use super::dialogs::{Answer, PathSheet, Picker};
use super::dock::{Dock, Pane};
use super::finder::{self, Finder};
use super::gallery_page::GalleryView;
use super::keys::{self, Keyboard};
use super::layout::{drop_hint, status_bar, top_bar};
use super::map::{self, MapView, VerdictOf};
use super::remember::{self, Look, Memory};
use super::state::{Action, CaseAction, PaperForm, Settings, TrainForm, ViewState};
use super::target::Target;
use super::theme::{self, Choice, palette};
use super::thumbs::Thumbs;
use super::timing::FirstFrame;
use super::toasts::Toasts;
use super::training::RoomView;
use super::verdicts::{self, CasePanels};
use super::{Demo, compare, export, gallery_page, help, notices, pages, training};
use crate::engine::command::{CaseCommand, Command};
use crate::engine::event::Event;

/// Events taken in a frame: a chatty engine must not eat the frame.
const EVENTS: usize = 512;
/// Seconds for which the offer to undo stays.
const UNDO_SECONDS: f64 = 8.0;
/// Below this the panes do not shrink; the window scrolls instead.
const LEAST: egui::Vec2 = vec2(900.0, 440.0);

/// What a panel wants to happen.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Something with the data.
    Do(Action),
    /// Ask for a path.
    Ask(Target),
    /// Enlarge the comparison, or close it.
    Enlarge,
    /// Open the demo case.
    Demo,
    /// Ask what reports to write.
    Export,
    /// Show the history of the case.
    History,
    /// Show a page.
    Show(Page),
    /// Bring a pane of the Investigate page into view.
    Pane(Pane),
    /// Give the keyboard to the next pane, or to the one before.
    NextPane(bool),
    /// A pane takes the whole page (the one that was visited last where none is named), or all come back.
    EnlargePane(Option<Pane>),
    /// The panes as at the first start.
    ResetLayout,
    /// Put a theme on.
    Theme(Choice),
    /// Put the next theme on.
    NextTheme,
    /// Change the size of everything.
    Zoom(Zoom),
    /// Say something in a toast.
    Say(String),
    /// Show or close what lies over the window.
    Toggle(Sheet),
    /// Close the window.
    Quit,
}

impl From<CaseAction> for Wish {
    fn from(action: CaseAction) -> Self {
        Wish::Do(Action::Case(action))
    }
}

impl From<Action> for Wish {
    fn from(action: Action) -> Self {
        Wish::Do(action)
    }
}

/// The pages of the window; one is seen at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// Queries, candidates, comparison.
    #[default]
    Investigate,
    /// The map of embeddings.
    Map,
    /// Starting and following a training run.
    Train,
    /// The gallery's files, and galleries on servers.
    Gallery,
}

/// A step of the size of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zoom {
    /// Larger.
    In,
    /// Smaller.
    Out,
    /// As at first.
    Off,
}

/// What can lie over the window, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// The keys.
    Keys,
    /// The finder of commands.
    Finder,
    /// What this program is.
    About,
    /// Everything that went wrong.
    Notices,
}

impl Sheet {
    /// The command that shows and closes it.
    fn command(self) -> keys::Command {
        match self {
            Sheet::Keys => keys::Command::Keys,
            Sheet::Finder => keys::Command::Find,
            Sheet::About => keys::Command::About,
            Sheet::Notices => keys::Command::Notices,
        }
    }
}

/// What belongs to the window alone and is gone when it closes.
#[derive(Default)]
pub struct View {
    /// The form that starts a run.
    pub form: TrainForm,
    /// Whether the form is shown although there is a run.
    pub new_run: bool,
    /// The paper's experiments.
    pub paper: PaperView,
    /// What the training room remembers.
    pub room: RoomView,
    /// Put the keyboard into the form's first field in the next frame.
    pub focus_form: bool,
    /// How far the list of queries is scrolled.
    pub queries_scroll: f32,
    /// The list or grid item that has the keyboard: the arrows are the lists' then.
    pub arrows_at: Option<Id>,
    /// The map of embeddings.
    pub map: MapView,
    /// The page that is seen.
    pub page: Page,
    /// The gallery page's own things.
    pub gallery: GalleryView,
    /// The case's panels.
    pub case: CasePanels,
    /// The panes of the Investigate page.
    pub dock: Dock,
    /// The panes that stand in tabs with others.
    pub tabbed: Vec<Pane>,
    /// How the window looks.
    pub look: Look,
    /// What finished.
    pub toasts: Toasts,
    /// What lies over the window.
    over: Option<Sheet>,
    finder: Finder,
    large: bool,
    sheet: Option<PathSheet>,
    undo_since: Option<(String, f64)>,
}

/// The paper's experiments on the training page.
#[derive(Default)]
pub struct PaperView {
    /// Whether they take the place of the training.
    pub open: bool,
    /// What is typed.
    pub form: PaperForm,
}

/// What a panel gets: the state to read, the pictures, the window's own things, and a list for its wishes.
pub struct Cx<'a> {
    /// What to show.
    pub state: &'a ViewState,
    /// Textures.
    pub thumbs: &'a mut Thumbs,
    /// The window's own things.
    pub view: &'a mut View,
    /// What the user wants.
    pub wishes: &'a mut Vec<Wish>,
    /// A key moved the selection in this frame: bring it into view.
    pub reveal: bool,
}

/// The window. It knows the engine only as a receiver of events and a way to send commands.
pub struct App {
    /// What it shows.
    pub state: ViewState,
    thumbs: Thumbs,
    view: View,
    events: Receiver<Event>,
    send: Box<dyn Fn(Command)>,
    picker: Option<Picker>,
    demo: Option<Demo>,
    reveal: bool,
    /// What was remembered last; `None` in a window that remembers nothing.
    saved: Option<(Settings, Look)>,
    first_frame: FirstFrame,
}

impl App {
    /// A window over an engine. Without a `picker` a path is typed or dropped.
    pub fn new(events: Receiver<Event>, send: Box<dyn Fn(Command)>, picker: Option<Picker>) -> Self {
        Self {
            state: ViewState::default(),
            thumbs: Thumbs::default(),
            view: View::default(),
            events,
            send,
            picker,
            demo: None,
            reveal: false,
            saved: None,
            first_frame: FirstFrame::from_environment(),
        }
    }

    /// The same as it was left last time.
    pub fn with_memory(mut self, memory: Memory, ctx: &Context) -> Self {
        (self.state.settings, self.view.look) = (memory.settings, memory.look);
        if let Some(layout) = memory.layout {
            self.view.dock.restore(layout);
        }
        theme::choose(ctx, self.view.look.theme);
        ctx.set_zoom_factor(self.view.look.zoom);
        self.saved = Some((self.state.settings.clone(), self.view.look));
        (self.send)(Command::Case(CaseCommand::Reviewer { name: self.state.who() }));
        self
    }

    /// The same with a demo to offer.
    pub fn with_demo(mut self, demo: Option<Demo>) -> Self {
        self.demo = demo;
        self
    }

    /// The same, opening a case, or the demo at once.
    pub fn started(self, case: Option<PathBuf>, demo: bool) -> Self {
        let command = match (case, &self.demo) {
            (Some(path), _) => CaseCommand::Open { path },
            (None, Some(files)) if demo => CaseCommand::Demo(Box::new(files.clone())),
            _ => return self,
        };
        (self.send)(Command::Case(command));
        self
    }

    /// Colours the map by what `of` answers about a file; `version` changes whenever an answer does.
    pub fn set_verdicts(&mut self, version: u64, of: VerdictOf) {
        self.view.map.set_verdicts(version, of);
    }

    fn put_on(&mut self, choice: Choice, ctx: &Context) {
        self.view.look.theme = choice;
        theme::choose(ctx, choice);
        self.view.toasts.note(format!("Theme: {}", choice.name().to_lowercase()));
    }

    /// Writes what the user changed to disk, once the pointer is at rest.
    fn remember(&mut self, ctx: &Context, frame: &mut eframe::Frame) {
        let now = (self.state.settings.clone(), self.view.look);
        let changed = self.saved.as_ref().is_some_and(|saved| *saved != now);
        if !(changed || self.view.dock.changed) || ctx.input(|i| i.pointer.any_down()) {
            return;
        }
        if let Some(storage) = frame.storage_mut() {
            remember::write(storage, &now.0, &now.1, self.view.dock.tree.as_ref());
        }
        self.saved = Some(now);
        self.view.dock.changed = false;
    }

    fn take_events(&mut self, ctx: &Context) {
        let mut commands = Vec::new();
        for _ in 0..EVENTS {
            match self.events.try_recv() {
                Ok(Event::Thumbnail { path, image, .. }) => self.thumbs.arrived(path, image),
                Ok(Event::FarThumbnail { path, rate, image }) => self.view.map.arrived(ctx, path, rate, image),
                Ok(event) => self.state.apply(event, &mut commands),
                Err(_) => break,
            }
        }
        if !self.events.is_empty() {
            ctx.request_repaint();
        }
        self.state.assess(&mut commands);
        commands.into_iter().for_each(&self.send);
        for finished in self.state.finished.drain(..) {
            self.view.toasts.done(finished);
        }
    }

    fn take_drops(&mut self, ctx: &Context) {
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

    fn answered(&mut self, target: Target, paths: Vec<PathBuf>, ctx: &Context) {
        let Some(first) = paths.first().cloned() else {
            return;
        };
        let typed = first.display().to_string();
        match target {
            Target::Model => self.fulfil(Action::OpenModel(first).into(), ctx),
            Target::Gallery => self.fulfil(Action::OpenGallery(first).into(), ctx),
            Target::Queries => self.fulfil(Action::AddQueries(paths).into(), ctx),
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

    fn fulfil(&mut self, wish: Wish, ctx: &Context) {
        match wish {
            Wish::Do(action) => {
                let mut commands = Vec::new();
                self.state.act(action, &mut commands);
                commands.into_iter().for_each(&self.send);
            }
            Wish::Ask(target) => self.view.sheet = Some(PathSheet::open(target, self.picker.as_ref(), ctx)),
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
                self.view.toasts.note(format!("Zoom {:.0} %", 100.0 * next));
            }
            Wish::Say(text) => self.view.toasts.note(text),
            Wish::Toggle(sheet) => {
                self.view.over = if self.view.over == Some(sheet) { None } else { Some(sheet) };
                self.view.finder = Finder::default();
            }
            Wish::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
        }
    }

    fn take_keys(&mut self, ctx: &Context) {
        self.reveal = false;
        if self.view.sheet.is_some() || self.view.case.sheet_open() {
            return;
        }
        let focused = ctx.memory(|m| m.focused());
        let keyboard = if ctx.text_edit_focused() {
            Keyboard::Text
        } else if focused.is_none() || focused == self.view.arrows_at {
            Keyboard::Window
        } else {
            Keyboard::Widget
        };
        for command in keys::pressed(ctx, keyboard) {
            // Under a sheet only what can be seen of it goes on.
            let allowed = match self.view.over {
                Some(sheet) => command == sheet.command(),
                None => !self.view.large || command.over_comparison(),
            };
            let situation = keys::Situation { state: &self.state, view: &self.view };
            let wish = match (keys::of(command).wish)(situation) {
                _ if !allowed => continue,
                Ok(wish) => wish,
                // At the end of a list there is nothing to say.
                Err(_) if command.moves() => continue,
                Err(why) => Wish::Say(why.to_owned()),
            };
            self.reveal |= command.moves();
            self.fulfil(wish, ctx);
        }
    }

    fn draw(&mut self, ui: &mut Ui) {
        let mut wishes = Vec::new();
        let mut cx = Cx {
            state: &self.state,
            thumbs: &mut self.thumbs,
            view: &mut self.view,
            wishes: &mut wishes,
            reveal: self.reveal,
        };
        top_bar(ui, &mut cx);
        status_bar(ui, &mut cx);
        let ground = Frame::new().fill(palette(ui.visuals()).ground);
        CentralPanel::default().frame(ground).show(ui, |ui| {
            let size = ui.available_size();
            if size.x >= LEAST.x && size.y >= LEAST.y {
                pages::ui(ui, &mut cx);
            } else {
                // A small window, or a large zoom: scroll rather than cut off.
                ScrollArea::both().auto_shrink(false).show(ui, |ui| {
                    let (rect, _) = ui.allocate_exact_size(size.max(LEAST), egui::Sense::hover());
                    pages::ui(&mut ui.new_child(egui::UiBuilder::new().max_rect(rect)), &mut cx);
                });
            }
        });
        if cx.view.large && compare::sheet(ui, &mut cx) {
            cx.view.large = false;
        }
        verdicts::sheets(ui, &mut cx);
        let ctx = ui.ctx().clone();
        let close = match cx.view.over {
            Some(Sheet::Keys) => help::keys(&ctx),
            Some(Sheet::About) => help::about(&ctx, &cx),
            Some(Sheet::Finder) => find(&ctx, &mut cx),
            Some(Sheet::Notices) => notices::sheet(&ctx, &mut cx),
            None => false,
        };
        if close {
            cx.view.over = None;
        }
        drop_hint(&ctx);
        for wish in wishes {
            self.fulfil(wish, &ctx);
        }
        self.path_sheet(&ctx);
    }

    fn path_sheet(&mut self, ctx: &Context) {
        let Some(mut sheet) = self.view.sheet.take() else {
            return;
        };
        match sheet.show(ctx, self.picker.as_ref()) {
            None => self.view.sheet = Some(sheet),
            Some(Answer::Nothing) => {}
            Some(Answer::Paths(paths)) => self.answered(sheet.target, paths, ctx),
        }
    }

    /// Starts and ends the offer to undo.
    fn time_undo(&mut self, ctx: &Context) {
        let now = ctx.time();
        match (&self.state.undoable, &self.view.undo_since) {
            (Some(text), Some((shown, since))) if text == shown => {
                if now - since > UNDO_SECONDS {
                    self.state.undoable = None;
                } else {
                    ctx.request_repaint_after_secs((UNDO_SECONDS - (now - since)) as f32 + 0.05);
                }
            }
            (Some(text), _) => {
                self.view.undo_since = Some((text.clone(), now));
                ctx.request_repaint_after_secs(UNDO_SECONDS as f32 + 0.05);
            }
            (None, _) => self.view.undo_since = None,
        }
    }
}

/// The finder; true when it is to be closed.
fn find(ctx: &Context, cx: &mut Cx<'_>) -> bool {
    let mut finder = std::mem::take(&mut cx.view.finder);
    let answer = finder.show(ctx, keys::Situation { state: cx.state, view: &*cx.view });
    cx.view.finder = finder;
    if let Some(finder::Answer::Run(wish)) = &answer {
        cx.wishes.push(wish.clone());
    }
    answer.is_some()
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.first_frame.frame(&ctx);
        // The commands do it, so that menus show it and the size is remembered.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        self.take_events(&ctx);
        self.take_drops(&ctx);
        self.take_keys(&ctx);
        self.view.arrows_at = None;
        self.time_undo(&ctx);
        self.thumbs.begin_frame(&ctx);
        self.draw(ui);
        self.view.toasts.ui(&ctx);
        self.thumbs.requests().into_iter().for_each(&self.send);
        self.view.map.requests().into_iter().for_each(&self.send);
        self.remember(&ctx, frame);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        remember::write(storage, &self.state.settings, &self.view.look, self.view.dock.tree.as_ref());
    }

    /// What is worth remembering has a place of its own, with a version.
    fn persist_egui_memory(&self) -> bool {
        false
    }
}
