//! Audio tracks, published and received.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use futures::StreamExt;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use tokio::time::{Duration, Instant, sleep_until};

pub(crate) const FRAME: Duration = Duration::from_millis(10);
/// The capacity of the source, in milliseconds. A frame comes every 10 ms, so the queue is nearly empty unless this
/// process was held up.
const QUEUE_MS: u32 = 100;

/// The samples of a file of 16-bit mono sound.
pub(crate) fn samples(path: &Path) -> Result<Vec<i16>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (pairs, _) = bytes.as_chunks::<2>();
    Ok(pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
}

pub(crate) async fn publish(room: &Room, rate: u32) -> Result<NativeAudioSource> {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), rate, 1, QUEUE_MS);
    let track = LocalAudioTrack::create_audio_track("voice", RtcAudioSource::Native(source.clone()));
    let options = TrackPublishOptions { source: TrackSource::Microphone, ..Default::default() };
    room.local_participant().publish_track(LocalTrack::Audio(track), options).await?;
    Ok(source)
}

/// Feeds `samples` to the source in real time; calls `before` with the position of each frame.
pub(crate) async fn play(
    source: &NativeAudioSource,
    rate: u32,
    samples: &[i16],
    mut before: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let frame = (rate / 100) as usize;
    let mut due = Instant::now();
    for (index, part) in samples.chunks(frame).enumerate() {
        sleep_until(due).await;
        let mut whole = part.to_vec();
        whole.resize(frame, 0);
        before(index * frame)?;
        let frame = AudioFrame {
            data: whole.into(),
            sample_rate: rate,
            num_channels: 1,
            samples_per_channel: rate / 100,
        };
        source.capture_frame(&frame).await?;
        due += FRAME;
    }
    Ok(())
}

/// Passes on the frames of a track until it ends.
pub(crate) async fn listen(
    track: &RemoteAudioTrack,
    rate: u32,
    mut heard: impl FnMut(&[i16]) -> Result<()>,
) -> Result<()> {
    let mut stream = NativeAudioStream::new(track.rtc_track(), rate.try_into()?, 1);
    while let Some(frame) = stream.next().await {
        heard(&frame.data)?;
    }
    Ok(())
}
