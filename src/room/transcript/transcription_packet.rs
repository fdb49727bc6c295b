//! Transcripts in the form that they had before there were text streams: packets with the whole text of a segment so
//! far. LiveKit's frontends still read them, and find the agent's words among them by the SID of its track.

use std::time::{Duration, Instant};

use livekit::prelude::LocalParticipant;
use livekit_protocol as proto;

use super::WriteError;
use crate::room::packet;

/// An update repeats all of the text, so there are no more than this many.
const EVERY: Duration = Duration::from_millis(200);

/// The packets of one segment.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// The parts of the text that were sent whole. A text that is too long for a packet goes on in another segment.
    whole: usize,
    latest: Option<Instant>,
}

/// Whose words they are, and where they are heard.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) speaker: String,
    /// The SID of the track.
    pub(super) track: String,
    /// Empty when it is not known.
    pub(super) language: String,
}

// === impl Packets ===

impl Packets {
    /// The segments to send for a text that has come so far; none where an update was sent a moment ago.
    pub(super) fn step(
        &mut self,
        now: Instant,
        id: &str,
        text: &str,
        is_final: bool,
    ) -> Vec<proto::TranscriptionSegment> {
        if !is_final && self.latest.is_some_and(|latest| now < latest + EVERY) {
            return Vec::new();
        }
        self.latest = Some(now);
        let parts = packet::numbered(id, text);
        let last = parts.len() - 1;
        let new = parts.into_iter().enumerate().skip(self.whole);
        self.whole = last;
        new.map(|(number, (id, text))| proto::TranscriptionSegment {
            id,
            text: text.to_owned(),
            r#final: is_final || number < last,
            ..Default::default()
        })
        .collect()
    }
}

// === impl Source ===

impl Source {
    /// A packet for each segment, so that none is too large.
    pub(super) fn packets(&self, segments: Vec<proto::TranscriptionSegment>) -> Vec<proto::DataPacket> {
        segments.into_iter().map(|segment| self.packet(segment)).collect()
    }

    fn packet(&self, mut segment: proto::TranscriptionSegment) -> proto::DataPacket {
        segment.language.clone_from(&self.language);
        let transcription = proto::Transcription {
            transcribed_participant_identity: self.speaker.clone(),
            track_id: self.track.clone(),
            segments: vec![segment],
        };
        proto::DataPacket {
            value: Some(proto::data_packet::Value::Transcription(transcription)),
            ..Default::default()
        }
    }
}

/// Writes one packet to the whole room.
pub(super) async fn publish(
    participant: &LocalParticipant,
    packet: proto::DataPacket,
) -> Result<(), WriteError> {
    super::segment::bounded(participant.clone().publish_raw_data(packet, true)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(packets: &mut Packets, now: Instant, text: &str, is_final: bool) -> Vec<(String, usize, bool)> {
        let segments = packets.step(now, "SG_1", text, is_final);
        segments.into_iter().map(|segment| (segment.id, segment.text.len(), segment.r#final)).collect()
    }

    #[test]
    fn each_packet_holds_the_whole_text_so_far() {
        let (mut packets, now) = (Packets::default(), Instant::now());
        assert_eq!(sent(&mut packets, now, "one ", false), [("SG_1".into(), 4, false)]);
        assert_eq!(sent(&mut packets, now + EVERY, "one two ", false), [("SG_1".into(), 8, false)]);
        assert_eq!(sent(&mut packets, now + EVERY, "one two three", true), [("SG_1".into(), 13, true)]);
    }

    #[test]
    fn a_fast_text_is_sent_five_times_a_second_and_at_its_end() {
        let (mut packets, now) = (Packets::default(), Instant::now());
        let mut updates = 0;
        for step in 0..1000 {
            updates += sent(&mut packets, now + Duration::from_millis(step), "so far", false).len();
        }
        assert_eq!(updates, 5);
        assert_eq!(sent(&mut packets, now, "so far", true).len(), 1);
    }

    #[test]
    fn a_text_that_is_too_long_for_a_packet_goes_on_in_another_segment() {
        let (mut packets, mut now) = (Packets::default(), Instant::now());
        let text = "word ".repeat(5_000);
        let (mut whole, mut last) = (String::new(), String::new());
        for end in (0..=text.len()).step_by(500) {
            now += EVERY;
            for segment in packets.step(now, "SG_1", &text[..end], end == text.len()) {
                assert!(segment.text.len() <= 10_000);
                last.clone_from(&segment.text);
                if segment.r#final {
                    whole.push_str(&segment.text);
                }
            }
        }
        assert_eq!(whole, text);
        assert!(text.ends_with(&last) && packets.whole == 2);
    }
}
