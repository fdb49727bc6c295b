//! A track of either kind.

use crate::{audio_track::RtcAudioTrack, enum_dispatch, video_track::RtcVideoTrack};

pub use crate::track_core::RtcTrackState;

/// An audio or a video track.
#[derive(Debug, Clone)]
pub enum MediaStreamTrack {
    Video(RtcVideoTrack),
    Audio(RtcAudioTrack),
}

impl MediaStreamTrack {
    enum_dispatch!(
        [Video, Audio];
        /// The id: chosen by the program for a local track, taken from the SDP for a remote one.
        pub fn id(self: &Self) -> String;
        /// Whether the track carries media.
        pub fn enabled(self: &Self) -> bool;
        /// Enables or disables the track; returns whether that changed anything.
        pub fn set_enabled(self: &Self, enabled: bool) -> bool;
        /// `Ended` once the sender or receiver of the track has stopped for good.
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
