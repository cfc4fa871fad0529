//! The page of an experiment: our figures beside the published ones, as HTML, Markdown, CSV and JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::html;
use super::published::{Experiment, Metric, Set, Which};
use super::recipe::Budget;
use super::results::Finding;
use super::sitting::Order;
use crate::error::{Error, Result};
use crate::eval::interval::Interval;
use crate::fs::write_atomic;

/// All that a page shows.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The table or figure.
    pub which: Which,
    /// Its title.
    pub title: String,
    /// What is measured.
    pub about: String,
    /// What was spent on a run.
    pub budget: Budget,
    /// What was reduced; the first line of the page.
    pub reduction: Option<String>,
    /// What the rows' `x` is, where it is a curve.
    pub curve: Option<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, in the paper's order.
    pub lines: Vec<Line>,
    /// Every run behind them.
    pub runs: Vec<Run>,
    /// Rows and sets for which no run is known yet.
    pub missing: Vec<String>,
    /// Runs that could not be finished, with the reason.
    pub failed: Vec<(String, String)>,
}

/// One figure on one set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Column {
    /// The set.
    pub set: Set,
    /// The rate of all queries; none where the protocol drew one for each.
    pub rate: Option<f64>,
    /// The figure.
    pub metric: Metric,
}

impl Column {
    /// The set and the rate: "MLR-VIPeR, r = 8".
    pub fn group(&self) -> String {
        match self.rate {
            None => self.set.title().to_string(),
            Some(rate) => format!("{}, r = {rate} (unseen)", self.set.title()),
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// The preset behind it.
    pub preset: Option<String>,
    /// Whether its figures are only quoted.
    pub quoted: bool,
    /// Its place on a curve.
    pub x: Option<f64>,
    /// One a column.
    pub cells: Vec<Cell>,
}

/// What is known of a row in a column, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Cell {
    /// The paper's figure.
    pub published: Option<f64>,
    /// Ours: the mean over the seeds, with its 95% interval.
    pub ours: Option<Interval>,
    /// How many runs ours is the mean of.
    pub seeds: usize,
}

/// A run behind the figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// The set.
    pub set: Set,
    /// The preset.
    pub preset: String,
    /// The seed.
    pub seed: u64,
    /// Rank-1 by the protocol, in percent.
    pub rank1: f64,
    /// Epochs.
    pub epochs: f64,
    /// Steps.
    pub steps: u64,
    /// Hash of the split.
    pub split: String,
    /// Hash of the plan: queries, rates, galleries.
    pub plan: String,
    /// Fingerprint of the settings.
    pub recipe: String,
    /// Hash of the model file.
    pub model: String,
    /// Fingerprint of the data, its first 12 digits.
    pub data: String,
    /// What else a reader should know.
    pub note: String,
}

/// How the intervals of a report were computed.
pub const INTERVALS: &str = "95% intervals: Student's t over the seeds' means where there are two seeds or more; of one seed, a \
                             bootstrap over test people and gallery draws";

impl Report {
    /// `found` has, for each set and row (by its place), what is known of it.
    pub(super) fn new(
        order: &Order,
        experiment: &Experiment,
        sets: &[Set],
        reduction: Option<String>,
        found: &BTreeMap<(Set, usize), Vec<Finding>>,
        failed: &[(String, String)],
    ) -> Self {
        let further = sets.iter().filter(|set| !experiment.sets.contains(set));
        let shown: Vec<Set> = experiment.sets.iter().chain(further).copied().collect();
        let mut columns = Vec::new();
        for set in shown {
            let rates = experiment.rates.iter().filter(|rate| set.unseen().contains(rate)).map(|rate| Some(*rate));
            for rate in std::iter::once(None).chain(rates) {
                columns.extend(experiment.metrics.iter().map(|metric| Column { set, rate, metric: *metric }));
            }
        }
        // Of a set that is not at hand, the columns in which the paper's figures are known.
        let published = |c: &Column| experiment.rows.iter().any(|row| row.published(c.set, c.rate, c.metric).is_some());
        columns.retain(|column| sets.contains(&column.set) || published(column));

        let mut missing = Vec::new();
        let mut lines = Vec::with_capacity(experiment.rows.len());
        for (place, row) in experiment.rows.iter().enumerate() {
            let known = |set| found.get(&(set, place)).map_or(&[][..], Vec::as_slice);
            if row.preset.is_some() {
                let unknown = sets.iter().filter(|set| known(**set).is_empty());
                missing.extend(unknown.map(|set| format!("{}, {}", row.name, set.title())));
            }
            let cell = |column: &Column| {
                let each: Vec<Interval> = known(column.set)
                    .iter()
                    .filter_map(|finding| Some(column.metric.of(&finding.row(column.rate)?.figures)))
                    .collect();
                let means: Vec<f64> = each.iter().map(|interval| interval.mean).collect();
                let ours = match each.as_slice() {
                    [] => None,
                    [one] => Some(*one),
                    _ => {
                        let over = Interval::of(&means);
                        Some(Interval { low: over.low.max(0.0), high: over.high.min(100.0), ..over })
                    }
                };
                Cell { published: row.published(column.set, column.rate, column.metric), ours, seeds: each.len() }
            };
            lines.push(Line {
                name: row.name.clone(),
                preset: row.preset.clone(),
                quoted: row.quoted,
                x: row.x,
                cells: columns.iter().map(cell).collect(),
            });
        }
        Self {
            which: order.which,
            title: experiment.title.clone(),
            about: experiment.about.clone(),
            budget: order.common.budget,
            reduction,
            curve: experiment.curve.clone(),
            columns,
            lines,
            runs: found.values().flatten().map(Run::of).collect(),
            missing,
            failed: failed.to_vec(),
        }
    }

    /// Writes `<name>.html`, `.md`, `.csv` and `.json` into `folder`; returns the page.
    ///
    /// # Errors
    /// [`Error::Io`] where one cannot be written.
    pub fn write(&self, folder: &Path, which: Which) -> Result<PathBuf> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| Error::input(format!("The report cannot be written as JSON ({e})"), "Please report this"))?;
        let page = folder.join(format!("{}.html", which.name()));
        for (ending, text) in [("html", html::page(self)), ("md", self.markdown()), ("csv", self.csv()), ("json", json)]
        {
            let path = folder.join(format!("{}.{ending}", which.name()));
            write_atomic(&path, |file| file.write_all(text.as_bytes()))?;
        }
        Ok(page)
    }

    /// The page as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        if let Some(reduction) = &self.reduction {
            let _ = writeln!(text, "**{reduction}**\n");
        }
        let _ = writeln!(text, "# {}\n\n{}\n", self.title, self.about);
        let _ = writeln!(
            text,
            "Ours with its 95% interval, then the paper's. \"Quoted\" rows were published by others and are not run here; \
                                a dash is a figure that is not known.\n"
        );
        text.push_str("| |");
        for column in &self.columns {
            let _ = write!(text, " {} {} |", column.group(), column.metric.title());
        }
        let _ = writeln!(text, "\n|---|{}", "---|".repeat(self.columns.len()));
        for line in &self.lines {
            let quoted = if line.quoted { " (quoted)" } else { "" };
            let _ = write!(text, "| {}{quoted} |", line.name);
            for cell in &line.cells {
                let _ = write!(text, " {} |", in_a_line(cell, line.quoted));
            }
            text.push('\n');
        }
        let _ = writeln!(text, "\n{INTERVALS}.\n");
        if !self.missing.is_empty() {
            let _ = writeln!(text, "Not run yet: {}.\n", self.missing.join("; "));
        }
        for (what, why) in &self.failed {
            let _ = writeln!(text, "Failed: {what}: {why}\n");
        }
        if !self.runs.is_empty() {
            text.push_str("| Run | Seed | Rank-1 | Epochs | Steps | Split | Plan | Settings | Model | Data | Note |\n");
            let _ = writeln!(text, "|{}", "---|".repeat(11));
            for r in &self.runs {
                let _ = writeln!(
                    text,
                    "| {} on {} | {} | {:.2} | {} | {} | {} | {} | {} | {} | {} | {} |",
                    r.preset,
                    r.set.title(),
                    r.seed,
                    r.rank1,
                    r.epochs,
                    r.steps,
                    r.split,
                    r.plan,
                    r.recipe,
                    r.model,
                    r.data,
                    r.note
                );
            }
        }
        text
    }

    /// The figures as a table, one line a figure.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "experiment,row,preset,quoted,budget,set,rate,metric,published_percent,ours_percent,low_percent,high_percent,seeds\n",
        );
        let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.4}"));
        for line in &self.lines {
            for (column, cell) in self.columns.iter().zip(&line.cells) {
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{},{},{},{},{},{},{},{}",
                    self.which.name(),
                    quoted(&line.name),
                    line.preset.as_deref().unwrap_or_default(),
                    line.quoted,
                    self.budget.name(),
                    column.set.key(),
                    column.rate.map_or("drawn".to_string(), |rate| rate.to_string()),
                    column.metric.title(),
                    number(cell.published),
                    number(cell.ours.map(|i| i.mean)),
                    number(cell.ours.map(|i| i.low)),
                    number(cell.ours.map(|i| i.high)),
                    cell.seeds
                );
            }
        }
        text
    }
}

impl Run {
    fn of(finding: &Finding) -> Self {
        let judgement = &finding.judgement;
        Self {
            set: finding.set,
            preset: finding.preset.clone(),
            seed: finding.seed,
            rank1: finding.row(None).map_or(0.0, |row| row.figures.rank1.mean),
            epochs: finding.epochs,
            steps: finding.steps,
            split: judgement.splits.first().cloned().unwrap_or_default(),
            plan: judgement.plan.clone(),
            recipe: finding.recipe.clone(),
            model: finding.model.clone(),
            data: finding.data.chars().take(12).collect(),
            note: finding.note.clone(),
        }
    }
}

/// Ours, then the paper's.
pub(super) fn ours(cell: &Cell) -> Option<String> {
    cell.ours.map(|i| {
        let seeds = if cell.seeds > 1 { format!(", {} seeds", cell.seeds) } else { String::new() };
        format!("{:.1} ({:.1} to {:.1}{seeds})", i.mean, i.low, i.high)
    })
}

fn in_a_line(cell: &Cell, quoted: bool) -> String {
    let published = cell.published.map(|p| if quoted { format!("{p:.1}") } else { format!("paper {p:.1}") });
    match (ours(cell), published) {
        (None, None) => "–".to_string(),
        (Some(ours), None) => ours,
        (None, Some(published)) => published,
        (Some(ours), Some(published)) => format!("{ours}; {published}"),
    }
}

/// A field of a CSV file.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::paper::recipe::Common;
    use crate::eval::paper::results::tests::finding;

    fn report(which: Which) -> Report {
        let order = Order {
            which,
            sets: BTreeMap::from([(Set::Viper, "VIPeR".into())]),
            common: Common { budget: Budget::Quick, init: None, settings: Vec::new() },
            seeds: vec![0],
            out: "out".into(),
            runs: Vec::new(),
            results: Vec::new(),
            only: Vec::new(),
            report_only: true,
        };
        let experiment = which.experiment().unwrap();
        let mut found = BTreeMap::new();
        for (place, row) in experiment.rows.iter().enumerate() {
            match row.preset.as_deref() {
                Some("paper-multi-level") => {
                    found.insert(
                        (Set::Viper, place),
                        vec![finding("paper-multi-level", 0, 20.0), finding("paper-multi-level", 1, 24.0)],
                    );
                }
                Some(name @ ("baseline-hr-lr" | "semi-20")) => {
                    found.insert((Set::Viper, place), vec![finding(name, 0, 15.0)]);
                }
                _ => {}
            }
        }
        Report::new(&order, &experiment, &[Set::Viper], Some("Quick <budget>".into()), &found, &[])
    }

    #[test]
    fn ours_stands_beside_the_published() {
        let report = report(Which::Table1);
        let column = report.columns.iter().position(|c| c.set == Set::Viper && c.metric == Metric::Rank1).unwrap();
        let rain = report.lines.last().unwrap().cells[column];
        let ours = rain.ours.unwrap();
        assert_eq!((rain.published, ours.mean, rain.seeds), (Some(42.5), 22.0, 2));
        // Two seeds: Student's t with one degree of freedom is wide, and kept within percent.
        assert!(ours.low == 0.0 && ours.high > 40.0, "{ours:?}");
        let one = report.lines[6].cells[column];
        assert_eq!((one.published, one.seeds, one.ours.unwrap().low), (Some(36.6), 1, 11.0));
        assert_eq!(report.lines[5].cells[column], Cell::default());
        assert_eq!(report.missing.len(), 2, "{:?}", report.missing);
        // Of a set that is not at hand, only what is published.
        let cuhk: Vec<_> = report.columns.iter().filter(|c| c.set == Set::Cuhk03).map(|c| c.metric).collect();
        assert_eq!(cuhk, [Metric::Rank1]);
        assert_eq!(report.runs.len(), 3);
    }

    #[test]
    fn every_form_says_the_reduction_first_and_marks_what_is_quoted() {
        let report = report(Which::Table1);
        let markdown = report.markdown();
        assert!(markdown.starts_with("**Quick <budget>**"), "{markdown}");
        assert!(markdown.contains("SING (Jiao et al. 2018) (quoted)") && markdown.contains("paper 42.5"), "{markdown}");
        let csv = report.csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 1 + report.lines.len() * report.columns.len());
        assert!(
            lines.iter().any(|line| line
                .contains("\"RAIN, multi-level\",paper-multi-level,false,quick,viper,drawn,rank-1,42.5000,22.0000")),
            "{csv}"
        );
        let html = html::page(&report);
        let body = html.split("<main>").nth(1).unwrap();
        assert!(body.trim_start().starts_with("<p class=\"first\">Quick &lt;budget&gt;"), "{body}");
        assert!(body.contains("quoted") && !html.contains("<svg"));
    }

    #[test]
    fn an_unseen_rate_has_columns_of_its_own_and_a_curve_is_drawn() {
        let table = report(Which::Table2);
        assert!(table.columns.iter().any(|c| c.rate == Some(8.0)));
        let column = table.columns.iter().position(|c| c.rate == Some(8.0) && c.metric == Metric::Rank1).unwrap();
        let cell = table.lines[1].cells[column];
        assert_eq!((cell.published, cell.ours.unwrap().mean), (Some(37.5), 11.0));
        let page = html::page(&report(Which::Figure5));
        assert!(page.contains("<svg") && page.matches("<circle").count() == 2, "{page}");
    }

    #[test]
    fn all_files_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let page = report(Which::Table1).write(folder.path(), Which::Table1).unwrap();
        assert!(page.ends_with("table-1.html"));
        for ending in ["html", "md", "csv", "json"] {
            assert!(folder.path().join(format!("table-1.{ending}")).metadata().unwrap().len() > 100);
        }
    }
}
