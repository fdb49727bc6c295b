//! Fuzzing: a journal as a crash, a bad disk or another program may leave it.

use super::batch::BatchName;
use super::journal;

/// The sound part of the journal is written the same way again.
pub fn journal(bytes: &[u8]) {
    let (records, sound) = journal::read(bytes);
    assert!(sound <= bytes.len());
    let (again, _) = journal::read(&journal::encoded(&records));
    assert_eq!(again, records, "what was read can be written and read");
    let name = String::from_utf8_lossy(bytes).into_owned();
    assert!(BatchName::parse(&name).is_none_or(|parsed| parsed.to_string() == name));
}
