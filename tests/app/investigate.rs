//! Matches, comparison, ways in, and the list of all queries, as a user meets them.

use std::path::PathBuf;
use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Event as Input, Key, Modifiers, PointerButton, Pos2, pos2};
use egui_kittest::kittest::{NodeT, Queryable};
use rain::app::state::{ALL, Sort};
use rain::engine::command::{Command, Measure, QueryId};
use rain::engine::event::{Event, Source};

use super::{Hands, Window, fake};

const NONE: Modifiers = Modifiers::NONE;

fn refines(sent: &[Command]) -> Vec<Arc<rain::engine::refine::Refine>> {
    let of = |c: &Command| if let Command::Search { refine, .. } = c { Some(refine.clone()) } else { None };
    sent.iter().filter_map(of).collect()
}

impl Window {
    fn cards(&self) -> usize {
        let card = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().is_some_and(|l| l.contains("distance "));
        self.harness.query_all_by_label_contains("Rank ").filter(card).count()
    }

    fn press(&mut self, at: Pos2, pressed: bool) {
        self.harness.input_mut().events.push(Input::PointerMoved(at));
        let button = PointerButton::Primary;
        self.harness.input_mut().events.push(Input::PointerButton { pos: at, button, pressed, modifiers: NONE });
        self.harness.run_steps(2);
    }

    fn drag(&mut self, from: Pos2, to: Pos2) {
        self.press(from, true);
        for step in 1..=4 {
            let at = from + (to - from) * (step as f32 / 4.0);
            self.harness.input_mut().events.push(Input::PointerMoved(at));
            self.harness.run_steps(2);
        }
        self.press(to, false);
        self.settle();
    }
}

#[test]
fn ground_truth_is_off_until_it_is_asked_for() {
    assert!(!rain::app::state::Settings::default().ground_truth);
}

#[test]
fn a_filter_is_set_in_the_sheet_shown_as_a_chip_and_taken_away() {
    let mut window = Window::full();
    window.take();
    window.click("Filters");
    window.click("Camera 2 (12)");
    let sent = window.take();
    assert!(refines(&sent).iter().all(|r| r.filter.cameras == [2]) && !sent.is_empty(), "{sent:?}");
    window.fill_field("Largest cosine distance", "0,4");
    window.fill_field("Height from, pixels", "many");
    assert!(window.has_part("A whole number of pixels"));
    window.fill_field("Height from, pixels", "50");
    window.fill_field("Time from", "2024-01-31 14:05");
    window.key(NONE, Key::Escape);
    for chip in ["Camera 2", "Distance up to 0.4", "Height from 50 px", "Time from 2024-01-31 14:05:00"] {
        assert!(window.has(&format!("Remove filter {chip}")), "{chip}");
    }
    assert!(window.has_part("12 of 60 gallery images pass the filters") || window.has_part("pass the filters"));
    window.take();
    window.click("Remove filter Camera 2");
    assert!(refines(&window.take()).iter().all(|r| r.filter.cameras.is_empty() && r.filter.distance == Some(0.4)));
    window.click("Clear filters");
    assert!(refines(&window.take()).iter().all(|r| r.filter.is_open()));
    assert!(!window.has_part("Remove filter"));
}

#[test]
fn cards_can_be_sorted_and_grouped_with_scores_of_image_and_identity() {
    let mut window = Window::full();
    window.click("Order of the cards");
    window.click("File name");
    assert_eq!(window.harness.state().state.settings.sort, Sort::Name);
    window.key(NONE, Key::Home);
    let first = window.harness.state().state.chosen().map(|(_, e)| e.path.clone());
    let all = &window.harness.state().state;
    let least = all.candidates().iter().filter_map(|c| all.entry(c)).map(|e| e.path.clone()).min();
    assert_eq!(first, least);
    window.click("Group by identity");
    assert!(window.has_part("best cosine distance 0.171"), "the group of the best candidate");
    assert!(window.has_part("mean"));
}

#[test]
fn re_ranking_is_a_switch_and_a_chip() {
    let mut window = Window::full();
    window.take();
    window.click("Re-rank");
    assert!(refines(&window.take()).iter().all(|r| r.rerank));
    assert!(window.has_part("re-ranked"));
    window.click("Stop re-ranking");
    assert!(refines(&window.take()).iter().all(|r| !r.rerank));
}

#[test]
fn a_match_takes_part_in_the_search_by_a_key_and_is_shown_as_such() {
    let mut window = Window::full();
    window.key(NONE, Key::ArrowRight);
    window.take();
    window.key(NONE, Key::M);
    let entry = window.harness.state().state.chosen().map(|(c, _)| c.entry);
    let sent = window.take();
    assert!(
        matches!(sent.first(), Some(Command::Search { query: QueryId(0), refine, .. }) if refine.confirmed.len() == 1)
    );
    assert!(entry.is_some() && window.has_part("and 1 confirmed match"));
    assert!(window.has_part("searched with too"));
    window.harness.get_by_label_contains("Search without 0").click();
    window.settle();
    assert!(!window.has_part("and 1 confirmed match"));
}

#[test]
fn any_number_of_candidates_can_be_listed() {
    let mut window = Window::full();
    window.take();
    window.click("Number of candidates");
    window.click("All 60");
    assert!(window.take().iter().any(|c| matches!(c, Command::Search { top: ALL, query: QueryId(0), .. })));
    window.key(NONE, Key::End);
    assert!(window.has_part("Rank 60, "), "the last card is brought into view");
    let last = window.harness.state().state.candidate;
    window.key(NONE, Key::PageUp);
    let back = last - window.harness.state().state.candidate;
    assert!((2..59).contains(&back), "{back}");
}

#[test]
fn of_a_hundred_thousand_cards_only_those_in_view_exist() {
    let mut window = Window::full();
    window.tell([fake::large_gallery(100_000)]);
    window.click("Number of candidates");
    window.click("All 100,000");
    window.tell([fake::whole_ranking(0, 100_000, Measure::Cosine)]);
    let shown = window.cards();
    assert!((4..150).contains(&shown), "{shown}");
    window.key(NONE, Key::End);
    assert!(window.has_part("Rank 100000, "));
    assert!((2..150).contains(&window.cards()));
    window.take();
    window.click("Group by identity");
    window.key(NONE, Key::Home);
    assert!(window.has_part("100 images listed"));
}

#[test]
fn thumbnails_say_what_memory_they_take() {
    let window = Window::full();
    assert!(window.has_part("Thumbnails ") && window.has_part(" MiB"));
}

#[test]
fn the_pair_is_seen_in_three_ways_by_key_and_button() {
    let mut window = Window::full();
    assert!(window.has_part("Candidate, rank 1"));
    window.key(NONE, Key::V);
    assert!(window.has("Query and candidate"));
    window.click("Reconstruction and candidate");
    assert!(window.has_part("Reconstruction, not evidence"));
    window.key(NONE, Key::V);
    assert!(window.has("Divider between the pictures"));
    window.harness.get_by_label("Divider between the pictures").focus();
    window.settle();
    window.key(NONE, Key::ArrowRight);
    assert_eq!(window.harness.state().state.candidate, 0, "the divider has the arrows");
    window.click("Side by side");
    assert!(!window.has("Divider between the pictures"));
}

#[test]
fn zoom_and_tone_stay_when_the_next_candidate_comes() {
    let mut window = Window::full();
    for _ in 0..3 {
        window.key(NONE, Key::Plus);
    }
    assert!(window.has("2.0×"), "1.25 three times");
    window.key(Modifiers::SHIFT, Key::ArrowRight);
    assert_eq!(window.harness.state().state.candidate, 0, "Shift moves the view, not the selection");
    window.click("Brightness, contrast, gamma");
    assert!(window.has("For the view only"));
    window.harness.get_by_role_and_label(Role::Slider, "Contrast").focus();
    window.settle();
    window.key(NONE, Key::ArrowRight);
    window.key(NONE, Key::Escape);
    assert!(window.has_part("are changed, for the view only"));
    window.key(NONE, Key::ArrowRight);
    assert_eq!(window.harness.state().state.candidate, 1);
    assert!(window.has("2.0×") && window.has_part("are changed, for the view only"));
    window.key(NONE, Key::Num0);
    assert!(!window.has("2.0×") && !window.has_part("are changed, for the view only"));
}

#[test]
fn the_heat_map_is_off_at_first_and_asked_for_once_a_pair() {
    let mut window = Window::full();
    let asked = |w: &Window| w.take().iter().filter(|c| matches!(c, Command::Explain { .. })).count();
    assert_eq!(asked(&window), 0);
    window.key(NONE, Key::H);
    window.settle();
    assert_eq!(asked(&window), 1);
    assert!(window.has_part("add most to the cosine similarity of 0.800"));
    window.key(NONE, Key::ArrowRight);
    window.settle();
    assert_eq!(asked(&window), 1);
    window.key(NONE, Key::H);
    assert!(!window.has_part("add most to the cosine similarity"));
}

#[test]
fn people_are_cut_out_of_a_frame_without_a_mouse() {
    let folder = tempfile::tempdir().unwrap();
    let frame = folder.path().join("frame.png");
    std::fs::write(&frame, "the window does not read it").unwrap();
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::F);
    window.fill_field("Path", &frame.display().to_string());
    window.key(NONE, Key::Enter);
    assert!(window.has("Cut people out of frame.png") && window.has("Frame of 640×360 px"));
    window.take();
    window.key(NONE, Key::N);
    window.key(NONE, Key::ArrowRight);
    window.key(Modifiers::SHIFT, Key::ArrowDown);
    // In a slow frame Shift may be up again when the key is looked at.
    let (key, modifiers) = (Key::ArrowDown, Modifiers::SHIFT);
    window.harness.event(Input::Key { key, physical_key: None, pressed: true, repeat: false, modifiers });
    window.settle();
    window.key(NONE, Key::N);
    assert!(window.has_part("Box 2: "));
    window.key(NONE, Key::Delete);
    assert!(window.has("Add 1 query") && window.has("Frame with 1 boxes"));
    assert_eq!(window.harness.state().state.queries.len(), 12, "Delete took the box, not the query");
    window.key(Modifiers::COMMAND, Key::Enter);
    let sent = window.take();
    let Some(Command::AddCrops { path, boxes }) = sent.iter().find(|c| matches!(c, Command::AddCrops { .. })) else {
        panic!("{sent:?}")
    };
    assert_eq!((path, boxes.as_slice()), (&frame, &[[285, 108, 72, 146]][..]));
    let added = window.harness.state().state.queries.last().cloned().unwrap();
    assert_eq!((added.info.source, added.name()), (Source::Crop([285, 108, 72, 146]), "frame.png at 285, 108".into()));
    assert!(!window.has("Frame of 640×360 px"));
    assert_eq!(window.harness.state().state.selected, Some(added.info.id), "it is looked at");
}

#[test]
fn keys_of_the_pair_do_nothing_where_no_pair_is_seen() {
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::Num3);
    window.take();
    for key in [Key::M, Key::S, Key::H, Key::V] {
        window.key(NONE, key);
    }
    let sent = window.take();
    assert!(
        !sent.iter().any(|c| matches!(c, Command::Search { .. } | Command::Case(_) | Command::Explain { .. })),
        "{sent:?}"
    );
    window.click("Compare");
    assert!(window.harness.get_by_label_contains("Regions that drive the similarity").accesskit_node().is_disabled());
}

#[test]
fn every_number_of_candidates_is_seen_in_its_list() {
    let mut window = Window::full();
    window.tell([fake::large_gallery(2_000)]);
    window.click("Number of candidates");
    let list: Vec<_> =
        ["Top 5", "Top 50", "Top 500", "All 2,000"].map(|name| window.harness.get_by_label(name).rect()).to_vec();
    window.click("All 2,000");
    assert_eq!(window.harness.state().state.settings.top, ALL, "{list:?}");
}

#[test]
fn a_box_is_dragged_and_pulled_with_the_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::full();
    window.key(Modifiers::COMMAND, Key::F);
    let frame = folder.path().join("frame.png");
    std::fs::write(&frame, "x").unwrap();
    window.drop_file(&frame.display().to_string());
    let canvas = window.harness.get_by_label("Frame with 0 boxes").rect();
    // The frame is wider than the canvas is: it fills its width.
    let scale = canvas.width() / 640.0;
    let at = |x: f32, y: f32| pos2(canvas.center().x + (x - 320.0) * scale, canvas.center().y + (y - 180.0) * scale);
    window.drag(at(100.0, 60.0), at(140.0, 160.0));
    let size = |w: &Window| {
        let node = w.harness.get_by_label_contains("Box 1: ");
        node.accesskit_node().label().unwrap_or_default().to_owned()
    };
    assert_eq!(size(&window), "Box 1: 40×100 px");
    window.drag(at(140.0, 160.0), at(150.0, 180.0));
    assert_eq!(size(&window), "Box 1: 50×120 px");
    window.drag(at(120.0, 100.0), at(200.0, 110.0));
    assert_eq!(size(&window), "Box 1: 50×120 px", "it was moved");
    window.take();
    window.click("Add 1 query");
    let sent = window.take();
    let Some(Command::AddCrops { boxes, .. }) = sent.first() else { panic!("{sent:?}") };
    let close = |a: u32, b: u32| a.abs_diff(b) <= 1;
    assert!(close(boxes[0][0], 180) && close(boxes[0][1], 70), "{boxes:?}");
}

#[test]
fn all_queries_are_searched_and_listed_with_their_best_candidate() {
    let mut window = Window::full();
    window.take();
    window.key(Modifiers::COMMAND, Key::B);
    assert!(window.has("Best candidates of all queries") && window.has("12 of 12 queries ranked"));
    assert!(window.has("0003_c6_lr.png: cosine distance 0.171"));
    window.click("Search all queries");
    assert!(window.take().iter().any(|c| matches!(c, Command::SearchAll { queries, .. } if queries.len() == 12)));
    window.click("By lead");
    window.click("0005_c6_lr.png: cosine distance 0.171");
    assert_eq!(window.harness.state().state.selected, Some(QueryId(5)));
    assert!(!window.has("Best candidates of all queries"), "the query is looked at");
}

#[test]
fn images_and_files_are_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::full();
    window.take();
    let image = egui::ColorImage::from_rgb([8, 16], &[90; 8 * 16 * 3]);
    window.harness.event(Input::PasteImage(Arc::new(image)));
    window.settle();
    assert_eq!(window.harness.state().state.queries.last().map(|q| q.name()), Some("Pasted image 1".into()));
    let path = folder.path().display().to_string();
    window.harness.event(Input::Paste(format!("file://{path}\n")));
    window.settle();
    let expected = [PathBuf::from(&path)];
    assert!(window.take().iter().any(|c| matches!(c, Command::AddQueries { paths } if *paths == expected)));
    window.harness.event(Input::Paste("not a file".into()));
    window.settle();
    assert!(window.has_part("text that names no file"));
}

#[test]
fn many_files_and_folders_can_be_dropped_at_once() {
    let mut window = Window::full();
    window.take();
    for name in ["/new/0001.png", "/new/0002.png", "/new/folder"] {
        window.harness.input_mut().dropped_files.push(Arc::new(super::window::Dropped(name.into())));
    }
    window.settle();
    assert!(window.take().iter().any(|c| matches!(c, Command::AddQueries { paths } if paths.len() == 3)));
}

#[test]
fn whatever_a_file_is_called_the_layout_holds() {
    let names = [
        "<img src=x onerror=alert(1)> & \"quotes\" 'and' `more`.png".to_owned(),
        "תמונה של אדם صورة شخص.png".to_owned(),
        "👮🏽‍♀️🕵️ photo 📷.png".to_owned(),
        "report\u{202e}gpj.exe".to_owned(),
        "two\nlines\tand a tab.png".to_owned(),
        "x".repeat(4000) + ".png",
        " ".to_owned(),
    ];
    for (width, height, zoom) in [(1280.0, 720.0, 1.0), (1440.0, 900.0, 2.0)] {
        let mut window = Window::of_size(width, height, zoom);
        let Event::GalleryOpened(mut gallery) = fake::gallery() else { unreachable!() };
        let mut entries = gallery.entries.to_vec();
        for (i, entry) in entries.iter_mut().enumerate() {
            entry.path = format!("/gallery/{}", names[i % names.len()]).into();
        }
        gallery.entries = Arc::new(entries);
        let queries = names.iter().enumerate().map(|(i, name)| {
            let Event::QueryAdded(mut info) = fake::query(i as u64) else { unreachable!() };
            info.path = format!("/crops/{name}").into();
            Event::QueryAdded(info)
        });
        window.tell([fake::model(), Event::GalleryOpened(gallery)].into_iter().chain(queries));
        let screen = window.harness.ctx.content_rect();
        for (i, name) in names.iter().enumerate() {
            assert!(i == 0 || window.harness.state().state.selected == Some(QueryId(i as u64)), "{name}");
            window.key(NONE, Key::M);
            window.key(NONE, Key::E);
            let close = window.harness.get_by_label("Close comparison").rect();
            assert!(screen.contains_rect(close), "{close:?} leaves {screen:?} for {name:.60}");
            window.key(NONE, Key::Escape);
            for label in ["Keys (F1 or ?)", "Add queries…", "Search all queries"].iter().take(2) {
                let rect = window.harness.get_by_label(label).rect();
                assert!(zoom > 1.5 || screen.contains_rect(rect), "{label} at {rect:?} for {name:.60}");
            }
            window.key(Modifiers::COMMAND, Key::B);
            let rect = window.harness.get_by_label("Close the list").rect();
            assert!(screen.contains_rect(rect), "{rect:?} for {name:.60}");
            window.key(NONE, Key::Escape);
            window.key(NONE, Key::ArrowDown);
        }
        assert!(window.has_part("report<U+202E>gpj.exe"), "a turned name is seen to be turned");
        assert_eq!(window.harness.unnamed_widgets(), Vec::<String>::new());
    }
}

#[test]
fn cards_are_reached_and_pressed_without_a_mouse() {
    let mut window = Window::full();
    window.harness.get_by_label_contains("Rank 3, ").focus();
    window.settle();
    window.key(NONE, Key::Enter);
    assert_eq!(window.harness.state().state.candidate, 2);
    window.key(NONE, Key::ArrowRight);
    assert_eq!(window.harness.state().state.candidate, 3);
    assert!(window.harness.get_by_label_contains("Rank 4, ").is_focused(), "the focus goes along");
}
