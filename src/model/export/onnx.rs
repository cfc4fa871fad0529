//! F as an ONNX graph: `images [n,3,H,W]`, normalised, to `v [n,d]`. BatchNorm is folded into the convolutions, as in our own
//! evaluation, so that any runtime computes the same numbers by Conv, Relu, MaxPool, Add and GlobalAveragePool alone. A neck and the mirror image, where the model embeds with them,
//! are in the graph too: what comes out is what Rain searches by.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use candle_core::Tensor;
use prost::Message;

use super::proto::{Attribute, Entry, Graph, INT, INT64, INTS, Model, Node, Opset, Tensor as Weights, floats};
use super::{Exported, Format, INPUT, data_hash, length};
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::model::weights::ModelFile;
use crate::nn::norm::EPS;

/// ONNX IR 8 with operators of set 13: read by every runtime since 2021.
const VERSIONS: (i64, i64) = (8, 13);
/// A protobuf message is at most 2 GiB.
const MOST_BYTES: usize = (1 << 31) - (1 << 20);

/// Writes the extractor.
///
/// # Errors
/// When the file cannot be written, or the weights are beyond what one ONNX file holds.
pub fn write(file: &ModelFile, out: &Path) -> Result<Exported> {
    let config = &file.config;
    let model = model(file)?;
    let size = model.encoded_len();
    if size > MOST_BYTES {
        let problem = format!("would have {} MiB, and an ONNX file holds 2,047 at most", size >> 20);
        return Err(Error::file(out, problem, "Export to torchvision's names instead"));
    }
    let bytes = model.encode_to_vec();
    crate::fs::write_atomic(out, |to| to.write_all(&bytes))?;
    let (height, width) = (config.height, config.width);
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Exported {
        format: Format::Onnx,
        path: out.to_path_buf(),
        bytes: length(out)?,
        plain: true,
        notes: vec![
            format!("Input \"images\": n x 3 x {height} x {width}, {INPUT}."),
            format!("Output \"v\": n x {}; compare by cosine or Euclidean distance.", config.embedding()),
            "The decoder, the discriminators and the classifier are left out.".into(),
        ],
        recipe: format!(
            "import onnxruntime\nv = onnxruntime.InferenceSession({name:?}).run([\"v\"], {{\"images\": images}})[0]"
        ),
    })
}

/// The whole model as a message.
fn model(file: &ModelFile) -> Result<Model> {
    let config = &file.config;
    let mut net = Net { tensors: &file.tensors, graph: Graph { name: "rain extractor".into(), ..Graph::default() } };
    let v = net.embedding(config)?;
    let mut graph = net.graph;
    graph.input = vec![floats("images", INPUT, "n", &[3, config.height, config.width])];
    graph.output = vec![floats(&v, "embeddings", "n", &[config.embedding()])];
    let entry = |key: &str, value: String| Entry { key: key.into(), value };
    Ok(Model {
        ir_version: VERSIONS.0,
        producer_name: "Rain".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: format!("The extractor of a RAIN model. Input: {INPUT}."),
        graph: Some(graph),
        opset_import: vec![Opset { domain: String::new(), version: VERSIONS.1 }],
        metadata_props: vec![
            entry("rain.config", serde_json::to_string(config).unwrap_or_default()),
            entry("rain.data", data_hash(file)),
            entry("rain.input", INPUT.into()),
        ],
    })
}

/// A graph under construction. A value has the name of the node that makes it.
struct Net<'a> {
    tensors: &'a HashMap<String, Tensor>,
    graph: Graph,
}

impl Net<'_> {
    /// The embedding that Rain searches by: [`Self::extractor`], the neck where there is one, the mean with the mirror image
    /// where the model says so; the value that holds it, "v".
    fn embedding(&mut self, config: &ModelConfig) -> Result<String> {
        let images = if config.mirror { self.with_mirrored("images") } else { "images".into() };
        let mut v = self.extractor(config, &images, if config.neck || config.mirror { "features" } else { "v" })?;
        if config.neck {
            v = self.neck(&v, if config.mirror { "behind_neck" } else { "v" })?;
        }
        if config.mirror {
            // [2n, d], the mirrored ones behind the others, to [2, n, d] to their mean.
            self.numbers("halves", &[2, -1, config.embedding() as i64]);
            let halves = self.node("split", "Reshape", &[&v, "halves"], Vec::new());
            v = self.node("v", "ReduceMean", &[&halves], vec![ints("axes", &[0]), int("keepdims", 0)]);
        }
        Ok(v)
    }

    /// `[n, 3, H, W]` to `[2n, 3, H, W]`: the images, then the same mirrored.
    fn with_mirrored(&mut self, images: &str) -> String {
        for (name, number) in [("mirror.from", -1), ("mirror.to", i64::MIN), ("mirror.axis", 3), ("mirror.step", -1)] {
            self.numbers(name, &[number]);
        }
        let slice = [images, "mirror.from", "mirror.to", "mirror.axis", "mirror.step"];
        let mirrored = self.node("mirrored", "Slice", &slice, Vec::new());
        self.node("both", "Concat", &[images, &mirrored], vec![int("axis", 0)])
    }

    /// A batch norm without shift, as a factor and a summand for each feature.
    fn neck(&mut self, v: &str, name: &str) -> Result<String> {
        let [gamma, mean, var] = ["weight", "running_mean", "running_var"]
            .map(|part| Ok::<_, Error>(self.tensor(&format!("neck.{part}"))?.to_vec1::<f32>()?));
        let (gamma, mean, var) = (gamma?, mean?, var?);
        let scale: Vec<f32> =
            gamma.iter().zip(&var).map(|(g, v)| (f64::from(*g) / (f64::from(*v) + EPS).sqrt()) as f32).collect();
        let shift = mean.iter().zip(&scale).flat_map(|(m, s)| (-m * s).to_le_bytes()).collect();
        let length = [scale.len() as i64];
        self.initialise("neck.scale", &length, scale.iter().flat_map(|s| s.to_le_bytes()).collect());
        self.initialise("neck.shift", &length, shift);
        let scaled = self.node("neck.scaled", "Mul", &[v, "neck.scale"], Vec::new());
        Ok(self.node(name, "Add", &[&scaled, "neck.shift"], Vec::new()))
    }

    /// Figure 2's F; the value that holds its v.
    fn extractor(&mut self, config: &ModelConfig, images: &str, v: &str) -> Result<String> {
        let x = self.conv_bn(images, "conv1", "bn1", 2)?;
        let x = self.node("relu1", "Relu", &[&x], Vec::new());
        let mut pool = vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])];
        pool.push(if config.pool_ceil_mode { int("ceil_mode", 1) } else { ints("pads", &[1, 1, 1, 1]) });
        let mut x = self.node("maxpool", "MaxPool", &[&x], pool);
        for stage in 1..=4 {
            let stride = match stage {
                1 => 1,
                4 => config.last_stride,
                _ => 2,
            };
            for block in 0.. {
                let scope = format!("layer{stage}.{block}");
                if !self.tensors.contains_key(&format!("extractor.{scope}.conv1.weight")) {
                    break;
                }
                x = self.block(config, &scope, &x, if block == 0 { stride } else { 1 })?;
            }
        }
        let pooled = self.node("avgpool", "GlobalAveragePool", &[&x], Vec::new());
        Ok(self.node(v, "Flatten", &[&pooled], vec![int("axis", 1)]))
    }

    fn block(&mut self, config: &ModelConfig, scope: &str, x: &str, stride: usize) -> Result<String> {
        let strides: &[usize] = match (config.depth >= 50, config.stride_in_1x1) {
            (true, true) => &[stride, 1, 1],
            (true, false) => &[1, stride, 1],
            (false, _) => &[stride, 1],
        };
        let mut y = x.to_owned();
        for (i, stride) in strides.iter().enumerate() {
            let n = i + 1;
            y = self.conv_bn(&y, &format!("{scope}.conv{n}"), &format!("{scope}.bn{n}"), *stride)?;
            if n < strides.len() {
                y = self.node(&format!("{scope}.relu{n}"), "Relu", &[&y], Vec::new());
            }
        }
        let (conv, bn) = (format!("{scope}.downsample.0"), format!("{scope}.downsample.1"));
        let shortcut = match self.tensors.contains_key(&format!("extractor.{conv}.weight")) {
            true => self.conv_bn(x, &conv, &bn, stride)?,
            false => x.to_owned(),
        };
        let sum = self.node(&format!("{scope}.add"), "Add", &[&y, &shortcut], Vec::new());
        Ok(self.node(&format!("{scope}.relu"), "Relu", &[&sum], Vec::new()))
    }

    /// A convolution with the BatchNorm behind it folded in; padding is half the kernel's side.
    fn conv_bn(&mut self, x: &str, conv: &str, bn: &str, stride: usize) -> Result<String> {
        let weight = self.tensor(&format!("{conv}.weight"))?;
        let dims = weight.dims4()?;
        let [gamma, beta, mean, var] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| Ok::<_, Error>(self.tensor(&format!("{bn}.{part}"))?.to_vec1::<f32>()?));
        let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
        let numbers = weight.flatten_all()?.to_vec1::<f32>()?;
        let each = numbers.len() / dims.0.max(1);
        let (mut scaled, mut bias) = (Vec::with_capacity(4 * numbers.len()), Vec::with_capacity(4 * dims.0));
        for (c, kernel) in numbers.chunks_exact(each.max(1)).enumerate() {
            let scale = (f64::from(gamma[c]) / (f64::from(var[c]) + EPS).sqrt()) as f32;
            scaled.extend(kernel.iter().flat_map(|w| (w * scale).to_le_bytes()));
            bias.extend((beta[c] - mean[c] * scale).to_le_bytes());
        }
        let shape = [dims.0, dims.1, dims.2, dims.3].map(|n| n as i64);
        let (weight, offset) = (format!("{conv}.weight"), format!("{conv}.bias"));
        self.initialise(&weight, &shape, scaled);
        self.initialise(&offset, &shape[..1], bias);
        let (side, pad) = (shape[2], shape[2] / 2);
        let stride = stride as i64;
        let attributes =
            vec![ints("kernel_shape", &[side, side]), ints("strides", &[stride, stride]), ints("pads", &[pad; 4])];
        Ok(self.node(conv, "Conv", &[x, &weight, &offset], attributes))
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        let name = format!("extractor.{name}");
        self.tensors.get(&name).ok_or_else(|| {
            Error::input(format!("The model lacks the tensor {name}"), "Fetch or write the model file again")
        })
    }

    /// A list of whole numbers as an initialiser.
    fn numbers(&mut self, name: &str, numbers: &[i64]) {
        let raw_data = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let dims = vec![numbers.len() as i64];
        self.graph.initializer.push(Weights { dims, data_type: INT64, name: name.into(), raw_data });
    }

    fn initialise(&mut self, name: &str, dims: &[i64], raw_data: Vec<u8>) {
        let tensor = Weights { dims: dims.to_vec(), data_type: super::proto::FLOAT, name: name.into(), raw_data };
        self.graph.initializer.push(tensor);
    }

    fn node(&mut self, name: &str, op: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        self.graph.node.push(Node {
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: vec![name.into()],
            name: format!("{name} ({op})"),
            op_type: op.into(),
            attribute,
        });
        name.to_owned()
    }
}

fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, ints: Vec::new(), kind: INT }
}

fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute { name: name.into(), i: 0, ints: ints.to_vec(), kind: INTS }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::Rain;
    use crate::model::weights::read_model;

    #[test]
    fn the_graph_reads_back_and_every_value_is_made_before_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("m.safetensors"), folder.path().join("m.onnx"));
        for (depth, caffe, both) in [(18, false, false), (50, true, false), (18, false, true)] {
            let shape = ModelConfig { neck: both, mirror: both, ..ModelConfig::default() };
            let shape = ModelConfig { depth, base_width: 2, height: 32, width: 32, ..shape };
            let shape = ModelConfig { stride_in_1x1: caffe, pool_ceil_mode: caffe, stem_width: Some(4), ..shape };
            let model = Rain::new(shape.clone(), 1, &Device::Cpu).unwrap();
            model.save(&from, &serde_json::json!({"data": {"hash": "abc"}})).unwrap();
            write(&read_model(&from).unwrap(), &to).unwrap();
            let read = Model::decode(std::fs::read(&to).unwrap().as_slice()).unwrap();
            assert!(read.metadata_props.iter().any(|e| e.key == "rain.data" && e.value == "abc"));
            let graph = read.graph.unwrap();
            let mut known: Vec<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
            known.push("images");
            for node in &graph.node {
                assert!(node.input.iter().all(|i| known.contains(&i.as_str())), "{node:?}");
                known.extend(node.output.iter().map(String::as_str));
            }
            assert_eq!(graph.output[0].name, "v");
            let convolutions = graph.node.iter().filter(|n| n.op_type == "Conv").count();
            assert_eq!(convolutions, if depth == 18 { 20 + usize::from(shape.stem() != 2) } else { 53 });
            let has = |op: &str| graph.node.iter().any(|n| n.op_type == op);
            assert_eq!([has("Mul"), has("Slice"), has("ReduceMean")], [both; 3]);
            for tensor in &graph.initializer {
                let bytes = if tensor.data_type == INT64 { 8 } else { 4 };
                assert_eq!(tensor.raw_data.len() as i64, bytes * tensor.dims.iter().product::<i64>());
            }
        }
    }
}
