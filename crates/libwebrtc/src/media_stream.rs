//! A named group of tracks of one sender.

use std::fmt;

use crate::{audio_track::RtcAudioTrack, media_stream_track::MediaStreamTrack, video_track::RtcVideoTrack};

/// The tracks a remote sent under one stream id (`a=msid`, RFC 8830).
#[derive(Clone)]
pub struct MediaStream {
    id: String,
    tracks: Vec<MediaStreamTrack>,
}

impl MediaStream {
    pub(crate) fn new(id: String, tracks: Vec<MediaStreamTrack>) -> Self {
        Self { id, tracks }
    }

    /// The stream id of the SDP. LiveKit puts the participant in it.
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// The audio tracks that came with this stream.
    pub fn audio_tracks(&self) -> Vec<RtcAudioTrack> {
        let audio = |track: &MediaStreamTrack| match track {
            MediaStreamTrack::Audio(track) => Some(track.clone()),
            MediaStreamTrack::Video(_) => None,
        };
        self.tracks.iter().filter_map(audio).collect()
    }

    /// The video tracks that came with this stream.
    pub fn video_tracks(&self) -> Vec<RtcVideoTrack> {
        let video = |track: &MediaStreamTrack| match track {
            MediaStreamTrack::Video(track) => Some(track.clone()),
            MediaStreamTrack::Audio(_) => None,
        };
        self.tracks.iter().filter_map(video).collect()
    }
}

impl fmt::Debug for MediaStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaStream")
            .field("id", &self.id)
            .field("audio_tracks", &self.audio_tracks())
            .field("video_tracks", &self.video_tracks())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_sorted_by_kind() {
        let audio = RtcAudioTrack::remote("a".to_owned());
        let video = RtcVideoTrack::new("v".to_owned());
        let stream = MediaStream::new("PA_1|s".to_owned(), vec![video.into(), audio.into()]);
        assert_eq!(stream.id(), "PA_1|s");
        assert_eq!(stream.audio_tracks().len(), 1);
        assert_eq!(stream.audio_tracks()[0].id(), "a");
        assert_eq!(stream.video_tracks().len(), 1);
        assert_eq!(stream.video_tracks()[0].id(), "v");
    }
}
