//! Maps as the window sees them being made.

use std::sync::Arc;

use super::{Bench, Command, Event, JobEnd, JobKind, Measure, endless};
use crate::engine::map::{MapCommand, MapEvent, Source};
use crate::figure::LIGHT;
use crate::figure::scatter::Look;
use crate::projection::Settings;
use crate::projection::groups::{Colouring, Groups};
use crate::projection::map::{Map, Role};
use crate::projection::people::People;

fn short() -> Settings {
    Settings { iterations: 40, early_iterations: 20, perplexity: 4.0, every: 5, ..Settings::default() }
}

impl Bench {
    fn project(&self, source: Source, settings: Settings) {
        self.engine.send(Command::Map(MapCommand::Project { source, measure: Measure::Cosine, settings }));
    }

    fn finished(&self) -> Arc<Map> {
        self.until(|event| match event {
            Event::Map(MapEvent::Finished { map, .. }) => Some(map),
            Event::Failed { what, message } => panic!("{what}: {message}"),
            Event::JobEnded { end: JobEnd::Failed(message), .. } => panic!("{message}"),
            _ => None,
        })
    }
}

#[test]
fn gallery_and_queries_are_laid_out_and_the_seed_decides() {
    let (bench, query) = Bench::ready(endless);
    let map = |seed| {
        bench.project(Source::Desk, Settings { seed, ..short() });
        let job = bench.job_start(JobKind::Map);
        let map = bench.finished();
        assert_eq!(bench.job_end(job), JobEnd::Done);
        map
    };
    let first = map(1);
    assert_eq!((first.points.len(), first.spots.len()), (13, 13));
    let queries: Vec<_> = first.spots.iter().filter(|spot| spot.role == Role::Query).collect();
    assert_eq!((queries.len(), queries[0].identity, first.title.as_str()), (1, 2, "gallery with 1 query"));
    // The query is itself in the gallery: the two are each other's nearest.
    let twin = first.spots.iter().position(|s| s.role == Role::Gallery && s.path == queries[0].path).unwrap();
    assert_eq!(first.neighbours(12)[0] as usize, twin);
    assert_eq!(first.points, map(1).points);
    assert_ne!(first.points, map(2).points);
    bench.search_works(query);
}

#[test]
fn searching_goes_on_while_a_map_is_made_and_it_can_be_cancelled() {
    let (bench, query) = Bench::ready(endless);
    bench.project(Source::Desk, Settings { iterations: 100_000, every: 0, ..short() });
    let job = bench.job_start(JobKind::Map);
    bench.search_works(query);
    bench.project(Source::Desk, short());
    let (what, message) = bench.failure();
    assert!(what == "Make map" && message.contains("already"), "{what}: {message}");
    bench.engine.send(Command::Cancel { job });
    assert_eq!(bench.job_end(job), JobEnd::Cancelled);
    bench.project(Source::Desk, short());
    bench.finished();
}

#[test]
fn people_are_embedded_at_every_resolution() {
    let (bench, _) = Bench::ready(endless);
    let people = People { identities: 2, rates: vec![1.0, 4.0], ..People::figure3(bench.path("gallery")) };
    bench.project(Source::People(people), short());
    let map = bench.finished();
    assert_eq!(map.spots.len(), 2 * 4 * 2);
    assert!(map.spots.iter().all(|spot| spot.rate == 1.0 || spot.rate == 4.0));
    assert!(!map.made.model.is_empty());
    let missing = People::figure3(bench.path("nowhere"));
    bench.project(Source::People(missing), short());
    let job = bench.job_start(JobKind::Map);
    assert!(matches!(bench.job_end(job), JobEnd::Failed(message) if message.contains("nowhere")));
}

#[test]
fn what_cannot_be_laid_out_is_refused_in_words() {
    let bench = Bench::start(endless);
    bench.project(Source::Desk, short());
    assert!(bench.failure().1.contains("No model is open"));
    bench.project(Source::Features(bench.path("none.safetensors")), short());
    let job = bench.job_start(JobKind::Map);
    assert!(matches!(bench.job_end(job), JobEnd::Failed(message) if message.contains("none.safetensors")));
    bench.project(Source::Desk, Settings { perplexity: 0.0, ..short() });
    assert!(bench.failure().1.contains("perplexity"));
}

#[test]
fn a_map_is_saved_and_opened() {
    let (bench, _) = Bench::ready(endless);
    bench.project(Source::Desk, short());
    let map = bench.finished();
    let groups = Groups::new(&map.spots, Colouring::Identity, &[], &|_| None, false);
    for name in ["m.safetensors", "m.csv", "m.svg", "m.png"] {
        let look = Look {
            title: "T".into(),
            paper: LIGHT,
            groups: groups.clone(),
            hidden: Vec::new(),
            isolated: Vec::new(),
            view: None,
            radius: 3.0,
        };
        let (map, path, look) = (map.clone(), bench.path(name), Box::new(look));
        bench.engine.send(Command::Map(MapCommand::Save { map, path: path.clone(), look, selected: Vec::new() }));
        let saved = bench.until(|event| match event {
            Event::Map(MapEvent::Saved { path }) => Some(path),
            Event::Failed { what, message } => panic!("{what}: {message}"),
            _ => None,
        });
        assert!(saved == path && path.is_file());
    }
    bench.engine.send(Command::Map(MapCommand::Open { path: bench.path("m.safetensors") }));
    let opened = bench.until(|event| match event {
        Event::Map(MapEvent::Opened { map, .. }) => Some(map),
        _ => None,
    });
    assert_eq!(opened, map);
    bench.engine.send(Command::Map(MapCommand::Open { path: bench.path("a.safetensors") }));
    let (what, message) = bench.failure();
    assert!(what == "Open map" && message.contains("a.safetensors"), "{message}");
}
