//! Which part of the pictures is looked at: one zoom and one centre for all of them, so that the same spot of a person is seen
//! in each. It stays when the next candidate comes.

use egui::{Pos2, Rect, Vec2, vec2};

/// The closest look.
const CLOSEST: f32 = 32.0;

/// A zoom and a centre in units of the picture (0..1), whatever its size in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    /// 1 shows the whole picture.
    pub zoom: f32,
    /// What lies in the middle.
    pub centre: Vec2,
}

impl Default for Lens {
    fn default() -> Self {
        Self { zoom: 1.0, centre: vec2(0.5, 0.5) }
    }
}

impl Lens {
    /// Where a picture of `size` lies that is looked at through `frame`.
    pub fn place(&self, frame: Rect, size: Vec2) -> Rect {
        let whole = fit(frame, size) * self.zoom;
        let corner = frame.center() - self.centre * whole;
        Rect::from_min_size(corner, whole)
    }

    /// Zooms by `factor` so that what lies under `at` stays there.
    pub fn zoom_at(&mut self, factor: f32, at: Pos2, frame: Rect, size: Vec2) {
        let before = self.place(frame, size);
        let spot = (at - before.min) / before.size();
        self.zoom = (self.zoom * factor).clamp(1.0, CLOSEST);
        let whole = fit(frame, size) * self.zoom;
        self.centre = spot - (at - frame.center()) / whole;
        self.keep_inside();
    }

    /// Moves the picture by so many points.
    pub fn drag(&mut self, by: Vec2, frame: Rect, size: Vec2) {
        self.centre -= by / (fit(frame, size) * self.zoom);
        self.keep_inside();
    }

    /// Moves by a share of what is seen.
    pub fn step(&mut self, by: Vec2) {
        self.centre += by / self.zoom;
        self.keep_inside();
    }

    /// Zooms about the middle.
    pub fn zoom_by(&mut self, factor: f32) {
        self.zoom = (self.zoom * factor).clamp(1.0, CLOSEST);
        self.keep_inside();
    }

    /// The picture's edge does not pass the frame's middle, and at its full size it stands still.
    fn keep_inside(&mut self) {
        let half = 0.5 / self.zoom;
        self.centre = self.centre.clamp(Vec2::splat(half), Vec2::splat(1.0 - half));
    }
}

/// The size at which all of a picture is seen.
fn fit(frame: Rect, size: Vec2) -> Vec2 {
    let size = size.max(Vec2::splat(1.0));
    size * (frame.width() / size.x).min(frame.height() / size.y)
}

#[cfg(test)]
mod tests {
    use egui::pos2;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_lies_under_the_pointer_stays_there(x in 0.2f32..0.8, y in 0.2f32..0.8, factor in 1.0f32..4.0) {
            let (frame, size) = (Rect::from_min_size(pos2(10.0, 20.0), vec2(100.0, 200.0)), vec2(32.0, 64.0));
            let at = frame.lerp_inside(vec2(x, y));
            let mut lens = Lens::default();
            let spot = |lens: &Lens| (at - lens.place(frame, size).min) / lens.place(frame, size).size();
            let before = spot(&lens);
            lens.zoom_at(factor, at, frame, size);
            prop_assert!((spot(&lens) - before).length() < 1e-3);
            lens.zoom_at(1.0 / factor, at, frame, size);
            prop_assert!((lens.zoom - 1.0).abs() < 1e-4 && (lens.centre - vec2(0.5, 0.5)).length() < 1e-3);
        }

        #[test]
        fn the_picture_is_never_lost(moves in prop::collection::vec((-500f32..500.0, -500f32..500.0, 0.3f32..3.0), 1..20)) {
            let (frame, size) = (Rect::from_min_size(pos2(0.0, 0.0), vec2(100.0, 200.0)), vec2(90.0, 50.0));
            let mut lens = Lens::default();
            for (x, y, factor) in moves {
                lens.drag(vec2(x, y), frame, size);
                lens.zoom_at(factor, pos2(x.abs() % 100.0, y.abs() % 200.0), frame, size);
                prop_assert!(lens.place(frame, size).intersects(frame));
                prop_assert!((1.0..=CLOSEST).contains(&lens.zoom));
            }
        }
    }

    #[test]
    fn pictures_of_any_size_show_the_same_spot() {
        let frame = Rect::from_min_size(pos2(0.0, 0.0), vec2(100.0, 200.0));
        let lens = Lens { zoom: 4.0, centre: vec2(0.5, 0.2) };
        for size in [vec2(16.0, 32.0), vec2(128.0, 256.0)] {
            let place = lens.place(frame, size);
            assert!((place.lerp_inside(vec2(0.5, 0.2)) - frame.center()).length() < 1e-3);
        }
    }
}
