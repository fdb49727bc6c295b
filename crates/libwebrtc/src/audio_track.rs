//! An audio track, local or remote.

use std::{fmt, sync::Arc};

use crate::media_stream_track::{RtcTrackState, TrackCore};

/// A handle to an audio track. Clones are the same track.
#[derive(Clone)]
pub struct RtcAudioTrack {
    core: Arc<TrackCore>,
}

impl RtcAudioTrack {
    pub(crate) fn new(id: String) -> Self {
        Self { core: Arc::new(TrackCore::new(id)) }
    }

    /// The id: chosen by whoever made a local track, taken from the SDP for a remote one.
    pub fn id(&self) -> String {
        self.core.id()
    }

    /// Whether the track carries media; a disabled one carries silence or black.
    pub fn enabled(&self) -> bool {
        self.core.enabled()
    }

    /// Enables or disables the track; returns whether that changed anything.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        self.core.set_enabled(enabled)
    }

    /// `Ended` once the sender or receiver of the track has stopped for good.
    pub fn state(&self) -> RtcTrackState {
        self.core.state()
    }

    pub(crate) fn end(&self) {
        self.core.end();
    }
}

impl fmt::Debug for RtcAudioTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtcAudioTrack")
            .field("id", &self.id())
            .field("enabled", &self.enabled())
            .field("state", &self.state())
            .finish()
    }
}
