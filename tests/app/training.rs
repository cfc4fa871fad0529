//! Training from its panel: the form, a run under way, the finished run.

use super::*;

#[test]
fn training_starts_with_what_was_typed_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::full();
    window.take();
    window.click("Start training");
    assert!(window.has_part("Name the folder with the training images"));
    assert!(window.take().is_empty(), "a refused form must start nothing");

    window.fill_field("Data folder", &folder.path().display().to_string());
    window.fill_field("Run folder", &folder.path().join("run").display().to_string());
    window.fill_field("Epochs", "many");
    window.click("Start training");
    assert!(window.has_part("A number above 0"));
    window.fill_field("Epochs", "12");
    window.fill_field("Learning rate", "0.002");
    window.fill_field("Persons in a batch (P)", "6");
    window.click("Start training");
    let sent = window.take();
    let started = sent.iter().find(|c| matches!(c, Command::Train { .. }));
    let Some(Command::Train { config, run, resume: false }) = started else { panic!("{sent:?}") };
    assert_eq!((config.schedule.epochs, config.optim.lr, config.data.identities), (12.0, 0.002, 6));
    assert_eq!((config.data.root.as_path(), run.as_path()), (folder.path(), folder.path().join("run").as_path()));

    assert!(window.has_part("step 3 of 3,000"));
    assert!(window.has_part("Reconstruction: HR + LR"));
    window.click("Stop");
    assert!(window.take().iter().any(|c| matches!(c, Command::Cancel { job } if *job == fake::RUN)));
    assert!(window.has("Stopped"));
    window.click("Resume");
    let sent = window.take();
    assert!(sent.iter().any(|c| matches!(c, Command::Train { resume: true, .. })), "{sent:?}");
}

#[test]
fn a_run_starts_by_keyboard_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::full();
    window.take();
    window.key(Modifiers::COMMAND, Key::T);
    assert!(window.field("Data folder").is_focused());
    let typed = folder.path().display().to_string();
    window.field("Data folder").type_text(&typed);
    window.settle();
    for _ in 0..4 {
        window.key(Modifiers::NONE, Key::Tab);
    }
    assert!(window.field("Run folder").is_focused());
    window.fill_field("Run folder", &folder.path().join("run").display().to_string());
    window.key(Modifiers::NONE, Key::Enter);
    let sent = window.take();
    assert!(sent.iter().any(|c| matches!(c, Command::Train { resume: false, .. })), "{sent:?}");
}

#[test]
fn searching_goes_on_while_a_run_trains() {
    let mut window = Window::full();
    let run = Command::Train { config: Box::default(), run: "runs/x".into(), resume: false };
    window.tell(fake::answer(&run));
    window.take();
    window.tell(fake::steps(4..400));
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert!(window.has_part("Matches for 0001"));
    assert!(window.take().iter().any(|c| matches!(c, Command::Reconstruct { query: QueryId(1) })));
    assert!(window.has_part("step 399 of 3,000"));
}

#[test]
fn a_finished_run_offers_its_model() {
    let mut window = Window::full();
    window.tell(fake::answer(&Command::Train { config: Box::default(), run: "runs/x".into(), resume: false }));
    let event = rain::train::event::TrainEvent::Finished { model: "runs/x/model.safetensors".into() };
    window.tell([Event::Training { job: fake::RUN, event }]);
    window.take();
    window.click("Use this run's model");
    assert!(
        window.take().iter().any(|c| matches!(c, Command::OpenModel { path } if path.ends_with("model.safetensors")))
    );
}
