//! The case inside a running engine: commands in, events out, a file in between.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use candle_core::Device;
use image::{Rgb, RgbImage};

use super::super::event::Event;
use super::super::worker::Engine;
use super::*;
use crate::case::{Change, Subject, Verdict};
use crate::data::image_io;
use crate::device::DeviceChoice;
use crate::model::config::ModelConfig;
use crate::model::rain::Rain;
use crate::train::config::RunConfig;
use crate::train::event::Observer;
use crate::train::trainer::Outcome;

const DEADLINE: Duration = Duration::from_secs(60);
const QUERY: &str = "gallery/0002_c2s1_000004_00.png";

/// A folder with a tiny model and a gallery of six crops.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = ModelConfig { height: 64, width: 32, base_width: 4, depth: 18, ..ModelConfig::default() };
    let card = serde_json::json!({ "data": "six crops" });
    Rain::new(config, 3, &Device::Cpu).unwrap().save(&folder.path().join("a.safetensors"), &card).unwrap();
    let gallery = folder.path().join("gallery");
    std::fs::create_dir(&gallery).unwrap();
    for i in 0..6u8 {
        let image = RgbImage::from_fn(24, 48, |x, y| Rgb([i * 28, (x * 10) as u8, (y * 5) as u8 ^ (i * 7)]));
        image.save(gallery.join(format!("{:04}_c2s1_{i:06}_00.png", i / 2 + 1))).unwrap();
    }
    std::fs::create_dir(folder.path().join("crops")).unwrap();
    std::fs::copy(gallery.join("0003_c2s1_000004_00.png"), folder.path().join("crops/0003_c2s1_000004_00.png"))
        .unwrap();
    folder
}

fn engine() -> Engine {
    Engine::start(DeviceChoice::Cpu, Arc::new(|| ())).unwrap()
}

fn until<T>(engine: &Engine, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        let event = engine.events().recv_deadline(end).expect("the event came in time");
        if let Event::Case(CaseEvent::Failed { what, message }) | Event::Failed { what, message } = &event {
            panic!("{what}: {message}");
        }
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

fn opened(engine: &Engine) -> OpenedCase {
    until(engine, |e| if let Event::Case(CaseEvent::Opened(case)) = e { Some((**case).clone()) } else { None })
}

fn numbered(engine: &Engine) -> (QueryId, u64) {
    until(engine, |e| if let Event::Case(CaseEvent::Query { id, number }) = e { Some((*id, *number)) } else { None })
}

fn verdict(engine: &Engine) -> (Subject, Option<Verdict>) {
    until(engine, |e| {
        let Event::Case(CaseEvent::Changed(entries)) = e else { return None };
        entries.iter().find_map(|entry| match &entry.change {
            Change::Verdict(subject, edit) => Some((subject.clone(), edit.to.clone())),
            _ => None,
        })
    })
}

fn case(engine: &Engine, command: CaseCommand) {
    engine.send(Command::Case(command));
}

/// Opens everything and makes a case; returns the query.
fn begin(engine: &Engine, folder: &Path) -> QueryId {
    engine.send(Command::OpenModel { path: folder.join("a.safetensors") });
    engine.send(Command::OpenGallery { path: folder.join("gallery") });
    engine.send(Command::AddQueries { paths: vec![folder.join("crops")] });
    case(engine, CaseCommand::Reviewer { name: "Ada".into() });
    let id = until(engine, |e| if let Event::QueryAdded(info) = e { Some(info.id) } else { None });
    case(engine, CaseCommand::New { path: folder.join("a.raincase"), title: "A".into() });
    assert_eq!(numbered(engine), (id, 1));
    id
}

fn shown(engine: &Engine, query: QueryId, folder: &Path) -> PathBuf {
    engine.send(Command::Search { query, top: 3, measure: Measure::Cosine, refine: Default::default() });
    let result = until(engine, |e| if let Event::Searched(result) = e { Some(result.clone()) } else { None });
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder.join("gallery")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let candidates: Vec<ShownCandidate> = result
        .candidates
        .iter()
        .map(|c| ShownCandidate {
            rank: c.rank,
            path: paths[c.entry].clone(),
            distance: c.distance,
            camera: 2,
            identity: -1,
        })
        .collect();
    let first = candidates[0].path.clone();
    let shown = Shown {
        query,
        gallery: folder.join("gallery"),
        gallery_images: 6,
        measure: Measure::Cosine,
        settings: Vec::new(),
        candidates,
    };
    case(engine, CaseCommand::Saw(Box::new(shown)));
    first
}

#[test]
fn a_case_comes_back_with_queries_model_gallery_and_verdicts() {
    let folder = world();
    let file = folder.path().join("a.raincase");
    let first = {
        let engine = engine();
        let query = begin(&engine, folder.path());
        let first = shown(&engine, query, folder.path());
        case(&engine, CaseCommand::Judge { query, image: first.clone(), judgement: Some(Judgement::Same) });
        let (_, verdict) = verdict(&engine);
        let verdict = verdict.unwrap();
        assert_eq!((verdict.by.as_str(), verdict.seen.map(|s| s.rank)), ("Ada", Some(1)));
        assert_eq!(verdict.hash, Some(crate::case::hash(&std::fs::read(&first).unwrap())));
        first
    };
    // The engine has ended; what it was told before is in the file.
    let kept = crate::case::Case::open(&file).unwrap();
    let state = kept.state();
    assert_eq!(state.models.values().next().unwrap().card["data"], "six crops");
    let (_, search) = state.latest_search(1).unwrap();
    assert_eq!(search.candidates.len(), 3);
    assert!(search.candidates.iter().all(|c| c.picture.is_some() && c.hash.is_some()));
    drop(kept);

    // The crop is gone from the disk: the case has its bytes.
    std::fs::remove_dir_all(folder.path().join("crops")).unwrap();
    let engine = engine();
    case(&engine, CaseCommand::Open { path: file.clone() });
    let again = opened(&engine);
    assert_eq!(again.missing, Vec::<String>::new());
    assert_eq!(again.state.verdicts.len(), 1);
    let info = until(&engine, |e| if let Event::QueryAdded(info) = e { Some(info.clone()) } else { None });
    assert_eq!((info.image.dimensions(), info.identity), ((24, 48), 3));
    until(&engine, |e| if let Event::GalleryOpened(gallery) = e { Some(gallery.entries.len()) } else { None });
    assert_eq!(shown(&engine, info.id, folder.path()), first);
    drop(engine);
    let audit = crate::case::audit::verify(&file, None).unwrap();
    assert_eq!(audit.problems, Vec::<String>::new());
    let kept = crate::case::Case::open(&file).unwrap();
    assert_eq!(kept.state().searches.len(), 1, "the same ranking is kept once");
}

#[test]
fn a_case_knows_where_a_query_was_cut_out_and_has_only_that_part() {
    let folder = world();
    let file = folder.path().join("a.raincase");
    let frame = folder.path().join(QUERY);
    let area = [3, 5, 12, 30];
    {
        let engine = engine();
        begin(&engine, folder.path());
        engine.send(Command::AddCrops { path: frame.clone(), boxes: vec![area] });
        assert_eq!(numbered(&engine).1, 2);
    }
    let kept = crate::case::Case::open(&file).unwrap();
    let query = &kept.state().queries[&2];
    assert_eq!((query.cut, query.width, query.height), (Some(area), 12, 30));
    assert_eq!(query.place(), ", cut out at 3, 5");
    assert_eq!(kept.state().queries[&1].cut, None);
    drop(kept);
    // The frame is gone: what was cut out of it comes back by itself, and still says where it was.
    let whole = image_io::load(&frame).unwrap();
    std::fs::remove_dir_all(folder.path().join("gallery")).unwrap();
    let engine = engine();
    case(&engine, CaseCommand::Open { path: file });
    let info = until(&engine, |e| match e {
        Event::QueryAdded(info) if info.path == frame => Some(info.clone()),
        _ => None,
    });
    assert_eq!(info.source, Source::Crop(area));
    assert_eq!(*info.image, image::imageops::crop_imm(&whole, 3, 5, 12, 30).to_image());
    assert!(info.effective.is_some());
}

#[test]
fn a_missing_gallery_leaves_the_case_readable() {
    let folder = world();
    {
        let engine = engine();
        let query = begin(&engine, folder.path());
        let first = shown(&engine, query, folder.path());
        case(&engine, CaseCommand::Judge { query, image: first, judgement: Some(Judgement::Unsure) });
        verdict(&engine);
    }
    std::fs::rename(folder.path().join("gallery"), folder.path().join("unplugged")).unwrap();
    let engine = engine();
    case(&engine, CaseCommand::Reviewer { name: "Ada".into() });
    case(&engine, CaseCommand::Open { path: folder.path().join("a.raincase") });
    let again = opened(&engine);
    assert!(again.missing.len() == 1 && again.missing[0].contains("connect its disk"), "{:?}", again.missing);
    let (id, _) = until(&engine, |e| if let Event::QueryAdded(info) = e { Some((info.id, ())) } else { None });
    let image = PathBuf::from(again.state.verdicts.keys().next().unwrap().image.clone().unwrap());
    case(&engine, CaseCommand::Judge { query: id, image, judgement: Some(Judgement::Different) });
    let (_, verdict) = verdict(&engine);
    assert_eq!(verdict.map(|v| v.hash), Some(None), "decided without the file");
    let report = folder.path().join("r.html");
    case(&engine, CaseCommand::Export { path: report.clone(), format: Format::Html, reconstructions: Vec::new() });
    until(&engine, |e| if let Event::Case(CaseEvent::Exported { path }) = e { Some(path.clone()) } else { None });
    let html = std::fs::read_to_string(report).unwrap();
    assert_eq!(html.matches("<img alt=\"Candidate").count(), 3, "their pictures lie in the case");
}

#[test]
fn a_removed_query_comes_back_under_its_number() {
    let folder = world();
    let engine = engine();
    let query = begin(&engine, folder.path());
    engine.send(Command::RemoveQuery { query });
    until(&engine, |e| {
        let Event::Case(CaseEvent::Changed(entries)) = e else { return None };
        entries.iter().any(|e| matches!(&e.change, Change::Query(1, edit) if edit.to.is_none())).then_some(())
    });
    case(&engine, CaseCommand::Undo);
    let (id, number) = numbered(&engine);
    assert_ne!(id, query);
    assert_eq!(number, 1);
    case(&engine, CaseCommand::Redo);
    until(&engine, |e| if let Event::QueryRemoved(gone) = e { (*gone == id).then_some(()) } else { None });
}

static BUSY: AtomicBool = AtomicBool::new(false);

/// A step that takes its time and does not breathe.
fn deaf(_: RunConfig, _: &Path, _: bool, _: &Device, _: &mut dyn Observer) -> crate::error::Result<Outcome> {
    BUSY.store(true, Ordering::SeqCst);
    while BUSY.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(crate::error::Error::Cancelled)
}

#[test]
fn a_verdict_does_not_wait_for_a_training_step() {
    let folder = world();
    let engine = Engine::start_with(DeviceChoice::Cpu, Arc::new(|| ()), deaf).unwrap();
    let query = begin(&engine, folder.path());
    let (config, run) = (Box::new(RunConfig::default()), folder.path().join("run"));
    engine.send(Command::Train { config, run, resume: false });
    while !BUSY.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let asked = Instant::now();
    let image = folder.path().join(QUERY);
    case(&engine, CaseCommand::Judge { query, image, judgement: Some(Judgement::Same) });
    let (_, verdict) = verdict(&engine);
    assert!(verdict.is_some() && asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    BUSY.store(false, Ordering::SeqCst);
}

#[test]
fn without_a_case_a_decision_is_refused_in_words() {
    let engine = engine();
    case(&engine, CaseCommand::Judge { query: QueryId(1), image: "a.png".into(), judgement: Some(Judgement::Same) });
    let message = engine.events().iter().find_map(|event| match event {
        Event::Case(CaseEvent::Failed { message, .. }) => Some(message),
        _ => None,
    });
    assert!(message.unwrap().contains("Make a new case"));
}
