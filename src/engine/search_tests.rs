use super::*;
use crate::data::dataset::Broken;
use crate::engine::event::{GalleryEntry, GalleryInfo, QueryInfo};
use crate::engine::refine::Only;
use crate::gallery::filter::Filter;
use std::path::PathBuf;

/// A desk whose gallery has the embeddings `rows`, one camera for every second image, and one query.
fn desk(columns: usize, rows: &[f32], query: &[f32]) -> (Desk, QueryId) {
    let matrix = Matrix::new(columns, rows.to_vec());
    let entry = |i: usize| GalleryEntry {
        path: PathBuf::from(format!("{i}.png")),
        identity: (i % 3) as i64,
        camera: (i % 2) as i64,
        ..GalleryEntry::default()
    };
    let info = GalleryInfo {
        path: "g".into(),
        entries: Arc::new((0..matrix.rows()).map(entry).collect()),
        broken: Arc::new(Vec::<Broken>::new()),
    };
    let mut desk = Desk::default();
    desk.gallery = Some(Gallery::of(info, &matrix));
    let id = QueryId(1);
    desk.put(QueryInfo { id, identity: 1, ..QueryInfo::default() }, query.to_vec());
    (desk, id)
}

fn entries(result: &SearchResult) -> Vec<usize> {
    result.candidates.iter().map(|c| c.entry).collect()
}

/// Points on a quarter of a circle, in order of their angle from the query.
fn fan(count: usize) -> Vec<f32> {
    (0..count).flat_map(|i| [(i as f32 * 0.1).cos(), (i as f32 * 0.1).sin()]).collect()
}

#[test]
fn top_k_is_of_what_the_filter_leaves() {
    let (desk, id) = desk(2, &fan(12), &[2.0, 0.0]);
    let refine = Arc::new(Refine { filter: Filter { cameras: vec![1], ..Filter::default() }, ..Refine::default() });
    let result = desk.search_refined(id, 3, Measure::Cosine, &refine).unwrap();
    assert_eq!(entries(&result), [1, 3, 5]);
    assert_eq!((result.admitted, result.gallery_size, result.first_same), (6, 12, Some(1)));
    assert_eq!(result.candidates[2].rank, 3);
}

#[test]
fn a_condition_of_somebody_else_is_asked_inside_the_search() {
    let (desk, id) = desk(2, &fan(12), &[2.0, 0.0]);
    let only = Only::new("Late ones", |query, entry| query == QueryId(1) && entry.path.as_os_str().len() > 5);
    let refine = Arc::new(Refine { only: vec![only.clone()], ..Refine::default() });
    let result = desk.search_refined(id, 5, Measure::Euclidean, &refine).unwrap();
    assert_eq!(entries(&result), [10, 11]);
    assert_eq!(only, only.clone());
    assert_ne!(only, Only::new("Late ones", |_, _| true));
}

#[test]
fn a_search_from_the_mean_of_query_and_confirmed_lies_between_them() {
    let (desk, id) = desk(2, &fan(12), &[2.0, 0.0]);
    for measure in [Measure::Cosine, Measure::Euclidean] {
        let refine = Arc::new(Refine { confirmed: vec![8], ..Refine::default() });
        // Halfway between angle 0 and 0.8 lies the image at 0.4; a length of 2 does not weigh more than one of 1.
        assert_eq!(entries(&desk.search_refined(id, 1, measure, &refine).unwrap()), [4], "{measure:?}");
    }
    let gone = Arc::new(Refine { confirmed: vec![99], ..Refine::default() });
    assert_eq!(entries(&desk.search_refined(id, 1, Measure::Cosine, &gone).unwrap()), [0]);
}

#[test]
fn ranking_again_agrees_with_the_evaluation_and_keeps_every_candidate() {
    let rows: Vec<f32> = (0..200).map(|i| ((i * 37 % 101) as f32).sin()).collect();
    let (desk, id) = desk(4, &rows, &[0.3, 0.1, -0.2, 0.5]);
    let plain = desk.search(id, 50, Measure::Cosine).unwrap();
    let refine = Arc::new(Refine { rerank: true, ..Refine::default() });
    let again = desk.search_refined(id, 50, Measure::Cosine, &refine).unwrap();
    let query = Matrix::new(4, vec![0.3, 0.1, -0.2, 0.5]);
    let gallery = Matrix::new(4, rows).select(&entries(&plain));
    let mut expected = vec![0.0; 50];
    Reranked::new(&query, &gallery, Measure::Cosine, Settings::default()).unwrap().fill(0..1, &mut expected);
    for (candidate, distance) in again.candidates.iter().zip(&again.reranked) {
        let at = plain.candidates.iter().position(|c| c.entry == candidate.entry).unwrap();
        assert_eq!((candidate.distance, *distance), (plain.candidates[at].distance, expected[at]));
    }
    assert!(again.reranked.is_sorted() && again.reranked.len() == 50);
    assert_ne!(entries(&plain), entries(&again), "this example changes order");
}

#[test]
fn an_empty_gallery_has_no_candidates() {
    let (desk, id) = desk(2, &[], &[1.0, 0.0]);
    let refine = Arc::new(Refine { rerank: true, confirmed: vec![0], ..Refine::default() });
    let result = desk.search_refined(id, 5, Measure::Cosine, &refine).unwrap();
    assert!(result.candidates.is_empty() && result.first_same.is_none());
}
