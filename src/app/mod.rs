//! The window. It holds view state only, and could be closed and reopened over a running engine.

mod compare;
mod curves;
mod dialogs;
mod gallery_page;
mod jobs;
mod keys;
mod layout;
mod matches;
mod notices;
mod queries;
mod shell;
pub mod state;
mod target;
pub mod theme;
mod thumbs;
mod training;
mod widgets;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eframe::{NativeOptions, Renderer};
use egui::{Theme, ViewportBuilder};

pub use dialogs::Picker;
pub use shell::App;
pub use target::Target;

use crate::device::DeviceChoice;
use crate::engine::command::Command;
use crate::engine::worker::Engine;
use crate::error::{Error, Result};

/// The key under which the user's choices are stored.
const SETTINGS: &str = "settings-1";
/// The window draws at most this often for the engine's sake.
const PACE: Duration = Duration::from_millis(150);

/// What the window opens at its start.
#[derive(Debug, Clone)]
pub struct Demo {
    /// A model file.
    pub model: PathBuf,
    /// A folder of sharp images.
    pub gallery: PathBuf,
    /// A folder of crops.
    pub queries: PathBuf,
}

/// Opens the window and stays until it is closed. `RAIN_THEME=light` or `dark` in the environment wins over what was
/// chosen last time.
pub fn run(device: DeviceChoice, demo: Option<Demo>) -> Result<()> {
    let options = NativeOptions {
        renderer: Renderer::Glow,
        viewport: ViewportBuilder::default()
            .with_title("Rain")
            .with_app_id("rain")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([900.0, 600.0]),
        ..NativeOptions::default()
    };
    let create = Box::new(move |cc: &eframe::CreationContext<'_>| {
        theme::install(&cc.egui_ctx);
        match std::env::var("RAIN_THEME").as_deref() {
            Ok("light") => cc.egui_ctx.set_theme(Theme::Light),
            Ok("dark") => cc.egui_ctx.set_theme(Theme::Dark),
            _ => {}
        }
        let ctx = cc.egui_ctx.clone();
        let engine = Engine::start(device, Arc::new(move || ctx.request_repaint_after(PACE)))?;
        if let Some(demo) = demo {
            engine.send(Command::OpenModel { path: demo.model });
            engine.send(Command::OpenGallery { path: demo.gallery });
            engine.send(Command::AddQueries { paths: vec![demo.queries] });
        }
        let settings = cc.storage.and_then(|s| eframe::get_value(s, SETTINGS)).unwrap_or_default();
        let events = engine.events().clone();
        let send = Box::new(move |command| engine.send(command));
        let app = App::new(events, send, Some(dialogs::system_picker())).with_settings(settings);
        Ok(Box::new(app) as Box<dyn eframe::App>)
    });
    eframe::run_native("rain", options, create).map_err(|e| {
        Error::input(
            format!("The window could not be opened: {e}"),
            "Check that DISPLAY or WAYLAND_DISPLAY names a screen; `rain demo --headless` needs none",
        )
    })
}
