//! The words that every part of a voice agent shares: messages and utterances, the agent's state, token usage, failures,
//! and the strings that do not print.
//!
//! - [`Message`]: a message of the history, serialised once
//! - [`Utterance`], [`Correction`]: what a person said, and what they changed of it later
//! - [`Text`]: what people and models say; [`Secret`]: a key. Neither is shown by `Debug` or `Display`
//! - [`AgentState`], which frontends read as `lk.agent.state`
//! - [`TurnOutcome`], [`Failure`], [`Usage`], [`SegmentEnd`]: what became of a turn; [`Attempt`]: one request
//!   to a provider, for telemetry

mod attempt;
mod message;
mod outcome;
mod secret;
mod text;
mod utterance;

pub use self::attempt::Attempt;
pub use self::message::{Message, Role, estimate_tokens};
pub use self::outcome::{Failure, TurnOutcome};
pub use self::secret::{Secret, Secrets};
pub use self::text::{RulesId, Text};
pub use self::utterance::{Correction, Utterance, Way};

/// `lk.agent.state`, as LiveKit's frontends read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    Initializing,
    Listening,
    Thinking,
    Speaking,
}

/// Tokens of one turn, as the provider reported them or as we estimated them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Completion tokens.
    pub output: u64,
    /// The part of `input` that the provider served from its cache, when it says so.
    pub cached_input: Option<u64>,
    /// True when the provider never reported usage and these are our estimate.
    pub estimated: bool,
}

/// The outcome of a text that the agent said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEnd {
    /// The number of bytes, from its beginning, that went out.
    pub delivered: usize,
    pub fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it was written, to every recipient and in every form.
    Whole,
    /// The agent stopped.
    Cut,
    /// It could not be written, for this reason.
    Failed(String),
}

// === impl Usage ===

impl Usage {
    /// The usage of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let cached =
            [self.cached_input, other.cached_input].into_iter().flatten().reduce(u64::saturating_add);
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached_input: cached,
            estimated: self.estimated || other.estimated,
        }
    }
}

// === impl AgentState ===

impl AgentState {
    /// The attribute's value, from LiveKit's attribute definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentState::Initializing => "initializing",
            AgentState::Listening => "listening",
            AgentState::Thinking => "thinking",
            AgentState::Speaking => "speaking",
        }
    }
}
