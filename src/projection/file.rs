//! The map's file: safetensors, so that other programs can read it; and a table.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::{Made, Map, Role, Spot};
use crate::{Error, Result};

/// Key of Rain's JSON in the file's metadata.
const KEY: &str = "rain";
/// What the JSON says it is.
const KIND: &str = "rain-map-1";

#[derive(Serialize, Deserialize)]
struct Header {
    kind: String,
    title: String,
    paths: Vec<String>,
    made: Made,
}

impl Map {
    /// Writes `points [n, 2] f32`, `near [n, k] u32`, `rate [n] f32`, `identity`, `camera [n] i64` and `role [n] u8`, whole or
    /// not at all; everything else stands as JSON in the metadata.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |e: String| Error::file(path, format!("the map could not be written ({e})"), "Try another file");
        let header = Header {
            kind: KIND.into(),
            title: self.title.clone(),
            paths: self.spots.iter().map(|spot| spot.path.to_string_lossy().into_owned()).collect(),
            made: self.made.clone(),
        };
        let header = serde_json::to_string(&header).map_err(|e| failed(e.to_string()))?;
        let n = self.spots.len();
        let bytes = |numbers: &mut dyn Iterator<Item = [u8; 8]>| numbers.flatten().collect::<Vec<u8>>();
        let points: Vec<u8> = self.points.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
        let near: Vec<u8> = self.near.iter().flat_map(|x| x.to_le_bytes()).collect();
        let rate: Vec<u8> = self.spots.iter().flat_map(|spot| spot.rate.to_le_bytes()).collect();
        let identity = bytes(&mut self.spots.iter().map(|spot| spot.identity.to_le_bytes()));
        let camera = bytes(&mut self.spots.iter().map(|spot| spot.camera.to_le_bytes()));
        let role: Vec<u8> = self.spots.iter().map(|spot| spot.role as u8).collect();
        let tensors = [
            ("points", Dtype::F32, vec![n, 2], &points),
            ("near", Dtype::U32, vec![n, self.kept], &near),
            ("rate", Dtype::F32, vec![n], &rate),
            ("identity", Dtype::I64, vec![n], &identity),
            ("camera", Dtype::I64, vec![n], &camera),
            ("role", Dtype::U8, vec![n], &role),
        ];
        let views: Vec<(&str, TensorView)> = tensors
            .into_iter()
            .map(|(name, dtype, shape, data)| Ok((name, TensorView::new(dtype, shape, data)?)))
            .collect::<Result<_, safetensors::SafeTensorError>>()
            .map_err(|e| failed(e.to_string()))?;
        let metadata = HashMap::from([(KEY.to_string(), header)]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| failed(e.to_string()))?;
        crate::fs::write_atomic(path, |file| file.write_all(&bytes))
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::File`] where it is no map or a damaged one.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&bytes)
            .map_err(|problem| Error::file(path, problem, "Open a map that Rain saved, or make a new one"))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|e| format!("this is not a safetensors file ({e})"))?;
        let Some(json) = metadata.metadata().as_ref().and_then(|map| map.get(KEY)) else {
            return Err("this is a safetensors file, but not a map".into());
        };
        let header: Header = serde_json::from_str(json).map_err(|e| format!("this is not a map of Rain's ({e})"))?;
        if header.kind != KIND {
            return Err(format!("this is not a map but {}", header.kind));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| format!("this map is damaged or cut off ({e})"))?;
        let n = header.paths.len();
        let tensor = |name: &str, dtype: Dtype, columns: Option<usize>| {
            let view = tensors.tensor(name).map_err(|_| format!("the tensor '{name}' is missing"))?;
            let shape = view.shape();
            let fits = match columns {
                None => shape == [n],
                Some(0) => shape.len() == 2 && shape[0] == n,
                Some(columns) => shape == [n, columns],
            };
            if view.dtype() != dtype || !fits {
                return Err(format!(
                    "the tensor '{name}' is {:?} of shape {shape:?}, which does not fit {n} images",
                    view.dtype()
                ));
            }
            Ok(view)
        };
        let floats = |data: &[u8]| data.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect::<Vec<f32>>();
        let longs = |data: &[u8]| data.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)).collect::<Vec<i64>>();
        let points = floats(tensor("points", Dtype::F32, Some(2))?.data());
        let rate = floats(tensor("rate", Dtype::F32, None)?.data());
        if points.iter().chain(&rate).any(|x| !x.is_finite()) {
            return Err("a place or a rate in it is not a finite number".into());
        }
        let near = tensor("near", Dtype::U32, Some(0))?;
        let kept = near.shape()[1];
        let near: Vec<u32> = near.data().as_chunks::<4>().0.iter().map(|&b| u32::from_le_bytes(b)).collect();
        if near.iter().any(|&i| i as usize >= n) {
            return Err("a neighbour in it is none of its images".into());
        }
        let identity = longs(tensor("identity", Dtype::I64, None)?.data());
        let camera = longs(tensor("camera", Dtype::I64, None)?.data());
        let role = tensor("role", Dtype::U8, None)?;
        let spots = header.paths.into_iter().enumerate().map(|(i, path)| Spot {
            path: path.into(),
            identity: identity[i],
            camera: camera[i],
            rate: rate[i],
            role: if role.data()[i] == Role::Query as u8 { Role::Query } else { Role::Gallery },
        });
        Ok(Self {
            title: header.title,
            spots: Arc::new(spots.collect()),
            points: Arc::new(points.as_chunks::<2>().0.to_vec()),
            kept,
            near: Arc::new(near),
            made: header.made,
        })
    }

    /// The map as a table: `path,identity,camera,rate,role,x,y,selected`, one line an image. Unknown identities and cameras are
    /// empty. `selected` says which images are; none where it is empty.
    pub fn csv(&self, selected: &[bool]) -> String {
        let mut text = String::from("path,identity,camera,rate,role,x,y,selected\n");
        let known = |label: i64| if label < 0 { String::new() } else { label.to_string() };
        for (i, (spot, [x, y])) in self.spots.iter().zip(self.points.iter()).enumerate() {
            let path = spot.path.to_string_lossy();
            let path = if path.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", path.replace('"', "\"\""))
            } else {
                path.into_owned()
            };
            let role = if spot.role == Role::Query { "query" } else { "gallery" };
            let chosen = selected.get(i).copied().unwrap_or(false);
            let (identity, camera) = (known(spot.identity), known(spot.camera));
            let _ = writeln!(text, "{path},{identity},{camera},{},{role},{x},{y},{chosen}", spot.rate);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::small;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        let map = small(4);
        map.write(&path).unwrap();
        assert_eq!(Map::read(&path).unwrap(), map);
    }

    #[test]
    fn other_files_are_refused_with_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        for bytes in [&b"hello"[..], b"", &[0; 64]] {
            std::fs::write(&path, bytes).unwrap();
            let message = Map::read(&path).unwrap_err().to_string();
            assert!(message.contains("m.safetensors") && message.contains("make a new one"), "{message}");
        }
        let mut map = small(3);
        Arc::make_mut(&mut map.near)[5] = 10_000;
        map.write(&path).unwrap();
        assert!(Map::read(&path).unwrap_err().to_string().contains("a neighbour in it"));
    }

    #[test]
    fn the_table_quotes_what_must_be_quoted() {
        let mut map = small(3);
        Arc::make_mut(&mut map.spots)[0] =
            Spot { path: "a, \"b\".png".into(), identity: -1, camera: 2, rate: 1.5, role: Role::Query };
        let text = map.csv(&[true]);
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = rows.records().map(|r| r.unwrap()).collect();
        assert_eq!(rows.len(), 27);
        let first: Vec<&str> = rows[0].iter().collect();
        assert_eq!((&first[..5], first[7]), (&["a, \"b\".png", "", "2", "1.5", "query"][..], "true"));
        assert_eq!(rows[1][7].to_string(), "false");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_damage_panics(cut in 0usize..4000, at in 0usize..4000, noise: u8) {
            use std::sync::LazyLock;
            static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
                let file = tempfile::NamedTempFile::new().unwrap();
                small(3).write(file.path()).unwrap();
                std::fs::read(file.path()).unwrap()
            });
            let mut bytes = GOOD.clone();
            if let Some(byte) = bytes.get_mut(at) { *byte = noise; }
            let _ = Map::parse(&bytes);
            bytes.truncate(cut);
            let _ = Map::parse(&bytes);
        }
    }
}
