//! The case's panels, driven as a user would. The engine is of cardboard, the case is a real file.

#[path = "case_window/clerk.rs"]
mod clerk;
#[path = "app/fake.rs"]
#[allow(dead_code, reason = "the training part is for tests/app.rs")]
mod fake;
#[path = "app/hands.rs"]
#[allow(dead_code, reason = "some of it is for tests/app.rs")]
mod hands;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clerk::Clerk;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use hands::Hands;
use rain::app::{App, theme};
use rain::case::record::{Candidate, Query, Search};
use rain::case::{Case, Judgement, Subject, name};
use rain::engine::case::{CaseCommand, CaseEvent, OpenedCase};
use rain::engine::command::{Command, QueryId};
use rain::engine::event::Event;

struct Window {
    harness: Harness<'static, App>,
    clerk: Rc<RefCell<Clerk>>,
    folder: tempfile::TempDir,
}

impl Window {
    /// An empty window.
    fn empty() -> Self {
        let (events, receiver) = crossbeam_channel::unbounded();
        let clerk = Rc::new(RefCell::new(Clerk {
            case: None,
            who: "Ada".into(),
            numbers: BTreeMap::new(),
            queries: Vec::new(),
            asked: Vec::new(),
            searches: 0,
        }));
        let (theirs, back) = (clerk.clone(), events.clone());
        let mut harness = Harness::builder()
            .with_size([1440.0, 900.0])
            .with_max_steps(40)
            .with_context_setup(|ctx| {
                theme::install(ctx);
                ctx.set_theme(egui::Theme::Dark);
            })
            .build_eframe(move |_| {
                let send = Box::new(move |command: Command| {
                    let answers = match command {
                        Command::Case(command) => theirs.borrow_mut().answer(command),
                        other => {
                            theirs.borrow_mut().searches += usize::from(matches!(other, Command::Search { .. }));
                            fake::answer(&other)
                        }
                    };
                    answers.into_iter().for_each(|event| back.send(event).unwrap());
                });
                App::new(receiver, send, None)
            });
        harness.state_mut().state.settings.case.reviewer = "Ada".into();
        harness.state_mut().state.settings.ground_truth = true;
        harness.run_steps(2);
        let mut window = Self { harness, clerk, folder: tempfile::tempdir().unwrap() };
        window.settle();
        drop(events);
        window
    }

    /// A window with model, gallery, three queries and a new case.
    fn with_case() -> Self {
        let mut window = Self::without_case();
        window.key(Modifiers::COMMAND, Key::N);
        let path = window.file("north.raincase");
        window.harness.get_by_label("Path").type_text(&path.display().to_string());
        window.settle();
        window.key(Modifiers::NONE, Key::Enter);
        window.settle();
        assert!(window.harness.state().state.case.is_open());
        window
    }

    fn without_case() -> Self {
        let mut window = Self::empty();
        window.clerk.borrow_mut().queries = (0..3).map(QueryId).collect();
        let mut commands = Vec::new();
        let first = [Event::Ready { device: "CPU, 2 threads".into() }, fake::model(), fake::gallery()];
        for event in first.into_iter().chain((0..3).map(fake::query)) {
            window.harness.state_mut().state.apply(event, &mut commands);
        }
        // What the state asks for is answered by hand: it was not asked through the window.
        let mut at = 0;
        while at < commands.len() {
            let command = commands[at].clone();
            at += 1;
            for event in fake::answer(&command) {
                window.harness.state_mut().state.apply(event, &mut commands);
            }
        }
        window.settle();
        window
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The verdict on the candidate being looked at, as the file has it.
    fn on_disk(&self) -> Option<Judgement> {
        let state = &self.harness.state().state;
        let (_, entry) = state.chosen()?;
        let subject = state.case.subject(state.selected?, &entry.path)?;
        let path = self.clerk.borrow().case.as_ref()?.path().to_path_buf();
        Case::open(&path).unwrap().state().verdicts.get(&subject).map(|v| v.judgement)
    }
}

impl Hands for Window {
    fn harness(&self) -> &Harness<'static, App> {
        &self.harness
    }

    fn harness_mut(&mut self) -> &mut Harness<'static, App> {
        &mut self.harness
    }
}

#[test]
fn the_first_screen_offers_demo_new_open_and_recent() {
    let mut window = Window::empty();
    for label in ["Open the demo case", "New case…", "Open case…", "Work without a case"] {
        assert!(window.has(label), "{label}");
    }
    let old = window.file("old.raincase");
    drop(Case::create(&old, "The old case", "Ada").unwrap());
    window.harness.state_mut().state.settings.case.recent = vec![old.clone()];
    window.settle();
    window.click("Open case old.raincase");
    assert!(matches!(window.clerk.borrow().asked.last(), Some(CaseCommand::Open { path }) if *path == old));
    assert!(window.has("Case: The old case"));
    assert!(!window.has("Open the demo case"));
}

#[test]
fn one_may_work_without_a_case() {
    let mut window = Window::empty();
    window.click("Work without a case");
    assert!(window.has_part("No model yet"));
}

#[test]
fn verdict_keys_write_to_the_case_and_mark_the_card() {
    let mut window = Window::with_case();
    assert!(window.has("Case: north"));
    window.key(Modifiers::NONE, Key::S);
    assert_eq!(window.on_disk(), Some(Judgement::Same));
    assert!(window.has("Rank 1, cosine distance 0.171, same person, judged same person"));
    assert!(window.has_part("Ada says same person"));
    window.key(Modifiers::NONE, Key::D);
    assert_eq!(window.on_disk(), Some(Judgement::Different));
    window.key(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.on_disk(), None);
    window.key(Modifiers::NONE, Key::U);
    assert_eq!(window.on_disk(), Some(Judgement::Unsure));
    window.key(Modifiers::NONE, Key::B);
    assert!(window.has_part(", judged unsure, bookmarked"));
    // The same keys in the large comparison.
    window.key(Modifiers::NONE, Key::E);
    window.key(Modifiers::NONE, Key::ArrowRight);
    window.key(Modifiers::NONE, Key::S);
    assert_eq!(window.on_disk(), Some(Judgement::Same));
}

#[test]
fn candidates_are_filtered_by_what_the_case_says_of_them() {
    let mut window = Window::with_case();
    let listed = |w: &Window| -> Vec<PathBuf> {
        let state = &w.harness.state().state;
        state.candidates().iter().filter_map(|c| state.entry(c)).map(|entry| entry.path.clone()).collect()
    };
    let all = listed(&window);
    window.click("Filters");
    window.click("Not yet judged");
    window.key(Modifiers::NONE, Key::Escape);
    assert!(window.has("Remove filter Verdict: not yet judged"));
    // What is judged leaves the list, and the next candidate is looked at; undo brings it back. Only the query that it was said
    // of is ranked again, and the others' rankings still count as up to date.
    let before = window.clerk.borrow().searches;
    window.key(Modifiers::NONE, Key::D);
    assert_eq!(window.clerk.borrow().searches - before, 1);
    let state = &window.harness.state().state;
    assert!(state.queries.len() == 3 && state.queries.iter().all(|query| state.is_current(query)));
    assert_eq!(listed(&window)[..3], all[1..4]);
    assert!(window.has_part("of 60 gallery images pass the filters"));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(listed(&window)[..3], all[..3]);
    // The case says how the ranking came about.
    let settings = |w: &Window| {
        let clerk = w.clerk.borrow();
        let saw =
            clerk.asked.iter().rev().find_map(|c| if let CaseCommand::Saw(s) = c { Some(s.clone()) } else { None });
        saw.unwrap().settings
    };
    assert_eq!(settings(&window)[0], ("filter".to_owned(), "Verdict: not yet judged".to_owned()));
    window.click("Remove filter Verdict: not yet judged");
    assert_eq!((listed(&window), settings(&window)), (all.clone(), Vec::new()));
    // Bookmarks and tags likewise.
    window.key(Modifiers::NONE, Key::ArrowRight);
    window.key(Modifiers::NONE, Key::B);
    window.field("Add a tag").focus();
    window.settle();
    window.field("Add a tag").type_text("red coat");
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    window.click("Filters");
    window.click("Tag red coat");
    window.click("Bookmarked");
    window.key(Modifiers::NONE, Key::Escape);
    assert_eq!(listed(&window), all[1..2]);
    window.key(Modifiers::NONE, Key::B);
    assert!(listed(&window).is_empty() && window.has("Nothing passes the filters"));
    window.click("Clear filters");
    assert_eq!(listed(&window), all);
    // Another case knows nothing of them.
    window.click("Filters");
    window.click("Bookmarked");
    window.key(Modifiers::NONE, Key::Escape);
    assert!(listed(&window).is_empty());
    let mut commands = Vec::new();
    window.harness.state_mut().state.apply(Event::Case(CaseEvent::Closed), &mut commands);
    assert!(window.harness.state().state.chips().is_empty(), "a closed case filters nothing");
    assert!(matches!(&commands[0], Command::Search { refine, .. } if refine.only.is_empty()));
}

#[test]
fn a_click_decides_and_a_second_click_takes_it_back() {
    let mut window = Window::with_case();
    window.click("Different person (D)");
    assert_eq!(window.on_disk(), Some(Judgement::Different));
    window.click("Different person (D)");
    assert_eq!(window.on_disk(), None);
}

#[test]
fn undo_and_redo_go_through_the_case() {
    let mut window = Window::with_case();
    window.key(Modifiers::NONE, Key::S);
    window.key(Modifiers::NONE, Key::D);
    assert!(window.has_part("different person") && window.has("Undo"));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.on_disk(), Some(Judgement::Same));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.on_disk(), None);
    window.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(window.on_disk(), Some(Judgement::Same));
    window.key(Modifiers::COMMAND, Key::Y);
    assert_eq!(window.on_disk(), Some(Judgement::Different));
}

#[test]
fn without_a_case_a_verdict_says_where_verdicts_are_kept() {
    let mut window = Window::without_case();
    window.key(Modifiers::NONE, Key::S);
    assert!(window.has("No case is open"));
    assert!(window.clerk.borrow().asked.is_empty());
    assert!(window.has("Verdicts are kept in a case"));
}

#[test]
fn letters_typed_into_a_field_decide_nothing() {
    let mut window = Window::with_case();
    window.field("Add a tag").focus();
    window.settle();
    window.field("Add a tag").type_text("sud");
    window.key(Modifiers::NONE, Key::S);
    assert_eq!(window.on_disk(), None);
    window.key(Modifiers::NONE, Key::Enter);
    assert!(window.has_part("Remove tag sud"));
    let tags = window.harness.state().state.case.state().map(|s| s.tags.len());
    assert_eq!(tags, Some(1));
    window.harness.get_by_label_contains("Remove tag").click();
    window.settle();
    assert_eq!(window.harness.state().state.case.state().map(|s| s.tags.len()), Some(0));
}

#[test]
fn a_note_is_kept_when_the_field_is_left() {
    let mut window = Window::with_case();
    let note =
        |w: &Window| w.harness.state().state.case.state().and_then(|s| s.notes.values().next().map(|n| n.text.clone()));
    let field = |w: &Window| w.harness.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Note").focus();
    field(&window);
    window.settle();
    window
        .harness
        .get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Note")
        .type_text("red coat, left arm");
    window.settle();
    assert_eq!(note(&window), None);
    window.click("Keep");
    assert_eq!(note(&window).as_deref(), Some("red coat, left arm"));
}

#[test]
fn a_second_person_reviews() {
    let mut window = Window::with_case();
    window.key(Modifiers::NONE, Key::S);
    window.click("Case: north");
    window.click("Reviewer: Ada…");
    window.field("Reviewer's name").focus();
    window.settle();
    window.key(Modifiers::COMMAND, Key::A);
    window.field("Reviewer's name").type_text("Bo");
    window.settle();
    window.click("Use this name");
    window.key(Modifiers::NONE, Key::D);
    assert_eq!(window.on_disk(), Some(Judgement::Same), "the first verdict stays");
    assert!(window.has_part("Bo contradicts: different person"));
    assert!(window.has_part("Ada says same person"));
}

#[test]
fn the_history_lists_who_did_what_and_checks_the_file() {
    let mut window = Window::with_case();
    window.key(Modifiers::NONE, Key::S);
    window.key(Modifiers::COMMAND, Key::H);
    assert!(window.has_part("nothing → same person"));
    assert!(window.has_part("Search 1 seen"));
    window.click("Check the case");
    assert!(window.has_part("Nothing is wrong in"));
}

#[test]
fn reports_are_written_where_the_sheet_says() {
    let mut window = Window::with_case();
    window.key(Modifiers::COMMAND, Key::E);
    assert!(window.has("Export report"));
    window.click("Table, a row a candidate (CSV)");
    // A verdict key is not for the window below.
    window.key(Modifiers::NONE, Key::S);
    assert_eq!(window.on_disk(), None);
    std::fs::write(window.file("north.pdf"), "there").unwrap();
    window.click("Export");
    assert!(window.has_part("is there already"));
    window.click("Export");
    let files: Vec<PathBuf> = window
        .clerk
        .borrow()
        .asked
        .iter()
        .filter_map(|c| if let CaseCommand::Export { path, .. } = c { Some(path.clone()) } else { None })
        .collect();
    assert_eq!(files, ["north.html", "north.pdf", "north.csv"].map(|n| window.file(n)));
    assert!(window.has("Reports written") && !window.has("Report written"), "one card for all of them");
    assert!(window.has("north.html, north.pdf, north.csv"));
}

#[test]
fn a_ranking_is_kept_once_for_each_time_it_changes() {
    let mut window = Window::with_case();
    let searches = |w: &Window| w.harness.state().state.case.state().map_or(0, |s| s.searches.len());
    assert_eq!(searches(&window), 1);
    window.key(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(searches(&window), 1);
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(searches(&window), 2);
    window.key(Modifiers::NONE, Key::ArrowUp);
    assert_eq!(searches(&window), 2, "the same ranking as before");
}

#[test]
fn no_widget_of_the_case_is_without_a_name() {
    let mut window = Window::with_case();
    window.key(Modifiers::NONE, Key::S);
    window.key(Modifiers::COMMAND, Key::H);
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    window.key(Modifiers::COMMAND, Key::E);
    assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    assert_eq!(Window::empty().harness.unnamed_widgets(), Vec::<String>::new());
}
