//! What a frame with six curves of a million points costs: our own drawing and egui's tessellation, on one thread.
//!
//!     cargo bench --bench curves
//!
//! Each curve is drawn twice, raw and smoothed, in one chart each; the window is 1440 points wide. Medians of 200 frames.

use std::time::Instant;

use egui::{
    CentralPanel, Color32, Context, Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, RawInput, Rect, pos2, vec2,
};
use rain::app::curves::{Board, Chart, Curve};
use rain::app::state::history::Table;
use rain::app::theme;

const POINTS: usize = 1_000_000;
const CURVES: usize = 6;
const FRAMES: usize = 200;

fn value(step: usize, curve: usize) -> f64 {
    let mut x =
        (step as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (curve as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let noise = (x >> 40) as f64 / (1u64 << 24) as f64;
    0.5 + 4.0 * (-(step as f64) / 200_000.0).exp() + noise * 0.8
}

struct Stage {
    ctx: Context,
    table: Table,
    board: Board,
    time: f64,
}

impl Stage {
    fn push(&mut self) {
        let step = self.table.steps().len();
        self.table.push(step as f64, (0..CURVES).map(|curve| value(step, curve)));
    }

    /// One frame; the answer is its milliseconds.
    fn frame(&mut self, events: Vec<Event>) -> f64 {
        self.time += 1.0 / 60.0;
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(1440.0, 900.0));
        let input = RawInput { screen_rect: Some(screen), time: Some(self.time), events, ..RawInput::default() };
        let began = Instant::now();
        let Self { ctx, table, board, .. } = self;
        let output = ctx.run_ui(input, |ui| {
            CentralPanel::default().show(ui, |ui| {
                ui.horizontal(|ui| board.toolbar(ui));
                let charts: Vec<Chart> = (0..CURVES)
                    .map(|column| Chart {
                        title: ["a", "b", "c", "d", "e", "f"][column],
                        unit: "loss",
                        across: "step",
                        curves: vec![Curve {
                            name: "curve".into(),
                            colour: Color32::LIGHT_BLUE,
                            table,
                            column,
                            dashed: false,
                        }],
                        points: false,
                        percent: false,
                    })
                    .collect();
                board.show(ui, &charts, 3, 400.0);
            });
        });
        let shapes = ctx.tessellate(output.shapes, output.pixels_per_point);
        let taken = began.elapsed().as_secs_f64() * 1e3;
        std::hint::black_box(shapes);
        taken
    }

    fn measure(&mut self, what: &str, mut events: impl FnMut(usize) -> Vec<Event>, live: bool) {
        for _ in 0..5 {
            self.frame(Vec::new());
        }
        let mut all: Vec<f64> = (0..FRAMES)
            .map(|i| {
                if live {
                    self.push();
                }
                self.frame(events(i))
            })
            .collect();
        all.sort_by(f64::total_cmp);
        println!("{what:<34} median {:.2} ms, 95% within {:.2} ms", all[FRAMES / 2], all[FRAMES * 95 / 100]);
    }
}

fn main() {
    let ctx = Context::default();
    theme::install(&ctx);
    let mut stage = Stage { ctx, table: Table::new(CURVES), board: Board::default(), time: 0.0 };
    let began = Instant::now();
    (0..POINTS).for_each(|_| stage.push());
    println!("{CURVES} columns of {POINTS} points filled in {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    let mut frames = Vec::new();
    while frames.len() < CURVES * POINTS / 100_000 + 3 {
        frames.push(stage.frame(Vec::new()));
    }
    let most = frames.iter().skip(2).copied().fold(0.0, f64::max);
    println!("while a million points are smoothed  at most {most:.2} ms a frame, {} frames", frames.len());
    let middle = pos2(400.0, 300.0);
    stage.measure("nothing moves", |_| Vec::new(), false);
    stage.measure("following live data", |_| Vec::new(), true);
    stage.measure("the pointer moves", |i| vec![Event::PointerMoved(middle + vec2(i as f32 % 50.0, 0.0))], true);
    let wheel = |i: usize| {
        let delta = vec2(0.0, if i % 40 < 20 { 12.0 } else { -12.0 });
        let (unit, modifiers, phase) = (MouseWheelUnit::Point, Modifiers::COMMAND, egui::TouchPhase::Move);
        vec![Event::MouseWheel { unit, delta, phase, source: egui::MouseWheelSource::Wheel, modifiers }]
    };
    stage.measure("zooming", wheel, true);
    stage.board.view = rain::app::curves::View::Fixed(300_000.0, 700_000.0);
    let press =
        Event::PointerButton { pos: middle, button: PointerButton::Primary, pressed: true, modifiers: Modifiers::NONE };
    stage.frame(vec![Event::PointerMoved(middle), press]);
    stage.measure("panning", |i| vec![Event::PointerMoved(middle + vec2((i % 60) as f32 * 3.0, 0.0))], true);
    stage.board.log = true;
    stage.board.view = rain::app::curves::View::All;
    stage.measure("logarithmic, whole run, live", |_| Vec::new(), true);
}
