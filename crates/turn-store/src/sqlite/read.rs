//! The queries of the record: sessions with their figures, and the turns of one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, named_params, params};
use statedir::named_file::refuse_irregular;

use super::figures::figures;
use super::{BUSY_TIMEOUT, MIGRATIONS, Schema, foreign, newer, rows, schema, trouble};
use crate::find::{Direction, Filter, Found, FoundTurns, Place, ReadError, Session, Turns};
use crate::{Names, Settings};

/// The sessions that a filter selects; its parameters are bound by name.
const MEANT: &str = "\
    (:since IS NULL OR s.last_us >= :since) AND (:until IS NULL OR s.started_us < :until)
    AND (:room IS NULL OR s.room GLOB :room)
    AND (:status IS NULL OR EXISTS (SELECT 1 FROM turns f WHERE f.session = s.id AND f.status = :status))";

/// The number of SQLite's steps after which the time is looked at: some hundred microseconds.
const STEPS: i32 = 10_000;

/// Reads the record beside the worker that writes it. Cheap to clone; each question opens the file anew, read-only.
#[derive(Clone, Debug)]
pub struct Reader {
    path: PathBuf,
    names: &'static Names,
    limit: Option<Duration>,
}

// === impl Reader ===

impl Reader {
    /// The reader of what these settings keep.
    pub fn of(settings: &Settings) -> Result<Self, ReadError> {
        let path = settings.path.as_deref().ok_or(ReadError::Off(settings.names))?;
        Ok(Self::new(path, settings.names))
    }

    pub(crate) fn new(path: &Path, names: &'static Names) -> Self {
        Self { path: path.to_owned(), names, limit: None }
    }

    /// Gives up on a question that takes longer: repeated questions must not take all of a processor's time.
    pub fn within(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The sessions behind `after`, the newest first, and the totals of all that the filter selects.
    pub fn sessions(&self, filter: &Filter, after: Option<&Place>, limit: usize) -> Result<Found, ReadError> {
        self.ask(|connection| {
            let (sessions, next) = page(connection, filter, after, limit)?;
            let room = filter.room.as_deref().map(glob);
            let meant = named_params! {
                ":since": filter.window.since_us,
                ":until": filter.window.until_us,
                ":room": room,
                ":status": filter.status.map(|status| status.as_str()),
            };
            let count = format!("SELECT count(*) FROM sessions s WHERE {MEANT}");
            let count: i64 = connection.query_row(&count, meant, |row| row.get(0))?;
            let source = format!("FROM sessions s JOIN turns t ON t.session = s.id WHERE {MEANT}");
            let totals = figures(connection, &source, meant)?;
            Ok(Found { sessions, next, count: count.unsigned_abs(), totals })
        })
    }

    /// The session of this id, or of the only id that begins with it.
    pub fn session(&self, id: &str) -> Result<Session, ReadError> {
        // Both are read in one question, because the session may be deleted between two.
        let (ids, session) = self.ask(|connection| {
            let ids = ids_like(connection, id)?;
            let only = ids.first().filter(|first| ids.len() == 1 || *first == id);
            let session = only.map(|id| session(connection, id)).transpose()?;
            Ok((ids, session))
        })?;
        session.ok_or_else(|| match ids.as_slice() {
            [] => ReadError::UnknownSession { id: id.to_owned(), names: self.names },
            several => ReadError::Ambiguous(id.to_owned(), several.join(", ")),
        })
    }

    /// Turns of the session with exactly this id.
    pub fn turns(&self, session: &str, wanted: &Turns) -> Result<FoundTurns, ReadError> {
        self.ask(|connection| turns(connection, session, wanted))
    }

    /// Answers all queries of one question from one state of the file.
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let refused = |error| self.refused(error);
        if matches!(self.path.try_exists(), Ok(false)) {
            return Err(ReadError::Missing(self.path.clone(), self.names));
        }
        let irregular = |error| ReadError::Unusable(super::irregular(&self.path, self.names, &error).message);
        refuse_irregular(&self.path).map_err(irregular)?;
        let connection = self.open().map_err(refused)?;
        let snapshot = connection.unchecked_transaction().map_err(refused)?;
        match schema(&snapshot).map_err(refused)? {
            Schema::Ours(version) if version == MIGRATIONS.len() => {}
            Schema::Empty => return Err(ReadError::Missing(self.path.clone(), self.names)),
            Schema::Ours(_) => return Err(ReadError::Unusable(self.older())),
            Schema::Newer(version) => {
                return Err(ReadError::Unusable(newer(&self.path, self.names, version).message));
            }
            Schema::Foreign => return Err(ReadError::Unusable(foreign(&self.path, self.names).message)),
        }
        question(&snapshot).map_err(refused)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        if let Some(limit) = self.limit {
            let deadline = Instant::now() + limit;
            connection.progress_handler(STEPS, Some(move || Instant::now() >= deadline))?;
        }
        Ok(connection)
    }

    fn refused(&self, error: rusqlite::Error) -> ReadError {
        match (error.sqlite_error_code(), self.limit) {
            (Some(ErrorCode::OperationInterrupted), Some(limit)) => ReadError::TooSlow(limit),
            _ => ReadError::Unusable(self.explain(error)),
        }
    }

    fn explain(&self, error: rusqlite::Error) -> String {
        match std::fs::File::open(&self.path) {
            Err(why) if why.kind() == std::io::ErrorKind::PermissionDenied => {
                let (path, start) = (self.path.display(), self.names.start);
                format!("{path}: {why}; run this as the user that runs `{start}`")
            }
            _ => trouble(&self.path, self.names, error).message,
        }
    }

    fn older(&self) -> String {
        let (path, Names { program, start, .. }) = (self.path.display(), self.names);
        format!("{path} was written by an earlier version of {program}; `{start}` brings it up to date")
    }
}

// === sessions ===

fn page(
    connection: &Connection,
    filter: &Filter,
    after: Option<&Place>,
    limit: usize,
) -> rusqlite::Result<(Vec<Session>, Option<Place>)> {
    let sql = format!(
        "SELECT s.id FROM sessions s WHERE {MEANT}
            AND (:after_us IS NULL OR (s.started_us, s.id) < (:after_us, :after_id))
        ORDER BY s.started_us DESC, s.id DESC LIMIT :limit"
    );
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map(
        named_params! {
            ":since": filter.window.since_us,
            ":until": filter.window.until_us,
            ":room": filter.room.as_deref().map(glob),
            ":status": filter.status.map(|status| status.as_str()),
            ":after_us": after.map(|place| place.started_us),
            ":after_id": after.map(|place| &place.id),
            ":limit": rows_of(limit),
        },
        |row| row.get(0),
    )?;
    let mut ids: Vec<String> = found.collect::<Result<_, _>>()?;
    let more = ids.len() > limit;
    ids.truncate(limit);
    let sessions: Vec<Session> = ids.iter().map(|id| session(connection, id)).collect::<Result<_, _>>()?;
    let last = sessions.last().filter(|_| more);
    let next = last.map(|last| Place { started_us: last.started_us, id: last.id.clone() });
    Ok((sessions, next))
}

fn session(connection: &Connection, id: &str) -> rusqlite::Result<Session> {
    let figures = figures(connection, "FROM turns t WHERE t.session = ?1", [id])?;
    let sql = "\
        SELECT id, room, agent, started_us,
            max(last_us, coalesce((SELECT max(ended_us) FROM turns WHERE session = ?1), 0))
        FROM sessions WHERE id = ?1";
    connection.query_row(sql, [id], |row| {
        Ok(Session {
            id: row.get(0)?,
            room: row.get(1)?,
            agent: row.get(2)?,
            started_us: row.get(3)?,
            ended_us: row.get(4)?,
            figures,
        })
    })
}

/// The first few ids that begin with it; an id that equals it comes first.
fn ids_like(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<String>> {
    // The greatest character there is ends the part of the index that is searched.
    let sql = "\
        SELECT id FROM sessions WHERE id BETWEEN ?1 AND ?1 || char(1114111) AND substr(id, 1, length(?1)) = ?1
        ORDER BY id LIMIT 5";
    connection.prepare(sql)?.query_map([prefix], |row| row.get(0))?.collect()
}

/// The pattern of SQLite for a name in which only `*` is special.
fn glob(name: &str) -> String {
    name.chars().fold(String::new(), |mut pattern, letter| {
        match letter {
            '?' | '[' => pattern.extend(['[', letter, ']']),
            letter => pattern.push(letter),
        }
        pattern
    })
}

/// One more than is wanted, which shows whether there are more.
fn rows_of(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

// === turns ===

fn turns(connection: &Connection, session: &str, wanted: &Turns) -> rusqlite::Result<FoundTurns> {
    let (place, comparison, order) = match &wanted.direction {
        Direction::After(place) => (place, ">", "ASC"),
        Direction::Before(place) => (place, "<", "DESC"),
    };
    let sql = format!(
        "SELECT {columns} FROM turns t JOIN sessions s ON s.id = t.session LEFT JOIN speech v ON v.span_id = t.span_id
        WHERE t.session = ?1 AND (?2 IS NULL OR (t.started_us, t.span_id) {comparison} (?2, ?3))
        ORDER BY t.started_us {order}, t.span_id {order} LIMIT ?4",
        columns = rows::TURN
    );
    let mut statement = connection.prepare(&sql)?;
    let us = place.as_ref().map(|place| place.started_us);
    let id = place.as_ref().map(|place| &place.id);
    let found = statement
        .query_map(params![session, us, id, rows_of(wanted.limit), rows_of(wanted.max_text)], |row| {
            rows::turn(row, wanted.max_text)
        })?;
    let (mut turns, mut bytes, mut more) = (Vec::new(), 0, false);
    for turn in found {
        let turn = turn?;
        bytes += turn.text_bytes();
        more = turns.len() >= wanted.limit || (bytes > wanted.max_bytes && !turns.is_empty());
        if more {
            break;
        }
        turns.push(turn);
    }
    if matches!(wanted.direction, Direction::Before(_)) {
        turns.reverse();
    }
    for turn in &mut turns {
        rows::add_attempts(connection, turn)?;
    }
    Ok(FoundTurns { turns, more })
}
