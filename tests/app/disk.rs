//! The gallery page: galleries on disk.

use rain::engine::command::{DiskCommand, GalleryCommand, JobId};
use rain::engine::event::{DiskEvent, DiskInfo, GalleryEvent, GraphInfo, JobEnd, JobKind};
use rain::gallery::ingest::{Progress, Summary};
use rain::gallery::store::{Precision, Verified};

use super::*;

fn info(graph: Option<GraphInfo>) -> Event {
    Event::Gallery(GalleryEvent::Disk(DiskEvent::Opened(Arc::new(DiskInfo {
        folder: "/gallery".into(),
        rows: 62,
        precision: Precision::F16,
        columns: 2048,
        bytes: [253_952, 126_976, 1_488],
        folders: vec!["/crops/week-1".into(), "/crops/week-2".into()],
        graphs: [graph, None],
    }))))
}

fn told(event: DiskEvent) -> Event {
    Event::Gallery(GalleryEvent::Disk(event))
}

/// The page over a gallery on disk.
fn stored(graph: Option<GraphInfo>) -> Window {
    let mut window = Window::full();
    window.tell([info(graph)]);
    window.key(Modifiers::COMMAND, Key::Num2);
    window.take();
    window
}

fn asked(window: &Window) -> Vec<DiskCommand> {
    let only = |command| match command {
        Command::Gallery(GalleryCommand::Disk(command)) => Some(command),
        _ => None,
    };
    window.take().into_iter().filter_map(only).collect()
}

const GRAPH: GraphInfo = GraphInfo { recall: 0.984, sample: 256, rows: 60, stale: false };

#[test]
fn a_gallery_on_disk_tells_what_it_is_made_of_and_is_brought_up_to_date() {
    let mut window = stored(None);
    assert!(window.has("Rows: 62 of 2,048 numbers, 2 of them for files that are gone, which are not searched"));
    assert!(window.has("Made of: /crops/week-1") && !window.has_part("Embeddings in memory"));
    window.click("Bring up to date");
    let [DiskCommand::Add { folder, images }] = &asked(&window)[..] else { panic!("nothing was asked") };
    assert_eq!((folder.as_path(), images.len()), (Path::new("/gallery"), 0));
    window.click("Check every byte");
    assert!(matches!(asked(&window)[..], [DiskCommand::Verify { .. }]));
    let found = Verified { rows: 62, gone: 2, segments: 1, left_over: 0, problems: Vec::new() };
    window.tell([told(DiskEvent::Verified { folder: "/gallery".into(), found: Arc::new(found.clone()) })]);
    assert!(window.has("gallery is sound: 62 rows checked"));
    let found = Verified { problems: vec!["row 7 is not what was written".into()], ..found };
    window.tell([told(DiskEvent::Verified { folder: "/gallery".into(), found: Arc::new(found) })]);
    assert!(window.has("gallery is damaged: 1 problem") && window.has("row 7 is not what was written"));
}

#[test]
fn a_folder_is_added_by_its_path() {
    let mut window = stored(None);
    window.click("Add a folder…");
    let folder = tempfile::tempdir().unwrap();
    window.fill_field("Path", &folder.path().display().to_string());
    window.click("Add");
    let [DiskCommand::Add { images, .. }] = &asked(&window)[..] else { panic!("nothing was asked") };
    assert_eq!(images[..], [folder.path().to_path_buf()]);
}

#[test]
fn an_approximate_search_says_so_with_its_measured_recall() {
    let mut window = stored(None);
    assert!(window.has_part("Every search is exact"));
    window.click("Build the index");
    assert!(matches!(asked(&window)[..], [DiskCommand::Graph { measure: Measure::Cosine }]));
    window.tell([info(Some(GRAPH))]);
    assert!(window.has_part("finds 98.4 % of the ten nearest by cosine distance, measured on 256"));
    assert!(window.has_part("The 2 rows that came later are all compared"));
    window.click("Search approximately");
    assert!(matches!(asked(&window)[..], [DiskCommand::Approximate(true)]));
    window.tell([told(DiskEvent::Approximate(true))]);
    // Rankings by the other way no longer count: they are asked for again.
    assert!(window.take().iter().any(|command| matches!(command, Command::Search { .. })));
    window.key(Modifiers::COMMAND, Key::Num1);
    assert!(window.has_part("approximate: finds 98.4 % of the ten nearest"));
    // Only the cosine distance has an index.
    window.tell([Event::Ready { device: "CPU".into() }]);
    window.harness.state_mut().state.settings.measure = Measure::Euclidean;
    window.settle();
    assert!(!window.has_part("approximate: finds"));
}

#[test]
fn a_gallery_is_built_held_and_opened_when_it_is_whole() {
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::Num2);
    window.take();
    window.click("Build the gallery");
    assert!(asked(&window).is_empty() && window.has_part("Name a folder for the gallery"));
    window.fill_field("Folder for the gallery", "/galleries/city");
    window.click("Build the gallery");
    let [DiskCommand::Build { folder, images }] = &asked(&window)[..] else { panic!("nothing was asked") };
    // The images are those of the gallery that is open.
    assert_eq!(
        (folder.as_path(), images[..].to_vec()),
        (Path::new("/galleries/city"), vec![PathBuf::from("/gallery")])
    );

    let job = JobId(91);
    let progress = Progress {
        done: 1200,
        total: 5000,
        embedded: 1150,
        recognised: 50,
        images_per_second: Some(212.0),
        ..Progress::default()
    };
    let bar = rain::engine::event::Progress { done: 1200, total: 5000, unit: "images", seconds_left: Some(18.0) };
    window.tell([
        Event::JobStarted { job, kind: JobKind::Disk, title: "Build gallery city".into() },
        told(DiskEvent::Growing { job, progress }),
        Event::JobProgress { job, progress: bar },
    ]);
    assert!(window.has_part("1,200 of 5,000 images, 18 s left  ·  212 images a second"));
    assert!(window.has("1,150 embedded, 50 recognised by their content"));
    window.click("Pause");
    assert!(matches!(asked(&window)[..], [DiskCommand::Hold { job: JobId(91), hold: true }]));
    assert!(window.has("Paused"));
    window.click("Go on");
    assert!(matches!(asked(&window)[..], [DiskCommand::Hold { job: JobId(91), hold: false }]));
    let summary = Arc::new(Summary { progress: Progress { done: 5000, ..progress }, ..Summary::default() });
    window.tell([
        told(DiskEvent::Grown { folder: "/galleries/city".into(), summary }),
        Event::JobEnded { job, end: JobEnd::Done },
    ]);
    assert!(window.has_part("city: 1,150 embedded"));
    // Another gallery is open: it stays.
    assert!(!window.take().iter().any(|command| matches!(command, Command::OpenGallery { .. })));
}

#[test]
fn the_open_gallery_is_opened_again_when_it_has_grown() {
    let mut window = stored(None);
    let summary = Arc::new(Summary::default());
    window.tell([told(DiskEvent::Grown { folder: "/gallery".into(), summary })]);
    let opened = |command: &Command| matches!(command, Command::OpenGallery { path } if path == Path::new("/gallery"));
    assert!(window.take().iter().any(opened));
}

#[test]
fn a_gallery_that_another_model_made_is_closed_with_the_way_out() {
    let mut window = stored(Some(GRAPH));
    window.tell([told(DiskEvent::Closed { folder: "/gallery".into() })]);
    assert!(window.has_part("another model made it") && window.has("No gallery is open"));
    assert!(window.harness.state().state.gallery.is_none());
}
