//! Fuzzing: the note of a session that another process left.

use super::Left;

/// A note that can be read is written the same way again.
pub(crate) fn note(bytes: &[u8]) {
    if let Ok(left) = serde_json::from_slice::<Left>(bytes) {
        let written = serde_json::to_vec(&left).expect("a note can be written");
        assert_eq!(serde_json::from_slice::<Left>(&written).ok(), Some(left));
    }
}
