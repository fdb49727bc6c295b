//! Asking a question as a session does.

use std::sync::Arc;
use std::time::Duration;

use conversation::{Message, Role, Secret, Text, TurnOutcome};
use scripted_model::{Script, ScriptedModel, Step};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use voiced::config::{self, CaptureContent};
use voiced::llm::{Answer, Answerer, OpenAi, Question};
use voiced::telemetry::Telemetry;
use voiced::telemetry::spans::{Conversation, TurnStart};

use crate::support::turns;

pub(crate) const KEY: &str = "sk-test-0123456789";
pub(crate) const SAID: &str = "What is distributed tracing?";

/// The result of a question.
pub(crate) struct Asked {
    pub(crate) answer: Answer,
    pub(crate) deltas: Vec<String>,
}

/// A question under way.
pub(crate) struct Asking {
    pub(crate) deltas: mpsc::Receiver<Text>,
    pub(crate) cancel: CancellationToken,
    pub(crate) task: JoinHandle<Answer>,
}

pub(crate) async fn model(steps: impl IntoIterator<Item = Step>) -> ScriptedModel {
    ScriptedModel::start(Script::new(steps)).await.unwrap()
}

/// Limits that no healthy call comes near, and that a test can wait for.
pub(crate) fn config(base_url: &str) -> config::Llm {
    config::Llm {
        base_url: base_url.parse().unwrap(),
        api_key: Some(Secret::new(KEY)),
        model: "gpt-test".into(),
        connect_timeout: Duration::from_secs(20),
        first_token_timeout: Duration::from_secs(20),
        cold_first_token_timeout: Duration::from_millis(1),
        stall_timeout: Duration::from_secs(20),
        total_timeout: Duration::from_secs(60),
        max_attempts: 3,
        max_reply_bytes: 4 << 20,
        ..config::Config::default().llm
    }
}

pub(crate) fn question(cancel: CancellationToken) -> Question {
    let conversation = Conversation { id: "RM_test".into(), user: "ada".into() };
    let said = Text::from(SAID);
    // These rules allow quoting the provider.
    let tracer = Telemetry::in_memory(CaptureContent::Full).0.tracer();
    let recorded = turns::recorded(&tracer, SAID);
    let start = TurnStart { index: 0, question: &recorded, traceparent: None, began: None };
    let turn = tracer.turn(&conversation, start);
    let messages = [Message::new(Role::System, "Be brief."), Message::new(Role::User, said.clone())];
    Question { messages: Arc::new(messages), context: turn.context(), cancel }
}

/// Begins a question with room for so many deltas.
pub(crate) fn begin(answerer: &dyn Answerer, room: usize) -> Asking {
    let cancel = CancellationToken::new();
    let (sender, deltas) = mpsc::channel(room);
    let task = tokio::spawn(answerer.answer(question(cancel.clone()), sender));
    Asking { deltas, cancel, task }
}

/// Asks and listens to the end.
pub(crate) async fn ask_of(answerer: &dyn Answerer) -> Asked {
    let Asking { mut deltas, task, .. } = begin(answerer, 8);
    let mut heard = Vec::new();
    while let Some(delta) = deltas.recv().await {
        heard.push(delta.expose().to_owned());
    }
    Asked { answer: task.await.unwrap(), deltas: heard }
}

pub(crate) async fn ask(config: &config::Llm) -> Asked {
    ask_of(&OpenAi::new(config).unwrap()).await
}

impl Asked {
    pub(crate) fn text(&self) -> &str {
        self.answer.text.expose()
    }

    /// The class of the failure; "complete" and "interrupted" for what is none.
    pub(crate) fn class(&self) -> &str {
        match &self.answer.outcome {
            TurnOutcome::Answered => "complete",
            TurnOutcome::Interrupted => "interrupted",
            TurnOutcome::Failed(failure) | TurnOutcome::Aborted(failure) => &failure.class,
        }
    }

    pub(crate) fn message(&self) -> &str {
        match &self.answer.outcome {
            TurnOutcome::Failed(failure) => &failure.message,
            _ => "",
        }
    }

    /// Holds for every answer: the deltas make up the text, and neither the key nor the conversation is in the message.
    pub(crate) fn check(&self) {
        assert_eq!(self.deltas.concat(), self.text());
        assert_eq!(self.answer.time_to_first_token.is_some(), !self.text().is_empty());
        for hidden in [KEY, SAID] {
            assert!(!self.message().contains(hidden), "{}", self.message());
        }
    }
}
