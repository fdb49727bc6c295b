//! The kinds of participants in a room, and the texts of senders that we have not been told of yet.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use livekit::participant::{ParticipantKind, ParticipantState};
use livekit::prelude::RemoteParticipant;

use super::RoomEvent;
use super::text::{IncomingText, Reading, TextError};
use super::transcript::STATE_ATTRIBUTE;

/// How many texts of strangers wait: data can overtake the news that a participant joined.
const STRANGERS: usize = 64;
/// How many of them may be from one sender.
const OF_STRANGER: usize = 16;
/// How long such a text is kept.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many people a room remembers, those who left included.
const REMEMBERED: usize = 4096;

#[derive(Default)]
pub(super) struct People {
    /// The identities of all people who were here. Their texts may arrive after the news that they are gone.
    met: HashSet<String>,
    strangers: VecDeque<(Instant, Written)>,
    /// The outcomes of texts that waited.
    events: VecDeque<RoomEvent>,
}

/// Something that a participant wrote.
pub(super) enum Written {
    Stream(Box<IncomingText>),
    Packet { sender: String, reading: Reading },
}

// === impl People ===

impl People {
    /// Whether a participant who is not here now was here as a person.
    pub(super) fn has_met(&self, identity: &str) -> bool {
        self.met.contains(identity)
    }

    /// Remembers a participant that has come, and lets through the texts that came from it before.
    pub(super) fn meet(&mut self, participant: &RemoteParticipant) {
        let identity = participant.identity().to_string();
        let known = |(_, written): &(Instant, Written)| written.sender() == identity;
        let (theirs, others): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.strangers).into_iter().partition(known);
        self.strangers = others;
        let from_person = is_person(participant);
        self.events.extend(theirs.into_iter().filter_map(|(_, written)| written.event(from_person)));
        if from_person && self.met.len() < REMEMBERED {
            self.met.insert(identity);
        }
    }

    /// Keeps a text until its sender turns up.
    pub(super) fn keep(&mut self, written: Written) {
        self.give_up();
        let theirs = |(_, other): &&(Instant, Written)| other.sender() == written.sender();
        let of_sender = self.strangers.iter().filter(theirs).count();
        if self.strangers.len() < STRANGERS && of_sender < OF_STRANGER {
            return self.strangers.push_back((Instant::now(), written));
        }
        self.events.push_back(written.refused(TextError::TooManyStrangers));
    }

    /// The outcome of a text that waited for the news of its sender.
    pub(super) fn event(&mut self) -> Option<RoomEvent> {
        self.events.pop_front()
    }

    /// Refuses texts that have waited too long.
    pub(super) fn give_up(&mut self) {
        let patient = |(since, _): &(Instant, Written)| since.elapsed() < PATIENCE;
        let (patient, others): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.strangers).into_iter().partition(patient);
        self.strangers = patient;
        self.events.extend(others.into_iter().map(|(_, written)| written.refused(TextError::Stranger)));
    }
}

// === impl Written ===

impl Written {
    pub(super) fn sender(&self) -> &str {
        match self {
            Self::Stream(text) => text.sender(),
            Self::Packet { sender, .. } => sender,
        }
    }

    /// The event that follows once the sender is known. Packets of senders other than people are ignored.
    pub(super) fn event(self, from_person: bool) -> Option<RoomEvent> {
        match self {
            Self::Stream(mut text) => {
                text.from_person = from_person;
                Some(RoomEvent::Text(text))
            }
            Self::Packet { reading, .. } => from_person.then_some(RoomEvent::Chat(reading)),
        }
    }

    pub(super) fn discard(self) {
        if let Self::Stream(text) = self {
            text.discard();
        }
    }

    fn refused(self, why: TextError) -> RoomEvent {
        let sender = self.sender().to_owned();
        self.discard();
        RoomEvent::Refused { sender, why }
    }
}

/// The news that a participant is here.
pub(super) fn arrived(participant: &RemoteParticipant) -> Option<RoomEvent> {
    if is_agent(participant) {
        return Some(agent(participant));
    }
    let identity = participant.identity().to_string();
    let event = if can_hear(participant) { RoomEvent::PersonJoined } else { RoomEvent::PersonComing };
    is_person(participant).then(|| event(identity))
}

/// A participant misses texts that are written before its connection is up.
pub(super) fn can_hear(participant: &RemoteParticipant) -> bool {
    participant.state() == ParticipantState::Active
}

/// The news that a participant is gone.
pub(super) fn left(participant: &RemoteParticipant) -> Option<RoomEvent> {
    let identity = participant.identity().to_string();
    if is_agent(participant) {
        return Some(RoomEvent::AgentLeft(identity));
    }
    is_person(participant).then_some(RoomEvent::PersonLeft(identity))
}

pub(super) fn agent(participant: &RemoteParticipant) -> RoomEvent {
    RoomEvent::Agent { identity: participant.identity().to_string(), state: agent_state(participant) }
}

pub(super) fn agent_state(participant: &RemoteParticipant) -> String {
    participant.attributes().get(STATE_ATTRIBUTE).cloned().unwrap_or_default()
}

pub(super) fn is_agent(participant: &RemoteParticipant) -> bool {
    participant.kind() == ParticipantKind::Agent
}

/// People join as standard participants, by telephone, or through an ingress, connector or bridge. Agents and
/// recorders are not people.
pub(super) fn is_person(participant: &RemoteParticipant) -> bool {
    !matches!(participant.kind(), ParticipantKind::Agent | ParticipantKind::Egress)
}
