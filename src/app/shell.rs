//! The window as a whole: what it holds, and where its panes lie.

use std::path::PathBuf;

use crossbeam_channel::Receiver;
use egui::{CentralPanel, Context, Frame, Id, ScrollArea, Theme, Ui, vec2};

use super::curves::Curves;
use super::dialogs::{Answer, PathSheet, Picker};
use super::gallery_page::GalleryView;
use super::keys;
use super::layout::{drop_hint, keys_sheet, page, status_bar, top_bar};
use super::state::{Action, Settings, TrainForm, ViewState};
use super::target::Target;
use super::theme::palette;
use super::thumbs::Thumbs;
use super::{compare, training};
use crate::engine::command::Command;
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
    /// Show a page.
    Show(Page),
    /// Light or dark.
    ToggleTheme,
    /// Show or hide the sheet of keys.
    ToggleKeys,
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
    /// Starting and following a training run.
    Train,
    /// The gallery's files, and galleries on servers.
    Gallery,
}

/// The tabs of the lower pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// Training.
    #[default]
    Training,
    /// Jobs.
    Jobs,
}

/// What belongs to the window alone and is gone when it closes.
#[derive(Default)]
pub struct View {
    /// The form that starts a run.
    pub form: TrainForm,
    /// Whether the form is shown although there is a run.
    pub new_run: bool,
    /// The curves, as computed last.
    pub curves: Curves,
    /// Put the keyboard into the form's first field in the next frame.
    pub focus_form: bool,
    /// How far the list of queries is scrolled.
    pub queries_scroll: f32,
    /// The list or grid item that has the keyboard: the arrows are the lists' then.
    pub arrows_at: Option<Id>,
    /// The page that is seen.
    pub page: Page,
    /// The tab of the lower pane.
    pub tab: Tab,
    /// The gallery page's own things.
    pub gallery: GalleryView,
    /// Whether the lower pane takes the place of the matches.
    pub lower_full: bool,
    keys: bool,
    large: bool,
    sheet: Option<PathSheet>,
    undo_since: Option<(String, f64)>,
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
    reveal: bool,
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
            reveal: false,
        }
    }

    /// The same with the choices of last time.
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.state.settings = settings;
        self
    }

    fn take_events(&mut self, ctx: &Context) {
        let mut commands = Vec::new();
        for _ in 0..EVENTS {
            match self.events.try_recv() {
                Ok(Event::Thumbnail { path, image, .. }) => self.thumbs.arrived(path, image),
                Ok(event) => self.state.apply(event, &mut commands),
                Err(_) => break,
            }
        }
        if !self.events.is_empty() {
            ctx.request_repaint();
        }
        commands.into_iter().for_each(&self.send);
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
        let wish = match paths.as_slice() {
            [one] if weights(one) => Action::OpenModel(one.clone()),
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
            Target::TrainData => self.view.form.data = typed,
            Target::TrainWeights => self.view.form.weights = typed,
            Target::TrainRun => self.view.form.run = typed,
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
            Wish::Show(page) => {
                self.view.page = page;
                self.view.focus_form = page == Page::Train;
            }
            Wish::ToggleTheme => {
                ctx.set_theme(if ctx.theme() == Theme::Dark { Theme::Light } else { Theme::Dark });
            }
            Wish::ToggleKeys => self.view.keys = !self.view.keys,
        }
    }

    fn take_keys(&mut self, ctx: &Context) {
        self.reveal = false;
        if self.view.sheet.is_some() || ctx.text_edit_focused() {
            return;
        }
        let focused = ctx.memory(|m| m.focused());
        let arrows = focused.is_none() || focused == self.view.arrows_at;
        for command in keys::pressed(ctx, arrows) {
            // Under a sheet only what can be seen of it goes on.
            let moves = matches!(
                command,
                keys::Command::PreviousQuery
                    | keys::Command::NextQuery
                    | keys::Command::PreviousCandidate
                    | keys::Command::NextCandidate
                    | keys::Command::FirstCandidate
                    | keys::Command::LastCandidate
            );
            let allowed = match (self.view.keys, self.view.large) {
                (true, _) => command == keys::Command::Keys,
                (false, true) => moves || command == keys::Command::Enlarge,
                (false, false) => true,
            };
            if let (true, Some(wish)) = (allowed, keys::wish(command, self.state.selected)) {
                self.reveal |= moves;
                self.fulfil(wish, ctx);
            }
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
                page(ui, &mut cx);
            } else {
                // A small window, or a large zoom: scroll rather than cut off.
                ScrollArea::both().auto_shrink(false).show(ui, |ui| {
                    let (rect, _) = ui.allocate_exact_size(size.max(LEAST), egui::Sense::hover());
                    page(&mut ui.new_child(egui::UiBuilder::new().max_rect(rect)), &mut cx);
                });
            }
        });
        if cx.view.large && compare::sheet(ui, &mut cx) {
            cx.view.large = false;
        }
        if cx.view.keys && keys_sheet(ui.ctx()) {
            cx.view.keys = false;
        }
        drop_hint(ui.ctx());
        let ctx = ui.ctx().clone();
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

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.take_events(&ctx);
        self.take_drops(&ctx);
        self.take_keys(&ctx);
        self.view.arrows_at = None;
        self.time_undo(&ctx);
        self.thumbs.begin_frame(&ctx);
        self.draw(ui);
        self.thumbs.requests().into_iter().for_each(&self.send);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, super::SETTINGS, &self.state.settings);
    }

    fn auto_save_interval(&self) -> std::time::Duration {
        std::time::Duration::from_secs(10)
    }
}
