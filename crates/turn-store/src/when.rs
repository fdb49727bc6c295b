//! Points in time as people and scripts write them, in UTC.

use std::time::{Duration, SystemTime};

use super::turn::{length_us, micros};

const SECOND_US: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// A point in time, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When(pub i64);

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    year: i64,
    month: i64,
    day: i64,
}

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
    ) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text == "all" {
            return Ok(None);
        }
        if let Ok(ago) = length(text) {
            return Ok(Some(Self(now.0.saturating_sub(length_us(ago)))));
        }
        let point = exact_point(text.strip_suffix('Z').unwrap_or(text));
        let point = point.ok_or("write \"24h\" for the last day, \"2026-11-25T19:00\" in UTC, or \"all\"")?;
        Ok(Some(Self(point)))
    }

    /// `2026-11-25T19:01:47.123456Z`, which [`When::parse`] reads.
    pub fn exact(self) -> String {
        let micros = self.0.rem_euclid(SECOND_US);
        format!("{}T{}.{micros:06}Z", self.date(), self.time())
    }

    /// `2026-11-25 19:01:47`, for people.
    pub fn readable(self) -> String {
        format!("{} {}", self.date(), self.time())
    }

    fn date(self) -> String {
        let Day { year, month, day } = Day::of(self.0.div_euclid(SECOND_US * DAY_SECONDS));
        format!("{year:04}-{month:02}-{day:02}")
    }

    fn time(self) -> String {
        let seconds = self.0.div_euclid(SECOND_US).rem_euclid(DAY_SECONDS);
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// The microseconds since 1970 of a date with or without a time, whose seconds may have a fraction.
fn exact_point(text: &str) -> Option<i64> {
    let Some((whole, fraction)) = text.split_once('.') else { return Some(point(text)? * SECOND_US) };
    let has_seconds = whole.matches(':').count() == 2;
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    if !has_seconds || !is_fraction {
        return None;
    }
    // Digits beyond the microsecond are cut off.
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(point(whole)? * SECOND_US + micros)
}

/// The seconds since 1970 of a date with or without a time.
fn point(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, day] = numbers(date, '-')?[..] else { return None };
    let (hour, minute, second) = match numbers(time, ':')?[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let day = Day { year, month, day };
    let is_valid = (1970..10_000).contains(&year) && Day::of(day.number()) == day;
    let seconds = hour * 3600 + minute * 60 + second;
    (is_valid && hour < 24 && minute < 60 && second < 60).then(|| day.number() * DAY_SECONDS + seconds)
}

fn numbers(text: &str, between: char) -> Option<Vec<i64>> {
    let digits = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    text.split(between).map(|part| digits(part).then(|| part.parse().ok()).flatten()).collect()
}

// === impl Day ===

impl Day {
    /// The day with this number, counted from 1970-01-01 as 0.
    ///
    /// Years are taken to begin in March, which puts the leap day at their end: the day of the year then gives the
    /// month without a table, and 400 years are always the same 146097 days.
    fn of(number: i64) -> Self {
        let shifted = number + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self { year: era * 400 + year + i64::from(month <= 2), month, day }
    }

    fn number(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let shifted_month = (self.month + 9) % 12;
        let of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_their_numbers_agree_for_two_centuries() {
        let mut day = Day { year: 1970, month: 1, day: 1 };
        for number in 0..73_000 {
            assert_eq!((Day::of(number), day.number()), (day, number));
            day = tomorrow(day);
        }
    }

    /// By the rules that people learn.
    fn tomorrow(Day { year, month, day }: Day) -> Day {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + i64::from(leap),
            _ => 31,
        };
        match (month, day) {
            (12, 31) => Day { year: year + 1, month: 1, day: 1 },
            (_, day) if day == length => Day { year, month: month + 1, day: 1 },
            _ => Day { year, month, day: day + 1 },
        }
    }

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
}
