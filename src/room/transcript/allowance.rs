//! How much of a segment may be written by now: a spoken reply is written as it is heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// What lets a segment be written. When it is dropped, all of the segment may be.
#[derive(Debug)]
pub(crate) struct Grant {
    allowance: Allowance,
    /// Wakes the writer.
    raised: Arc<Notify>,
}

/// The bytes of a segment that may be written. They only grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowance(Arc<AtomicUsize>);

// === impl Grant ===

impl Grant {
    pub(super) fn new(raised: Arc<Notify>) -> (Self, Allowance) {
        let allowance = Allowance::default();
        (Self { allowance: allowance.clone(), raised }, allowance)
    }

    /// Lets the first `bytes` be written.
    pub(crate) fn raise(&self, bytes: usize) {
        if self.allowance.0.fetch_max(bytes, Ordering::Relaxed) < bytes {
            self.raised.notify_one();
        }
    }

    /// Lets all be written, also what is said later.
    pub(crate) fn open(&self) {
        self.raise(usize::MAX);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.open();
    }
}

// === impl Allowance ===

impl Allowance {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn is_open(&self) -> bool {
        self.bytes() == usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn what_may_be_written_only_grows_and_wakes_the_writer() {
        let raised = Arc::<Notify>::default();
        let (grant, allowance) = Grant::new(raised.clone());
        let is_woken = || raised.notified().now_or_never().is_some();
        assert!(allowance.bytes() == 0 && !is_woken());
        grant.raise(7);
        assert!(allowance.bytes() == 7 && is_woken());
        grant.raise(5);
        assert!(allowance.bytes() == 7 && !is_woken());
    }

    #[test]
    fn a_voice_that_breaks_down_lets_all_be_written() {
        let raised = Arc::<Notify>::default();
        let (grant, allowance) = Grant::new(raised.clone());
        assert!(!allowance.is_open());
        drop(grant);
        assert!(allowance.is_open() && raised.notified().now_or_never().is_some());
    }
}
