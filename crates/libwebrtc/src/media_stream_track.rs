//! A track of either kind, and the parts that both kinds share.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{audio_track::RtcAudioTrack, enum_dispatch, video_track::RtcVideoTrack};

/// Whether a track can still carry media.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtcTrackState {
    Live,
    Ended,
}

/// An audio or a video track.
#[derive(Debug, Clone)]
pub enum MediaStreamTrack {
    Video(RtcVideoTrack),
    Audio(RtcAudioTrack),
}

/// The state every track has, shared by its handles.
#[derive(Debug)]
pub(crate) struct TrackCore {
    id: String,
    enabled: AtomicBool,
    ended: AtomicBool,
}

impl MediaStreamTrack {
    enum_dispatch!(
        [Video, Audio];
        pub fn id(self: &Self) -> String;
        pub fn enabled(self: &Self) -> bool;
        pub fn set_enabled(self: &Self, enabled: bool) -> bool;
        pub fn state(self: &Self) -> RtcTrackState;
        pub(crate) fn end(self: &Self) -> ();
    );
}

impl From<RtcAudioTrack> for MediaStreamTrack {
    fn from(track: RtcAudioTrack) -> Self {
        Self::Audio(track)
    }
}

impl From<RtcVideoTrack> for MediaStreamTrack {
    fn from(track: RtcVideoTrack) -> Self {
        Self::Video(track)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tracks() -> [MediaStreamTrack; 2] {
        [RtcAudioTrack::remote("TR_a".to_owned()).into(), RtcVideoTrack::new("TR_v".to_owned()).into()]
    }

    #[test]
    fn a_new_track_is_live_and_enabled() {
        for track in tracks() {
            assert!(track.id().starts_with("TR_"));
            assert!(track.enabled());
            assert_eq!(track.state(), RtcTrackState::Live);
        }
    }

    #[test]
    fn enabling_tells_whether_it_changed_anything() {
        for track in tracks() {
            let other = track.clone();
            assert!(!track.set_enabled(true));
            assert!(track.set_enabled(false));
            assert!(!other.set_enabled(false));
            assert!(!other.enabled());
        }
    }

    #[test]
    fn the_end_of_a_track_is_seen_by_all_its_handles() {
        for track in tracks() {
            let other = track.clone();
            track.end();
            assert_eq!(other.state(), RtcTrackState::Ended);
        }
    }
}
