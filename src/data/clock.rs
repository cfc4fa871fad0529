//! Times as cameras and file names write them.
//!
//! A camera's clock has no time zone that anybody could vouch for. So a time here is what the clock showed, in seconds since
//! 1970-01-01 00:00:00 on that same clock; it orders and spans, and is shown again as it was written.

use std::path::Path;

use jiff::civil::DateTime;

/// Seconds of what a clock shows: `2024-01-31 14:05:07` (also with `T`, without seconds, or with a zone, which is ignored),
/// or a plain number of seconds. `None` where the text is no time.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds.is_finite().then_some(seconds as i64);
    }
    in_text(text)
}

/// The time in a file name such as `cam3_20240131_140507.jpg` or `2024-01-31T14-05-07_0001.png`.
pub fn in_name(path: &Path) -> Option<i64> {
    in_text(&path.file_stem()?.to_string_lossy())
}

/// The time as it is shown, "2024-01-31 14:05:07"; a small number that can be no date stays a number of seconds.
pub fn show(seconds: i64) -> String {
    const DAY: i64 = 86_400;
    if (0..1000 * DAY).contains(&seconds) {
        return format!("{seconds} s");
    }
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    match epoch.checked_add(jiff::Span::new().try_seconds(seconds).unwrap_or_default()) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{seconds} s"),
    }
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
    let since = time.since((jiff::Unit::Second, DateTime::constant(1970, 1, 1, 0, 0, 0, 0))).ok()?;
    Some(since.get_seconds())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_spellings() {
        let expected = Some(1_706_709_907);
        for text in [
            "2024-01-31 14:05:07",
            "2024-01-31T14:05:07Z",
            "2024/01/31 14:05:07",
            "20240131T140507",
            "cam3_20240131_140507_0001",
            "2024-01-31_14-05-07",
            "1706709907",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse("2024-01-31 14:05"), Some(1_706_709_900));
        assert_eq!(show(1_706_709_907), "2024-01-31 14:05:07");
        assert_eq!((show(12), parse("12.7")), ("12 s".into(), Some(12)));
    }

    #[test]
    fn what_is_no_time() {
        for text in ["", "0002_c1s1_000451_03", "yesterday", "2024-13-31 14:05:07", "20240131", "nan"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(in_name(Path::new("0002_c1s1_000451_03.jpg")), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_shown_reads_back(text in ".{0,40}", seconds in 86_400_000i64..7_000_000_000) {
            let _ = parse(&text);
            prop_assert_eq!(parse(&show(seconds)), Some(seconds));
        }
    }
}
