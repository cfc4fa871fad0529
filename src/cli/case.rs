//! `rain case`: a case without the window.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::console::{print, print_json};
use crate::case::change::short;
use crate::case::name::file_name;
use crate::case::report::{Format, Report};
use crate::case::{Case, Judgement, State, Subject, audit, readable_time, summary, user_name};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};

/// Make, read, check and export a case: queries, rankings seen, verdicts, and the log of who did what
///
/// A case is one file. Every change is an entry in its log, which only grows and is chained by hashes.
#[derive(Debug, Clone, clap::Args)]
pub struct CaseArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Make a new case
    New {
        /// The file to make
        file: PathBuf,
        /// Its title [default: the file's name]
        #[arg(long)]
        title: Option<String>,
        /// Who makes it [default: the name you are logged in with]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Open a case in the window
    Open {
        /// The case
        file: PathBuf,
    },
    /// Print what a case holds
    Show {
        /// The case
        file: PathBuf,
        /// Print the audit log too
        #[arg(long)]
        log: bool,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Check a case: its structure, the chain of its log, its facts against the log, its pictures
    Verify {
        /// The case
        file: PathBuf,
        /// A last link that was noted down before (reports print it): it must still be in the chain
        #[arg(long, value_name = "HASH")]
        link: Option<String>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a case as a report: HTML, PDF, CSV, JSON, or the rank list as SVG or PNG
    Export {
        /// The case
        file: PathBuf,
        /// Files to write; each ending tells the format
        #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
        out: Vec<PathBuf>,
        /// The format, where the ending does not tell
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take verdicts from a table on standard input: query,image,verdict (same, different, unsure or none)
    ///
    /// `query` is the query's number in the case, `image` the candidate's path as the case has it. Each row is answered by
    /// the number of its log entry once it is on the disk.
    Judge {
        /// The case
        file: PathBuf,
        /// Who judges [default: the name you are logged in with]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

/// Runs the subcommand.
pub(super) fn run(args: &CaseArgs, device: DeviceChoice) -> Result<()> {
    match &args.what {
        What::New { file, title, by, json } => {
            let title = title.clone().unwrap_or_else(|| stem(file));
            let case = Case::create(file, &title, &by.clone().unwrap_or_else(user_name))?;
            if *json {
                return print_json(&json!({ "case": file, "title": title, "head": case.state().head() }));
            }
            print(&format!("Made {}: “{title}”", file.display()))
        }
        What::Open { file } => super::window(device, Some(file.clone())),
        What::Show { file, log, json } => {
            let case = Case::open(file)?;
            if *json {
                return print_json(&summary(case.state(), *log));
            }
            print(&as_text(case.state(), *log))
        }
        What::Verify { file, link, json } => verify(file, link.as_deref(), *json),
        What::Export { file, out, format, json } => export(file, out, *format, *json),
        What::Judge { file, by } => judge(file, &by.clone().unwrap_or_else(user_name)),
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn verify(file: &Path, link: Option<&str>, json: bool) -> Result<()> {
    let audit = audit::verify(file, link)?;
    if json {
        print_json(&audit)?;
    } else if audit.green() {
        print(&format!(
            "{}: nothing is wrong. {} log entries, {} facts, {} pictures.\nLast link {}",
            file.display(),
            audit.entries,
            audit.facts,
            audit.pictures,
            audit.head
        ))?;
    } else {
        print(&audit.problems.iter().map(|p| format!("✗ {p}\n")).collect::<String>())?;
    }
    if audit.green() { Ok(()) } else { Err(audit::fault(file, &audit)) }
}

fn export(file: &Path, out: &[PathBuf], format: Option<Format>, json: bool) -> Result<()> {
    let formats = out
        .iter()
        .map(|path| {
            format.or_else(|| Format::of(path)).ok_or_else(|| {
                Error::file(
                    path,
                    "its ending names no kind of report",
                    "End it in .html, .pdf, .csv, .json, .svg or .png, or name a --format",
                )
            })
        })
        .collect::<Result<Vec<Format>>>()?;
    let report = Report::gather(&Case::open(file)?, &BTreeMap::new())?;
    for (path, format) in out.iter().zip(&formats) {
        report.write(*format, path)?;
    }
    if json {
        return print_json(&json!({ "case": file, "reports": out, "head": report.state.head() }));
    }
    print(&out.iter().map(|path| format!("Wrote {}\n", path.display())).collect::<String>())
}

#[derive(Deserialize)]
struct Row {
    query: u64,
    image: String,
    verdict: String,
}

fn judge(file: &Path, by: &str) -> Result<()> {
    let mut case = Case::open(file)?;
    let input = std::io::stdin().lock();
    let mut reader = csv::ReaderBuilder::new().has_headers(true).buffer_capacity(1).from_reader(input);
    let mut out = std::io::stdout().lock();
    for (number, row) in reader.deserialize::<Row>().enumerate() {
        let bad = |problem: String| {
            Error::input(
                format!("Row {} of the table: {problem}; the rows before it are in the case", number + 1),
                "Write the columns query,image,verdict; a verdict is same, different, unsure or none",
            )
        };
        let row = row.map_err(|e| bad(e.to_string()))?;
        let judgement = match row.verdict.trim() {
            "same" => Some(Judgement::Same),
            "different" => Some(Judgement::Different),
            "unsure" => Some(Judgement::Unsure),
            "none" => None,
            other => return Err(bad(format!("\"{other}\" is no verdict"))),
        };
        if !case.state().queries.contains_key(&row.query) {
            return Err(bad(format!("the case has no query {}", row.query)));
        }
        let path = crate::case::name::to_path(&row.image);
        let hash = std::fs::read(path).ok().map(|bytes| crate::case::hash(&bytes));
        let entry = case.judge(by, Subject::pair(row.query, row.image), judgement, hash)?;
        let answer = entry.map_or("unchanged".to_owned(), |entry| entry.seq.to_string());
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(|e| Error::io("write", "standard output", e))?;
    }
    Ok(())
}

fn as_text(state: &State, log: bool) -> String {
    let mut text = format!("{}\n\n", state.about.title);
    let _ = writeln!(
        text,
        "{} queries, {} verdicts, {} reviews, {} log entries\nLast link {}\n",
        state.queries.len(),
        state.verdicts.len(),
        state.reviews.len(),
        state.log.len(),
        state.head()
    );
    for (id, query) in &state.queries {
        let _ = writeln!(text, "Query {id}: {}{} ({}×{} px)", query.path, query.place(), query.width, query.height);
        if let Some((number, search)) = state.latest_search(*id) {
            let (shown, all) = (search.candidates.len(), search.gallery_images);
            let _ = writeln!(text, "  ranking {number}: {shown} of {all} candidates by {}", search.measure);
        }
        for (subject, verdict) in state.verdicts.iter().filter(|(subject, _)| subject.query == *id) {
            let image = subject.image.as_deref().unwrap_or_default();
            let rank = verdict.seen.as_ref().map_or(String::new(), |seen| format!(", rank {}", seen.rank));
            let _ = writeln!(
                text,
                "  {} {} ({}{rank}), by {}, {}",
                verdict.judgement.glyph(),
                file_name(image),
                verdict.judgement.words(),
                verdict.by,
                readable_time(&verdict.at)
            );
            for (by, review) in state.reviews_of(subject) {
                let _ = writeln!(text, "      {by} {} ({})", review.words(), review.judgement.words());
            }
        }
    }
    if log {
        text.push_str("\nAudit log\n");
        for entry in &state.log {
            let words = entry.change.words();
            let why = entry.origin.words();
            let _ = writeln!(
                text,
                "  {:>4}  {}  {}  {}{why}: {} → {}  {}",
                entry.seq,
                readable_time(&entry.at),
                entry.who,
                words.what,
                words.from,
                words.to,
                short(&entry.hash)
            );
        }
    }
    text
}
