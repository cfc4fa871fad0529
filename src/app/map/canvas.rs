//! The picture of the map, and what pointer and keys do to it.

use egui::{
    Color32, CursorIcon, EventFilter, Id, Key, Modifiers, Order, PointerButton, Pos2, Rect, Response, Role, Sense,
    Stroke, StrokeKind, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

use super::caption;
use super::plot::{self, Points};
use super::region::{Drawn, Region};
use super::view::{MapView, Tool};
use crate::app::shell::Cx;
use crate::app::theme::{medium, palette, small};
use crate::app::widgets::draw;
use crate::figure::scatter::radius_for;
use crate::projection::groups::Groups;

/// Seconds for which the pointer rests on a point before its picture is shown.
pub const DWELL: f64 = 0.125;
/// How near the pointer must be to a point, in points of the screen beyond its mark.
const REACH: f32 = 5.0;
/// The most images in view that are shown as pictures instead of points.
const PICTURES: usize = 120;
/// A step of the arrow keys with Shift, in points.
const STEP: f32 = 60.0;

/// Draws the canvas into what room there is; returns the point that was chosen in this frame.
pub fn ui(ui: &mut Ui, cx: &mut Cx<'_>, groups: &Groups) -> Option<Chosen> {
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    let pixels = ui.pixels_per_point();
    // On whole pixels, or the texture would be blurred.
    let whole = |p: Pos2| pos2((p.x * pixels).round() / pixels, (p.y * pixels).round() / pixels);
    let rect = Rect::from_min_max(whole(rect.min), whole(rect.max));
    name(ui, cx, &response);
    let mut inside = ui.new_child(UiBuilder::new().max_rect(rect));
    inside.set_clip_rect(rect.intersect(ui.clip_rect()));
    let mut view = std::mem::take(&mut cx.view.map);
    let chosen = act_and_draw(&inside, cx, &mut view, groups, rect, &response);
    cx.view.map = view;
    chosen
}

/// A point that the user chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Which.
    pub spot: usize,
    /// By a double click: show it in the match grid.
    pub open: bool,
}

fn name(ui: &Ui, cx: &Cx<'_>, response: &Response) {
    let (view, map) = (&cx.view.map, &cx.state.map);
    let at = view.at.and_then(|i| map.spots.get(i)).map(|spot| format!(", at {}", caption(spot))).unwrap_or_default();
    let words = format!("Map of {} images, coloured by {}{at}", map.spots.len(), view.colouring.name().to_lowercase());
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, ui.is_enabled(), words.clone()));
    if response.has_focus() {
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, escape: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    }
}

fn act_and_draw(
    ui: &Ui,
    cx: &mut Cx<'_>,
    view: &mut MapView,
    groups: &Groups,
    rect: Rect,
    response: &Response,
) -> Option<Chosen> {
    let p = palette(ui.visuals());
    let map = &cx.state.map;
    ui.painter().rect_filled(rect, 6.0, p.field);
    view.rect = rect;
    if map.points.is_empty() {
        let words = if map.busy() { "The first layout comes soon" } else { "No layout" };
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, words, egui::FontId::proportional(13.0), p.weak);
        return None;
    }
    view.know(map);
    if !view.moved {
        view.fit();
    }
    keys(ui, view, map.points.len(), response);
    zoom_and_pan(ui, view, response);
    draw_region(ui, view, &map.points, groups, response);
    let chosen = choose(ui, view, groups, &map.points, response);

    let painter = ui.painter().clone();
    let radius = view.radius.unwrap_or_else(|| radius_for(map.points.len()));
    let near = pictures(view, groups, &map.points);
    let key = plot::Key {
        points: map.points_version,
        groups: view.known.groups_version,
        marked: view.marked_version,
        camera: view.camera,
        rect,
        pixels: ui.pixels_per_point(),
        choice: view.choice.clone(),
        radius,
        ground: p.field,
        rim: p.strong,
    };
    let points =
        Points { places: &map.points, spots: &map.spots, groups, order: &view.known.order, marked: &view.marked };
    view.plot.show(ui.ctx(), &painter, &key, points);
    for &i in &near {
        picture(ui, cx, view, groups, i, size_of_pictures(rect, near.len()), &painter);
    }
    overlay(cx, view, rect, radius, &painter, p.accent, p.strong);
    region_line(view, &painter, p.accent);
    if response.has_focus() {
        ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.5, p.accent), StrokeKind::Inside);
    }
    preview(ui, cx, view);
    chosen
}

/// Keys of the canvas itself, while it has the keyboard, and those of the tools.
fn keys(ui: &Ui, view: &mut MapView, n: usize, response: &Response) {
    let ctx = ui.ctx();
    if ctx.text_edit_focused() {
        return;
    }
    let pressed = |modifiers: Modifiers, key: Key| ctx.input_mut(|i| i.consume_key(modifiers, key));
    for tool in Tool::ALL {
        if pressed(Modifiers::NONE, tool.key()) {
            view.tool = tool;
        }
    }
    if pressed(Modifiers::NONE, Key::F) {
        view.moved = false;
        view.fit();
    }
    for (key, factor) in [(Key::Plus, 1.5), (Key::Equals, 1.5), (Key::Minus, 1.0 / 1.5)] {
        if pressed(Modifiers::NONE, key) {
            view.zoom(view.rect.center(), factor);
        }
    }
    if !response.has_focus() {
        return;
    }
    for (key, direction) in [
        (Key::ArrowLeft, vec2(-1.0, 0.0)),
        (Key::ArrowRight, vec2(1.0, 0.0)),
        (Key::ArrowUp, vec2(0.0, -1.0)),
        (Key::ArrowDown, vec2(0.0, 1.0)),
    ] {
        if pressed(Modifiers::SHIFT, key) {
            view.pan(direction * -STEP);
        } else if pressed(Modifiers::NONE, key) {
            view.walk(direction, n);
        }
    }
    if pressed(Modifiers::NONE, Key::Escape) {
        if view.drawn.take().is_none() && !view.clear_marks() {
            response.surrender_focus();
        }
        view.at = None;
    }
}

fn zoom_and_pan(ui: &Ui, view: &mut MapView, response: &Response) {
    if let Some(at) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        let factor = pinch * (scroll / 220.0).exp();
        if factor != 1.0 {
            view.zoom(at, factor);
        }
    }
    let panning = view.tool == Tool::Pan && response.dragged_by(PointerButton::Primary)
        || response.dragged_by(PointerButton::Secondary)
        || response.dragged_by(PointerButton::Middle);
    if panning {
        view.pan(response.drag_delta());
    }
    let cursor = match view.tool {
        Tool::Pan if response.dragged() => CursorIcon::Grabbing,
        Tool::Pan => CursorIcon::Grab,
        Tool::Lasso | Tool::Box => CursorIcon::Crosshair,
    };
    if response.hovered() {
        ui.ctx().set_cursor_icon(if view.hover.is_some() { CursorIcon::PointingHand } else { cursor });
    }
}

/// The lasso or the box, while it is drawn and when it is done.
fn draw_region(ui: &Ui, view: &mut MapView, points: &[[f32; 2]], groups: &Groups, response: &Response) {
    if view.tool == Tool::Pan {
        return;
    }
    if response.drag_started_by(PointerButton::Primary)
        && let Some(start) = ui.input(|i| i.pointer.press_origin())
    {
        view.drawn = Some(if view.tool == Tool::Box { Drawn::Box(start, start) } else { Drawn::Lasso(vec![start]) });
    }
    if let (Some(drawn), Some(to)) = (&mut view.drawn, ui.input(|i| i.pointer.latest_pos()))
        && response.dragged_by(PointerButton::Primary)
    {
        drawn.extend(to);
    }
    if response.drag_stopped_by(PointerButton::Primary)
        && let Some(drawn) = view.drawn.take().filter(Drawn::meant)
    {
        let corners: Vec<[f32; 2]> = drawn.corners().into_iter().map(|c| view.camera.unplace(view.rect, c)).collect();
        let region = Region::new(&corners);
        let meant = |i: usize| view.choice.meant(groups.of[i]);
        let inside: Vec<usize> = (0..points.len()).filter(|&i| region.contains(points[i]) && meant(i)).collect();
        let (more, less) = ui.input(|i| (i.modifiers.shift, i.modifiers.alt));
        view.mark(points.len(), inside, more, less);
    }
}

/// A click chooses a point; where there is none it ends the selection.
fn choose(ui: &Ui, view: &mut MapView, groups: &Groups, points: &[[f32; 2]], response: &Response) -> Option<Chosen> {
    let pick = |view: &MapView, at: Pos2| {
        let radius = (view.radius.unwrap_or_else(|| radius_for(points.len())) + REACH) / view.camera.scale;
        let place = view.camera.unplace(view.rect, at);
        view.known.lookup.nearest(place, radius, |i| view.choice.meant(groups.of[i]))
    };
    let over = response.hover_pos().filter(|_| !response.dragged());
    let hovered = over.and_then(|at| view.pictured(at).or_else(|| pick(view, at)));
    let now = ui.input(|i| i.time);
    if hovered != view.hover.map(|(i, _)| i) {
        view.hover = hovered.map(|i| (i, now));
    }
    if !response.clicked() {
        return None;
    }
    response.request_focus();
    // By the keyboard, or by a reader of the screen, a click means the point that is looked at.
    let by_pointer = ui.input(|i| i.pointer.any_click());
    let spot = if by_pointer { hovered } else { view.at };
    let (more, open) = (ui.input(|i| i.modifiers.shift || i.modifiers.command), response.double_clicked());
    match spot {
        None => {
            view.clear_marks();
            view.at = None;
            None
        }
        Some(spot) if more => {
            view.toggle_mark(points.len(), spot);
            None
        }
        Some(spot) => {
            view.at = Some(spot);
            Some(Chosen { spot, open })
        }
    }
}

/// The points in view that are shown as pictures; none while there are too many.
fn pictures(view: &mut MapView, groups: &Groups, points: &[[f32; 2]]) -> Vec<usize> {
    let mut near = Vec::new();
    if view.pictures {
        let mut many = false;
        view.known.lookup.within(view.camera.view(view.rect.expand(30.0)), |i| {
            if near.len() <= PICTURES && view.choice.meant(groups.of[i]) {
                near.push(i);
            }
            many |= near.len() > PICTURES;
        });
        if many {
            near.clear();
        }
    }
    // From top to bottom, and the one that is looked at above the others.
    let last = view.hover.map(|(i, _)| i).or(view.at);
    near.sort_by(|&a, &b| {
        (Some(a) == last).cmp(&(Some(b) == last)).then(points[a][1].total_cmp(&points[b][1])).then(a.cmp(&b))
    });
    let size = size_of_pictures(view.rect, near.len());
    view.shown_pictures =
        near.iter().map(|&i| (i, Rect::from_center_size(view.camera.place(view.rect, points[i]), size))).collect();
    near
}

/// So large that they cover a fair part of the canvas, and no larger than they are of use.
fn size_of_pictures(rect: Rect, n: usize) -> Vec2 {
    let height = (rect.area() / n.max(1) as f32).sqrt().clamp(40.0, 112.0);
    vec2(height / 2.0, height)
}

#[expect(clippy::too_many_arguments, reason = "one call, all of it what a picture shows")]
fn picture(
    ui: &Ui,
    cx: &mut Cx<'_>,
    view: &mut MapView,
    groups: &Groups,
    i: usize,
    size: Vec2,
    painter: &egui::Painter,
) {
    let map = &cx.state.map;
    let rect = Rect::from_center_size(view.camera.place(view.rect, map.points[i]), size);
    let image = view.far.picture(cx.thumbs, &map.spots[i]);
    draw(ui, rect, &image, 3.0);
    let [r, g, b] = groups.list[groups.of[i] as usize].colour;
    painter.rect_stroke(rect, 3.0, Stroke::new(2.0, Color32::from_rgb(r, g, b)), StrokeKind::Outside);
    if view.marked.get(i).copied().unwrap_or(false) {
        let p = palette(ui.visuals());
        painter.rect_stroke(rect.expand(3.0), 4.0, Stroke::new(2.0, p.strong), StrokeKind::Middle);
    }
}

/// Rings around what is looked at, and lines to its nearest.
fn overlay(
    cx: &Cx<'_>,
    view: &MapView,
    rect: Rect,
    radius: f32,
    painter: &egui::Painter,
    accent: Color32,
    strong: Color32,
) {
    let map = &cx.state.map;
    let place = |i: usize| view.camera.place(rect, map.points[i]);
    let ring = |i: usize, colour: Color32| {
        painter.circle_stroke(place(i), radius + 5.0, Stroke::new(2.0, colour));
    };
    if let (Some(at), Some(done)) = (view.at, &map.map) {
        for &j in done.neighbours(at) {
            painter.line_segment([place(at), place(j as usize)], Stroke::new(1.0, accent.gamma_multiply(0.8)));
        }
    }
    for i in view.linked(cx.state) {
        ring(i, strong);
    }
    if let Some(at) = view.at.filter(|&at| at < map.points.len()) {
        ring(at, accent);
        painter.circle_stroke(place(at), radius + 7.5, Stroke::new(1.0, strong));
    }
}

fn region_line(view: &MapView, painter: &egui::Painter, accent: Color32) {
    if let Some(drawn) = &view.drawn {
        let mut corners = drawn.corners();
        corners.extend(corners.first().copied());
        painter.line(corners, Stroke::new(1.5, accent));
    }
}

/// The picture of the point that the pointer rests on.
fn preview(ui: &Ui, cx: &mut Cx<'_>, view: &mut MapView) {
    let Some((i, since)) = view.hover else { return };
    let Some(spot) = cx.state.map.spots.get(i) else { return };
    let rested = ui.input(|input| input.time) - since;
    if rested < DWELL {
        ui.ctx().request_repaint_after_secs((DWELL - rested) as f32 + 0.005);
        return;
    }
    let p = palette(ui.visuals());
    let image = view.far.picture(cx.thumbs, spot);
    let at = view.camera.place(view.rect, cx.state.map.points[i]);
    // Beside the point, where there is room.
    let size = vec2(196.0, 238.0);
    let right = at.x + 16.0 + size.x < view.rect.right();
    let x = if right { at.x + 16.0 } else { at.x - 16.0 - size.x };
    let y = (at.y - size.y / 2.0).clamp(view.rect.top(), (view.rect.bottom() - size.y).max(view.rect.top()));
    let words = caption(spot);
    egui::Area::new(Id::unique("map preview")).order(Order::Tooltip).interactable(false).fixed_pos(pos2(x, y)).show(
        ui.ctx(),
        |ui| {
            egui::Frame::popup(ui.style()).show(ui, |ui| {
                ui.set_width(size.x - 16.0);
                let (rect, response) = ui.allocate_exact_size(vec2(size.x - 16.0, 168.0), Sense::hover());
                draw(ui, rect, &image, 4.0);
                response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Preview, {words}")));
                ui.label(medium(super::far::file_of(&spot.path), 13.0).color(p.strong));
                ui.label(small(&words).color(p.weak));
            });
        },
    );
}
