//! What the window looks like, in light and dark. Drivers round colours and edges differently, so the pictures are compared
//! where they are asked for, on the machine that made them (`mesa-vulkan-drivers` will do for an adapter):
//!
//! `RAIN_SNAPSHOTS=1 cargo test --release --test snapshots` compares, `UPDATE_SNAPSHOTS=1` besides makes them anew. What the
//! panels do is tested in `app.rs`, `map.rs`, `room.rs` and `case_window.rs`.

#[path = "app/fake.rs"]
#[expect(dead_code, reason = "shared with the tests of the window, which use more of it")]
mod fake;

use egui::{Key, Modifiers, Theme};
use egui_kittest::{Harness, SnapshotOptions};
use rain::app::{App, theme};
use rain::engine::event::Event;

/// Whether wgpu finds something to draw with. A missing adapter shows as a panic of the renderer.
fn can_draw() -> bool {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let drawn =
        std::panic::catch_unwind(|| Harness::builder().with_size([8.0, 8.0]).wgpu().build_ui(|_| {}).render().is_ok());
    std::panic::set_hook(hook);
    let can = drawn.unwrap_or(false);
    if !can {
        eprintln!("Skipped: wgpu finds no adapter here. Install mesa-vulkan-drivers to take the pictures.");
    }
    can
}

fn window(theme: Theme, size: [f32; 2], full: bool) -> Harness<'static, App> {
    let (events, receiver) = crossbeam_channel::unbounded();
    let back = events.clone();
    let mut harness = Harness::builder()
        .with_size(size)
        .with_max_steps(40)
        .with_context_setup(|ctx| {
            theme::install(ctx);
            ctx.set_theme(Theme::Dark);
        })
        .wgpu()
        .build_eframe(move |_| {
            let send = Box::new(move |command| {
                for event in fake::answer(&command) {
                    back.send(event).unwrap();
                }
            });
            App::new(receiver, send, None)
        });
    if full {
        let first = [Event::Ready { device: "CPU, 2 threads".into() }, fake::model(), fake::gallery()];
        first.into_iter().chain((0..12).map(fake::query)).for_each(|event| events.send(event).unwrap());
    }
    harness.run_steps(12);
    if theme == Theme::Light {
        harness.key_press_modifiers(Modifiers::COMMAND, Key::L); // the next theme after dark
        harness.run_steps(4);
    }
    harness
}

/// What is looked at: a name, whether there are model, gallery and queries, and the key of a page or sheet.
type View = (&'static str, bool, Option<(Modifiers, Key)>);

const VIEWS: [View; 7] = [
    ("empty", false, None),
    ("investigate", true, None),
    ("gallery", true, Some((Modifiers::COMMAND, Key::Num2))),
    ("map", true, Some((Modifiers::COMMAND, Key::Num3))),
    ("train", true, Some((Modifiers::COMMAND, Key::Num4))),
    ("keys", true, Some((Modifiers::NONE, Key::F1))),
    ("finder", true, Some((Modifiers::COMMAND, Key::K))),
];

/// One test, so that the adapter is looked for once and pictures are taken one after the other.
#[test]
fn the_window_looks_as_it_did() {
    if std::env::var_os("RAIN_SNAPSHOTS").is_none() || !can_draw() {
        return;
    }
    let mut failures = Vec::new();
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        for (what, full, key) in VIEWS {
            let mut harness = window(theme, [1100.0, 700.0], full);
            if let Some((modifiers, key)) = key {
                harness.key_press_modifiers(modifiers, key);
                // The pointer would leave a tooltip, the cursor of a field blinks.
                harness.run_steps(8);
            }
            // Other drivers round colours and edges a little differently.
            let options = SnapshotOptions::new().threshold(1.2).max_failed_pixels(600);
            if let Err(error) = harness.try_snapshot_options(format!("{what}-{name}"), &options) {
                failures.push(error.to_string());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
