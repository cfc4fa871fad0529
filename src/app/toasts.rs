//! Toasts: short words about what finished, over the bar at the bottom, where they hide nothing that is worked with. They go by
//! themselves; what failed does not stand here.

use egui::{Align2, Area, Context, Frame, Id, Margin, Order, Role, Stroke, Ui, WidgetInfo};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_CHECK, ICON_INFO};

use super::theme::{SMALL, icon, medium, palette, tint};

/// Seconds for which a toast stays.
const SECONDS: f64 = 5.0;
/// Toasts kept at a time.
const SHOWN: usize = 3;
/// What one takes of the bar, in points, more or less.
const WIDTH: f32 = 260.0;

/// The toasts, oldest first.
#[derive(Debug, Default)]
pub struct Toasts(Vec<Toast>);

#[derive(Debug)]
struct Toast {
    text: String,
    done: bool,
    /// What it is about: a newer word about the same takes its place.
    about: Option<&'static str>,
    /// When it came, in egui's seconds; set in the frame that shows it first.
    since: Option<f64>,
}

impl Toasts {
    /// Something was finished.
    pub fn done(&mut self, text: impl Into<String>) {
        self.add(text.into(), true, None);
    }

    /// Something to know.
    pub fn note(&mut self, text: impl Into<String>) {
        self.add(text.into(), false, None);
    }

    /// Something to know in the place of what was said about the same thing: the zoom, the theme.
    pub fn note_about(&mut self, about: &'static str, text: impl Into<String>) {
        self.add(text.into(), false, Some(about));
    }

    fn add(&mut self, text: String, done: bool, about: Option<&'static str>) {
        // The same again (a key held down) is one toast.
        self.0.retain(|toast| toast.text != text && (about.is_none() || toast.about != about));
        self.0.push(Toast { text, done, about, since: None });
        let more = self.0.len().saturating_sub(SHOWN);
        self.0.drain(..more);
    }

    /// Draws what is to be seen, and asks for the frame in which the next goes.
    pub fn ui(&mut self, ctx: &Context) {
        let now = ctx.input(|i| i.time);
        self.0.retain_mut(|toast| now - *toast.since.get_or_insert(now) < SECONDS);
        let Some(next) = self.0.iter().filter_map(|toast| toast.since).reduce(f64::min) else { return };
        ctx.request_repaint_after_secs((SECONDS - (now - next)) as f32 + 0.05);
        let room = ctx.content_rect().width();
        // In a low bar they stand side by side, the newest at the right: as many as leave half of it to what is there.
        let shown = ((room * 0.5 / WIDTH) as usize).max(1);
        let area = Area::new(Id::unique("toasts")).order(Order::Foreground).interactable(false);
        area.anchor(Align2::RIGHT_BOTTOM, egui::vec2(-6.0, -2.0)).show(ctx, |ui| {
            ui.set_max_width(room * 0.6);
            ui.horizontal(|ui| {
                let hidden = self.0.len().saturating_sub(shown);
                self.0.iter().skip(hidden).for_each(|toast| pill(ui, toast));
            });
        });
    }
}

fn pill(ui: &mut Ui, toast: &Toast) {
    let p = palette(ui.visuals());
    let (sign, colour): (MaterialIcon, _) = if toast.done { (ICON_CHECK, p.same) } else { (ICON_INFO, p.accent) };
    let frame = Frame::new()
        .fill(tint(p.pane, colour, 0.10))
        .stroke(Stroke::new(1.0, tint(p.pane, colour, 0.55)))
        .corner_radius(6.0)
        .inner_margin(Margin::symmetric(10, 2));
    let response = frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(icon(sign, 15.0).color(colour));
            ui.add(egui::Label::new(medium(&toast.text, SMALL).color(p.strong)).truncate());
        });
    });
    response.response.widget_info(|| WidgetInfo::labeled(Role::Status, true, &toast.text));
}
