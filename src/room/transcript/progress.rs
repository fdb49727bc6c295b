//! The progress of a segment: its writer reports it and the session reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conversation::{Fate, SegmentEnd};
use livekit::webrtc::outbox::Outbox;

use super::allowance::Allowance;

/// The progress of one segment. Clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    outbox: Outbox,
    /// None: it is written as it is said.
    allowance: Option<Allowance>,
    stand: Arc<Mutex<Stand>>,
}

/// Positions in bytes of the segment's text.
#[derive(Debug, Default)]
struct Stand {
    /// The bytes that were written in this stay in the room.
    written: usize,
    /// The bytes that the server has surely taken, in this stay or in one before.
    delivered: usize,
    /// The writes that are not acknowledged yet: the mark of the outbox that will acknowledge each, and where it ends.
    under_way: VecDeque<(u64, usize)>,
    /// The position beyond which nothing is to be written.
    cut: Option<usize>,
    /// All of it is written.
    whole: bool,
}

// === impl Progress ===

impl Progress {
    pub(super) fn new(outbox: Outbox, allowance: Option<Allowance>) -> Self {
        Self { outbox, allowance, stand: Arc::default() }
    }

    /// Whether it is spoken as well.
    pub(super) fn is_spoken(&self) -> bool {
        self.allowance.is_some()
    }

    /// The bytes that may be written by now.
    pub(super) fn allowed(&self) -> usize {
        self.allowance.as_ref().map_or(usize::MAX, Allowance::bytes)
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

    /// The bytes that the server has surely taken.
    pub(crate) fn delivered(&self) -> usize {
        self.lock().delivered
    }

    /// The stay in the room is over: nothing of the segment is written in the next one yet.
    pub(super) fn lose(&self) {
        let mut stand = self.lock();
        (stand.written, stand.whole) = (0, false);
        stand.under_way.clear();
    }

    pub(super) fn wrote_all(&self) {
        self.lock().whole = true;
    }

    /// Lets nothing more be written, and returns how far the segment has come: what was heard of it is still written.
    /// With `lost`, bytes that went into the connection and were not acknowledged do not count.
    pub(super) fn cut(&self, lost: bool, heard: Option<usize>) -> SegmentEnd {
        // Text that did not wait for its sound was read.
        let heard =
            heard.filter(|_| !self.allowance.as_ref().is_some_and(Allowance::is_open)).unwrap_or_default();
        let mut stand = self.lock();
        let gone = if lost { stand.delivered } else { stand.delivered.max(stand.written).max(heard) };
        let delivered = *stand.cut.get_or_insert(gone);
        let fate = if stand.whole && !lost { Fate::Whole } else { Fate::Cut };
        SegmentEnd { delivered, fate }
    }

    /// The position at which it was cut.
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
            stand.delivered = stand.delivered.max(bytes);
        }
        stand
    }
}
