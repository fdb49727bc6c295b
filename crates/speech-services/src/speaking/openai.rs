//! An OpenAI-compatible `/audio/speech`: a text goes out, its samples come back while they are made.
//!
//! `async-openai` reads an answer of raw samples to its end before it gives out the first, so the request is our own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use conversation::Text;
use reqwest::Response;
use reqwest::header::HeaderValue;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout, timeout_at};

use super::sound::Decoder;
use super::{Abilities, Event, Sound, Speaking, Utterance, Voice};
use crate::http::{Client, content_type, next};
use crate::report::{Head, Outcome, Record, now};
use crate::retries::Retries;
use crate::service::Service;
use crate::trouble::{BuildError, Fault, Kind};
use wav::length;

/// OpenAI's, and that of the servers that follow it.
const RATE: u32 = 24_000;
/// The most samples of an event.
const MAX_SAMPLES: usize = 8_192;
/// More audio than this is no answer to a text.
const MOST_AUDIO: Duration = Duration::from_secs(600);
/// The end of a body is awaited this long once the provider has said that this was all: its connection then serves the
/// next request.
const LINGER: Duration = Duration::from_millis(100);

/// The provider of speech. `service.timeout` is the limit for the first audio.
#[derive(Clone, Debug)]
pub struct Settings {
    pub service: Service,
    pub voice: String,
    /// Sent only when it is set: OpenAI has no such field, other servers have.
    pub language: Option<String>,
    /// The rate of raw samples, where the server does not tell it. None: 24 kHz.
    pub sample_rate: Option<u32>,
    pub speed: Option<f32>,
    /// The manner, in words, for models that take them.
    pub instructions: Option<Text>,
    /// The longest silence of the server between two pieces of audio.
    pub stall_timeout: Duration,
    /// The limit of a request with all its attempts, without the time in which the caller takes nothing.
    pub total_timeout: Duration,
}

/// Speaks texts. Clones share the connections.
#[derive(Clone, Debug)]
pub struct OpenAi {
    client: Client,
    settings: Arc<Settings>,
}

/// The request.
#[derive(Serialize)]
struct Ask<'a> {
    model: &'a str,
    input: &'a str,
    voice: &'a str,
    response_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
}

/// A text on its way to its speech.
struct Speech {
    client: Client,
    settings: Arc<Settings>,
    text: Text,
    body: Bytes,
    record: Record,
    events: mpsc::Sender<Event>,
    /// The end of `total_timeout`, which the caller's slowness puts off.
    until: Instant,
    /// The samples that were passed on, and their rate.
    samples: usize,
    rate: u32,
    head: Head,
}

/// Why an attempt ended.
enum Stop {
    Fault(Fault),
    /// The caller has dropped the utterance.
    Gone,
}

// === impl Settings ===

impl Settings {
    pub fn new(service: Service, voice: impl Into<String>) -> Self {
        Self {
            service,
            voice: voice.into(),
            language: None,
            sample_rate: None,
            speed: None,
            instructions: None,
            stall_timeout: Duration::from_secs(8),
            total_timeout: Duration::from_secs(60),
        }
    }

    fn rate(&self) -> u32 {
        self.sample_rate.unwrap_or(RATE)
    }
}

// === impl OpenAi ===

impl OpenAi {
    /// # Errors
    /// The key cannot be sent, or the URL cannot be called.
    pub fn new(settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self { client: Client::new(&settings.service)?, settings: Arc::new(settings.clone()) })
    }

    fn body(&self, text: &Text, voice: &Voice) -> Bytes {
        let settings = &self.settings;
        let ask = Ask {
            model: &settings.service.model,
            input: text.expose(),
            voice: voice.name.as_ref().unwrap_or(&settings.voice),
            response_format: "pcm",
            speed: voice.speed.or(settings.speed),
            language: voice.language.as_deref().or(settings.language.as_deref()),
            instructions: voice.instructions.as_ref().or(settings.instructions.as_ref()).map(Text::expose),
        };
        // Strings and numbers cannot fail to serialise.
        serde_json::to_vec(&ask).unwrap_or_default().into()
    }
}

impl Speaking for OpenAi {
    fn abilities(&self) -> Abilities {
        Abilities { rate: self.settings.rate(), word_times: false }
    }

    fn speak(&self, text: &Text, voice: &Voice) -> Utterance {
        let record = Record::new(Duration::ZERO, text.expose().chars().count() as u64);
        let (client, settings) = (self.client.clone(), self.settings.clone());
        let (text, body) = (text.clone(), self.body(text, voice));
        let shared = record.clone();
        Utterance::begin(record, move |events| {
            let until = now() + settings.total_timeout;
            let (rate, head) = (settings.rate(), Head::default());
            Speech { client, settings, text, body, record: shared, events, until, samples: 0, rate, head }
                .run()
        })
    }
}

// === impl Speech ===

impl Speech {
    async fn run(mut self) {
        let has_words = self.text.expose().chars().any(char::is_alphanumeric);
        let ended = if has_words { self.attempts().await } else { Ok(()) };
        let event = match ended {
            Ok(()) => {
                self.record.end(Outcome::Complete);
                Event::Done { audio: self.audio() }
            }
            Err(Stop::Fault(fault)) => self.failed(&fault),
            Err(Stop::Gone) => return,
        };
        let _ = self.events.send(event).await;
    }

    fn failed(&self, fault: &Fault) -> Event {
        let attempts = self.record.attempts();
        let trouble = self.client.trouble(fault, &self.head, self.text.expose(), attempts);
        self.record.end(Outcome::Failed(trouble.failure.clone()));
        Event::Failed { trouble, audio: self.audio() }
    }

    async fn attempts(&mut self) -> Result<(), Stop> {
        let mut retries = Retries::new(self.until, self.settings.service.max_attempts, fastrand::Rng::new());
        loop {
            self.record.begin_attempt();
            let fault = match self.attempt().await {
                Err(Stop::Fault(fault)) => fault,
                ended => {
                    self.record.end_attempt(None);
                    return ended;
                }
            };
            self.record.end_attempt(Some(self.client.failure(&fault, self.text.expose(), 1)));
            // What was heard must not be said twice.
            let wait = retries.after(now(), &fault).filter(|_| self.is_silent());
            match wait {
                Some(wait) => sleep(wait).await,
                None => return Err(fault.into()),
            }
        }
    }

    async fn attempt(&mut self) -> Result<(), Stop> {
        let first_by = self.until.min(now() + self.settings.service.timeout);
        let json = HeaderValue::from_static("application/json");
        let request = self.client.post(["audio", "speech"], json, self.body.clone());
        self.head = Head::default();
        let sent = timeout_at(first_by.into(), self.client.send(request, &mut self.head)).await;
        self.record.head(&self.head);
        let mut response = sent.map_err(|_| self.late())??;
        let mut decoder = Decoder::new(&content_type(&response), self.settings.rate())?;
        self.receive(&mut response, &mut decoder, first_by).await?;
        let samples = decoder.finish()?;
        self.pass_on(samples, decoder.rate()).await?;
        if self.is_silent() {
            return Err(Kind::NoAudio.into());
        }
        self.record.result(self.text.expose().chars().count() as u64, decoder.tokens());
        Ok(())
    }

    async fn receive(
        &mut self,
        response: &mut Response,
        decoder: &mut Decoder,
        first_by: Instant,
    ) -> Result<(), Stop> {
        let mut deadline = first_by;
        loop {
            let received = timeout_at(deadline.into(), next(response)).await;
            let Some(bytes) = received.map_err(|_| self.late())?? else { return Ok(()) };
            let samples = decoder.feed(&bytes)?;
            self.pass_on(samples, decoder.rate()).await?;
            if decoder.is_done() {
                let _ = timeout(LINGER, next(response)).await;
                return Ok(());
            }
            if !self.is_silent() {
                deadline = self.until.min(now() + self.settings.stall_timeout);
            }
        }
    }

    /// The limit that has passed.
    fn late(&self) -> Stop {
        match () {
            () if now() >= self.until => Kind::TotalTimeout,
            () if self.is_silent() => Kind::FirstAudioTimeout,
            () => Kind::StallTimeout,
        }
        .into()
    }

    async fn pass_on(&mut self, samples: Vec<i16>, rate: u32) -> Result<(), Stop> {
        if samples.is_empty() {
            return Ok(());
        }
        self.record.first_byte(now());
        self.rate = rate;
        for piece in samples.chunks(MAX_SAMPLES) {
            if length(self.samples + piece.len(), rate) > MOST_AUDIO {
                return Err(Kind::TooLong.into());
            }
            self.samples += piece.len();
            self.record.audio(self.audio());
            let began = now();
            let sound = Sound { samples: piece.to_vec(), rate };
            self.events.send(Event::Audio(sound)).await.map_err(|_| Stop::Gone)?;
            self.until += now() - began;
        }
        Ok(())
    }

    /// The length of what was passed on.
    fn audio(&self) -> Duration {
        length(self.samples, self.rate)
    }

    fn is_silent(&self) -> bool {
        self.samples == 0
    }
}

// === impl Stop ===

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Kind> for Stop {
    fn from(kind: Kind) -> Self {
        Self::Fault(kind.into())
    }
}
