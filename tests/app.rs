//! The window, driven as a user would: keys, clicks and drops in, commands out. No GPU, no model: a cardboard engine
//! answers.

#[path = "app/disk.rs"]
mod disk;
#[path = "app/fake.rs"]
mod fake;
#[path = "app/first_time.rs"]
mod first_time;
#[path = "app/gallery.rs"]
mod gallery;
#[path = "app/investigate.rs"]
mod investigate;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::Sender;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use rain::app::state::Settings;
use rain::app::{App, theme};
use rain::data::dataset::Broken;
use rain::engine::command::{Command, Measure, QueryId};
use rain::engine::event::Event;

struct Window {
    harness: Harness<'static, App>,
    events: Sender<Event>,
    sent: Rc<RefCell<Vec<Command>>>,
}

impl Window {
    /// An empty window whose engine answers as [`fake::answer`] does.
    fn empty() -> Self {
        Self::of_size(1440.0, 900.0, 1.0)
    }

    fn of_size(width: f32, height: f32, zoom: f32) -> Self {
        let (events, receiver) = crossbeam_channel::unbounded();
        let sent = Rc::new(RefCell::new(Vec::new()));
        let (log, back) = (sent.clone(), events.clone());
        let mut harness = Harness::builder()
            .with_size([width / zoom, height / zoom])
            .with_max_steps(40)
            // Names of files may be in any script; what no font draws is a box, not a fault.
            .allow_missing_glyphs()
            .with_context_setup(|ctx| {
                theme::install(ctx);
                ctx.set_theme(egui::Theme::Dark);
            })
            .build_eframe(move |_| {
                let send = Box::new(move |command: Command| {
                    for event in fake::answer(&command) {
                        back.send(event).unwrap();
                    }
                    log.borrow_mut().push(command);
                });
                // Judged blind at first; the tests look at the answers.
                App::new(receiver, send, None).with_settings(Settings { ground_truth: true, ..Settings::default() })
            });
        harness.run_steps(2);
        Self { harness, events, sent }
    }

    /// A window with model, gallery and twelve queries.
    fn full() -> Self {
        let mut window = Self::empty();
        window.fill();
        window
    }

    fn fill(&mut self) {
        let first = [Event::Ready { device: "CPU, 2 threads".into() }, fake::model(), fake::gallery()];
        self.tell(first.into_iter().chain((0..12).map(fake::query)));
    }

    fn tell(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.events.send(event).unwrap();
        }
        self.settle();
    }

    /// A few frames: an answer may call forth another question.
    fn settle(&mut self) {
        self.harness.run_steps(6);
    }

    fn key(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.settle();
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.settle();
    }

    fn has(&self, label: &str) -> bool {
        self.harness.query_all_by_label(label).next().is_some()
    }

    fn has_part(&self, label: &str) -> bool {
        self.harness.query_all_by_label_contains(label).next().is_some()
    }

    /// Types into a field, after what is there is deleted.
    fn fill_field(&mut self, label: &str, text: &str) {
        self.field(label).focus();
        self.harness.run_steps(2);
        self.key(Modifiers::COMMAND, Key::A);
        self.key(Modifiers::NONE, Key::Delete);
        self.field(label).type_text(text);
        self.settle();
    }

    /// A text field; the label above it has the same words.
    fn field<'a>(&'a self, label: &'a str) -> egui_kittest::Node<'a> {
        self.harness.get_by_role_and_label(egui::accesskit::Role::TextInput, label)
    }

    fn take(&self) -> Vec<Command> {
        self.sent.take()
    }

    fn drop_file(&mut self, path: &str) {
        self.harness.input_mut().dropped_files.push(Arc::new(Dropped(path.into())));
        self.settle();
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window must not read files".into())
    }
}

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
fn training_starts_with_what_was_typed_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::full();
    window.take();
    window.click("Start training");
    assert!(window.has_part("Name the folder with the training images"));
    assert!(window.take().is_empty(), "a refused form must start nothing");

    window.fill_field("Data folder", &folder.path().display().to_string());
    window.fill_field("Run folder", &folder.path().join("run").display().to_string());
    window.fill_field("Epochs", "many");
    window.click("Start training");
    assert!(window.has_part("A number above 0"));
    window.fill_field("Epochs", "12");
    window.fill_field("Learning rate", "0.002");
    window.fill_field("Persons in a batch (P)", "6");
    window.click("Start training");
    let sent = window.take();
    let started = sent.iter().find(|c| matches!(c, Command::Train { .. }));
    let Some(Command::Train { config, run, resume: false }) = started else { panic!("{sent:?}") };
    assert_eq!((config.schedule.epochs, config.optim.lr, config.data.identities), (12.0, 0.002, 6));
    assert_eq!((config.data.root.as_path(), run.as_path()), (folder.path(), folder.path().join("run").as_path()));

    assert!(window.has_part("step 3 of 3,000"));
    assert!(window.has_part("Reconstruction: HR + LR"));
    window.click("Stop");
    assert!(window.take().iter().any(|c| matches!(c, Command::Cancel { job } if *job == fake::RUN)));
    assert!(window.has("Stopped"));
    window.click("Resume");
    let sent = window.take();
    assert!(sent.iter().any(|c| matches!(c, Command::Train { resume: true, .. })), "{sent:?}");
}

#[test]
fn a_run_starts_by_keyboard_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::full();
    window.take();
    window.key(Modifiers::COMMAND, Key::T);
    assert!(window.field("Data folder").is_focused());
    let typed = folder.path().display().to_string();
    window.field("Data folder").type_text(&typed);
    window.settle();
    for _ in 0..4 {
        window.key(Modifiers::NONE, Key::Tab);
    }
    assert!(window.field("Run folder").is_focused());
    window.fill_field("Run folder", &folder.path().join("run").display().to_string());
    window.key(Modifiers::NONE, Key::Enter);
    let sent = window.take();
    assert!(sent.iter().any(|c| matches!(c, Command::Train { resume: false, .. })), "{sent:?}");
}

#[test]
fn searching_goes_on_while_a_run_trains() {
    let mut window = Window::full();
    let run = Command::Train { config: Box::default(), run: "runs/x".into(), resume: false };
    window.tell(fake::answer(&run));
    window.take();
    window.tell(fake::steps(4..400));
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert!(window.has_part("Matches for 0001"));
    assert!(window.take().iter().any(|c| matches!(c, Command::Reconstruct { query: QueryId(1) })));
    assert!(window.has_part("step 399 of 3,000"));
}

#[test]
fn a_finished_run_offers_its_model() {
    let mut window = Window::full();
    window.tell(fake::answer(&Command::Train { config: Box::default(), run: "runs/x".into(), resume: false }));
    let event = rain::train::event::TrainEvent::Finished { model: "runs/x/model.safetensors".into() };
    window.tell([Event::Training { job: fake::RUN, event }]);
    window.take();
    window.click("Use this run's model");
    assert!(
        window.take().iter().any(|c| matches!(c, Command::OpenModel { path } if path.ends_with("model.safetensors")))
    );
}

#[test]
fn an_error_is_shown_until_it_is_dismissed() {
    let mut window = Window::full();
    window.tell([Event::Failed { what: "Open model".into(), message: "/x: not a model. Choose another.".into() }]);
    assert!(window.has("Open model failed"));
    assert!(window.has("/x: not a model. Choose another."));
    assert!(window.has("Copy details"));
    window.click("Dismiss Open model");
    assert!(!window.has("Open model failed"));
}

#[test]
fn all_errors_stand_in_one_place() {
    let mut window = Window::full();
    let failed =
        |n: usize| Event::Failed { what: format!("Open {n}"), message: format!("/{n}: gone. Look elsewhere.") };
    window.tell((0..5).map(failed));
    assert!(!window.has("Open 0 failed"), "the newest cards stand at the top, the others wait");
    window.click("Show all errors and notes");
    assert!(window.has("Open 0 failed") && window.has("/0: gone. Look elsewhere.") && window.has("Copy all"));
    window.click("Dismiss all");
    assert!(window.has("Nothing went wrong"));
    window.key(Modifiers::NONE, Key::Escape);
    assert!(!window.has("Nothing went wrong"));
}

#[test]
fn skipped_files_are_listed_with_their_reasons() {
    let mut window = Window::full();
    let broken = Broken { path: "/crops/a.jpg".into(), reason: "not an image".into() };
    window.tell([Event::QueriesSkipped(vec![broken])]);
    assert!(window.has_part("1 file could not be used as a query"));
    assert!(window.has("/crops/a.jpg: not an image"));
}

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
fn what_finished_is_said_once_and_goes() {
    let mut window = Window::full();
    window.tell(fake::answer(&Command::Train { config: Box::default(), run: "runs/x".into(), resume: false }));
    window.harness.state_mut().state.jobs[0].began = std::time::Instant::now() - std::time::Duration::from_secs(3);
    window.tell([Event::JobEnded { job: fake::RUN, end: rain::engine::event::JobEnd::Done }]);
    assert!(window.has_part(": done"));
    for _ in 0..40 {
        window.harness.run_steps(10);
    }
    assert!(!window.has_part(": done"));
    window.key(Modifiers::COMMAND, Key::J);
    assert!(window.has("Done after 3 s"));
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
