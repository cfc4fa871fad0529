//! `rain paper`: the paper's tables and figures, run again.

mod pictures;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::console::{print, print_json};
use super::figures;
use super::train::{Console, in_words, stop_on_ctrl_c};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::eval::paper::recipe::Common;
use crate::eval::paper::{Budget, Heard, Order, Set, Watcher, Which, carry_out};
use crate::train::event::{Flow, Observer};

/// Run a table or figure of the paper again and see it beside the published figures
///
/// What is missing is trained (one folder a run, below OUT/runs) and judged by the set's protocol; the report in OUT is
/// written anew after each run. Ctrl+C stops at a safe point, and the same command goes on from there; `--only` does a part.
/// Rows that only others published are quoted, not run. Figures 3 and 4 are drawn from one model, multi-level RAIN of the first
/// seed, and show people whom it was not trained on.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["table", "figure"]))]
pub struct PaperArgs {
    /// The table, 1 to 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    table: Option<u8>,
    /// The figure: 3 (maps of embeddings), 4 (rankings of tiny queries) or 5 (labels for a share of the people)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(3..=5))]
    figure: Option<u8>,
    /// Data sets at hand: cuhk03=DIR, viper=DIR, caviar=DIR, market1501=DIR, msmt17=DIR, or other=DIR for any set
    #[arg(long, value_name = "SET=DIR,…", value_delimiter = ',', required = true)]
    data: Vec<String>,
    /// quick: a stated reduction that fits a CPU; full: the paper's size, for a GPU
    #[arg(long, value_enum, default_value = "quick")]
    budget: Budget,
    /// Weights that each extractor starts from (safetensors or .pth, torchvision names)
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<PathBuf>,
    /// A run, with a split of its own, for each of these seeds
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', default_value = "0,1,2")]
    seeds: Vec<u64>,
    /// Where the report, the results and the runs go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Train only these rows, by preset; the report shows all rows in any case
    #[arg(long, value_name = "ROW,…", value_delimiter = ',')]
    only: Vec<String>,
    /// A further folder of runs to look into before anything is trained
    #[arg(long, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// A further file of results (results.jsonl of another report) whose runs count as done
    #[arg(long, value_name = "FILE")]
    results: Vec<PathBuf>,
    /// Change one setting of every run, for example schedule.epochs=10; those are other runs then
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Train nothing: write the report of what is known
    #[arg(long)]
    report_only: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &PaperArgs, device: DeviceChoice) -> Result<()> {
    let order = order(args)?;
    let device = device.open()?;
    let mut watcher = Follow { console: Console::new(stop_on_ctrl_c()?), told: Instant::now(), left: None };
    let picture = match args.figure {
        Some(3) => Some(figures::Which::Figure3),
        Some(4) => Some(figures::Which::Figure4),
        _ => None,
    };
    if let Some(which) = picture {
        return pictures::draw(which, &order, &device, &mut watcher, args.json);
    }
    let outcome = carry_out(&order, &device, &mut watcher)?;
    watcher.console.end_line();
    for (what, why) in &outcome.failed {
        eprintln!("Failed: {what}: {why}");
    }
    if args.json {
        print_json(&json!({ "page": outcome.page, "stopped": outcome.stopped, "report": outcome.report }))?;
    } else {
        print(&outcome.report.markdown())?;
    }
    eprintln!("The report is {} (and .md, .csv, .json beside it).", outcome.page.display());
    if outcome.stopped {
        eprintln!("Stopped before all was done. The same command goes on from here.");
    }
    Ok(())
}

fn order(args: &PaperArgs) -> Result<Order> {
    let which = match (args.table, args.figure) {
        (Some(1), _) => Which::Table1,
        (Some(2), _) => Which::Table2,
        (Some(3), _) => Which::Table3,
        (Some(_), _) => Which::Table4,
        (None, Some(5)) => Which::Figure5,
        (None, _) => Which::Table2, // figures 3 and 4 show a model of this table
    };
    if let (Some(number @ (3 | 4)), Some(row)) = (args.figure, args.only.iter().find(|row| *row != pictures::ROW)) {
        return Err(Error::input(
            format!("Figure {number} shows one model, that of the row {}, and not \"{row}\"", pictures::ROW),
            "Leave out --only; `rain figures` draws the same of any model",
        ));
    }
    let mut sets = BTreeMap::new();
    for given in &args.data {
        let known = || Set::ALL.map(Set::key).join(", ");
        let Some((key, root)) = given.split_once('=') else {
            return Err(Error::input(
                format!("\"{given}\" does not say which set it is"),
                format!("Write it as SET=DIR, SET being one of {}", known()),
            ));
        };
        let set = Set::of(key)
            .ok_or_else(|| Error::input(format!("There is no set \"{key}\""), format!("The sets are {}", known())))?;
        if sets.insert(set, PathBuf::from(root)).is_some() {
            return Err(Error::input(format!("The set {key} is named twice"), "Name each set once"));
        }
    }
    Ok(Order {
        which,
        sets,
        common: Common { budget: args.budget, init: args.init.clone(), settings: args.set.clone() },
        seeds: args.seeds.clone(),
        out: args.out.clone(),
        runs: args.runs.clone(),
        results: args.results.clone(),
        only: args.only.clone(),
        report_only: args.report_only,
    })
}

/// Shows a sitting on the standard error: a run's own lines as `rain train` has them, and now and then the whole's time left.
struct Follow {
    console: Console,
    told: Instant,
    left: Option<f64>,
}

impl Watcher for Follow {
    fn hear(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Planned { runs, known } => {
                self.console.say(&format!("{runs} runs are called for; {known} of them are known."));
            }
            Heard::Run { number, of, title, folder, resumed } => {
                let how = if resumed { "going on with" } else { "to" };
                self.console.say(&format!("Run {number} of {of}: {title}, {how} {}", folder.display()));
            }
            Heard::Train(event) => self.console.event(event),
            Heard::Judging { done, total } => self.console.show(&format!("judging  {done}/{total} images"), false),
            Heard::Found(finding) => {
                let rank1 = finding.row(None).map_or(0.0, |row| row.figures.rank1.mean);
                self.console.say(&format!(
                    "{} on {}, seed {}: rank-1 {rank1:.1} %, plan {}",
                    finding.preset,
                    finding.set.title(),
                    finding.seed,
                    finding.judgement.plan
                ));
            }
            Heard::Note(note) => self.console.say(&note),
            Heard::Reported { .. } => {} // its page is named at the end
            Heard::Left(seconds) => {
                let due = self.left.is_none() || self.told.elapsed() > Duration::from_secs(60);
                self.left = Some(seconds);
                if due {
                    self.told = Instant::now();
                    self.console.say(&format!("about {} left in all", in_words(Duration::from_secs_f64(seconds))));
                }
            }
        }
    }

    fn breathe(&mut self) -> Flow {
        self.console.breathe()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        paper: PaperArgs,
    }

    fn parse(line: &str) -> Result<Order, String> {
        let words = std::iter::once("rain").chain(line.split_whitespace());
        let args = Cli::try_parse_from(words).map_err(|e| e.to_string())?.paper;
        order(&args).map_err(|e| e.to_string())
    }

    #[test]
    fn an_order_is_read() {
        let order = parse("--table 2 --data viper=a/VIPeR,caviar=b --out o --seeds 4,5 --only baseline-hr-lr").unwrap();
        assert_eq!((order.which, order.seeds), (Which::Table2, vec![4, 5]));
        assert_eq!(order.sets[&Set::Viper], PathBuf::from("a/VIPeR"));
        assert_eq!((order.sets.len(), order.common.budget), (2, Budget::Quick));
        for (line, words) in [
            ("--data viper=a --out o", "required"),
            ("--table 5 --data viper=a --out o", "5"),
            ("--table 1 --figure 5 --data viper=a --out o", "cannot be used with"),
            ("--table 1 --data a --out o", "SET=DIR"),
            ("--table 1 --data vipr=a --out o", "cuhk03, viper"),
            ("--table 1 --data viper=a,viper=b --out o", "twice"),
            ("--figure 2 --data viper=a --out o", "3..=5"),
            ("--figure 3 --data viper=a --out o --only baseline-hr", "one model"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
