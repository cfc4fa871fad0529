//! What stumbled when the program was tried as a newcomer would.

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use rain::engine::command::QueryId;

use super::{Hands, Window, fake};

const NONE: Modifiers = Modifiers::NONE;

#[test]
fn a_query_that_is_added_to_many_is_looked_at_and_seen() {
    let mut window = Window::full();
    window.tell((12..40).map(fake::query));
    assert_eq!(window.harness.state().state.selected, Some(QueryId(0)));
    window.drop_file("/crops/0077_c6_lr.png");
    let state = &window.harness.state().state;
    let added = state.queries.last().unwrap();
    assert_eq!(state.selected, Some(added.info.id));
    let name = format!("Query {}", added.name());
    let row = window.harness.get_by_label_contains(&name).rect();
    let screen = window.harness.ctx.content_rect();
    assert!(row.bottom() < screen.bottom() - 28.0, "{row:?} is below the list in {screen:?}");
}

#[test]
fn the_keyboard_goes_along_with_the_selected_query() {
    let mut window = Window::full();
    let queries = &window.harness.state().state.queries;
    let names: Vec<String> = queries.iter().map(|q| format!("Query {},", q.name())).collect();
    window.harness.get_by_label_contains(&names[5]).focus();
    window.settle();
    for (key, at) in [(Key::ArrowDown, 1), (Key::ArrowDown, 2), (Key::ArrowUp, 1)] {
        window.key(NONE, key);
        assert_eq!(window.harness.state().state.selected, Some(QueryId(at)));
        assert!(window.harness.get_by_label_contains(&names[at as usize]).is_focused(), "one ring, at query {at}");
    }
}

#[test]
fn keys_mean_the_same_over_the_enlarged_comparison() {
    let mut window = Window::full();
    window.key(NONE, Key::E);
    assert!(window.has("Close comparison"));
    window.key(Modifiers::COMMAND, Key::O);
    assert!(window.has("Open queries") && !window.has("Close comparison"), "what is typed next is no verdict");
    window.key(NONE, Key::Escape);
    window.key(NONE, Key::E);
    window.key(Modifiers::COMMAND, Key::K);
    assert!(window.has("Find a command") && !window.has("Close comparison"));
    window.key(NONE, Key::Escape);
    window.key(NONE, Key::E);
    window.key(Modifiers::COMMAND, Key::L);
    assert!(window.has("Close comparison"), "a theme needs no other view");
}

#[test]
fn a_sign_written_with_shift_is_not_held_for_ever() {
    let mut window = Window::full();
    let modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };
    let event = |key, pressed, modifiers| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
    for _ in 0..3 {
        window.harness.event(event(Key::Plus, true, modifiers));
        window.harness.run_steps(1);
        // Shift is let go first: the key that is let go then is "=".
        window.harness.event(event(Key::Equals, false, Modifiers::COMMAND));
        window.settle();
    }
    assert!((window.harness.ctx.zoom_factor() - 1.3).abs() < 1e-3, "{}", window.harness.ctx.zoom_factor());
    assert!(window.has("Zoom 130 %") && !window.has("Zoom 120 %"), "the newest word on the zoom stands alone");
}

#[test]
fn the_finder_is_as_high_again_after_little_was_found() {
    let mut window = Window::full();
    for typed in ["ground", ""] {
        window.key(Modifiers::COMMAND, Key::K);
        if !typed.is_empty() {
            window.harness.get_by_role_and_label(egui::accesskit::Role::TextInput, "Find a command").type_text(typed);
        }
        window.settle();
        if typed.is_empty() {
            let second = window.harness.query_all_by_label_contains("Bookmark, B").next();
            let seen = second.is_some_and(|row| window.harness.ctx.content_rect().contains_rect(row.rect()));
            assert!(seen, "more than two rows of the list are seen");
        }
        window.key(NONE, Key::Escape);
    }
}

#[test]
fn the_filters_open_by_their_name() {
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::K);
    window.harness.get_by_role_and_label(egui::accesskit::Role::TextInput, "Find a command").type_text("filters");
    window.settle();
    window.key(NONE, Key::Enter);
    assert!(window.has("Search only"));
}

#[test]
fn nothing_lies_on_anything_else_at_two_hundred_percent() {
    let mut window = Window::of_size(1440.0, 900.0, 2.0);
    window.fill();
    let rect = |window: &Window, label: &str| window.harness.get_by_label(label).rect();
    let case = window.harness.get_by_label_contains("Case: ").rect();
    let find = rect(&window, "Find a command (Ctrl+K)");
    assert!(case.right() <= find.left(), "{case:?} lies under {find:?}");
    window.key(Modifiers::COMMAND, Key::Num2);
    let (open, server) = (rect(&window, "Open a gallery…"), rect(&window, "On a server"));
    assert!(open.right() < server.left() - 20.0, "{open:?} and {server:?}");
}
