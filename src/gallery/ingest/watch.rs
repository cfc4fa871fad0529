//! Watching folders for images that come, change and go. Nothing is watched unless the user asks for it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use notify::{RecursiveMode, Watcher};

use crate::error::{Error, Result};

/// The folders must be quiet for so long before they are looked at: a file that is being copied is not read in the middle.
const QUIET: Duration = Duration::from_secs(2);
/// Where they never are, they are looked at this often.
const MOST: Duration = Duration::from_secs(60);

/// A watch on some folders and everything in them.
pub struct Watch {
    changed: Receiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// Where the system refuses: too many folders, or one that is not there.
    pub fn new(folders: &[PathBuf]) -> Result<Self> {
        let (tell, changed) = unbounded();
        let refused = |e: notify::Error| {
            Error::input(
                format!("The folders cannot be watched: {e}"),
                "Add images with `rain index add` instead, or raise the system's limit of watched folders (fs.inotify.max_user_watches)",
            )
        };
        let heard = move |event: notify::Result<notify::Event>| {
            // Reading a file is no change of it. What was missed is made up for by looking at everything.
            if event.is_err() || event.is_ok_and(|e| !e.kind.is_access()) {
                let _ = tell.send(()); // the watch may have ended
            }
        };
        let mut watcher = notify::recommended_watcher(heard).map_err(refused)?;
        for folder in folders {
            watcher.watch(folder, RecursiveMode::Recursive).map_err(refused)?;
        }
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits until something has changed and it is quiet again. `false` where `stop` says so first; it is asked a few times a
    /// second.
    pub fn wait(&self, stop: &dyn Fn() -> bool) -> bool {
        let (mut first, mut last): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            if stop() {
                return false;
            }
            match self.changed.recv_timeout(Duration::from_millis(200)) {
                Ok(()) => {
                    self.changed.try_iter().for_each(drop);
                    last = Some(Instant::now());
                    first = first.or(last);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            let over = |since: Option<Instant>, time: Duration| since.is_some_and(|since| since.elapsed() >= time);
            if over(last, QUIET) || over(first, MOST) {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_heard_once_it_is_quiet_and_a_stop_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new(&[folder.path().to_path_buf()]).unwrap();
        assert!(!watch.wait(&|| true));
        std::fs::create_dir(folder.path().join("inside")).unwrap();
        std::fs::write(folder.path().join("inside").join("a.jpg"), "x").unwrap();
        let began = Instant::now();
        assert!(watch.wait(&|| began.elapsed() > Duration::from_secs(20)));
        assert!(began.elapsed() >= QUIET);
        let began = Instant::now();
        assert!(!watch.wait(&|| began.elapsed() > Duration::from_millis(600)), "nothing else happened");
        assert!(Watch::new(&[folder.path().join("nowhere")]).is_err());
    }
}
