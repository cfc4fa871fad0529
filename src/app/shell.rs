//! The window as a whole: what it holds, and where its panes lie.

use std::path::PathBuf;

use crossbeam_channel::Receiver;
use egui::{
    Align, CentralPanel, Context, Frame, Id, Layout, Margin, Panel, ScrollArea, Theme, Ui, vec2,
};
use egui_material_icons::icons::{
    ICON_CLOSE, ICON_CLOSE_FULLSCREEN, ICON_DARK_MODE, ICON_FOLDER_OPEN, ICON_HELP, ICON_HISTORY,
    ICON_IMAGE_SEARCH, ICON_KEYBOARD, ICON_LIGHT_MODE, ICON_MEMORY, ICON_MODEL_TRAINING,
    ICON_OPEN_IN_FULL, ICON_PERSON_SEARCH, ICON_PHOTO_LIBRARY, ICON_SHOW_CHART, ICON_UNDO,
};

use super::curves::Curves;
use super::dialogs::{Answer, PathSheet, Picker};
use super::keys;
use super::state::{Action, Settings, TrainForm, ViewState};
use super::theme::{GAP, SMALL, icon, medium, palette, semibold, small};
use super::thumbs::Thumbs;
use super::widgets::{header, icon_button, pane, plain_button, sheet, text_button};
use super::{compare, jobs, matches, notices, queries, training};
use crate::engine::command::Command;
use crate::engine::event::Event;

/// Events taken in a frame: a chatty engine must not eat the frame.
const EVENTS: usize = 512;
/// Seconds for which the offer to undo stays.
const UNDO_SECONDS: f64 = 8.0;
/// Below this the panes do not shrink; the window scrolls instead.
const LEAST: egui::Vec2 = vec2(900.0, 440.0);

/// What a path is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A model file.
    Model,
    /// A gallery folder.
    Gallery,
    /// Crops.
    Queries,
    /// The form's data folder.
    TrainData,
    /// The form's initial weights.
    TrainWeights,
    /// The form's run folder.
    TrainRun,
    /// A run to go on with.
    Resume,
}

impl Target {
    /// The sheet's title.
    pub fn title(self) -> &'static str {
        match self {
            Target::Model => "Open model",
            Target::Gallery => "Open gallery",
            Target::Queries => "Open queries",
            Target::TrainData => "Choose the training data",
            Target::TrainWeights => "Choose initial weights",
            Target::TrainRun => "Choose a run folder",
            Target::Resume => "Resume a run",
        }
    }

    /// What is expected.
    pub fn hint(self) -> &'static str {
        match self {
            Target::Model => "A model file written by Rain (.safetensors)",
            Target::Gallery => "A folder of sharp images; sub-folders are read too",
            Target::Queries => "An image, or a folder of images",
            Target::TrainData => {
                "A folder in the Market-1501 or VIPeR layout, or with a sub-folder a person"
            }
            Target::TrainWeights => "ResNet weights with torchvision names (.safetensors or .pth)",
            Target::TrainRun => {
                "A folder that does not exist yet; it will hold checkpoints and history"
            }
            Target::Resume => "The folder of a run that was stopped",
        }
    }

    /// A path as an example.
    pub fn example(self) -> &'static str {
        match self {
            Target::Model => "/home/me/models/rain.safetensors",
            Target::Gallery => "/home/me/gallery",
            Target::Queries => "/home/me/crops",
            Target::TrainData => "/home/me/Market-1501",
            Target::TrainWeights => "/home/me/resnet50.pth",
            Target::TrainRun | Target::Resume => "/home/me/runs/first",
        }
    }

    /// The button.
    pub fn verb(self) -> &'static str {
        match self {
            Target::Model | Target::Gallery | Target::Queries => "Open",
            Target::TrainData | Target::TrainWeights | Target::TrainRun => "Choose",
            Target::Resume => "Resume",
        }
    }

    /// Whether the path may name something that is yet to be made.
    pub fn is_new_folder(self) -> bool {
        self == Target::TrainRun
    }
}

/// What a panel wants to happen.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Something with the data.
    Do(Action),
    /// Ask for a path.
    Ask(Target),
    /// Enlarge the comparison, or close it.
    Enlarge,
    /// Show the training tab.
    ShowTraining,
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
    tab: Tab,
    lower_full: bool,
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
    pub fn new(
        events: Receiver<Event>,
        send: Box<dyn Fn(Command)>,
        picker: Option<Picker>,
    ) -> Self {
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
        let paths: Vec<PathBuf> = ctx.input(|i| {
            i.raw
                .dropped_files
                .iter()
                .map(|f| f.path().to_path_buf())
                .collect()
        });
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
        let weights = |p: &PathBuf| {
            p.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("safetensors"))
        };
        let wish = match paths.as_slice() {
            [one] if weights(one) => Action::OpenModel(one.clone()),
            [one] if self.state.gallery.is_none() && folder(one) => {
                Action::OpenGallery(one.clone())
            }
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
            Wish::Ask(target) => {
                self.view.sheet = Some(PathSheet::open(target, self.picker.as_ref(), ctx))
            }
            Wish::Enlarge => self.view.large = !self.view.large && self.state.query().is_some(),
            Wish::ShowTraining => {
                self.view.tab = Tab::Training;
                self.view.focus_form = true;
            }
            Wish::ToggleTheme => {
                ctx.set_theme(if ctx.theme() == Theme::Dark {
                    Theme::Light
                } else {
                    Theme::Dark
                });
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
                workspace(ui, &mut cx);
            } else {
                // A small window, or a large zoom: scroll rather than cut off.
                ScrollArea::both().auto_shrink(false).show(ui, |ui| {
                    let (rect, _) = ui.allocate_exact_size(size.max(LEAST), egui::Sense::hover());
                    workspace(
                        &mut ui.new_child(egui::UiBuilder::new().max_rect(rect)),
                        &mut cx,
                    );
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

fn top_bar(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let frame = Frame::new()
        .fill(p.pane)
        .inner_margin(Margin::symmetric(14, 7));
    Panel::top("top bar").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            ui.label(icon(ICON_PERSON_SEARCH, 22.0).color(p.accent));
            ui.label(semibold("Rain", 17.0).color(p.strong));
            ui.add_space(10.0);
            for (sign, text, target, command) in [
                (
                    ICON_IMAGE_SEARCH,
                    "Open queries…",
                    Target::Queries,
                    keys::Command::OpenQueries,
                ),
                (
                    ICON_PHOTO_LIBRARY,
                    "Open gallery…",
                    Target::Gallery,
                    keys::Command::OpenGallery,
                ),
                (
                    ICON_FOLDER_OPEN,
                    "Open model…",
                    Target::Model,
                    keys::Command::OpenModel,
                ),
            ] {
                if plain_button(ui, sign, text)
                    .on_hover_text(keys::tooltip(command))
                    .clicked()
                {
                    cx.wishes.push(Wish::Ask(target));
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(
                    ui,
                    ICON_HELP,
                    &format!("Keys ({})", keys::of(keys::Command::Keys).keys),
                )
                .clicked()
                {
                    cx.wishes.push(Wish::ToggleKeys);
                }
                let (sign, name) = if ui.visuals().dark_mode {
                    (ICON_LIGHT_MODE, "Light theme")
                } else {
                    (ICON_DARK_MODE, "Dark theme")
                };
                if icon_button(ui, sign, name).clicked() {
                    cx.wishes.push(Wish::ToggleTheme);
                }
                ui.add_space(4.0);
                let device = cx.state.device.as_deref().unwrap_or("Starting the engine…");
                ui.add(egui::Label::new(small(device).color(p.weak)).truncate())
                    .on_hover_text(device);
                ui.label(icon(ICON_MEMORY, 15.0).color(p.weak));
            });
        });
    });
    if !cx.state.notices.is_empty() {
        let frame = Frame::new().fill(p.ground).inner_margin(Margin {
            left: 8,
            right: 8,
            top: 8,
            bottom: 0,
        });
        Panel::top("notices")
            .frame(frame)
            .show_separator_line(false)
            .show(ui, |ui| notices::ui(ui, cx));
    }
}

fn status_bar(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let frame = Frame::new()
        .fill(p.pane)
        .inner_margin(Margin::symmetric(14, 4));
    Panel::bottom("status bar").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.set_min_height(20.0);
            if let Some(text) = &cx.state.undoable {
                ui.label(medium(text, SMALL).color(p.strong));
                if plain_button(ui, ICON_UNDO, "Undo").on_hover_text(keys::tooltip(keys::Command::Undo)).clicked() {
                    cx.wishes.push(Action::UndoRemove.into());
                }
                ui.separator();
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.available_width() > 1100.0 {
                    let hints = "↑↓ query    ←→ candidate    E enlarge    Del remove    F1 keys    Ctrl +/− zoom";
                    ui.label(small(hints).color(p.weak));
                    ui.label(icon(ICON_KEYBOARD, 15.0).color(p.weak));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| status(ui, cx));
            });
        });
    });
}

/// Model, gallery and the running job.
fn status(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    let state = cx.state;
    let mut parts = Vec::new();
    parts.push(match &state.model {
        Some(m) => format!("Model {} ({})", super::state::file_name(&m.path), m.hash),
        None => "No model".into(),
    });
    parts.push(match &state.gallery {
        Some(g) => format!(
            "Gallery {}, {} images",
            super::state::file_name(&g.path),
            matches::thousands(g.entries.len() as u64)
        ),
        None => "No gallery".into(),
    });
    if let Some(job) = state.jobs.iter().find(|j| j.end.is_none()) {
        let progress = job
            .progress
            .as_ref()
            .map(|p| format!(", {}", jobs::describe(p)))
            .unwrap_or_default();
        parts.push(format!("{}{progress}", job.title));
    }
    let text = parts.join("  ·  ");
    ui.add(egui::Label::new(small(&text).color(p.weak)).truncate())
        .on_hover_text(text);
}

/// The panes: queries, matches above training, comparison.
fn workspace(ui: &mut Ui, cx: &mut Cx<'_>) {
    let gap = GAP as i8;
    let width = ui.available_width();
    let around = |left, right, top, bottom| {
        Frame::new()
            .inner_margin(Margin {
                left,
                right,
                top,
                bottom,
            })
            .fill(egui::Color32::TRANSPARENT)
    };
    Panel::left("queries")
        .frame(around(gap, gap / 2, gap, gap))
        .show_separator_line(false)
        .default_size((width * 0.17).clamp(226.0, 260.0))
        .size_range(200.0..=(width * 0.3).max(216.0))
        .show(ui, |ui| filled(ui, |ui| queries::ui(ui, cx)));
    Panel::right("compare")
        .frame(around(gap / 2, gap, gap, gap))
        .show_separator_line(false)
        .default_size((width * 0.245).clamp(336.0, 372.0))
        .size_range(336.0..=(width * 0.42).max(340.0))
        .show(ui, |ui| filled(ui, |ui| compare::ui(ui, cx)));
    let height = ui.available_height();
    if cx.view.lower_full {
        CentralPanel::default()
            .frame(around(gap / 2, gap / 2, gap, gap))
            .show(ui, |ui| filled(ui, |ui| lower(ui, cx)));
        return;
    }
    Panel::bottom("lower")
        .frame(around(gap / 2, gap / 2, gap / 2, gap))
        .show_separator_line(false)
        .resizable(true)
        .default_size((height * if height > 560.0 { 0.45 } else { 0.38 }).clamp(180.0, 400.0))
        .size_range(120.0..=(height * 0.55).max(130.0))
        .show(ui, |ui| filled(ui, |ui| lower(ui, cx)));
    CentralPanel::default()
        .frame(around(gap / 2, gap / 2, gap, gap / 2))
        .show(ui, |ui| filled(ui, |ui| matches::ui(ui, cx)));
}

/// A pane that fills its panel.
fn filled(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    pane(ui).show(ui, |ui| {
        let size = ui.available_size();
        ui.set_min_size(size);
        ui.set_max_size(size);
        contents(ui);
    });
}

fn lower(ui: &mut Ui, cx: &mut Cx<'_>) {
    let p = palette(ui.visuals());
    ui.horizontal(|ui| {
        let running = cx.state.jobs.iter().filter(|j| j.end.is_none()).count();
        let jobs_title = if running > 0 {
            format!("Jobs ({running})")
        } else {
            "Jobs".to_owned()
        };
        for (tab, sign, text) in [
            (
                Tab::Training,
                if cx.state.run.phase.active() {
                    ICON_MODEL_TRAINING
                } else {
                    ICON_SHOW_CHART
                },
                "Training",
            ),
            (Tab::Jobs, ICON_HISTORY, jobs_title.as_str()),
        ] {
            let on = cx.view.tab == tab;
            let colour = if on { p.strong } else { p.weak };
            let button = egui::Button::selectable(
                on,
                (
                    icon(sign, 16.0).color(colour),
                    medium(text, 13.0).color(colour),
                ),
            );
            let response = ui.add(button);
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, on, text));
            if response.clicked() {
                cx.view.tab = tab;
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (sign, name) = if cx.view.lower_full {
                (ICON_CLOSE_FULLSCREEN, "Shrink this pane")
            } else {
                (ICON_OPEN_IN_FULL, "Enlarge this pane")
            };
            if icon_button(ui, sign, name).clicked() {
                cx.view.lower_full = !cx.view.lower_full;
            }
        });
    });
    ui.add_space(2.0);
    match cx.view.tab {
        Tab::Training => training::ui(ui, cx),
        Tab::Jobs => jobs::ui(ui, cx),
    }
}

/// The sheet of keys; true when it is to be closed.
fn keys_sheet(ctx: &Context) -> bool {
    let modal = egui::Modal::new(Id::unique("keys"))
        .frame(sheet(ctx))
        .show(ctx, |ui| {
            let p = palette(ui.visuals());
            ui.set_width(400.0_f32.min(ctx.content_rect().width() - 60.0));
            header(ui, ICON_KEYBOARD, "Keys", |ui| {
                if icon_button(ui, ICON_CLOSE, "Close keys").clicked() {
                    ui.close();
                }
            });
            let height = (ctx.content_rect().height() - 160.0).max(120.0);
            ScrollArea::vertical().max_height(height).show(ui, |ui| {
                egui::Grid::new("keys")
                    .num_columns(2)
                    .spacing(vec2(28.0, 6.0))
                    .min_col_width(120.0)
                    .min_row_height(18.0)
                    .show(ui, |ui| {
                        let table = keys::TABLE.iter().map(|r| (r.keys, r.label));
                        for (keys, label) in table.chain(keys::BUILT_IN) {
                            ui.label(medium(keys, 13.0).color(p.strong));
                            ui.label(label);
                            ui.end_row();
                        }
                    });
            });
            ui.add_space(4.0);
            if text_button(ui, "Close").clicked() {
                ui.close();
            }
        });
    modal.should_close()
}

/// Tells what a drop would do, while files hover over the window.
fn drop_hint(ctx: &Context) {
    if !ctx.input(|i| i.raw.hovered_files.is_empty()) {
        let painter = ctx.layer_painter(egui::LayerId::new(
            egui::Order::Foreground,
            Id::unique("drop"),
        ));
        let rect = ctx.content_rect();
        painter.rect_filled(rect, 0.0, egui::Color32::from_black_alpha(190));
        let text = "Drop crops to add them as queries, or a model file to open it";
        let font = super::theme::semibold_font(22.0);
        painter.text(
            rect.center(),
            egui::Align2::CENTER_CENTER,
            text,
            font,
            egui::Color32::WHITE,
        );
    }
}
