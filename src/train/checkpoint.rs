//! Checkpoints: everything that a step needs to be repeated bit for bit, in one file.
//!
//! All randomness is a pure function of (seed, step), so that is the learner's tensors and the step. A checkpoint is a
//! safetensors file `step-00000200.safetensors`; its header key `rain-checkpoint` holds a [`Header`] as TOML (whose
//! numbers come back bit for bit), with a hash of everything, so that a damaged file is known for one and never resumed from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::config::RunConfig;
use crate::{Error, Result, fs};

/// Version of the file's layout. A reader refuses later ones.
const FORMAT: u32 = 1;
const KEY: &str = "rain-checkpoint";

/// What a checkpoint says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the layout.
    format: u32,
    /// Steps done.
    pub step: u64,
    /// Best validation rank-1 so far, in percent.
    pub best_rank1: Option<f64>,
    /// BLAKE3 of the other fields and of the tensors' names and bytes.
    blake3: String,
    /// The settings it was trained with.
    pub config: RunConfig,
}

impl Header {
    /// Fills in the hash; returns the header as text.
    fn seal<'a>(mut self, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<String, String> {
        self.blake3 = self.hash(tensors)?;
        toml::to_string(&self).map_err(|e| e.to_string())
    }

    fn hash<'a>(&self, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<String, String> {
        let unsealed = Self { blake3: String::new(), ..self.clone() };
        let text = toml::to_string(&unsealed).map_err(|e| e.to_string())?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(text.as_bytes());
        for (name, bytes) in tensors {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// The checkpoints of one run.
pub struct Checkpoints {
    folder: PathBuf,
    keep_last: usize,
}

/// What was read back.
pub struct Restored {
    /// The file's own words.
    pub header: Header,
    /// The learner's tensors.
    pub state: BTreeMap<String, Tensor>,
    /// The file.
    pub path: PathBuf,
}

impl Checkpoints {
    /// The checkpoints in `folder`, of which the newest `keep_last` (at least 1) are kept besides the best.
    pub fn new(folder: PathBuf, keep_last: usize) -> Self {
        Self { folder, keep_last: keep_last.max(1) }
    }

    /// Writes the checkpoint of a step, atomically; with `best` also as `best.safetensors`; then removes old ones.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk refuses, [`Error::Diverged`] where a tensor holds a value that is not finite. Earlier
    /// checkpoints are intact either way.
    pub fn save(
        &self,
        step: u64,
        state: &BTreeMap<String, Tensor>,
        best_rank1: Option<f64>,
        best: bool,
        config: &RunConfig,
    ) -> Result<PathBuf> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in state {
            let raw = Raw::of(tensor)?;
            if let Some(value) = raw.not_finite() {
                // The loss of this step was finite and its gradient was not; the next loss would have told.
                let (term, checkpoint) = ("total".to_string(), self.newest());
                return Err(Error::Diverged { step, term, value, checkpoint });
            }
            tensors.insert(name.as_str(), raw);
        }
        let config = config.clone();
        let header = Header { format: FORMAT, step, best_rank1, config, blake3: String::new() };
        let path = self.path(step);
        let file = header
            .seal(tensors.iter().map(|(name, raw)| (*name, &raw.bytes[..])))
            .and_then(|text| {
                let metadata = HashMap::from([(KEY.to_string(), text)]);
                safetensors::serialize(tensors, Some(metadata)).map_err(|e| e.to_string())
            })
            .map_err(|e| Error::io("write", &path, std::io::Error::other(e)))?;

        fs::write_atomic(&path, |out| out.write_all(&file))?;
        if best {
            self.link_best(&path, &file)?;
        }
        self.prune()?;
        Ok(path)
    }

    /// Reads the newest usable checkpoint, telling `note` of each damaged one; these are set aside under another name.
    /// None where the run has not written any yet.
    ///
    /// # Errors
    /// [`Error::File`] where there are checkpoints and none is usable, or one is of a later version of Rain;
    /// [`Error::Io`] where one cannot be read.
    pub fn newest_usable(&self, device: &Device, mut note: impl FnMut(String)) -> Result<Option<Restored>> {
        let steps = self.steps()?;
        let mut candidates: Vec<PathBuf> = steps.iter().rev().map(|&s| self.path(s)).collect();
        candidates.extend(Some(self.best()).filter(|path| path.exists()));
        let damaged = candidates.len();
        for path in candidates {
            match read(&path, device)? {
                Ok(restored) => return Ok(Some(restored)),
                Err(problem) => {
                    let aside = path.with_extension("safetensors.damaged");
                    std::fs::rename(&path, &aside).map_err(|e| Error::io("rename", &path, e))?;
                    note(format!(
                        "The checkpoint {} is damaged ({problem}); the one before it is used. The file is now {}.",
                        path.display(),
                        aside.display()
                    ));
                }
            }
        }
        if damaged == 0 {
            return Ok(None);
        }
        let problem = format!("None of the {damaged} checkpoints can be read; all are damaged");
        let remedy = "Check the disk, then start the run anew in another folder";
        Err(Error::file(&self.folder, problem, remedy))
    }

    /// Puts the checkpoint of `step` aside under another name, the best one too where it is the same: its weights turned
    /// out to be ruined.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk refuses.
    pub fn set_aside(&self, step: u64) -> Result<()> {
        let best = self.best();
        let bytes = std::fs::read(&best).unwrap_or_default(); // there may be none
        let best_too = header(&bytes).is_ok_and(|header| header.step == step);
        for path in [Some(self.path(step)), best_too.then_some(best)].into_iter().flatten() {
            if path.exists() {
                let aside = path.with_extension("safetensors.diverged");
                std::fs::rename(&path, &aside).map_err(|e| Error::io("rename", &path, e))?;
            }
        }
        Ok(())
    }

    /// The newest checkpoint's file.
    pub fn newest(&self) -> Option<PathBuf> {
        self.steps().ok()?.last().map(|&step| self.path(step))
    }

    /// Whether the checkpoint of `step` is there.
    pub fn has(&self, step: u64) -> bool {
        self.path(step).exists()
    }

    /// The best checkpoint's file, by validation rank-1.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}.safetensors"))
    }

    /// The steps that have a checkpoint, ascending.
    fn steps(&self) -> Result<Vec<u64>> {
        let failed = |e| Error::io("list", &self.folder, e);
        let mut steps = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            let number = name.strip_prefix("step-").and_then(|n| n.strip_suffix(".safetensors"));
            steps.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Makes `best.safetensors` a second name of `path`, or a copy on file systems that know one name a file.
    fn link_best(&self, path: &Path, file: &[u8]) -> Result<()> {
        let best = self.best();
        let link = self.folder.join(".best.rain-tmp");
        let _ = std::fs::remove_file(&link); // left by a kill
        if std::fs::hard_link(path, &link).is_err() {
            return fs::write_atomic(&best, |out| out.write_all(file));
        }
        std::fs::rename(&link, &best).map_err(|e| Error::io("write", &best, e))?;
        let _ = std::fs::remove_file(&link); // where both were the same file already, the rename did nothing
        fs::sync_folder(&self.folder).map_err(|e| Error::io("write", &best, e))
    }

    fn prune(&self) -> Result<()> {
        let steps = self.steps()?;
        for &step in steps.iter().rev().skip(self.keep_last) {
            let path = self.path(step);
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        Ok(())
    }
}

/// Reads one checkpoint. The inner error is damage, in a few words.
fn read(path: &Path, device: &Device) -> Result<Result<Restored, String>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let header = match header(&bytes) {
        Ok(header) => header,
        Err(problem) => return Ok(Err(problem)),
    };
    if header.format > FORMAT {
        let problem = "This checkpoint was written by a later version of Rain";
        return Err(Error::file(path, problem, "Resume the run with that version"));
    }
    let file = match SafeTensors::deserialize(&bytes) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let tensors: BTreeMap<&str, _> = file.iter().collect();
    if header.hash(tensors.iter().map(|(name, view)| (*name, view.data()))).as_ref() != Ok(&header.blake3) {
        return Ok(Err("its contents do not fit its checksum".into()));
    }
    let mut state = BTreeMap::new();
    for (name, view) in tensors {
        state.insert(name.to_string(), view.load(device)?);
    }
    Ok(Ok(Restored { header, state, path: path.to_path_buf() }))
}

/// The header of a checkpoint's bytes, or what is wrong with it.
fn header(bytes: &[u8]) -> Result<Header, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| format!("its header has no \"{KEY}\""))?;
    toml::from_str(text).or_else(|error| {
        // A later layout may have other fields: its version must be readable all the same.
        match toml::from_str::<Version>(text) {
            Ok(Version { format }) if format > FORMAT => {
                Ok(Header { format, step: 0, best_rank1: None, config: RunConfig::default(), blake3: String::new() })
            }
            _ => Err(error.to_string()),
        }
    })
}

/// A tensor's bytes as safetensors wants them: row-major, little-endian.
struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Raw {
    fn of(tensor: &Tensor) -> Result<Self> {
        let flat = tensor.flatten_all()?;
        fn le<T: Copy, const N: usize>(values: Vec<T>, bytes: fn(T) -> [u8; N]) -> Vec<u8> {
            values.into_iter().flat_map(bytes).collect()
        }
        let (dtype, bytes) = match tensor.dtype() {
            DType::F32 => (Dtype::F32, le(flat.to_vec1()?, f32::to_le_bytes)),
            DType::F64 => (Dtype::F64, le(flat.to_vec1()?, f64::to_le_bytes)),
            DType::I64 => (Dtype::I64, le(flat.to_vec1()?, i64::to_le_bytes)),
            DType::U32 => (Dtype::U32, le(flat.to_vec1()?, u32::to_le_bytes)),
            DType::U8 => (Dtype::U8, flat.to_vec1()?),
            other => {
                let problem = format!("a checkpoint cannot hold {other:?} tensors");
                return Err(candle_core::Error::Msg(problem).into());
            }
        };
        Ok(Self { dtype, shape: tensor.dims().to_vec(), bytes })
    }

    /// The first value that is not finite.
    fn not_finite(&self) -> Option<f64> {
        let (chunks4, chunks8) = (self.bytes.as_chunks::<4>().0, self.bytes.as_chunks::<8>().0);
        match self.dtype {
            Dtype::F32 => {
                let mut values = chunks4.iter().map(|b| f32::from_le_bytes(*b));
                values.find(|v| !v.is_finite()).map(f64::from)
            }
            Dtype::F64 => {
                let mut values = chunks8.iter().map(|b| f64::from_le_bytes(*b));
                values.find(|v| !v.is_finite())
            }
            _ => None,
        }
    }
}

impl View for Raw {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(value: f32) -> BTreeMap<String, Tensor> {
        let device = Device::Cpu;
        let weights: Vec<f32> = (0..600).map(|i| value + i as f32 * 1e-3).collect();
        BTreeMap::from([
            ("model.a".to_string(), Tensor::from_vec(weights, (20, 30), &device).unwrap()),
            ("model.b".to_string(), Tensor::new(&[1i64, -2], &device).unwrap()),
            ("optim.t".to_string(), Tensor::new(7.25f64, &device).unwrap()),
        ])
    }

    fn first(state: &BTreeMap<String, Tensor>) -> f32 {
        state["model.a"].flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
    }

    fn save(checkpoints: &Checkpoints, step: u64, best: bool) -> PathBuf {
        let rank1 = Some(step as f64 / 3.0);
        checkpoints.save(step, &state(step as f32), rank1, best, &RunConfig::default()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name().to_string_lossy().to_string();
        let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    fn newest(checkpoints: &Checkpoints) -> (Option<Restored>, Vec<String>) {
        let mut notes = Vec::new();
        let found = checkpoints.newest_usable(&Device::Cpu, |note| notes.push(note)).unwrap();
        (found, notes)
    }

    #[test]
    fn tensors_of_every_kind_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf(), 2);
        assert!(newest(&checkpoints).0.is_none());
        let path = save(&checkpoints, 3, false);
        let (found, notes) = newest(&checkpoints);
        let found = found.unwrap();
        assert!(notes.is_empty());
        assert_eq!((found.header.step, found.header.best_rank1, found.path), (3, Some(1.0), path));
        assert_eq!(found.header.config, RunConfig::default());
        for (name, tensor) in state(3.0) {
            let back = &found.state[&name];
            assert_eq!((back.dims(), back.dtype()), (tensor.dims(), tensor.dtype()));
            assert_eq!(Raw::of(back).unwrap().bytes, Raw::of(&tensor).unwrap().bytes, "{name}");
        }
    }

    #[test]
    fn the_same_state_makes_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf(), 2);
        let first = std::fs::read(save(&checkpoints, 3, false)).unwrap();
        assert_eq!(std::fs::read(save(&checkpoints, 3, true)).unwrap(), first);
    }

    #[test]
    fn the_newest_and_the_best_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf(), 2);
        for step in 1..=5 {
            save(&checkpoints, step, step == 2);
        }
        save(&checkpoints, 5, false);
        let expected = ["best.safetensors", "step-00000004.safetensors", "step-00000005.safetensors"];
        assert_eq!(names(folder.path()), expected);
        assert_eq!(first(&read(&checkpoints.best(), &Device::Cpu).unwrap().unwrap().state), 2.0);
        save(&checkpoints, 5, true);
        save(&checkpoints, 5, true);
        assert_eq!(first(&read(&checkpoints.best(), &Device::Cpu).unwrap().unwrap().state), 5.0);
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn a_damaged_checkpoint_is_reported_and_the_one_before_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf(), 3);
        save(&checkpoints, 1, true);
        let (second, third) = (save(&checkpoints, 2, false), save(&checkpoints, 3, false));
        let whole = std::fs::read(&third).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() - 500] ^= 1; // deep inside a tensor
        let mut other_step = whole.clone();
        let at = whole.windows(8).position(|bytes| bytes == b"step = 3").unwrap();
        other_step[at + 7] = b'4';
        for broken in [&whole[..whole.len() - 1], &whole[..20], &whole[..0], b"nonsense", &flipped, &other_step] {
            std::fs::write(&third, broken).unwrap();
            let (found, notes) = newest(&checkpoints);
            assert_eq!(found.unwrap().header.step, 2);
            assert!(notes.len() == 1 && notes[0].contains("step-00000003"), "{notes:?}");
            assert!(!third.exists());
        }
        std::fs::write(second, "x").unwrap();
        std::fs::write(folder.path().join("step-00000001.safetensors.damaged"), "y").unwrap();
        assert_eq!(newest(&checkpoints).0.unwrap().header.step, 1);
    }

    #[test]
    fn the_best_is_the_last_resort_and_without_any_it_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf(), 1);
        save(&checkpoints, 1, true);
        let last = save(&checkpoints, 2, false);
        std::fs::write(&last, "x").unwrap();
        let (found, notes) = newest(&checkpoints);
        assert_eq!((found.unwrap().header.step, notes.len()), (1, 1));
        std::fs::write(checkpoints.best(), "x").unwrap();
        let error = checkpoints.newest_usable(&Device::Cpu, |_| ()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
    }

    #[test]
    fn weights_that_are_not_finite_never_replace_good_ones() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf(), 1);
        let good = save(&checkpoints, 1, false);
        let error = checkpoints.save(2, &state(f32::NAN), None, true, &RunConfig::default()).unwrap_err();
        assert!(matches!(&error, Error::Diverged { step: 2, checkpoint: Some(c), .. } if *c == good));
        assert_eq!(names(folder.path()), ["step-00000001.safetensors"]);
    }

    #[test]
    fn a_later_version_is_refused_not_called_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_path_buf(), 1);
        let text = "format = 2\nsomething = true".to_string();
        let bytes =
            safetensors::serialize(BTreeMap::<&str, Raw>::new(), Some(HashMap::from([(KEY.into(), text)]))).unwrap();
        std::fs::write(checkpoints.path(4), bytes).unwrap();
        let error = checkpoints.newest_usable(&Device::Cpu, |_| ()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("later version"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_damage_not_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            let _ = header(&bytes);
        }
    }
}
