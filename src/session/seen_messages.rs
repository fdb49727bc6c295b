//! Messages already heard, so that the same message counts once whichever way it came, and can be corrected.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// How many messages a session remembers. A repeated one comes within seconds of the first, so a few hundred turns are
/// far more than is needed.
const REMEMBERED: usize = 512;

/// A message of one speaker: a hash of both, as ids can be of any length. Its hasher is the session's own, so a
/// participant cannot make two that are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessageKey(u64);

/// A bounded memory of messages.
#[derive(Default)]
pub(crate) struct SeenMessages {
    hasher: RandomState,
    known: HashSet<MessageKey>,
    order: VecDeque<MessageKey>,
}

// === impl SeenMessages ===

impl SeenMessages {
    /// Frontends choose ids, so two speakers may have the same one.
    pub(crate) fn key(&self, speaker: &str, id: &str) -> MessageKey {
        MessageKey(self.hasher.hash_one((speaker, id)))
    }

    pub(crate) fn knows(&self, key: MessageKey) -> bool {
        self.known.contains(&key)
    }

    /// Remembers `key`; false when it was known already.
    pub(crate) fn insert(&mut self, key: MessageKey) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_for_each_speaker() {
        let mut seen = SeenMessages::default();
        let key = seen.key("ada", "1");
        assert!(!seen.knows(key));
        assert!(seen.insert(key));
        assert!(seen.knows(key));
        assert!(!seen.insert(key));
        assert!(seen.insert(seen.key("ada", "2")));
        assert!(seen.insert(seen.key("bob", "1")));
        assert!(seen.insert(seen.key("ada1", "")), "where one ends and the other begins counts");
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut seen = SeenMessages::default();
        for n in 0..REMEMBERED * 3 {
            let key = seen.key("ada", &format!("{n}{}", "x".repeat(1000)));
            seen.insert(key);
        }
        assert_eq!(seen.known.len(), REMEMBERED);
        assert_eq!(seen.order.len(), REMEMBERED);
    }
}
