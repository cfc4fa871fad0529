//! What is known so far: one line a judged run, in a file that later sittings, and other people, add to.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::published::Set;
use super::recipe::Budget;
use crate::error::{Error, Result};
use crate::eval::judgement::{Judgement, Row};

/// The name of the file in the folder of a report.
pub const FILE: &str = "results.jsonl";

/// One run, trained and judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The set.
    pub set: Set,
    /// The preset that it was trained with.
    pub preset: String,
    /// The budget that it was trained at.
    pub budget: Budget,
    /// The seed of the run, and of its split.
    pub seed: u64,
    /// Fingerprint of all settings that change the weights ([`super::recipe::fingerprint`]).
    pub recipe: String,
    /// Fingerprint of the data set, 64 hex digits.
    pub data: String,
    /// First 12 hex digits of the model file's hash.
    pub model: String,
    /// Epochs and steps that it was trained for.
    pub epochs: f64,
    /// Steps that it was trained for.
    pub steps: u64,
    /// The program that trained it.
    pub program: String,
    /// Anything that a reader of the figures should know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The figures.
    pub judgement: Judgement,
}

impl Finding {
    /// The judgement's row of the queries at their drawn rates, or at `rate`.
    pub fn row(&self, rate: Option<f64>) -> Option<&Row> {
        match rate {
            None => self.judgement.rows.first(), // the protocol itself stands first
            Some(rate) => self.judgement.rows.iter().find(|row| !row.drawn && row.rate == Some(rate)),
        }
    }
}

/// What makes two findings the same: data, recipe (with its seed) and nothing else.
type Key = (String, String);

/// All findings, and the file that new ones go to.
#[derive(Debug)]
pub struct Results {
    file: PathBuf,
    all: BTreeMap<Key, Finding>,
}

impl Results {
    /// Those of `folder`, and those of other files; the folder's own win.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read, [`Error::File`] with the line where it cannot be understood.
    pub fn open(folder: &Path, others: &[PathBuf]) -> Result<Self> {
        let file = folder.join(FILE);
        let mut all = BTreeMap::new();
        let own = file.exists().then_some(&file);
        for path in others.iter().chain(own) {
            for finding in read(path)? {
                all.insert((finding.data.clone(), finding.recipe.clone()), finding);
            }
        }
        Ok(Self { file, all })
    }

    /// What is known of a run of this recipe on this data.
    pub fn find(&self, data: &str, recipe: &str) -> Option<&Finding> {
        self.all.get(&(data.to_string(), recipe.to_string()))
    }

    /// The seeds of everything that is known.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + '_ {
        self.all.values().map(|finding| finding.seed)
    }

    /// Writes a finding down.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn add(&mut self, finding: Finding) -> Result<()> {
        let mut line = serde_json::to_string(&finding)
            .map_err(|e| Error::input(format!("A result cannot be written as JSON ({e})"), "Please report this"))?;
        line.push('\n');
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(|e| Error::io("write", &self.file, e))?;
        self.all.insert((finding.data.clone(), finding.recipe.clone()), finding);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<Finding>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(finding) => findings.push(finding),
            // A line that a power cut left half written: the run is judged again.
            Err(_) if number + 1 == lines.len() && !text.ends_with('\n') => {}
            Err(e) => {
                return Err(Error::file(
                    path,
                    format!("line {} is no result of `rain paper` ({e})", number + 1),
                    "Remove the line, or name another file",
                ));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::eval::interval::{Interval, Method};
    use crate::eval::plan::Published;
    use crate::eval::protocol::Summary;

    pub fn finding(preset: &str, seed: u64, rank1: f64) -> Finding {
        let of = |mean: f64| Interval { mean, low: mean - 4.0, high: mean + 4.0 };
        let figures = |mean| Summary {
            rank1: of(mean),
            rank5: of(mean + 20.0),
            rank10: of(mean + 30.0),
            rank20: of(mean + 40.0),
            map: of(mean + 5.0),
            minp: of(mean),
        };
        let row = |rate, drawn, mean| Row { rate, drawn, queries: 316.0, figures: figures(mean) };
        Finding {
            set: Set::Viper,
            preset: preset.into(),
            budget: Budget::Quick,
            seed,
            recipe: format!("{preset}-{seed}"),
            data: "d".into(),
            model: "0123456789ab".into(),
            epochs: 30.0,
            steps: 600,
            program: "Rain".into(),
            note: String::new(),
            judgement: Judgement {
                protocol: Published::MlrViper,
                seed,
                plan: format!("plan{seed}"),
                splits: vec![format!("split{seed}")],
                draws: 1,
                queries: 316,
                gallery: 316,
                rerank: None,
                method: Method::Bootstrap,
                rows: vec![
                    row(None, true, rank1),
                    row(Some(2.0), true, rank1 + 1.0),
                    row(Some(8.0), false, rank1 / 2.0),
                ],
                broken: Vec::new(),
            },
        }
    }

    #[test]
    fn findings_survive_their_file_and_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = Results::open(folder.path(), &[]).unwrap();
        assert!(results.find("d", "a-0").is_none());
        results.add(finding("a", 0, 20.0)).unwrap();
        results.add(finding("a", 1, 22.0)).unwrap();

        let other = tempfile::tempdir().unwrap();
        let mut more = Results::open(other.path(), &[folder.path().join(FILE)]).unwrap();
        more.add(finding("b", 0, 30.0)).unwrap();
        let known = more.find("d", "a-1").unwrap();
        assert_eq!(known.row(None).unwrap().figures.rank1.mean, 22.0);
        assert_eq!(known.row(Some(8.0)).unwrap().figures.rank1.mean, 11.0);
        assert!(known.row(Some(2.0)).is_none(), "only the queries that drew it");
        assert!(more.find("e", "a-1").is_none());

        // Half a last line is a power cut; any other damage is named.
        let file = other.path().join(FILE);
        let whole = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
        assert!(Results::open(other.path(), &[]).unwrap().find("d", "b-0").is_some());
        std::fs::write(&file, format!("nonsense\n{whole}")).unwrap();
        let error = Results::open(other.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains(FILE), "{error}");
    }
}
