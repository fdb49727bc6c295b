//! The conversation of a session before its process died or its connection was lost.

use conversation::{Message, Role, Text, TurnOutcome};

use super::history::History;

/// The turns of a session so far, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct ChatContext {
    pub turns: Vec<ContextTurn>,
    /// The number of the next turn; the counting goes on.
    pub next_turn: u64,
}

/// A turn that is over; None where the text is not known.
#[derive(Clone, Debug)]
pub struct ContextTurn {
    pub question: Option<Text>,
    pub answer: Option<Text>,
    pub outcome: TurnOutcome,
}

// === impl ChatContext ===

impl ChatContext {
    pub(super) fn restore_into(&self, history: &mut History) {
        for ContextTurn { question, answer, outcome } in &self.turns {
            question.iter().for_each(|question| history.push_user(question, None));
            answer.iter().for_each(|answer| history.push_agent(answer, outcome));
        }
    }
}

impl From<&Message> for ContextTurn {
    /// Half a turn. The text of a reply that was cut holds the mark of that.
    fn from(message: &Message) -> Self {
        let content = Some(message.content().clone());
        match message.role() {
            Role::Assistant => Self { question: None, answer: content, outcome: TurnOutcome::Answered },
            Role::User | Role::System => {
                Self { question: content, answer: None, outcome: TurnOutcome::Answered }
            }
        }
    }
}
