//! What pages and drawings are written with: text from anywhere (file names, notes) that is safe in them, and bytes as text.

use std::fmt::Write as _;

/// Text that is safe inside HTML and SVG, in quoted attributes too. What would be invisible or would turn the text around
/// (control characters, overrides of the direction) is shown by its code.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if hidden(c) => code(c, &mut out),
            c => out.push(c),
        }
    }
    out
}

/// `[U+202E]`.
pub(crate) fn code(c: char, out: &mut String) {
    let _ = write!(out, "[U+{:04X}]", u32::from(c));
}

/// Whether a character cannot be seen, or changes how others are seen.
pub(crate) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x061C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE007F
            | 0xF780..=0xF7FF | 0xFFF9..=0xFFFB)
}

/// Bytes as base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let number = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = (number >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= group.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_by_the_standard() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn nothing_escapes() {
        assert_eq!(escape("<img src=x onerror='1'>&\""), "&lt;img src=x onerror=&#39;1&#39;&gt;&amp;&quot;");
        assert_eq!(escape("photo\u{202E}gpj.exe\u{0}"), "photo[U+202E]gpj.exe[U+0000]");
        assert_eq!(escape("שלום 🙂 é"), "שלום 🙂 é");
    }
}
