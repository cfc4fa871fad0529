//! When an image was taken, where somebody said: a table's column `time`, or a date and time in the file's name.

use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};

/// The times in the tables that lie directly in `folder`: seconds since 1970 by path. A table without the columns `path` and
/// `time` tells none, and neither does a field that is no time.
pub fn told_by_tables(folder: &Path) -> Vec<(PathBuf, i64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let tables = entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")));
    tables.flat_map(|table| told_by_table(&table, folder).unwrap_or_default()).collect()
}

fn told_by_table(table: &Path, folder: &Path) -> Option<Vec<(PathBuf, i64)>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(table).ok()?;
    let names: Vec<String> = reader
        .byte_headers()
        .ok()?
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_lowercase())
        .collect();
    let place = |name: &str| names.iter().position(|n| n == name);
    let (path, time) = (place("path")?, place("time")?);
    let row = |record: csv::ByteRecord| {
        let field = |at: usize| Some(String::from_utf8_lossy(record.get(at)?).trim().to_string());
        Some((folder.join(field(path)?.replace('\\', "/")), parse(&field(time)?)?))
    };
    Some(reader.byte_records().flatten().filter_map(row).collect())
}

/// Seconds since 1970: a number of them, or a date and time; one without a zone counts as UTC.
pub fn parse(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds.abs() < 1e11).then_some(seconds.floor() as i64);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    let civil = text.parse::<DateTime>().ok()?;
    Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_second())
}

/// A time in a file's name: `20260131_235959`, or with `-` or `T` between date and time, or with separators inside them.
pub fn told_by_name(path: &Path) -> Option<i64> {
    let name = path.file_stem()?.to_string_lossy();
    let digits: Vec<(usize, u8)> = name.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).collect();
    (0..digits.len().saturating_sub(13)).find_map(|first| {
        let run = &digits[first..first + 14];
        let starts = first == 0 || digits[first - 1].0 + 1 < run[0].0;
        let ends = digits.get(first + 14).is_none_or(|next| next.0 > run[13].0 + 1);
        // One separator at most between two digits, and none inside of a number.
        let joined = run.windows(2).enumerate().all(|(i, pair)| match pair[1].0 - pair[0].0 {
            1 => true,
            2 => [3, 5, 7, 9, 11].contains(&i) && b"-_.:T".contains(&name.as_bytes()[pair[0].0 + 1]),
            _ => false,
        });
        let number = |range: std::ops::Range<usize>| run[range].iter().fold(0i16, |n, (_, d)| n * 10 + i16::from(d - b'0'));
        if !(starts && ends && joined) || !(1970..2100).contains(&number(0..4)) {
            return None;
        }
        let part = |range| number(range) as i8;
        let civil = DateTime::new(number(0..4), part(4..6), part(6..8), part(8..10), part(10..12), part(12..14), 0).ok()?;
        Some(TimeZone::UTC.to_timestamp(civil).ok()?.as_second())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: i64 = 1_769_903_999; // 2026-01-31 23:59:59 UTC

    #[test]
    fn times_are_read() {
        for text in ["1769903999", "1769903999.7", "2026-01-31T23:59:59Z", "2026-01-31 23:59:59", "2026-02-01T01:59:59+02:00"] {
            assert_eq!(parse(text), Some(EXPECTED), "{text}");
        }
        for text in ["", "yesterday", "NaN", "1e300", "31.1.2026"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_tell_a_time_or_none() {
        for name in ["20260131_235959.jpg", "cam3_2026-01-31_23-59-59_17.png", "x20260131T235959.jpg", "20260131235959.jpg"] {
            assert_eq!(told_by_name(Path::new(name)), Some(EXPECTED), "{name}");
        }
        for name in ["0002_c1s1_000451_03.jpg", "20261331_235959.jpg", "120260131235959.jpg", "202601312359591.jpg", "99990131_235959.jpg", "a.jpg", ""] {
            assert_eq!(told_by_name(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn tables_tell_times() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.csv"), "Path,identity,time\na/1.jpg,3,2026-01-31 23:59:59\nb.jpg,4,\n").unwrap();
        std::fs::write(folder.path().join("other.csv"), "x,y\n1,2\n").unwrap();
        assert_eq!(told_by_tables(folder.path()), [(folder.path().join("a/1.jpg"), EXPECTED)]);
    }
}
