//! Settings as text: the built-in presets, `--config` files and `--set key=value`.
//!
//! All three are TOML with the keys of [`RunConfig`]; what is left out keeps its default. A key that Rain does not know
//! is refused with the nearest one that it does, so that a typing mistake cannot silently train something else.

use std::path::Path;

use toml::{Table, Value};

use super::config::{DataConfig, ModelSettings, RunConfig};
use crate::data::dataset::Format;
use crate::model::config::ModelConfig;
use crate::{Error, Result};

const PRESETS: [(&str, &str); 21] = [
    ("demo", include_str!("../../assets/presets/demo.toml")),
    ("paper-multi-level", include_str!("../../assets/presets/paper-multi-level.toml")),
    ("paper-single-level", include_str!("../../assets/presets/paper-single-level.toml")),
    ("baseline-hr", include_str!("../../assets/presets/baseline-hr.toml")),
    ("baseline-hr-lr", include_str!("../../assets/presets/baseline-hr-lr.toml")),
    ("without-cls", include_str!("../../assets/presets/without-cls.toml")),
    ("without-tri", include_str!("../../assets/presets/without-tri.toml")),
    ("without-rec", include_str!("../../assets/presets/without-rec.toml")),
    ("without-adv", include_str!("../../assets/presets/without-adv.toml")),
    ("levels-5", include_str!("../../assets/presets/levels-5.toml")),
    ("levels-4-5", include_str!("../../assets/presets/levels-4-5.toml")),
    ("levels-3-4-5", include_str!("../../assets/presets/levels-3-4-5.toml")),
    ("levels-2-3-4-5", include_str!("../../assets/presets/levels-2-3-4-5.toml")),
    ("semi-0", include_str!("../../assets/presets/semi-0.toml")),
    ("semi-20", include_str!("../../assets/presets/semi-20.toml")),
    ("semi-40", include_str!("../../assets/presets/semi-40.toml")),
    ("semi-60", include_str!("../../assets/presets/semi-60.toml")),
    ("semi-80", include_str!("../../assets/presets/semi-80.toml")),
    ("semi-100", include_str!("../../assets/presets/semi-100.toml")),
    ("strong", include_str!("../../assets/presets/strong.toml")),
    ("viper-small", include_str!("../../assets/presets/viper-small.toml")),
];

const NAMES: [&str; PRESETS.len()] = {
    let mut names = [""; PRESETS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = PRESETS[i].0;
        i += 1;
    }
    names
};

/// The built-in presets.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// The settings of a built-in preset.
///
/// # Errors
/// [`Error::Input`] that lists the presets, where `name` is none of them.
pub fn load(name: &str) -> Result<RunConfig> {
    let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) else {
        let problem = format!("There is no preset \"{name}\"");
        return Err(Error::input(problem, format!("The presets are {}", NAMES.join(", "))));
    };
    let mut config = parse(text).map_err(|problem| {
        Error::input(format!("The preset \"{name}\" cannot be read: {problem}"), "Please report this")
    })?;
    config.preset = name.to_string();
    Ok(config)
}

/// The settings of the preset `name` laid over those of the preset `base`, which decides what the first leaves open.
///
/// # Errors
/// As [`load`].
pub fn load_over(base: &str, name: &str) -> Result<RunConfig> {
    fn lay(under: &mut Table, over: Table) {
        for (key, value) in over {
            if let (Some(Value::Table(inner)), Value::Table(over)) = (under.get_mut(&key), &value) {
                lay(inner, over.clone());
            } else {
                under.insert(key, value);
            }
        }
    }
    load(base)?;
    let text = |name: &str| PRESETS.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text);
    let tree = |name: &str| text(name).parse::<Table>().unwrap_or_default(); // both were read by `load`
    let plain = load(name)?;
    let mut both = tree(base);
    lay(&mut both, tree(name));
    let read = |e: toml::de::Error| {
        Error::input(format!("The presets \"{base}\" and \"{name}\" do not fit together: {e}"), "Please report this")
    };
    Ok(RunConfig { preset: plain.preset, ..both.try_into().map_err(read)? })
}

/// Reads a settings file: a preset of one's own, or the `run.toml` of another run.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] with the line or key where it cannot be understood.
pub fn read_config(path: &Path) -> Result<RunConfig> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    parse(&text).map_err(|problem| Error::file(path, problem, "Correct the file and try again"))
}

/// The settings as the text of a `run.toml`.
///
/// # Errors
/// [`Error::Input`] where a value has no TOML form: a seed beyond 2^63 - 1.
pub fn to_toml(config: &RunConfig) -> Result<String> {
    toml::to_string(config).map_err(|e| {
        Error::input(
            format!("The settings cannot be written as TOML: {}", one_line(&e.to_string())),
            "Choose a seed below 9223372036854775808",
        )
    })
}

/// Changes one setting: `"optim.lr=3e-4"`, `"data.rates=2,3,4"`, `"model.stem_width=none"`.
///
/// # Errors
/// [`Error::Input`] for an unknown key (with the nearest known one) or a value of the wrong kind; `config` is unchanged.
pub fn set(config: &mut RunConfig, assignment: &str) -> Result<()> {
    let Some((key, text)) = assignment.split_once('=') else {
        let problem = format!("\"{assignment}\" is not a setting");
        return Err(Error::input(problem, "Write it as key=value, for example optim.lr=3e-4"));
    };
    let (key, text) = (key.trim(), text.trim());
    let known = every_setting();
    let Some(example) = known.iter().find(|(name, _)| name == key).map(|(_, value)| value) else {
        return Err(Error::input(unknown_key(key), "Correct the key and try again"));
    };
    let wrong = |problem: String| {
        let problem = format!("\"{text}\" does not fit the setting {key}: {}", one_line(&problem));
        Error::input(problem, format!("A value like {example} does"))
    };

    let mut tree = Table::try_from(&*config).map_err(|e| wrong(e.to_string()))?;
    let (tables, leaf) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table = &mut tree;
    for name in tables.split('.').filter(|name| !name.is_empty()) {
        table = table
            .entry(name)
            .or_insert_with(|| Table::new().into())
            .as_table_mut()
            .ok_or_else(|| wrong(format!("{name} is not a table")))?;
    }
    match value_of(text, example) {
        Some(value) => table.insert(leaf.to_string(), value),
        None => table.remove(leaf),
    };
    let changed: RunConfig = tree.try_into().map_err(|e| wrong(format!("{e}")))?;
    *config = changed;
    Ok(())
}

/// What differs between two settings, as `optim.lr 0.001 → 0.0001`, apart from where the data lies.
pub fn differences(before: &RunConfig, after: &RunConfig) -> Vec<String> {
    let flat = |config| Table::try_from(config).map(|tree| leaves(&tree)).unwrap_or_default();
    let (before, after) = (flat(before), flat(after));
    let mut keys: Vec<&String> = before.iter().chain(&after).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let mut changes = Vec::new();
    for key in keys.into_iter().filter(|key| !["data.root", "data.workers"].contains(&key.as_str())) {
        let text = |all: &[(String, Value)]| {
            let found = all.iter().find(|(name, _)| name == key);
            found.map_or("none".to_string(), |(_, value)| value.to_string())
        };
        let (old, new) = (text(&before), text(&after));
        if old != new {
            changes.push(format!("{key} {old} → {new}"));
        }
    }
    changes
}

/// Every setting by its dotted key, as text, in order.
pub fn settings(config: &RunConfig) -> Vec<(String, String)> {
    let mut all = Table::try_from(config).map(|tree| leaves(&tree)).unwrap_or_default();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter().map(|(key, value)| (key, value.to_string())).collect()
}

/// Parses settings; the message says what is wrong.
fn parse(text: &str) -> Result<RunConfig, String> {
    let tree: Table = text.parse().map_err(|e: toml::de::Error| one_line(&e.to_string()))?;
    // serde cannot refuse unknown keys below a flattened struct (`model`), nor name a neighbour: so it is done here.
    let known = every_setting();
    let table = |key: &str| known.iter().any(|(name, _)| name.starts_with(&format!("{key}.")));
    for key in keys(&tree) {
        if !known.iter().any(|(name, _)| *name == key) && !table(&key) {
            return Err(unknown_key(&key));
        }
    }
    tree.try_into().map_err(|e: toml::de::Error| one_line(&e.to_string()))
}

/// `text` as TOML, read with the kind of `example` in mind: strings need no quotes and lists no brackets.
/// `None` for "none", which takes an optional setting away.
fn value_of(text: &str, example: &Value) -> Option<Value> {
    let toml = |text: &str| format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
    if text == "none" {
        return None;
    }
    Some(match (toml(text), example) {
        (Some(value @ Value::String(_)), _) => value,
        (_, Value::String(_)) => Value::String(text.to_string()),
        (Some(value @ Value::Array(_)), _) => value,
        (_, Value::Array(_)) => toml(&format!("[{text}]")).unwrap_or_else(|| Value::String(text.to_string())),
        (Some(value), _) => value,
        (None, _) => Value::String(text.to_string()),
    })
}

/// Every setting by its dotted key, with a value of its kind; the optional ones are filled in.
fn every_setting() -> Vec<(String, Value)> {
    let config = RunConfig {
        data: DataConfig { format: Some(Format::Market1501), hash: Some(String::new()), ..DataConfig::default() },
        model: ModelSettings {
            shape: ModelConfig { stem_width: Some(64), mirror: true, ..ModelConfig::default() },
            init: Some("resnet50.pth".into()),
        },
        ..RunConfig::default()
    };
    Table::try_from(&config).map(|tree| leaves(&tree)).unwrap_or_default()
}

/// The values of a tree that are not tables, by dotted key.
fn leaves(tree: &Table) -> Vec<(String, Value)> {
    fn walk(tree: &Table, prefix: &str, out: &mut Vec<(String, Value)>) {
        for (name, value) in tree {
            match value {
                Value::Table(inner) => walk(inner, &format!("{prefix}{name}."), out),
                value => out.push((format!("{prefix}{name}"), value.clone())),
            }
        }
    }
    let mut out = Vec::new();
    walk(tree, "", &mut out);
    out
}

/// The dotted keys of a tree: its leaves, and its tables without leaves.
fn keys(tree: &Table) -> Vec<String> {
    fn walk(tree: &Table, prefix: &str, out: &mut Vec<String>) {
        for (name, value) in tree {
            match value {
                Value::Table(inner) if !inner.is_empty() => {
                    walk(inner, &format!("{prefix}{name}."), out);
                }
                _ => out.push(format!("{prefix}{name}")),
            }
        }
    }
    let mut out = Vec::new();
    walk(tree, "", &mut out);
    out
}

fn unknown_key(key: &str) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_string();
    let nearest = every_setting()
        .into_iter()
        .map(|(known, _)| known)
        .min_by_key(|known| (edits(&last(key), &last(known)), edits(key, known)))
        .unwrap_or_default();
    format!("There is no setting \"{key}\"; the nearest is \"{nearest}\"")
}

/// Levenshtein's distance: insertions, deletions and substitutions that turn `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// TOML's messages are drawings over several lines; this keeps their words.
fn one_line(message: &str) -> String {
    let drawing = |line: &&str| !line.trim_start().starts_with('|') && !line.contains(" | ");
    let lines = message.lines().filter(drawing).map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::{Adversarial, Optimiser};

    #[test]
    fn every_preset_loads_and_survives_a_round_trip() {
        for name in names() {
            let config = load(name).unwrap();
            assert_eq!(config.preset, *name);
            let text = to_toml(&config).unwrap();
            assert_eq!(parse(&text).unwrap(), config, "{name}:\n{text}");
        }
        let mut full = load("demo").unwrap();
        full.model.init = Some("a/b.pth".into());
        full.model.shape.stem_width = Some(8);
        full.data.format = Some(Format::Viper);
        full.data.hash = Some("ab".into());
        assert_eq!(parse(&to_toml(&full).unwrap()).unwrap(), full);
    }

    #[test]
    fn presets_say_what_their_names_say() {
        assert_eq!(load("paper-multi-level").unwrap().model.shape.levels, [4, 5]);
        assert_eq!(load("paper-single-level").unwrap().model.shape.levels, [5]);
        let hr = load("baseline-hr").unwrap();
        assert!(!hr.data.use_lr && hr.loss.adv == 0.0 && hr.loss.rec == 0.0);
        let both = load("baseline-hr-lr").unwrap();
        assert!(both.data.use_lr && both.loss.adv == 0.0 && both.loss.rec == 0.0);
        for (name, off) in [("without-cls", 0), ("without-tri", 1), ("without-rec", 2), ("without-adv", 3)] {
            let loss = load(name).unwrap().loss;
            let weights = [loss.cls, loss.tri, loss.rec, loss.adv];
            assert!((0..4).all(|term| weights[term] == f64::from(u8::from(term != off))), "{name}: {weights:?}");
        }
        for (name, share) in [("semi-0", 0.0), ("semi-40", 0.4), ("semi-100", 1.0)] {
            assert_eq!(load(name).unwrap().data.labelled, share);
        }
        assert_eq!(load("levels-2-3-4-5").unwrap().model.shape.levels, [2, 3, 4, 5]);
        let strong = load("strong").unwrap();
        assert!(
            strong.model.shape.last_stride == 1
                && strong.model.shape.neck
                && strong.data.erasing > 0.0
                && strong.loss.batch_hard
        );
        let terms = [strong.loss.adv, strong.loss.rec, strong.loss.cls, strong.loss.tri];
        assert!(terms.iter().all(|weight| *weight == 1.0), "RAIN's terms stay: {terms:?}");
        let viper = load("viper-small").unwrap();
        assert_eq!((viper.optim.lr, viper.optim.betas_discriminator), (2.5e-3, [0.5, 0.999]));
        assert_eq!((viper.model.shape.base_width, viper.model.shape.stem_width), (32, Some(64)));
        let error = load("papr").unwrap_err().to_string();
        assert!(error.contains("viper-small"), "{error}");
    }

    #[test]
    fn set_changes_any_key() {
        let mut config = RunConfig::default();
        for assignment in [
            "optim.lr=3e-4",
            "optim.momentum = 1",
            "seed=7",
            "model.depth=18",
            "model.levels=5",
            "data.rates=2,3.5",
            "data.format=viper",
            "model.init=some/resnet50.pth",
            "model.stem_width=64",
            "loss.adversarial=least_squares",
            "optim.optimiser=\"adam\"",
            "data.use_lr=false",
            "preset=123",
        ] {
            set(&mut config, assignment).unwrap_or_else(|e| panic!("{assignment}: {e}"));
        }
        assert_eq!((config.optim.lr, config.optim.momentum, config.seed), (3e-4, 1.0, 7));
        assert_eq!((config.model.shape.depth, config.model.shape.stem_width), (18, Some(64)));
        assert_eq!((&config.model.shape.levels[..], &config.data.rates[..]), (&[5][..], &[2.0, 3.5][..]));
        assert_eq!(config.data.format, Some(Format::Viper));
        assert_eq!(config.model.init.as_deref(), Some(Path::new("some/resnet50.pth")));
        assert_eq!(config.loss.adversarial, Adversarial::LeastSquares);
        assert_eq!(config.optim.optimiser, Optimiser::Adam);
        assert!(!config.data.use_lr && config.preset == "123");
        set(&mut config, "model.stem_width=none").unwrap();
        assert_eq!(config.model.shape.stem_width, None);
    }

    #[test]
    fn set_refuses_what_it_does_not_know_and_names_the_neighbour() {
        let mut config = RunConfig::default();
        for (assignment, hint) in [
            ("optim.lrr=1", "\"optim.lr\""),
            ("lr=1", "\"optim.lr\""),
            ("model.dept=18", "\"model.depth\""),
            ("model.shape.depth=18", "\"model.depth\""),
            ("sed=1", "\"seed\""),
            ("optim.lr=fast", "optim.lr"),
            ("model.depth=1.5", "model.depth"),
            ("data.rates=a,b", "data.rates"),
            ("seed=none=1", "seed"),
            ("optim=1", "no setting"),
            ("optim.lr", "key=value"),
        ] {
            let error = set(&mut config, assignment).unwrap_err().to_string();
            assert!(error.contains(hint), "{assignment}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        assert_eq!(config, RunConfig::default());
    }

    #[test]
    fn unknown_keys_are_refused_in_every_table() {
        for table in ["", "[data]", "[model]", "[loss]", "[optim]", "[schedule]", "[bogus]"] {
            let error = parse(&format!("{table}\nbogus = 1\n")).unwrap_err();
            assert!(error.contains("bogus") && error.contains("nearest"), "{table}: {error}");
        }
        assert!(parse("[bogus]").is_err() && parse("[model.shape]\ndepth = 18").is_err());
        assert!(parse("[model]").is_ok());
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, "[optim]\nlr = = 3\n").unwrap();
        let error = read_config(&path).unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.lines().count() == 1, "{error}");
    }

    #[test]
    fn differences_name_the_keys() {
        let before = RunConfig::default();
        let mut after = before.clone();
        set(&mut after, "optim.lr=1e-4").unwrap();
        set(&mut after, "data.root=elsewhere").unwrap();
        set(&mut after, "model.stem_width=32").unwrap();
        assert_eq!(differences(&before, &after), ["model.stem_width none → 32", "optim.lr 0.001 → 0.0001"]);
    }

    proptest::proptest! {
        #[test]
        fn no_assignment_panics(text in ".{0,40}", key in 0usize..50) {
            let mut config = RunConfig::default();
            let known = every_setting();
            let _ = set(&mut config, &text);
            let _ = set(&mut config, &format!("{}={text}", known[key % known.len()].0));
            let _ = parse(&text);
        }
    }
}
