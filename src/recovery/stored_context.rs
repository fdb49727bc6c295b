//! The record's knowledge of a session that goes on.

use conversation::{Failure, TurnOutcome};
use turn_store::{Direction, Reader, Turn, Turns};

use crate::session::{ChatContext, ContextTurn};

/// The most bytes of a question or answer that are read: as many as the record keeps.
const MAX_TEXT: usize = 64 << 10;
/// The bytes of all of them together; the oldest are left out.
const MAX_BYTES: usize = 16 << 20;

/// Reads earlier conversations. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct StoredContext {
    /// None: there is no record.
    reader: Option<Reader>,
    turns: usize,
}

// === impl StoredContext ===

impl StoredContext {
    /// At most the latest `turns` turns are read.
    pub(super) fn new(reader: Option<Reader>, turns: usize) -> Self {
        Self { reader, turns }
    }

    pub(super) fn none() -> Self {
        Self::new(None, 0)
    }

    /// The conversation of a session; empty when the record cannot tell.
    pub(crate) async fn of(&self, session: &str) -> ChatContext {
        let Some(reader) = self.reader.clone() else { return ChatContext::default() };
        let (session, limit) = (session.to_owned(), self.turns.max(1));
        let direction = Direction::Before(None);
        let wanted = Turns { direction, limit, max_text: MAX_TEXT, max_bytes: MAX_BYTES };
        let read = tokio::task::spawn_blocking(move || reader.turns(&session, &wanted)).await;
        match read {
            Ok(Ok(found)) => chat_context(found.turns),
            Ok(Err(error)) => {
                tracing::warn!("what was said before is not remembered: {error}");
                ChatContext::default()
            }
            Err(_) => ChatContext::default(),
        }
    }
}

fn chat_context(turns: Vec<Turn>) -> ChatContext {
    let next_turn = turns.iter().map(|turn| turn.index + 1).max().unwrap_or_default();
    ChatContext { turns: turns.into_iter().map(ContextTurn::from).collect(), next_turn }
}

impl From<Turn> for ContextTurn {
    fn from(turn: Turn) -> Self {
        let (outcome, answer) = match turn.end {
            Some(end) => (end.outcome, end.answer.into_text()),
            None => (TurnOutcome::Aborted(Failure::aborted("the turn has no end in the store")), None),
        };
        Self { question: turn.question.into_text(), answer, outcome }
    }
}
