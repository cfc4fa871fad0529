//! Boxes round people in a frame: drawn, moved, pulled by their handles, nudged. In pixels of the frame; no egui widget here.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

use crate::data::image_io::SMALLEST_SIDE;

/// A side or a corner of a box that can be pulled: which edges move with it (left, top, right, bottom).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    x: i8,
    y: i8,
}

impl Handle {
    /// All eight, corners first: where a small box leaves no room for both, the corner is what is meant.
    pub const ALL: [Handle; 8] = [
        Handle { x: -1, y: -1 },
        Handle { x: 1, y: -1 },
        Handle { x: -1, y: 1 },
        Handle { x: 1, y: 1 },
        Handle { x: 0, y: -1 },
        Handle { x: 0, y: 1 },
        Handle { x: -1, y: 0 },
        Handle { x: 1, y: 0 },
    ];

    /// Where it lies on a box.
    pub fn on(self, rect: Rect) -> Pos2 {
        let at = |side: i8, low: f32, high: f32| match side {
            -1 => low,
            0 => (low + high) / 2.0,
            _ => high,
        };
        pos2(at(self.x, rect.left(), rect.right()), at(self.y, rect.top(), rect.bottom()))
    }

    /// Whether it moves the left or right edge, and whether the upper or lower one.
    pub fn directions(self) -> (i8, i8) {
        (self.x, self.y)
    }
}

/// What a press of the pointer takes hold of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grip {
    /// The handle of the chosen box.
    Handle(usize, Handle),
    /// A box as a whole.
    Whole(usize),
}

/// The boxes of one frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Boxes {
    frame: Vec2,
    all: Vec<Rect>,
    /// The box that keys and handles act on.
    pub chosen: Option<usize>,
}

impl Boxes {
    /// No boxes yet, in a frame of that size in pixels.
    pub fn new(frame: Vec2) -> Self {
        Self { frame, ..Self::default() }
    }

    /// The frame's size in pixels.
    pub fn frame(&self) -> Vec2 {
        self.frame
    }

    /// The boxes.
    pub fn all(&self) -> &[Rect] {
        &self.all
    }

    /// What lies at a point, with handles of so many pixels around.
    pub fn grip(&self, at: Pos2, reach: f32) -> Option<Grip> {
        if let Some(number) = self.chosen
            && let Some(rect) = self.all.get(number)
            && let Some(handle) = Handle::ALL.into_iter().find(|h| (h.on(*rect) - at).abs().max_elem() <= reach)
        {
            return Some(Grip::Handle(number, handle));
        }
        // The smallest that lies there: it may be inside another.
        let under = self.all.iter().enumerate().filter(|(_, rect)| rect.contains(at));
        under.min_by(|(_, a), (_, b)| a.area().total_cmp(&b.area())).map(|(number, _)| Grip::Whole(number))
    }

    /// Begins a box at a point; it is grown by pulling its last corner.
    pub fn begin(&mut self, at: Pos2) -> Grip {
        let at = at.clamp(Pos2::ZERO, self.frame.to_pos2());
        self.all.push(Rect::from_min_max(at, at));
        self.chosen = Some(self.all.len() - 1);
        Grip::Handle(self.all.len() - 1, Handle { x: 1, y: 1 })
    }

    /// A box of a person's shape in the middle of what is seen, for who has no pointer.
    pub fn add_in(&mut self, seen: Rect) {
        let seen = seen.intersect(self.bounds());
        let height = (seen.height() * 0.4).max(2.0 * SMALLEST_SIDE as f32);
        let mut rect = Rect::from_center_size(seen.center(), vec2(height / 2.0, height));
        // Beside the others: on one of them it would not be seen.
        let taken =
            |rect: &Rect| self.all.iter().any(|other| (other.center() - rect.center()).abs().max_elem() < height / 8.0);
        while taken(&rect) && rect.right() + height * 0.55 <= seen.right() {
            rect = rect.translate(vec2(height * 0.55, 0.0));
        }
        self.all.push(self.inside(rect.intersect(self.bounds())));
        self.chosen = Some(self.all.len() - 1);
    }

    /// Moves what is held by so many pixels. Pulling an edge over the opposite one turns the handle; the new grip is returned.
    pub fn pull(&mut self, grip: Grip, by: Vec2) -> Grip {
        let bounds = self.bounds();
        match grip {
            Grip::Whole(number) => {
                if let Some(rect) = self.all.get_mut(number) {
                    let by = by.clamp(bounds.min - rect.min, bounds.max - rect.max);
                    *rect = rect.translate(by);
                }
                grip
            }
            Grip::Handle(number, mut handle) => {
                let Some(rect) = self.all.get_mut(number) else { return grip };
                let pull = |side: &mut i8, low: &mut f32, high: &mut f32, by: f32, most: f32| {
                    let edge = match side {
                        -1 => &mut *low,
                        0 => return,
                        _ => &mut *high,
                    };
                    *edge = (*edge + by).clamp(0.0, most);
                    if low > high {
                        std::mem::swap(low, high);
                        *side = -*side;
                    }
                };
                pull(&mut handle.x, &mut rect.min.x, &mut rect.max.x, by.x, bounds.max.x);
                pull(&mut handle.y, &mut rect.min.y, &mut rect.max.y, by.y, bounds.max.y);
                Grip::Handle(number, handle)
            }
        }
    }

    /// Ends a pull: a box too small to hold anybody goes, the others lie on whole pixels.
    pub fn settle(&mut self) {
        let (chosen, least) = (self.chosen, SMALLEST_SIDE as f32);
        for rect in &mut self.all {
            *rect = Rect::from_min_max(rect.min.round(), rect.max.round());
        }
        let kept: Vec<bool> = self.all.iter().map(|r| r.width() >= least && r.height() >= least).collect();
        self.chosen = chosen
            .filter(|&number| kept.get(number) == Some(&true))
            .map(|number| kept[..number].iter().filter(|kept| **kept).count());
        let mut kept = kept.into_iter();
        self.all.retain(|_| kept.next() == Some(true));
    }

    /// Moves the chosen box by whole pixels, or pulls its lower right corner.
    pub fn nudge(&mut self, by: Vec2, corner: bool) {
        let Some(number) = self.chosen else { return };
        let before = self.all.get(number).copied();
        let grip = if corner { Grip::Handle(number, Handle { x: 1, y: 1 }) } else { Grip::Whole(number) };
        self.pull(grip, by);
        // A nudge never makes a box too small to be one.
        if let (Some(rect), Some(before)) = (self.all.get_mut(number), before)
            && rect.size().min_elem() < SMALLEST_SIDE as f32
        {
            *rect = before;
        }
    }

    /// Takes a box away.
    pub fn remove(&mut self, number: usize) {
        if number < self.all.len() {
            self.all.remove(number);
            self.chosen = self.all.len().checked_sub(1).map(|last| number.min(last));
        }
    }

    /// x, y, width and height of every box, in whole pixels.
    pub fn pixels(&self) -> Vec<[u32; 4]> {
        let whole = |r: &Rect| [r.left(), r.top(), r.width(), r.height()].map(|v| v.round() as u32);
        self.all.iter().map(whole).collect()
    }

    fn bounds(&self) -> Rect {
        Rect::from_min_size(Pos2::ZERO, self.frame)
    }

    fn inside(&self, rect: Rect) -> Rect {
        let least = Vec2::splat(SMALLEST_SIDE as f32);
        let size = rect.size().max(least).min(self.frame);
        let min = rect.min.clamp(Pos2::ZERO, (self.frame - size).to_pos2());
        Rect::from_min_size(min.round(), size.round())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(from: Pos2, to: Pos2) -> Boxes {
        let mut boxes = Boxes::new(vec2(200.0, 100.0));
        let grip = boxes.begin(from);
        boxes.pull(grip, to - from);
        boxes.settle();
        boxes
    }

    #[test]
    fn a_box_is_drawn_in_any_direction_and_stays_in_the_frame() {
        for (from, to) in [(pos2(10.0, 20.0), pos2(40.0, 90.0)), (pos2(40.0, 90.0), pos2(10.0, 20.0))] {
            assert_eq!(drawn(from, to).pixels(), [[10, 20, 30, 70]]);
        }
        assert_eq!(drawn(pos2(150.0, 50.0), pos2(900.0, 900.0)).pixels(), [[150, 50, 50, 50]]);
        let dot = drawn(pos2(5.0, 5.0), pos2(6.0, 50.0));
        assert!(dot.all().is_empty() && dot.chosen.is_none(), "a click draws nothing");
    }

    #[test]
    fn handles_are_found_before_boxes_and_small_boxes_before_large() {
        let mut boxes = drawn(pos2(10.0, 10.0), pos2(90.0, 90.0));
        let grip = boxes.begin(pos2(30.0, 30.0));
        boxes.pull(grip, vec2(20.0, 20.0));
        boxes.settle();
        assert_eq!(boxes.grip(pos2(51.0, 49.0), 3.0), Some(Grip::Handle(1, Handle { x: 1, y: 1 })));
        assert_eq!(boxes.grip(pos2(40.0, 40.0), 3.0), Some(Grip::Whole(1)));
        assert_eq!(boxes.grip(pos2(80.0, 40.0), 3.0), Some(Grip::Whole(0)));
        assert_eq!(boxes.grip(pos2(150.0, 40.0), 3.0), None);
    }

    #[test]
    fn keys_move_and_resize_by_whole_pixels() {
        let mut boxes = drawn(pos2(10.0, 20.0), pos2(40.0, 90.0));
        boxes.nudge(vec2(-1.0, 1.0), false);
        assert_eq!(boxes.pixels(), [[9, 21, 30, 70]]);
        boxes.nudge(vec2(-500.0, 0.0), false);
        assert_eq!(boxes.pixels(), [[0, 21, 30, 70]]);
        boxes.nudge(vec2(1.0, -2.0), true);
        assert_eq!(boxes.pixels(), [[0, 21, 31, 68]]);
        boxes.nudge(vec2(-29.0, 0.0), true);
        assert_eq!(boxes.pixels(), [[0, 21, 31, 68]], "too small a box is refused");
    }

    #[test]
    fn who_has_no_pointer_gets_a_box_in_the_middle() {
        let mut boxes = Boxes::new(vec2(200.0, 100.0));
        boxes.add_in(Rect::from_min_size(Pos2::ZERO, vec2(200.0, 100.0)));
        assert_eq!(boxes.pixels(), [[90, 30, 20, 40]]);
        boxes.add_in(Rect::from_min_size(pos2(-50.0, -50.0), vec2(60.0, 60.0)));
        boxes.remove(0);
        assert_eq!((boxes.all().len(), boxes.chosen), (1, Some(0)));
    }

    proptest! {
        #[test]
        fn boxes_never_leave_the_frame(
            pulls in prop::collection::vec((0usize..9, -300f32..300.0, -300f32..300.0), 1..30),
        ) {
            let mut boxes = drawn(pos2(60.0, 20.0), pos2(100.0, 80.0));
            for (which, x, y) in pulls {
                let grip = Handle::ALL.get(which).map_or(Grip::Whole(0), |handle| Grip::Handle(0, *handle));
                boxes.pull(grip, vec2(x, y));
                let rect = boxes.all()[0];
                prop_assert!(boxes.bounds().expand(0.01).contains_rect(rect) && !rect.is_negative());
            }
        }
    }
}
