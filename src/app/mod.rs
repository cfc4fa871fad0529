//! The window. It holds view state only, and could be closed and reopened over a running engine.

mod certainty;
mod clipboard;
mod compare;
mod crop;
pub mod curves;
mod dialogs;
mod dock;
mod export;
mod finder;
mod fuzzy;
mod gallery_page;
mod help;
mod history;
mod investigate;
mod jobs;
mod keys;
mod layout;
mod map;
mod matches;
mod menus;
mod notices;
mod overview;
mod pages;
mod paper;
mod queries;
mod recorded;
mod remember;
mod shell;
pub mod state;
mod target;
mod text;
pub mod theme;
mod thumbs;
mod timing;
mod toasts;
mod training;
mod verdicts;
mod welcome;
mod widgets;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eframe::{NativeOptions, Renderer};
use egui::ViewportBuilder;

use remember::Memory;
use theme::Choice;

pub use dialogs::Picker;
pub use map::VerdictOf;
pub use shell::App;
pub use target::Target;

use crate::device::DeviceChoice;
use crate::engine::worker::Engine;
use crate::error::{Error, Result};

/// The window draws at most this often for the engine's sake.
const PACE: Duration = Duration::from_millis(150);

/// The demo: its files, and the case that it is kept in.
pub use crate::engine::case::DemoCase as Demo;

/// What the window opens at its start.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The demo, to be offered.
    pub demo: Option<Demo>,
    /// Whether to open it at once.
    pub at_once: bool,
    /// A case to open.
    pub case: Option<PathBuf>,
}

/// The folder in which the window keeps what it remembers, the demo's case among it; none where the system names none.
pub fn data_folder() -> Option<PathBuf> {
    eframe::storage_dir("rain")
}

/// Opens the window and stays until it is closed. `RAIN_THEME` in the environment (`light`, `dark` or `high-contrast`) wins over
/// what was chosen last time.
pub fn run(device: DeviceChoice, start: Start) -> Result<()> {
    let options = NativeOptions {
        renderer: Renderer::Glow,
        viewport: ViewportBuilder::default()
            .with_title("Rain")
            .with_app_id("rain")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([640.0, 420.0]),
        ..NativeOptions::default()
    };
    let create = Box::new(move |cc: &eframe::CreationContext<'_>| {
        theme::install(&cc.egui_ctx);
        let mut memory = cc.storage.map(Memory::read).unwrap_or_default();
        match std::env::var("RAIN_THEME").as_deref() {
            Ok("light") => memory.look.theme = Choice::Light,
            Ok("dark") => memory.look.theme = Choice::Dark,
            Ok("high-contrast") => memory.look.theme = Choice::HighContrast,
            _ => {}
        }
        let ctx = cc.egui_ctx.clone();
        let engine = Engine::start(device, Arc::new(move || ctx.request_repaint_after(PACE)))?;
        let events = engine.events().clone();
        let send = Box::new(move |command| engine.send(command));
        let app = App::new(events, send, Some(dialogs::system_picker())).with_memory(memory, &cc.egui_ctx);
        let app = app.with_demo(start.demo).started(start.case, start.at_once);
        Ok(Box::new(app) as Box<dyn eframe::App>)
    });
    eframe::run_native("rain", options, create).map_err(|e| {
        Error::input(
            format!("The window could not be opened: {e}"),
            "Check that DISPLAY or WAYLAND_DISPLAY names a screen; `rain demo --headless` needs none",
        )
    })
}
