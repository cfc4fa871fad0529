//! Exports through the real binary; the numbers are checked in ONNX Runtime and torchvision where `RAIN_PEER_PYTHON` names a
//! Python that has them (with onnx, onnxruntime, torch, torchvision, safetensors and pillow).

use std::path::Path;
use std::process::{Command, Output};

use candle_core::Device;
use rain::model::{ModelConfig, Rain};

fn rain(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rain")).args(words).output().expect("the program starts")
}

fn model(path: &Path) {
    let shape = ModelConfig { depth: 18, base_width: 4, height: 64, width: 32, classes: 3, ..ModelConfig::default() };
    let card = serde_json::json!({"data": {"name": "people", "hash": "d4f1"}, "seed": 7});
    Rain::new(shape, 1, &Device::Cpu).expect("a model").save(path, &card).expect("a file");
}

#[test]
fn the_command_line_exports_and_tells_what_a_file_is() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("m.safetensors");
    model(&path);
    let at = |name: &str| home.path().join(name).display().to_string();
    for (format, out) in [("onnx", at("m.onnx")), ("torchvision", at("t.safetensors"))] {
        let done = rain(&["export", "--model", &at("m.safetensors"), "--format", format, "--out", &out]);
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("In Python"), "{done:?}");
        assert!(Path::new(&out).is_file());
    }
    let done = rain(&["info", "--model", &at("m.safetensors")]);
    let said = String::from_utf8_lossy(&done.stdout);
    for part in ["ResNet-18 of base width 4", "d4f1", "Licence", "no figures"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let done = rain(&["export", "--model", &at("m.safetensors"), "--format", "onnx", "--out", &at("m.safetensors")]);
    assert!(!done.status.success() && String::from_utf8_lossy(&done.stderr).contains("is the model itself"));
    let done = rain(&["export", "--model", &at("m.onnx"), "--format", "onnx", "--out", &at("x.onnx")]);
    assert!(!done.status.success() && !home.path().join("x.onnx").exists());
}

#[test]
fn other_programs_compute_the_same_embeddings() {
    let Some(python) = std::env::var_os("RAIN_PEER_PYTHON") else {
        println!("skipped: set RAIN_PEER_PYTHON to a Python with onnxruntime and torchvision");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer/export.py");
    let output =
        Command::new(python).args([script, "--rain", env!("CARGO_BIN_EXE_rain")]).output().expect("Python starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said} {errors}");
    println!("{said}");
}
