//! How far a segment has come: what its writer does and the session asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use livekit::webrtc::outbox::Outbox;

use crate::chat::{Fate, Spoken};

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
    /// All of it is written.
    whole: bool,
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
        (stand.written, stand.whole) = (0, false);
        stand.under_way.clear();
    }

    pub(super) fn wrote_all(&self) {
        self.lock().whole = true;
    }

    /// Lets nothing more be written, and says how far it has come. `lost`: what went into the connection and was not
    /// acknowledged does not count.
    pub(super) fn cut(&self, lost: bool) -> Spoken {
        let mut stand = self.lock();
        let gone = if lost { stand.heard } else { stand.heard.max(stand.written) };
        let heard = *stand.cut.get_or_insert(gone);
        let fate = if stand.whole && !lost { Fate::Whole } else { Fate::Cut };
        Spoken { heard, fate }
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
