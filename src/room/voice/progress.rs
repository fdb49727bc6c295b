//! How far a segment has come: what its writer does and the session asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use livekit::webrtc::outbox::Outbox;

/// Of one segment. Clones are the same.
#[derive(Clone, Debug)]
pub struct Progress {
    outbox: Outbox,
    stand: Arc<Mutex<Stand>>,
}

/// In bytes of the segment's text.
#[derive(Debug, Default)]
struct Stand {
    /// What this stay in the room has got of it.
    written: usize,
    /// What the server has surely taken, in this stay or in one before.
    heard: usize,
    /// What is written and not acknowledged yet, and by which mark of the outbox it will be.
    under_way: VecDeque<(u64, usize)>,
    /// Nothing is to be written beyond here.
    cut: Option<usize>,
}

// === impl Progress ===

impl Progress {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self { outbox, stand: Arc::default() }
    }

    pub(super) fn wrote(&self, bytes: usize) {
        let mut stand = self.lock();
        stand.written += bytes;
        let entry = (self.outbox.mark(), stand.written);
        stand.under_way.push_back(entry);
    }

    pub(super) fn written(&self) -> usize {
        self.lock().written
    }

    /// What the server has surely taken.
    pub(crate) fn heard(&self) -> usize {
        self.lock().heard
    }

    /// The stay in the room is over: the next one has got nothing of it yet.
    pub(super) fn lose(&self) {
        let mut stand = self.lock();
        stand.written = 0;
        stand.under_way.clear();
    }

    /// Lets nothing more be written, and says how far it has come. `surely`: what went into a connection that is lost does
    /// not count.
    pub(crate) fn cut(&self, surely: bool) -> usize {
        let mut stand = self.lock();
        let gone = if surely { stand.heard } else { stand.heard.max(stand.written) };
        *stand.cut.get_or_insert(gone)
    }

    /// Where it was cut.
    pub(super) fn is_cut_at(&self) -> Option<usize> {
        self.lock().cut
    }

    /// Up to date with what was acknowledged, so that no more is kept than is under way.
    fn lock(&self) -> MutexGuard<'_, Stand> {
        let mut stand = self.stand.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&(mark, bytes)) = stand.under_way.front()
            && self.outbox.has_passed(mark)
        {
            stand.under_way.pop_front();
            stand.heard = stand.heard.max(bytes);
        }
        stand
    }
}
