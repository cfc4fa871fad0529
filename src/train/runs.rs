//! The runs in a folder: what each was, how far it came, how well it did; and the trash that a deleted one goes to.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::config::RunConfig;
use super::event::{RateFigures, StepRecord, ValidationRecord};
use super::{history, preset};
use crate::{Error, Result};

/// The hidden folder beside the runs that deleted ones are moved to.
pub const TRASH: &str = ".trash";
/// A record is far shorter: the last one lies within this many bytes of the end.
const TAIL: u64 = 64 << 10;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A process trains it now.
    Training,
    /// It was stopped, or its process ended; it can be resumed.
    Stopped,
    /// All steps are done.
    Finished,
}

/// What its owner wrote down about a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// Free text.
    pub text: String,
    /// Its colour on the curves, by number; chosen by its place in the list where not given.
    pub colour: Option<usize>,
}

/// A run as its folder tells of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder's name.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Its settings.
    pub config: RunConfig,
    /// The same by dotted key.
    pub settings: Vec<(String, String)>,
    /// Its last step.
    pub last: Option<StepRecord>,
    /// Steps in the whole run, once a step is done.
    pub total_steps: Option<u64>,
    /// Its validations.
    pub validation: Vec<ValidationRecord>,
    /// What `rain eval --json` said of it: the file's name and the figures, of each file in the folder that holds some.
    pub evaluations: Vec<(String, Vec<RateFigures>)>,
    /// Its best model, or its last one where none was validated.
    pub model: Option<PathBuf>,
    /// Bytes in its folder.
    pub bytes: u64,
    /// When it was last written to, in seconds since 1970.
    pub changed: u64,
    /// What its owner wrote down.
    pub note: Note,
    /// What of it cannot be read.
    pub problem: Option<String>,
}

impl Run {
    /// The validation with the highest rank-1.
    pub fn best(&self) -> Option<&ValidationRecord> {
        self.validation.iter().max_by(|a, b| a.rank1.total_cmp(&b.rank1))
    }
}

/// Every run in `folder`, by name; none where the folder is missing.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be listed. A run that cannot be read is listed with its problem.
pub fn list(folder: &Path) -> Result<Vec<Run>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", folder, e)),
    };
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !hidden(path) && path.join("run.toml").is_file())
        .collect();
    paths.sort();
    Ok(paths.iter().map(|path| read(path)).collect())
}

/// One run.
pub fn read(folder: &Path) -> Run {
    let mut problems = Vec::new();
    let mut keep = |error: Error| problems.push(error.to_string());
    let config = preset::read_config(&folder.join("run.toml")).map_err(&mut keep).unwrap_or_default();
    let last = last_record(&folder.join("history.jsonl")).map_err(&mut keep).unwrap_or_default();
    let validation = history::read(&folder.join("validation.jsonl")).map_err(&mut keep).unwrap_or_default();
    let (finished, best) = (folder.join("model.safetensors"), folder.join("model-best.safetensors"));
    let (bytes, changed) = weigh(folder, 3);
    let steps_per_epoch = last.as_ref().filter(|r| r.epoch > 0.0).map(|r| r.step as f64 / r.epoch);
    Run {
        state: match (training(folder), finished.is_file()) {
            (true, _) => State::Training,
            (_, true) => State::Finished,
            _ => State::Stopped,
        },
        name: name(folder),
        settings: preset::settings(&config),
        total_steps: steps_per_epoch.map(|s| ((config.schedule.epochs * s.round()).round() as u64).max(1)),
        last,
        validation,
        evaluations: evaluations(folder),
        model: [best, finished].into_iter().find(|path| path.is_file()),
        bytes,
        changed,
        note: read_note(folder),
        problem: problems.into_iter().next(),
        config,
        folder: folder.to_path_buf(),
    }
}

/// The settings in which these runs differ, by dotted key, in order; where the data lies is not one of them.
pub fn differing(runs: &[&Run]) -> Vec<String> {
    let value = |run: &Run, key: &str| run.settings.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let mut keys: Vec<&String> = runs.iter().flat_map(|run| run.settings.iter().map(|(key, _)| key)).collect();
    keys.sort();
    keys.dedup();
    let differs = |key: &&String| runs.windows(2).any(|pair| value(pair[0], key) != value(pair[1], key));
    let skip = ["preset", "data.root", "data.workers", "data.hash"];
    keys.into_iter().filter(|key| !skip.contains(&key.as_str())).filter(differs).cloned().collect()
}

/// Writes what the owner has to say.
///
/// # Errors
/// [`Error::Io`] where it cannot be written.
pub fn write_note(folder: &Path, note: &Note) -> Result<()> {
    let path = folder.join("notes.toml");
    let text = toml::to_string(note).map_err(|e| Error::file(&path, e.to_string(), "Shorten the note"))?;
    crate::fs::write_atomic(&path, |file| file.write_all(text.as_bytes()))
}

fn read_note(folder: &Path) -> Note {
    // A note that somebody else spoilt is not worth a failure.
    fs::read_to_string(folder.join("notes.toml")).ok().and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
}

/// Moves a run to the trash; the answer is where it lies there, for [`restore`].
///
/// # Errors
/// [`Error::File`] where it is no run or a process trains it, [`Error::Io`] where it cannot be moved.
pub fn discard(folder: &Path) -> Result<PathBuf> {
    if !folder.join("run.toml").is_file() {
        return Err(Error::file(folder, "There is no run in this folder", "Choose the folder of a run"));
    }
    if training(folder) {
        return Err(Error::file(folder, "A process trains in this folder", "Stop it first"));
    }
    let trash = folder.parent().unwrap_or(Path::new(".")).join(TRASH);
    fs::create_dir_all(&trash).map_err(|e| Error::io("create", &trash, e))?;
    let base = format!("{} {}", name(folder), now());
    let free = |n: usize| trash.join(if n == 0 { base.clone() } else { format!("{base} {n}") });
    let target = (0..1000).map(free).find(|path| !path.exists()).unwrap_or_else(|| trash.join(&base));
    fs::rename(folder, &target).map_err(|e| Error::io("move to the trash", folder, e))?;
    Ok(target)
}

/// Brings a run back from the trash.
///
/// # Errors
/// [`Error::File`] where something else has taken its place, [`Error::Io`] where it cannot be moved.
pub fn restore(trashed: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        return Err(Error::file(folder, "Another run has this name now", "Rename or delete that one first"));
    }
    fs::rename(trashed, folder).map_err(|e| Error::io("bring back", trashed, e))
}

/// `root/<base>`, or the first of `-2`, `-3`, … that is free.
pub fn free_folder(root: &Path, base: &str) -> PathBuf {
    let named = |n: usize| root.join(if n == 1 { base.to_owned() } else { format!("{base}-{n}") });
    (1..100_000).map(named).find(|path| !path.exists()).unwrap_or_else(|| root.join(base))
}

/// Whether a process trains in this folder.
pub fn training(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join("run.lock")) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The last whole record of a history, without reading all of it.
fn last_record(path: &Path) -> Result<Option<StepRecord>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    let mut read = || -> std::io::Result<Vec<u8>> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        (&mut file).take(TAIL).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = read().map_err(|e| Error::io("read", path, e))?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &tail[..end]);
    Ok(whole.rsplit(|byte| *byte == b'\n').find_map(|line| serde_json::from_slice(line).ok()))
}

/// The figures in the `.json` files of a folder, as far as `rain eval` wrote them.
fn evaluations(folder: &Path) -> Vec<(String, Vec<RateFigures>)> {
    let read = |path: PathBuf| {
        if path.extension()? != "json" || path.metadata().ok()?.len() > TAIL {
            return None;
        }
        let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).ok()?).ok()?;
        let rates: Vec<RateFigures> = serde_json::from_value(value["evaluation"]["rates"].clone()).ok()?;
        Some((path.file_stem()?.to_string_lossy().into_owned(), rates)).filter(|(_, rates)| !rates.is_empty())
    };
    let mut all: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|e| read(e.path())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Bytes below a folder, and the newest change in it.
fn weigh(folder: &Path, depth: usize) -> (u64, u64) {
    let Ok(entries) = fs::read_dir(folder) else {
        return (0, 0);
    };
    entries.flatten().fold((0, 0), |(bytes, changed), entry| {
        let Ok(meta) = entry.metadata() else {
            return (bytes, changed);
        };
        let (below, later) = if meta.is_dir() && depth > 0 { weigh(&entry.path(), depth - 1) } else { (0, 0) };
        let time = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |t| t.as_secs());
        let own = if meta.is_file() { meta.len() } else { 0 };
        (bytes + own + below, changed.max(later).max(if meta.is_file() { time } else { 0 }))
    })
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::folder::RunFolder;

    fn make(root: &Path, name: &str, change: &str) -> PathBuf {
        let folder = root.join(name);
        let mut config = preset::load("demo").unwrap();
        preset::set(&mut config, change).unwrap();
        drop(RunFolder::create(&folder, &config).unwrap());
        let (mut log, _) = history::Log::<StepRecord>::open(&folder.join("history.jsonl"), 0).unwrap();
        for step in 1..=30 {
            log.append(&StepRecord { step, epoch: step as f64 / 10.0, ..StepRecord::default() }).unwrap();
        }
        folder
    }

    #[test]
    fn runs_are_listed_with_how_far_they_came() {
        let home = tempfile::tempdir().unwrap();
        let first = make(home.path(), "a", "schedule.epochs=6");
        make(home.path(), "b", "optim.lr=0.5");
        fs::create_dir(home.path().join("no run")).unwrap();
        let runs = list(home.path()).unwrap();
        assert_eq!(runs.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((runs[0].last.as_ref().unwrap().step, runs[0].total_steps), (30, Some(60)));
        assert_eq!((runs[0].state, runs[0].model.as_ref()), (State::Stopped, None));
        assert!(runs[0].bytes > 1000 && runs[0].changed > 1_700_000_000);
        assert_eq!(differing(&runs.iter().collect::<Vec<_>>()), ["optim.lr", "schedule.epochs"]);
        let rates = [RateFigures { rate: 2.0, rank1: 50.0, ..RateFigures::default() }];
        let eval = serde_json::json!({"evaluation": {"rates": rates}});
        fs::write(first.join("eval-viper.json"), eval.to_string()).unwrap();
        fs::write(first.join("other.json"), "{}").unwrap();
        assert_eq!(read(&first).evaluations, [("eval-viper".to_owned(), rates.to_vec())]);
        fs::write(first.join("model.safetensors"), "").unwrap();
        assert_eq!(read(&first).state, State::Finished);
        let held = RunFolder::open(&first).unwrap();
        assert_eq!(read(&first).state, State::Training);
        assert!(discard(&first).unwrap_err().to_string().contains("Stop it first"));
        drop(held);
        assert!(list(&home.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn a_broken_run_is_listed_with_its_problem() {
        let home = tempfile::tempdir().unwrap();
        let folder = make(home.path(), "a", "seed=1");
        fs::write(folder.join("run.toml"), "nonsense = = 3").unwrap();
        fs::write(folder.join("history.jsonl"), "{\"step\":").unwrap();
        let run = read(&folder);
        assert!(run.problem.unwrap().contains("run.toml") && run.last.is_none());
    }

    #[test]
    fn a_note_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let folder = make(home.path(), "a", "seed=1");
        let note = Note { text: "with \"quotes\"\nand lines".into(), colour: Some(3) };
        write_note(&folder, &note).unwrap();
        assert_eq!(read(&folder).note, note);
    }

    #[test]
    fn a_deleted_run_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let folder = make(home.path(), "a", "seed=1");
        let trashed = discard(&folder).unwrap();
        assert!(list(home.path()).unwrap().is_empty() && trashed.join("history.jsonl").exists());
        restore(&trashed, &folder).unwrap();
        assert_eq!(list(home.path()).unwrap().len(), 1);
        let trashed = discard(&folder).unwrap();
        make(home.path(), "a", "seed=2");
        assert!(restore(&trashed, &folder).is_err());
        assert!(discard(&home.path().join("none")).is_err());
    }
}
