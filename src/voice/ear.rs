//! Hears one microphone: voice activity, transcripts and the end of a turn become what a session is told.

use std::time::{Duration, Instant};

use conversation::Text;
use speech::turn::{self, Turn, Verdict};
use speech::vad::{self, Vad};
use speech_services::hearing::{self, Events, Mark, RequestReport, Sink};
use speech_services::{Report, Trouble};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::Instrument;

use super::Listening;
use super::hearing_account::HearingAccount;
use super::speech_time::SpeechTime;
use crate::metrics::Metrics;
use crate::room::audio::{Microphone, RATE};

/// What was heard and waits for the session. Frames wait with it, in the SDK's bounded queue.
const HEARD: usize = 32;
/// The requests of one turn that are traced.
const REQUESTS: usize = 32;

/// What a session is told of a microphone.
pub(crate) enum Heard {
    /// Speech has begun.
    Speech,
    /// Speech has ended, and no words were understood.
    Nothing,
    /// What was understood of the turn so far; the turn itself follows.
    Words {
        segment: String,
        text: Text,
    },
    Turn(Box<SpokenTurn>),
    /// Speech could not be transcribed.
    Failed(Trouble),
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

/// One microphone under way.
struct Listener {
    microphone: Microphone,
    sink: Sink,
    texts: Events,
    vad: Vad,
    turn: Turn,
    resume_after: Duration,
    /// The id of the turn under way, once words of it were understood.
    segment: Option<String>,
    requests: Vec<Report>,
    spoken: SpeechTime,
    account: HearingAccount,
    /// When speech without words counts as nothing.
    nothing_at: Option<Instant>,
    out: mpsc::Sender<Heard>,
}

/// The session has gone, or the microphone.
struct Gone;

// === impl Ear ===

impl Ear {
    pub(crate) fn open(microphone: Microphone, listening: &Listening, metrics: &Metrics) -> Self {
        let (out, heard) = mpsc::channel(HEARD);
        let (speaker, track) = (microphone.speaker().to_owned(), microphone.track().to_owned());
        let (listening, account) = (listening.clone(), HearingAccount::new(metrics));
        let listen = async move {
            match listening.provider.open(RATE, None).await {
                Ok((sink, texts)) => {
                    drop(Listener::new(microphone, sink, texts, &listening, account, out).run().await)
                }
                Err(trouble) => drop(out.send(Heard::Failed(trouble)).await),
            }
        };
        let task = tokio::spawn(listen.in_current_span()).abort_handle();
        Self { speaker, track, heard, task }
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

// === impl Listener ===

impl Listener {
    fn new(
        microphone: Microphone,
        sink: Sink,
        texts: Events,
        listening: &Listening,
        account: HearingAccount,
        out: mpsc::Sender<Heard>,
    ) -> Self {
        Self {
            microphone,
            sink,
            texts,
            vad: Vad::new(listening.vad.clone()),
            turn: Turn::new(listening.turn.clone()),
            resume_after: listening.resume_after,
            segment: None,
            requests: Vec::new(),
            spoken: SpeechTime::default(),
            account,
            nothing_at: None,
            out,
        }
    }

    async fn run(mut self) -> Result<(), Gone> {
        loop {
            let deadline =
                [self.turn.deadline(), self.vad.deadline(), self.nothing_at].into_iter().flatten().min();
            tokio::select! {
                biased;
                text = self.texts.next() => self.understand(text.ok_or(Gone)?).await?,
                frame = self.microphone.next() => self.hear(&frame.ok_or(Gone)?).await?,
                () = sleep_until(deadline) => self.tick().await?,
            }
        }
    }

    /// A frame takes some microseconds of processor time, and Silero's windows a tenth of a millisecond.
    async fn hear(&mut self, frame: &[i16]) -> Result<(), Gone> {
        let now = Instant::now();
        let is_taken = self.sink.audio(frame);
        self.account.frame(is_taken);
        for event in self.vad.step(now, frame) {
            self.detected(now, event).await?;
        }
        self.account.passed_over(self.vad.passed_over(), self.vad.level());
        Ok(())
    }

    async fn detected(&mut self, now: Instant, event: vad::Event) -> Result<(), Gone> {
        self.spoken.step(event);
        let (mark, event) = match event {
            vad::Event::SpeechStarted { at } => (Mark::Began, turn::Event::SpeechStarted { at }),
            vad::Event::SpeechPaused { at } => (Mark::Paused, turn::Event::SpeechPaused { at }),
            vad::Event::SpeechResumed { at } => (Mark::Resumed, turn::Event::SpeechResumed { at }),
            vad::Event::SpeechEnded { at } => (Mark::Ended, turn::Event::SpeechEnded { at }),
        };
        self.sink.mark(mark);
        if mark == Mark::Began {
            self.nothing_at = None;
            self.tell(Heard::Speech).await?;
        }
        if let turn::Event::SpeechEnded { at } = event {
            self.nothing_at = Some(at + self.resume_after);
        }
        self.judge(now, event).await
    }

    async fn understand(&mut self, event: hearing::Event) -> Result<(), Gone> {
        let now = Instant::now();
        match event {
            hearing::Event::Final(text) => {
                self.nothing_at = None;
                let words = format!("{} {}", self.turn.text(), text.text.expose());
                let (segment, words) = (self.segment(), Text::from(words.trim()));
                self.tell(Heard::Words { segment, text: words }).await?;
                self.judge(now, turn::Event::Final(text.text.expose())).await
            }
            hearing::Event::EndOfTurn { .. } => self.judge(now, turn::Event::EndOfTurn).await,
            hearing::Event::Request(report) => {
                let RequestReport(report) = *report;
                self.account.request(&report);
                if self.requests.len() < REQUESTS {
                    self.requests.push(report);
                }
                Ok(())
            }
            hearing::Event::NothingSaid => {
                self.account.no_words();
                self.nothing().await
            }
            hearing::Event::Failed(trouble) => {
                self.tell(Heard::Failed(trouble)).await?;
                self.nothing().await
            }
            hearing::Event::Partial { .. }
            | hearing::Event::SpeechStarted { .. }
            | hearing::Event::EagerEnd { .. }
            | hearing::Event::Resumed
            | hearing::Event::Usage { .. } => Ok(()),
        }
    }

    async fn tick(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        if let Some(vad::Event::SpeechEnded { at }) = self.vad.tick(now) {
            self.detected(now, vad::Event::SpeechEnded { at }).await?;
        }
        if self.nothing_at.is_some_and(|at| now >= at) {
            self.nothing().await?;
        }
        self.judge(now, turn::Event::Tick).await
    }

    /// Speech had no words. A turn whose other words are known goes on.
    async fn nothing(&mut self) -> Result<(), Gone> {
        self.nothing_at = None;
        if self.vad.is_speaking() || !self.turn.text().is_empty() {
            return Ok(());
        }
        self.requests.clear();
        self.spoken.take();
        self.tell(Heard::Nothing).await
    }

    async fn judge(&mut self, now: Instant, event: turn::Event<'_>) -> Result<(), Gone> {
        // Words that come late make a turn of their own, with the words before them, which interrupts the one without.
        let Some(Verdict::Ended(ended) | Verdict::Grown(ended)) = self.turn.step(now, event) else {
            return Ok(());
        };
        self.nothing_at = None;
        let segment = self.segment();
        self.segment = None;
        let turn = SpokenTurn {
            segment,
            text: ended.text.into(),
            last_speech: ended.last_speech,
            final_at: ended.final_at,
            ended: now,
            heard: self.spoken.take(),
            requests: std::mem::take(&mut self.requests),
        };
        self.tell(Heard::Turn(Box::new(turn))).await
    }

    fn segment(&mut self) -> String {
        let new = || std::iter::repeat_with(fastrand::alphanumeric).take(12).collect::<String>();
        self.segment.get_or_insert_with(|| format!("SG_{}", new())).clone()
    }

    async fn tell(&self, heard: Heard) -> Result<(), Gone> {
        self.out.send(heard).await.map_err(|_| Gone)
    }
}

/// Pending for ever without a deadline.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
