use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::data::seeded;
use crate::gallery::block::{Coded, Rows};
use crate::gallery::search::{Index, nearest};
use crate::nn::kernel::Isa;
use half::f16;

/// Rows of different kinds: without structure, in clusters with equal rows among them, or all but equal.
fn rows(kind: u8, count: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = seeded::rng(seed, "rows", &[]);
    let mut centres = seeded::rng(seed / 4, "centres", &[]);
    let centres: Vec<f32> = (0..8 * columns).map(|_| centres.random_range(0.0..1.0)).collect();
    let mut data = Vec::with_capacity(count * columns);
    for row in 0..count {
        let centre = &centres[rng.random_range(0..8) * columns..][..columns];
        match kind {
            0 => data.extend((0..columns).map(|_| rng.random_range(-1.0f32..1.0))),
            1 if row > 0 && rng.random_bool(0.3) => {
                let from = rng.random_range(0..row) * columns;
                data.extend_from_within(from..from + columns);
            }
            1 => data.extend(centre.iter().map(|x| (x + rng.random_range(-0.1..0.1f32)).max(0.0))),
            2 => {
                data.extend((0..columns).map(|c| 1.0 + if c == 0 { rng.random_range(0..3) as f32 * 1e-7 } else { 0.0 }))
            }
            3 => data.extend((0..columns).map(|c| if c == row % columns { 1e4 } else { rng.random_range(-1.0..1.0) })),
            _ => data.extend((0..columns).map(|_| [0.0, 0.0, 1.0, -2.0][rng.random_range(0..4)])),
        }
    }
    Matrix::new(columns, data)
}

/// Every row compared, by the code that the rest of Rain searches with.
fn by_force(gallery: &Matrix, query: &[f32], measure: Measure, mask: Option<&Mask>, top: usize) -> Vec<(usize, u32)> {
    let mut hits = nearest(&Index::new(gallery).distances(query, measure), usize::MAX);
    hits.retain(|hit| mask.is_none_or(|mask| mask.contains(hit.entry)));
    hits.truncate(top);
    hits.into_iter().map(|hit| (hit.entry, hit.distance.to_bits())).collect()
}

fn bits(answer: &Answer) -> Vec<(usize, u32)> {
    answer.hits.iter().map(|hit| (hit.entry, hit.distance.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_is_brute_force_to_the_last_bit(kind in 0u8..5, count in 1usize..700, columns in 1usize..150, queries in 1usize..24,
                                         top in 0usize..30, keep in 0u8..4, seed in any::<u64>()) {
        let gallery = rows(kind, count, columns, seed);
        let queries = rows(kind, queries, columns, seed ^ 1);
        let mask = (keep > 0).then(|| Mask::of(count, |row| (row as u64).wrapping_mul(seed | 1) % 4 < u64::from(keep)));
        let coded = Coded::new(gallery.clone());
        for measure in [Measure::Cosine, Measure::Euclidean] {
            let expected: Vec<_> = (0..queries.rows()).map(|q| by_force(&gallery, queries.row(q), measure, mask.as_ref(), top)).collect();
            let ask = Ask { queries: &queries, measure, top, mask: mask.as_ref() };
            for isa in Isa::available() {
                // Forced on this thread alone, so the pass is asked for here.
                let answers = isa.with(|| search(&[coded.block()], &ask, &AtomicBool::new(false))).unwrap();
                for (answer, expected) in answers.iter().zip(&expected) {
                    prop_assert_eq!(&bits(answer), expected, "{:?} {:?}", isa, measure);
                }
            }
        }
    }
}

/// The parts of a search, each on its own: a small search may take the short way.
fn through(device_pass_too: bool, gallery: &Matrix, ask: &Ask<'_>) -> Vec<Answer> {
    let coded = Coded::new(gallery.clone());
    let blocks = [coded.block()];
    let stop = AtomicBool::new(false);
    if !device_pass_too {
        return search(&blocks, ask, &stop).unwrap();
    }
    let batch = Batch::new(ask.queries, ask.measure, 1);
    let tallies = vec![Tally::new(ask.top, 1 << 20); ask.queries.rows()];
    let tallies = device_pass(&blocks, ask.mask, &batch, &Device::Cpu, &stop, tallies).unwrap();
    let answer = |(query, tally): (usize, Tally)| {
        let (hits, compared) = rescore::rescore(&batch, query, &blocks, &tally.candidates(), ask.top);
        Answer { hits, compared }
    };
    tallies.into_iter().enumerate().map(answer).collect()
}

#[test]
fn the_pass_on_a_device_finds_the_same() {
    for kind in 0..5 {
        let (gallery, queries) = (rows(kind, 500, 70, 9), rows(kind, 5, 70, 10));
        let mask = Mask::of(500, |row| row % 3 != 0);
        for measure in [Measure::Cosine, Measure::Euclidean] {
            let ask = Ask { queries: &queries, measure, top: 7, mask: Some(&mask) };
            for (query, answer) in through(true, &gallery, &ask).iter().enumerate() {
                assert_eq!(bits(answer), by_force(&gallery, queries.row(query), measure, Some(&mask), 7), "{kind}");
            }
        }
    }
}

#[test]
fn near_rows_stand_in_the_order_of_double_precision() {
    let mut rng = seeded::rng(1, "near", &[]);
    let centre: Vec<f32> = (0..256).map(|_| rng.random_range(0.0f32..1.0).powi(3)).collect();
    let mut near = |count: usize| {
        let data = (0..count * 256).map(|i| centre[i % 256] + rng.random_range(0.0f32..0.02)).collect();
        Matrix::new(256, data)
    };
    let (gallery, queries) = (near(4000), near(8));
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let ask = Ask { queries: &queries, measure: Measure::Cosine, top: 50, mask: None };
    for (query, answer) in through(false, &gallery, &ask).iter().enumerate() {
        let row = |row| gallery.row(row);
        let similarity = |r: usize| product(queries.row(query), row(r)) / product(row(r), row(r)).sqrt();
        let mut expected: Vec<(f64, usize)> = (0..4000).map(|row| (similarity(row), row)).collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0));
        let found: Vec<usize> = answer.hits.iter().map(|hit| hit.entry).collect();
        assert_eq!(found, expected[..50].iter().map(|(_, row)| *row).collect::<Vec<_>>(), "{query}");
    }
}

#[test]
fn little_is_compared_where_much_can_be_ruled_out() {
    let (gallery, queries) = (rows(1, 5000, 256, 3), rows(1, 20, 256, 4));
    for count in [1, 20] {
        let some = queries.select(&(0..count).collect::<Vec<_>>());
        let ask = Ask { queries: &some, measure: Measure::Cosine, top: 10, mask: None };
        let answers = through(false, &gallery, &ask);
        let compared = answers.iter().map(|a| a.compared).sum::<usize>() / count;
        assert!(compared < 500, "{compared} of 5000 rows were compared");
    }
}

#[test]
fn equal_rows_without_end_are_all_compared() {
    let gallery = Matrix::new(16, [1.0f32, 2.0].repeat(8 * 20_000));
    let queries = Matrix::new(16, vec![0.5; 16]);
    let ask = Ask { queries: &queries, measure: Measure::Cosine, top: 5, mask: None };
    let answers = through(false, &gallery, &ask);
    assert_eq!(answers[0].hits.iter().map(|hit| hit.entry).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(answers[0].compared, 20_000);
}

#[test]
fn rows_in_16_bits_are_compared_as_they_are() {
    let raw = rows(1, 900, 100, 5);
    let halves: Vec<f16> = raw.data.iter().map(|&x| f16::from_f32(x)).collect();
    let kept = Matrix::new(100, halves.iter().map(|x| x.to_f32()).collect());
    let (coded, queries) = (Coded::new(kept.clone()), rows(1, 4, 100, 6));
    let whole = coded.block();
    // Two blocks, as two segments of a gallery.
    let part = |range: std::ops::Range<usize>| Block {
        first: range.start,
        rows: Rows::F16(&halves[range.start * 100..range.end * 100]),
        codes: &whole.codes[range.start * 128..range.end * 128],
        scales: &whole.scales[range.clone()],
        ..whole
    };
    let ask = Ask { queries: &queries, measure: Measure::Euclidean, top: 12, mask: None };
    let answers = search(&[part(0..333), part(333..900)], &ask, &AtomicBool::new(false)).unwrap();
    for (query, answer) in answers.iter().enumerate() {
        assert_eq!(bits(answer), by_force(&kept, queries.row(query), Measure::Euclidean, None, 12));
    }
}

#[test]
fn numbers_that_are_none_stand_last_and_hide_nobody() {
    let mut gallery = rows(0, 300, 20, 7);
    for (row, x) in [(3, f32::NAN), (50, f32::INFINITY), (70, 3e38), (299, -1e30)] {
        gallery.data[row * 20 + 4] = x;
    }
    let mut queries = rows(0, 3, 20, 8);
    queries.data[20 + 3] = f32::NAN;
    for measure in [Measure::Cosine, Measure::Euclidean] {
        let ask = Ask { queries: &queries, measure, top: 40, mask: None };
        for (query, answer) in through(false, &gallery, &ask).iter().enumerate() {
            let expected = by_force(&gallery, queries.row(query), measure, None, 40);
            let rows = |hits: &[(usize, u32)]| hits.iter().map(|hit| hit.0).collect::<Vec<_>>();
            assert_eq!(rows(&bits(answer)), rows(&expected), "{measure:?} {query}");
        }
    }
}

#[test]
fn what_does_not_fit_is_said_and_a_stop_is_heard() {
    let coded = Coded::new(rows(0, 50, 8, 1));
    let queries = rows(0, 1, 9, 1);
    let mut ask = Ask { queries: &queries, measure: Measure::Cosine, top: 3, mask: None };
    let message = search(&[coded.block()], &ask, &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(message.contains("9 numbers") && message.contains("rows of 8"), "{message}");
    let queries = rows(0, 1, 8, 1);
    ask.queries = &queries;
    assert!(matches!(search(&[coded.block()], &ask, &AtomicBool::new(true)), Err(Error::Cancelled)));
    assert!(search(&[], &ask, &AtomicBool::new(false)).unwrap()[0].hits.is_empty());
}
