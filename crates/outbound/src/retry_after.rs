//! The time at which a server wants to be asked again.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The headers of OpenAI and of Azure.
const MILLISECONDS: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];

/// `retry-after-ms` and Azure's name for it, else `Retry-After` as seconds, as a date (RFC 9110, section 10.2.3) or
/// with a unit, as some servers write it.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(milliseconds) = MILLISECONDS.iter().find_map(|name| text(name)?.trim().parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let written = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = seconds(written) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(written).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The seconds of a time like "34", "34.5", "34s", "34000ms" or "1m30s".
pub fn seconds(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("seconds", 1.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let mut rest = text.trim();
    if let Ok(number) = rest.parse() {
        return Some(number);
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let after = rest[end..].trim_start();
        let (unit, factor) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        sum += number * factor;
        rest = after[unit.len()..].trim_start();
    }
    (!text.trim().is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        [(HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn retry_after_is_seconds_milliseconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let read = |name, value| retry_after(&headers(name, value), now);
        assert_eq!(read("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(read("retry-after", "Wed, 21 Oct 2015 07:28:04 GMT"), Some(Duration::from_secs(4)));
        assert_eq!(read("retry-after", "Wed, 21 Oct 2015 07:27:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("x-ms-retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(read("retry-after", "-1"), None);
        assert_eq!(read("retry-after", "soon"), None);
        assert_eq!(read("retry-after", "1e300"), None);
        assert_eq!(read("retry-after", ""), None);
    }

    #[test]
    fn a_time_may_have_units() {
        let times = ["60s", "1500ms", "2m", "1m30s", "1h0m1.5s", "60 seconds", " 7 "].map(seconds);
        assert_eq!(times, [60.0, 1.5, 120.0, 90.0, 3601.5, 60.0, 7.0].map(Some));
        assert_eq!(["", "s", "60x", "1m later", "m1"].map(seconds), [None; 5]);
    }
}
