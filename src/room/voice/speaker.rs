//! Writes segments into the room, each as one text stream, and once more where a stream died with its connection.
//!
//! A stream belongs to one stay in the room. When the SDK had to rejoin as a new participant, the others have dropped
//! what was half written, and what went into a dead connection is gone. So what was under way, what was said while the
//! line was down, and what was finished a moment before that was noticed is written again as a whole, under the ids that
//! it had: `lk.segment_id` tells frontends that it is the same segment.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::time::{Duration, Instant};

use livekit::data_stream::api::{StreamTextOptions, StreamWriter, TextStreamWriter};
use livekit::prelude::{DataPacket, LocalParticipant};
use livekit_protocol as proto;
use tokio::sync::{mpsc, watch};

use super::{Line, Word};
use crate::room::packet::{self, CHAT_PACKET_TOPIC};
use crate::room::text::{FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TRANSCRIPTION_TOPIC};

/// A write that takes longer than this is given up, and the rest of its segment with it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection can be dead for so long before the SDK notices.
const UNNOTICED: Duration = Duration::from_secs(15);
/// Segments that are kept for another stay. Each is at most as long as a reply may be.
const KEPT: usize = 4;

pub(super) struct Speaker {
    participant: LocalParticipant,
    line: watch::Receiver<Line>,
    /// The latest ones; the last is under way until it is finished.
    segments: VecDeque<Segment>,
}

/// A segment, and how much of it this stay has got.
struct Segment {
    id: String,
    /// Who gets it; no one named is the whole room.
    only: Vec<String>,
    /// Who gets it as a chat message, too, once it is finished.
    chat: Vec<String>,
    /// All of it so far.
    text: String,
    finished: Option<Instant>,
    stream: Option<TextStreamWriter>,
    /// Bytes of `text` that are in the stream.
    written: usize,
    /// Nothing more of it is to be written: it is whole, or given up.
    done: bool,
}

// === impl Speaker ===

impl Speaker {
    pub(super) fn new(participant: LocalParticipant, line: watch::Receiver<Line>) -> Self {
        Self { participant, line, segments: VecDeque::new() }
    }

    /// Until there will be no more words.
    pub(super) async fn run(mut self, mut words: mpsc::Receiver<Word>) {
        let mut stay = self.line.borrow_and_update().stay;
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.line.changed() => {
                    let line = *self.line.borrow_and_update();
                    if line.up && line.stay != stay {
                        stay = line.stay;
                        self.segments.iter_mut().for_each(|segment| segment.start_again(line.lost));
                    }
                }
                word = words.recv() => match word {
                    Some(word) => self.take(word),
                    None => return,
                },
            }
            self.write().await;
        }
    }

    fn take(&mut self, word: Word) {
        match (word, self.segments.back_mut()) {
            (Word::Open(only), _) => self.begin(only),
            (Word::Say(text), Some(segment)) => segment.text.push_str(text.expose()),
            (Word::Close(chat), Some(segment)) => {
                (segment.chat, segment.finished) = (chat, Some(Instant::now()));
            }
            (_, None) => {}
        }
    }

    fn begin(&mut self, only: Vec<String>) {
        self.segments.retain(|segment| !segment.done || !segment.is_old());
        if self.segments.len() == KEPT && self.segments.pop_front().is_some_and(|oldest| !oldest.done) {
            tracing::warn!("a reply that waited for the connection to the room is dropped for newer ones");
        }
        self.segments.push_back(Segment::new(only));
    }

    /// Writes what this stay has not got yet, as far as the line holds.
    async fn write(&mut self) {
        for segment in self.segments.iter_mut().filter(|segment| !segment.done) {
            if !self.line.borrow().up {
                return;
            }
            let written = tokio::select! {
                biased;
                written = segment.write(&self.participant) => written,
                () = down(self.line.clone()) => Err("the connection was lost".to_owned()),
            };
            if let Err(error) = written {
                segment.lose();
                if self.line.borrow().up {
                    segment.done = true;
                    tracing::warn!(
                        error,
                        "a reply could not be written to the room; the rest of this segment is skipped"
                    );
                }
            }
        }
    }
}

// === impl Segment ===

impl Segment {
    fn new(only: Vec<String>) -> Self {
        let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(12).collect();
        Self {
            id: format!("SG_{id}"),
            only,
            chat: Vec::new(),
            text: String::new(),
            finished: None,
            stream: None,
            written: 0,
            done: false,
        }
    }

    /// Lets another stay have the whole of it, unless that of before surely had it when its line was `lost`.
    fn start_again(&mut self, lost: Option<Instant>) {
        let heard = self.finished.zip(lost).is_some_and(|(finished, lost)| finished + UNNOTICED < lost);
        if !heard {
            self.lose();
            self.done = false;
        }
    }

    /// Nobody will want to hear it again.
    fn is_old(&self) -> bool {
        self.finished.is_some_and(|finished| finished.elapsed() > UNNOTICED)
    }

    /// What was written of it is worth nothing any more.
    fn lose(&mut self) {
        (self.stream, self.written) = (None, 0);
    }

    async fn write(&mut self, participant: &LocalParticipant) -> Result<(), String> {
        let stream = match &self.stream {
            Some(stream) => stream,
            None => self.stream.insert(self.open(participant).await?),
        };
        if self.written < self.text.len() {
            bounded(stream.write(&self.text[self.written..])).await?;
            self.written = self.text.len();
        }
        if let Some(stream) = self.stream.take_if(|_| self.finished.is_some()) {
            bounded(stream.close_with_options(None, Some(final_attribute("true")))).await?;
            self.copy(participant).await?;
            self.done = true;
        }
        Ok(())
    }

    /// Writes all of it as chat messages to those who read these.
    async fn copy(&self, participant: &LocalParticipant) -> Result<(), String> {
        if self.chat.is_empty() {
            return Ok(());
        }
        for copy in packet::copies(&self.id, &self.text) {
            let data = DataPacket {
                payload: copy.payload,
                topic: Some(CHAT_PACKET_TOPIC.to_owned()),
                reliable: true,
                destination_identities: self.chat.iter().cloned().map(Into::into).collect(),
            };
            bounded(participant.publish_data(data)).await?;
            let message = proto::DataPacket {
                participant_identity: participant.identity().to_string(),
                participant_sid: participant.sid().to_string(),
                destination_identities: self.chat.clone(),
                value: Some(proto::data_packet::Value::ChatMessage(copy.message)),
                ..Default::default()
            };
            bounded(participant.clone().publish_raw_data(message, true)).await?;
        }
        Ok(())
    }

    async fn open(&self, participant: &LocalParticipant) -> Result<TextStreamWriter, String> {
        let options = StreamTextOptions::new_with_topic(TRANSCRIPTION_TOPIC)
            .with_attributes(final_attribute("false"))
            .with_attribute(SEGMENT_ATTRIBUTE, self.id.clone())
            .with_destination_identities(self.only.iter().cloned().map(Into::into).collect());
        bounded(participant.stream_text(options)).await
    }
}

/// When the line goes down. Never, once nobody could tell. With a receiver of its own: what this one sees, the speaker must
/// still come to see as a change.
async fn down(mut line: watch::Receiver<Line>) {
    if line.wait_for(|line| !line.up).await.is_err() {
        std::future::pending().await
    }
}

async fn bounded<T, E: Display>(write: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it took longer than {} s", WRITE_TIMEOUT.as_secs())),
    }
}

fn final_attribute(value: &str) -> HashMap<String, String> {
    HashMap::from([(FINAL_ATTRIBUTE.to_owned(), value.to_owned())])
}
