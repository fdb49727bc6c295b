//! The recipients of what we say, and those who get it as a chat message too: pure.
//!
//! A person who writes data packets may have a frontend that reads nothing else, so they get chat messages besides the
//! transcription. Others get none: newer frontends read transcriptions, and could show a reply twice.

use std::collections::VecDeque;

use conversation::{Utterance, Way};

/// How many people get chat messages in a session; of more, those who wrote last do. A packet names all of them.
const READERS: usize = 64;

#[derive(Default)]
pub(super) struct Audience {
    /// The people who write data packets, the latest last.
    readers: VecDeque<String>,
}

// === impl Audience ===

impl Audience {
    /// Takes note of how a participant writes. `again`: the text had come another way before.
    pub(super) fn wrote(&mut self, utterance: &Utterance, again: bool) {
        match utterance.way {
            Way::Packet if !again => self.add(&utterance.speaker),
            Way::Stream => self.remove(&utterance.speaker),
            Way::Packet | Way::Transcription => {}
        }
    }

    /// The readers of chat among the recipients of a text, `only`; an empty `only` is the whole room.
    pub(super) fn chat(&self, only: &[String]) -> Vec<String> {
        let gets = |reader: &&String| only.is_empty() || only.contains(reader);
        self.readers.iter().filter(gets).cloned().collect()
    }

    fn add(&mut self, speaker: &str) {
        self.remove(speaker);
        if self.readers.len() == READERS {
            self.readers.pop_front();
        }
        self.readers.push_back(speaker.to_owned());
    }

    fn remove(&mut self, speaker: &str) {
        self.readers.retain(|reader| reader != speaker);
    }
}

/// The recipients of the answer to an utterance; an empty list is the whole room.
pub(super) fn only(utterance: &Utterance) -> Vec<String> {
    let Some(among) = &utterance.among else { return Vec::new() };
    let others = among.iter().filter(|other| **other != utterance.speaker);
    std::iter::once(&utterance.speaker).chain(others).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utterance(speaker: &str, way: Way, among: Option<&[&str]>) -> Utterance {
        let among = among.map(|among| among.iter().map(|who| (*who).to_owned()).collect());
        Utterance { speaker: speaker.into(), text: "hi".into(), way, among, ..Default::default() }
    }

    fn wrote(audience: &mut Audience, speaker: &str, way: Way) {
        audience.wrote(&utterance(speaker, way, None), false);
    }

    #[test]
    fn writers_of_packets_get_chat_until_they_write_a_stream() {
        let mut audience = Audience::default();
        wrote(&mut audience, "ada", Way::Packet);
        wrote(&mut audience, "bob", Way::Stream);
        wrote(&mut audience, "ada", Way::Transcription);
        assert_eq!(audience.chat(&[]), ["ada"]);
        wrote(&mut audience, "ada", Way::Stream);
        assert!(audience.chat(&[]).is_empty());
    }

    #[test]
    fn of_a_message_that_comes_both_ways_the_stream_counts() {
        for ways in [[Way::Packet, Way::Stream], [Way::Stream, Way::Packet]] {
            let mut audience = Audience::default();
            audience.wrote(&utterance("ada", ways[0], None), false);
            audience.wrote(&utterance("ada", ways[1], None), true);
            assert!(audience.chat(&[]).is_empty(), "{ways:?}");
        }
    }

    #[test]
    fn chat_of_what_few_may_see_goes_to_none_but_them() {
        let mut audience = Audience::default();
        wrote(&mut audience, "ada", Way::Packet);
        wrote(&mut audience, "bob", Way::Packet);
        assert_eq!(audience.chat(&["bob".into(), "cy".into()]), ["bob"]);
        assert!(audience.chat(&["cy".into()]).is_empty());
    }

    #[test]
    fn the_answer_goes_to_the_sender_and_to_whom_the_text_went() {
        let only_for = |among| only(&utterance("ada", Way::Stream, among));
        assert!(only_for(None).is_empty(), "the room");
        assert_eq!(only_for(Some(&[])), ["ada"]);
        assert_eq!(only_for(Some(&["bob", "ada"])), ["ada", "bob"]);
    }

    #[test]
    fn more_readers_than_are_remembered_drop_the_oldest() {
        let mut audience = Audience::default();
        for n in 0..=READERS {
            wrote(&mut audience, &n.to_string(), Way::Packet);
        }
        let chat = audience.chat(&[]);
        assert_eq!((chat.len(), chat[0].as_str()), (READERS, "1"));
    }
}
