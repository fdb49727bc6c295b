//! One participant with a microphone, and the times of what the agent says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use livekit::prelude::*;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{Options, at};
use crate::token::token;
use crate::{audio, clock};

const RATE: u32 = 16_000;
/// A louder sample is sound: 1 % of full scale.
const AUDIBLE: u16 = 328;
/// How long the agent may take to come.
const JOINED: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

pub(super) struct Person {
    room: Room,
    microphone: NativeAudioSource,
    heard: Arc<Mutex<Heard>>,
}

/// The first and the last audible sample of each frame that has one, since 1970.
#[derive(Default)]
struct Heard(Vec<(Duration, Duration)>);

// === impl Person ===

impl Person {
    /// Joins with a microphone; the agent is in the room and listens when this returns.
    pub(super) async fn join(options: &Options) -> Result<Self> {
        let token = token(&options.key, &options.secret, &options.room, "person", Some(&options.agent))?;
        let (room, events) = Room::connect(&options.url, &token, RoomOptions::default()).await?;
        let heard = Arc::<Mutex<Heard>>::default();
        let microphone = audio::publish(&room, RATE).await?;
        let (listens, mut is_listening) = watch::channel(false);
        tokio::spawn(follow(events, heard.clone(), listens));
        timeout(JOINED, is_listening.wait_for(|listens| *listens))
            .await
            .context("the agent did not come; look at the worker's log")??;
        Ok(Self { room, microphone, heard })
    }

    /// Says this in real time. Returns the times of its first and its last audible sample.
    pub(super) async fn say(&self, samples: &[i16]) -> Result<(Duration, Duration)> {
        let is_audible = |sample: &i16| sample.unsigned_abs() > AUDIBLE;
        let first = samples.iter().position(is_audible).context("the question is silent")?;
        let last = samples.iter().rposition(is_audible).unwrap_or(first);
        let frame = RATE as usize / 100;
        let [mut began, mut said] = [Duration::ZERO; 2];
        audio::play(&self.microphone, RATE, samples, |position| {
            for (sample, time) in [(first, &mut began), (last, &mut said)] {
                if (position..position + frame).contains(&sample) {
                    *time = at(sample - position, RATE);
                }
            }
            Ok(())
        })
        .await?;
        Ok((began, said))
    }

    /// The first sound since then. None: there is none within the time.
    pub(super) async fn heard_since(&self, since: Duration, patience: Duration) -> Option<Duration> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some((first, _)) = self.heard().0.iter().find(|(first, _)| *first >= since) {
                return Some(*first);
            }
            if Instant::now() > deadline {
                return None;
            }
            sleep(POLL).await;
        }
    }

    pub(super) fn is_heard_within(&self, time: Duration) -> bool {
        let now = clock::unix();
        self.heard().0.last().is_some_and(|(_, last)| *last + time > now)
    }

    /// The last sound since then that is followed by so much silence.
    pub(super) fn stopped_since(&self, since: Duration, silence: Duration) -> Option<Duration> {
        let heard = self.heard();
        let from = heard.0.partition_point(|(_, last)| *last < since);
        let rest = &heard.0[from.saturating_sub(1)..];
        let pause = rest.windows(2).find(|pair| pair[1].0 > pair[0].1 + silence);
        pause.map_or(rest.last(), |pair| pair.first()).map(|(_, last)| *last)
    }

    pub(super) async fn wait_for_silence(&self, silence: Duration) {
        while self.is_heard_within(silence) {
            sleep(POLL).await;
        }
    }

    pub(super) async fn leave(self) -> Result<()> {
        Ok(self.room.close().await?)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }
}

// === impl Heard ===

impl Heard {
    fn hear(&mut self, samples: &[i16]) {
        let is_audible = |sample: &i16| sample.unsigned_abs() > AUDIBLE;
        let first = samples.iter().position(is_audible);
        if let (Some(first), Some(last)) = (first, samples.iter().rposition(is_audible)) {
            self.0.push((at(first, RATE), at(last, RATE)));
        }
    }
}

/// Hears the agent's track, and tells when it listens.
async fn follow(
    mut events: UnboundedReceiver<RoomEvent>,
    heard: Arc<Mutex<Heard>>,
    listens: watch::Sender<bool>,
) {
    while let Some(event) = events.recv().await {
        let attributes = match event {
            RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), .. } => {
                tokio::spawn(hear(track, heard.clone()));
                continue;
            }
            RoomEvent::ParticipantAttributesChanged { changed_attributes, .. } => changed_attributes,
            RoomEvent::ParticipantConnected(who) => who.attributes(),
            _ => continue,
        };
        if attributes.get("lk.agent.state").is_some_and(|state| state == "listening") {
            listens.send_replace(true);
        }
    }
}

async fn hear(track: RemoteAudioTrack, heard: Arc<Mutex<Heard>>) -> Result<()> {
    audio::listen(&track, RATE, |samples| {
        lock(&heard).hear(samples);
        Ok(())
    })
    .await
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
