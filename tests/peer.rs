//! Figures against independent computations in Python, through the real binary. They need a Python with numpy, named by
//! `RAIN_PEER_PYTHON`; without it they say so and pass.

use std::process::Command;

fn agrees(script: &str, problems: &str) {
    let Some(python) = std::env::var_os("RAIN_PEER_PYTHON") else {
        println!("skipped {script}: set RAIN_PEER_PYTHON to a Python with numpy");
        return;
    };
    let script = format!("{}/benches/peer/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .args([&script, "--rain", env!("CARGO_BIN_EXE_rain"), "--problems", problems])
        .output()
        .expect("Python starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said} {errors}");
    println!("{script}: {said}");
}

#[test]
fn figures_agree_on_a_thousand_random_problems() {
    agrees("metrics_numpy.py", "1000");
}

#[test]
fn re_ranking_agrees_with_dense_matrices() {
    agrees("rerank_numpy.py", "20");
}
