//! Galleries in the files of other programs: safetensors and npy, in both directions.
//!
//! A safetensors file holds `features [n, d] f32`, `identity [n] i64`, `camera [n] i64` and the paths, as `rain embed` writes
//! it. An npy file holds the features alone; a table of the same name with the ending `.csv` says which row is which image.
//! Rows are written one after the other, so that a gallery larger than the memory can be exported.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use npyz::WriterBuilder;
use serde_json::json;

use super::record::{Change, ContentHash, Record};
use super::{Header, Maker, Precision, Store, Writer};
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::fs::write_atomic;
use crate::gallery::block;
use crate::gallery::features::{Features, Origin};
use crate::gallery::matrix::Matrix;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.safetensors`.
    Safetensors,
    /// `.npy`, with a table beside it.
    Npy,
}

impl Kind {
    /// Told by the ending of the name.
    ///
    /// # Errors
    /// [`Error::File`] for any other ending.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("npy") => Ok(Self::Npy),
            _ => Err(Error::file(
                path,
                "the ending of this name says neither safetensors nor npy",
                "Name a file that ends in .safetensors or .npy",
            )),
        }
    }
}

/// Rows that are added in one commit.
const BATCH: usize = 4096;

/// Writes the rows whose file is there to `path`, whole or not at all, and returns their number. `on` hears of rows done and
/// rows in all.
pub fn export(store: &Store, path: &Path, on: &mut dyn FnMut(u64, u64) -> Flow) -> Result<usize> {
    let kind = Kind::of(path)?;
    let rows: Vec<usize> = store.live().iter_in(0..store.rows()).collect();
    let (mut identity, mut camera) = (Vec::new(), Vec::new());
    let mut paths = Vec::new();
    let mut table = String::from("row,path,identity,camera,time\n");
    store.each(&mut |row, record| {
        if store.live().contains(row) {
            let place = record.path.to_string_lossy().into_owned();
            if kind == Kind::Npy {
                let time = record.time.map_or(String::new(), |t| t.to_string());
                let quoted = place.replace('"', "\"\"");
                table.push_str(&format!(
                    "{},\"{quoted}\",{},{},{time}\n",
                    identity.len(),
                    record.identity,
                    record.camera
                ));
            } else {
                paths.push(place);
            }
            identity.push(record.identity);
            camera.push(record.camera);
        }
        Ok(())
    })?;
    if identity.len() != rows.len() {
        return Err(Error::file(store.folder(), "is being changed", "Export it again when that is done"));
    }
    if rows.is_empty() {
        return Err(Error::file(store.folder(), "this gallery is empty", "Add images to it: `rain index add`"));
    }
    let mut stopped = false;
    let columns = store.columns();
    let mut each_row = |write: &mut dyn FnMut(&[f32]) -> std::io::Result<()>| {
        let blocks = store.blocks();
        let mut row = vec![0.0; columns];
        for (done, &at) in rows.iter().enumerate() {
            if done % 1024 == 0 && on(done as u64, rows.len() as u64) == Flow::Stop {
                stopped = true;
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            if let Some((block, place)) = block::find(&blocks, at) {
                blocks[block].read(place, &mut row);
            }
            write(&row)?;
        }
        on(rows.len() as u64, rows.len() as u64);
        Ok(())
    };
    let written = match kind {
        Kind::Safetensors => {
            let Maker { model, height, width, .. } = store.header().maker.clone();
            let origin = Origin { paths, model, height, width };
            let lead = safetensors_lead(&origin, rows.len(), columns, path)?;
            write_atomic(path, |file| {
                file.write_all(&lead)?;
                // In the order of the header: labels before features, as their alignment asks for.
                for labels in [&camera, &identity] {
                    labels.iter().try_for_each(|x| file.write_all(&x.to_le_bytes()))?;
                }
                each_row(&mut |row| row.iter().try_for_each(|x| file.write_all(&x.to_le_bytes())))
            })
        }
        Kind::Npy => write_atomic(&path.with_extension("csv"), |file| file.write_all(table.as_bytes())).and_then(|()| {
            write_atomic(path, |file| {
                let mut npy = npyz::WriteOptions::new()
                    .default_dtype()
                    .shape(&[rows.len() as u64, columns as u64])
                    .writer(file as &mut BufWriter<_>)
                    .begin_nd()?;
                each_row(&mut |row| row.iter().try_for_each(|x| npy.push(x)))?;
                npy.finish()
            })
        }),
    };
    if stopped {
        return Err(Error::Cancelled);
    }
    written.map(|()| rows.len())
}

/// Everything of a safetensors file that stands before the numbers.
fn safetensors_lead(origin: &Origin, rows: usize, columns: usize, path: &Path) -> Result<Vec<u8>> {
    let odd = |e: serde_json::Error| Error::file(path, format!("could not be written ({e})"), "Export it as .npy");
    let (labels, features) = (8 * rows, 4 * rows * columns);
    let tensor = |dtype: &str, shape: &[usize], from: usize, bytes: usize| json!({ "dtype": dtype, "shape": shape, "data_offsets": [from, from + bytes] });
    let header = json!({
        "__metadata__": { "rain": serde_json::to_string(origin).map_err(odd)? },
        "camera": tensor("I64", &[rows], 0, labels),
        "identity": tensor("I64", &[rows], labels, labels),
        "features": tensor("F32", &[rows, columns], 2 * labels, features),
    });
    let mut text = serde_json::to_vec(&header).map_err(odd)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut lead = (text.len() as u64).to_le_bytes().to_vec();
    lead.extend(text);
    Ok(lead)
}

/// Reads features that another program, or `rain embed`, wrote. An npy file holds f32, f16 or f64 in rows; it names no model.
///
/// # Errors
/// [`Error::File`] where the file is not of its kind, or holds no rows of finite numbers.
pub fn read(path: &Path) -> Result<Features> {
    match Kind::of(path)? {
        Kind::Safetensors => Features::read(path),
        Kind::Npy => read_npy(path),
    }
}

fn read_npy(path: &Path) -> Result<Features> {
    let bad = |problem: String| {
        Error::file(path, problem, "Write it with numpy: np.save(file, features) with features [n, d] of float32")
    };
    let file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
    let npy = npyz::NpyFile::new(std::io::BufReader::new(file))
        .map_err(|e| bad(format!("this is not an npy file ({})", e.to_string().trim_end_matches('.'))))?;
    let (n, d) = match npy.shape() {
        [n, d] if *n > 0 && *d > 0 && npy.order() == npyz::Order::C => (*n as usize, *d as usize),
        shape => return Err(bad(format!("it holds an array of shape {shape:?}, not rows of features [n, d] in C order"))),
    };
    let mut data: Vec<f32> = Vec::new();
    let mut take = |x: std::io::Result<f32>| -> Result<()> {
        data.push(x.map_err(|e| bad(format!("it is damaged or cut off ({e})")))?);
        Ok(())
    };
    match npy.try_data::<f32>() {
        Ok(mut numbers) => numbers.try_for_each(&mut take)?,
        Err(npy) => match npy.try_data::<half::f16>() {
            Ok(numbers) => numbers.map(|x| x.map(half::f16::to_f32)).try_for_each(&mut take)?,
            Err(npy) => match npy.try_data::<f64>() {
                Ok(numbers) => numbers.map(|x| x.map(|x| x as f32)).try_for_each(&mut take)?,
                Err(npy) => return Err(bad(format!("its numbers are {}", npy.dtype().descr()))),
            },
        },
    }
    if data.len() != n * d {
        return Err(bad(format!("it is cut off: {} of {} numbers are there", data.len(), n * d)));
    }
    if let Some(at) = data.iter().position(|x| !x.is_finite()) {
        return Err(bad(format!("row {} holds a value that is not a finite number", at / d)));
    }
    let unknown = vec![crate::data::dataset::UNKNOWN; n];
    Ok(Features { matrix: Matrix::new(d, data), identity: unknown.clone(), camera: unknown, origin: Origin::default() })
}

/// Makes a gallery in `folder` of the features in the file `from`. Where the file does not name the model that made them,
/// `maker` must: embeddings of two models cannot be compared.
///
/// # Errors
/// [`Error::File`] where model and file do not fit, and as [`read`] and [`Writer::create`].
pub fn import(
    from: &Path,
    folder: &Path,
    maker: Option<&Maker>,
    precision: Precision,
    on: &mut dyn FnMut(u64, u64) -> Flow,
) -> Result<usize> {
    let Features { matrix, identity, camera, origin } = read(from)?;
    let named = (!origin.model.is_empty()).then(|| Maker {
        model: origin.model.clone(),
        height: origin.height,
        width: origin.width,
        columns: matrix.columns,
    });
    let maker = match (named, maker) {
        (Some(named), Some(asked)) if !named.agrees(asked) => {
            return Err(Error::file(
                from,
                format!("its features were made by model {}, not by {}", named.model, asked.model),
                "Name the model that made them, or leave out --model",
            ));
        }
        (None, Some(asked)) if asked.columns != matrix.columns => {
            return Err(Error::file(
                from,
                format!("its features have {} numbers, those of the model {}", matrix.columns, asked.columns),
                "Name the model that made them",
            ));
        }
        (Some(maker), _) => maker,
        (None, Some(asked)) => asked.clone(),
        (None, None) => {
            return Err(Error::file(from, "it does not say which model made its features", "Name it with --model"));
        }
    };
    let header = Header { maker, precision, segment_rows: super::SEGMENT_ROWS };
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let mut writer = Writer::create(folder, &header, &format!("imported from {name}"))?;
    let total = matrix.rows();
    let mut paths = std::collections::HashSet::new();
    for first in (0..total).step_by(BATCH) {
        if on(first as u64, total as u64) == Flow::Stop {
            return Err(Error::Cancelled);
        }
        let change = |row: usize| {
            let vector = matrix.row(row).to_vec();
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            let told = origin.paths.get(row).filter(|path| paths.insert((*path).clone()));
            // A row without a file of its own is named by the file that it came from.
            let path = told.map_or_else(|| PathBuf::from(format!("{}#{row}", from.display())), PathBuf::from);
            let record = Record {
                path,
                hash: ContentHash::of(&bytes),
                identity: identity[row],
                camera: camera[row],
                ..Record::default()
            };
            Change::Add { record, vector, thumbnail: Vec::new() }
        };
        let changes: Vec<Change> = (first..(first + BATCH).min(total)).map(change).collect();
        writer.commit(&changes)?;
    }
    on(total as u64, total as u64);
    Ok(total)
}
