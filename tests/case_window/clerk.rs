//! The cardboard engine of a case.

use super::*;

/// Answers the case's commands from a real file.
pub struct Clerk {
    pub case: Option<Case>,
    pub who: String,
    pub numbers: BTreeMap<QueryId, u64>,
    pub queries: Vec<QueryId>,
    pub asked: Vec<CaseCommand>,
    /// Rankings that were asked of the engine.
    pub searches: usize,
}

impl Clerk {
    pub fn opened(&mut self, case: Case, new: bool) -> Vec<Event> {
        let opened = OpenedCase {
            path: case.path().to_path_buf(),
            writable: true,
            new,
            state: case.state().clone(),
            keeps_gallery: true,
            missing: Vec::new(),
        };
        self.case = Some(case);
        vec![Event::Case(CaseEvent::Opened(Box::new(opened)))]
    }

    pub fn keep_queries(&mut self) -> Vec<Event> {
        let Some(case) = &mut self.case else { return Vec::new() };
        let before = case.state().log.len();
        let mut events = Vec::new();
        for id in &self.queries {
            let path = format!("/crops/{:04}_c6_lr.png", id.0);
            let hash = rain::case::hash(path.as_bytes());
            let query = Query {
                path: path.clone(),
                hash,
                bytes: 1,
                width: 16,
                height: 32,
                camera: Some(6),
                identity: None,
                time: None,
                cut: None,
            };
            let (number, _) = case.add_query(&self.who, query, path.as_bytes()).unwrap();
            self.numbers.insert(*id, number);
            events.push(Event::Case(CaseEvent::Query { id: *id, number }));
        }
        let entries = case.state().log[before..].to_vec();
        events.insert(0, Event::Case(CaseEvent::Changed(entries)));
        events
    }

    pub fn answer(&mut self, command: CaseCommand) -> Vec<Event> {
        self.asked.push(command.clone());
        let number = |numbers: &BTreeMap<QueryId, u64>, id: QueryId| *numbers.get(&id).unwrap();
        let who = self.who.clone();
        match command {
            CaseCommand::New { path, title } => {
                let case = Case::create(&path, &title, &who).unwrap();
                let mut events = self.opened(case, true);
                events.extend(self.keep_queries());
                return events;
            }
            CaseCommand::Open { path } => {
                let case = Case::open(&path).unwrap();
                return self.opened(case, false);
            }
            CaseCommand::Close => {
                self.case = None;
                return vec![Event::Case(CaseEvent::Closed)];
            }
            CaseCommand::Reviewer { name } => {
                self.who = name;
                return Vec::new();
            }
            CaseCommand::Export { path, .. } => return vec![Event::Case(CaseEvent::Exported { path })],
            _ => {}
        }
        let Some(case) = &mut self.case else { return Vec::new() };
        let before = case.state().log.len();
        let pair = |query: u64, image: &Path| Subject::pair(query, name::to_text(image));
        match command {
            CaseCommand::Judge { query, image, judgement } => {
                case.judge(&who, pair(number(&self.numbers, query), &image), judgement, None).unwrap();
            }
            CaseCommand::Bookmark { query, image, on } => {
                case.bookmark(&who, pair(number(&self.numbers, query), &image.unwrap()), on).unwrap();
            }
            CaseCommand::Tag { query, image, tag, on } => {
                case.tag(&who, pair(number(&self.numbers, query), &image.unwrap()), &tag, on).unwrap();
            }
            CaseCommand::Note { query, image, text } => {
                case.note(&who, pair(number(&self.numbers, query), &image.unwrap()), &text).unwrap();
            }
            CaseCommand::Undo => drop(case.undo(&who).unwrap()),
            CaseCommand::Redo => drop(case.redo(&who).unwrap()),
            CaseCommand::Verify => {
                let audit = rain::case::audit::verify(case.path(), None).unwrap();
                return vec![Event::Case(CaseEvent::Verified(audit.into()))];
            }
            CaseCommand::Saw(shown) => {
                let candidates = shown.candidates.iter().map(|c| Candidate {
                    rank: c.rank,
                    path: name::to_text(&c.path),
                    hash: None,
                    picture: None,
                    distance: c.distance,
                    camera: Some(c.camera),
                    identity: Some(c.identity),
                });
                let search = Search {
                    query: number(&self.numbers, shown.query),
                    model: "3f9a1c20b7de".into(),
                    gallery: name::to_text(&shown.gallery),
                    gallery_images: shown.gallery_images,
                    measure: "cosine distance".into(),
                    settings: shown.settings.clone(),
                    candidates: candidates.collect(),
                };
                case.saw(&who, search, &[]).unwrap();
            }
            _ => {}
        }
        vec![Event::Case(CaseEvent::Changed(case.state().log[before..].to_vec()))]
    }
}
