//! Points in time as people and scripts write them, in UTC.

use std::time::{Duration, SystemTime};

use thiserror::Error;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::parsing::Parsed;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

use super::turn::{length_us, micros};

/// A date, with or without a time, whose seconds may have a fraction.
const FORM: &[BorrowedFormatItem<'_>] = format_description!(
    version = 2,
    "[year]-[month padding:none]-[day padding:none][optional [[first [T] [ ]][hour padding:none]:[minute padding:none]\
     [optional [:[second padding:none][optional [.[subsecond]]]]]]]"
);
const FIRST_YEAR: i32 = 1970;

/// A point in time, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When(pub i64);

/// A text that is no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write \"24h\" for the last day, \"2026-11-25T19:00\" in UTC, or \"all\"")]
pub struct NoTime;

// === impl When ===

impl When {
    pub fn now() -> Self {
        Self(micros(SystemTime::now()))
    }

    /// Reads "24h" (so long ago), "all" (None), "2026-11-25", "2026-11-25T19:01", "2026-11-25T19:01:47" or the form of
    /// [`When::exact`], with or without a Z behind. `length` reads "24h". The error tells the forms to write.
    pub fn parse<E>(
        text: &str,
        now: Self,
        length: impl FnOnce(&str) -> Result<Duration, E>,
    ) -> Result<Option<Self>, NoTime> {
        let text = text.trim();
        if text == "all" {
            return Ok(None);
        }
        if let Ok(ago) = length(text) {
            return Ok(Some(Self(now.0.saturating_sub(length_us(ago)))));
        }
        let point = point(text.strip_suffix('Z').unwrap_or(text)).ok_or(NoTime)?;
        Ok(Some(point.into()))
    }

    /// `2026-11-25T19:01:47.123456Z`, which [`When::parse`] reads.
    pub fn exact(self) -> String {
        let point = self.point();
        format!("{}T{}.{:06}Z", date(point), time(point), point.microsecond())
    }

    /// `2026-11-25 19:01:47`, for people.
    pub fn readable(self) -> String {
        let point = self.point();
        format!("{} {}", date(point), time(point))
    }

    /// A time beyond all calendars is the last, or the first, of ours.
    fn point(self) -> OffsetDateTime {
        let end = if self.0 < 0 { PrimitiveDateTime::MIN } else { PrimitiveDateTime::MAX };
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000).unwrap_or(end.assume_utc())
    }
}

impl From<OffsetDateTime> for When {
    fn from(point: OffsetDateTime) -> Self {
        Self(i64::try_from(point.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
    }
}

fn date(point: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", point.year(), u8::from(point.month()), point.day())
}

fn time(point: OffsetDateTime) -> String {
    format!("{:02}:{:02}:{:02}", point.hour(), point.minute(), point.second())
}

fn point(text: &str) -> Option<OffsetDateTime> {
    let mut parsed = Parsed::new();
    let rest = parsed.parse_items(text.as_bytes(), FORM).ok()?;
    let date = Date::try_from(parsed).ok()?;
    let time = match parsed.hour_24() {
        Some(_) => Time::try_from(parsed).ok()?,
        None => Time::MIDNIGHT,
    };
    let is_ours = rest.is_empty() && date.year() >= FIRST_YEAR;
    is_ours.then(|| PrimitiveDateTime::new(date, time).assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> Result<Duration, std::num::ParseIntError> {
        text.trim_end_matches('h').parse().map(|hours: u64| Duration::from_secs(hours * 3600))
    }

    #[test]
    fn points_in_time_are_read_as_they_are_written() {
        let now = When(1_764_097_307_123_456);
        assert_eq!(now.exact(), "2025-11-25T19:01:47.123456Z");
        assert_eq!(now.readable(), "2025-11-25 19:01:47");
        let read = |text: &str| When::parse(text, now, hours).unwrap().map(When::exact);
        for (text, expected) in [
            ("1h", "2025-11-25T18:01:47.123456Z"),
            ("2025-11-25", "2025-11-25T00:00:00.000000Z"),
            ("2025-11-25T19:01", "2025-11-25T19:01:00.000000Z"),
            ("2025-11-25 19:01:47Z", "2025-11-25T19:01:47.000000Z"),
            ("2024-02-29T7:1", "2024-02-29T07:01:00.000000Z"),
            ("2025-11-25T19:01:47.5", "2025-11-25T19:01:47.500000Z"),
            ("2025-11-25T19:01:47.123456789Z", "2025-11-25T19:01:47.123456Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(read("all"), None);
        assert_eq!(read(&now.exact()), Some(now.exact()), "what we write is read");
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        let not = [
            "",
            "yesterday",
            "2025-02-29",
            "1969-12-31",
            "2025-13-01",
            "2025-11-25T25:00",
            "25-11-2025",
            "2025-11-25T1",
            "2025-11-25T19:01.5",
            "2025-11-25.5",
            "2025-11-25T19:01:47.",
            "2025-11-25T19:01:47.+1",
            "2025-11-25T19:01:47.5ééé",
            "-1h",
        ];
        for text in not {
            assert!(When::parse(text, When(0), hours).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_before_1970_or_beyond_the_calendar_is_still_written() {
        assert_eq!(When(-1).exact(), "1969-12-31T23:59:59.999999Z");
        assert_eq!((When(i64::MAX).readable(), When(i64::MIN).readable()).0, "9999-12-31 23:59:59");
        assert!(When(i64::MIN).readable().starts_with("-9999-01-01"));
    }
}
