//! Cutting people out of a full frame: a sheet with the frame, boxes on it, and the list of the boxes.

mod boxes;

use std::path::PathBuf;
use std::sync::Arc;

use egui::{
    Align, Align2, Color32, ColorImage, CursorIcon, Event, EventFilter, Id, Key, Label, Layout, Modal, Modifiers, Pos2,
    Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo,
    pos2, vec2,
};
use egui_material_icons::icons::{ICON_ADD, ICON_CLOSE, ICON_CROP, ICON_DELETE};
use image::RgbImage;

use super::compare::Lens;
use super::shell::{Cx, Wish};
use super::state::{Action, file_name};
use super::text;
use super::theme::{SMALL, medium, palette, semibold_font, small};
use super::widgets::{self, empty, header, icon_button, main_button, plain_button, text_button};

use boxes::{Boxes, Grip, Handle};

/// Points around a handle in which the pointer takes hold of it.
const REACH: f32 = 8.0;
/// Width of the list of boxes.
const LIST: f32 = 210.0;

/// The open tool.
pub struct CropTool {
    path: PathBuf,
    boxes: Boxes,
    grip: Option<Grip>,
    lens: Lens,
    texture: Option<TextureHandle>,
    fresh: bool,
    /// Enter was pressed in the frame.
    entered: bool,
}

impl CropTool {
    /// The tool for a frame that is being read.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            boxes: Boxes::default(),
            grip: None,
            lens: Lens::default(),
            texture: None,
            fresh: true,
            entered: false,
        }
    }

    /// Draws the sheet; true when it is to be closed.
    pub fn show(&mut self, ui: &mut Ui, cx: &mut Cx<'_>) -> bool {
        let room = ui.ctx().content_rect().size() - vec2(80.0, 70.0);
        let mut done = false;
        let modal = Modal::new(Id::unique("crop")).frame(widgets::sheet(ui.ctx())).show(ui.ctx(), |ui| {
            ui.set_width(room.x);
            ui.set_height(room.y);
            let name = text::middle(&file_name(&self.path), |name| name.chars().count() <= 60);
            header(ui, ICON_CROP, &format!("Cut people out of {name}"), |ui| {
                if icon_button(ui, ICON_CLOSE, "Close without adding").clicked() {
                    ui.close();
                }
            });
            let frame = cx.state.frame.as_ref().filter(|frame| frame.path == self.path).and_then(|f| f.image.clone());
            match frame {
                None => empty(ui, ICON_CROP, "Reading the frame", "It appears as soon as it is decoded"),
                Some(Err(reason)) => {
                    let p = palette(ui.visuals());
                    ui.add(Label::new(medium(reason, 13.0).color(p.other)).wrap());
                }
                Some(Ok((size, image))) => done = self.tool(ui, cx, size, &image),
            }
        });
        done || modal.should_close()
    }

    fn tool(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, size: [u32; 2], image: &Arc<RgbImage>) -> bool {
        let p = palette(ui.visuals());
        let frame = vec2(size[0] as f32, size[1] as f32);
        if self.texture.is_none() {
            self.texture = Some(upload(ui, image));
            self.boxes = Boxes::new(frame);
        }
        let foot = 64.0;
        let mut done = false;
        ui.horizontal_top(|ui| {
            let canvas = vec2(ui.available_width() - LIST - 16.0, ui.available_height() - foot);
            self.canvas(ui, canvas, frame);
            ui.add_space(8.0);
            ui.vertical(|ui| {
                ui.set_width(LIST);
                ui.set_max_height(canvas.y);
                self.list(ui);
            });
        });
        let hint = "Drag a box round a person. Arrows move the chosen box, Shift+arrows resize it, Ctrl makes ten pixels of one, \
                    N adds a box, Delete removes it, Enter takes them all, the wheel zooms, dragging with the right button moves the frame";
        ui.add(Label::new(small(hint).color(p.weak)).wrap());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let count = self.boxes.all().len();
            let name = match count {
                0 => "Add as queries".to_owned(),
                1 => "Add 1 query".to_owned(),
                n => format!("Add {n} queries"),
            };
            let add = ui.add_enabled_ui(count > 0, |ui| main_button(ui, None, &name)).inner;
            // In the frame Enter alone is enough; on a button it presses that.
            let enter = self.entered || ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::Enter));
            self.entered = false;
            if add.on_hover_text("Ctrl+Enter, or Enter in the frame").clicked() || (enter && count > 0) {
                cx.wishes.push(Action::AddCrops { path: self.path.clone(), boxes: self.boxes.pixels() }.into());
                done = true;
            }
            if text_button(ui, "Cancel").clicked() {
                done = true;
            }
            let told = format!("Frame of {}×{} px", size[0], size[1]);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| ui.label(small(told).color(p.weak)));
        });
        done
    }

    fn canvas(&mut self, ui: &mut Ui, room: Vec2, frame: Vec2) {
        let p = palette(ui.visuals());
        let (rect, response) = ui.allocate_exact_size(room.max(Vec2::splat(80.0)), Sense::click_and_drag());
        let name = format!("Frame with {} boxes", self.boxes.all().len());
        response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, &name));
        if std::mem::take(&mut self.fresh) {
            response.request_focus();
        }
        self.zoom(ui, &response, frame);
        let place = self.lens.place(rect, frame);
        let scale = place.width() / frame.x;
        let to_frame = |at: Pos2| ((at - place.min) / scale).to_pos2();
        self.pointer(ui, &response, scale, to_frame);
        if response.has_focus() {
            let seen = Rect::from_min_max(to_frame(rect.min), to_frame(rect.max));
            self.keys(ui, &response, seen);
        }

        let painter = ui.painter().with_clip_rect(rect);
        painter.rect_filled(rect, 6.0, p.ground);
        if let Some(texture) = &self.texture {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), place, whole, Color32::WHITE);
        }
        for (number, area) in self.boxes.all().iter().enumerate() {
            let chosen = self.boxes.chosen == Some(number);
            let on_screen =
                Rect::from_min_max(place.min + area.min.to_vec2() * scale, place.min + area.max.to_vec2() * scale);
            // A dark line under a light one is seen on every ground.
            painter.rect_stroke(on_screen, 0.0, Stroke::new(4.0, Color32::from_black_alpha(150)), StrokeKind::Middle);
            let colour = if chosen { p.accent } else { Color32::WHITE };
            painter.rect_stroke(on_screen, 0.0, Stroke::new(2.0, colour), StrokeKind::Middle);
            let galley = painter.layout_no_wrap((number + 1).to_string(), semibold_font(SMALL), Color32::WHITE);
            let badge = Rect::from_min_size(on_screen.min - vec2(1.0, 19.0), galley.size() + vec2(10.0, 4.0));
            painter.rect_filled(badge, 3.0, Color32::from_black_alpha(185));
            painter.galley(badge.min + vec2(5.0, 2.0), galley, Color32::WHITE);
            for handle in Handle::ALL.into_iter().filter(|_| chosen) {
                let dot = Rect::from_center_size(handle.on(on_screen), Vec2::splat(8.0));
                painter.rect(dot, 2.0, Color32::WHITE, Stroke::new(1.5, p.accent), StrokeKind::Middle);
            }
        }
        if self.boxes.all().is_empty() {
            let text = "Drag a box round a person";
            painter.text(
                rect.center_bottom() - vec2(0.0, 18.0),
                Align2::CENTER_CENTER,
                text,
                semibold_font(14.0),
                Color32::WHITE,
            );
        }
        let ring = if response.has_focus() { p.accent } else { p.line };
        painter.rect_stroke(rect, 6.0, Stroke::new(1.0, ring), StrokeKind::Inside);
    }

    fn zoom(&mut self, ui: &Ui, response: &Response, frame: Vec2) {
        if let Some(at) = response.hover_pos() {
            let (wheel, pinch) = ui.input(|i| (i.smooth_scroll_delta.y, i.zoom_delta()));
            let factor = pinch * (wheel / 240.0).exp();
            if (factor - 1.0).abs() > 1e-4 {
                self.lens.zoom_at(factor, at, response.rect, frame);
            }
        }
        if response.dragged_by(egui::PointerButton::Secondary) || response.dragged_by(egui::PointerButton::Middle) {
            self.lens.drag(response.drag_delta(), response.rect, frame);
        }
    }

    fn pointer(&mut self, ui: &Ui, response: &Response, scale: f32, to_frame: impl Fn(Pos2) -> Pos2) {
        let primary = egui::PointerButton::Primary;
        let reach = REACH / scale;
        if response.drag_started_by(primary) || response.clicked() {
            response.request_focus();
            // Where it was pressed, not where the pointer was by the time it counted as a drag.
            let at = ui.input(|i| i.pointer.press_origin()).or(response.interact_pointer_pos()).map(&to_frame);
            let found = at.and_then(|at| self.boxes.grip(at, reach));
            if let Some(Grip::Whole(number) | Grip::Handle(number, _)) = found {
                self.boxes.chosen = Some(number);
            }
            if response.drag_started_by(primary) {
                self.grip = found.or_else(|| at.map(|at| self.boxes.begin(at)));
                let moved = ui.input(|i| i.pointer.press_origin().zip(i.pointer.interact_pos()));
                if let (Some(grip), Some((from, to))) = (self.grip, moved) {
                    self.grip = Some(self.boxes.pull(grip, (to - from - response.drag_delta()) / scale));
                }
            }
        }
        if let Some(grip) = self.grip.filter(|_| response.dragged_by(primary)) {
            self.grip = Some(self.boxes.pull(grip, response.drag_delta() / scale));
        }
        if response.drag_stopped() && self.grip.take().is_some() {
            self.boxes.settle();
        }
        let under = response.hover_pos().and_then(|at| self.boxes.grip(to_frame(at), reach));
        match self.grip.or(under) {
            Some(Grip::Whole(_)) => ui.set_cursor_icon(CursorIcon::Move),
            Some(Grip::Handle(_, handle)) => ui.set_cursor_icon(match handle.directions() {
                (0, _) => CursorIcon::ResizeVertical,
                (_, 0) => CursorIcon::ResizeHorizontal,
                (x, y) if x == y => CursorIcon::ResizeNwSe,
                _ => CursorIcon::ResizeNeSw,
            }),
            None if response.hovered() => ui.set_cursor_icon(CursorIcon::Crosshair),
            None => {}
        }
    }

    fn keys(&mut self, ui: &Ui, response: &Response, seen: Rect) {
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
        // Each with the keys that were held then: by the end of a slow frame Shift may be up again.
        let pressed: Vec<(Key, Modifiers)> = ui.input(|i| {
            let key = |event: &Event| match event {
                Event::Key { key, pressed: true, modifiers, .. } => Some((*key, *modifiers)),
                _ => None,
            };
            i.events.iter().filter_map(key).collect()
        });
        for (key, held) in pressed {
            let by = match key {
                Key::ArrowLeft => vec2(-1.0, 0.0),
                Key::ArrowRight => vec2(1.0, 0.0),
                Key::ArrowUp => vec2(0.0, -1.0),
                Key::ArrowDown => vec2(0.0, 1.0),
                _ => Vec2::ZERO,
            };
            if by != Vec2::ZERO {
                self.boxes.nudge(by * if held.command { 10.0 } else { 1.0 }, held.shift);
            }
            match (key, self.boxes.chosen) {
                (Key::N, _) => self.boxes.add_in(seen),
                (Key::Enter, _) => self.entered = true,
                (Key::Delete | Key::Backspace, Some(number)) => self.boxes.remove(number),
                (Key::Plus | Key::Equals, _) if !held.command => self.lens.zoom_by(1.25),
                (Key::Minus, _) if !held.command => self.lens.zoom_by(0.8),
                (Key::Num0, _) if !held.command => self.lens = Lens::default(),
                _ => {}
            }
        }
    }

    fn list(&mut self, ui: &mut Ui) {
        let p = palette(ui.visuals());
        ui.label(medium("Boxes", 13.0).color(p.strong));
        let mut remove = None;
        ScrollArea::vertical().id_salt("boxes").max_height(ui.available_height() - 40.0).show(ui, |ui| {
            for (number, [_, _, w, h]) in self.boxes.pixels().into_iter().enumerate() {
                ui.horizontal(|ui| {
                    let text = format!("Box {}: {w}×{h} px", number + 1);
                    let chosen = self.boxes.chosen == Some(number);
                    let row = ui.selectable_label(chosen, text);
                    if row.clicked() || row.gained_focus() {
                        self.boxes.chosen = Some(number);
                    }
                    // Then the arrows move it.
                    self.fresh |= row.clicked();
                    if icon_button(ui, ICON_DELETE, &format!("Remove box {}", number + 1)).clicked() {
                        remove = Some(number);
                    }
                });
            }
        });
        if let Some(number) = remove {
            self.boxes.remove(number);
        }
        if plain_button(ui, ICON_ADD, "Add a box").on_hover_text("N, while the frame has the keyboard").clicked() {
            let whole = Rect::from_min_size(Pos2::ZERO, self.boxes.frame());
            self.boxes.add_in(whole);
            self.fresh = true;
        }
    }
}

fn upload(ui: &Ui, image: &Arc<RgbImage>) -> TextureHandle {
    let most = ui.input(|i| i.max_texture_side) as u32;
    let longest = image.width().max(image.height());
    let shrunk = (longest > most).then(|| {
        let side = |n: u32| (u64::from(n) * u64::from(most) / u64::from(longest)).max(1) as u32;
        image::imageops::thumbnail(image.as_ref(), side(image.width()), side(image.height()))
    });
    let image = shrunk.as_ref().unwrap_or(image);
    let pixels = ColorImage::from_rgb([image.width() as usize, image.height() as usize], image.as_raw());
    ui.ctx().load_texture("frame", pixels, TextureOptions::LINEAR)
}

/// Opens the tool for a frame.
pub fn open(path: PathBuf, cx: &mut Option<CropTool>) -> Wish {
    *cx = Some(CropTool::new(path.clone()));
    Action::OpenFrame(path).into()
}
