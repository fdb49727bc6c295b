//! A span that has not ended yet, and its fate when it is dropped without an end.

use std::sync::Arc;
use std::time::SystemTime;

use conversation::Failure;

use super::Turn;
use crate::telemetry::attributes::{self as key, Attribute, Value};
use crate::telemetry::otel::{Aborted, Parent, Span};

/// `error.type` of a span that was dropped without an end.
const ABORTED: &str = "aborted";
/// Its message when that was because the process was killed.
const KILLED: &str = "the work ended without a result: the worker was killed or crashed";

/// An open span of a turn. Dropped without `end`, it is closed as ERROR `aborted`.
pub(super) struct OpenSpan {
    turn: Arc<Turn>,
    /// None once it ended.
    span: Option<Span>,
    parent: Parent,
    /// The attributes of an aborted span besides its error.
    if_aborted: &'static [Attribute],
}

impl OpenSpan {
    pub(super) fn new(turn: Arc<Turn>, mut span: Span, if_aborted: &'static [Attribute]) -> Self {
        let parent = span.parent();
        let conversation = &turn.conversation;
        span.set((key::SESSION_ID, conversation.id.as_str().into()));
        span.set((key::GEN_AI_CONVERSATION_ID, conversation.id.as_str().into()));
        span.set((key::USER_ID, conversation.user.as_str().into()));
        Self { turn, span: Some(span), parent, if_aborted }
    }

    pub(super) fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }

    /// This span, as the parent of others.
    pub(super) fn parent(&self) -> Parent {
        self.parent.clone()
    }

    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.span {
            span.set((key, value.into()));
        }
    }

    pub(super) fn set_if(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    pub(super) fn extend(&mut self, attributes: &[Attribute]) {
        for (key, value) in attributes {
            self.set(key, value.clone());
        }
    }

    /// Writes down that the span began, once it has its first attributes: should this process be killed, the next one
    /// ends it. The conversation's text may be long, and is left to the span itself.
    pub(super) fn opened(&self) {
        let Some(span) = &self.span else { return };
        let mut attributes = self.if_aborted.to_vec();
        attributes.push((key::ERROR_TYPE, ABORTED.into()));
        let killed = Aborted { attributes: &attributes, message: KILLED };
        self.turn.source.opened(span, &[key::LLM_INPUT, key::GEN_AI_INPUT_MESSAGES], &killed);
    }

    /// Whether a reader will see the span.
    pub(super) fn is_recording(&self) -> bool {
        self.span.as_ref().is_some_and(Span::is_recording)
    }

    /// Ends the span: as Ok, or as the failure says.
    pub(super) fn end(mut self, failure: Option<&Failure>) {
        self.close(failure);
    }

    /// Ends the span at a time that is past.
    pub(super) fn end_at(mut self, failure: Option<&Failure>, at: SystemTime) {
        self.close_at(failure, at);
    }

    fn close(&mut self, failure: Option<&Failure>) {
        self.close_at(failure, self.turn.clock.now());
    }

    fn close_at(&mut self, failure: Option<&Failure>, at: SystemTime) {
        let Some(mut span) = self.span.take() else { return };
        if let Some(failure) = failure {
            span.set((key::ERROR_TYPE, failure.class.as_str().into()));
        }
        span.end(failure.map(|failure| self.turn.privacy.message(&failure.message)), at);
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if self.span.is_none() {
            return;
        }
        self.extend(self.if_aborted);
        self.close(Some(&Failure {
            class: ABORTED.to_owned(),
            message: "the work ended without a result: its task was cancelled or panicked".to_owned(),
        }));
    }
}
