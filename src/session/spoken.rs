//! How a session hears and speaks: what the ear tells becomes turns and transcripts, and what the machine says is
//! spoken as well as written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use conversation::{AgentState, Text, Utterance, Way};
use redaction::Privacy;
use speech::interruption::{self, Interruption, Verdict};
use speech_services::Trouble;
use tokio::sync::oneshot;

use crate::metrics::{Metrics, Pause};
use crate::room::audio::Microphone;
use crate::room::text::Reading;
use crate::room::transcript::{Allowance, TranscriptWriter, Words};
use crate::room::{Room, Scribe};
use crate::runtime::sleep_until;
use crate::telemetry::spans::{SpeechPart, SpeechRequest, TurnContext};
use crate::voice::{
    Cut, Ear, Heard, Listening, Mouth, ReplyRecord, Said, SoundEnd, SpokenLately, SpokenTo, SpokenTurn, Voice,
};

use super::Session;
use super::machine::{Event, UserTurn};
use super::spoken_record::{SpokenQuestion, SpokenRecord};

/// Spoken turns on their way through the machine, and those that wait for the end of a reply.
const KEPT: usize = 16;

/// The ear and the mouth of a session; without both, nothing here costs anything.
pub(super) struct Speech {
    metrics: Metrics,
    listening: Option<Listening>,
    ear: Option<Ear>,
    scribe: Option<Scribe>,
    mouth: Option<Mouth>,
    spoken_lately: Arc<SpokenLately>,
    interruption: Interruption,
    voice: interruption::Voice,
    /// The turns that came during a reply that is not to be interrupted.
    waiting: VecDeque<SpokenTurn>,
    /// The last moment of the speech that may have been a turn.
    last_speech: Option<Instant>,
    /// The spoken turns that the machine has not asked about yet.
    spoken: Vec<SpokenTurn>,
    /// The turn under way.
    turn: Option<Turn>,
    /// The segments that are to be heard and are not over.
    sounding: Vec<u64>,
    /// The segment that was opened last is to be heard.
    is_spoken: bool,
    /// The reply pauses for a sound.
    is_paused: bool,
    shown: Shown,
}

/// News of the ear and the mouth.
pub(super) enum News {
    /// None: the microphone is gone.
    Heard(Option<Heard>),
    Said(Said),
    /// The voice may have to pause or to go on.
    Tick,
}

/// The turn under way.
struct Turn {
    number: u64,
    context: TurnContext,
    /// None: it was written.
    question: Option<SpokenQuestion>,
    /// The segment of the reply.
    segment: Option<u64>,
    reply: ReplyRecord,
    first_sound: Option<Instant>,
}

/// The state that people see: it follows the sound.
struct Shown {
    wanted: AgentState,
    /// The wanted state before it was to speak.
    before: AgentState,
    is_sounding: bool,
    announced: Option<AgentState>,
}

// === impl Session ===

impl Session<'_> {
    pub(super) fn set_state(&mut self, state: AgentState) {
        if self.speech.mouth.is_none() {
            return self.transcript.announce(state);
        }
        self.speech.shown.want(state);
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
        self.take_waiting().await;
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
            Said::Began { segment, at } => self.speech.began(segment, at),
            Said::Ended { segment } => self.speech.ended(segment),
            Said::Failed(trouble) => {
                let why = trouble.failure.message;
                tracing::warn!(class = trouble.failure.class, "a reply is not spoken, and stays text: {why}");
            }
        }
        self.show_state();
    }

    /// A turn that may have ended is put to the model, unless the agent is about to say something.
    async fn may_have_ended(&mut self, turn: SpokenTurn) {
        let Some(utterance) = self.speech.utterance(&turn) else { return };
        if self.speech.voice() == interruption::Voice::Silent {
            self.speech.last_speech = turn.last_speech;
            let said = user_turn(utterance, self.parts.tracer.privacy().clone()).await;
            self.happened.push_back(super::now(Event::Preemptive(said)));
        }
    }

    /// A turn that was spoken takes the way of those that are written.
    fn spoken(&mut self, turn: SpokenTurn) {
        self.speech.write(turn.segment.clone(), turn.text.clone(), true);
        match self.speech.interruption.verdict(turn.text.expose()) {
            Verdict::Interrupts => self.take_turn(turn),
            Verdict::Waits => self.speech.wait(turn),
            Verdict::Backchannel => {
                tracing::debug!("a person showed that they listen; the reply goes on");
                self.speech.turn_ended();
            }
        }
    }

    fn take_turn(&mut self, turn: SpokenTurn) {
        let Some(utterance) = self.speech.utterance(&turn) else { return };
        let speaker = utterance.speaker.clone();
        self.speech.keep(turn);
        if !self.take_whole(&speaker, Reading::Turn(utterance)) {
            self.speech.turn_ended();
        }
    }

    /// Takes a turn that waited for the end of a reply.
    async fn take_waiting(&mut self) {
        if self.speech.voice() != interruption::Voice::Silent {
            return;
        }
        if let Some(turn) = self.speech.waiting.pop_front() {
            self.take_turn(turn);
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

async fn heard(ear: &mut Option<Ear>) -> Option<Heard> {
    match ear {
        Some(ear) => ear.next().await,
        None => std::future::pending().await,
    }
}

async fn said(mouth: &mut Option<Mouth>) -> Said {
    if let Some(mouth) = mouth
        && let Some(said) = mouth.next().await
    {
        return said;
    }
    std::future::pending().await
}

// === impl Speech ===

impl Speech {
    pub(super) fn open(room: &mut Room, voice: &Voice, metrics: &Metrics) -> Self {
        if voice.hearing.is_some() {
            room.hear();
        }
        let spoken_lately = Arc::<SpokenLately>::default();
        Self {
            metrics: metrics.clone(),
            listening: voice.hearing.clone(),
            ear: None,
            scribe: voice.hearing.as_ref().map(|hearing| room.scribe(hearing.language.clone())),
            mouth: voice
                .speaking
                .as_ref()
                .map(|speech| Mouth::open(speech, metrics, room.loudspeaker(), spoken_lately.clone())),
            spoken_lately,
            interruption: Interruption::new(voice.interruption.clone()),
            voice: interruption::Voice::Silent,
            waiting: VecDeque::new(),
            last_speech: None,
            spoken: Vec::new(),
            turn: None,
            sounding: Vec::new(),
            is_spoken: false,
            is_paused: false,
            shown: Shown::default(),
        }
    }

    /// Hears this microphone from now on.
    pub(super) fn listen(&mut self, microphone: Microphone) {
        tracing::info!(track = microphone.track(), "a person is heard");
        let spoken = self.spoken_lately.clone();
        self.ear =
            self.listening.as_ref().map(|listening| Ear::open(microphone, listening, spoken, &self.metrics));
    }

    /// What is heard or was said next. Pending without an ear and a mouth.
    pub(super) async fn next(&mut self) -> News {
        let deadline = self.interruption.deadline();
        tokio::select! {
            heard = heard(&mut self.ear) => News::Heard(heard),
            said = said(&mut self.mouth) => News::Said(said),
            () = sleep_until(deadline) => News::Tick,
        }
    }

    /// Opens a segment, whose text waits for its sound. The receiver is told when it was spoken. None: it is text only.
    pub(super) async fn open_segment(
        &mut self,
        segment: u64,
        is_for_all: bool,
        transcript: &TranscriptWriter,
    ) -> Option<(oneshot::Receiver<SoundEnd>, Allowance)> {
        self.is_spoken = is_for_all;
        let mouth = self.mouth.as_ref().filter(|_| is_for_all)?;
        let turn = self.turn.as_mut().map(|turn| turn.replied(segment));
        self.sounding.push(segment);
        let (grant, allowance) = transcript.allowance();
        let end = mouth.begin(segment, turn, grant).await;
        self.voice_changed();
        Some((end, allowance))
    }

    pub(super) async fn say(&self, text: &Text) {
        if let Some(mouth) = self.mouth.as_ref().filter(|_| self.is_spoken) {
            mouth.say(text.clone()).await;
        }
    }

    pub(super) async fn close_segment(&self) {
        if let Some(mouth) = self.mouth.as_ref().filter(|_| self.is_spoken) {
            mouth.close().await;
        }
    }

    /// Silences all that is under way. Returns how far each segment had come. [`Speech::cut`] is to follow.
    fn silence(&mut self) -> Vec<(u64, Cut)> {
        let Some(mouth) = self.mouth.as_ref().filter(|_| !self.sounding.is_empty()) else {
            return Vec::new();
        };
        let segments = std::mem::take(&mut self.sounding);
        self.shown.is_sounding = false;
        let cut: Vec<(u64, Cut)> = segments.iter().copied().zip(mouth.silence(&segments)).collect();
        if let Some(turn) = &self.turn {
            cut.iter().for_each(|(segment, cut)| turn.cut(*segment, *cut));
        }
        self.end_pause(Pause::Interrupted);
        self.voice_changed();
        cut
    }

    /// Ends all that was silenced, once its text is cut.
    async fn cut(&self) {
        if let Some(mouth) = &self.mouth {
            mouth.cut().await;
        }
    }

    /// The connection is lost: sound waits.
    pub(super) fn away(&self) {
        self.mouth.iter().for_each(Mouth::away);
    }

    /// The connection is back; `rejoined` with another track.
    pub(super) fn back(&self, rejoined: bool) {
        self.mouth.iter().for_each(|mouth| mouth.back(rejoined));
    }

    /// The microphone is gone.
    fn deafen(&mut self) {
        self.ear = None;
        self.step(interruption::Event::Nothing);
        self.turn_ended();
    }

    /// A turn has ended, and is answered or dismissed.
    pub(super) fn turn_ended(&mut self) {
        self.step(interruption::Event::TurnEnded);
    }

    fn step(&mut self, event: interruption::Event<'_>) {
        let action = self.interruption.step(Instant::now(), event);
        match (action, &self.mouth) {
            (Some(interruption::Action::Pause), Some(mouth)) => {
                mouth.pause();
                self.is_paused = true;
            }
            (Some(interruption::Action::Resume), Some(mouth)) => {
                mouth.resume();
                self.end_pause(Pause::Resumed);
            }
            _ => {}
        }
    }

    fn end_pause(&mut self, how: Pause) {
        if std::mem::take(&mut self.is_paused) {
            self.metrics.instruments.speech_pauses.add(how);
        }
    }

    /// The agent's voice, as it is for people.
    fn voice(&self) -> interruption::Voice {
        match self.shown.is_sounding {
            true => interruption::Voice::Sounding,
            false if self.sounding.is_empty() => interruption::Voice::Silent,
            false => interruption::Voice::Coming,
        }
    }

    fn voice_changed(&mut self) {
        let voice = self.voice();
        if std::mem::replace(&mut self.voice, voice) != voice {
            self.step(interruption::Event::Voice(voice));
        }
    }

    pub(super) fn last_speech(&self) -> Option<Instant> {
        self.last_speech
    }

    /// What was said, in the name of the person who is heard.
    fn utterance(&self, turn: &SpokenTurn) -> Option<Utterance> {
        Some(Utterance {
            speaker: self.ear.as_ref()?.speaker().to_owned(),
            text: turn.text.clone(),
            segment: Some(turn.segment.clone()),
            way: Way::Transcription,
            ..Utterance::default()
        })
    }

    /// Keeps a turn until the reply is over. Of too many the oldest is dropped.
    fn wait(&mut self, turn: SpokenTurn) {
        if self.waiting.len() == KEPT {
            tracing::warn!("a person said more than {KEPT} turns during a reply; the oldest is not answered");
            self.waiting.pop_front();
        }
        self.waiting.push_back(turn);
        self.turn_ended();
    }

    /// Writes what the person said into the room.
    fn write(&self, segment: String, text: Text, is_final: bool) {
        if let (Some(scribe), Some(ear)) = (&self.scribe, &self.ear) {
            let (speaker, track) = (ear.speaker().to_owned(), ear.track().to_owned());
            scribe.write(Words { speaker, track, segment, text, is_final });
        }
    }

    /// Keeps a turn until the machine asks about it. One that it never asks about is dropped for later ones.
    fn keep(&mut self, turn: SpokenTurn) {
        if self.spoken.len() == KEPT {
            self.spoken.remove(0);
        }
        self.spoken.push(turn);
    }

    pub(super) fn take(&mut self, utterance: &Utterance) -> Option<SpokenTurn> {
        let segment = utterance.segment.as_ref()?;
        let at = self.spoken.iter().position(|turn| turn.segment == *segment)?;
        Some(self.spoken.remove(at))
    }

    fn begin_turn(&mut self, number: u64, context: TurnContext, spoken: Option<SpokenTurn>) {
        if let Some(spoken) = &spoken {
            self.trace(&context, spoken);
        }
        let question = spoken.map(SpokenQuestion::from);
        let reply = ReplyRecord::default();
        self.turn = Some(Turn { number, context, question, segment: None, reply, first_sound: None });
    }

    /// Traces the requests for a turn's transcripts.
    pub(super) fn trace(&self, context: &TurnContext, spoken: &SpokenTurn) {
        let Some(Listening { server, .. }) = &self.listening else { return };
        for report in &spoken.requests {
            context.speech(&SpeechRequest {
                part: SpeechPart::Stt,
                model: &server.model,
                server_address: &server.address,
                server_port: server.port,
                report,
            });
        }
    }

    /// What is recorded of the speech of a turn that is over.
    pub(super) fn end_turn(&mut self, number: u64) -> SpokenRecord {
        let turn = self.turn.take_if(|turn| turn.number == number);
        turn.map(Turn::record).unwrap_or_default()
    }

    fn began(&mut self, segment: u64, at: Instant) {
        self.shown.is_sounding = true;
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.segment == Some(segment)) {
            turn.first_sound.get_or_insert(at);
        }
        self.voice_changed();
    }

    fn ended(&mut self, segment: u64) {
        self.sounding.retain(|sounding| *sounding != segment);
        self.shown.is_sounding &= !self.sounding.is_empty();
        self.voice_changed();
    }

    /// The state to announce, where it has changed.
    fn state(&mut self) -> Option<AgentState> {
        self.mouth.as_ref()?;
        self.shown.changed(!self.sounding.is_empty())
    }
}

// === impl Turn ===

impl Turn {
    /// Its reply is said in this segment.
    fn replied(&mut self, segment: u64) -> SpokenTo {
        self.segment.get_or_insert(segment);
        SpokenTo { context: self.context.clone(), record: self.reply.clone() }
    }

    fn cut(&self, segment: u64, cut: Cut) {
        if self.segment == Some(segment) {
            self.reply.played(cut.played);
            self.reply.cut(cut.heard);
        }
    }

    fn record(self) -> SpokenRecord {
        SpokenRecord::new(self.question, self.reply.reply(), self.first_sound)
    }
}

// === impl Shown ===

impl Default for Shown {
    fn default() -> Self {
        let initial = AgentState::Initializing;
        Self { wanted: initial, before: initial, is_sounding: false, announced: None }
    }
}

impl Shown {
    fn want(&mut self, state: AgentState) {
        if state != AgentState::Speaking {
            self.before = state;
        }
        self.wanted = state;
    }

    /// The state to announce, where it has changed. `is_to_sound`: words are on their way to sound.
    fn changed(&mut self, is_to_sound: bool) -> Option<AgentState> {
        let state = match self.wanted {
            _ if self.is_sounding => AgentState::Speaking,
            AgentState::Speaking if is_to_sound => self.before,
            wanted => wanted,
        };
        (self.announced.replace(state) != Some(state)).then_some(state)
    }
}

// === impl SpokenTurn ===

impl SpokenTurn {
    /// The beginning of the turn's trace: its last speech, or its first request where that is earlier.
    pub(super) fn began(&self) -> Option<Instant> {
        let requests = self.requests.iter().map(|report| report.started);
        self.last_speech.into_iter().chain(requests).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_speaks_for_people_while_it_sounds() {
        let mut shown = Shown::default();
        shown.want(AgentState::Thinking);
        assert_eq!(shown.changed(false), Some(AgentState::Thinking));
        shown.want(AgentState::Speaking);
        assert_eq!(shown.changed(true), None, "its words are not heard yet");
        shown.is_sounding = true;
        assert_eq!(shown.changed(true), Some(AgentState::Speaking));
        shown.want(AgentState::Listening);
        assert_eq!(shown.changed(true), None, "it still sounds");
        shown.is_sounding = false;
        assert_eq!(shown.changed(false), Some(AgentState::Listening));
    }

    #[test]
    fn words_without_sound_are_spoken_as_they_are_written() {
        let mut shown = Shown::default();
        shown.want(AgentState::Speaking);
        assert_eq!(shown.changed(false), Some(AgentState::Speaking));
    }
}
