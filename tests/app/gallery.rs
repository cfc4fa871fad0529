//! The gallery page: the files of a gallery, and servers.

use std::collections::BTreeMap;

use egui::accesskit::Role;
use rain::engine::command::{GalleryCommand, JobId};
use rain::engine::event::{GalleryEvent, JobEnd, JobKind, Progress, ServerAnswer};
use rain::gallery::remote::rescore::{Answer, Hit};
use rain::gallery::remote::{Key as RowKey, Precision, Row, Sent, Spec, Status};
use rain::gallery::survey::Survey;

use super::*;

fn page() -> Window {
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::Num2);
    window
}

/// The gallery commands among what was sent.
fn asked(window: &Window) -> Vec<GalleryCommand> {
    let only = |command| if let Command::Gallery(command) = command { Some(command) } else { None };
    window.take().into_iter().filter_map(only).collect()
}

fn survey() -> Survey {
    let mut heights = [0; 10];
    (heights[3], heights[5]) = (20, 40);
    Survey {
        images: 60,
        missing: vec!["/gallery/0003_c1.png".into()],
        broken: vec![Broken { path: "/gallery/0004_c1.png".into(), reason: "the file ends early".into() }],
        duplicates: vec![vec!["/gallery/0001_c1.png".into(), "/gallery/0002_c1.png".into()]],
        cameras: BTreeMap::from([(1, 36), (2, 24)]),
        people: 12,
        heights,
        extremes: Some([(24, 50), (48, 120)]),
        bytes: 3_400_000,
        ..Survey::default()
    }
}

#[test]
fn a_small_gallery_is_looked_at_once_and_its_state_is_told() {
    let mut window = page();
    assert!(matches!(asked(&window)[..], [GalleryCommand::Survey]));
    window.settle();
    assert!(asked(&window).is_empty(), "once is enough");
    window.tell([Event::Gallery(GalleryEvent::Surveyed(Arc::new(survey())))]);
    for label in ["Images: 60", "People: 12", "Files: 3.4 MB", "Size of the images: 24 × 50 to 48 × 120 px"] {
        assert!(window.has(label), "{label}");
    }
    for label in ["camera 1: 36 images", "camera 2: 24 images", "48 to 63: 20 images", "96 to 127: 40 images"] {
        assert!(window.has(label), "{label}");
    }
    for part in [
        "Missing files (1)",
        "Unreadable files (1)",
        "Repeated images (1)",
        "the file ends early",
        "is the same as 0002_c1.png",
    ] {
        assert!(window.has_part(part), "{part}");
    }
    window.click("Check the files");
    assert!(matches!(asked(&window)[..], [GalleryCommand::Survey]));
}

#[test]
fn an_unplugged_disk_is_told_and_the_rest_goes_on() {
    let mut window = page();
    let gone = Survey { folder_gone: true, missing: vec!["/gallery/0003_c1.png".into()], ..survey() };
    window.tell([Event::Gallery(GalleryEvent::Surveyed(Arc::new(gone)))]);
    assert!(window.has("The gallery's folder is not there") && window.has_part("Searching goes on"));
    window.key(Modifiers::COMMAND, Key::Num1);
    assert!(window.has_part("0.171"), "the candidates are still there");
}

#[test]
fn a_server_is_named_tested_and_the_key_stays_masked() {
    let mut window = page();
    asked(&window);
    window.click("Test the connection");
    assert!(window.has_part("has no scheme") && asked(&window).is_empty());
    window.fill_field("Server", "milvus+http://127.0.0.1:19530");
    window.fill_field("Key or password", "s3cret");
    window.click("Test the connection");
    let [GalleryCommand::Connect(server)] = &asked(&window)[..] else { panic!("nothing was asked") };
    assert_eq!((server.address.port, server.name.to_string()), (19530, "gallery".to_owned()));
    assert!(!format!("{server:?}").contains("s3cret"));
    // A masked field tells nobody its text, a screen reader neither.
    let key = window.harness.get_by_role_and_label(Role::TextInput, "Key or password");
    assert!(!format!("{:?}", key.accesskit_node().value()).contains("s3cret"));
    let spec = Spec {
        model: "3f9a1c20b7de".into(),
        columns: 2048,
        measure: Measure::Cosine,
        precision: Precision::Half,
        approximate: false,
    };
    window.tell([Event::Gallery(GalleryEvent::Connected(ServerAnswer {
        server: "the Milvus server at 127.0.0.1:19530".into(),
        name: "gallery".into(),
        software: "Milvus, REST v2".into(),
        gallery: Some(Status { spec, rows: 1_234_567, bytes: None }),
    }))]);
    assert!(
        window.has("Connected")
            && window.has_part("1,234,567 rows of 2,048 numbers, made by the open model, searched exactly")
    );
}

#[test]
fn a_gallery_is_sent_with_progress_and_can_be_stopped() {
    let mut window = page();
    asked(&window);
    window.fill_field("Server", "postgres://me@localhost/people");
    window.click("Send this gallery");
    assert!(matches!(asked(&window)[..], [GalleryCommand::Upload { approximate: false, .. }]));
    let job = JobId(77);
    let progress = Progress { done: 20, total: 60, unit: "images", seconds_left: Some(8.0) };
    window.tell([
        Event::JobStarted { job, kind: JobKind::Server, title: "Send the gallery".into() },
        Event::JobProgress { job, progress },
    ]);
    assert!(window.has_part("20 of 60 images"));
    window.click("Stop");
    assert!(window.take().iter().any(|command| matches!(command, Command::Cancel { job: JobId(77) })));
    let sent = Sent { sent: 40, present: 20, repeated: 3, rows: 57 };
    window.tell([Event::JobEnded { job, end: JobEnd::Done }, Event::Gallery(GalleryEvent::Uploaded(sent))]);
    assert!(!window.has_part("20 of 60 images"));
}

#[test]
fn a_server_that_is_away_is_told_in_a_card_and_nothing_else_changes() {
    let mut window = page();
    let job = JobId(78);
    window.tell([
        Event::JobStarted { job, kind: JobKind::Server, title: "Connect".into() },
        Event::JobEnded { job, end: JobEnd::Failed("The Milvus server at far:19530 did not answer.".into()) },
    ]);
    assert!(window.has_part("did not answer"));
    window.key(Modifiers::COMMAND, Key::Num1);
    assert!(window.has_part("0.171"));
}

#[test]
fn the_servers_candidates_are_listed() {
    let mut window = page();
    asked(&window);
    window.fill_field("Server", "https://gallery.example");
    window.click("Search there");
    assert!(matches!(asked(&window)[..], [GalleryCommand::SearchServer { query: QueryId(0), top: 10, .. }]));
    let hit = |i: u8| Hit {
        row: Row {
            key: RowKey([i; 16]),
            path: format!("/city/{i}.jpg"),
            camera: 4,
            identity: -1,
            time: None,
            embedding: Vec::new(),
        },
        distance: 0.25 + f32::from(i) / 100.0,
    };
    let answer = Arc::new(Answer { hits: (0..3).map(hit).collect(), certain: false });
    let found = GalleryEvent::Found { query: QueryId(0), measure: Measure::Cosine, rows: 1_000_000, answer };
    window.tell([Event::Gallery(found)]);
    assert!(window.has_part("The nearest 3 of 1,000,000") && window.has_part("approximate"));
    assert!(window.has("Candidate 1, /city/0.jpg, distance 0.250"));
}

#[test]
fn without_a_gallery_the_page_says_what_to_do() {
    let mut window = Window::empty();
    window.click("Gallery");
    assert!(window.has("No gallery is open") && asked(&window).is_empty());
}
