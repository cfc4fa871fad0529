use std::time::Duration;

use super::testing::Memory;
use super::*;
use crate::gallery::distance::Comparer;
use crate::gallery::features::{Features, Origin};
use crate::gallery::matrix::Matrix;
use crate::gallery::search::nearest;

fn features(rows: usize) -> Features {
    let columns = 8;
    let number = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1u32 << 24) as f32 - 0.5;
    Features {
        matrix: Matrix::new(columns, (0..rows * columns).map(number).collect()),
        identity: (0..rows as i64).map(|i| i / 3).collect(),
        camera: (0..rows as i64).map(|i| i % 4).collect(),
        origin: Origin {
            paths: (0..rows).map(|i| format!("{i}.png")).collect(),
            model: "0123456789ab".into(),
            height: 256,
            width: 128,
        },
    }
}

fn spec(columns: usize) -> Spec {
    Spec {
        model: "0123456789ab".into(),
        columns,
        measure: Measure::Cosine,
        precision: Precision::Half,
        approximate: false,
    }
}

fn patience() -> Patience {
    Patience { attempts: 3, pause: Duration::from_millis(1), longest: Duration::from_millis(1), ..Patience::default() }
}

fn send(gallery: &mut Memory, features: &Features, overwrite: bool) -> Result<Sent> {
    let name: Name = "test".parse().unwrap();
    upload(gallery, &name, features, &spec(8), overwrite, &patience(), &mut |_, _| Flow::Continue)
}

#[test]
fn an_upload_that_broke_off_is_gone_on_with() {
    let features = features(10_000);
    let mut gallery = Memory::new();
    // The second batch breaks off half-way and the server stays away for longer than anybody insists.
    gallery.breaks_at = Some(2);
    let name: Name = "test".parse().unwrap();
    let once = Patience { attempts: 1, ..patience() };
    let broken = upload(&mut gallery, &name, &features, &spec(8), false, &once, &mut |_, _| Flow::Continue);
    let message = broken.unwrap_err().to_string();
    assert!(message.contains("the connection broke") && message.contains("goes on where it stopped"), "{message}");
    let there = gallery.rows.len() as u64;
    assert!(there > 4096 && there < 10_000);
    let sent = send(&mut gallery, &features, false).unwrap();
    assert_eq!(sent, Sent { sent: 10_000 - there, present: there, repeated: 0, rows: 10_000 });
    assert_eq!(send(&mut gallery, &features, false).unwrap().sent, 0);
    assert_eq!(send(&mut gallery, &features, true).unwrap().sent, 10_000);
    assert_eq!(gallery.rows.len(), 10_000);
}

#[test]
fn a_short_absence_is_not_even_noticed() {
    let mut gallery = Memory::new();
    gallery.away = 2;
    assert_eq!(send(&mut gallery, &features(10), false).unwrap().sent, 10);
    gallery.away = 3;
    assert!(send(&mut gallery, &features(10), false).unwrap_err().to_string().contains("3 attempts"));
}

#[test]
fn the_same_image_twice_is_one_row() {
    let mut features = features(6);
    features.origin.paths[4] = "1.png".into();
    let mut gallery = Memory::new();
    let sent = send(&mut gallery, &features, false).unwrap();
    assert_eq!((sent.sent, sent.repeated, sent.rows), (5, 1, 5));
}

#[test]
fn another_models_gallery_is_refused_with_the_way_out() {
    let mut gallery = Memory::new();
    gallery.spec = Some(Spec { model: "ffffffffffff".into(), ..spec(8) });
    let message = send(&mut gallery, &features(3), false).unwrap_err().to_string();
    assert!(message.contains("ffffffffffff") && message.contains("another --name"), "{message}");
    gallery.spec = Some(spec(9));
    assert!(send(&mut gallery, &features(3), false).is_err());
    assert!(gallery.rows.is_empty());
}

#[test]
fn an_upload_stops_when_asked_and_says_so() {
    let mut gallery = Memory::new();
    let name: Name = "test".parse().unwrap();
    let source = features(10_000);
    let mut stop = |done: u64, _: u64| if done > 0 { Flow::Stop } else { Flow::Continue };
    let stopped = upload(&mut gallery, &name, &source, &spec(8), false, &patience(), &mut stop);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert_eq!(gallery.rows.len(), 4096);
}

#[test]
fn a_rough_server_gives_the_exact_answer_all_the_same() {
    let features = features(600);
    let mut gallery = Memory::new();
    send(&mut gallery, &features, false).unwrap();
    for (step, camera) in [(0.0, None), (0.02, None), (0.05, Some(2)), (1.0, Some(1))] {
        gallery.step = step;
        gallery.asked = 0;
        let filter = Filter { cameras: camera.into_iter().collect(), ..Filter::default() };
        let query = features.matrix.row(5).to_vec();
        let question = Question { query: &query, top: 10, filter: &filter };
        let answer = search(&mut gallery, &spec(8), &question, &patience(), &mut || Flow::Continue).unwrap();
        let rows: Vec<usize> = (0..600).filter(|i| camera.is_none_or(|c| features.camera[*i] == c)).collect();
        let distances = Comparer::new(&features.matrix.select(&rows), Measure::Cosine).distances(&query);
        let expected: Vec<String> =
            nearest(&distances, 10).iter().map(|hit| format!("{}.png", rows[hit.entry])).collect();
        let got: Vec<String> = answer.hits.iter().map(|hit| hit.row.path.clone()).collect();
        assert_eq!(got, expected, "steps of {step}");
        assert!(answer.certain, "steps of {step}");
        assert!(gallery.asked > 1 || step < 0.5, "a rough server is asked for more: steps of {step}");
    }
}

#[test]
fn keys_are_read_as_they_are_written() {
    let key = Key::of(b"a photograph");
    assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
    for bad in ["", "0", &"g".repeat(32), &"é".repeat(16)] {
        assert!(bad.parse::<Key>().is_err());
    }
}
