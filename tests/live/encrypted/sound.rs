//! Tones that are played and heard in real time. Encrypted sound that is not decrypted becomes silence or noise.

use std::collections::{HashMap, VecDeque};
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use livekit::options::TrackPublishOptions;
use livekit::prelude::{LocalAudioTrack, LocalTrack, RemoteAudioTrack, Room};
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::prelude::{AudioFrame, AudioSourceOptions, RtcAudioSource};

const RATE: u32 = 48_000;
const FRAME: u32 = RATE / 100;
/// The latest part of the received sound that is analysed: 0.4 s.
const WINDOW: usize = RATE as usize * 2 / 5;
const LOUD: f64 = 8000.0;
/// The least share of a tone in the energy of the received sound for the tone to count as heard.
const CLEAR: f64 = 0.8;
/// The largest mean of the samples that counts as silence. Comfort noise is quieter.
const QUIET: f64 = 100.0;

/// Plays one tone at a time.
pub(crate) struct Voice {
    hertz: Arc<AtomicU32>,
    _track: LocalAudioTrack,
}

/// The latest received sound, by participant.
#[derive(Clone, Default)]
pub(crate) struct Ears(Arc<Mutex<HashMap<String, VecDeque<i16>>>>);

// === impl Voice ===

impl Voice {
    pub(crate) async fn published(room: &Room, hertz: u32) -> Self {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE, 1, 100);
        let track = LocalAudioTrack::create_audio_track("tone", RtcAudioSource::Native(source.clone()));
        let options = TrackPublishOptions::default();
        room.local_participant().publish_track(LocalTrack::Audio(track.clone()), options).await.unwrap();
        let hertz = Arc::new(AtomicU32::new(hertz));
        tokio::spawn(play(source, hertz.clone()));
        Self { hertz, _track: track }
    }

    pub(crate) fn change(&self, hertz: u32) {
        self.hertz.store(hertz, Ordering::Relaxed);
    }
}

/// Plays until the voice is dropped; the source holds this loop to real time.
async fn play(source: NativeAudioSource, hertz: Arc<AtomicU32>) {
    let mut phase = 0.0_f64;
    while Arc::strong_count(&hertz) > 1 {
        let step = TAU * f64::from(hertz.load(Ordering::Relaxed)) / f64::from(RATE);
        let mut frame = AudioFrame::new(RATE, 1, FRAME);
        for sample in frame.data.to_mut() {
            *sample = (LOUD * phase.sin()) as i16;
            phase = (phase + step) % TAU;
        }
        source.capture_frame(&frame).await.unwrap();
    }
}

// === impl Ears ===

impl Ears {
    /// Listens to a track until it ends.
    pub(crate) async fn listen(self, from: String, track: RemoteAudioTrack) {
        let mut stream = NativeAudioStream::new(track.rtc_track(), RATE as i32, 1);
        while let Some(frame) = stream.next().await {
            let mut heard = self.0.lock().unwrap();
            let lately = heard.entry(from.clone()).or_default();
            lately.extend(&*frame.data);
            let old = lately.len().saturating_sub(WINDOW);
            lately.drain(..old);
        }
    }

    pub(crate) fn hears(&self, from: &str, hertz: u32) -> bool {
        self.lately(from).is_some_and(|heard| share(&heard, hertz) > CLEAR)
    }

    /// Whether there is a track from which no sound comes.
    pub(crate) fn hears_silence(&self, from: &str) -> bool {
        self.lately(from).is_some_and(|heard| level(&heard) < QUIET)
    }

    /// The whole window, once it has been received.
    pub(crate) fn lately(&self, from: &str) -> Option<Vec<f64>> {
        let heard = self.0.lock().unwrap();
        let lately = heard.get(from).filter(|lately| lately.len() == WINDOW)?;
        Some(lately.iter().copied().map(f64::from).collect())
    }
}

/// The share of one frequency in the energy of all samples.
fn share(samples: &[f64], hertz: u32) -> f64 {
    let step = TAU * f64::from(hertz) / f64::from(RATE);
    let turned = |(index, sample): (usize, &f64)| {
        let (sine, cosine) = (step * index as f64).sin_cos();
        [sample * sine, sample * cosine]
    };
    let [sine, cosine] = samples
        .iter()
        .enumerate()
        .map(turned)
        .fold([0.0, 0.0], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
    let energy: f64 = samples.iter().map(|sample| sample * sample).sum();
    2.0 * (sine * sine + cosine * cosine) / samples.len() as f64 / energy.max(1.0)
}

/// Root mean square.
fn level(samples: &[f64]) -> f64 {
    (samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64).sqrt()
}

#[test]
fn a_tone_is_told_from_another_and_from_noise() {
    let tone: Vec<_> =
        (0..WINDOW).map(|index| (TAU * 440.0 * index as f64 / f64::from(RATE)).sin()).collect();
    let loud: Vec<_> = tone.iter().map(|sample| LOUD * sample).collect();
    assert!(share(&loud, 440) > 0.99 && share(&loud, 660) < 0.01 && level(&loud) > 5000.0);
    let noise: Vec<_> = (0..WINDOW).map(|_| LOUD * (fastrand::f64() - 0.5)).collect();
    assert!(share(&noise, 440) < 0.1);
}
