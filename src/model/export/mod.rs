//! A model in the forms that other programs open.

use std::fmt;
use std::path::{Path, PathBuf};

use candle_core::Device;
use serde::Serialize;

use super::weights::{self, ModelFile};
use crate::error::{Error, Result};
use crate::model::Rain;

pub mod onnx;
mod proto;
pub mod torchvision;

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The extractor as an ONNX graph: images in, embeddings v out.
    Onnx,
    /// Extractor and classifier as safetensors under torchvision's names.
    Torchvision,
}

impl Format {
    /// In words, for a button: "ONNX".
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnx => "ONNX",
            Self::Torchvision => "torchvision",
        }
    }

    /// The usual ending of such a file, without the dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Torchvision => "safetensors",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was written, and how to use it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exported {
    /// The form.
    pub format: Format,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether `torchvision.models.resnet…()` holds it as it is; always true of ONNX.
    pub plain: bool,
    /// What to know, one line each.
    pub notes: Vec<String>,
    /// Lines of Python that use it.
    pub recipe: String,
}

/// How an image becomes the input of an exported model; the same words for both forms.
pub const INPUT: &str = "RGB, resized to the input size without keeping the aspect ratio, divided by 255, then less the mean \
                         (0.485, 0.456, 0.406), divided by the deviation (0.229, 0.224, 0.225)";

/// Writes the model in `model` to `out`.
///
/// # Errors
/// When `model` is no model of Rain, `out` would overwrite it, or `out` cannot be written.
pub fn export(model: &Path, format: Format, out: &Path) -> Result<Exported> {
    let same = |a: &Path, b: &Path| a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same(model, out) {
        return Err(Error::file(out, "is the model itself", "Name another file for the export"));
    }
    let file = weights::read_model(model)?;
    // Built once, so that a damaged file is refused here and not where it is used.
    let shape = Rain::new(file.config.clone(), 0, &Device::Cpu)?;
    weights::fill(&shape.tensors(), &file.tensors, model)?;
    match format {
        Format::Onnx => onnx::write(&file, out),
        Format::Torchvision => torchvision::write(&file, out),
    }
}

/// What the file says of its data, for the header of an export.
fn data_hash(file: &ModelFile) -> String {
    file.card["data"]["hash"].as_str().unwrap_or("unknown").to_owned()
}

fn length(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len())
}
