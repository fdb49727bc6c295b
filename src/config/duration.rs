//! Durations as people write them: "250ms", "5s", "1h", "1m30s", "0.5s".

use std::time::Duration;

use thiserror::Error;

/// A longer one is surely a mistake, and a far longer one overflows when it is added to a clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The units and their seconds.
const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

/// The fault of a text that is no duration.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DurationError {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than a year")]
    TooLong,
    #[error("a number with a unit is missing")]
    NoNumber,
    #[error("{0} has no unit: ms, s, m, h or d")]
    NoUnit(f64),
    #[error("`{0}` is no unit: use ms, s, m, h or d")]
    UnknownUnit(String),
}

/// Reads one or more numbers, each with its unit (ms, s, m, h, d).
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let (seconds, behind) = part(rest)?;
        total += seconds;
        rest = behind.trim_start();
    }
    if total > LONGEST.as_secs_f64() {
        return Err(DurationError::TooLong);
    }
    // Whole microseconds: 0.1 s must not become 99.999999 ms.
    Ok(Duration::from_micros((total * 1e6).round() as u64))
}

/// The seconds of the first number with its unit, and the text behind it.
fn part(text: &str) -> Result<(f64, &str), DurationError> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| DurationError::NoNumber)?;
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(letters);
    match UNITS.iter().find(|(unit, _)| *unit == name) {
        Some((_, seconds)) => Ok((number * seconds, rest)),
        None if name.is_empty() => Err(DurationError::NoUnit(number)),
        None => Err(DurationError::UnknownUnit(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        let cases = [
            ("250ms", 250),
            ("5s", 5_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("1h 15m", 4_500_000),
            ("0.1s", 100),
            (" 2 s ", 2_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        let cases = [
            ("", "it is empty"),
            ("5", "5 has no unit: ms, s, m, h or d"),
            ("5 sconds", "`sconds` is no unit: use ms, s, m, h or d"),
            ("soon", "a number with a unit is missing"),
            ("-5s", "a number with a unit is missing"),
            ("1.2.3s", "a number with a unit is missing"),
            ("5s later", "a number with a unit is missing"),
            ("9999999999999999999999h", "it is longer than a year"),
        ];
        for (text, reason) in cases {
            assert_eq!(parse(text).unwrap_err().to_string(), reason, "{text}");
        }
    }
}
