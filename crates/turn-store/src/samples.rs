//! Turns with fixed data, for tests.

use conversation::{Failure, TurnOutcome, Usage};
use redaction::Recorded;

use super::turn::{Attempt, End, Stage, Turn};

/// 2026-01-02 03:04:05 UTC.
pub const STARTED_US: i64 = 1_767_323_045_000_000;

/// A turn whose first attempt was refused and whose second answered.
pub fn retried_turn() -> Turn {
    let end = End {
        outcome: TurnOutcome::Answered,
        ended_us: Some(STARTED_US + 400_000),
        answer: recorded("following a request"),
        model: Some("gpt-5.4-mini".to_owned()),
        finish_reason: Some("length".to_owned()),
        usage: Usage { input: 21, output: 48, ..Usage::default() },
        ttft_us: Some(240_000),
        e2e_us: Some(250_000),
        attempts: vec![
            attempt(1, 0..100_000, 429, Some(failure("429", "rate limited"))),
            attempt(2, 200_000..400_000, 200, None),
        ],
    };
    Turn { end: Some(end), ..open_turn("RM_1", "00f067aa0ba902b7", 3) }
}

pub fn failed_turn() -> Turn {
    let end = End {
        outcome: TurnOutcome::Failed(failure("500", "the model broke")),
        ended_us: Some(STARTED_US + 1_000),
        attempts: vec![attempt(1, 0..1_000, 500, Some(failure("500", "the model broke")))],
        ..End::unknown()
    };
    Turn { end: Some(end), ..open_turn("RM_1", "00f067aa0ba902b8", 4) }
}

pub fn open_turn(session: &str, span_id: &str, index: u64) -> Turn {
    Turn {
        span_id: span_id.to_owned(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        session: session.to_owned(),
        room: "kitchen".to_owned(),
        agent: "voiced".to_owned(),
        speaker: "ada".to_owned(),
        index,
        started_us: STARTED_US,
        question: recorded("what is\x1b[31m tracing?"),
        end: None,
    }
}

pub fn attempt(number: u32, us: std::ops::Range<i64>, http_status: u16, error: Option<Failure>) -> Attempt {
    let (started_us, ended_us) = (STARTED_US + us.start, STARTED_US + us.end);
    Attempt { stage: Stage::Llm, number, started_us, ended_us, http_status: Some(http_status), error }
}

/// A text as it was recorded.
pub fn recorded(text: &str) -> Recorded {
    Recorded::restored(Some(text.to_owned()))
}

fn failure(class: &str, message: &str) -> Failure {
    Failure { class: class.to_owned(), message: message.to_owned() }
}
