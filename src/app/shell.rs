//! The window as a whole: what it holds, and where its panes lie.

mod fulfil;
mod view;
mod wish;

use std::path::PathBuf;

use crossbeam_channel::Receiver;
use egui::{CentralPanel, Context, Frame, ScrollArea, Ui, vec2};

use super::dialogs::{Answer, Picker};
use super::finder;
use super::keys::{self, Keyboard};
use super::layout::{drop_hint, status_bar, top_bar};
use super::map::VerdictOf;
use super::remember::{self, Look, Memory};
use super::state::{Settings, ViewState};
use super::theme::{self, palette};
use super::thumbs::Thumbs;
use super::timing::FirstFrame;
use super::{Demo, compare, help, investigate, notices, overview, pages, verdicts};
use crate::engine::command::{CaseCommand, Command};
use crate::engine::event::Event;

pub use view::{Cx, View};
pub use wish::{Page, Sheet, Wish, Zoom};

/// Events taken in a frame: a chatty engine must not eat the frame.
const EVENTS: usize = 512;
/// Seconds for which the offer to undo stays.
const UNDO_SECONDS: f64 = 8.0;
/// Below this the panes do not shrink; the window scrolls instead.
const LEAST: egui::Vec2 = vec2(1000.0, 515.0);

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

    /// The same with settings that are not remembered.
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.state.settings = settings;
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
                Ok(Event::Thumbnail { path, max_side, image }) => self.thumbs.arrived(path, max_side, image),
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

    fn take_keys(&mut self, ctx: &Context) {
        self.reveal = false;
        if self.view.sheet.is_some() || self.view.crop.is_some() || self.view.case.sheet_open() {
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
        if keyboard != Keyboard::Text && self.view.over.is_none() {
            for action in investigate::paste(ctx, &mut self.state) {
                self.fulfil(action.into(), ctx);
            }
        }
        let pair_seen = self.view.page == Page::Investigate;
        for command in keys::pressed(ctx, keyboard, pair_seen) {
            // Under a sheet only what can be seen of it goes on.
            let allowed = self.view.over.is_none_or(|sheet| command == sheet.command());
            let situation = keys::Situation { state: &self.state, view: &self.view };
            let wish = match (keys::of(command).wish)(situation) {
                _ if !allowed => continue,
                Ok(wish) => wish,
                // At the end of a list there is nothing to say.
                Err(_) if command.repeats() => continue,
                Err(why) => Wish::Say(why.to_owned()),
            };
            self.view.large &= command.over_comparison();
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
        if let Some(mut tool) = cx.view.crop.take()
            && !tool.show(ui, &mut cx)
        {
            cx.view.crop = Some(tool);
        }
        let ctx = ui.ctx().clone();
        let close = match cx.view.over {
            Some(Sheet::Keys) => help::keys(&ctx),
            Some(Sheet::About) => help::about(&ctx, &cx),
            Some(Sheet::Finder) => find(&ctx, &mut cx),
            Some(Sheet::Notices) => notices::sheet(&ctx, &mut cx),
            Some(Sheet::Overview) => overview::sheet(ui, &mut cx),
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
        let selected = self.state.selected;
        self.take_events(&ctx);
        self.take_drops(&ctx);
        let moved = self.state.selected != selected;
        self.take_keys(&ctx);
        self.reveal |= moved;
        self.view.arrows_at = None;
        let focused = ctx.memory(|m| m.focused()).is_some();
        self.view.grid_focus &= focused;
        self.view.queries_focus &= focused;
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
