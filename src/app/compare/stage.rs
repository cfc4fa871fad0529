//! The pictures of a pair: beside each other, one after the other, or one over the other; all seen through one lens.

use egui::{
    Align2, Color32, ColorImage, Context, CursorIcon, Key, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind,
    TextureId, TextureOptions, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::ICON_BROKEN_IMAGE;

use super::NOT_EVIDENCE;
use super::view::Mode;
use crate::app::shell::Cx;
use crate::app::state::{Action, Query};
use crate::app::theme::{SMALL, icon_font, medium, medium_font, palette, small};
use crate::app::thumbs::{Look, Picture};
use crate::app::widgets::hyphenated;
use crate::gallery::regions::Regions;

/// Seconds for which each picture is seen when they blink: slow enough for everybody's eyes.
const BLINK: f64 = 0.7;

/// A picture of the pair, with its words.
pub(super) struct Sight {
    /// "Query", "Candidate", or that it is a reconstruction.
    title: &'static str,
    /// Its size and the like.
    line: String,
    border: Color32,
    picture: Picture,
    heat: Option<TextureId>,
    /// Why there is no picture.
    absent: Option<&'static str>,
}

/// The three pictures.
pub(super) fn sights(ui: &Ui, cx: &mut Cx<'_>, query: &Query) -> [Sight; 3] {
    let p = palette(ui.visuals());
    let ctx = ui.ctx();
    let look = cx.view.compare.look();
    let heats = heats(ctx, cx);
    let (w, h) = query.info.image.dimensions();
    let seen = match query.info.looks_like() {
        Some([ew, eh]) => format!("{w}×{h} px, looks like {ew}×{eh}"),
        None => format!("{w}×{h} px"),
    };
    let crop = Sight {
        title: "Query",
        line: seen,
        border: p.line,
        picture: cx.thumbs.looked(ctx, &query.info.image, look),
        heat: heats.map(|h| h[0]),
        absent: None,
    };
    let decoder = cx.state.model.as_ref().is_some_and(|m| m.decoder);
    let absent = if decoder { "being made" } else { "this model has no decoder" };
    let reconstruction = match &query.reconstruction {
        Some(image) => Sight {
            title: NOT_EVIDENCE,
            line: format!("{}×{} px", image.width(), image.height()),
            border: p.accent,
            picture: cx.thumbs.looked(ctx, image, look),
            heat: None,
            absent: None,
        },
        None => Sight {
            title: NOT_EVIDENCE,
            line: absent.into(),
            border: p.line,
            picture: Picture::Waiting,
            heat: None,
            absent: Some(absent),
        },
    };
    [crop, reconstruction, candidate(ui, cx, look, heats.map(|h| h[1]))]
}

fn candidate(ui: &Ui, cx: &mut Cx<'_>, look: Look, heat: Option<TextureId>) -> Sight {
    let p = palette(ui.visuals());
    let Some((candidate, entry)) = cx.state.chosen() else {
        let line = "none chosen".to_owned();
        let absent = Some("none chosen");
        return Sight { title: "Candidate", line, border: p.line, picture: Picture::Waiting, heat: None, absent };
    };
    let border = match candidate.same.filter(|_| cx.state.settings.ground_truth) {
        Some(true) => p.same,
        Some(false) => p.other,
        None => p.line,
    };
    let (picture, shown) = match cx.thumbs.close(&entry.path) {
        Ok(Some(image)) => (cx.thumbs.looked(ui.ctx(), &image, look), Some([image.width(), image.height()])),
        Ok(None) => (cx.thumbs.file(&entry.path), None),
        Err(reason) => (Picture::Broken(reason), None),
    };
    // The next one is fetched while this one is looked at.
    let listing = &cx.state.listing;
    let next = listing.order.get(listing.position(cx.state.candidate) + 1);
    if let Some(next) = next.and_then(|place| cx.state.entry(&cx.state.candidates()[*place])) {
        let _ = cx.thumbs.close(&next.path);
    }
    let line = match entry.size.or(shown) {
        Some([w, h]) => format!("rank {}, {w}×{h} px", candidate.rank),
        None => format!("rank {}", candidate.rank),
    };
    Sight { title: "Candidate", line, border, picture, heat, absent: None }
}

/// Draws the pictures in `size`.
pub(super) fn ui(ui: &mut Ui, cx: &mut Cx<'_>, query: &Query, size: Vec2, gap: f32) {
    if cx.view.compare.heat {
        cx.wishes.push(Action::Explain.into());
    }
    let [crop, reconstruction, candidate] = sights(ui, cx, query);
    match cx.view.compare.mode {
        Mode::Side => {
            let each = vec2(((size.x - 2.0 * gap) / 3.0).floor(), size.y);
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = gap;
                for sight in [&crop, &reconstruction, &candidate] {
                    column(ui, cx, sight, each);
                }
            });
        }
        mode => {
            choice(ui, cx);
            let first = if cx.view.compare.reconstruction { &reconstruction } else { &crop };
            if mode == Mode::Blink {
                blink(ui, cx, first, &candidate, size);
            } else {
                wipe(ui, cx, first, &candidate, size);
            }
        }
    }
    explained(ui, cx);
}

fn choice(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.horizontal_wrapped(|ui| {
        let now = &mut cx.view.compare.reconstruction;
        for (text, value) in [("Query and candidate", false), ("Reconstruction and candidate", true)] {
            if ui.selectable_label(*now == value, small(text)).clicked() {
                *now = value;
            }
        }
    });
}

/// A picture with its words below.
fn column(ui: &mut Ui, cx: &mut Cx<'_>, sight: &Sight, size: Vec2) {
    let p = palette(ui.visuals());
    ui.vertical(|ui| {
        ui.set_width(size.x);
        ui.spacing_mut().item_spacing = vec2(0.0, 2.0);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
        named(&response, sight);
        look_through(ui, cx, &response, sight);
        draw(ui, cx, rect, sight);
        ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.5, sight.border), StrokeKind::Inside);
        ui.add_space(2.0);
        let title = hyphenated(ui, sight.title, size.x);
        ui.label(medium(title, SMALL).color(p.text));
        if !sight.line.is_empty() {
            ui.label(small(&sight.line).color(p.weak));
        }
        hints(response, sight);
    });
}

fn named(response: &Response, sight: &Sight) {
    let name = format!("{}, {}", sight.title, sight.line);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name.trim_end_matches(", ")));
}

fn hints(response: Response, sight: &Sight) {
    if let Picture::Broken(reason) = &sight.picture {
        response.on_hover_text(reason);
    } else if sight.title == NOT_EVIDENCE {
        let hint = "What the decoder makes of the query's features. It shows what the model kept, and may show what was \
                    never there";
        response.on_hover_text(hint);
    }
}

/// Zooms at the pointer, moves along, and starts over on a double click.
fn look_through(ui: &Ui, cx: &mut Cx<'_>, response: &Response, sight: &Sight) {
    let Picture::Ready { size, .. } = sight.picture else { return };
    let lens = &mut cx.view.compare.lens;
    if response.dragged() {
        lens.drag(response.drag_delta(), response.rect, size);
    }
    if response.double_clicked() {
        *lens = Default::default();
    }
    if let Some(at) = response.hover_pos() {
        let (wheel, pinch) = ui.input(|i| (i.smooth_scroll_delta.y, i.zoom_delta()));
        let factor = pinch * (wheel / 240.0).exp();
        if (factor - 1.0).abs() > 1e-4 {
            lens.zoom_at(factor, at, response.rect, size);
            // The pane does not scroll away under the picture.
            ui.input_mut(|i| i.smooth_scroll_delta = Vec2::ZERO);
        }
        if lens.zoom > 1.0 {
            ui.set_cursor_icon(if response.dragged() { CursorIcon::Grabbing } else { CursorIcon::Grab });
        }
    }
}

fn draw(ui: &Ui, cx: &Cx<'_>, rect: Rect, sight: &Sight) {
    let p = palette(ui.visuals());
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.rect_filled(rect, 6.0, p.hover);
    match &sight.picture {
        Picture::Ready { texture, size, uv } => {
            let place = cx.view.compare.lens.place(rect, *size);
            painter.image(*texture, place, *uv, Color32::WHITE);
            if let Some(heat) = sight.heat.filter(|_| cx.view.compare.heat) {
                let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                painter.add(Shape::image(heat, place, whole, Color32::WHITE));
            }
        }
        Picture::Waiting => {
            if let Some(why) = sight.absent {
                let galley = painter.layout(why.into(), medium_font(SMALL), p.weak, rect.width() - 8.0);
                painter.galley(rect.center() - galley.size() / 2.0, galley, p.weak);
            }
        }
        Picture::Broken(_) => {
            painter.text(rect.center(), Align2::CENTER_CENTER, ICON_BROKEN_IMAGE.codepoint, icon_font(22.0), p.weak);
        }
    }
}

/// Words on a picture, on a ground that is dark in every theme.
fn tag(ui: &Ui, rect: Rect, corner: Align2, text: &str) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), medium_font(SMALL), Color32::WHITE);
    let inner = corner.align_size_within_rect(galley.size() + vec2(12.0, 6.0), rect.shrink(6.0));
    ui.painter().rect_filled(inner, 4.0, Color32::from_black_alpha(185));
    ui.painter().galley(inner.min + vec2(6.0, 3.0), galley, Color32::WHITE);
}

fn blink(ui: &mut Ui, cx: &mut Cx<'_>, first: &Sight, second: &Sight, size: Vec2) {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    // While it is held, the second one stays.
    let held = response.is_pointer_button_down_on();
    let time = ui.input(|i| i.time);
    let now = if !held && ((time / BLINK) as u64).is_multiple_of(2) { first } else { second };
    let left = BLINK - time % BLINK;
    ui.ctx().request_repaint_after_secs(left as f32 + 0.01);
    named(&response, now);
    look_through(ui, cx, &response, now);
    draw(ui, cx, rect, now);
    ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.5, now.border), StrokeKind::Inside);
    tag(ui, rect, Align2::LEFT_TOP, now.title);
    words(ui, first, second);
    hints(response, now);
}

fn wipe(ui: &mut Ui, cx: &mut Cx<'_>, first: &Sight, second: &Sight, size: Vec2) {
    let p = palette(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    named(&response, first);
    let x = rect.left() + rect.width() * cx.view.compare.wipe;
    let grip = Rect::from_center_size(pos2(x, rect.center().y), vec2(18.0, rect.height()));
    let handle = ui.interact(grip, response.id.with("divider"), Sense::click_and_drag());
    let wipe = &mut cx.view.compare.wipe;
    let shown = f64::from(*wipe);
    handle.widget_info(|| WidgetInfo::slider(true, shown, "Divider between the pictures"));
    if handle.dragged() {
        *wipe += handle.drag_delta().x / rect.width();
    }
    if handle.has_focus() {
        let filter = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(handle.id, filter));
        let steps = ui.input(|i| i.num_presses(Key::ArrowRight) as f32 - i.num_presses(Key::ArrowLeft) as f32);
        *wipe += steps * 0.02;
    }
    *wipe = wipe.clamp(0.0, 1.0);
    if !handle.dragged() {
        look_through(ui, cx, &response, first);
    }
    draw(ui, cx, rect, second);
    let left = Rect::from_min_max(rect.min, pos2(x, rect.bottom()));
    ui.scope(|ui| {
        ui.shrink_clip_rect(left);
        draw(ui, cx, rect, first);
    });
    let ring = if handle.has_focus() { 3.0 } else { 2.0 };
    ui.painter().vline(x, rect.y_range(), Stroke::new(ring, p.accent));
    ui.painter().circle_filled(grip.center(), 7.0, p.accent);
    if handle.hovered() || handle.dragged() {
        ui.set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.5, p.line), StrokeKind::Inside);
    tag(ui, rect, Align2::LEFT_TOP, first.title);
    tag(ui, rect, Align2::RIGHT_BOTTOM, second.title);
    words(ui, first, second);
    hints(response, first);
}

fn words(ui: &mut Ui, first: &Sight, second: &Sight) {
    let p = palette(ui.visuals());
    for sight in [first, second] {
        ui.label(small(format!("{}: {}", sight.title, sight.line)).color(p.weak));
    }
}

/// What the colours of the heat map mean.
fn explained(ui: &mut Ui, cx: &Cx<'_>) {
    let p = palette(ui.visuals());
    if !cx.view.compare.tone.is_plain() {
        ui.label(small("Brightness, contrast or gamma are changed, for the view only").color(p.accent));
    }
    if !cx.view.compare.heat || cx.state.chosen().is_none() {
        return;
    }
    let text = match cx.state.regions() {
        Some(regions) => format!(
            "Bright regions add most to the cosine similarity of {:.3}; {}×{} regions",
            regions.similarity, regions.columns, regions.rows
        ),
        None if cx.state.explanation.as_ref().is_some_and(|e| e.failed) => {
            "Which regions drive the similarity could not be worked out".to_owned()
        }
        None => "Working out which regions drive the similarity…".to_owned(),
    };
    let hint = "The similarity of two images is a sum over the places of the network's last feature map; each place is coloured \
                by its share, each picture on its own scale. The map is coarse, and a place sees much of the image around it. \
                It tells what the model looked at, not whether it is right. It is worked out from the query alone, without \
                matches that you confirmed";
    ui.add(egui::Label::new(small(text).color(p.weak)).wrap()).on_hover_text(hint);
}

/// The heat maps of the pair as textures, made anew where the pair changed.
fn heats(ctx: &Context, cx: &mut Cx<'_>) -> Option<[TextureId; 2]> {
    let regions = cx.state.regions().filter(|_| cx.view.compare.heat)?;
    let view = &mut cx.view.compare;
    if view.heats.as_ref().is_none_or(|(of, _)| !std::sync::Arc::ptr_eq(of, regions)) {
        let texture = |shares: &[f32]| ctx.load_texture("regions", heat(regions, shares), TextureOptions::LINEAR);
        view.heats = Some((regions.clone(), [texture(&regions.first), texture(&regions.second)]));
    }
    view.heats.as_ref().map(|(_, [first, second])| [first.id(), second.id()])
}

/// From clear violet to opaque yellow, which every eye tells apart by lightness.
fn heat(regions: &Regions, shares: &[f32]) -> ColorImage {
    let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let colour = |share: &f32| {
        let t = (share / most).clamp(0.0, 1.0);
        let mix = |a: f32, b: f32, c: f32| if t < 0.5 { a + (b - a) * 2.0 * t } else { b + (c - b) * (2.0 * t - 1.0) };
        let [r, g, b] = [mix(60.0, 210.0, 253.0), mix(15.0, 65.0, 231.0), mix(110.0, 90.0, 37.0)].map(|v| v as u8);
        Color32::from_rgba_unmultiplied(r, g, b, (60.0 + 120.0 * t) as u8)
    };
    ColorImage::new([regions.columns, regions.rows], shares.iter().map(colour).collect())
}
