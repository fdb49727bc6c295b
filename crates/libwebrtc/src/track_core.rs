//! The parts that both kinds of track share.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a track can still carry media.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtcTrackState {
    Live,
    Ended,
}

/// The state every track has, shared by its handles.
#[derive(Debug)]
pub(crate) struct TrackCore {
    id: String,
    enabled: AtomicBool,
    ended: AtomicBool,
}

impl TrackCore {
    pub(crate) fn new(id: String) -> Self {
        Self { id, enabled: AtomicBool::new(true), ended: AtomicBool::new(false) }
    }

    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    pub(crate) fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn set_enabled(&self, enabled: bool) -> bool {
        self.enabled.swap(enabled, Ordering::Relaxed) != enabled
    }

    pub(crate) fn state(&self) -> RtcTrackState {
        if self.ended.load(Ordering::Relaxed) { RtcTrackState::Ended } else { RtcTrackState::Live }
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
