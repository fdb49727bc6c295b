//! The texts of participants: their senders and their destinations.

use livekit::prelude as lk;

use super::envelope::{Destinations, Letter};
use super::people::{Written, is_person};
use super::{Room, RoomEvent, Segment, Unread, packet};

/// How many people a text may be sent to, and how many bytes their identities may have, for all of them to get the
/// answer: it is addressed to them in one packet. Beyond these limits only the first of them get it.
const AMONG: usize = 64;
const AMONG_BYTES: usize = 8_000;

// === impl Room ===

impl Room {
    /// A text waits whose sender we have not been told of yet.
    pub(super) fn written(&mut self, written: Written) -> Option<RoomEvent> {
        if written.sender().is_empty() {
            written.discard();
            return Some(RoomEvent::Unread(Unread::NoSender));
        }
        match self.kind_of(written.sender()) {
            Some(from_person) => written.event(from_person),
            None => {
                self.people.keep(written);
                None
            }
        }
    }

    pub(super) fn letter(&mut self, letter: Letter) -> Option<RoomEvent> {
        let (sender, among) = (letter.sender.clone(), self.among(letter.to.clone()));
        let reading = packet::read(letter, among, self.max_text_bytes)?;
        self.written(Written::Packet { sender, reading })
    }

    pub(super) fn data(&self, topic: String, sender: Option<lk::RemoteParticipant>) -> Option<RoomEvent> {
        let from_agent = sender.is_some_and(|sender| !is_person(&sender));
        if from_agent { None } else { Unread::topic(&topic).map(RoomEvent::Unread) }
    }

    /// The others among whom something was said that was sent to `to`; None when that is the whole room.
    pub(super) fn among(&self, to: Destinations) -> Option<Vec<String>> {
        if to.is_to_the_room() {
            return None;
        }
        let here = self.inner.remote_participants();
        let named = here.values().filter(|who| to.sids.iter().any(|sid| *sid == who.sid().to_string()));
        let named = named.map(|who| who.identity().to_string());
        let others = to.identities.iter().cloned().chain(named).filter(|who| *who != self.place.identity);
        let mut bytes_left = AMONG_BYTES;
        let fits = |who: &String| {
            let left = bytes_left.checked_sub(who.len());
            bytes_left = left.unwrap_or_default();
            left.is_some()
        };
        Some(others.take(AMONG).take_while(fits).collect())
    }

    pub(super) fn transcript(
        &self,
        speaker: String,
        segments: Vec<lk::TranscriptionSegment>,
    ) -> Option<RoomEvent> {
        let fits = |segment: &lk::TranscriptionSegment| segment.text.len() <= self.max_text_bytes;
        let (segments, oversized): (Vec<_>, Vec<_>) = segments.into_iter().partition(fits);
        let segments = segments.into_iter().map(Segment::from).collect();
        let refused = oversized.len();
        (self.kind_of(&speaker) == Some(true)).then_some(RoomEvent::Transcript { speaker, segments, refused })
    }

    /// Whether this identity is a person's; None when we have not been told of it. In our own name others write what
    /// they understood of us, which is no person's word to us.
    pub(super) fn kind_of(&self, identity: &str) -> Option<bool> {
        if identity == self.place.identity {
            return Some(false);
        }
        let here = self.inner.remote_participants();
        match here.get(&identity.to_owned().into()) {
            Some(participant) => Some(is_person(participant)),
            None => self.people.has_met(identity).then_some(true),
        }
    }
}
