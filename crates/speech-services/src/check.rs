//! The questions that `check` commands ask: does a part answer?
//!
//! Each makes one request as small as a request can be, in the way that a session makes it, with the same limits but a
//! single attempt. The words are ours, so nothing of an answer is personal.

use std::time::Duration;

use conversation::Text;

use crate::hearing::{self, Transcriber, Transcript};
use crate::service::Service;
use crate::speaking::{self, Event, OpenAi, Sound, Speaking, Utterance, Voice};
use crate::trouble::{BuildError, Trouble};

const WORD: &str = "Ready";
/// The same, spoken by flite's voice `rms`: 16-bit mono.
const SPOKEN: &[u8] = include_bytes!("check/ready.wav");
/// A voice says the word within these times at its own pace. Others speak of another rate than the server's.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_millis(800);
/// Quieter parts at its ends are no part of the word, as a share of the loudest sample.
const QUIET: f32 = 0.05;
/// The characters of a transcript that are repeated.
const SHOWN: usize = 60;

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

/// Has one spoken word transcribed.
pub async fn hearing(settings: &hearing::Settings) -> Finding {
    let settings = hearing::Settings { service: once(&settings.service), ..settings.clone() };
    let transcriber = match Transcriber::new(&settings) {
        Ok(transcriber) => transcriber,
        Err(error) => return error.into(),
    };
    let (samples, rate) = word();
    let mut request = transcriber.transcribe(&samples, rate, None);
    match (&mut request).await {
        Ok(transcript) => {
            let finding = heard(&settings.service, &transcript, request.report().time_to_first_byte);
            Finding { latency: request.report().time_to_first_byte, ..finding }
        }
        Err(trouble) => trouble.into(),
    }
}

/// Has one word spoken.
pub async fn speaking(settings: &speaking::Settings) -> Finding {
    let settings = speaking::Settings { service: once(&settings.service), ..settings.clone() };
    let provider = match OpenAi::new(&settings) {
        Ok(provider) => provider,
        Err(error) => return error.into(),
    };
    let mut utterance = provider.speak(&Text::from(WORD), &Voice::default());
    match spoken(&mut utterance).await {
        Ok(sound) => judged(&settings, &sound, utterance.report().time_to_first_byte),
        Err(trouble) => trouble.into(),
    }
}

/// The samples of the spoken word, and their rate.
fn word() -> (Vec<i16>, u32) {
    let (format, samples) = wav::decode(SPOKEN).unwrap_or((wav::Format { rate: 1, channels: 1 }, Vec::new()));
    (samples, format.rate)
}

async fn spoken(utterance: &mut Utterance) -> Result<Sound, Trouble> {
    let mut word = Sound { samples: Vec::new(), rate: 0 };
    loop {
        match utterance.next().await {
            Some(Event::Failed { trouble, .. }) => return Err(trouble),
            Some(Event::Audio(Sound { samples, rate })) => {
                word.rate = rate;
                word.samples.extend(samples);
            }
            Some(Event::Words(_)) => {}
            Some(Event::Done { .. }) | None => return Ok(word),
        }
    }
}

fn once(service: &Service) -> Service {
    Service { max_attempts: 1, ..service.clone() }
}

fn place(service: &Service) -> String {
    format!("{} at {}", service.model, outbound::web::shown(&service.base_url))
}

fn heard(service: &Service, transcript: &Transcript, latency: Option<Duration>) -> Finding {
    let (place, latency) = (place(service), latency.unwrap_or_default().as_millis());
    if transcript.is_nothing() {
        let message = format!(
            "{place} answers after {latency} ms, but heard nothing in the spoken word {WORD:?}: check {}",
            service.names.model
        );
        return Finding::new(Verdict::Warned, message);
    }
    let text: String = transcript.text.expose().chars().take(SHOWN).collect();
    let message = format!("{place} answers, {text:?} heard in {WORD:?} after {latency} ms");
    Finding::new(Verdict::Good, message)
}

fn judged(settings: &speaking::Settings, sound: &Sound, latency: Option<Duration>) -> Finding {
    let service = &settings.service;
    let (milliseconds, rate) = (latency.unwrap_or_default().as_millis(), sound.rate);
    let answers = format!(
        "{} answers, the first audio after {milliseconds} ms, {WORD:?} in {:.2} s at {rate} Hz",
        place(service),
        sound.length().as_secs_f64()
    );
    let finding = match doubt(settings, sound) {
        Some(doubt) => Finding::new(Verdict::Warned, format!("{answers}; {doubt}")),
        None => Finding::new(Verdict::Good, answers),
    };
    Finding { latency, ..finding }
}

/// What is odd about the rate. A server that does not tell it is taken at its word's length.
fn doubt(settings: &speaking::Settings, sound: &Sound) -> Option<String> {
    let (name, rate) = (settings.service.names.sample_rate, sound.rate);
    if let Some(set) = settings.sample_rate.filter(|set| *set != rate) {
        return Some(format!("the server tells {rate} Hz, which counts: {name} = {set} is of no use"));
    }
    let length = audible(sound).mul_f32(settings.speed.unwrap_or(1.0));
    let odd = match length {
        _ if length < SHORTEST => "fast",
        _ if length > LONGEST => "slow",
        _ => return None,
    };
    let length = length.as_secs_f64();
    Some(format!(
        "the word itself takes {length:.2} s: if the voice is too {odd}, set {name} to the server's rate"
    ))
}

/// The length without the quiet at the ends.
fn audible(sound: &Sound) -> Duration {
    let loudest = sound.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default();
    let is_loud = |sample: &i16| f32::from(sample.unsigned_abs()) > f32::from(loudest) * QUIET;
    let (first, last) = (sound.samples.iter().position(is_loud), sound.samples.iter().rposition(is_loud));
    wav::length(first.zip(last).map_or(0, |(first, last)| last - first), sound.rate)
}

// === impl Finding ===

impl Finding {
    fn new(verdict: Verdict, message: String) -> Self {
        Self { verdict, message, latency: None, class: None }
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

    #[test]
    fn the_spoken_word_is_whole_and_loud() {
        let (samples, rate) = word();
        let word = Sound { samples, rate };
        assert_eq!(rate, 16_000);
        assert!((500..700).contains(&word.length().as_millis()), "{word:?}");
        assert!((300..500).contains(&audible(&word).as_millis()), "{:?}", audible(&word));
    }

    fn doubted(rate: u32, set: Option<u32>, speed: Option<f32>) -> Option<String> {
        let service = Service::new("http://host/v1".parse().unwrap(), "m");
        let settings =
            speaking::Settings { sample_rate: set, speed, ..speaking::Settings::new(service, "v") };
        doubt(&settings, &Sound { samples: word().0, rate })
    }

    #[test]
    fn a_word_at_another_rate_than_its_own_is_doubted() {
        assert_eq!(doubted(16_000, None, None), None);
        assert_eq!(doubted(16_000, Some(16_000), None), None);
        assert!(doubted(44_100, None, None).unwrap().contains("too fast, set sample_rate"));
        assert!(doubted(6_000, None, None).unwrap().contains("too slow"));
        assert_eq!(doubted(32_000, None, Some(2.0)), None, "a voice of twice the pace");
        assert!(doubted(16_000, Some(24_000), None).unwrap().contains("sample_rate = 24000 is of no use"));
    }
}
