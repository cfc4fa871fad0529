//! The engine as the window sees it: commands in, events out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;
use image::{Rgb, RgbImage};

use super::command::{Command, JobId, Measure, QueryId, Still};
use super::event::{Event, JobEnd, JobKind, Source};
use super::refine::Refine;
use super::training::Train;
use super::worker::Engine;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::model::config::ModelConfig;
use crate::model::rain::Rain;
use crate::train::config::RunConfig;
use crate::train::event::{Flow, Observer, StepRecord, TrainEvent};
use crate::train::trainer::Outcome;

const DEADLINE: Duration = Duration::from_secs(60);

/// An engine over a folder with a tiny model and a gallery of nine crops.
struct Bench {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Bench {
    fn start(train: Train) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.safetensors", "b.safetensors"] {
            model(name.len() as u64).save(&folder.path().join(name), &serde_json::json!({})).unwrap();
        }
        let gallery = folder.path().join("gallery");
        std::fs::create_dir(&gallery).unwrap();
        for i in 0..9u8 {
            let image = RgbImage::from_fn(24, 48, |x, y| Rgb([i * 28, (x * 10) as u8, (y * 5) as u8 ^ (i * 7)]));
            image.save(gallery.join(format!("{:04}_c1s1_000001_00.png", i / 3 + 1))).unwrap();
            image.save(gallery.join(format!("{:04}_c2s1_{i:06}_00.png", i / 3 + 1))).unwrap();
        }
        std::fs::write(gallery.join("0001_c1s1_000009_00.jpg"), "not an image").unwrap();
        let engine = Engine::start_with(DeviceChoice::Cpu, Arc::new(|| ()), train).unwrap();
        Self { folder, engine }
    }

    /// A bench with model, gallery and one query.
    fn ready(train: Train) -> (Self, QueryId) {
        let bench = Self::start(train);
        bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
        bench.engine.send(Command::OpenGallery { path: bench.path("gallery") });
        bench.engine.send(Command::AddQueries { paths: vec![bench.path("gallery/0002_c2s1_000004_00.png")] });
        let query = bench.until(|event| match event {
            Event::QueryAdded(info) => Some(info.id),
            _ => None,
        });
        (bench, query)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn until<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            let event = self.engine.events().recv_deadline(end).expect("the event came in time");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    fn failure(&self) -> (String, String) {
        self.until(|event| match event {
            Event::Failed { what, message } => Some((what, message)),
            _ => None,
        })
    }

    fn job_end(&self, wanted: JobId) -> JobEnd {
        self.until(|event| match event {
            Event::JobEnded { job, end } if job == wanted => Some(end),
            _ => None,
        })
    }

    fn job_start(&self, wanted: JobKind) -> JobId {
        self.until(|event| match event {
            Event::JobStarted { job, kind, .. } if kind == wanted => Some(job),
            _ => None,
        })
    }

    fn search_works(&self, query: QueryId) {
        self.engine.send(Command::Search { query, top: 5, measure: Measure::Cosine, refine: Arc::default() });
        let result = self.until(|event| match event {
            Event::Searched(result) => Some(result),
            Event::Failed { what, message } => panic!("{what}: {message}"),
            _ => None,
        });
        assert_eq!((result.query, result.candidates.len(), result.first_same), (query, 5, Some(1)));
        assert!(result.candidates[0].distance.abs() < 1e-5, "the query itself lies in the gallery");
    }

    fn search_works_for(&self, query: QueryId) {
        self.engine.send(Command::Search { query, top: 5, measure: Measure::Cosine, refine: Arc::default() });
        let found = self.until(|event| match event {
            Event::Searched(result) => Some(result.candidates.len()),
            Event::Failed { what, message } => panic!("{what}: {message}"),
            _ => None,
        });
        assert_eq!(found, 5);
    }

    fn train(&self) {
        let (config, run) = (Box::new(RunConfig::default()), self.path("run"));
        self.engine.send(Command::Train { config, run, resume: false });
    }
}

fn model(seed: u64) -> Rain {
    let config = ModelConfig { depth: 18, base_width: 4, height: 64, width: 32, ..ModelConfig::default() };
    Rain::new(config, seed, &Device::Cpu).unwrap()
}

/// A run that goes on until it is stopped.
fn endless(_: RunConfig, run: &Path, _: bool, _: &Device, observer: &mut dyn Observer) -> Result<Outcome> {
    observer.event(TrainEvent::Started {
        run: run.to_path_buf(),
        step: 0,
        total_steps: 1000,
        steps_per_epoch: 10,
        summary: String::new(),
        history: Arc::default(),
        validation: Arc::default(),
    });
    let mut step = 0;
    while observer.breathe() == Flow::Continue {
        step += 1;
        observer.event(TrainEvent::Step(StepRecord { step, ..StepRecord::default() }));
        std::thread::sleep(Duration::from_millis(1));
    }
    observer.event(TrainEvent::Stopped { step });
    Ok(Outcome::Stopped { step })
}

fn panics(_: RunConfig, _: &Path, _: bool, _: &Device, _: &mut dyn Observer) -> Result<Outcome> {
    panic!("index 7 out of range")
}

#[test]
fn searches_and_reconstructs() {
    let (bench, query) = Bench::ready(endless);
    bench.search_works(query);
    bench.engine.send(Command::Reconstruct { query });
    let image = bench.until(|event| match event {
        Event::Reconstructed { image, .. } => Some(image),
        _ => None,
    });
    assert_eq!(image.dimensions(), (32, 64));
}

#[test]
fn the_gallery_names_what_it_skipped_and_knows_identities() {
    let bench = Bench::start(endless);
    bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
    bench.engine.send(Command::OpenGallery { path: bench.path("gallery") });
    let info = bench.until(|event| match event {
        Event::GalleryOpened(info) => Some(info),
        _ => None,
    });
    assert_eq!(info.entries.len(), 12);
    assert_eq!((info.entries[0].identity, info.entries[0].camera), (1, 1));
    assert_eq!(info.broken.len(), 1);
    assert!(info.broken[0].path.ends_with("0001_c1s1_000009_00.jpg"));
}

#[test]
fn a_broken_crop_is_told_and_the_others_are_added() {
    let (bench, _) = Bench::ready(endless);
    let paths = vec![bench.path("none.png"), bench.path("gallery/0001_c1s1_000001_00.png")];
    bench.engine.send(Command::AddQueries { paths });
    let mut added = None;
    let skipped = bench.until(|event| match event {
        Event::QueryAdded(info) => {
            added = Some(info);
            None
        }
        Event::QueriesSkipped(broken) => Some(broken),
        _ => None,
    });
    assert!(skipped[0].path.ends_with("none.png") && !skipped[0].reason.is_empty(), "{skipped:?}");
    assert_eq!(added.unwrap().identity, 1);
}

#[test]
fn requests_in_the_wrong_order_are_answered() {
    let bench = Bench::start(endless);
    bench.engine.send(Command::OpenGallery { path: bench.path("gallery") });
    assert_eq!(bench.failure(), ("Open gallery".into(), "No model is open. Open a model first.".into()));
    bench.engine.send(Command::Search { query: QueryId(9), top: 5, measure: Measure::Cosine, refine: Arc::default() });
    assert_eq!(bench.failure().0, "Search");
    bench.engine.send(Command::OpenModel { path: bench.path("none.safetensors") });
    assert!(bench.failure().1.contains("none.safetensors"));
}

#[test]
fn a_new_model_embeds_everything_again() {
    let (bench, query) = Bench::ready(endless);
    bench.engine.send(Command::OpenModel { path: bench.path("b.safetensors") });
    bench.until(|event| matches!(event, Event::GalleryOpened(_)).then_some(()));
    bench.search_works(query);
}

#[test]
fn the_window_stays_usable_while_a_run_trains() {
    let (bench, query) = Bench::ready(endless);
    bench.train();
    let run = bench.job_start(JobKind::Train);
    bench.search_works(query);
    bench.engine.send(Command::OpenModel { path: bench.path("b.safetensors") });
    bench.engine.send(Command::OpenGallery { path: bench.path("gallery") });
    bench.search_works(query);
    bench.train();
    assert_eq!(
        bench.failure(),
        ("Train".into(), "A run is training already. Stop it first, or wait for its end.".into())
    );
    bench.until(|event| matches!(event, Event::Training { event: TrainEvent::Step(_), .. }).then_some(()));
    bench.engine.send(Command::Cancel { job: run });
    assert_eq!(bench.job_end(run), JobEnd::Cancelled);
    bench.train();
    assert_ne!(bench.job_start(JobKind::Train), run, "after its end another run may start");
}

#[test]
fn a_panic_ends_its_job_and_nothing_else() {
    let (bench, query) = Bench::ready(panics);
    bench.train();
    let run = bench.job_start(JobKind::Train);
    let JobEnd::Failed(message) = bench.job_end(run) else { panic!("the run failed") };
    assert!(message.contains("index 7 out of range"), "{message}");
    bench.search_works(query);
}

#[test]
fn a_cancel_reaches_a_job_in_the_middle() {
    // The cancel is sent as soon as the job is told of; a job this small may be done by then, so it is tried again until
    // one was caught at work.
    let bench = Bench::start(endless);
    bench.engine.send(Command::OpenModel { path: bench.path("a.safetensors") });
    bench.until(|event| matches!(event, Event::ModelOpened(_)).then_some(()));
    let caught = (0..500).any(|_| {
        bench.engine.send(Command::OpenGallery { path: bench.path("gallery") });
        let job = bench.job_start(JobKind::Gallery);
        bench.engine.send(Command::Cancel { job });
        bench.job_end(job) == JobEnd::Cancelled
    });
    assert!(caught, "no job of 500 heard of its cancel");
    bench.engine.send(Command::Cancel { job: JobId(99_999) });
    bench.engine.send(Command::OpenGallery { path: bench.path("gallery") });
    bench.until(|event| matches!(event, Event::GalleryOpened(_)).then_some(()));
}

#[test]
fn thumbnails_come_while_a_run_trains() {
    let bench = Bench::start(endless);
    bench.train();
    bench.job_start(JobKind::Train);
    for (name, good) in [("gallery/0001_c1s1_000001_00.png", true), ("gallery/0001_c1s1_000009_00.jpg", false)] {
        bench.engine.send(Command::Thumbnail { path: bench.path(name), max_side: 24 });
        let image = bench.until(|event| match event {
            Event::Thumbnail { image, .. } => Some(image),
            _ => None,
        });
        assert_eq!(image.is_ok_and(|image| image.dimensions() == (12, 24)), good);
    }
}

#[test]
fn dropping_never_hangs_even_when_nobody_reads() {
    let (bench, query) = Bench::ready(endless);
    bench.train();
    bench.job_start(JobKind::Train);
    for _ in 0..5000 {
        bench.engine.send(Command::Search { query, top: 1, measure: Measure::Euclidean, refine: Arc::default() });
    }
    std::thread::sleep(Duration::from_millis(100));
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(bench);
        let _ = done.send(());
    });
    assert!(ended.recv_timeout(DEADLINE).is_ok(), "the drop came back");
}

#[path = "map_tests.rs"]
mod map_tests;

#[test]
fn a_search_narrowed_by_cameras_returns_only_them() {
    use crate::gallery::filter::Filter;
    let (bench, query) = Bench::ready(endless);
    let filter = Filter { cameras: vec![2], ..Filter::default() };
    let refine = Arc::new(Refine { filter, ..Refine::default() });
    bench.engine.send(Command::Search { query, top: 50, measure: Measure::Cosine, refine: refine.clone() });
    let result = bench.until(|event| match event {
        Event::Searched(result) => Some(result),
        _ => None,
    });
    assert_eq!((result.candidates.len(), result.admitted, result.gallery_size), (9, 9, 12));
    assert_eq!(result.refine, refine);
}

#[test]
fn boxes_of_a_frame_and_pasted_images_become_queries() {
    let (bench, _) = Bench::ready(endless);
    let frame = bench.path("c7_frame.png");
    RgbImage::from_fn(200, 100, |x, y| Rgb([x as u8, y as u8, 7])).save(&frame).unwrap();
    bench.engine.send(Command::Frame { path: frame.clone() });
    let (size, _) = bench.until(|event| match event {
        Event::Frame { image, .. } => Some(image.unwrap()),
        _ => None,
    });
    assert_eq!(size, [200, 100]);

    let boxes = vec![[10, 20, 30, 60], [190, 90, 50, 50], [0, 0, 2, 50]];
    bench.engine.send(Command::AddCrops { path: frame, boxes });
    let mut added = Vec::new();
    let skipped = bench.until(|event| match event {
        Event::QueryAdded(info) => {
            added.push(info);
            None
        }
        Event::QueriesSkipped(broken) => Some(broken),
        _ => None,
    });
    assert!(skipped.len() == 1 && skipped[0].reason.contains("2x50 pixels"), "{skipped:?}");
    assert_eq!(added[0].source, Source::Crop([10, 20, 30, 60]));
    assert_eq!((added[0].image.dimensions(), added[0].image.get_pixel(0, 0).0), ((30, 60), [10, 20, 7]));
    assert_eq!(added[1].source, Source::Crop([190, 90, 10, 10]), "a box that leaves the frame is cut off");
    assert!(added.iter().all(|info| info.effective.is_some() && info.identity == -1));

    let image = Arc::new(RgbImage::new(20, 40));
    let still = Still { path: "Pasted image 1".into(), source: Source::Memory, image };
    bench.engine.send(Command::AddStills { stills: vec![still] });
    let info = bench.until(|event| match event {
        Event::QueryAdded(info) => Some(info),
        _ => None,
    });
    assert_eq!((info.source, info.image.dimensions()), (Source::Memory, (20, 40)));
    bench.search_works_for(info.id);
}

#[test]
fn all_queries_are_searched_as_a_job_that_can_be_stopped() {
    let (bench, query) = Bench::ready(endless);
    let some = |count: usize| vec![(query, Arc::<Refine>::default()); count];
    bench.engine.send(Command::SearchAll { queries: some(3), top: 4, measure: Measure::Cosine });
    let job = bench.job_start(JobKind::Search);
    let mut results = 0;
    bench.until(|event| match event {
        Event::Searched(result) => {
            assert_eq!(result.candidates.len(), 4);
            results += 1;
            None
        }
        Event::JobEnded { job: ended, end: JobEnd::Done } if ended == job => Some(()),
        _ => None,
    });
    assert_eq!(results, 3);
    bench.engine.send(Command::SearchAll { queries: some(200_000), top: 4, measure: Measure::Cosine });
    let job = bench.job_start(JobKind::Search);
    // What is asked meanwhile is answered before the end.
    bench.engine.send(Command::Reconstruct { query });
    bench.until(|event| matches!(event, Event::Reconstructed { .. }).then_some(()));
    bench.engine.send(Command::Cancel { job });
    assert_eq!(bench.job_end(job), JobEnd::Cancelled);
}

#[test]
fn regions_of_a_pair_sum_to_its_similarity() {
    let (bench, query) = Bench::ready(endless);
    bench.engine.send(Command::Explain { query, entry: 0 });
    let regions = bench.until(|event| match event {
        Event::Explained { regions, .. } => Some(regions),
        _ => None,
    });
    let sum: f32 = regions.first.iter().sum();
    assert!((sum - regions.similarity).abs() < 1e-4 && (regions.rows, regions.columns) == (2, 1), "{regions:?}");
    bench.engine.send(Command::Explain { query, entry: 999 });
    assert_eq!(bench.failure().0, "Show the regions");
}
#[path = "disk_tests.rs"]
mod disk;
