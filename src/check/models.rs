//! A provider's account of its models: `GET /models/{model}` and `GET /models` below its base URL.
//!
//! Compatible servers need not have these, so an answer that is missing, odd, slow or huge counts as none. Only a date
//! that lies behind us makes a finding worse.

use std::cmp::Reverse;
use std::time::Duration;

use conversation::Secret;
use outbound::web::{self, Web};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;
use turn_store::When;
use url::Url;

use super::{Finding, Verdict};
use crate::config::parse_duration;
use crate::terminal;

/// The time for all requests together.
const PATIENCE: Duration = Duration::from_secs(3);
/// Aggregators list hundreds of models with a page of text each.
const MAX_BYTES: usize = 4 << 20;
/// The most names that are listed, each cut at the most characters.
const MOST_NAMES: usize = 8;
const NAME_CHARS: usize = 60;
/// How long before its end a model is warned of, in days.
const AHEAD: i64 = 90;
const DAY_US: i64 = 86_400_000_000;

/// The class of OpenAI's answer when there is no such model.
const UNKNOWN_MODEL: &str = "404";

/// A model that was asked, and its provider.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) base_url: &'a Url,
    pub(super) api_key: Option<&'a Secret>,
    pub(super) model: &'a str,
    /// The setting that names it.
    pub(super) setting: &'static str,
    /// What it is asked for.
    pub(super) purpose: &'static str,
    /// What is to be said of one that answers though its provider's date for its end has passed.
    pub(super) past_its_end: Verdict,
}

/// A provider's models.
pub(super) struct Catalogue<'a> {
    web: Web,
    subject: Subject<'a>,
}

/// The date on which the provider switches the model off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shutdown {
    /// `YYYY-MM-DD`
    date: String,
    /// From today, in UTC.
    days: i64,
}

// === impl Catalogue ===

impl<'a> Catalogue<'a> {
    pub(super) fn of(subject: Subject<'a>) -> Self {
        let web = Web::new(PATIENCE, headers(subject.api_key)).at_most(MAX_BYTES);
        Self { web, subject }
    }

    /// What a call found, asked beside it how long the model will be there. `class` is that of the call's failure.
    pub(super) async fn weigh(&self, call: impl Future<Output = (Finding, Option<String>)>) -> Finding {
        let ((finding, class), shutdown) = tokio::join!(call, self.shutdown());
        let finding =
            shutdown.iter().fold(finding, |finding, shutdown| shutdown.weigh(finding, &self.subject));
        match class.as_deref() {
            Some(UNKNOWN_MODEL) => self.explain(finding, true).await,
            // Some providers send these when there is no such model, and also for any other fault.
            Some("400" | "422" | "request_refused") => self.explain(finding, false).await,
            _ => finding,
        }
    }

    /// The end of the model, if one is announced.
    async fn shutdown(&self) -> Option<Shutdown> {
        let described = async {
            let model = self.subject.model;
            if let Some(described) = self.get(&["models", model]).await.filter(|model| name(model).is_some())
            {
                return Some(described);
            }
            let listed = self.get(&["models"]).await?;
            entries(&listed).iter().find(|entry| name(entry).is_some_and(|name| self.is_ours(name))).cloned()
        };
        let model = tokio::time::timeout(PATIENCE, described).await.ok()??;
        Shutdown::read(model.get("shutdown_date")?.as_str()?, When::now())
    }

    /// A finding about a refused call, with the models that there are instead. A refusal that may have another cause
    /// than the model is only given details that explain it.
    async fn explain(&self, finding: Finding, unknown_model: bool) -> Finding {
        let Some(listed) = self.get(&["models"]).await else { return finding };
        let names: Vec<&str> = entries(&listed).iter().filter_map(name).collect();
        let known = names.iter().any(|name| self.is_ours(name));
        if known && !unknown_model {
            return finding;
        }
        let url = format!("{}/models", web::shown(self.subject.base_url));
        if known {
            return finding
                .and(format!("{url} lists it, so it may be no model for {}", self.subject.purpose));
        }
        let nearest = nearest(self.subject.model, &names);
        let text = match (nearest.len(), names.len() - nearest.len()) {
            (0, _) => format!("{url} offers no model"),
            (_, 0) => format!("{url} offers {}", nearest.join(", ")),
            (_, more) => format!("{url} offers {} and {more} more", nearest.join(", ")),
        };
        finding.and(text).with("offered", nearest)
    }

    /// None: no answer, or one that is no JSON.
    async fn get(&self, path: &[&str]) -> Option<Value> {
        let mut url: Url = self.subject.base_url.clone();
        url.set_fragment(None);
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        let answer = self.web.get(url).await.ok()?;
        if answer.status == 200 { answer.json() } else { None }
    }

    /// Some servers list NAME as `models/NAME`, Ollama lists it as `NAME:latest`.
    fn is_ours(&self, name: &str) -> bool {
        let bare = name.strip_prefix("models/").unwrap_or(name);
        bare == self.subject.model || bare.strip_suffix(":latest") == Some(self.subject.model)
    }
}

fn headers(key: Option<&Secret>) -> HeaderMap {
    let key = key.filter(|key| !key.is_empty());
    let bearer = key.and_then(|key| HeaderValue::try_from(format!("Bearer {}", key.expose())).ok());
    bearer.map(|bearer| (AUTHORIZATION, bearer)).into_iter().collect()
}

/// The entries of a list: OpenAI has them in `data`, others in `models`, others bare.
fn entries(listed: &Value) -> &[Value] {
    let list = ["data", "models"].iter().find_map(|key| listed.get(key)).unwrap_or(listed);
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn name(entry: &Value) -> Option<&str> {
    let named = || ["id", "name"].iter().find_map(|key| entry.get(key)?.as_str());
    entry.as_str().or_else(named).filter(|name| !name.trim().is_empty())
}

/// Some of the names, those that are most like `wanted` first.
fn nearest(wanted: &str, names: &[&str]) -> Vec<String> {
    let wanted = wanted.to_ascii_lowercase();
    let likeness = |name: &str| {
        let compared: String = name.chars().take(NAME_CHARS).collect();
        (strsim::jaro_winkler(&wanted, &compared.to_ascii_lowercase()) * 1e6) as u64
    };
    let mut names: Vec<&str> = names.to_vec();
    names.sort_by_cached_key(|name| Reverse(likeness(name)));
    names.into_iter().take(MOST_NAMES).map(|name| terminal::line(name, NAME_CHARS)).collect()
}

// === impl Shutdown ===

impl Shutdown {
    /// None when the text is no date. A time behind the date is not needed.
    fn read(text: &str, now: When) -> Option<Self> {
        let (date, rest) = text.trim().split_at_checked(10)?;
        let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        if !is_date || !(rest.is_empty() || rest.starts_with(['T', ' '])) {
            return None;
        }
        let day = |when: When| when.0.div_euclid(DAY_US);
        let days = day(When::parse(date, now, parse_duration).ok()??) - day(now);
        Some(Self { date: date.to_owned(), days })
    }

    /// The finding of a call, weighed by the date.
    fn weigh(&self, finding: Finding, subject: &Subject) -> Finding {
        let Self { date, days } = self;
        let finding = finding.with("shutdown_date", date.as_str());
        let works = matches!(finding.verdict, Verdict::Good | Verdict::Warned);
        let (verdict, text) = match *days {
            ..0 => {
                let verdict = if works { subject.past_its_end } else { finding.verdict };
                (verdict, format!("its provider's date for switching it off was {date}"))
            }
            0 if works => (Verdict::Warned, "its provider switches it off today".to_owned()),
            1..=AHEAD if works => {
                let unit = if *days == 1 { "day" } else { "days" };
                (Verdict::Warned, format!("its provider switches it off on {date}, in {days} {unit}"))
            }
            _ => return finding,
        };
        Finding { verdict, ..finding.and(format!("{text}: set {} to another", subject.setting)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shutdown(text: &str) -> Option<Shutdown> {
        // This is late on 2026-11-30.
        Shutdown::read(text, When(1_796_083_199_999_999))
    }

    fn weighed(text: &str, finding: Finding) -> (Verdict, String) {
        weighed_as(Verdict::Failed, text, finding)
    }

    fn weighed_as(past_its_end: Verdict, text: &str, finding: Finding) -> (Verdict, String) {
        let base_url = "http://host/v1".parse().unwrap();
        let subject = Subject {
            base_url: &base_url,
            api_key: None,
            model: "m",
            setting: "[llm] model",
            purpose: "chat",
            past_its_end,
        };
        let Finding { verdict, message, .. } = shutdown(text).unwrap().weigh(finding, &subject);
        (verdict, message)
    }

    #[test]
    fn the_days_to_a_date_are_those_of_the_calendar() {
        let days = |text: &str| shutdown(text).map(|shutdown| shutdown.days);
        assert_eq!(
            (days("2026-11-30"), days("2026-12-01"), days("2026-11-29")),
            (Some(0), Some(1), Some(-1))
        );
        assert_eq!(days("2027-01-14"), Some(45));
        assert_eq!(days(" 2027-01-14T08:00:00Z"), Some(45));
        for odd in [
            "",
            "soon",
            "all",
            "24h",
            "2027-02-30",
            "2027-1-14",
            "14.01.2027",
            "2027-01-14x",
            "٢٠٢٧-01-14",
            "20270114",
        ] {
            assert_eq!(days(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_end_is_warned_of_for_ninety_days_and_then_is_a_failure() {
        let good = || Finding::good("it answers");
        assert_eq!(weighed("2027-03-01", good()), (Verdict::Good, "it answers".to_owned()));
        let (verdict, message) = weighed("2027-02-28", good());
        assert_eq!(verdict, Verdict::Warned);
        assert!(message.contains("on 2027-02-28, in 90 days: set [llm] model"), "{message}");
        let (verdict, message) = weighed("2026-11-30", good());
        assert!(verdict == Verdict::Warned && message.contains("today"), "{message}");
        let (verdict, message) = weighed("2026-11-29", good());
        assert!(
            verdict == Verdict::Failed && message.contains("was 2026-11-29: set [llm] model"),
            "{message}"
        );
        assert_eq!(weighed_as(Verdict::Warned, "2026-11-29", good()).0, Verdict::Warned);
    }

    #[test]
    fn a_failure_is_explained_by_an_end_that_was_and_by_no_other() {
        let failed = || Finding::failed("it refuses");
        assert_eq!(weighed("2026-12-01", failed()), (Verdict::Failed, "it refuses".to_owned()));
        for past_its_end in [Verdict::Failed, Verdict::Warned] {
            let (verdict, message) = weighed_as(past_its_end, "2026-11-01", failed());
            assert!(verdict == Verdict::Failed && message.contains("was 2026-11-01"), "{message}");
        }
    }

    #[test]
    fn lists_of_several_shapes_are_read_and_others_are_empty() {
        let names =
            |list: Value| entries(&list).iter().filter_map(name).map(str::to_owned).collect::<Vec<_>>();
        for list in [
            json!({ "object": "list", "data": [{ "id": "a" }, { "id": 7 }, { "id": " " }, null, { "id": "b" }] }),
            json!({ "models": [{ "name": "a" }, { "name": "b", "size": 1 }] }),
            json!([{ "id": "a", "type": "chat" }, "b"]),
        ] {
            assert_eq!(names(list), ["a", "b"]);
        }
        for odd in [json!(null), json!("a"), json!({}), json!({ "data": { "id": "a" } }), json!([[["a"]]])] {
            assert!(names(odd.clone()).is_empty(), "{odd}");
        }
    }

    #[test]
    fn the_nearest_names_come_first_and_few_and_short() {
        let mut names: Vec<String> = (0..500).map(|number| format!("voice-{number}")).collect();
        names.extend(["GPT-5.4-mini".to_owned(), "gpt-5.4-nano".to_owned(), "x\x1b[2J".repeat(1_000)]);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = nearest("gpt-5.4-mini", &names);
        assert_eq!(
            (text.len(), &text[..2]),
            (MOST_NAMES, &["GPT-5.4-mini".to_owned(), "gpt-5.4-nano".to_owned()][..])
        );
        let text = nearest("x", &names[502..]);
        assert!(text[0].chars().count() == NAME_CHARS && !text[0].contains('\x1b'), "{text:?}");
    }
}
