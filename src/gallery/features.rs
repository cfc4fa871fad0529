//! The features file: embeddings that other tools can read and write.
//!
//! It is a safetensors file with `features [n, d] f32`, `identity [n] i64` and `camera [n] i64` (-1 is unknown). The
//! header's metadata holds, under the key `rain`, a JSON object: the paths, the model's hash and its input size. A file
//! without that key is read too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use crate::error::{Error, Result};

/// Key of Rain's JSON in the file's metadata.
const KEY: &str = "rain";

/// Where the rows of a features file come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The images, one a row; empty where the file does not say.
    #[serde(default)]
    pub paths: Vec<String>,
    /// First 12 hex digits of the model file's BLAKE3 hash; empty where the file does not say.
    #[serde(default)]
    pub model: String,
    /// Input height in pixels; 0 where the file does not say.
    #[serde(default)]
    pub height: usize,
    /// Input width in pixels; 0 where the file does not say.
    #[serde(default)]
    pub width: usize,
}

/// The content of a features file.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Raw embeddings, `[n, d]`.
    pub matrix: Matrix,
    /// Identities, `[n]`; -1 is unknown.
    pub identity: Vec<i64>,
    /// Cameras, `[n]`; -1 is unknown.
    pub camera: Vec<i64>,
    /// Where they come from.
    pub origin: Origin,
}

impl Features {
    /// Writes the file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let n = self.matrix.rows();
        let floats = self.matrix.data.iter().flat_map(|x| x.to_le_bytes()).collect();
        let tensors = [
            ("features", Bytes { dtype: Dtype::F32, shape: vec![n, self.matrix.columns], data: floats }),
            ("identity", Bytes { dtype: Dtype::I64, shape: vec![n], data: to_bytes(&self.identity) }),
            ("camera", Bytes { dtype: Dtype::I64, shape: vec![n], data: to_bytes(&self.camera) }),
        ];
        let failed =
            |e: String| Error::file(path, format!("could not be written ({e})"), "Embed fewer images at a time");
        let origin = serde_json::to_string(&self.origin).map_err(|e| failed(e.to_string()))?;
        let metadata = HashMap::from([(KEY.to_string(), origin)]);
        let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| failed(e.to_string()))?;
        crate::fs::write_atomic(path, |file| file.write_all(&bytes))
    }

    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self> {
        const REMEDY: &str = "Write it with `rain embed`, or as safetensors with features [n, d] f32, identity [n] i64 \
                              and camera [n] i64";
        let bad = |problem: String| Error::file(path, problem, REMEDY);
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let (_, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|e| bad(format!("this is not a safetensors file ({e})")))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(|e| bad(format!("this safetensors file is damaged or cut off ({e})")))?;
        let tensor = |name: &str, dtype: Dtype, dimensions: usize| {
            let view = tensors.tensor(name).map_err(|_| bad(format!("the tensor '{name}' is missing")))?;
            if view.dtype() != dtype || view.shape().len() != dimensions {
                return Err(bad(format!(
                    "the tensor '{name}' is {:?} of shape {:?}, expected {dtype:?} with {dimensions} dimension(s)",
                    view.dtype(),
                    view.shape()
                )));
            }
            Ok(view)
        };
        let features = tensor("features", Dtype::F32, 2)?;
        let (n, d) = (features.shape()[0], features.shape()[1]);
        let labels = |name: &str| {
            let view = tensor(name, Dtype::I64, 1)?;
            if view.shape()[0] != n {
                return Err(bad(format!("'{name}' has {} entries for {n} rows of features", view.shape()[0])));
            }
            Ok(view.data().chunks_exact(8).map(|b| i64::from_le_bytes(array(b))).collect::<Vec<i64>>())
        };
        let (identity, camera) = (labels("identity")?, labels("camera")?);
        if n == 0 || d == 0 {
            return Err(bad(format!("it holds no features (shape [{n}, {d}])")));
        }
        let data: Vec<f32> = features.data().chunks_exact(4).map(|b| f32::from_le_bytes(array(b))).collect();
        if let Some(at) = data.iter().position(|x| !x.is_finite()) {
            return Err(bad(format!("row {} holds a value that is not a finite number", at / d)));
        }
        let origin: Origin = match metadata.metadata().as_ref().and_then(|map| map.get(KEY)) {
            Some(json) => serde_json::from_str(json)
                .map_err(|e| bad(format!("the metadata key '{KEY}' is not the expected JSON ({e})")))?,
            None => Origin::default(),
        };
        if !origin.paths.is_empty() && origin.paths.len() != n {
            return Err(bad(format!("the header names {} paths for {n} rows of features", origin.paths.len())));
        }
        Ok(Self { matrix: Matrix::new(d, data), identity, camera, origin })
    }
}

/// First 12 hex digits of a file's BLAKE3 hash: how a model is named beside its embeddings.
pub fn file_hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let read = std::fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    read.map_err(|e| Error::io("read", path, e))?;
    Ok(hasher.finalize().to_hex()[..12].to_string())
}

struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

fn to_bytes(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The bytes of one number; `chunks_exact` has made sure of the length.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Features {
        Features {
            matrix: Matrix::new(3, vec![0.5, -1.0, 2.0, 1e-20, 0.0, 3.0]),
            identity: vec![7, -1],
            camera: vec![1, -1],
            origin: Origin {
                paths: vec!["a/ä \"q\".png".into(), "b.png".into()],
                model: "0123456789ab".into(),
                height: 256,
                width: 128,
            },
        }
    }

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn with(name: &str, dtype: Dtype, shape: &[usize], data: Vec<u8>) -> Vec<u8> {
        let row = |dtype, shape: &[usize], data| Bytes { dtype, shape: shape.to_vec(), data };
        let mut tensors = std::collections::BTreeMap::from([
            ("features", row(Dtype::F32, &[2, 1], vec![0; 8])),
            ("identity", row(Dtype::I64, &[2], vec![0; 16])),
            ("camera", row(Dtype::I64, &[2], vec![0; 16])),
        ]);
        tensors.insert(name, row(dtype, shape, data));
        safetensors::serialize(tensors, None).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.safetensors");
        sample().write(&path).unwrap();
        assert_eq!(Features::read(&path).unwrap(), sample());
        let first = std::fs::read(&path).unwrap();
        sample().write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first, "the same features give the same bytes");
    }

    #[test]
    fn a_file_of_another_tool_needs_no_header() {
        let read = Features::read(file(&with("extra", Dtype::U8, &[1], vec![1])).path()).unwrap();
        assert_eq!((read.matrix.rows(), read.origin), (2, Origin::default()));
    }

    #[test]
    fn wrong_shapes_are_named() {
        let cases = [
            (with("features", Dtype::F32, &[2], vec![0; 8]), "'features' is F32 of shape [2]"),
            (with("features", Dtype::F16, &[2, 1], vec![0; 4]), "'features' is F16"),
            (with("camera", Dtype::I64, &[1], vec![0; 8]), "'camera' has 1 entries for 2 rows"),
            (with("identity", Dtype::I32, &[2], vec![0; 8]), "'identity' is I32"),
            (with("features", Dtype::F32, &[2, 0], vec![]), "no features"),
            (
                with("features", Dtype::F32, &[2, 1], [f32::NAN; 2].iter().flat_map(|x| x.to_le_bytes()).collect()),
                "row 0",
            ),
            (b"hello".to_vec(), "not a safetensors file"),
        ];
        for (bytes, expected) in cases {
            let file = file(&bytes);
            let message = Features::read(file.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(
                message.contains(&file.path().display().to_string()) && message.contains("rain embed"),
                "{message}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..600, flip in 0usize..600) {
            let _ = Features::read(file(&bytes).path());
            let mut good = with("x", Dtype::U8, &[1], vec![0]);
            good.truncate(cut);
            if let (Some(byte), Some(noise)) = (good.get_mut(flip), bytes.pop()) { *byte = noise; }
            let _ = Features::read(file(&good).path());
        }
    }
}
