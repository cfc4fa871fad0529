//! The points as one texture, drawn again only when something about it changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Color32, ColorImage, Context, Painter, Pos2, Rect, Shape, Stroke, TextureHandle, TextureOptions, pos2};

use super::camera::Camera;
use super::legend::Choice;
use crate::figure::raster::{Canvas, Stamp};
use crate::figure::scatter::DIM;
use crate::projection::groups::{Group, Groups, Marker, Rgb, mix};
use crate::projection::map::{Role, Spot};

/// How strongly what is not selected is mixed with the ground while something is.
const UNSELECTED: f32 = 0.6;

/// Everything that decides the picture, other than the points themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Which points.
    pub points: u64,
    /// Which groups.
    pub groups: u64,
    /// Which selection.
    pub marked: u64,
    /// What is seen of them.
    pub camera: Camera,
    /// Where, in points of the screen.
    pub rect: Rect,
    /// Pixels a point of the screen.
    pub pixels: f32,
    /// Groups that are meant.
    pub choice: Choice,
    /// Half width of a mark in points of the screen.
    pub radius: f32,
    /// The ground.
    pub ground: Color32,
    /// What selected points and queries are rimmed with.
    pub rim: Color32,
}

/// The points.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    /// Where each lies.
    pub places: &'a [[f32; 2]],
    /// What each is.
    pub spots: &'a [Spot],
    /// Their groups.
    pub groups: &'a Groups,
    /// In what order they are drawn.
    pub order: &'a [u32],
    /// Which are selected; none where it is empty.
    pub marked: &'a [bool],
}

/// The texture, and what it shows.
#[derive(Default)]
pub struct Plot {
    shown: Option<(Key, TextureHandle)>,
    /// The pixels of last time: drawn over, once the renderer has let them go.
    pixels: Option<Arc<ColorImage>>,
}

impl Plot {
    /// Draws the picture into its rectangle, anew where `key` has changed.
    pub fn show(&mut self, ctx: &Context, painter: &Painter, key: &Key, points: Points<'_>) {
        if self.shown.as_ref().is_none_or(|(shown, _)| shown != key) {
            let side = |points: f32| ((points * key.pixels).round() as usize).clamp(1, 8192);
            let size = [side(key.rect.width()), side(key.rect.height())];
            let old = self.pixels.take().and_then(|pixels| Arc::try_unwrap(pixels).ok()).filter(|old| old.size == size);
            let mut image = old.unwrap_or_else(|| ColorImage::filled(size, key.ground));
            image.pixels.fill(key.ground);
            paint(&mut Canvas { pixels: image.as_raw_mut().as_chunks_mut::<4>().0, width: size[0] }, key, points);
            let image = Arc::new(image);
            self.pixels = Some(image.clone());
            let texture = match self.shown.take() {
                Some((_, mut texture)) => {
                    texture.set(image, TextureOptions::NEAREST);
                    texture
                }
                None => ctx.load_texture("map", image, TextureOptions::NEAREST),
            };
            self.shown = Some((key.clone(), texture));
        }
        if let Some((_, texture)) = &self.shown {
            let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), key.rect, all, Color32::WHITE);
        }
    }
}

fn rgb(colour: Color32) -> Rgb {
    [colour.r(), colour.g(), colour.b()]
}

/// Stamps the points: first what is dimmed, then the rest, at last what is selected and the queries, with a rim.
pub fn paint(canvas: &mut Canvas<'_, 4>, key: &Key, points: Points<'_>) {
    let radius = key.radius * key.pixels;
    let stamps = Marker::ALL.map(|marker| (Stamp::new(marker, radius), Stamp::new(marker, radius + 1.5 * key.pixels)));
    let (ground, rim) = (rgb(key.ground), rgb(key.rim));
    let any = points.marked.iter().any(|&marked| marked);
    let marked = |i: usize| points.marked.get(i).copied().unwrap_or(false);
    let both =
        points.spots.iter().any(|s| s.role == Role::Query) && points.spots.iter().any(|s| s.role == Role::Gallery);
    let style: Vec<(bool, bool, Rgb, Rgb, usize)> = points
        .groups
        .list
        .iter()
        .enumerate()
        .map(|(at, group)| {
            let at = at as u32;
            let stamp = Marker::ALL.iter().position(|marker| *marker == group.marker).unwrap_or(0);
            let shown = !key.choice.hidden.contains(&at);
            let meant = key.choice.meant(at);
            let colour = if meant { group.colour } else { mix(group.colour, ground, DIM) };
            (shown, meant, colour, mix(colour, ground, UNSELECTED), stamp)
        })
        .collect();
    let middle = [canvas.width as f32 / 2.0, (canvas.pixels.len() / canvas.width) as f32 / 2.0];
    let scale = key.camera.scale * key.pixels;
    let place = |i: usize| {
        let p = points.places[i];
        [0, 1].map(|a| (middle[a] + (p[a] - key.camera.centre[a]) * scale).floor() as i32)
    };
    let [width, height] = [canvas.width as i32, (canvas.pixels.len() / canvas.width) as i32];
    let reach = (radius * 2.0) as i32 + 4;
    let mut above = Vec::new();
    let dimmed = !key.choice.isolated.is_empty();
    for below in [true, false] {
        if below && !dimmed {
            continue;
        }
        for &i in points.order {
            let i = i as usize;
            let (shown, meant, colour, faint, stamp) = style[points.groups.of[i] as usize];
            if !shown || meant == below {
                continue;
            }
            let [x, y] = place(i);
            if x < -reach || y < -reach || x >= width + reach || y >= height + reach {
                continue;
            }
            if meant && (marked(i) || both && points.spots[i].role == Role::Query) {
                above.push((i, x, y, if marked(i) || !any { colour } else { faint }, stamp));
            } else {
                stamps[stamp].0.put(canvas, x, y, if any && meant { faint } else { colour });
            }
        }
    }
    // What is selected lies above the queries that are not.
    above.sort_by_key(|(i, ..)| marked(*i));
    for (i, x, y, colour, stamp) in above {
        let rim = if marked(i) || !any { rim } else { mix(rim, ground, UNSELECTED) };
        stamps[stamp].1.put(canvas, x, y, rim);
        stamps[stamp].0.put(canvas, x, y, colour);
    }
}

/// A group's mark in the legend; `strength` below 1 mixes it with the ground.
pub fn marker(painter: &Painter, rect: Rect, group: &Group, strength: f32, ground: Color32) {
    let [r, g, b] = mix(rgb(ground), group.colour, strength);
    let (colour, radius, centre) = (Color32::from_rgb(r, g, b), rect.width() / 2.0 - 0.5, rect.center());
    if group.marker == Marker::Disc {
        painter.circle_filled(centre, radius, colour);
        return;
    }
    let corners: Vec<Pos2> = crate::figure::corners(group.marker)
        .into_iter()
        .map(|[x, y]| pos2(centre.x + x * radius * 0.9, centre.y + y * radius * 0.9))
        .collect();
    if matches!(group.marker, Marker::Plus | Marker::Cross) {
        // Not convex: two bars.
        let stroke = Stroke::new(radius * 0.65, colour);
        let middle = |a: usize, b: usize| corners[a].lerp(corners[b], 0.5);
        painter.line_segment([middle(0, 1), middle(6, 7)], stroke);
        painter.line_segment([middle(3, 4), middle(9, 10)], stroke);
    } else {
        painter.add(Shape::convex_polygon(corners, colour, Stroke::NONE));
    }
}

/// The groups that are not shown, and those that are isolated, for a figure.
pub fn lists(choice: &Choice) -> (Vec<u32>, Vec<u32>) {
    let list = |set: &BTreeSet<u32>| set.iter().copied().collect();
    (list(&choice.hidden), list(&choice.isolated))
}
