//! What holds on every page: themes, keys, the finder, menus, panes, sizes.

use super::*;

#[test]
fn theme_and_keys_can_be_toggled() {
    let mut window = Window::full();
    let ground = |w: &Window| w.harness.ctx.global_style().visuals.panel_fill;
    window.click("Theme (Ctrl+L)");
    window.click("Light");
    assert_eq!(window.harness.ctx.theme(), egui::Theme::Light);
    window.key(Modifiers::COMMAND, Key::L);
    assert_eq!((window.harness.ctx.theme(), ground(&window)), (egui::Theme::Dark, egui::Color32::BLACK));
    assert!(window.has("Theme: high contrast"), "a toast says it");
    window.key(Modifiers::COMMAND, Key::L);
    assert_ne!(ground(&window), egui::Color32::BLACK);
    window.key(Modifiers::NONE, Key::F1);
    assert!(window.has("Do it again"));
    // Under the sheet the keys of the window rest.
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(window.harness.state().state.selected, Some(QueryId(0)));
    window.key(Modifiers::NONE, Key::Escape);
    assert!(!window.has("Do it again"));
}

#[test]
fn the_finder_runs_what_is_typed_and_says_why_not() {
    let mut window = Window::empty();
    window.key(Modifiers::COMMAND, Key::K);
    assert!(window.field("Find a command").is_focused());
    assert!(window.has("Remove the query: No query is selected"));
    window.field("Find a command").type_text("opgal");
    window.settle();
    assert!(window.has("Open gallery…, Ctrl+G") && !window.has_part("About Rain"));
    window.key(Modifiers::NONE, Key::Enter);
    assert!(
        window.has("Path") && !window.has_part("Open gallery…, Ctrl+G"),
        "the finder closes, the path is asked for"
    );
    window.key(Modifiers::NONE, Key::Escape);

    window.key(Modifiers::COMMAND, Key::K);
    window.key(Modifiers::NONE, Key::ArrowUp);
    window.key(Modifiers::NONE, Key::Enter);
    assert!(window.has("Copy these facts"), "the last row is About Rain");
    window.key(Modifiers::NONE, Key::Escape);
    // What cannot be done is not done, and the finder stays.
    window.key(Modifiers::COMMAND, Key::K);
    window.field("Find a command").type_text("remove");
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    assert!(window.has("Remove the query: No query is selected"));
    window.key(Modifiers::COMMAND, Key::K);
    assert!(!window.has_part("Find a command…"));
}

#[test]
fn menus_are_made_of_the_same_table() {
    let mut window = Window::full();
    window.click("File");
    assert!(window.has_part("Open model…"));
    window.key(Modifiers::NONE, Key::Escape);
    window.click("Go");
    window.harness.get_by_label_contains("Next candidate").click();
    window.settle();
    assert_eq!(window.harness.state().state.candidate, 1);
}

#[test]
fn a_page_is_left_from_a_text_field_and_letters_stay_in_it() {
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::Num4);
    let field = window.field("Data folder");
    field.type_text("e?");
    window.key(Modifiers::NONE, Key::E);
    window.key(Modifiers::NONE, Key::Questionmark);
    window.key(Modifiers::NONE, Key::Delete);
    assert!(!window.has("Close keys") && !window.has_part("Compare 0000"));
    assert_eq!(window.harness.state().state.queries.len(), 12);
    window.key(Modifiers::COMMAND, Key::Num1);
    assert!(window.has_part("Matches for 0000"));
    // Only the exact keys count.
    window.harness.ctx.memory_mut(|m| m.stop_text_input());
    window.settle();
    window.key(Modifiers::ALT, Key::E);
    assert!(!window.has_part("Compare 0000"));
}

#[test]
fn the_size_of_everything_changes_by_keys() {
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::Plus);
    window.key(Modifiers::COMMAND, Key::Equals);
    assert!((window.harness.ctx.zoom_factor() - 1.2).abs() < 1e-3 && window.has("Zoom 120 %"));
    window.key(Modifiers::COMMAND, Key::Minus);
    assert!((window.harness.ctx.zoom_factor() - 1.1).abs() < 1e-3);
    window.key(Modifiers::COMMAND, Key::Num0);
    assert_eq!(window.harness.ctx.zoom_factor(), 1.0);
}

#[test]
fn f6_goes_round_the_panes_and_the_arrows_still_move() {
    let mut window = Window::full();
    let focused = |w: &Window, label: &str| w.harness.get_by_label(label).is_focused();
    window.key(Modifiers::NONE, Key::F6);
    assert!(focused(&window, "Pane Queries"));
    window.key(Modifiers::NONE, Key::F6);
    assert!(focused(&window, "Pane Matches"));
    window.key(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.harness.state().state.candidate, 1);
    assert!(focused(&window, "Pane Matches"));
    window.key(Modifiers::SHIFT, Key::F6);
    assert!(focused(&window, "Pane Queries"));
    window.key(Modifiers::SHIFT, Key::F6);
    assert!(focused(&window, "Pane History"));
    window.key(Modifiers::SHIFT, Key::F6);
    assert!(focused(&window, "Pane Jobs") && window.has("No jobs yet"), "its tab comes to the front");
}

#[test]
fn a_pane_can_take_the_page_and_the_layout_comes_back() {
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::J);
    window.key(Modifiers::NONE, Key::F11);
    assert!(window.has("No jobs yet") && !window.has_part("Matches for"));
    window.click("Show all panes");
    assert!(window.has_part("Matches for"));
    window.click("Enlarge this pane");
    assert!(!window.has_part("Matches for"));
    window.key(Modifiers::COMMAND, Key::K);
    window.field("Find a command").type_text("reset lay");
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    assert!(window.has_part("Matches for") && window.has("Start training"));
}

#[test]
fn an_idle_window_does_not_draw() {
    let mut window = Window::full();
    window.harness.run_steps(30);
    let delay = window.harness.output().viewport_output.values().map(|v| v.repaint_delay).min();
    assert!(delay.is_some_and(|d| d > std::time::Duration::from_secs(60)), "{delay:?}");
}

/// Buttons at the edges must lie inside the window, or inside something that scrolls.
#[test]
fn nothing_is_cut_off_in_small_windows() {
    for (width, height, zoom) in [(1280.0, 720.0, 1.0), (1024.0, 700.0, 1.0), (1440.0, 900.0, 1.5)] {
        let mut window = Window::of_size(width, height, zoom);
        window.fill();
        let screen = window.harness.ctx.content_rect();
        for label in ["Keys (F1 or ?)", "Find a command (Ctrl+K)", "Enlarge this pane", "Number of candidates", "Jobs"]
        {
            let rect = window.harness.get_by_label(label).rect();
            assert!(screen.contains_rect(rect), "{label} at {rect:?} leaves {screen:?} ({width}x{height} at {zoom})");
        }
    }
}
