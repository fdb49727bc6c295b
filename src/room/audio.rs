//! Sound in a room: the microphone of the person who is served, and the agent's own track.
//!
//! The first person who joined is heard, and no other; when they leave, the next in the order of joining is. A session
//! that does not hear subscribes to nothing, and one that does not speak publishes nothing.

mod loudspeaker;
mod own_track;

use std::fmt;

use futures::StreamExt;
use livekit::prelude as lk;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions};

pub(crate) use self::loudspeaker::{Loudspeaker, RATE as SPOKEN_RATE};
pub(super) use self::own_track::OwnTrack;
use super::RoomEvent;
use super::people::is_person;

/// Samples a second of what is heard.
pub(crate) const RATE: u32 = 16_000;
/// Frames of 10 ms that wait for their listener. When more come, the SDK drops the oldest.
const FRAMES: usize = 100;

/// The sound of a person.
pub struct Microphone {
    speaker: String,
    track: String,
    stream: NativeAudioStream,
}

/// Who is heard.
#[derive(Default)]
pub(super) struct Ears {
    is_open: bool,
    /// The identity of the person who is heard.
    linked: Option<String>,
}

// === impl Microphone ===

impl Microphone {
    /// The identity of the person.
    pub(crate) fn speaker(&self) -> &str {
        &self.speaker
    }

    /// The SID of the track.
    pub(crate) fn track(&self) -> &str {
        &self.track
    }

    /// The next 10 ms, mono at [`RATE`]; silence where nothing comes. None: the track has ended.
    pub(crate) async fn next(&mut self) -> Option<AudioFrame<'static>> {
        self.stream.next().await
    }

    /// Takes a frame back, whose memory serves a later one.
    pub(crate) fn reuse(&self, frame: AudioFrame<'static>) {
        self.stream.reuse(frame);
    }
}

impl fmt::Debug for Microphone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Microphone({})", self.track)
    }
}

// === impl Ears ===

impl Ears {
    /// Begins to hear.
    pub(super) fn open(&mut self, room: &lk::Room) {
        self.is_open = true;
        self.link(room);
    }

    /// A participant is here, or has published a track.
    pub(super) fn published(&mut self, participant: &lk::RemoteParticipant) {
        if !self.is_open || !is_person(participant) {
            return;
        }
        let identity = participant.identity().to_string();
        if *self.linked.get_or_insert_with(|| identity.clone()) == identity {
            subscribe(participant);
        }
    }

    pub(super) fn left(&mut self, participant: &lk::RemoteParticipant, room: &lk::Room) {
        if self.linked.as_deref() == Some(participant.identity().as_str()) {
            self.linked = None;
            self.link(room);
        }
    }

    /// The microphone that came with a subscription.
    pub(super) fn subscribed(
        &self,
        track: &lk::RemoteAudioTrack,
        publication: &lk::RemoteTrackPublication,
        participant: &lk::RemoteParticipant,
    ) -> Option<RoomEvent> {
        let speaker = participant.identity().to_string();
        if !is_microphone(publication) || self.linked.as_ref() != Some(&speaker) {
            return None;
        }
        let options = NativeAudioStreamOptions { queue_size_frames: Some(FRAMES) };
        let stream = NativeAudioStream::with_options(track.rtc_track(), RATE.cast_signed(), 1, options);
        let track = publication.sid().to_string();
        Some(RoomEvent::Microphone(Box::new(Microphone { speaker, track, stream })))
    }

    /// Chooses the first person who joined and is here.
    fn link(&mut self, room: &lk::Room) {
        let people = room.remote_participants();
        let first =
            people.values().filter(|person| is_person(person)).min_by_key(|person| person.joined_at());
        if let Some(first) = first.filter(|_| self.is_open) {
            self.linked = Some(first.identity().to_string());
            subscribe(first);
        }
    }
}

fn subscribe(participant: &lk::RemoteParticipant) {
    for publication in participant.track_publications().values().filter(|track| is_microphone(track)) {
        publication.set_subscribed(true);
    }
}

fn is_microphone(publication: &lk::RemoteTrackPublication) -> bool {
    publication.kind() == lk::TrackKind::Audio && publication.source() == lk::TrackSource::Microphone
}
