//! F and C under torchvision's names: what `torchvision.models.resnet…` loads with `strict=True`.
//!
//! torchvision's ResNets have one width and one arrangement of strides. A model that differs has the same names but other
//! shapes, or the same shapes but other numbers; the recipe that comes with the file then builds the right network from
//! torchvision's own parts, and what torchvision does not hold as it is is said.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::{Exported, Format, INPUT, data_hash, length};
use crate::error::Result;
use crate::model::ModelConfig;
use crate::model::weights::{ModelFile, write_safetensors};

/// Writes the tensors.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: &ModelFile, out: &Path) -> Result<Exported> {
    let config = &file.config;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in &file.tensors {
        // A neck has its place in front of the classifier: `fc` is both, one after the other.
        if let Some(name) = name.strip_prefix("extractor.") {
            let name = name.strip_prefix("neck.").map_or(name.to_owned(), |part| format!("fc.0.{part}"));
            if let Some(layer) = name.strip_suffix("running_mean") {
                // A counter of PyTorch's, of no effect in evaluation; without it `strict=True` fails.
                tensors.insert(format!("{layer}num_batches_tracked"), Tensor::new(0i64, &Device::Cpu)?);
            }
            if name == "fc.0.weight" {
                tensors.insert("fc.0.bias".into(), tensor.zeros_like()?); // a neck has no shift
            }
            tensors.insert(name, tensor.clone());
        } else if let Some(name) = name.strip_prefix("classifier.") {
            tensors.insert(format!("fc.{}{name}", if config.neck { "1." } else { "" }), tensor.clone());
        }
    }
    let header =
        serde_json::json!({ "kind": "rain-torchvision-1", "config": config, "data": data_hash(file), "input": INPUT });
    write_safetensors(out, &tensors, header.to_string())?;
    let differences = differences(config);
    let mut notes = vec![
        format!("Input: n x 3 x {} x {}, {INPUT}.", config.height, config.width),
        format!(
            "The embedding v is what enters `fc`: {} numbers. `fc` tells the training identities apart.",
            config.embedding()
        ),
    ];
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    if !differences.is_empty() {
        let list = differences.join("; ");
        notes.push(format!("torchvision.models.resnet{}() as it is does not compute this model: {list}. The recipe builds the right network from torchvision's parts.", config.depth));
    }
    Ok(Exported {
        format: Format::Torchvision,
        path: out.to_path_buf(),
        bytes: length(out)?,
        plain: differences.is_empty(),
        notes,
        recipe: recipe(config, &name),
    })
}

/// How the model differs from torchvision's ResNet of its depth.
fn differences(config: &ModelConfig) -> Vec<String> {
    let mut all = Vec::new();
    if (config.base_width, config.stem()) != (64, 64) {
        all.push(format!(
            "its stages start at {} channels and its stem has {}, where torchvision has 64 and 64, so the tensors have other shapes",
            config.base_width,
            config.stem()
        ));
    }
    if config.last_stride != 2 {
        all.push(format!("its last stage has stride {}, not 2", config.last_stride));
    }
    if config.stride_in_1x1 && config.depth >= 50 {
        all.push("its stride sits in the first 1x1 convolution of a stage, not in the 3x3 one".into());
    }
    if config.pool_ceil_mode {
        all.push("its max-pool has no padding and rounds up".into());
    }
    if config.neck {
        all.push("a batch norm sits between v and the classifier, and v behind it is what Rain searches by".into());
    }
    if config.mirror {
        all.push("Rain searches by the mean of v of an image and of its mirror image".into());
    }
    all
}

/// Python that builds the network and loads the file with `strict=True`.
fn recipe(config: &ModelConfig, file: &str) -> String {
    let ModelConfig { depth, base_width, classes, .. } = config;
    let mut lines = vec!["import torch, torchvision".to_owned(), "from safetensors.torch import load_file".to_owned()];
    if (*base_width, config.stem()) == (64, 64) {
        lines.push(format!("net = torchvision.models.resnet{depth}(num_classes={classes})"));
    } else {
        let (block, blocks) = match depth {
            18 => ("BasicBlock", "[2, 2, 2, 2]"),
            34 => ("BasicBlock", "[3, 4, 6, 3]"),
            50 => ("Bottleneck", "[3, 4, 6, 3]"),
            _ => ("Bottleneck", "[3, 4, 23, 3]"),
        };
        let (stem, d) = (config.stem(), config.embedding());
        lines.extend([
            "from torchvision.models.resnet import ResNet, BasicBlock, Bottleneck".into(),
            "class Narrow(ResNet):".into(),
            "    def _make_layer(self, block, planes, *rest, **named):".into(),
            format!("        if planes == 64: self.inplanes = {stem}"),
            format!("        return super()._make_layer(block, planes * {base_width} // 64, *rest, **named)"),
            format!("net = Narrow({block}, {blocks})"),
            format!(
                "net.conv1, net.bn1 = torch.nn.Conv2d(3, {stem}, 7, 2, 3, bias=False), torch.nn.BatchNorm2d({stem})"
            ),
            format!("net.fc = torch.nn.Linear({d}, {classes})"),
        ]);
    }
    if config.neck {
        let d = config.embedding();
        lines.push(format!(
            "net.fc = torch.nn.Sequential(torch.nn.BatchNorm1d({d}), torch.nn.Linear({d}, {classes}))  # neck, classifier"
        ));
    }
    lines.push(format!("net.load_state_dict(load_file({file:?}), strict=True)"));
    let last = if *depth >= 50 { "conv2" } else { "conv1" };
    if config.last_stride != 2 {
        let moved = if config.stride_in_1x1 && *depth >= 50 { "conv1" } else { last };
        lines.push(format!("net.layer4[0].{moved}.stride = net.layer4[0].downsample[0].stride = (1, 1)"));
    }
    if config.stride_in_1x1 && *depth >= 50 {
        let layers =
            if config.last_stride == 2 { "(net.layer2, net.layer3, net.layer4)" } else { "(net.layer2, net.layer3)" };
        lines.push(format!("for layer in {layers}: layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)"));
        if config.last_stride != 2 {
            lines.push("net.layer4[0].conv2.stride = (1, 1)".into());
        }
    }
    if config.pool_ceil_mode {
        lines.push("net.maxpool = torch.nn.MaxPool2d(3, 2, ceil_mode=True)".into());
    }
    let v = if config.neck { "net.fc[0]" } else { "torch.nn.Identity()" };
    lines.extend([format!("net.fc = {v}  # v instead of logits"), "net.eval()".into()]);
    if config.mirror {
        lines.push("embed = lambda images: (net(images) + net(images.flip(3))) / 2".into());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rain;
    use crate::model::weights::{read_model, read_safetensors};

    fn exported(shape: ModelConfig) -> (Exported, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("m.safetensors"), folder.path().join("out.safetensors"));
        Rain::new(shape, 1, &Device::Cpu).unwrap().save(&from, &serde_json::Value::Null).unwrap();
        let exported = write(&read_model(&from).unwrap(), &to).unwrap();
        let mut names: Vec<String> = read_safetensors(&to).unwrap().0.into_keys().collect();
        names.sort();
        (exported, names)
    }

    #[test]
    fn names_are_torchvisions() {
        let shape =
            ModelConfig { depth: 18, base_width: 64, height: 32, width: 32, classes: 3, ..ModelConfig::default() };
        let (exported, names) = exported(shape);
        // A state dict of torchvision's ResNet-18: 20 convolutions, 20 BatchNorms of five, fc of two.
        assert_eq!(names.len(), 20 + 20 * 5 + 2);
        for name in ["fc.weight", "bn1.num_batches_tracked", "layer2.0.downsample.1.num_batches_tracked"] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
        assert!(exported.plain && exported.recipe.contains("resnet18(num_classes=3)"));
    }

    #[test]
    fn a_model_that_torchvision_does_not_hold_says_so() {
        let shape = ModelConfig { base_width: 4, stem_width: Some(8), height: 32, width: 32, ..ModelConfig::default() };
        let shape = ModelConfig { stride_in_1x1: true, pool_ceil_mode: true, ..shape };
        let (exported, _) = exported(shape);
        let notes = exported.notes.join(" ");
        assert!(!exported.plain && notes.contains("4 channels") && notes.contains("1x1") && notes.contains("max-pool"));
        assert!(exported.recipe.contains("planes * 4 // 64") && exported.recipe.contains("ceil_mode=True"));
    }

    #[test]
    fn a_neck_is_part_of_fc_and_the_mirror_image_part_of_the_recipe() {
        let shape =
            ModelConfig { depth: 18, base_width: 4, height: 32, width: 32, classes: 3, ..ModelConfig::default() };
        let (exported, names) = exported(ModelConfig { neck: true, mirror: true, ..shape });
        let fc: Vec<_> = names.iter().filter(|name| name.starts_with("fc.")).map(String::as_str).collect();
        let norm = ["fc.0.bias", "fc.0.num_batches_tracked", "fc.0.running_mean", "fc.0.running_var", "fc.0.weight"];
        assert_eq!(fc, [&norm[..], &["fc.1.bias", "fc.1.weight"]].concat());
        assert!(!names.iter().any(|name| name.contains("neck")));
        assert!(exported.recipe.contains("net.fc[0]") && exported.recipe.contains("images.flip(3)"));
    }
}
