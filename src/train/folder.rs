//! The files of a run: where they lie, and that only one process writes them.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::config::RunConfig;
use super::preset;
use crate::{Error, Result, fs};

/// A run's folder, locked for as long as this value lives.
pub struct RunFolder {
    root: PathBuf,
    // The operating system lets go of the lock when the process ends, however it ends.
    _lock: File,
}

impl RunFolder {
    /// Refuses a folder that holds a run already; a cheap question to ask before any work is done.
    ///
    /// # Errors
    /// [`Error::File`] that tells how to go on with it.
    pub fn refuse_existing(root: &Path) -> Result<()> {
        let ours = ["run.toml", "history.jsonl", "checkpoints", "model.safetensors"];
        if ours.iter().any(|name| root.join(name).exists()) {
            return Err(Error::file(
                root,
                "This folder already holds a run",
                "Add --resume to go on with it, or choose another folder",
            ));
        }
        Ok(())
    }

    /// Makes the folder of a new run.
    ///
    /// # Errors
    /// [`Error::File`] where it holds a run already, [`Error::Io`] where it cannot be written.
    pub fn create(root: &Path, config: &RunConfig) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(|e| Error::io("create", root, e))?;
        let folder = Self { root: root.to_path_buf(), _lock: lock(root)? };
        Self::refuse_existing(root)?;
        // First, because a folder with this file can be resumed, whenever the process is killed.
        folder.write_settings(config)?;
        folder.make_subfolders()?;
        Ok(folder)
    }

    /// Opens the folder of a run to go on with it, and reads its settings.
    ///
    /// # Errors
    /// [`Error::File`] where there is no run in it or another process trains it, [`Error::Io`] where it cannot be written.
    pub fn open(root: &Path) -> Result<(Self, RunConfig)> {
        let settings = root.join("run.toml");
        if !settings.exists() {
            let remedy = "Start a run without --resume, or name the folder of one";
            return Err(Error::file(root, "There is no run in this folder to resume", remedy));
        }
        let folder = Self { root: root.to_path_buf(), _lock: lock(root)? };
        let config = preset::read_config(&settings)?;
        folder.make_subfolders()?;
        for place in [folder.root.clone(), folder.checkpoints(), folder.samples()] {
            fs::remove_leftovers(&place)?;
        }
        Ok((folder, config))
    }

    /// Writes `run.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write_settings(&self, config: &RunConfig) -> Result<()> {
        let text = format!(
            "# A run of Rain. Repeat it: rain train --config run.toml --run NEW-FOLDER\n\n{}",
            preset::to_toml(config)?
        );
        fs::write_atomic(&self.root.join("run.toml"), |file| std::io::Write::write_all(file, text.as_bytes()))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One line a step.
    pub fn history(&self) -> PathBuf {
        self.root.join("history.jsonl")
    }

    /// One line a validation.
    pub fn validation(&self) -> PathBuf {
        self.root.join("validation.jsonl")
    }

    /// The folder of the checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The folder of the sample reconstructions.
    pub fn samples(&self) -> PathBuf {
        self.root.join("samples")
    }

    /// The final model.
    pub fn model(&self) -> PathBuf {
        self.root.join("model.safetensors")
    }

    /// The model that did best on the held-out identities so far.
    pub fn best_model(&self) -> PathBuf {
        self.root.join("model-best.safetensors")
    }

    fn make_subfolders(&self) -> Result<()> {
        for path in [self.checkpoints(), self.samples()] {
            std::fs::create_dir_all(&path).map_err(|e| Error::io("create", &path, e))?;
        }
        Ok(())
    }
}

fn lock(root: &Path) -> Result<File> {
    let path = root.join("run.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|e| Error::io("create", &path, e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::file(
            root,
            "Another process is training in this folder",
            "Wait for it, stop it, or choose another folder",
        )),
        // A file system without locks (some network shares) must not stop anyone from training.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_run_never_touches_an_old_one() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("a/run");
        let config = preset::load("demo").unwrap();
        drop(RunFolder::create(&root, &config).unwrap());
        let error = RunFolder::create(&root, &config).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("already holds a run") && error.contains("--resume"), "{error}");
        let (_folder, read) = RunFolder::open(&root).unwrap();
        assert_eq!(read, config);
    }

    #[test]
    fn two_processes_do_not_share_a_folder() {
        let home = tempfile::tempdir().unwrap();
        let config = RunConfig::default();
        let held = RunFolder::create(home.path(), &config).unwrap();
        let error = RunFolder::open(home.path()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("Another process"), "{error}");
        drop(held);
        RunFolder::open(home.path()).unwrap();
    }

    #[test]
    fn there_is_nothing_to_resume_in_an_empty_folder() {
        let home = tempfile::tempdir().unwrap();
        let error = RunFolder::open(home.path()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("no run in this folder"), "{error}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
