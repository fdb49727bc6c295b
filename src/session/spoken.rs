//! How a session hears and speaks: what the ear tells becomes turns and transcripts, and what the machine says is
//! spoken as well as written.

use std::time::{Duration, Instant};

use conversation::{AgentState, Text, Utterance, Way};
use tokio::sync::oneshot;

use crate::room::audio::Microphone;
use crate::room::text::Reading;
use crate::room::transcript::{Allowance, TranscriptWriter, Words};
use crate::room::{Room, Scribe};
use crate::telemetry::spans::{SpeechPart, SpeechRequest, SpokenTimes, TurnContext};
use crate::voice::{Ear, Heard, Listening, Mouth, Said, SoundEnd, SpokenTurn, Voice};

use super::Session;
use super::machine::{Event, UserTurn};

/// Spoken turns on their way through the machine.
const KEPT: usize = 16;

/// The ear and the mouth of a session; without both, nothing here costs anything.
pub(super) struct Speech {
    listening: Option<Listening>,
    ear: Option<Ear>,
    scribe: Option<Scribe>,
    mouth: Option<Mouth>,
    /// The spoken turns that the machine has not asked about yet.
    spoken: Vec<SpokenTurn>,
    /// The turn under way.
    turn: Option<Turn>,
    /// The segments that are to be heard and are not over.
    sounding: Vec<u64>,
    /// The segment that was opened last is to be heard.
    is_spoken: bool,
    shown: Shown,
}

/// News of the ear and the mouth.
pub(super) enum News {
    /// None: the microphone is gone.
    Heard(Option<Heard>),
    Said(Said),
}

/// The turn under way.
struct Turn {
    number: u64,
    context: TurnContext,
    /// None: it was written.
    spoken: Option<Times>,
    first_sound: Option<Instant>,
    tts_ttfb: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Times {
    last_speech: Option<Instant>,
    final_at: Option<Instant>,
    ended: Instant,
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
        for (segment, heard) in &silenced {
            self.cut_text(*segment, Some(*heard));
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

    pub(super) fn told(&mut self, news: News) {
        match news {
            News::Heard(heard) => self.heard(heard),
            News::Said(said) => self.said(said),
        }
    }

    fn heard(&mut self, heard: Option<Heard>) {
        let Some(heard) = heard else {
            self.speech.ear = None;
            return self.speech.resume();
        };
        match heard {
            Heard::Speech => self.speech.pause(),
            Heard::Nothing => self.speech.resume(),
            Heard::Words { segment, text } => self.speech.write(segment, text, false),
            Heard::Turn(turn) => self.spoken(*turn),
            Heard::Failed(trouble) => {
                let why = trouble.failure.message;
                tracing::warn!(
                    class = trouble.failure.class,
                    "what a person said could not be transcribed: {why}"
                );
            }
        }
    }

    fn said(&mut self, said: Said) {
        match said {
            Said::Began { segment, at, time_to_first_byte } => {
                self.speech.began(segment, at, time_to_first_byte)
            }
            Said::Ended { segment } => self.speech.ended(segment),
            Said::Failed(trouble) => {
                let why = trouble.failure.message;
                tracing::warn!(class = trouble.failure.class, "a reply is not spoken, and stays text: {why}");
            }
        }
        self.show_state();
    }

    /// A turn that was spoken takes the way of those that are written.
    fn spoken(&mut self, turn: SpokenTurn) {
        let Some(speaker) = self.speech.ear.as_ref().map(|ear| ear.speaker().to_owned()) else { return };
        let utterance = Utterance {
            speaker: speaker.clone(),
            text: turn.text.clone(),
            segment: Some(turn.segment.clone()),
            way: Way::Transcription,
            ..Utterance::default()
        };
        self.speech.write(turn.segment.clone(), turn.text.clone(), true);
        self.speech.keep(turn);
        if !self.take_whole(&speaker, Reading::Turn(utterance)) {
            self.speech.resume();
        }
    }
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
    pub(super) fn open(room: &mut Room, voice: &Voice) -> Self {
        if voice.hearing.is_some() {
            room.hear();
        }
        Self {
            listening: voice.hearing.clone(),
            ear: None,
            scribe: voice.hearing.as_ref().map(|hearing| room.scribe(hearing.language.clone())),
            mouth: voice.speaking.as_ref().map(|speech| Mouth::open(speech, room.loudspeaker())),
            spoken: Vec::new(),
            turn: None,
            sounding: Vec::new(),
            is_spoken: false,
            shown: Shown::default(),
        }
    }

    /// Hears this microphone from now on.
    pub(super) fn listen(&mut self, microphone: Microphone) {
        tracing::info!(track = microphone.track(), "a person is heard");
        self.ear = self.listening.as_ref().map(|listening| Ear::open(microphone, listening));
    }

    /// What is heard or was said next. Pending without an ear and a mouth.
    pub(super) async fn next(&mut self) -> News {
        tokio::select! {
            heard = heard(&mut self.ear) => News::Heard(heard),
            said = said(&mut self.mouth) => News::Said(said),
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
        let context = self.turn.as_ref().map(|turn| turn.context.clone());
        self.sounding.push(segment);
        let (grant, allowance) = transcript.allowance();
        Some((mouth.begin(segment, context, grant).await, allowance))
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

    /// Silences all that is under way. Returns the bytes of each segment that were heard. [`Speech::cut`] is to follow.
    fn silence(&mut self) -> Vec<(u64, usize)> {
        let Some(mouth) = self.mouth.as_ref().filter(|_| !self.sounding.is_empty()) else {
            return Vec::new();
        };
        let segments = std::mem::take(&mut self.sounding);
        self.shown.is_sounding = false;
        let heard = mouth.silence(&segments);
        segments.into_iter().zip(heard).collect()
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

    fn pause(&self) {
        if let Some(mouth) = &self.mouth {
            mouth.pause();
        }
    }

    pub(super) fn resume(&self) {
        if let Some(mouth) = &self.mouth {
            mouth.resume();
        }
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

    fn take(&mut self, utterance: &Utterance) -> Option<SpokenTurn> {
        let segment = utterance.segment.as_ref()?;
        let at = self.spoken.iter().position(|turn| turn.segment == *segment)?;
        Some(self.spoken.remove(at))
    }

    fn begin_turn(&mut self, number: u64, context: TurnContext, spoken: Option<SpokenTurn>) {
        if let (Some(turn), Some(listening)) = (&spoken, &self.listening) {
            for report in &turn.requests {
                context.speech(&SpeechRequest {
                    part: SpeechPart::Stt,
                    model: &listening.server.model,
                    server_address: &listening.server.address,
                    server_port: listening.server.port,
                    report,
                });
            }
        }
        let spoken = spoken.map(|turn| Times {
            last_speech: turn.last_speech,
            final_at: turn.final_at,
            ended: turn.ended,
        });
        self.turn = Some(Turn { number, context, spoken, first_sound: None, tts_ttfb: None });
    }

    /// The times of a turn that is over; its latency counts from the last speech, and to the first sound.
    pub(super) fn end_turn(&mut self, number: u64, latency: &mut Option<Duration>) -> SpokenTimes {
        let Some(turn) = self.turn.take_if(|turn| turn.number == number) else {
            return SpokenTimes::default();
        };
        *latency = latency.map(|latency| turn.latency(latency));
        let spoken = turn.spoken;
        let last = spoken.and_then(|times| times.last_speech);
        let since = |at: Option<Instant>| at?.checked_duration_since(last?);
        SpokenTimes {
            transcription_delay: since(spoken.and_then(|times| times.final_at)),
            end_of_turn_delay: since(spoken.map(|times| times.ended)),
            tts_ttfb: turn.tts_ttfb,
        }
    }

    fn began(&mut self, segment: u64, at: Instant, time_to_first_byte: Option<Duration>) {
        self.shown.is_sounding = true;
        if let Some(turn) = self.turn.as_mut().filter(|_| self.sounding.contains(&segment)) {
            turn.first_sound.get_or_insert(at);
            turn.tts_ttfb = turn.tts_ttfb.or(time_to_first_byte);
        }
    }

    fn ended(&mut self, segment: u64) {
        self.sounding.retain(|sounding| *sounding != segment);
        self.shown.is_sounding &= !self.sounding.is_empty();
    }

    /// The state to announce, where it has changed.
    fn state(&mut self) -> Option<AgentState> {
        self.mouth.as_ref()?;
        self.shown.changed(!self.sounding.is_empty())
    }
}

// === impl Turn ===

impl Turn {
    /// `written` is from the end of the turn to the first word.
    fn latency(&self, written: Duration) -> Duration {
        let Some(Times { last_speech: Some(last), ended, .. }) = self.spoken else { return written };
        match self.first_sound {
            Some(first) => first.saturating_duration_since(last),
            None => written + ended.saturating_duration_since(last),
        }
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
    fn began(&self) -> Option<Instant> {
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
