//! Our own track.

use std::time::Duration;

use livekit::options::TrackPublishOptions;
use livekit::prelude as lk;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use tokio::time::timeout;

use super::own_track::OwnTrack;
use crate::room::WriteError;

/// Samples a second of what is said.
pub(crate) const RATE: u32 = 24_000;
/// The sound that waits in the SDK: what is paused or cut sounds for so long.
const QUEUE_MS: u32 = 30;
/// How long the server may take to accept the track.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the first sound waits for a participant who has subscribed.
const SUBSCRIBER_PATIENCE: Duration = Duration::from_secs(5);
/// How long a frame of 10 ms may wait for those before it.
const PLAY_TIMEOUT: Duration = Duration::from_secs(1);

/// Plays sound into the room: silence, where nothing is played.
pub(crate) struct Loudspeaker {
    participant: lk::LocalParticipant,
    source: NativeAudioSource,
    track: lk::LocalAudioTrack,
    own: OwnTrack,
}

// === impl Loudspeaker ===

impl Loudspeaker {
    /// A track of this name.
    pub(in crate::room) fn new(participant: lk::LocalParticipant, name: &str, own: OwnTrack) -> Self {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE, 1, QUEUE_MS);
        let native = RtcAudioSource::Native(source.clone());
        let track = lk::LocalAudioTrack::create_audio_track(name, native);
        Self { participant, source, track, own }
    }

    /// Publishes the track, unless the SDK has done so in a new stay.
    ///
    /// # Errors
    /// The server refuses it, or does not answer.
    pub(crate) async fn publish(&self) -> Result<(), WriteError> {
        if !self.participant.track_publications().contains_key(&self.track.sid()) {
            let options = TrackPublishOptions { source: lk::TrackSource::Microphone, ..Default::default() };
            let track = lk::LocalTrack::Audio(self.track.clone());
            match timeout(PUBLISH_TIMEOUT, self.participant.publish_track(track, options)).await {
                Ok(published) => published.map(drop).map_err(|error| WriteError::Sdk(error.to_string()))?,
                Err(_) => return Err(WriteError::TooSlow(PUBLISH_TIMEOUT)),
            }
        }
        self.own.published(self.track.sid().to_string());
        Ok(())
    }

    /// Waits until a participant has subscribed to the track; false when none does for a while.
    pub(crate) async fn is_heard(&self) -> bool {
        timeout(SUBSCRIBER_PATIENCE, self.heard()).await.is_ok()
    }

    /// Waits until a participant has subscribed to the track.
    pub(crate) async fn heard(&self) {
        self.own.heard().await;
    }

    /// Plays mono samples at [`RATE`]. Returns once no more than the queue waits, which keeps the pace of the sound.
    ///
    /// # Errors
    /// The track is gone, or its clock stands still.
    pub(crate) async fn play(&self, samples: &[i16]) -> Result<(), WriteError> {
        let samples_per_channel = u32::try_from(samples.len()).unwrap_or_default();
        let frame =
            AudioFrame { data: samples.into(), sample_rate: RATE, num_channels: 1, samples_per_channel };
        match timeout(PLAY_TIMEOUT, self.source.capture_frame(&frame)).await {
            Ok(played) => played.map_err(|error| WriteError::Sdk(error.message)),
            Err(_) => Err(WriteError::TooSlow(PLAY_TIMEOUT)),
        }
    }
}
