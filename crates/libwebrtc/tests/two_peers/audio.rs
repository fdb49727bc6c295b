//! Sound from the source of one program to the stream of another.

use std::f64::consts::TAU;

use futures_util::StreamExt;
use libwebrtc::{
    audio_source::native::NativeAudioSource,
    audio_stream::native::NativeAudioStream,
    peer_connection_factory::{PeerConnectionFactory, native::PeerConnectionFactoryExt},
    prelude::*,
    session_description::SdpType,
    stats::RtcStats,
};
use tokio::task::JoinHandle;

use super::support::{Peer, negotiate};

const LOUD: f64 = 12_000.0;

/// A program that plays a tone until it is dropped.
pub(super) struct Tone {
    source: NativeAudioSource,
    task: JoinHandle<()>,
}

impl Tone {
    pub(super) fn new(hertz: f64, rate: u32, channels: u32) -> Self {
        let source = NativeAudioSource::new(AudioSourceOptions::default(), rate, channels, 100);
        let playing = source.clone();
        let task = tokio::spawn(async move {
            let mut at = 0_u32;
            loop {
                let mut frame = AudioFrame::new(rate, channels, rate / 50);
                for sample in frame.data.to_mut().chunks_mut(channels as usize) {
                    let angle = f64::from(at) * hertz * TAU / f64::from(rate);
                    sample.fill((angle.sin() * LOUD) as i16);
                    at = (at + 1) % rate;
                }
                if playing.capture_frame(&frame).await.is_err() {
                    return;
                }
            }
        });
        Self { source, task }
    }

    fn track(&self, id: &str) -> RtcAudioTrack {
        PeerConnectionFactory::default().create_audio_track(id, self.source.clone())
    }
}

impl Drop for Tone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn sending(stream: &str) -> RtpTransceiverInit {
    RtpTransceiverInit {
        direction: RtpTransceiverDirection::SendOnly,
        stream_ids: vec![stream.to_owned()],
        send_encodings: Vec::new(),
    }
}

/// The audio track that the peer receives on its only m-line.
pub(super) fn received(peer: &Peer) -> RtcAudioTrack {
    match peer.pc.receivers()[0].track() {
        Some(MediaStreamTrack::Audio(track)) => track,
        other => panic!("no audio track: {other:?}"),
    }
}

/// Reads until `count` frames in a row fulfil the condition.
pub(super) async fn hear(
    stream: &mut NativeAudioStream,
    what: &str,
    count: usize,
    is_it: impl Fn(&[i16]) -> bool,
) {
    let mut in_a_row = 0;
    let reading = async {
        while in_a_row < count {
            let frame = stream.next().await.expect("the stream goes on");
            in_a_row = if is_it(&frame.data) { in_a_row + 1 } else { 0 };
        }
    };
    let patience = std::time::Duration::from_secs(60);
    assert!(tokio::time::timeout(patience, reading).await.is_ok(), "not heard: {what}");
}

fn rms(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

pub(super) fn is_loud(samples: &[i16]) -> bool {
    (rms(samples) / (LOUD / 2_f64.sqrt()) - 1.0).abs() < 0.2
}

pub(super) fn is_silent(samples: &[i16]) -> bool {
    rms(samples) < 20.0
}

pub(super) async fn listening_pair(tone: &Tone) -> (Peer, Peer, RtpTransceiver) {
    let (a, mut b) = (Peer::new(), Peer::new());
    let transceiver = a.pc.add_transceiver(tone.track("TR_1").into(), sending("PA_1")).unwrap();
    negotiate(&a, &b).await;
    assert_eq!(b.tracks.next().await, "TR_1 in PA_1");
    (a, b, transceiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tone_is_heard_at_every_rate_and_with_every_number_of_channels() {
    for (rate, channels, heard_rate, heard_channels) in
        [(48_000, 1, 48_000, 1), (48_000, 2, 24_000, 2), (16_000, 1, 44_100, 2), (24_000, 2, 16_000, 1)]
    {
        let tone = Tone::new(440.0, rate, channels);
        let (_a, b, _) = listening_pair(&tone).await;
        let mut stream = NativeAudioStream::new(received(&b), heard_rate, heard_channels);
        let frame = stream.next().await.unwrap();
        assert_eq!(frame.sample_rate, heard_rate as u32);
        assert_eq!(frame.num_channels, heard_channels as u32);
        assert_eq!(frame.data.len() as i32, heard_rate / 100 * heard_channels);
        hear(&mut stream, &format!("{rate} x {channels}"), 50, is_loud).await;
    }
}

/// The payload type that a peer prefers stands first in its description (RFC 3264, section 6.1).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redundancy_is_sent_to_a_peer_that_prefers_it_and_to_no_other() {
    let mut sizes = Vec::new();
    for preferred in ["111 63", "63 111"] {
        let (a, mut b) = (Peer::new(), Peer::new());
        let tone = Tone::new(440.0, 48_000, 1);
        let transceiver = a.pc.add_transceiver(tone.track("TR_1").into(), sending("PA_1")).unwrap();
        let offer = a.offer().await;
        assert!(offer.to_string().contains(" 111 63\r\n"), "{offer}");
        let text = b.answer(offer).await.to_string().replace(" 111 63\r\n", &format!(" {preferred}\r\n"));
        let answer = SessionDescription::parse(&text, SdpType::Answer).unwrap();
        a.pc.set_remote_description(answer).await.unwrap();
        assert_eq!(b.tracks.next().await, "TR_1 in PA_1");
        let mut stream = NativeAudioStream::new(received(&b), 48_000, 1);
        hear(&mut stream, preferred, 200, is_loud).await;
        let sent = transceiver.sender().get_stats().await.unwrap();
        let size = |report: &RtcStats| match report {
            RtcStats::OutboundRtp(stats) => Some(stats.sent.bytes_sent / stats.sent.packets_sent),
            _ => None,
        };
        sizes.extend(sent.iter().find_map(size));
    }
    let [plain, redundant] = sizes[..] else { panic!("{sizes:?}") };
    assert!(redundant > plain * 3 / 2, "{sizes:?} bytes a packet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mute_is_silence_and_sound_comes_back() {
    let tone = Tone::new(440.0, 48_000, 1);
    let (_a, b, transceiver) = listening_pair(&tone).await;
    let mut stream = NativeAudioStream::new(received(&b), 16_000, 1);
    hear(&mut stream, "the tone", 20, is_loud).await;
    let track = transceiver.sender().track().unwrap();
    track.set_enabled(false);
    hear(&mut stream, "silence", 20, is_silent).await;
    track.set_enabled(true);
    hear(&mut stream, "the tone again", 20, is_loud).await;
    transceiver.sender().set_track(None).unwrap();
    hear(&mut stream, "silence without a track", 20, is_silent).await;
    transceiver.sender().set_track(Some(tone.track("TR_2").into())).unwrap();
    hear(&mut stream, "another track on the same m-line", 20, is_loud).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_source_feeds_several_connections_and_goes_on_with_a_new_one() {
    let tone = Tone::new(440.0, 48_000, 1);
    let (a, b, _) = listening_pair(&tone).await;
    let (_c, d, _) = listening_pair(&tone).await;
    for peer in [&b, &d] {
        hear(&mut NativeAudioStream::new(received(peer), 48_000, 1), "the tone", 20, is_loud).await;
    }
    a.pc.close();
    let (_e, f, _) = listening_pair(&tone).await;
    for peer in [&d, &f] {
        hear(&mut NativeAudioStream::new(received(peer), 48_000, 1), "the tone", 20, is_loud).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_track_can_be_listened_to() {
    let tone = Tone::new(440.0, 48_000, 1);
    let mut stream = NativeAudioStream::new(tone.track("TR_1"), 16_000, 1);
    hear(&mut stream, "the tone", 20, is_loud).await;
    stream.close();
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_connection() {
    let tone = Tone::new(440.0, 48_000, 1);
    let (_a, b, _) = listening_pair(&tone).await;
    let mut stream = NativeAudioStream::new(received(&b), 48_000, 1);
    hear(&mut stream, "the tone", 5, is_loud).await;
    b.pc.close();
    let reading = async { while stream.next().await.is_some() {} };
    let patience = std::time::Duration::from_secs(60);
    assert!(tokio::time::timeout(patience, reading).await.is_ok(), "the reader waits for ever");
}

#[tokio::test]
async fn streams_that_make_no_sense_end_at_once() {
    let tone = Tone::new(440.0, 48_000, 1);
    for (rate, channels) in [(0, 1), (-1, 1), (48_000, 0), (48_000, -2), (i32::MAX, 1), (48_000, i32::MAX)] {
        let mut stream = NativeAudioStream::new(tone.track("TR_1"), rate, channels);
        assert!(stream.next().await.is_none(), "{rate} x {channels}");
    }
}

/// A source that cannot be encoded is reported in the log; it keeps its pace all the same.
#[tokio::test]
async fn sources_that_make_no_sense_send_nothing_and_do_no_harm() {
    for (rate, channels) in [(150, 1), (1_000_000, 1), (48_000, 64)] {
        let tone = Tone::new(40.0, rate, channels);
        let (mut a, b, _) = listening_pair(&tone).await;
        a.connected().await;
        let mut stream = NativeAudioStream::new(received(&b), 48_000, 1);
        hear(&mut stream, "silence", 20, is_silent).await;
        assert_eq!(a.pc.connection_state(), PeerConnectionState::Connected);
    }
}
