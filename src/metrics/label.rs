//! The values that labels may have. They are closed sets, so the number of time series has a bound that no outsider can
//! move.

use conversation::{Failure, TurnOutcome, Usage};
use speech_services::Outcome;

/// The outcome of a session that a worker left in the middle when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// The agent is back in its room.
    Resumed,
    /// No person waits any more.
    Over,
    /// Another agent of our name is there.
    Served,
    /// It could not be taken up for too long.
    GivenUp,
}

/// The outcome of a broken connection to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// Nothing was missed.
    Resumed,
    /// The agent is back as a new participant, who missed what was said meanwhile.
    Rejoined,
    /// The SDK gave it up. Recovery may go back to the room.
    Not,
}

/// The part that broke down by a defect of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panicked {
    Session,
    /// The task that answers one turn; its session goes on.
    Answer,
    /// The task that reads one stream of the model; its turn is tried again.
    Stream,
}

/// The stage of a turn when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waited for the call before it to end; the model was never asked.
    Waiting,
    Thinking,
    Speaking,
}

/// The reason why a text was not taken as a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooLong,
    NotUtf8,
    /// Its stream fell silent.
    Idle,
    /// Its stream went on and did not end.
    TooSlow,
    /// Its stream broke off.
    Broken,
    TooMany,
    /// It came as a data packet of chat and is no chat message.
    NoChatMessage,
    /// Its sender did not join.
    Stranger,
}

/// The state of a connection to our HTTP endpoints when it was closed to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// It waited for a request.
    Idle,
    /// Its answer was under way.
    Busy,
}

/// What became of a sound like speech that is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wordless {
    /// It was too short, or not enough like speech, to be transcribed.
    NoRequest,
    NoWords,
    /// Its words were the agent's own.
    Echo,
}

/// What became of a reply that paused for a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Words came, and cut it short.
    Interrupted,
    Resumed,
}

/// The outcome of a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLabel(pub(super) &'static str);

/// The outcome of a request to the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLabel(pub(super) &'static str);

/// The outcome of one attempt at a request to the model, or of a request to a speech service: none is ever aborted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptLabel(pub(super) &'static str);

/// The class of an error, see [`error_class`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorClass(pub(super) &'static str);

/// Tokens of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens {
    pub(super) kind: &'static str,
    pub(super) estimated: bool,
}

/// The classes of error that have a label of their own: those that call for an action of their own. Providers answer
/// with whatever status they like; the other statuses are counted by their hundred.
const CLASSES: [&str; 38] = [
    "400",
    "401",
    "403",
    "404",
    "408",
    "409",
    "413",
    "422",
    "429",
    "500",
    "502",
    "503",
    "504",
    "529",
    "3xx",
    "4xx",
    "5xx",
    "connect",
    "connect_timeout",
    "first_token_timeout",
    "stall_timeout",
    "total_timeout",
    "connection_lost",
    "malformed_stream",
    "not_a_stream",
    "stream_ended_early",
    "empty_reply",
    "content_filter",
    "request_refused",
    "provider_error",
    "panic",
    "answer_timeout",
    "first_audio_timeout",
    "not_a_transcript",
    "not_playable",
    "malformed_audio",
    "no_audio",
    "too_long",
];

/// The label of every other class.
const OTHER: &str = "other";

/// The class under which a failure is counted.
pub(crate) fn error_class(failure: &Failure) -> &'static str {
    bounded_class(&failure.class)
}

/// The outcome of a request, as its metrics have it.
fn request_outcome(outcome: &TurnOutcome) -> &'static str {
    match outcome {
        TurnOutcome::Answered => "complete",
        other => other.as_str(),
    }
}

fn bounded_class(class: &str) -> &'static str {
    let known = |wanted: &str| CLASSES.into_iter().find(|class| *class == wanted);
    let hundred = || match class.as_bytes() {
        [first, second, third] if second.is_ascii_digit() && third.is_ascii_digit() => match first {
            b'3' => Some("3xx"),
            b'4' => Some("4xx"),
            b'5' => Some("5xx"),
            _ => None,
        },
        _ => None,
    };
    known(class).or_else(hundred).unwrap_or(OTHER)
}

// === impl TurnLabel ===

impl TurnLabel {
    pub(super) const ALL: [Self; 4] =
        [Self("answered"), Self("interrupted"), Self("failed"), Self("aborted")];

    pub(super) fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&TurnOutcome> for TurnLabel {
    fn from(outcome: &TurnOutcome) -> Self {
        Self(outcome.as_str())
    }
}

// === impl RequestLabel ===

impl RequestLabel {
    pub(super) const ALL: [Self; 4] =
        [Self("complete"), Self("interrupted"), Self("failed"), Self("aborted")];

    pub(super) fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&TurnOutcome> for RequestLabel {
    fn from(outcome: &TurnOutcome) -> Self {
        Self(request_outcome(outcome))
    }
}

// === impl AttemptLabel ===

impl AttemptLabel {
    pub(super) const ALL: [Self; 3] = [Self("complete"), Self("interrupted"), Self("failed")];

    pub(super) fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&TurnOutcome> for AttemptLabel {
    fn from(outcome: &TurnOutcome) -> Self {
        Self(request_outcome(outcome))
    }
}

impl From<&Outcome> for AttemptLabel {
    fn from(outcome: &Outcome) -> Self {
        Self(match outcome {
            Outcome::Complete => "complete",
            Outcome::Interrupted => "interrupted",
            Outcome::Failed(_) => "failed",
        })
    }
}

// === impl ErrorClass ===

impl From<&Failure> for ErrorClass {
    fn from(failure: &Failure) -> Self {
        Self(error_class(failure))
    }
}

// === impl Tokens ===

impl Tokens {
    /// The tokens of a request by their types, with their numbers.
    pub(crate) fn of(usage: Usage) -> [(Self, u64); 3] {
        let of = |kind| Self { kind, estimated: usage.estimated };
        let cached = usage.cached_input.unwrap_or_default();
        [(of("input"), usage.input), (of("output"), usage.output), (of("cached_input"), cached)]
    }
}

// === impl Resumption ===

impl Resumption {
    pub(super) const ALL: [Self; 4] = [Self::Resumed, Self::Over, Self::Served, Self::GivenUp];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Over => "over",
            Self::Served => "served",
            Self::GivenUp => "given_up",
        }
    }
}

// === impl Restored ===

impl Restored {
    pub(super) const ALL: [Self; 3] = [Self::Resumed, Self::Rejoined, Self::Not];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Rejoined => "rejoined",
            Self::Not => "lost",
        }
    }
}

// === impl Panicked ===

impl Panicked {
    pub(super) const ALL: [Self; 3] = [Self::Session, Self::Answer, Self::Stream];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Answer => "answer",
            Self::Stream => "stream",
        }
    }
}

// === impl Phase ===

impl Phase {
    pub(super) const ALL: [Self; 3] = [Self::Waiting, Self::Thinking, Self::Speaking];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Thinking => "thinking",
            Self::Speaking => "speaking",
        }
    }
}

// === impl Refusal ===

impl Refusal {
    pub(super) const ALL: [Self; 8] = [
        Self::TooLong,
        Self::NotUtf8,
        Self::Idle,
        Self::TooSlow,
        Self::Broken,
        Self::TooMany,
        Self::NoChatMessage,
        Self::Stranger,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotUtf8 => "not_utf8",
            Self::Idle => "idle",
            Self::TooSlow => "too_slow",
            Self::Broken => "broken",
            Self::TooMany => "too_many",
            Self::NoChatMessage => "no_chat_message",
            Self::Stranger => "stranger",
        }
    }
}

// === impl Wordless ===

impl Wordless {
    pub(super) const ALL: [Self; 3] = [Self::NoRequest, Self::NoWords, Self::Echo];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NoRequest => "no_request",
            Self::NoWords => "no_words",
            Self::Echo => "echo",
        }
    }
}

// === impl Pause ===

impl Pause {
    pub(super) const ALL: [Self; 2] = [Self::Interrupted, Self::Resumed];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Resumed => "resumed",
        }
    }
}

// === impl Holding ===

impl Holding {
    pub(super) const ALL: [Self; 2] = [Self::Idle, Self::Busy];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_outcome_has_the_label_that_starts_at_zero() {
        let failure = || Failure::new("500", "");
        let outcomes = [
            TurnOutcome::Answered,
            TurnOutcome::Interrupted,
            TurnOutcome::Failed(failure()),
            TurnOutcome::Aborted(failure()),
        ];
        let turns = outcomes.each_ref().map(|outcome| TurnLabel::from(outcome).as_str());
        assert_eq!(turns, TurnLabel::ALL.map(TurnLabel::as_str));
        let requests = outcomes.each_ref().map(|outcome| RequestLabel::from(outcome).as_str());
        assert_eq!(requests, RequestLabel::ALL.map(RequestLabel::as_str));
        assert_eq!(requests[..3], AttemptLabel::ALL.map(AttemptLabel::as_str));
        let speech = [Outcome::Complete, Outcome::Interrupted, Outcome::Failed(failure())];
        let speech = speech.each_ref().map(|outcome| AttemptLabel::from(outcome).as_str());
        assert_eq!(speech, AttemptLabel::ALL.map(AttemptLabel::as_str));
    }

    #[test]
    fn an_unusual_status_is_counted_by_its_hundred_and_anything_else_as_other() {
        let cases = [
            ("429", "429"),
            ("418", "4xx"),
            ("599", "5xx"),
            ("302", "3xx"),
            ("999", "other"),
            ("4x9", "other"),
            ("a room's name", "other"),
            ("", "other"),
            ("first_token_timeout", "first_token_timeout"),
            ("first_audio_timeout", "first_audio_timeout"),
        ];
        for (class, expected) in cases {
            assert_eq!(bounded_class(class), expected, "{class}");
        }
    }

    #[test]
    fn no_class_of_error_can_add_a_label_of_its_own() {
        let asked = (0..10_000).map(|number| number.to_string()).chain((0..200).map(|n| format!("room-{n}")));
        let labels: BTreeSet<&str> = asked.map(|class| bounded_class(&class)).collect();
        assert!(labels.iter().all(|label| CLASSES.contains(label) || *label == OTHER), "{labels:?}");
    }
}
