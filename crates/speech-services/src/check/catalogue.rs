//! A provider's account of a model: `GET /models/{model}`, else the model's entry in `GET /models`.
//!
//! Compatible servers need not have these, so an answer that is missing, odd, slow or huge counts as none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outbound::web::Web;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;

use crate::http::bearer;
use crate::service::Service;

/// The time for both requests together.
const PATIENCE: Duration = Duration::from_secs(3);
/// Aggregators list hundreds of models with a page of text each.
const MAX_BYTES: usize = 4 << 20;
const DAY_SECONDS: i64 = 86_400;

/// The date on which the provider switches the model off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shutdown {
    /// `YYYY-MM-DD`
    pub(super) date: String,
    /// From now to the date in UTC; None: it lies behind us.
    pub(super) left: Option<Duration>,
}

/// The end of the model, if one is announced.
pub(super) async fn shutdown(service: &Service) -> Option<Shutdown> {
    let headers = bearer(service).ok()?.map(|bearer| (AUTHORIZATION, bearer));
    let web = Web::new(PATIENCE, headers.into_iter().collect::<HeaderMap>()).at_most(MAX_BYTES);
    let model = service.model.as_str();
    let described = async {
        match get(&web, service, &["models", model]).await {
            Some(described) if name(&described).is_some() => Some(described),
            _ => entry(&get(&web, service, &["models"]).await?, model),
        }
    };
    let described = tokio::time::timeout(PATIENCE, described).await.ok()??;
    Shutdown::read(described["shutdown_date"].as_str()?, SystemTime::now())
}

/// None: no answer, or one that is no JSON.
async fn get(web: &Web, service: &Service, path: &[&str]) -> Option<Value> {
    let mut url = service.base_url.clone();
    url.set_fragment(None);
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    let answer = web.get(url).await.ok()?;
    if answer.status == 200 { answer.json() } else { None }
}

/// The model's entry in a list: OpenAI has them in `data`, others in `models`, others bare.
fn entry(listed: &Value, model: &str) -> Option<Value> {
    let list = ["data", "models"].iter().find_map(|key| listed.get(key)).unwrap_or(listed);
    list.as_array()?.iter().find(|entry| name(entry) == Some(model)).cloned()
}

fn name(entry: &Value) -> Option<&str> {
    ["id", "name"].iter().find_map(|key| entry.get(key)?.as_str())
}

// === impl Shutdown ===

impl Shutdown {
    /// None when the text is no date. A time behind the date is not needed.
    fn read(text: &str, now: SystemTime) -> Option<Self> {
        let date = text.get(..10)?;
        let mut parts = date.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let at = days(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)? * DAY_SECONDS;
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(at).ok()?);
        Some(Self { date: date.to_owned(), left: at.duration_since(now).ok() })
    }
}

/// The days from 1970 to a date of the Gregorian calendar. None: there is no such date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let before = BEFORE.get(usize::try_from(month - 1).ok()?)?;
    // The leap days of the years before this one, and of this one from March on.
    let past = if month > 2 { year } else { year - 1 };
    let leaps = past / 4 - past / 100 + past / 400;
    Some((year - 1970) * 365 + leaps - (1969 / 4 - 1969 / 100 + 1969 / 400) + before + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (date, count) in [
            ((1970, 1, 1), 0),
            ((1970, 3, 1), 59),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2024, 12, 31), 20_088),
            ((2027, 2, 26), 20_875),
        ] {
            assert_eq!(days(date.0, date.1, date.2), Some(count), "{date:?}");
        }
        assert_eq!([days(2027, 13, 1), days(2027, 0, 1), days(1969, 1, 1), days(2027, 1, 32)], [None; 4]);
    }

    #[test]
    fn a_date_tells_the_time_that_is_left() {
        let now = UNIX_EPOCH + Duration::from_secs(20_874 * 86_400 + 43_200);
        let shutdown = Shutdown::read("2027-02-26T00:00:00Z", now).unwrap();
        assert_eq!(
            (shutdown.date.as_str(), shutdown.left),
            ("2027-02-26", Some(Duration::from_secs(43_200)))
        );
        assert_eq!(Shutdown::read("2027-01-01", now).unwrap().left, None);
        assert_eq!(Shutdown::read("soon", now), None);
        assert_eq!(Shutdown::read("2027-00-01", now), None);
    }

    #[test]
    fn an_entry_is_found_in_each_form_of_a_list() {
        let model = serde_json::json!({"id": "m", "shutdown_date": "2027-02-26"});
        for listed in [
            serde_json::json!({"data": [{"id": "x"}, model]}),
            serde_json::json!({"models": [model]}),
            serde_json::json!([model]),
        ] {
            assert_eq!(entry(&listed, "m").as_ref(), Some(&model));
            assert_eq!(entry(&listed, "y"), None);
        }
    }
}
