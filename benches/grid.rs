//! What a frame of the investigation costs us with a gallery of 100,000 cards, all listed: scrolled by the wheel, by key and
//! by jumps, alone and while a training run reports.
//!
//!     cargo bench --bench grid
//!
//! Counted is the processor time of the window's own thread: taking events, laying out, and turning shapes into triangles;
//! drawing the triangles is the graphics driver's, and not counted. Thumbnails are answered by figures in memory, so that
//! uploading them is counted and decoding them, on threads of its own, is not. Medians and 99th percentiles over all frames;
//! the aim is below 16 ms. Options through the environment: `RAIN_BENCH_CARDS` (100000), `RAIN_BENCH_FRAMES` (600).

#[allow(dead_code)] // the tests of the window use the rest
#[path = "../tests/app/fake.rs"]
mod fake;

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use egui::{Event as Input, Key, Modifiers, MouseWheelUnit, TouchPhase, vec2};
use egui_kittest::Harness;
use image::RgbImage;
use rain::app::state::{ALL, Settings, Sort};
use rain::app::{App, theme};
use rain::engine::command::Command;
use rain::engine::event::Event;

/// The aim, in milliseconds.
const AIM: f64 = 16.0;
/// Steps that a run reports in a frame: far more than any run takes.
const STEPS: u64 = 20;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Processor time of this thread in milliseconds.
fn cpu_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer, and this clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// A window over an engine of cardboard.
struct Bench {
    harness: Harness<'static, App>,
    events: Sender<Event>,
    asked: Receiver<(PathBuf, u32)>,
    figure: Arc<RgbImage>,
    step: u64,
}

impl Bench {
    fn new(settings: Settings, cards: usize) -> Self {
        let ((events, receiver), (ask, asked)) = (unbounded(), unbounded());
        let (back, measure) = (events.clone(), settings.measure);
        let harness = Harness::builder()
            .with_size([1440.0, 900.0])
            .with_max_steps(40)
            .with_context_setup(|ctx| {
                theme::install(ctx);
                ctx.set_theme(egui::Theme::Dark);
            })
            .build_eframe(move |_| {
                // The window's own thread sends; whatever is not answered here is not asked in this bench.
                let send = Box::new(move |command: Command| match command {
                    Command::Search { query, .. } => {
                        let listed = if query.0 == 0 { cards } else { 20 };
                        let _ = back.send(fake::whole_ranking(query.0, listed, measure));
                    }
                    Command::Thumbnail { path, max_side } => drop(ask.send((path, max_side))),
                    _ => {}
                });
                App::new(receiver, send, None).with_settings(settings)
            });
        let figure = fake::figure(3, 1, 96, 192);
        let mut bench = Self { harness, events, asked, figure, step: 0 };
        let first = [fake::model(), fake::large_gallery(cards), fake::run_started("runs/x".into())];
        for event in first.into_iter().chain((0..12).map(fake::query)) {
            let _ = bench.events.send(event);
        }
        (0..6).for_each(|_| {
            bench.frame(Vec::new(), false);
        });
        bench
    }

    /// One frame with that input; the processor time it took.
    fn frame(&mut self, input: Vec<Input>, training: bool) -> f64 {
        for (path, max_side) in self.asked.try_iter().take(64) {
            let _ = self.events.send(Event::Thumbnail { path, max_side, image: Ok(self.figure.clone()) });
        }
        if training {
            for event in fake::steps(self.step..self.step + STEPS) {
                let _ = self.events.send(event);
            }
            self.step += STEPS;
        }
        self.harness.input_mut().events.extend(input);
        let before = cpu_ms();
        self.harness.step();
        let drawn = cpu_ms() - before;
        let (shapes, scale) = (self.harness.output().shapes.clone(), self.harness.ctx.pixels_per_point());
        let before = cpu_ms();
        let triangles = self.harness.ctx.tessellate(shapes, scale);
        let turned = cpu_ms() - before;
        std::hint::black_box(triangles);
        drawn + turned
    }
}

fn wheel(points: f32) -> Input {
    Input::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, points),
        phase: TouchPhase::Move,
        modifiers: Modifiers::NONE,
        source: egui::MouseWheelSource::Unknown,
    }
}

fn key(key: Key) -> Vec<Input> {
    let press = |pressed| Input::Key { key, physical_key: None, pressed, repeat: false, modifiers: Modifiers::NONE };
    vec![press(true), press(false)]
}

fn report(name: &str, mut times: Vec<f64>) -> bool {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let (median, p99, worst) = (at(0.5), at(0.99), at(1.0));
    let fits = p99 < AIM;
    println!("{name:<58} {median:>6.2} {p99:>6.2} {worst:>6.2}  {}", if fits { "within 16 ms" } else { "OVER 16 ms" });
    fits
}

fn main() {
    let (cards, frames) = (setting("RAIN_BENCH_CARDS", 100_000), setting("RAIN_BENCH_FRAMES", 600));
    println!("{cards} cards listed, {frames} frames each; milliseconds of our processor time a frame");
    println!("{:<58} {:>6} {:>6} {:>6}", "", "median", "p99", "worst");
    let middle = egui::pos2(600.0, 300.0);
    let mut all = true;
    for (name, card, grouped) in [("small cards", 72.0, false), ("usual cards", 104.0, false), ("grouped", 104.0, true)]
    {
        let settings = Settings { top: ALL, card, grouped, ground_truth: true, ..Settings::default() };
        let mut bench = Bench::new(settings, cards);
        bench.harness.input_mut().events.push(Input::PointerMoved(middle));
        for training in [false, true] {
            let with = if training { ", a run reporting" } else { "" };
            let still = (0..frames).map(|_| bench.frame(Vec::new(), training)).collect();
            all &= report(&format!("{name}, still{with}"), still);
            let scrolled = (0..frames).map(|_| bench.frame(vec![wheel(-240.0)], training)).collect();
            all &= report(&format!("{name}, scrolled by the wheel{with}"), scrolled);
            let paged = (0..frames).map(|i| {
                let pressed = if i % 3 == 0 { key(Key::PageDown) } else { Vec::new() };
                bench.frame(pressed, training)
            });
            all &= report(&format!("{name}, paged by key{with}"), paged.collect());
            let jumped = (0..frames).map(|i| bench.frame(key(if i % 2 == 0 { Key::End } else { Key::Home }), training));
            all &= report(&format!("{name}, from end to end{with}"), jumped.collect());
        }
        if !grouped {
            // Once, when an order is chosen: not a frame of scrolling, but a pause that is felt.
            for (order, sort) in Sort::NAMES.map(|(sort, order)| (order, sort)) {
                bench.harness.state_mut().state.settings.sort = sort;
                let _ = bench.events.send(Event::Ready { device: "CPU".into() }); // any event brings the order up to date
                println!("  once, listing anew by {}: {:.1} ms", order.to_lowercase(), bench.frame(Vec::new(), false));
            }
        }
    }
    println!("{}", if all { "Every 99th percentile is below 16 ms" } else { "Some are above 16 ms" });
}
