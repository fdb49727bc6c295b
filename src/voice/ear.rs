//! What a session is told of one microphone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::Text;
use speech_services::{Report, Trouble};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::Instrument;

use super::Listening;
use super::hearing_account::HearingAccount;
use super::listener::{Gone, Listener};
use super::spoken_lately::SpokenLately;
use crate::event_log::Recorder;
use crate::metrics::Metrics;
use crate::room::audio::{Microphone, RATE};

/// What was heard and waits for the session. Frames wait with it, in the SDK's bounded queue.
const HEARD: usize = 32;

/// What a session is told of a microphone.
pub(crate) enum Heard {
    /// Speech began at this time. Sound that may be an echo is told of by its words alone.
    Speech {
        at: Instant,
    },
    /// Speech ended at this time; its words may follow.
    Silence {
        at: Instant,
    },
    /// The speech so far had no words, or was an echo of the agent's own.
    Nothing,
    /// What was understood of the turn so far; the turn itself follows.
    Words {
        segment: String,
        text: Text,
    },
    /// The turn may have ended. It follows, with these words or with others.
    MayHaveEnded(Box<SpokenTurn>),
    Turn(Box<SpokenTurn>),
    /// The turn before was longer: this is all of it.
    Grown(Box<SpokenTurn>),
    /// Speech could not be transcribed. The turn has the words that were understood before.
    Failed(Box<SpokenTurn>, Trouble),
}

/// A turn that was spoken.
pub(crate) struct SpokenTurn {
    pub(crate) segment: String,
    pub(crate) text: Text,
    /// The last moment of speech; None if the detector heard none.
    pub(crate) last_speech: Option<Instant>,
    /// When the last transcript came.
    pub(crate) final_at: Option<Instant>,
    /// When it was decided that the turn has ended.
    pub(crate) ended: Instant,
    /// The length of its speech.
    pub(crate) heard: Duration,
    /// The requests for its transcripts.
    pub(crate) requests: Vec<Report>,
}

/// Hears a microphone until it is dropped.
pub(crate) struct Ear {
    speaker: String,
    track: String,
    heard: mpsc::Receiver<Heard>,
    task: AbortHandle,
}

// === impl SpokenTurn ===

impl SpokenTurn {
    /// A turn that ends now and made no request.
    pub(super) fn new(now: Instant, segment: String, text: Text) -> Self {
        let (last_speech, final_at, heard, requests) = (None, None, Duration::ZERO, Vec::new());
        Self { segment, text, last_speech, final_at, ended: now, heard, requests }
    }
}

// === impl Ear ===

impl Ear {
    pub(crate) fn open(
        microphone: Microphone,
        listening: &Listening,
        spoken: Arc<SpokenLately>,
        metrics: &Metrics,
        recorder: Recorder,
    ) -> Self {
        let (out, heard) = mpsc::channel(HEARD);
        let (speaker, track) = (microphone.speaker().to_owned(), microphone.track().to_owned());
        let account = HearingAccount::new(metrics);
        let listening = listen(microphone, listening.clone(), spoken, account, recorder, out);
        let task = tokio::spawn(listening.in_current_span());
        Self { speaker, track, heard, task: task.abort_handle() }
    }

    pub(crate) fn speaker(&self) -> &str {
        &self.speaker
    }

    pub(crate) fn track(&self) -> &str {
        &self.track
    }

    /// What is heard next. None: the microphone is gone. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    microphone: Microphone,
    listening: Listening,
    lately: Arc<SpokenLately>,
    account: HearingAccount,
    recorder: Recorder,
    out: mpsc::Sender<Heard>,
) {
    match listening.provider.open(RATE, None).await {
        Ok(ends) => {
            let listener = Listener::new(microphone, ends, &listening, lately, account, recorder, out);
            let _: Result<(), Gone> = listener.run().await;
        }
        Err(trouble) => {
            let nothing = SpokenTurn::new(Instant::now(), String::new(), Text::default());
            // The session may be gone.
            let _ = out.send(Heard::Failed(Box::new(nothing), trouble)).await;
        }
    }
}
