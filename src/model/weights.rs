//! Weight files: Rain's own model files, and published ResNets by torchvision's names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io::Write;
use std::path::Path;

use candle_core::{Device, Tensor, pickle};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::config::ModelConfig;
use crate::error::{Error, Result};
use crate::nn::buffer::assign;

/// Key of Rain's JSON in a safetensors header.
pub const HEADER: &str = "rain";

/// What the header of a model file says.
#[derive(Serialize, Deserialize)]
struct Header {
    kind: String,
    config: ModelConfig,
    decodes: bool,
    card: serde_json::Value,
}

const KIND: &str = "rain-model-1";

/// A model file, read but not yet built.
pub struct ModelFile {
    /// The model's shape.
    pub config: ModelConfig,
    /// Whether G was trained.
    pub decodes: bool,
    /// Data, command, seed, figures: what its maker noted.
    pub card: serde_json::Value,
    /// All tensors by name.
    pub tensors: HashMap<String, Tensor>,
}

/// Reads a safetensors file whole: its tensors, and Rain's part of its header.
///
/// # Errors
/// When the file cannot be read or is not safetensors (another format, cut off).
pub fn read_safetensors(path: &Path) -> Result<(HashMap<String, Tensor>, Option<String>)> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let damaged = |reason: String| {
        Error::file(
            path,
            format!("is not a whole safetensors file ({reason})"),
            "Fetch or write the file again; it may have been cut off, or be of another format",
        )
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let header = metadata.metadata().as_ref().and_then(|m| m.get(HEADER).cloned());
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|e| damaged(e.to_string()))?;
    Ok((tensors, header))
}

/// Reads a file that [`write_model`] wrote.
///
/// # Errors
/// When it is not one; the message says what it is instead, where that can be seen.
pub fn read_model(path: &Path) -> Result<ModelFile> {
    let (tensors, header) = read_safetensors(path)?;
    let header: Header = header.and_then(|h| serde_json::from_str(&h).ok()).ok_or_else(|| {
        Error::file(
            path,
            "holds tensors, but not a model of Rain",
            "Open a model.safetensors that Rain trained; published ResNet weights go to --init of a training run",
        )
    })?;
    if header.kind != KIND {
        return Err(Error::file(
            path,
            format!("is of kind \"{}\", this version reads \"{KIND}\"", header.kind),
            "Use the version of Rain that wrote it",
        ));
    }
    Ok(ModelFile { config: header.config, decodes: header.decodes, card: header.card, tensors })
}

/// Writes a model file, atomically.
///
/// # Errors
/// When the file cannot be written; an older file of that name is intact then.
pub fn write_model(
    path: &Path,
    config: &ModelConfig,
    decodes: bool,
    card: &serde_json::Value,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<()> {
    let header = Header { kind: KIND.into(), config: config.clone(), decodes, card: card.clone() };
    let header =
        serde_json::to_string(&header).map_err(|e| Error::file(path, e.to_string(), "Check the model card"))?;
    write_safetensors(path, tensors, header)
}

/// Writes tensors with Rain's JSON in the header, atomically.
///
/// # Errors
/// As [`write_model`].
pub fn write_safetensors(path: &Path, tensors: &BTreeMap<String, Tensor>, header: String) -> Result<()> {
    let metadata = HashMap::from([(HEADER.to_owned(), header)]);
    let bytes = safetensors::serialize(tensors, Some(metadata))
        .map_err(|e| Error::file(path, e.to_string(), "Check the model's tensors"))?;
    crate::fs::write_atomic(path, |file| file.write_all(&bytes))
}

/// Fills a model from a file that must hold exactly its tensors.
///
/// # Errors
/// Names the first tensor that is missing or of another shape; the model is unchanged then.
pub fn fill(model: &BTreeMap<String, Tensor>, file: &HashMap<String, Tensor>, path: &Path) -> Result<()> {
    for (name, target) in model {
        let problem = match file.get(name) {
            None => format!("lacks the tensor {name}"),
            Some(t) if t.dims() != target.dims() => {
                format!("has {name} as {:?} where its header promises {:?}", t.dims(), target.dims())
            }
            Some(_) => continue,
        };
        return Err(Error::file(path, problem, "The file is damaged or was edited: fetch or write it again"));
    }
    for (name, target) in model {
        assign(target, &file[name])?;
    }
    Ok(())
}

/// What became of each tensor of a weight file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// Tensors of F that were filled.
    pub loaded: Vec<String>,
    /// Tensors of F that the file did not have; they keep their random start.
    pub missing: Vec<String>,
    /// Tensors of the file that were not used, with the reason.
    pub skipped: Vec<(String, String)>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} tensors loaded, {} missing, {} not used",
            self.loaded.len(),
            self.missing.len(),
            self.skipped.len()
        )?;
        let few = |names: Vec<&str>| {
            let more = names.len().saturating_sub(4);
            let shown = names[..names.len() - more].join(", ");
            if more > 0 { format!("{shown} and {more} more") } else { shown }
        };
        if !self.missing.is_empty() {
            write!(f, "; missing (random start): {}", few(self.missing.iter().map(String::as_str).collect()))?;
        }
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, reason) in &self.skipped {
            reasons.entry(reason).or_default().push(name);
        }
        for (reason, names) in reasons {
            write!(f, "; {reason}: {}", few(names))?;
        }
        Ok(())
    }
}

/// Fills the extractor among a model's tensors (`extractor.…`) from published weights.
///
/// A tensor of the file belongs to F when the end of its name is one of torchvision's (`module.base.layer1.0.conv1.weight`).
///
/// # Errors
/// When the file cannot be read, a tensor has another shape than F's, or nothing in the file belongs to F. The model is
/// unchanged then.
pub fn load_extractor(path: &Path, model: &BTreeMap<String, Tensor>) -> Result<LoadReport> {
    let wanted: BTreeMap<&str, &Tensor> =
        model.iter().filter_map(|(name, t)| Some((name.strip_prefix("extractor.")?, t))).collect();
    let file = read_any(path)?;
    let mut report = LoadReport::default();
    let mut found: BTreeMap<&str, &Tensor> = BTreeMap::new();
    let mut misfits = Vec::new();
    for (name, tensor) in &file {
        let skip = match suffixes(name).find_map(|end| wanted.get_key_value(end)) {
            None if name.ends_with("num_batches_tracked") => "a counter that Rain does not keep",
            None => "no part of the extractor",
            Some((end, _)) if found.contains_key(end) => "a second tensor for the same place",
            Some((end, target)) if target.dims() != tensor.dims() => {
                misfits.push(format!("{end} is {:?} in the file and {:?} in the model", tensor.dims(), target.dims()));
                continue;
            }
            Some((end, _)) => {
                found.insert(end, tensor);
                continue;
            }
        };
        report.skipped.push((name.clone(), skip.to_owned()));
    }
    if let Some(first) = misfits.first() {
        return Err(Error::file(
            path,
            format!("{} tensors have another shape than the model's; the first: {first}", misfits.len()),
            "Set depth, base_width and stem_width to those of the weights",
        ));
    }
    if found.is_empty() {
        let names: Vec<&str> = file.keys().take(3).map(String::as_str).collect();
        let holds = if names.is_empty() {
            "it holds no tensors".to_owned()
        } else {
            format!("it holds {}, …", names.join(", "))
        };
        return Err(Error::file(
            path,
            format!("has nothing for the extractor: {holds}"),
            "Choose a ResNet weight file with torchvision's names (conv1.weight, layer1.0.conv1.weight, …)",
        ));
    }
    for (name, tensor) in &found {
        assign(wanted[name], tensor)?;
        report.loaded.push((*name).to_owned());
    }
    let loaded: BTreeSet<&str> = found.into_keys().collect();
    report.missing = wanted.keys().filter(|name| !loaded.contains(**name)).map(|name| (*name).to_owned()).collect();
    Ok(report)
}

/// Channels of the stem and of the first residual stage of a weight file with torchvision's names; `None` where it has no such.
///
/// # Errors
/// When the file cannot be read.
pub fn widths(path: &Path) -> Result<Option<[usize; 2]>> {
    let file = read_any(path)?;
    let channels = |end: &str| {
        file.iter()
            .find(|(name, _)| suffixes(name).any(|suffix| suffix == end))
            .and_then(|(_, t)| t.dims().first().copied())
    };
    // "conv1.weight" ends the names of every block's first convolution too: the stem's is the one without a layer before it.
    let stem = file.iter().filter(|(name, _)| !name.contains("layer"));
    let stem = stem.filter(|(name, _)| suffixes(name).any(|suffix| suffix == "conv1.weight"));
    let stem = stem.into_iter().find_map(|(_, t)| t.dims().first().copied());
    Ok(stem.zip(channels("layer1.0.conv1.weight")).map(|(stem, base)| [stem, base]))
}

/// A name, and what is left of it after each leading part: `a.b.c`, `b.c`, `c`.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('.').map(|(_, rest)| rest))
}

/// The tensors of a safetensors or PyTorch file, by name.
///
/// # Errors
/// When the file cannot be read, or is neither.
pub fn read_any(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let mut start = [0u8; 4];
    let mut file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
    let read = std::io::Read::read(&mut file, &mut start).map_err(|e| Error::io("read", path, e))?;
    match &start[..read] {
        [b'P', b'K', 3, 4] => read_pth(path),
        // A pickle outside a zip archive: how PyTorch saved until 2020.
        [0x80, 2..=5, ..] => Err(Error::file(
            path,
            "is in PyTorch's format from before 2020",
            "Convert it once with Python: torch.save(torch.load(\"old.pth\", map_location=\"cpu\"), \"new.pth\")",
        )),
        _ => Ok(read_safetensors(path)?.0.into_iter().collect()),
    }
}

/// A `.pth`: a dictionary of tensors, or one that holds it under a key of its trainer's choice.
fn read_pth(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let damaged = |e: candle_core::Error| {
        Error::file(
            path,
            format!("could not be read as a PyTorch file ({e})"),
            "Fetch it again, or save just its state_dict with torch.save",
        )
    };
    let mut last = None;
    for key in [Some("state_dict"), Some("model_state_dict"), Some("model"), Some("net"), None] {
        let infos = match pickle::read_pth_tensor_info(path, false, key) {
            Ok(infos) => infos,
            Err(e) => {
                last = Some(e);
                continue;
            }
        };
        if infos.is_empty() {
            continue;
        }
        if let Some(view) = infos.iter().find(|i| i.layout.start_offset() != 0) {
            // Candle skips elements as if they were bytes here, and would return other numbers.
            return Err(Error::file(
                path,
                format!("stores {} as a view into a larger tensor", view.name),
                "Save it again with each tensor cloned: {k: v.clone() for k, v in state_dict.items()}",
            ));
        }
        return Ok(pickle::read_all_with_key(path, key).map_err(damaged)?.into_iter().collect());
    }
    match last {
        Some(e) => Err(damaged(e)),
        None => Ok(BTreeMap::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rain;

    fn tiny(base_width: usize) -> Rain {
        let config = ModelConfig {
            depth: 18,
            base_width,
            levels: vec![5],
            classes: 3,
            height: 32,
            width: 32,
            ..ModelConfig::default()
        };
        Rain::new(config, 1, &Device::Cpu).unwrap()
    }

    fn extractor_of(model: &Rain, prefix: &str) -> BTreeMap<String, Tensor> {
        let mut all: BTreeMap<String, Tensor> = model
            .tensors()
            .into_iter()
            .filter_map(|(n, t)| Some((format!("{prefix}{}", n.strip_prefix("extractor.")?), t)))
            .collect();
        all.insert(
            format!("{prefix}fc.weight"),
            Tensor::zeros((10, 8), candle_core::DType::F32, &Device::Cpu).unwrap(),
        );
        all.insert(format!("{prefix}bn1.num_batches_tracked"), Tensor::new(&[5i64], &Device::Cpu).unwrap());
        all
    }

    fn same(a: &Rain, b: &Rain, prefix: &str) -> bool {
        let (a, b) = (a.tensors(), b.tensors());
        let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        a.iter().filter(|(n, _)| n.starts_with(prefix)).all(|(n, t)| numbers(t) == numbers(&b[n]))
    }

    #[test]
    fn a_saved_model_opens_with_the_same_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let model = tiny(2);
        model.save(&path, &serde_json::json!({"seed": 1})).unwrap();
        let again = Rain::open(&path, &Device::Cpu).unwrap();
        assert_eq!(again.config(), model.config());
        assert!(same(&model, &again, "") && again.has_decoder());
        assert_eq!(read_model(&path).unwrap().card["seed"], 1);
        tiny(2).without_decoder().save(&path, &serde_json::Value::Null).unwrap();
        assert!(!Rain::open(&path, &Device::Cpu).unwrap().has_decoder());
    }

    #[test]
    fn published_names_load_under_any_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let source = tiny(2);
        for prefix in ["", "module.", "module.base.", "backbone."] {
            safetensors::serialize_to_file(extractor_of(&source, prefix), None, &path).unwrap();
            let mut target = Rain::new(source.config().clone(), 2, &Device::Cpu).unwrap();
            assert!(!same(&source, &target, "extractor."));
            let report = target.load_extractor(&path).unwrap();
            assert!(same(&source, &target, "extractor.") && report.missing.is_empty(), "{report}");
            assert_eq!(report.skipped.len(), 2, "{report}");
            assert!(report.to_string().contains("no part of the extractor: "), "{report}");
        }
    }

    #[test]
    fn what_is_missing_is_said_and_what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut tensors = extractor_of(&tiny(2), "");
        tensors.remove("conv1.weight");
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        assert_eq!(tiny(2).load_extractor(&path).unwrap().missing, ["conv1.weight"]);
        let error = tiny(3).load_extractor(&path).unwrap_err().to_string();
        assert!(
            error.contains("w.safetensors") && error.contains("another shape") && error.contains("base_width"),
            "{error}"
        );
        let only = BTreeMap::from([(
            "fc.weight".to_owned(),
            Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap(),
        )]);
        safetensors::serialize_to_file(only, None, &path).unwrap();
        let error = tiny(2).load_extractor(&path).unwrap_err().to_string();
        assert!(error.contains("nothing for the extractor") && error.contains("fc.weight"), "{error}");
        let error = Rain::open(&path, &Device::Cpu).err().unwrap().to_string();
        assert!(error.contains("not a model of Rain"), "{error}");
    }

    #[test]
    fn damaged_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        tiny(2).save(&path, &serde_json::Value::Null).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() / 2], &whole[..5], b"hello, this is a text", b""] {
            std::fs::write(&path, bytes).unwrap();
            for error in [Rain::open(&path, &Device::Cpu).err().unwrap(), tiny(2).load_extractor(&path).unwrap_err()] {
                assert!(error.to_string().contains("model.safetensors: is not a whole"), "{error}");
            }
        }
        for bytes in [&b"PK\x03\x04rubbish"[..], &b"\x80\x02rubbish...."[..]] {
            std::fs::write(&path, bytes).unwrap();
            let error = tiny(2).load_extractor(&path).unwrap_err().to_string();
            assert!(error.contains("PyTorch"), "{error}");
        }
    }
}
