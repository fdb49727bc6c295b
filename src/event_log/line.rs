//! The lines of an event log. Times are microseconds since the session began.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::said::{Content, Said};

/// The format that this program writes, and the only one that it reads.
pub(crate) const FORMAT: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: u32,
    /// The version of the program.
    pub(crate) voiced: String,
    pub(crate) session: String,
    /// In microseconds since 1970.
    pub(crate) began_us: i64,
    pub(crate) agent: AgentRules,
    /// None: the session does not hear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<TurnRules>,
    pub(crate) interruption: InterruptionRules,
}

/// What the dialogue goes by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentRules {
    pub(crate) greeting: Content,
    pub(crate) apology: Content,
    pub(crate) resume_notice: Content,
    pub(crate) text_notice: Content,
    pub(crate) leave_grace_us: u64,
}

/// [`turn::Settings`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TurnRules {
    pub(crate) min_delay_us: u64,
    pub(crate) max_delay_us: u64,
    pub(crate) learns: bool,
    pub(crate) late_us: u64,
    pub(crate) without_final_us: u64,
    pub(crate) transcript_each: bool,
}

/// [`interruption::Settings`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InterruptionRules {
    pub(crate) enabled: bool,
    pub(crate) min_duration_us: u64,
    pub(crate) min_words: usize,
    pub(crate) resume_after_us: u64,
    pub(crate) warm_up_us: u64,
}

/// A line behind the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The time that a machine was given.
    pub(crate) at_us: i64,
    pub(crate) entry: Entry,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// Another microphone is heard: what was heard of a turn begins anew.
    Microphone,
    /// The end of turns, [`turn::Turn`].
    Turn { event: TurnEvent, verdict: Option<TurnVerdict> },
    /// The agent's voice beside a person's, [`interruption::Interruption`].
    Interruption { event: InterruptionEvent, action: Option<InterruptionAction> },
    /// The conversation, `session::machine`.
    Dialogue { event: DialogueEvent, actions: Vec<String> },
    /// So many lines are missing here: the disk was slower than the session.
    Lost(u64),
    /// The file is as long as it may be; the session goes on without.
    Full,
}

/// [`turn::Event`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TurnEvent {
    SpeechStarted {
        speech_us: i64,
    },
    SpeechPaused {
        speech_us: i64,
    },
    SpeechResumed {
        speech_us: i64,
    },
    SpeechEnded {
        speech_us: i64,
    },
    Partial(Said),
    Final(Said),
    Nothing,
    EndOfTurn,
    Tick,
    /// The turn was closed before its end: the microphone is gone, or words of it are lost.
    Close,
}

/// [`turn::Verdict`], with the words of the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TurnVerdict {
    Ended { words: usize },
    Grown { words: usize },
}

/// [`interruption::Event`], and the question for a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InterruptionEvent {
    VoiceSilent,
    VoiceComing,
    VoiceSounding,
    SpeechStarted {
        speech_us: i64,
    },
    SpeechEnded {
        speech_us: i64,
    },
    Words(Said),
    Nothing,
    TurnEnded,
    Tick,
    /// A turn of these words has ended.
    Turn(Said),
}

/// [`interruption::Action`] and [`interruption::Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InterruptionAction {
    Pause,
    Resume,
    Interrupts,
    Waits,
    Backchannel,
}

/// `session::machine::Event`, and what the machine is told besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DialogueEvent {
    /// The session goes on with an earlier conversation, whose next turn has this number.
    Resumed {
        next_turn: u64,
    },
    InOtherRoom,
    Joined {
        people: Vec<String>,
        coming: Vec<String>,
    },
    PersonComing(String),
    PersonJoined(String),
    PersonLeft(String),
    UserTurn(Utterance),
    Preemptive(Utterance),
    Grown(Utterance),
    Unheard {
        said: Utterance,
        class: String,
    },
    /// None: deleted.
    Corrected {
        speaker: String,
        ids: Vec<String>,
        text: Option<Content>,
    },
    Delta {
        turn: u64,
        text: Content,
    },
    Answered {
        turn: u64,
        outcome: Outcome,
        text: Content,
        thought_bytes: usize,
    },
    SegmentEnded {
        segment: u64,
        fate: Fate,
        delivered: usize,
    },
    Away,
    Back {
        rejoined: bool,
    },
    VoiceFailed,
    VoiceWorks,
    End(String),
    Tick,
}

/// `conversation::Utterance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Utterance {
    pub(crate) speaker: String,
    pub(crate) text: Content,
    pub(crate) segment: Option<String>,
    pub(crate) among: Option<Vec<String>>,
    pub(crate) way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    Transcription,
    Stream,
    Packet,
}

/// `conversation::TurnOutcome`; failures have their class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Answered,
    Interrupted,
    Failed(String),
    Aborted(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Whole,
    Cut,
    Failed,
}

// === impl Header ===

#[cfg(test)]
impl Header {
    pub(crate) fn of_test(session: &str) -> Self {
        Self {
            format: FORMAT,
            voiced: "0.0.0".into(),
            session: session.into(),
            began_us: 1,
            agent: AgentRules::default(),
            turn: Some(TurnRules::from(&speech::turn::Settings::default())),
            interruption: InterruptionRules::from(&speech::interruption::Settings::default()),
        }
    }
}

pub(crate) fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// From `base` to `at`, which may be before it.
pub(super) fn since(base: Instant, at: Instant) -> i64 {
    let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match at.checked_duration_since(base) {
        Some(after) => us(after),
        None => -us(base.saturating_duration_since(at)),
    }
}
