//! The record for scripts. Times are in UTC, lengths in seconds; unknown values are null.

use conversation::Failure;
use serde_json::{Value, json};

use super::find::{Figures, Found, Session, SpeechFigures, Spread};
use super::trace_url::{Linked, TraceUrl};
use super::turn::{Attempt, Speech, Turn};
use super::when::When;

/// `next` is the value to send as `cursor` for the sessions behind these.
pub fn found(found: &Found) -> Value {
    let mut totals = figures(&found.totals);
    totals["sessions"] = found.count.into();
    json!({
        "sessions": found.sessions.iter().map(session).collect::<Vec<_>>(),
        "totals": totals,
        "next": found.next.as_ref().map(|place| place.token()),
    })
}

pub fn session(session: &Session) -> Value {
    let mut object = figures(&session.figures);
    object["id"] = session.id.as_str().into();
    object["room"] = session.room.as_str().into();
    object["agent"] = session.agent.as_str().into();
    object["started"] = When(session.started_us).exact().into();
    object["ended"] = When(session.ended_us).exact().into();
    object["duration_s"] = seconds(session.length_us()).into();
    object
}

fn figures(figures: &Figures) -> Value {
    json!({
        "turns": figures.turns,
        "answered": figures.answered,
        "interrupted": figures.interrupted,
        "failed": figures.failed,
        "aborted": figures.aborted,
        "open": figures.open,
        "attempts": figures.attempts,
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "cached_tokens": figures.cached_tokens,
        "usage_estimated": figures.usage_estimated,
        "e2e_latency_s": spread(figures.e2e),
        "time_to_first_token_s": spread(figures.ttft),
        "speech": speech_figures(&figures.speech),
    })
}

fn speech_figures(figures: &SpeechFigures) -> Value {
    json!({
        "turns": figures.turns,
        "heard_s": seconds(figures.heard_us),
        "played_s": seconds(figures.played_us),
        "transcription_delay_s": spread(figures.transcription_delay),
        "end_of_turn_delay_s": spread(figures.end_of_turn_delay),
        "tts_ttfb_s": spread(figures.tts_ttfb),
    })
}

fn spread(spread: Spread) -> Value {
    json!({ "p50": spread.p50_us.map(seconds), "p95": spread.p95_us.map(seconds) })
}

pub fn turn(turn: &Turn, trace_url: Option<&TraceUrl>) -> Value {
    let end = turn.end.as_ref();
    let attempts = end.map(|end| end.attempts.as_slice()).unwrap_or_default();
    json!({
        "index": turn.index,
        "speaker": turn.speaker,
        "status": turn.status().as_str(),
        "started": When(turn.started_us).exact(),
        "ended": end.and_then(|end| end.ended_us).map(|us| When(us).exact()),
        "question": turn.question.as_str(),
        "answer": end.and_then(|end| end.answer.as_str()),
        "model": end.and_then(|end| end.model.as_deref()),
        "finish_reason": end.and_then(|end| end.finish_reason.as_deref()),
        "input_tokens": end.map(|end| end.usage.input),
        "output_tokens": end.map(|end| end.usage.output),
        "cached_tokens": end.and_then(|end| end.usage.cached_input),
        "usage_estimated": end.is_some_and(|end| end.usage.estimated),
        "time_to_first_token_s": end.and_then(|end| end.ttft_us).map(seconds),
        "e2e_latency_s": end.and_then(|end| end.e2e_us).map(seconds),
        "total_s": turn.total_us().map(seconds),
        "speech": end.map(|end| end.speech).filter(|speech| !speech.is_none()).map(speech),
        "attempts": attempts.iter().map(attempt).collect::<Vec<_>>(),
        "error": turn.failure().map(failure),
        "trace_id": turn.trace_id,
        "span_id": turn.span_id,
        "trace_url": trace_url.map(|url| url.link(linked(turn))),
    })
}

fn speech(speech: Speech) -> Value {
    json!({
        "last_speech": speech.last_speech_us.map(|us| When(us).exact()),
        "transcription_delay_s": speech.transcription_delay_us.map(seconds),
        "end_of_turn_delay_s": speech.end_of_turn_delay_us.map(seconds),
        "tts_ttfb_s": speech.tts_ttfb_us.map(seconds),
        "heard_s": speech.heard_us.map(seconds),
        "played_s": speech.played_us.map(seconds),
        "cut": speech.cut_bytes.map(|bytes| json!({ "played_s": speech.played_us.map(seconds), "bytes": bytes })),
    })
}

/// The parts of a link to the turn's trace.
pub fn linked(turn: &Turn) -> Linked<'_> {
    Linked {
        trace_id: &turn.trace_id,
        session_id: &turn.session,
        started_us: turn.started_us,
        ended_us: turn.end.as_ref().and_then(|end| end.ended_us).unwrap_or(turn.started_us),
    }
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "stage": attempt.stage.as_str(),
        "number": attempt.number,
        "started": When(attempt.started_us).exact(),
        "ended": When(attempt.ended_us).exact(),
        "first": attempt.first_us.map(|us| When(us).exact()),
        "http_status": attempt.http_status,
        "error": attempt.error.as_ref().map(failure),
    })
}

fn failure(failure: &Failure) -> Value {
    json!({ "type": failure.class, "message": failure.message })
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
