//! Segments already heard, so that one and the same segment counts once whichever way it came.

use std::collections::{HashSet, VecDeque};

/// How many segment ids a session remembers. A repeated segment comes within seconds of the first, so a few hundred
/// turns back is far more than is needed.
const REMEMBERED: usize = 512;

/// A bounded memory of segment ids.
#[derive(Default)]
pub(crate) struct HeardSegments {
    known: HashSet<String>,
    order: VecDeque<String>,
}

// === impl HeardSegments ===

impl HeardSegments {
    /// Remembers `id`; false when it was known already.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        if !self.known.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
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
    fn a_segment_is_new_once() {
        let mut heard = HeardSegments::default();
        assert!(heard.insert("SG_1"));
        assert!(!heard.insert("SG_1"));
        assert!(heard.insert("SG_2"));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut heard = HeardSegments::default();
        for n in 0..REMEMBERED * 3 {
            heard.insert(&n.to_string());
        }
        assert_eq!(heard.known.len(), REMEMBERED);
        assert_eq!(heard.order.len(), REMEMBERED);
    }
}
