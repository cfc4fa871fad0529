//! `rain bench` through the real binary: every kind of work at a tiny size, and what it refuses.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rain"));
    command.args(["--device", "cpu", "--threads", "2", "bench"]).args(arguments.split(' '));
    command.output().expect("the program starts")
}

fn said(arguments: &str) -> String {
    let output = bench(arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn report(arguments: &str) -> Value {
    let text = said(&format!("{arguments} --repeats 2 --json"));
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments}: {e}: {text}"));
    let positive = |path: &str| {
        let value = report.pointer(path).and_then(Value::as_f64);
        assert!(value.is_some_and(|v| v > 0.0 && v.is_finite()), "{arguments}: {path} in {report}");
    };
    for path in ["/wall_s/median", "/wall_s/least", "/wall_s/most", "/count", "/per_second", "/machine/threads"] {
        positive(path);
    }
    positive("/machine/peak/gflops");
    positive("/machine/peak/copy_gb_s");
    if cfg!(target_os = "linux") {
        positive("/peak_memory_mib");
        assert!(report["cpu_s"]["median"].is_number(), "{report}");
    }
    assert_eq!(report["work"], arguments.split(' ').next().expect("a word"));
    report
}

const TINY: &str = "--depth 18 --base-width 2 --size 64x32";

#[test]
fn forward_counts_images_and_arithmetic() {
    let report = report(&format!("forward {TINY} --batch 3 --seed 5"));
    assert_eq!((&report["count"], &report["unit"], &report["repeats"]), (&3.into(), &"images".into(), &2.into()));
    assert_eq!(report["settings"]["height"], 64);
    assert_eq!(report["settings"]["seed"], 5);
    let (gflop, fraction) = (report["gflop"].as_f64(), report["peak_fraction"].as_f64());
    assert!(gflop.is_some_and(|g| g > 0.0) && fraction.is_some_and(|f| f > 0.0 && f < 2.0), "{report}");
}

#[test]
fn a_step_tells_how_long_a_training_takes() {
    let report = report(&format!("step {TINY} --batch 4 --images 12 --epochs 5"));
    let number = |key: &str| report["details"][key].as_f64().expect("a number");
    assert_eq!((number("epoch_steps"), number("epochs")), (3.0, 5.0));
    let median = report["wall_s"]["median"].as_f64().expect("a number");
    assert!((number("epoch_s") - 3.0 * median).abs() < 1e-9 && (number("training_s") - 15.0 * median).abs() < 1e-9);
    let text = said(&format!("step {TINY} --batch 4 --images 12 --epochs 5 --repeats 1"));
    for part in ["An epoch of 12 images (3 steps of 4 pairs)", "5 epochs", "a second", "peak memory", "time of a run"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn many_steps_tell_whether_memory_grew() {
    let report = report(&format!("step {TINY} --batch 4 --steps 6"));
    assert_eq!((&report["details"]["steps"], &report["repeats"]), (&6.into(), &5.into()));
    if cfg!(target_os = "linux") {
        assert!(
            report["details"]["resident_start_mib"].is_number() && report["details"]["resident_end_mib"].is_number()
        );
    }
}

#[test]
fn files_are_embedded_and_loaded() {
    let embedded = report(&format!("embed {TINY} --count 20"));
    assert_eq!((&embedded["count"], &embedded["details"]["unreadable"]), (&20.into(), &0.into()));
    assert!(embedded["details"]["reading_wall_s"].as_f64().is_some_and(|s| s > 0.0));
    let loaded = report("load --size 64x32 --count 16 --batch 8");
    assert_eq!((&loaded["count"], &loaded["details"]["batches"]), (&32.into(), &2.into()), "sharp and blurred");
    // A folder of the user's own, with a file in it that is no image.
    let folder = tempfile::tempdir().expect("a folder");
    image::RgbImage::new(20, 40).save(folder.path().join("a.png")).expect("a file");
    std::fs::write(folder.path().join("b.jpg"), "no image").expect("a file");
    let path = folder.path().display();
    assert_eq!(report(&format!("embed {TINY} --images {path}"))["count"], 1);
    assert_eq!(report(&format!("load --size 64x32 --batch 4 --images {path}"))["settings"]["count"], 1);
}

#[test]
fn vectors_are_searched_and_ranked() {
    for measure in ["cosine", "euclidean"] {
        let found = report(&format!("search --rows 300 --dims 16 --queries 3 --top 5 --measure {measure}"));
        assert_eq!((&found["count"], &found["unit"]), (&3.into(), &"queries".into()));
        let ranked = report(&format!("rank --rows 300 --dims 16 --queries 4 --measure {measure}"));
        assert!(ranked["details"]["map"].as_f64().is_some_and(|map| map > 0.0 && map <= 1.0));
    }
    let map = report("tsne --points 60 --dims 16 --perplexity 5 --iterations 30");
    assert_eq!((&map["count"], &map["unit"]), (&60.into(), &"points".into()));
    assert!(map["details"]["divergence"].as_f64().is_some_and(|divergence| divergence > 0.0), "{map}");
}

#[test]
fn a_sweep_is_a_table_with_its_line() {
    let arguments = format!("forward {TINY} --batch 4 --repeats 1 --sweep");
    let table = said(&arguments);
    assert!(table.contains("|     8 |        64 x 32 |") && table.contains("for each million pixels"), "{table}");
    let json: Value = serde_json::from_str(&said(&format!("{arguments} --json"))).expect("JSON");
    let rows = json["sweep"]["rows"].as_array().expect("rows");
    assert!(rows.len() >= 5 && rows.iter().all(|row| row["cpu_s"].as_f64().is_some_and(|s| s > 0.0)), "{json}");
    assert!(said(&format!("step {TINY} --batch 4 --repeats 1 --sweep")).contains("|     4 |"));
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_way_out() {
    for (arguments, status, part) in [
        ("forward --size 0x128", 2, "such as 256x128"),
        ("forward --size 256", 2, "such as 256x128"),
        ("forward --batch 0", 2, "0 is not in"),
        ("step --steps 5 --sweep", 2, "cannot be used with"),
        ("nothing", 2, "unrecognized subcommand"),
        ("forward --size 250x128", 1, "multiples of 32"),
        ("forward --depth 20", 1, "18, 34, 50 or 101"),
        ("step --batch 2 --depth 18 --base-width 2 --size 64x32", 1, "Set the batch to 4 or more"),
        ("embed --depth 18 --base-width 2 --size 64x32 --images /no/such/folder", 1, "/no/such/folder"),
        ("tsne --points 50 --dims 4 --perplexity 0.5", 1, "perplexity"),
        ("load --images /no/such/folder", 1, "/no/such/folder"),
        ("embed --model /no/such/model", 1, "/no/such/model"),
    ] {
        let output = bench(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments}: {said}");
        assert!(said.contains(part) && !said.contains("panicked") && output.stdout.is_empty(), "{arguments}: {said}");
    }
    let threads = Command::new(env!("CARGO_BIN_EXE_rain")).args(["--threads", "0", "bench", "forward"]).output();
    assert_eq!(threads.expect("the program starts").status.code(), Some(2));
}
