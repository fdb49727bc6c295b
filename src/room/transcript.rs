//! The agent's output in a room: segments of text, and `lk.agent.state`.
//!
//! Writing to a room can wait for the network, so it happens in two tasks of its own, fed by bounded queues: one for
//! the words (`writer`), one for the state (`announcer`). The session sees how full the words' queue is and lets the
//! model wait; it tells when the connection is lost and when it is back.

mod allowance;
mod announcer;
mod progress;
mod scribe;
mod segment;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::{AgentState, Fate, SegmentEnd, Text};
use livekit::data_stream::api::SendTextOptions;
use livekit::prelude::LocalParticipant;
use livekit::webrtc::outbox::Outbox;
use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::Instrument;

pub(crate) use self::allowance::{Allowance, Grant};
use self::announcer::{Announcement, Announcer};
pub use self::progress::Progress;
pub(crate) use self::scribe::{Scribe, Words};
use self::segment::Outlet;
use self::writer::Writer;
use super::audio::OwnTrack;
use super::text::CHAT_TOPIC;

pub(super) const STATE_ATTRIBUTE: &str = "lk.agent.state";

/// Words waiting to be written.
const WORDS: usize = 64;
/// Places of the queue that are kept for opening and closing segments.
const RESERVED: usize = 8;
/// The bytes that may be under way when more is written: words of an interrupted reply are still heard, and the next
/// answer comes after them. The SDK's own limit of 2 MiB is never reached.
const UNDER_WAY: u64 = 64 << 10;
/// States waiting to be announced. A session makes four a turn, and each takes a round trip to the server.
const STATES: usize = 64;
/// How long the last words may take to leave when a session ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The agent's voice in one room.
pub struct TranscriptWriter {
    words: mpsc::Sender<Word>,
    states: mpsc::Sender<Announcement>,
    line: watch::Sender<Line>,
    /// More of a segment may be written.
    raised: Arc<Notify>,
    outbox: Outbox,
    state: AgentState,
    writing: JoinHandle<()>,
    announcing: JoinHandle<()>,
    states_dropped: u64,
}

/// Why something could not be written to a room.
#[derive(Debug, Error)]
pub enum WriteError {
    #[error("it took longer than {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("the connection was lost")]
    Lost,
    #[error("the connection to the room was lost, and newer replies took its place")]
    Replaced,
    #[error("{0}")]
    Sdk(String),
}

/// The connection to the room.
#[derive(Clone, Copy, Debug)]
struct Line {
    up: bool,
    /// Counts how often we have joined the room anew.
    stay: u32,
    /// When it was lost last.
    lost: Option<Instant>,
}

/// A segment that was opened, as the session knows it.
pub struct Opened {
    pub progress: Progress,
    ended: oneshot::Receiver<SegmentEnd>,
}

enum Word {
    Open {
        /// The recipients; an empty list is the whole room.
        only: Vec<String>,
        progress: Progress,
        ended: oneshot::Sender<SegmentEnd>,
    },
    Say(Text),
    /// The segment ends; these people get it as a chat message, too.
    Close(Vec<String>),
}

// === impl TranscriptWriter ===

impl TranscriptWriter {
    pub(super) fn start(
        participant: LocalParticipant,
        outbox: Outbox,
        own_track: OwnTrack,
        agent_name: &str,
    ) -> Self {
        let (words, words_rx) = mpsc::channel(WORDS);
        let (states, states_rx) = mpsc::channel(STATES);
        let (line, line_rx) = watch::channel(Line { up: true, stay: 0, lost: None });
        let raised = Arc::<Notify>::default();
        let outlet = Outlet::new(participant.clone(), outbox.clone(), own_track);
        let writer = Writer::new(outlet, line_rx, raised.clone());
        let writing = tokio::spawn(writer.run(words_rx).in_current_span());
        let announcer = Announcer::new(participant, agent_name.to_owned());
        let announcing = tokio::spawn(announcer.run(states_rx).in_current_span());
        let state = AgentState::Initializing;
        Self { words, states, line, raised, outbox, state, writing, announcing, states_dropped: 0 }
    }

    /// Waits until there is room for more words.
    pub async fn ready(&self) {
        // An error means the task is gone; then words go nowhere and the caller should not wait for it.
        let _ = self.words.reserve_many(RESERVED).await;
    }

    /// For a segment that is written as it is heard.
    pub(crate) fn allowance(&self) -> (Grant, Allowance) {
        Grant::new(self.raised.clone())
    }

    /// Begins to say something to these people; an empty list is the whole room. With an allowance, no more is written
    /// than it lets.
    pub(crate) async fn open_segment(&self, only: Vec<String>, allowance: Option<Allowance>) -> Opened {
        let progress = Progress::new(self.outbox.clone(), allowance);
        let (tell, ended) = oneshot::channel();
        self.put(Word::Open { only, progress: progress.clone(), ended: tell }).await;
        Opened { progress, ended }
    }

    pub async fn say(&self, text: Text) {
        self.put(Word::Say(text)).await;
    }

    /// Ends the segment. These people get the whole of it as a chat message, too.
    pub async fn close_segment(&self, chat: Vec<String>) {
        self.put(Word::Close(chat)).await;
    }

    /// Stops a segment that is under way, at once; it is still to be closed. `heard` are the bytes of it that were heard,
    /// where it was spoken. Returns its fate.
    pub(crate) fn cut(&self, segment: &Progress, heard: Option<usize>) -> SegmentEnd {
        segment.cut(!self.line.borrow().up, heard)
    }

    /// Announces the agent's state, in order. When the server is too slow for all of them, the newest are dropped
    /// from the queue's end only until there is room again, and counted.
    pub fn announce(&mut self, state: AgentState) {
        self.state = state;
        self.tell(Announcement { state, rejoined: false });
    }

    fn tell(&mut self, announcement: Announcement) {
        if self.states.try_send(announcement).is_err() {
            self.states_dropped += 1;
            tracing::debug!(dropped = self.states_dropped, "lk.agent.state could not be announced");
        }
    }

    /// The connection to the room is lost: text that is said from now on waits.
    pub fn away(&self) {
        self.line.send_modify(|line| {
            if line.up {
                (line.up, line.lost) = (false, Some(Instant::now()));
            }
        });
    }

    /// Announces the state once more: a participant who has rejoined has the attributes that its token gave it.
    pub fn show(&mut self) {
        self.tell(Announcement { state: self.state, rejoined: true });
    }

    /// The connection is back, and a person is there to hear us.
    pub fn back(&self, rejoined: bool) {
        self.line.send_modify(|line| {
            line.up = true;
            line.stay += u32::from(rejoined);
        });
    }

    /// Lets the last words out, then ends both tasks.
    pub async fn finish(self) {
        drop((self.words, self.states));
        let mut writing = self.writing;
        if tokio::time::timeout(FLUSH_TIMEOUT, &mut writing).await.is_err() {
            writing.abort();
        }
        self.announcing.abort();
    }

    async fn put(&self, word: Word) {
        // The task only ends with the session; no part is left to report unsent words to.
        let _ = self.words.send(word).await;
    }
}

// === impl WriteError ===

impl WriteError {
    fn of_sdk(error: impl std::error::Error) -> Self {
        Self::Sdk(error.to_string())
    }
}

// === impl Opened ===

impl Opened {
    /// The fate of the segment, which is settled while the room is joined.
    pub async fn ended(self) -> SegmentEnd {
        // The speaker drops a segment without reporting its fate only when it has broken down.
        let broken = || Fate::Failed("the task that writes to the room broke down".to_owned());
        self.ended.await.unwrap_or_else(|_| SegmentEnd { delivered: 0, fate: broken() })
    }
}

/// Writes one whole text on `lk.chat`.
pub(super) async fn chat(participant: &LocalParticipant, text: &str) -> Result<(), WriteError> {
    let options = SendTextOptions::new_with_topic(CHAT_TOPIC);
    participant.send_text(text, options).await.map(drop).map_err(WriteError::of_sdk)
}
