//! Sound in a room: the microphone of the participant who is heard, and our own track.
//!
//! An agent hears the first person who joined, and no other; when they leave, the next in the order of joining. A caller
//! hears an agent in the same way. A session that does not hear subscribes to nothing, and one that does not speak
//! publishes nothing.

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
use super::people::{is_agent, is_person};

/// Samples a second of a person who is heard.
pub(crate) const RATE: u32 = 16_000;
/// Frames of 10 ms that wait for their listener. When more come, the SDK drops the oldest.
const FRAMES: usize = 100;

/// The sound of a participant.
pub struct Microphone {
    speaker: String,
    track: String,
    stream: NativeAudioStream,
}

/// The kind of participant that is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Person,
    Agent,
}

/// Who is heard.
#[derive(Default)]
pub(super) struct Ears {
    /// None: no participant.
    whom: Option<Whom>,
    /// The identity of the one who is heard.
    linked: Option<String>,
}

// === impl Microphone ===

impl Microphone {
    /// The identity of the participant.
    pub(crate) fn speaker(&self) -> &str {
        &self.speaker
    }

    /// The SID of the track.
    pub(crate) fn track(&self) -> &str {
        &self.track
    }

    /// The next 10 ms, mono at [`RATE`], or [`SPOKEN_RATE`] of an agent; silence where nothing comes. None: the track has ended.
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
    pub(super) fn open_to(&mut self, room: &lk::Room, whom: Whom) {
        self.whom = Some(whom);
        self.link(room);
    }

    /// A participant is here, or has published a track.
    pub(super) fn published(&mut self, participant: &lk::RemoteParticipant) {
        if !self.is_meant(participant) {
            return;
        }
        let identity = participant.identity().to_string();
        if *self.linked.get_or_insert_with(|| identity.clone()) == identity {
            subscribe(participant);
        }
    }

    /// We are in the room anew. What was asked for while the connection was being restored may not have reached the
    /// server.
    pub(super) fn rejoined(&mut self, room: &lk::Room) {
        self.linked = None;
        if self.whom.is_some() {
            self.link(room);
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
        let rate = if self.whom == Some(Whom::Agent) { SPOKEN_RATE } else { RATE };
        let stream = NativeAudioStream::with_options(track.rtc_track(), rate.cast_signed(), 1, options);
        let track = publication.sid().to_string();
        Some(RoomEvent::Microphone(Box::new(Microphone { speaker, track, stream })))
    }

    fn is_meant(&self, participant: &lk::RemoteParticipant) -> bool {
        match self.whom {
            Some(Whom::Person) => is_person(participant),
            Some(Whom::Agent) => is_agent(participant),
            None => false,
        }
    }

    /// Chooses the first who joined and is here.
    fn link(&mut self, room: &lk::Room) {
        let here = room.remote_participants();
        let first = here.values().filter(|who| self.is_meant(who)).min_by_key(|who| who.joined_at());
        if let Some(first) = first {
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
