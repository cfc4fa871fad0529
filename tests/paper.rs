//! `rain paper` through the real binary: a row is trained and judged, the next sitting knows it, and a run that was begun is
//! gone on with.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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

/// A sitting at table 2 with a network of a thimble's size.
fn sitting(set: &Path, out: &Path) -> Command {
    asked(["--table", "2"], set, out)
}

fn asked(what: [&str; 2], set: &Path, out: &Path) -> Command {
    let mut command = rain(&["paper", "--seeds", "0", "--json"]);
    command.args(what);
    command.arg("--data").arg(format!("other={}", set.display())).arg("--out").arg(out);
    for setting in [
        "model.depth=18",
        "model.base_width=4",
        "model.stem_width=none",
        "model.stride_in_1x1=false",
        "model.height=64",
        "model.width=32",
        "data.identities=4",
        "schedule.epochs=1",
        "schedule.warmup_epochs=0",
    ] {
        command.args(["--set", setting]);
    }
    command
}

fn report(command: &mut Command) -> (Value, String) {
    let (ok, out, said) = run(command);
    assert!(ok, "{said}");
    (serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}")), said)
}

fn line<'a>(result: &'a Value, preset: &str) -> &'a Value {
    let lines = result["report"]["lines"].as_array().expect("lines");
    lines.iter().find(|line| line["preset"] == preset).expect("the row")
}

#[test]
fn several_sittings_add_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let (set, out) = (folder.path().join("crowd"), folder.path().join("out"));
    let mut crowd = rain(&["pedestrians", "--identities", "16", "--cameras", "2", "--images", "2", "--out"]);
    assert!(run(crowd.arg(&set)).0);

    // One row; the other is named as missing.
    let (first, said) = report(sitting(&set, &out).args(["--only", "baseline-hr-lr"]));
    assert!(said.contains("1 runs are called for; 0 of them are known"), "{said}");
    let baseline = line(&first, "baseline-hr-lr")["cells"].clone();
    let mine: Vec<&Value> = baseline.as_array().expect("cells").iter().filter(|c| c["seeds"] == 1).collect();
    assert_eq!(mine.len(), 8, "four figures at the drawn rates and four at r = 8: {baseline}");
    assert!(first["report"]["missing"][0].as_str().is_some_and(|name| name.starts_with("RAIN, multi-level")));
    let page = fs::read_to_string(out.join("table-2.md")).expect("a page");
    assert!(page.starts_with("**Quick budget, a reduction of the paper's experiment: 64 x 32 pixels"), "{page}");

    // A run that was begun elsewhere and killed is found by its settings and gone on with.
    let (second, said) = report(&mut sitting(&set, &out));
    assert!(said.contains("2 runs are called for; 1 of them are known"), "{said}");
    assert_eq!(line(&second, "baseline-hr-lr")["cells"], baseline);
    assert_eq!(second["report"]["missing"], Value::Array(Vec::new()));
    let begun = out.join("runs/other-paper-multi-level-seed-0");
    fs::remove_file(begun.join("model.safetensors")).expect("removes");
    fs::remove_file(out.join("results.jsonl")).expect("removes");
    let (third, said) = report(&mut sitting(&set, &out));
    assert!(said.contains("0 of them are known") && said.contains("going on with"), "{said}");
    assert_eq!(third["report"]["lines"], second["report"]["lines"]);
    assert_eq!(fs::read_dir(out.join("runs")).expect("lists").count(), 2);

    // Results carry over to another folder without their runs, and nothing is trained for a report alone.
    let other = folder.path().join("other");
    let mut again = sitting(&set, &other);
    let (fourth, _) = report(again.arg("--results").arg(out.join("results.jsonl")).arg("--report-only"));
    assert_eq!(fourth["report"]["lines"], third["report"]["lines"]);
    assert!(!other.join("runs").exists());

    // Figures 3 and 4 are drawn from the model that is there, of people whom it was not trained on.
    for (figure, pictures) in [("3", vec!["figure3a", "figure3b"]), ("4", vec!["figure4"])] {
        let (ok, drawn, said) = run(&mut asked(["--figure", figure], &set, &out));
        assert!(ok && said.contains("1 runs are called for; 1 of them are known"), "{said}");
        let drawn: Value = serde_json::from_str(&drawn).expect("JSON");
        assert_eq!(drawn["sets"][0]["notes"], Value::Array(Vec::new()), "the model says whom it was trained on");
        let page = fs::read_to_string(out.join(format!("figure-{figure}.html"))).expect("a page");
        assert_eq!(page.matches("data:image/png;base64,").count(), pictures.len());
        assert!(page.contains("<p class=\"first\">Quick budget"));
        for name in pictures {
            assert!(out.join(format!("figure-{figure}/other/{name}.svg")).is_file(), "{name}");
        }
    }
    assert_eq!(fs::read_dir(out.join("runs")).expect("lists").count(), 2);
    let (ok, _, said) = run(asked(["--figure", "4"], &set, &folder.path().join("none")).arg("--report-only"));
    assert!(!ok && said.contains("There is no model yet of RAIN, multi-level"), "{said}");
}

#[test]
fn what_cannot_be_run_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = rain(&["paper", "--table", "1", "--only", "sing", "--out", "out", "--data"]);
    let (ok, _, said) = run(command.arg(format!("viper={}", folder.path().display())).current_dir(folder.path()));
    assert!(!ok && said.contains("no row \"sing\"") && said.contains("baseline-hr-lr"), "{said}");
}
