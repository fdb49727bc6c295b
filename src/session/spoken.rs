//! How a session hears and speaks: what the ear tells becomes turns and transcripts, and what the machine says is
//! spoken as well as written.

mod shown;
mod speech;

use std::time::Instant;

use ::speech::interruption::{self, Verdict};
use conversation::{AgentState, Utterance};
use redaction::Privacy;
use speech_services::Trouble;

use crate::room::text::Reading;
use crate::telemetry::spans::TurnContext;
use crate::voice::{Heard, Said, SpokenTurn};

use super::Session;
use super::machine::{Event, UserTurn};

pub(super) use self::speech::Speech;

/// News of the ear and the mouth.
pub(super) enum News {
    /// None: the microphone is gone.
    Heard(Option<Heard>),
    Said(Said),
    /// The voice may have to pause or to go on.
    Tick,
}

// === impl Session ===

impl Session<'_> {
    pub(super) fn set_state(&mut self, state: AgentState) {
        if !self.speech.want(state) {
            self.transcript.announce(state);
        }
    }

    /// Announces the state once a step is done, where it follows the sound.
    pub(super) fn show_state(&mut self) {
        if let Some(state) = self.speech.state() {
            self.transcript.announce(state);
        }
    }

    /// Opens the turn's trace. What the agent still says of its own is silenced.
    pub(super) async fn begin_turn(&mut self, turn: u64, said: UserTurn) -> TurnContext {
        self.silence().await;
        let spoken = self.speech.take(&said.utterance);
        let began = spoken.as_ref().and_then(SpokenTurn::began);
        let context = self.ledger.begin(turn, said, began);
        self.speech.begin_turn(turn, context.clone(), spoken);
        context
    }

    /// Silences all that is said, and cuts its text where it was heard. Returns which segments that were.
    pub(super) async fn silence(&mut self) -> Vec<u64> {
        let silenced = self.speech.silence();
        for (segment, cut) in &silenced {
            self.cut_text(*segment, Some(cut.heard));
        }
        if !silenced.is_empty() {
            self.speech.cut().await;
        }
        silenced.into_iter().map(|(segment, _)| segment).collect()
    }

    /// Cuts the text of a segment. The end of one that is not known any more has been reported already.
    pub(super) fn cut_text(&mut self, segment: u64, heard: Option<usize>) {
        if let Some(end) = self.segments.cut(segment, heard, &self.transcript) {
            self.happened.push_back(super::now(Event::SegmentEnded { segment, end }));
        }
    }

    pub(super) async fn told(&mut self, news: News) {
        match news {
            News::Heard(Some(heard)) => self.heard(heard).await,
            News::Heard(None) => self.speech.deafen(),
            News::Said(said) => self.said(said),
            News::Tick => self.speech.step(interruption::Event::Tick),
        }
        self.take_waiting();
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Speech { at } => self.speech.step(interruption::Event::SpeechStarted { at }),
            Heard::Silence { at } => self.speech.step(interruption::Event::SpeechEnded { at }),
            Heard::Nothing => self.speech.step(interruption::Event::Nothing),
            Heard::Words { segment, text } => {
                self.speech.step(interruption::Event::Words(text.expose()));
                self.speech.write(segment, text, false);
            }
            Heard::MayHaveEnded(turn) => self.may_have_ended(*turn).await,
            Heard::Turn(turn) => self.spoken(*turn),
            Heard::Grown(turn) => self.grown(*turn).await,
            Heard::Failed(turn, trouble) => self.not_understood(*turn, trouble).await,
        }
    }

    fn said(&mut self, said: Said) {
        match said {
            Said::Began { segment, at } => {
                self.speech.began(segment, at);
                self.voice_works(true);
            }
            Said::Ended { segment } => self.speech.ended(segment),
            Said::Failed(trouble) => {
                let why = trouble.failure.message;
                tracing::warn!(class = trouble.failure.class, "a reply is not spoken, and stays text: {why}");
                self.voice_works(false);
            }
        }
        self.show_state();
    }

    fn voice_works(&mut self, works: bool) {
        if self.speech.voice_worked(works) != works {
            let event = if works { Event::VoiceWorks } else { Event::VoiceFailed };
            self.happened.push_back(super::now(event));
        }
    }

    /// A turn that may have ended is put to the model, unless the agent is about to say something.
    async fn may_have_ended(&mut self, turn: SpokenTurn) {
        let Some(utterance) = self.speech.utterance(&turn) else { return };
        if self.speech.voice() == interruption::Voice::Silent {
            self.speech.may_have_ended(turn.last_speech);
            let said = user_turn(utterance, self.parts.tracer.privacy().clone()).await;
            self.happened.push_back(super::now(Event::Preemptive(said)));
        }
    }

    /// A turn that was spoken takes the way of those that are written.
    fn spoken(&mut self, turn: SpokenTurn) {
        self.speech.write(turn.segment.clone(), turn.text.clone(), true);
        match self.speech.verdict(turn.text.expose()) {
            Verdict::Interrupts => self.take_turn(turn),
            Verdict::Waits => self.speech.wait(turn),
            Verdict::Backchannel => {
                tracing::debug!("a person showed that they listen; the reply goes on");
                self.speech.turn_ended();
            }
        }
    }

    fn take_turn(&mut self, turn: SpokenTurn) {
        if let Some(utterance) = self.speech.utterance(&turn) {
            self.take_utterance(turn, utterance);
        }
    }

    fn take_utterance(&mut self, turn: SpokenTurn, utterance: Utterance) {
        let speaker = utterance.speaker.clone();
        self.speech.keep(turn);
        if !self.take_whole(&speaker, Reading::Turn(utterance)) {
            self.speech.turn_ended();
        }
    }

    /// Takes a turn that waited for the end of a reply.
    fn take_waiting(&mut self) {
        if let Some((turn, utterance)) = self.speech.waited() {
            self.take_utterance(turn, utterance);
        }
    }

    /// Words came late: they belong to the turn before.
    async fn grown(&mut self, turn: SpokenTurn) {
        let Some(utterance) = self.speech.utterance(&turn) else { return };
        self.speech.write(turn.segment.clone(), turn.text.clone(), true);
        self.speech.keep(turn);
        let said = user_turn(utterance, self.parts.tracer.privacy().clone()).await;
        self.happened.push_back(super::now(Event::Grown(said)));
    }

    async fn not_understood(&mut self, turn: SpokenTurn, trouble: Trouble) {
        let failure = trouble.failure;
        let (class, why) = (&failure.class, &failure.message);
        tracing::warn!(class, "what a person said could not be transcribed: {why}");
        self.speech.step(interruption::Event::Nothing);
        self.speech.turn_ended();
        let Some(utterance) = self.speech.utterance(&turn) else { return };
        self.speech.keep(turn);
        let said = user_turn(utterance, self.parts.tracer.privacy().clone()).await;
        self.happened.push_back(super::now(Event::Unheard(said, failure)));
    }
}

async fn user_turn(utterance: Utterance, privacy: Privacy) -> UserTurn {
    let recorded = privacy.record(&utterance.text).await;
    UserTurn { utterance, recorded }
}

// === impl SpokenTurn ===

impl SpokenTurn {
    /// The beginning of the turn's trace: its last speech, or its first request where that is earlier.
    pub(super) fn began(&self) -> Option<Instant> {
        let requests = self.requests.iter().map(|report| report.started);
        self.last_speech.into_iter().chain(requests).min()
    }
}
