//! Many rooms in one process: how fast they are joined, and the memory and processor time of each.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use livekit::prelude::*;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use crate::token::token;
use crate::{audio, clock};

const RATE: u32 = 48_000;
/// Joins that are under way at the same time.
const LANES: usize = 8;
/// A smaller sample is silence, or a codec's rendering of silence.
const AUDIBLE: u16 = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long, env = "LIVEKIT_URL")]
    url: String,
    #[arg(long, env = "LIVEKIT_API_KEY")]
    key: String,
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true)]
    secret: String,
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// What the names of the rooms begin with.
    #[arg(long, default_value = "bench")]
    name: String,
    /// Who we are in each room; two processes need two names.
    #[arg(long, default_value = "client")]
    identity: String,
    /// Have this agent come into each room that is new.
    #[arg(long)]
    agent: Option<String>,
    /// Publish this sound (16-bit mono at 48 kHz), again and again, in each room.
    #[arg(long, value_name = "FILE")]
    say: Option<PathBuf>,
    /// Subscribe to what others publish, and decode it.
    #[arg(long)]
    hear: bool,
    /// Time to settle before it is measured, in seconds.
    #[arg(long, default_value_t = 8)]
    settle: u64,
    /// How long the processor time is measured, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Frames of 10 ms that were sent, that were received, and that were louder than silence.
#[derive(Debug, Default)]
struct Frames {
    said: AtomicU64,
    heard: AtomicU64,
    audible: AtomicU64,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let voice = options.say.as_deref().map(audio::samples).transpose()?.map(Arc::<[i16]>::from);
    let base = resident_kib()?;
    let began = Instant::now();
    let joining = stream::iter(0..options.count).map(|number| join(options, number));
    let joined: Vec<_> = joining.buffer_unordered(LANES).try_collect().await?;
    let all = began.elapsed();

    let frames = Arc::new(Frames::default());
    let mut rooms = Vec::new();
    let mut times = Vec::new();
    for (room, events, time) in joined {
        tokio::spawn(follow(events, frames.clone()));
        if let Some(voice) = &voice {
            let source = audio::publish(&room, RATE).await?;
            tokio::spawn(speak(source, voice.clone(), frames.clone()));
        }
        rooms.push(room);
        times.push(time);
    }
    sleep(Duration::from_secs(options.settle)).await;
    let before = (clock::processor(), Instant::now(), frames.counts());
    sleep(Duration::from_secs(options.seconds)).await;
    let (spent, time) = (clock::processor() - before.0, before.1.elapsed());
    let percent = 100.0 * spent.as_secs_f64() / time.as_secs_f64();
    let counts = frames.counts();
    let rate = |index: usize| (counts[index] - before.2[index]) as f64 / time.as_secs_f64();

    times.sort_unstable();
    let (n, resident) = (options.count as f64, resident_kib()?);
    // One line of `name=value`, which bench/webrtc.sh reads.
    println!(
        "rooms={n} base_mib={:.1} resident_mib={:.1} join_ms={:.0} joins_per_s={:.1} cpu_percent={percent:.2} \
         said_per_s={:.0} heard_per_s={:.0} audible_per_s={:.0}",
        base as f64 / 1024.0,
        resident as f64 / 1024.0,
        times[times.len() / 2].as_secs_f64() * 1e3,
        n / all.as_secs_f64(),
        rate(0),
        rate(1),
        rate(2),
    );
    for room in rooms {
        room.close().await?;
    }
    Ok(())
}

async fn join(options: &Options, number: usize) -> Result<(Room, UnboundedReceiver<RoomEvent>, Duration)> {
    let room = format!("{}-{number}", options.name);
    let token = token(&options.key, &options.secret, &room, &options.identity, options.agent.as_deref())?;
    let mut room_options = RoomOptions::default();
    room_options.auto_subscribe = options.hear;
    let began = Instant::now();
    let (room, events) = Room::connect(&options.url, &token, room_options)
        .await
        .with_context(|| format!("cannot join room {number} at {}", options.url))?;
    Ok((room, events, began.elapsed()))
}

/// Receives every track of a room.
async fn follow(mut events: UnboundedReceiver<RoomEvent>, frames: Arc<Frames>) {
    while let Some(event) = events.recv().await {
        if let RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), .. } = event {
            let frames = frames.clone();
            tokio::spawn(async move { audio::listen(&track, RATE, |samples| frames.heard(samples)).await });
        }
    }
}

async fn speak(source: NativeAudioSource, voice: Arc<[i16]>, frames: Arc<Frames>) -> Result<()> {
    loop {
        audio::play(&source, RATE, &voice, |_| {
            frames.said.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .await?;
    }
}

fn resident_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("this needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

// === impl Frames ===

impl Frames {
    fn heard(&self, samples: &[i16]) -> Result<()> {
        self.heard.fetch_add(1, Ordering::Relaxed);
        if samples.iter().any(|sample| sample.unsigned_abs() > AUDIBLE) {
            self.audible.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn counts(&self) -> [u64; 3] {
        [&self.said, &self.heard, &self.audible].map(|count| count.load(Ordering::Relaxed))
    }
}
