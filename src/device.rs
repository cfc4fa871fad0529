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
    /// Opens the device. Rain's kernels have no CUDA side yet, so `auto` is the processor and `cuda:N` is refused.
    ///
    /// # Errors
    /// When the device cannot be had, with the way out.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(n) => Err(Error::input(
                format!("cuda:{n} cannot be used: this version of Rain computes on the CPU only"),
                "Use --device auto or --device cpu",
            )),
        }
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
        assert!(DeviceChoice::Cuda(0).open().unwrap_err().to_string().contains("--device cpu"));
        assert!(describe(&DeviceChoice::Auto.open().unwrap()).starts_with("CPU, "));
    }
}
