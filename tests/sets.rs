//! Data sets, their multi-low-resolution form and the protocols, through the real binary.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use candle_core::Device;
use rain::model::{ModelConfig, Rain};
use serde_json::Value;

fn rain(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(["--device", "cpu"]).args(arguments);
    command
}

fn run(command: &mut Command) -> (bool, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.success(), text(stdout), text(stderr))
}

fn json(command: &mut Command) -> Value {
    let (ok, out, said) = run(command.arg("--json"));
    assert!(ok, "{command:?}: {said}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

/// A rendered crowd as VIPeR would hold it: one image of each of eight people from each of two cameras.
fn viper(folder: &Path) -> std::path::PathBuf {
    let (crowd, set) = (folder.join("crowd"), folder.join("viper"));
    let mut pedestrians = rain(&["pedestrians", "--identities", "16", "--cameras", "2", "--images", "2", "--out"]);
    assert!(run(pedestrians.arg(&crowd)).0);
    for camera in ["cam_a", "cam_b"] {
        fs::create_dir_all(set.join(camera)).expect("creates");
    }
    let mut who = std::collections::BTreeMap::<String, usize>::new();
    let mut files: Vec<_> = ["bounding_box_train", "bounding_box_test", "query"]
        .iter()
        .flat_map(|part| fs::read_dir(crowd.join(part)).expect("lists"))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_os_string));
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (identity, rest) = name.split_once('_').expect("a Market name");
        let next = who.len();
        let number = *who.entry(identity.to_string()).or_insert(next);
        let camera = if rest.starts_with("c1") { "cam_a" } else { "cam_b" };
        fs::copy(&path, set.join(camera).join(format!("{number:03}_0.jpg"))).expect("copies");
    }
    set
}

fn model(folder: &Path) -> std::path::PathBuf {
    let config = ModelConfig { depth: 18, base_width: 4, height: 64, width: 32, classes: 8, ..ModelConfig::default() };
    let path = folder.join("model.safetensors");
    let model = Rain::new(config, 1, &Device::Cpu).expect("a model");
    model.save(&path, &serde_json::json!({ "seed": 3 })).expect("saves");
    path
}

#[test]
fn from_a_set_to_a_judgement() {
    let folder = tempfile::tempdir().expect("a folder");
    let (set, model) = (viper(folder.path()), model(folder.path()));

    let about = json(rain(&["data"]).arg(&set));
    assert_eq!((&about["format"], &about["images"], &about["identities"]), (&"viper".into(), &32.into(), &16.into()));
    assert_eq!(about["broken"], Value::Array(Vec::new()));
    let (_, text, _) = run(rain(&["data"]).arg(&set));
    assert!(text.contains("32 images of 16 people") && text.contains("Split of seed 0"), "{text}");

    // The rates that evaluation draws are the ones that are told and written.
    let drawn = json(rain(&["mlr", "--seed", "3", "--data"]).arg(&set));
    let out = folder.path().join("mlr");
    let written = json(rain(&["mlr", "--seed", "3", "--data"]).arg(&set).arg("--out").arg(&out));
    assert_eq!(drawn, written);
    let drawn = drawn.as_array().expect("a list");
    assert_eq!(drawn.len(), 16, "camera b alone is reduced");
    assert_eq!(json(rain(&["data"]).arg(&out))["images"], 32);

    let plan = folder.path().join("plan.json");
    let mut eval = rain(&["eval", "--protocol", "mlr-viper", "--also", "8", "--model"]);
    let judged = json(eval.arg(&model).arg("--data").arg(&set).arg("--save-plan").arg(&plan));
    let judgement = &judged["judgement"];
    assert_eq!((&judgement["seed"], &judgement["queries"], &judgement["draws"]), (&3.into(), &8.into(), &1.into()));
    assert_eq!(judgement["method"], "bootstrap");
    let rows = judgement["rows"].as_array().expect("rows");
    assert!(rows[0]["rate"].is_null() && rows[0]["queries"] == 8.0, "{rows:?}");
    let last = &rows[rows.len() - 1];
    assert_eq!((&last["rate"], &last["drawn"]), (&8.0.into(), &false.into()));
    for row in rows {
        let rank1 = &row["figures"]["rank1"];
        let (low, mean, high) = (&rank1["low"], &rank1["mean"], &rank1["high"]);
        assert!(low.as_f64() <= mean.as_f64() && mean.as_f64() <= high.as_f64(), "{row}");
    }
    let saved: Value = serde_json::from_str(&fs::read_to_string(&plan).expect("reads")).expect("JSON");
    for query in saved["splits"][0]["queries"].as_array().expect("queries") {
        let told = drawn.iter().find(|line| line["image"] == query["image"]).expect("the same image");
        assert_eq!(told["rate"], query["rate"]);
    }
    // The same plan gives the same figures; another set is refused.
    let again =
        json(rain(&["eval", "--also", "8", "--model"]).arg(&model).arg("--data").arg(&set).arg("--plan").arg(&plan));
    assert_eq!(again["judgement"], *judgement);
    fs::remove_file(set.join(saved["splits"][0]["gallery"][0].as_str().expect("a name"))).expect("removes");
    let (ok, _, said) = run(rain(&["eval", "--model"]).arg(&model).arg("--data").arg(&set).arg("--plan").arg(&plan));
    assert!(!ok && said.contains("the plan names this image"), "{said}");
}

#[test]
fn re_ranking_changes_figures_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (set, model) = (viper(folder.path()), model(folder.path()));
    let mut eval = rain(&["eval", "--rates", "1", "--rerank", "--k1", "6", "--k2", "2", "--model"]);
    let judged = json(eval.arg(&model).arg("--data").arg(&set));
    assert_eq!(judged["rerank"]["k1"], 6);
    assert!(judged["evaluation"]["intervals"][0]["minp"]["mean"].as_f64() > Some(0.0), "{judged}");
}

#[test]
fn what_is_not_recognised_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("cam_a")).expect("creates");
    let (ok, out, said) = run(rain(&["data"]).arg(folder.path()));
    assert!(
        !ok && out.is_empty() && said.contains("cam_a without cam_b") && said.contains("part of a published set"),
        "{said}"
    );
    let error = said.lines().last().unwrap_or_default();
    assert!(error.starts_with("Error: ") && !said.contains("panicked"), "{said}");
}
