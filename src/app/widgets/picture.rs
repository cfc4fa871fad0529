//! Drawing a picture into a rectangle, with its caption.

use egui::epaint::RectShape;
use egui::{Align2, Color32, Rect, Role, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, vec2};
use egui_material_icons::icons::ICON_BROKEN_IMAGE;

use crate::app::theme::{SMALL, icon_font, medium, medium_font, palette, small};
use crate::app::thumbs::Picture;

/// The mat that a picture lies on.
pub fn draw_mat(ui: &Ui, rect: Rect, radius: f32) {
    ui.painter().rect_filled(rect, radius, palette(ui.visuals()).hover);
}

/// Draws a picture as large as it fits into `rect`, in its own proportions, on a mat.
pub fn draw(ui: &Ui, rect: Rect, picture: &Picture, radius: f32) {
    let p = palette(ui.visuals());
    draw_mat(ui, rect, radius);
    match picture {
        Picture::Ready { texture, size, uv } => {
            let scale = (rect.width() / size.x).min(rect.height() / size.y);
            let inner = Rect::from_center_size(rect.center(), *size * scale);
            // A photograph nearly of the frame's shape fills it: a hairline of mat looks like a fault.
            let fits = inner.width() > rect.width() - 1.5 && inner.height() > rect.height() - 1.5;
            let radius = if fits { radius } else { 0.0 };
            let shape = RectShape::filled(inner, radius, Color32::WHITE).with_texture(*texture, *uv);
            ui.painter().add(Shape::Rect(shape));
        }
        Picture::Waiting => {}
        Picture::Broken(_) => {
            let (at, font) = (rect.center(), icon_font(22.0));
            ui.painter().text(at, Align2::CENTER_CENTER, ICON_BROKEN_IMAGE.codepoint, font, p.weak);
        }
    }
}

/// A picture's title, the line below it and its border.
pub struct Caption<'a> {
    /// "Query".
    pub title: &'a str,
    /// "16×32 px".
    pub line: &'a str,
    /// Colour of the border.
    pub border: Color32,
}

/// The title with its first word divided where the word alone is wider than the picture: egui would break it anywhere.
pub fn hyphenated(ui: &Ui, title: &str, width: f32) -> String {
    let (first, rest) = title.split_at(title.find(' ').unwrap_or(title.len()));
    let wide = |word: &str| {
        let font = medium_font(SMALL);
        ui.painter().layout_no_wrap(word.to_owned(), font, Color32::WHITE).size().x > width
    };
    match first.strip_prefix("Recon") {
        Some(end) if wide(first) => format!("Recon-\n{end}{rest}"),
        _ => title.to_owned(),
    }
}

/// Draws a picture of that size with its caption below. It is announced as "title, line".
pub fn caption(ui: &mut Ui, size: Vec2, picture: &Picture, text: &Caption<'_>) -> egui::Response {
    let p = palette(ui.visuals());
    ui.vertical(|ui| {
        ui.set_width(size.x);
        ui.spacing_mut().item_spacing = vec2(0.0, 2.0);
        let (rect, response) = ui.allocate_exact_size(size, egui::Sense::hover());
        let name = match text.line {
            "" => text.title.to_owned(),
            line => format!("{}, {line}", text.title),
        };
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        draw(ui, rect, picture, 6.0);
        ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.5, text.border), StrokeKind::Inside);
        ui.add_space(2.0);
        let title = hyphenated(ui, text.title, size.x);
        ui.label(medium(title, SMALL).color(p.text));
        if !text.line.is_empty() {
            ui.label(small(text.line).color(p.weak));
        }
        match picture {
            Picture::Broken(reason) => response.on_hover_text(reason),
            _ => response,
        }
    })
    .inner
}
