//! A key or password on its way from the user to a server: never into a file, a log, an argument or an error text.

use std::fmt;
use std::path::Path;

use crate::error::{Error, Result};

/// The environment variable that holds the key or password where nothing else is named.
pub const VARIABLE: &str = "RAIN_REMOTE_KEY";
/// A key is short; a longer file is something else that was named by mistake.
const LONGEST: u64 = 16 * 1024;

/// A key or password. It has no `Display`, its `Debug` shows nothing of it, and its bytes are overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a key in; an empty one is none.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The key of the environment variable [`VARIABLE`], if it is set.
    pub fn from_environment() -> Option<Self> {
        std::env::var(VARIABLE).ok().and_then(Self::new)
    }

    /// The first line of a file that the user names.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::File`] where it holds no key; neither shows the content.
    pub fn from_file(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
        let remedy = "Put the key or password alone on its first line";
        if size > LONGEST {
            return Err(Error::file(path, "this is too long for a key", remedy));
        }
        let text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let text = String::from_utf8(text).map_err(|_| Error::file(path, "this is not text", remedy))?;
        let line = text.lines().next().unwrap_or_default().trim().to_string();
        Self::new(line).ok_or_else(|| Error::file(path, "its first line is empty", remedy))
    }

    /// Asks on the terminal, without an echo.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no terminal, or nothing was typed.
    pub fn ask(question: &str) -> Result<Self> {
        let none = || Error::input("No key was typed", format!("Type it, set {VARIABLE}, or name a --key-file"));
        prompt::read(question)
            .map_err(|e| {
                let remedy = format!("Set {VARIABLE}, or name a --key-file");
                Error::input(format!("The key cannot be asked for on this terminal ({})", e.kind()), remedy)
            })
            .and_then(|line| Self::new(line.trim_end_matches(['\r', '\n'])).ok_or_else(none))
    }

    /// The key itself, for the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without this key: servers like to quote what they refuse.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut text = text.replace(&self.0, "…");
        // Of "user:password" the half behind the colon is the secret one.
        if let Some((_, password)) = self.0.split_once(':').filter(|(_, password)| password.len() > 3) {
            text = text.replace(password, "…");
        }
        text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes); // or the compiler may leave the zeros out
    }
}

#[cfg(unix)]
mod prompt {
    use std::io::{self, BufRead, BufReader, Write};
    use std::os::fd::AsRawFd;

    /// Reads a line of the controlling terminal with its echo off.
    pub fn read(question: &str) -> io::Result<String> {
        let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        terminal.write_all(question.as_bytes())?;
        let echo = Echo::off(terminal.as_raw_fd())?;
        let mut line = String::new();
        let read = BufReader::new(&terminal).read_line(&mut line);
        drop(echo);
        terminal.write_all(b"\n")?;
        read.map(|_| line)
    }

    /// The terminal's settings as they were, put back when this goes.
    struct Echo(i32, libc::termios);

    impl Echo {
        fn off(terminal: i32) -> io::Result<Self> {
            let mut settings = std::mem::MaybeUninit::<libc::termios>::uninit();
            // SAFETY: `terminal` is open, and tcgetattr fills the whole struct where it returns 0.
            let before = unsafe {
                if libc::tcgetattr(terminal, settings.as_mut_ptr()) != 0 {
                    return Err(io::Error::last_os_error());
                }
                settings.assume_init()
            };
            let mut quiet = before;
            quiet.c_lflag &= !libc::ECHO;
            // SAFETY: as above.
            if unsafe { libc::tcsetattr(terminal, libc::TCSAFLUSH, &quiet) } != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self(terminal, before))
        }
    }

    impl Drop for Echo {
        fn drop(&mut self) {
            // SAFETY: the terminal outlives this, and the settings came from tcgetattr.
            unsafe { libc::tcsetattr(self.0, libc::TCSAFLUSH, &self.1) };
        }
    }
}

#[cfg(not(unix))]
mod prompt {
    use std::io;

    /// Not written for this system.
    pub fn read(_question: &str) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_key() {
        let key = Secret::new("analyst:hunter22").unwrap();
        assert_eq!(format!("{key:?}"), "Secret(…)");
        let echoed = key.scrub("401: token analyst:hunter22 is wrong, hunter22 too");
        assert!(!echoed.contains("hunter22"), "{echoed}");
        assert!(Secret::new("").is_none());
    }

    #[test]
    fn a_key_file_is_read_and_never_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\nmore\n").unwrap();
        assert_eq!(Secret::from_file(&path).unwrap().expose(), "s3cret");
        for content in [&b"\n"[..], b"\xffs3cret", &[b'x'; 20_000]] {
            std::fs::write(&path, content).unwrap();
            let message = Secret::from_file(&path).unwrap_err().to_string();
            assert!(message.contains("first line") && !message.contains("s3cret"), "{message}");
        }
    }
}
