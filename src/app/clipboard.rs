//! What is pasted: images, and the paths of files.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{ColorImage, Context, Event};
use image::RgbImage;

/// What was pasted in this frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Pasted {
    /// An image.
    Image(Arc<RgbImage>),
    /// Files that are there.
    Files(Vec<PathBuf>),
    /// Text that names no file.
    Words,
}

/// Takes what was pasted. Only where no text field has the keyboard: there, pasting is typing.
pub fn take(ctx: &Context) -> Vec<Pasted> {
    ctx.input(|input| {
        let taken = input.events.iter().filter_map(|event| match event {
            Event::Paste(text) => Some(read(text)),
            Event::PasteImage(image) => Some(Pasted::Image(Arc::new(pixels(image)))),
            _ => None,
        });
        taken.collect()
    })
}

fn read(text: &str) -> Pasted {
    let files: Vec<PathBuf> = paths(text).into_iter().filter(|path| path.exists()).collect();
    if files.is_empty() { Pasted::Words } else { Pasted::Files(files) }
}

/// The paths in a text: one a line, as file managers and terminals write them.
fn paths(text: &str) -> Vec<PathBuf> {
    let line = |line: &str| {
        let line = line.trim().trim_matches(['"', '\'']);
        match line.strip_prefix("file://") {
            // An address of this machine: file:///home or file://localhost/home.
            Some(address) => PathBuf::from(unescaped(address.strip_prefix("localhost").unwrap_or(address))),
            None => PathBuf::from(line),
        }
    };
    // Some file managers put the word "copy" or "cut" on the first line.
    text.lines().filter(|l| !l.trim().is_empty() && !matches!(l.trim(), "copy" | "cut")).map(line).collect()
}

/// `%20` and the like.
fn unescaped(address: &str) -> String {
    let bytes = address.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The colours, without the transparency.
fn pixels(image: &ColorImage) -> RgbImage {
    let [width, height] = image.size;
    let raw = image.pixels.iter().flat_map(|colour| {
        let [r, g, b, _] = colour.to_srgba_unmultiplied();
        [r, g, b]
    });
    RgbImage::from_raw(width as u32, height as u32, raw.collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_file_managers_and_terminals() {
        let expected: Vec<PathBuf> = vec!["/tmp/a b.png".into(), "/tmp/ü.jpg".into()];
        assert_eq!(paths("/tmp/a b.png\n/tmp/ü.jpg\n"), expected);
        assert_eq!(paths("copy\nfile:///tmp/a%20b.png\r\nfile://localhost/tmp/%C3%BC.jpg"), expected);
        assert_eq!(paths("\"/tmp/a b.png\"\n'/tmp/ü.jpg'"), expected);
    }

    #[test]
    fn words_are_no_files() {
        assert_eq!(read("a description of the suspect"), Pasted::Words);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().display().to_string()), Pasted::Files(vec![folder.path().into()]));
    }

    #[test]
    fn an_image_keeps_its_colours() {
        let image = ColorImage::from_rgb([2, 1], &[1, 2, 3, 200, 100, 50]);
        assert_eq!(pixels(&image).into_raw(), [1, 2, 3, 200, 100, 50]);
    }

    proptest! {
        #[test]
        fn nothing_pasted_panics(text in "\\PC{0,60}(%[0-9a-f]?){0,3}") {
            let _ = paths(&format!("file://{text}"));
        }
    }
}
