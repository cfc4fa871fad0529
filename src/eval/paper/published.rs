//! What the paper says: the rows of its tables, and those of its figures that are known for certain.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::data::dataset::Format;
use crate::error::{Error, Result};
use crate::eval::interval::Interval;
use crate::eval::plan::Published;
use crate::eval::protocol::Summary;

/// A table or figure that can be run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Re-identification across resolutions.
    #[value(name = "table-1")]
    Table1,
    /// A resolution that training never saw.
    #[value(name = "table-2")]
    Table2,
    /// Each loss term left out.
    #[value(name = "table-3")]
    Table3,
    /// The levels that discriminators watch.
    #[value(name = "table-4")]
    Table4,
    /// Rank-1 over the share of labelled people.
    #[value(name = "figure-5")]
    Figure5,
}

impl Which {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 5] = [Self::Table1, Self::Table2, Self::Table3, Self::Table4, Self::Figure5];

    /// Its name in file names: `table-1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table1 => "table-1",
            Self::Table2 => "table-2",
            Self::Table3 => "table-3",
            Self::Table4 => "table-4",
            Self::Figure5 => "figure-5",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Table1 => include_str!("../../../assets/paper/table-1.toml"),
            Self::Table2 => include_str!("../../../assets/paper/table-2.toml"),
            Self::Table3 => include_str!("../../../assets/paper/table-3.toml"),
            Self::Table4 => include_str!("../../../assets/paper/table-4.toml"),
            Self::Figure5 => include_str!("../../../assets/paper/figure-5.toml"),
        }
    }

    /// What the paper says of it.
    ///
    /// # Errors
    /// Never, as long as the files that this program was built with are sound (a test reads them all).
    pub fn experiment(self) -> Result<Experiment> {
        toml::from_str(self.text()).map_err(|e| {
            Error::input(format!("The built-in {} cannot be read: {e}", self.name()), "Please report this")
        })
    }
}

/// A data set that the paper's experiments can run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// MLR-CUHK03.
    Cuhk03,
    /// MLR-VIPeR.
    Viper,
    /// CAVIAR4REID as it is.
    Caviar,
    /// Market-1501 in its MLR form.
    Market1501,
    /// MSMT17 in its MLR form.
    Msmt17,
    /// Any other set that Rain reads, in its MLR form.
    Other,
}

impl Set {
    /// All of them, the paper's first.
    pub const ALL: [Self; 6] = [Self::Cuhk03, Self::Viper, Self::Caviar, Self::Market1501, Self::Msmt17, Self::Other];

    /// How it is written on the command line and in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cuhk03 => "cuhk03",
            Self::Viper => "viper",
            Self::Caviar => "caviar",
            Self::Market1501 => "market1501",
            Self::Msmt17 => "msmt17",
            Self::Other => "other",
        }
    }

    /// The set of that key.
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.key() == key)
    }

    /// How it is written in a report.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cuhk03 => "MLR-CUHK03",
            Self::Viper => "MLR-VIPeR",
            Self::Caviar => "CAVIAR",
            Self::Market1501 => "MLR-Market-1501",
            Self::Msmt17 => "MLR-MSMT17",
            Self::Other => "other set, MLR",
        }
    }

    /// The protocol that it is judged by.
    pub fn protocol(self) -> Published {
        match self {
            Self::Cuhk03 => Published::MlrCuhk03,
            Self::Viper => Published::MlrViper,
            Self::Caviar => Published::Caviar,
            Self::Market1501 => Published::MlrMarket1501,
            Self::Msmt17 => Published::MlrMsmt17,
            Self::Other => Published::MlrGeneric,
        }
    }

    /// The layout that it must have; `None` where any will do.
    pub fn format(self) -> Option<Format> {
        self.protocol().format()
    }

    /// The unseen rates at which its queries are judged besides; a set that is low in resolution by itself has none.
    pub fn unseen(self) -> &'static [f64] {
        if self == Self::Caviar { &[] } else { &[8.0] }
    }
}

/// A figure of merit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Share of the queries whose person comes first.
    Rank1,
    /// … among the first five.
    Rank5,
    /// … among the first ten.
    Rank10,
    /// … among the first twenty.
    Rank20,
    /// Mean average precision.
    Map,
}

impl Metric {
    /// How it is written.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rank1 => "rank-1",
            Self::Rank5 => "rank-5",
            Self::Rank10 => "rank-10",
            Self::Rank20 => "rank-20",
            Self::Map => "mAP",
        }
    }

    /// Its figure in a summary.
    pub fn of(self, summary: &Summary) -> Interval {
        match self {
            Self::Rank1 => summary.rank1,
            Self::Rank5 => summary.rank5,
            Self::Rank10 => summary.rank10,
            Self::Rank20 => summary.rank20,
            Self::Map => summary.map,
        }
    }
}

/// A table or figure of the paper.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Its title.
    pub title: String,
    /// What is measured, in a sentence or two.
    pub about: String,
    /// The sets that the paper shows it on.
    pub sets: Vec<Set>,
    /// Rates at which all queries are judged, besides the rates drawn for them.
    #[serde(default)]
    pub rates: Vec<f64>,
    /// The figures that it shows.
    pub metrics: Vec<Metric>,
    /// What the rows' `x` is, where the experiment is a curve.
    #[serde(default)]
    pub curve: Option<String>,
    /// Its rows.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// A row of a table, or a point of a curve.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The preset that it is trained with; none for rows that only others published.
    #[serde(default)]
    pub preset: Option<String>,
    /// Whether its figures are only quoted.
    #[serde(default)]
    pub quoted: bool,
    /// Its place on a curve.
    #[serde(default)]
    pub x: Option<f64>,
    /// Its published figures, as far as they are known for certain.
    #[serde(default)]
    pub published: Vec<Quote>,
}

/// Published figures of one row on one set, in percent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// The set.
    pub set: Set,
    /// The rate of all queries; not given where the protocol draws it.
    #[serde(default)]
    pub rate: Option<f64>,
    #[serde(default)]
    rank1: Option<f64>,
    #[serde(default)]
    rank5: Option<f64>,
    #[serde(default)]
    rank10: Option<f64>,
    #[serde(default)]
    rank20: Option<f64>,
    #[serde(default)]
    map: Option<f64>,
}

impl Quote {
    fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Rank1 => self.rank1,
            Metric::Rank5 => self.rank5,
            Metric::Rank10 => self.rank10,
            Metric::Rank20 => self.rank20,
            Metric::Map => self.map,
        }
    }
}

impl Row {
    /// The published figure in percent, where it is known.
    pub fn published(&self, set: Set, rate: Option<f64>, metric: Metric) -> Option<f64> {
        self.published.iter().filter(|quote| quote.set == set && quote.rate == rate).find_map(|quote| quote.get(metric))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::train::preset;

    #[test]
    fn every_experiment_is_sound() {
        for which in Which::ALL {
            let experiment = which.experiment().unwrap_or_else(|e| panic!("{e}"));
            let mut seen = BTreeSet::new();
            for row in &experiment.rows {
                assert!(seen.insert(&row.name), "{which:?}: {} stands twice", row.name);
                assert_eq!(row.quoted, row.preset.is_none(), "{which:?}: {}", row.name);
                assert_eq!(row.x.is_some(), experiment.curve.is_some(), "{which:?}: {}", row.name);
                if let Some(name) = &row.preset {
                    preset::load(name).unwrap_or_else(|e| panic!("{which:?}: {e}"));
                }
                for quote in &row.published {
                    assert!(experiment.sets.contains(&quote.set), "{which:?}: {quote:?} is of no column");
                    assert!(quote.rate.is_none_or(|rate| experiment.rates.contains(&rate)), "{which:?}: {quote:?}");
                    let given: Vec<f64> = experiment.metrics.iter().filter_map(|metric| quote.get(*metric)).collect();
                    assert!(
                        !given.is_empty() && given.iter().all(|p| (0.0..=100.0).contains(p)),
                        "{which:?}: {quote:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_papers_headline_is_there() {
        let table = Which::Table1.experiment().unwrap();
        let rain = table.rows.iter().find(|row| row.preset.as_deref() == Some("paper-multi-level")).unwrap();
        let rank1 = |set| rain.published(set, None, Metric::Rank1);
        assert_eq!([Set::Cuhk03, Set::Viper, Set::Caviar].map(rank1), [Some(78.9), Some(42.5), Some(42.0)]);
        assert_eq!(rain.published(Set::Viper, Some(8.0), Metric::Rank1), None);
        assert_eq!(Set::of("viper"), Some(Set::Viper));
        assert_eq!(Set::of("vipr"), None);
    }
}
