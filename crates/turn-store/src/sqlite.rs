//! The seam to SQLite: the only file and folder that name `rusqlite`.

mod figures;
mod read;
mod rows;
mod write;

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use statedir::named_file::refuse_irregular;

pub use self::read::Reader;
pub(super) use self::write::{Bounds, Database};
use super::Names;
use super::trouble::{Trouble, TroubleKind};

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// "voic", in the header of the file, which marks the file as ours.
const APPLICATION_ID: i64 = 0x766f_6963;
/// After a checkpoint the log is cut to this size.
const LOG_BYTES: i64 = 16 << 20;

/// The schema, a step for each version. A step that was released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("sqlite/0001_turns.sql"),
    include_str!("sqlite/0002_finish_reason.sql"),
    include_str!("sqlite/0003_speech.sql"),
];

/// The schema that a file declares.
#[derive(Debug, PartialEq, Eq)]
enum Schema {
    Empty,
    /// Ours, with this many migrations done.
    Ours(usize),
    /// Ours, from a later version.
    Newer(i64),
    /// Another program's.
    Foreign,
}

/// Opens the database for writing, as new or with its missing parts added.
fn open_for_writing(path: &Path, names: &Names) -> Result<Connection, Trouble> {
    let trouble = |error| trouble(path, names, error);
    let mut connection = open_to_write(path, names)?;
    let schema = schema(&connection).map_err(trouble)?;
    let done = match schema {
        Schema::Empty => 0,
        Schema::Ours(version) => version,
        Schema::Newer(version) => return Err(newer(path, names, version)),
        Schema::Foreign => return Err(foreign(path, names)),
    };
    configure(&connection, done == 0).map_err(trouble)?;
    migrate(&mut connection, done).map_err(trouble)?;
    Ok(connection)
}

fn open_to_write(path: &Path, names: &Names) -> Result<Connection, Trouble> {
    refuse_irregular(path).map_err(|error| irregular(path, names, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| trouble(path, names, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| trouble(path, names, error))?;
    Ok(connection)
}

/// The number of turns in a file that could be written to. Changes nothing in it.
pub(super) fn probe(path: &Path, names: &Names) -> Result<u64, Trouble> {
    let trouble = |error| trouble(path, names, error);
    let mut connection = open_to_write(path, names)?;
    match schema(&connection).map_err(trouble)? {
        Schema::Empty => return Ok(0),
        Schema::Ours(_) => {}
        Schema::Newer(version) => return Err(newer(path, names, version)),
        Schema::Foreign => return Err(foreign(path, names)),
    }
    // SQLite silently opens a file that may not be written for reading only; taking the lock shows that.
    let transaction = begin(&mut connection).map_err(trouble)?;
    let turns = transaction.query_row("SELECT count(*) FROM turns", [], |row| row.get::<_, i64>(0));
    turns.map(i64::unsigned_abs).map_err(trouble)
}

fn schema(connection: &Connection) -> rusqlite::Result<Schema> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let objects = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(match usize::try_from(version) {
        _ if application != APPLICATION_ID && (objects > 0 || version != 0) => Schema::Foreign,
        Ok(version) if version <= MIGRATIONS.len() && objects > 0 => Schema::Ours(version),
        Ok(0) => Schema::Empty,
        _ => Schema::Newer(version),
    })
}

fn configure(connection: &Connection, is_new: bool) -> rusqlite::Result<()> {
    if is_new {
        // This takes effect before the first table only: pages of deleted turns are then given back to the disk.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // People's words are to be gone from the file once they are deleted.
    connection.pragma_update(None, "secure_delete", true)
}

fn migrate(connection: &mut Connection, done: usize) -> rusqlite::Result<()> {
    for (index, step) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = begin(connection)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A transaction that takes the lock at its start, so that it waits at its beginning and not in its middle.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

// === what went wrong ===

fn trouble(path: &Path, names: &Names, error: rusqlite::Error) -> Trouble {
    let kind = kind(&error);
    let Names { program, start, path: setting, .. } = names;
    let advice = match kind {
        TroubleKind::Busy => {
            "another process has held its lock for seconds; look for one that writes to it".to_owned()
        }
        TroubleKind::Full | TroubleKind::Unavailable => disk_advice(names),
        TroubleKind::Corrupt => format!("`{start}` moves it aside and begins a new one"),
        TroubleKind::NotOurs => format!("choose another {setting}"),
        TroubleKind::Refused => format!("this is a defect of {program}, please report it"),
    };
    Trouble { kind, message: format!("{}: {error}; {advice}", path.display()) }
}

/// The remedy when the disk or the permissions are to blame.
pub(super) fn disk_advice(names: &Names) -> String {
    format!("see to the disk's space and to who may write there, or change {}", names.path)
}

fn kind(error: &rusqlite::Error) -> TroubleKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => TroubleKind::Busy,
        Some(ErrorCode::DiskFull) => TroubleKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => TroubleKind::Corrupt,
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed,
        ) => TroubleKind::Unavailable,
        _ => TroubleKind::Refused,
    }
}

/// SQLite waits for a pipe, and takes a device for a database that is corrupt.
fn irregular(path: &Path, names: &Names, error: &io::Error) -> Trouble {
    let message = format!("{}: {error}; choose another {}", path.display(), names.path);
    Trouble { kind: TroubleKind::Unavailable, message }
}

fn newer(path: &Path, names: &Names, version: i64) -> Trouble {
    let Names { program, path: setting, .. } = names;
    let (path, known) = (path.display(), MIGRATIONS.len());
    let message = format!(
        "{path} was written by a later version of {program} (schema {version}; this one knows {known}), and this one \
         neither reads nor writes it: use that version, or choose another {setting}"
    );
    Trouble { kind: TroubleKind::NotOurs, message }
}

fn foreign(path: &Path, names: &Names) -> Trouble {
    let message = format!(
        "{} is the database of another program, and is left alone: choose another {}",
        path.display(),
        names.path
    );
    Trouble { kind: TroubleKind::NotOurs, message }
}

#[cfg(test)]
mod tests;
