//! The writes of the record: turns as they begin and end, and deletions when their time has come.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use super::{begin, open_for_writing, trouble};
use crate::Names;
use crate::path::{self, Identity};
use crate::trouble::Trouble;
use crate::turn::{Attempt, Speech, Turn};

/// How many turns one transaction deletes, so that turns that wait to be written wait no longer than that takes.
const CHUNK: i64 = 500;
/// No count is larger.
const MOST: i64 = 1 << 40;
/// How many freed pages one step gives back to the disk.
const PAGES: i64 = 1024;

const PUT_SESSION: &str = "\
    INSERT INTO sessions (id, room, agent, started_us, last_us) VALUES (?1, ?2, ?3, ?4, ?4)
    ON CONFLICT (id) DO UPDATE SET
        started_us = min(started_us, excluded.started_us), last_us = max(last_us, excluded.last_us)";

/// An end replaces the turn's row; a beginning that comes late replaces nothing.
const PUT_TURN: &str = "\
    INSERT INTO turns (
        span_id, trace_id, run, session, speaker, turn, status, started_us, question,
        ended_us, ttft_us, e2e_us, input_tokens, output_tokens, cached_tokens, usage_estimated, attempts, model,
        error_class, error_message, answer, finish_reason
    ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
    ON CONFLICT (span_id) DO UPDATE SET
        status = excluded.status, ended_us = excluded.ended_us, ttft_us = excluded.ttft_us, e2e_us = excluded.e2e_us,
        input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
        cached_tokens = excluded.cached_tokens, usage_estimated = excluded.usage_estimated,
        attempts = excluded.attempts, model = excluded.model, error_class = excluded.error_class,
        error_message = excluded.error_message, answer = excluded.answer, finish_reason = excluded.finish_reason
    WHERE excluded.status <> 'open'";

const PUT_SPEECH: &str = "\
    INSERT OR REPLACE INTO speech
        (span_id, last_speech_us, transcription_delay_us, end_of_turn_delay_us, tts_ttfb_us, heard_us, played_us, cut_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const PUT_ATTEMPT: &str = "\
    INSERT OR REPLACE INTO attempts
        (span_id, stage, number, started_us, ended_us, http_status, error_class, error_message, first_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const ABORT: &str = "\
    UPDATE turns SET status = 'aborted', error_class = 'aborted',
        error_message = 'the process that answered this turn was killed or crashed'
    WHERE run = ?1 AND status = 'open'";

const DELETE_BEFORE: &str = "\
    DELETE FROM turns WHERE span_id IN (SELECT span_id FROM turns WHERE started_us < ?1 ORDER BY started_us LIMIT ?2)";

const DELETE_EMPTY_SESSIONS: &str = "\
    DELETE FROM sessions WHERE last_us < coalesce((SELECT min(started_us) FROM turns), ?1)
        AND NOT EXISTS (SELECT 1 FROM turns WHERE session = sessions.id)";

/// The file, open for writing.
pub(crate) struct Database {
    path: PathBuf,
    names: &'static Names,
    /// The writing process, named in each turn's row.
    run: String,
    identity: Option<Identity>,
    connection: Connection,
}

/// The limits of the file's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Turns that began before this are deleted.
    pub(crate) since_us: i64,
    pub(crate) max_bytes: u64,
}

// === impl Database ===

impl Database {
    /// Opens an existing file, which may be empty.
    pub(crate) fn open(path: &Path, names: &'static Names, run: &str) -> Result<Self, Trouble> {
        // The identity is taken first: a file that is exchanged meanwhile is then taken for another, which only costs
        // another opening.
        let identity = path::identity(path);
        let connection = open_for_writing(path, names)?;
        Ok(Self { path: path.to_owned(), names, run: run.to_owned(), identity, connection })
    }

    /// Whether the path still leads to the file that is open: it may have been deleted or moved away.
    pub(crate) fn is_in_place(&self) -> bool {
        self.identity.is_some() && path::identity(&self.path) == self.identity
    }

    /// Writes all of the turns, or none.
    pub(crate) fn write(&mut self, turns: &[Arc<Turn>]) -> Result<(), Trouble> {
        let run = self.run.clone();
        self.transact(|transaction| turns.iter().try_for_each(|turn| put(transaction, &run, turn)))
    }

    /// The processes that have turns under way, as far as the file knows.
    pub(crate) fn runs_with_open_turns(&mut self) -> Result<Vec<String>, Trouble> {
        self.transact(|transaction| {
            let mut runs = transaction.prepare("SELECT DISTINCT run FROM turns WHERE status = 'open'")?;
            runs.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Closes the turns that a process left open; returns their number.
    pub(crate) fn abort_turns_of(&mut self, run: &str) -> Result<usize, Trouble> {
        self.transact(|transaction| transaction.execute(ABORT, [run]))
    }

    /// Deletes a chunk of turns that are too old or too many; true when there is more to do.
    pub(crate) fn prune(&mut self, bounds: Bounds) -> Result<bool, Trouble> {
        self.transact(|transaction| {
            let deleted = transaction.execute(DELETE_BEFORE, params![bounds.since_us, CHUNK])?;
            if deleted as i64 == CHUNK {
                return Ok(true);
            }
            if used_bytes(transaction)? > bounds.max_bytes {
                let deleted = transaction.execute(DELETE_BEFORE, params![i64::MAX, CHUNK])?;
                return Ok(deleted > 0);
            }
            transaction.execute(DELETE_EMPTY_SESSIONS, [bounds.since_us])?;
            Ok(false)
        })
    }

    /// Gives some freed pages back to the disk; true when there are more.
    pub(crate) fn shrink(&mut self) -> Result<bool, Trouble> {
        let shrink = || {
            let freed: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
            let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut pages = vacuum.query([])?;
            // Each row, though it holds no value, is one page.
            while pages.next()?.is_some() {}
            Ok(freed > PAGES)
        };
        shrink().map_err(|error| trouble(&self.path, self.names, error))
    }

    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Trouble> {
        let done = || {
            let transaction = begin(&mut self.connection)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        done().map_err(|error| trouble(&self.path, self.names, error))
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    #[cfg(test)]
    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

fn put(transaction: &Transaction<'_>, run: &str, turn: &Turn) -> rusqlite::Result<()> {
    let session = params![turn.session, turn.room, turn.agent, turn.started_us];
    transaction.prepare_cached(PUT_SESSION)?.execute(session)?;
    let end = turn.end.as_ref();
    let failure = turn.failure();
    let usage = end.map(|end| end.usage).unwrap_or_default();
    let attempts = end.map(|end| end.attempts.as_slice()).unwrap_or_default();
    let row = params![
        turn.span_id,
        turn.trace_id,
        run,
        turn.session,
        turn.speaker,
        number(turn.index),
        turn.status().as_str(),
        turn.started_us,
        turn.question.as_str(),
        end.and_then(|end| end.ended_us),
        end.and_then(|end| end.ttft_us),
        end.and_then(|end| end.e2e_us),
        number(usage.input),
        number(usage.output),
        usage.cached_input.map(number),
        usage.estimated,
        number(attempts.len() as u64),
        end.and_then(|end| end.model.as_deref()),
        failure.map(|failure| &failure.class),
        failure.map(|failure| &failure.message),
        end.and_then(|end| end.answer.as_str()),
        end.and_then(|end| end.finish_reason.as_deref()),
    ];
    transaction.prepare_cached(PUT_TURN)?.execute(row)?;
    if let Some(speech) = end.map(|end| end.speech).filter(|speech| !speech.is_none()) {
        put_speech(transaction, &turn.span_id, speech)?;
    }
    attempts.iter().try_for_each(|attempt| put_attempt(transaction, &turn.span_id, attempt))
}

fn put_speech(transaction: &Transaction<'_>, span_id: &str, speech: Speech) -> rusqlite::Result<()> {
    let values = params![
        span_id,
        speech.last_speech_us,
        speech.transcription_delay_us,
        speech.end_of_turn_delay_us,
        speech.tts_ttfb_us,
        speech.heard_us,
        speech.played_us,
        speech.cut_bytes.map(number),
    ];
    transaction.prepare_cached(PUT_SPEECH)?.execute(values).map(drop)
}

fn put_attempt(transaction: &Transaction<'_>, span_id: &str, attempt: &Attempt) -> rusqlite::Result<()> {
    let error = attempt.error.as_ref();
    let values = params![
        span_id,
        attempt.stage.as_str(),
        attempt.number,
        attempt.started_us,
        attempt.ended_us,
        attempt.http_status,
        error.map(|error| &error.class),
        error.map(|error| &error.message),
        attempt.first_us,
    ];
    transaction.prepare_cached(PUT_ATTEMPT)?.execute(values).map(drop)
}

/// A provider may report any number of tokens, and a sum that overflows is an error to SQLite.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(MOST).min(MOST)
}

/// The size of the content, without the free pages.
fn used_bytes(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let number = |pragma: &str| transaction.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    let bytes = pages.saturating_mul(number("PRAGMA page_size")?);
    Ok(u64::try_from(bytes).unwrap_or_default())
}
