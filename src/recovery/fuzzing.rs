//! Fuzzing: the note of a session that another process left.

use super::ResumableSession;

/// A note that can be read is written the same way again.
pub(crate) fn note(bytes: &[u8]) {
    if let Ok(session) = serde_json::from_slice::<ResumableSession>(bytes) {
        let written = serde_json::to_vec(&session).expect("a note can be written");
        assert_eq!(serde_json::from_slice::<ResumableSession>(&written).ok(), Some(session));
    }
}
