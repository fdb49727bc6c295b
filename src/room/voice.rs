//! What we say and announce in a room: segments of text, and `lk.agent.state`.
//!
//! Writing to a room can wait for the network, so it happens in two tasks of its own, fed by bounded queues: one for
//! the words, one for the state. The session sees how full the words' queue is and lets the model wait.

use std::collections::HashMap;
use std::time::Duration;

use livekit::data_stream::api::{SendTextOptions, StreamTextOptions, StreamWriter, TextStreamWriter};
use livekit::prelude::LocalParticipant;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::chat::AgentState;
use crate::secret::Speech;

use super::text::{CHAT_TOPIC, FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TRANSCRIPTION_TOPIC};

pub(super) const STATE_ATTRIBUTE: &str = "lk.agent.state";
const NAME_ATTRIBUTE: &str = "lk.agent.name";

/// Words waiting to be written.
const WORDS: usize = 64;
/// Places of the queue that are kept for opening and closing segments.
const RESERVED: usize = 8;
/// States waiting to be announced. A session makes four a turn, and each takes a round trip to the server.
const STATES: usize = 64;
/// A write that takes longer than this is given up, and the rest of its segment with it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last words may take to leave when a session ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the server's confirmation of a state is waited for before the next one is sent.
const STATE_PATIENCE: Duration = Duration::from_millis(300);
/// A state that was not confirmed is sent again after this long, unless a newer one comes.
const STATE_RETRY: Duration = Duration::from_millis(500);
/// How often one state is sent again.
const MOST_DOUBTS: u32 = 10;

/// Our voice in one room.
pub struct Voice {
    words: mpsc::Sender<Word>,
    states: mpsc::Sender<AgentState>,
    speaking: JoinHandle<()>,
    announcing: JoinHandle<()>,
    states_dropped: u64,
}

/// Keeps `lk.agent.state` true.
struct Announcer {
    participant: LocalParticipant,
    attributes: HashMap<String, String>,
    state: AgentState,
    /// How often the present state was sent without a confirmation.
    doubts: u32,
}

enum Word {
    Open,
    Say(Speech),
    Close,
}

// === impl Voice ===

impl Voice {
    pub(super) fn start(participant: LocalParticipant, agent_name: &str) -> Self {
        let (words, words_rx) = mpsc::channel(WORDS);
        let (states, states_rx) = mpsc::channel(STATES);
        let speaking = tokio::spawn(speak(participant.clone(), words_rx).in_current_span());
        let announcing =
            tokio::spawn(Announcer::new(participant, agent_name.to_owned()).run(states_rx).in_current_span());
        Self { words, states, speaking, announcing, states_dropped: 0 }
    }

    /// Waits until there is room for more words.
    pub async fn ready(&self) {
        // An error means the task is gone; then words go nowhere and nobody should wait for it.
        let _ = self.words.reserve_many(RESERVED).await;
    }

    pub async fn open_segment(&self) {
        self.put(Word::Open).await;
    }

    pub async fn say(&self, text: Speech) {
        self.put(Word::Say(text)).await;
    }

    pub async fn close_segment(&self) {
        self.put(Word::Close).await;
    }

    /// Announces the agent's state, in order. When the server is too slow for all of them, the newest are dropped
    /// from the queue's end only until there is room again, and counted.
    pub fn announce(&mut self, state: AgentState) {
        if self.states.try_send(state).is_err() {
            self.states_dropped += 1;
            tracing::debug!(dropped = self.states_dropped, "lk.agent.state could not be announced");
        }
    }

    /// Lets the last words out, then ends both tasks.
    pub async fn finish(self) {
        drop((self.words, self.states));
        let mut speaking = self.speaking;
        if tokio::time::timeout(FLUSH_TIMEOUT, &mut speaking).await.is_err() {
            speaking.abort();
        }
        self.announcing.abort();
    }

    async fn put(&self, word: Word) {
        // The task only ends with the session; there is nobody left to hear what cannot be sent.
        let _ = self.words.send(word).await;
    }
}

/// Writes one whole text on `lk.chat`.
pub(super) async fn chat(participant: &LocalParticipant, text: &str) -> Result<(), String> {
    let options = SendTextOptions::new_with_topic(CHAT_TOPIC);
    participant.send_text(text, options).await.map(drop).map_err(|error| error.to_string())
}

async fn speak(participant: LocalParticipant, mut words: mpsc::Receiver<Word>) {
    let mut segment: Option<TextStreamWriter> = None;
    while let Some(word) = words.recv().await {
        let written = match word {
            Word::Open => open(&participant).await.map(|writer| segment = Some(writer)),
            Word::Say(text) => match &segment {
                Some(writer) => bounded(writer.write(text.expose())).await,
                None => Ok(()),
            },
            Word::Close => match segment.take() {
                Some(writer) => bounded(writer.close_with_options(None, Some(final_attribute("true")))).await,
                None => Ok(()),
            },
        };
        if let Err(error) = written {
            segment = None;
            tracing::warn!(
                error,
                "a reply could not be written to the room; the rest of this segment is skipped"
            );
        }
    }
}

async fn open(participant: &LocalParticipant) -> Result<TextStreamWriter, String> {
    let options = StreamTextOptions::new_with_topic(TRANSCRIPTION_TOPIC)
        .with_attributes(final_attribute("false"))
        .with_attribute(SEGMENT_ATTRIBUTE, new_segment_id());
    match tokio::time::timeout(WRITE_TIMEOUT, participant.stream_text(options)).await {
        Ok(opened) => opened.map_err(|error| error.to_string()),
        Err(_) => Err(too_slow()),
    }
}

async fn bounded<E: std::fmt::Display>(write: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err(too_slow()),
    }
}

fn too_slow() -> String {
    format!("it took longer than {} s", WRITE_TIMEOUT.as_secs())
}

fn final_attribute(value: &str) -> HashMap<String, String> {
    HashMap::from([(FINAL_ATTRIBUTE.to_owned(), value.to_owned())])
}

fn new_segment_id() -> String {
    let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(12).collect();
    format!("SG_{id}")
}

// === impl Announcer ===

impl Announcer {
    fn new(participant: LocalParticipant, agent_name: String) -> Self {
        let attributes = HashMap::from([(NAME_ATTRIBUTE.to_owned(), agent_name)]);
        Self { participant, attributes, state: AgentState::Initializing, doubts: 0 }
    }

    async fn run(mut self, mut states: mpsc::Receiver<AgentState>) {
        while let Some(state) = self.next(&mut states).await {
            self.state = state;
            self.attributes.insert(STATE_ATTRIBUTE.to_owned(), state.as_str().to_owned());
            self.announce().await;
        }
    }

    /// The next state to announce: a new one, or after a while the one that was not confirmed.
    async fn next(&mut self, states: &mut mpsc::Receiver<AgentState>) -> Option<AgentState> {
        let newer = match self.doubts {
            1..=MOST_DOUBTS => match tokio::time::timeout(STATE_RETRY, states.recv()).await {
                Ok(newer) => newer,
                Err(_) => return Some(self.state),
            },
            _ => states.recv().await,
        };
        self.doubts = 0;
        newer
    }

    /// Sends the state. The SDK can miss the server's confirmation and would then wait five seconds for it, while the
    /// next states pile up; requests are sent in order, so the next one need not wait for it.
    async fn announce(&mut self) {
        let sent = self.participant.set_attributes(self.attributes.clone());
        match tokio::time::timeout(STATE_PATIENCE, sent).await {
            Ok(Ok(())) => self.doubts = 0,
            Ok(Err(error)) => {
                self.doubts += 1;
                tracing::debug!(%error, state = self.state.as_str(), "lk.agent.state was not accepted");
            }
            Err(_) => {
                self.doubts += 1;
                tracing::debug!(state = self.state.as_str(), "lk.agent.state was not confirmed");
            }
        }
    }
}
