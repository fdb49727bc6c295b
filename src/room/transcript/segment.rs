//! One segment on its way into the room: a text stream, and chat messages for the people who read these.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::time::{Duration, Instant};

use bounded::text::within_bytes;
use conversation::{Fate, SegmentEnd};
use futures::FutureExt;
use livekit::data_stream::api::{StreamTextOptions, StreamWriter, TextStreamWriter};
use livekit::prelude::{DataPacket, LocalParticipant};
use livekit::webrtc::outbox::Outbox;
use livekit_protocol as proto;
use tokio::sync::oneshot;

use super::progress::Progress;
use super::{UNDER_WAY, WriteError};
use crate::room::audio::OwnTrack;
use crate::room::packet::{self, CHAT_PACKET_TOPIC, Copy};
use crate::room::text::{FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TRACK_ATTRIBUTE, TRANSCRIPTION_TOPIC};

/// A write that takes longer than this is given up, and the rest of its segment with it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection can be dead for so long before the SDK notices.
const UNNOTICED: Duration = Duration::from_secs(15);
/// The longest text that the SDK puts into one packet. Each piece waits for room by itself.
const PIECE: usize = 15_000;

/// The destination of segments.
pub(super) struct Outlet {
    participant: LocalParticipant,
    outbox: Outbox,
    own_track: OwnTrack,
}

/// A segment, and its progress in this stay.
pub(super) struct Segment {
    id: String,
    /// The recipients; an empty list is the whole room.
    only: Vec<String>,
    /// The people who get it as a chat message, too, once it is finished.
    chat: Vec<String>,
    /// The whole text so far.
    text: String,
    finished: Option<Instant>,
    stream: Option<TextStreamWriter>,
    /// The stream is closed: its recipients have all of the text.
    closed: bool,
    /// The number of chat messages that are written.
    copied: usize,
    progress: Progress,
    /// The receiver of the segment's fate.
    ended: Option<oneshot::Sender<SegmentEnd>>,
    /// Nothing more of it is to be written: it is whole, or given up.
    pub(super) done: bool,
}

// === impl Outlet ===

impl Outlet {
    pub(super) fn new(participant: LocalParticipant, outbox: Outbox, own_track: OwnTrack) -> Self {
        Self { participant, outbox, own_track }
    }

    /// Waits until there is room for a write. The SDK would wait as well, but would meanwhile hold on to the parts
    /// that it needs to restore the connection.
    async fn room(&self) -> Result<(), WriteError> {
        bounded(self.outbox.at_most(UNDER_WAY).map(Ok::<_, Infallible>)).await
    }

    async fn write<T, E: Error>(&self, write: impl Future<Output = Result<T, E>>) -> Result<T, WriteError> {
        self.room().await?;
        bounded(write).await
    }

    /// `is_spoken`: it is said on our track as well.
    async fn open(&self, id: &str, only: &[String], is_spoken: bool) -> Result<TextStreamWriter, WriteError> {
        let mut attributes = final_attribute("false");
        attributes.insert(SEGMENT_ATTRIBUTE.to_owned(), id.to_owned());
        let track = self.own_track.sid().filter(|_| is_spoken);
        attributes.extend(track.map(|track| (TRACK_ATTRIBUTE.to_owned(), track)));
        let options = StreamTextOptions::new_with_topic(TRANSCRIPTION_TOPIC)
            .with_attributes(attributes)
            .with_destination_identities(only.iter().cloned().map(Into::into).collect());
        self.write(self.participant.stream_text(options)).await
    }

    /// Writes one chat message in both forms that frontends read.
    async fn chat(&self, copy: Copy, readers: &[String]) -> Result<(), WriteError> {
        let data = DataPacket {
            payload: copy.payload,
            topic: Some(CHAT_PACKET_TOPIC.to_owned()),
            reliable: true,
            destination_identities: readers.iter().cloned().map(Into::into).collect(),
        };
        self.write(self.participant.publish_data(data)).await?;
        let message = proto::DataPacket {
            participant_identity: self.participant.identity().to_string(),
            participant_sid: self.participant.sid().to_string(),
            destination_identities: readers.to_vec(),
            value: Some(proto::data_packet::Value::ChatMessage(copy.message)),
            ..Default::default()
        };
        self.write(self.participant.clone().publish_raw_data(message, true)).await
    }
}

// === impl Segment ===

impl Segment {
    pub(super) fn new(only: Vec<String>, progress: Progress, ended: oneshot::Sender<SegmentEnd>) -> Self {
        let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(12).collect();
        Self {
            id: format!("SG_{id}"),
            only,
            chat: Vec::new(),
            text: String::new(),
            finished: None,
            stream: None,
            closed: false,
            copied: 0,
            progress,
            ended: Some(ended),
            done: false,
        }
    }

    /// Adds more of the text, unless the segment is done, up to where it is cut.
    pub(super) fn say(&mut self, text: &str) {
        if !self.done {
            self.text.push_str(text);
            self.trim();
        }
    }

    pub(super) fn finish(&mut self, chat: Vec<String>) {
        if self.finished.is_none() {
            (self.chat, self.finished) = (chat, Some(Instant::now()));
        }
    }

    /// Writes the whole segment again in the next stay, unless the last stay surely had it when its line was `lost`.
    pub(super) fn start_again(&mut self, lost: Option<Instant>) {
        let delivered = self.finished.zip(lost).is_some_and(|(finished, lost)| finished + UNNOTICED < lost);
        if !delivered {
            self.lose();
            self.done = false;
        }
    }

    /// No participant will want to hear it again.
    pub(super) fn is_old(&self) -> bool {
        self.finished.is_some_and(|finished| finished.elapsed() > UNNOTICED)
    }

    /// The text that was written in this stay counts for nothing any more.
    pub(super) fn lose(&mut self) {
        (self.stream, self.closed, self.copied) = (None, false, 0);
        self.progress.lose();
    }

    /// Gives the segment up, and reports how much of it the server has taken.
    pub(super) fn fail(&mut self, why: &WriteError) {
        self.done = true;
        self.tell(self.progress.delivered(), Fate::Failed(why.to_string()));
    }

    /// Writes the text that this stay has not got yet.
    pub(super) async fn write(&mut self, outlet: &Outlet) -> Result<(), WriteError> {
        if self.stream.is_none() && self.progress.is_cut_at() == Some(0) {
            // The room has not heard of it, and does not need to.
            self.done = true;
            self.tell(0, Fate::Cut);
            return Ok(());
        }
        if self.stream.is_none() && !self.text.is_empty() && allowed(&self.text, &self.progress).is_empty() {
            return Ok(());
        }
        if !self.closed {
            self.write_stream(outlet).await?;
        }
        if self.closed {
            self.copy(outlet).await?;
            self.done = true;
            self.progress.wrote_all();
            self.tell(self.text.len(), Fate::Whole);
        }
        Ok(())
    }

    async fn write_stream(&mut self, outlet: &Outlet) -> Result<(), WriteError> {
        let stream = match &self.stream {
            Some(stream) => stream,
            None => self.stream.insert(outlet.open(&self.id, &self.only, self.progress.is_spoken()).await?),
        };
        loop {
            outlet.room().await?;
            // The session may have cut it meanwhile.
            let Some(piece) = piece(allowed(&self.text, &self.progress), self.progress.written()) else {
                break;
            };
            bounded(stream.write(piece)).await?;
            self.progress.wrote(piece.len());
        }
        self.trim();
        let is_whole = self.finished.is_some() && self.progress.written() >= self.text.len();
        if let Some(stream) = self.stream.take_if(|_| is_whole) {
            bounded(stream.close_with_options(None, Some(final_attribute("true")))).await?;
            self.closed = true;
        }
        Ok(())
    }

    /// Forgets the text behind a cut.
    fn trim(&mut self) {
        if let Some(end) = self.progress.is_cut_at() {
            self.text.truncate(within_bytes(&self.text, end).len());
        }
    }

    /// Writes the whole text as chat messages to the people who read these.
    async fn copy(&mut self, outlet: &Outlet) -> Result<(), WriteError> {
        if self.chat.is_empty() {
            return Ok(());
        }
        for copy in packet::copies(&self.id, &self.text).into_iter().skip(self.copied) {
            outlet.chat(copy, &self.chat).await?;
            self.copied += 1;
        }
        Ok(())
    }

    /// Reports the fate once; the receiver may be gone.
    fn tell(&mut self, delivered: usize, fate: Fate) {
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(SegmentEnd { delivered, fate });
        }
    }
}

/// The part of a text that may be written by now.
fn allowed<'a>(text: &'a str, progress: &Progress) -> &'a str {
    within_bytes(text, progress.is_cut_at().unwrap_or(usize::MAX).min(progress.allowed()))
}

/// The next piece of a text of which this much is written.
fn piece(text: &str, written: usize) -> Option<&str> {
    let rest = text.get(written..).filter(|rest| !rest.is_empty())?;
    Some(within_bytes(rest, PIECE))
}

pub(super) async fn bounded<T, E: Error>(write: impl Future<Output = Result<T, E>>) -> Result<T, WriteError> {
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(written) => written.map_err(WriteError::of_sdk),
        Err(_) => Err(WriteError::TooSlow(WRITE_TIMEOUT)),
    }
}

fn final_attribute(value: &str) -> HashMap<String, String> {
    HashMap::from([(FINAL_ATTRIBUTE.to_owned(), value.to_owned())])
}
