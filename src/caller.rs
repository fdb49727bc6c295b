//! The other side of a session: a caller who joins a room, writes on `lk.chat` and reads the agent's replies, or plays
//! recordings as a microphone and hears them.
//!
//! It goes through the same room code as the agent, so it measures what a person would see and hear.
//!
//! # Layout
//! - `spoken`: a caller who speaks; `voice_file` what it says, `mouth` its microphone, `exchange` the rules of a turn
//! - `recording`: a call as a file; `tracks` are its two sides

mod exchange;
mod mouth;
mod recording;
mod spoken;
mod tracks;
mod voice_file;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use conversation::Text;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use self::exchange::Times;
pub use self::recording::Recording;
pub use self::spoken::{SpokenCaller, Told};
pub use self::voice_file::{VoiceFile, VoiceFileError};
use crate::room::text::{FINAL_ATTRIBUTE, IncomingText, SEGMENT_ATTRIBUTE, TRANSCRIPTION_TOPIC};
use crate::room::{JoinError, JoinOptions, Room, RoomEvent};

/// Replies that came without a question, such as a greeting, and were not read yet. Older ones are dropped.
const UNREAD: usize = 16;
/// How many segments a caller remembers that it has read: an agent that was away may write one again.
const READ: usize = 64;
/// A reply that is silent for this long is paused.
const PAUSE: Duration = Duration::from_millis(500);

/// A caller in a room, with an agent to talk to.
pub struct Caller {
    room: Room,
    agent: String,
    unread: VecDeque<Box<IncomingText>>,
    read: VecDeque<String>,
}

/// One reply, and how long it took.
#[derive(Clone, Debug)]
pub struct Reply {
    pub text: Text,
    /// From sending the text to the first word of the reply.
    pub first_word: Duration,
    /// From sending the text to the end of the reply.
    pub total: Duration,
}

#[derive(Debug, Error)]
pub enum CallError {
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error("no agent came into room {room:?} within {}; is a worker registered, and does its agent_name fit the dispatch?", seconds(.timeout))]
    NoAgent { room: String, timeout: Duration },
    #[error("no reply came in room {room:?} within {}; the worker's log tells what became of the turn", seconds(.timeout))]
    NoReply { room: String, timeout: Duration },
    #[error("the agent left room {room:?}; the worker's log tells why")]
    AgentLeft { room: String },
    #[error("room {room:?} was closed: {why}")]
    RoomClosed { room: String, why: String },
    #[error("the text could not be sent to room {room:?}: {why}")]
    NotSent { room: String, why: String },
    #[error("the reply in room {room:?} broke off: {why}")]
    Broken { room: String, why: String },
    #[error(
        "the agent in room {room:?} does not hear: it has not subscribed to the caller's microphone; is its [stt] on?"
    )]
    Unheard { room: String },
    #[error("the caller's voice could not be sent to room {room:?}: {why}")]
    NotSpoken { room: String, why: String },
    #[error("the agent in room {room:?} had not finished {} after the caller had spoken", seconds(.timeout))]
    NoEnd { room: String, timeout: Duration },
    #[error("the call could not be recorded in {}: {why}", path.display())]
    NotRecorded { path: PathBuf, why: io::Error },
}

// === impl Caller ===

impl Caller {
    /// Joins the room and waits until an agent listens in it.
    pub async fn join(options: JoinOptions, timeout: Duration) -> Result<Self, CallError> {
        let room = Room::join(options, &CancellationToken::new()).await?;
        let mut caller = Self::new(room);
        let name = caller.name();
        match tokio::time::timeout(timeout, caller.wait_for_agent()).await {
            Ok(Ok(())) => Ok(caller),
            Ok(Err(error)) => caller.give_up(error).await,
            Err(_) => caller.give_up(CallError::NoAgent { room: name, timeout }).await,
        }
    }

    /// The identity of the agent that the caller talks to.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Writes `text` and waits for the reply; `words` gets it piece by piece as it comes.
    pub async fn say(
        &mut self,
        text: &str,
        timeout: Duration,
        words: impl FnMut(&str),
    ) -> Result<Reply, CallError> {
        let sent = Instant::now();
        self.send(text).await?;
        let room = self.name();
        match tokio::time::timeout(timeout, self.reply(sent, words)).await {
            Ok(reply) => reply,
            Err(_) => Err(CallError::NoReply { room, timeout }),
        }
    }

    /// Writes `text` and returns as soon as the reply pauses for half a second, with the words that came so far. The
    /// rest of this reply is not read.
    pub async fn start_saying(&mut self, text: &str, timeout: Duration) -> Result<Text, CallError> {
        self.send(text).await?;
        let room = self.name();
        let mut stream = match tokio::time::timeout(timeout, self.next_text()).await {
            Ok(stream) => stream?,
            Err(_) => return Err(CallError::NoReply { room, timeout }),
        };
        let mut heard = String::new();
        while let Ok(Some(chunk)) = tokio::time::timeout(PAUSE, stream.chunk()).await {
            let chunk =
                chunk.map_err(|error| CallError::Broken { room: room.clone(), why: error.to_string() })?;
            heard.push_str(chunk.expose());
        }
        Ok(heard.into())
    }

    /// The agent's words without a question, if all of them came within `patience`.
    pub async fn greeting(&mut self, patience: Duration) -> Option<Text> {
        self.listen(patience, |_| ()).await
    }

    /// As [`Caller::greeting`]; `words` gets them piece by piece as they come.
    pub async fn listen(&mut self, patience: Duration, words: impl FnMut(&str)) -> Option<Text> {
        let sent = Instant::now();
        let greeting = tokio::time::timeout(patience, self.reply(sent, words)).await;
        greeting.ok()?.ok().map(|reply| reply.text)
    }

    /// Waits until the agent is gone and one listens again. [`Caller::greeting`] reads the words that it says on its
    /// return.
    pub async fn wait_for_return(&mut self, timeout: Duration) -> Result<(), CallError> {
        let room = self.name();
        let returned = async {
            self.wait_until_gone().await?;
            self.wait_for_agent().await
        };
        match tokio::time::timeout(timeout, returned).await {
            Ok(returned) => returned,
            Err(_) => Err(CallError::NoAgent { room, timeout }),
        }
    }

    /// How many agents are in the room.
    pub fn agents(&self) -> usize {
        self.room.agents().len()
    }

    pub async fn leave(self) {
        self.room.leave().await;
    }

    /// Writes `text` without waiting for anything.
    pub async fn send(&mut self, text: &str) -> Result<(), CallError> {
        self.unread.clear();
        let room = self.name();
        self.room.chat(text).await.map_err(|why| CallError::NotSent { room, why: why.to_string() })
    }

    fn new(room: Room) -> Self {
        Self { room, agent: String::new(), unread: VecDeque::new(), read: VecDeque::new() }
    }

    async fn give_up<T>(self, error: CallError) -> Result<T, CallError> {
        self.leave().await;
        Err(error)
    }

    /// Whether an agent is here that listens.
    fn find_agent(&mut self) -> bool {
        let ready = self.room.agents().into_iter().find(|(_, state)| is_ready(state));
        let is_here = ready.is_some();
        self.agent = ready.map(|(identity, _)| identity).unwrap_or_default();
        is_here
    }

    async fn wait_for_agent(&mut self) -> Result<(), CallError> {
        if self.find_agent() {
            return Ok(());
        }
        loop {
            match self.room.next().await {
                RoomEvent::Agent { identity, state } if is_ready(&state) => {
                    self.agent = identity;
                    return Ok(());
                }
                RoomEvent::Closed(why) | RoomEvent::Lost(why) => {
                    return Err(CallError::RoomClosed { room: self.name(), why });
                }
                RoomEvent::Text(text) => self.keep(text),
                _ => {}
            }
        }
    }

    async fn wait_until_gone(&mut self) -> Result<(), CallError> {
        loop {
            match self.room.next().await {
                RoomEvent::AgentLeft(identity) if identity == self.agent => return Ok(()),
                RoomEvent::Closed(why) | RoomEvent::Lost(why) => {
                    return Err(CallError::RoomClosed { room: self.name(), why });
                }
                RoomEvent::Text(text) => self.keep(text),
                _ => {}
            }
        }
    }

    async fn reply(&mut self, sent: Instant, mut words: impl FnMut(&str)) -> Result<Reply, CallError> {
        let mut first_word = None;
        loop {
            let mut stream = self.next_text().await?;
            let mut text = String::new();
            while let Some(chunk) = stream.chunk().await {
                let chunk =
                    chunk.map_err(|error| CallError::Broken { room: self.name(), why: error.to_string() })?;
                first_word.get_or_insert_with(|| sent.elapsed());
                words(chunk.expose());
                text.push_str(chunk.expose());
            }
            if is_given_up(&stream) {
                continue;
            }
            self.remember(&stream);
            let total = sent.elapsed();
            return Ok(Reply { text: text.into(), first_word: first_word.unwrap_or(total), total });
        }
    }

    fn remember(&mut self, text: &IncomingText) {
        if self.read.len() == READ {
            self.read.pop_front();
        }
        self.read.extend(text.attribute(SEGMENT_ATTRIBUTE));
    }

    async fn next_text(&mut self) -> Result<Box<IncomingText>, CallError> {
        if let Some(text) = self.unread.pop_front() {
            return Ok(text);
        }
        loop {
            match self.room.next().await {
                RoomEvent::Text(text) if self.is_reply(&text) => return Ok(text),
                RoomEvent::Text(text) => text.discard(),
                RoomEvent::AgentLeft(identity) if identity == self.agent => {
                    return Err(CallError::AgentLeft { room: self.name() });
                }
                RoomEvent::Closed(why) | RoomEvent::Lost(why) => {
                    return Err(CallError::RoomClosed { room: self.name(), why });
                }
                _ => {}
            }
        }
    }

    fn keep(&mut self, text: Box<IncomingText>) {
        if text.topic() != TRANSCRIPTION_TOPIC || self.unread.len() >= UNREAD {
            return text.discard();
        }
        self.unread.push_back(text);
    }

    fn is_reply(&self, text: &IncomingText) -> bool {
        let known = text.attribute(SEGMENT_ATTRIBUTE).is_some_and(|segment| self.read.contains(&segment));
        text.topic() == TRANSCRIPTION_TOPIC && text.sender() == self.agent && !known
    }

    fn name(&self) -> String {
        self.room.place().room.clone()
    }
}

/// The agent gave this stream up when its connection broke, and writes the segment once more. The SDK ends a stream that its
/// writer drops as if it were whole, but for this attribute.
fn is_given_up(text: &IncomingText) -> bool {
    text.attribute(FINAL_ATTRIBUTE).is_some_and(|value| value == "false")
}

/// Before `listening` the agent is still joining; frontends wait for the same.
fn is_ready(state: &str) -> bool {
    ["listening", "thinking", "speaking"].contains(&state)
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f32())
}
