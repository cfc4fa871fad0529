//! Galleries on disk, as the window sees them: built, opened, searched, grown, held, and refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::engine::command::{DiskCommand, GalleryCommand};
use crate::engine::event::{DiskEvent, DiskInfo, GalleryEvent, SearchResult};
use crate::gallery::ingest::{Progress, Summary};

fn never(_: RunConfig, _: &Path, _: bool, _: &Device, _: &mut dyn Observer) -> Result<Outcome> {
    panic!("nothing is trained here")
}

impl Bench {
    fn disk(&self, command: DiskCommand) {
        self.engine.send(Command::Gallery(GalleryCommand::Disk(command)));
    }

    fn told<T>(&self, mut wanted: impl FnMut(DiskEvent) -> Option<T>) -> T {
        self.until(|event| match event {
            Event::Gallery(GalleryEvent::Disk(event)) => wanted(event),
            Event::Failed { what, message } => panic!("{what}: {message}"),
            Event::JobEnded { end: JobEnd::Failed(message), .. } => panic!("{message}"),
            _ => None,
        })
    }

    fn grown(&self) -> Arc<Summary> {
        self.told(|event| if let DiskEvent::Grown { summary, .. } = event { Some(summary) } else { None })
    }

    fn build(&self) -> PathBuf {
        let folder = self.path("stored");
        self.disk(DiskCommand::Build { folder: folder.clone(), images: vec![self.path("gallery")] });
        let summary = self.grown();
        // Three of the twelve are copies of others.
        let Progress { embedded, recognised, .. } = summary.progress;
        assert_eq!((embedded, recognised, summary.broken.len()), (9, 3, 1), "{summary:?}");
        folder
    }

    fn open_stored(&self, folder: &Path) -> Arc<DiskInfo> {
        self.engine.send(Command::OpenGallery { path: folder.to_path_buf() });
        self.told(|event| if let DiskEvent::Opened(info) = event { Some(info) } else { None })
    }

    fn search(&self, query: QueryId, measure: Measure) -> SearchResult {
        self.engine.send(Command::Search { query, top: 5, measure, refine: Arc::default() });
        self.until(|event| match event {
            Event::Searched(result) => Some(result),
            Event::Failed { what, message } => panic!("{what}: {message}"),
            _ => None,
        })
    }
}

#[test]
fn a_gallery_is_built_opened_and_searched_as_its_folder_is() {
    let (bench, query) = Bench::ready(never);
    let measures = [Measure::Cosine, Measure::Euclidean];
    let before = measures.map(|measure| bench.search(query, measure));
    let folder = bench.build();
    let info = bench.open_stored(&folder);
    assert_eq!((info.rows, info.folders.len(), info.graphs), (12, 1, [None, None]));
    for (measure, before) in measures.into_iter().zip(before) {
        let after = bench.search(query, measure);
        // Copies stand behind, so places differ; and there are 16 bits a number.
        let same = |result: &SearchResult| result.candidates.iter().map(|c| c.same).collect::<Vec<_>>();
        assert_eq!(same(&after), same(&before));
        assert!(after.candidates.iter().zip(&before.candidates).all(|(a, b)| (a.distance - b.distance).abs() < 0.02));
        assert_eq!((after.first_same, after.gallery_size), (before.first_same, 12));
    }
    bench.engine.send(Command::Assess { query, measure: Measure::Cosine });
    let certainty = bench.until(|event| if let Event::Assessed(certainty) = event { Some(certainty) } else { None });
    assert_eq!(certainty.histogram.counts.iter().sum::<u32>(), 12);
}

#[test]
fn an_approximate_search_is_switched_on_once_its_index_is_there() {
    let (bench, query) = Bench::ready(never);
    let folder = bench.build();
    bench.open_stored(&folder);
    bench.disk(DiskCommand::Graph { measure: Measure::Cosine });
    let info = bench.told(|event| if let DiskEvent::Opened(info) = event { Some(info) } else { None });
    let graph = info.graph(Measure::Cosine).expect("a graph");
    assert_eq!((graph.rows, graph.stale, info.graph(Measure::Euclidean)), (12, false, None));
    let exact = bench.search(query, Measure::Cosine);
    bench.disk(DiskCommand::Approximate(true));
    bench.told(|event| if let DiskEvent::Approximate(true) = event { Some(()) } else { None });
    assert_eq!(bench.search(query, Measure::Cosine).candidates, exact.candidates);
    bench.search(query, Measure::Euclidean); // exact: there is no graph for it
}

#[test]
fn another_models_gallery_is_refused_and_one_that_is_open_is_closed() {
    let bench = Bench::start(never);
    let config = ModelConfig { depth: 18, base_width: 4, height: 64, width: 32, ..ModelConfig::default() };
    Rain::new(config, 99, &Device::Cpu).unwrap().save(&bench.path("c.safetensors"), &serde_json::json!({})).unwrap();
    bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
    let folder = bench.build();
    bench.open_stored(&folder);
    // The same model again leaves it open, another closes it.
    bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
    bench.told(|event| if let DiskEvent::Opened(_) = event { Some(()) } else { None });
    bench.engine.send(Command::OpenModel { path: bench.path("c.safetensors") });
    let closed = bench.told(|event| if let DiskEvent::Closed { folder } = event { Some(folder) } else { None });
    assert_eq!(closed, folder);
    bench.engine.send(Command::OpenGallery { path: folder });
    let message = bench.until(|event| match event {
        Event::JobEnded { end: JobEnd::Failed(message), .. } => Some(message),
        _ => None,
    });
    assert!(message.contains("made by another model") && message.contains("Open the model that made it"), "{message}");
}

#[test]
fn a_gallery_grows_while_it_is_open_and_is_checked() {
    let bench = Bench::start(never);
    bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
    let folder = bench.build();
    let image = RgbImage::from_fn(24, 48, |x, y| Rgb([200, (x * 3) as u8, (y * 2) as u8]));
    image.save(bench.path("gallery/0009_c1s1_000001_00.png")).unwrap();
    std::fs::remove_file(bench.path("gallery/0001_c1s1_000001_00.png")).unwrap();
    bench.disk(DiskCommand::Add { folder: folder.clone(), images: Vec::new() });
    let summary = bench.grown();
    assert_eq!((summary.progress.embedded, summary.progress.unchanged, summary.removed), (1, 11, 1), "{summary:?}");
    assert_eq!(bench.open_stored(&folder).rows, 13);
    bench.disk(DiskCommand::Verify { folder });
    let found = bench.told(|event| if let DiskEvent::Verified { found, .. } = event { Some(found) } else { None });
    assert_eq!((found.rows, found.gone, found.problems.len()), (13, 1, 0), "{found:?}");
}

#[test]
fn a_held_job_waits_and_a_cancelled_one_keeps_what_is_done() {
    let bench = Bench::start(never);
    bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
    let many = bench.path("many");
    std::fs::create_dir(&many).unwrap();
    for i in 0..600u32 {
        let image = RgbImage::from_fn(24, 48, |x, y| Rgb([(i % 256) as u8, (i / 256 * 60 + x) as u8, y as u8]));
        image.save(many.join(format!("{i:05}.png"))).unwrap();
    }
    let folder = bench.path("stored");
    bench.disk(DiskCommand::Build { folder: folder.clone(), images: vec![many] });
    let job = bench.job_start(JobKind::Disk);
    bench.disk(DiskCommand::Hold { job, hold: true });
    std::thread::sleep(Duration::from_millis(300));
    let latest = || {
        let mut done = None;
        for event in bench.engine.events().try_iter() {
            match event {
                Event::JobProgress { job: j, progress } if j == job => done = Some(progress.done),
                Event::JobEnded { .. } => panic!("it ended while it was held"),
                _ => {}
            }
        }
        done
    };
    latest();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(latest(), None, "nothing moves while it is held");
    bench.engine.send(Command::Cancel { job });
    let summary = bench.grown();
    assert!(summary.stopped && summary.progress.done < 600, "{summary:?}");
    bench.disk(DiskCommand::Build { folder, images: vec![bench.path("many")] });
    let rest = bench.grown();
    assert_eq!(rest.progress.embedded + rest.progress.unchanged, 600, "{rest:?}");
    assert_eq!(rest.progress.unchanged, summary.progress.embedded);
}

#[test]
fn the_small_picture_serves_where_the_file_is_gone() {
    let bench = Bench::start(never);
    bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
    let folder = bench.build();
    bench.open_stored(&folder);
    let path = bench.path("gallery/0002_c1s1_000001_00.png");
    std::fs::remove_file(&path).unwrap();
    bench.engine.send(Command::Thumbnail { path, max_side: 200 });
    let image = bench.until(|event| if let Event::Thumbnail { image, .. } = event { Some(image) } else { None });
    assert_eq!(image.unwrap().dimensions(), (24, 48));
}
