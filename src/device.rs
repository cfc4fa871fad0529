//! Where the numbers are computed.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;

use crate::error::{Error, Result};
use crate::nn::kernel::Isa;

/// What the user asked for: `auto`, `cpu` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best that this build has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA device by its number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let cuda = |number: &str| number.parse().ok().map(Self::Cuda);
        match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            other => other.strip_prefix("cuda:").and_then(cuda),
        }
        .ok_or_else(|| Error::input(format!("There is no device \"{text}\""), "Use auto, cpu or cuda:0"))
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

impl DeviceChoice {
    /// Opens the device, for the thread that calls. `auto` is the first CUDA device where this build has CUDA and a device
    /// answers, else the processor.
    ///
    /// # Errors
    /// When the device cannot be had, with the way out.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Auto => Ok(open_cuda(0).unwrap_or(Device::Cpu)),
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(n) => open_cuda(n),
        }
    }
}

#[cfg(feature = "cuda")]
fn open_cuda(n: usize) -> Result<Device> {
    Device::new_cuda(n).map_err(|e| {
        Error::input(
            format!("cuda:{n} cannot be used: {e}"),
            "Check that nvidia-smi lists the device and that its driver fits the CUDA of this build, or use --device cpu",
        )
    })
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(n: usize) -> Result<Device> {
    Err(Error::input(
        format!("cuda:{n} cannot be used: this build of Rain computes on the CPU only"),
        "Build it with `cargo build --release --features cuda,cudnn` where CUDA is installed, or use --device cpu",
    ))
}

/// What this build knows of CUDA, in words.
pub fn cuda_support() -> &'static str {
    match (cfg!(feature = "cuda"), cfg!(feature = "cudnn")) {
        (false, _) => "not in this build",
        (true, false) => "in this build, convolutions by cuBLAS",
        (true, true) => "in this build, convolutions by cuDNN",
    }
}

/// The device in words: "CPU, 2 threads, AVX-512".
pub fn describe(device: &Device) -> String {
    match device {
        Device::Cpu => {
            let kernels = match Isa::current() {
                Isa::Avx512 => "AVX-512",
                Isa::Avx2 => "AVX2",
                Isa::Portable => "portable kernels",
            };
            let threads = rayon::current_num_threads();
            format!("CPU, {threads} thread{}, {kernels}", if threads == 1 { "" } else { "s" })
        }
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => format!("CUDA, {}", crate::nn::cuda::device::describe(cuda)),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => "CUDA".into(),
        Device::Metal(_) => "Metal".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (text, choice) in
            [("auto", DeviceChoice::Auto), ("cpu", DeviceChoice::Cpu), ("cuda:3", DeviceChoice::Cuda(3))]
        {
            assert_eq!(text.parse::<DeviceChoice>().unwrap(), choice);
            assert_eq!(choice.to_string(), text);
        }
        for text in ["", "gpu", "cuda:", "cuda:x"] {
            assert!(text.parse::<DeviceChoice>().unwrap_err().to_string().contains("cuda:0"));
        }
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        if !cfg!(feature = "cuda") {
            let refused = DeviceChoice::Cuda(0).open().unwrap_err().to_string();
            assert!(refused.contains("--features cuda,cudnn") && refused.contains("--device cpu"), "{refused}");
            assert!(describe(&DeviceChoice::Auto.open().unwrap()).starts_with("CPU, "));
        }
        assert!(describe(&DeviceChoice::Cpu.open().unwrap()).starts_with("CPU, "));
    }
}
