//! Rows read back into turns.

use bounded::text::within_chars;
use conversation::{Failure, TurnOutcome, Usage};
use redaction::Recorded;
use rusqlite::{Connection, Row};

use crate::turn::{Attempt, End, Speech, Stage, Status, Turn};

/// The columns that `turn` reads, in its order; parameter 5 is the longest text.
pub(super) const TURN: &str = "\
    t.span_id, t.trace_id, t.session, s.room, s.agent, t.speaker, t.turn, t.started_us,
    substr(t.question, 1, ?5), t.status, t.ended_us, substr(t.answer, 1, ?5), t.model, t.input_tokens, t.output_tokens,
    t.cached_tokens, t.usage_estimated, t.ttft_us, t.e2e_us, t.error_class, t.error_message,
    t.finish_reason, v.last_speech_us, v.transcription_delay_us, v.end_of_turn_delay_us, v.tts_ttfb_us, v.heard_us,
    v.played_us, v.cut_bytes";

/// A turn without its attempts.
pub(super) fn turn(row: &Row<'_>, max_text: usize) -> rusqlite::Result<Turn> {
    Ok(Turn {
        span_id: row.get(0)?,
        trace_id: row.get(1)?,
        session: row.get(2)?,
        room: row.get(3)?,
        agent: row.get(4)?,
        speaker: row.get(5)?,
        index: number(row, 6)?,
        started_us: row.get(7)?,
        question: excerpt(row, 8, max_text)?,
        end: end(row, max_text)?,
    })
}

fn end(row: &Row<'_>, max_text: usize) -> rusqlite::Result<Option<End>> {
    let status: String = row.get(9)?;
    let failure = || failure(row, 19).map(|known| known.unwrap_or_else(unknown));
    let outcome = match Status::parse(&status) {
        Some(Status::Open) => return Ok(None),
        Some(Status::Answered) => TurnOutcome::Answered,
        Some(Status::Interrupted) => TurnOutcome::Interrupted,
        Some(Status::Failed) => TurnOutcome::Failed(failure()?),
        // A status that no version of the program wrote is no success.
        Some(Status::Aborted) | None => TurnOutcome::Aborted(failure()?),
    };
    let cached: Option<i64> = row.get(15)?;
    let usage = Usage {
        input: number(row, 13)?,
        output: number(row, 14)?,
        cached_input: cached.map(i64::unsigned_abs),
        estimated: row.get(16)?,
    };
    Ok(Some(End {
        outcome,
        ended_us: row.get(10)?,
        answer: excerpt(row, 11, max_text)?,
        model: row.get(12)?,
        finish_reason: row.get(21)?,
        usage,
        ttft_us: row.get(17)?,
        e2e_us: row.get(18)?,
        speech: speech(row)?,
        attempts: Vec::new(),
    }))
}

fn speech(row: &Row<'_>) -> rusqlite::Result<Speech> {
    let cut: Option<i64> = row.get(28)?;
    Ok(Speech {
        last_speech_us: row.get(22)?,
        transcription_delay_us: row.get(23)?,
        end_of_turn_delay_us: row.get(24)?,
        tts_ttfb_us: row.get(25)?,
        heard_us: row.get(26)?,
        played_us: row.get(27)?,
        cut_bytes: cut.map(i64::unsigned_abs),
    })
}

/// A text that is longer than asked for ends in a sign that it goes on.
fn excerpt(row: &Row<'_>, index: usize, max_text: usize) -> rusqlite::Result<Recorded> {
    let text: Option<String> = row.get(index)?;
    Ok(Recorded::restored(text.map(|text| within_chars(&text, max_text).into_owned())))
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::unsigned_abs)
}

fn failure(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Failure>> {
    let class: Option<String> = row.get(index)?;
    let message: Option<String> = row.get(index + 1)?;
    Ok(class.map(|class| Failure { class, message: message.unwrap_or_default() }))
}

fn unknown() -> Failure {
    Failure { class: "unknown".to_owned(), message: String::new() }
}

pub(super) fn add_attempts(connection: &Connection, turn: &mut Turn) -> rusqlite::Result<()> {
    let Some(end) = &mut turn.end else { return Ok(()) };
    let sql = "\
        SELECT stage, number, started_us, ended_us, http_status, error_class, error_message, first_us
        FROM attempts WHERE span_id = ?1 ORDER BY started_us, number";
    let mut statement = connection.prepare(sql)?;
    let attempts = statement.query_map([&turn.span_id], |row| {
        let stage: String = row.get(0)?;
        Ok(Attempt {
            stage: Stage::parse(&stage),
            number: row.get(1)?,
            started_us: row.get(2)?,
            ended_us: row.get(3)?,
            first_us: row.get(7)?,
            http_status: row.get(4)?,
            error: failure(row, 5)?,
        })
    })?;
    end.attempts = attempts.collect::<Result<_, _>>()?;
    Ok(())
}
