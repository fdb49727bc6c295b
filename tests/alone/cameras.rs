//! Video that another participant publishes: the track is there, yields no frames, and one line in the log says so. The
//! participant's audio is heard as if there were no video.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use livekit::prelude::{RemoteAudioTrack, RemoteTrack, RemoteVideoTrack, Room, RoomEvent, RoomOptions};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::stats::RtcStats;
use livekit::webrtc::video_stream::native::NativeVideoStream;
use testbed::LivekitServer;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::support::sdk;

const PATIENCE: Duration = Duration::from_secs(60);
const ROOM: &str = "cameras";
/// Frames of 10 ms that have to be heard while the video comes in.
const HEARD: usize = 200;

/// A participant of the official Python SDK. Dropping it makes the participant leave.
struct Camera(Child);

/// The lines that were logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

#[tokio::test(flavor = "multi_thread")]
async fn video_is_a_track_that_yields_nothing_and_says_so_once() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).init();
    let livekit = LivekitServer::start().unwrap();
    sdk::install_transport(&livekit).await;
    let token = sdk::token(&livekit, ROOM, "listener");
    let (room, mut events) = Room::connect(livekit.url(), &token, RoomOptions::default()).await.unwrap();
    for identity in ["one", "two"] {
        let _camera = Camera::on(&livekit, identity);
        let (video, audio) = tracks(&mut events).await;
        let mut pictures = NativeVideoStream::new(video.rtc_track());
        let mut sound = NativeAudioStream::new(audio.rtc_track(), 48_000, 1);
        hear(&mut sound).await;
        assert!(packets_of_video(&room).await > 20, "the video did not come in while sound was heard");
        assert!(futures::poll!(pictures.next()).is_pending());
        let stats = video.get_stats().await.unwrap();
        assert!(stats.iter().any(|report| matches!(report, RtcStats::InboundRtp(_))), "{stats:?}");
    }
    room.close().await.unwrap();
    let said = lines.text();
    assert_eq!(said.matches("receiving video is not implemented").count(), 1, "{said}");
}

/// The video and the audio track that the participant publishes.
async fn tracks(events: &mut UnboundedReceiver<RoomEvent>) -> (RemoteVideoTrack, RemoteAudioTrack) {
    let (mut video, mut audio) = (None, None);
    while video.is_none() || audio.is_none() {
        match timeout(PATIENCE, events.recv()).await.expect("both tracks come").unwrap() {
            RoomEvent::TrackSubscribed { track: RemoteTrack::Video(track), .. } => video = Some(track),
            RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), .. } => audio = Some(track),
            _ => {}
        }
    }
    video.zip(audio).unwrap()
}

async fn hear(sound: &mut NativeAudioStream) {
    let mut loud = 0;
    while loud < HEARD {
        let frame = timeout(PATIENCE, sound.next()).await.expect("sound is heard").unwrap();
        loud += usize::from(frame.data.iter().any(|sample| sample.unsigned_abs() > 2000));
    }
}

async fn packets_of_video(room: &Room) -> u64 {
    let stats = room.get_stats().await.unwrap();
    let packets = |report: &RtcStats| match report {
        RtcStats::InboundRtp(stats) if stats.stream.kind == "video" => stats.received.packets_received,
        _ => 0,
    };
    stats.publisher_stats.iter().chain(&stats.subscriber_stats).map(packets).sum()
}

// === impl Camera ===

impl Camera {
    fn on(livekit: &LivekitServer, identity: &str) -> Self {
        let python = testbed::venv::python().expect("the Python environment; `cargo xtask setup` makes it");
        let mut child = Command::new(python)
            .arg(testbed::root().join("tests/python/camera.py"))
            .args([ROOM, identity])
            .envs(livekit.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "published\n");
        Self(child)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

// === impl Lines ===

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
