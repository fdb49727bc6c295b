//! A video track, local or remote.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

use crate::{
    native::packet_trailer::handler::PacketTrailerHandler,
    track_core::{RtcTrackState, TrackCore},
};

/// A handle to a video track. Clones are the same track.
///
/// Video tracks negotiate; no picture is sent or received.
#[derive(Clone)]
pub struct RtcVideoTrack {
    core: Arc<TrackCore>,
    packet_trailer_handler: Arc<Mutex<Option<PacketTrailerHandler>>>,
}

impl RtcVideoTrack {
    pub(crate) fn new(id: String) -> Self {
        Self { core: Arc::new(TrackCore::new(id)), packet_trailer_handler: Arc::default() }
    }

    /// The id: chosen by the program for a local track, taken from the SDP for a remote one.
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

    /// Sets the handler in which the track's video streams look up frame metadata.
    pub fn set_packet_trailer_handler(&self, handler: PacketTrailerHandler) {
        *self.packet_trailer_handler.lock() = Some(handler);
    }

    /// The handler last set.
    pub fn packet_trailer_handler(&self) -> Option<PacketTrailerHandler> {
        self.packet_trailer_handler.lock().clone()
    }
}

impl fmt::Debug for RtcVideoTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtcVideoTrack")
            .field("id", &self.id())
            .field("enabled", &self.enabled())
            .field("state", &self.state())
            .finish()
    }
}
