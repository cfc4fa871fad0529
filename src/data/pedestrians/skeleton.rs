//! Where the joints of a walking person are.
//!
//! Positions are in the body's frame, in body heights: x to the person's left, y up from the ground, z to the front.

use super::identity::Build;
use super::math::{Vec3, cos, sin, vec3};

/// A moment of a walk.
#[derive(Debug, Clone, Copy)]
pub struct Gait {
    /// Where in the cycle: 0..1, one cycle being two steps. The left leg is foremost at 0.
    pub phase: f32,
    /// How far limbs swing: 0 stands still, 1 walks briskly.
    pub stride: f32,
    /// What the left and the right arm do.
    pub arms: [Arm; 2],
    /// How far the head is turned to the person's left, in radians.
    pub look: f32,
}

/// What an arm does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// Swings with the walk.
    Swing,
    /// Hangs down with something in the hand.
    Carry,
    /// Holds a telephone before the chest.
    Read,
    /// Holds a telephone at the ear.
    Call,
    /// Rests in a pocket.
    Pocket,
    /// Pulls something behind.
    Pull,
}

/// The joints; pairs are left, right.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The names are the documentation.
pub struct Skeleton {
    pub hips: [Vec3; 2],
    pub knees: [Vec3; 2],
    pub ankles: [Vec3; 2],
    pub heels: [Vec3; 2],
    pub toes: [Vec3; 2],
    pub shoulders: [Vec3; 2],
    pub elbows: [Vec3; 2],
    pub wrists: [Vec3; 2],
    pub fingers: [Vec3; 2],
    /// How far the whole body sank with the step: 0 when standing.
    pub sink: f32,
}

/// How thick a foot is below its joints.
const SOLE: f32 = 0.018;
/// The height of the joints of an upright body.
pub const HIP: f32 = 0.515;
/// The height of the shoulder joints.
pub const SHOULDER: f32 = 0.788;
const THIGH: f32 = 0.243;
const SHIN: f32 = 0.232;
const UPPER_ARM: f32 = 0.158;
const FOREARM: f32 = 0.145;

impl Skeleton {
    /// The skeleton of a body at a moment of its walk, its lower foot on the ground.
    pub fn new(build: &Build, gait: &Gait) -> Self {
        let mut s = Self {
            hips: [Vec3::default(); 2],
            knees: [Vec3::default(); 2],
            ankles: [Vec3::default(); 2],
            heels: [Vec3::default(); 2],
            toes: [Vec3::default(); 2],
            shoulders: [Vec3::default(); 2],
            elbows: [Vec3::default(); 2],
            wrists: [Vec3::default(); 2],
            fingers: [Vec3::default(); 2],
            sink: 0.0,
        };
        for side in 0..2 {
            s.place_leg(side, build, gait);
        }
        let lowest = s.heels[0].y.min(s.heels[1].y).min(s.toes[0].y).min(s.toes[1].y) - SOLE;
        for joints in [&mut s.hips, &mut s.knees, &mut s.ankles, &mut s.heels, &mut s.toes] {
            joints.iter_mut().for_each(|j| j.y -= lowest);
        }
        s.sink = lowest;
        for side in 0..2 {
            s.place_arm(side, build, gait);
        }
        s
    }

    fn place_leg(&mut self, side: usize, build: &Build, gait: &Gait) {
        let out = if side == 0 { 1.0 } else { -1.0 };
        let cycle = std::f32::consts::TAU * (gait.phase + 0.5 * side as f32);
        // Forward and back like a pendulum; the knee bends while the leg swings forward.
        let thigh = gait.stride * (0.36 * cos(cycle) + 0.04);
        let swing = (-sin(cycle + 0.45)).max(0.0);
        let bend = 0.05 + gait.stride * (0.95 * swing * swing + 0.06);
        let shin = thigh - bend;
        let hip = vec3(out * 0.047 * build.hips, HIP, 0.012 * out * gait.stride * cos(cycle) * out);
        let knee = hip + vec3(out * 0.006, -cos(thigh), sin(thigh)) * THIGH;
        let ankle = knee + vec3(-out * 0.012, -cos(shin), sin(shin)) * SHIN;
        // The foot follows the shin when pushing off, and lifts its toes when landing.
        let tilt = (0.75 * (shin + 0.12)).clamp(-0.8, 0.3);
        let along = vec3(out * 0.18, sin(tilt), cos(tilt));
        self.hips[side] = hip;
        self.knees[side] = knee;
        self.ankles[side] = ankle;
        self.heels[side] = ankle + vec3(0.0, -0.026, 0.0) - along * 0.022;
        self.toes[side] = ankle + vec3(0.0, -0.029, 0.0) + along * 0.088;
    }

    fn place_arm(&mut self, side: usize, build: &Build, gait: &Gait) {
        let out = if side == 0 { 1.0 } else { -1.0 };
        let cycle = std::f32::consts::TAU * (gait.phase + 0.5 * side as f32);
        let swing = -cos(cycle) * gait.stride;
        let wide = 0.13 + 0.25 * (build.weight - 0.9).max(0.0);
        // Angle of the upper arm forward, of the elbow, and of the forearm inward.
        let (raise, bend, inward) = match gait.arms[side] {
            Arm::Swing => (0.5 * swing - 0.02, 0.22 + 0.4 * swing.max(0.0), 0.1),
            Arm::Carry => (0.16 * swing, 0.1, 0.0),
            Arm::Read => (0.35, 1.6, 0.75),
            Arm::Call => (0.55, 2.35, -0.15),
            Arm::Pocket => (-0.28, 0.75, 0.5),
            Arm::Pull => (-0.38, 0.12, 0.0),
        };
        let shoulder = vec3(
            out * (0.095 * build.shoulders + 0.012 * (build.weight - 1.0)),
            SHOULDER - self.sink,
            -0.004 + 0.022 * swing,
        );
        let elbow = shoulder + vec3(out * wide, -cos(raise), sin(raise)) * UPPER_ARM;
        let fore = raise + bend;
        let reach = vec3(out * (0.05 - inward), -cos(fore), sin(fore)).unit();
        let wrist = elbow + reach * FOREARM;
        self.shoulders[side] = shoulder;
        self.elbows[side] = elbow;
        self.wrists[side] = wrist;
        self.fingers[side] = wrist + reach * 0.042;
    }

    /// The nearest and the farthest that the legs reach to the front at a height: what a skirt or a coat must cover.
    pub fn spread(&self, height: f32) -> (f32, f32) {
        let mut range = (f32::MAX, f32::MIN);
        for side in 0..2 {
            let z = at_height(self.hips[side], self.knees[side], self.ankles[side], height);
            range = (range.0.min(z), range.1.max(z));
        }
        range
    }
}

fn at_height(hip: Vec3, knee: Vec3, ankle: Vec3, height: f32) -> f32 {
    let (a, b) = if height > knee.y { (hip, knee) } else { (knee, ankle) };
    let share = ((a.y - height) / (a.y - b.y).max(1e-4)).clamp(0.0, 1.0);
    a.z + (b.z - a.z) * share
}
