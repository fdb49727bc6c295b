//! The texts of a session on their way to sound: pieces, requests, samples.
//!
//! The segment that was opened first is spoken, the others wait. While a piece sounds the next one is asked for. Each
//! segment ends exactly once: when its last sample was played, when its speech failed, when it is cut, or when no
//! participant hears it. Its text is let through as it is heard, and whole at its end or when its sound is late.

mod request;
mod segment;
mod speaker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::Text;
use speech::playout::Hold;
use speech_services::Trouble;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::Instrument;

use self::segment::Segment;
use self::speaker::Speaker;
use super::Speech;
use super::piece_request::SpokenTo;
use super::player::{Shared, play};
use super::spoken_lately::SpokenLately;
use crate::metrics::Metrics;
use crate::room::audio::Loudspeaker;
use crate::room::transcript::Grant;

/// Commands that wait for the mouth, which never waits with one.
const COMMANDS: usize = 64;
/// News for the session.
const NEWS: usize = 32;

/// What became of the sound of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundEnd {
    Whole,
    Cut,
    /// It has no sound, or not all of it: the text counts.
    Silent,
}

/// How far a segment had come when it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The bytes of its text that were heard.
    pub(crate) heard: usize,
    /// The length of its sound that was played.
    pub(crate) played: Duration,
}

/// News of the sound.
pub(crate) enum Said {
    /// The first sample of a segment was played.
    Began {
        segment: u64,
        at: Instant,
    },
    Ended {
        segment: u64,
    },
    /// The rest of a segment is not spoken.
    Failed(Trouble),
}

/// The agent's voice in one session.
pub(crate) struct Mouth {
    commands: mpsc::Sender<Command>,
    news: mpsc::Receiver<Said>,
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

/// What segments are spoken with.
struct Voice {
    speech: Speech,
    metrics: Metrics,
    lately: Arc<SpokenLately>,
}

enum Command {
    Open(Box<Segment>),
    Say(Text),
    Close,
    /// All segments were cut.
    Cut,
}

// === impl Mouth ===

impl Mouth {
    pub(crate) fn open(
        speech: &Speech,
        metrics: &Metrics,
        loudspeaker: Loudspeaker,
        lately: Arc<SpokenLately>,
    ) -> Self {
        let (commands, taken) = mpsc::channel(COMMANDS);
        let (sender, news) = mpsc::channel(NEWS);
        let shared = Arc::new(Shared::default());
        let voice = Voice { speech: speech.clone(), metrics: metrics.clone(), lately };
        let speaker = Speaker::new(voice, taken, sender, shared.clone());
        let player = tokio::spawn(play(shared.clone(), loudspeaker).in_current_span()).abort_handle();
        let speaker = tokio::spawn(speaker.run().in_current_span()).abort_handle();
        Self { commands, news, shared, tasks: [player, speaker] }
    }

    /// Begins a segment, whose text is let through by `grant`. The receiver gets its end.
    pub(crate) async fn begin(
        &self,
        segment: u64,
        turn: Option<SpokenTo>,
        grant: Grant,
    ) -> oneshot::Receiver<SoundEnd> {
        let (ended, end) = oneshot::channel();
        self.put(Command::Open(Box::new(Segment::new(segment, turn, grant, ended)))).await;
        end
    }

    pub(crate) async fn say(&self, text: Text) {
        self.put(Command::Say(text)).await;
    }

    pub(crate) async fn close(&self) {
        self.put(Command::Close).await;
    }

    /// Stops at once, until [`Mouth::resume`].
    pub(crate) fn pause(&self) {
        self.shared.change(|playout| playout.hold(Hold::Speech));
    }

    pub(crate) fn resume(&self) {
        self.shared.change(|playout| playout.release(Hold::Speech));
    }

    /// The connection is lost: sound waits.
    pub(crate) fn away(&self) {
        self.shared.change(|playout| playout.hold(Hold::Line));
    }

    /// The connection is back; `rejoined` with another track.
    pub(crate) fn back(&self, rejoined: bool) {
        if rejoined {
            return self.shared.joined_anew.notify_one();
        }
        self.shared.change(|playout| playout.release(Hold::Line));
    }

    /// Silences all segments at once. Returns how far each of these had come. [`Mouth::cut`] is still to be called, once
    /// the texts are cut: it lets them be written.
    pub(crate) fn silence(&self, segments: &[u64]) -> Vec<Cut> {
        self.shared.change(|playout| {
            let cut =
                |segment: &u64| Cut { heard: playout.heard(*segment), played: playout.sounded(*segment) };
            let cut = segments.iter().map(cut).collect();
            playout.clear();
            cut
        })
    }

    /// Ends all segments.
    pub(crate) async fn cut(&self) {
        self.put(Command::Cut).await;
    }

    /// The next news. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        self.news.recv().await
    }

    async fn put(&self, command: Command) {
        // The task only ends with the session.
        let _ = self.commands.send(command).await;
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
