//! The map page, driven as a user would: layouts come in as from an engine, clicks and keys go in, commands come out.

#[path = "app/fake.rs"]
#[expect(dead_code, reason = "shared with tests/app.rs, which uses all of it")]
mod fake;
#[path = "app/hands.rs"]
#[allow(dead_code, reason = "some of it is for tests/app.rs")]
mod hands;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::Sender;
use egui::accesskit::Role;
use egui::{Key, Modifiers, Pos2, Rect, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use hands::Hands;
use rain::app::{App, theme};
use rain::engine::command::{Command, JobId};
use rain::engine::event::{Event, JobEnd, JobKind};
use rain::engine::map::{MapCommand, MapEvent, Source};
use rain::projection::groups::Verdict;
use rain::projection::map::{Figures, Label, Made, Map, Role as SpotRole, Separation, Spot};
use rain::projection::{Settings, Stage};

const JOB: JobId = JobId(9);
const PEOPLE: usize = 12;
const IMAGES: usize = 5;

/// Five images each of twelve people, on a grid: people from left to right. The last image of each is at r = 8.
fn spots() -> Vec<Spot> {
    let spot = |i: usize| Spot {
        path: format!("/gallery/{:04}_c{}.png", i % PEOPLE, i / PEOPLE + 1).into(),
        identity: (i % PEOPLE) as i64,
        camera: (i / PEOPLE + 1) as i64,
        rate: if i / PEOPLE == IMAGES - 1 { 8.0 } else { 1.0 },
        role: SpotRole::Gallery,
    };
    (0..PEOPLE * IMAGES).map(spot).collect()
}

fn place(i: usize) -> [f32; 2] {
    [(i % PEOPLE) as f32, (i / PEOPLE) as f32]
}

fn map() -> Map {
    let n = PEOPLE * IMAGES;
    let separation = |label, purity| Separation {
        label,
        groups: 3,
        silhouette: 0.61,
        silhouette_map: 0.5,
        purity,
        purity_map: purity,
        chance: 0.3,
    };
    Map {
        title: "gallery with 12 queries".into(),
        spots: Arc::new(spots()),
        points: Arc::new((0..n).map(place).collect()),
        kept: 3,
        near: Arc::new((0..n).flat_map(|i| (1..4).map(move |k| ((i + k * PEOPLE) % n) as u32)).collect()),
        made: Made {
            trained: vec![2.0, 3.0, 4.0],
            settings: Settings::default(),
            iterations: 750,
            perplexity: 19.0,
            divergence: 0.7312,
            figures: Figures {
                neighbours: 10,
                separation: vec![separation(Label::Identity, 0.93), separation(Label::Rate, 0.31)],
                trustworthiness: Some(0.97),
            },
            ..Made::default()
        },
    }
}

struct Window {
    harness: Harness<'static, App>,
    events: Sender<Event>,
    sent: Rc<RefCell<Vec<Command>>>,
}

impl Window {
    /// A window with gallery and queries, on the map page.
    fn open(width: f32, height: f32) -> Self {
        let (events, receiver) = crossbeam_channel::unbounded();
        let sent = Rc::new(RefCell::new(Vec::new()));
        let (log, back) = (sent.clone(), events.clone());
        let mut harness = Harness::builder()
            .with_size([width, height])
            .with_step_dt(1.0 / 60.0)
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
                App::new(receiver, send, None)
            });
        harness.run_steps(2);
        let mut window = Self { harness, events, sent };
        let first = [Event::Ready { device: "CPU, 2 threads".into() }, fake::model(), fake::gallery()];
        window.tell(first.into_iter().chain((0..12).map(fake::query)));
        window.key(Modifiers::COMMAND, Key::Num3);
        window
    }

    /// The same with a complete map.
    fn full() -> Self {
        let mut window = Self::open(1440.0, 900.0);
        window.make();
        window
    }

    fn make(&mut self) {
        let map = Arc::new(map());
        let (title, spots) = (map.title.clone(), map.spots.clone());
        self.tell([
            Event::JobStarted { job: JOB, kind: JobKind::Map, title: "Map of gallery".into() },
            Event::Map(MapEvent::Started { job: JOB, title, spots }),
            Event::Map(MapEvent::Finished { job: JOB, map }),
            Event::JobEnded { job: JOB, end: JobEnd::Done },
        ]);
        self.take();
    }

    fn tell(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.events.send(event).unwrap();
        }
        self.settle();
    }

    fn take(&self) -> Vec<Command> {
        self.sent.take()
    }

    fn canvas(&self) -> Rect {
        self.harness.get_by_role(Role::Canvas).rect()
    }

    fn canvas_name(&self) -> String {
        self.harness.get_by_role(Role::Canvas).accesskit_node().label().unwrap_or_default()
    }

    /// Where point `i` is seen while all are.
    fn at(&self, i: usize) -> Pos2 {
        let rect = self.canvas();
        let (w, h) = ((PEOPLE - 1) as f32, (IMAGES - 1) as f32);
        let scale = ((rect.width() - 44.0) / w).min((rect.height() - 44.0) / h);
        let [x, y] = place(i);
        rect.center() + egui::vec2((x - w / 2.0) * scale, (y - h / 2.0) * scale)
    }

    fn hover(&mut self, at: Pos2, frames: usize) {
        self.harness.hover_at(at);
        self.harness.run_steps(frames);
    }

    fn click_at(&mut self, at: Pos2) {
        self.hover(at, 2);
        self.harness.drag_at(at);
        self.harness.run_steps(1);
        self.harness.drop_at(at);
        self.harness.run_steps(36);
    }

    fn drag(&mut self, way: &[Pos2]) {
        self.hover(way[0], 2);
        self.harness.drag_at(way[0]);
        self.harness.run_steps(1);
        for at in &way[1..] {
            self.harness.hover_at(*at);
            self.harness.run_steps(2);
        }
        self.harness.drop_at(*way.last().unwrap());
        self.settle();
    }
}

impl Hands for Window {
    fn harness(&self) -> &Harness<'static, App> {
        &self.harness
    }

    fn harness_mut(&mut self) -> &mut Harness<'static, App> {
        &mut self.harness
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        // So long that the next click is no double click.
        self.harness.run_steps(36);
    }
}

#[test]
fn an_empty_page_says_what_it_is_for_and_a_button_makes_the_map() {
    let mut window = Window::open(1440.0, 900.0);
    assert!(window.has("No map yet"));
    assert!(window.has("60 gallery images and 12 queries"));
    window.take();
    window.click("Make map");
    let sent = window.take();
    assert!(
        sent.iter().any(|c| matches!(c, Command::Map(MapCommand::Project { source: Source::Desk, .. }))),
        "{sent:?}"
    );
    assert!(!window.has("Make map"), "one at a time");
    // The engine refuses: it can be tried again.
    window.tell([Event::Failed { what: "Make map".into(), message: "No gallery is open.".into() }]);
    assert!(window.has("Make map"));
}

#[test]
fn the_papers_figures_are_presets() {
    let mut window = Window::open(1440.0, 900.0);
    window.take();
    window.click("Figure 3b");
    let sent = window.take();
    let Some(Command::Map(MapCommand::Project { source: Source::People(people), .. })) = sent.first() else {
        panic!("{sent:?}")
    };
    assert_eq!((people.identities, people.rates.as_slice()), (35, &[1.0, 2.0, 4.0, 8.0][..]));
    assert_eq!(people.folder.to_str(), Some("/gallery"));
    window.make();
    assert!(window.canvas_name().contains("coloured by resolution"));
    assert!(window.has("r = 8, unseen in training, 12 images"));
}

#[test]
fn layouts_stream_in_with_progress_and_can_be_cancelled() {
    let mut window = Window::open(1440.0, 900.0);
    let spots = Arc::new(spots());
    let points = Arc::new((0..spots.len()).map(place).collect());
    window.tell([
        Event::JobStarted { job: JOB, kind: JobKind::Map, title: "Map of gallery".into() },
        Event::Map(MapEvent::Started { job: JOB, title: "T".into(), spots }),
        Event::Map(MapEvent::Moved {
            job: JOB,
            stage: Stage::EarlyExaggeration,
            iteration: 120,
            iterations: 750,
            fraction: 0.3,
            seconds_left: Some(65.0),
            divergence: Some(3.25),
            points: Some(points),
        }),
    ]);
    assert!(window.has("Early exaggeration 120 of 750, 2 min left"));
    assert!(window.has_part("divergence 3.250 after 120 iterations"));
    assert!(window.canvas_name().starts_with("Map of 60 images, coloured by identity"));
    window.take();
    window.click("Cancel the map");
    assert!(window.take().iter().any(|c| matches!(c, Command::Cancel { job } if *job == JOB)));
    window.tell([Event::JobEnded { job: JOB, end: JobEnd::Cancelled }]);
    assert!(window.has("Make map"));
}

#[test]
fn figures_stand_beside_the_map_in_words_too() {
    let window = Window::full();
    for text in ["93 %", "31 %", "0.61", "People lie apart: an image's nearest are mostly of the same person"] {
        assert!(window.has(text), "{text}");
    }
    assert!(window.has_part("Resolutions are well mixed"));
    assert!(window.has_part("Kullback-Leibler divergence 0.731, trustworthiness 0.97"));
}

#[test]
fn a_click_looks_at_an_image_and_selects_it_in_the_match_grid() {
    let mut window = Window::full();
    // The fifth candidate of query 0, which is the image of person 5 on the fifth camera, at r = 8.
    let entry = {
        let state = &window.harness.state().state;
        state.candidates()[4].entry
    };
    window.click_at(window.at(entry));
    assert_eq!(window.harness.state().state.candidate, 4);
    assert!(window.has("Rank 5 for 0000_c6_lr.png"));
    assert!(window.has_part("Neighbour 1, person"));
    // And back: another candidate in the grid is looked at here.
    let other = window.harness.state().state.candidates()[1].entry;
    window.harness.get_by_label_contains("Neighbour 1").focus();
    window.key(Modifiers::COMMAND, Key::Num1);
    window.harness.get_by_label_contains("Rank 2,").click();
    window.settle();
    window.key(Modifiers::COMMAND, Key::Num3);
    assert!(
        window.canvas_name().contains(&format!("person {}, camera {}", other % PEOPLE, other / PEOPLE + 1)),
        "{}",
        window.canvas_name()
    );
    window.click("Show in matches");
    assert!(window.has_part("Matches for 0000"));
}

#[test]
fn a_picture_is_shown_only_where_the_pointer_rests() {
    let mut window = Window::full();
    let at = window.at(PEOPLE * 4 + 3);
    window.hover(at, 3);
    assert!(!window.has_part("Preview"), "too soon");
    window.harness.run_steps(12);
    assert!(window.has("Preview, person 3, camera 5, r = 8"));
    window.hover(pos2(at.x + 40.0, at.y + 40.0), 3);
    assert!(!window.has_part("Preview"));
}

#[test]
fn box_and_lasso_select_what_they_enclose() {
    let mut window = Window::full();
    window.click("Box");
    let (a, b) = (window.at(0), window.at(PEOPLE + 2));
    let out = egui::vec2(12.0, 12.0);
    window.drag(&[a - out, b, b + out]);
    assert!(window.has("6 images selected"));
    assert!(window.has("3 people: person 0 (2), person 1 (2), person 2 (2)"));
    window.key(Modifiers::NONE, Key::L);
    let c = window.at(PEOPLE - 1);
    let (x, y) = (egui::vec2(14.0, 0.0), egui::vec2(0.0, 14.0));
    window.drag(&[c - x - y, c + x - y, c + x + y, c - x + y]);
    assert!(window.has("1 image selected"));
    assert!(window.has("Selected 1, person 11, camera 1"));
    window.click("Clear");
    assert!(!window.has_part("selected"));
}

#[test]
fn the_legend_isolates_and_hides() {
    let mut window = Window::full();
    let name = "Person 3, 5 images";
    window.click(name);
    assert!(window.has("Show all"));
    window.click(name);
    assert!(!window.has("Show all"));
    window.click("Hide Person 3");
    // What is hidden is not selected.
    window.click("Box");
    window.drag(&[
        window.at(2) - egui::vec2(12.0, 12.0),
        window.at(PEOPLE),
        window.at(PEOPLE + 4) + egui::vec2(12.0, 12.0),
    ]);
    assert!(window.has("4 images selected"), "persons 2 and 4, not 3");
    window.click("Show Person 3");
    for _ in 0..2 {
        window.harness.get_by_label(name).click();
        window.harness.run_steps(2);
    }
    window.settle();
    assert!(window.has("Show Person 3"), "a double click hides");
}

#[test]
fn the_map_can_be_used_by_keyboard_alone() {
    let mut window = Window::full();
    window.harness.get_by_role(Role::Canvas).focus();
    window.settle();
    window.key(Modifiers::NONE, Key::ArrowRight);
    let first = window.canvas_name();
    assert!(first.contains(", at person"), "{first}");
    window.key(Modifiers::NONE, Key::ArrowRight);
    window.key(Modifiers::NONE, Key::ArrowDown);
    let then = window.canvas_name();
    assert_ne!(first, then);
    assert_eq!(window.harness.state().state.selected.map(|q| q.0), Some(0), "the arrows are the map's");
    window.take();
    window.key(Modifiers::NONE, Key::Enter);
    assert_eq!(window.canvas_name(), then);
    window.key(Modifiers::NONE, Key::Plus);
    window.key(Modifiers::SHIFT, Key::ArrowLeft);
    window.key(Modifiers::NONE, Key::F);
    window.key(Modifiers::NONE, Key::Escape);
    assert!(!window.canvas_name().contains(", at person"));
}

#[test]
fn zoomed_in_pictures_take_the_place_of_points() {
    let mut window = Window::full();
    // Sixty images are few: pictures are shown at once.
    let asked = |w: &Window| w.take().iter().filter(|c| matches!(c, Command::Thumbnail { .. })).count();
    window.settle();
    let _ = asked(&window);
    window.click("Pictures");
    window.hover(window.at(30), 2);
    window.harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 200.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    window.harness.run_steps(20);
    assert_eq!(asked(&window), 0, "points need no pictures");
}

#[test]
fn a_map_is_saved_under_the_name_that_was_typed() {
    let mut window = Window::full();
    window.click("Save…");
    window.harness.get_by_label("Path").type_text("/tmp/people.svg");
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    let sent = window.take();
    let saved = sent.iter().find_map(|c| match c {
        Command::Map(MapCommand::Save { path, look, .. }) => Some((path.clone(), look.title.clone())),
        _ => None,
    });
    assert_eq!(saved, Some(("/tmp/people.svg".into(), "gallery with 12 queries, by identity".into())), "{sent:?}");
    window.tell([Event::Map(MapEvent::Saved { path: "/tmp/people.svg".into() })]);
    assert!(window.has_part("/tmp/people.svg"));
}

#[test]
fn everything_has_a_name_and_lies_inside_small_windows() {
    for (width, height) in [(1440.0, 900.0), (1280.0, 720.0), (1024.0, 700.0)] {
        let mut window = Window::open(width, height);
        window.make();
        window.click_at(window.at(17));
        assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
        let screen = window.harness.ctx.content_rect();
        for label in ["Pan", "Lasso", "Save…", "Pictures", "Colour by", "Make map", "Figure 3b"] {
            for node in window.harness.query_all_by_label(label) {
                let rect = node.rect();
                assert!(screen.contains_rect(rect), "{label} at {rect:?} leaves {screen:?}");
            }
        }
        assert!(window.canvas().width() > 300.0 && window.canvas().height() > 300.0, "{:?}", window.canvas());
    }
}

#[test]
fn an_idle_map_does_not_draw() {
    let mut window = Window::full();
    window.harness.remove_cursor();
    window.harness.run_steps(30);
    let delay = window.harness.output().viewport_output.values().map(|v| v.repaint_delay).min();
    assert!(delay.is_some_and(|d| d > std::time::Duration::from_secs(60)), "{delay:?}");
}

#[test]
fn verdicts_of_a_case_colour_the_map() {
    let mut window = Window::full();
    let verdict = |path: &std::path::Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("0001_c1.png") => Some(Verdict::Same),
        Some("0002_c1.png" | "0003_c1.png") => Some(Verdict::Different),
        _ => None,
    };
    window.harness.state_mut().set_verdicts(1, Rc::new(verdict));
    window.harness.get_by_role_and_label(Role::ComboBox, "Colour by").click();
    window.settle();
    window.click("Verdict");
    for name in ["✓ Same person, 1 image", "✗ Different person, 2 images", "No verdict, 57 images"] {
        assert!(window.has(name), "{name}");
    }
}
