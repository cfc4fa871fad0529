use super::*;
use crate::data::seeded;
use crate::gallery::block::Coded;

/// Rows around 60 centres.
fn rows(count: usize, columns: usize, purpose: &str) -> Matrix {
    let mut rng = seeded::rng(5, purpose, &[]);
    let mut data = Vec::with_capacity(count * columns);
    for _ in 0..count {
        let mut centre = seeded::rng(6, "centre", &[rng.random_range(0..60)]);
        data.extend((0..columns).map(|_| centre.random_range(0.0f32..1.0) + rng.random_range(-0.3f32..0.3)));
    }
    Matrix::new(columns, data)
}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

fn built(coded: &Coded, measure: Measure) -> Approximate {
    Approximate::build(&[coded.block()], measure, Settings::default(), &mut |_, _| Flow::Continue).unwrap()
}

/// The share of the nearest that is found, and whether each distance is exact.
fn recall(approximate: &Approximate, blocks: &[Block<'_>], ask: &Ask<'_>) -> f64 {
    let expected = exact::search(blocks, ask, &never()).unwrap();
    let found = approximate.search(blocks, ask, &never()).unwrap();
    let (mut right, mut all) = (0, 0);
    for ((query, found), expected) in found.iter().enumerate().zip(&expected) {
        assert!(found.hits.windows(2).all(|pair| key(pair[0].distance, pair[0].entry) < key(pair[1].distance, pair[1].entry)));
        let prepared = Prepared::new(ask.queries.row(query), ask.measure);
        for hit in &found.hits {
            let (block, place) = find(blocks, hit.entry).unwrap();
            let mut row = vec![0.0; ask.queries.columns];
            blocks[block].read(place, &mut row);
            assert_eq!(prepared.distance(&row).to_bits(), hit.distance.to_bits());
            assert!(ask.mask.is_none_or(|mask| mask.contains(hit.entry)));
        }
        all += expected.hits.len();
        right += expected.hits.iter().filter(|hit| found.hits.contains(hit)).count();
    }
    right as f64 / all as f64
}

#[test]
fn most_of_the_nearest_are_found_and_their_distances_are_exact() {
    let (coded, queries) = (Coded::new(rows(6000, 40, "gallery")), rows(50, 40, "query"));
    for measure in [Measure::Cosine, Measure::Euclidean] {
        let approximate = built(&coded, measure);
        assert!(approximate.about().recall >= AIM, "{:?}", approximate.about());
        let half = Mask::of(6000, |row| row % 2 == 0);
        for mask in [None, Some(&half)] {
            let ask = Ask { queries: &queries, measure, top: 10, mask };
            let recall = recall(&approximate, &[coded.block()], &ask);
            assert!(recall > 0.95, "{measure:?} {recall}");
        }
        // A filter that leaves little is searched exactly, and so is a wish for very many.
        let few = Mask::of(6000, |row| row % 100 == 0);
        for (mask, top) in [(Some(&few), 10), (None, 3000)] {
            let ask = Ask { queries: &queries, measure, top, mask };
            assert_eq!(recall(&approximate, &[coded.block()], &ask), 1.0);
        }
    }
}

#[test]
fn it_is_kept_beside_the_gallery_and_knows_its_own() {
    use crate::gallery::store::{Change, ContentHash, Header, Maker, Precision, Record, Writer};
    let folder = tempfile::tempdir().unwrap();
    let all = rows(5200, 24, "gallery");
    let maker = Maker { model: "m".into(), height: 1, width: 1, columns: 24 };
    let header = Header { maker, precision: Precision::F16, segment_rows: 2000 };
    let write = |folder: &Path, from: usize, to: usize| {
        let change = |row: usize| Change::Add {
            record: Record {
                path: format!("{row}").into(),
                hash: ContentHash::of(&row.to_le_bytes()),
                ..Record::default()
            },
            vector: all.row(row).to_vec(),
            thumbnail: Vec::new(),
        };
        let mut writer = if from == 0 { Writer::create(folder, &header, "m") } else { Writer::open(folder) }.unwrap();
        writer.commit(&(from..to).map(change).collect::<Vec<_>>()).unwrap();
    };
    write(folder.path(), 0, 5000);
    let mut store = Store::open(folder.path()).unwrap();
    assert!(Approximate::open(&store, Measure::Cosine).unwrap().is_none());
    let mut heard = Vec::new();
    let graph = Approximate::build_for(&store, Measure::Cosine, &mut |done, total| {
        heard.push((done, total));
        Flow::Continue
    })
    .unwrap();
    assert!(heard.is_sorted() && heard.last() == Some(&(5000, 5000)));
    assert_eq!(Approximate::open(&store, Measure::Cosine).unwrap().as_ref(), Some(&graph));
    assert!(Approximate::open(&store, Measure::Euclidean).unwrap().is_none());
    // Rows that came later are found.
    write(folder.path(), 5000, 5200);
    store.refresh().unwrap();
    let graph = Approximate::open(&store, Measure::Cosine).unwrap().unwrap();
    assert!((graph.rows(), graph.is_stale(5200), graph.is_stale(20_000)) == (5000, false, true));
    let queries = all.select(&(5100..5110).collect::<Vec<_>>());
    let ask = Ask { queries: &queries, measure: Measure::Cosine, top: 5, mask: None };
    assert!(recall(&graph, &store.blocks(), &ask) > 0.95);
    for (query, answer) in graph.search(&store.blocks(), &ask, &never()).unwrap().iter().enumerate() {
        assert_eq!(answer.hits[0].entry, 5100 + query);
    }
    // Another gallery in the same place.
    let other = tempfile::tempdir().unwrap();
    let turned = Matrix::new(24, all.data.iter().rev().copied().collect());
    let change = |row: usize| Change::Add {
        record: Record { path: format!("{row}").into(), ..Record::default() },
        vector: turned.row(row).to_vec(),
        thumbnail: Vec::new(),
    };
    let mut writer = Writer::create(other.path(), &header, "m").unwrap();
    writer.commit(&(0..5000).map(change).collect::<Vec<_>>()).unwrap();
    std::fs::create_dir(other.path().join("approximate")).unwrap();
    std::fs::copy(file(folder.path(), Measure::Cosine), file(other.path(), Measure::Cosine)).unwrap();
    assert!(Approximate::open(&Store::open(other.path()).unwrap(), Measure::Cosine).unwrap().is_none());
    std::fs::write(file(other.path(), Measure::Cosine), "damage").unwrap();
    let message = Approximate::open(&Store::open(other.path()).unwrap(), Measure::Cosine).unwrap_err().to_string();
    assert!(message.contains("Build it again"), "{message}");
}

#[test]
fn it_stops_when_told_and_small_galleries_need_no_graph() {
    let coded = Coded::new(rows(5000, 16, "gallery"));
    let stopped = Approximate::build(&[coded.block()], Measure::Cosine, Settings::default(), &mut |done, _| {
        if done > 1000 { Flow::Stop } else { Flow::Continue }
    });
    assert!(matches!(stopped, Err(Error::Cancelled)));
    for count in [0, 1, 3, 100] {
        let coded = Coded::new(rows(count, 16, "gallery"));
        let approximate = built(&coded, Measure::Cosine);
        let queries = rows(2, 16, "query");
        let ask = Ask { queries: &queries, measure: Measure::Cosine, top: 10, mask: None };
        let answers = approximate.search(&[coded.block()], &ask, &never()).unwrap();
        assert!(answers.iter().all(|answer| answer.hits.len() == count.min(10)));
    }
    let euclidean = built(&coded, Measure::Euclidean);
    let queries = rows(1, 16, "query");
    let ask = Ask { queries: &queries, measure: Measure::Cosine, top: 1, mask: None };
    assert!(euclidean.search(&[coded.block()], &ask, &never()).is_err());
}
