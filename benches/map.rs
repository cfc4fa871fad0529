//! What a frame of the map costs with 100,000 points, while it is panned, zoomed and lassoed: processor time of the window's own
//! thread, from input to tessellated triangles, without the renderer.
//!
//! ```text
//! cargo bench --bench map
//! ```
//! `RAIN_BENCH_POINTS` (100000) and `RAIN_BENCH_FRAMES` (200) change the number of points and of frames.

use std::sync::Arc;

use egui::{Event as Input, Modifiers, PointerButton, Pos2, RawInput, Rect, pos2, vec2};
use rain::app::{App, theme};
use rain::data::seeded;
use rain::engine::command::JobId;
use rain::engine::event::Event;
use rain::engine::map::MapEvent;
use rain::projection::map::{Made, Map, Role, Spot};
use rand::RngExt;

/// 500 people in clusters, at four resolutions.
fn map(n: usize) -> Map {
    let mut rng = seeded::rng(1, "bench map", &[]);
    let centres: Vec<[f32; 2]> =
        (0..500).map(|_| [rng.random_range(-90.0..90.0), rng.random_range(-90.0..90.0)]).collect();
    let (mut spots, mut points) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for i in 0..n {
        let person = rng.random_range(0..centres.len());
        let spread = [0, 1].map(|_| (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>());
        points.push([centres[person][0] + spread[0], centres[person][1] + spread[1]]);
        spots.push(Spot {
            path: format!("/gallery/{person:04}_c{}s1_{i:06}_00.jpg", i % 6).into(),
            identity: person as i64,
            camera: (i % 6) as i64,
            rate: [1.0, 2.0, 4.0, 8.0][i % 4],
            role: Role::Gallery,
        });
    }
    let near = (0..n * 12).map(|i| ((i / 12 + i % 12 * 37 + 1) % n) as u32).collect();
    Map {
        title: "Bench".into(),
        spots: Arc::new(spots),
        points: Arc::new(points),
        kept: 12,
        near: Arc::new(near),
        made: Made::default(),
    }
}

/// Processor time of this thread in milliseconds.
fn cpu_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux, and `time` is a place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

struct Window {
    ctx: egui::Context,
    app: App,
    frame: eframe::Frame,
    time: f64,
}

impl Window {
    /// One frame; returns its processor time in milliseconds.
    fn frame(&mut self, events: Vec<Input>) -> f64 {
        self.time += 1.0 / 60.0;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(1440.0, 900.0))),
            time: Some(self.time),
            events,
            ..RawInput::default()
        };
        let before = cpu_ms();
        let output = self.ctx.run_ui(input, |ui| eframe::App::ui(&mut self.app, ui, &mut self.frame));
        let triangles = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        std::hint::black_box(triangles.len());
        drop(output.textures_delta);
        cpu_ms() - before
    }
}

fn report(name: &str, mut frames: Vec<f64>) {
    frames.sort_by(f64::total_cmp);
    let at = |share: f64| frames[((frames.len() - 1) as f64 * share) as usize];
    println!("{name:22} median {:6.2} ms   p99 {:6.2} ms   largest {:6.2} ms", at(0.5), at(0.99), at(1.0));
}

fn main() {
    let setting = |name: &str, default: usize| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (n, frames) = (setting("RAIN_BENCH_POINTS", 100_000), setting("RAIN_BENCH_FRAMES", 200));
    let (events, receiver) = crossbeam_channel::unbounded();
    let ctx = egui::Context::default();
    theme::install(&ctx);
    ctx.set_theme(egui::Theme::Dark);
    let app = App::new(receiver, Box::new(|_| ()), None);
    let mut window = Window { ctx, app, frame: eframe::Frame::_new_kittest(), time: 0.0 };
    let key = |pressed| Input::Key {
        key: egui::Key::Num3,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::COMMAND,
    };
    window.frame(Vec::new());
    window.frame(vec![key(true)]);
    window.frame(vec![key(false)]);
    let map = Arc::new(map(n));
    let (title, spots) = (map.title.clone(), map.spots.clone());
    events.send(Event::Map(MapEvent::Started { job: JobId(1), title, spots })).expect("the window listens");
    events.send(Event::Map(MapEvent::Finished { job: JobId(1), map })).expect("the window listens");
    println!("{n} points, 1440x900");
    println!("{:22} {:6.2} ms", "the first frame", window.frame(Vec::new()));
    let middle = pos2(700.0, 460.0);
    let moved = |at| Input::PointerMoved(at);
    let button = |at, pressed| Input::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    for _ in 0..20 {
        window.frame(vec![moved(middle)]);
    }
    report("idle", (0..frames).map(|_| window.frame(Vec::new())).collect());
    let way = |i: usize| {
        let t = i as f32 * 0.07;
        middle + vec2(t.cos() * 180.0 - 180.0, t.sin() * 160.0)
    };
    report("pointer moves", (0..frames).map(|i| window.frame(vec![moved(way(i))])).collect());
    window.frame(vec![moved(middle), button(middle, true)]);
    report("panning", (0..frames).map(|i| window.frame(vec![moved(way(i + 1))])).collect());
    window.frame(vec![button(way(frames), false), moved(middle)]);
    let wheel = |y: f32| Input::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, y),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    };
    let zoom = |i: usize| if i / 20 % 2 == 0 { 25.0 } else { -25.0 };
    report("zooming", (0..frames).map(|i| window.frame(vec![moved(middle), wheel(zoom(i))])).collect());
    let lasso = |pressed| Input::Key {
        key: egui::Key::L,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    window.frame(vec![lasso(true)]);
    window.frame(vec![lasso(false)]);
    window.frame(vec![moved(middle), button(middle, true)]);
    report("lassoing", (0..frames).map(|i| window.frame(vec![moved(way(i + 1))])).collect());
    let end = window.frame(vec![button(way(frames), false)]);
    println!("{:22} {end:6.2} ms", "the lasso closes");
    report("panning a selection", {
        window.frame(vec![
            moved(middle),
            Input::PointerButton {
                pos: middle,
                button: PointerButton::Secondary,
                pressed: true,
                modifiers: Modifiers::NONE,
            },
        ]);
        (0..frames).map(|i| window.frame(vec![moved(way(i + 1))])).collect()
    });
}
