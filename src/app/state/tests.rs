use std::sync::Arc;

use super::*;
use crate::engine::command::{JobId, Measure};
use crate::engine::event::{JobEnd, QueryInfo, SearchResult, Source};
use crate::model::config::ModelConfig;
use crate::train::config::RunConfig;

fn model(decoder: bool) -> Event {
    let config = ModelConfig::default();
    Event::ModelOpened(ModelInfo { path: "m.safetensors".into(), config, hash: String::new(), decoder })
}

fn gallery(images: usize) -> Event {
    let entry = |i| GalleryEntry { path: format!("{i}.png").into(), identity: 1, camera: 1, ..GalleryEntry::default() };
    Event::GalleryOpened(GalleryInfo {
        path: "g".into(),
        entries: Arc::new((0..images).map(entry).collect()),
        broken: Arc::default(),
    })
}

fn query(id: u64) -> Event {
    Event::QueryAdded(QueryInfo {
        id: QueryId(id),
        path: format!("{id}.png").into(),
        identity: 1,
        camera: 2,
        image: Arc::new(RgbImage::new(4, 8)),
        ..QueryInfo::default()
    })
}

fn found(id: u64, measure: Measure, count: usize) -> Event {
    let candidate = |i| Candidate { rank: i + 1, entry: i, distance: i as f32, same: None };
    Event::Searched(SearchResult {
        query: QueryId(id),
        measure,
        candidates: (0..count).map(candidate).collect(),
        first_same: None,
        gallery_size: 100,
        admitted: 100,
        ..SearchResult::default()
    })
}

fn searches(commands: &[Command]) -> Vec<u64> {
    commands.iter().filter_map(|c| if let Command::Search { query, .. } = c { Some(query.0) } else { None }).collect()
}

#[test]
fn background_searches_are_paced_and_all_come_in_the_end() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    for i in 0..50 {
        state.apply(query(i), &mut sent);
    }
    assert!(searches(&sent).is_empty(), "nothing to search in yet");
    state.apply(model(false), &mut sent);
    state.apply(gallery(100), &mut sent);
    assert_eq!(searches(&sent).len(), BACKGROUND_SEARCHES);
    let mut answered = 0;
    while answered < searches(&sent).len() {
        let id = searches(&sent)[answered];
        state.apply(found(id, Measure::Cosine, 10), &mut sent);
        answered += 1;
        assert!(state.searching.len() <= BACKGROUND_SEARCHES);
    }
    let mut all = searches(&sent);
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_selected_query_does_not_wait_behind_the_others() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    for i in 0..50 {
        state.apply(query(i), &mut sent);
    }
    sent.clear();
    state.act(Action::SelectQuery(QueryId(40)), &mut sent);
    assert_eq!(searches(&sent), [40]);
}

#[test]
fn a_ranking_by_the_old_measure_is_not_shown() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    state.act(Action::SetMeasure(Measure::Euclidean), &mut sent);
    state.apply(found(1, Measure::Cosine, 10), &mut sent);
    assert!(state.candidates().is_empty());
    state.apply(found(1, Measure::Euclidean, 10), &mut sent);
    assert_eq!(state.candidates().len(), 10);
}

#[test]
fn a_shorter_list_needs_no_new_search_and_keeps_the_choice_in_range() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    state.apply(found(1, Measure::Cosine, 10), &mut sent);
    state.act(Action::MoveCandidate(Move::Last), &mut sent);
    assert_eq!(state.candidate, 9);
    sent.clear();
    state.act(Action::SetTop(5), &mut sent);
    assert!(searches(&sent).is_empty());
    assert_eq!((state.candidate, state.candidates().len()), (4, 5));
    state.act(Action::SetTop(50), &mut sent);
    assert_eq!(searches(&sent), [1]);
}

#[test]
fn another_model_forgets_rankings_and_reconstructions() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(model(true), &mut sent);
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    state.apply(found(1, Measure::Cosine, 10), &mut sent);
    let image = Arc::new(RgbImage::new(4, 8));
    state.apply(Event::Reconstructed { query: QueryId(1), image }, &mut sent);
    sent.clear();
    state.apply(model(true), &mut sent);
    assert!(state.candidates().is_empty() && state.queries[0].reconstruction.is_none());
    assert!(matches!(sent.as_slice(), [Command::Reconstruct { .. }]));
}

#[test]
fn removing_selects_the_neighbour_and_undo_restores_the_place() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    for i in 0..3 {
        state.apply(query(i), &mut sent);
    }
    state.act(Action::SelectQuery(QueryId(1)), &mut sent);
    state.act(Action::RemoveQuery(QueryId(1)), &mut sent);
    assert_eq!(state.selected, Some(QueryId(2)));
    state.act(Action::UndoRemove, &mut sent);
    assert!(matches!(sent.last(), Some(Command::AddQueries { paths }) if paths == &[PathBuf::from("1.png")]));
    let Event::QueryAdded(mut back) = query(9) else { unreachable!() };
    back.path = "1.png".into();
    state.apply(Event::QueryAdded(back), &mut sent);
    let order: Vec<u64> = state.queries.iter().map(|q| q.info.id.0).collect();
    assert_eq!(order, [0, 9, 2]);
    assert_eq!(state.selected, Some(QueryId(9)));
}

#[test]
fn a_failure_makes_one_card_and_no_storm() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    sent.clear();
    for _ in 0..3 {
        let failed = Event::Failed { what: "Search".into(), message: "no model".into() };
        state.apply(failed, &mut sent);
    }
    assert_eq!((state.notices.len(), sent.len()), (1, 0));
    // Looking at the query again asks again.
    state.act(Action::SelectQuery(QueryId(1)), &mut sent);
    assert_eq!(searches(&sent), [1]);
}

#[test]
fn a_run_goes_through_its_phases() {
    use crate::train::event::{StepRecord, TrainEvent};
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    let job = JobId(3);
    let config = Box::new(RunConfig::default());
    state.act(Action::Train { config, run: "runs/1".into(), resume: false }, &mut sent);
    assert_eq!(state.run.phase, Phase::Starting);
    state.apply(Event::JobStarted { job, kind: JobKind::Train, title: "Train".into() }, &mut sent);
    let step = StepRecord { step: 1, ..StepRecord::default() };
    state.apply(Event::Training { job, event: TrainEvent::Step(step) }, &mut sent);
    assert_eq!(state.run.phase, Phase::Training);
    state.act(Action::Cancel(job), &mut sent);
    assert_eq!(state.run.phase, Phase::Stopping);
    // A step that was under way does not bring the run back to life.
    let step = StepRecord { step: 2, ..StepRecord::default() };
    state.apply(Event::Training { job, event: TrainEvent::Step(step) }, &mut sent);
    assert_eq!(state.run.phase, Phase::Stopping);
    state.apply(Event::Training { job, event: TrainEvent::Stopped { step: 2 } }, &mut sent);
    state.apply(Event::JobEnded { job, end: JobEnd::Done }, &mut sent);
    assert_eq!((state.run.phase, state.run.folder.as_path()), (Phase::Stopped, Path::new("runs/1")));
}

#[test]
fn a_run_that_is_refused_leaves_the_form() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    let config = Box::new(RunConfig::default());
    state.act(Action::Train { config, run: "runs/1".into(), resume: false }, &mut sent);
    let failed = Event::Failed { what: "Train".into(), message: "busy".into() };
    state.apply(failed, &mut sent);
    assert!(!state.run.exists());
}

#[test]
fn the_others_are_asked_for_a_short_ranking_and_the_selected_one_for_all() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.settings.top = ALL;
    state.apply(gallery(100), &mut sent);
    for i in 0..3 {
        state.apply(query(i), &mut sent);
    }
    let tops: Vec<usize> =
        sent.iter().filter_map(|c| if let Command::Search { top, .. } = c { Some(*top) } else { None }).collect();
    assert_eq!(tops, [ALL, BACKGROUND_TOP, BACKGROUND_TOP]);
    // A whole ranking is not kept of a query that is left.
    state.apply(found(0, Measure::Cosine, 100), &mut sent);
    sent.clear();
    state.act(Action::SelectQuery(QueryId(1)), &mut sent);
    assert_eq!(state.queries[0].result.as_ref().map(|r| r.candidates.len()), Some(BACKGROUND_TOP));
    assert_eq!(searches(&sent), [1]);
}

#[test]
fn a_filter_asks_again_and_an_answer_to_the_old_question_is_not_taken() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    state.apply(found(1, Measure::Cosine, 10), &mut sent);
    sent.clear();
    let filter = crate::gallery::filter::Filter { cameras: vec![1, 2], distance: Some(0.5), ..Default::default() };
    state.act(Action::Refine(Refinement::Filter(filter)), &mut sent);
    let Some(Command::Search { refine, .. }) = sent.first() else { panic!("{sent:?}") };
    assert_eq!(refine.filter.cameras, [1, 2]);
    let refine = refine.clone();
    assert!(!state.is_current(&state.queries[0]), "what is shown was found without the filter");
    state.apply(found(1, Measure::Cosine, 9), &mut sent);
    assert_eq!(state.candidates().len(), 10, "an answer to the old question");
    let Event::Searched(result) = found(1, Measure::Cosine, 3) else { unreachable!() };
    state.apply(Event::Searched(SearchResult { refine, ..result }), &mut sent);
    assert_eq!((state.candidates().len(), state.is_current(&state.queries[0])), (3, true));

    let words: Vec<String> = state.chips().into_iter().map(|(_, words)| words).collect();
    assert_eq!(words, ["Cameras 1, 2", "Distance up to 0.5"]);
    state.act(Action::Refine(Refinement::Remove(Chip::Cameras)), &mut sent);
    assert_eq!(state.chips().len(), 1);
    state.act(Action::Refine(Refinement::Clear), &mut sent);
    assert!(state.chips().is_empty());
}

#[test]
fn a_confirmed_match_takes_part_in_its_query_alone_and_can_be_taken_away() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    state.apply(query(2), &mut sent);
    for id in [1, 2] {
        state.apply(found(id, Measure::Cosine, 10), &mut sent);
    }
    sent.clear();
    state.act(Action::Refine(Refinement::Confirm { entry: 7, on: true }), &mut sent);
    assert!(matches!(sent.as_slice(), [Command::Search { query: QueryId(1), refine, .. }] if refine.confirmed == [7]));
    assert_eq!(state.chips(), [(Chip::Confirmed(7), "Query and 7.png".to_owned())]);
    assert!(state.is_current(&state.queries[1]));
    state.act(Action::Refine(Refinement::Remove(Chip::Confirmed(7))), &mut sent);
    assert!(state.chips().is_empty() && state.is_current(&state.queries[0]));
}

#[test]
fn the_arrows_follow_the_order_on_the_screen() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    state.apply(found(1, Measure::Cosine, 10), &mut sent);
    state.act(Action::SetSort(Sort::Name), &mut sent);
    state.act(Action::MoveCandidate(Move::Last), &mut sent);
    assert_eq!(state.chosen().map(|(c, _)| c.entry), Some(9));
    state.act(Action::MoveCandidate(Move::Back(3)), &mut sent);
    assert_eq!(state.chosen().map(|(c, _)| c.entry), Some(6));
    state.act(Action::MoveCandidate(Move::On(50)), &mut sent);
    assert_eq!(state.candidate, 9);
}

#[test]
fn the_first_of_what_was_cut_out_is_looked_at() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(query(1), &mut sent);
    state.act(Action::AddCrops { path: "4.png".into(), boxes: vec![[1, 2, 4, 8], [9, 9, 4, 8]] }, &mut sent);
    state.apply(query(3), &mut sent);
    assert_eq!(state.selected, Some(QueryId(1)), "another query that comes meanwhile is not it");
    for id in [4, 5] {
        let Event::QueryAdded(mut cut) = query(id) else { unreachable!() };
        (cut.path, cut.source) = ("4.png".into(), Source::Crop([id as u32, 2, 4, 8]));
        state.apply(Event::QueryAdded(cut), &mut sent);
    }
    assert_eq!(state.selected, Some(QueryId(4)));
}

#[test]
fn an_estimate_that_is_hardly_less_than_the_size_is_not_told() {
    let Event::QueryAdded(mut info) = query(1) else { unreachable!() };
    info.image = Arc::new(RgbImage::new(26, 65));
    for (effective, told) in [([25, 63], false), ([26, 65], false), ([22, 55], true), ([13, 65], true)] {
        info.effective = Some(effective);
        assert_eq!(info.looks_like().is_some(), told, "{effective:?}");
    }
}

#[test]
fn what_was_pasted_or_cut_out_comes_back_from_memory() {
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    let Event::QueryAdded(mut cut) = query(4) else { unreachable!() };
    cut.source = Source::Crop([1, 2, 4, 8]);
    state.apply(Event::QueryAdded(cut.clone()), &mut sent);
    assert_eq!(state.queries[0].name(), "4.png at 1, 2");
    state.act(Action::RemoveQuery(QueryId(4)), &mut sent);
    sent.clear();
    state.act(Action::UndoRemove, &mut sent);
    let Some(Command::AddStills { stills }) = sent.first() else { panic!("{sent:?}") };
    assert_eq!((stills[0].source, stills[0].image.dimensions()), (cut.source, (4, 8)));
    let Action::AddStills(stills) = state.paste(Arc::new(RgbImage::new(5, 5))) else { panic!("a still") };
    assert_eq!((stills[0].path.as_path(), stills[0].source), (Path::new("Pasted image 1"), Source::Memory));
    // Another day, in a case that holds some already: no two have one name.
    let mut state = ViewState::default();
    let Event::QueryAdded(mut pasted) = query(7) else { unreachable!() };
    (pasted.path, pasted.source) = ("Pasted image 3".into(), Source::Memory);
    state.apply(Event::QueryAdded(pasted), &mut sent);
    let Action::AddStills(stills) = state.paste(Arc::new(RgbImage::new(5, 5))) else { panic!("a still") };
    assert_eq!(stills[0].path.as_path(), Path::new("Pasted image 4"));
}

#[test]
fn a_pair_is_explained_once_and_only_while_it_is_looked_at() {
    use crate::gallery::regions::Regions;
    let (mut state, mut sent) = (ViewState::default(), Vec::new());
    state.apply(gallery(100), &mut sent);
    state.apply(query(1), &mut sent);
    state.apply(found(1, Measure::Cosine, 10), &mut sent);
    sent.clear();
    for _ in 0..3 {
        state.act(Action::Explain, &mut sent);
    }
    assert!(matches!(sent.as_slice(), [Command::Explain { query: QueryId(1), entry: 0 }]), "{sent:?}");
    let regions = Regions { rows: 1, columns: 1, first: vec![0.5], second: vec![0.5], similarity: 0.5 };
    state.apply(Event::Explained { query: QueryId(1), entry: 0, regions: Arc::new(regions) }, &mut sent);
    assert!(state.regions().is_some());
    state.act(Action::MoveCandidate(Move::Next), &mut sent);
    assert!(state.regions().is_none());
}
