//! The window, driven as a user would: keys, clicks and drops in, commands out. No GPU, no model: a cardboard engine
//! answers.

#[path = "app/disk.rs"]
mod disk;
#[path = "app/fake.rs"]
mod fake;
#[path = "app/first_time.rs"]
mod first_time;
#[path = "app/frame.rs"]
mod frame;
#[path = "app/gallery.rs"]
mod gallery;
#[path = "app/hands.rs"]
mod hands;
#[path = "app/investigate.rs"]
mod investigate;
#[path = "app/messages.rs"]
mod messages;
#[path = "app/training.rs"]
mod training;
#[path = "app/window.rs"]
mod window;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::Sender;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use hands::Hands;
use rain::app::state::Settings;
use rain::app::{App, theme};
use rain::data::dataset::Broken;
use rain::engine::command::{Command, Measure, QueryId};
use rain::engine::event::Event;
use window::Window;

#[test]
fn an_empty_window_says_what_to_do() {
    let mut window = Window::empty();
    window.click("Work without a case");
    assert!(window.has("Drop blurred crops here, or press Ctrl+O"));
    assert!(window.has_part("No model yet"));
    assert!(window.has("Start training"));
}

#[test]
fn queries_and_cards_have_readable_names() {
    let window = Window::full();
    assert!(window.has_part("Query 0000_c6_lr.png"));
    assert!(window.has("Rank 1, cosine distance 0.171, same person"));
    let cards = window
        .harness
        .query_all_by_label_contains("Rank ")
        .filter(|n| n.accesskit_node().label().is_some_and(|l| l.contains(", cosine distance")));
    assert_eq!(cards.count(), 10);
    assert!(window.has_part("Reconstruction, not evidence"));
}

#[test]
fn no_widget_is_without_a_name() {
    let mut window = Window::full();
    window.tell(fake::answer(&Command::Train { config: Box::default(), run: "runs/x".into(), resume: false }));
    window.tell([fake::validation(2), fake::samples(3)]);
    assert!(window.has_part("Validation: rank-1"));
    assert!(window.has_part("Samples at step 3"));
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
}

#[test]
fn every_query_gets_its_mark_and_a_reconstruction_only_when_looked_at() {
    let window = Window::full();
    let sent = window.take();
    let searches = sent.iter().filter(|c| matches!(c, Command::Search { .. })).count();
    let decoded = sent.iter().filter(|c| matches!(c, Command::Reconstruct { .. })).count();
    assert_eq!((searches, decoded), (12, 1));
}

#[test]
fn another_top_k_asks_for_a_longer_ranking() {
    let mut window = Window::full();
    window.take();
    window.click("Number of candidates");
    window.click("Top 20");
    let sent = window.take();
    assert!(sent.iter().any(|c| matches!(c, Command::Search { query: QueryId(0), top: 20, .. })), "{sent:?}");
    let ranks: Vec<usize> = window.harness.state().state.candidates().iter().map(|c| c.rank).collect();
    assert_eq!(ranks, (1..=20).collect::<Vec<_>>());
}

#[test]
fn another_measure_ranks_everything_anew() {
    let mut window = Window::full();
    window.take();
    window.click("Distance measure");
    window.click("Euclidean");
    let sent = window.take();
    let anew = sent.iter().filter(|c| matches!(c, Command::Search { measure: Measure::Euclidean, .. })).count();
    assert_eq!(anew, 12);
    assert!(window.has_part("Rank 1, Euclidean distance 5.13"));
}

#[test]
fn arrows_move_along_queries_and_candidates() {
    let mut window = Window::full();
    let at = |w: &Window| (w.harness.state().state.selected, w.harness.state().state.candidate);
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(at(&window), (Some(QueryId(1)), 0));
    window.key(Modifiers::NONE, Key::ArrowRight);
    window.key(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(at(&window), (Some(QueryId(1)), 2));
    window.key(Modifiers::NONE, Key::End);
    assert_eq!(at(&window).1, 9);
    window.key(Modifiers::NONE, Key::Home);
    window.key(Modifiers::NONE, Key::ArrowUp);
    window.key(Modifiers::NONE, Key::ArrowUp);
    assert_eq!(at(&window), (Some(QueryId(0)), 0));
}

#[test]
fn arrows_work_with_the_keyboard_on_a_row_and_leave_text_fields_alone() {
    let mut window = Window::full();
    window.harness.get_by_label_contains("Query 0003").focus();
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    assert_eq!(window.harness.state().state.selected, Some(QueryId(3)));
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(window.harness.state().state.selected, Some(QueryId(4)));
    window.field("Data folder").focus();
    window.settle();
    window.key(Modifiers::NONE, Key::ArrowDown);
    window.key(Modifiers::NONE, Key::Delete);
    assert_eq!(window.harness.state().state.selected, Some(QueryId(4)));
    assert_eq!(window.harness.state().state.queries.len(), 12);
}

#[test]
fn ground_truth_can_be_hidden() {
    let mut window = Window::full();
    window.click("Show ground truth");
    assert!(!window.has_part(", same person"));
    assert!(!window.has_part("is the same person"));
    assert!(!window.has_part("Ground truth says"));
    assert!(window.has("Rank 1, cosine distance 0.171"));
}

#[test]
fn a_removed_query_comes_back_to_its_place() {
    let mut window = Window::full();
    window.key(Modifiers::NONE, Key::ArrowDown);
    window.take();
    window.key(Modifiers::NONE, Key::Delete);
    assert!(window.take().iter().any(|c| matches!(c, Command::RemoveQuery { query: QueryId(1) })));
    assert!(!window.has_part("Query 0001"));
    assert!(window.has("Removed 0001_c6_lr.png"));
    window.key(Modifiers::COMMAND, Key::Z);
    let sent = window.take();
    assert!(
        sent.iter()
            .any(|c| matches!(c, Command::AddQueries { paths } if paths == &[PathBuf::from("/crops/0001_c6_lr.png")])),
        "{sent:?}"
    );
    let state = &window.harness.state().state;
    assert_eq!(state.queries[1].name(), "0001_c6_lr.png");
    assert_eq!(state.selected, Some(state.queries[1].info.id));
}

#[test]
fn dropped_files_become_queries_and_a_dropped_model_is_opened() {
    let mut window = Window::full();
    window.take();
    window.drop_file("/new/0005.png");
    let sent = window.take();
    assert!(
        sent.iter().any(|c| matches!(c, Command::AddQueries { paths } if paths == &[PathBuf::from("/new/0005.png")]))
    );
    let last = window.harness.state().state.queries.last().map(|q| q.name());
    assert_eq!(last.as_deref(), Some("0005.png"));
    window.drop_file("/models/other.safetensors");
    assert!(window.take().iter().any(|c| matches!(c, Command::OpenModel { .. })));
}

#[test]
fn a_path_can_be_typed_where_no_dialog_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::full();
    window.take();
    window.key(Modifiers::COMMAND, Key::G);
    assert!(window.has("Open gallery"));
    window.harness.get_by_label("Path").type_text("/no/such/folder");
    window.settle();
    window.click("Open");
    assert!(window.has("There is nothing at /no/such/folder"));
    assert!(window.take().is_empty());
    window.fill_field("Path", &folder.path().display().to_string());
    window.key(Modifiers::NONE, Key::Enter);
    let sent = window.take();
    assert!(sent.iter().any(|c| matches!(c, Command::OpenGallery { path } if path == folder.path())), "{sent:?}");
    window.key(Modifiers::COMMAND, Key::O);
    assert!(window.has("Path"));
    window.key(Modifiers::NONE, Key::Escape);
    assert!(!window.has("Path"));
}

#[test]
fn how_sure_a_ranking_is() {
    let mut window = Window::full();
    assert!(window.has("Nearer than most strangers come"));
    assert!(window.has_part("3 % found a different person as near as this"));
    assert!(window.has_part("Calibrated on crowd (split 0123456789abcdef): 200 people"));
    assert!(window.has_part("cosine distance to "));
    assert!(window.has("✓ nearest of the same person"));
    // The sweep costs work, so it is asked for; the pane is enlarged, so that the button is in view.
    window.key(Modifiers::COMMAND, Key::K);
    window.field("Find a command").type_text("how sure");
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    window.key(Modifiers::NONE, Key::F11);
    window.take();
    window.click("Rank with less detail");
    assert_eq!(window.take().iter().filter(|c| matches!(c, Command::Sweep { query: QueryId(0), .. })).count(), 1);
    assert!(window.has("The first candidate stays first down to 5×10 px (r = 3)"));
    assert!(window.has_part("rank of candidate 1 (1 is best): 1 at r = 1, 2 at r = 1.5"));
    window.key(Modifiers::NONE, Key::ArrowRight);
    assert!(window.has_part("rank of candidate 2 (1 is best): 2 at r = 1"));
    // Another query is another question.
    window.key(Modifiers::NONE, Key::ArrowDown);
    let sent = window.take();
    assert!(sent.iter().any(|c| matches!(c, Command::Assess { query: QueryId(1), .. })), "{sent:?}");
    assert!(window.has("Rank with less detail"));
    let far = fake::certainty(QueryId(1), Measure::Cosine, rain::eval::calibration::Verdict::Typical);
    window.tell([far]);
    assert!(window.has("Probably not in this gallery"));
    assert!(window.has_part("The warning came up for 81 % of the queries"));
}

#[test]
fn the_comparison_can_be_enlarged() {
    let mut window = Window::full();
    window.key(Modifiers::NONE, Key::E);
    assert!(window.has("Compare 0000_c6_lr.png"));
    window.key(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.harness.state().state.candidate, 1);
    window.key(Modifiers::NONE, Key::Escape);
    assert!(!window.has("Compare 0000_c6_lr.png"));
}
