//! Do the parts answer that hear and speak? Each is asked with one word, as a turn asks it, with the same limits but a
//! single attempt.

use std::sync::Arc;
use std::time::Duration;

use outbound::web;
use speech_services::{Quoting, Service, check};

use super::models::{Catalogue, Subject};
use super::{Finding, Verdict};
use crate::config::{Config, ConfigError};

/// This ends before the whole check, so that the message can name the part's own limit.
const LONGEST: Duration = Duration::from_secs(25);

pub(super) async fn stt(config: Arc<Config>) -> Finding {
    let settings = match required(config.require_stt(), config.hearing()) {
        Ok(Some(settings)) => settings,
        Ok(None) => return Finding::skipped("stt.provider is \"off\": the agent reads, and hears nothing"),
        Err(error) => return error.into(),
    };
    let service = asked(settings.service);
    let settings = speech_services::hearing::Settings { service: service.clone(), ..settings };
    weighed(&service, "transcripts", "time_to_transcript_s", check::hearing(&settings)).await
}

pub(super) async fn tts(config: Arc<Config>) -> Finding {
    let settings = match required(config.require_tts(), config.speaking()) {
        Ok(Some(settings)) => settings,
        Ok(None) => return Finding::skipped("tts.provider is \"off\": the agent writes, and says nothing"),
        Err(error) => return error.into(),
    };
    let service = asked(settings.service);
    let settings = speech_services::speaking::Settings { service: service.clone(), ..settings };
    let finding = weighed(&service, "speech", "time_to_first_audio_s", check::speaking(&settings)).await;
    finding.with("voice", settings.voice)
}

/// The settings of a part. None: it is off.
fn required<S>(needs: Result<(), ConfigError>, settings: Option<S>) -> Result<Option<S>, ConfigError> {
    needs.map(|()| settings)
}

/// The service for one question. Its words are ours, so a provider's own words about them may be shown.
fn asked(service: Service) -> Service {
    Service { timeout: service.timeout.min(LONGEST), quoting: Quoting::default(), ..service }
}

/// The finding of a call, with what the provider says of the model.
async fn weighed(
    service: &Service,
    purpose: &'static str,
    latency: &'static str,
    call: impl Future<Output = check::Finding>,
) -> Finding {
    let subject = Subject {
        base_url: &service.base_url,
        api_key: service.api_key.as_ref(),
        model: &service.model,
        setting: service.names.model,
        purpose,
        // A session whose speech fails goes on in text.
        past_its_end: Verdict::Warned,
    };
    let call = async {
        let finding = call.await;
        (told(&finding, latency), finding.class)
    };
    let finding = Catalogue::of(subject).weigh(call).await;
    finding.with("model", service.model.as_str()).with("base_url", web::shown(&service.base_url))
}

fn told(found: &check::Finding, latency: &str) -> Finding {
    let verdict = match found.verdict {
        check::Verdict::Good => Verdict::Good,
        check::Verdict::Warned => Verdict::Warned,
        check::Verdict::Failed => Verdict::Failed,
        check::Verdict::Misconfigured => Verdict::Misconfigured,
    };
    let finding = Finding::new(verdict, found.message.as_str());
    let finding = match found.latency {
        Some(time) => finding.with(latency, time.as_secs_f64()),
        None => finding,
    };
    match &found.class {
        Some(class) => finding.with("error", class.as_str()),
        None => finding,
    }
}
