//! The ear and the mouth of a session, and the turn under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use conversation::{AgentState, Text, Utterance, Way};
use speech::interruption::{self, Interruption};
use tokio::sync::oneshot;

use super::News;
use super::shown::Shown;
use crate::event_log::Recorder;
use crate::metrics::{Metrics, Pause};
use crate::room::audio::Microphone;
use crate::room::transcript::{Allowance, TranscriptWriter, Words};
use crate::room::{Room, Scribe};
use crate::runtime::sleep_until;
use crate::session::spoken_record::{SpokenQuestion, SpokenRecord};
use crate::telemetry::spans::{SpeechPart, SpeechRequest, TurnContext};
use crate::voice::{
    Cut, Ear, Heard, Listening, Mouth, ReplyRecord, Said, SoundEnd, SpokenLately, SpokenTo, SpokenTurn, Voice,
};

/// Spoken turns on their way through the machine, and those that wait for the end of a reply.
const KEPT: usize = 16;

/// The ear and the mouth of a session; without both, nothing here costs anything.
pub(in crate::session) struct Speech {
    metrics: Metrics,
    listening: Option<Listening>,
    ear: Option<Ear>,
    scribe: Option<Scribe>,
    mouth: Option<Mouth>,
    spoken_lately: Arc<SpokenLately>,
    interruption: Interruption,
    recorder: Recorder,
    /// The turns that came during a reply that is not to be interrupted.
    waiting: VecDeque<(SpokenTurn, Utterance)>,
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
    /// The last text that was to be spoken began to sound, or there was none.
    voice_works: bool,
    shown: Shown,
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

// === impl Speech ===

impl Speech {
    pub(in crate::session) fn open(
        room: &mut Room,
        voice: &Voice,
        metrics: &Metrics,
        recorder: &Recorder,
    ) -> Self {
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
            recorder: recorder.clone(),
            waiting: VecDeque::new(),
            last_speech: None,
            spoken: Vec::new(),
            turn: None,
            sounding: Vec::new(),
            is_spoken: false,
            voice_works: true,
            shown: Shown::default(),
        }
    }

    /// Hears this microphone from now on.
    pub(in crate::session) fn listen(&mut self, microphone: Microphone) {
        tracing::info!(track = microphone.track(), "a person is heard");
        let (spoken, recorder) = (self.spoken_lately.clone(), self.recorder.clone());
        let open = |listening| Ear::open(microphone, listening, spoken, &self.metrics, recorder);
        self.ear = self.listening.as_ref().map(open);
    }

    /// What is heard or was said next. Pending without an ear and a mouth.
    pub(in crate::session) async fn next(&mut self) -> News {
        let deadline = self.interruption.deadline();
        tokio::select! {
            heard = heard(&mut self.ear) => News::Heard(heard),
            said = said(&mut self.mouth) => News::Said(said),
            () = sleep_until(deadline) => News::Tick,
        }
    }

    /// Opens a segment, whose text waits for its sound. The receiver is told when it was spoken. None: it is text only.
    pub(in crate::session) async fn open_segment(
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

    pub(in crate::session) async fn say(&self, text: &Text) {
        if let Some(mouth) = self.mouth.as_ref().filter(|_| self.is_spoken) {
            mouth.say(text.clone()).await;
        }
    }

    pub(in crate::session) async fn close_segment(&self) {
        if let Some(mouth) = self.mouth.as_ref().filter(|_| self.is_spoken) {
            mouth.close().await;
        }
    }

    /// Silences all that is under way. Returns how far each segment had come. [`Speech::cut`] is to follow.
    pub(super) fn silence(&mut self) -> Vec<(u64, Cut)> {
        let Some(mouth) = self.mouth.as_ref().filter(|_| !self.sounding.is_empty()) else {
            return Vec::new();
        };
        let segments = std::mem::take(&mut self.sounding);
        self.shown.is_sounding = false;
        let cut: Vec<(u64, Cut)> = segments.iter().copied().zip(mouth.silence(&segments)).collect();
        if let Some(turn) = &self.turn {
            cut.iter().for_each(|(segment, cut)| turn.cut(*segment, *cut));
        }
        if self.interruption.is_paused() {
            self.metrics.instruments.speech_pauses.add(Pause::Interrupted);
        }
        self.voice_changed();
        cut
    }

    /// Ends all that was silenced, once its text is cut.
    pub(super) async fn cut(&self) {
        if let Some(mouth) = &self.mouth {
            mouth.cut().await;
        }
    }

    /// The connection is lost: sound waits.
    pub(in crate::session) fn away(&self) {
        self.mouth.iter().for_each(Mouth::away);
    }

    /// The connection is back; `rejoined` with another track.
    pub(in crate::session) fn back(&self, rejoined: bool) {
        self.mouth.iter().for_each(|mouth| mouth.back(rejoined));
    }

    /// The microphone is gone.
    pub(super) fn deafen(&mut self) {
        self.ear = None;
        self.step(interruption::Event::Nothing);
        self.turn_ended();
    }

    /// A turn has ended, and is answered or dismissed.
    pub(in crate::session) fn turn_ended(&mut self) {
        self.step(interruption::Event::TurnEnded);
    }

    pub(super) fn step(&mut self, event: interruption::Event<'_>) {
        let action = self.recorder.interruption_step(&mut self.interruption, Instant::now(), event);
        match (action, &self.mouth) {
            (Some(interruption::Action::Pause), Some(mouth)) => mouth.pause(),
            (Some(interruption::Action::Resume), Some(mouth)) => {
                mouth.resume();
                self.metrics.instruments.speech_pauses.add(Pause::Resumed);
            }
            _ => {}
        }
    }

    /// What becomes of a turn of these words now.
    pub(super) fn verdict(&self, text: &str) -> interruption::Verdict {
        self.recorder.verdict(&self.interruption, text)
    }

    /// The agent's voice, as it is for people.
    pub(super) fn voice(&self) -> interruption::Voice {
        match self.shown.is_sounding {
            true => interruption::Voice::Sounding,
            false if self.sounding.is_empty() => interruption::Voice::Silent,
            false => interruption::Voice::Coming,
        }
    }

    fn voice_changed(&mut self) {
        let voice = self.voice();
        if self.interruption.voice() != voice {
            self.step(interruption::Event::Voice(voice));
        }
    }

    /// A turn may have ended with this speech.
    pub(super) fn may_have_ended(&mut self, last_speech: Option<Instant>) {
        self.last_speech = last_speech;
    }

    pub(in crate::session) fn last_speech(&self) -> Option<Instant> {
        self.last_speech
    }

    /// What was said, in the name of the person who is heard.
    pub(super) fn utterance(&self, turn: &SpokenTurn) -> Option<Utterance> {
        Some(Utterance {
            speaker: self.ear.as_ref()?.speaker().to_owned(),
            text: turn.text.clone(),
            segment: Some(turn.segment.clone()),
            way: Way::Transcription,
            ..Utterance::default()
        })
    }

    /// Keeps a turn until the reply is over. Of too many the oldest is dropped.
    pub(super) fn wait(&mut self, turn: SpokenTurn) {
        if self.waiting.len() == KEPT {
            tracing::warn!("a person said more than {KEPT} turns during a reply; the oldest is not answered");
            self.waiting.pop_front();
        }
        if let Some(utterance) = self.utterance(&turn) {
            self.waiting.push_back((turn, utterance));
        }
        self.turn_ended();
    }

    /// The turn that has waited longest, once the reply is over.
    pub(super) fn waited(&mut self) -> Option<(SpokenTurn, Utterance)> {
        if self.voice() == interruption::Voice::Silent { self.waiting.pop_front() } else { None }
    }

    /// Writes what the person said into the room.
    pub(super) fn write(&self, segment: String, text: Text, is_final: bool) {
        if let (Some(scribe), Some(ear)) = (&self.scribe, &self.ear) {
            let (speaker, track) = (ear.speaker().to_owned(), ear.track().to_owned());
            scribe.write(Words { speaker, track, segment, text, is_final });
        }
    }

    /// Keeps a turn until the machine asks about it. One that it never asks about is dropped for later ones.
    pub(super) fn keep(&mut self, turn: SpokenTurn) {
        if self.spoken.len() == KEPT {
            self.spoken.remove(0);
        }
        self.spoken.push(turn);
    }

    pub(in crate::session) fn take(&mut self, utterance: &Utterance) -> Option<SpokenTurn> {
        let segment = utterance.segment.as_ref()?;
        let at = self.spoken.iter().position(|turn| turn.segment == *segment)?;
        Some(self.spoken.remove(at))
    }

    pub(super) fn begin_turn(&mut self, number: u64, context: TurnContext, spoken: Option<SpokenTurn>) {
        if let Some(spoken) = &spoken {
            self.trace(&context, spoken);
        }
        let question = spoken.map(SpokenQuestion::from);
        let reply = ReplyRecord::default();
        self.turn = Some(Turn { number, context, question, segment: None, reply, first_sound: None });
    }

    /// Traces the requests for a turn's transcripts.
    pub(in crate::session) fn trace(&self, context: &TurnContext, spoken: &SpokenTurn) {
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
    pub(in crate::session) fn end_turn(&mut self, number: u64) -> SpokenRecord {
        let turn = self.turn.take_if(|turn| turn.number == number);
        turn.map(Turn::record).unwrap_or_default()
    }

    pub(super) fn began(&mut self, segment: u64, at: Instant) {
        self.shown.is_sounding = true;
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.segment == Some(segment)) {
            turn.first_sound.get_or_insert(at);
        }
        self.voice_changed();
    }

    pub(super) fn ended(&mut self, segment: u64) {
        self.sounding.retain(|sounding| *sounding != segment);
        self.shown.is_sounding &= !self.sounding.is_empty();
        self.voice_changed();
    }

    /// Takes note of the state that follows the sound. False: nothing sounds in this session.
    pub(super) fn want(&mut self, state: AgentState) -> bool {
        if self.mouth.is_some() {
            self.shown.want(state);
        }
        self.mouth.is_some()
    }

    /// Takes note of whether the voice works, and returns whether it did before.
    pub(super) fn voice_worked(&mut self, works: bool) -> bool {
        std::mem::replace(&mut self.voice_works, works)
    }

    /// The state to announce, where it has changed.
    pub(super) fn state(&mut self) -> Option<AgentState> {
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
