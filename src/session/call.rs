//! The call to the model that is under way, as the session sees it: deltas, then an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::{Failure, Message, Text, TurnOutcome, Usage};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::llm::{Answer, Question};
use crate::metrics::{Metrics, Panicked};
use crate::runtime::sleep_until;
use crate::telemetry::spans::TurnContext;

use super::Parts;
use super::machine::Event;

/// Deltas waiting for the room. A full queue makes the model's stream wait.
const DELTAS: usize = 64;
/// An answerer that has not come to its end this long after it was cancelled is aborted.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Call {
    turn: u64,
    cancel: CancellationToken,
    cancelled_at: Option<Instant>,
    deltas: mpsc::Receiver<Text>,
    task: JoinHandle<Answer>,
    metrics: Metrics,
    /// Its turn has not ended yet: the deltas wait in their queue, and then the model.
    is_held: bool,
}

// === impl Call ===

impl Call {
    pub(super) fn start(parts: &Parts, turn: u64, messages: Arc<[Message]>, context: TurnContext) -> Self {
        let (sender, deltas) = mpsc::channel(DELTAS);
        let cancel = CancellationToken::new();
        let question = Question { messages, context, cancel: cancel.clone() };
        let answerer = parts.answerer.clone();
        // Even the making of the answer's future belongs to the task: it may panic, too.
        let answering = async move { answerer.answer(question, sender).await };
        let task = tokio::spawn(answering.in_current_span());
        let metrics = parts.metrics.clone();
        Self { turn, cancel, cancelled_at: None, deltas, task, metrics, is_held: false }
    }

    /// The same for a turn that may not have ended: nothing comes of it until [`Call::release`].
    pub(super) fn start_held(
        parts: &Parts,
        turn: u64,
        messages: Arc<[Message]>,
        context: TurnContext,
    ) -> Self {
        let mut call = Self::start(parts, turn, messages, context);
        call.is_held = true;
        call
    }

    pub(super) fn release(&mut self) {
        self.is_held = false;
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Ends a call whose answer is not wanted. Returns what it cost.
    pub(super) async fn discard(mut self) -> Usage {
        self.cancel();
        loop {
            if let Event::Answered { answer, .. } = self.next().await {
                return answer.usage;
            }
        }
    }

    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    pub(super) fn cancel(&mut self) {
        self.cancelled_at.get_or_insert_with(Instant::now);
        self.cancel.cancel();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled_at.is_some()
    }

    /// The next delta, or after the last one the answer. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Event {
        let turn = self.turn;
        let patience = self.cancelled_at.map(|at| at + CANCEL_PATIENCE);
        tokio::select! {
            biased;
            event = going_on(turn, &mut self.deltas, &mut self.task, &self.metrics) => event,
            _ = sleep_until(patience) => {
                self.task.abort();
                Event::Answered { turn, answer: Answer::nothing(TurnOutcome::Interrupted) }
            }
        }
    }
}

impl Drop for Call {
    /// A session that ends by a panic must not leave a call running that no session listens to.
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Answer {
    /// An answer in which nothing was said.
    pub(crate) fn nothing(outcome: TurnOutcome) -> Self {
        Self {
            outcome,
            text: Text::default(),
            usage: Usage::default(),
            time_to_first_token: None,
            model: None,
            attempts: Vec::new(),
            finish_reason: None,
            thought_bytes: 0,
            skipped: Default::default(),
        }
    }
}

/// The answerer drops its sender when it is done, so a closed queue means that the answer is there or about to be.
async fn going_on(
    turn: u64,
    deltas: &mut mpsc::Receiver<Text>,
    task: &mut JoinHandle<Answer>,
    metrics: &Metrics,
) -> Event {
    match deltas.recv().await {
        Some(text) => Event::Delta { turn, text },
        None => {
            let answer = task.await.unwrap_or_else(|error| broken(error, metrics));
            Event::Answered { turn, answer }
        }
    }
}

/// A panic's own words may quote the conversation; they are logged where the panic happened, as far as they may be.
fn broken(error: JoinError, metrics: &Metrics) -> Answer {
    if error.is_panic() {
        metrics.panicked(Panicked::Answer);
    }
    let message = "answering the turn broke down, as the worker's log says; this is a defect of voiced, please report it";
    Answer::nothing(TurnOutcome::Failed(Failure::new("panic", message)))
}
