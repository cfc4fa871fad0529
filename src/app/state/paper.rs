//! The paper's experiments as the window knows them: what is typed to start one, and what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::command::JobId;
use crate::engine::paper::PaperEvent;
use crate::eval::paper::recipe::Common;
use crate::eval::paper::{Budget, Order, Report, Set, Which};

/// A path of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaperPath {
    /// The data set's folder.
    Data,
    /// Weights that extractors start from.
    Weights,
    /// Where report, results and runs go.
    Out,
}

impl PaperPath {
    /// What the form and the sheet call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Data => "Data set folder",
            Self::Weights => "Starting weights",
            Self::Out => "Report folder",
        }
    }

    /// What is expected.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Data => "The data set in its published layout",
            Self::Weights => "Optional: ResNet weights with torchvision names (.safetensors or .pth)",
            Self::Out => "Report, results and runs go here; an earlier sitting there is gone on with",
        }
    }

    /// A path as an example.
    pub fn example(self) -> &'static str {
        match self {
            Self::Data => "/home/me/VIPeR",
            Self::Weights => "/home/me/resnet50.pth",
            Self::Out => "/home/me/paper",
        }
    }
}

/// What is typed. Text until the sitting starts, so that a field can be half typed.
#[derive(Debug, Clone)]
pub struct PaperForm {
    /// The table or figure.
    pub which: Which,
    /// The kind of data set.
    pub set: Set,
    /// How much is spent.
    pub budget: Budget,
    /// Folder of the data set.
    pub data: String,
    /// Weights; random where empty.
    pub weights: String,
    /// Where everything goes.
    pub out: String,
    /// Seeds, separated by commas.
    pub seeds: String,
    /// What was wrong at the last attempt to start.
    pub problem: Option<String>,
}

impl Default for PaperForm {
    fn default() -> Self {
        Self {
            which: Which::Table1,
            set: Set::Viper,
            budget: Budget::Quick,
            data: String::new(),
            weights: String::new(),
            out: String::new(),
            seeds: "0, 1, 2".into(),
            problem: None,
        }
    }
}

impl PaperForm {
    /// The field of a path.
    pub fn path_mut(&mut self, which: PaperPath) -> &mut String {
        match which {
            PaperPath::Data => &mut self.data,
            PaperPath::Weights => &mut self.weights,
            PaperPath::Out => &mut self.out,
        }
    }

    /// The order, where all fields can work; else the first that cannot is told beside the buttons.
    pub fn submit(&mut self, report_only: bool) -> Option<Order> {
        match self.order(report_only) {
            Ok(order) => {
                self.problem = None;
                Some(order)
            }
            Err(problem) => {
                self.problem = Some(problem);
                None
            }
        }
    }

    fn order(&self, report_only: bool) -> Result<Order, String> {
        let path = |text: &str| PathBuf::from(text.trim().trim_matches('"'));
        let (data, out, weights) = (path(&self.data), path(&self.out), path(&self.weights));
        if !data.is_dir() {
            return Err("Name the folder of the data set".into());
        }
        if out.as_os_str().is_empty() {
            return Err("Name a folder for the report".into());
        }
        if !weights.as_os_str().is_empty() && !weights.is_file() {
            return Err(format!("There are no weights at {}", weights.display()));
        }
        let seeds: Result<Vec<u64>, _> =
            self.seeds.split([',', ' ']).filter(|part| !part.is_empty()).map(str::parse).collect();
        let seeds = seeds.ok().filter(|seeds| !seeds.is_empty()).ok_or("Seeds are whole numbers: 0, 1, 2")?;
        let init = (!weights.as_os_str().is_empty()).then_some(weights);
        Ok(Order {
            which: self.which,
            sets: BTreeMap::from([(self.set, data)]),
            common: Common { budget: self.budget, init, settings: Vec::new() },
            seeds,
            out,
            runs: Vec::new(),
            results: Vec::new(),
            only: Vec::new(),
            report_only,
        })
    }
}

/// The sitting under way, or the last one.
#[derive(Debug, Clone, Default)]
pub struct Paper {
    /// Its job, while it runs.
    pub job: Option<JobId>,
    /// Runs that the rows call for, and how many of them were known at the start.
    pub planned: Option<(usize, usize)>,
    /// The run under way: its number, of how many, and what it is.
    pub current: Option<(usize, usize, String)>,
    /// Seconds left in all.
    pub left: Option<f64>,
    /// The figures so far, and their page.
    pub report: Option<(Arc<Report>, PathBuf)>,
}

impl Paper {
    /// A job of this kind began.
    pub fn started(&mut self, job: JobId) {
        *self = Self { job: Some(job), report: self.report.take(), ..Self::default() };
    }

    /// Takes one event in.
    pub fn apply(&mut self, event: PaperEvent) {
        match event {
            PaperEvent::Planned { runs, known } => self.planned = Some((runs, known)),
            PaperEvent::Run { number, of, title } => self.current = Some((number, of, title)),
            PaperEvent::Left(seconds) => self.left = Some(seconds),
            PaperEvent::Report { report, page } => self.report = Some((report, page)),
        }
    }

    /// A job ended.
    pub fn ended(&mut self, job: JobId) {
        if self.job == Some(job) {
            (self.job, self.current, self.left) = (None, None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_names_the_first_field_that_cannot_work() {
        let home = tempfile::tempdir().unwrap();
        let mut form = PaperForm::default();
        assert!(form.submit(false).is_none() && form.problem.as_deref().unwrap().contains("data set"));
        form.data = home.path().display().to_string();
        assert!(form.submit(false).is_none() && form.problem.as_deref().unwrap().contains("report"));
        form.out = home.path().join("out").display().to_string();
        form.seeds = "0, x".into();
        assert!(form.submit(false).is_none() && form.problem.as_deref().unwrap().contains("0, 1, 2"));
        form.seeds = "4 5,6".into();
        form.weights = "nowhere.pth".into();
        assert!(form.submit(false).is_none() && form.problem.as_deref().unwrap().contains("nowhere.pth"));
        form.weights.clear();
        let order = form.submit(true).unwrap();
        assert_eq!((order.seeds, order.report_only, form.problem), (vec![4, 5, 6], true, None));
    }

    #[test]
    fn a_sitting_is_followed_and_its_report_stays() {
        let mut paper = Paper::default();
        paper.started(JobId(3));
        paper.apply(PaperEvent::Planned { runs: 12, known: 2 });
        paper.apply(PaperEvent::Run { number: 1, of: 10, title: "RAIN".into() });
        paper.apply(PaperEvent::Left(60.0));
        paper.ended(JobId(4));
        assert_eq!((paper.job, paper.left), (Some(JobId(3)), Some(60.0)));
        paper.ended(JobId(3));
        assert_eq!((paper.job, paper.current.is_none(), paper.planned), (None, true, Some((12, 2))));
    }
}
