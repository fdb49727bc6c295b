//! Turns with fixed data, for tests.

use conversation::{Failure, TurnOutcome, Usage};
use redaction::Recorded;

use super::turn::{Attempt, End, Speech, Stage, Turn};

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
        speech: Speech::default(),
        attempts: vec![
            attempt(1, 0..100_000, 429, Some(failure("429", "rate limited"))),
            attempt(2, 200_000..400_000, 200, None),
        ],
    };
    Turn { end: Some(end), ..open_turn("RM_1", "00f067aa0ba902b7", 3) }
}

/// A turn that was spoken, and whose reply was cut short.
pub fn spoken_turn() -> Turn {
    let speech = Speech {
        last_speech_us: Some(STARTED_US),
        transcription_delay_us: Some(180_000),
        end_of_turn_delay_us: Some(500_000),
        tts_ttfb_us: Some(90_000),
        heard_us: Some(1_300_000),
        played_us: Some(1_190_000),
        cut_bytes: Some(19),
    };
    let part = |stage, number, us, first_us| Attempt {
        stage,
        first_us: Some(STARTED_US + first_us),
        ..attempt(number, us, 200, None)
    };
    let end = End {
        outcome: TurnOutcome::Interrupted,
        ended_us: Some(STARTED_US + 2_000_000),
        ttft_us: Some(200_000),
        e2e_us: Some(810_000),
        speech,
        attempts: vec![
            part(Stage::Stt, 1, 20_000..180_000, 180_000),
            part(Stage::Llm, 1, 500_000..900_000, 700_000),
            part(Stage::Tts, 1, 710_000..1_000_000, 800_000),
        ],
        ..retried_turn().end.unwrap_or_else(End::unknown)
    };
    Turn { end: Some(end), ..open_turn("RM_1", "00f067aa0ba902b9", 5) }
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
    let http_status = Some(http_status);
    Attempt { stage: Stage::Llm, number, started_us, ended_us, first_us: None, http_status, error }
}

/// A text as it was recorded.
pub fn recorded(text: &str) -> Recorded {
    Recorded::restored(Some(text.to_owned()))
}

fn failure(class: &str, message: &str) -> Failure {
    Failure { class: class.to_owned(), message: message.to_owned() }
}
