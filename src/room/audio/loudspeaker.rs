//! The agent's own track.

use std::time::Duration;

use livekit::options::TrackPublishOptions;
use livekit::prelude as lk;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::room::WriteError;

/// Samples a second of what is said.
pub(crate) const RATE: u32 = 24_000;
/// The sound that waits in the SDK: what is paused or cut sounds for so long.
const QUEUE_MS: u32 = 30;
/// How long the server may take to accept the track.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the first sound waits for a participant who has subscribed.
const SUBSCRIBER_PATIENCE: Duration = Duration::from_secs(5);

/// Plays sound into the room: silence, where nothing is played.
pub(crate) struct Loudspeaker {
    participant: lk::LocalParticipant,
    source: NativeAudioSource,
    heard: watch::Receiver<bool>,
}

// === impl Loudspeaker ===

impl Loudspeaker {
    pub(in crate::room) fn new(participant: lk::LocalParticipant, heard: watch::Receiver<bool>) -> Self {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE, 1, QUEUE_MS);
        Self { participant, source, heard }
    }

    /// Publishes the track.
    ///
    /// # Errors
    /// The server refuses it, or does not answer.
    pub(crate) async fn publish(&self) -> Result<(), WriteError> {
        let track =
            lk::LocalAudioTrack::create_audio_track("agent", RtcAudioSource::Native(self.source.clone()));
        let options = TrackPublishOptions { source: lk::TrackSource::Microphone, ..Default::default() };
        let published = self.participant.publish_track(lk::LocalTrack::Audio(track), options);
        match timeout(PUBLISH_TIMEOUT, published).await {
            Ok(published) => published.map(drop).map_err(|error| WriteError::Sdk(error.to_string())),
            Err(_) => Err(WriteError::TooSlow(PUBLISH_TIMEOUT)),
        }
    }

    /// Waits until a participant has subscribed to the track; false when none does.
    pub(crate) async fn wait_for_listener(&mut self) -> bool {
        timeout(SUBSCRIBER_PATIENCE, self.heard.wait_for(|heard| *heard))
            .await
            .is_ok_and(|heard| heard.is_ok())
    }

    /// Plays mono samples at [`RATE`]. Returns once no more than the queue waits, which keeps the pace of the sound.
    ///
    /// # Errors
    /// The track is gone.
    pub(crate) async fn play(&self, samples: Vec<i16>) -> Result<(), WriteError> {
        let samples_per_channel = u32::try_from(samples.len()).unwrap_or_default();
        let frame =
            AudioFrame { data: samples.into(), sample_rate: RATE, num_channels: 1, samples_per_channel };
        self.source.capture_frame(&frame).await.map_err(|error| WriteError::Sdk(error.message))
    }
}
