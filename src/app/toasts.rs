//! Toasts: short words at the lower right about what finished. They go by themselves; what failed does not stand here.

use egui::{Align2, Area, Context, Frame, Id, Margin, Order, Role, Stroke, WidgetInfo};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_CHECK, ICON_INFO};

use super::theme::{BODY, icon, medium, palette, tint};

/// Seconds for which a toast stays.
const SECONDS: f64 = 5.0;
/// Toasts shown at a time.
const SHOWN: usize = 3;

/// The toasts, oldest first.
#[derive(Debug, Default)]
pub struct Toasts(Vec<Toast>);

#[derive(Debug)]
struct Toast {
    text: String,
    done: bool,
    /// When it came, in egui's seconds; set in the frame that shows it first.
    since: Option<f64>,
}

impl Toasts {
    /// Something was finished.
    pub fn done(&mut self, text: impl Into<String>) {
        self.add(text.into(), true);
    }

    /// Something to know.
    pub fn note(&mut self, text: impl Into<String>) {
        self.add(text.into(), false);
    }

    fn add(&mut self, text: String, done: bool) {
        // The same again (a key held down) is one toast.
        self.0.retain(|toast| toast.text != text);
        self.0.push(Toast { text, done, since: None });
        let more = self.0.len().saturating_sub(SHOWN);
        self.0.drain(..more);
    }

    /// Draws what is to be seen, and asks for the frame in which the next goes.
    pub fn ui(&mut self, ctx: &Context) {
        let now = ctx.input(|i| i.time);
        self.0.retain_mut(|toast| now - *toast.since.get_or_insert(now) < SECONDS);
        let Some(next) = self.0.iter().filter_map(|toast| toast.since).reduce(f64::min) else { return };
        ctx.request_repaint_after_secs((SECONDS - (now - next)) as f32 + 0.05);
        let corner = egui::vec2(-14.0, -40.0);
        let area = Area::new(Id::unique("toasts")).order(Order::Foreground).interactable(false);
        area.anchor(Align2::RIGHT_BOTTOM, corner).show(ctx, |ui| {
            ui.set_max_width(ctx.content_rect().width() - 60.0);
            for toast in &self.0 {
                let p = palette(ui.visuals());
                let (sign, colour): (MaterialIcon, _) =
                    if toast.done { (ICON_CHECK, p.same) } else { (ICON_INFO, p.accent) };
                let frame = Frame::new()
                    .fill(tint(p.pane, colour, 0.10))
                    .stroke(Stroke::new(1.0, tint(p.pane, colour, 0.55)))
                    .corner_radius(8.0)
                    .inner_margin(Margin::symmetric(12, 7));
                let response = frame.show(ui, |ui| {
                    ui.horizontal(|ui| {
                        ui.label(icon(sign, 16.0).color(colour));
                        ui.label(medium(&toast.text, BODY).color(p.strong));
                    });
                });
                response.response.widget_info(|| WidgetInfo::labeled(Role::Status, true, &toast.text));
            }
        });
    }
}
