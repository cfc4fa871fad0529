//! From the plane of the layout to the screen and back.

use egui::{Pos2, Rect, Vec2, pos2};

/// Room left around the layout when all of it is shown, in points.
const MARGIN: f32 = 22.0;
/// How far one can zoom in, as a multiple of all.
const DEEPEST: f32 = 2000.0;

/// What part of the plane is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// What lies in the middle.
    pub centre: [f32; 2],
    /// Points of the screen for a unit of the layout.
    pub scale: f32,
    /// The scale at which all is seen: zooming is limited around it.
    whole: f32,
}

impl Default for Camera {
    fn default() -> Self {
        Self { centre: [0.0; 2], scale: 1.0, whole: 1.0 }
    }
}

impl Camera {
    /// Shows everything between `low` and `high`.
    pub fn fit([low, high]: [[f32; 2]; 2], rect: Rect) -> Self {
        let extent = [high[0] - low[0], high[1] - low[1]].map(|e| e.max(1e-6));
        let room = [rect.width(), rect.height()].map(|side| (side - 2.0 * MARGIN).max(10.0));
        let scale = (room[0] / extent[0]).min(room[1] / extent[1]);
        Self { centre: [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0], scale, whole: scale }
    }

    /// Where `p` is seen.
    pub fn place(&self, rect: Rect, p: [f32; 2]) -> Pos2 {
        let middle = rect.center();
        pos2(middle.x + (p[0] - self.centre[0]) * self.scale, middle.y + (p[1] - self.centre[1]) * self.scale)
    }

    /// What is seen at `at`.
    pub fn unplace(&self, rect: Rect, at: Pos2) -> [f32; 2] {
        let from = at - rect.center();
        [self.centre[0] + from.x / self.scale, self.centre[1] + from.y / self.scale]
    }

    /// The part of the plane that is seen, low corner first.
    pub fn view(&self, rect: Rect) -> [[f32; 2]; 2] {
        [self.unplace(rect, rect.left_top()), self.unplace(rect, rect.right_bottom())]
    }

    /// Moves what is seen by `by` points.
    pub fn pan(&mut self, by: Vec2) {
        self.centre[0] -= by.x / self.scale;
        self.centre[1] -= by.y / self.scale;
    }

    /// Zooms by `factor`; what is seen at `at` stays there.
    pub fn zoom(&mut self, rect: Rect, at: Pos2, factor: f32) {
        let fixed = self.unplace(rect, at);
        self.scale = (self.scale * factor).clamp(self.whole * 0.25, self.whole * DEEPEST);
        let moved = self.unplace(rect, at);
        self.centre[0] += fixed[0] - moved[0];
        self.centre[1] += fixed[1] - moved[1];
    }

    /// Moves as little as brings `p` into view.
    pub fn reveal(&mut self, rect: Rect, p: [f32; 2]) {
        let inner = rect.shrink(rect.width().min(rect.height()) * 0.08);
        let at = self.place(rect, p);
        let inside = pos2(at.x.clamp(inner.left(), inner.right()), at.y.clamp(inner.top(), inner.bottom()));
        self.pan(inside - at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECT: Rect = Rect { min: pos2(100.0, 50.0), max: pos2(700.0, 450.0) };

    #[test]
    fn all_is_seen_and_places_go_there_and_back() {
        let camera = Camera::fit([[-10.0, -50.0], [30.0, 70.0]], RECT);
        for p in [[-10.0, -50.0], [30.0, 70.0], [0.0, 0.0]] {
            let at = camera.place(RECT, p);
            assert!(RECT.shrink(MARGIN - 0.1).contains(at), "{at:?}");
            let back = camera.unplace(RECT, at);
            assert!((back[0] - p[0]).abs() < 1e-3 && (back[1] - p[1]).abs() < 1e-3);
        }
        // A layout of one point is no reason to divide by nothing.
        assert!(Camera::fit([[1.0, 1.0], [1.0, 1.0]], RECT).scale.is_finite());
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer_and_has_limits() {
        let mut camera = Camera::fit([[0.0, 0.0], [40.0, 40.0]], RECT);
        let (at, whole) = (pos2(150.0, 400.0), camera.scale);
        let before = camera.unplace(RECT, at);
        camera.zoom(RECT, at, 7.0);
        let after = camera.unplace(RECT, at);
        assert!((before[0] - after[0]).abs() < 1e-3 && (before[1] - after[1]).abs() < 1e-3);
        camera.zoom(RECT, at, 1e9);
        assert_eq!(camera.scale, whole * DEEPEST);
        camera.zoom(RECT, at, 0.0);
        assert_eq!(camera.scale, whole * 0.25);
    }

    #[test]
    fn what_is_revealed_is_in_view_and_what_is_in_view_stays() {
        let mut camera = Camera::fit([[0.0, 0.0], [40.0, 40.0]], RECT);
        let still = camera;
        camera.reveal(RECT, [20.0, 20.0]);
        assert_eq!(camera, still);
        camera.zoom(RECT, RECT.center(), 20.0);
        camera.reveal(RECT, [0.0, 40.0]);
        assert!(RECT.contains(camera.place(RECT, [0.0, 40.0])));
    }
}
