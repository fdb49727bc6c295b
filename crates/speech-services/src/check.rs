//! The questions that `check` commands ask: does a part answer, and for how long will its model be there?
//!
//! Each makes one request as small as a request can be, in the way that a session makes it, with the same limits but a
//! single attempt.
//!
//! # Layout
//! - `catalogue`: the date on which a provider switches a model off

mod catalogue;

use std::time::Duration;

use conversation::Text;

use self::catalogue::Shutdown;
use crate::hearing::{self, Transcriber};
use crate::service::Service;
use crate::speaking::{self, Event, OpenAi, Speaking, Utterance, Voice};
use crate::trouble::{BuildError, Trouble};

const RATE: u32 = 16_000;
/// Half a second.
const SAMPLES: i16 = 8_000;
const WORD: &str = "Ready";
const DAY: Duration = Duration::from_secs(86_400);
/// How long before its end a model is warned of.
const AHEAD: Duration = Duration::from_secs(90 * 86_400);

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub verdict: Verdict,
    /// The event and its place; of a bad one also the remedy. Holds no secret.
    pub message: String,
    /// To the transcript, or to the first audio.
    pub latency: Option<Duration>,
    /// `error.type`, of a failure.
    pub class: Option<String>,
    /// The date on which the provider switches the model off, `YYYY-MM-DD`.
    pub shutdown_date: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// It works, and the operator should still know.
    Warned,
    Failed,
    /// The settings cannot be used.
    Misconfigured,
}

/// Has half a second of a quiet tone transcribed. Any transcript will do, also an empty one.
pub async fn hearing(settings: &hearing::Settings) -> Finding {
    let settings = hearing::Settings { service: once(&settings.service), ..settings.clone() };
    let service = &settings.service;
    let transcriber = match Transcriber::new(&settings) {
        Ok(transcriber) => transcriber,
        Err(error) => return error.into(),
    };
    let mut request = transcriber.transcribe(&tone(), RATE, None);
    let (answer, shutdown) = tokio::join!(&mut request, catalogue::shutdown(service));
    let finding = match answer {
        Ok(_) => answers(service, request.report().time_to_first_byte, "the transcript"),
        Err(trouble) => trouble.into(),
    };
    weighed(finding, service, shutdown)
}

/// Has one word spoken.
pub async fn speaking(settings: &speaking::Settings) -> Finding {
    let settings = speaking::Settings { service: once(&settings.service), ..settings.clone() };
    let service = &settings.service;
    let provider = match OpenAi::new(&settings) {
        Ok(provider) => provider,
        Err(error) => return error.into(),
    };
    let mut utterance = provider.speak(&Text::from(WORD), &Voice::default());
    let (outcome, shutdown) = tokio::join!(spoken(&mut utterance), catalogue::shutdown(service));
    let finding = match outcome {
        Ok(()) => answers(service, utterance.report().time_to_first_byte, "the first audio"),
        Err(trouble) => trouble.into(),
    };
    weighed(finding, service, shutdown)
}

async fn spoken(utterance: &mut Utterance) -> Result<(), Trouble> {
    loop {
        match utterance.next().await {
            Some(Event::Failed { trouble, .. }) => return Err(trouble),
            Some(Event::Audio(_) | Event::Words(_)) => {}
            Some(Event::Done { .. }) | None => return Ok(()),
        }
    }
}

fn once(service: &Service) -> Service {
    Service { max_attempts: 1, ..service.clone() }
}

/// A triangle wave, quiet.
fn tone() -> Vec<i16> {
    (0..SAMPLES).map(|at| ((at % 40) - 20).abs() * 100 - 1000).collect()
}

fn answers(service: &Service, latency: Option<Duration>, what: &str) -> Finding {
    let (model, url) = (&service.model, outbound::web::shown(&service.base_url));
    let milliseconds = latency.unwrap_or_default().as_millis();
    let message = format!("{model} at {url} answers, {what} after {milliseconds} ms");
    Finding { latency, ..Finding::new(Verdict::Good, message) }
}

/// Adds the end of the model, if one is announced and not far away.
fn weighed(finding: Finding, service: &Service, shutdown: Option<Shutdown>) -> Finding {
    let Some(Shutdown { date, left }) = shutdown else { return finding };
    let finding = Finding { shutdown_date: Some(date.clone()), ..finding };
    let (model, name) = (&service.model, service.names.model);
    let told = match left {
        Some(left) if left > AHEAD => return finding,
        Some(left) => {
            let days = left.as_secs() / DAY.as_secs();
            format!("the provider switches {model} off on {date}, in {days} days: choose another {name}")
        }
        None => format!("the provider has switched {model} off on {date}: choose another {name}"),
    };
    let verdict = if finding.verdict == Verdict::Good { Verdict::Warned } else { finding.verdict };
    Finding { verdict, message: format!("{}; {told}", finding.message), ..finding }
}

// === impl Finding ===

impl Finding {
    fn new(verdict: Verdict, message: String) -> Self {
        Self { verdict, message, latency: None, class: None, shutdown_date: None }
    }
}

impl From<Trouble> for Finding {
    fn from(trouble: Trouble) -> Self {
        let class = Some(trouble.failure.class);
        Self { class, ..Self::new(Verdict::Failed, trouble.failure.message) }
    }
}

impl From<BuildError> for Finding {
    fn from(error: BuildError) -> Self {
        Self::new(Verdict::Misconfigured, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed_with(days: Option<u64>) -> Finding {
        let service = Service::new("http://host/v1".parse().unwrap(), "whisper-1");
        let shutdown = Shutdown { date: "2027-02-26".into(), left: days.map(|days| DAY * days as u32) };
        weighed(
            answers(&service, Some(Duration::from_millis(80)), "the transcript"),
            &service,
            Some(shutdown),
        )
    }

    #[test]
    fn a_model_that_ends_soon_is_warned_of() {
        let soon = weighed_with(Some(88));
        assert_eq!(soon.verdict, Verdict::Warned);
        assert!(
            soon.message.contains("off on 2027-02-26, in 88 days: choose another model"),
            "{}",
            soon.message
        );
        assert!(weighed_with(None).message.contains("has switched whisper-1 off"));
    }

    #[test]
    fn a_model_that_ends_much_later_is_not_warned_of() {
        let late = weighed_with(Some(200));
        assert_eq!((late.verdict, late.shutdown_date.as_deref()), (Verdict::Good, Some("2027-02-26")));
    }
}
