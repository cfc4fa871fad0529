//! The model page: what a weight file is, where it came from, and how well it did.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde::Serialize;

use super::event::ValidationRecord;
use crate::model::ModelConfig;
use crate::model::weights::{self, ModelFile};
use crate::{Error, Result};

/// What there is to know of a weight file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its BLAKE3 hash, in hex.
    pub hash: String,
    /// Whether it is a model of Rain; else published weights that a run can start from.
    pub rain: bool,
    /// The network in a sentence.
    pub architecture: String,
    /// The model's shape, where it is a model of Rain.
    pub config: Option<ModelConfig>,
    /// Numbers in each part of the network.
    pub parameters: BTreeMap<String, u64>,
    /// Whether it reconstructs.
    pub decodes: bool,
    /// What it was trained on, where the file says so.
    pub data: Option<DataNote>,
    /// The command that trained it.
    pub command: Option<String>,
    /// The version that trained it.
    pub trained_with: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// Steps of training.
    pub steps: Option<u64>,
    /// Its last validation, by down-sampling rate.
    pub figures: Option<ValidationRecord>,
    /// What may be done with it, as far as the file tells.
    pub licence: String,
}

/// The training data of a model, as its file tells of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DataNote {
    /// The folder's name.
    pub name: String,
    /// Fingerprint of the whole set.
    pub hash: String,
    /// Fingerprint of the split.
    pub split: String,
    /// Images that were trained on.
    pub images: u64,
    /// People in them.
    pub identities: u64,
}

/// Reads the page of a file.
///
/// # Errors
/// When it cannot be read, or holds no weights.
pub fn read(path: &Path) -> Result<Page> {
    let bytes = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
    let mut hasher = blake3::Hasher::new();
    let read = std::fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    read.map_err(|e| Error::io("read", path, e))?;
    let hash = hasher.finalize().to_hex().to_string();
    match weights::read_model(path) {
        Ok(file) => Ok(of_model(path, bytes, hash, &file)),
        Err(error) => match weights::read_any(path) {
            Ok(tensors) if tensors.keys().any(|name| name.contains("layer1.0.conv1.weight")) => {
                Ok(of_weights(path, bytes, hash, &tensors))
            }
            _ => Err(error),
        },
    }
}

fn of_model(path: &Path, bytes: u64, hash: String, file: &ModelFile) -> Page {
    let (config, card) = (&file.config, &file.card);
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let data = card["data"].is_object().then(|| {
        let data = &card["data"];
        DataNote {
            name: text(&data["name"]).unwrap_or_default(),
            hash: text(&data["hash"]).unwrap_or_default(),
            split: text(&data["split"]).unwrap_or_default(),
            images: data["images"].as_u64().unwrap_or(0),
            identities: data["identities"].as_u64().unwrap_or(0),
        }
    });
    let command = text(&card["command"]);
    let mut parameters = BTreeMap::new();
    for (name, tensor) in &file.tensors {
        let part = name.split('.').next().unwrap_or_default().to_owned();
        *parameters.entry(part).or_default() += tensor.elem_count() as u64;
    }
    Page {
        path: path.to_path_buf(),
        bytes,
        hash,
        rain: true,
        architecture: architecture(config, file.decodes),
        parameters,
        decodes: file.decodes,
        trained_with: text(&card["trained_with"]),
        seed: card["seed"].as_u64(),
        steps: card["steps"].as_u64(),
        figures: serde_json::from_value(card["figures"].clone()).ok(),
        licence: licence(text(&card["licence"]), command.as_deref(), data.as_ref()),
        config: Some(config.clone()),
        data,
        command,
    }
}

/// "ResNet-50 of half width, input 64 x 128 pixels, …".
fn architecture(config: &ModelConfig, decodes: bool) -> String {
    let width = match config.base_width {
        64 => "full width".to_owned(),
        32 => "half width".to_owned(),
        w => format!("base width {w}"),
    };
    let mut parts = vec![
        format!("ResNet-{} of {width}", config.depth),
        format!("input {} x {} pixels (width x height)", config.width, config.height),
        format!("embedding of {} numbers", config.embedding()),
    ];
    let levels: Vec<String> = config.levels.iter().map(ToString::to_string).collect();
    parts.push(match levels.as_slice() {
        [] => "no discriminators".into(),
        [one] => format!("a discriminator at level {one}"),
        all => format!("discriminators at levels {}", all.join(", ")),
    });
    parts.push(if decodes { "with a decoder" } else { "without a decoder" }.into());
    if config.last_stride == 1 {
        parts.push("last stride 1".into());
    }
    if config.neck {
        parts.push("a batch norm as neck".into());
    }
    if config.mirror {
        parts.push("searching with the mirror image too".into());
    }
    if config.stride_in_1x1 || config.pool_ceil_mode {
        parts.push("Caffe's arrangement of strides".into());
    }
    parts.join(", ")
}

fn licence(stated: Option<String>, command: Option<&str>, data: Option<&DataNote>) -> String {
    if let Some(licence) = stated {
        return licence;
    }
    let mut sources = Vec::new();
    if let Some(weights) = command.and_then(|c| c.split_once(" --init ")).map(|(_, rest)| rest.trim()) {
        sources.push(format!("the weights it started from ({weights})"));
    }
    if let Some(data) = data.filter(|data| !data.name.is_empty()) {
        sources.push(format!("the images it was trained on ({})", data.name));
    }
    match sources.as_slice() {
        [] => "The file names no licence. Ask whoever made it before you pass it on.".into(),
        all => {
            let list = all.join(" and of ");
            format!("The file names no licence. Those of {list} apply; many data sets allow research only.")
        }
    }
}

/// Published weights by torchvision's names, under any prefix.
fn of_weights(path: &Path, bytes: u64, hash: String, tensors: &BTreeMap<String, Tensor>) -> Page {
    let count = |stage: &str| {
        let blocks = tensors.keys().filter_map(|name| name.split_once(&format!("{stage}."))?.1.split('.').next());
        blocks.collect::<BTreeSet<_>>().len()
    };
    let find = |end: &str| tensors.iter().find(|(name, _)| name.ends_with(end)).map(|(_, tensor)| tensor);
    let bottleneck = find("layer1.0.conv3.weight").is_some();
    let depth = match (bottleneck, count("layer3")) {
        (false, 2) => "18",
        (false, 6) => "34",
        (true, 6) => "50",
        (true, 23) => "101",
        (true, 36) => "152, which Rain does not build",
        _ => "of an unknown depth",
    };
    let width = find("layer1.0.conv1.weight").and_then(|t| t.dims().first().copied()).unwrap_or(0);
    let stem =
        tensors.iter().find(|(name, t)| name.ends_with("conv1.weight") && !name.contains("layer") && t.rank() == 4);
    let stem = stem.and_then(|(_, t)| t.dims().first().copied()).unwrap_or(0);
    Page {
        path: path.to_path_buf(),
        bytes,
        hash,
        rain: false,
        architecture: format!(
            "Published ResNet weights (ResNet-{depth}, base width {width}, stem width {stem}): a training run can start from them"
        ),
        config: None,
        parameters: BTreeMap::from([("all".to_owned(), tensors.values().map(|t| t.elem_count() as u64).sum())]),
        decodes: false,
        data: None,
        command: None,
        trained_with: None,
        seed: None,
        steps: None,
        figures: None,
        licence: "The file names no licence; its publisher does.".into(),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use serde_json::json;

    use super::*;
    use crate::model::Rain;

    fn tiny() -> Rain {
        let config =
            ModelConfig { depth: 18, base_width: 2, height: 32, width: 32, classes: 3, ..ModelConfig::default() };
        Rain::new(config, 1, &Device::Cpu).unwrap()
    }

    #[test]
    fn a_page_tells_what_the_card_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let figures = ValidationRecord { step: 9, rank1: 12.5, ..ValidationRecord::default() };
        let card = json!({
            "trained_with": "Rain 0", "command": "rain train --data set --preset demo --init r50.pth",
            "data": {"name": "set", "hash": "d4", "images": 40, "identities": 5, "split": "51"},
            "seed": 3, "steps": 9, "figures": figures,
        });
        tiny().save(&path, &card).unwrap();
        let page = read(&path).unwrap();
        assert!(page.rain && page.decodes && page.architecture.contains("ResNet-18 of base width 2"), "{page:?}");
        assert_eq!(page.data.as_ref().unwrap().hash, "d4");
        assert_eq!((page.seed, page.steps, page.figures), (Some(3), Some(9), Some(figures)));
        assert!(page.licence.contains("r50.pth") && page.licence.contains("set"), "{}", page.licence);
        assert!(page.hash.starts_with(&crate::gallery::features::file_hash(&path).unwrap()));
        assert!(page.parameters["extractor"] > page.parameters["classifier"]);
    }

    #[test]
    fn a_stated_licence_is_told_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        tiny().save(&path, &json!({"licence": "CC0"})).unwrap();
        let page = read(&path).unwrap();
        assert_eq!((page.licence.as_str(), page.figures, page.data), ("CC0", None, None));
    }

    #[test]
    fn published_weights_are_recognised_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let tensors: BTreeMap<String, Tensor> = tiny()
            .tensors()
            .into_iter()
            .filter_map(|(name, t)| Some((format!("module.{}", name.strip_prefix("extractor.")?), t)))
            .collect();
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        let page = read(&path).unwrap();
        assert!(!page.rain && page.architecture.contains("ResNet-18, base width 2, stem width 2"), "{page:?}");
        std::fs::write(&path, "nothing").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("w.safetensors"));
    }
}
