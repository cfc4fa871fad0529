//! File names as text and back, without loss.
//!
//! On Linux a name is any bytes. What is not UTF-8 is kept byte by byte as a private character (U+F780 to U+F7FF), so that
//! two different names are never one text, and the text leads back to the file.

use std::path::{Path, PathBuf};

const BASE: u32 = 0xF700;

/// A path as text.
#[cfg(unix)]
pub fn to_text(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(BASE + u32::from(*byte))));
    }
    text
}

/// The path that [`to_text`] was given.
#[cfg(unix)]
pub fn to_path(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c) {
            code @ 0xF780..=0xF7FF => bytes.push((code - BASE) as u8),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// A path as text.
#[cfg(not(unix))]
pub fn to_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The path that [`to_text`] was given.
#[cfg(not(unix))]
pub fn to_path(text: &str) -> PathBuf {
    text.into()
}

/// The last part of a path in text form.
pub fn file_name(text: &str) -> &str {
    let last = text.rsplit(std::path::MAIN_SEPARATOR).next().unwrap_or(text);
    if last.is_empty() { text } else { last }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn readable_names_stay_as_they_are() {
        let path = Path::new("/a/🙂 “x” <b> שלום.png");
        assert_eq!(to_text(path), "/a/🙂 “x” <b> שלום.png");
        assert_eq!(file_name(&to_text(path)), "🙂 “x” <b> שלום.png");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(1u8.., 0..40)) {
            let path = Path::new(std::ffi::OsStr::from_bytes(&bytes));
            // Bytes that happen to spell one of the private characters are the one exception.
            prop_assume!(!String::from_utf8_lossy(&bytes).chars().any(|c| (0xF780..=0xF7FF).contains(&u32::from(c))));
            let back = to_path(&to_text(path));
            prop_assert_eq!(back.as_path(), path);
        }
    }
}
