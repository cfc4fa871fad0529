//! The gallery page: what is open, the state of its files, and the same gallery on a server.

mod disk;
mod files;
mod server;
mod summary;

use std::sync::Arc;

use egui::{Frame, Panel, ScrollArea, Ui};

use super::dock::filled;
use super::shell::Cx;
use super::state::{Action, ViewState};
use super::theme::{GAP, SMALL, medium, palette};
use crate::engine::command::GalleryCommand;
use crate::engine::event::{GalleryEntry, JobKind, SearchResult};

use disk::DiskView;
pub use disk::answered;
use server::ServerView;

/// Galleries of at most so many images are looked at without being asked: it takes a moment.
const AUTOMATIC: usize = 5000;

/// What belongs to this page alone and is gone when the window closes.
#[derive(Default)]
pub struct GalleryView {
    /// The part about galleries on disk.
    pub disk: DiskView,
    /// The part about servers.
    pub server: ServerView,
    /// The gallery that was looked at without being asked.
    looked_at: Option<Arc<Vec<GalleryEntry>>>,
}

/// Draws the page: the gallery and its files at the left, servers at the right.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>) {
    look(cx);
    let gap = GAP as i8;
    let width = ui.available_width();
    let around = |left, right| Frame::new().inner_margin(egui::Margin { left, right, top: gap, bottom: gap });
    Panel::right("gallery server")
        .frame(around(gap / 2, gap))
        .show_separator_line(false)
        .default_size((width * 0.36).clamp(360.0, 520.0))
        .size_range(340.0..=(width - 620.0).clamp(350.0, (width * 0.5).max(350.0)))
        .show(ui, |ui| filled(ui, |ui| scrolled(ui, "server", |ui| server::ui(ui, cx))));
    egui::CentralPanel::default().frame(around(gap, gap / 2)).show(ui, |ui| {
        filled(ui, |ui| {
            scrolled(ui, "gallery", |ui| {
                summary::ui(ui, cx);
                files::well(ui, cx);
                disk::ui(ui, cx);
                files::ui(ui, cx);
            });
        });
    });
}

/// Says above a ranking that it is approximate, and what that means.
pub fn approximate_note(ui: &mut Ui, state: &ViewState, result: &SearchResult) {
    // For these every image is compared.
    if result.refine.rerank || result.refine.filter.distance.is_some() {
        return;
    }
    let Some(recall) = state.approximate() else { return };
    let p = palette(ui.visuals());
    let said = format!("approximate: finds {:.1} % of the ten nearest", 100.0 * recall);
    let hint = "Measured on the gallery's own rows. The page Gallery switches back to exact searches";
    ui.label(medium(said, SMALL).color(p.other)).on_hover_text(hint);
}

/// What is wider than its pane scrolls too: it must not grow the pane over its neighbour.
fn scrolled(ui: &mut Ui, name: &str, contents: impl FnOnce(&mut Ui)) {
    ScrollArea::both().auto_shrink(false).id_salt(name).show(ui, contents);
}

/// Has a small gallery's files looked at as soon as it is seen here.
fn look(cx: &mut Cx<'_>) {
    let Some(gallery) = &cx.state.gallery else { return };
    let view = &mut cx.view.gallery.looked_at;
    let seen = view.as_ref().is_some_and(|entries| Arc::ptr_eq(entries, &gallery.entries));
    if seen || gallery.entries.len() > AUTOMATIC || cx.state.running(JobKind::Files) {
        return;
    }
    *view = Some(gallery.entries.clone());
    cx.wishes.push(Action::Gallery(GalleryCommand::Survey).into());
}
