//! A run as one .zip file, and back.
//!
//! In the archive lies one folder, named after the run, with the run's files and `archive.json`, which lists each of them with
//! its length and hash. What comes back is checked against that list before it takes its place among the runs: an archive that
//! was cut off or changed, or one that names places outside its folder, leaves nothing behind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::event::Flow;
use super::runs;
use crate::{Error, Result};

/// The list of files.
const LIST: &str = "archive.json";
const KIND: &str = "rain-run-1";
/// Bytes that are copied between two questions whether to go on.
const PIECE: usize = 1 << 20;
/// Names and records of a run are far fewer; beyond this a list is not a run's.
const MOST_FILES: usize = 100_000;
/// A list of [`MOST_FILES`] has room in this.
const MOST_LIST: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct List {
    kind: String,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    blake3: String,
}

/// Hears of bytes done and bytes in all, and says whether to go on.
pub type Step<'a> = &'a mut dyn FnMut(u64, u64) -> Flow;

/// Writes the run in `folder` to `out`, atomically.
///
/// # Errors
/// [`Error::File`] where there is no run or a process trains it, [`Error::Io`] where something cannot be read or written,
/// [`Error::Cancelled`].
pub fn pack(folder: &Path, out: &Path, step: Step<'_>) -> Result<()> {
    if !folder.join("run.toml").is_file() {
        return Err(Error::file(folder, "There is no run in this folder", "Choose the folder of a run"));
    }
    if runs::training(folder) {
        return Err(Error::file(folder, "A process trains in this folder", "Stop it, or wait for its end"));
    }
    let files = files(folder)?;
    let total = files.iter().map(|(_, bytes)| bytes).sum();
    let root = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let root = if root.is_empty() { "run".into() } else { root };
    let mut cancelled = false;
    let written = crate::fs::write_atomic(out, |file| {
        let mut zip = ZipWriter::new(file);
        let mut list = List { kind: KIND.into(), files: BTreeMap::new() };
        let mut done = 0;
        for (name, _) in &files {
            // Weights hardly shrink: they are stored.
            let weights = [".safetensors", ".png"].iter().any(|end| name.ends_with(end));
            let method = if weights { CompressionMethod::Stored } else { CompressionMethod::Deflated };
            let options = SimpleFileOptions::default().compression_method(method).large_file(true);
            zip.start_file(format!("{root}/{name}"), options)?;
            let mut hash = blake3::Hasher::new();
            let before = done;
            copy(&mut File::open(folder.join(name))?, &mut zip, u64::MAX, &mut hash, &mut |bytes| {
                done = before + bytes;
                let flow = step(done, total);
                cancelled |= flow == Flow::Stop;
                flow
            })?;
            let entry = Entry { bytes: done - before, blake3: hash.finalize().to_hex().to_string() };
            list.files.insert(name.clone(), entry);
        }
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(format!("{root}/{LIST}"), options)?;
        zip.write_all(&serde_json::to_vec_pretty(&list)?)?;
        zip.finish()?;
        Ok(())
    });
    if cancelled { Err(Error::Cancelled) } else { written }
}

/// Brings the run in the archive `from` into the folder `runs`, under its name or the first free one like it; the answer is
/// its folder.
///
/// # Errors
/// [`Error::File`] where the archive is damaged or holds no run, [`Error::Io`] where something cannot be read or written,
/// [`Error::Cancelled`]. Nothing is left behind then.
pub fn unpack(from: &Path, runs: &Path, step: Step<'_>) -> Result<PathBuf> {
    let refuse = |problem: String| Error::file(from, problem, "Export the run again, or fetch the archive again");
    let file = File::open(from).map_err(|e| Error::io("read", from, e))?;
    let mut zip =
        ZipArchive::new(io::BufReader::new(file)).map_err(|e| refuse(format!("is not a whole .zip file ({e})")))?;
    let root = |name: &str| Some(name.strip_suffix(LIST)?.strip_suffix('/')?.to_owned());
    let name: Option<String> = zip.file_names().find_map(|name| root(name.as_deref().ok()?));
    let name = name.filter(|name| plain(name)).ok_or_else(|| refuse("holds no run of Rain".into()))?;
    let mut text = Vec::new();
    let list = zip.by_name(&format!("{name}/{LIST}")).map_err(io::Error::from);
    list.and_then(|list| list.take(MOST_LIST).read_to_end(&mut text))
        .map_err(|e| refuse(format!("cannot be read ({e})")))?;
    let list: List =
        serde_json::from_slice(&text).map_err(|e| refuse(format!("has a list of files that cannot be read ({e})")))?;
    if list.kind != KIND || list.files.len() > MOST_FILES || !list.files.contains_key("run.toml") {
        return Err(refuse("holds no run that this version of Rain reads".into()));
    }
    if let Some(outside) = list.files.keys().find(|name| !inside(name)) {
        return Err(refuse(format!("names a place outside its folder ({outside})")));
    }
    fs::create_dir_all(runs).map_err(|e| Error::io("create", runs, e))?;
    let place = tempfile::Builder::new()
        .prefix(".import-")
        .tempdir_in(runs)
        .map_err(|e| Error::io("write", runs, e.kind().into()))?;
    let total = list.files.values().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
    let mut done = 0;
    for (file, entry) in &list.files {
        let target = place.path().join(file);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        let mut packed = zip
            .by_name(&format!("{name}/{file}"))
            .map_err(|e| refuse(format!("lacks the file {file} that its list names ({e})")))?;
        let mut out = File::create(&target).map_err(|e| Error::io("write", &target, e))?;
        let mut hash = blake3::Hasher::new();
        let (before, mut stop) = (done, false);
        // No more than was promised: a list of small files must not fill the disk.
        let copied = copy(&mut packed, &mut out, entry.bytes.saturating_add(1), &mut hash, &mut |bytes| {
            done = before + bytes;
            let flow = step(done, total);
            stop |= flow == Flow::Stop;
            flow
        });
        if stop {
            return Err(Error::Cancelled);
        }
        if let Err(e) = copied {
            return Err(match e.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::io("write", &target, e),
                _ => refuse(format!("is damaged at {file} ({e})")),
            });
        }
        if done - before != entry.bytes || hash.finalize().to_hex().as_str() != entry.blake3 {
            return Err(refuse(format!("has another {file} than its list says")));
        }
        out.sync_all().map_err(|e| Error::io("write", &target, e))?;
    }
    let target = runs::free_folder(runs, &name);
    // The folder is private as a temporary one; a run's is not.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(runs).map_or(0o755, |meta| meta.permissions().mode() & 0o777);
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode))
            .map_err(|e| Error::io("write", place.path(), e))?;
    }
    fs::rename(place.path(), &target).map_err(|e| Error::io("write", &target, e))?;
    drop(place); // it has moved: there is nothing to remove
    Ok(target)
}

/// The files of a run by their names within it, with their lengths. Locks, leftovers and hidden files stay where they are.
fn files(folder: &Path) -> Result<Vec<(String, u64)>> {
    fn walk(root: &Path, below: &str, out: &mut Vec<(String, u64)>) -> Result<()> {
        let folder = root.join(below);
        for entry in fs::read_dir(&folder).map_err(|e| Error::io("list", &folder, e))? {
            let entry = entry.map_err(|e| Error::io("list", &folder, e))?;
            let file = entry.file_name().to_string_lossy().into_owned();
            let name = if below.is_empty() { file.clone() } else { format!("{below}/{file}") };
            let kind = entry.file_type().map_err(|e| Error::io("list", &folder, e))?;
            if file.starts_with('.') || name == "run.lock" || name == LIST {
                continue;
            }
            if kind.is_dir() {
                walk(root, &name, out)?;
            } else if kind.is_file() {
                out.push((name, entry.metadata().map_err(|e| Error::io("read", entry.path(), e))?.len()));
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    walk(folder, "", &mut out)?;
    out.sort();
    Ok(out)
}

/// Whether a name is that of one folder.
fn plain(name: &str) -> bool {
    inside(name) && !name.contains('/')
}

/// Whether a name leads to a place inside the folder it is taken from, on every system.
fn inside(name: &str) -> bool {
    let ordinary = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    ordinary && !name.is_empty() && !name.contains(['\\', ':', '\0']) && !name.starts_with('.')
}

/// Copies at most `most` bytes, a piece at a time.
fn copy(
    from: &mut dyn Read,
    to: &mut dyn Write,
    most: u64,
    hash: &mut blake3::Hasher,
    step: &mut dyn FnMut(u64) -> Flow,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let (mut done, mut from) = (0, from.take(most));
    loop {
        let n = from.read(&mut piece)?;
        if n > 0 {
            to.write_all(&piece[..n])?;
            hash.update(&piece[..n]);
            done += n as u64;
        }
        if step(done) == Flow::Stop {
            return Err(io::Error::other("cancelled"));
        }
        if n == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on(_: u64, _: u64) -> Flow {
        Flow::Continue
    }

    fn a_run(home: &Path) -> PathBuf {
        let folder = home.join("first");
        fs::create_dir_all(folder.join("checkpoints")).unwrap();
        fs::create_dir_all(folder.join("samples")).unwrap();
        for (name, text) in [
            ("run.toml", "seed = 1\n"),
            ("history.jsonl", "{}\n"),
            ("run.lock", ""),
            (".half.rain-tmp", "x"),
            ("checkpoints/step-1.safetensors", "weights"),
            ("samples/step-1.png", "picture"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        folder
    }

    /// A .zip with these files.
    fn zip(path: &Path, files: &[(&str, &[u8])]) {
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }

    fn list(files: &[(&str, &[u8])]) -> Vec<u8> {
        let entry =
            |bytes: &[u8]| Entry { bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() };
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), entry(bytes))).collect();
        serde_json::to_vec(&List { kind: KIND.into(), files }).unwrap()
    }

    /// The only things in a folder.
    fn names(folder: &Path) -> Vec<String> {
        let mut all: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        all.sort();
        all
    }

    #[test]
    fn a_run_comes_back_whole_and_under_a_free_name() {
        let home = tempfile::tempdir().unwrap();
        let run = a_run(home.path());
        let out = home.path().join("first.zip");
        let mut told = Vec::new();
        pack(&run, &out, &mut |done, total| {
            told.push((done, total));
            Flow::Continue
        })
        .unwrap();
        assert_eq!(told.last().map(|(done, total)| done == total), Some(true));
        let back = unpack(&out, home.path(), &mut on).unwrap();
        assert_eq!(back, home.path().join("first-2"));
        assert_eq!(names(&back), ["checkpoints", "history.jsonl", "run.toml", "samples"]);
        let weights = fs::read_to_string(back.join("checkpoints/step-1.safetensors")).unwrap();
        assert_eq!(weights, "weights");
        let elsewhere = home.path().join("other/runs");
        assert_eq!(unpack(&out, &elsewhere, &mut on).unwrap(), elsewhere.join("first"));
    }

    #[test]
    fn a_cancelled_or_refused_archive_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let run = a_run(home.path());
        let out = home.path().join("first.zip");
        assert!(matches!(pack(&run, &out, &mut |_, _| Flow::Stop), Err(Error::Cancelled)));
        assert_eq!(names(home.path()), ["first"]);
        pack(&run, &out, &mut on).unwrap();
        let target = home.path().join("runs");
        assert!(matches!(unpack(&out, &target, &mut |_, _| Flow::Stop), Err(Error::Cancelled)));
        assert_eq!(names(&target), [""; 0]);
        assert!(pack(&home.path().join("none"), &out, &mut on).is_err());
    }

    #[test]
    fn places_outside_the_folder_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let (path, runs) = (home.path().join("bad.zip"), home.path().join("a/b/runs"));
        let toml: (&str, &[u8]) = ("run.toml", b"seed = 1\n");
        for evil in ["../evil", "/evil", "a/../../evil", "..\\evil", "C:evil", "./../evil", ".hidden"] {
            let of = list(&[toml, (evil, b"x")]);
            zip(&path, &[("r/run.toml", toml.1), (&format!("r/{evil}"), b"x"), ("r/archive.json", &of)]);
            let error = unpack(&path, &runs, &mut on).unwrap_err().to_string();
            assert!(error.contains("bad.zip"), "{evil}: {error}");
        }
        for root in ["..", "../r", "/r", "a/b", ".r"] {
            zip(&path, &[(&format!("{root}/run.toml"), toml.1), (&format!("{root}/archive.json"), &list(&[toml]))]);
            assert!(unpack(&path, &runs, &mut on).is_err(), "{root}");
        }
        assert_eq!(names(home.path()), ["bad.zip"]);
    }

    #[test]
    fn what_the_list_does_not_say_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let (path, runs) = (home.path().join("bad.zip"), home.path().join("runs"));
        let toml: (&str, &[u8]) = ("run.toml", b"seed = 1\n");
        let bomb = vec![0u8; 5 << 20];
        for files in
            [vec![("r/run.toml", &b"seed = 2\n"[..])], vec![("r/run.toml", &bomb[..])], vec![("r/other.toml", toml.1)]]
        {
            let of = list(&[toml]);
            let all: Vec<(&str, &[u8])> = files.into_iter().chain([("r/archive.json", of.as_slice())]).collect();
            zip(&path, &all);
            assert!(unpack(&path, &runs, &mut on).is_err());
            assert_eq!(names(&runs), [""; 0]);
        }
        zip(&path, &[("r/run.toml", toml.1)]);
        assert!(unpack(&path, &runs, &mut on).unwrap_err().to_string().contains("no run"));
        fs::write(&path, "no archive").unwrap();
        assert!(unpack(&path, &runs, &mut on).unwrap_err().to_string().contains("not a whole"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
        #[test]
        fn a_truncated_or_flipped_archive_is_refused_or_whole(cut in 0usize..4000, flip in 0usize..4000, bit in 0u8..8) {
            let home = tempfile::tempdir().unwrap();
            let out = home.path().join("first.zip");
            pack(&a_run(home.path()), &out, &mut on).unwrap();
            let bytes = fs::read(&out).unwrap();
            let runs = home.path().join("runs");
            fs::write(&out, &bytes[..cut % bytes.len()]).unwrap();
            prop_assert!(unpack(&out, &runs, &mut on).is_err());
            let mut flipped = bytes.clone();
            let at = flip % bytes.len();
            flipped[at] ^= 1 << bit;
            fs::write(&out, &flipped).unwrap();
            // A flip in what nobody reads (a time, say) does no harm; any other is refused.
            if let Ok(folder) = unpack(&out, &runs, &mut on) {
                prop_assert_eq!(fs::read_to_string(folder.join("run.toml")).unwrap(), "seed = 1\n");
            }
        }
    }
}
