//! The machine's audio device. This crate drives none.

use std::sync::atomic::{AtomicBool, Ordering};

/// Keeps the settings of programs, so that they can be read back.
#[derive(Default)]
pub(crate) struct AudioDevice {
    recording_enabled: AtomicBool,
    playout_enabled: AtomicBool,
}

impl AudioDevice {
    pub(crate) fn set_recording_enabled(&self, enabled: bool) {
        self.recording_enabled.store(enabled, Ordering::Relaxed);
    }

    pub(crate) fn recording_enabled(&self) -> bool {
        self.recording_enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn set_playout_enabled(&self, enabled: bool) {
        self.playout_enabled.store(enabled, Ordering::Relaxed);
    }

    pub(crate) fn playout_enabled(&self) -> bool {
        self.playout_enabled.load(Ordering::Relaxed)
    }
}
