//! Rooms that are closed by us, closed by the server, or dropped. No task, socket, thread or memory of them may be
//! left.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::prelude::{AudioFrame, AudioSourceOptions, RtcAudioSource};
use testbed::LivekitServer;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::sdk;

/// Rounds that run at the same time.
const LANES: u32 = 10;
/// Only a leak lasts longer.
const PATIENCE: Duration = Duration::from_secs(90);
/// The memory that all later rounds together may add. One room takes half a mebibyte.
const FLAT_MIB: f64 = 6.0;

/// All rounds, and those before the memory is looked at: they fill pools and caches, which stay filled.
#[derive(Clone, Copy)]
struct Rounds {
    all: u32,
    warm_up: u32,
}

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// `Room::close` is called, after sound went out and came in.
    Leave,
    /// The server deletes the room.
    Deleted,
    /// The future of `Room::connect` is dropped at a random moment. When the connect succeeds first, the room is left
    /// instead: a `Room` that is only dropped stays connected, because the SDK's own tasks hold it.
    ConnectDropped,
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
    /// The time that a connect takes beside others.
    connect: Mutex<Duration>,
    /// Connects that were dropped before they succeeded.
    cut: AtomicU32,
}

// === impl Ending ===

impl Ending {
    const ALL: [Self; 4] = [Self::ConnectDropped, Self::Leave, Self::ConnectDropped, Self::Deleted];
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
    async fn set() -> Self {
        let server = LivekitServer::start().unwrap();
        sdk::install_transport(&server).await;
        Self { server, connect: Mutex::default(), cut: AtomicU32::new(0) }
    }

    async fn rounds(self: &Arc<Self>, rounds: std::ops::Range<u32>) {
        let ending = |round: u32| Ending::ALL[round as usize % Ending::ALL.len()];
        let all = rounds.map(|round| tokio::spawn(self.clone().round(round, ending(round))));
        let mut all = futures::stream::iter(all).buffer_unordered(LANES as usize);
        while let Some(round) = all.next().await {
            round.unwrap();
        }
    }

    async fn round(self: Arc<Self>, round: u32, ending: Ending) {
        let name = format!("hard-{round}");
        let token = sdk::token(&self.server, &name, "somebody");
        let connect = Room::connect(self.server.url(), &token, RoomOptions::default());
        if ending == Ending::ConnectDropped {
            return self.cut(connect).await;
        }
        let start = Instant::now();
        let (room, _events) = connect.await.unwrap();
        *self.connect.lock().unwrap() = start.elapsed();
        let (_track, _stream) = sound(&room).await;
        if ending == Ending::Deleted {
            let stage = self.clone();
            tokio::task::spawn_blocking(move || stage.server.delete_room(&name)).await.unwrap().unwrap();
            wait_until_closed(&room).await;
        } else {
            room.close().await.unwrap();
        }
    }

    /// Drops a connect at a random moment within the time that the last one took.
    async fn cut(&self, connect: impl Future<Output = RoomResult<(Room, UnboundedReceiver<RoomEvent>)>>) {
        let moment = self.connect.lock().unwrap().mul_f64(fastrand::f64());
        match tokio::time::timeout(moment, connect).await {
            Ok(joined) => joined.unwrap().0.close().await.unwrap(),
            Err(_) => _ = self.cut.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// Publishes a track that plays, and listens to it on this side.
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

/// The resources of the process once everything that ends by itself has ended.
async fn settled(before: Has) -> Has {
    let start = Instant::now();
    while !Has::now().is_no_more_than(before) && start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Has::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rooms_half_of_them_cut_leave_nothing_behind() {
    leave_nothing(Rounds { all: 100, warm_up: 60 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "--all: the test above with five times the rooms"]
async fn five_hundred_rooms_half_of_them_cut_leave_nothing_behind() {
    leave_nothing(Rounds { all: 500, warm_up: 300 }).await;
}

async fn leave_nothing(Rounds { all, warm_up }: Rounds) {
    let stage = Arc::new(Stage::set().await);
    stage.clone().round(all, Ending::Leave).await;
    let before = settled(Has { sockets: 64, threads: 64, tasks: 0, mib: 0.0 }).await;
    stage.rounds(0..warm_up).await;
    let warm = settled(before).await;
    stage.rounds(warm_up..all).await;
    let after = settled(before).await;
    let cut = stage.cut.load(Ordering::Relaxed);
    eprintln!("before {before:?}\nafter {warm_up} {warm:?}\nafter {all} {after:?}, {cut} of them cut");
    assert!(cut > all / 3, "only {cut} connects were cut");
    assert!(after.is_no_more_than(before), "{after:?} after {all} rounds, {before:?} before");
    assert!(after.mib - warm.mib < FLAT_MIB, "{after:?} after {all} rounds, {warm:?} after {warm_up}");
}
