//! Rooms that end: by us, by the server, and hard. Nothing may be left of them: no task, socket, thread or memory.
//!
//! One test runs at a time, so that it can count what the process has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::prelude::{AudioFrame, AudioSourceOptions, RtcAudioSource};
use livekit_api::access_token::{AccessToken, VideoGrants};
use testbed::LivekitServer;
use tokio_util::sync::CancellationToken;
use url::Url;
use voiced::config::Credentials;
use voiced::room::{JoinOptions, token};
use voiced::secret::Secret;

/// At the same time.
const LANES: u32 = 10;
/// Only a leak is not over by then.
const PATIENCE: Duration = Duration::from_secs(90);
/// What all further rounds together may add. A room has half a mebibyte.
const FLAT_MIB: f64 = 12.0;

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// By `Room::close`, after sound went out and came in.
    Leave,
    /// The server deletes the room.
    Deleted,
    /// The future of `Room::connect` is dropped at a random moment.
    ConnectDropped,
    /// The room is dropped without a word.
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Has {
    sockets: usize,
    threads: usize,
    tasks: usize,
    mib: f64,
}

struct Stage {
    server: LivekitServer,
    credentials: Credentials,
}

// === impl Ending ===

impl Ending {
    const TOLD: [Self; 2] = [Self::Leave, Self::Deleted];
    /// Half of them are cut.
    const ALL: [Self; 6] =
        [Self::Deleted, Self::ConnectDropped, Self::Dropped, Self::Leave, Self::Leave, Self::Leave];
}

// === impl Has ===

impl Has {
    fn now() -> Self {
        let files = std::fs::read_dir("/proc/self/fd").unwrap();
        let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
        let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Self { sockets, threads, tasks, mib: pages * 4096.0 / f64::from(1 << 20) }
    }

    fn is_no_more_than(self, before: Self) -> bool {
        self.sockets <= before.sockets && self.tasks <= before.tasks && self.threads <= before.threads
    }
}

// === impl Stage ===

impl Stage {
    /// The SDK gets its transport with the first join of ours.
    async fn set() -> Self {
        voiced::tls::install_crypto_provider();
        let server = LivekitServer::start().unwrap();
        let credentials = Credentials {
            url: Url::parse(server.url()).unwrap(),
            key: server.api_key().to_owned(),
            secret: Secret::new(server.api_secret()),
        };
        let token = token::caller(&credentials, "first", "somebody", None).unwrap();
        let options = JoinOptions { url: credentials.url.clone(), token, max_text_bytes: 1000 };
        voiced::room::Room::join(options, &CancellationToken::new()).await.unwrap().leave().await;
        Self { server, credentials }
    }

    /// Of somebody who may speak, which callers of text may not.
    fn token(&self, room: &str) -> String {
        let grants = VideoGrants { room_join: true, room: room.to_owned(), ..VideoGrants::default() };
        AccessToken::with_api_key(self.server.api_key(), self.server.api_secret())
            .with_identity("somebody")
            .with_grants(grants)
            .to_jwt()
            .unwrap()
    }

    async fn rounds(self: &Arc<Self>, rounds: std::ops::Range<u32>, endings: &[Ending]) {
        let ending = |round: u32| endings[round as usize % endings.len()];
        let all = rounds.map(|round| tokio::spawn(self.clone().round(round, ending(round))));
        let mut all = futures::stream::iter(all).buffer_unordered(LANES as usize);
        while let Some(round) = all.next().await {
            round.unwrap();
        }
    }

    async fn round(self: Arc<Self>, round: u32, ending: Ending) {
        let name = format!("hard-{round}");
        let token = self.token(&name);
        let connect = Room::connect(self.credentials.url.as_str(), &token, RoomOptions::default());
        if ending == Ending::ConnectDropped {
            let moment = Duration::from_millis(fastrand::u64(0..400));
            // Whoever was faster than that is dropped with its room.
            drop(tokio::time::timeout(moment, connect).await);
            return;
        }
        let (room, _events) = connect.await.unwrap();
        let (_track, _stream) = sound(&room).await;
        match ending {
            Ending::Leave => room.close().await.unwrap(),
            Ending::Deleted => {
                let stage = self.clone();
                tokio::task::spawn_blocking(move || stage.server.delete_room(&name)).await.unwrap().unwrap();
                wait_until_closed(&room).await;
            }
            Ending::Dropped | Ending::ConnectDropped => {}
        }
    }
}

/// Publishes a track that plays, and listens to it from this side.
async fn sound(room: &Room) -> (LocalAudioTrack, NativeAudioStream) {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), 16_000, 1, 100);
    let track = LocalAudioTrack::create_audio_track("tone", RtcAudioSource::Native(source.clone()));
    let published = LocalTrack::Audio(track.clone());
    room.local_participant().publish_track(published, TrackPublishOptions::default()).await.unwrap();
    let stream = NativeAudioStream::new(track.rtc_track(), 48_000, 1);
    source.capture_frame(&AudioFrame::new(16_000, 1, 800)).await.unwrap();
    (track, stream)
}

async fn wait_until_closed(room: &Room) {
    let start = Instant::now();
    while room.connection_state() != ConnectionState::Disconnected {
        assert!(start.elapsed() < PATIENCE, "the deletion of the room was not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the process has once everything is over that ends by itself.
async fn settled(before: Has) -> Has {
    let start = Instant::now();
    while !Has::now().is_no_more_than(before) && start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Has::now()
}

/// What so many rounds leave, after some that fill pools and caches which stay.
async fn leave_nothing(warm_up: u32, rounds: u32, endings: &[Ending]) {
    let stage = Arc::new(Stage::set().await);
    stage.clone().round(rounds, Ending::Leave).await;
    let before = settled(Has { sockets: 0, threads: 64, tasks: 0, mib: 0.0 }).await;
    stage.rounds(0..warm_up, endings).await;
    let warm = settled(before).await;
    stage.rounds(warm_up..rounds, endings).await;
    let after = settled(before).await;
    eprintln!("before {before:?}\nafter {warm_up} {warm:?}\nafter {rounds} {after:?}");
    assert!(after.is_no_more_than(before), "{after:?} after {rounds} rounds, {before:?} before");
    assert!(after.mib - warm.mib < FLAT_MIB, "{after:?} after {rounds} rounds, {warm:?} after {warm_up}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_we_leave_and_that_the_server_ends_leave_nothing_behind() {
    leave_nothing(40, 120, &Ending::TOLD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it fails: of a room or a connect that is dropped, the SDK's tasks go on, with their sockets"]
async fn five_hundred_hard_ends_leave_nothing_behind() {
    leave_nothing(150, 500, &Ending::ALL).await;
}
