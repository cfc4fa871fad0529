//! An engine of cardboard: events with drawn figures, so that the window is tested without model, data or GPU.

use std::path::PathBuf;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use rain::data::taken::Taken;
use rain::engine::certainty::{Certainty, Histogram, RATES, Standing, Step, Sweep};
use rain::engine::command::{Command, JobId, Measure, QueryId};
use rain::engine::event::{
    Candidate, Event, GalleryEntry, GalleryInfo, JobEnd, JobKind, ModelInfo, Progress, QueryInfo, SearchResult, Source,
};
use rain::eval::calibration::{Reading, Set, Strangers, Verdict};
use rain::gallery::regions::Regions;
use rain::model::config::ModelConfig;
use rain::train::event::{RateFigures, SampleImages, StepRecord, TrainEvent, ValidationRecord};

/// Images in the gallery.
pub const GALLERY: usize = 60;

/// A number in 0..1 from two others.
fn random(a: u64, b: u64) -> f64 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xD1B5_4A32_D192_ED03);
    x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (x >> 40) as f64 / (1u64 << 24) as f64
}

/// A standing figure: identity decides its clothes, camera its ground.
pub fn figure(identity: u64, camera: u64, width: u32, height: u32) -> Arc<RgbImage> {
    let colour = |part: u64| {
        let tone = |c: u64| (40.0 + 180.0 * random(identity * 7 + part, c)) as u8;
        Rgb([tone(1), tone(2), tone(3)])
    };
    let ground = 90 + (60.0 * random(camera, 9)) as u8;
    Arc::new(RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (f64::from(x) / f64::from(width) - 0.5, f64::from(y) / f64::from(height));
        let inside = |cu: f64, cv: f64, ru: f64, rv: f64| ((u - cu) / ru).powi(2) + ((v - cv) / rv).powi(2) < 1.0;
        if inside(0.0, 0.12, 0.14, 0.07) {
            Rgb([205, 165, 140])
        } else if u.abs() < 0.24 && (0.19..0.54).contains(&v) {
            colour(1)
        } else if (0.03..0.2).contains(&u.abs()) && (0.54..0.93).contains(&v) {
            colour(2)
        } else {
            let shade = ground.saturating_add((v * 40.0) as u8);
            Rgb([shade, shade, shade.saturating_add(6)])
        }
    }))
}

/// The model.
pub fn model() -> Event {
    let config = ModelConfig { height: 128, width: 64, ..ModelConfig::default() };
    Event::ModelOpened(ModelInfo {
        path: "models/demo.safetensors".into(),
        config,
        hash: "3f9a1c20b7de".into(),
        decoder: true,
    })
}

/// The gallery: five images each of twelve identities.
pub fn gallery() -> Event {
    let entries = (0..GALLERY)
        .map(|i| GalleryEntry {
            path: format!("/gallery/{:04}_c{}.png", i % 12, i / 12 + 1).into(),
            identity: (i % 12) as i64,
            camera: (i / 12 + 1) as i64,
            taken: Taken { time: Some(1_706_709_900_000 + 1000 * i as i64), frame: None },
            size: Some([64, 100 + i as u32]),
        })
        .collect();
    Event::GalleryOpened(GalleryInfo {
        path: "/gallery".into(),
        entries: Arc::new(entries),
        broken: Arc::new(Vec::new()),
    })
}

/// A gallery of that many images whose names are ordinary.
pub fn large_gallery(images: usize) -> Event {
    let entry = |i: usize| GalleryEntry {
        path: format!("/gallery/{:04}_c{}_{i:06}.png", i % 1000, i % 8 + 1).into(),
        identity: (i % 1000) as i64,
        camera: (i % 8 + 1) as i64,
        size: Some([64, 128]),
        taken: Taken { time: Some(1_706_709_900_000 + i as i64), frame: None },
    };
    Event::GalleryOpened(GalleryInfo {
        path: "/gallery".into(),
        entries: Arc::new((0..images).map(entry).collect()),
        broken: Arc::new(Vec::new()),
    })
}

/// A ranking of a whole gallery of that many images.
pub fn whole_ranking(query: u64, images: usize, measure: rain::engine::command::Measure) -> Event {
    let candidate = |i: usize| Candidate {
        rank: i + 1,
        entry: (i * 7919) % images,
        distance: 0.1 + i as f32 / images as f32,
        same: Some(i.is_multiple_of(9)),
    };
    Event::Searched(SearchResult {
        query: QueryId(query),
        measure,
        candidates: (0..images).map(candidate).collect(),
        first_same: Some(1),
        gallery_size: images,
        admitted: images,
        ..SearchResult::default()
    })
}

/// The n-th query.
pub fn query(n: u64) -> Event {
    Event::QueryAdded(QueryInfo {
        id: QueryId(n),
        path: format!("/crops/{n:04}_c6_lr.png").into(),
        identity: n as i64,
        camera: 6,
        image: figure(n, 6, 16, 32),
        effective: Some([8, 16]),
        ..QueryInfo::default()
    })
}

/// What a real engine would answer.
pub fn answer(command: &Command) -> Vec<Event> {
    match command {
        Command::SearchAll { queries, top, measure } => {
            let job = JobId(8);
            let title = format!("Search {} queries", queries.len());
            let mut events = vec![Event::JobStarted { job, kind: JobKind::Search, title }];
            for (query, refine) in queries {
                let refine = refine.clone();
                events.extend(answer(&Command::Search { query: *query, top: *top, measure: *measure, refine }));
            }
            events.push(Event::JobEnded { job, end: JobEnd::Done });
            events
        }
        Command::Search { query, top, measure, refine } => {
            let scale = if format!("{measure:?}") == "Cosine" { 1.0 } else { 30.0 };
            // As if every image passed, but those of cameras that were not asked for, or of which something else was said.
            let cameras = &refine.filter.cameras;
            let Event::GalleryOpened(gallery) = gallery() else { unreachable!() };
            let passes = |entry: usize| {
                (cameras.is_empty() || cameras.contains(&((entry / 12 + 1) as i64)))
                    && refine.only.iter().all(|only| only.admits(*query, &gallery.entries[entry]))
            };
            let mut candidates = (0..GALLERY)
                .map(|i| {
                    // The first candidate is right for most queries, the first query among them.
                    let hit = if i == 0 {
                        query.0 % 4 != 3
                    } else {
                        random(query.0 * 31 + i as u64, 4) < 0.5 - 0.05 * i as f64
                    };
                    let identity = if hit { query.0 as usize % 12 } else { (query.0 as usize + 1 + i) % 12 };
                    let entry = identity + 12 * (i % 5);
                    let same = Some(identity == query.0 as usize % 12);
                    Candidate { rank: i + 1, entry, distance: scale * (0.171 + 0.013 * i as f32), same }
                })
                .filter(|c| passes(c.entry))
                .collect::<Vec<_>>();
            let admitted = candidates.len();
            candidates.truncate(*top);
            candidates.iter_mut().enumerate().for_each(|(i, c)| c.rank = i + 1);
            let first_same = candidates.iter().find(|c| c.same == Some(true)).map(|c| c.rank);
            vec![Event::Searched(SearchResult {
                query: *query,
                measure: *measure,
                candidates,
                first_same,
                gallery_size: GALLERY,
                admitted,
                reranked: Vec::new(),
                refine: refine.clone(),
            })]
        }
        Command::Assess { query, measure } => vec![certainty(*query, *measure, Verdict::Near)],
        Command::Sweep { query, measure } => vec![sweep(*query, *measure)],
        Command::Reconstruct { query } => {
            vec![Event::Reconstructed { query: *query, image: figure(query.0, 3, 64, 128) }]
        }
        Command::Thumbnail { path, max_side } => {
            let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let identity = name.get(..4).and_then(|s| s.parse().ok()).unwrap_or(0);
            let image = Ok(figure(identity, name.len() as u64 + identity, 64, 128));
            vec![Event::Thumbnail { path: path.clone(), max_side: *max_side, image }]
        }
        Command::Frame { path } => {
            let image = Ok(([640, 360], figure(3, 1, 640, 360)));
            vec![Event::Frame { path: path.clone(), image }]
        }
        Command::AddCrops { path, boxes } => boxes
            .iter()
            .enumerate()
            .map(|(i, area)| {
                let Event::QueryAdded(mut info) = query(500 + i as u64) else { unreachable!() };
                (info.path, info.source) = (path.clone(), Source::Crop(*area));
                Event::QueryAdded(info)
            })
            .collect(),
        Command::AddStills { stills } => stills
            .iter()
            .enumerate()
            .map(|(i, still)| {
                let Event::QueryAdded(mut info) = query(700 + i as u64) else { unreachable!() };
                (info.path, info.source, info.image) = (still.path.clone(), still.source, still.image.clone());
                Event::QueryAdded(info)
            })
            .collect(),
        Command::Explain { query, entry } => {
            let regions = Regions {
                rows: 4,
                columns: 2,
                first: vec![0.1; 8],
                second: vec![0.05, 0.3, 0.1, 0.1, 0.05, 0.05, 0.1, 0.05],
                similarity: 0.8,
            };
            vec![Event::Explained { query: *query, entry: *entry, regions: Arc::new(regions) }]
        }
        Command::AddQueries { paths } => paths
            .iter()
            .enumerate()
            .map(|(i, path)| {
                let n = path.file_name().and_then(|s| s.to_str()).and_then(|s| s.get(..4)).and_then(|s| s.parse().ok());
                let Event::QueryAdded(mut info) = query(n.unwrap_or(900 + i as u64)) else { unreachable!() };
                (info.id, info.path) = (QueryId(info.id.0 + 10_000), path.clone());
                Event::QueryAdded(info)
            })
            .collect(),
        Command::RemoveQuery { query } => vec![Event::QueryRemoved(*query)],
        Command::Train { config, run, .. } => {
            let mut events = vec![
                Event::JobStarted { job: JobId(7), kind: JobKind::Train, title: format!("Train {}", config.preset) },
                run_started(run.clone()),
            ];
            events.extend(steps(1..4));
            events
        }
        Command::Cancel { job } => vec![
            Event::Training { job: *job, event: TrainEvent::Stopped { step: 3 } },
            Event::JobEnded { job: *job, end: JobEnd::Cancelled },
        ],
        _ => Vec::new(),
    }
}

/// Where the distances of a query stand; every fourth stands as far as strangers.
pub fn certainty(query: QueryId, measure: Measure, verdict: Verdict) -> Event {
    let scale = if measure == Measure::Cosine { 1.0 } else { 30.0 };
    let spread = |from: f32, to: f32| (0..21).map(|k| scale * (from + (to - from) * k as f32 / 20.0)).collect();
    let reading = Reading {
        set: Set {
            name: "crowd".into(),
            split: "0123456789abcdef".into(),
            identities: 200,
            queries: 800,
            gallery: 800,
        },
        rate: 4.0,
        height: 32.0,
        same: spread(0.05, 0.42),
        strangers: Strangers {
            gallery: 50,
            best: spread(0.16, 0.60),
            threshold: scale * 0.33,
            caught: 0.81,
            false_alarms: 0.12,
        },
        same_as_far: 0.67,
        stranger_as_near: 0.03,
        verdict,
        larger_gallery: false,
    };
    let counts =
        (0..40).map(|i| (6.0 * (-((f64::from(i) - 24.0) / 8.0).powi(2)).exp()) as u32 + u32::from(i == 0)).collect();
    Event::Assessed(Box::new(Certainty {
        query,
        measure,
        histogram: Histogram { low: scale * 0.171, high: scale * 1.1, counts },
        best: scale * 0.171,
        standing: Standing::Calibrated(Box::new(reading)),
    }))
}

/// A ranking that holds down to r = 3.
pub fn sweep(query: QueryId, measure: Measure) -> Event {
    let step = |(i, rate): (usize, f64)| Step {
        rate,
        pixels: [(16.0 / rate) as usize, (32.0 / rate) as usize],
        same_first: rate <= 3.0,
        kept: 10 - i,
        ranks: (0..50).map(|c| 1 + c * (i + 1) + i * i).collect(),
    };
    Event::Swept(Box::new(Sweep { query, measure, steps: RATES.into_iter().enumerate().map(step).collect() }))
}

/// The job number of the fake run.
pub const RUN: JobId = JobId(7);

/// The first event of a run.
pub fn run_started(run: PathBuf) -> Event {
    let summary = "500 identities, 3,000 images, half-width ResNet-50 at 64×128, from resnet50_half_width.safetensors";
    Event::Training {
        job: RUN,
        event: TrainEvent::Started {
            run,
            step: 0,
            total_steps: 3_000,
            steps_per_epoch: 50,
            summary: summary.into(),
            history: Arc::new(Vec::new()),
            validation: Arc::new(Vec::new()),
        },
    }
}

/// Steps with falling losses.
pub fn steps(range: std::ops::Range<u64>) -> Vec<Event> {
    range
        .flat_map(|step| {
            let t = step as f64;
            let fall = |from: f64, tau: f64, to: f64, k: u64| {
                to + (from - to) * (-t / tau).exp() + 0.25 * to * (random(step, k) - 0.5)
            };
            let (rec, cls, tri) = (fall(1.6, 300.0, 0.5, 1), fall(12.0, 400.0, 1.2, 2), fall(2.4, 300.0, 0.2, 3));
            let (adv, disc) = (fall(0.7, 200.0, 1.6, 4), fall(2.8, 150.0, 1.9, 5));
            let record = StepRecord {
                step,
                epoch: t / 50.0,
                total: rec + cls + tri + adv,
                rec,
                cls,
                tri,
                adv,
                disc,
                lr: 3.5e-4,
                lr_discriminator: 1e-4,
                images_per_second: 43.0 + 2.0 * random(step, 6),
                ..StepRecord::default()
            };
            let progress = Progress { done: step, total: 3_000, unit: "steps", seconds_left: Some(60.0 * 12.0) };
            [Event::Training { job: RUN, event: TrainEvent::Step(record) }, Event::JobProgress { job: RUN, progress }]
        })
        .collect()
}

/// A validation at that step.
pub fn validation(step: u64) -> Event {
    let rank1 = 30.0 * (1.0 - (-(step as f64) / 900.0).exp());
    let at = |rate: f64| RateFigures {
        rate,
        rank1: rank1 * (1.1 - rate * 0.06),
        map: rank1 + 6.0,
        ..RateFigures::default()
    };
    let record = ValidationRecord {
        step,
        epoch: step as f64 / 50.0,
        by_rate: [2.0, 3.0, 4.0, 8.0].map(at).to_vec(),
        rank1,
        map: rank1 + 6.0,
    };
    Event::Training { job: RUN, event: TrainEvent::Validation(record) }
}

/// Sample reconstructions at that step.
pub fn samples(step: u64) -> Event {
    let samples = (0..4)
        .map(|i| SampleImages {
            path: format!("/data/{i:04}.png").into(),
            rate: 2.0 + i as f64 / 2.0,
            hr: figure(i, 1, 64, 128),
            lr: figure(i, 1, 16, 32),
            hr_reconstruction: figure(i, 2, 64, 128),
            lr_reconstruction: figure(i, 3, 64, 128),
        })
        .collect();
    Event::Training { job: RUN, event: TrainEvent::Samples { step, samples: Arc::new(samples) } }
}
