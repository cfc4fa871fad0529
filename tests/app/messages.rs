//! What the window says of its own accord: errors, skipped files, ends of jobs.

use super::*;

#[test]
fn an_error_is_shown_until_it_is_dismissed() {
    let mut window = Window::full();
    window.tell([Event::Failed { what: "Open model".into(), message: "/x: not a model. Choose another.".into() }]);
    assert!(window.has("Open model failed"));
    assert!(window.has("/x: not a model. Choose another."));
    assert!(window.has("Copy details"));
    window.click("Dismiss Open model");
    assert!(!window.has("Open model failed"));
}

#[test]
fn all_errors_stand_in_one_place() {
    let mut window = Window::full();
    let failed =
        |n: usize| Event::Failed { what: format!("Open {n}"), message: format!("/{n}: gone. Look elsewhere.") };
    window.tell((0..5).map(failed));
    assert!(!window.has("Open 0 failed"), "the newest cards stand at the top, the others wait");
    window.click("Show all errors and notes");
    assert!(window.has("Open 0 failed") && window.has("/0: gone. Look elsewhere.") && window.has("Copy all"));
    window.click("Dismiss all");
    assert!(window.has("Nothing went wrong"));
    window.key(Modifiers::NONE, Key::Escape);
    assert!(!window.has("Nothing went wrong"));
}

#[test]
fn skipped_files_are_listed_with_their_reasons() {
    let mut window = Window::full();
    let broken = Broken { path: "/crops/a.jpg".into(), reason: "not an image".into() };
    window.tell([Event::QueriesSkipped(vec![broken])]);
    assert!(window.has_part("1 file could not be used as a query"));
    assert!(window.has("/crops/a.jpg: not an image"));
}

#[test]
fn what_finished_is_said_once_and_goes() {
    let mut window = Window::full();
    window.tell(fake::answer(&Command::Train { config: Box::default(), run: "runs/x".into(), resume: false }));
    window.harness.state_mut().state.jobs[0].began = std::time::Instant::now() - std::time::Duration::from_secs(3);
    window.tell([Event::JobEnded { job: fake::RUN, end: rain::engine::event::JobEnd::Done }]);
    assert!(window.has_part(": done"));
    for _ in 0..40 {
        window.harness.run_steps(10);
    }
    assert!(!window.has_part(": done"));
    window.key(Modifiers::COMMAND, Key::J);
    assert!(window.has("Done after 3 s"));
}
