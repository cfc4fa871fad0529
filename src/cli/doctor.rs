//! `rain doctor`: what this machine offers, and whether the numbers are right on it.

use std::path::PathBuf;

use candle_core::Device;
use serde_json::json;

use super::console::{print, print_json};
use crate::device::{DeviceChoice, cuda_support, describe};
use crate::error::{Error, Result};
use crate::nn::kernel::Isa;
use crate::train::golden;

/// A golden file small enough to ship in the binary, so that every copy of Rain can prove its numbers where it runs.
const SELF_CHECK: &[u8] = include_bytes!("../../tests/golden/resnet18_semi_sgd.safetensors");

/// The self-check's name for the GPU's kernels.
const GPU: &str = "CUDA";

/// Check this machine and Rain's numbers on it
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {
    /// Replay this golden file and print its relative errors as JSON; exit status 1 if one is too large
    #[arg(long, value_name = "FILE")]
    golden: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Prints what it finds.
///
/// # Errors
/// When the device cannot be opened, or an error of a golden file is beyond its bound.
pub fn run(args: &DoctorArgs, device: DeviceChoice) -> Result<()> {
    let device = device.open()?;
    if let Some(path) = &args.golden {
        let (errors, bounds) = golden::replay(path, &device)?;
        print_json(&errors)?;
        return if errors.within(&bounds) {
            Ok(())
        } else {
            Err(Error::file(
                path,
                format!("is not reproduced: the errors above go beyond the bounds {}", json!(bounds)),
                "Report it with this output and the processor's name",
            ))
        };
    }
    let folder = tempfile::tempdir().map_err(|e| Error::io("create", std::env::temp_dir(), e))?;
    let file = folder.path().join("self-check.safetensors");
    std::fs::write(&file, SELF_CHECK).map_err(|e| Error::io("write", &file, e))?;
    let mut checks = Vec::new();
    for isa in Isa::available() {
        let (errors, bounds) = isa.with(|| golden::replay(&file, &Device::Cpu))?;
        checks.push((isa.name(), errors, errors.within(&bounds)));
    }
    if !matches!(device, Device::Cpu) {
        let (errors, bounds) = golden::replay(&file, &device)?;
        checks.push((GPU, errors, errors.within(&bounds)));
    }
    let display =
        if super::has_display() { "available" } else { "none: the window cannot open, everything else works" };
    if args.json {
        let checks: serde_json::Map<_, _> =
            checks.iter().map(|(isa, errors, ok)| ((*isa).into(), json!({"errors": errors, "ok": ok}))).collect();
        print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "device": describe(&device),
            "kernels": Isa::current().name(),
            "cuda": cuda_support(),
            "threads": rayon::current_num_threads(),
            "display": super::has_display(),
            "self_check": checks,
        }))?;
    } else {
        print(&format!(
            "Rain        {} ({} {})",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ))?;
        print(&format!("Device      {}", describe(&device)))?;
        print(&format!(
            "Kernels     {} in use; RAIN_ISA={} would force one",
            Isa::current().name(),
            Isa::available().iter().map(|i| i.name()).collect::<Vec<_>>().join("|")
        ))?;
        print(&format!("CUDA        {}", cuda_support()))?;
        print(&format!("Display     {display}"))?;
        for (isa, errors, ok) in &checks {
            let verdict = if *ok { "right" } else { "WRONG" };
            print(&format!(
                "Self-check  {isa}: {verdict} (relative error of the gradients {:.1e}, of three training steps {:.1e})",
                errors.grad, errors.last
            ))?;
        }
    }
    match checks.iter().find(|(_, _, ok)| !ok) {
        None => Ok(()),
        Some((GPU, ..)) => Err(Error::input(
            "The CUDA kernels give wrong numbers on this GPU",
            "Use --device cpu, and report it with the GPU's name",
        )),
        Some((isa, ..)) => Err(Error::input(
            format!("The {isa} kernels give wrong numbers on this processor"),
            "Use RAIN_ISA=portable, and report it with the processor's name",
        )),
    }
}
