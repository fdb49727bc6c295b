//! An audio track, local or remote.

use std::{fmt, sync::Arc};

use crate::{
    audio::{receiver::Receiver, source::Source},
    track_core::{RtcTrackState, TrackCore},
};

/// A handle to an audio track. Clones are the same track.
#[derive(Clone)]
pub struct RtcAudioTrack {
    core: Arc<TrackCore>,
    sound: Sound,
}

/// The origin of a track's sound.
#[derive(Clone)]
pub(crate) enum Sound {
    /// The program pushes it.
    Source(Arc<Source>),
    /// The peer sends it.
    Remote(Arc<Receiver>),
    /// A microphone, which this crate does not have.
    Device,
}

impl RtcAudioTrack {
    pub(crate) fn local(id: String, source: Arc<Source>) -> Self {
        Self { core: Arc::new(TrackCore::new(id)), sound: Sound::Source(source) }
    }

    pub(crate) fn remote(id: String) -> Self {
        Self { core: Arc::new(TrackCore::new(id)), sound: Sound::Remote(Arc::default()) }
    }

    pub(crate) fn device(id: String) -> Self {
        Self { core: Arc::new(TrackCore::new(id)), sound: Sound::Device }
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

    pub(crate) fn sound(&self) -> &Sound {
        &self.sound
    }

    /// Whether both are handles of one track.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    pub(crate) fn end(&self) {
        self.core.end();
        if let Sound::Remote(receiver) = &self.sound {
            receiver.end();
        }
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
