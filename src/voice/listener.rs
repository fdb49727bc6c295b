//! Hears one microphone: voice activity, transcripts and the end of a turn become what a session is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::Text;
use speech::echo::{self, is_echo};
use speech::turn::rules::{Completeness, completeness};
use speech::turn::{self, Turn, TurnEnded, Verdict};
use speech::vad::{self, Vad};
use speech_services::hearing::{self, Events, Mark, RequestReport, Sink};
use speech_services::{Report, Trouble};
use tokio::sync::mpsc;

use super::Listening;
use super::ear::{Heard, SpokenTurn};
use super::hearing_account::HearingAccount;
use super::loudness::Loudness;
use super::speech_time::SpeechTime;
use super::spoken_lately::SpokenLately;
use crate::event_log::Recorder;
use crate::room::audio::Microphone;
use crate::runtime::sleep_until;

/// The requests of one turn that are traced.
const REQUESTS: usize = 32;
/// How long the transcripts of what was said before the microphone went are waited for.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// One microphone under way.
pub(super) struct Listener {
    microphone: Microphone,
    /// None once the microphone is gone.
    sink: Option<Sink>,
    texts: Events,
    vad: Vad,
    turn: Turn,
    preemptive: bool,
    lately: Arc<SpokenLately>,
    spoken: SpeechTime,
    account: HearingAccount,
    recorder: Recorder,
    loudness: Loudness,
    /// The speech under way that the session was not told of: since when.
    untold: Option<Instant>,
    /// The id of the turn under way, once words of it were understood, and that of the turn before.
    segment: Option<String>,
    last_segment: String,
    requests: Vec<Report>,
    out: mpsc::Sender<Heard>,
}

/// The session has gone, or the provider.
pub(super) struct Gone;

// === impl Listener ===

impl Listener {
    pub(super) fn new(
        microphone: Microphone,
        (sink, texts): (Sink, Events),
        listening: &Listening,
        lately: Arc<SpokenLately>,
        account: HearingAccount,
        recorder: Recorder,
        out: mpsc::Sender<Heard>,
    ) -> Self {
        recorder.microphone();
        Self {
            microphone,
            sink: Some(sink),
            texts,
            vad: Vad::new(listening.vad.clone()),
            turn: Turn::new(listening.turn.clone()),
            preemptive: listening.preemptive,
            lately,
            spoken: SpeechTime::default(),
            account,
            recorder,
            loudness: Loudness::default(),
            untold: None,
            segment: None,
            last_segment: String::new(),
            requests: Vec::new(),
            out,
        }
    }

    pub(super) async fn run(mut self) -> Result<(), Gone> {
        loop {
            let deadline = [self.turn.deadline(), self.vad.deadline()].into_iter().flatten().min();
            tokio::select! {
                biased;
                text = self.texts.next() => self.understand(text.ok_or(Gone)?).await?,
                frame = self.microphone.next() => match frame {
                    Some(frame) => {
                        self.hear(&frame.data).await?;
                        self.microphone.reuse(frame);
                    }
                    None => return self.finish().await,
                },
                () = sleep_until(deadline) => self.tick().await?,
            }
        }
    }

    /// A frame takes some microseconds of processor time, and Silero's windows a tenth of a millisecond.
    async fn hear(&mut self, frame: &[i16]) -> Result<(), Gone> {
        let now = Instant::now();
        if let Some(sink) = &mut self.sink {
            sink.audio(frame);
            self.account.dropped(sink.dropped());
        }
        for event in self.vad.step(now, frame) {
            self.detected(now, event).await?;
        }
        if self.vad.is_speaking() {
            self.loudness.hear(self.vad.level().now);
            self.tell_speech().await?;
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
        if let Some(sink) = &mut self.sink {
            sink.mark(mark);
        }
        match event {
            turn::Event::SpeechStarted { at } => {
                self.loudness.begin();
                self.untold = Some(at);
            }
            turn::Event::SpeechEnded { at } => {
                self.untold = None;
                self.tell(Heard::Silence { at }).await?;
            }
            _ => {}
        }
        self.judge(now, event).await
    }

    /// Tells of speech, unless it is so quiet that it may be an echo.
    async fn tell_speech(&mut self) -> Result<(), Gone> {
        match self.untold.take_if(|_| !self.loudness.is_quiet()) {
            Some(at) => self.tell(Heard::Speech { at }).await,
            None => Ok(()),
        }
    }

    async fn understand(&mut self, event: hearing::Event) -> Result<(), Gone> {
        let now = Instant::now();
        match event {
            hearing::Event::Partial { text } => {
                self.tell_words(&text).await?;
                self.judge(now, turn::Event::Partial(text.expose())).await
            }
            hearing::Event::EagerEnd { text } => self.may_have_ended(now, &text).await,
            hearing::Event::Final(text) => self.understood(now, &text.text).await,
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
            hearing::Event::Failed(trouble) => self.failed(now, trouble).await,
            hearing::Event::SpeechStarted { .. } | hearing::Event::Resumed | hearing::Event::Usage { .. } => {
                Ok(())
            }
        }
    }

    async fn understood(&mut self, now: Instant, text: &Text) -> Result<(), Gone> {
        if self.is_echo(now, text) {
            self.account.echo();
            return self.nothing().await;
        }
        self.loudness.is_person();
        self.tell_words(text).await?;
        self.judge(now, turn::Event::Final(text.expose())).await?;
        // A provider that tells of no probable end may still wait for the turn's delay.
        let text = Text::from(self.turn.finals());
        if text.is_empty() { Ok(()) } else { self.tell_end(now, text).await }
    }

    /// The utterance has probably ended with this text.
    async fn may_have_ended(&mut self, now: Instant, text: &Text) -> Result<(), Gone> {
        if self.is_echo(now, text) {
            return self.tell(Heard::Nothing).await;
        }
        self.tell_words(text).await?;
        self.tell_end(now, self.turn.text_with(text.expose()).into()).await
    }

    async fn tell_end(&mut self, now: Instant, text: Text) -> Result<(), Gone> {
        if !self.preemptive || completeness(text.expose()) == Completeness::Unfinished {
            return Ok(());
        }
        let (segment, last_speech) = (self.segment(), self.turn.last_speech());
        let turn = SpokenTurn { last_speech, ..SpokenTurn::new(now, segment, text) };
        self.tell(Heard::MayHaveEnded(Box::new(turn))).await
    }

    async fn tell_words(&mut self, text: &Text) -> Result<(), Gone> {
        let (segment, text) = (self.segment(), self.turn.text_with(text.expose()).into());
        self.tell(Heard::Words { segment, text }).await
    }

    fn is_echo(&self, now: Instant, text: &Text) -> bool {
        let heard = echo::Heard { text: text.expose(), level: self.loudness.relative() };
        is_echo(heard, &self.lately.text(now))
    }

    async fn tick(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        if let Some(vad::Event::SpeechEnded { at }) = self.vad.tick(now) {
            self.detected(now, vad::Event::SpeechEnded { at }).await?;
        }
        self.judge(now, turn::Event::Tick).await
    }

    /// An utterance had no words. A turn whose other words are known goes on.
    async fn nothing(&mut self) -> Result<(), Gone> {
        if self.turn.text().is_empty() {
            self.requests.clear();
            self.spoken.take();
            self.segment = None;
        }
        self.tell(Heard::Nothing).await?;
        self.judge(Instant::now(), turn::Event::Nothing).await
    }

    /// The words of an utterance are lost, and with them the turn.
    async fn failed(&mut self, now: Instant, trouble: Trouble) -> Result<(), Gone> {
        let last_speech = self.turn.last_speech();
        let heard = self.recorder.turn_close(&mut self.turn).unwrap_or_default();
        let turn =
            SpokenTurn { last_speech: last_speech.or(heard.last_speech), ..self.spoken_turn(now, heard) };
        self.tell(Heard::Failed(Box::new(turn), trouble)).await
    }

    async fn judge(&mut self, now: Instant, event: turn::Event<'_>) -> Result<(), Gone> {
        match self.recorder.turn_step(&mut self.turn, now, event) {
            None => Ok(()),
            Some(Verdict::Ended(ended)) => {
                let turn = self.spoken_turn(now, ended);
                self.tell(Heard::Turn(Box::new(turn))).await
            }
            Some(Verdict::Grown(ended)) => {
                self.segment = Some(self.last_segment.clone());
                let turn = self.spoken_turn(now, ended);
                self.tell(Heard::Grown(Box::new(turn))).await
            }
        }
    }

    fn spoken_turn(&mut self, now: Instant, heard: TurnEnded) -> SpokenTurn {
        self.last_segment = self.segment();
        self.segment = None;
        SpokenTurn {
            segment: self.last_segment.clone(),
            text: heard.text.into(),
            last_speech: heard.last_speech,
            final_at: heard.final_at,
            ended: now,
            heard: self.spoken.take(),
            requests: std::mem::take(&mut self.requests),
        }
    }

    /// The microphone is gone: what was said before it went is still understood, and is a turn.
    async fn finish(mut self) -> Result<(), Gone> {
        let now = Instant::now();
        if self.vad.is_speaking() {
            self.detected(now, vad::Event::SpeechEnded { at: now }).await?;
        }
        self.sink = None;
        let until = tokio::time::Instant::now() + LAST_WORDS;
        while let Ok(Some(text)) = tokio::time::timeout_at(until, self.texts.next()).await {
            self.understand(text).await?;
        }
        let Some(heard) = self.recorder.turn_close(&mut self.turn) else { return Ok(()) };
        let turn = self.spoken_turn(Instant::now(), heard);
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
