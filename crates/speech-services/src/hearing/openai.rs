//! An OpenAI-compatible `/audio/transcriptions`: an utterance goes out as a file, its transcript comes back.
//!
//! The request is written here and sent by `outbound`: with `async-openai` it would need the same form, an own answer
//! type (the library's requires `usage`, which compatible servers omit), and a transport that keeps the library from
//! trying again by itself and from hiding the bodies of refusals. That is more than the request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use conversation::Text;
use futures::future::BoxFuture;
use reqwest::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Transcript;
use super::form::{Form, form};
use crate::http::{Client, content_type, next};
use crate::report::{Head, Outcome, Record, Report, now};
use crate::retries::Retries;
use crate::service::Service;
use crate::trouble::{BuildError, Fault, Kind, Trouble};
use wav::length;

/// A longer transcript is no utterance's.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// All attempts at a transcript end by then, unless one may take longer: the person is still there to be told that it failed.
const LONGEST: Duration = Duration::from_secs(6);
/// The most answers that are read though their requests were dropped; the connections of more are closed.
const MOST_KEPT: usize = 4;

/// The provider of transcripts.
#[derive(Clone, Debug)]
pub struct Settings {
    pub service: Service,
    /// The language of all utterances, as the server takes it (`en`). None: the server finds it out.
    pub language: Option<String>,
    /// Asks for `verbose_json`, with which Whisper servers tell how sure they are; OpenAI's newer models refuse it.
    pub verbose: bool,
}

/// Transcribes utterances. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Transcriber {
    client: Client,
    settings: Arc<Settings>,
    kept: Arc<Semaphore>,
}

/// A transcript to come. The request begins when this is polled first.
///
/// Dropping it drops the request: its answer is not waited for, but read in the background, up to the time limit, so that
/// the connection serves the next request.
pub struct Transcribing {
    answer: BoxFuture<'static, Result<Transcript, Trouble>>,
    record: Record,
}

/// A request with what its attempts need.
struct Request {
    transcriber: Transcriber,
    form: Form,
    record: Record,
}

/// What came of one attempt.
#[derive(Default)]
struct Exchange {
    head: Head,
    first_byte: Option<Instant>,
    content_type: String,
    body: Vec<u8>,
}

/// An attempt under way, on a task of its own.
struct Running {
    task: JoinHandle<(Exchange, Result<(), Fault>)>,
    /// Given a place of `kept`, the task goes on when this is dropped.
    keep: Option<oneshot::Sender<OwnedSemaphorePermit>>,
    kept: Arc<Semaphore>,
}

// === impl Settings ===

impl Settings {
    pub fn new(service: Service) -> Self {
        Self { service, language: None, verbose: false }
    }
}

// === impl Transcriber ===

impl Transcriber {
    /// # Errors
    /// The key cannot be sent, or the URL cannot be called.
    pub fn new(settings: &Settings) -> Result<Self, BuildError> {
        let client = Client::new(&settings.service)?;
        Ok(Self { client, settings: Arc::new(settings.clone()), kept: Arc::new(Semaphore::new(MOST_KEPT)) })
    }

    /// Asks for the words in samples of one channel; servers are made for 16 kHz. `language` is one for this request.
    pub fn transcribe(&self, samples: &[i16], rate: u32, language: Option<&str>) -> Transcribing {
        let record = Record::new(length(samples.len(), rate), 0);
        let form = form(&self.fields(language), samples, rate);
        let request = Request { transcriber: self.clone(), form, record: record.clone() };
        Transcribing { answer: Box::pin(request.run()), record }
    }

    fn fields<'a>(&'a self, language: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
        let format = if self.settings.verbose { "verbose_json" } else { "json" };
        let language = language.or(self.settings.language.as_deref());
        let language = language.map(|language| ("language", language));
        let model = ("model", self.settings.service.model.as_str());
        [Some(model), language, Some(("response_format", format))].into_iter().flatten().collect()
    }

    fn begin(&self, form: &Form, until: Instant) -> Running {
        let (keep, place) = oneshot::channel();
        let (client, form) = (self.client.clone(), form.clone());
        let limit = client.service().timeout.min(until.saturating_duration_since(now()));
        let task = tokio::spawn(async move {
            let exchanged = exchange(&client, form, limit).await;
            // A place that was given is held until now.
            drop(place);
            exchanged
        });
        Running { task, keep: Some(keep), kept: self.kept.clone() }
    }
}

/// Sends a request and reads its answer, within the time limit of an attempt.
async fn exchange(client: &Client, form: Form, limit: Duration) -> (Exchange, Result<(), Fault>) {
    let mut exchange = Exchange::default();
    let exchanged = timeout(limit, exchange.run(client, form)).await;
    let outcome = exchanged.unwrap_or_else(|_| Err(Kind::AnswerTimeout.into()));
    (exchange, outcome)
}

// === impl Transcribing ===

impl Transcribing {
    /// The account of the request as far as it has come.
    pub fn report(&self) -> Report {
        self.record.report()
    }
}

impl Future for Transcribing {
    type Output = Result<Transcript, Trouble>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(context)
    }
}

// === impl Request ===

impl Request {
    async fn run(self) -> Result<Transcript, Trouble> {
        let service = self.transcriber.client.service();
        let longest = service.timeout.saturating_mul(service.max_attempts.max(1));
        let until = now() + longest.min(LONGEST.max(service.timeout));
        let mut retries = Retries::new(until, service.max_attempts, fastrand::Rng::new());
        loop {
            let (head, outcome) = self.attempt(until).await;
            let fault = match outcome {
                Ok(transcript) => return Ok(self.complete(transcript)),
                Err(fault) => fault,
            };
            match retries.after(now(), &fault) {
                Some(wait) => sleep(wait).await,
                None => return Err(self.failed(&fault, &head)),
            }
        }
    }

    async fn attempt(&self, until: Instant) -> (Head, Result<Transcript, Fault>) {
        self.record.begin_attempt();
        let (exchange, outcome) = self.transcriber.begin(&self.form, until).ended().await;
        self.record.head(&exchange.head);
        if let Some(at) = exchange.first_byte {
            self.record.first_byte(at);
        }
        let read = outcome.and_then(|()| Transcript::read(&exchange.content_type, &exchange.body));
        let failure = read.as_ref().err().map(|fault| self.transcriber.client.failure(fault, "", 1));
        self.record.end_attempt(failure);
        let request_id = exchange.head.request_id.clone();
        (exchange.head, read.map(|transcript| Transcript { request_id, ..transcript }))
    }

    fn complete(&self, transcript: Transcript) -> Transcript {
        self.record.result(characters(&transcript.text), transcript.tokens);
        self.record.end(Outcome::Complete);
        transcript
    }

    fn failed(&self, fault: &Fault, head: &Head) -> Trouble {
        let trouble = self.transcriber.client.trouble(fault, head, "", self.record.attempts());
        self.record.end(Outcome::Failed(trouble.failure.clone()));
        trouble
    }
}

fn characters(text: &Text) -> u64 {
    text.expose().chars().count() as u64
}

// === impl Exchange ===

impl Exchange {
    async fn run(&mut self, client: &Client, form: Form) -> Result<(), Fault> {
        let request = client.post(["audio", "transcriptions"], form.content_type, form.body);
        let response = client.send(request, &mut self.head).await?;
        self.content_type = content_type(&response);
        self.read(response).await
    }

    async fn read(&mut self, mut response: Response) -> Result<(), Fault> {
        while let Some(bytes) = next(&mut response).await? {
            self.first_byte.get_or_insert_with(now);
            if self.body.len() + bytes.len() > MAX_ANSWER_BYTES {
                return Err(Kind::TooLong.into());
            }
            self.body.extend_from_slice(&bytes);
        }
        Ok(())
    }
}

// === impl Running ===

impl Running {
    async fn ended(mut self) -> (Exchange, Result<(), Fault>) {
        let lost = |_| (Exchange::default(), Err(Kind::ConnectionLost.into()));
        (&mut self.task).await.unwrap_or_else(lost)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match (self.kept.clone().try_acquire_owned(), self.keep.take()) {
            // A task that has ended does not take the place, which is free again then.
            (Ok(place), Some(keep)) => drop(keep.send(place)),
            _ => self.task.abort(),
        }
    }
}
