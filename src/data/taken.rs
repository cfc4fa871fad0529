//! When an image was taken, as far as its data set says.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::formats::frame_in;

/// The moment of an image. Both are often unknown: no published set but some tables gives a time, and a frame's number counts
/// within one video only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Taken {
    /// Milliseconds since 1970-01-01 UTC where the set gives dates, else since whenever its own clock began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// The number of the video frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<i64>,
}

/// What [`parse_time`] takes, for messages.
pub const TIMES: &str = "2026-11-25T10:18:00Z, 2026-11-25 10:18, 10:18:00 or a number of seconds";

/// A clock that has run for this long is not a recording's: the number counts from 1970.
const A_YEAR: i64 = 366 * 24 * 3600 * 1000;

impl Taken {
    /// What an image's name says in the manner of Market-1501 (`0002_c1s1_000451_03.jpg` is frame 451) or DukeMTMC.
    pub fn in_name(path: &Path) -> Self {
        Self { time: None, frame: frame_in(path) }
    }

    /// The time as one reads it: `2026-11-25 10:18:00` (UTC), or `0:10:05` on the set's own clock.
    pub fn time_text(self) -> Option<String> {
        let millis = self.time?;
        if millis.abs() >= A_YEAR {
            let stamp = Timestamp::from_millisecond(millis).ok()?;
            return Some(TimeZone::UTC.to_datetime(stamp).strftime("%Y-%m-%d %H:%M:%S").to_string());
        }
        let (sign, seconds) = (if millis < 0 { "-" } else { "" }, millis.abs() / 1000);
        Some(format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
    }
}

/// Reads a time as tables give it, in milliseconds (see [`Taken::time`]): a date and time of day, in UTC where no zone is
/// named; a time of day; or seconds, since 1970 or since a recording began.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = (seconds * 1000.0).round();
        return (millis.abs() < 1e15).then_some(millis as i64);
    }
    let utc = |at: DateTime| Some(TimeZone::UTC.to_timestamp(at).ok()?.as_millisecond());
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Some(stamp.as_millisecond());
    }
    // A time of day alone first, and only where there is no date: of one jiff would take the time, and let go of the day.
    if !text.contains(['-', 'T', 't', ' ']) {
        let since = text.parse::<Time>().ok()?.duration_since(Time::midnight());
        return i64::try_from(since.as_millis()).ok();
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return utc(at);
    }
    utc(text.parse::<Date>().ok()?.to_datetime(Time::midnight()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        let shown = |text: &str| Taken { time: parse_time(text), frame: None }.time_text();
        for (text, expected) in [
            ("2026-11-25T10:18:00Z", "2026-11-25 10:18:00"),
            ("2026-11-25T10:18:00+02:00", "2026-11-25 08:18:00"),
            ("2026-11-25 10:18:07.250", "2026-11-25 10:18:07"),
            ("2026-11-25 10:18", "2026-11-25 10:18:00"),
            ("2026-11-25", "2026-11-25 00:00:00"),
            ("1764065880", "2025-11-25 10:18:00"),
            ("20251125T101807", "2025-11-25 10:18:07"),
            ("10:18", "10:18:00"),
            (" 01:02:03.5 ", "1:02:03"),
            ("75.5", "0:01:15"),
            ("-3", "-0:00:03"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(parse_time("01:02:03.5"), Some(3_723_500));
        for text in ["", "noon", "25.11.2026", "2026-13-01", "25:00", "nan", "inf", "1e300"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
