//! Writing files so that a power cut, a full disk or a kill -9 leaves either the old file or the new one, never half of one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::{Error, Result};

/// Ending of the hidden temporary files of [`write_atomic`]; a kill can leave one behind, see [`remove_leftovers`].
const TEMPORARY: &str = ".rain-tmp";

/// Writes `path` in one piece: `write` fills a temporary file in the same folder, which is synced and then renamed.
///
/// On failure the temporary file is removed, and what `path` held before is intact.
///
/// # Errors
/// [`Error::Io`] naming `path`, whether the folder, the write, the sync or the rename failed.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<()> {
    let failed = |source| Error::io("write", path, source);
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(TEMPORARY);
    #[cfg(unix)]
    {
        // Temporary files are private by default; this one becomes an ordinary file, so the umask decides.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // Its error names the temporary file, of which the reader knows nothing: the kind says enough.
    let file = builder.tempfile_in(folder).map_err(|error| failed(error.kind().into()))?;
    let mut writer = BufWriter::new(file.as_file());
    write(&mut writer).and_then(|()| writer.flush()).map_err(failed)?;
    drop(writer);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)
}

/// Removes the temporary files that a killed process left in `folder`.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be listed or a leftover not removed.
pub fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))? {
        let path = entry.map_err(|e| Error::io("list", folder, e))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(TEMPORARY)) {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}

/// Makes a rename inside `folder` durable. Only Unix can and need sync a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// The folder that `path` lies in; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_old_file_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, |file| file.write_all(b"old")).unwrap();
        write_atomic(&path, |file| file.write_all(b"new and longer")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new and longer");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, |file| file.write_all(b"old")).unwrap();
        let error = write_atomic(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(error.to_string().contains("a.txt") && error.to_string().contains("Free some space"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_of_a_killed_process_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(format!(".abc{TEMPORARY}")), "half").unwrap();
        std::fs::write(folder.path().join("keep.txt"), "whole").unwrap();
        remove_leftovers(folder.path()).unwrap();
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["keep.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_missing_folder_is_named() {
        let error = write_atomic(Path::new("/nowhere/at/all/a.txt"), |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all/a.txt"), "{error}");
    }
}
