//! Times as people type them and as cameras put them into file names. What is meant by a time is said in [`super::taken`].

use std::path::Path;

use jiff::civil::DateTime;

use super::taken::{Taken, parse_time};

/// Milliseconds of what is typed: whatever a table may give, or what a camera writes (`20240131_140507`).
pub fn parse(text: &str) -> Option<i64> {
    parse_time(text).or_else(|| in_text(text))
}

/// The time in a file name such as `cam3_20240131_140507.jpg` or `2024-01-31T14-05-07_0001.png`, in milliseconds.
pub fn in_name(path: &Path) -> Option<i64> {
    in_text(&path.file_stem()?.to_string_lossy())
}

/// The time as it is read.
pub fn show(millis: i64) -> String {
    Taken { time: Some(millis), frame: None }.time_text().unwrap_or_else(|| format!("{millis} ms"))
}

/// The first run of digits that reads as year, month, day, hour, minute and perhaps second.
fn in_text(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .filter(|&at| bytes[at].is_ascii_digit() && (at == 0 || !bytes[at - 1].is_ascii_digit()))
        .find_map(|at| at_start(&bytes[at..]))
}

fn at_start(bytes: &[u8]) -> Option<i64> {
    let mut at = 0;
    let mut number = |digits: usize, separators: &[u8]| -> Option<i16> {
        if bytes.get(at).is_some_and(|b| separators.contains(b)) {
            at += 1;
        }
        let field = bytes.get(at..at + digits)?;
        at += digits;
        std::str::from_utf8(field).ok().filter(|f| f.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
    };
    let year = number(4, b"").filter(|year| (1970..2200).contains(year))?;
    let (month, day) = (number(2, b"-_./")?, number(2, b"-_./")?);
    let (hour, minute) = (number(2, b"T _-")?, number(2, b":-_.h")?);
    let second = number(2, b":-_.m").unwrap_or(0);
    let time = DateTime::new(year, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_spellings() {
        for text in [
            "2024-01-31 14:05:07",
            "2024-01-31T14:05:07Z",
            "2024/01/31 14:05:07",
            "20240131T140507",
            "cam3_20240131_140507_0001",
            "2024-01-31_14-05-07",
            "1706709907",
        ] {
            assert_eq!(parse(text), Some(1_706_709_907_000), "{text}");
        }
        assert_eq!(parse("2024-01-31 14:05"), Some(1_706_709_900_000));
        assert_eq!(show(1_706_709_907_000), "2024-01-31 14:05:07");
    }

    #[test]
    fn what_is_no_time() {
        for text in ["", "0002_c1s1_000451_03", "yesterday", "2024-13-31 14:05:07", "nan"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(in_name(Path::new("0002_c1s1_000451_03.jpg")), None);
        assert_eq!(in_name(Path::new("20240131.jpg")), None, "a day is no time");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_shown_reads_back(text in ".{0,40}", seconds in 40_000_000i64..7_000_000_000) {
            let _ = parse(&text);
            prop_assert_eq!(parse(&show(seconds * 1000)), Some(seconds * 1000));
        }
    }
}
