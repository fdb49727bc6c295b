//! One `llm_request`: attempts and waits as [`Machine`] decides them, each attempt with its `llm_request_run`.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bounded::text::within_bytes;
use conversation::{Failure, Message, Text, TurnOutcome, Usage};
use redaction::{Privacy, RecordedMessages};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::llm::attempt::{Attempt, Received};
use crate::llm::error::{Account, Fault, Kind};
use crate::llm::excerpt;
use crate::llm::machine::{Action, End, Event, Limits, Machine};
use crate::llm::openai::{Head, Skipped};
use crate::llm::usage::Spent;
use crate::llm::words::Piece;
use crate::llm::{Answer, AttemptReport, Question, Shared};
use crate::metrics::{self, OpenRequest};
use crate::telemetry::spans::{AttemptEnd, RequestEnd, RequestSpan};

/// A question on its way to an answer.
pub(super) struct Request {
    shared: Arc<Shared>,
    messages: Arc<[Message]>,
    asker: Asker,
    trace_id: String,
    privacy: Privacy,
    span: RequestSpan,
    machine: Machine,
    counted: OpenRequest,
    asked: Instant,
    /// The text that was passed on.
    text: String,
    /// The number of bytes at its beginning that turned out to be thoughts.
    thought_bytes: usize,
    /// The model may have to be loaded first.
    is_cold: bool,
    /// The reply was longer than it may be.
    is_cut: bool,
    /// The usage of all attempts.
    usage: Usage,
    time_to_first_token: Option<Duration>,
    /// The content of the last attempt.
    received: Received,
    fault: Option<Fault>,
    attempts: Vec<AttemptReport>,
    /// The names of unreadable fields, of all attempts.
    skipped: Skipped,
}

/// The caller that waits for the words.
struct Asker {
    cancel: CancellationToken,
    deltas: mpsc::Sender<Text>,
}

/// The reason why an attempt ended before its reply did.
enum Stop {
    Cancelled,
    Fault(Fault),
}

/// Answers a question. The recordable form of its history is made first, which takes no time unless it is new and
/// redacted.
pub(super) async fn answer(shared: Arc<Shared>, question: Question, deltas: mpsc::Sender<Text>) -> Answer {
    let asked = now();
    let recorded = question.context.privacy().record_messages(&question.messages).await;
    Request::new(shared, question, &recorded, deltas, asked).run().await
}

// === impl Request ===

impl Request {
    fn new(
        shared: Arc<Shared>,
        question: Question,
        recorded: &RecordedMessages,
        deltas: mpsc::Sender<Text>,
        asked: Instant,
    ) -> Self {
        let Question { messages, context, cancel } = question;
        let span = context.request(shared.request_start(recorded));
        let is_cold = shared.warmth.is_cold(asked);
        Self {
            machine: Machine::new(asked, Limits::new(&shared.config, is_cold), fastrand::Rng::new()),
            counted: shared.metrics.request(asked),
            trace_id: context.trace_id(),
            privacy: context.privacy().clone(),
            asker: Asker { cancel, deltas },
            shared,
            messages,
            span,
            asked,
            text: String::new(),
            thought_bytes: 0,
            is_cold,
            is_cut: false,
            usage: Usage::default(),
            time_to_first_token: None,
            received: Received::new(None),
            fault: None,
            attempts: Vec::new(),
            skipped: Skipped::new(),
        }
    }

    async fn run(mut self) -> Answer {
        loop {
            let action = match self.wait().await {
                Action::Attempt(index) => self.attempt(index).await,
                action => action,
            };
            if let Action::End(end) = action {
                return self.end(end).await;
            }
        }
    }

    async fn wait(&mut self) -> Action {
        let deadline = self.machine.deadline();
        let event = if self.asker.is_gone() {
            Event::Cancelled
        } else if deadline <= now() {
            // A timer would round this up to the next millisecond.
            Event::Tick
        } else {
            tokio::select! {
                biased;
                () = self.asker.gone() => Event::Cancelled,
                () = sleep_until(deadline.into()) => Event::Tick,
            }
        };
        self.machine.step(now(), event)
    }

    async fn attempt(&mut self, index: u32) -> Action {
        let span = self.span.attempt(index);
        let started = now();
        let mut attempt =
            Attempt::new(&self.shared.provider, &self.shared.config, &self.messages, self.shared.habit());
        let stop = self.listen(&mut attempt).await.err();
        let stop = stop.filter(|stop| matches!(stop, Stop::Cancelled) || !attempt.received().is_whole());
        let interrupted = matches!(stop, Some(Stop::Cancelled));
        let action = self.machine.step(now(), Stop::event(stop.as_ref()));
        self.settle(&attempt, stop.as_ref());
        let (exchange, received) = attempt.close();
        if let Some(habit) = received.habit().filter(|_| stop.is_none()) {
            self.shared.habits.learn(habit);
        }
        self.received = received;
        self.skipped.append(&mut exchange.skipped());
        let failure = self.note_fault(stop, action);
        self.shared.metrics.attempt_ended(&outcome(failure.as_ref(), interrupted));
        let head = exchange.head();
        span.end(AttemptEnd {
            failure: failure.as_ref(),
            http_status: head.map(|head| head.status),
            provider_request_id: head.and_then(Head::request_id),
        });
        let http_status = head.map(|head| head.status);
        self.attempts.push(AttemptReport { started, ended: now(), http_status, failure });
        action
    }

    /// Passes the words of an attempt on until it ends.
    async fn listen(&mut self, attempt: &mut Attempt) -> Result<(), Stop> {
        loop {
            let release_at = attempt.release_at();
            let piece = tokio::select! {
                biased;
                () = self.asker.gone() => return Err(Stop::Cancelled),
                () = sleep_until(self.machine.deadline().into()) => {
                    match self.machine.step(now(), Event::Tick) {
                        Action::Abort(kind) => return Err(self.give_up(attempt, kind).await),
                        _ => continue,
                    }
                }
                piece = attempt.next() => piece?,
                () = sleep_until(release_at.unwrap_or_else(now).into()), if release_at.is_some() => {
                    attempt.release();
                    continue;
                }
            };
            self.shared.warmth.note_token(now());
            match piece {
                None => return Ok(()),
                Some(Piece::Thought) => {
                    self.machine.step(now(), Event::Token);
                }
                Some(Piece::AllThought) => self.unsay(),
                Some(Piece::Words(words)) => {
                    if self.pass_on(words).await?.is_break() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Passes on the words that waited only for a moment.
    async fn give_up(&mut self, attempt: &mut Attempt, kind: Kind) -> Stop {
        for piece in attempt.break_off() {
            if let Piece::Words(words) = piece
                && let Err(stop) = self.pass_on(words).await
            {
                return stop;
            }
        }
        kind.into()
    }

    /// The text that was passed on was thought: it cannot be taken back, but it is not the answer.
    fn unsay(&mut self) {
        self.thought_bytes = self.text.len();
        tracing::warn!(
            trace_id = self.trace_id,
            bytes = self.thought_bytes,
            "the model began its reply with thoughts that nothing marked, and they were said; from now on its replies \
             wait for the end of them"
        );
    }

    /// Breaks when the reply is as long as it may be.
    async fn pass_on(&mut self, mut words: String) -> Result<ControlFlow<()>, Stop> {
        let came = now();
        let room = self.shared.config.max_reply_bytes.saturating_sub(self.text.len());
        let is_too_long = words.len() > room;
        if is_too_long {
            words.truncate(within_bytes(&words, room).len());
        }
        if !words.is_empty() {
            self.asker.send(&words, self.machine.until()).await?;
            self.text.push_str(&words);
            self.time_to_first_token.get_or_insert(came - self.asked);
            self.machine.step(now(), Event::Said);
        }
        if is_too_long {
            self.note_cut();
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn note_cut(&mut self) {
        self.is_cut = true;
        let cut = self.shared.count_cut_reply();
        let limit = self.shared.config.max_reply_bytes;
        let span_id = self.span.span_id();
        tracing::warn!(
            trace_id = self.trace_id,
            span_id,
            cut,
            "reply cut at [llm] max_reply_bytes = {limit}"
        );
    }

    fn settle(&mut self, attempt: &Attempt, stop: Option<&Stop>) {
        let spent = match stop {
            Some(Stop::Fault(_)) if self.text.is_empty() && !attempt.received().has_thought() => {
                Spent::Nothing
            }
            _ => Spent::Worked,
        };
        let usage = attempt.received().reported.settle(spent, &self.messages, &self.text);
        self.usage = self.usage.plus(usage);
    }

    /// Logs and keeps a fault; None when there was none.
    fn note_fault(&mut self, stop: Option<Stop>, action: Action) -> Option<Failure> {
        let Some(Stop::Fault(fault)) = stop else { return None };
        let failure = self.failure(&fault, 1);
        let wait_ms = match action {
            Action::Wait(wait) => Some(wait.as_millis() as u64),
            _ => None,
        };
        tracing::warn!(
            trace_id = self.trace_id,
            span_id = self.span.span_id(),
            class = failure.class,
            attempt = self.machine.attempts(),
            max_attempts = self.shared.config.max_attempts,
            wait_ms,
            retry_after_s = fault.retry_after.map(|wait| wait.as_secs_f64()),
            "LLM attempt failed: {}",
            failure.message
        );
        if fault.kind == Kind::Panicked {
            self.shared.metrics.panicked();
        }
        self.fault = Some(fault);
        Some(failure)
    }

    fn failure(&self, fault: &Fault, attempts: u32) -> Failure {
        let config = &self.shared.config;
        let detail = fault.detail.as_deref().and_then(|detail| self.shown(fault.kind, detail));
        let is_cold = self.is_cold;
        fault.failure(detail.as_deref(), &Account { config, url: &self.shared.url, attempts, is_cold })
    }

    fn shown(&self, kind: Kind, detail: &str) -> Option<String> {
        let privacy = &self.privacy;
        let allowed = |line: &str| {
            if kind.is_free_of_quotes() { Some(privacy.message(line)) } else { privacy.quoted(line) }
        };
        excerpt::safe(detail, &self.messages, self.shared.config.api_key.as_ref(), allowed)
    }

    async fn end(mut self, end: End) -> Answer {
        let outcome = self.outcome(end);
        if self.is_cut {
            self.received.finish_reason = Some("length".to_owned());
        }
        let text = Text::from(&self.text[self.thought_bytes..]);
        self.counted.end(
            now(),
            &metrics::RequestEnd {
                outcome: &outcome,
                usage: self.usage,
                time_to_first_token: self.time_to_first_token,
            },
        );
        let recorded = self.privacy.record(&text).await;
        self.span.end(RequestEnd {
            failure: outcome.failure(),
            text: &recorded,
            usage: self.usage,
            time_to_first_chunk: self.time_to_first_token,
            response_model: self.received.model.as_deref(),
            response_id: self.received.id.as_deref(),
            finish_reasons: self.received.finish_reason.as_slice(),
        });
        let asked_for = (!self.attempts.is_empty()).then(|| self.shared.config.model.clone());
        Answer {
            outcome,
            text,
            usage: self.usage,
            time_to_first_token: self.time_to_first_token,
            model: self.received.model.or(asked_for),
            attempts: self.attempts,
            finish_reason: self.received.finish_reason,
            thought_bytes: self.thought_bytes,
            skipped: self.skipped,
        }
    }

    fn outcome(&self, end: End) -> TurnOutcome {
        match end {
            End::Complete => TurnOutcome::Answered,
            End::Interrupted => TurnOutcome::Interrupted,
            End::Failed => {
                let unknown = Kind::ConnectionLost.into();
                let fault = self.fault.as_ref().unwrap_or(&unknown);
                TurnOutcome::Failed(self.failure(fault, self.machine.attempts()))
            }
        }
    }
}

/// The outcome of one attempt.
fn outcome(failure: Option<&Failure>, interrupted: bool) -> TurnOutcome {
    match failure {
        Some(failure) => TurnOutcome::Failed(failure.clone()),
        None if interrupted => TurnOutcome::Interrupted,
        None => TurnOutcome::Answered,
    }
}

/// The runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

// === impl Asker ===

impl Asker {
    fn is_gone(&self) -> bool {
        self.cancel.is_cancelled() || self.deltas.is_closed()
    }

    async fn gone(&self) {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = self.deltas.closed() => {}
        }
    }

    /// Waits for room: that is the back-pressure of a slow room, and it ends with the request's time.
    async fn send(&self, words: &str, until: Instant) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Stop::Cancelled),
            sent = self.deltas.send(Text::from(words)) => sent.map_err(|_| Stop::Cancelled),
            () = sleep_until(until.into()) => Err(Kind::TotalTimeout.into()),
        }
    }
}

// === impl Stop ===

impl Stop {
    fn event(stop: Option<&Self>) -> Event<'_> {
        match stop {
            None => Event::Finished,
            Some(Stop::Cancelled) => Event::Cancelled,
            Some(Stop::Fault(fault)) => Event::Failed(fault),
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<Kind> for Stop {
    fn from(kind: Kind) -> Self {
        Stop::Fault(kind.into())
    }
}
