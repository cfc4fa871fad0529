//! The window under test, and what a user does to it.

use super::*;

pub struct Window {
    pub harness: Harness<'static, App>,
    pub events: Sender<Event>,
    pub sent: Rc<RefCell<Vec<Command>>>,
}

impl Window {
    /// An empty window whose engine answers as [`fake::answer`] does.
    pub fn empty() -> Self {
        Self::of_size(1440.0, 900.0, 1.0)
    }

    pub fn of_size(width: f32, height: f32, zoom: f32) -> Self {
        let (events, receiver) = crossbeam_channel::unbounded();
        let sent = Rc::new(RefCell::new(Vec::new()));
        let (log, back) = (sent.clone(), events.clone());
        let mut harness = Harness::builder()
            .with_size([width / zoom, height / zoom])
            .with_max_steps(40)
            // Names of files may be in any script; what no font draws is a box, not a fault.
            .allow_missing_glyphs()
            .with_context_setup(|ctx| {
                theme::install(ctx);
                ctx.set_theme(egui::Theme::Dark);
            })
            .build_eframe(move |_| {
                let send = Box::new(move |command: Command| {
                    for event in fake::answer(&command) {
                        back.send(event).unwrap();
                    }
                    log.borrow_mut().push(command);
                });
                // Judged blind at first; the tests look at the answers.
                App::new(receiver, send, None).with_settings(Settings { ground_truth: true, ..Settings::default() })
            });
        harness.run_steps(2);
        Self { harness, events, sent }
    }

    /// A window with model, gallery and twelve queries.
    pub fn full() -> Self {
        let mut window = Self::empty();
        window.fill();
        window
    }

    pub fn fill(&mut self) {
        let first = [Event::Ready { device: "CPU, 2 threads".into() }, fake::model(), fake::gallery()];
        self.tell(first.into_iter().chain((0..12).map(fake::query)));
    }

    pub fn tell(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.events.send(event).unwrap();
        }
        self.settle();
    }

    pub fn take(&self) -> Vec<Command> {
        self.sent.take()
    }

    pub fn drop_file(&mut self, path: &str) {
        self.harness.input_mut().dropped_files.push(Arc::new(Dropped(path.into())));
        self.settle();
    }
}

impl Hands for Window {
    fn harness(&self) -> &Harness<'static, App> {
        &self.harness
    }

    fn harness_mut(&mut self) -> &mut Harness<'static, App> {
        &mut self.harness
    }
}

#[derive(Debug)]
pub struct Dropped(pub PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window must not read files".into())
    }
}
